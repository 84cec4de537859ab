package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/scheduler"
)

// growSurplus asks for half of n tasks, that are on as many nodes in racks of ten and want to be even over nodes and racks.
func growSurplus(b *testing.B, n int) {
	g := berth.NewGroup("app", berth.GroupSpec{Rules: []berth.Constraint{constraints.GroupBy("rack"), constraints.GroupBy(berth.NodeID)}})
	f := cluster.NewFork()
	for i := range n {
		id := fmt.Sprintf("n%d", i)
		require.NoError(b, f.AddNodes(berth.Node{ID: id, Attributes: berth.Attributes{"rack": fmt.Sprint(i / 10)}}))
		require.NoError(b, f.Adopt(g.Task(fmt.Sprintf("t%d", i)), id, nil, berth.Running))
	}
	snapshot := f.Snapshot()
	for b.Loop() {
		tasks, err := scheduler.Surplus(snapshot, g, n/2)
		require.NoError(b, err)
		require.Len(b, tasks, n/2)
	}
}

package cluster_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
)

// What a fork remembers of domains grows with the nodes, not with the nodes times the groups.
func TestDomainsRememberedAreBounded(t *testing.T) {
	f := cluster.NewFork()
	var nodes []berth.Node
	for i := range 2000 {
		nodes = append(nodes, berth.Node{ID: fmt.Sprint("n", i)})
	}
	require.NoError(t, f.AddNodes(nodes...))
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	n, _ := f.Node("n5")
	before := heap()
	for i := range 200 {
		g := berth.NewGroup(fmt.Sprint("g", i), berth.GroupSpec{Rules: []berth.Constraint{constraints.NotEq("x", fmt.Sprint(i)), constraints.GroupBy(berth.NodeID)}})
		require.True(t, f.Fits(g, n))
		require.Equal(t, berth.Domains{Number: 2000}, f.Domains(g, berth.NodeID))
	}
	assert.Less(t, heap()-before, int64(2<<20), "200 x 2000 entries are 10 MiB and more, 4 x 2000 far less than one")
	runtime.KeepAlive(f)
}

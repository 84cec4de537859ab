package placement_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// growTargets places as many tasks as there are racks, which have one part of all each, by a rule and by the term.
func growTargets(b *testing.B, n int) {
	percent := map[any]int{}
	var nodes []berth.Node
	for i := range n {
		rack := fmt.Sprintf("r%d", i)
		if i < 50 {
			percent[rack] = 1
		}
		nodes = append(nodes, berth.Node{ID: fmt.Sprintf("n%d", i), Capacity: amounts{"cpu": 100_000}, Attributes: berth.Attributes{"rack": rack}})
	}
	s, g := snapshotOf(b, nodes...), request("g", 1, 0, constraints.Targets("rack", 10*n, percent))
	e := placement.NewEngine(placement.Best(placement.Targets("rack", percent)).Then(placement.InUse()))
	tasks := g.Tasks(n)
	for b.Loop() {
		e.Start(s)
		for _, t := range tasks {
			_, ok := e.Place(t)
			require.True(b, ok)
		}
	}
}

package constraints_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
)

// A share holds for whatever order they come in: no zone gets more than it, and one more always finds a place where it leaves room
// for all. Of three zones each has at most half, so with two tasks at most one each.
func TestMaxShareOfTasks(t *testing.T) {
	g := berth.NewGroup("g", berth.GroupSpec{Rules: []berth.Constraint{constraints.MaxShare("zone", 50)}})
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(
		berth.Node{ID: "n1", Attributes: berth.Attributes{"zone": "a"}},
		berth.Node{ID: "n2", Attributes: berth.Attributes{"zone": "b"}},
		berth.Node{ID: "n3", Attributes: berth.Attributes{"zone": "c"}},
	))
	for i, step := range []struct {
		node string
		ok   bool
	}{
		{"n1", true},  // one always finds a place
		{"n1", false}, // 2 of 2
		{"n2", true},
		{"n2", false}, // 2 of 3: half of 3 is 1
		{"n3", true},
		{"n1", true}, // 2 of 4
		{"n1", false},
		{"n2", true}, // 2 of 5
		{"n1", true}, // 3 of 6
	} {
		_, why := f.Apply(berth.Op{Kind: berth.Place, Task: g.Task(fmt.Sprint(i)), Node: step.node})
		assert.Equal(t, step.ok, why.Code == berth.None, "%d on %s: %v", i, step.node, why)
	}
}

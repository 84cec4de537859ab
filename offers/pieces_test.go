package offers_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// What was cut for a group is spent on it first, whatever the strategy: two small tasks and a large one are offered room for all three, on n1 for the
// small ones (2 of 2 cpu) and on n2 for a small and the large one (1 + 2 of 3). To spread would put the first small one on n2 (2 of 3 cpu
// left, where n1 would have 1 of 2) and leave the large one without room.
func TestPiecesAreSpentOnTheirGroup(t *testing.T) {
	for _, strategy := range []placement.Strategy{placement.BinPack(), placement.Spread()} {
		for _, exhaustive := range []bool{false, true} {
			t.Run(fmt.Sprintf("%v exhaustive=%v", strategy, exhaustive), func(t *testing.T) {
				w := newWorld(t, offers.Config{}, node("n1", 2, 0), node("n2", 3, 0))
				small, large := cpus("small", "", 1), cpus("large", "", 2)
				f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{{Group: small, Count: 3}, {Group: large, Count: 1}}})
				w.offer()
				require.Equal(t, []string{"n1: cpu 0.002", "n2: cpu 0.001", "n2: cpu 0.002"}, list(t, f))
				s, err := scheduler.New(f.Book(), scheduler.Config{Strategy: strategy, Exhaustive: exhaustive})
				require.NoError(t, err)
				out, err := s.Schedule(ctx, append(small.Tasks(3), large.Task("large-1"))...)
				require.NoError(t, err)
				var where []string
				for _, op := range out.Placed {
					where = append(where, op.Task.ID+" "+op.Node)
				}
				assert.Equal(t, []string{"small-1 n1", "small-2 n1", "small-3 n2", "large-1 n2"}, where)
				assert.Empty(t, list(t, f), "nothing is left")
				w.check(map[string]berth.Role{"f": ""}, map[string]string{"small-1": "f", "small-2": "f", "small-3": "f", "large-1": "f"})
			})
		}
	}
}

// Room of other groups is used where that of a task's own does not do, or there is no more of it.
func TestPiecesAreNoRule(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 2, 0), node("n2", 4, 0))
	small, large := cpus("small", "", 1), cpus("large", "", 4)
	f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{{Group: small, Count: 2}, {Group: large, Count: 1}}})
	w.offer()
	require.Equal(t, []string{"n1: cpu 0.002", "n2: cpu 0.004"}, list(t, f))
	out := schedule(t, f.Book(), append(small.Tasks(3), large.Task("large-1"))...)
	require.Len(t, out.Placed, 3)
	assert.Equal(t, "n2", out.Placed[2].Node, "the third small task has the room of the large one")
	require.Len(t, out.Unplaced, 1)

	require.NoError(t, w.state.Cordon("n2"))
	out = schedule(t, f.Book(), small.Task("small-4"))
	assert.Empty(t, out.Placed, "a node that takes no tasks has no room, whatever was cut there")
}

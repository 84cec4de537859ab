package placement

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// What stands in the lanes is what the rows have, once those that are out of place have been moved: also where the
// key of a row never changes, as with first fit, or searches would look at full nodes for ever.
func TestLanesHaveWhatRowsHave(t *testing.T) {
	for _, s := range []Strategy{BinPack(), Spread("zone", berth.NodeID), FirstFit()} {
		f := cluster.NewFork()
		for i := range 700 {
			require.NoError(t, f.AddNodes(berth.Node{
				ID:         fmt.Sprintf("n%03d", i*9%700),
				Capacity:   berth.Resources{"cpu": int64(4000 << (i % 2)), "memory": 8 << 30},
				Attributes: berth.Attributes{"zone": string(rune('a' + i%3))},
			}))
		}
		e := NewEngine(s)
		for round := range 20 {
			e.Start(f.Snapshot())
			g := berth.NewGroup(fmt.Sprint("g", round), berth.GroupSpec{Request: berth.Resources{"cpu": int64(500 + 100*round)}})
			for _, task := range g.Tasks(30) {
				op, ok := e.Place(task)
				require.True(t, ok)
				_, why := f.Apply(op)
				require.Equal(t, berth.None, why.Code)
			}
			e.flush()
			e.build()
			seen := 0
			for _, l := range e.lanes {
				var all []place
				for ci, c := range l.chunks {
					require.Equal(t, c.places[0][0].key, l.first[ci])
					for b := range c.n {
						require.Equal(t, c.places[b][0].key, c.first[b])
						for i, a := range c.block(b) {
							require.Equal(t, e.placeOf(a.row), a)
							require.Equal(t, e.freeOf(a.row), c.freeAt(b, i, 1), "%v, round %d", s, round)
							for d, free := range c.freeAt(b, i, 1) {
								require.LessOrEqual(t, free, c.mostOf(b)[d])
								require.LessOrEqual(t, c.mostOf(b)[d], c.bound[d])
								require.LessOrEqual(t, c.bound[d], l.bound[d])
							}
							all = append(all, a)
						}
					}
				}
				require.Len(t, all, l.size)
				require.True(t, slices.IsSortedFunc(all, func(a, b place) int {
					if a.position().before(b.position()) {
						return -1
					}
					return 1
				}))
				seen += len(all)
			}
			require.Equal(t, 700, seen)
		}
	}
}

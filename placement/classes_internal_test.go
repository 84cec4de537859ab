package placement

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// What stands in the trees is what the rows have, once those that are misplaced have been moved: also where the
// key of a row never changes, as with first fit, or searches would look at full nodes for ever.
func TestClassesHaveWhatRowsHave(t *testing.T) {
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
			require.NoError(t, e.check(), "%v, round %d", s, round)
			e.classes.moveMisplaced()
			e.classes.build()
			require.Empty(t, e.classes.misplaced)
			require.NoError(t, e.check(), "%v, round %d", s, round)
			seen := 0
			for _, c := range e.classes.all {
				seen += c.size
			}
			require.Equal(t, 700, seen)
		}
	}
}

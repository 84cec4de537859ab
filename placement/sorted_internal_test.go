package placement

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// Columns answer as the amounts themselves do, while rows gather at few amounts and scatter again, so that
// pages split and go.
func TestSortedColumnsAgainstAmounts(t *testing.T) {
	const nodes = 900
	rng := rand.New(rand.NewPCG(1, 1))
	f := cluster.NewFork()
	for i := range nodes {
		require.NoError(t, f.AddNodes(berth.Node{ID: fmt.Sprintf("n%03d", i*7%nodes), Capacity: berth.Resources{"cpu": rng.Int64N(1000), "memory": 1000}}))
	}
	e := NewEngine(nil)
	e.Start(f.Snapshot())
	r := &run{needs: []store.Need{{Dim: 0, Amount: 1}, {Dim: 1, Amount: 1}}}
	require.False(t, e.sortColumns(r))
	fewest, most := nodes, 0
	for round := range 300 {
		require.True(t, e.sortColumns(r), "round %d", round)
		for d := range 2 {
			c := e.sorted.columns[d]
			var want, got []entry
			for rank, row := range e.view.Order() {
				want = append(want, entry{e.freeOf(row)[d], uint32(rank), row})
			}
			slices.SortFunc(want, entry.compare)
			for i, p := range c.pages {
				require.Equal(t, p.first, p.rows[0])
				require.Equal(t, len(got), p.before)
				got = append(got, p.rows...)
				for _, x := range p.rows {
					for other, free := range e.freeOf(x.row) {
						require.LessOrEqual(t, free, c.mostOf(i)[other])
					}
				}
			}
			require.Equal(t, want, got)
			amount := rng.Int64N(1100)
			require.Equal(t, len(slices.Collect(c.first(c.enough(amount)))), c.enough(amount))
			n, _ := slices.BinarySearchFunc(want, entry{free: amount, rank: nodes}, entry.compare)
			require.Equal(t, n, c.enough(amount))
			require.Equal(t, want[0].free, c.greatest())
			fewest, most = min(fewest, len(c.pages)), max(most, len(c.pages))
			e.tightenPage(c, rng.IntN(len(c.pages)))
		}
		for range rng.IntN(60) {
			row := uint32(rng.IntN(nodes))
			free := e.freeOf(row)
			free[rng.IntN(2)] = rng.Int64N(1000) / (1 + 300*int64(round/50%2))
			e.sorted.note(row)
		}
	}
	require.Less(t, fewest, most)
}

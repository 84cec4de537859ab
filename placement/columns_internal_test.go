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

// Columns answer as the amounts themselves do, while rows gather at few amounts and scatter again.
func TestColumnsAgainstAmounts(t *testing.T) {
	const nodes = 900
	rng := rand.New(rand.NewPCG(1, 1))
	f := cluster.NewFork()
	for i := range nodes {
		require.NoError(t, f.AddNodes(berth.Node{ID: fmt.Sprintf("n%03d", i*7%nodes), Capacity: berth.Resources{"cpu": rng.Int64N(1000), "memory": 1000}}))
	}
	e := NewEngine(Strategy{})
	e.Start(f.Snapshot())
	k, m := &e.explainer.columns, e.mirror
	w := &wanted{needs: []store.Need{{Dim: 0, Amount: 1}, {Dim: 1, Amount: 1}}}
	require.False(t, k.update(w))
	for round := range 300 {
		require.True(t, k.update(w), "round %d", round)
		for d := range int32(2) {
			c := k.byDim[d]
			var want []entry
			for rank, row := range m.order {
				want = append(want, entry{m.amountsOf(row)[d], uint32(rank), row})
			}
			slices.SortFunc(want, compareEntries)
			var check checker
			var got []entry
			check.tree(&c.tree, func(a entry, amounts []int64) error {
				got = append(got, a)
				if !slices.Equal(amounts, m.amountsOf(a.row)) {
					return fmt.Errorf("amounts of row %d", a.row)
				}
				return nil
			})
			require.Empty(t, check.faults)
			require.Equal(t, want, got)
			amount := rng.Int64N(1100)
			n, _ := slices.BinarySearchFunc(want, entry{key: amount, rank: nodes}, compareEntries)
			require.Equal(t, n, c.enough(amount))
			require.Len(t, slices.Collect(c.firstRows(n)), n)
			require.Equal(t, want[0].key, c.greatest())
		}
		for range rng.IntN(60) {
			row := uint32(rng.IntN(nodes))
			m.amountsOf(row)[rng.IntN(2)] = rng.Int64N(1000) / (1 + 300*int64(round/50%2))
			k.changed(row)
		}
	}
}

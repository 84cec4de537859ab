package allocator_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
)

// Mesos' random sorter (WeightedShuffleTest, RandomSorterTest): of five clients of weights 1 to 5, how often each is first and how often last of
// a weighted shuffle, as Mesos' tests have it, within 0.05. A lottery's order is one, drawn by its seed.
func TestMesosWeightedShuffle(t *testing.T) {
	const draws = 1000
	var first, last [5]float64
	for seed := range uint64(draws) {
		tree := allocator.Tree{Policy: allocator.ByLottery, Seed: seed, Weights: map[berth.Role]allocator.Weight{}}
		for i := range 5 {
			tree.Weights[berth.Role(fmt.Sprint("r", i))] = allocator.Weight(1000 * (i + 1))
		}
		q, err := allocator.NewQueue(tree)
		require.NoError(t, err)
		for i := range 5 {
			require.NoError(t, q.Add(berth.Role(fmt.Sprint("r", i)), "f"))
		}
		var order []int
		for role := range q.All() {
			order = append(order, int(role[1]-'0'))
		}
		require.Len(t, order, 5)
		first[order[0]] += 1. / draws
		last[order[4]] += 1. / draws
	}
	for i, want := range []float64{.07, .13, .20, .27, .33} {
		assert.InDelta(t, want, first[i], 0.05, "first, weight %d", i+1)
	}
	for i, want := range []float64{.54, .23, .12, .07, .04} {
		assert.InDelta(t, want, last[i], 0.05, "last, weight %d", i+1)
	}
}

package placement

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// However they are ordered, those told are the ones that are picked one after another, and in that order.
func TestRanksArePicksOneByOne(t *testing.T) {
	var r ranks
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 9))
		n := rng.IntN(40)
		if seed%8 == 0 {
			n = 200 + rng.IntN(400)
		}
		tiers := make([]tier, 1+rng.IntN(3))
		for i := range tiers {
			if rng.IntN(3) == 0 {
				tiers[i].within = rng.Int64N(40)
			}
		}
		if seed%3 > 0 { // at most one
			for i := range tiers[1:] {
				tiers[1+i].within = 0
			}
		}
		bound := n + rng.IntN(50)
		ties := rng.Perm(bound)
		r.reset(len(tiers))
		for i := range n {
			r.ties = append(r.ties, uint32(ties[i]))
			for k := range tiers {
				sum := rng.Int64N(8)
				switch rng.IntN(3) + k {
				case 0:
					sum = rng.Int64N(1<<40) - 1<<39
				case 1:
					sum = rng.Int64N(100)
				}
				if rng.IntN(50) == 0 {
					sum = []int64{math.MinInt64, math.MaxInt64, 1 << 62, -1 << 62}[rng.IntN(4)]
				}
				r.sums[k] = append(r.sums[k], sum)
			}
		}
		var want ranks
		want.sums, want.ties = r.sums, r.ties
		want.selectAll(tiers, n)
		for _, top := range []int{0, 1, 5, n / 5, n, n + 1} {
			t.Run(fmt.Sprintf("seed=%d/top=%d", seed, top), func(t *testing.T) {
				r.sort(tiers, top, bound)
				told := min(top, n)
				if top == 0 {
					told = n
				}
				require.Len(t, r.order, told)
				for i, place := range r.order {
					require.Equal(t, want.order[i], place, "rank %d", i+1)
				}
			})
		}
	}
}

package placement

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// byValue judges numbers by a list of values, the lower number first among equal ones.
type byValue []int

func (v byValue) better(a, b int32) bool { return v[a] > v[b] || v[a] == v[b] && a < b }

// TestWinnerTreeAgainstScan changes values and leaves at random and compares with the best of all, one by one.
func TestWinnerTreeAgainstScan(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var w winnerTree
	for _, n := range []int{0, 1, 2, 3, 8, 33, 100, 7} { // the same tree again and again
		values, in := make(byValue, n), make([]bool, n)
		best := func(not int32) int32 {
			best := nobody
			for i := range int32(n) {
				if in[i] && i != not && (best == nobody || values.better(i, best)) {
					best = i
				}
			}
			return best
		}
		w.reset(n)
		for i := range n {
			if values[i], in[i] = rng.IntN(20), rng.IntN(4) > 0; in[i] {
				w.set(i, int32(i))
			}
		}
		w.play(values)
		for range 200 {
			top := w.top()
			require.Equal(t, best(nobody), top)
			if top != nobody {
				require.Equal(t, best(top), w.second(values, int(top)))
			}
			if n == 0 {
				break
			}
			i := rng.IntN(n)
			values[i] = rng.IntN(20)
			if in[i] = rng.IntN(3) > 0; in[i] {
				w.set(i, int32(i))
			} else {
				w.set(i, nobody)
			}
			w.replay(values, i)
		}
	}
}

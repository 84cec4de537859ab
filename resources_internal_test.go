package berth

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAddQuantityAgainstBig(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 0))
	edges := []int64{0, 1, -1, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, math.MinInt64 + 1, math.MaxInt64 / 2, math.MinInt64 / 2}
	for i := range 2000 {
		a, b := int64(r.Uint64()), int64(r.Uint64())
		if i < len(edges)*len(edges) {
			a, b = edges[i/len(edges)], edges[i%len(edges)]
		}
		want := new(big.Int).Add(big.NewInt(a), big.NewInt(b))
		got, err := addQuantity(a, b)
		if want.IsInt64() {
			assert.NoError(t, err)
			assert.Equal(t, want.Int64(), got)
		} else {
			assert.ErrorIs(t, err, ErrOverflow, "%d + %d", a, b)
		}
	}
}

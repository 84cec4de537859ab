package placement

import "slices"

// What a gap is worth. Items of some sizes, each asked for at a rate, are to be packed into the fewest bins: the cutting stock problem
// (Gilmore and Gomory 1961). The dual of its linear programme says what an item of each size is worth in bins, and the most
// valuable set of items that fit in a gap is what the gap is worth.
//
// It is solved by generating columns: a column is a pattern of items that fill a bin, and the one that is worth the most at the present
// prices, which an unbounded knapsack finds, enters the basis until none is worth more than a bin. All is in float64, where each product is
// converted before it is added to, so that no platform fuses the two, and each operation then rounds alike everywhere (IEEE 754): the
// prices are the same on every machine. A test holds the package to it.

// itemSize is items of a size, in grains of a bin.
type itemSize struct {
	grains int
	demand float64
}

// gapValues returns the worth of a gap of each number of grains, 0 to grains, in 1/16000 of a bin, given sizes of 1 to grains, each once, all
// with a demand above zero. It takes O(sizes x (sizes + grains)) for each column, of which there are some tens.
func gapValues(grains int, sizes []itemSize) []int64 {
	values := make([]int64, grains+1)
	if len(sizes) == 0 {
		return values
	}
	k := &cuttingStock{grains: grains, sizes: sizes, best: make([]float64, grains+1), last: make([]int, grains+1)}
	k.solve()
	for g := range values {
		values[g] = int64(float64(k.best[g]*16000) + 0.5)
	}
	return values
}

type cuttingStock struct {
	grains int
	sizes  []itemSize

	inverse [][]float64 // of the basis
	costs   []float64   // by column of the basis: 1 for a pattern, 0 for items beyond the demand
	level   []float64   // by column: how much of it there is
	prices  []float64   // by size

	best []float64 // by grains: what the items that fit are worth at the prices
	last []int     // by grains: the size of one of them, or -1
}

func (k *cuttingStock) solve() {
	m := len(k.sizes)
	k.inverse, k.costs, k.level = make([][]float64, m), make([]float64, m), make([]float64, m)
	for i, s := range k.sizes { // each size by itself
		fit := float64(k.grains / s.grains)
		k.inverse[i] = make([]float64, m)
		k.inverse[i][i], k.costs[i], k.level[i] = 1/fit, 1, s.demand/fit
	}
	k.prices = make([]float64, m)
	const little = 1e-6
	column := make([]float64, m)
	for range 100 + 20*m {
		for j := range k.prices {
			k.prices[j] = 0
			for i := range m {
				k.prices[j] += float64(k.costs[i] * k.inverse[i][j])
			}
		}
		clear(column)
		cost := 1.0
		if j := slices.IndexFunc(k.prices, func(p float64) bool { return p < -little }); j >= 0 {
			column[j], cost = -1, 0 // more of a size than is asked for is no loss
		} else if k.fill(); k.best[k.grains] <= 1+little {
			return
		} else {
			for g := k.grains; g > 0; {
				if s := k.last[g]; s >= 0 {
					column[s]++
					g -= k.sizes[s].grains
				} else {
					g--
				}
			}
		}
		if !k.enter(column, cost) {
			break
		}
	}
	k.fill()
}

// fill finds the most valuable items for each number of grains.
func (k *cuttingStock) fill() {
	for g := 1; g <= k.grains; g++ {
		k.best[g], k.last[g] = k.best[g-1], -1
		for i, s := range k.sizes {
			if s.grains > g {
				break
			}
			if v := k.best[g-s.grains] + k.prices[i]; v > k.best[g] {
				k.best[g], k.last[g] = v, i
			}
		}
	}
}

// enter lets a column take the place of the one in the basis that is used up first.
func (k *cuttingStock) enter(column []float64, cost float64) bool {
	m := len(k.sizes)
	change, out, least := make([]float64, m), -1, 0.0
	for i := range m {
		for j := range m {
			change[i] += float64(k.inverse[i][j] * column[j])
		}
		if change[i] > 1e-9 {
			if ratio := k.level[i] / change[i]; out < 0 || ratio < least {
				out, least = i, ratio
			}
		}
	}
	if out < 0 {
		return false
	}
	pivot := change[out]
	for j := range m {
		k.inverse[out][j] /= pivot
	}
	k.level[out], k.costs[out] = least, cost
	for i := range m {
		if i == out {
			continue
		}
		for j := range m {
			k.inverse[i][j] -= float64(change[i] * k.inverse[out][j])
		}
		k.level[i] = max(k.level[i]-float64(change[i]*least), 0)
	}
	return true
}

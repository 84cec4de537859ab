package placement

import (
	"cmp"
	"math"
	"slices"
)

// ranks orders what was found as it would be picked, by the sums of the tiers and then by ties. It is kept for its room.
type ranks struct {
	sums    [][]int64 // by tier and place: the places are those of adding
	ties    []uint32  // by place: a number of its own, below a bound; of equal sums the least comes first
	order   []uint32  // places
	extents []extent  // by tier: between what its sums are, if that is known
	sorter  sorter
}

// extent is the least and the greatest of sums.
type extent struct {
	least, most int64
	known       bool
}

// reset makes it one of nothing, in so many tiers.
func (r *ranks) reset(tiers int) {
	for len(r.sums) < tiers {
		r.sums = append(r.sums, nil)
	}
	r.sums, r.extents = r.sums[:tiers], slices.Grow(r.extents[:0], tiers)[:tiers]
	for i := range r.sums {
		r.sums[i], r.extents[i] = r.sums[i][:0], extent{}
	}
	r.ties, r.order = r.ties[:0], r.order[:0]
}

// sort puts the places of the first so many in order, or of all with a top of 0. All ties are below a bound.
func (r *ranks) sort(tiers []tier, top, bound int) {
	n := len(r.ties)
	if top <= 0 {
		top = n
	}
	top = min(top, n)
	tolerant := slices.IndexFunc(tiers, func(t tier) bool { return t.within > 0 })
	const few = 128 // for which digits are not worth their counting
	switch {
	case tolerant >= 0 && slices.ContainsFunc(tiers[tolerant+1:], func(t tier) bool { return t.within > 0 }):
		r.selectAll(tiers, top)
	case tolerant >= 0:
		r.byDigits(tolerant+1, bound)
		r.withinTolerance(tolerant, tiers[tolerant].within, top)
	case top <= n/4:
		r.choose(top)
	case n <= few:
		r.all(n)
		slices.SortFunc(r.order, r.compare)
	default:
		r.byDigits(len(r.sums), bound)
	}
	r.order = r.order[:top]
}

// all makes the order that of adding.
func (r *ranks) all(n int) {
	r.order = slices.Grow(r.order[:0], n)[:n]
	for i := range r.order {
		r.order[i] = uint32(i)
	}
}

func (r *ranks) compare(a, b uint32) int { return r.compareFrom(0, a, b) }

// compareFrom compares places by the tiers from one on.
func (r *ranks) compareFrom(tier int, a, b uint32) int {
	for _, sums := range r.sums[tier:] {
		if x, y := sums[a], sums[b]; x != y {
			return cmp.Compare(y, x)
		}
	}
	return cmp.Compare(r.ties[a], r.ties[b])
}

// choose puts the first of them in order: a heap has the best so far, with the last of those at its root. Where the tiers
// differ in few bits, places are compared by one number that has those, and the tie.
func (r *ranks) choose(top int) {
	before := func(a, b uint32) bool { return r.compare(a, b) < 0 }
	if rounds := r.roundsOf(len(r.sums)); len(rounds) <= 1 {
		keys := r.sorter.numbers(rounds, r.ties)
		before = func(a, b uint32) bool { return keys[a] < keys[b] }
	}
	last := func(a, b uint32) bool { return before(b, a) }
	r.all(top)
	for i := top/2 - 1; i >= 0; i-- {
		siftDown(r.order, i, last)
	}
	for i := top; i < len(r.ties) && top > 0; i++ {
		if place := uint32(i); before(place, r.order[0]) {
			r.order[0] = place
			siftDown(r.order, 0, last)
		}
	}
	slices.SortFunc(r.order, r.compare)
}

// siftDown puts the entry at i of a heap where it belongs among those below it, none of which is before what is above it.
func siftDown(heap []uint32, i int, before func(a, b uint32) bool) {
	for {
		child := 2*i + 1
		if child >= len(heap) {
			return
		}
		if next := child + 1; next < len(heap) && before(heap[next], heap[child]) {
			child = next
		}
		if !before(heap[child], heap[i]) {
			return
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
}

// siftUp puts the last entry of a heap where it belongs among those above it.
func siftUp(heap []uint32, before func(a, b uint32) bool) {
	for i := len(heap) - 1; i > 0; {
		above := (i - 1) / 2
		if !before(heap[i], heap[above]) {
			return
		}
		heap[i], heap[above] = heap[above], heap[i]
		i = above
	}
}

// withinTolerance puts the first so many in order where one tier has a tolerance, given all in order of the tiers up to it:
// of those that are left and equal before, the ones within the tolerance of the best are compared by what comes after. A heap has
// these; as they go, the best of those left sinks and lets others in.
func (r *ranks) withinTolerance(tier int, within int64, top int) {
	sorted, sums := r.order, r.sums[tier]
	before := func(a, b uint32) bool { return r.compareFrom(tier+1, a, b) < 0 }
	gone := make([]bool, len(sorted))
	out := make([]uint32, 0, top)
	for from := 0; from < len(sorted) && len(out) < top; {
		to := from + 1
		for to < len(sorted) && r.isAlike(tier, sorted[from], sorted[to]) {
			to++
		}
		var heap []uint32
		best, next := from, from
		for ; best < to && len(out) < top; best++ {
			if gone[sorted[best]] {
				continue
			}
			least := leastWithin(sums[sorted[best]], within)
			for !gone[sorted[best]] && len(out) < top {
				for ; next < to && sums[sorted[next]] >= least; next++ {
					heap = append(heap, sorted[next])
					siftUp(heap, before)
				}
				first := heap[0]
				last := len(heap) - 1
				heap[0] = heap[last]
				heap = heap[:last]
				siftDown(heap, 0, before)
				gone[first] = true
				out = append(out, first)
			}
		}
		from = to
	}
	r.order = out
}

// isAlike reports whether two places have the same sums in the tiers before one.
func (r *ranks) isAlike(tier int, a, b uint32) bool {
	for _, sums := range r.sums[:tier] {
		if sums[a] != sums[b] {
			return false
		}
	}
	return true
}

// selectAll puts the first so many in order where several tiers have tolerances, one after another: O(all) for each.
func (r *ranks) selectAll(tiers []tier, top int) {
	r.all(len(r.ties))
	spare := make([]uint32, 0, len(r.ties))
	for k := range top {
		left := append(spare, r.order[k:]...)
		for i := range tiers {
			most := int64(math.MinInt64)
			for _, place := range left {
				most = max(most, r.sums[i][place])
			}
			least := tiers[i].least(most)
			left = slices.DeleteFunc(left, func(place uint32) bool { return r.sums[i][place] < least })
		}
		first := slices.MinFunc(left, func(a, b uint32) int { return cmp.Compare(r.ties[a], r.ties[b]) })
		at := k + slices.Index(r.order[k:], first)
		r.order[k], r.order[at] = r.order[at], r.order[k]
	}
}

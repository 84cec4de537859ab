package placement

import (
	"math"
	"math/bits"
	"slices"
)

// sorter is the room of a radix sort from the lowest digit up (Knuth, The Art of Computer Programming 3, 5.2.5). An entry is a
// key in its upper half, which says how far behind the best a place is, and in its lower half the place: so that no pass looks a sum up.
type sorter struct {
	entries []uint64
	moved   []uint64
	counts  []uint32
}

const (
	keyBits       = 32
	mostDigitBits = 12 // that one pass looks at: its counters are to stay in the nearest cache
)

// byDigits orders all by the first so many tiers and then by ties.
func (r *ranks) byDigits(tiers, bound int) {
	x, n := &r.sorter, len(r.ties)
	rounds := r.roundsOf(tiers)
	x.byTies(r.ties, bound)
	r.order = slices.Grow(r.order[:0], n)[:n]
	for i := range rounds {
		x.sort(&rounds[i])
	}
	for i, entry := range x.entries {
		r.order[i] = uint32(entry)
	}
}

// round is what one sort looks at: what tiers differ in, side by side, as far as a key has room for it.
type round struct {
	parts []digitsOf
	bits  int
}

// digitsOf is how far the sums of a tier are below the greatest, from one bit on.
type digitsOf struct {
	sums  []int64
	most  int64
	from  int // the first bit of it
	to    int // where that stands in the key
	whole bool
}

// roundsOf shares out what the first so many tiers differ in to rounds, the last of the tiers first.
func (r *ranks) roundsOf(tiers int) []round {
	var rounds []round
	var now round
	flush := func() {
		if now.bits > 0 {
			rounds = append(rounds, now)
		}
		now = round{}
	}
	for i := tiers - 1; i >= 0; i-- {
		sums, in := r.sums[i], r.extents[i]
		if len(sums) == 0 {
			continue
		}
		if !in.known {
			in.least, in.most = sums[0], sums[0]
			for _, sum := range sums {
				in.least, in.most = min(in.least, sum), max(in.most, sum)
			}
		}
		width := bits.Len64(uint64(in.most) - uint64(in.least))
		if now.bits+width > keyBits {
			flush()
		}
		for from := 0; from < width; from += keyBits {
			if from > 0 {
				flush()
			}
			now.parts = append(now.parts, digitsOf{sums: sums, most: in.most, from: from, to: now.bits, whole: width <= keyBits})
			now.bits += min(width-from, keyBits)
		}
	}
	flush()
	return rounds
}

// byTies puts all in the order of ties, which are numbers of their own: each is where its number says, but for gaps.
func (x *sorter) byTies(ties []uint32, bound int) {
	x.moved = slices.Grow(x.moved[:0], bound)[:bound]
	at := x.moved
	clear(at)
	for place, tie := range ties {
		at[tie] = uint64(place) + 1
	}
	x.entries = slices.Grow(x.entries[:0], len(ties))[:len(ties)]
	n := 0
	for _, next := range at {
		if next > 0 {
			x.entries[n] = next - 1
			n++
		}
	}
}

// sort orders the entries by a round, and leaves those of equal keys as they are.
func (x *sorter) sort(by *round) {
	entries := x.entries
	for i, entry := range entries {
		entries[i] = uint64(uint32(entry))
	}
	for i := range by.parts {
		p := &by.parts[i]
		most, to := uint64(p.most), p.to+keyBits
		for i, entry := range entries {
			below := most - uint64(p.sums[uint32(entry)])
			if !p.whole {
				below = below >> p.from & math.MaxUint32
			}
			entries[i] = entry | below<<to
		}
	}
	passes := (by.bits + mostDigitBits - 1) / mostDigitBits
	digit := (by.bits + passes - 1) / passes
	for pass := range passes {
		x.pass(keyBits+pass*digit, digit)
	}
}

// pass orders the entries by one digit.
func (x *sorter) pass(shift, digit int) {
	size := 1 << digit
	x.counts = slices.Grow(x.counts[:0], size)[:size]
	counts, mask := x.counts, uint64(size-1)
	clear(counts)
	for _, entry := range x.entries {
		counts[entry>>shift&mask]++
	}
	at := uint32(0)
	for d, n := range counts {
		counts[d] = at
		at += n
	}
	x.moved = slices.Grow(x.moved[:0], len(x.entries))[:len(x.entries)]
	moved := x.moved
	for _, entry := range x.entries {
		c := &counts[entry>>shift&mask]
		moved[*c] = entry
		*c++
	}
	x.entries, x.moved = x.moved, x.entries
}

// numbers returns for each place a number of its own by which places are ordered as by one round, or none, and then by ties.
func (x *sorter) numbers(rounds []round, ties []uint32) []uint64 {
	x.entries = slices.Grow(x.entries[:0], len(ties))[:len(ties)]
	for place, tie := range ties {
		x.entries[place] = uint64(tie)
	}
	for i := range rounds {
		for _, p := range rounds[i].parts {
			for place, sum := range p.sums {
				x.entries[place] |= (uint64(p.most) - uint64(sum)) << (p.to + keyBits)
			}
		}
	}
	return x.entries
}

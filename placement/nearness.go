package placement

import (
	"cmp"
	"math"
	"math/bits"
)

// nearness is how near a node is to taking a task, in the order that berth.NearMiss documents: the fewest reasons that
// more room would not cure, then the fewest that it would, then the least greatest shortfall, as a part of the need.
type nearness struct {
	rules, rooms int
	short, need  uint64 // the greatest shortfall and what it is of; 0 of 1 if there is none
}

func (n nearness) compare(o nearness) int {
	if n.rules != o.rules {
		return cmp.Compare(n.rules, o.rules)
	}
	if n.rooms != o.rooms {
		return cmp.Compare(n.rooms, o.rooms)
	}
	switch {
	case ratioLess(n.short, n.need, o.short, o.need):
		return -1
	case ratioLess(o.short, o.need, n.short, n.need):
		return 1
	}
	return 0
}

// lack adds that less than an amount is free.
func (n *nearness) lack(amount, free int64) {
	n.rooms++
	if short := uint64(shortfall(amount, free)); n.short == 0 || ratioLess(n.short, n.need, short, uint64(amount)) {
		n.short, n.need = short, uint64(amount)
	}
}

// shortfall returns what is missing of an amount of which less is free, or the greatest int64 if it is more than that.
func shortfall(amount, free int64) int64 {
	if short := amount - free; short > 0 {
		return short
	}
	return math.MaxInt64 // the difference is beyond int64
}

// ratioLess reports whether a/b < c/d, exactly.
func ratioLess(a, b, c, d uint64) bool {
	h1, l1 := bits.Mul64(a, d)
	h2, l2 := bits.Mul64(c, b)
	return h1 < h2 || h1 == h2 && l1 < l2
}

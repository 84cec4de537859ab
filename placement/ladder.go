package placement

import (
	"math"
	"slices"
)

// ladder finds the first of many in a row that is good enough. Each has a number that says how good it is, 0 for one that is of
// no use; of each eight neighbours the best number stands a rung higher, and so on. A rung is looked at again only where what changed
// was the best below it.
type ladder struct {
	rungs [][]uint32 // the numbers, and those higher up, until they are few
}

const rungWidth = 8

// reset makes it one of so many that are of no use.
func (l *ladder) reset(n int) {
	for i := 0; ; i++ {
		if i == len(l.rungs) {
			l.rungs = append(l.rungs, nil)
		}
		if cap(l.rungs[i]) < n {
			l.rungs[i] = make([]uint32, n)
		}
		l.rungs[i] = l.rungs[i][:n]
		clear(l.rungs[i])
		if n <= rungWidth {
			l.rungs = l.rungs[:i+1]
			return
		}
		n = (n + rungWidth - 1) / rungWidth
	}
}

// at returns the number of one.
func (l *ladder) at(i int) uint32 { return l.rungs[0][i] }

// set gives one a number.
func (l *ladder) set(by *rates, i int, number uint32) {
	for k := 0; ; k++ {
		rung := l.rungs[k]
		was := rung[i]
		if rung[i] = number; was == number || k == len(l.rungs)-1 {
			return
		}
		best := l.rungs[k+1][i/rungWidth]
		switch {
		case by.isBetter(number, best):
			best = number
		case was == best:
			best = by.best(below(rung, i/rungWidth))
		default:
			return
		}
		i, number = i/rungWidth, best
	}
}

// below returns the part of a rung that one of the next stands for.
func below(rung []uint32, i int) []uint32 {
	return rung[i*rungWidth : min((i+1)*rungWidth, len(rung))]
}

// put gives one a number when build is to follow.
func (l *ladder) put(i int, number uint32) { l.rungs[0][i] = number }

// build makes the rungs from one on, of those below them.
func (l *ladder) build(by *rates, from int) {
	for k := from; k < len(l.rungs); k++ {
		for i := range l.rungs[k] {
			l.rungs[k][i] = by.best(below(l.rungs[k-1], i))
		}
	}
}

// top returns the best number.
func (l *ladder) top(by *rates) uint32 { return by.best(l.rungs[len(l.rungs)-1]) }

// first returns the first that is at least as good as these sums, which one must be.
func (l *ladder) first(by *rates, enough []int64) int {
	i := 0
	for k := len(l.rungs) - 1; k >= 0; k-- {
		if k < len(l.rungs)-1 {
			i *= rungWidth
		}
		for !by.reaches(l.rungs[k][i], enough) {
			i++
		}
	}
	return i
}

// rates are the sums of tiers by number. The number 0 is of what cannot be used, and worse than all.
type rates struct {
	tiers  int
	sums   []int64 // number x tier
	differ bool    // whether some differ in a tier before the last; as a rule none does, and the last is all that is compared

	// Where they are those of states.
	ways  []int16    // by number: in which the devices are given, or -1
	known stateTable // by state: the number of its sums
	key   ratesKey   // by which rankings find them
	users int        // how many rankings go by them
	epoch uint64     // states.epoch of the numbers of states
	tuned int        // what terms went by: rankings.tuned then
}

// beginStates forgets what states are worth.
func (r *rates) beginStates() {
	r.known.clear()
	r.begin()
	r.ways = append(r.ways[:0], 0) // of number 0
}

// begin forgets all numbers but 0.
func (r *rates) begin() {
	r.differ = false
	r.sums = append(r.sums[:0], make([]int64, r.tiers)...)
	r.sums[r.tiers-1] = math.MinInt64 // less than any sum
}

func (r *rates) of(number uint32) []int64 {
	return r.sums[int(number)*r.tiers : (int(number)+1)*r.tiers]
}

// last returns the sum of the last tier.
func (r *rates) last(number uint32) int64 { return r.sums[(int(number)+1)*r.tiers-1] }

// add returns the number of sums.
func (r *rates) add(sums []int64) uint32 {
	if last := r.tiers - 1; !r.differ && len(r.sums) > r.tiers {
		r.differ = !slices.Equal(r.sums[r.tiers:r.tiers+last], sums[:last])
	}
	r.sums = append(r.sums, sums...)
	return uint32(len(r.sums)/r.tiers - 1)
}

// isBetter reports whether the sums of a are greater than those of b.
func (r *rates) isBetter(a, b uint32) bool {
	switch {
	case a == b || a == 0:
		return false
	case b == 0:
		return true
	}
	i, j := int(a)*r.tiers, int(b)*r.tiers
	if !r.differ {
		return r.sums[i+r.tiers-1] > r.sums[j+r.tiers-1]
	}
	for range r.tiers {
		if x, y := r.sums[i], r.sums[j]; x != y {
			return x > y
		}
		i, j = i+1, j+1
	}
	return false
}

// best returns the best of some numbers, the first of equal ones.
func (r *rates) best(numbers []uint32) (best uint32) {
	if !r.differ {
		most, last := int64(math.MinInt64), r.sums[r.tiers-1:]
		for _, n := range numbers {
			if sum := last[int(n)*r.tiers]; sum > most {
				best, most = n, sum
			}
		}
		return best
	}
	for _, n := range numbers {
		if n != best && r.isBetter(n, best) {
			best = n
		}
	}
	return best
}

// reaches reports whether the sums of a number are at least these.
func (r *rates) reaches(number uint32, enough []int64) bool {
	return number != 0 && compareSums(r.of(number), enough) >= 0
}

// stateTable has a number by the number of a state: open addressing, linear probing. The zero value is empty.
type stateTable struct {
	cells []stateCell // a power of two of them, at most half of them full
	n     int
}

type stateCell struct{ state, number uint32 } // a state of 0 is an empty cell

func (t *stateTable) clear() {
	clear(t.cells)
	t.n = 0
}

// find returns the number of a state.
func (t *stateTable) find(state uint32) (uint32, bool) {
	if len(t.cells) == 0 {
		return 0, false
	}
	c := &t.cells[t.cell(state)]
	return c.number, c.state == state
}

// cell returns where a state stands or belongs.
func (t *stateTable) cell(state uint32) uint32 {
	mask := uint32(len(t.cells) - 1)
	i := state * 2654435769 >> 7 & mask
	for t.cells[i].state != 0 && t.cells[i].state != state {
		i = (i + 1) & mask
	}
	return i
}

// add gives a state that has none a number.
func (t *stateTable) add(state, number uint32) {
	if 2*t.n >= len(t.cells) {
		was := t.cells
		t.cells = make([]stateCell, max(64, 2*len(was)))
		for _, c := range was {
			if c.state != 0 {
				t.cells[t.cell(c.state)] = c
			}
		}
	}
	t.n++
	t.cells[t.cell(state)] = stateCell{state, number}
}

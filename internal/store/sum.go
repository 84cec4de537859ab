package store

import (
	"math"
	"math/bits"
	"slices"
)

// A Sum is an amount of one dimension, of which there can be more than an int64 holds: each node may have that much.
type Sum struct {
	Dim int32
	Hi  uint32
	Lo  uint64
}

// Int64 returns the sum, or the largest int64 if it is more.
func (s Sum) Int64() int64 {
	if s.Hi > 0 || s.Lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(s.Lo)
}

// move adds so many times an amount, or takes it away if the number is negative.
func (s *Sum) move(amount, times int64) {
	if times == 1 { // of most, and in line
		lo, carry := bits.Add64(s.Lo, uint64(amount), 0)
		s.Lo, s.Hi = lo, s.Hi+uint32(carry)
		return
	}
	s.moveMany(amount, times)
}

func (s *Sum) moveMany(amount, times int64) {
	var carry uint64
	if times >= 0 {
		hi, lo := bits.Mul64(uint64(amount), uint64(times))
		s.Lo, carry = bits.Add64(s.Lo, lo, 0)
		s.Hi += uint32(hi + carry)
		return
	}
	hi, lo := bits.Mul64(uint64(amount), uint64(-times))
	s.Lo, carry = bits.Sub64(s.Lo, lo, 0)
	s.Hi -= uint32(hi + carry)
}

// Move adds so many times an amount, or takes it away if the number is negative.
func (s *Sum) Move(amount, times int64) { s.move(amount, times) }

// exceeds reports whether the sum and an amount are more than a limit.
func (s Sum) exceeds(amount, limit int64) bool {
	s.move(amount, 1)
	return s.Hi > 0 || s.Lo > uint64(limit)
}

func (s Sum) plus(o Sum) Sum {
	lo, carry := bits.Add64(s.Lo, o.Lo, 0)
	return Sum{s.Dim, s.Hi + o.Hi + uint32(carry), lo}
}

// minus returns the sum less another, which is no greater.
func (s Sum) minus(o Sum) Sum {
	lo, borrow := bits.Sub64(s.Lo, o.Lo, 0)
	return Sum{s.Dim, s.Hi - o.Hi - uint32(borrow), lo}
}

// Sums are amounts by dimension, sorted, none of them zero.
type Sums []Sum

// Of returns the amount of one dimension.
func (s Sums) Of(d int32) Sum {
	for i := range s { // few resources: a loop is faster than a search
		if s[i].Dim >= d {
			if s[i].Dim == d {
				return s[i]
			}
			break
		}
	}
	return Sum{Dim: d}
}

// add adds so many times what the needs are; a negative number takes away. The list is written.
func (s *Sums) add(needs []Need, times int64) {
	list, i := *s, 0
	for k := range needs {
		n := &needs[k]
		if n.Amount == 0 {
			continue
		}
		if i >= len(list) || i > 0 && list[i-1].Dim >= n.Dim {
			i = 0 // needs out of order
		}
		for i < len(list) && list[i].Dim < n.Dim {
			i++
		}
		if i == len(list) || list[i].Dim != n.Dim {
			list = slices.Insert(list, i, Sum{Dim: n.Dim})
		}
		if list[i].move(n.Amount, times); list[i].Hi == 0 && list[i].Lo == 0 {
			list = slices.Delete(list, i, i+1)
		}
	}
	*s = list
}

package offers

import "math/bits"

// rowSet is a set of rows of a view.
type rowSet []uint64

func (s rowSet) has(row uint32) bool {
	i := int(row / 64)
	return i < len(s) && s[i]>>(row%64)&1 != 0
}

func (s *rowSet) add(row uint32) {
	i := int(row / 64)
	for len(*s) <= i {
		*s = append(*s, 0)
	}
	(*s)[i] |= 1 << (row % 64)
}

func (s rowSet) remove(row uint32) {
	if i := int(row / 64); i < len(s) {
		s[i] &^= 1 << (row % 64)
	}
}

// set adds a row or takes it out.
func (s *rowSet) set(row uint32, in bool) {
	if in {
		s.add(row)
	} else {
		s.remove(row)
	}
}

// word returns the rows from 64 times i on, as bits.
func (s rowSet) word(i int) uint64 {
	if i < len(s) {
		return s[i]
	}
	return 0
}

// setWord replaces the rows from 64 times i on.
func (s *rowSet) setWord(i int, w uint64) {
	for len(*s) <= i {
		*s = append(*s, 0)
	}
	(*s)[i] = w
}

// meets reports whether two sets have a row in common.
func (s rowSet) meets(o rowSet) bool {
	for i := range min(len(s), len(o)) {
		if s[i]&o[i] != 0 {
			return true
		}
	}
	return false
}

func (s rowSet) isEmpty() bool {
	for _, w := range s {
		if w != 0 {
			return false
		}
	}
	return true
}

func (s rowSet) len() int {
	n := 0
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

// list returns the rows, ascending.
func (s rowSet) list() []uint32 {
	var rows []uint32
	for i, w := range s {
		for ; w != 0; w &= w - 1 {
			rows = append(rows, uint32(i*64+bits.TrailingZeros64(w)))
		}
	}
	return rows
}

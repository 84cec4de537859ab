package store

import (
	"iter"
	"slices"
)

// A tally is numbers by key: how many tasks a domain has, by value or row, or what is in a set. It is a value that is copied on
// write: pages of entries in order of their keys, each the property of the token that wrote it last. So a write after a
// snapshot copies the list of pages and one of them, however many keys there are, and costs some 50 ns else.
type tally struct {
	pages []*tallyPage // none is empty
	first []uint32     // the least key of each
	owner token        // of both lists
	keys  int
	total int // of all numbers
}

const tallyKeys = 32 // of a page at most

type tallyPage struct {
	owner token
	n     int
	keys  [tallyKeys]uint32
	of    [tallyKeys]int32
}

// find returns the page in which a key is, or would be.
func (a *tally) find(key uint32) int {
	lo, hi := 0, len(a.first) // the first page that begins after the key
	for lo < hi {
		if mid := int(uint(lo+hi) / 2); a.first[mid] <= key {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return max(lo-1, 0)
}

// place returns where in a page a key is, or would be.
func (p *tallyPage) place(key uint32) (int, bool) { return slices.BinarySearch(p.keys[:p.n], key) }

// at returns the number of a key.
func (a *tally) at(key uint32) int32 {
	if len(a.pages) == 0 {
		return 0
	}
	p := a.pages[a.find(key)]
	if i, ok := p.place(key); ok {
		return p.of[i]
	}
	return 0
}

// all yields the keys whose number is not 0, ascending.
func (a *tally) all() iter.Seq2[uint32, int32] {
	return func(yield func(uint32, int32) bool) {
		for _, p := range a.pages {
			for i := range p.n {
				if !yield(p.keys[i], p.of[i]) {
					return
				}
			}
		}
	}
}

// own makes the lists, and page i, the holder's of t, and returns the page.
func (a *tally) own(t token, i int) *tallyPage {
	if a.owner != t {
		a.pages, a.first, a.owner = append(make([]*tallyPage, 0, len(a.pages)+1), a.pages...), append(make([]uint32, 0, len(a.first)+1), a.first...), t
	}
	p := a.pages[i]
	if p.owner != t {
		mine := *p
		mine.owner = t
		p = &mine
		a.pages[i] = p
	}
	return p
}

// add changes the number of a key, for the holder of t.
func (a *tally) add(t token, key uint32, by int32) {
	a.total += int(by)
	if len(a.pages) == 0 {
		a.pages, a.first, a.owner = []*tallyPage{{owner: t, n: 1, keys: [tallyKeys]uint32{key}, of: [tallyKeys]int32{by}}}, []uint32{key}, t
		a.keys = 1
		return
	}
	at := a.find(key)
	p := a.own(t, at)
	i, found := p.place(key)
	if found {
		if p.of[i] += by; p.of[i] == 0 {
			a.drop(at, i)
		}
		return
	}
	a.keys++
	if p.n == tallyKeys {
		const half = tallyKeys / 2
		upper := &tallyPage{owner: t, n: half}
		copy(upper.keys[:], p.keys[half:])
		copy(upper.of[:], p.of[half:])
		p.n = half
		a.pages, a.first = slices.Insert(a.pages, at+1, upper), slices.Insert(a.first, at+1, upper.keys[0])
		if i > half {
			at, p, i = at+1, upper, i-half
		}
	}
	copy(p.keys[i+1:p.n+1], p.keys[i:p.n])
	copy(p.of[i+1:p.n+1], p.of[i:p.n])
	p.keys[i], p.of[i] = key, by
	p.n++
	a.first[at] = p.keys[0]
}

// drop takes out entry i of a page that is the holder's, and the page with the last of them. Two pages that have room
// for half a page more together become one.
func (a *tally) drop(at, i int) {
	p := a.pages[at]
	a.keys--
	p.n--
	copy(p.keys[i:p.n], p.keys[i+1:p.n+1])
	copy(p.of[i:p.n], p.of[i+1:p.n+1])
	if p.n > 0 {
		a.first[at] = p.keys[0]
	}
	gone := at
	if p.n > 0 {
		if gone = at + 1; gone == len(a.pages) || p.n+a.pages[gone].n > tallyKeys/2 {
			return
		}
		next := a.pages[gone]
		copy(p.keys[p.n:], next.keys[:next.n])
		copy(p.of[p.n:], next.of[:next.n])
		p.n += next.n
	}
	a.pages, a.first = slices.Delete(a.pages, gone, gone+1), slices.Delete(a.first, gone, gone+1)
}

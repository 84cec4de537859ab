package store

import (
	"math/bits"
	"slices"
	"sync/atomic"
)

// An index finds rows by ID. It is a hash table of hints: an entry says in which slot a row of that
// hash was once put, and whoever looks up compares the ID in the rows that it sees. So a view, whose rows do
// not change, can read the table that its store goes on writing: it passes by entries that are
// younger than itself, and finds those whose rows have since been removed. Nothing is copied when a
// view is taken, and a row that is removed leaves its entry, marked as dead, until the table is made anew.
//
// A fork reads the tables it came with and puts its own entries in another above them.
type index struct {
	layers []*table // the newest last; replaced and never written
	own    bool     // whether the last layer may be written
	live   int      // rows that are there
}

// A table is open-addressed, in groups of seven buckets that fill a cache line each.
type table struct {
	groups []group
	used   int
	shared bool // whether views have it, who may read while it is written
}

// A group of buckets has a control word before them with a byte for each: zero where the bucket is empty, else the
// top bit and seven bits of the hash, so that looking up what is not there reads nothing else in nearly all
// cases (the layout of Swiss tables; Kulukundis 2017). The eighth byte never matches and never looks empty.
type group struct {
	control uint64
	entries [groupSize]uint64 // hash<<32 | slot, and whether it is dead
}

const (
	groupSize   = 7
	leastGroup  = 4       // groups of the smallest table
	smallGroups = 1 << 12 // groups of a table that is not worth to be made smaller
	layerRatio  = 4       // how many times larger a table is than the one above it, at least
	deadBit     = 1 << 31
	lowBits     = 0x0101010101010101
	highBits    = 0x8080808080808080
	padding     = 0xff << 56
)

// newTable returns a table with room for some entries, and for more: a quarter of its buckets stay
// empty at least, and half do when it is new.
func newTable(entries int) *table {
	n := leastGroup
	for n*3 < entries {
		n *= 2
	}
	t := &table{groups: make([]group, n)}
	t.clear()
	return t
}

func (t *table) clear() {
	for i := range t.groups {
		t.groups[i].control = padding
	}
	t.used = 0
}

func (t *table) full() bool { return t.used >= len(t.groups)*5 }

// tagOf returns the byte that stands for a hash; padding is none.
func tagOf(hash uint32) uint64 { return uint64(min(hash>>25, 0x7e) | 0x80) }

// matches returns a bit for each byte of a control word that is a tag, and perhaps for one above such a byte.
func matches(word, tag uint64) uint64 {
	differ := word ^ tag*lowBits
	return (differ - lowBits) &^ differ & (highBits &^ padding)
}

// find returns the slot whose ID, as idOf tells it, is id.
func (t *table) find(hash uint32, id string, idOf func(slot uint32) string) (uint32, bool) {
	mask := len(t.groups) - 1
	for g, step := int(hash)&mask, 1; ; g, step = (g+step)&mask, step+1 {
		in := &t.groups[g]
		word := atomic.LoadUint64(&in.control)
		for m := matches(word, tagOf(hash)); m != 0; m &= m - 1 {
			e := atomic.LoadUint64(&in.entries[bits.TrailingZeros64(m)/8])
			if slot := uint32(e) &^ deadBit; uint32(e>>32) == hash && idOf(slot) == id {
				return slot, true
			}
		}
		if ^word&highBits != 0 {
			return 0, false
		}
	}
}

// seek returns the bucket of an entry, dead or alive, or, if it is not there, the first empty one.
func (t *table) seek(slot, hash uint32) (at *group, bucket int, found bool) {
	mask := len(t.groups) - 1
	for g, step := int(hash)&mask, 1; ; g, step = (g+step)&mask, step+1 {
		in := &t.groups[g]
		for m := matches(in.control, tagOf(hash)); m != 0; m &= m - 1 {
			b := bits.TrailingZeros64(m) / 8
			if in.entries[b]&^deadBit == uint64(hash)<<32|uint64(slot) {
				return in, b, true
			}
		}
		if empty := ^in.control & highBits; empty != 0 {
			return in, bits.TrailingZeros64(empty) / 8, false
		}
	}
}

// put adds an entry, or brings it back to life; there is room for it.
func (t *table) put(slot, hash uint32) {
	in, b, found := t.seek(slot, hash)
	t.write(&in.entries[b], uint64(hash)<<32|uint64(slot))
	if !found {
		t.used++
		t.write(&in.control, in.control|tagOf(hash)<<(8*b)) // by which the entry is found, so after it
	}
}

// kill marks an entry as dead, if it is there.
func (t *table) kill(slot, hash uint32) {
	if in, b, found := t.seek(slot, hash); found {
		t.write(&in.entries[b], uint64(hash)<<32|uint64(slot)|deadBit)
	}
}

func (t *table) write(at *uint64, word uint64) {
	if t.shared {
		atomic.StoreUint64(at, word)
	} else {
		*at = word
	}
}

// all hands on every entry.
func (t *table) all(f func(slot, hash uint32, dead bool)) {
	for g := range t.groups {
		in := &t.groups[g]
		for m := atomic.LoadUint64(&in.control) & (highBits &^ padding); m != 0; m &= m - 1 {
			e := atomic.LoadUint64(&in.entries[bits.TrailingZeros64(m)/8])
			f(uint32(e)&^deadBit, uint32(e>>32), e&deadBit != 0)
		}
	}
}

// find returns the slot whose ID, as idOf tells it, is id. idOf is asked about slots that rows were ever put in
// and returns "" for those that it does not have.
func (x *index) find(hash uint32, id string, idOf func(slot uint32) string) (uint32, bool) {
	if id == "" {
		return 0, false
	}
	for i := len(x.layers) - 1; i >= 0; i-- {
		if slot, ok := x.layers[i].find(hash, id, idOf); ok {
			return slot, true
		}
	}
	return 0, false
}

// insert adds a row that has been put in a slot. lives reports whether a slot has a row of that hash now, and of the
// kind that the index is of.
func (x *index) insert(slot, hash uint32, lives func(slot, hash uint32) bool) {
	x.live++
	last := len(x.layers) - 1
	if !x.own {
		x.layers, x.own = x.withLayer(lives), true
	} else if x.layers[last].full() {
		x.layers = append(slices.Clone(x.layers[:last]), x.layers[last].renewed())
	}
	x.layers[len(x.layers)-1].put(slot, hash)
}

// withLayer returns the layers with another on top. It takes the place of those that are not much larger, with what is alive
// in them: so forks of forks without end have few layers, and each entry is moved up a few times only.
func (x *index) withLayer(lives func(slot, hash uint32) bool) []*table {
	// What is dead in a store's own eyes may be alive in those of a fork, and the other way round.
	fresh, keep := newTable(1), len(x.layers)
	for keep > 0 && len(x.layers[keep-1].groups) < layerRatio*len(fresh.groups) {
		keep--
		merged := x.layers[keep:]
		alive := 0
		for _, t := range merged {
			t.all(func(slot, hash uint32, _ bool) {
				if lives(slot, hash) {
					alive++
				}
			})
		}
		fresh = newTable(alive + 1)
		for _, t := range merged {
			t.all(func(slot, hash uint32, _ bool) {
				if lives(slot, hash) {
					fresh.put(slot, hash)
				}
			})
		}
	}
	return append(slices.Clone(x.layers[:keep]), fresh)
}

// renewed returns a table of what is alive in t, with room for more.
func (t *table) renewed() *table {
	alive := 0
	t.all(func(_, _ uint32, dead bool) {
		if !dead {
			alive++
		}
	})
	fresh := newTable(alive + 1)
	t.all(func(slot, hash uint32, dead bool) {
		if !dead {
			fresh.put(slot, hash)
		}
	})
	return fresh
}

// remove takes out the row in a slot.
func (x *index) remove(slot, hash uint32) {
	x.live--
	if !x.own {
		return
	}
	last := len(x.layers) - 1
	t := x.layers[last]
	t.kill(slot, hash)
	if len(t.groups) > smallGroups && x.live < len(t.groups)/2 { // it has fourteen buckets and more for each that is alive
		x.layers = append(slices.Clone(x.layers[:last]), t.renewed())
	}
}

// share notes that a view has the index as it is.
func (x *index) share() {
	if x.own {
		x.layers[len(x.layers)-1].shared = true
	}
}

// A Set is a set of strings, to be filled again and again.
type Set struct {
	table *table
	ids   []string
}

// Add adds an ID with its hash. It returns how many were there before it, and whether it was not there yet.
func (s *Set) Add(hash uint32, id string) (place int, added bool) {
	switch {
	case s.table == nil:
		s.table = newTable(0)
	case s.table.full():
		s.table = s.table.renewed()
	}
	if i, found := s.table.find(hash, id, s.id); found {
		return int(i), false
	}
	s.table.put(uint32(len(s.ids)), hash)
	s.ids = append(s.ids, id)
	return len(s.ids) - 1, true
}

func (s *Set) id(i uint32) string { return s.ids[i] }

// Grow makes room for so many more.
func (s *Set) Grow(n int) {
	if n += len(s.ids); s.table == nil || n > len(s.table.groups)*5 {
		fresh := newTable(n)
		for i, id := range s.ids {
			fresh.put(uint32(i), Hash(id))
		}
		s.table = fresh
		s.ids = slices.Grow(s.ids, n-len(s.ids))
	}
}

// Clear forgets all, and keeps room for about as much, or for some thousands if it was more.
func (s *Set) Clear() {
	switch t := s.table; {
	case t == nil || t.used == 0:
	case len(t.groups) > smallGroups:
		s.table, s.ids = nil, nil
	case len(t.groups) > leastGroup && t.used < len(t.groups)/2:
		s.table, s.ids = newTable(t.used), nil
	default:
		t.clear()
	}
	clear(s.ids)
	s.ids = s.ids[:0]
}

package store

import (
	"math/bits"
	"slices"
	"sync/atomic"
)

// An index finds rows by ID. It is a hash table of hints: an entry says in which slot a row of that
// hash was once put, and whoever looks up compares the ID in the rows that it sees. So a table only grows,
// and a view, whose rows do not change, can read the table that its store goes on writing: it passes by entries that are
// younger than itself, and finds those whose rows have since been removed. Nothing is copied when a
// view is taken, and a row that is removed is left in the table until that is made anew.
//
// A fork reads the tables it came with and puts its own entries in another above them.
type index struct {
	layers []*table // the newest last; replaced and never written
	own    bool     // whether the last layer may be written
	live   int      // rows that are there
}

// A table is open-addressed, in groups of eight buckets. A control word has one byte for each bucket of its group:
// zero where it is empty, else the top bit and seven bits of the hash, so that looking up what is not there
// reads one word in nearly all cases (the layout of Swiss tables; Kulukundis 2017).
type table struct {
	control []uint64
	entries []uint64 // hash<<32 | slot
	used    int
	shared  bool // whether views have it, who may read while it is written
}

const (
	tableGroup = 8
	leastGroup = 4 // groups of the smallest table
	maxLayers  = 8 // beyond it a fork of forks merges them
	lowBits    = 0x0101010101010101
	highBits   = 0x8080808080808080
)

// newTable returns a table with room for some entries, and for more: a quarter of its buckets stay
// empty at least, and five eighths do when it is new.
func newTable(entries int) *table {
	groups := leastGroup
	for groups*3 < entries {
		groups *= 2
	}
	return &table{control: make([]uint64, groups), entries: make([]uint64, groups*tableGroup)}
}

func (t *table) full() bool { return t.used >= len(t.control)*6 }

func tagOf(hash uint32) uint64 { return uint64(hash>>25 | 0x80) }

// find returns the slot whose ID, as idOf tells it, is id.
func (t *table) find(hash uint32, id string, idOf func(slot uint32) string) (uint32, bool) {
	mask := len(t.control) - 1
	for g, step := int(hash)&mask, 1; ; g, step = (g+step)&mask, step+1 {
		word := atomic.LoadUint64(&t.control[g])
		differ := word ^ tagOf(hash)*lowBits
		for m := (differ - lowBits) &^ differ & highBits; m != 0; m &= m - 1 {
			e := atomic.LoadUint64(&t.entries[g*tableGroup+bits.TrailingZeros64(m)/8])
			if uint32(e>>32) == hash && idOf(uint32(e)) == id {
				return uint32(e), true
			}
		}
		if ^word&highBits != 0 {
			return 0, false
		}
	}
}

// put adds an entry that is not there yet; there is room for it.
func (t *table) put(slot, hash uint32) {
	entry, mask := uint64(hash)<<32|uint64(slot), len(t.control)-1
	g := int(hash) & mask
	for step := 1; ; g, step = (g+step)&mask, step+1 {
		differ := t.control[g] ^ tagOf(hash)*lowBits
		for m := (differ - lowBits) &^ differ & highBits; m != 0; m &= m - 1 {
			if t.entries[g*tableGroup+bits.TrailingZeros64(m)/8] == entry {
				return // put before, and removed since: it is good again
			}
		}
		if ^t.control[g]&highBits != 0 {
			break
		}
	}
	t.used++
	bucket := bits.TrailingZeros64(^t.control[g]&highBits) / 8
	word := t.control[g] | tagOf(hash)<<(8*bucket)
	if !t.shared {
		t.entries[g*tableGroup+bucket], t.control[g] = entry, word
		return
	}
	atomic.StoreUint64(&t.entries[g*tableGroup+bucket], entry) // before the byte by which it is found
	atomic.StoreUint64(&t.control[g], word)
}

// all hands on every entry.
func (t *table) all(f func(slot, hash uint32)) {
	for g := range t.control {
		for m := atomic.LoadUint64(&t.control[g]) & highBits; m != 0; m &= m - 1 {
			e := atomic.LoadUint64(&t.entries[g*tableGroup+bits.TrailingZeros64(m)/8])
			f(uint32(e), uint32(e>>32))
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

// insert adds a row that has been put in a slot. lives reports whether a slot has a row of that hash now; entries
// of others are forgotten when a table is made anew.
func (x *index) insert(slot, hash uint32, lives func(slot, hash uint32) bool) {
	x.live++
	switch last := len(x.layers) - 1; {
	case !x.own && len(x.layers) < maxLayers:
		x.layers, x.own = append(slices.Clip(x.layers), newTable(0)), true
	case !x.own:
		x.layers, x.own = []*table{merged(x.live, x.layers, lives)}, true
	case x.layers[last].full():
		fresh := merged(min(x.live, x.layers[last].used+1), x.layers[last:], lives)
		x.layers = append(slices.Clone(x.layers[:last]), fresh)
	}
	x.layers[len(x.layers)-1].put(slot, hash)
}

// merged returns a table of what lives of others, which are of so many rows at the most.
func merged(rows int, tables []*table, lives func(slot, hash uint32) bool) *table {
	fresh := newTable(rows)
	for _, t := range tables {
		t.all(func(slot, hash uint32) {
			if lives(slot, hash) {
				fresh.put(slot, hash)
			}
		})
	}
	return fresh
}

// share notes that a view has the index as it is.
func (x *index) share() {
	if x.own {
		x.layers[len(x.layers)-1].shared = true
	}
}

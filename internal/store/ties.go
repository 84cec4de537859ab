package store

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"
	"sync/atomic"
)

// Ties is the order of nodes that are equally good, by a seeded hash of their IDs. It is immutable.
type Ties struct {
	Order []uint32 // rows
	Rank  []uint32 // by row: its place in Order; rows without a node have any

	seed   uint64
	hashes []uint64 // by row
	asked  atomic.Bool
}

// maxTies is how many seeds an order of nodes keeps Ties of; beyond it the first goes.
const maxTies = 4

// Ties returns the order of ties for a seed: O(nodes) the first time, and nothing after that as long as no node comes or goes, whoever
// asks. When nodes come and go what was asked for follows, as the order of IDs does.
func (v *View) Ties(seed uint64) *Ties {
	t := v.ranked().tiesOf(v, seed)
	t.asked.Store(true)
	return t
}

func (k *ranked) tiesOf(v *View, seed uint64) *Ties {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.ties {
		if t.seed == seed {
			return t
		}
	}
	if len(k.ties) == maxTies {
		k.ties = slices.Delete(k.ties, 0, 1)
	}
	t := (&Ties{seed: seed}).changed(v, nil, k.order)
	k.ties = append(k.ties, t)
	return t
}

// askedTies returns those that anybody has asked for since nodes came or went last.
func (k *ranked) askedTies() (asked []*Ties) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, t := range k.ties {
		if t.asked.Load() {
			asked = append(asked, t)
		}
	}
	return asked
}

// changed returns what the order of a view's nodes is, if nodes went from some rows and came to others.
func (t *Ties) changed(v *View, gone, come []uint32) *Ties {
	to := &Ties{seed: t.seed, hashes: make([]uint64, v.Rows()), Rank: make([]uint32, v.Rows())}
	copy(to.hashes, t.hashes)
	stay := t.Order
	if len(gone) > 0 {
		left := make([]bool, len(t.Rank))
		for _, row := range gone {
			left[row] = true
		}
		stay = slices.DeleteFunc(slices.Clone(stay), func(row uint32) bool { return left[row] })
	}
	for _, row := range come {
		to.hashes[row] = TieHash(t.seed, v.nodeID(row))
	}
	come = to.sort(v, slices.Clone(come))
	if to.Order = come; len(stay) > 0 {
		to.Order = to.merge(v, stay, come)
	}
	for rank, row := range to.Order {
		to.Rank[row] = uint32(rank)
	}
	return to
}

func (t *Ties) compare(v *View, a, b uint32) int {
	if c := cmp.Compare(t.hashes[a], t.hashes[b]); c != 0 {
		return c
	}
	return strings.Compare(v.nodeID(a), v.nodeID(b))
}

// sort sorts rows by hash: since hashes are spread evenly, by as many of their first bits as there are rows and then by
// comparing the few that have these alike.
func (t *Ties) sort(v *View, rows []uint32) []uint32 {
	compare := func(a, b uint32) int { return t.compare(v, a, b) }
	const few = 64
	if len(rows) <= few {
		slices.SortFunc(rows, compare)
		return rows
	}
	shift := 64 - bits.Len(uint(len(rows)))
	ends := make([]uint32, 1<<(64-shift)+1)
	for _, row := range rows {
		ends[t.hashes[row]>>shift+1]++
	}
	for i := range len(ends) - 1 {
		ends[i+1] += ends[i]
	}
	sorted := make([]uint32, len(rows))
	for _, row := range rows {
		bucket := t.hashes[row] >> shift
		at := ends[bucket]
		ends[bucket]++
		sorted[at] = row
	}
	from := uint32(0)
	for _, to := range ends[:len(ends)-1] {
		switch some := sorted[from:to]; len(some) {
		case 0, 1:
		case 2: // of most that are not alone; a call costs more than all of this
			if compare(some[1], some[0]) < 0 {
				some[0], some[1] = some[1], some[0]
			}
		default:
			slices.SortFunc(some, compare)
		}
		from = to
	}
	return sorted
}

// merge merges two lists in order.
func (t *Ties) merge(v *View, a, b []uint32) []uint32 {
	if len(b) == 0 {
		return a
	}
	all := make([]uint32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if t.compare(v, a[0], b[0]) < 0 {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}

// TieHash is by which nodes are shuffled that are equally good.
func TieHash(seed uint64, node string) uint64 { return Mix(Mix(seed) ^ LongHash(node)) }

// LongHash is FNV-1a of 64 bits, the same in every process.
func LongHash(s string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// Mix is the finaliser of SplitMix64 (Steele, Lea, Flood 2014).
func Mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

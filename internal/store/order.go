package store

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
)

// An ordering is the order of the nodes' IDs, as one or more views and perhaps a store have it. It is worked out when
// it is first asked for, from one that was known before and the rows in which nodes have come or gone since: so a view that
// nobody asks costs nothing, however many nodes there are, and one that is asked costs a copy of the order and
// the sorting of what is new.
type ordering struct {
	owner  token  // of the store that may go on adding to touched, before a view has it
	branch uint64 // of that store

	mu      sync.Mutex
	known   atomic.Pointer[ranked] // nil until somebody asks
	base    *ranked                // of an earlier ordering
	touched []uint32               // rows in which a node came or went since, some of them repeatedly
}

// ranked is rows by node ID, and by row its place among them; rows without a node have any. It is immutable, but that ties are
// added when somebody asks.
type ranked struct {
	order, rank []uint32

	mu   sync.Mutex
	ties []*Ties // of the same nodes
}

// Order returns the rows of all nodes by node ID. It is never written again.
func (v *View) Order() []uint32 { return v.ranked().order }

// Rank returns each row's place in Order. It is the same slice as long as no node comes or goes.
func (v *View) Rank() []uint32 { return v.ranked().rank }

func (v *View) ranked() *ranked {
	if k := v.ordering.known.Load(); k != nil {
		return k
	}
	return v.ordering.sort(v)
}

// reorder notes that a node has come to a row, or has gone from it.
func (s *Store) reorder(row uint32) {
	o := s.ordering
	if o.owner != s.token || o.known.Load() != nil {
		o = o.next(s, row)
		s.ordering = o
	} else {
		o.touched = append(o.touched, row)
	}
	if len(o.touched) > 2*s.nodeN+1024 || s.outranked(o.base) { // nobody asks, and what came and went would pile up
		o.sort(&s.View)
	}
}

// outranked reports whether an order has places for many more rows than there are.
func (s *Store) outranked(by *ranked) bool { return by != nil && len(by.rank) > 4*s.Rows()+1024 }

// trimOrder makes the order anew if it has places for rows that have been given up.
func (s *Store) trimOrder() {
	o := s.ordering
	o.mu.Lock() // a view may have it, and just be working it out
	long := s.outranked(o.known.Load()) || s.outranked(o.base)
	o.mu.Unlock()
	if long && s.Rows() > 0 {
		s.reorder(0) // any row will do: whether it has changed is looked up
	}
}

// next returns the ordering that follows o in a store in which a row has changed.
func (o *ordering) next(s *Store, row uint32) *ordering {
	next := &ordering{owner: s.token, branch: s.branch.number}
	o.mu.Lock()
	defer o.mu.Unlock()
	if next.base = o.known.Load(); next.base != nil {
		next.touched = []uint32{row}
		return next
	}
	touched := o.touched
	if o.branch != s.branch.number {
		touched = slices.Clip(touched) // its spare room is another store's
	}
	next.base, next.touched = o.base, append(touched, row)
	return next
}

// sort works out the order for a view that has it.
func (o *ordering) sort(v *View) *ranked {
	o.mu.Lock()
	defer o.mu.Unlock()
	if k := o.known.Load(); k != nil {
		return k
	}
	base := o.base
	if base == nil {
		base = new(ranked)
	}
	k := base.changed(v, o.touched)
	o.known.Store(k)
	o.base, o.touched = nil, nil
	return k
}

// changed returns what the order of a view's nodes is, if nodes came and went in these rows only.
func (b *ranked) changed(v *View, touched []uint32) *ranked {
	touched = slices.Clone(touched)
	slices.Sort(touched)
	touched = slices.Compact(touched)
	var gone []int // places in b
	var left, come []uint32
	for _, row := range touched {
		if int(row) < len(b.rank) {
			if at := int(b.rank[row]); at < len(b.order) && b.order[at] == row {
				gone, left = append(gone, at), append(left, row)
			}
		}
		if int(row) < v.Rows() && v.Node(row).Node != nil {
			come = append(come, row)
		}
	}
	slices.Sort(gone)
	id := func(row uint32) string { return v.Node(row).Node.ID }
	slices.SortFunc(come, func(a, b uint32) int { return cmp.Compare(id(a), id(b)) })

	// same is how many rows are where they were.
	stay, same := b.order, len(b.order)
	if len(gone) > 0 {
		stay, same = make([]uint32, 0, len(b.order)-len(gone)), gone[0]
		from := 0
		for _, at := range gone {
			stay = append(stay, b.order[from:at]...)
			from = at + 1
		}
		stay = append(stay, b.order[from:]...)
	}
	order := make([]uint32, 0, len(stay)+len(come))
	for _, row := range come {
		n := before(stay, id, id(row))
		same = min(same, len(order)+n)
		order = append(append(order, stay[:n]...), row)
		stay = stay[n:]
	}
	order = append(order, stay...)
	rank := make([]uint32, v.Rows())
	copy(rank, b.rank)
	for i := same; i < len(order); i++ {
		rank[order[i]] = uint32(i)
	}
	k := &ranked{order: order, rank: rank}
	for _, t := range b.askedTies() {
		k.ties = append(k.ties, t.changed(v, left, come))
	}
	return k
}

// before returns how many of some sorted rows come before an ID. It takes steps that double, so that many IDs one after
// another cost little more than a walk.
func before(rows []uint32, id func(uint32) string, of string) int {
	lo, hi := 0, 1
	for hi <= len(rows) && id(rows[hi-1]) < of {
		lo, hi = hi, 2*hi+1
	}
	hi = min(hi-1, len(rows))
	n, _ := slices.BinarySearchFunc(rows[lo:hi], of, func(row uint32, of string) int { return cmp.Compare(id(row), of) })
	return lo + n
}

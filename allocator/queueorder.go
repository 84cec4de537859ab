package allocator

import (
	"fmt"
	"iter"

	"github.com/berth-sched/berth"
)

// change makes the order follow what f does. If a policy panics meanwhile, the order is made anew later; until then siblings may be in
// the wrong order, but each is where it says it is.
func (q *Queue) change(f func()) {
	was := q.stale
	q.changes++
	q.stale = true
	f()
	q.stale = was
}

// mend makes the order anew if it has to be.
func (q *Queue) mend() {
	if !q.stale {
		return
	}
	q.changes++
	q.scatter(q.root)
	q.rebuild(q.root)
	q.stale = false
}

// scatter takes everybody below a branch out of the order.
func (q *Queue) scatter(b *branch) {
	clear(b.kids)
	b.kids, b.owed = b.kids[:0], 0
	if b.level != nil {
		*b.level = level{}
	}
	for _, k := range b.all {
		k.at, k.part = none, part{}
		q.scatter(k)
	}
}

// rebuild makes the order below a branch anew, and rates it.
func (q *Queue) rebuild(b *branch) {
	for _, k := range b.all {
		q.rebuild(k)
		if k.waits > 0 && !k.closed {
			k.at = len(b.kids)
			b.kids = append(b.kids, k)
			if k.sib.Owed {
				b.owed++
			}
		}
		if b.level != nil {
			q.contribute(b, k, k.at != none)
		}
	}
	for i := len(b.kids)/2 - 1; i >= 0; i-- {
		b.down(i)
	}
	if q.tree.Usage != nil && !b.leaf {
		if b.sib.Usage = q.tree.Usage.Of(b.sib.Role); b.own {
			b.sib.Usage = q.tree.Usage.own(b.sib.Role)
		}
	}
	q.dominate(b)
	q.rate(b)
}

// Refresh makes the order follow what the [Usage] of the tree says now. It takes time for each client, when the order is next asked.
func (q *Queue) Refresh() error {
	if err := q.usable(); err != nil {
		return fmt.Errorf("allocator: refresh: %w", err)
	}
	q.stale = true
	return nil
}

// All yields the active clients in the order of their turns. The first takes a step for each level, and each further one the logarithm of
// how many were yielded. The walk ends where the order has changed meanwhile: to grant in order, take the first, charge it, and
// ask again.
func (q *Queue) All() iter.Seq2[berth.Role, string] {
	return func(yield func(berth.Role, string) bool) {
		q.walk(func(b *branch) bool { return yield(b.sib.Role, b.sib.Name) })
	}
}

func (q *Queue) walk(yield func(*branch) bool) {
	if q.usable() != nil {
		return
	}
	q.mend()
	if !q.root.closed {
		changes := q.changes
		q.walkBelow(q.root, func(b *branch) bool { return yield(b) && q.changes == changes && !q.stale })
	}
}

// walkBelow walks the heap of a branch, the first of those whose parents in it were met coming next.
func (q *Queue) walkBelow(b *branch, yield func(*branch) bool) bool {
	if len(b.kids) == 0 {
		return !b.leaf || yield(b)
	}
	heap := []int{0}
	for len(heap) > 0 {
		at := heap[0]
		last := len(heap) - 1
		heap[0] = heap[last]
		heap = heap[:last]
		for i := 0; ; {
			c := 2*i + 1
			if c+1 < last && b.compare(b.kids[heap[c+1]], b.kids[heap[c]]) < 0 {
				c++
			}
			if c >= last || b.compare(b.kids[heap[c]], b.kids[heap[i]]) >= 0 {
				break
			}
			heap[i], heap[c] = heap[c], heap[i]
			i = c
		}
		n := len(b.kids)
		if !q.walkBelow(b.kids[at], yield) {
			return false
		}
		for _, next := range []int{2*at + 1, 2*at + 2} {
			if next >= n {
				continue
			}
			i := len(heap)
			heap = append(heap, next)
			for i > 0 && b.compare(b.kids[heap[i]], b.kids[heap[(i-1)/2]]) < 0 {
				heap[i], heap[(i-1)/2] = heap[(i-1)/2], heap[i]
				i = (i - 1) / 2
			}
		}
	}
	return true
}

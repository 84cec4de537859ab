package scheduler

import (
	"time"

	"github.com/google/btree"
)

// agenda keeps things by their time, those of one time in the order they were added. Adding, removing and finding
// the first cost the logarithm of their number.
type agenda[T any] struct {
	tree *btree.BTreeG[*entry[T]]
	n    uint64
}

// entry is one thing on an agenda, and what it is removed by.
type entry[T any] struct {
	at   time.Time
	n    uint64
	what T
}

func newAgenda[T any]() agenda[T] {
	return agenda[T]{tree: btree.NewG(16, func(a, b *entry[T]) bool {
		if c := a.at.Compare(b.at); c != 0 {
			return c < 0
		}
		return a.n < b.n
	})}
}

func (a *agenda[T]) add(at time.Time, what T) *entry[T] {
	a.n++
	e := &entry[T]{at, a.n, what}
	a.tree.ReplaceOrInsert(e)
	return e
}

// remove takes an entry off; one that is off already, or nil, is passed over.
func (a *agenda[T]) remove(e *entry[T]) {
	if e != nil {
		a.tree.Delete(e)
	}
}

// next returns the time of the first entry, and whether there is one.
func (a *agenda[T]) next() (time.Time, bool) {
	e, ok := a.tree.Min()
	if !ok {
		return time.Time{}, false
	}
	return e.at, true
}

// pop takes off and returns the first entry, if its time has come.
func (a *agenda[T]) pop(now time.Time) (what T, ok bool) {
	e, some := a.tree.Min()
	if !some || e.at.After(now) {
		return what, false
	}
	a.tree.DeleteMin()
	return e.what, true
}

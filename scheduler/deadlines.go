package scheduler

import (
	"iter"
	"math"
	"slices"
	"time"

	"github.com/google/btree"

	"github.com/berth-sched/berth/internal/store"
)

// expiry is when a task or a hold ends.
type expiry struct {
	at int64 // as package store counts deadlines
	id string
}

// deadlines are expiries in order of time, then ID. Those of one time, which the thousands of offers of a pass are, and the tasks of a plan,
// are kept together: to add one costs an entry in a list, and to take it out a count. What the list has that has ended since is passed by.
type deadlines struct {
	of   func(id string) int64 // the deadline that a record has now, or 0
	tree *btree.BTreeG[*due]
	by   map[int64]*due
	last *due // that was asked for last
	most int  // times that there were
	n    int
}

// due is what ends at one time.
type due struct {
	at  int64
	n   int      // how many things that is
	ids []string // of all of them, and of some that are no more
}

func newDeadlines(of func(id string) int64) deadlines {
	return deadlines{of: of, tree: btree.NewG(32, func(a, b *due) bool { return a.at < b.at }), by: map[int64]*due{}}
}

func (d *deadlines) add(at time.Time, id string) { d.set(store.DeadlineOf(at), id, true) }

func (d *deadlines) remove(at time.Time, id string) { d.set(store.DeadlineOf(at), id, false) }

// set notes that something ends at a time, or no more. It is told so once of each record that has the deadline.
func (d *deadlines) set(at int64, id string, in bool) {
	if at == 0 { // never, as of what is reserved
		return
	}
	x := d.last
	if x == nil || x.at != at {
		x = d.by[at]
	}
	if in {
		if x == nil {
			x = &due{at: at}
			d.by[at] = x
			d.most = max(d.most, len(d.by))
			d.tree.ReplaceOrInsert(x)
		}
		d.last = x
		x.ids = append(x.ids, id)
		x.n++
		d.n++
		return
	}
	if x == nil {
		return
	}
	d.last = x
	x.n--
	if d.n--; x.n > 0 {
		if len(x.ids) > 64 && len(x.ids) > 4*x.n {
			x.ids = d.left(x)
		}
		return
	}
	d.last = nil
	d.tree.Delete(x)
	if delete(d.by, at); len(d.by) == 0 && d.most > 64 {
		d.by, d.most = map[int64]*due{}, 0 // a map keeps the room it once needed
	}
}

// left returns the IDs of what ends at a time, in order.
func (d *deadlines) left(x *due) []string {
	ids := make([]string, 0, x.n+1)
	for _, id := range x.ids {
		if d.of(id) == x.at {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// reached reports whether anything ends at now or before.
func (d *deadlines) reached(now time.Time) bool {
	if d.n == 0 {
		return false
	}
	x, ok := d.tree.Min()
	return ok && x.at <= store.Reached(now)
}

// first returns the earliest deadline.
func (d *deadlines) first() (at time.Time, some bool) {
	x, some := d.tree.Min() // a time of which nothing is left is not in the tree
	if !some {
		return at, false
	}
	return store.DeadlineTime(x.at), true
}

// passed yields what ends at now or before, the earliest first. The deadlines must not change meanwhile.
func (d *deadlines) passed(now time.Time) iter.Seq[expiry] { return d.until(store.Reached(now)) }

// all yields all of it, the earliest first.
func (d *deadlines) all() iter.Seq[expiry] { return d.until(math.MaxInt64) }

func (d *deadlines) until(last int64) iter.Seq[expiry] {
	return func(yield func(expiry) bool) {
		d.tree.Ascend(func(x *due) bool {
			if x.at > last {
				return false
			}
			for _, id := range d.left(x) {
				if !yield(expiry{x.at, id}) {
					return false
				}
			}
			return true
		})
	}
}

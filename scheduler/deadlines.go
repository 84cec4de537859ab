package scheduler

import (
	"iter"
	"maps"
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
// are kept together: to add one, or to take it out, costs no search among them.
type deadlines struct {
	tree *btree.BTreeG[*due]
	by   map[int64]*due
	most int // times that there were
	n    int
}

// due is what ends at one time.
type due struct {
	at   int64
	one  string              // if it is one thing,
	many map[string]struct{} // or else all
}

func newDeadlines() deadlines {
	return deadlines{tree: btree.NewG(32, func(a, b *due) bool { return a.at < b.at }), by: map[int64]*due{}}
}

func (d *deadlines) add(at time.Time, id string) { d.set(store.DeadlineOf(at), id, true) }

func (d *deadlines) remove(at time.Time, id string) { d.set(store.DeadlineOf(at), id, false) }

func (d *deadlines) set(at int64, id string, in bool) {
	if at == 0 { // never, as of what is reserved
		return
	}
	x := d.by[at]
	if in {
		if x == nil {
			x = &due{at: at}
			d.by[at] = x
			d.most = max(d.most, len(d.by))
			d.tree.ReplaceOrInsert(x)
		}
		if x.add(id) {
			d.n++
		}
		return
	}
	if x == nil || !x.remove(id) {
		return
	}
	if d.n--; x.len() == 0 {
		d.tree.Delete(x)
		if delete(d.by, at); len(d.by) == 0 && d.most > 64 {
			d.by, d.most = map[int64]*due{}, 0 // a map keeps the room it once needed
		}
	}
}

func (x *due) add(id string) (fresh bool) {
	switch {
	case x.many != nil:
		n := len(x.many)
		x.many[id] = struct{}{}
		return len(x.many) > n
	case x.one == "":
		x.one = id
	case x.one == id:
		return false
	default:
		x.many = map[string]struct{}{x.one: {}, id: {}}
		x.one = ""
	}
	return true
}

func (x *due) remove(id string) (was bool) {
	if x.many != nil {
		n := len(x.many)
		delete(x.many, id)
		return len(x.many) < n
	}
	if was = x.one == id; was {
		x.one = ""
	}
	return was
}

func (x *due) len() int {
	if x.one != "" {
		return 1
	}
	return len(x.many)
}

// ids returns the IDs of what ends, in order.
func (x *due) ids() []string {
	if x.one != "" {
		return []string{x.one}
	}
	return slices.Sorted(maps.Keys(x.many))
}

func (d *deadlines) first() (time.Time, bool) {
	x, ok := d.tree.Min()
	if !ok {
		return time.Time{}, false
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
			for _, id := range x.ids() {
				if !yield(expiry{x.at, id}) {
					return false
				}
			}
			return true
		})
	}
}

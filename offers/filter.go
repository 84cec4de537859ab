package offers

import (
	"fmt"
	"slices"
	"time"

	"github.com/berth-sched/berth"
)

// Filter says how a framework wants to be spared what it did not take. Until it expires by the
// clock, the node is not offered to the framework again, unless it has more of something than was declined.
// Filters go when the framework revives or the node is described anew.
//
// A filter also lasts until one pass was made, however far passes are apart, so that others are asked before
// who has just declined. The room of a daemon, which is nobody else's turn, needs no such pass.
type Filter struct {
	// For is how long. 0 is no filter.
	For time.Duration
}

// DefaultFilter is a time for [Filter].For where a framework has no wish of its own: the 5 seconds that are the default
// of Mesos. Nothing here takes it unless it is given: the zero Filter is none.
const DefaultFilter = 5 * time.Second

// Err returns what is wrong with the filter, or nil.
func (f Filter) Err() error {
	if f.For < 0 {
		return fmt.Errorf("filter: For is negative (%v)", f.For)
	}
	return nil
}

// refusal is what a framework declined at one time, on however many nodes: as long as one time holds for all of it.
type refusal struct {
	sub   *Subscription
	until time.Time
	pass  uint64  // how many passes there were before
	sites []*site // some of which may have forgotten it
	left  int     // filters of it that stand
	over  bool    // none of them does
	rung  bool    // the time was over before a pass was made
	alarm *alarm
}

// filter is what a framework declined of a node. It stands as long as its refusal does.
type filter struct {
	of   *refusal
	what *stock
}

// filterBits are, for 64 rows, those of which a framework has filters, and those where one covers all that was free when it was last
// looked at: what site.room says. They are by the frameworks' numbers, so that what all of them say of one node lies side by side.
type filterBits struct{ some, covers []uint64 }

// bitsOf returns the bits about a row, with room for a framework's.
func (x *Exchange) bitsOf(row uint32, s *Subscription) *filterBits {
	for int(row/64) >= len(x.spared) {
		x.spared = append(x.spared, filterBits{})
	}
	b := &x.spared[row/64]
	if len(b.some) <= s.number {
		n := len(x.slots) - len(b.some)
		b.some, b.covers = append(b.some, make([]uint64, n)...), append(b.covers, make([]uint64, n)...)
	}
	return b
}

// hasFilters reports whether a framework has filters of the node in a row, and isSpared whether one covers all that is free there, which
// is known while site.room is right.
func (x *Exchange) hasFilters(s *Subscription, row uint32) bool {
	i := int(row / 64)
	return i < len(x.spared) && s.number < len(x.spared[i].some) && x.spared[i].some[s.number]>>(row%64)&1 != 0
}

func (x *Exchange) isSpared(s *Subscription, row uint32) bool {
	i := int(row / 64)
	return i < len(x.spared) && s.number < len(x.spared[i].covers) && x.spared[i].covers[s.number]>>(row%64)&1 != 0
}

// clearBits takes back what is known of a framework's filters of a row.
func (x *Exchange) clearBits(s *Subscription, row uint32) {
	if i := int(row / 64); i < len(x.spared) && s.number < len(x.spared[i].some) {
		x.spared[i].some[s.number] &^= 1 << (row % 64)
		x.spared[i].covers[s.number] &^= 1 << (row % 64)
	}
}

// filter spares a framework what it declined of a node. Of two filters one of which says all that the other does,
// one is kept.
func (x *Exchange) filter(s *Subscription, at *site, what *stock, f Filter) {
	if f.For <= 0 || what == nil || at.node == nil {
		return
	}
	fresh := filter{x.refusalOf(s, x.now.Add(f.For)), what}
	if x.hasFilters(s, at.row) {
		for i := 0; i < len(at.filters); i++ {
			old := at.filters[i]
			if old.of.sub != s || old.of.over {
				continue
			}
			s.crossed = true
			switch {
			case old.of.pass == x.passes && !old.of.until.Before(fresh.of.until) && old.what.covers(fresh.what):
				return
			case !fresh.of.until.Before(old.of.until) && fresh.what.covers(old.what):
				at.filters = slices.Delete(at.filters, i, i+1)
				i--
				x.release(old.of)
			}
		}
	}
	if fresh.of.over { // the last of the one before went just now
		fresh.of = x.refusalOf(s, fresh.of.until)
	}
	if len(at.filters) == cap(at.filters) {
		x.sweep(at)
	}
	at.filters = append(at.filters, fresh)
	fresh.of.sites = append(fresh.of.sites, at)
	fresh.of.left++
	x.filters++
	if at.room == nil {
		at.room = fresh.what
	}
	x.mark(at, fresh)
}

// mark has the bits tell of a filter.
func (x *Exchange) mark(at *site, f filter) {
	b := x.bitsOf(at.row, f.of.sub)
	b.some[f.of.sub.number] |= 1 << (at.row % 64)
	if at.room != nil && f.what.covers(at.room) {
		b.covers[f.of.sub.number] |= 1 << (at.row % 64)
	}
}

// refusalOf returns the refusal that a framework's filters until a time are of.
func (x *Exchange) refusalOf(s *Subscription, until time.Time) *refusal {
	if r := s.refused; r != nil && !r.over && r.pass == x.passes && r.until.Equal(until) {
		return r
	}
	r := &refusal{sub: s, until: until, pass: x.passes}
	r.alarm = x.alarms.set(alarm{at: until, refusal: r})
	if s.refusals == nil {
		s.refusals = map[*refusal]struct{}{}
	}
	s.refusals[r] = struct{}{}
	s.refused = r
	return r
}

// release notes that a filter of a refusal has gone.
func (x *Exchange) release(r *refusal) {
	x.filters--
	if r.left--; r.left == 0 {
		x.finish(r)
	}
}

// finish ends a refusal. Its filters do not stand any more, and are forgotten when their nodes are next looked through.
func (x *Exchange) finish(r *refusal) {
	x.alarms.remove(r.alarm)
	delete(r.sub.refusals, r)
	if r.sub.refused == r {
		r.sub.refused = nil
	}
	x.filters -= r.left
	x.unswept += r.left
	r.over, r.left, r.sites = true, 0, nil
	if x.unswept > 2*x.filters+4096 {
		x.unswept = 0
		for _, at := range x.sites.m {
			x.sweep(at)
		}
	}
}

// sweep forgets the filters of a node that do not stand.
func (x *Exchange) sweep(at *site) {
	at.filters = slices.DeleteFunc(at.filters, func(f filter) bool { return f.of.over })
	if len(at.filters) == 0 {
		at.filters = nil
	} else if cap(at.filters) > 16 && len(at.filters) < cap(at.filters)/4 {
		at.filters = slices.Clone(at.filters)
	}
}

// forgetFilters forgets all filters of a node.
func (x *Exchange) forgetFilters(at *site) {
	filters := at.filters
	at.filters, at.room = nil, nil
	for _, f := range filters {
		if !f.of.over {
			f.of.sub.crossed = true // its refusal still names the node
			if int(at.row) < len(x.rows) && x.rows[at.row] == at {
				x.clearBits(f.of.sub, at.row)
			}
			x.release(f.of)
		}
	}
}

// forgetFiltersOf forgets all filters of a framework.
func (x *Exchange) forgetFiltersOf(s *Subscription) {
	if len(s.refusals) == 0 {
		return
	}
	for r := range s.refusals {
		x.finish(r)
	}
	s.crossed = false
	for i := range x.spared {
		if b := &x.spared[i]; s.number < len(b.some) {
			b.some[s.number], b.covers[s.number] = 0, 0
		}
	}
}

// ring has a pass look at the nodes of a refusal whose time is over. It ends once a pass was made.
func (x *Exchange) ring(r *refusal) {
	over := r.pass < x.passes
	if r.rung && !over {
		return
	}
	r.rung = true
	for _, at := range r.sites {
		x.freshen(at)
	}
	if !over {
		return
	}
	sites := r.sites
	x.finish(r)
	for _, at := range sites {
		if at.node == nil {
			continue
		}
		x.clearBits(r.sub, at.row)
		if !r.sub.crossed {
			continue
		}
		for _, f := range at.filters {
			if f.of.sub == r.sub && !f.of.over {
				x.mark(at, f)
			}
		}
	}
}

// settle makes the bits about a node right for what is free there now, and reports whether they may not have been.
func (x *Exchange) settle(at *site) bool {
	if len(at.filters) == 0 {
		return false
	}
	room := x.roomOn(at.row)
	if at.room == room {
		return false
	}
	at.room = room
	for _, f := range at.filters {
		if !f.of.over {
			x.clearBits(f.of.sub, at.row)
		}
	}
	for _, f := range at.filters {
		if !f.of.over {
			x.mark(at, f)
		}
	}
	return true
}

// refuses reports whether a filter of a framework covers all of what a node could be offered with. One whose time is over, but for the
// pass that it must outlast, does not keep a daemon away.
func (x *Exchange) refuses(s *Subscription, at *site, daemon bool, what berth.Resources) bool {
	if !x.hasFilters(s, at.row) {
		return false
	}
	for _, f := range at.filters {
		if f.of.sub != s || f.of.over || daemon && !x.now.Before(f.of.until) {
			continue
		}
		if f.what.all.Covers(what) {
			return true
		}
	}
	return false
}

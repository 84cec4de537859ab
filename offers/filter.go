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

// filter is what a framework declined of a node, and until when.
type filter struct {
	site  *site
	what  berth.Resources
	until time.Time
	pass  uint64 // how many passes there were before
	alarm *alarm
}

// filter spares a framework what it declined of a node. Of two filters one of which says all that the other does,
// one is kept.
func (x *Exchange) filter(s *Subscription, at *site, what berth.Resources, f Filter) {
	if f.For <= 0 || what == nil || at.node == nil {
		return
	}
	fresh := &filter{site: at, what: what, until: x.now.Add(f.For), pass: x.passes}
	for _, old := range slices.Clone(at.filters[s]) {
		switch {
		case old.pass == fresh.pass && !old.until.Before(fresh.until) && old.what.Covers(what):
			return
		case !fresh.until.Before(old.until) && what.Covers(old.what):
			x.forgetFilter(s, old)
		}
	}
	if at.filters == nil {
		at.filters = map[*Subscription][]*filter{}
	}
	at.filters[s] = append(at.filters[s], fresh)
	fresh.alarm = x.alarms.set(alarm{at: fresh.until, filter: fresh})
}

// forgetFilter forgets one filter of a framework.
func (x *Exchange) forgetFilter(s *Subscription, f *filter) {
	at := f.site
	x.alarms.remove(f.alarm)
	left := slices.DeleteFunc(at.filters[s], func(o *filter) bool { return o == f })
	if at.filters[s] = left; len(left) > 0 {
		return
	}
	if delete(at.filters, s); len(at.filters) == 0 {
		at.filters = nil
	}
}

// forgetFilters forgets all filters of a node.
func (x *Exchange) forgetFilters(at *site) {
	for _, filters := range at.filters {
		for _, f := range filters {
			x.alarms.remove(f.alarm)
		}
	}
	at.filters = nil
}

// forgetFiltersOf forgets all filters of a framework.
func (x *Exchange) forgetFiltersOf(s *Subscription) {
	for _, at := range x.sites.m {
		for _, f := range at.filters[s] {
			x.alarms.remove(f.alarm)
		}
		if delete(at.filters, s); len(at.filters) == 0 {
			at.filters = nil
		}
	}
}

// refuses reports whether a filter of a framework covers all of what a node could be offered with. It forgets
// those that have expired. One that has, but for the pass that it must outlast, has the next pass look again.
func (p *pass) refuses(s *Subscription, at *site, daemon bool, what berth.Resources) bool {
	refused, over := false, false
	for _, f := range at.filters[s] {
		if !p.x.now.Before(f.until) {
			if f.pass < p.x.passes {
				over = true
				continue
			}
			p.keep = append(p.keep, at)
			if daemon {
				continue
			}
		}
		refused = refused || f.what.Covers(what)
	}
	if over {
		for _, f := range slices.Clone(at.filters[s]) {
			if !p.x.now.Before(f.until) && f.pass < p.x.passes {
				p.x.forgetFilter(s, f)
			}
		}
	}
	return refused
}

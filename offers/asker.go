package offers

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// asker finds out what keeps offers from a framework.
type asker struct {
	x     *Exchange
	s     *Subscription
	cause Cause // about all nodes; Waiting if there is none
	over  []berth.Lack
	wants []*want         // those that are open and within the limits
	now   *cluster.Fork   // as it is
	held  *stock          // what it is offered, where there is a limit to that as a part of
	total berth.Resources // all there is
	short map[*want]int   // gangs that do not fit, and how many of their tasks do
	alone *cluster.Fork   // where nothing is offered to others on the nodes that were asked about
}

func (x *Exchange) newAsker(s *Subscription) *asker {
	a := &asker{x: x, s: s, cause: Waiting}
	x.countOpen()
	fork := func() *cluster.Fork {
		f := checked.Over(x.view.Fork())
		x.recast(f)
		return (*cluster.Fork)(f)
	}
	a.now, a.alone = fork(), fork()
	within, ahead := 0, 0 // of what is open, how much the limits let it have
	for i := range s.wants {
		w := &s.wants[i]
		if w.left == 0 {
			continue
		}
		if w.group.Mode() != berth.Daemon {
			if ahead++; s.window > 0 && ahead > s.window {
				continue // those before it are why
			}
		}
		a.wants = append(a.wants, w)
		if len(fit.Excesses((*checked.Fork)(a.now).Store().Present(), w.group, nil)) == 0 {
			within++
		}
	}
	if x.view.Limited() > 0 {
		if s.declared {
			a.over = s.overDemand((*checked.Fork)(a.now).Store().Present())
		} else {
			a.over = s.overAny()
		}
	}
	a.short = x.shortOf(s, a.now)
	if s.percent > 0 {
		a.held, a.total = x.outstanding(s), x.snapshot.Total()
	}
	switch {
	case s.suppressed:
		a.cause = Suppressed
	case s.away:
		a.cause = Away
	case s.declared && len(a.wants) == 0:
		a.cause = Content
	case s.most > 0 && len(s.offers) >= s.most:
		a.cause = Full
	case s.paused:
		a.cause = BackingOff
	case s.declared && within == 0:
		a.cause = Limited
	}
	return a
}

// all looks at every node.
func (a *asker) all() *NoOffer {
	n := &NoOffer{Framework: a.s.client.name, Role: a.s.client.role, Outstanding: len(a.s.offers), Cause: a.cause, Over: a.over}
	if a.cause == BackingOff {
		n.Until = a.s.until
	}
	if a.cause != Waiting {
		return n
	}
	for role, name := range a.x.account.order.All() {
		if who := (client{role, name}); who == a.s.client {
			break
		} else if a.x.subs[who] != nil {
			n.Ahead++
		}
	}
	var by [Waiting + 1]CauseCount
	for _, row := range a.x.view.Order() {
		why := a.of(a.x.rows[row])
		c := &by[why.Cause]
		if c.Nodes++; c.Nodes == 1 {
			c.Cause, c.First = why.Cause, why
		}
	}
	for _, c := range by {
		if c.Nodes > 0 {
			n.Nodes = append(n.Nodes, c)
		}
	}
	return n
}

// of says what keeps one node from the framework.
func (a *asker) of(at *site) Why {
	why := Why{Node: at.id, Cause: a.cause}
	if a.cause == BackingOff {
		why.Until = a.s.until
	}
	if a.cause != Waiting {
		return why
	}
	for _, o := range at.offers {
		if o.sub == a.s && o.stage == open {
			why.Cause = Offered
			return why
		}
	}
	if a.x.view.Node(at.row).Cordoned || at.node.Spec.Unschedulable {
		why.Cause = Cordoned
		return why
	}
	if !a.x.suits(a.s, at) {
		why.Cause = Excluded
		return why
	}
	if !a.s.declared && a.x.isForOthers(at, a.s.uses) || len(a.wants) > 0 && !slices.ContainsFunc(a.wants, func(w *want) bool { return !a.x.isForOthers(at, w.uses) }) {
		why.Cause = Spared
		return why
	}
	if at.isKeptFrom(a.s) && !slices.ContainsFunc(a.wants, func(w *want) bool { return w.group.Mode() == berth.Daemon }) {
		why.Cause = Gathered
		return why
	}
	if !a.s.declared {
		return a.ofWhole(at, why)
	}
	if what := a.fitting(a.now, at); what != nil {
		if places, short := a.short[what]; short {
			why.Cause, why.Lacks = Incomplete, []berth.Lack{lackOf(what, places)}
			return why
		}
		more := what.each.times(int64(max(what.need, 1))) // a gang is offered whole
		if a.s.isTooMuch(a.held, more.all, a.total) {
			why.Cause = Full
			return why
		}
		return a.filtered(at, most(what, must(a.now, at)), what.group.Mode() == berth.Daemon, why)
	}
	why.Until = a.dropOthers(at)
	if !why.Until.IsZero() && a.fitting(a.alone, at) != nil {
		why.Cause = WithOthers
		return why
	}
	why.Cause, why.Until = Unfit, time.Time{}
	if lacks := a.awaits(at); lacks != nil {
		why.Cause, why.Lacks = KeptForIt, lacks
		return why
	}
	covered := true
	for _, w := range a.wants {
		lacks := a.lacks(w, at)
		if slices.ContainsFunc(lacks, func(l berth.Lack) bool { return l.Reason.Code == berth.Covered }) {
			continue
		}
		if covered || len(lacks) < len(why.Lacks) {
			why.Lacks = lacks
		}
		covered = false
	}
	if covered {
		why.Cause = Content
	}
	return why
}

// ofWhole is of for a framework that declares nothing.
func (a *asker) ofWhole(at *site, why Why) Why {
	v, row := behind(a.now, at.id)
	hold := freeOn(v, row)
	hold.Resources = a.s.withoutRevocable(hold.Resources)
	cut, short := withinLimits(a.s.client.role, v, hold)
	owner := a.x.own(a.s)
	for _, h := range []*berth.Hold{&hold, &cut} {
		h.Resources = withIdle(v, row, h.Resources, a.s.client.role, owner)
	}
	all := a.x.amounts(&hold, at)
	if len(all) == 0 { // ports alone are not offered
		why.Until = a.dropOthers(at)
		if why.Cause = Used; !why.Until.IsZero() {
			why.Cause = WithOthers
		}
		return why
	}
	limited := len(short) > 0
	if limited {
		if all = a.x.amounts(&cut, at); len(all) == 0 {
			why.Cause = Limited
			return why
		}
	}
	if !a.s.isEnough(all) {
		if why.Cause = TooLittle; limited && a.s.isEnough(a.x.amounts(&hold, at)) {
			why.Cause = Limited
		}
		return why
	}
	if a.s.isTooMuch(a.held, all, a.total) {
		why.Cause = Full
		return why
	}
	return a.filtered(at, all, false, why)
}

// filtered says until when filters keep from the framework what a node could be offered with, if they do.
func (a *asker) filtered(at *site, what berth.Resources, daemon bool, why Why) Why {
	if !a.x.refuses(a.s, at, daemon, what) {
		if _, kept := a.x.awaited.sites[at]; kept && !daemon {
			why.Cause = KeptForDaemon
		}
		return why
	}
	why.Cause = Filtered
	for _, f := range at.filters {
		if f.of.sub == a.s && !f.of.over && f.what.all.Covers(what) && f.of.until.After(why.Until) {
			why.Until = f.of.until
		}
	}
	return why
}

// fitting returns something that is open and of which a task could run on a node of a fork, or nil.
func (a *asker) fitting(f *cluster.Fork, at *site) *want {
	var last *want // of a gang that would not be whole
	for _, w := range a.wants {
		if a.x.isForOthers(at, w.uses) || !fits(f, w.group, at) {
			continue
		}
		if _, short := a.short[w]; !short {
			return w
		}
		last = cmp.Or(last, w)
	}
	return last
}

func fits(f *cluster.Fork, g *berth.Group, at *site) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return f.Fits(g, must(f, at))
}

// lacks says what keeps the tasks of a demand off a node.
func (a *asker) lacks(w *want, at *site) (lacks []berth.Lack) {
	defer func() {
		if fault := recover(); fault != nil {
			lacks = []berth.Lack{{Reason: berth.Reason{Code: berth.Invalid, Subject: fmt.Sprintf("a rule panicked: %v", fault)}}}
		}
	}()
	return a.alone.Lacks(w.group, must(a.alone, at))
}

// dropOthers ends, where the framework is alone, the offers of a node to others that keep room from it. It returns when the first of them
// ends; the zero time if there are none.
func (a *asker) dropOthers(at *site) time.Time {
	first := int64(math.MaxInt64)
	for _, o := range at.offers {
		h, ok := a.x.hold(o)
		if o.sub == a.s || !ok || h.Lease == berth.Optimistic {
			continue
		}
		a.alone.Apply(berth.Op{Kind: berth.Drop, ID: o.id})
		first = min(first, store.DeadlineOf(o.deadline))
	}
	if first == math.MaxInt64 {
		return time.Time{}
	}
	return store.DeadlineTime(first)
}

// awaits returns what an instance of a daemon of the framework lacks on a node where room is kept for it; nil where none is.
func (a *asker) awaits(at *site) []berth.Lack {
	if !slices.Contains(a.x.awaited.sites[at], a.s) {
		return nil
	}
	for _, w := range a.wants {
		if w.group.Mode() == berth.Daemon {
			if lacks := a.lacks(w, at); fit.WaitsForRoom(lacks) {
				return lacks
			}
		}
	}
	return nil
}

// must returns a node of a fork of the source.
func must(f *cluster.Fork, at *site) cluster.NodeView {
	n, _ := f.Node(at.id)
	return n
}

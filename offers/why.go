package offers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/enum"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// Cause is what keeps offers of a node, or of all nodes, from a framework.
type Cause uint8

// The causes. The first that holds is told, in this order: those of the framework, which are about all nodes, before those of a node.
const (
	// Suppressed: the framework has said so, and has not revived.
	Suppressed Cause = iota
	// Away: it has disconnected, and has not reconnected.
	Away
	// Content: the framework wants nothing, or all that it wants runs, or is offered to it already. Of a node: the instances of the daemons that
	// are all it wants have come there.
	Content
	// Full: it has as many offers as it may have: see Terms.MaxOutstanding. Of a node: with what could be offered there it would have more of
	// all there is than it may: see Terms.MaxPercent.
	Full
	// BackingOff: it let offers end without a word, and is offered nothing for a while: see Config.Backoff.
	BackingOff
	// Limited: limits of its role or of those above leave nothing of what it wants.
	Limited
	// Offered: it has an offer of the node that it has not answered.
	Offered
	// Cordoned: the node takes no new tasks.
	Cordoned
	// Excluded: the rules of its terms keep it from the node.
	Excluded
	// Spared: the node has something scarce that the framework does not ask for: see Config.Scarce.
	Spared
	// Gathered: what becomes free there is kept for the demand of another: see Config.Gather.
	Gathered
	// Unfit: no task that the framework wants to run could run there, even if nothing were offered to others.
	Unfit
	// Used: nothing is free, even if nothing were offered to others.
	Used
	// TooLittle: less is free, or left by limits, than Config.Least says is to be offered.
	TooLittle
	// WithOthers: there is room, and it is offered to others.
	WithOthers
	// Filtered: the framework has declined as much of the node.
	Filtered
	// Incomplete: there is room, for tasks of a gang that would not be whole. Why.Lacks says how many of its tasks have a place.
	Incomplete
	// KeptForDaemon: there is room, but so much of it is kept for the instance of somebody's daemon, which waits there for more, that too little is left.
	KeptForDaemon
	// Waiting: nothing. The next pass offers the node, unless it is all gone before the framework's turn comes.
	Waiting
)

var causeWords = []string{
	"suppressed", "away", "content", "full", "backing off", "limited", "offered", "cordoned", "excluded", "spared", "gathered", "unfit", "used", "too little", "with others", "filtered", "incomplete", "kept for a daemon", "waiting",
}

// String returns the cause as a word or two, such as "with others".
func (c Cause) String() string {
	if word, err := enum.Word("cause", causeWords, c); err == nil {
		return string(word)
	}
	return fmt.Sprintf("Cause(%d)", uint8(c))
}

// MarshalText returns the cause as String does. It fails for one that there is not.
func (c Cause) MarshalText() ([]byte, error) { return enum.Word("cause", causeWords, c) }

// UnmarshalText reads what MarshalText writes.
func (c *Cause) UnmarshalText(text []byte) error { return enum.Read("cause", causeWords, text, c) }

// Why is why a framework has no offer of a node, or of no node more than it has.
type Why struct {
	Node  string `json:"node,omitempty"` // empty where it is about all nodes
	Cause Cause  `json:"cause"`
	// Until is when it may be otherwise by the clock alone: when the filter ends, or the first of the offers to others. The zero time is not known.
	Until time.Time `json:"until,omitzero"`
	// Lacks are, of Unfit, what keeps the task off the node that lacks the least there of those that the framework wants to run.
	Lacks []berth.Lack `json:"lacks,omitempty"`
}

// String prints "n1: filtered until 12:00:05", "n2: unfit: lacks 2 cpu".
func (w Why) String() string {
	text := w.Cause.String()
	if w.Node != "" {
		text = w.Node + ": " + text
	}
	if !w.Until.IsZero() {
		text += " until " + w.Until.UTC().Format(time.TimeOnly)
	}
	for i, l := range w.Lacks {
		text += []string{": ", "; "}[min(i, 1)] + l.String()
	}
	return text
}

// NoOffer is why a framework has no more offers than it has, at one moment.
type NoOffer struct {
	Framework   string     `json:"framework"`
	Role        berth.Role `json:"role"`
	Outstanding int        `json:"outstanding"` // offers that it has not answered
	// Cause is about all nodes, or Waiting if there is nothing that is.
	Cause Cause `json:"cause"`
	// Until is when it ends, of BackingOff.
	Until time.Time `json:"until,omitzero"`
	// Over are the limits that keep offers back, as [Subscription.Over] tells them.
	Over []berth.Excess `json:"over,omitempty"`
	// Ahead is how many frameworks come before it in the order, of those that are not suppressed.
	Ahead int `json:"ahead"`
	// Nodes are all nodes by what keeps them from the framework, in the order of causes; none where the cause is about all.
	Nodes []CauseCount `json:"nodes,omitempty"`
}

// CauseCount is how many nodes one cause keeps from a framework, and the first of them by ID.
type CauseCount struct {
	Cause Cause `json:"cause"`
	Nodes int   `json:"nodes"`
	First Why   `json:"first"`
}

// String prints all of it in a line, such as
//
//	framework "ads" of role "eng": 1 offer; 0 frameworks ahead; 5 nodes: 1 offered, 2 with others (n2 until 12:00:30), 2 filtered (n4 until 12:00:05)
func (n *NoOffer) String() string {
	if n == nil {
		return "no framework"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "framework %q of role %q: %s", n.Framework, string(n.Role), plural(n.Outstanding, "offer"))
	if n.Cause != Waiting {
		b.WriteString("; " + n.Cause.String())
	}
	if !n.Until.IsZero() {
		b.WriteString(" until " + n.Until.UTC().Format(time.TimeOnly))
	}
	for _, x := range n.Over {
		b.WriteString("; " + x.Reason().String())
	}
	if n.Cause == Waiting {
		fmt.Fprintf(&b, "; %s ahead", plural(n.Ahead, "framework"))
	}
	total := 0
	var parts []string
	for _, c := range n.Nodes {
		total += c.Nodes
		part := fmt.Sprintf("%d %v", c.Nodes, c.Cause)
		if c.First.Lacks != nil || !c.First.Until.IsZero() {
			part += " (" + strings.Replace(c.First.String(), ": "+c.Cause.String(), "", 1) + ")"
		}
		parts = append(parts, part)
	}
	if total > 0 {
		fmt.Fprintf(&b, "; %s: %s", plural(total, "node"), strings.Join(parts, ", "))
	}
	return b.String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Why says why the framework has no more offers than it has. It decides nothing, and changes nothing but to end leases that have run
// out. It costs a check of every node, some microseconds for each: it is for who asks, not for each pass. A rule that panics
// counts as one by which the task fits nowhere.
func (s *Subscription) Why(ctx context.Context) (*NoOffer, error) {
	var all *NoOffer
	err := s.do(ctx, "why", func() error {
		all = s.x.newAsker(s).all()
		return nil
	})
	return all, err
}

// WhyNode says why the framework has no offer of one node: O(frameworks with offers of it). It fails if there is no such node.
func (s *Subscription) WhyNode(ctx context.Context, node string) (Why, error) {
	var why Why
	err := s.do(ctx, "why", func() error {
		at, ok := s.x.sites.get(node)
		if !ok {
			return fmt.Errorf("node %q: %w", node, berth.ErrUnknownNode)
		}
		why = s.x.newAsker(s).of(at)
		return nil
	})
	return why, err
}

// Why says of each framework of a role and of the roles below it, in the order of names, why it has no more offers than it has. It
// costs what [Subscription.Why] does for each. Of a role that has no frameworks it says nothing.
func (x *Exchange) Why(ctx context.Context, role berth.Role) ([]*NoOffer, error) {
	var all []*NoOffer
	err := x.call("why", func() error {
		if err := role.Err(); err != nil {
			return err
		}
		if _, err := x.expire(ctx); err != nil {
			return err
		}
		for _, s := range x.inOrder() {
			if s.client.role.Within(role) {
				if err := contextErr(ctx); err != nil {
					return errors.Join(err)
				}
				all = append(all, x.newAsker(s).all())
			}
		}
		return nil
	})
	return all, err
}

// asker finds out what keeps offers from a framework.
type asker struct {
	x     *Exchange
	s     *Subscription
	cause Cause // about all nodes; Waiting if there is none
	over  []berth.Excess
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
	within := 0 // of what is open, how much the limits let it have
	for i := range s.wants {
		w := &s.wants[i]
		if w.left == 0 {
			continue
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
	all := a.x.amounts(&hold, at)
	if len(all) == 0 { // ports alone are not offered
		why.Until = a.dropOthers(at)
		if why.Cause = Used; !why.Until.IsZero() {
			why.Cause = WithOthers
		}
		return why
	}
	cut, short := withinLimits(a.s.client.role, v, hold)
	limited := len(short) > 0
	if limited {
		if all = a.x.amounts(&cut, at); len(all) == 0 {
			why.Cause = Limited
			return why
		}
	}
	if !a.x.isEnough(all) {
		if why.Cause = TooLittle; limited && a.x.isEnough(a.x.amounts(&hold, at)) {
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
		if a.x.awaited.sites[at] && !daemon {
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

// must returns a node of a fork of the source.
func must(f *cluster.Fork, at *site) cluster.NodeView {
	n, _ := f.Node(at.id)
	return n
}

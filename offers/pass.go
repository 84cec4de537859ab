package offers

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
	"github.com/berth-sched/berth/internal/store"
)

// pass is one round of offers, worked out on forks of one snapshot and committed in one plan. The rows of sites are
// good until then.
type pass struct {
	x      *Exchange
	ctx    context.Context
	number uint64
	forks  map[*Subscription]*cluster.Fork // exclusive: all one fork, under nil
	probe  *cluster.Fork                   // as the source is,
	probed *store.View                     // in this view
	given  []grant                         // optimistic: what the pass has given, in order
	told   map[*Subscription]int           // how much of it a framework's fork knows
	cuts   map[cutOf]bool                  // what limits kept from whom
	kept   rowSet                          // nodes on which the room of daemons that wait is kept, if there are any
	drafts []*draft
	offers []offer // for drafts to come
	room   []draft
	free   free // what was last found free
	units  int
	turns  int
	faults []error // of rules, which concern one demand each

	fresh        rowSet                   // nodes that are put to everybody
	plain, picky []*Subscription          // who takes part: those who declared nothing, and those who want something
	left         int                      // how many of them may have more offers,
	hasty        int                      // and how many of those are asked about all nodes
	classes      []*class                 // of what they want
	fars         int                      // how many of them want something that depends on what is elsewhere
	daemons      bool                     // some want daemons
	everywhere   bool                     // somebody is asked about all nodes whatever would fit there
	exact        bool                     // all that is free is all that can be offered
	total        berth.Resources          // of the source; nil until somebody asks
	again        []*Subscription          // who is to be asked about all nodes by the next pass too
	gangs        int                      // that are wanted and have not been tried,
	wholes       int                      // and how many were offered
	alarms       map[time.Duration]*alarm // that end the offers, by lease
	news         bool                     // somebody is asked about all nodes for what is new about him
	freshHere    bool                     // the node that is being put is put to everybody
	lone         *Subscription            // who was the only one to be asked about the node before
	crowd        crowd                    // how many are to be asked about the nodes beside the one that is being put
	counting
	choosing
}

// Offer makes one pass: it offers what is free to whoever wants it, node by node in the order of IDs. On
// each node it is asked whose turn it is, again after each hand-out, until nobody wants what is left. Where a demand has another
// [NodeOrder], or a resource of Config.Scarce is a preference, whose turn it is chooses among all nodes instead. It
// returns how many offers there are now that were not before. Offers are final when the source has
// committed them; what others took meanwhile is not offered.
//
// After a pass nobody wants what is free. So a pass puts to everybody the nodes that changed since the last one or whose filters
// have expired, and asks about all nodes only who may want more than before: who has subscribed, revived or changed its demand, had as
// many offers as it may have and has answered one, or wants something that depends on what is on other nodes. Of demand that is
// alike in all that a node is asked for, each node is asked once. A pass in which there is nothing to do takes the
// same time whatever the number of nodes and frameworks.
//
// It fails, having offered nothing, if the source fails or the context ends; if it is after the commit that the source
// fails, the offers are made, and known once the source is seen again. What is wrong with one client, such as a rule
// that panics or a charge that the order refuses, is told in the error as well, but keeps nobody else's offers from
// being made.
func (x *Exchange) Offer(ctx context.Context) (int, error) {
	n := 0
	offer := func() (err error) {
		n, err = x.offer(ctx)
		return errors.Join(err, x.account.takeFaults())
	}
	if x == nil || x.cfg.Observer.Passed == nil {
		err := x.call("offer", offer)
		return n, err
	}
	o, told := &x.cfg.Observer, Pass{}
	told.Err = x.call("offer", func() error {
		began := o.Now()
		err := offer()
		told.Took, told.Made, told.Outstanding = max(o.Now().Sub(began), 0), n, len(x.offers.m)
		return err
	})
	faults.Drop(func() { o.Passed(told) })
	return n, told.Err
}

func (x *Exchange) offer(ctx context.Context) (int, error) {
	if _, err := x.expire(ctx); err != nil {
		return 0, err
	}
	x.relook()
	x.endPauses()
	p := &pass{x: x, ctx: ctx, exact: x.cfg.Lease == berth.Exclusive && x.view.Limited() == 0}
	x.freeKept()
	if !p.gather() {
		x.endPass(p)
		x.gatherMore(p)
		x.passes++
		return 0, nil
	}
	p.forks = map[*Subscription]*cluster.Fork{}
	p.told, p.cuts = map[*Subscription]int{}, map[cutOf]bool{}
	n, err := 0, p.draw()
	x.endPass(p)
	if err == nil {
		n, err = p.commit()
	}
	p.remember()
	if err == nil {
		x.gatherMore(p)
	}
	if err != nil && n == 0 {
		x.freshenAll()
	}
	return n, errors.Join(append(p.faults, err)...)
}

// endPass forgets who was to be asked, now that all have been.
func (x *Exchange) endPass(p *pass) {
	for _, s := range x.eager {
		s.eager = false
	}
	x.eager = x.eager[:0]
	x.asked = x.view.Version()
	if len(x.awaited.sites) > 0 {
		x.awaited.waiters = x.waiters()
	}
	for _, s := range p.again {
		x.hurry(s)
	}
}

// draw drafts the offers. It fails if the context ends, and takes them back.
func (p *pass) draw() error {
	chooses := p.mustChoose()
	var sites iter.Seq[*site]
	if p.daemons || !chooses {
		sites = p.sites()
	}
	for _, daemons := range []bool{true, false} {
		switch {
		case daemons && !p.daemons:
			continue
		case !daemons && chooses:
			if err := p.drawByChoice(); err != nil {
				p.takeBack()
				return err
			}
			continue
		}
		for s := range sites {
			if p.left == 0 {
				break
			}
			if err := p.put(s, daemons); err != nil {
				p.takeBack()
				return err
			}
		}
		if daemons && (chooses || p.gangs > 0) {
			p.keepElsewhere()
		}
	}
	p.tryGangs()
	if p.ctx.Err() != nil {
		p.takeBack()
		return context.Cause(p.ctx)
	}
	return nil
}

// put puts a node to the frameworks in their order, for their daemons or for the rest.
func (p *pass) put(s *site, daemons bool) error {
	if p.freshHere = p.fresh.has(s.row); !p.freshHere && p.hasty == 0 {
		return nil
	}
	p.x.putting++
	if p.exact && p.x.settle(s) {
		p.crowd.left = 0
	}
	p.free = free{}
	p.count(s)
	for p.turn(s, daemons) {
		const often = 64
		if p.turns++; p.turns%often == 0 && p.ctx.Err() != nil {
			return context.Cause(p.ctx)
		}
		if p.isSpent(s) {
			break
		}
	}
	if daemons {
		p.keepRoom(s)
	}
	return nil
}

// isSpent reports whether nothing is left of a node.
func (p *pass) isSpent(s *site) bool {
	if p.x.cfg.Lease != berth.Exclusive {
		return false
	}
	if p.counts {
		return p.isEmpty()
	}
	if f := p.forks[nil]; f != nil {
		v, row := behind(f, s.id)
		return !hasRoom(v, row)
	}
	return true // all of it was offered
}

// first returns the framework whose turn it is, where the order tells it at a glance.
func (p *pass) first() *Subscription {
	if p.x.account.seats == nil {
		return nil
	}
	if tag, ok := p.x.account.seats.FirstTag(); ok && uint(tag) < uint(len(p.x.slots)) {
		return p.x.slots[tag]
	}
	return nil
}

// inTurn yields the clients in their order; nil for who is no framework.
func (p *pass) inTurn() iter.Seq[*Subscription] {
	x := p.x
	return func(yield func(*Subscription) bool) {
		if len(x.account.seat) == len(x.subs) && x.account.seats != nil {
			for tag := range x.account.seats.Tags() {
				if uint(tag) < uint(len(x.slots)) && !yield(x.slots[tag]) {
					return
				}
			}
			return
		}
		for role, name := range x.account.order.All() {
			if !yield(x.subs[client{role, name}]) {
				return
			}
		}
	}
}

// turn gives the first framework in the order that wants something of a node a piece of it.
func (p *pass) turn(at *site, daemons bool) bool {
	p.free = free{}
	if len(p.plain) == 0 && !p.isWanted(at) {
		return false
	}
	x := p.x
	if s := p.lone; s != nil {
		if p.isOnly(s, at) {
			return p.giveOnly(s, at, daemons)
		}
		p.lone = nil
	}
	if s := p.first(); s != nil && s.passed != x.putting && p.asksAbout(s, at) {
		if p.give(s, at, daemons) {
			return true
		}
		s.passed = x.putting
		if len(p.plain) == 0 && !p.isWanted(at) {
			return false // nor will anybody else
		}
	}
	steps, looked := 0, false
	for s := range p.inTurn() {
		if s == nil || s.passed == x.putting || !p.asksAbout(s, at) {
			const few = 8 // after so many it pays to look who is left
			if steps++; steps < few || looked {
				continue
			}
			looked = true
			only, some := p.one(at)
			if only != nil {
				return p.giveOnly(only, at, daemons)
			}
			if !some {
				return false
			}
			continue
		}
		if p.give(s, at, daemons) {
			return true
		}
		s.passed = x.putting
	}
	return false
}

// ready reports whether a framework may be given more offers now.
func (p *pass) ready(s *Subscription) bool {
	if len(s.offers) > 0 && p.x.others[s.owner] > 0 {
		p.retry(s) // once its offers are over it gets another owner: see own
		return false
	}
	return !p.full(s)
}

// giveOnly gives the only framework that is to be asked about a node a piece of it, if it wants one.
func (p *pass) giveOnly(s *Subscription, at *site, daemons bool) bool {
	p.lone = s
	if p.give(s, at, daemons) {
		return true
	}
	s.passed = p.x.putting
	return false
}

func (p *pass) give(s *Subscription, at *site, daemons bool) bool {
	if !p.ready(s) || !p.x.suits(s, at) {
		return false
	}
	if !daemons && at.isKeptFrom(s) {
		return false
	}
	if !s.declared {
		return !daemons && !p.x.isForOthers(at, s.uses) && p.whole(s, at)
	}
	for i := range s.wants {
		w := &s.wants[i]
		if w.need > 0 {
			if !daemons && w.left > 0 && w.tried != p.number && p.gang(s, w) {
				return true
			}
			continue
		}
		if (w.group.Mode() == berth.Daemon) != daemons || w.left == 0 || !daemons && at.isKept(w) || p.x.isForOthers(at, w.uses) || !s.far && !w.far && (w.class.barred == p.x.putting || !p.may(w.class, at.row)) {
			continue
		}
		if p.piece(s, w, at) {
			return true
		}
	}
	return false
}

// sole offers all that is free on a node where nobody wants a part of it: whoever is first has it, and there is no need of a fork to
// know what is left.
func (p *pass) sole(s *Subscription, at *site) bool {
	if at.node.Spec.Unschedulable {
		return false
	}
	var hold berth.Hold
	var all *stock
	if p.counts {
		all = p.x.stocks.amounts(p.x.view, p.rest)
		hold.Resources = all.all
	} else if len(at.node.Spec.Devices)+len(at.node.Spec.Ports) == 0 {
		all = p.x.stocks.free(p.x.view, at.row)
		hold.Resources = all.all
	} else {
		hold = freeOn(p.x.view, at.row)
		all = p.x.stocks.of(p.x.amounts(&hold, at))
	}
	if len(all.all) == 0 || !s.isEnough(all.all) || p.x.refuses(s, at, false, all.all) || !p.charge(s, at, all) {
		return false
	}
	d := p.add(s, at, nil)
	d.hold, d.each = hold, all
	if p.counts {
		clear(p.rest)
	}
	return true
}

// whole offers all that is free on a node.
func (p *pass) whole(s *Subscription, at *site) bool {
	reserves := p.x.view.ReservesOn(at.row) != nil
	revocable := hasRevocable(at.node.Spec)
	if p.exact && len(p.picky) == 0 && !p.chooses && !reserves && !revocable || p.counts {
		return p.sole(s, at)
	}
	state := p.x.view.Node(at.row)
	if state.Cordoned || at.node.Spec.Unschedulable || p.draftOn(s, nil, at) != nil {
		return false
	}
	fork := p.fork(s)
	if p.free.fork != fork {
		p.free = free{fork: fork, site: at, hold: freeOn(behind(fork, at.node.ID))}
		p.free.all = p.x.amounts(&p.free.hold, at)
	}
	hold, all, owner := p.free.hold, p.free.all, s.client.name
	if revocable {
		hold.Resources = s.withoutRevocable(hold.Resources)
		all = p.x.amounts(&hold, at)
	}
	view, row := behind(fork, at.node.ID)
	cut, less := p.cut(s, view, hold)
	if less {
		hold, all = cut, p.x.amounts(&cut, at)
	}
	if reserves { // what is idle of it the role has already, so that no limit says anything about it
		owner = p.x.own(s)
		hold.Resources = withIdle(view, row, hold.Resources, s.client.role, owner)
		all = p.x.amounts(&hold, at)
	}
	if len(all) == 0 || !s.isEnough(all) || p.x.refuses(s, at, false, all) {
		return false
	}
	hold.ID, hold.Owner, hold.Role, hold.Deadline = p.unit(), owner, s.client.role, always
	if _, why := fork.Apply(berth.Op{Kind: berth.Take, Hold: &hold}); why.Code != berth.None {
		return false
	}
	what := p.x.stocks.of(all)
	if !p.charge(s, at, what) {
		fork.Apply(berth.Op{Kind: berth.Drop, ID: hold.ID})
		return false
	}
	d := p.add(s, at, nil)
	d.hold, d.each = hold, what
	p.drew(s, nil, at, d)
	p.note(s, s.client.role, all)
	return true
}

// piece offers the room of one more task on a node, if it can run there.
func (p *pass) piece(s *Subscription, w *want, at *site) bool {
	if p.counts {
		return p.counted(s, w, at)
	}
	daemon := w.group.Mode() == berth.Daemon
	d := p.draftOn(s, w, at)
	if daemon && (d != nil || at.awaits(s, w.group)) {
		return false // one is all
	}
	fork := p.fork(s)
	if d == nil {
		node, _ := fork.Node(at.id)
		if !p.guard(s, w, func() bool { return fork.Fits(w.group, node) }) { // on most nodes that is the answer
			p.bar(s, w)
			return false
		}
		if p.x.hasFilters(s, at.row) && p.x.refuses(s, at, daemon, most(w, node)) {
			return false
		}
	}
	var op berth.Op
	if !p.guard(s, w, func() bool {
		var why berth.Reason
		op, why = fork.Apply(berth.Op{Kind: berth.Place, Task: w.group.Task(p.unit()), Node: at.id})
		return why.Code == berth.None
	}) {
		p.bar(s, w)
		return false
	}
	if !p.charge(s, at, w.each) {
		fork.Apply(berth.Op{Kind: berth.Release, ID: op.Task.ID})
		return false
	}
	if d == nil {
		d = p.add(s, at, w.group)
		p.drew(s, w, at, d)
		d.hold = berth.Hold{Resources: berth.Resources{}}
	}
	d.grow(w, op.Grant)
	p.note(s, w.group.Role(), w.cost)
	if w.left--; w.left == 0 {
		p.settleFor(s)
	}
	return true
}

// settleFor has a framework take part no more if it has all that it wants.
func (p *pass) settleFor(s *Subscription) {
	if !slices.ContainsFunc(s.wants, func(w want) bool { return w.left > 0 }) {
		p.leave(s)
	}
}

// bar notes that no more of a class fits on the node that is being put: nobody gives room back during a pass. Optimistic offers leave others
// all that they had.
func (p *pass) bar(s *Subscription, w *want) {
	if !s.far && !w.far && w.class.key != "" && p.x.cfg.Lease == berth.Exclusive {
		w.class.barred = p.x.putting
	}
}

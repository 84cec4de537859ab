package offers

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
	"github.com/berth-sched/berth/internal/store"
)

// Demand is what a framework wants to run. Its shape, rules and role are those of the group: a framework
// that wants room of some shape without naming its tasks makes up a group of that shape.
type Demand struct {
	Group *berth.Group
	// Count is how many tasks of the group are to run in all, those that run already included, so that
	// it need not be declared again as tasks are placed. 0 is any number. It must be 0 for a daemon
	// group, which wants one task on every node it may run on.
	//
	// Tasks that take nothing need no offer: a Book places them wherever their rules allow.
	Count int
}

// pass is one round of offers, worked out on forks of one snapshot and committed in one plan. The rows of sites are
// good until then.
type pass struct {
	x      *Exchange
	ctx    context.Context
	forks  map[*Subscription]*cluster.Fork // exclusive: all one fork, under nil
	given  []grant                         // optimistic: what the pass has given, in order
	told   map[*Subscription]int           // how much of it a framework's fork knows
	cuts   map[cutOf]bool                  // what limits kept from whom
	wants  map[*Subscription][]want
	drafts []*draft
	here   map[demandOf]*draft // on the node that is being put
	free   free                // what was last found free
	units  int
	turns  int
	keep   []*site // that the next pass must look at again
	faults []error // of rules, which concern one demand each
}

// want is what is still open of a demand.
type want struct {
	group   *berth.Group
	request berth.Resources // without devices
	cost    berth.Resources // with them
	left    int
}

// demandOf is a framework, and the group that it wants offers for; no group for all that is free.
type demandOf struct {
	sub   *Subscription
	group *berth.Group
}

// free is all that is free on a node of a fork, kept while one framework after another does not want it.
type free struct {
	fork *cluster.Fork
	site *site
	hold berth.Hold
	all  berth.Resources // devices by class
}

// draft is an offer that the pass means to make, and the hold that it is to be.
type draft struct {
	*offer
	hold    berth.Hold
	devices shareIndex // of the hold's devices
}

// Offer makes one pass: it offers what is free to whoever wants it, node by node in the order of IDs. On
// each node it is asked whose turn it is, again after each hand-out, until nobody wants what is left. It
// returns how many offers there are now that were not before. Offers are final when the source has
// committed them; what others took meanwhile is not offered.
//
// A pass looks at the nodes that changed since the last one, or whose filters have expired; at all of
// them if a declared demand is open.
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
	p := &pass{
		x: x, ctx: ctx, forks: map[*Subscription]*cluster.Fork{}, wants: map[*Subscription][]want{}, here: map[demandOf]*draft{},
		told: map[*Subscription]int{}, cuts: map[cutOf]bool{},
	}
	x.relook()
	looked := x.fresh
	err := p.draw()
	for _, s := range looked {
		s.fresh = false
	}
	x.fresh = nil
	n := 0
	if err == nil {
		for _, s := range p.keep {
			x.freshen(s)
		}
		n, err = p.commit()
	}
	p.remember()
	if err != nil && n == 0 {
		for _, s := range looked {
			x.freshen(s)
		}
	}
	return n, errors.Join(append(p.faults, err)...)
}

// draw drafts the offers. It fails if the context ends, and takes them back.
func (p *pass) draw() error {
	some, daemons := p.open()
	for _, round := range []struct{ daemons, all bool }{{true, daemons}, {false, some}} {
		if round.daemons && !daemons {
			continue
		}
		for _, s := range p.sites(round.all) {
			if err := p.put(s, round.daemons); err != nil {
				p.takeBack()
				return err
			}
		}
	}
	return nil
}

// sites returns all nodes or those that changed, in the order of their IDs.
func (p *pass) sites(all bool) []*site {
	x := p.x
	var sites []*site
	if all {
		for _, row := range x.view.Order() {
			sites = append(sites, x.rows[row])
		}
		return sites
	}
	for _, s := range x.fresh {
		if s.node != nil {
			sites = append(sites, s)
		}
	}
	rank := x.view.Rank()
	slices.SortFunc(sites, func(a, b *site) int { return int(rank[a.row]) - int(rank[b.row]) })
	return sites
}

// open works out what is still open of each framework's demand, and whether there is any, daemons apart.
func (p *pass) open() (some, daemons bool) {
	for _, s := range p.x.inOrder() {
		s.planned = 0
		if s.suppressed {
			continue
		}
		made := map[string][]*offer{} // by the name of the group that they were made for
		for o := range s.offers {
			if o.group != nil {
				made[o.group.Name()] = append(made[o.group.Name()], o)
			}
		}
		var wants []want
		for _, d := range s.demand {
			if takesNothing(d.Group) {
				continue
			}
			w := want{group: d.Group, request: d.Group.Spec().Request, cost: d.Group.Cost(), left: math.MaxInt}
			if d.Group.Mode() == berth.Daemon {
				daemons = true
			} else {
				if d.Count > 0 {
					w.left = d.Count - p.x.running(d.Group) - p.x.offered(made[d.Group.Name()], d.Group, w.cost)
				}
				if w.left <= 0 {
					continue
				}
				some = true
			}
			wants = append(wants, w)
		}
		p.wants[s] = wants
	}
	return some, daemons
}

// running counts the tasks of a group that are on a node.
func (x *Exchange) running(g *berth.Group) int {
	id, ok := x.view.FindGroup(g.Name())
	if !ok {
		return 0
	}
	n := 0
	for _, kin := range x.view.Kin(id) {
		n += x.view.Group(kin).Count
	}
	return n
}

// offered counts the tasks of a group that the offers made for it still have room for.
func (x *Exchange) offered(made []*offer, g *berth.Group, cost berth.Resources) int {
	n := 0
	for _, o := range made {
		if !o.group.Equal(g) {
			continue
		}
		if hold, ok := x.hold(o); ok {
			n += times(x.amounts(hold, o.site), cost)
		}
	}
	return n
}

// times returns how many times r covers cost. Where only ports are asked for, it says once.
func times(r, cost berth.Resources) int {
	n := int64(math.MaxInt64)
	for name, q := range cost {
		if q > 0 {
			n = min(n, r[name]/q)
		}
	}
	if n == math.MaxInt64 {
		return 1
	}
	return int(n)
}

// takesNothing reports whether the tasks of a group need no room at all, and hence no offer.
func takesNothing(g *berth.Group) bool {
	r := g.Requirements()
	return len(r.Needs) == 0 && !r.UsesPorts()
}

// put puts a node to the frameworks in their order, for their daemons or for the rest.
func (p *pass) put(s *site, daemons bool) error {
	p.x.asked++
	clear(p.here)
	p.free = free{}
	for p.turn(s, daemons) {
		const often = 64
		if p.turns++; p.turns%often == 0 && p.ctx.Err() != nil {
			return context.Cause(p.ctx)
		}
	}
	if p.ctx.Err() != nil {
		return context.Cause(p.ctx)
	}
	return nil
}

// turn gives the first framework in the order that wants something of a node a piece of it.
func (p *pass) turn(at *site, daemons bool) bool {
	p.free = free{}
	for role, name := range p.x.account.order.All() {
		s := p.x.subs[client{role, name}]
		if s == nil || s.passed == p.x.asked {
			continue
		}
		if p.give(s, at, daemons) {
			return true
		}
		s.passed = p.x.asked
	}
	return false
}

func (p *pass) give(s *Subscription, at *site, daemons bool) bool {
	if len(s.offers) > 0 && p.x.others[s.owner] > 0 {
		p.keep = append(p.keep, at) // once its offers are over it gets another owner: see own
		return false
	}
	if !s.declared {
		return !daemons && at.fresh && p.whole(s, at)
	}
	wants := p.wants[s]
	for i := range wants {
		if w := &wants[i]; (w.group.Mode() == berth.Daemon) == daemons && w.left > 0 && p.piece(s, w, at) {
			return true
		}
	}
	return false
}

// whole offers all that is free on a node.
func (p *pass) whole(s *Subscription, at *site) bool {
	state := p.x.view.Node(at.row)
	if state.Cordoned || at.node.Spec.Unschedulable || p.here[demandOf{s, nil}] != nil {
		return false
	}
	fork := p.fork(s)
	if p.free.fork != fork {
		p.free = free{fork: fork, site: at, hold: freeOn(behind(fork, at.node.ID))}
		p.free.all = p.x.amounts(&p.free.hold, at)
	}
	hold, all := p.free.hold, p.free.all
	view, _ := behind(fork, at.node.ID)
	if cut, less := p.cut(s, view, hold); less {
		hold, all = cut, p.x.amounts(&cut, at)
	}
	if len(all) == 0 || p.refuses(s, at, false, all) || p.full(s, at) {
		return false
	}
	hold.ID, hold.Owner, hold.Role, hold.Deadline = p.unit(), s.client.name, s.client.role, always
	if _, why := fork.Apply(berth.Op{Kind: berth.Take, Hold: &hold}); why.Code != berth.None {
		return false
	}
	if !p.x.advance(at, s.client, all) {
		fork.Apply(berth.Op{Kind: berth.Drop, ID: hold.ID})
		return false
	}
	p.add(s, at, nil).hold = hold
	p.note(s, s.client.role, all)
	return true
}

// piece offers the room of one more task on a node, if it can run there.
func (p *pass) piece(s *Subscription, w *want, at *site) bool {
	daemon := w.group.Mode() == berth.Daemon
	d := p.here[demandOf{s, w.group}]
	if daemon && (d != nil || at.awaits(s, w.group)) {
		return false // one is all
	}
	fork := p.fork(s)
	if d == nil {
		node, _ := fork.Node(at.id)
		if !p.guard(s, w, func() bool { return fork.Fits(w.group, node) }) { // on most nodes that is the answer
			return false
		}
		if len(at.filters[s]) > 0 && p.refuses(s, at, daemon, most(w, node)) || p.full(s, at) {
			return false
		}
	}
	var op berth.Op
	if !p.guard(s, w, func() bool {
		var why berth.Reason
		op, why = fork.Apply(berth.Op{Kind: berth.Place, Task: w.group.Task(p.unit()), Node: at.id})
		return why.Code == berth.None
	}) {
		return false
	}
	if !p.x.advance(at, s.client, w.cost) {
		fork.Apply(berth.Op{Kind: berth.Release, ID: op.Task.ID})
		return false
	}
	if d == nil {
		d = p.add(s, at, w.group)
		d.hold = berth.Hold{Resources: berth.Resources{}}
	}
	d.grow(w, op.Grant)
	p.note(s, w.group.Role(), w.cost)
	w.left--
	return true
}

// guard asks whether a task of a demand can run somewhere, which asks the rules of its group. If one panics, the
// demand is out of this pass, and nobody else is.
func (p *pass) guard(s *Subscription, w *want, fits func() bool) (ok bool) {
	defer func() {
		if fault := recover(); fault != nil {
			w.left, ok = 0, false
			p.faults = append(p.faults, fmt.Errorf("%v: demand %q: a rule panicked: %v", s.client, w.group.Name(), fault))
		}
	}()
	return fits()
}

// most returns the most that a node could now give towards a want.
func most(w *want, n cluster.NodeView) berth.Resources {
	k := 1
	if w.group.Mode() != berth.Daemon {
		k = min(w.left, times(n.Free(), w.cost))
	}
	all, err := w.cost.Times(int64(k))
	if err != nil {
		return w.cost
	}
	return all
}

// grow adds the room of one task to a draft.
func (d *draft) grow(w *want, grant *berth.Grant) {
	for name, q := range w.request {
		d.hold.Resources[name] += q
	}
	if grant == nil {
		return
	}
	for _, share := range grant.Devices {
		d.hold.Devices = d.devices.add(d.hold.Devices, share)
	}
	d.hold.Ports = append(d.hold.Ports, grant.Ports...)
}

// add drafts an offer of a node that is being put.
func (p *pass) add(s *Subscription, at *site, g *berth.Group) *draft {
	d := &draft{offer: &offer{
		sub:      s,
		site:     at,
		group:    g,
		owner:    p.x.own(s),
		deadline: p.x.now.Add(p.x.cfg.LeaseFor),
		stage:    drafted,
	}}
	p.drafts = append(p.drafts, d)
	p.here[demandOf{s, g}] = d
	s.planned++
	return d
}

// awaits reports whether a framework has an offer for a group on a node that it has not answered.
func (at *site) awaits(s *Subscription, g *berth.Group) bool {
	for o := range at.offers {
		if o.sub == s && o.group != nil && o.group.Equal(g) {
			return true
		}
	}
	return false
}

// full reports whether a framework may have no more offers; the next pass then looks at the node again.
func (p *pass) full(s *Subscription, at *site) bool {
	limit := p.x.cfg.MaxOutstanding
	if limit == 0 || len(s.offers)+s.planned < limit {
		return false
	}
	p.keep = append(p.keep, at)
	return true
}

// unit names one piece on a fork, where nothing else may be named so, whatever tenants name their tasks.
func (p *pass) unit() string {
	for {
		p.units++
		id := "piece " + strconv.Itoa(p.units) + " of an offer"
		_, task := p.x.view.FindTask(id)
		if _, hold := p.x.view.FindHold(id); !task && !hold {
			return id
		}
	}
}

// behind returns where a node of a fork is.
func behind(f *cluster.Fork, node string) (*store.View, uint32) {
	n, _ := f.Node(node)
	return store.Ref(n).At()
}

// freeOn returns all that is free on a node as a hold without a name: as much of its devices as is free of their
// class, of which a task that came by another door can have more than it has devices.
func freeOn(v *store.View, row uint32) berth.Hold {
	state := v.Node(row)
	node := state.Node.Spec
	h := berth.Hold{Node: node.ID, Resources: berth.Resources{}}
	classes := map[string]int64{} // what the devices count as
	for _, d := range node.Devices {
		classes[d.Class] = 0
		for amount := range d.Capacity {
			classes[berth.DeviceResource(d.Class, amount)] = 0
		}
	}
	free := v.Free(row)
	for d, name := range v.Dims() {
		if free[d] <= 0 {
			continue
		}
		if _, class := classes[name]; class {
			classes[name] = free[d]
		} else {
			h.Resources[name] = free[d]
		}
	}
	at := len(node.Devices)
	for i := range node.Devices {
		d := &node.Devices[i]
		share := berth.DeviceShare{Class: d.Class, ID: node.DeviceID(i), Units: max(min(state.Devices[i], classes[d.Class]), 0)}
		classes[d.Class] -= share.Units
		for amount := range d.Capacity.All() {
			name := berth.DeviceResource(d.Class, amount)
			if q := min(state.Devices[at], classes[name]); q > 0 {
				share.Amounts = with(share.Amounts, amount, q)
				classes[name] -= q
			}
			at++
		}
		if share.Units > 0 || len(share.Amounts) > 0 {
			h.Devices = append(h.Devices, share)
		}
	}
	h.Ports = freePorts(node, state.Ports)
	return h
}

// freePorts returns a node's ports without the taken ones, which ascend.
func freePorts(n *berth.Node, taken []uint16) []uint16 {
	var free []uint16
	for _, r := range n.Ports {
		for port := int(r.First); port <= int(r.Last); port++ {
			if _, used := slices.BinarySearch(taken, uint16(port)); !used {
				free = append(free, uint16(port))
			}
		}
	}
	return free
}

// takeBack drops the drafts, and credits what they were charged.
func (p *pass) takeBack() {
	for _, d := range p.drafts {
		p.x.freshen(d.site)
		p.x.reconcile(d.site)
	}
}

// commit makes the drafts offers, all in one plan.
func (p *pass) commit() (int, error) {
	x := p.x
	if len(p.drafts) == 0 {
		x.passes++
		return 0, nil
	}
	plan := &berth.Plan{Version: x.snapshot.Version()}
	for _, d := range p.drafts {
		d.id, d.number = x.nextID()
		d.hold.ID, d.hold.Owner, d.hold.Role, d.hold.Node = d.id, d.owner, d.sub.client.role, d.site.id
		d.hold.Lease, d.hold.Deadline = x.cfg.Lease, d.deadline
		slices.Sort(d.hold.Ports)
		plan.Take(d.hold)
		x.propose(d.offer)
	}
	out, err := x.commit(p.ctx, plan)
	if err != nil {
		for _, d := range p.drafts {
			x.withdraw(d.offer)
		}
		p.takeBack()
		return 0, err
	}
	x.passes++
	made := len(p.drafts)
	var errs []error
	var refused []*offer
	for _, r := range out.Refused {
		if r.Op.Hold == nil {
			continue
		}
		o, ok := x.offers.get(r.Op.Hold.ID)
		if !ok || o.stage != proposed {
			continue
		}
		made--
		x.withdraw(o)
		refused = append(refused, o)
		if r.Reason.Code == berth.Invalid { // such as a lease beyond the end of time
			errs = append(errs, fmt.Errorf("%v: %w", r.Op, r.Reason))
		}
	}
	errs = append(errs, x.sync(context.WithoutCancel(p.ctx)))
	for _, o := range refused {
		x.freshen(o.site)
		x.reconcile(o.site)
	}
	return made, errors.Join(errs...)
}

package offers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
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

// pass is one round of offers, worked out on forks and committed in one plan.
type pass struct {
	x      *Exchange
	now    time.Time
	forks  map[*Subscription]*cluster.Fork // exclusive: all one fork, under nil
	wants  map[*Subscription][]want
	drafts []*draft
	free   free // what was last found free
	units  int
	keep   []uint32 // rows that the next pass must look at again
}

// want is what is still open of a demand.
type want struct {
	group   *berth.Group
	request berth.Resources // without devices
	cost    berth.Resources // with them
	left    int
}

// free is all that is free on a row of a fork, kept while one framework after another does not want it.
type free struct {
	fork *cluster.Fork
	row  uint32
	hold berth.Hold
	all  berth.Resources // devices by class
}

// draft is an offer that the pass means to make.
type draft struct {
	sub   *Subscription
	group *berth.Group
	row   uint32
	hold  berth.Hold
}

// Offer makes one pass: it offers what is free to whoever wants it, node by node in the order of IDs. On
// each node it is asked whose turn it is, again after each hand-out, until nobody wants what is left. It
// returns how many offers there are now that were not before. Offers are final when the source has
// committed them; what others took meanwhile is not offered.
//
// A pass looks at the nodes that changed since the last one, or whose filters have expired; at all of
// them if a declared demand is open.
func (x *Exchange) Offer(ctx context.Context) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n, err := x.offer(ctx)
	if err != nil {
		return n, fmt.Errorf("offers: offer: %w", err)
	}
	return n, nil
}

func (x *Exchange) offer(ctx context.Context) (int, error) {
	if _, err := x.expire(ctx); err != nil {
		return 0, err
	}
	p := &pass{x: x, now: x.cfg.Clock(), forks: map[*Subscription]*cluster.Fork{}, wants: map[*Subscription][]want{}}
	open, daemons := p.open()
	if daemons {
		for _, row := range x.view.Order() {
			p.put(row, true)
		}
	}
	if open {
		for _, row := range x.view.Order() {
			p.put(row, false)
		}
	} else {
		for _, row := range x.freshInOrder() {
			p.put(row, false)
		}
	}
	for _, row := range x.fresh {
		x.places[row].fresh = false
	}
	x.fresh = x.fresh[:0]
	for _, row := range p.keep {
		x.freshen(row)
	}
	return p.commit(ctx)
}

// freshInOrder returns the rows that changed and have a node, in the order of node IDs.
func (x *Exchange) freshInOrder() []uint32 {
	rows := make([]uint32, 0, len(x.fresh))
	for _, row := range x.fresh {
		if x.nodeAt(row) != nil {
			rows = append(rows, row)
		}
	}
	rank := x.view.Rank()
	slices.SortFunc(rows, func(a, b uint32) int { return cmp.Compare(rank[a], rank[b]) })
	return rows
}

// open works out what is still open of each framework's demand, and whether there is any, daemons apart.
func (p *pass) open() (some, daemons bool) {
	for _, s := range p.x.inOrder() {
		s.planned = 0
		if s.suppressed {
			continue
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
					w.left = d.Count - p.x.running(d.Group) - p.x.offered(s, d.Group, w.cost)
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
	return x.view.Group(id).Count
}

// offered counts the tasks of a group that the offers made for it still have room for.
func (x *Exchange) offered(s *Subscription, g *berth.Group, cost berth.Resources) int {
	n := 0
	for _, o := range s.offers {
		if o.group == nil || !o.group.Equal(g) {
			continue
		}
		if hold, ok := x.hold(o); ok {
			n += times(x.amounts(hold, o.row), cost)
		}
	}
	return n
}

// times returns how many times r covers cost. Where only ports are asked for, it says once.
func times(r, cost berth.Resources) int {
	if len(cost) == 0 {
		return 1
	}
	n := int64(math.MaxInt64)
	for name, q := range cost {
		n = min(n, r[name]/q)
	}
	return int(n)
}

// takesNothing reports whether the tasks of a group need no room at all, and hence no offer.
func takesNothing(g *berth.Group) bool {
	c := g.Requirements()
	return len(c.Needs) == 0 && !c.UsesPorts()
}

// put puts a node to the frameworks in their order, for their daemons or for the rest.
func (p *pass) put(row uint32, daemons bool) {
	p.x.asked++
	for p.turn(row, daemons) {
	}
}

// turn gives the first framework in the order that wants something of a node a piece of it.
func (p *pass) turn(row uint32, daemons bool) bool {
	p.free = free{}
	for role, name := range p.x.cfg.Order.All() {
		s := p.x.subs[client{role, name}]
		if s == nil || s.passed == p.x.asked {
			continue
		}
		if p.give(s, row, daemons) {
			return true
		}
		s.passed = p.x.asked
	}
	return false
}

func (p *pass) give(s *Subscription, row uint32, daemons bool) bool {
	if !s.declared {
		return !daemons && p.x.places[row].fresh && p.whole(s, row)
	}
	wants := p.wants[s]
	for i := range wants {
		if w := &wants[i]; (w.group.Mode() == berth.Daemon) == daemons && w.left > 0 && p.piece(s, w, row) {
			return true
		}
	}
	return false
}

// whole offers all that is free on a node.
func (p *pass) whole(s *Subscription, row uint32) bool {
	state := p.x.view.Node(row)
	node := state.Node.Spec
	if state.Cordoned || node.Unschedulable || p.draft(s, row, nil) != nil {
		return false
	}
	fork := p.fork(s)
	if p.free.fork != fork || p.free.row != row {
		p.free = free{fork: fork, row: row, hold: freeOf(fork, state.Node.ID)}
		p.free.all = p.x.amounts(&p.free.hold, row)
	}
	hold, all := p.free.hold, p.free.all
	if len(all) == 0 || s.refuses(row, all, p.now) || p.full(s, row) {
		return false
	}
	hold.ID, hold.Owner, hold.Deadline = p.unit(), s.client.name, always
	if _, why := fork.Apply(berth.Op{Kind: berth.Take, Hold: &hold}); why.Code != berth.None {
		return false
	}
	if err := p.x.charge(row, s.client, all); err != nil {
		fork.Apply(berth.Op{Kind: berth.Drop, ID: hold.ID})
		return false
	}
	p.add(&draft{sub: s, row: row, hold: hold})
	return true
}

// piece offers the room of one more task on a node, if it can run there.
func (p *pass) piece(s *Subscription, w *want, row uint32) bool {
	daemon := w.group.Mode() == berth.Daemon
	d := p.draft(s, row, w.group)
	if daemon && (d != nil || p.x.awaits(s, w.group, row)) {
		return false // one is all
	}
	fork := p.fork(s)
	node, _ := fork.Node(p.x.view.Node(row).Node.ID)
	if !fork.Fits(w.group, node) {
		return false
	}
	if d == nil {
		if s.hasFilter(row) && s.refuses(row, most(w, node), p.now) || p.full(s, row) {
			return false
		}
	}
	op, why := fork.Apply(berth.Op{Kind: berth.Place, Task: w.group.Task(p.unit()), Node: node.ID()})
	if why.Code != berth.None {
		return false
	}
	if err := p.x.charge(row, s.client, w.cost); err != nil {
		fork.Apply(berth.Op{Kind: berth.Release, ID: op.Task.ID})
		return false
	}
	if d == nil {
		d = &draft{sub: s, group: w.group, row: row, hold: berth.Hold{Owner: s.client.name, Node: node.ID(), Resources: berth.Resources{}}}
		p.add(d)
	}
	d.grow(w, op.Grant)
	w.left--
	return true
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
		if i := slices.IndexFunc(d.hold.Devices, func(o berth.DeviceShare) bool { return o.Index == share.Index }); i >= 0 {
			d.hold.Devices[i].Units += share.Units
		} else {
			d.hold.Devices = append(d.hold.Devices, share)
		}
	}
	d.hold.Ports = append(d.hold.Ports, grant.Ports...)
}

func (p *pass) add(d *draft) {
	p.drafts = append(p.drafts, d)
	d.sub.planned++
}

// draft returns what a framework was already given for a group on the node that is being put.
func (p *pass) draft(s *Subscription, row uint32, g *berth.Group) *draft {
	for _, d := range slices.Backward(p.drafts) {
		if d.row != row {
			return nil
		}
		if d.sub == s && d.group == g {
			return d
		}
	}
	return nil
}

// awaits reports whether a framework has an offer for a group on a node that it has not answered.
func (x *Exchange) awaits(s *Subscription, g *berth.Group, row uint32) bool {
	return slices.ContainsFunc(x.places[row].offers, func(o *offer) bool { return o.sub == s && o.group != nil && o.group.Equal(g) })
}

// full reports whether a framework may have no more offers; the next pass then looks at the node again.
func (p *pass) full(s *Subscription, row uint32) bool {
	limit := p.x.cfg.MaxOutstanding
	if limit == 0 || len(s.offers)+s.planned < limit {
		return false
	}
	p.keep = append(p.keep, row)
	return true
}

// unit names one piece on a fork, where nothing else may be named so.
func (p *pass) unit() string {
	p.units++
	return "piece " + strconv.Itoa(p.units) + " of an offer"
}

// fork returns the cluster as one framework could have it, less what the pass has given. Exclusive
// offers come out of one cluster; an optimistic one leaves all but its own framework's view as it is.
func (p *pass) fork(s *Subscription) *cluster.Fork {
	key := s
	if p.x.cfg.Mode == berth.Exclusive {
		key = nil
	}
	f := p.forks[key]
	if f == nil {
		f = p.x.snapshot.Fork()
		p.forks[key] = f
		if key != nil {
			for _, o := range s.inOrder() {
				if hold, ok := p.x.hold(o); ok && hold.Lease == berth.Optimistic {
					firm := *hold
					firm.Lease = berth.Exclusive
					f.Apply(berth.Op{Kind: berth.Drop, ID: o.id})
					f.Apply(berth.Op{Kind: berth.Take, Hold: &firm}) // refused where others came first
				}
			}
		}
	}
	return f
}

// freeOf returns all that is free on a node as a hold without a name.
func freeOf(fork *cluster.Fork, id string) berth.Hold {
	n, ok := fork.Node(id)
	if !ok {
		return berth.Hold{Node: id}
	}
	v, row := store.Ref(n).At()
	state := v.Node(row)
	node := state.Node.Spec
	h := berth.Hold{Node: node.ID, Resources: berth.Resources{}}
	free := v.Free(row)
	for d, name := range v.Dims() {
		if free[d] > 0 && !hasClass(node, name) {
			h.Resources[name] = free[d]
		}
	}
	for i, units := range state.Devices {
		if units > 0 {
			h.Devices = append(h.Devices, berth.DeviceShare{Index: i, Units: units})
		}
	}
	h.Ports = freePorts(node, state.Ports)
	return h
}

func hasClass(n *berth.Node, class string) bool {
	return slices.ContainsFunc(n.Devices, func(d berth.Device) bool { return d.Class == class })
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

// commit makes the drafts offers, all in one plan.
func (p *pass) commit(ctx context.Context) (int, error) {
	if len(p.drafts) == 0 {
		return 0, nil
	}
	x := p.x
	plan := &berth.Plan{Version: x.snapshot.Version()}
	byID := make(map[string]*offer, len(p.drafts))
	for _, d := range p.drafts {
		o := &offer{sub: d.sub, row: d.row, group: d.group, deadline: p.now.Add(x.cfg.Lease)}
		o.id, o.number = x.nextID()
		d.hold.ID, d.hold.Lease, d.hold.Deadline = o.id, x.cfg.Mode, o.deadline
		slices.Sort(d.hold.Ports)
		byID[o.id] = o
		plan.Take(d.hold)
	}
	out, err := x.source.Commit(ctx, plan)
	if err != nil {
		for _, d := range p.drafts {
			x.freshen(d.row)
			if err := x.settle(d.row); err != nil {
				x.seen = cursor{}
			}
		}
		return 0, err
	}
	var errs []error
	for _, r := range out.Refused {
		if r.Op.Hold == nil {
			continue
		}
		delete(byID, r.Op.Hold.ID)
		if r.Reason.Code == berth.Invalid { // such as a lease beyond the end of time
			errs = append(errs, fmt.Errorf("%v: %w", r.Op, r.Reason))
		}
	}
	for _, op := range plan.Ops {
		if o := byID[op.Hold.ID]; o != nil {
			x.offers[o.id] = o
			o.sub.offers[o.id] = o
			x.places[o.row].offers = append(x.places[o.row].offers, o)
			x.alarms.set(alarm{at: o.deadline, offer: o})
			o.sub.book.wake()
		}
	}
	errs = append(errs, x.look(context.WithoutCancel(ctx), true))
	for _, d := range p.drafts {
		if byID[d.hold.ID] == nil { // refused
			x.freshen(d.row)
			errs = append(errs, x.settle(d.row))
		}
	}
	return len(byID), errors.Join(errs...)
}

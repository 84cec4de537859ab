package offers

import (
	"errors"
	"fmt"
	"math"
	"slices"

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
	//
	// A gang is offered whole, as one grant when the framework's turn comes, on as many nodes as it takes, or it is held back and what
	// there is goes to others. Its count is not below its size; what it is above is offered one by one.
	Count int
	// Nodes is which of the nodes that have room is offered first: that which the framework's scheduler would take first, so that it is
	// offered what it would choose if it saw all. The default is ByID. Where anybody's is another, a pass takes turns over all nodes and not
	// node by node; a gang fills one node after the other in the order.
	Nodes NodeOrder
}

// checkDemand returns every fault of what a framework of a role wants, joined, or nil.
func checkDemand(demand []Demand, role berth.Role) error {
	var errs []error
	named := map[string]bool{}
	for _, d := range demand {
		if err := d.Group.Err(); err != nil {
			errs = append(errs, faults.Of("demand", err))
			continue
		}
		if named[d.Group.Name()] { // each would count the other's tasks as its own
			errs = append(errs, fmt.Errorf("demand %q: given twice", d.Group.Name()))
		}
		named[d.Group.Name()] = true
		errs = append(errs, d.check(role))
	}
	return errors.Join(errs...)
}

func (d Demand) check(role berth.Role) error {
	var errs []error
	if !d.Group.Role().Within(role) {
		errs = append(errs, fmt.Errorf("demand %q: role %q is not at or below %q", d.Group.Name(), string(d.Group.Role()), string(role)))
	}
	if d.Nodes > Aligned {
		errs = append(errs, fmt.Errorf("demand %q: %v is no order of nodes", d.Group.Name(), d.Nodes))
	}
	if d.Count < 0 {
		errs = append(errs, fmt.Errorf("demand %q: count %d is negative", d.Group.Name(), d.Count))
	}
	if d.Count > 0 && d.Group.Mode() == berth.Daemon {
		errs = append(errs, fmt.Errorf("demand %q: count %d of a daemon, which is wanted once on every node", d.Group.Name(), d.Count))
	}
	if size := d.Group.GangSize(); d.Count > 0 && d.Count < size {
		errs = append(errs, fmt.Errorf("demand %q: count %d of a gang of %d, which is offered whole", d.Group.Name(), d.Count, size))
	}
	return errors.Join(errs...)
}

// want is a demand, and what is still open of it.
type want struct {
	group   *berth.Group
	request berth.Resources // without devices
	cost    berth.Resources // with them,
	each    *stock          // which is this
	count   int             // in all; 0 is any number
	left    int
	class   *class
	need    int    // how many it lacks to be whole, of a gang,
	tried   uint64 // and the last pass that looked for places for them

	order NodeOrder
	uses  uint64 // scarce resources, as bits by their place in Config.Scarce
	here  latest // the draft of the node that was put last
	made  multiple

	refused bool   // tasks of others keep those of the group away from some nodes,
	epoch   uint64 // as of this epoch of the source's counters
	far     bool   // when it was last asked about, it was: what kept it away may have been anywhere
}

// setDemand replaces what a framework wants.
func (x *Exchange) setDemand(s *Subscription, demand []Demand) {
	x.dropDemand(s)
	s.demand = slices.Clone(demand)
	for _, d := range s.demand {
		if takesNothing(d.Group) {
			continue
		}
		w := want{group: d.Group, request: d.Group.Spec().Request, cost: d.Group.Cost(), count: d.Count, order: d.Nodes, class: x.classOf(d.Group)}
		w.each = x.stocks.of(w.cost)
		w.uses = x.scarceIn(func(name string) bool { return w.cost[name] > 0 })
		if w.entwined() {
			x.entwined++
		}
		if w.isCounted() {
			if x.counting == nil {
				x.counting, x.counted = map[string][]*Subscription{}, map[uint32]string{}
			}
			x.counting[d.Group.Name()] = append(x.counting[d.Group.Name()], s)
		}
		s.wants = append(s.wants, w)
	}
	x.recount(s)
	x.hurry(s)
}

// dropDemand forgets what a framework wants.
func (x *Exchange) dropDemand(s *Subscription) {
	for i := range s.wants {
		w := &s.wants[i]
		if w.entwined() {
			x.entwined--
		}
		if w.class.wants--; w.class.wants == 0 && w.class.key != "" {
			delete(x.classes, w.class.key)
		}
		if !w.isCounted() {
			continue
		}
		name := w.group.Name()
		x.counting[name] = slices.DeleteFunc(x.counting[name], func(o *Subscription) bool { return o == s })
		if len(x.counting[name]) == 0 {
			delete(x.counting, name)
		}
	}
	if len(x.counting) == 0 {
		x.counting, x.counted = nil, nil
	}
	s.wants, s.demand = nil, nil
}

// isCounted reports whether it matters how many tasks of the group there are.
func (w *want) isCounted() bool { return w.count > 0 || w.group.Mode() == berth.Gang }

// entwined reports whether the rules of a want are about tasks of other groups, or keep them away.
func (w *want) entwined() bool { return len(w.group.Requirements().Counted) > 0 }

// isFar reports whether the answer for a node can change with what happens on others.
func (x *Exchange) isFar(w *want) bool {
	if x.entwined > 0 || len(w.group.Requirements().DomainRules) > 0 || x.view.Limited() > 0 || x.view.Reserved() > 0 {
		return true
	}
	if epoch := x.view.CounterEpoch(); w.epoch != epoch+1 {
		w.epoch, w.refused = epoch+1, len(x.view.Refusing(w.group)) > 0
	}
	return w.refused
}

// recount has what is open of a framework's demand counted before the next pass.
func (x *Exchange) recount(s *Subscription) {
	if s.declared && !s.recounted && !s.gone {
		s.recounted = true
		x.recounts = append(x.recounts, s)
	}
}

// recountAfter has demand counted anew for which tasks count that came or went; all of it where the changes are not known.
func (x *Exchange) recountAfter(changes []store.Change, known bool) {
	if !known {
		for _, s := range x.subs {
			x.recount(s)
		}
		return
	}
	if x.counting == nil {
		return
	}
	last := uint32(store.Holds)
	for _, c := range changes {
		if c.Group != last {
			last = c.Group
			x.recountGroup(last)
		}
	}
}

// recountGroup has demand counted anew that the tasks of a group of the source count for.
func (x *Exchange) recountGroup(id uint32) {
	if id == store.Holds || id == store.NoGroup {
		return
	}
	if name, ok := x.counted[id]; ok { // the number may be another's by now
		for _, s := range x.counting[name] {
			x.recount(s)
		}
	}
	if int(id) >= x.view.Groups() {
		return
	}
	if g := x.view.Group(id); g.Spec != nil {
		for _, s := range x.counting[g.Spec.Name()] {
			x.recount(s)
		}
	}
}

// countOpen works out what is open of the demand of those of whom it may be otherwise than before. Who wants something and wanted none
// of it before is asked about all nodes.
func (x *Exchange) countOpen() {
	for _, s := range x.recounts {
		s.recounted, s.open = false, false
		if s.gone {
			continue
		}
		made := map[string][]*offer{} // by the name of the group that they were made for
		for _, o := range s.offers {
			if o.group != nil {
				made[o.group.Name()] = append(made[o.group.Name()], o)
			}
		}
		for i := range s.wants {
			w := &s.wants[i]
			was := w.left
			w.left, w.need = math.MaxInt, 0
			if w.isCounted() {
				have := x.running(w.group) + x.offered(made[w.group.Name()], w.group, w.cost)
				if w.need = w.missing(have); w.count > 0 {
					w.left = max(w.count-have, 0)
				}
			}
			if w.left > 0 {
				s.open = true
				if was == 0 {
					x.hurry(s)
				}
			}
		}
	}
	x.recounts = x.recounts[:0]
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
		if x.counted != nil {
			x.counted[kin] = g.Name()
		}
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

package checked

import (
	"math"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
)

// taken returns how much of a resource the tasks and holds on a node take, what they take of devices that are away
// included, as far as it matters if so much more is to be taken. An adoption lets it exceed no int64, Place and Take take no more
// than is free, and no description that UpdateNodes accepts brings back what does not fit. So no free amount wraps.
func (f *Fork) taken(row uint32, name string, more int64) int64 {
	d, ok := f.s.DimOf(name)
	if !ok {
		return 0
	}
	n := f.s.Node(row).Node
	taken := n.CapacityOf(d) - f.s.FreeOf(row, d) - f.s.ReservesOn(row).Total(d)
	if more < farBelow && taken < farBelow-more {
		return taken
	}
	if away := f.away(row, n.Spec, name); taken <= math.MaxInt64-away {
		return taken + away
	}
	return math.MaxInt64
}

// farBelow is so much less than the most there is that no devices can be missing from it: each is a [berth.DeviceUnits] of
// the difference, and an entry of a list in memory.
const farBelow = math.MaxInt64 / 2

// away returns what of a class the tasks and holds on a node would take besides if its devices were all there and healthy,
// given how the node is described.
func (f *Fork) away(row uint32, n *berth.Node, class string) int64 {
	find := fit.Finder(n, len(n.Devices))
	units := func(shares []berth.DeviceShare) (sum int64) {
		for k := range shares {
			if shares[k].Class == class {
				if i := find(&shares[k]); i < 0 || n.Devices[i].Unhealthy {
					sum += shares[k].Units
				}
			}
		}
		return sum
	}
	var away int64
	for _, r := range f.s.On(row) {
		switch x := r.Extra; {
		case x == nil:
		case x.Hold != nil && x.Hold.Lease == berth.Exclusive:
			away += units(x.Hold.Devices)
		case x.Grant != nil:
			away += min(units(x.Grant.Devices), fit.OfDevices(f.s.Group(r.Group).Spec, class))
		}
	}
	return away
}

// mostTaken returns the most that the tasks and holds on a node can take of a resource that is an amount of devices, whichever of
// them it has, or the largest int64 if that is less: amounts can be so large that two wrap, where units cannot.
func (f *Fork) mostTaken(row uint32, resource string) int64 {
	sum := berth.Resources{}
	for _, r := range f.s.On(row) {
		switch x := r.Extra; {
		case x == nil || x.Grant == nil && x.Hold == nil:
			sum = plus(sum, resource, amount(f.s.Group(r.Group).Spec, resource))
		case x.Hold != nil && x.Hold.Lease == berth.Exclusive:
			sum = plus(sum, resource, x.Hold.Cost()[resource])
		case x.Grant != nil:
			sum = plus(sum, resource, max(grantedOf(x.Grant)[resource], amount(f.s.Group(r.Group).Spec, resource)))
		}
	}
	return sum[resource]
}

// grantedOf returns the amounts of devices of a grant, by the resources that they are.
func grantedOf(grant *berth.Grant) (sum berth.Resources) {
	for k := range grant.Devices {
		for amount, q := range grant.Devices[k].Amounts {
			sum = plus(sum, berth.DeviceResource(grant.Devices[k].Class, amount), q)
		}
	}
	return sum
}

// adopted returns the most that a task with a grant can take of each amount of devices, wherever they are.
func adopted(g *berth.Group, grant *berth.Grant) berth.Resources {
	granted := grantedOf(grant)
	for name := range granted {
		granted[name] = max(granted[name], amount(g, name))
	}
	return granted
}

// wraps reports of which class of its devices a node would have so much taken that it does not fit in an int64, if it were
// described as n.
func (f *Fork) wraps(row uint32, n *berth.Node) (string, bool) {
	was := f.s.Node(row).Node
	last := ""
	for i := range n.Devices {
		class := n.Devices[i].Class
		for amount := range n.Devices[i].Capacity.All() {
			if name := berth.DeviceResource(class, amount); f.mostTaken(row, name) == math.MaxInt64 {
				return name, true
			}
		}
		if class == last {
			continue // said before: devices of a class mostly stand together
		}
		last = class
		d, ok := f.s.DimOf(class)
		if !ok {
			continue
		}
		taken := was.CapacityOf(d) - f.s.FreeOf(row, d) - f.s.ReservesOn(row).Total(d)
		if taken >= farBelow && f.away(row, was.Spec, class)-f.away(row, n, class) > math.MaxInt64-taken {
			return class, true
		}
	}
	return "", false
}

package checked

import (
	"math"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// grant is Choose on a node of the fork, or, where the caller wants a particular grant, its check. It
// changes nothing, and returns a grant that is the fork's to keep. devices are what is free of them to choose from.
func (f *Fork) grant(g *berth.Group, row uint32, want *berth.Grant, devices []int64, ports fit.PortRoom) (*berth.Grant, berth.Reason) {
	n := f.s.Node(row).Node.Spec
	if want != nil {
		return want.Clone(), fit.CheckGrant(g, n, want, devices, ports)
	}
	return fit.ChooseIn(g, n, devices, ports)
}

// granted is grant out of what is free on a node; nothing for a group that asks for neither devices nor ports.
func (f *Fork) granted(sh *shape, row uint32, want *berth.Grant) (*berth.Grant, berth.Reason) {
	if !fit.Grants(sh.group) {
		return nil, berth.Reason{}
	}
	return f.grant(sh.group, row, want, f.s.Node(row).Devices, f.unusedOn(row))
}

// unusedOn returns which ports of a node are free.
func (f *Fork) unusedOn(row uint32) fit.PortRoom {
	n := f.s.Node(row)
	return fit.Unused(n.Node.Spec, n.Ports)
}

// taskExtra returns what a task with a grant has on a node beside its group's request; nil without one. Shares of devices
// that the node does not have, or that are unhealthy, are no part of its capacity, so that neither is the group's request of
// their class taken of it. find may be nil.
func (f *Fork) taskExtra(g *berth.Group, grant *berth.Grant, n *store.Node, find fit.FindDevice) *store.Extra {
	if grant == nil {
		return nil
	}
	x := &store.Extra{Grant: grant}
	if len(grant.Ports) > 0 {
		x.Ports = store.SortedPorts(grant.Ports)
	}
	if len(grant.Devices) == 0 {
		return x
	}
	x.Devices = make([]store.DeviceShare, 0, len(grant.Devices))
	var away berth.Resources // units and amounts, by the resources that they count as
	if find == nil {
		find = fit.Finder(n.Spec, len(grant.Devices))
	}
	for k := range grant.Devices {
		s := &grant.Devices[k]
		i := find(s)
		for cell, q := range fit.Cells(n.Spec, i, s) {
			x.Devices = append(x.Devices, store.DeviceShare{Index: cell, Units: q})
		}
		gone := i < 0 || n.Spec.Devices[i].Unhealthy
		if gone {
			away = plus(away, s.Class, s.Units)
			x.Stray += s.Units
		}
		for amount, q := range s.Amounts {
			if _, has := amountsOf(n.Spec, i)[amount]; gone || !has {
				away = plus(away, berth.DeviceResource(s.Class, amount), q)
				x.Stray++
			}
		}
	}
	for name, q := range away.All() {
		if d, ok := f.s.DimOf(name); ok {
			if q = min(q, fit.OfDevices(g, name)); q > 0 {
				x.Spare = append(x.Spare, store.Need{Dim: d, Amount: q})
			}
		}
	}
	return x
}

// amountsOf returns what the device at an index has in amounts.
func amountsOf(n *berth.Node, index int) berth.Resources {
	if index < 0 {
		return nil
	}
	return n.Devices[index].Capacity
}

// plus adds to a sum, which stays at the largest int64 if it would overflow.
func plus(sum berth.Resources, name string, q int64) berth.Resources {
	if sum == nil {
		sum = berth.Resources{}
	}
	sum[name] = min(sum[name], math.MaxInt64-q) + q
	return sum
}

// redescribed returns what a task or a hold takes on a node with another description.
func (f *Fork) redescribed(r *store.Record, n *store.Node, find fit.FindDevice) *store.Extra {
	switch x := r.Extra; {
	case x.Hold != nil && len(x.Hold.Devices) > 0:
		extra := f.holdExtra(x.Hold, n, find)
		if x.Cost == nil {
			extra.Cost = nil // on nobody's account
		}
		return extra
	case x.Grant != nil && len(x.Grant.Devices) > 0:
		return f.taskExtra(f.s.Group(r.Group).Spec, x.Grant, n, find)
	}
	return r.Extra
}

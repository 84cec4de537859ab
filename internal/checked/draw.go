package checked

import (
	"maps"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// drawn is a hold that a task draws on.
type drawn struct {
	slot uint32
	hold *berth.Hold // as it is
	rest *berth.Hold // what the task leaves of it; nil as long as it takes nothing
}

// left returns what the task leaves of the hold, to be changed.
func (d *drawn) left() *berth.Hold {
	if d.rest == nil {
		d.rest = d.hold.Clone()
	}
	return d.rest
}

// draw finds what a task takes from the owner's holds on a node, in the order of their IDs, and which
// devices and ports it gets. It changes nothing.
func (f *Fork) draw(sh *shape, row uint32, op *berth.Op) ([]drawn, *berth.Grant, berth.Reason) {
	owner, want := op.From, op.Grant
	var slots []uint32
	for slot, r := range f.s.HoldsOn(row) {
		if h := r.Extra.Hold; h.Owner == owner && h.Lease != berth.Reserved {
			slots = append(slots, slot)
		}
	}
	if len(slots) == 0 {
		return nil, nil, berth.Reason{Code: berth.UnknownHold, Subject: owner}
	}
	holds := make([]drawn, len(slots))
	for i, slot := range f.s.ByID(slots) {
		holds[i] = drawn{slot: slot, hold: f.s.Record(slot).Extra.Hold}
	}
	var grant *berth.Grant
	if fit.Grants(sh.group) {
		var why berth.Reason
		if grant, why = f.drawParts(sh, row, holds, want); why.Code != berth.None {
			return nil, nil, why
		}
	}
	for _, need := range sh.group.Requirements().Needs {
		if need.Class != "" {
			continue // drawn as devices
		}
		rest := need.Amount
		for i := 0; i < len(holds) && rest > 0; i++ {
			if part := min(rest, holds[i].hold.Resources[need.Name]); part > 0 {
				holds[i].left().Resources[need.Name] -= part
				rest -= part
			}
		}
		if rest > 0 {
			return nil, nil, berth.Reason{Code: berth.NotHeld, Subject: need.Name}
		}
	}
	holds = slices.DeleteFunc(holds, func(d drawn) bool { return d.rest == nil && !nothingIn(d.hold) })
	if !f.roomAfter(sh, row, op.Owner, holds, grant) {
		return nil, nil, berth.Reason{Code: berth.NotHeld, Subject: "taken by another"}
	}
	return holds, grant, berth.Reason{}
}

// drawParts finds the devices and ports that a task takes from holds.
func (f *Fork) drawParts(sh *shape, row uint32, holds []drawn, want *berth.Grant) (*berth.Grant, berth.Reason) {
	node := f.s.Node(row).Node.Spec
	all := fit.All(node)
	devices := make([]int64, len(all))
	var ports []berth.Port
	find := fit.Finder(node, len(holds))
	for _, d := range holds {
		for k := range d.hold.Devices {
			share := &d.hold.Devices[k]
			for cell, q := range fit.Cells(node, find(share), share) {
				devices[cell] += min(q, all[cell]-devices[cell]) // optimistic holds can share a device
			}
		}
		ports = append(ports, d.hold.Ports...)
	}
	slices.SortFunc(ports, berth.Port.Compare)
	grant, why := f.grant(sh.group, row, want, devices, fit.Held(node, ports))
	switch why.Code {
	case berth.None:
	case berth.DeviceTaken: // all that is held was free for it
		return nil, berth.Reason{Code: berth.NotHeld, Subject: why.Subject}
	default:
		return nil, why
	}
	left := make(map[fit.DeviceName]berth.DeviceShare, len(grant.Devices)) // still to be drawn
	for _, d := range grant.Clone().Devices {
		left[fit.NameOf(d)] = d
	}
	granted := store.SortedPorts(grant.Ports)
	isGranted := func(p berth.Port) bool { // what is held for all protocols or at all addresses is used up by a part of it
		return slices.ContainsFunc(store.PortsOf(granted, p.Number), p.Covers)
	}
	for i := range holds {
		d := &holds[i]
		for j, share := range d.hold.Devices {
			rest, ok := left[fit.NameOf(share)]
			if !ok {
				continue
			}
			if part := min(rest.Units, share.Units); part > 0 {
				d.left().Devices[j].Units -= part
				rest.Units -= part
				left[fit.NameOf(share)] = rest
			}
			for amount, q := range share.Amounts {
				if part := min(rest.Amounts[amount], q); part > 0 {
					d.left().Devices[j].Amounts[amount] -= part
					rest.Amounts[amount] -= part
				}
			}
		}
		if slices.ContainsFunc(d.hold.Ports, isGranted) {
			d.left().Ports = slices.DeleteFunc(d.left().Ports, isGranted)
		}
		if d.rest != nil {
			d.rest.Devices = withoutEmpty(d.rest.Devices)
		}
	}
	return grant, berth.Reason{}
}

// withoutEmpty returns shares without what nothing is left of. It is free to write to them.
func withoutEmpty(shares []berth.DeviceShare) []berth.DeviceShare {
	for i := range shares {
		s := &shares[i]
		if maps.DeleteFunc(s.Amounts, func(_ string, q int64) bool { return q == 0 }); len(s.Amounts) == 0 {
			s.Amounts = nil
		}
	}
	return slices.DeleteFunc(shares, func(s berth.DeviceShare) bool { return s.Units == 0 && len(s.Amounts) == 0 })
}

// overDrawn returns the first limit that a task would exceed that draws on holds, which are charged that much less.
func (f *Fork) overDrawn(sh *shape, row uint32, owner string, draw []drawn) berth.Reason {
	if f.s.Limited() == 0 {
		return berth.Reason{}
	}
	var back exchange
	to := f.s.ReservesOn(row)
	for _, d := range draw {
		if to != nil && d.rest != nil {
			before := f.s.Record(d.slot).Extra
			after := f.holdExtra(d.rest, f.s.Node(row).Node, fit.Finder(f.s.Node(row).Node.Spec, len(d.rest.Devices)))
			to = to.After(d.hold.Role, d.hold.Owner, before.Needs, -1).After(d.hold.Role, d.hold.Owner, after.Needs, 1)
		}
		if cost := f.s.Record(d.slot).Extra.Cost; d.rest != nil && cost != nil {
			back.give(d.hold.Role, cost)
			back.keep(d.hold.Role, f.costOf(d.rest))
		}
	}
	if to = to.After(sh.group.Role(), owner, sh.needs, 1); to != f.s.ReservesOn(row) {
		back = append(back, f.instead(row, to)...)
	}
	return f.over(sh.group.Role(), sh.needs, back.trial)
}

func nothingIn(h *berth.Hold) bool {
	for _, q := range h.Resources {
		if q > 0 {
			return false
		}
	}
	return len(h.Devices) == 0 && len(h.Ports) == 0
}

// roomAfter reports whether a task fits once what it draws of exclusive holds is given back, so that it
// creates and worsens no overcommitment. Optimistic holds set nothing aside, so another may have come
// first; and a node that changed under an exclusive hold can have less than the hold says.
func (f *Fork) roomAfter(sh *shape, row uint32, owner string, holds []drawn, grant *berth.Grant) bool {
	n := f.s.Node(row)
	devices, is, u := slices.Clone(n.Devices), f.roomOn(row), user{sh.group.Role(), owner}
	var back []berth.Port
	find := fit.Finder(n.Node.Spec, len(holds))
	for _, d := range holds {
		if d.rest == nil {
			continue
		}
		before, after := f.s.Record(d.slot).Extra, f.holdExtra(d.rest, n.Node, find)
		is.give(userOf(d.hold), before.Needs, 1)
		is.give(userOf(d.hold), after.Needs, -1)
		moveDevices(devices, before, 1)
		moveDevices(devices, after, -1)
		for _, p := range before.Ports {
			if !store.HasPort(after.Ports, p) {
				back = append(back, p)
			}
		}
	}
	slices.SortFunc(back, berth.Port.Compare)
	for _, need := range sh.needs {
		if left := is.of(u, need.Dim); left < need.Amount && left-f.s.RoomOf(row, need.Dim, u.role, owner) < need.Amount {
			return false
		}
	}
	if grant == nil {
		return true
	}
	for k := range grant.Devices {
		for cell, q := range fit.Cells(n.Node.Spec, find(&grant.Devices[k]), &grant.Devices[k]) {
			if left := devices[cell]; left < q && left-n.Devices[cell] < q {
				return false
			}
		}
	}
	for _, p := range grant.Ports {
		if store.PortsMeeting(n.Ports, p) > 0 && store.PortsMeeting(back, p) == 0 {
			return false
		}
	}
	return true
}

// moveDevices adds what an extra takes of a node's devices to what is free of them, or, with sign -1, subtracts it.
func moveDevices(devices []int64, x *store.Extra, sign int64) {
	for _, d := range x.Devices {
		devices[d.Index] += sign * d.Units
	}
}

// shrink leaves of holds on a node what a task did not draw.
func (f *Fork) shrink(holds []drawn, row uint32) {
	n := f.s.Node(row).Node
	slots, extras := make([]uint32, len(holds)), make([]*store.Extra, len(holds))
	for i := range holds {
		d := &holds[i]
		slots[i], extras[i] = d.slot, f.holdExtra(d.left(), n, fit.Finder(n.Spec, len(d.left().Devices)))
		if f.s.Record(d.slot).Extra.Cost == nil {
			extras[i].Cost = nil // on nobody's account
		}
	}
	f.s.Resize(slots, extras)
	for i := range holds {
		if nothingIn(holds[i].rest) {
			f.useUp(holds[i].slot)
		}
	}
}

// useUp ends a hold of which nothing is left.
func (f *Fork) useUp(slot uint32) {
	r := f.s.Record(slot)
	f.usedUp = append(f.usedUp, UsedUp{r.ID, r.Deadline})
	f.s.Remove(slot)
}

// UsedUp is a hold that a placement has left nothing of.
type UsedUp struct {
	ID       string
	Deadline int64 // as package store counts
}

// UsedUp returns the holds that the last placement on holds has left nothing of. The list is good until the next.
func (f *Fork) UsedUp() []UsedUp { return f.usedUp }

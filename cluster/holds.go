package cluster

import (
	"math"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// holdable says why a hold cannot be made, its room aside.
func (f *Fork) holdable(h *berth.Hold) berth.Reason {
	if err := h.Err(); err != nil {
		return berth.Reason{Code: berth.Invalid, Subject: err.Error()}
	}
	if _, ok := f.s.FindHold(h.ID); ok {
		return berth.Reason{Code: berth.HoldExists, Subject: h.ID}
	}
	row, ok := f.s.FindNode(h.Node)
	if !ok {
		return berth.Reason{Code: berth.UnknownNode, Subject: h.Node}
	}
	n := f.s.Node(row).Node.Spec
	for name := range h.Resources.All() {
		if slices.ContainsFunc(n.Devices, func(d berth.Device) bool { return d.Class == name }) {
			return berth.Reason{Code: berth.Invalid, Subject: "hold of resource " + name + ": it is a device class, and held by device"}
		}
	}
	return berth.Reason{}
}

// take makes a hold.
func (f *Fork) take(h *berth.Hold) berth.Reason {
	if why := f.holdable(h); why.Code != berth.None {
		return why
	}
	row, _ := f.s.FindNode(h.Node)
	c := h.Clone()
	slices.Sort(c.Ports)
	n := f.s.Node(row)
	for name, q := range c.Resources.All() {
		if d, ok := f.s.DimOf(name); q > 0 && (!ok || f.s.FreeOf(row, d) < q) {
			return berth.Reason{Code: berth.Insufficient, Subject: name}
		}
	}
	for _, d := range c.Devices {
		if d.Index >= len(n.Devices) || n.Devices[d.Index] < d.Units {
			return berth.Reason{Code: berth.NoDevice, Subject: "held device"}
		}
	}
	for _, p := range c.Ports {
		if _, used := slices.BinarySearch(n.Ports, p); used || !hasPort(n.Node.Spec.Ports, p) {
			return berth.Reason{Code: berth.NoPort, Subject: berth.PortRange{First: p, Last: p}.String()}
		}
	}
	extra := f.holdExtra(c, row)
	for _, n := range extra.Needs { // the scalars of devices too: an adopted task may have them without a device
		if f.s.FreeOf(row, n.Dim) < n.Amount {
			return berth.Reason{Code: berth.Insufficient, Subject: f.s.Dims()[n.Dim]}
		}
	}
	f.s.Add(c.ID, store.Record{Group: store.Holds, Row: row, Deadline: c.Deadline.UnixNano(), Extra: extra})
	return berth.Reason{}
}

// holdExtra returns what a hold takes on its node: nothing if it is optimistic.
func (f *Fork) holdExtra(h *berth.Hold, row uint32) *store.Extra {
	x := &store.Extra{Hold: h}
	if h.Lease == berth.Optimistic {
		return x
	}
	scalars := h.Resources.Clone()
	n := f.s.Node(row).Node.Spec
	for _, d := range h.Devices {
		if d.Index < len(n.Devices) {
			// A class can be named like a resource held earlier: a sum beyond int64 is more than any node has.
			class := n.Devices[d.Index].Class
			scalars[class] = min(scalars[class], math.MaxInt64-d.Units) + d.Units
		}
		x.Devices = append(x.Devices, store.DeviceShare(d))
	}
	for name, q := range scalars.All() {
		if d, ok := f.s.DimOf(name); ok && q > 0 {
			x.Needs = append(x.Needs, store.Need{Dim: d, Amount: q})
		}
	}
	x.Ports = h.Ports
	return x
}

// draft is what a task draws from one hold.
type draft struct {
	slot uint32
	rest *berth.Hold // nil if nothing is left of it
}

// draw finds what a task takes from the owner's holds on a node, in the order of their IDs, and which
// devices and ports it gets. It changes nothing.
func (f *Fork) draw(sh *shape, row uint32, owner string, want *berth.Grant) ([]draft, *berth.Grant, berth.Reason) {
	n := f.s.Node(row)
	var slots []uint32
	for slot, r := range f.s.On(row) {
		if r.Group == store.Holds && r.Extra.Hold.Owner == owner {
			slots = append(slots, slot)
		}
	}
	if len(slots) == 0 {
		return nil, nil, berth.Reason{Code: berth.UnknownHold, Subject: owner}
	}
	holds := make([]berth.Hold, len(slots))
	devices := make([]int64, len(n.Devices))
	ports := []uint16{}
	for i, slot := range byID(&f.s.View, slots) {
		holds[i] = holdView(&f.s.View, slot)
		for _, d := range holds[i].Devices {
			if d.Index < len(devices) {
				devices[d.Index] += d.Units
			}
		}
		ports = append(ports, holds[i].Ports...)
	}
	for i, units := range devices {
		devices[i] = min(units, berth.DeviceUnits) // optimistic holds can share a device
	}

	var grant *berth.Grant
	if grants(sh.group) {
		node := n.Node.Spec
		slices.Sort(ports)
		var why berth.Reason
		if grant, why = f.grant(sh.group, row, want, devices, func(p uint16) bool {
			_, held := slices.BinarySearch(ports, p)
			return held && hasPort(node.Ports, p)
		}); why.Code != berth.None {
			return nil, nil, why
		}
		for _, d := range grant.Devices {
			drawDevice(holds, d)
		}
		granted := slices.Sorted(slices.Values(grant.Ports))
		for i := range holds {
			holds[i].Ports = slices.DeleteFunc(holds[i].Ports, func(p uint16) bool {
				_, drawn := slices.BinarySearch(granted, p)
				return drawn
			})
		}
	}
	for _, need := range sh.group.Requirements().Needs {
		if slices.ContainsFunc(sh.group.Requirements().Devices, func(d berth.DeviceRequest) bool { return d.Class == need.Name }) {
			continue // the scalar of devices, drawn above
		}
		rest := need.Amount
		for i := range holds {
			if part := min(rest, holds[i].Resources[need.Name]); part > 0 {
				holds[i].Resources[need.Name] -= part
				rest -= part
			}
		}
		if rest > 0 {
			return nil, nil, berth.Reason{Code: berth.NotHeld, Subject: need.Name}
		}
	}
	drafts := make([]draft, 0, len(slots))
	for i, slot := range slots {
		d := draft{slot: slot}
		if !nothingIn(&holds[i]) {
			d.rest = &holds[i]
		}
		drafts = append(drafts, d)
	}
	if !f.roomAfter(sh, row, drafts, grant) {
		return nil, nil, berth.Reason{Code: berth.NotHeld, Subject: "taken by another"}
	}
	return drafts, grant, berth.Reason{}
}

func drawDevice(holds []berth.Hold, share berth.DeviceShare) {
	for i := range holds {
		for j := range holds[i].Devices {
			if d := &holds[i].Devices[j]; d.Index == share.Index {
				part := min(share.Units, d.Units)
				d.Units -= part
				share.Units -= part
			}
		}
		holds[i].Devices = slices.DeleteFunc(holds[i].Devices, func(d berth.DeviceShare) bool { return d.Units == 0 })
	}
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
func (f *Fork) roomAfter(sh *shape, row uint32, drafts []draft, grant *berth.Grant) bool {
	n := f.s.Node(row)
	free, devices := slices.Clone(f.s.Free(row)), slices.Clone(n.Devices)
	var back []uint16
	for _, d := range drafts {
		before, after := f.s.Record(d.slot).Extra, new(store.Extra)
		if d.rest != nil {
			after = f.holdExtra(d.rest, row)
		}
		move(free, devices, before, 1)
		move(free, devices, after, -1)
		for _, p := range before.Ports {
			if _, kept := slices.BinarySearch(after.Ports, p); !kept {
				back = append(back, p)
			}
		}
	}
	slices.Sort(back)
	for d, left := range free { // a device whose class changed is held as what it is now
		if left < 0 && left < f.s.FreeOf(row, int32(d)) {
			return false
		}
	}
	for _, need := range sh.needs {
		if left := free[need.Dim]; left < need.Amount && left-f.s.FreeOf(row, need.Dim) < need.Amount {
			return false
		}
	}
	if grant == nil {
		return true
	}
	for _, d := range grant.Devices {
		if left := devices[d.Index]; left < d.Units && left-n.Devices[d.Index] < d.Units {
			return false
		}
	}
	for _, p := range grant.Ports {
		_, taken := slices.BinarySearch(n.Ports, p)
		if _, given := slices.BinarySearch(back, p); taken && !given {
			return false
		}
	}
	return true
}

// move adds what an extra takes of a node to its free amounts, or, with sign -1, subtracts it.
func move(free, devices []int64, x *store.Extra, sign int64) {
	for _, n := range x.Needs {
		free[n.Dim] += sign * n.Amount
	}
	for _, d := range x.Devices {
		if d.Index < len(devices) {
			devices[d.Index] += sign * d.Units
		}
	}
}

// shrink leaves of a hold what a task did not draw.
func (f *Fork) shrink(d draft) {
	if d.rest == nil {
		f.s.Remove(d.slot)
		return
	}
	f.s.Resize(d.slot, f.holdExtra(d.rest, f.s.Record(d.slot).Row))
}

func (f *Fork) evict(op berth.Op) berth.Reason {
	slot, ok := f.s.FindTask(op.ID)
	if !ok {
		return berth.Reason{Code: berth.UnknownTask, Subject: op.ID}
	}
	if op.Hold == nil {
		f.s.Remove(slot)
		return berth.Reason{}
	}
	if why := f.holdable(op.Hold); why.Code != berth.None {
		return why
	}
	// The hold must fit once the task is gone, and nothing may change if it does not.
	trial := Over(f.s.Snapshot().Fork())
	trial.s.Detach(slot)
	if why := trial.take(op.Hold); why.Code != berth.None {
		return why
	}
	f.s.Remove(slot)
	return f.take(op.Hold)
}

package berth

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/berth-sched/berth/internal/store"
)

// grants reports whether a task of the group gets particular devices or ports.
func (g *Group) grants() bool {
	return len(g.spec.Devices) > 0 || g.UsesPorts()
}

// Grant chooses the devices and ports of a task of the group on n, given the free units of each device
// and the ports in use, ascending: for a share the device with the least free units that suffice, for
// whole devices the lowest indexes, for dynamic ports the lowest numbers. It returns nil and no reason
// for a group that asks for neither, and a reason if there is not enough.
func (g *Group) Grant(n *Node, devices []int64, used []uint16) (*Grant, Reason) {
	if err := g.Err(); err != nil {
		return nil, Reason{Invalid, err.Error()}
	}
	if n == nil {
		return nil, Reason{Code: UnknownNode}
	}
	if !g.grants() {
		return nil, Reason{}
	}
	return g.choose(n, devices, unused(n, used))
}

func unused(n *Node, used []uint16) func(uint16) bool {
	return func(p uint16) bool {
		_, taken := slices.BinarySearch(used, p)
		return !taken && hasPort(n.Ports, p)
	}
}

func (g *Group) choose(n *Node, devices []int64, usable func(uint16) bool) (*Grant, Reason) {
	out := new(Grant)
	for i := range g.spec.Devices {
		d := &g.spec.Devices[i]
		shares, ok := d.choose(n, devices)
		if !ok {
			return nil, Reason{NoDevice, d.String()}
		}
		out.Devices = append(out.Devices, shares...)
	}
	if why := g.choosePorts(out, n, usable); why.Code != None {
		return nil, why
	}
	return out, Reason{}
}

func (g *Group) choosePorts(out *Grant, n *Node, usable func(uint16) bool) Reason {
	for _, r := range sortedPorts(g.spec.Ports) {
		for p := int(r.First); p <= int(r.Last); p++ {
			if !usable(uint16(p)) {
				return Reason{NoPort, r.String()}
			}
			out.Ports = append(out.Ports, uint16(p))
		}
	}
	k := g.spec.DynamicPorts
	if k == 0 {
		return Reason{}
	}
	fixed := len(out.Ports)
	for _, r := range sortedPorts(n.Ports) {
		for p := int(r.First); p <= int(r.Last) && len(out.Ports) < fixed+k; p++ {
			if usable(uint16(p)) && !hasPort(g.spec.Ports, uint16(p)) {
				out.Ports = append(out.Ports, uint16(p))
			}
		}
	}
	if len(out.Ports) < fixed+k {
		return Reason{NoPort, dynamicPorts(k)}
	}
	return Reason{}
}

func dynamicPorts(k int) string { return fmt.Sprintf("%d of any number", k) }

// grant is Grant on a node of the fork, or, where the caller wants a particular grant, its check. It
// changes nothing. devices are the free units to choose from.
func (f *Fork) grant(g *Group, row uint32, want *Grant, devices []int64, usable func(uint16) bool) (*Grant, Reason) {
	n := f.s.Node(row).Node.Payload.(*Node)
	if want != nil {
		return want, g.checkGrant(n, want, devices, usable)
	}
	return g.choose(n, devices, usable)
}

// unusedOn returns which ports of a node are free.
func (f *Fork) unusedOn(row uint32) func(uint16) bool {
	n := f.s.Node(row)
	return unused(n.Node.Payload.(*Node), n.Ports)
}

func sortedPorts(ranges []PortRange) []PortRange {
	return slices.SortedFunc(slices.Values(ranges), func(a, b PortRange) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last))
	})
}

// choose returns the devices that serve the request from the free units, or false.
func (d *DeviceRequest) choose(n *Node, free []int64) ([]DeviceShare, bool) {
	if d.Count > 0 {
		var out []DeviceShare
		for i, dev := range n.Devices {
			if i < len(free) && free[i] == DeviceUnits && d.accepts(dev) {
				if out = append(out, DeviceShare{i, DeviceUnits}); len(out) == d.Count {
					return out, true
				}
			}
		}
		return nil, false
	}
	best := -1
	for i, dev := range n.Devices {
		if i < len(free) && free[i] >= d.Share && d.accepts(dev) && (best < 0 || free[i] < free[best]) {
			best = i
		}
	}
	if best < 0 {
		return nil, false
	}
	return []DeviceShare{{best, d.Share}}, true
}

// Fits reports whether the devices of n, with the free units of each, can serve the request.
func (d *DeviceRequest) Fits(n *Node, free []int64) bool {
	if n == nil || d.Count > len(n.Devices) {
		return false
	}
	whole := 0
	for i, units := range free[:min(len(free), len(n.Devices))] {
		if d.Count > 0 && units == DeviceUnits && d.accepts(n.Devices[i]) {
			if whole++; whole == d.Count {
				return true
			}
		}
		if d.Share > 0 && units >= d.Share && d.accepts(n.Devices[i]) {
			return true
		}
	}
	return false
}

// checkGrant says why a grant that the caller wants is not what the group asks for, or not free.
func (g *Group) checkGrant(n *Node, want *Grant, devices []int64, usable func(uint16) bool) Reason {
	units := make([]int64, len(g.spec.Devices))
	seen := make(map[int]bool, len(want.Devices))
	for _, share := range want.Devices {
		if share.Index < 0 || share.Index >= len(n.Devices) || seen[share.Index] {
			return Reason{Invalid, "grant of a device the node does not have, or twice of one"}
		}
		seen[share.Index] = true
		i := slices.IndexFunc(g.spec.Devices, func(d DeviceRequest) bool { return d.accepts(n.Devices[share.Index]) })
		if i < 0 || share.Units != min(g.spec.Devices[i].Units(), DeviceUnits) {
			return Reason{Invalid, "grant of devices the group did not ask for"}
		}
		if share.Index >= len(devices) || devices[share.Index] < share.Units {
			return Reason{NoDevice, g.spec.Devices[i].String()}
		}
		units[i] += share.Units
	}
	for i, d := range g.spec.Devices {
		if units[i] != d.Units() {
			return Reason{Invalid, "grant of devices the group did not ask for"}
		}
	}
	for range faultyPorts(want.Ports) {
		return Reason{Invalid, "grant of port 0, or of one port twice"}
	}
	fixed, dynamic := 0, 0
	for _, p := range want.Ports {
		switch {
		case !usable(p):
			return Reason{NoPort, PortRange{p, p}.String()}
		case hasPort(g.spec.Ports, p):
			fixed++
		default:
			dynamic++
		}
	}
	asked := 0
	for _, r := range g.spec.Ports {
		asked += int(r.Last-r.First) + 1
	}
	if fixed != asked || dynamic != g.spec.DynamicPorts {
		return Reason{Invalid, "grant of ports the group did not ask for"}
	}
	return Reason{}
}

// holdable says why a hold cannot be made, its room aside.
func (f *Fork) holdable(h *Hold) Reason {
	if err := h.Err(); err != nil {
		return Reason{Invalid, err.Error()}
	}
	if _, ok := f.s.FindHold(h.ID); ok {
		return Reason{HoldExists, h.ID}
	}
	row, ok := f.s.FindNode(h.Node)
	if !ok {
		return Reason{UnknownNode, h.Node}
	}
	n := f.s.Node(row).Node.Payload.(*Node)
	for name := range h.Resources.All() {
		if slices.ContainsFunc(n.Devices, func(d Device) bool { return d.Class == name }) {
			return Reason{Invalid, "hold of resource " + name + ": it is a device class, and held by device"}
		}
	}
	return Reason{}
}

// take makes a hold.
func (f *Fork) take(h *Hold) Reason {
	if why := f.holdable(h); why.Code != None {
		return why
	}
	row, _ := f.s.FindNode(h.Node)
	c := h.clone()
	slices.Sort(c.Ports)
	n := f.s.Node(row)
	for name, q := range c.Resources.All() {
		if d, ok := f.s.DimOf(name); q > 0 && (!ok || f.s.Free(row)[d] < q) {
			return Reason{Insufficient, name}
		}
	}
	for _, d := range c.Devices {
		if d.Index >= len(n.Devices) || n.Devices[d.Index] < d.Units {
			return Reason{NoDevice, "held device"}
		}
	}
	for _, p := range c.Ports {
		if _, used := slices.BinarySearch(n.Ports, p); used || !hasPort(n.Node.Payload.(*Node).Ports, p) {
			return Reason{NoPort, PortRange{p, p}.String()}
		}
	}
	extra := f.holdExtra(c, row)
	for _, n := range extra.Needs { // the scalars of devices too: an adopted task may have them without a device
		if f.s.Free(row)[n.Dim] < n.Amount {
			return Reason{Insufficient, f.s.Dims()[n.Dim]}
		}
	}
	f.s.Add(c.ID, store.Record{Group: store.Holds, Row: row, Deadline: c.Deadline.UnixNano(), Extra: extra})
	return Reason{}
}

// holdExtra returns what a hold takes on its node: nothing if it is optimistic.
func (f *Fork) holdExtra(h *Hold, row uint32) *store.Extra {
	x := &store.Extra{Payload: h}
	if h.Lease == Optimistic {
		return x
	}
	scalars := h.Resources.Clone()
	n := f.s.Node(row).Node.Payload.(*Node)
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
	rest *Hold // nil if nothing is left of it
}

// draw finds what a task takes from the owner's holds on a node, in the order of their IDs, and which
// devices and ports it gets. It changes nothing.
func (f *Fork) draw(sh *shape, row uint32, owner string, want *Grant) ([]draft, *Grant, Reason) {
	n := f.s.Node(row)
	var slots []uint32
	for slot, r := range f.s.On(row) {
		if r.Group == store.Holds && r.Extra.Payload.(*Hold).Owner == owner {
			slots = append(slots, slot)
		}
	}
	if len(slots) == 0 {
		return nil, nil, Reason{UnknownHold, owner}
	}
	holds := make([]Hold, len(slots))
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
		devices[i] = min(units, DeviceUnits) // optimistic holds can share a device
	}

	var grant *Grant
	if sh.group.grants() {
		node := n.Node.Payload.(*Node)
		slices.Sort(ports)
		var why Reason
		if grant, why = f.grant(sh.group, row, want, devices, func(p uint16) bool {
			_, held := slices.BinarySearch(ports, p)
			return held && hasPort(node.Ports, p)
		}); why.Code != None {
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
	for _, need := range sh.group.needs {
		if slices.ContainsFunc(sh.group.spec.Devices, func(d DeviceRequest) bool { return d.Class == need.name }) {
			continue // the scalar of devices, drawn above
		}
		rest := need.amount
		for i := range holds {
			if part := min(rest, holds[i].Resources[need.name]); part > 0 {
				holds[i].Resources[need.name] -= part
				rest -= part
			}
		}
		if rest > 0 {
			return nil, nil, Reason{NotHeld, need.name}
		}
	}
	drafts := make([]draft, 0, len(slots))
	for i, slot := range slots {
		d := draft{slot: slot}
		if !holds[i].empty() {
			d.rest = &holds[i]
		}
		drafts = append(drafts, d)
	}
	if !f.roomAfter(sh, row, drafts, grant) {
		return nil, nil, Reason{NotHeld, "taken by another"}
	}
	return drafts, grant, Reason{}
}

func drawDevice(holds []Hold, share DeviceShare) {
	for i := range holds {
		for j := range holds[i].Devices {
			if d := &holds[i].Devices[j]; d.Index == share.Index {
				part := min(share.Units, d.Units)
				d.Units -= part
				share.Units -= part
			}
		}
		holds[i].Devices = slices.DeleteFunc(holds[i].Devices, func(d DeviceShare) bool { return d.Units == 0 })
	}
}

func (h *Hold) empty() bool {
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
func (f *Fork) roomAfter(sh *shape, row uint32, drafts []draft, grant *Grant) bool {
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
		if left < 0 && left < f.s.Free(row)[d] {
			return false
		}
	}
	for _, need := range sh.needs {
		if left := free[need.Dim]; left < need.Amount && left-f.s.Free(row)[need.Dim] < need.Amount {
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

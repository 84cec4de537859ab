package checked

import (
	"cmp"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// holdable says why a hold cannot be made, its room aside.
func (f *Fork) holdable(h *berth.Hold) berth.Reason {
	if err := h.Err(); err != nil {
		return berth.Reason{Code: berth.Invalid, Subject: err.Error()}
	}
	if f.lapsed(h) {
		return berth.Reason{Code: berth.Invalid, Subject: fmt.Sprintf("hold %q: its deadline has passed", h.ID)}
	}
	if _, ok := f.s.FindHold(h.ID); ok {
		return berth.Reason{Code: berth.HoldExists, Subject: h.ID}
	}
	row, ok := f.s.FindNode(h.Node)
	if !ok {
		return berth.Reason{Code: berth.UnknownNode, Subject: h.Node}
	}
	for _, d := range f.s.Node(row).Node.Spec.Devices {
		if _, ok := h.Resources[d.Class]; ok {
			return berth.Reason{Code: berth.ByDevice, Subject: d.Class}
		}
		for amount := range d.Capacity.All() {
			if name := berth.DeviceResource(d.Class, amount); hasResource(h, name) {
				return berth.Reason{Code: berth.ByDevice, Subject: name}
			}
		}
	}
	return berth.Reason{}
}

func hasResource(h *berth.Hold, name string) bool {
	_, ok := h.Resources[name]
	return ok
}

// take makes a hold.
func (f *Fork) take(h *berth.Hold) berth.Reason {
	if f.takeLike(h, nil) {
		return berth.Reason{}
	}
	if why := f.holdable(h); why.Code != berth.None {
		return why
	}
	row, _ := f.s.FindNode(h.Node)
	if h.Lease == berth.Reserved {
		return f.reserve(h, row)
	}
	extra, why := f.room(h, row, nil)
	if why.Code == berth.None {
		why = f.over(h.Role, extra.Cost, f.insteadOf(row, f.s.ReservesOn(row).After(h.Role, h.Owner, extra.Needs, 1)))
	}
	if why.Code == berth.None {
		f.hold(extra, row)
		f.template, f.templateNaming = extra, f.s.Naming()
		f.templateDeadline, f.templateTime = store.DeadlineOf(extra.Hold.Deadline), extra.Hold.Deadline
	}
	return why
}

// TakeAlike makes the holds of the first operations, as long as each is soon told to be made because it is of as much as the hold that was made
// before it. Holds that are made by the thousand mostly are. It returns how many it has made; what is next, if anything, is for Apply. It is for a
// fork that takes down nothing for Plan.
func (f *Fork) TakeAlike(ops []berth.Op) (n int) {
	var last *berth.Hold
	for n < len(ops) && ops[n].Kind == berth.Take && f.takeLike(ops[n].Hold, last) {
		last = ops[n].Hold
		n++
	}
	return n
}

// takeLike makes a hold if it is of as much as the hold that was made last with a look at all of it. Where anything could be wrong with the hold it
// does nothing, and returns false. A hold that was just made so, in the same call of the host's, may be given: there is no need to look at what they
// share.
func (f *Fork) takeLike(h, made *berth.Hold) bool {
	if f.template == nil || f.templateNaming != f.s.Naming() || h == nil || f.s.Limited() > 0 || h.Lease == berth.Reserved {
		return false
	}
	last := f.template.Hold
	if h.Lease != last.Lease || len(h.Devices)+len(h.Ports)+len(last.Devices)+len(last.Ports) > 0 || !isPlainID(h.ID) {
		return false
	}
	if made == nil || h.Deadline != made.Deadline {
		if h.Deadline.IsZero() || f.lapsed(h) {
			return false
		}
		made = nil
	}
	if (made == nil || !isSameMap(h.Resources, made.Resources)) && !maps.Equal(h.Resources, last.Resources) {
		return false
	}
	owner, owns := f.s.FindOwner(h.Owner)
	if !owns && !isPlainID(h.Owner) {
		return false
	}
	role, known := f.s.FindRole(h.Role)
	if !known && h.Role.Err() != nil {
		return false
	}
	row, ok := f.s.FindNode(h.Node)
	if !ok || len(f.s.Node(row).Node.Devices) > 0 || f.s.ReservesOn(row) != nil {
		return false
	}
	hash := store.Hash(h.ID)
	if _, ok := f.s.FindHoldBy(hash, h.ID); ok {
		return false
	}
	for _, need := range f.template.Cost {
		if f.s.FreeOf(row, need.Dim) < need.Amount {
			return false
		}
	}
	// What is not written any more can be shared.
	both := &struct {
		extra store.Extra
		hold  berth.Hold
	}{extra: *f.template, hold: *last}
	c := &both.hold
	c.ID, c.Owner, c.Role, c.Node = h.ID, h.Owner, h.Role, f.s.Node(row).Node.ID
	if at := store.DeadlineOf(h.Deadline); at != f.templateDeadline {
		f.templateDeadline, f.templateTime = at, store.DeadlineTime(at)
	}
	c.Deadline = f.templateTime
	both.extra.Hold = c
	if !known {
		role = f.s.RoleAccount(h.Role)
	}
	if !owns {
		owner = f.s.Owner(h.Owner)
	}
	both.extra.Seat(role, owner)
	f.s.AddBy(hash, h.ID, store.Record{Group: store.Holds, Row: row, Deadline: f.templateDeadline, Extra: &both.extra})
	return true
}

// isSameMap reports whether two maps are one.
func isSameMap(a, b berth.Resources) bool {
	return reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer()
}

// isPlainID reports whether an ID is made of letters, digits and dashes, so that nothing is wrong with it.
func isPlainID(id string) bool {
	const most = 100
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return id != "" && len(id) <= most
}

// SetAside makes a hold that is on nobody's account, so that no limit says anything about it: room that is not shown.
func (f *Fork) SetAside(h *berth.Hold) berth.Reason {
	f = f.Ready()
	if why := f.holdable(h); why.Code != berth.None {
		return why
	}
	row, _ := f.s.FindNode(h.Node)
	extra, why := f.room(h, row, nil)
	if why.Code != berth.None {
		return why
	}
	extra.Cost = nil
	f.hold(extra, row)
	return berth.Reason{}
}

// Recast makes a hold, if there is one of that ID, count for another role, whatever the limits.
func (f *Fork) Recast(id string, role berth.Role) {
	f = f.Ready()
	slot, ok := f.s.FindHold(id)
	if !ok || f.s.Record(slot).Extra.Hold.Role == role {
		return
	}
	r := f.s.Record(slot)
	extra := r.Extra.Other()
	extra.Hold = r.Extra.Hold.Clone()
	extra.Hold.Role = role
	row := r.Row
	f.s.Remove(slot)
	f.hold(extra, row)
}

// Firm makes an optimistic hold, if there is one of that ID, exclusive, whatever the limits. Where others have the room it stays as it
// is, and counts for its role as before.
func (f *Fork) Firm(id string) {
	f = f.Ready()
	slot, ok := f.s.FindHold(id)
	if !ok {
		return
	}
	r := f.s.Record(slot)
	h, row := r.Extra.Hold.Clone(), r.Row
	h.Lease = berth.Exclusive
	if extra, why := f.room(h, row, nil); why.Code == berth.None {
		f.s.Remove(slot)
		f.hold(extra, row)
	}
}

// Owe makes a role have more, of which there is no record.
func (f *Fork) Owe(role berth.Role, cost berth.Resources) {
	f = f.Ready()
	needs := make([]store.Need, 0, len(cost))
	for name, q := range cost.All() {
		needs = append(needs, store.Need{Dim: f.s.Dim(name), Amount: q})
	}
	slices.SortFunc(needs, func(a, b store.Need) int { return cmp.Compare(a.Dim, b.Dim) })
	f.s.AddUnseen(role, needs)
}

// hold makes a hold for which there is room.
func (f *Fork) hold(extra *store.Extra, row uint32) {
	h := extra.Hold
	f.s.Add(h.ID, store.Record{Group: store.Holds, Row: row, Deadline: store.DeadlineOf(h.Deadline), Extra: extra})
}

// kept returns a hold as the store keeps it, and everybody sees it.
func kept(h *berth.Hold) *berth.Hold {
	c := h.Clone()
	c.Deadline = store.DeadlineTime(store.DeadlineOf(c.Deadline))
	slices.SortFunc(c.Ports, berth.Port.Compare)
	return c
}

// room returns what a hold takes on its node, or what is short for it once a task is gone from there, if one is named. It
// changes nothing.
func (f *Fork) room(h *berth.Hold, row uint32, gone *store.Record) (*store.Extra, berth.Reason) {
	n := f.s.Node(row)
	is, u := f.roomOn(row), userOf(h)
	free, devices := f.unusedOn(row), n.Devices
	if gone != nil {
		g := f.s.Group(gone.Group)
		is.give(user{g.Spec.Role(), f.s.OwnerName(gone.Owner)}, g.Request, 1)
		if x := gone.Extra; x != nil {
			for _, spare := range x.Spare {
				is.back[spare.Dim] -= spare.Amount
			}
			devices, free.Back = slices.Clone(devices), x.Ports
			for _, d := range x.Devices {
				devices[d.Index] += d.Units
			}
		}
	}
	c := kept(h)
	for name, q := range c.Resources.All() {
		if why := f.shortOf(row, name, q, is.named(u, name)); why.Code != berth.None {
			return nil, why
		}
	}
	for i, share := range fit.DevicesOf(n.Node.Spec, c.Devices) {
		why := berth.Reason{Subject: share.Class + "/" + share.ID}
		switch {
		case i < 0 || !hasAmounts(&n.Node.Spec.Devices[i], share):
			why.Code = berth.NoDevice
		case n.Node.Spec.Devices[i].Unhealthy:
			why.Code = berth.DeviceUnhealthy
		case !fit.IsFree(n.Node.Spec, i, share, devices):
			why.Code = berth.DeviceTaken
		default:
			continue
		}
		return nil, why
	}
	for _, p := range c.Ports {
		if code := free.Why(p); code != berth.None {
			return nil, berth.Reason{Code: code, Subject: p.String()}
		}
	}
	extra := f.holdExtra(c, n.Node, fit.Finder(n.Node.Spec, len(c.Devices)))
	for _, need := range extra.Needs { // of classes of devices too: an adopted task may have units of no device in particular
		if is.of(u, need.Dim) < need.Amount {
			name := f.s.Dims()[need.Dim]
			return nil, fit.UnitsLack(name, classOf(name, c.Devices), 0).Reason
		}
	}
	return extra, berth.Reason{}
}

// classOf returns the class of the shares that a resource counts, if it counts their units; else it is an amount of theirs.
func classOf(resource string, shares []berth.DeviceShare) string {
	if slices.ContainsFunc(shares, func(s berth.DeviceShare) bool { return s.Class == resource }) {
		return resource
	}
	return ""
}

// hasAmounts reports whether a device has, of whatever size, the amounts that a share is of.
func hasAmounts(dev *berth.Device, s *berth.DeviceShare) bool {
	for amount := range s.Amounts {
		if _, ok := dev.Capacity[amount]; !ok {
			return false
		}
	}
	return true
}

// shortOf says why a node cannot give so much of a resource, given what there is of it.
func (f *Fork) shortOf(row uint32, name string, q, room int64) berth.Reason {
	switch {
	case q <= 0 || room >= q:
		return berth.Reason{}
	case f.s.Node(row).Node.Spec.Capacity[name] < q:
		return berth.Reason{Code: berth.TooSmall, Subject: name}
	}
	return berth.Reason{Code: berth.Insufficient, Subject: name}
}

// holdExtra returns what a hold takes on its node: nothing if it is optimistic, and nothing of devices that the node does
// not have or that are unhealthy, which nobody else can have either.
func (f *Fork) holdExtra(h *berth.Hold, n *store.Node, find fit.FindDevice) *store.Extra {
	if h.Lease == berth.Reserved {
		return &store.Extra{Hold: h} // what it takes, the store works out
	}
	x := &store.Extra{Hold: h, Cost: f.costOf(h)}
	if h.Lease == berth.Optimistic {
		return x
	}
	there := berth.Hold{Resources: h.Resources}
	for k := range h.Devices {
		i := find(&h.Devices[k])
		if i < 0 || n.Spec.Devices[i].Unhealthy {
			continue
		}
		share := h.Devices[k]
		if !hasAmounts(&n.Spec.Devices[i], &share) {
			share.Amounts = share.Amounts.Clone()
			maps.DeleteFunc(share.Amounts, func(amount string, _ int64) bool {
				_, ok := n.Spec.Devices[i].Capacity[amount]
				return !ok
			})
		}
		there.Devices = append(there.Devices, share)
		for cell, q := range fit.Cells(n.Spec, i, &share) {
			x.Devices = append(x.Devices, store.DeviceShare{Index: cell, Units: q})
		}
	}
	x.Needs = f.costOf(&there)
	x.Ports = h.Ports
	return x
}

// costOf returns what a hold is of every resource, by dimension.
func (f *Fork) costOf(h *berth.Hold) []store.Need {
	var cost []store.Need
	for name, q := range h.Cost() {
		if d, ok := f.s.DimOf(name); ok && q > 0 {
			cost = append(cost, store.Need{Dim: d, Amount: q})
		}
	}
	slices.SortFunc(cost, func(a, b store.Need) int { return cmp.Compare(a.Dim, b.Dim) })
	return cost
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
	if op.Hold.Lease == berth.Reserved {
		return berth.Reason{Code: berth.Invalid, Subject: fmt.Sprintf("hold %q: the room of a task that is evicted is not reserved", op.Hold.ID)}
	}
	if why := f.holdable(op.Hold); why.Code != berth.None {
		return why
	}
	// The hold must fit once the task is gone, and nothing may change if it does not.
	row, _ := f.s.FindNode(op.Hold.Node)
	gone := f.s.Record(slot)
	if gone.Row != row {
		gone = nil
	}
	extra, why := f.room(op.Hold, row, gone)
	if why.Code != berth.None {
		return why
	}
	var back exchange
	if r := f.s.Record(slot); r.Row != store.None {
		g := f.s.Group(r.Group)
		back.give(g.Spec.Role(), g.Request)
	}
	back = append(back, f.insteadOfEvicted(row, gone, op.Hold, extra)...)
	if why := f.over(op.Hold.Role, extra.Cost, back.trial); why.Code != berth.None {
		return why
	}
	f.s.Remove(slot)
	f.hold(extra, row)
	return berth.Reason{}
}

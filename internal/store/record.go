package store

import (
	"iter"
	"slices"
)

// Record returns a record to be read.
func (v *View) Record(slot uint32) *Record { return v.recs.At(int(slot)) }

// ID returns the ID of a record.
func (v *View) ID(slot uint32) string { return v.recs.At(int(slot)).ID }

// FindTask returns the record of a task.
func (v *View) FindTask(id string) (uint32, bool) {
	return v.byTask.find(hashOf(id), id, v.ID)
}

// FindHold returns the record of a hold.
func (v *View) FindHold(id string) (uint32, bool) {
	return v.byHold.find(hashOf(id), id, v.ID)
}

// Members yields the records of a group, the earliest added first.
func (v *View) Members(group uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for at := v.Group(group).head; at != 0; at = v.recs.At(int(at - 1)).next {
			if !yield(at - 1) {
				return
			}
		}
	}
}

func (s *Store) indexOf(group uint32) *index {
	if group == Holds {
		return &s.byHold
	}
	return &s.byTask
}

// Add puts a record of an ID that is not there yet on a node, or on none, and takes what it takes.
func (s *Store) Add(id string, r Record) uint32 {
	slot, ok := pop(&s.recFree)
	if !ok {
		slot = uint32(s.recs.grow(s.token))
	}
	r.ID = id
	s.indexOf(r.Group).insert(s.token, slot, hashOf(id))
	if r.Group != Holds {
		s.taskN++
	}

	g := s.groups.mutAt(s.token, int(r.Group))
	r.prev, r.next = g.tail, 0
	if g.tail != 0 {
		s.recs.mutAt(s.token, int(g.tail-1)).next = slot + 1
	} else {
		g.head = slot + 1
	}
	g.tail = slot + 1
	row := r.Row
	r.Row = None
	*s.recs.mutAt(s.token, int(slot)) = r
	if row != None {
		s.Settle(slot, row)
	}
	return slot
}

// Remove gives back what a record takes and forgets it.
func (s *Store) Remove(slot uint32) {
	s.Unsettle(slot)
	r := *s.recs.At(int(slot))
	g := s.groups.mutAt(s.token, int(r.Group))
	if r.prev != 0 {
		s.recs.mutAt(s.token, int(r.prev-1)).next = r.next
	} else {
		g.head = r.next
	}
	if r.next != 0 {
		s.recs.mutAt(s.token, int(r.next-1)).prev = r.prev
	} else {
		g.tail = r.prev
	}
	s.indexOf(r.Group).remove(s.token, slot, hashOf(r.ID))
	if r.Group != Holds {
		s.taskN--
	}
	*s.recs.mutAt(s.token, int(slot)) = Record{Row: None}
	s.recFree = append(s.recFree, slot)
	if r.Group != Holds && s.Group(r.Group).head == 0 {
		s.dropGroup(r.Group)
	}
}

// Mark changes a record's state and deadline.
func (s *Store) Mark(slot uint32, state uint8, deadline int64) {
	r := s.recs.mutAt(s.token, int(slot))
	r.State, r.Deadline = state, deadline
}

// Resize replaces what a hold takes on its node.
func (s *Store) Resize(slot uint32, extra *Extra) {
	row := s.recs.At(int(slot)).Row
	s.Unsettle(slot)
	s.recs.mutAt(s.token, int(slot)).Extra = extra
	if row != None {
		s.Settle(slot, row)
	}
}

// needs returns what a record takes of each dimension.
func (s *Store) needs(r *Record) []Need {
	if r.Group == Holds {
		return r.Extra.Needs
	}
	return s.groups.At(int(r.Group)).Request
}

// Settle puts a record that is on no node on one.
func (s *Store) Settle(slot, row uint32) {
	r := s.recs.mutAt(s.token, int(slot))
	r.Row = row
	ns := s.node(row)
	free := s.free.mutRow(s.token, int(row))
	for _, n := range s.needs(r) {
		free[n.Dim] -= n.Amount
	}
	if x := r.Extra; x != nil {
		if len(x.Devices) > 0 {
			ns.Devices = slices.Clone(ns.Devices)
			takeDevices(ns.Devices, x.Devices, 1)
		}
		if len(x.Ports) > 0 {
			ns.Ports = mergePorts(ns.Ports, x.Ports)
		}
	}
	ns.Members = append(ns.Members, Member{slot, r.Group})
	s.count(r.Group, ns.Node, +1)
	s.changed(row, r.Group)
}

// Unsettle takes a record off its node, if it is on one, and gives back what it takes there.
func (s *Store) Unsettle(slot uint32) {
	if s.recs.At(int(slot)).Row == None {
		return
	}
	r := s.recs.mutAt(s.token, int(slot))
	row := r.Row
	r.Row = None
	ns := s.node(row)
	free := s.free.mutRow(s.token, int(row))
	for _, n := range s.needs(r) {
		free[n.Dim] += n.Amount
	}
	if x := r.Extra; x != nil {
		if len(x.Devices) > 0 {
			ns.Devices = slices.Clone(ns.Devices)
			takeDevices(ns.Devices, x.Devices, -1)
		}
		if len(x.Ports) > 0 {
			ns.Ports = withoutPorts(ns.Ports, x.Ports)
		}
	}
	i := slices.IndexFunc(ns.Members, func(m Member) bool { return m.Slot == slot })
	members := make([]Member, len(ns.Members)-1, cap(ns.Members))
	copy(members, ns.Members[:i])
	copy(members[i:], ns.Members[i+1:])
	ns.Members = members
	s.count(r.Group, ns.Node, -1)
	s.changed(row, r.Group)
}

// takeDevices moves free units by a share, sign +1 to take and -1 to give back. A device that its
// node no longer has is passed over.
func takeDevices(free []int64, shares []DeviceShare, sign int64) {
	for _, d := range shares {
		if d.Index < len(free) {
			free[d.Index] -= sign * d.Units
		}
	}
}

func mergePorts(a, b []uint16) []uint16 {
	out := make([]uint16, 0, len(a)+len(b))
	out = append(append(out, a...), b...)
	slices.Sort(out)
	return out
}

// withoutPorts returns a less one occurrence of each of b, both ascending: an adopted task may share a
// port with another.
func withoutPorts(a, b []uint16) []uint16 {
	out := make([]uint16, 0, len(a))
	for _, p := range a {
		for len(b) > 0 && b[0] < p {
			b = b[1:]
		}
		if len(b) > 0 && b[0] == p {
			b = b[1:]
			continue
		}
		out = append(out, p)
	}
	return out
}

package store

import (
	"iter"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
)

// Record is a task or a hold. A task takes what its group requests and, with Extra, devices and ports;
// a hold takes what its Extra says.
type Record struct {
	ID       string // empty where the slot is free
	Extra    *Extra
	Deadline int64  // as DeadlineOf counts; 0 is never
	Group    uint32 // where the slot is free, the next that is
	Row      uint32 // None when on no node
	hash     uint32 // of the ID
	life     uint32 // how many records the slot has had
	State    uint8
	Owner    uint32 // of a task: whose it is, as Store.Owner numbers them; 0 if that was not said
}

// Extra is what only some records have. It is immutable: a change replaces it, but for what Store.Draw takes of one that no view shows.
type Extra struct {
	Grant   *berth.Grant // what a task was granted
	Hold    *berth.Hold  // of a hold
	Needs   []Need       // what a hold takes
	Cost    []Need       // what a hold is of every resource, whether or not it takes that
	Devices []DeviceShare
	Ports   []berth.Port // ascending
	// Of a task with shares of devices that its node no longer has, or that are unhealthy: their units, one more for each amount of
	// theirs, and what of the group's request is therefore not taken of the node.
	Stray int64
	Spare []Need

	by token // whose store may write it, as long as that is the store's token; its copy of the hold, and its needs, too

	role, owner uint32 // of a hold: the accounts that it was entered in first, or 0; they may be others' by now, or elsewhere
}

// A DeviceShare is units or an amount of a device, at an index of its node's Devices.
type DeviceShare struct {
	Index int
	Units int64
}

// Tasks returns the number of tasks, those on no node included.
func (v *View) Tasks() int { return v.taskN }

// Lost returns the number of tasks that are on no node.
func (v *View) Lost() int { return v.lost }

// Slots returns the number of slots, free ones included.
func (v *View) Slots() int { return v.recs.Len() }

// Record returns a record to be read.
func (v *View) Record(slot uint32) *Record { return v.recs.At(int(slot)) }

// ID returns the ID of a record.
func (v *View) ID(slot uint32) string { return v.recs.At(int(slot)).ID }

// FindTask returns the record of a task.
func (v *View) FindTask(id string) (uint32, bool) { return v.FindTaskBy(Hash(id), id) }

// FindTaskBy is FindTask for who has the hash of the ID.
func (v *View) FindTaskBy(hash uint32, id string) (uint32, bool) {
	return v.byTask.find(hash, id, v.taskID)
}

// FindHold returns the record of a hold.
func (v *View) FindHold(id string) (uint32, bool) { return v.FindHoldBy(Hash(id), id) }

// FindHoldBy is FindHold for who has the hash of the ID.
func (v *View) FindHoldBy(hash uint32, id string) (uint32, bool) {
	return v.byHold.find(hash, id, v.holdID)
}

// taskID and holdID return the ID of the task or hold in a slot, or "" if there is none.
func (v *View) taskID(slot uint32) string { return v.idIf(slot, false) }

func (v *View) holdID(slot uint32) string { return v.idIf(slot, true) }

func (v *View) idIf(slot uint32, hold bool) string {
	if int(slot) >= v.recs.Len() {
		return ""
	}
	if r := v.recs.At(int(slot)); (r.Group == Holds) == hold {
		return r.ID
	}
	return ""
}

// ByID sorts records by their IDs, in place.
func (v *View) ByID(slots []uint32) []uint32 {
	slices.SortFunc(slots, func(a, b uint32) int { return strings.Compare(v.ID(a), v.ID(b)) })
	return slots
}

// Members yields the records of a group, the earliest added first.
func (v *View) Members(group uint32) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for m := range v.Group(group).members.all() {
			if v.is(m) && !yield(m.slot) {
				return
			}
		}
	}
}

// On yields the records on a node with their slots, in no order that means anything.
func (v *View) On(row uint32) iter.Seq2[uint32, *Record] {
	return func(yield func(uint32, *Record) bool) {
		for _, m := range v.Node(row).members {
			if v.isOn(m, row) && !yield(m.slot, v.Record(m.slot)) {
				return
			}
		}
	}
}

// HoldsOn yields the holds on a node with their slots, in no order that means anything. Of the node's tasks it reads nothing but
// where they are listed.
func (v *View) HoldsOn(row uint32) iter.Seq2[uint32, *Record] {
	return func(yield func(uint32, *Record) bool) {
		for _, m := range v.Node(row).members {
			if m.group == Holds && v.isOn(m, row) && !yield(m.slot, v.Record(m.slot)) {
				return
			}
		}
	}
}

// A mention of a record stands in the list of its group. It is good as long as the record lives the life in
// which it was mentioned: slots are used again.
type mention struct{ slot, life uint32 }

// is reports whether the record that was mentioned is still there.
func (v *View) is(m mention) bool {
	if int(m.slot) >= v.recs.Len() {
		return false
	}
	r := v.Record(m.slot)
	return r.life == m.life && r.ID != ""
}

// A member is a mention of a record in the list of its node, with its group beside it so that counting a
// group's members on a node touches no other records. It is good as long as the record is on the node, which it
// never comes back to.
type member struct {
	mention
	group uint32
}

// isOn reports whether the record that was mentioned on a row is still there.
func (v *View) isOn(m member, row uint32) bool {
	if int(m.slot) >= v.recs.Len() {
		return false
	}
	r := v.Record(m.slot)
	return r.life == m.life && r.Row == row
}

func (s *Store) indexOf(group uint32) *index {
	if group == Holds {
		return &s.byHold
	}
	return &s.byTask
}

// Life is which of the records that its slot has had r is: with its slot it tells a record from every other of
// the branch, one of the same ID included.
func (r *Record) Life() uint32 { return r.life }

// hasTask and hasHold report whether a slot has a task or a hold of that hash: both kinds share the slots.
func (s *Store) hasTask(slot, hash uint32) bool {
	return s.taskID(slot) != "" && s.recs.At(int(slot)).hash == hash
}

func (s *Store) hasHold(slot, hash uint32) bool {
	return s.holdID(slot) != "" && s.recs.At(int(slot)).hash == hash
}

// Add puts a record of an ID that is not there yet on a node, or on none, and takes what it takes.
func (s *Store) Add(id string, r Record) uint32 { return s.AddBy(Hash(id), id, r) }

// AddBy is Add for who has the hash of the ID.
func (s *Store) AddBy(hash uint32, id string, r Record) uint32 {
	slot, at := s.newSlot()
	r.ID, r.hash, r.life = id, hash, max(at.life, s.lives)+1
	row := r.Row
	r.Row = None
	*at = r
	s.note(added, slot)
	s.refer(r.Owner, 1)
	s.indexRecord(slot, at)
	g := s.group(r.Group)
	g.members.add(mention{slot, r.life})
	g.tasks++
	if row != None {
		s.attach(slot, at, g, row)
	} else if r.Group != Holds {
		s.lost++
	}
	return slot
}

// indexRecord makes a record that has just been put in a slot be found.
func (s *Store) indexRecord(slot uint32, r *Record) {
	if r.Group == Holds {
		s.byHold.insert(slot, r.hash, s.hasHold)
	} else {
		s.byTask.insert(slot, r.hash, s.hasTask)
		s.taskN++
	}
}

// Remove gives back what a record takes and forgets it. Lists that mention it keep the mention, which is
// passed over from now on: taking it out at once would mean to copy them.
func (s *Store) Remove(slot uint32) {
	r := s.recs.mutAt(s.token, int(slot))
	id := r.Group
	g := s.group(id)
	row := r.Row
	s.noteRemoval(slot, r)
	if row != None {
		s.give(r, g, s.node(row))
	}
	s.indexOf(id).remove(slot, r.hash)
	if id != Holds {
		s.taskN--
		if row == None {
			s.lost--
		}
	}
	s.refer(r.Owner, -1)
	s.dropSlot(slot, r)
	if row != None {
		ns := s.node(row)
		if ns.live--; untidy(len(ns.members), int(ns.live)) {
			s.noteTidyNode(ns.members)
			ns.members = tidied(ns.members, int(ns.live), func(m member) bool { return s.isOn(m, row) })
		}
	}
	if g.tasks--; id != Holds && g.tasks == 0 {
		s.dropGroup(id)
	} else if untidy(g.members.len(), g.tasks) {
		s.noteTidyGroup(g.members)
		g.members.tidy(g.tasks, s.is)
	}
	s.forgetAccounts()
}

// untidy reports whether most of a list's mentions, of which live are good, are of what is gone.
func untidy(mentions, live int) bool { return mentions >= 4*live+16 }

// tidied returns the list of a node without mentions of what is gone.
func tidied(list []member, live int, good func(member) bool) []member {
	kept := make([]member, 0, live+live/2+1)
	for _, m := range list {
		if good(m) {
			kept = append(kept, m)
		}
	}
	return kept
}

// Mark changes a record's state and deadline. It is in no log, for no plan depends on it, unless a task begins to stop or stops
// no more.
func (s *Store) Mark(slot uint32, state uint8, deadline int64) {
	r := s.recs.mutAt(s.token, int(slot))
	s.noteMark(slot, r)
	was := r.State
	r.State, r.Deadline = state, deadline
	s.marks++
	s.countMark(r, was)
}

// Resize replaces what holds on one node take there, all at once: lists of the node's ports are copied once, however many
// the holds are.
func (s *Store) Resize(slots []uint32, extras []*Extra) {
	if len(slots) == 0 {
		return
	}
	row := s.Record(slots[0]).Row
	ns, free := s.node(row), s.free.mutRow(s.token, int(row))
	s.noteResize(slots, row, ns)
	devices, rare := slices.Clone(ns.Devices), ns.rare
	var before, after []berth.Port
	reserves := ns.reserves
	for i, slot := range slots {
		r := s.recs.mutAt(s.token, int(slot))
		rare = r.Extra.take(free, rare, -1)
		reserves = reserves.resized(r.Extra, extras[i])
		takeDevices(devices, r.Extra.Devices, -1)
		before = append(before, r.Extra.Ports...)
		s.moveHold(r.Extra, -1)
		s.moveHold(extras[i], 1)
		r.Extra = extras[i]
		rare = r.Extra.take(free, rare, 1)
		takeDevices(devices, r.Extra.Devices, 1)
		after = append(after, r.Extra.Ports...)
	}
	ports := ns.Ports
	if len(before)+len(after) > 0 {
		slices.SortFunc(before, berth.Port.Compare)
		slices.SortFunc(after, berth.Port.Compare)
		ports = MergePorts(WithoutPorts(ports, before), after)
	}
	ns.Parts = partsOf(devices, ports, ns.Stray, rare)
	s.reserve(row, ns, reserves)
	s.changed(row, Holds)
}

// attach puts a new record on a node.
func (s *Store) attach(slot uint32, r *Record, g *Group, row uint32) {
	r.Row = row
	ns := s.node(row)
	if ns.members == nil {
		ns.members = make([]member, 0, 4)
	}
	ns.members = append(ns.members, member{mention{slot, r.life}, r.Group})
	ns.live++
	s.take(r, g, ns)
}

// Detach takes a record off its node, if it is on one, for good, and gives back what it takes there.
func (s *Store) Detach(slot uint32) {
	if s.recs.At(int(slot)).Row == None {
		return
	}
	r := s.recs.mutAt(s.token, int(slot))
	s.noteDetach(slot, r)
	ns := s.node(r.Row)
	s.give(r, s.group(r.Group), ns)
	r.Row = None
	ns.live--
	if r.Group != Holds {
		s.lost++
	}
}

// take and give move what a record takes of its node, and what is counted of it.
func (s *Store) take(r *Record, g *Group, ns *NodeState) { s.move(r, g, ns, 1) }

func (s *Store) give(r *Record, g *Group, ns *NodeState) { s.move(r, g, ns, -1) }

func (s *Store) move(r *Record, g *Group, ns *NodeState, sign int64) {
	free, rare := s.free.mutRow(s.token, int(r.Row)), ns.rare
	rare = takeNeeds(free, rare, g.Request, sign) // holds have none
	x := r.Extra
	if x != nil {
		rare = x.take(free, rare, sign)
	}
	if x != nil && (len(x.Devices)+len(x.Ports) > 0 || x.Stray > 0) {
		devices, ports := ns.Devices, ns.Ports
		if len(x.Devices) > 0 {
			devices = slices.Clone(devices)
			takeDevices(devices, x.Devices, sign)
		}
		switch {
		case len(x.Ports) == 0:
		case sign > 0:
			ports = MergePorts(ports, x.Ports)
		default:
			ports = WithoutPorts(ports, x.Ports)
		}
		ns.Parts = partsOf(devices, ports, ns.Stray+sign*x.Stray, rare)
	} else if len(rare) > 0 || len(ns.rare) > 0 {
		ns.Parts = partsOf(ns.Devices, ns.Ports, ns.Stray, rare)
	}
	if r.Group == Holds {
		if x != nil {
			s.enterHold(x, sign)
		}
	} else {
		s.enterTask(r, g, sign)
	}
	if ns.reserves != nil || isReservation(r) {
		s.occupy(r, ns, sign)
	}
	g.Count += int(sign)
	s.count(g, ns.Node, int32(sign))
	if len(g.moves) > 0 {
		s.countMoves(g, r.Row, ns.Node, r.State, int32(sign))
	}
	s.changed(r.Row, r.Group)
}

// take moves free amounts, in columns and rare ones, by what an extra takes of them beside its group's request: sign +1 to
// take and -1 to give back. It returns the rare ones.
func (x *Extra) take(free []int64, rare []Need, sign int64) []Need {
	return takeNeeds(free, takeNeeds(free, rare, x.Needs, sign), x.Spare, -sign)
}

func takeNeeds(free []int64, rare, needs []Need, sign int64) []Need {
	few := 0
	for _, n := range needs {
		if n.Dim < denseDims {
			free[n.Dim] -= sign * n.Amount
		} else {
			few++
		}
	}
	switch {
	case few == 0:
		return rare
	case few > 4:
		return changedByAll(rare, needs, -sign)
	}
	for _, n := range needs {
		if n.Dim >= denseDims {
			rare = changedBy(rare, n.Dim, -sign*n.Amount)
		}
	}
	return rare
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

// A Pick is what who picked a placement on the store as it is knows of it besides: the row of its node, and the hashes of its task's
// ID and of its group's name. The zero Pick is none: the placement is yet to be checked.
type Pick struct {
	row, hash, name uint32
	made            bool
}

// PickOf returns the pick of a node, for a task whose ID and whose group's name have those hashes.
func PickOf(node Ref, hash, name uint32) Pick { return Pick{node.row, hash, name, true} }

// Made reports whether it is one.
func (p Pick) Made() bool { return p.made }

// Row returns the row of the node, Hash the hash of the task's ID, and Name that of its group's name.
func (p Pick) Row() uint32  { return p.row }
func (p Pick) Hash() uint32 { return p.hash }
func (p Pick) Name() uint32 { return p.name }

package store

import (
	"slices"
	"time"
)

// A store that is undoable takes down how to take back each change, in the order of the changes, until Keep says that
// they stay. Taking back the latest ones leaves the store as it was, sequence number, log and the order of every list
// included, so that whoever looked before sees no difference; only the room that rows, slots and tables take stays, and
// the names of dimensions, values and accounts. The cost is some nanoseconds for each change, and nothing is copied for what is added.
//
// What the store gives up when much has gone, which is rows and slots at the end, dimensions, values and accounts, it may need to
// take a change back. So an undoable store gives up nothing while there are changes to take back, and makes up for it in Keep.

// journal is how to take back the changes since the last Keep. What a kind of change needs besides the entry lies on a
// stack of its own, so that the entries of additions are small.
type journal struct {
	undoable bool
	on       bool   // changes are taken down: not while they are taken back
	late     bool   // something may have been given up, but for changes that could be taken back
	undone   uint64 // times that changes were taken back
	kept     Point  // the moment of the last Keep

	entries []entry
	stacked bool // there may be something on the stacks, which those of additions never use
	values  []int64
	removed []Record
	onGroup []list     // lists of groups that were tidied, as they were
	onNode  [][]member // and those of nodes
	dropped []groupBefore
	rows    []rowBefore
	parts   []*Parts
	extras  []extraBefore
	quotas  []*Quota
}

type entryKind uint8

const (
	added        entryKind = iota // a record
	removed                       // a record; it is on a stack, and the lists that state says were tidied
	marked                        // a record; state is what it was marked with before, and so is the value, its deadline
	detached                      // a record; the value is the row that it was on
	resized                       // a row; its parts are on a stack, and the extras of so many holds as the value says
	drawn                         // a hold; so many amounts as state says, and their dimensions, are among the values
	grouped                       // a group came
	ungrouped                     // a group went; it is on a stack
	keyed                         // a group; the value is how many attributes its tasks were counted by
	nodeAdded                     // a row
	nodeSet                       // a row; what it was is on a stack, and so many extras that were replaced as the value says
	nodeRemoved                   // a row; what it was is on a stack
	nodeCordoned                  // a row; state is 1 if it was cordoned
	nodeWithheld                  // a row; state is 1 if it was withheld
	quotaSet                      // an account; the quota that it had is on a stack
)

// entry is one change. It is small, since most changes are of tasks that come and go in great numbers; a value, where its kind
// has one, is on a stack.
type entry struct {
	at    uint32 // the slot, group or row
	kind  entryKind
	state uint8
}

// The lists that were tidied when a record was removed. Others still have its mention, which is good again once the record is back.
const (
	tidiedGroup uint8 = 1 << iota
	tidiedNode
)

// groupBefore is a group that was dropped, and the groups that had its name, itself among them.
type groupBefore struct {
	group Group
	kin   []uint32
}

// rowBefore is a row as it was.
type rowBefore struct {
	node NodeState
	free []int64 // in columns; there was none of those that came since
}

// extraBefore is what a record had.
type extraBefore struct {
	slot  uint32
	extra *Extra
}

// Point is a moment to go back to.
type Point struct {
	entries int
	seq     uint64
	log     []Change
	token   token
	time    time.Time
}

// Undoable makes the store take down how to take back what is done to it from now on.
func (s *Store) Undoable() {
	s.journal = journal{undoable: true, on: true, undone: s.journal.undone}
	s.journal.kept = s.Point()
}

// Point returns the present moment. It is good until the next Keep, or until an earlier one is gone back to.
func (s *Store) Point() Point { return Point{len(s.journal.entries), s.seq, s.log, s.token, s.time} }

// Kept returns the moment of the last Keep.
func (s *Store) Kept() Point { return s.journal.kept }

// Pending reports whether anything was changed since the last Keep.
func (s *Store) Pending() bool { return len(s.journal.entries) > 0 }

// Open reports whether what was changed last can be taken back with what comes next: it is not kept, or nothing ever is.
func (s *Store) Open() bool { return !s.journal.undoable || s.Pending() }

// Undone returns how often changes have been taken back. Versions, positions and the lives of records since the moment that the
// store went back to are given again, to what comes then. So whoever remembers any of them, in the store or in a view taken
// meanwhile, forgets what it remembers when this number is another.
func (s *Store) Undone() uint64 { return s.journal.undone }

// Keep says that what was changed stays. What waited for that is given up now: rows and slots at the end, dimensions and
// values that nothing has.
func (s *Store) Keep() {
	j := &s.journal
	if cap(j.entries) > 1<<17 {
		j.entries = nil
	}
	j.entries = j.entries[:0]
	if j.stacked {
		j.unstack()
	}
	if j.late {
		j.late = false
		s.shortenRows()
		s.trimOrder()
		s.shortenSlots()
		s.shortenGroups()
		s.forgetValues()
		s.forgetDims()
		s.shedCounters(0)
		s.forgetAccounts()
	}
	j.kept = s.Point()
}

// unstack takes all off the stacks.
func (j *journal) unstack() {
	j.stacked = false
	empty(&j.values)
	empty(&j.removed)
	empty(&j.onGroup)
	empty(&j.onNode)
	empty(&j.dropped)
	empty(&j.rows)
	empty(&j.parts)
	empty(&j.extras)
	empty(&j.quotas)
}

// postponed reports whether the store must give up nothing now, because it may need it to take changes back. Then Keep looks
// again whether there is something to give up.
func (s *Store) postponed() bool {
	j := &s.journal
	if !j.undoable || j.on && len(j.entries) == 0 {
		return false
	}
	j.late = true
	return true
}

// empty takes all off a stack. It keeps room for some more.
func empty[T any](stack *[]T) {
	switch {
	case len(*stack) == 0:
	case cap(*stack) > 1<<15:
		*stack = nil
	default:
		clear(*stack)
		*stack = (*stack)[:0]
	}
}

// Undo takes back what was changed since a point, the latest first. It tells of each record as it was before it is taken back
// and as it is then; a Record without an ID is none. Who is told may read the groups of the store, and leaves it as it is.
func (s *Store) Undo(to Point, tell func(from, to Record)) {
	j := &s.journal
	s.time = to.time
	if len(j.entries) == to.entries {
		return
	}
	j.undone++
	j.on = false // taking back is not to be taken back
	defer func() { j.on = true }()
	viewed := s.token != to.token // a view may have been taken since, with what is taken out of the lists
	for len(j.entries) > to.entries {
		switch e := pull(&j.entries); e.kind {
		case added, removed, marked, detached:
			var was, is Record
			if e.kind != removed {
				was = *s.Record(e.at)
			}
			s.undoRecord(e, viewed)
			if e.kind != added {
				is = *s.Record(e.at)
			}
			tell(was, is)
		case resized:
			s.undoResize(e, tell)
		case drawn:
			s.undoDraw(e, tell)
		case grouped:
			s.dropGroup(e.at)
		case ungrouped:
			was := pull(&j.dropped)
			g := was.group
			g.moves, g.registered, g.family = nil, false, 0
			s.retakeGroup(e.at, g)
			s.refer(g.account, 1)
			s.rejoin(e.at, was.kin)
			s.register(e.at)
		case keyed:
			s.undoKeys(e.at, int(pull(&j.values)))
		case quotaSet:
			s.setQuota(e.at, pull(&j.quotas))
		default:
			s.undoNode(e, viewed, tell)
		}
	}
	s.log, s.seq = shortened(to.log, len(to.log), viewed), to.seq // which must not tell of changes that never were
}

func (s *Store) undoRecord(e entry, viewed bool) {
	switch e.kind {
	case added:
		r := s.recs.mutAt(s.token, int(e.at))
		g := s.group(r.Group)
		g.members.drop(viewed)
		g.tasks--
		if r.Row != None {
			ns := s.node(r.Row)
			ns.members = shortened(ns.members, len(ns.members)-1, viewed)
			ns.live--
			s.give(r, g, ns)
		}
		s.indexOf(r.Group).remove(e.at, r.hash)
		if r.Group != Holds {
			s.taskN--
			if r.Row == None {
				s.lost--
			}
		}
		s.refer(r.Owner, -1)
		s.dropSlot(e.at, r)
	case removed:
		r := s.retakeSlot(e.at, pull(&s.journal.removed))
		s.indexRecord(e.at, r)
		s.refer(r.Owner, 1)
		g := s.group(r.Group)
		if e.state&tidiedGroup != 0 {
			g.members = pull(&s.journal.onGroup)
			g.members.sealed = g.members.sealed || viewed
		}
		g.tasks++
		if r.Row != None {
			ns := s.node(r.Row)
			if e.state&tidiedNode != 0 {
				was := pull(&s.journal.onNode)
				ns.members = shortened(was, len(was), viewed)
			}
			ns.live++
			s.take(r, g, ns)
		} else if r.Group != Holds {
			s.lost++
		}
	case marked:
		r := s.recs.mutAt(s.token, int(e.at))
		was := r.State
		r.State, r.Deadline = e.state, pull(&s.journal.values)
		s.marks++
		s.countMark(r, was)
	case detached:
		r := s.recs.mutAt(s.token, int(e.at))
		r.Row = uint32(pull(&s.journal.values))
		ns := s.node(r.Row)
		ns.live++
		s.take(r, s.group(r.Group), ns)
		if r.Group != Holds {
			s.lost--
		}
	}
}

func (s *Store) undoResize(e entry, tell func(from, to Record)) {
	j := &s.journal
	ns, free := s.node(e.at), s.free.mutRow(s.token, int(e.at))
	rare, reserves := ns.rare, ns.reserves
	for range pull(&j.values) {
		was := pull(&j.extras)
		r := s.recs.mutAt(s.token, int(was.slot))
		reserves = reserves.resized(r.Extra, was.extra)
		rare = r.Extra.take(free, rare, -1)
		rare = was.extra.take(free, rare, 1)
		s.moveHold(r.Extra, -1)
		s.moveHold(was.extra, 1)
		before := *r
		r.Extra = was.extra
		tell(before, *r)
	}
	s.reserve(e.at, ns, reserves)
	ns.Parts = pull(&j.parts)
}

func (s *Store) undoNode(e entry, viewed bool, tell func(from, to Record)) {
	j := &s.journal
	switch e.kind {
	case nodeAdded:
		s.RemoveNode(e.at)
	case nodeRemoved:
		was := pull(&j.rows)
		was.node.members = shortened(was.node.members, len(was.node.members), viewed)
		reserves := was.node.reserves
		was.node.reserves = nil
		s.retakeRow(e.at, was.node)
		s.setReserves(e.at, s.node(e.at), reserves)
		copy(s.free.mutRow(s.token, int(e.at)), was.free)
		s.indexNode(e.at)
		s.resize(was.node.Node, 1)
		s.goneNodes--
	case nodeSet:
		was := pull(&j.rows)
		ns := s.node(e.at)
		s.resize(ns.Node, -1)
		s.resize(was.node.Node, 1)
		for _, r := range s.On(e.at) {
			g := s.group(r.Group)
			s.count(g, ns.Node, -1)
			s.count(g, was.node.Node, +1)
			s.countMoves(g, e.at, ns.Node, r.State, -1)
			s.countMoves(g, e.at, was.node.Node, r.State, +1)
		}
		ns.Node, ns.Parts = was.node.Node, was.node.Parts
		s.setReserves(e.at, ns, was.node.reserves)
		copy(s.free.mutRow(s.token, int(e.at)), was.free)
		for range pull(&j.values) {
			was := pull(&j.extras)
			r := s.recs.mutAt(s.token, int(was.slot))
			before := *r
			r.Extra = was.extra
			tell(before, *r)
		}
	case nodeCordoned:
		s.node(e.at).Cordoned = e.state == 1
	case nodeWithheld:
		s.Withhold(e.at, e.state == 1)
	}
}

// shortened returns the first n elements of a list: without room after them where a view may read there, so that what
// comes next goes into another list.
func shortened[T any](list []T, n int, viewed bool) []T {
	if viewed {
		return list[:n:n]
	}
	return list[:n]
}

func pull[T any](stack *[]T) T {
	var none T
	k := len(*stack) - 1
	top := (*stack)[k]
	(*stack)[k] = none
	*stack = (*stack)[:k]
	return top
}

// What follows takes down changes that are about to be made, or with note ones that have just begun. A store that is not undoable
// pays a look at one flag. What is taken down of a row or a group is the store's own copy of it, in which a fork has given up the
// room at the end of the lists.

func (s *Store) note(kind entryKind, at uint32) {
	if s.journal.on {
		s.journal.add(entry{kind: kind, at: at})
	}
}

func (j *journal) add(e entry) { j.entries = append(j.entries, e) }

// addTo is add for a change of which something is on a stack.
func (j *journal) addTo(e entry) {
	j.stacked = true
	j.add(e)
}

func (j *journal) addWith(value int64, e entry) {
	j.values = append(j.values, value)
	j.addTo(e)
}

func (s *Store) noteRemoval(slot uint32, r *Record) {
	if s.journal.on {
		s.journal.removed = append(s.journal.removed, *r)
		s.journal.addTo(entry{kind: removed, at: slot})
	}
}

// noteTidyGroup and noteTidyNode add a list that is about to be tidied to the entry before, which is of the record removed.
func (s *Store) noteTidyGroup(was list) {
	if j := &s.journal; j.on {
		j.onGroup = append(j.onGroup, was)
		j.entries[len(j.entries)-1].state |= tidiedGroup
	}
}

func (s *Store) noteTidyNode(was []member) {
	if j := &s.journal; j.on {
		j.onNode = append(j.onNode, was)
		j.entries[len(j.entries)-1].state |= tidiedNode
	}
}

func (s *Store) noteMark(slot uint32, r *Record) {
	if s.journal.on {
		s.journal.addWith(r.Deadline, entry{kind: marked, state: r.State, at: slot})
	}
}

func (s *Store) noteDetach(slot uint32, r *Record) {
	if s.journal.on {
		s.journal.addWith(int64(r.Row), entry{kind: detached, at: slot})
	}
}

func (s *Store) noteResize(slots []uint32, row uint32, ns *NodeState) {
	if !s.journal.on {
		return
	}
	j := &s.journal
	for _, slot := range slots {
		j.extras = append(j.extras, extraBefore{slot, s.Record(slot).Extra})
	}
	j.parts = append(j.parts, ns.Parts)
	j.addWith(int64(len(slots)), entry{kind: resized, at: row})
}

func (s *Store) noteDrop(id uint32) {
	if s.journal.on {
		s.journal.dropped = append(s.journal.dropped, groupBefore{*s.group(id), s.Kin(id)})
		s.journal.addTo(entry{kind: ungrouped, at: id})
	}
}

func (s *Store) noteRow(kind entryKind, row uint32) {
	if s.journal.on {
		was := rowBefore{*s.node(row), slices.Clone(s.free.Row(int(row)))}
		s.journal.rows = append(s.journal.rows, was)
		if kind == nodeSet {
			s.journal.values = append(s.journal.values, 0)
		}
		s.journal.addTo(entry{kind: kind, at: row})
	}
}

// noteAnew adds an extra that is replaced to the entry before, which is of the node that is set.
func (s *Store) noteAnew(slot uint32, x *Extra) {
	if j := &s.journal; j.on {
		j.extras = append(j.extras, extraBefore{slot, x})
		j.values[len(j.values)-1]++
	}
}

func (s *Store) noteQuota(account uint32, was *Quota) {
	if j := &s.journal; j.on {
		j.quotas = append(j.quotas, was)
		j.addTo(entry{kind: quotaSet, at: account})
	}
}

func (s *Store) noteFlag(kind entryKind, row uint32, was bool) {
	if s.journal.on {
		e := entry{kind: kind, at: row}
		if was {
			e.state = 1
		}
		s.journal.add(e)
	}
}

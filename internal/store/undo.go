package store

// A store that is undoable takes down how to take back each change, in the order of the changes, until Keep says that
// they stay. Taking back the latest ones leaves the store as it was, version and the order of every list included, so
// that whoever looked before sees no difference; only the room that its slots and tables take stays. The cost is some
// nanoseconds for each change, and nothing is copied for what is added.

// journal is how to take back the changes since the last Keep. What a kind of change needs besides the entry lies on a
// stack of its own, so that the entries of additions are small.
type journal struct {
	on      bool
	kept    Point // the moment of the last Keep
	viewed  bool  // while changes are taken back: a view may have been taken since the first of them
	entries []entry
	removed []removal
	dropped []Group
	rows    []rowBefore
	extras  []*Extra
}

type entryKind uint8

const (
	added       entryKind = iota // a record
	removed                      // a record; its removal is on a stack
	marked                       // a record: state and value are what it was marked with before
	resized                      // a record; its extra is on a stack
	unsettled                    // a record; value is the row that it was on
	grouped                      // a group came
	ungrouped                    // a group went; it is on a stack
	nodeAdded                    // a row
	nodeSet                      // a row; what it was is on a stack
	nodeRemoved                  // a row; what it was is on a stack
)

type entry struct {
	kind  entryKind
	state uint8
	at    uint32 // the slot, group or row
	value int64
}

// removal is a record that was removed, and the lists that mentioned it as they were.
type removal struct {
	record  Record
	ofGroup []mention
	onNode  []member
}

// rowBefore is a row as it was.
type rowBefore struct {
	node NodeState
	free []int64
}

// Point is a moment to go back to.
type Point struct {
	entries int
	seq     uint64
	token   token
}

// Undoable makes the store take down how to take back what is done to it from now on.
func (s *Store) Undoable() {
	s.journal = journal{on: true}
	s.journal.kept = s.Point()
}

// Point returns the present moment. It is good until the next Keep.
func (s *Store) Point() Point { return Point{len(s.journal.entries), s.seq, s.token} }

// Kept returns the moment of the last Keep.
func (s *Store) Kept() Point { return s.journal.kept }

// Pending reports whether anything was changed since the last Keep.
func (s *Store) Pending() bool { return len(s.journal.entries) > 0 }

// Keep says that what was changed stays.
func (s *Store) Keep() {
	j := &s.journal
	if cap(j.entries) > 1<<17 {
		j.entries = nil
	}
	j.entries = j.entries[:0]
	empty(&j.removed)
	empty(&j.dropped)
	empty(&j.rows)
	empty(&j.extras)
	j.kept = Point{0, s.seq, s.token}
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
// and as it is then; a Record without an ID is none.
func (s *Store) Undo(to Point, tell func(from, to Record)) {
	j := &s.journal
	j.on = false // taking back is not to be taken back
	j.viewed = s.token != to.token
	defer func() { j.on = true }()
	for len(j.entries) > to.entries {
		e := pull(&j.entries)
		switch e.kind {
		case added, removed, marked, resized, unsettled:
			var was Record
			if e.kind != removed {
				was = *s.Record(e.at)
			}
			s.undoRecord(e)
			var is Record
			if e.kind != added {
				is = *s.Record(e.at)
			}
			tell(was, is)
		case grouped:
			s.dropGroup(e.at)
		case ungrouped:
			pull(&s.grpFree)
			g := pull(&j.dropped)
			*s.group(e.at) = g
			s.indexGroup(e.at, g.Name)
		case nodeAdded:
			s.RemoveNode(e.at)
		case nodeSet:
			was := pull(&j.rows).node
			s.SetNode(e.at, was.Node)
			ns := s.node(e.at)
			ns.Parts, ns.Cordoned = was.Parts, was.Cordoned
		case nodeRemoved:
			pull(&s.rowFree)
			was := pull(&j.rows)
			*s.node(e.at) = was.node
			copy(s.free.mutRow(s.token, int(e.at)), was.free)
			s.indexNode(e.at)
		}
	}
	// The log must not tell of changes that never were.
	gone := min(s.seq-to.seq, uint64(len(s.log)))
	keep := len(s.log) - int(gone)
	s.log = shortened(s.log, keep, j.viewed)
	s.seq = to.seq
	s.logBase = s.seq - uint64(keep)
}

func (s *Store) undoRecord(e entry) {
	j := &s.journal
	r := s.recs.mutAt(s.token, int(e.at))
	switch e.kind {
	case added:
		g := s.group(r.Group)
		g.members = shortened(g.members, len(g.members)-1, j.viewed)
		g.tasks--
		if r.Row != None {
			ns := s.node(r.Row)
			ns.members = shortened(ns.members, len(ns.members)-1, j.viewed)
			ns.live--
			s.give(r, g, ns)
		}
		s.indexOf(r.Group).remove(e.at, r.hash)
		if r.Group != Holds {
			s.taskN--
		}
		*r = Record{Row: None, life: r.life}
		s.recFree = append(s.recFree, e.at)
	case removed:
		was := pull(&j.removed)
		pull(&s.recFree)
		*r = was.record
		s.indexRecord(e.at, r)
		g := s.group(r.Group)
		g.members = was.ofGroup
		g.tasks++
		if r.Row != None {
			ns := s.node(r.Row)
			ns.members = was.onNode
			ns.live++
			s.take(r, g, ns)
		}
	case marked:
		r.State, r.Deadline = e.state, e.value
	case resized:
		s.Resize(e.at, pull(&j.extras))
	case unsettled:
		r.Row = uint32(e.value)
		ns := s.node(r.Row)
		ns.live++
		s.take(r, s.group(r.Group), ns)
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

func (s *Store) noteAt(kind entryKind, at uint32) {
	if s.journal.on {
		s.journal.entries = append(s.journal.entries, entry{kind: kind, at: at})
	}
}

func (s *Store) noteRemoval(slot uint32, r *Record, g *Group) {
	if !s.journal.on {
		return
	}
	was := removal{record: *r, ofGroup: g.members}
	if r.Row != None {
		was.onNode = s.Node(r.Row).members
	}
	s.journal.removed = append(s.journal.removed, was)
	s.noteAt(removed, slot)
}

func (s *Store) noteMark(slot uint32, r *Record) {
	if s.journal.on {
		s.journal.entries = append(s.journal.entries, entry{kind: marked, state: r.State, at: slot, value: r.Deadline})
	}
}

func (s *Store) noteResize(slot uint32, r *Record) {
	if s.journal.on {
		s.journal.extras = append(s.journal.extras, r.Extra)
		s.noteAt(resized, slot)
	}
}

func (s *Store) noteUnsettle(slot uint32, r *Record) {
	if s.journal.on {
		s.journal.entries = append(s.journal.entries, entry{kind: unsettled, at: slot, value: int64(r.Row)})
	}
}

func (s *Store) noteDrop(id uint32) {
	if s.journal.on {
		s.journal.dropped = append(s.journal.dropped, *s.Group(id))
		s.noteAt(ungrouped, id)
	}
}

func (s *Store) noteRow(kind entryKind, row uint32) {
	if !s.journal.on {
		return
	}
	was := rowBefore{node: *s.Node(row)}
	if kind == nodeRemoved {
		was.free = append(was.free, s.Free(row)...)
	}
	s.journal.rows = append(s.journal.rows, was)
	s.noteAt(kind, row)
}

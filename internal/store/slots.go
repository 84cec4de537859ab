package store

// Rows, records and groups that are free are chained: each has the number of the next where one in use has something
// else, and the store has the first. So a fork uses them again like the store it was forked from, though neither copies a list of them.
// Where most are free, those at the end are given up.

// tableRows is how many rows are below one table, and what arrays are shortened by.
const tableRows = fan * fan * pageRows

// count notes that a row, which the holder of t has just written, is used now, or with by -1 is no more.
func (a *Array[T]) count(row, by int) { a.pages.top[row/tableRows].used += by }

// used returns how many rows come before the last tables if those have no row in use and are most of all: three in four, lest
// what comes and goes all the time, and is not much, be given up and made anew.
func (a *Array[T]) used() (rows int, shorter bool) {
	tables := a.pages.top
	n := len(tables)
	for n > 1 && tables[n-1].used == 0 {
		n--
	}
	return n * tableRows, 4*n <= len(tables)
}

// truncate gives up the rows from a multiple of tableRows on.
func (a *Array[T]) truncate(t token, rows int) {
	a.pages.truncate(t, rows/tableRows)
	a.rows = rows
}

// newRow returns a row for a node.
func (s *Store) newRow() uint32 {
	row := s.freeRow
	if row == None {
		row = uint32(s.nodes.grow(s.token))
		s.free.grow(s.token)
	} else {
		s.freeRow = s.Node(row).live
	}
	s.node(row)
	s.nodes.count(int(row), 1)
	return row
}

// dropRow makes a row free.
func (s *Store) dropRow(row uint32) {
	*s.node(row) = NodeState{live: s.freeRow}
	clear(s.free.mutRow(s.token, int(row)))
	s.freeRow = row
	s.nodes.count(int(row), -1)
	s.shortenRows()
}

// retakeRow makes a row used again that was the last to be made free.
func (s *Store) retakeRow(row uint32, was NodeState) {
	ns := s.node(row)
	s.freeRow, *ns = ns.live, was
	s.nodes.count(int(row), 1)
}

// shortenRows gives up the rows at the end if most are free.
func (s *Store) shortenRows() {
	rows, shorter := s.nodes.used()
	if !shorter || s.postponed() {
		return
	}
	s.nodes.truncate(s.token, rows)
	s.free.truncate(s.token, rows)
	s.log = nil // it names rows that are not there, so nobody goes by it from here
	s.freeRow = None
	for row := uint32(rows); row > 0; {
		if row--; s.Node(row).Node == nil {
			s.node(row).live, s.freeRow = s.freeRow, row
		}
	}
}

// newSlot returns a slot for a record, and the record to be written.
func (s *Store) newSlot() (uint32, *Record) {
	slot := s.freeSlot
	if slot == None {
		slot = uint32(s.recs.grow(s.token))
	}
	r := s.recs.mutAt(s.token, int(slot))
	if slot == s.freeSlot {
		s.freeSlot = r.Group
	}
	s.recs.count(int(slot), 1)
	return slot, r
}

// dropSlot makes a slot free.
func (s *Store) dropSlot(slot uint32, r *Record) {
	*r = Record{Row: None, Group: s.freeSlot, life: r.life}
	s.freeSlot = slot
	s.recs.count(int(slot), -1)
	s.shortenSlots()
}

// retakeSlot makes a slot used again that was the last to be made free.
func (s *Store) retakeSlot(slot uint32, was Record) *Record {
	r := s.recs.mutAt(s.token, int(slot))
	s.freeSlot, *r = r.Group, was
	s.recs.count(int(slot), 1)
	return r
}

// shortenSlots gives up the slots at the end if most are free.
func (s *Store) shortenSlots() {
	slots, shorter := s.recs.used()
	if !shorter || s.postponed() {
		return
	}
	for slot := slots; slot < s.recs.Len(); slot++ {
		s.lives = max(s.lives, s.recs.At(slot).life)
	}
	s.recs.truncate(s.token, slots)
	s.freeSlot = None
	for slot := uint32(slots); slot > 0; {
		if slot--; s.ID(slot) == "" {
			s.recs.mutAt(s.token, int(slot)).Group, s.freeSlot = s.freeSlot, slot
		}
	}
}

// newGroup returns a number for a group.
func (s *Store) newGroup() uint32 {
	id := s.freeGroup
	if id == None {
		id = uint32(s.groups.grow(s.token))
	} else {
		s.freeGroup = uint32(s.Group(id).tasks)
	}
	s.group(id)
	s.groups.count(int(id), 1)
	return id
}

// freeGroupAt makes the number of a group free.
func (s *Store) freeGroupAt(id uint32) {
	*s.group(id) = Group{tasks: int(s.freeGroup)}
	s.freeGroup = id
	s.groups.count(int(id), -1)
	s.shortenGroups()
}

// retakeGroup makes the number of a group used again that was the last to be made free.
func (s *Store) retakeGroup(id uint32, was Group) {
	g := s.group(id)
	s.freeGroup, *g = uint32(g.tasks), was
	s.groups.count(int(id), 1)
}

// shortenGroups gives up the numbers at the end if most are free.
func (s *Store) shortenGroups() {
	groups, shorter := s.groups.used()
	if !shorter || s.postponed() {
		return
	}
	s.groups.truncate(s.token, groups)
	s.freeGroup = None
	for id := uint32(groups); id > 0; {
		if id--; s.groupName(id) == "" && id != Holds {
			s.group(id).tasks, s.freeGroup = int(s.freeGroup), id
		}
	}
}

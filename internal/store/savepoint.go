package store

// Savepoint is a moment to go back to of a store that others take views of.
type Savepoint struct {
	point  Point
	branch *branch
}

// Save returns the present moment of an undoable store, which takes down what is done from then on. It is good until an earlier
// one is gone back to.
func (s *Store) Save() Savepoint {
	if !s.journal.undoable {
		s.Undoable()
	}
	return Savepoint{s.Point(), s.branch}
}

// IsAt reports whether nothing has been done since a moment, and nothing seen.
func (s *Store) IsAt(to Savepoint) bool {
	return len(s.journal.entries) == to.point.entries && s.token == to.point.token && s.branch == to.branch && s.time.Equal(to.point.time)
}

// Rollback takes back what was done since a moment. A view that was taken meanwhile shows what never was, under a version that
// would be given again: so the store then goes on as another branch, which begins at that moment.
func (s *Store) Rollback(to Savepoint) {
	s.Undo(to.point, func(_, _ Record) {})
	s.branch = to.branch
	if s.token != to.point.token {
		s.branch = s.Position().fork()
		s.log = nil
	}
}

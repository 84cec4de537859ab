package store

// Pieces is room on nodes that is meant for tasks of one group each. It is a preference: whoever plans may use the room for others. What
// a view has is never written.
type Pieces interface {
	// Next returns the first node after another, by ID, on which there is such room for tasks of a group, and for how many.
	Next(group, after string) (node string, tasks int, ok bool)
}

// SetPieces says what room is meant for whom, from the next snapshot on. It is no change of what the store has.
func (s *Store) SetPieces(p Pieces) { s.pieces = p }

// Pieces returns the room that is meant for groups; nil if there is none.
func (v *View) Pieces() Pieces { return v.pieces }

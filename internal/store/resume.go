package store

// Resume has the store go on from a sequence number, as the store did that it was made like. What changed before is
// forgotten: nobody has seen it.
func (s *Store) Resume(seq uint64) {
	s.seq, s.log = seq, nil
	s.Keep()
}

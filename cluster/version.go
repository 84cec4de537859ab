package cluster

// Version says which state of which source a snapshot shows, as far as a plan could depend on it: it
// stays while tasks are only confirmed or marked. Versions compare with ==. The zero Version is that of no source.
type Version struct {
	// Lineage is the identity of the source, unlike that of any other source in the process. Plans carry it to the
	// commit, which refuses those of another source.
	Lineage uint64 `json:"lineage"`
	// Branch is one line of changes in the lineage: the source itself has one, and so has each fork.
	Branch uint64 `json:"branch"`
	// Seq grows with every change of the branch.
	Seq uint64 `json:"seq"`
}

// SameLineage reports whether v and o are versions of one source.
func (v Version) SameLineage(o Version) bool { return v.Lineage == o.Lineage }

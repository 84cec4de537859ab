package store

import (
	"slices"
)

// A Change is an entry of the log: a row that changed, and the group whose count changed with it, or
// NoGroup where the node itself did.
type Change struct{ Row, Group uint32 }

// NoGroup marks a change of the node itself.
const NoGroup = ^uint32(0)

const (
	maxLog      = 1 << 17 // changes that a store keeps; beyond it half of them are forgotten
	maxBranches = 64      // branches above its own that a branch knows
	maxKept     = 2 * maxLog
)

// A branch is the history of one store, in which a higher sequence number is later. Each fork begins another, and
// knows where: which branch it left, at which sequence number, and what that one had logged by then. So the way from any view to any
// other of the same lineage is a walk up from the one to the branch they have in common, and down to the other. A branch is
// immutable, and the log that it keeps is shared: a log is only appended to, and shortened by making a new one.
//
// Only the nearest branches above are known, and of their logs together no more than maxKept changes, so that
// forks of forks without end keep a bounded part of what they came from.
type branch struct {
	number uint64
	depth  int      // forks since the lineage began
	from   Position // where in its parent it began; no position where that is not known
	above  int      // branches above that are known
	kept   int      // changes in their logs
}

// A Position is a state of a branch, with what is needed to tell later how another view differs from it. It keeps no
// view in memory, but a log. The zero Position is no state of any.
type Position struct {
	branch *branch
	seq    uint64
	log    []Change // up to seq
}

// base returns the sequence number that the log begins after.
func (p *Position) base() uint64 { return p.seq - uint64(len(p.log)) }

// fork returns a new branch that begins at p.
func (p Position) fork() *branch {
	p.log = slices.Clip(p.log)
	b := &branch{number: newIdentity(), depth: p.branch.depth + 1, from: p}
	b.above, b.kept = p.branch.above+1, p.branch.kept+len(p.log)
	if b.above > maxBranches || b.kept > maxKept {
		b.forget(maxBranches/2, maxKept/2)
	}
	return b
}

// forget leaves of a new branch so many branches above it and so many changes in their logs. The branches above are
// those of others too, so they are copied.
func (b *branch) forget(branches, changes int) {
	n := len(b.from.log)
	if b.from.branch == nil || branches == 0 || n > changes {
		b.from, b.above, b.kept = Position{}, 0, 0
		return
	}
	parent := *b.from.branch
	parent.forget(branches-1, changes-n)
	b.from.branch = &parent
	b.above, b.kept = parent.above+1, parent.kept+n
}

// Version is what cluster.Version says.
type Version struct{ Lineage, Branch, Seq uint64 }

// Version says which state the view shows.
func (v *View) Version() Version {
	if v.branch == nil {
		return Version{}
	}
	return Version{Lineage: v.lineage, Branch: v.branch.number, Seq: v.seq}
}

// Position returns what tells later how another view differs from this one.
func (v *View) Position() Position { return Position{v.branch, v.seq, v.log} }

// Since returns the changes that lie between a position and the view, in no order that means anything. A row that is
// not in one of them is the same in both; one that is may be. It returns false if that is not known, because the position is
// none, is of another lineage or lies too far back, or if there are more changes than rows. It costs as much
// as there are changes, and nothing but a look where both are on one branch.
func (v *View) Since(at Position) ([]Change, bool) {
	if at.branch == nil {
		return nil, false
	}
	here := v.Position()
	if at.branch.number == here.branch.number {
		return between(at, here)
	}
	most := max(v.Rows(), 64)
	var room [8][]Change
	parts, total := room[:0], 0
	for at.branch.number != here.branch.number {
		lower := &here
		if at.branch.depth >= here.branch.depth {
			lower = &at
		}
		own, ok := lower.rise()
		if total += len(own); !ok || total > most {
			return nil, false
		}
		if len(own) > 0 {
			parts = append(parts, own)
		}
	}
	shared, ok := between(at, here)
	if total += len(shared); !ok || total > most {
		return nil, false
	}
	switch {
	case len(parts) == 0:
		return shared, true
	case len(parts) == 1 && len(shared) == 0:
		return parts[0], true
	}
	return slices.Concat(append(parts, shared)...), true
}

// rise makes a position that where its branch began, and returns what the branch has changed since; false if its log does
// not reach back, or if where it began is not known.
func (p *Position) rise() ([]Change, bool) {
	from := p.branch.from
	if from.branch == nil || p.base() > from.seq {
		return nil, false
	}
	own := p.log[from.seq-p.base():]
	*p = from
	return own, true
}

// between returns the changes from one position on a branch to another, whichever is the later.
func between(a, b Position) ([]Change, bool) {
	if a.seq > b.seq {
		a, b = b, a
	}
	if b.base() > a.seq {
		return nil, false
	}
	return b.log[a.seq-b.base():], true
}

func (s *Store) changed(row, group uint32) {
	if len(s.log) >= maxLog {
		s.log = append(make([]Change, 0, maxLog), s.log[len(s.log)-maxLog/2:]...)
	}
	s.log = append(s.log, Change{row, group})
	s.seq++
}

package allocator

import "github.com/berth-sched/berth"

// RoleShare returns the dominant share of what all clients at and below a role hold together, of its pool where it has one, with the
// role's weight, and whether there are any clients. That of the root tells how full the cluster is.
func (q *Queue) RoleShare(r berth.Role) (Share, bool) {
	if q.usable() != nil {
		return Share{}, false
	}
	f := q.roles[r]
	if f == nil || f.clients == 0 {
		return Share{}, false
	}
	q.mend()
	s := Share{Weight: f.branch.sib.Weight}
	if d := f.branch.dominant; d.dim != none {
		s.Resource = q.names[d.dim]
		s.Used, s.Total = fraction(d.of, q.total(f.branch, d.dim))
	}
	return s, true
}

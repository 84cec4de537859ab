package scheduler

import (
	"maps"
	"math"
	"math/bits"
	"time"

	"github.com/berth-sched/berth"
)

// Admission is an operation of a plan that asks to be done, and what there is to know for the answer. It
// is good during the call of [StateConfig.Admit] only; the zero Admission knows nothing.
type Admission struct {
	Op     berth.Op  // a Place or a Take; a Place has a Grant only if the plan chose one
	Time   time.Time // of the commit
	ledger *ledger
}

// Role returns the role that is charged: that of the task's group, the root for a hold.
func (a Admission) Role() berth.Role {
	if a.Op.Kind != berth.Place || a.ledger == nil {
		return ""
	}
	return a.Op.Task.Group.Role()
}

// Cost returns what the operation takes of every resource, devices and all.
func (a Admission) Cost() berth.Resources {
	if a.ledger == nil {
		return berth.Resources{}
	}
	if a.Op.Kind == berth.Place {
		return a.Op.Task.Group.Cost()
	}
	return a.Op.Hold.Cost()
}

// Used returns what the tasks of a role, and of the roles below it, have of every resource on their nodes,
// the operations before this one included. Sums beyond an int64 stay at the largest one. The root's
// use is everybody's.
func (a Admission) Used(role berth.Role) berth.Resources {
	used := berth.Resources{}
	if a.ledger == nil {
		return used
	}
	for name, sum := range a.ledger.used[role] {
		used[name] = sum.int64()
	}
	return used
}

// usage is what the tasks of each role have, those of the roles below it included. A nil usage keeps
// no account.
type usage map[berth.Role]map[string]wide

// wide is a sum of quantities that cannot overflow: every quantity fits, but a cluster's sum may not.
type wide struct{ hi, lo uint64 }

func (w wide) int64() int64 {
	if w.hi > 0 || w.lo > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(w.lo)
}

// charge adds what a task of the group takes to the use of its role, or takes it away.
func (u usage) charge(g *berth.Group, add bool) {
	if u == nil {
		return
	}
	cost := g.Cost()
	for role := g.Role(); ; role = role.Parent() {
		sums := u[role]
		if sums == nil {
			sums = map[string]wide{}
			u[role] = sums
		}
		for name, q := range cost {
			w := sums[name]
			var carry uint64
			if add {
				w.lo, carry = bits.Add64(w.lo, uint64(q), 0)
				w.hi += carry
			} else {
				w.lo, carry = bits.Sub64(w.lo, uint64(q), 0)
				w.hi -= carry
			}
			if w == (wide{}) {
				delete(sums, name)
			} else {
				sums[name] = w
			}
		}
		if len(sums) == 0 {
			delete(u, role)
		}
		if role == "" {
			return
		}
	}
}

func (u usage) clone() usage {
	if u == nil {
		return nil
	}
	c := make(usage, len(u))
	for role, sums := range u {
		c[role] = maps.Clone(sums)
	}
	return c
}

package scheduler

import (
	"math"
	"math/bits"
	"time"

	"github.com/berth-sched/berth"
)

// Admission is an operation that asks to be done, and what there is to know for the answer. It
// is good during the call of [StateConfig.Admit] only; the zero Admission knows nothing.
type Admission struct {
	Op      berth.Op  // a Place, a Take, or an Evict that names a hold; a Place has a Grant only if the plan chose one
	Time    time.Time // of the commit
	ledger  *ledger
	planned usage // by the plan that is being made, if that is when it is asked
}

// Role returns the role that is charged: that of the task's group, or of the hold.
func (a Admission) Role() berth.Role {
	switch {
	case a.Op.Kind == berth.Place:
		return a.Op.Task.Group.Role()
	case a.Op.Hold != nil:
		return a.Op.Hold.Role
	}
	return ""
}

// Cost returns what the operation takes of every resource, devices and all. What an Evict gives back is not set against
// it.
func (a Admission) Cost() berth.Resources {
	switch {
	case a.Op.Kind == berth.Place:
		return a.Op.Task.Group.Cost()
	case a.Op.Hold == nil:
		return berth.Resources{}
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
	for name, sum := range a.planned[role] {
		used[name] = a.ledger.used[role][name].plus(sum).int64()
	}
	return used
}

// gate is a State's admission during one decision. A nil gate admits everything.
type gate struct {
	admit   func(Admission) berth.Reason
	now     time.Time
	ledger  *ledger
	planned usage // what is picked, but not in the ledger yet
}

// gate returns the State's admission at a time, under the lock.
func (s *State) gate(now time.Time) *gate {
	if s.admit == nil {
		return nil
	}
	return &gate{admit: s.admit, now: now, ledger: s.ledger}
}

// ask returns the host's reason against an operation. Those that take no room are not asked about, nor those that are at
// fault, for the ledger says what is wrong with them.
func (g *gate) ask(op *berth.Op) berth.Reason {
	switch {
	case g == nil:
		return berth.Reason{}
	case op.Kind == berth.Place:
		if op.Task.Err() != nil {
			return berth.Reason{}
		}
	case op.Kind != berth.Take && op.Kind != berth.Evict || op.Hold == nil || op.Hold.Err() != nil || lapsed(op.Hold, g.now):
		return berth.Reason{}
	}
	why := g.admit(Admission{Op: *op, Time: g.now, ledger: g.ledger, planned: g.planned})
	if why.Code == berth.None && why.Subject != "" {
		why.Code = berth.Denied
	}
	return why
}

// pick notes that a placement was picked, or, with add false, is not to be made after all.
func (g *gate) pick(op *berth.Op, add bool) {
	if g == nil {
		return
	}
	if g.planned == nil {
		g.planned = usage{}
	}
	g.planned.charge(op.Task.Group, add)
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

func (w wide) plus(o wide) wide {
	lo, carry := bits.Add64(w.lo, o.lo, 0)
	return wide{w.hi + o.hi + carry, lo}
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

package scheduler

import (
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// Admission is an operation that asks to be done, and what there is to know for the answer. It
// is good during the call of [StateConfig.Admit] only; the zero Admission knows nothing.
type Admission struct {
	Op      berth.Op  // a Place, a Take, or an Evict that names a hold; a Place has a Grant only if the plan chose one
	Time    time.Time // of the commit
	planned *store.Planned
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

// CostOf returns what the operation takes of one resource. Unlike Cost it makes no map.
func (a Admission) CostOf(resource string) int64 {
	switch {
	case a.Op.Kind == berth.Place:
		for _, need := range a.Op.Task.Group.Requirements().Needs {
			if need.Name == resource {
				return need.Amount
			}
		}
		return 0
	case a.Op.Hold == nil:
		return 0
	}
	return a.Op.Hold.Cost()[resource]
}

// Used returns what a role and the roles below it have of every resource, in tasks on nodes and in holds, what the operations before
// this one take and give back included: see [cluster.RoleView]. Sums beyond an int64 stay at the largest one. The root's use is
// everybody's.
func (a Admission) Used(role berth.Role) berth.Resources {
	used := berth.Resources{}
	if a.planned == nil {
		return used
	}
	for _, sum := range a.planned.Used(role) {
		used[a.planned.Name(sum.Dim)] = sum.Int64()
	}
	return used
}

// UsedOf returns what Used has of one resource. It makes no map.
func (a Admission) UsedOf(role berth.Role, resource string) int64 {
	if a.planned == nil {
		return 0
	}
	return a.planned.Of(role, resource).Int64()
}

// gate is a State's admission during one decision. A nil gate admits everything.
type gate struct {
	admit   func(Admission) berth.Reason
	now     time.Time
	planned store.Planned // the live cluster, with what is picked but not in it yet
}

// gate returns the State's admission at a time, under the lock.
func (s *State) gate(now time.Time) *gate {
	if s.admit == nil {
		return nil
	}
	g := &gate{admit: s.admit, now: now}
	g.planned.Reset(s.live.store.Present())
	return g
}

// ask returns the host's reason against an operation. Those that take no room are not asked about, nor those that are at
// fault, for the live cluster says what is wrong with them.
func (g *gate) ask(op *berth.Op) berth.Reason {
	switch {
	case g == nil:
		return berth.Reason{}
	case op.Kind == berth.Place:
		if op.Task.Err() != nil {
			return berth.Reason{}
		}
		g.planned.Turn(op.Task.Group)
	case op.Kind != berth.Take && op.Kind != berth.Evict || op.Hold == nil || op.Hold.Err() != nil || lapsed(op.Hold, g.now):
		return berth.Reason{}
	}
	why := g.admit(Admission{Op: *op, Time: g.now, planned: &g.planned})
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
	tasks := int64(1)
	if !add {
		tasks = -1
	}
	g.planned.Add(op.Task.Group, tasks)
}

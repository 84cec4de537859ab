package placement

import (
	"slices"

	"github.com/berth-sched/berth"
)

// Groups with rules about the tasks of others, and those that tasks with such rules keep away, are answered by the reference.

// meets reports whether the tasks of other groups matter to those of a group: because it has rules about them, or because
// it is selected by rules of groups that keep apart, and have tasks in the snapshot or in the plan.
func (e *Engine) meets(g *berth.Group) bool {
	if len(g.Requirements().TaskRules) > 0 {
		return true
	}
	return len(e.mirror.view.Refusing(g)) > 0 || slices.ContainsFunc(e.apart, func(s berth.Selector) bool { return s.Matches(g) })
}

// noteApart notes whom a group keeps apart from, of which the plan has picked a task.
func (e *Engine) noteApart(g *berth.Group) {
	for i := range g.Requirements().TaskRules {
		if r := &g.Requirements().TaskRules[i]; r.Relation == berth.Apart && !slices.Contains(e.apart, r.Of) {
			e.apart = append(e.apart, r.Of)
		}
	}
}

// placeByReference has the reference pick.
func (e *Engine) placeByReference(t berth.Task) (berth.Op, bool) {
	e.search.begin(t.Group) // so that the group's tasks are counted, and rows have classes
	r := e.caughtUp()
	op, ok := r.picker.Place(t)
	if ok {
		e.picked(r, op)
	}
	e.search.end()
	return op, ok
}

// picked does what the reference picked.
func (e *Engine) picked(r *reference, op berth.Op) {
	e.noteApart(op.Task.Group)
	st := e.steps.add()
	st.task, st.grant = op.Task, op.Grant
	st.row, _ = e.mirror.view.FindNode(op.Node)
	e.move(st, 1)
	r.told = e.steps.size
}

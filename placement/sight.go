package placement

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/checked"
)

// What is reserved for a role is room for its tasks alone, so that nodes have as much free as who asks may have of them. The mirror shows
// the cluster as one role sees it, its sight: where something is reserved, what is free includes what is idle of what that role may use.
// Within one sight a reserved row is like any other, for a task takes of it exactly what it asks for, whichever part of it was reserved.
// Only a turn to a role of another sight changes rows, those alone of which something is reserved: O(those). Roles for which nothing is reserved
// anywhere share the sight of the root, and where nothing is reserved at all nobody turns.

// begin makes the engine's search that for tasks of a group.
func (e *Engine) begin(g *berth.Group) {
	e.see(g)
	e.search.begin(g)
}

// beginWithin is begin for tasks that are to be in a domain.
func (e *Engine) beginWithin(g *berth.Group, in *domain) {
	e.see(g)
	e.search.beginWithin(g, in)
}

// see turns the mirror to how a group without faults sees it.
func (e *Engine) see(g *berth.Group) {
	m := e.mirror
	if m.view.Reserved() == 0 && m.sight == "" && !m.skewed {
		return
	}
	if sight := m.view.Sight(g.Role()); sight != m.sight || m.skewed {
		m.sight, m.skewed = sight, false
		e.turn()
	}
}

// turn brings the rows in line with the sight, of which something is reserved.
func (e *Engine) turn() {
	m, view := e.mirror, e.mirror.view
	e.search.end()
	if e.steps.size > 0 {
		view = &e.caughtUp().picker.store.View // which knows what the plan has used of what is reserved
	}
	classed := e.classes.assigned
	var rows []uint32
	for row := range m.view.ReservedRows() {
		room := view.Room(row, m.sight)[:m.dims]
		if slices.Equal(m.resourcesOf(row), room) {
			continue
		}
		copy(m.resourcesOf(row), room)
		rows = append(rows, row)
		if m.firstVisit(row) {
			m.touched = append(m.touched, row)
		}
		if classed {
			e.classes.derive(row)
			e.classes.misplace(row)
		}
		e.changed(row)
	}
	e.survey.log.note(rows)
	e.classes.moveMisplaced()
}

// skew notes that something came to a reserved row, or left it, that may see it otherwise than the mirror shows it.
func (e *Engine) skew(row uint32) {
	if e.mirror.view.ReservesOn(row) != nil {
		e.mirror.skewed = true
	}
}

// isSighted reports whether something is reserved for whom the search is for.
func (e *Engine) isSighted() bool { return e.mirror.sight != "" }

// allowed reports whether limits let another task of the group that is searched for be on a row: what is reserved there for its role it
// has already.
func (e *Engine) allowed(row uint32) bool {
	s := e.search
	if s.left > 0 {
		return true
	}
	if !e.isSighted() || e.mirror.view.ReservesOn(row) == nil {
		return false
	}
	f := e.caughtUp().picker.fork
	n, ok := f.Node(e.mirror.rows[row].id)
	return ok && f.Fits(s.group, n)
}

// findReserved finds the best row for a task that limits keep from all rows but those on which enough is reserved for it: O(those).
func (e *Engine) findReserved(t berth.Task, in *domain) (row uint32, ok bool) {
	var of domain
	if in != nil {
		of = *in
	}
	node, ok := e.caughtUp().picker.bestOf(t, of, true)
	if !ok {
		return 0, false
	}
	row, ok = e.mirror.view.FindNode(node)
	e.search.astray, e.search.wayKnown = true, false
	return row, ok
}

// reservesLimits reports whether both limits and reservations have a say, so that what is left to a role follows from where its tasks are.
func (l *limits) reservesLimits() bool { return l.view.Reserved() > 0 && !l.none() }

// exactly answers a question by the reference where the plan is, if what is gone or the limits make nodes differ.
func (q *asking) exactly() bool {
	e, view := q.e, q.e.mirror.view
	if view.Reserved() == 0 || q.gone == nil && (e.limits.none() || view.Sight(q.task.Group.Role()) == "") {
		return false
	}
	picker := e.caughtUp().picker.without(q.ask)
	if q.out.Reason = picker.keepsOff(q.task, q.out); q.out.Reason.Code != berth.None {
		return true
	}
	q.lookBy(picker)
	return true
}

// idleLimits is the ledger of the reference where the plan is, for limits.
func (e *Engine) idleLimits() *checked.Fork { return (*checked.Fork)(e.caughtUp().picker.fork) }

package placement

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// absence is tasks and holds that are counted as gone while one question is answered. What they take is given back to the
// rows of the mirror for as long, and no tree or column is told: nobody searches one meanwhile. A nil absence is of
// nothing.
type absence struct {
	m       *mirror
	classes *classIndex
	rest    *store.Store     // the snapshot without them
	picks   map[string]*step // of the plan that are gone, by task
	counted []presence       // tasks of the snapshot that are gone, lost ones aside
	rows    []rowAmounts     // the rows that they are on, and how those were before begin
	known   map[uint32]bool  // of those rows
}

// presence is a task of a group on a row.
type presence struct {
	group string
	spec  *berth.Group
	row   uint32
}

// rowAmounts is what is free in a row.
type rowAmounts struct {
	row     uint32
	amounts []int64
	devices []int64
	ports   []berth.Port

	misplaced bool
}

// absenceOf returns what a question counts as gone, nil if that is nothing.
func (e *Engine) absenceOf(ask Ask) *absence {
	if len(ask.Gone) == 0 && len(ask.GoneHolds) == 0 {
		return nil
	}
	view := e.mirror.view
	a := &absence{m: e.mirror, classes: e.classes, rest: view.Fork(), picks: map[string]*step{}, known: map[uint32]bool{}}
	for _, id := range ask.Gone {
		if slot, ok := a.rest.FindTask(id); ok {
			if r := a.rest.Record(slot); r.Row != store.None {
				a.on(r.Row)
				a.counted = append(a.counted, presence{a.rest.Group(r.Group).Name, a.rest.SpecOf(r.Group), r.Row})
			}
			a.rest.Remove(slot)
		} else if st := e.steps.pickOf(id); st != nil {
			a.on(st.row)
			a.picks[id] = st
		}
	}
	for _, id := range ask.GoneHolds {
		if slot, ok := a.rest.FindHold(id); ok {
			a.on(a.rest.Record(slot).Row)
			a.rest.Remove(slot)
		}
	}
	return a
}

// on notes that something on a row is gone.
func (a *absence) on(row uint32) {
	if !a.known[row] {
		a.known[row] = true
		a.rows = append(a.rows, rowAmounts{row: row})
	}
}

// hasPick reports whether a task is gone that the plan picked.
func (a *absence) hasPick(id string) bool {
	return a != nil && a.picks[id] != nil
}

// begin gives back what the gone take, and takes them out of the counts of the group that is searched for.
func (a *absence) begin(s *search) {
	if a == nil {
		return
	}
	for i := range a.rows {
		was := &a.rows[i]
		was.amounts, was.devices, was.ports = slices.Clone(a.m.amountsOf(was.row)), a.m.devicesOf(was.row), slices.Clone(a.m.portsOf(was.row))
		st := &a.m.rows[was.row]
		was.misplaced, st.misplaced = st.misplaced, true // so that nobody takes its key for that of what is free
		a.give(was.row)
	}
	var d demand
	for _, st := range a.picks {
		d.of(st.task.Group, a.m)
		a.m.take(st.row, d.request, st.grant, -1)
	}
	for i := range a.rows {
		a.classes.derive(a.rows[i].row)
	}
	a.count(s, -1)
	if s.even {
		s.setLimits()
	}
}

// end takes all back.
func (a *absence) end(s *search) {
	if a == nil {
		return
	}
	for i := range a.rows {
		was := &a.rows[i]
		copy(a.m.amountsOf(was.row), was.amounts)
		a.m.setDevices(was.row, was.devices)
		a.m.setPorts(was.row, was.ports)
		a.m.rows[was.row].misplaced = was.misplaced
	}
	a.count(s, 1)
}

// count adds the gone tasks to the counts of their sizes, and those of the group that is searched for to its counts, or with -1 takes them out.
func (a *absence) count(s *search, by int) {
	for _, p := range a.counted {
		s.clusters.move(p.spec, p.row, by)
	}
	for _, st := range a.picks {
		s.clusters.move(st.task.Group, st.row, by)
	}
	if s.own == nil {
		return
	}
	name := s.group.Name()
	for _, p := range a.counted {
		if p.group == name {
			s.counts.add(s.own, p.row, by)
		}
	}
	for _, st := range a.picks {
		if st.task.Group.Name() == name {
			s.counts.add(s.own, st.row, by)
		}
	}
}

// give adds to a row what is free in the rest and not in the snapshot.
func (a *absence) give(row uint32) {
	view := a.m.view
	now, was := a.rest.Free(row), view.Free(row)
	for d, free := range a.m.resourcesOf(row) {
		a.m.resourcesOf(row)[d] = free + now[d] - was[d]
	}
	is, before := a.rest.Node(row), view.Node(row)
	if !slices.Equal(is.Devices, before.Devices) {
		units := slices.Clone(a.m.devicesOf(row))
		for i := range units {
			units[i] += is.Devices[i] - before.Devices[i]
		}
		a.m.setDevices(row, units)
	}
	if len(is.Ports) < len(before.Ports) {
		a.m.setPorts(row, slices.DeleteFunc(slices.Clone(a.m.portsOf(row)), func(p berth.Port) bool {
			had, has := store.HasPort(before.Ports, p), store.HasPort(is.Ports, p)
			return had && !has
		}))
	}
}

package placement

import (
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// Cover picks every eligible node that lacks the daemon group's instance: O(nodes).
func (e *Engine) Cover(g *berth.Group, placed func(berth.Op), missed func(string, []berth.Lack)) {
	if e.inCover {
		return
	}
	e.enter()
	e.inCover = true
	defer func() { // also where the caller panics, who has not been told of all that the search is for
		e.inCover = false
		e.search.end()
	}()
	placed, missed = orNobody(placed, missed)
	switch {
	case g.Err() != nil:
	case len(g.Requirements().DomainRules) > 0 || e.tasks.meets(g):
		e.coverByReference(g, placed, missed)
	default:
		c := covering{engine: e, group: g, placed: placed, missed: missed, ids: instances{group: g}}
		c.run()
	}
	e.leave()
}

// covering is a call of Cover.
type covering struct {
	engine *Engine
	group  *berth.Group
	placed func(berth.Op)
	missed func(string, []berth.Lack)

	ids    instances
	lost   bool              // a task of the group is on no node, and may have the ID of an instance that is lacking
	picked map[string]uint32 // the rows of other tasks that this plan picked by the ID of an instance
	usable []bool            // by class
}

func (c *covering) run() {
	e := c.engine
	from := e.steps.size
	view := e.mirror.view
	if id, ok := view.FindGroup(c.group.Name()); ok {
		c.lost = view.LostOf(id) > 0
	}
	c.picked = e.steps.picksLike(c.group)
	c.begin()
	for rows := range slices.Chunk(e.mirror.order, store.Ahead) {
		var tasks [store.Ahead]berth.Task // without an ID where the row is none to cover
		for i, row := range rows {
			if c.lacks(row) {
				tasks[i] = c.ids.on(e.mirror.rows[row].id)
			}
		}
		slots := c.lookUp(tasks[:len(rows)])
		for i, row := range rows {
			if tasks[i].ID != "" {
				c.cover(row, tasks[i], slots[i])
			}
		}
	}
	e.steps.covered(c.group, from)
}

// lookUp returns the slots of the tasks that the snapshot has, and None for others. An instance is on its own node, and
// its ID is no other group's: so where none of the group's tasks is lost, there are none. They are looked up all at once, so that
// the cache misses overlap.
func (c *covering) lookUp(tasks []berth.Task) (slots [store.Ahead]uint32) {
	for i := range slots {
		slots[i] = store.None
	}
	if !c.lost {
		return slots
	}
	var hashes [store.Ahead]uint32
	known := hashes[:0]
	for i := range tasks {
		if tasks[i].ID != "" {
			known = append(known, store.Hash(tasks[i].ID))
		}
	}
	view := c.engine.mirror.view
	view.PrefetchTasks(known)
	next := 0
	for i := range tasks {
		if tasks[i].ID == "" {
			continue
		}
		if slot, ok := view.FindTaskBy(known[next], tasks[i].ID); ok {
			slots[i] = slot
		}
		next++
	}
	return slots
}

// begin makes the engine's search that of the group.
func (c *covering) begin() {
	s := c.engine.search
	c.engine.begin(c.group)
	c.usable = make([]bool, len(c.engine.classes.all))
	for i := range s.contenders {
		c.usable[s.contenders[i].class] = true
	}
}

// lacks reports whether a row is eligible and lacks its instance.
func (c *covering) lacks(row uint32) bool {
	s, st := c.engine.search, &c.engine.mirror.rows[row]
	switch {
	case s.counts.on(row) > 0:
		return false
	case !s.possible: // no class was asked, because no node ever had what the group takes
		return s.eligible(row)
	case !c.usable[st.class]:
		return false
	}
	return !s.byRow || fit.Eligible(s.group, st.node.Spec)
}

// cover picks an eligible row for an instance, or tells why not. The slot is that of a task of the snapshot which has the
// instance's ID, or None.
func (c *covering) cover(row uint32, t berth.Task, slot uint32) {
	e, s := c.engine, c.engine.search
	node, room := e.mirror.rows[row].id, s.possible && s.fits(row) && (!s.picky || s.usable(row))
	var lacks []berth.Lack
	at, picked := c.picked[t.ID]
	switch {
	case slot != store.None:
		lacks = append(lacks, existing(e.mirror.view, slot))
	case picked:
		lacks = append(lacks, existingOn(e.mirror.rows[at].id))
	case room && e.allowed(row):
		op := e.op(e.occupy(row, t))
		e.leave()
		c.placed(op)
		e.enter()
		return
	}
	if byReference := !room && (s.ports || e.mirror.strays(row) || e.mirror.view.ReservesOn(row) != nil) || s.left <= 0 && e.isSighted(); byReference { // which knows who is in the way
		lacks = append(lacks, e.caughtUp().lacks(c.group, node)...)
	} else {
		if s.left <= 0 {
			for _, x := range e.limits.over(c.group) {
				lacks = append(lacks, x.Lack())
			}
		}
		if !room {
			lacks = e.classes.shortfalls(lacks, c.group, row)
		}
	}
	e.leave()
	c.missed(node, lacks)
	e.enter()
}

// instances makes tasks of a daemon group as [berth.Group.On] does, with many IDs in one piece of memory.
type instances struct {
	group  *berth.Group
	prefix string // of the IDs of all instances; the node's ID follows
	ids    strings.Builder
}

func (m *instances) on(node string) berth.Task {
	const piece = 1 << 10
	if m.prefix == "" {
		m.prefix = m.group.On("").ID
	}
	if n := len(m.prefix) + len(node); m.ids.Cap()-m.ids.Len() < n {
		m.ids = strings.Builder{}
		m.ids.Grow(max(n, piece))
	}
	from := m.ids.Len()
	m.ids.WriteString(m.prefix)
	m.ids.WriteString(node)
	return m.group.Task(m.ids.String()[from:])
}

// coverByReference lets the reference picker cover, and does what it picked before the caller is told.
func (e *Engine) coverByReference(g *berth.Group, placed func(berth.Op), missed func(string, []berth.Lack)) {
	e.begin(g) // so that the group's tasks are counted, and rows have classes
	from := e.steps.size
	r := e.caughtUp()
	r.picker.Cover(g, func(op berth.Op) {
		st := e.steps.add()
		st.task, st.grant = op.Task, op.Grant
		st.row, _ = e.mirror.view.FindNode(op.Node)
		e.move(st, 1)
		r.told = e.steps.size
		e.leave()
		placed(op)
		e.enter()
	}, func(node string, lacks []berth.Lack) {
		e.leave()
		missed(node, lacks)
		e.enter()
	})
	e.steps.covered(g, from)
}

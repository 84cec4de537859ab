package placement

import (
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// Cover picks every eligible node that lacks the daemon group's instance: O(nodes).
func (e *Engine) Cover(g *berth.Group, placed func(berth.Op), missed func(string, []berth.Lack)) {
	e.enter()
	placed, missed = orNobody(placed, missed)
	switch {
	case g.Err() != nil:
	case len(g.Requirements().DomainRules) > 0:
		e.coverByReference(g, placed, missed)
	default:
		c := covering{e: e, group: g, placed: placed, missed: missed, ids: instances{group: g}}
		c.run()
	}
	e.search.end()
	e.leave()
}

// covering is a call of Cover.
type covering struct {
	e      *Engine
	group  *berth.Group
	placed func(berth.Op)
	missed func(string, []berth.Lack)

	ids    instances
	picked map[string]uint32 // the rows of other tasks that this plan picked by the ID of an instance
	serial uint64            // of the search that is good for the group
	usable []bool            // by class
}

func (c *covering) run() {
	e := c.e
	snapshot, from := e.snapshot, e.steps.n
	c.picked = e.steps.picksLike(c.group)
	c.begin()
	for rows := range slices.Chunk(e.rows.order, store.Ahead) {
		var tasks [store.Ahead]berth.Task // without an ID where the row is none to cover
		var hashes [store.Ahead]uint32
		known := hashes[:0]
		for i, row := range rows {
			if c.lacks(row) {
				tasks[i] = c.ids.on(e.rows.rows[row].id)
				known = append(known, store.Hash(tasks[i].ID))
			}
		}
		view := e.rows.view
		view.PrefetchTasks(known) // all at once, so that the cache misses of looking them up overlap
		next := 0
		for i, row := range rows {
			if tasks[i].ID == "" {
				continue
			}
			slot, exists := view.FindTaskBy(known[next], tasks[i].ID)
			next++
			if c.cover(row, tasks[i], slot, exists); e.snapshot != snapshot {
				return // the caller began another plan
			}
		}
	}
	e.steps.covered(c.group, from)
}

// begin makes the engine's search that of the group, if it is not.
func (c *covering) begin() {
	s := c.e.search
	if s.group == c.group && s.serial == c.serial {
		return
	}
	s.begin(c.group)
	c.serial = s.serial
	c.usable = append(c.usable[:0], make([]bool, len(c.e.classes.classes))...)
	for i := range s.contenders {
		c.usable[s.contenders[i].class] = true
	}
}

// lacks reports whether a row is eligible and lacks its instance.
func (c *covering) lacks(row uint32) bool {
	s, st := c.e.search, &c.e.rows.rows[row]
	switch {
	case s.c.on(row) > 0:
		return false
	case !s.possible: // no class was asked, because no node ever had what the group takes
		return s.eligible(row)
	case !c.usable[st.class]:
		return false
	}
	return !s.byRow || cluster.Eligible(s.group, st.node.Spec)
}

// cover picks an eligible row for an instance, or tells why not. The instance's ID may be that of a task of the snapshot.
func (c *covering) cover(row uint32, t berth.Task, slot uint32, exists bool) {
	e, s := c.e, c.e.search
	node, room := e.rows.rows[row].id, s.possible && s.fits(row) && (!s.picky || s.usable(row))
	var lacks []berth.Lack
	at, picked := c.picked[t.ID]
	switch {
	case exists:
		lacks = append(lacks, existing(e.rows.view, slot))
	case picked:
		lacks = append(lacks, existingOn(e.rows.rows[at].id))
	case room:
		op := e.op(e.occupy(row, t))
		e.leave()
		c.placed(op)
		e.enter()
		c.begin()
		return
	}
	switch {
	case room:
	case s.ports || e.rows.strays(row): // the reference knows who is in the way
		lacks = append(lacks, e.caughtUp().lacks(c.group, node)...)
	default:
		lacks = e.rows.shortfalls(lacks, c.group, row)
	}
	e.leave()
	c.missed(node, lacks)
	e.enter()
	c.begin()
}

// existing says that an instance cannot be placed because a task of a view has its ID.
func existing(view *store.View, slot uint32) berth.Lack {
	if row := view.Record(slot).Row; row != store.None {
		return existingOn(view.Node(row).Node.ID)
	}
	return berth.Lack{Reason: berth.Reason{Code: berth.TaskExists, Subject: berth.Lost.String()}}
}

func existingOn(node string) berth.Lack {
	return berth.Lack{Reason: berth.Reason{Code: berth.TaskExists, Subject: "on " + node}}
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

// coverByReference lets the reference picker cover, and does to the columns what it picked.
func (e *Engine) coverByReference(g *berth.Group, placed func(berth.Op), missed func(string, []berth.Lack)) {
	e.search.begin(g) // so that the group's tasks are counted, and rows have classes
	from := e.steps.n
	var ops []berth.Op
	var misses []miss
	r := e.caughtUp()
	r.picker.Cover(g, func(op berth.Op) { ops = append(ops, op) }, func(node string, lacks []berth.Lack) {
		misses = append(misses, miss{len(ops), node, lacks})
	})
	for _, op := range ops {
		st := e.steps.add()
		st.task, st.grant = op.Task, op.Grant
		st.row, _ = e.rows.view.FindNode(op.Node)
		e.move(st, 1)
	}
	r.told = e.steps.n
	e.steps.covered(g, from)
	e.leave() // the caller is told when all is done, in the order of nodes
	for i := range len(ops) + 1 {
		for len(misses) > 0 && misses[0].after == i {
			missed(misses[0].node, misses[0].lacks)
			misses = misses[1:]
		}
		if i < len(ops) {
			placed(ops[i])
		}
	}
	e.enter()
}

// miss is a node that lacks room for its instance, after so many that were placed.
type miss struct {
	after int
	node  string
	lacks []berth.Lack
}

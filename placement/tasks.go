package placement

import (
	"iter"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// Rules about the tasks of other groups ask counters: how many tasks that a selector chooses are in which domain, or how many
// that refuse those. A plan has one for each that any of its groups asks for, begun with what the snapshot has and with what
// the plan has picked, and moved with every pick from then on. To a search they are limits like those of the group's own tasks:
// apart, and being refused, is a limit of one task, and near is one from below. Placing a task of a group closes nodes for the
// group and opens none, but for the first task that is to be near itself: after it the search begins anew.

// taskCounts is the counters of a plan. They go with it.
type taskCounts struct {
	mirror *mirror
	counts *groupCounts // whose numbers the domains have
	steps  *steps       // of the plan

	all   []*taskCounter
	byKey map[store.CounterKey]*taskCounter
	under map[[2]string][]*taskCounter // by each of the labels of which their selectors need one
	loose []*taskCounter               // whose selectors need none
	spare []*taskCounter               // of earlier plans, empty, to be used again
	nodes []*taskCounter               // the like, of those by node
	moves map[*berth.Group]movesOf

	runs     []stepsOf                  // the steps, group by group
	told     int                        // how many of the steps are in runs
	labelled map[[2]string][]int        // by label: the runs of groups that have it
	refusers map[store.CounterKey][]int // by counter: the runs of groups whose tasks refuse others in it
	rows     numbering                  // by which every row is a domain of its own
	confined taskCounter                // of the domain that the search is confined to
}

// taskCounter is how many of some tasks are where.
type taskCounter struct {
	domainCounts
	key   store.CounterKey
	total int
	used  []int32      // slots that have or had any
	told  berth.Reason // what is said of domains with tasks that refuse; none until it is
}

// movesOf is the counters that count a group's tasks, as far as the plan had so many.
type movesOf struct {
	of       int
	counters []*taskCounter
}

// stepsOf is steps one after another that are about tasks of one group, from one on to before another.
type stepsOf struct {
	group    *berth.Group
	from, to int
}

func newTaskCounts(m *mirror, c *groupCounts, s *steps) *taskCounts {
	return &taskCounts{
		mirror: m, counts: c, steps: s,
		byKey: map[store.CounterKey]*taskCounter{}, under: map[[2]string][]*taskCounter{}, moves: map[*berth.Group]movesOf{},
		labelled: map[[2]string][]int{}, refusers: map[store.CounterKey][]int{},
	}
}

// start forgets the counters of the last plan, and keeps the room of some.
func (t *taskCounts) start() {
	if len(t.runs) > 0 || t.told > 0 {
		t.runs, t.told = t.runs[:0], 0
		clear(t.labelled)
		clear(t.refusers)
	}
	if len(t.all) == 0 {
		return
	}
	most, room := 8*len(t.mirror.rows)+1<<12, 0
	for _, spare := range [][]*taskCounter{t.spare, t.nodes} {
		for _, c := range spare {
			room += c.room()
		}
	}
	for _, c := range t.all {
		if room += c.room(); room > most {
			break
		}
		if c.empty(); c.onNodes == nil {
			t.spare = append(t.spare, c)
		} else {
			t.nodes = append(t.nodes, c)
		}
	}
	t.all, t.loose = t.all[:0], t.loose[:0]
	clear(t.byKey)
	clear(t.under)
	clear(t.moves)
}

// get returns the counter of a key.
func (t *taskCounts) get(key store.CounterKey) *taskCounter {
	c := t.byKey[key]
	if c != nil {
		return c
	}
	spare := &t.spare
	if key.Attribute == store.ByNode {
		spare = &t.nodes
	}
	if n := len(*spare); n > 0 {
		c, *spare = (*spare)[n-1], (*spare)[:n-1]
	} else {
		c = new(taskCounter)
	}
	c.key = key
	t.number(c)
	t.load(c)
	t.all = append(t.all, c)
	t.byKey[key] = c
	needs, ok := needsOf(key.Of)
	if !ok {
		t.loose = append(t.loose, c)
	}
	for _, label := range needs {
		if list := t.under[label]; len(list) == 0 || list[len(list)-1] != c {
			t.under[label] = append(list, c)
		}
	}
	return c
}

// number gives the domains of a counter their numbers.
func (t *taskCounts) number(c *taskCounter) {
	if c.domainCounts.key = c.key.Attribute; c.key.Attribute != store.ByNode {
		c.values, c.onNodes = t.counts.numbers(c.key.Attribute), nil
		return
	}
	if row := len(t.rows.rows); row < len(t.mirror.rows) {
		for t.rows.rows = slices.Grow(t.rows.rows, len(t.mirror.rows)-row); row < len(t.mirror.rows); row++ {
			t.rows.rows = append(t.rows.rows, int32(row))
		}
	}
	c.values = &t.rows
	if c.onNodes == nil {
		c.onNodes = new(nodeTasks)
	}
	c.onNodes.grow(len(t.mirror.rows))
}

// empty forgets what is counted, and keeps the room.
func (c *taskCounter) empty() {
	for _, slot := range c.used {
		if int(slot) < len(c.tasks) {
			c.tasks[slot] = 0
		}
	}
	if c.onNodes != nil {
		c.onNodes.clear()
	}
	*c = taskCounter{domainCounts: domainCounts{tasks: c.tasks[:0], onNodes: c.onNodes}, used: c.used[:0]}
}

// room returns how many numbers it has room for.
func (c *taskCounter) room() int {
	if c.onNodes != nil {
		return c.onNodes.room()
	}
	return cap(c.tasks)
}

// load counts what there is.
func (t *taskCounts) load(c *taskCounter) {
	view, key := t.mirror.view, c.key
	if at, ok := view.FindCounter(key); ok {
		for domain, tasks := range view.Counter(at).All() {
			slot := int32(domain)
			if key.Attribute != store.ByNode {
				slot = c.slot(domain)
			}
			c.add(slot, int(tasks))
		}
	} else if !key.Refusing { // those who refuse have the counter in their snapshot
		for _, g := range view.Selected(key.Of) {
			for slot := range view.Members(g) {
				r := view.Record(slot)
				if r.Row != store.None && !(key.WithoutStopping && berth.TaskState(r.State) == berth.Stopping) {
					t.move(c, r.Row, 1)
				}
			}
		}
	}
	t.follow()
	for _, run := range t.runsOf(c) {
		for i := run.from; i < run.to; i++ {
			by := 1
			if t.steps.at(i).undone {
				by = -1
			}
			t.move(c, t.steps.at(i).row, by)
		}
	}
}

// nameOf is the label that every group has here besides its own: its name. No label of its own has the empty key.
func nameOf(group string) [2]string { return [2]string{"", group} }

// needsOf returns the labels of which a group needs one to be selected, its name among them.
func needsOf(of berth.Selector) ([][2]string, bool) {
	if name, ok := of.Group(); ok {
		return [][2]string{nameOf(name)}, true
	}
	return of.Needs()
}

// runsOf returns the runs of groups that a counter counts.
func (t *taskCounts) runsOf(c *taskCounter) (runs []stepsOf) {
	var at []int
	needs, ok := needsOf(c.key.Of)
	switch {
	case c.key.Refusing:
		at = t.refusers[c.key]
	case !ok:
		for _, run := range t.runs {
			if c.key.Of.Matches(run.group) {
				runs = append(runs, run)
			}
		}
		return runs
	default:
		for _, label := range needs {
			for _, i := range t.labelled[label] {
				if c.key.Of.Matches(t.runs[i].group) {
					at = append(at, i)
				}
			}
		}
		slices.Sort(at) // a group may have several of the labels
		at = slices.Compact(at)
	}
	for _, i := range at {
		runs = append(runs, t.runs[i])
	}
	return runs
}

// follow brings the runs in line with the steps.
func (t *taskCounts) follow() {
	for ; t.told < t.steps.size; t.told++ {
		g := t.steps.at(t.told).task.Group
		if n := len(t.runs); n > 0 && t.runs[n-1].group == g {
			t.runs[n-1].to++
		} else {
			t.runs = append(t.runs, stepsOf{g, t.told, t.told + 1})
			name := nameOf(g.Name())
			t.labelled[name] = append(t.labelled[name], n)
			for key, value := range g.Labels() {
				label := [2]string{key, value}
				t.labelled[label] = append(t.labelled[label], n)
			}
			for key := range t.refusals(g) {
				if list := t.refusers[key]; len(list) == 0 || list[len(list)-1] != n { // equal rules count once
					t.refusers[key] = append(list, n)
				}
			}
		}
	}
}

// keyOf returns the key of the counter that a rule asks.
func (t *taskCounts) keyOf(r *berth.CountedRule) store.CounterKey {
	k := store.CounterKey{Of: r.Of, Attribute: store.ByNode, WithoutStopping: r.WithoutStopping}
	if r.Attribute != berth.NodeID {
		k.Attribute = t.mirror.attrs.ID(r.Attribute)
	}
	return k
}

// refusals yields the keys of the counters in which tasks of a group refuse others.
func (t *taskCounts) refusals(g *berth.Group) iter.Seq[store.CounterKey] {
	return func(yield func(store.CounterKey) bool) {
		rules := g.Requirements().Counted
		for i := range rules {
			if rules[i].Relation != berth.Apart {
				continue
			}
			key := t.keyOf(&rules[i])
			key.Refusing = true
			if !yield(key) {
				return
			}
		}
	}
}

// matching yields the counters whose selectors choose a group, some of them twice.
func (t *taskCounts) matching(g *berth.Group) iter.Seq[*taskCounter] {
	return func(yield func(*taskCounter) bool) {
		lists := [][]*taskCounter{t.loose, t.under[nameOf(g.Name())]}
		for key, value := range g.Labels() {
			lists = append(lists, t.under[[2]string{key, value}])
		}
		for _, list := range lists {
			for _, c := range list {
				if c.key.Of.Matches(g) && !yield(c) {
					return
				}
			}
		}
	}
}

// of returns the counters that count the tasks of a group.
func (t *taskCounts) of(g *berth.Group) []*taskCounter {
	if len(t.all) == 0 {
		return nil
	}
	m, ok := t.moves[g]
	if ok && m.of == len(t.all) {
		return m.counters
	}
	m = movesOf{len(t.all), nil}
	add := func(c *taskCounter) {
		if c != nil && !slices.Contains(m.counters, c) {
			m.counters = append(m.counters, c)
		}
	}
	for c := range t.matching(g) {
		if !c.key.Refusing {
			add(c)
		}
	}
	for key := range t.refusals(g) {
		add(t.byKey[key])
	}
	t.moves[g] = m
	return m.counters
}

// slotOf returns the slot of the domain that a row is in, or -1.
func (t *taskCounts) slotOf(c *taskCounter, row uint32) int32 {
	if c.key.Attribute == store.ByNode {
		return int32(row)
	}
	if t.counts.knowsRows(c.values) {
		return c.values.rows[row]
	}
	if v, ok := t.mirror.rows[row].node.Attr(c.key.Attribute); ok {
		return c.slot(v)
	}
	return -1
}

// move counts tasks that came to a row or, less than none, left it.
func (t *taskCounts) move(c *taskCounter, row uint32, by int) {
	if slot := t.slotOf(c, row); slot >= 0 {
		c.add(slot, by)
	}
}

func (c *taskCounter) add(slot int32, by int) {
	var was int
	if c.onNodes != nil {
		was = c.onNodes.add(slot, by)
	} else {
		c.grow()
		was = c.tasks[slot]
		c.tasks[slot] = was + by
	}
	if was == 0 {
		c.used = append(c.used, slot)
	}
	c.total += by
	c.histogram.move(slot, was, was+by)
}

// moveAll moves the counters of a group whose task came to a row or left it.
func (t *taskCounts) moveAll(g *berth.Group, row uint32, by int) {
	for _, c := range t.of(g) {
		t.move(c, row, by)
	}
}

// meets reports whether the tasks of other groups matter to those of a group: because it has rules or preferences about them, or
// because there are tasks that keep apart from it.
func (t *taskCounts) meets(g *berth.Group) bool {
	for range t.preferredCounters(g) {
		return true
	}
	return len(g.Requirements().Counted) > 0 || len(t.refusing(g)) > 0
}

// refusing returns the counters of tasks that refuse those of a group, each once.
func (t *taskCounts) refusing(g *berth.Group) (all []*taskCounter) {
	for _, at := range t.mirror.view.Refusing(g) {
		if c := t.mirror.view.Counter(at); c.Total() > 0 {
			all = append(all, t.get(c.Key))
		}
	}
	if len(t.all) == 0 {
		return nil
	}
	for c := range t.matching(g) {
		if c.key.Refusing && !slices.Contains(all, c) {
			all = append(all, c)
		}
	}
	return all
}

// refuse makes the counters known in which tasks of a group refuse others.
func (t *taskCounts) refuse(g *berth.Group) {
	for key := range t.refusals(g) {
		t.get(key)
	}
}

// rulesOf returns what keeps the tasks of a group off rows because of the tasks there are, and whether some of it is otherwise once
// the first of them is placed.
func (t *taskCounts) rulesOf(g *berth.Group) (out []countRule, first bool) {
	rules := g.Requirements().Counted
	for i := range rules {
		r := &rules[i]
		limit := countRule{told: berth.Reason{Code: berth.DomainFull, Subject: r.Text}}
		if first = t.limitOf(r, &limit, true) || first; limit.near {
			limit.told.Code = berth.NoneNear
		}
		out = append(out, limit)
	}
	t.refuse(g)
	for _, c := range t.refusing(g) {
		name := berth.NodeID
		if c.key.Attribute != store.ByNode {
			name = t.mirror.attrs.Text(c.key.Attribute)
		}
		if c.told.Code == berth.None {
			kept := berth.Counting{Of: c.key.Of, Relation: berth.Apart, WithoutStopping: c.key.WithoutStopping}
			c.told = berth.Reason{Code: berth.KeptApart, Subject: kept.Print(name)}
		}
		out = append(out, countRule{
			attribute: name, domain: &c.domainCounts, counter: c, limit: 1, lenient: true, told: c.told})
	}
	return out, first
}

// addTaskRule makes a rule about the tasks of others one of the search.
func (s *search) addTaskRule(r countRule) {
	if r.byValue {
		s.limitByValue(&r)
	}
	switch {
	case r.attribute == berth.NodeID:
		r.slots = s.tasks.rows.rows
	case s.classes.isLow(r.attribute):
		s.ofClass = append(s.ofClass, r)
		return
	default:
		r.slots = s.counts.slotsByRow(r.domain.values, r.domain.key)
	}
	s.ofRow = append(s.ofRow, r)
}

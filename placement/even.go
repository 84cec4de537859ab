package placement

import (
	"github.com/berth-sched/berth"
)

// Even rules compare a domain with the one that has the fewest tasks, among the domains in which the group
// may use a node. Which those are is the same for all groups of equal rules as long as no node changes; how
// many tasks they have is counted for each group as its tasks come and go. So a limit costs no more than
// asking the rule, however many domains there are.

// area is the domains that have a node which the groups of one set of rules may use.
type area struct {
	at uint64 // the engine's descriptions when it was made
	in []bool // by slot; of hosts, by row
	n  int
}

// maxAreas is how many are kept; beyond it they begin anew.
const maxAreas = 256

func (a *area) add(slot int32) {
	for int(slot) >= len(a.in) {
		a.in = append(a.in, false)
	}
	if !a.in[slot] {
		a.in[slot] = true
		a.n++
	}
}

func (a *area) has(slot int32) bool { return int(slot) < len(a.in) && a.in[slot] }

// areaOf returns the area of the run's group under an attribute. The first time since nodes changed it costs O(lanes)
// if lanes go by the attribute and by what the group's rules read, and else O(nodes).
func (e *Engine) areaOf(r *run, name string) *area {
	eligibility := r.group.Requirements().Eligibility
	key := eligibility + "\x00" + name
	if a := e.areas[key]; a != nil && a.at == e.descriptions {
		return a
	}
	if e.areas == nil || len(e.areas) >= maxAreas {
		e.areas = map[string]*area{}
	}
	a := &area{at: e.descriptions}
	e.areas[key] = a
	id := e.view.Attrs().ID(name)
	values := e.numbers(id)
	if !r.escaped && name != berth.NodeID && e.isNarrow(name) {
		for i, l := range e.lanes {
			if v, ok := l.profile.attr(id); ok && l.size > 0 && r.verdict.ok[i] {
				a.add(values.slot(v))
			}
		}
		return a
	}
	var slots []int32
	if name != berth.NodeID {
		slots = e.slotsByRow(values, id)
	}
	for row := range e.rows {
		slot := int32(row)
		if slots != nil {
			slot = slots[row]
		}
		if slot < 0 || a.has(slot) || e.rows[row].lane < 0 {
			continue
		}
		if r.escaped && e.eligible(r, uint32(row)) || !r.escaped && r.verdict.ok[e.rows[row].lane] {
			a.add(slot)
		}
	}
	return a
}

// census is how many domains of an area have how many tasks of a group.
type census struct {
	area  *area
	with  []int // by tasks
	least int   // that a domain has
}

// newCensus counts the domains by the tasks that are counted already.
func newCensus(a *area) *census { return &census{area: a, with: []int{a.n}} }

// move notes that the tasks of a domain were some number and are another. Nobody asked for a census of nil.
func (c *census) move(slot int32, was, is int) {
	if c == nil || !c.area.has(slot) {
		return
	}
	for len(c.with) <= is {
		c.with = append(c.with, 0)
	}
	c.with[was]--
	c.with[is]++
	c.least = min(c.least, is)
	for c.with[c.least] == 0 {
		c.least++
	}
}

func (c *census) domains() berth.Domains { return berth.Domains{Number: c.area.n, Least: c.least} }

// takeCensus gives the run's even rules what they ask for.
func (e *Engine) takeCensus(r *run) {
	for _, zones := range [][]zoneRule{r.zones, r.wide} {
		for i := range zones {
			if z := &zones[i]; z.rule.Even() {
				z.census = e.censusOf(r, z)
				r.even = true
			}
		}
	}
}

// censusOf returns the census of a rule's domains, made from the tally if it is the first to ask.
func (e *Engine) censusOf(r *run, z *zoneRule) *census {
	kept := &r.tally.census
	if z.domain != nil {
		kept = &z.domain.census
	}
	a := e.areaOf(r, z.rule.Domain())
	if *kept != nil && (*kept).area == a {
		return *kept
	}
	c := newCensus(a)
	*kept = c
	if z.domain == nil {
		for _, h := range r.tally.hosts {
			c.move(int32(h.row), 0, h.tasks)
		}
	} else {
		for slot, tasks := range z.domain.tasks {
			c.move(int32(slot), 0, tasks)
		}
	}
	return c
}

// setLimits sets the limits of even rules, which move with the domains that have the fewest tasks. Where one that
// is asked row by row has risen, rows that it held off may be used again.
func (e *Engine) setLimits(r *run) {
	for i := range r.zones {
		if z := &r.zones[i]; z.census != nil {
			was := z.limit
			z.limit = z.rule.Limit(z.census.domains())
			r.games.on = r.games.on && !(r.games.shut && z.limit > was)
		}
	}
	risen := false
	for i := range r.wide {
		if z := &r.wide[i]; z.census != nil {
			was := z.limit
			z.limit = z.rule.Limit(z.census.domains())
			risen = risen || z.limit > was
		}
	}
	if risen {
		for i := range r.lanes {
			e.release(r, &r.lanes[i])
		}
		r.games.on = false
	}
}

// held reports whether an even rule holds a row off at its present limit.
func (e *Engine) held(r *run, row uint32) bool {
	for i := range r.wide {
		if z := &r.wide[i]; z.census != nil && e.tasksAt(z, row) >= z.limit {
			return true
		}
	}
	return false
}

// tasksAt counts the group's tasks in a row's domain under a rule that is asked row by row.
func (e *Engine) tasksAt(z *zoneRule, row uint32) int {
	if z.domain == nil {
		return e.hostCount(row)
	}
	return z.domain.at(z.slots[row])
}

// hold notes where the first row of a lane stands that an even rule holds off, for the search to go back to.
func (lr *laneRun) hold(p position) {
	if !lr.holds || p.before(lr.held) {
		lr.held, lr.holds = p, true
	}
}

// release sends the search of a lane back to the first row that was held off. The row that was its best may have
// been moved before that, and may be its best again.
func (e *Engine) release(r *run, lr *laneRun) {
	switch {
	case lr.holds:
		lr.from = earlier(lr.from, lr.held)
		if lr.found && !lr.apart {
			lr.from = earlier(lr.from, e.moved(lr.row))
		}
		lr.holds, lr.apart = false, false
		lr.lose()
	case lr.apart:
		e.standIn(r, lr)
	}
}

// moved returns where a row stands once it is where it belongs.
func (e *Engine) moved(row uint32) position { return position{e.rate(row), e.rows[row].rank} }

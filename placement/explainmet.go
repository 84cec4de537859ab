package placement

import (
	"slices"

	"github.com/berth-sched/berth/internal/explain"
)

// Rules about the tasks of others that are asked row by row keep few rows off, or let few in: those in the domains that have such tasks. So how many
// rows each keeps off is added up over these domains. The nearest miss is one of the few rows that a rule of being near lets in, which are looked at
// one by one, or another row, all of which every such rule keeps off.

// countMet counts the rows that rules asked row by row keep off, and weighs those that a near one lets in, if that is all there is to these rules.
// It returns false, having counted nothing, where every row is to be looked at.
func (x *explainer) countMet() bool {
	const few = 8 // of how many rows one may be weighed
	s := x.search
	most := len(s.mirror.rows)/few + 1
	var let []uint32
	near := 0
	for i := range s.ofRow {
		r := &s.ofRow[i]
		if r.counter == nil || r.histogram != nil || r.near && r.lenient || !r.near && r.limit < 1 {
			return false
		}
		if r.near {
			rows, ok := s.rowsNear(r, most-len(let))
			if !ok {
				return false
			}
			let, near = append(let, rows...), near+1
		}
	}
	for i := range s.ofRow {
		x.ofRow[i] = x.brokenBy(&s.ofRow[i])
	}
	if near > 0 {
		for _, row := range let {
			if x.mirror.rows[row].class >= 0 {
				x.weigh(row, false)
			}
		}
		x.nears, x.fewest = near, x.fewest+near
		for i := range x.rules {
			x.rules[i] += near
		}
	}
	return true
}

// nearestIsMet reports whether the nearest miss is among the rows that near rules let in, as countMet left it: all others break more rules.
func (x *explainer) nearestIsMet() bool { return x.found && x.near.Rules < x.fewest }

// forgetMet forgets what countMet has counted.
func (x *explainer) forgetMet() {
	clear(x.ofRow)
	for i := range x.rules {
		x.rules[i] -= x.nears
	}
	x.fewest -= x.nears
	x.nears, x.found, x.near = 0, false, explain.Miss{}
}

// brokenBy returns how many rows a rule keeps off.
func (x *explainer) brokenBy(r *countRule) (broken brokenRows) {
	s := x.search
	byRow := r.domain.values == &s.tasks.rows
	all := x.out.Nodes
	if !byRow {
		all = s.counts.inDomains(r.domain.values, r.domain.key)
		if !r.lenient {
			broken.missing = x.out.Nodes - all
		}
	}
	closed := 0
	for _, slot := range r.counter.inUse() {
		if tasks := r.domain.in(slot); tasks == 0 || !r.near && tasks < r.limit {
			continue
		}
		switch {
		case !byRow:
			closed += len(s.counts.rowsOf(r.domain.values, r.domain.key, slot))
		case x.mirror.rows[slot].node != nil:
			closed++
		}
	}
	if broken.full = closed; r.near { // it keeps off the others
		broken.full = all - closed
	}
	return broken
}

// inFewer reports whether fewer than so many domains have tasks; than one, if it is 0.
func (c *taskCounter) inFewer(n int) bool {
	const few = 16
	if n = max(n, 1); n > few {
		return len(c.inUse()) < n
	}
	var seen [few]int32 // a slot may be among those used more than once
	found := 0
	for _, slot := range c.used {
		if c.in(slot) > 0 && !slices.Contains(seen[:found], slot) {
			seen[found] = slot
			if found++; found == n {
				return false
			}
		}
	}
	return true
}

// fills reports whether some rules say otherwise once there are tasks in so many domains.
func fills(rules []countRule) bool {
	return slices.ContainsFunc(rules, func(r countRule) bool { return r.fills > 0 })
}

// filled reports whether there are tasks now in as many domains as may have any, of a rule of which fewer had.
func (s *search) filled() bool {
	if !s.filling {
		return false
	}
	for _, rules := range [][]countRule{s.ofClass, s.ofRow} {
		for i := range rules {
			if r := &rules[i]; r.fills > 0 && !r.counter.inFewer(r.fills) {
				return true
			}
		}
	}
	return false
}

// inUse returns the slots that have tasks, ascending.
func (c *taskCounter) inUse() []int32 {
	c.used = slices.DeleteFunc(c.used, func(slot int32) bool { return c.in(slot) == 0 })
	slices.Sort(c.used)
	c.used = slices.Compact(c.used)
	return c.used
}

package placement

import "github.com/berth-sched/berth"

// Expect says that tasks of a group are to be placed in this plan. Nodes are told apart by the attributes that rules read, and where one is
// read for the first time they are all looked at again: with the groups of a plan known before the first is placed, that is done once,
// whatever they read. It changes no choice, may be left out, and costs as much as the group has rules. A group with faults, or none, is
// passed over. A scheduler does it by itself.
func (e *Engine) Expect(g *berth.Group) {
	if g == nil || e.inCover || g.Err() != nil {
		return
	}
	r := g.Requirements()
	if r.AmountsOnly {
		return
	}
	e.enter()
	e.classes.tellApart(r.Reads...)
	for _, rule := range r.DomainRules {
		e.classes.tellApart(rule.Domain())
	}
	for i := range r.Counted {
		e.classes.tellApart(r.Counted[i].Attribute)
	}
	for i := range r.Prefer {
		p := &r.Prefer[i]
		if p.Own != nil {
			e.classes.tellApart(p.Own.Domain())
		}
		if p.Tasks != nil {
			e.classes.tellApart(p.Tasks.Attribute)
		}
	}
	e.leave()
}

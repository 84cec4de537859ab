package placement

import (
	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
)

// verdictOf returns the verdict of a set of rules, which knows as much as was asked of it.
func (x *classIndex) verdictOf(rules string) *verdict {
	if x.last != nil && x.rules == rules && len(x.last.known) == len(x.all) {
		return x.last
	}
	v := x.verdicts[rules]
	if v == nil {
		if len(x.verdicts) >= maxVerdicts || len(x.verdicts)*len(x.all) >= maxVerdictCells {
			clear(x.verdicts)
		}
		v = new(verdict)
		x.verdicts[rules] = v
	}
	for len(v.known) < len(x.all) {
		v.known, v.ok, v.preferred = append(v.known, false), append(v.ok, false), append(v.preferred, 0)
	}
	x.rules, x.last = rules, v
	return v
}

// ask asks the rules about a class, once.
func (v *verdict) ask(class int, g *berth.Group, c *nodeClass) (ok bool, preferred int64) {
	if !v.known[class] {
		v.ok[class] = !c.cordoned && fit.Eligible(g, c.node)
		v.preferred[class] = fit.Preferred(g, c.node)
		v.known[class] = true
	}
	return v.ok[class], v.preferred[class]
}

// reasons returns why a group may not use a class, whether it is cordoned aside.
func (v *verdict) reasons(class int, g *berth.Group, node *berth.Node) []berth.Reason {
	if v.ok[class] {
		return nil
	}
	for len(v.why) < len(v.ok) {
		v.why = append(v.why, nil)
	}
	if v.why[class] == nil {
		v.why[class] = fit.Ineligible(g, node)
	}
	return v.why[class]
}

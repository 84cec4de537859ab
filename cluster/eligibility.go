package cluster

import (
	"slices"

	"github.com/berth-sched/berth"
)

// Eligible reports whether the tasks of a group may ever go on n: n takes new tasks, every taint is
// tolerated and every rule about the node's attributes holds. It does not look at room. A group with
// faults may go nowhere.
func Eligible(g *berth.Group, n *berth.Node) bool {
	if g.Err() != nil || n == nil || n.Unschedulable {
		return false
	}
	for _, t := range n.Taints {
		if t.Effect == berth.NoSchedule && !tolerates(g, t) {
			return false
		}
	}
	for _, r := range g.Requirements().NodeRules {
		if !r.Allows(n) {
			return false
		}
	}
	return true
}

// Ineligible returns every reason why the tasks of a group may not go on n; none if they may.
func Ineligible(g *berth.Group, n *berth.Node) []berth.Reason {
	if err := g.Err(); err != nil {
		return []berth.Reason{{Code: berth.Invalid, Subject: err.Error()}}
	}
	if n == nil {
		return []berth.Reason{{Code: berth.UnknownNode}}
	}
	var out []berth.Reason
	if n.Unschedulable {
		out = append(out, berth.Reason{Code: berth.Unschedulable})
	}
	for _, t := range n.Taints {
		why := berth.Reason{Code: berth.Tainted, Subject: t.String()}
		if t.Effect == berth.NoSchedule && !tolerates(g, t) && !slices.Contains(out, why) {
			out = append(out, why)
		}
	}
	for _, r := range g.Requirements().NodeRules {
		if !r.Allows(n) {
			out = append(out, berth.Reason{Code: berth.RuleBroken, Subject: r.String()})
		}
	}
	return out
}

// Preferred returns the sum of the weights of a group's preferences that hold on n, less one for each taint
// of effect [berth.PreferNoSchedule] that is not tolerated.
func Preferred(g *berth.Group, n *berth.Node) int64 {
	if g.Err() != nil || n == nil {
		return 0
	}
	var sum int64
	for _, p := range g.Requirements().Prefer {
		if r, ok := p.Rule.(berth.NodeRule); ok && r.Allows(n) {
			sum += p.Weight
		}
	}
	for _, t := range n.Taints {
		if t.Effect == berth.PreferNoSchedule && !tolerates(g, t) {
			sum--
		}
	}
	return sum
}

func tolerates(g *berth.Group, t berth.Taint) bool {
	return slices.ContainsFunc(g.Requirements().Tolerations, func(r berth.Toleration) bool { return r.Tolerates(t) })
}

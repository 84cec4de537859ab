package fit

import (
	"iter"
	"slices"
	"time"

	"github.com/berth-sched/berth"
)

// Eligible reports whether the tasks of a group may ever go on n: n takes new tasks, every taint is
// tolerated, every rule about the node's attributes holds, and no resource is asked for that n has as devices, which are
// only granted one by one. It does not look at room. A group with faults may go nowhere.
func Eligible(g *berth.Group, n *berth.Node) bool {
	return g.Err() == nil && n != nil && takes(g, n) && allows(g, n)
}

// takes reports whether n takes new tasks of the group, as far as its taints and its state say.
func takes(g *berth.Group, n *berth.Node) bool {
	if n.Unschedulable {
		return false
	}
	for _, t := range n.Taints {
		if t.Effect != berth.PreferNoSchedule && !tolerates(g, t) {
			return false
		}
	}
	return true
}

// allows reports whether the group may use n, as far as its rules and requests say.
func allows(g *berth.Group, n *berth.Node) bool {
	for range byDevice(g, n) {
		return false
	}
	for _, r := range g.Requirements().NodeRules {
		if !r.Allows(n) {
			return false
		}
	}
	return true
}

// Population is whose domains a rule compares, as [berth.Counting] says it: of the zero value those of the nodes that are eligible for
// the group.
type Population struct{ CordonedToo, ExcludedToo bool }

// PopulationOf returns that of a rule.
func PopulationOf(c berth.Counting) Population { return Population{c.CordonedToo, c.ExcludedToo} }

// Has reports whether the domain of a node is one of those that a rule of the group compares.
func (p Population) Has(g *berth.Group, n *berth.Node, cordoned bool) bool {
	return (p.CordonedToo || !cordoned && takes(g, n)) && (p.ExcludedToo || allows(g, n))
}

// All reports whether p is of all nodes, for every group.
func (p Population) All() bool { return p.CordonedToo && p.ExcludedToo }

// Key tells populations apart.
func (p Population) Key() string {
	switch p {
	case Population{CordonedToo: true}:
		return "1"
	case Population{ExcludedToo: true}:
		return "2"
	case Population{true, true}:
		return "3"
	}
	return "0"
}

// byDevice yields the resources that a group asks for as such and a node has as devices, in name order.
func byDevice(g *berth.Group, n *berth.Node) iter.Seq[string] {
	return func(yield func(string) bool) {
		plain := g.Requirements().Plain
		if len(n.Devices) == 0 || len(plain) == 0 {
			return
		}
		found := make([]bool, len(plain))
		for i := range n.Devices {
			d := &n.Devices[i]
			if at, ok := slices.BinarySearch(plain, d.Class); ok {
				found[at] = true
			}
			for amount := range d.Capacity {
				if at, ok := slices.BinarySearch(plain, berth.DeviceResource(d.Class, amount)); ok {
					found[at] = true
				}
			}
		}
		for i, name := range plain {
			if found[i] && !yield(name) {
				return
			}
		}
	}
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
	for why := range Reasons(g, n) {
		out = append(out, why)
	}
	return out
}

// Reasons yields the reasons why the tasks of a group may not go on a node, and with each rule that is broken the rule.
// No two are alike.
func Reasons(g *berth.Group, n *berth.Node) iter.Seq2[berth.Reason, berth.NodeRule] {
	return func(yield func(berth.Reason, berth.NodeRule) bool) {
		if n.Unschedulable && !yield(berth.Reason{Code: berth.Unschedulable}, nil) {
			return
		}
		var said map[string]bool // taints print alike with a "=" in the key or before the value
		for _, t := range n.Taints {
			if t.Effect == berth.PreferNoSchedule || tolerates(g, t) || said[t.String()] {
				continue
			}
			if len(n.Taints) > 1 {
				if said == nil {
					said = map[string]bool{}
				}
				said[t.String()] = true
			}
			if !yield(berth.Reason{Code: berth.Tainted, Subject: t.String()}, nil) {
				return
			}
		}
		for name := range byDevice(g, n) {
			if !yield(berth.Reason{Code: berth.ByDevice, Subject: name}, nil) {
				return
			}
		}
		for _, r := range g.Requirements().NodeRules {
			if !r.Allows(n) && !yield(berth.Reason{Code: berth.RuleBroken, Subject: r.String()}, r) {
				return
			}
		}
	}
}

// Preferred returns the sum of the weights of a group's preferences that hold on n, less one for each taint
// of effect [berth.PreferNoSchedule] that is not tolerated. Those about domains, which are about what runs and
// not about the node, are left out.
func Preferred(g *berth.Group, n *berth.Node) int64 {
	if g.Err() != nil || n == nil {
		return 0
	}
	var sum int64
	for _, p := range g.Requirements().Prefer {
		if p.Node != nil && p.Own == nil && p.Tasks == nil && p.Node.Allows(n) {
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

// Leaves reports whether tasks of a group that are on n are to leave it because of a taint of effect [berth.NoExecute], and how
// long after the first such taint came. Of tolerations of one taint the most patient counts.
func Leaves(g *berth.Group, n *berth.Node) (after time.Duration, leaves bool) {
	if g.Err() != nil || n == nil {
		return 0, false
	}
	for _, t := range n.Taints {
		if t.Effect != berth.NoExecute {
			continue
		}
		if stay, limited := patience(g, t); limited && (!leaves || stay < after) {
			after, leaves = stay, true
		}
	}
	return after, leaves
}

// patience returns how long a group tolerates a taint, and false if it does for good.
func patience(g *berth.Group, t berth.Taint) (longest time.Duration, limited bool) {
	for _, r := range g.Requirements().Tolerations {
		if !r.Tolerates(t) {
			continue
		}
		stay, limited := r.Stay()
		if !limited {
			return 0, false
		}
		longest = max(longest, stay)
	}
	return longest, true
}

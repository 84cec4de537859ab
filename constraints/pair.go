package constraints

import "github.com/berth-sched/berth"

// Pair is a berth.TaskRule about whether a domain has any of some tasks. Pairs compare with ==.
type Pair struct {
	attribute string
	counting  berth.Counting
}

// Apart keeps the group's tasks out of domains that have tasks which the selector chooses, and those out of domains that have
// tasks of the group: whoever comes second goes elsewhere. It is the required pod anti-affinity of Kubernetes, symmetric
// too, and the exclusive constraint of Fenzo. A selector that chooses the group's own tasks keeps them apart from each other as
// well. Nodes without the attribute are in no domain, and let in.
func Apart(attribute string, tasks berth.Selector) Pair {
	return Pair{attribute, berth.Counting{Of: tasks, Relation: berth.Apart}}
}

// Near keeps the group's tasks in domains that have a task which the selector chooses: the required pod affinity of
// Kubernetes. Where no domain has any and the selector chooses the group's own tasks too, the first may go to any domain. Nodes
// without the attribute are refused. Of a group itself, Near(attribute, berth.Selector{}), it is the CLUSTER of Marathon.
func Near(attribute string, tasks berth.Selector) Pair {
	return Pair{attribute, berth.Counting{Of: tasks, Relation: berth.Near}}
}

// WithoutStopping returns the rule with tasks that are stopping counted no more, on either side. By default they count until
// they are gone.
func (p Pair) WithoutStopping() Pair {
	p.counting.WithoutStopping = true
	return p
}

// Domain returns the attribute.
func (p Pair) Domain() string { return p.attribute }

// Counts returns which tasks the rule is about.
func (p Pair) Counts() berth.Counting { return p.counting }

// String prints apart(zone, app = "db"), or near(rack, own, without stopping).
func (p Pair) String() string { return p.counting.Print(p.attribute) }

// Err returns every fault of the rule joined into one error, or nil. A Pair that neither Apart nor Near made is at fault.
func (p Pair) Err() error { return p.faults().err(p) }

func (p Pair) faults() (f faults) {
	if p.counting.Relation == berth.AtMost {
		f.add("neither apart nor near")
	}
	f.add(checkName("attribute name", p.attribute))
	f.addAll(p.counting.Err())
	return f
}

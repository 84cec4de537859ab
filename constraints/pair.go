package constraints

import "github.com/berth-sched/berth"

// Pair is a berth.DomainRule about whether a domain has any of some tasks. Pairs compare with ==.
type Pair struct {
	attribute string
	counting  berth.Counting
}

// Apart keeps the group's tasks out of domains that have tasks which the selector chooses, and those out of domains that have
// tasks of the group: whoever comes second goes elsewhere. It is the required pod anti-affinity of Kubernetes, symmetric
// too, and the exclusive constraint of Fenzo:
// Apart(berth.NodeID, berth.AnyTask()) has a node for each task of the group alone. A selector that chooses the group's own tasks keeps them apart from each other as
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

// Avoid keeps the group's tasks out of domains that have tasks which the selector chooses, and lets those come to the group's
// later, where [Apart] would keep them away too. Nodes without the attribute are in no domain, and let in. It is the avoid of the
// task-type rule of DC/OS Commons.
func Avoid(attribute string, tasks berth.Selector) Pair {
	return Pair{attribute, berth.Counting{Of: tasks, Relation: berth.Avoid}}
}

// Colocate keeps the group's tasks in domains that have a task which the selector chooses as long as any has, and lets them go to
// any domain where none has, while [Near] would have them wait. Nodes without the attribute are refused. It is the colocate of the
// task-type rule of DC/OS Commons. What comes there later does not move those that are placed.
func Colocate(attribute string, tasks berth.Selector) Pair {
	return Pair{attribute, berth.Counting{Of: tasks, Relation: berth.Colocate}}
}

// Domains returns the Colocate rule with n, which is 1 or more and 1 by default, as the number of domains that may have any of the tasks before
// only those take more: Colocate(attribute, berth.Selector{}).Domains(2) keeps the group's tasks in two domains, whichever these come to be.
// With MaxPer it is the GROUP_BY of Marathon since October 2020, which takes the declared number for the most. As a preference it holds where
// there is a task already, however many domains there are.
func (p Pair) Domains(n int) Pair {
	p.counting.Domains = n
	if n < 1 {
		p.counting.Domains = -1 // 0 is not to say it
	}
	return p
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

// Limit returns 0, and is not asked: a Pair is about whether there are such tasks, not how many.
func (p Pair) Limit(berth.Domains) int { return 0 }

// String prints apart(zone, app = "db"), near(rack, own, without stopping), or colocate(rack, own, domains 2).
func (p Pair) String() string { return p.counting.Print(p.attribute) }

// Err returns every fault of the rule joined into one error, or nil. The zero Pair is at fault.
func (p Pair) Err() error { return p.faults().err(p) }

func (p Pair) faults() (f faults) {
	if p.counting.Relation == berth.AtMost {
		f.add("none of apart, near, avoid and colocate")
	}
	f.add(checkName("attribute name", p.attribute))
	f.addAll(p.counting.Err())
	return f
}

package offers

import (
	"slices"

	"github.com/berth-sched/berth"
)

// What may be taken back is offered to who says that it takes it: a demand by what its group asks for, a framework that has declared nothing by
// its terms.

// hasRevocable reports whether a node has resources that may be taken back.
func hasRevocable(n *berth.Node) bool {
	for name := range n.Capacity {
		if berth.IsRevocable(name) {
			return true
		}
	}
	return false
}

// withoutRevocable returns what is free on a node without what may be taken back and the framework does not use.
func (s *Subscription) withoutRevocable(free berth.Resources) berth.Resources {
	rest := make(berth.Resources, len(free))
	for name, q := range free {
		if !berth.IsRevocable(name) || slices.Contains(s.revocable, name) {
			rest[name] = q
		}
	}
	return rest
}

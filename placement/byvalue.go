package placement

import (
	"math"

	"github.com/berth-sched/berth"
)

// A limit that goes by the value of the domain is asked once a search for each value that nodes have. Tasks that are placed do not
// change it, so to the search it is a limit like others, but for where it stands.

// limitByValue finds the limits of a rule in all domains: O(classes) where classes are told apart by the attribute, else O(nodes), and
// a question to the rule for each value.
func (s *search) limitByValue(r *countRule) {
	const unknown = math.MinInt
	var limits []int
	ask := func(slot int32, n *berth.Node) {
		for int(slot) >= len(limits) {
			limits = append(limits, unknown)
		}
		if limits[slot] != unknown {
			return
		}
		value, _ := n.Attribute(r.attribute)
		r.setLimit(max(-1, r.rule.Limit(berth.Domains{Value: value})))
		limits[slot] = r.limit
	}
	switch {
	case r.attribute == berth.NodeID:
		for row := range s.mirror.rows {
			if n := s.mirror.rows[row].node; n != nil {
				ask(int32(row), n.Spec)
			}
		}
	case s.classes.isLow(r.attribute):
		for _, k := range s.classes.all {
			if v, ok := k.attr(r.domain.key); ok {
				ask(r.domain.slot(v), k.node)
			}
		}
	default:
		for row, slot := range s.counts.slotsByRow(r.domain.values, r.domain.key) {
			if slot >= 0 {
				ask(slot, s.mirror.rows[row].node.Spec)
			}
		}
	}
	r.limits, r.limit = limits, 0
}

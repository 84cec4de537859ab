package constraints

import (
	"fmt"
	"math"

	"github.com/berth-sched/berth"
)

// Cap is a berth.DomainRule: a fixed number of a group's tasks per domain. Caps compare with ==.
type Cap struct {
	attribute string
	n         int
}

// Unique allows at most one task of the group on all the nodes with one value of the attribute. It is
// the same as MaxPer(attribute, 1).
func Unique(attribute string) Cap { return MaxPer(attribute, 1) }

// UniqueNode allows at most one task of the group on a node. It is the same as Unique(berth.NodeID).
func UniqueNode() Cap { return Unique(berth.NodeID) }

// MaxPer allows at most n tasks of the group, n being 1 or more, on all the nodes with one value of
// the attribute.
func MaxPer(attribute string, n int) Cap { return Cap{attribute, n} }

// Domain returns the attribute.
func (c Cap) Domain() string { return c.attribute }

// Limit returns the number of tasks the rule was made with; one below 1, which is a fault, lets no
// task in.
func (c Cap) Limit(berth.Domains) int { return c.n }

// Even returns false: other domains do not matter.
func (c Cap) Even() bool { return false }

// String prints unique(zone) or max-per(zone, 2).
func (c Cap) String() string {
	if c.n == 1 {
		return fmt.Sprintf("unique(%s)", printName(c.attribute))
	}
	return fmt.Sprintf("max-per(%s, %d)", printName(c.attribute), c.n)
}

// Err returns every fault of the rule joined into one error, or nil.
func (c Cap) Err() error { return c.faults().err(c) }

func (c Cap) faults() (f faults) {
	f.add(checkName("attribute name", c.attribute))
	f.add(atLeastOne("limit", c.n))
	return f
}

// Spread is a berth.DomainRule that keeps a group's tasks even over domains. Spreads compare with ==.
type Spread struct {
	attribute  string
	skew       int
	minDomains int
}

// GroupBy keeps the group's tasks even over the values of the attribute: a domain may not have more
// than the emptiest one, plus one. That is the topology spread of Kubernetes with maxSkew 1 and
// DoNotSchedule, and the GROUP_BY of Marathon before October 2020 with every domain already in view.
// Marathon, which saw single offers, took a domain without tasks for one that does not exist.
func GroupBy(attribute string) Spread { return Spread{attribute: attribute, skew: 1, minDomains: 1} }

// Skew returns the rule with n, which is 1 or more and 1 by default, as the greatest difference
// between a domain and the emptiest one (maxSkew in Kubernetes).
func (s Spread) Skew(n int) Spread {
	s.skew = n
	return s
}

// MinDomains returns the rule with n, which is 1 or more and 1 by default, as the number of domains
// that the tasks should come to be spread over. While fewer have an eligible node, the emptiest counts
// as having none, so each domain has at most as many tasks as the skew (minDomains in Kubernetes).
func (s Spread) MinDomains(n int) Spread {
	s.minDomains = n
	return s
}

// Domain returns the attribute.
func (s Spread) Domain() string { return s.attribute }

// Limit returns the tasks in the emptiest domain plus the skew, or 0 if either number of the rule is
// below 1, which is a fault.
func (s Spread) Limit(d berth.Domains) int {
	if s.skew < 1 || s.minDomains < 1 {
		return 0
	}
	least := d.Least
	if d.Number < s.minDomains {
		least = 0
	}
	if least > math.MaxInt-s.skew {
		return math.MaxInt
	}
	return least + s.skew
}

// Even returns true.
func (s Spread) Even() bool { return true }

// String prints group-by(zone), and a skew or a number of domains that is not 1 after the attribute:
// group-by(zone, skew 2, min-domains 3).
func (s Spread) String() string {
	args := printName(s.attribute)
	if s.skew != 1 {
		args += fmt.Sprintf(", skew %d", s.skew)
	}
	if s.minDomains != 1 {
		args += fmt.Sprintf(", min-domains %d", s.minDomains)
	}
	return "group-by(" + args + ")"
}

// Err returns every fault of the rule joined into one error, or nil.
func (s Spread) Err() error { return s.faults().err(s) }

func (s Spread) faults() (f faults) {
	f.add(checkName("attribute name", s.attribute))
	f.add(atLeastOne("skew", s.skew))
	f.add(atLeastOne("min-domains", s.minDomains))
	return f
}

package constraints

import (
	"fmt"
	"math"
	"strconv"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/lex"
)

// Cap is a berth.DomainRule: a fixed number of tasks per domain, of the group's unless Of says whose. Caps compare with ==.
type Cap struct {
	attribute string
	of        capOf
	n         int // tasks or, unless it is capOfTasks, percent
	wanted    int // of capOfWanted
	counting  berth.Counting
}

// capOf is what the number of a Cap is of.
type capOf uint8

const (
	capOfTasks  capOf = iota
	capOfWanted       // a percentage of the tasks that are wanted
	capOfShare        // a percentage of those there are
)

// Unique allows at most one task of the group on all the nodes with one value of the attribute. It is
// the same as MaxPer(attribute, 1).
func Unique(attribute string) Cap { return MaxPer(attribute, 1) }

// UniqueNode allows at most one task of the group on a node. It is the same as Unique(berth.NodeID).
func UniqueNode() Cap { return Unique(berth.NodeID) }

// MaxPer allows at most n tasks of the group, n being 1 or more, on all the nodes with one value of
// the attribute.
func MaxPer(attribute string, n int) Cap { return Cap{attribute: attribute, n: n} }

// MaxPercent allows at most a percentage, from 1 to 100, of the tasks that are wanted on all the nodes with one value of the
// attribute, rounded down, but always one. It lets in what MaxPer does with that number: a share of what is wanted and not of what there
// is, so that it does not matter who comes first. See [MaxShare] for where it is not known how many are wanted.
func MaxPercent(attribute string, percent, wanted int) Cap {
	return Cap{attribute: attribute, of: capOfWanted, n: percent, wanted: wanted}
}

// MaxShare allows on all the nodes with one value of the attribute at most a percentage, from 1 to 100, of the tasks that there are with
// the new one, rounded down, but always one. The tasks of domains that have an eligible node count, see [berth.Domains]. So the
// limit rises as tasks come, wherever they go; where it is known how many are wanted, [MaxPercent] does not depend on the order.
func MaxShare(attribute string, percent int) Cap {
	return Cap{attribute: attribute, of: capOfShare, n: percent}
}

// percentOf returns a percentage of a number, rounded down, without overflow.
func percentOf(percent, n int) int { return n/100*percent + n%100*percent/100 }

// Of returns the rule for the tasks that a selector chooses, of whatever groups they are: a domain may have so many of
// them together. Where the group's own tasks are not among them, the rule keeps the group's tasks out of domains that
// have more.
func (c Cap) Of(tasks berth.Selector) Cap {
	c.counting.Of = tasks
	return c
}

// WithoutStopping returns the rule with tasks that are stopping counted no more. By default they count until they are gone.
func (c Cap) WithoutStopping() Cap {
	c.counting.WithoutStopping = true
	return c
}

// Counts returns whose tasks the rule counts, and that it is Even if it is one of [MaxShare]: to the others other domains do not matter.
func (c Cap) Counts() berth.Counting {
	counting := c.counting
	counting.Even = c.of == capOfShare
	return counting
}

// Domain returns the attribute.
func (c Cap) Domain() string { return c.attribute }

// Limit returns the number of tasks that the rule was made with, or the percentage of those in all domains and one more; a rule
// with a fault lets no task in.
func (c Cap) Limit(d berth.Domains) int {
	of := c.wanted
	switch {
	case c.of == capOfTasks:
		return c.n
	case c.n < 1 || c.n > 100 || c.of == capOfWanted && c.wanted < 1:
		return 0
	case c.of == capOfShare:
		of = min(d.Total, math.MaxInt-1) + 1
	}
	return max(1, percentOf(c.n, of))
}

// String prints unique(zone), max-per(zone, 2), max-per(zone, 30% of 20) or max-per(zone, 30%), and what was said of the tasks after
// that: unique(zone, of app = "web", without stopping).
func (c Cap) String() string {
	limit := strconv.Itoa(c.n)
	switch {
	case c.of == capOfWanted:
		limit = fmt.Sprintf("%d%% of %d", c.n, c.wanted)
	case c.of == capOfShare:
		limit += "%"
	case c.n == 1:
		return fmt.Sprintf("unique(%s%s)", lex.PrintName(c.attribute), printCounting(c.counting))
	}
	return fmt.Sprintf("max-per(%s, %s%s)", lex.PrintName(c.attribute), limit, printCounting(c.counting))
}

// The words for which domains a rule compares besides those of eligible nodes.
const cordonedToo, excludedToo, allNodes = "cordoned-too", "excluded-too", "all-nodes"

// printCounting prints what differs from the counting of a rule that says nothing of it.
func printCounting(c berth.Counting) string {
	var s string
	if !c.Of.IsOwn() {
		s = ", of " + c.Of.String()
	}
	switch {
	case c.CordonedToo && c.ExcludedToo:
		s += ", over " + allNodes
	case c.CordonedToo:
		s += ", over " + cordonedToo
	case c.ExcludedToo:
		s += ", over " + excludedToo
	}
	if c.WithoutStopping {
		s += ", without stopping"
	}
	return s
}

// Err returns every fault of the rule joined into one error, or nil.
func (c Cap) Err() error { return c.faults().err(c) }

func (c Cap) faults() (f faults) {
	f.add(checkName("attribute name", c.attribute))
	switch {
	case c.of == capOfTasks:
		f.add(atLeastOne("limit", c.n))
	case c.n < 1 || c.n > 100:
		f.add(fmt.Sprintf("percentage %d is not from 1 to 100", c.n))
	}
	if c.of == capOfWanted {
		f.add(atLeastOne("number of tasks wanted", c.wanted))
	}
	f.addAll(c.counting.Err())
	return f
}

// Spread is a berth.DomainRule that keeps tasks even over domains, the group's unless Of says whose. Spreads compare with ==.
type Spread struct {
	attribute  string
	skew       int
	minDomains int
	counting   berth.Counting
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

// Of returns the rule for the tasks that a selector chooses, of whatever groups they are. Where the group's own tasks are not
// among them, a domain takes one of the group's as long as it has no more of the others than the rule lets it have.
func (s Spread) Of(tasks berth.Selector) Spread {
	s.counting.Of = tasks
	return s
}

// CordonedToo returns the rule with the domains of nodes compared as well that are cordoned, unschedulable or have taints that are
// not tolerated (nodeTaintsPolicy: Ignore, the default in Kubernetes).
func (s Spread) CordonedToo() Spread {
	s.counting.CordonedToo = true
	return s
}

// ExcludedToo returns the rule with the domains of nodes compared as well that the group's rules about nodes keep it off
// (nodeAffinityPolicy: Ignore in Kubernetes).
func (s Spread) ExcludedToo() Spread {
	s.counting.ExcludedToo = true
	return s
}

// WithoutStopping returns the rule with tasks that are stopping counted no more, as in Kubernetes. By default they count
// until they are gone.
func (s Spread) WithoutStopping() Spread {
	s.counting.WithoutStopping = true
	return s
}

// Counts returns whose tasks the rule counts, and that it is Even.
func (s Spread) Counts() berth.Counting {
	counting := s.counting
	counting.Even = true
	return counting
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

// String prints group-by(zone), and a skew or a number of domains that is not 1 after the attribute:
// group-by(zone, skew 2, min-domains 3). What was said of the tasks comes last: group-by(zone, of app = "web", over
// cordoned-too, without stopping).
func (s Spread) String() string {
	args := lex.PrintName(s.attribute)
	if s.skew != 1 {
		args += fmt.Sprintf(", skew %d", s.skew)
	}
	if s.minDomains != 1 {
		args += fmt.Sprintf(", min-domains %d", s.minDomains)
	}
	return "group-by(" + args + printCounting(s.counting) + ")"
}

// Err returns every fault of the rule joined into one error, or nil.
func (s Spread) Err() error { return s.faults().err(s) }

func (s Spread) faults() (f faults) {
	f.add(checkName("attribute name", s.attribute))
	f.add(atLeastOne("skew", s.skew))
	f.add(atLeastOne("min-domains", s.minDomains))
	f.addAll(s.counting.Err())
	return f
}

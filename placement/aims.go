package placement

import (
	"math/bits"

	"github.com/berth-sched/berth"
)

// What a Targets term says of a domain changes with the tasks in it, as that of Tasks does, but for the values that are not named: these
// are one domain, so a task in one of them changes what is said of all.

// aim is a Targets term, and where a search finds what it asks for.
type aim struct {
	term    *Term
	domain  *domainCounts
	percent []int64 // by slot; unnamed where the value is not named
	named   []int32 // the slots that are
}

// Percentages of values that are not named, and of those not looked at yet.
const (
	unnamed = -1 - iota
	unknown
)

// takeAims finds what the strategy's Targets terms ask for: O(classes), or O(nodes) where classes are not told apart by the attribute.
func (s *search) takeAims() {
	s.aims = s.aims[:0]
	for _, t := range s.policy.aimed {
		at := s.policy.place(t.attributes[0])
		a := aim{term: t, domain: s.own.domains[at]}
		if key := s.counts.keys[at]; s.classes.isLowKey(key) {
			for _, k := range s.classes.all {
				if v, ok := k.attr(key); ok {
					a.know(v, k.node)
				}
			}
		} else {
			for row := range s.mirror.rows {
				if n := s.mirror.rows[row].node; n != nil {
					if v, ok := n.Attr(key); ok {
						a.know(v, n.Spec)
					}
				}
			}
		}
		s.aims = append(s.aims, a)
	}
}

// know notes the percentage of a value that a node has.
func (a *aim) know(value uint32, n *berth.Node) {
	slot := a.domain.slot(value)
	for int(slot) >= len(a.percent) {
		a.percent = append(a.percent, unknown)
	}
	if a.percent[slot] != unknown {
		return
	}
	a.percent[slot] = unnamed
	v, _ := n.Attribute(a.term.attributes[0])
	if percent, named := a.term.targets.of(v); named {
		a.percent[slot] = percent
		a.named = append(a.named, slot)
	}
}

// rate is what the term says of a domain now, whatever its range. It changes nothing, so that many goroutines may ask.
func (a *aim) rate(slot int32) int64 {
	if percent := a.percent[slot]; percent != unnamed {
		return rateTarget(a.domain.in(slot), percent)
	}
	tasks := a.domain.all
	for _, named := range a.named {
		tasks -= a.domain.in(named)
	}
	return rateTarget(tasks, a.term.targets.others)
}

// shares reports whether a domain is one of those that count as one.
func (a *aim) shares(slot int32) bool { return slot >= 0 && a.percent[slot] == unnamed }

// aimOf returns what is known of a Targets term.
func (s *search) aimOf(t *Term) *aim {
	for i := range s.aims {
		if s.aims[i].term == t {
			return &s.aims[i]
		}
	}
	return nil
}

// changedShared notes what a task on a row of a contender has changed in domains that count as one: between any two of them games
// end as before, so those of the domains that are named are noted. It reports false if these are so many that all are better played anew.
func (s *search) changedShared(c *contender) bool {
	k := &s.games
	for i := range s.aims {
		a := &s.aims[i]
		at := s.policy.place(a.term.attributes[0])
		if !a.shares(s.slots[int(c.slots)+at]) {
			continue
		}
		spans, changed := s.counts.layout.spans[at], 0
		for _, named := range a.named {
			if int(named) >= len(spans) {
				continue
			}
			for _, sp := range spans[named] {
				if changed++; 2*bits.Len(uint(k.tree.leaves))*changed > k.tree.leaves {
					return false
				}
				k.change(sp)
			}
		}
	}
	return true
}

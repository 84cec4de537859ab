package placement

import (
	"cmp"
	"iter"
	"math"

	"github.com/berth-sched/berth"
)

// A contender's sum in a tier is in parts: what its rows have alike as long as the search lasts, which is fixed; what
// changes with the tasks in its domains, the moments, which its rows have alike as well; and in one tier the key of the row in
// the tree of its class. So tiers are compared as they are, and a class is searched only where the key can tell.

// softRule is a rule about domains that is preferred: by the group, or by a term.
type softRule struct {
	countRule
	ofNode berth.NodeRule // if it is one about a node's attributes too
	term   *Term          // nil for the group's
	weight int64          // of the group's preference
}

// tierNow is a tier in which contenders may differ.
type tierNow struct {
	tier    int
	moments []moment
}

// moment is a part of a tier's sum that changes with the tasks in a domain, or on a node.
type moment struct {
	term    *Term
	soft    int // the place of its rule among the search's soft rules, or -1 for a Tasks term
	domain  *domainCounts
	slot    int   // the place of the contender's slot among its slots, or onNode
	on, off int64 // of a rule: what it adds where it holds, and where not
}

// domainRules yields the rules about domains that a group has, and those that it prefers.
func domainRules(r *berth.Requirements) iter.Seq[berth.DomainRule] {
	return func(yield func(berth.DomainRule) bool) {
		for _, rule := range r.DomainRules {
			if !yield(rule) {
				return
			}
		}
		for _, p := range r.Prefer {
			if rule, ok := p.Rule.(berth.DomainRule); ok && !yield(rule) {
				return
			}
		}
	}
}

// addSoftRules takes the rules about domains that are preferred. Where no order of a class serves one, every row is rated.
func (s *search) addSoftRules(r *berth.Requirements) {
	for _, t := range s.policy.rules {
		if rule, ok := t.rule.(berth.DomainRule); ok {
			s.addSoftRule(softRule{countRule: countRule{rule: rule}, term: t})
		}
	}
	for _, p := range r.Prefer {
		if rule, ok := p.Rule.(berth.DomainRule); ok {
			s.addSoftRule(softRule{countRule: countRule{rule: rule}, weight: p.Weight})
		}
	}
}

func (s *search) addSoftRule(r softRule) {
	name := r.rule.Domain()
	r.ofNode, _ = r.rule.(berth.NodeRule)
	if !r.rule.Even() {
		r.limit = r.rule.Limit(berth.Domains{})
	}
	if name != berth.NodeID {
		r.domain = s.counts.domain(s.own, s.mirror.attrs.ID(name))
	}
	s.every = s.every || r.ofNode != nil || r.domain == nil || !s.classes.isLow(name)
	s.soft = append(s.soft, r)
}

// knowRows makes what is counted by domain known of every row.
func (s *search) knowRows() {
	for i, key := range s.counts.keys {
		s.counts.slotsByRow(s.own.domains[i].values, key)
	}
	for i := range s.soft {
		if r := &s.soft[i]; r.domain != nil {
			r.slots = s.counts.slotsByRow(r.domain.values, r.domain.key)
		}
	}
}

// bind finds the resources of additive terms among the dimensions.
func (s *search) bind() {
	if s.asked == nil || !sameNames(s.named, s.mirror.names) {
		s.named, s.asked = s.mirror.names, s.policy.bind(s.mirror.names)
	}
}

// addFixed appends the sum of each tier that all nodes of a class have alike as long as the search lasts.
func (s *search) addFixed(sums []int64, k *nodeClass, preferred int64) []int64 {
	if k.rated == nil {
		k.rated = s.policy.rateClass(k)
	}
	additive := 0
	for i := range s.policy.tiers {
		sum := k.rated[i]
		terms := s.policy.tiers[i].terms
		for j := range terms {
			switch t := &terms[j]; {
			case t.isAdditive():
				sum += t.weight * s.asked[additive].request(s.request, k.capacity)
				additive++
			case t.kind == preferencesTerm:
				sum += t.weight * preferred
			}
		}
		sums = append(sums, sum)
	}
	return sums
}

// rateClass returns, for each tier, the terms that are alike for all nodes of a class, whatever is asked for.
func (p *policy) rateClass(k *nodeClass) []int64 {
	sums := make([]int64, len(p.tiers))
	for i := range p.tiers {
		for j := range p.tiers[i].terms {
			t := &p.tiers[i].terms[j]
			switch t.kind {
			case classTerm:
				v := int64(0)
				if t.ofClass != nil {
					v = t.ofClass(k.node)
				}
				sums[i] += t.weight * t.clamp(v)
			case ruleTerm:
				rule, ofNode := t.rule.(berth.NodeRule)
				if _, both := t.rule.(berth.DomainRule); both {
					continue
				}
				v := int64(0)
				if ofNode && rule.Allows(k.node) {
					v = 1
				}
				sums[i] += t.weight * t.clamp(v)
			}
		}
	}
	return sums
}

// setTiers finds the tiers in which the contenders can differ, once they are there.
func (s *search) setTiers() {
	s.compared = s.compared[:0]
	for i := range s.policy.tiers {
		n := len(s.compared)
		if n < cap(s.compared) {
			s.compared = s.compared[:n+1]
		} else {
			s.compared = append(s.compared, tierNow{})
		}
		now := &s.compared[n]
		now.tier, now.moments = i, s.addMoments(now.moments[:0], i)
		switch {
		case i == s.policy.keyed:
			s.keyed = n
		case len(now.moments) == 0 && s.isAlike(i):
			s.compared = s.compared[:n]
		}
	}
}

// isAlike reports whether all contenders have the same fixed sum in a tier.
func (s *search) isAlike(tier int) bool {
	for i := range s.contenders {
		if s.fixed[int(s.contenders[i].sums)+tier] != s.fixed[int(s.contenders[0].sums)+tier] {
			return false
		}
	}
	return true
}

// addMoments appends the moments of a tier.
func (s *search) addMoments(moments []moment, tier int) []moment {
	rules := len(s.counts.keys) + len(s.ofClass) // the slots before those of soft rules
	terms := s.policy.tiers[tier].terms
	for j := range terms {
		t := &terms[j]
		switch t.kind {
		case tasksTerm:
			m := moment{term: t, soft: -1, slot: s.policy.place(t.attributes[0])}
			if m.slot != onNode {
				m.domain = s.own.domains[m.slot]
			}
			moments = append(moments, m)
		case ruleTerm, preferencesTerm:
			for i := range s.soft {
				r := &s.soft[i]
				m := moment{term: t, soft: i, slot: rules + i, domain: r.domain}
				switch {
				case t.kind == ruleTerm && r.term == t:
					m.on, m.off = t.weight*t.clamp(1), t.weight*t.clamp(0)
				case t.kind == preferencesTerm && r.term == nil:
					m.on = t.weight * r.weight
				default:
					continue
				}
				moments = append(moments, m)
			}
		}
	}
	return moments
}

// sumOf returns a contender's sum in a tier as it is now, without the key of a row.
func (s *search) sumOf(c *contender, t *tierNow) int64 {
	sum := s.fixed[int(c.sums)+t.tier]
	for i := range t.moments {
		sum += s.momentOf(c, &t.moments[i])
	}
	return sum
}

func (s *search) momentOf(c *contender, m *moment) int64 {
	if m.slot == onNode {
		return m.term.weight * m.term.ofTasks(c.tasksOnRow())
	}
	slot := s.slots[int(c.slots)+m.slot]
	switch {
	case m.soft < 0 && slot < 0:
		return m.term.weight * m.term.ofTasks(-1)
	case m.soft < 0:
		return m.term.weight * m.term.ofTasks(m.domain.tasks[slot])
	case slot >= 0 && m.domain.tasks[slot] < s.soft[m.soft].limit:
		return m.on
	}
	return m.off
}

// keyFor returns the key that makes a total of a sum, or more than any key if there is none.
func keyFor(total, sum int64) int64 {
	if sum < 0 && total > math.MaxInt64+sum {
		return math.MaxInt64
	}
	return total - sum
}

// outranks compares, of the rows that contenders are known to have, or may have yet, the tiers before keys can tell: 1 if
// that of a is better, -1 if that of b is.
func (s *search) outranks(a, b *contender) int { return s.compareTiers(a, b, s.compared[:s.keyed]) }

func (s *search) compareTiers(a, b *contender, tiers []tierNow) int {
	for i := range tiers {
		if c := cmp.Compare(s.sumOf(a, &tiers[i]), s.sumOf(b, &tiers[i])); c != 0 {
			return c
		}
	}
	return 0
}

// compare compares the rows of contenders, or the best that they may have yet, by all tiers and then by rank.
func (s *search) compare(a, b *contender) int {
	if c := s.outranks(a, b); c != 0 {
		return c
	}
	keyed := &s.compared[s.keyed]
	if c := cmp.Compare(a.key+s.sumOf(a, keyed), b.key+s.sumOf(b, keyed)); c != 0 {
		return c
	}
	if c := s.compareTiers(a, b, s.compared[s.keyed+1:]); c != 0 {
		return c
	}
	return cmp.Compare(s.rankOf(b), s.rankOf(a))
}

// isBetter reports whether a, which has a row, is a better choice than b, which has one.
func (s *search) isBetter(a, b *contender) bool { return s.compare(a, b) > 0 }

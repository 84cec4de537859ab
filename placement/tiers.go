package placement

import (
	"cmp"
	"math"
	"slices"

	"github.com/berth-sched/berth"
)

// A contender's sum in a tier is in parts: what its rows have alike as long as the search lasts, which is fixed; what
// changes with the tasks in its domains, the moments, which its rows have alike as well; and in one tier the key of the row in
// the tree of its class. So tiers are compared as they are, and a class is searched only where the key can tell.

// tierNow is a tier in which contenders may differ.
type tierNow struct {
	tier    int
	moments []moment
	fixed   bool  // whether there is neither a moment nor node
	node    *Term // that counts the tasks on the node, where those that have any come last; nil if there is none
}

// moment is a part of a tier's sum that changes with the tasks in a domain: of a Tasks term so much for each, or of a rule
// one thing where it holds and another where not.
type moment struct {
	domain  *domainCounts
	slot    int   // the place of the contender's slot among its slots
	none    int64 // where the attribute is missing
	weight  int64 // of a Tasks term
	lo, hi  int64
	soft    int // the place of the rule among the search's soft rules, or counted or aimed where it is none
	aim     *aim
	on, off int64
}

// What a moment is of that is of no rule.
const (
	counted = -1 - iota // a Tasks term
	aimed               // a Targets term
)

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
	from := len(sums)
	sums = append(sums, k.rated...)
	for i := range s.asked {
		b := &s.asked[i]
		sums[from+b.tier] += b.weight * b.request(s.request, k.capacity)
	}
	if preferred != 0 {
		for i, weight := range s.policy.preferring {
			sums[from+i] += weight * preferred
		}
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
				if t.countsTasks() {
					continue
				}
				rule, ofNode := t.rule.(berth.NodeRule)
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
	s.compared, s.level = s.compared[:0], true
	for i := range s.policy.tiers {
		n := len(s.compared)
		if n < cap(s.compared) {
			s.compared = s.compared[:n+1]
		} else {
			s.compared = append(s.compared, tierNow{})
		}
		now := &s.compared[n]
		now.tier, now.moments, now.node = i, now.moments[:0], nil
		if s.policy.counting[i] || len(s.soft) > 0 {
			now.moments = s.addMoments(now.moments, i)
		}
		if i == s.policy.nodeTier && s.last {
			now.node = s.policy.nodeTerm
		}
		now.fixed = len(now.moments) == 0 && now.node == nil
		// Where classes are split, contenders may come that have other fixed sums.
		level := len(now.moments) == 0 && i != s.policy.keyed && !s.split.on && s.isAlike(i)
		switch {
		case i == s.policy.keyed:
			s.keyed = n
		case now.fixed && level && !(s.mixed && s.countsOnNode(i)):
			s.compared = s.compared[:n]
		case n > 0 && i < s.policy.keyed:
			s.level = s.level && level
		}
	}
	s.level = s.level && !s.split.on
	if s.brief = s.level && s.keyed == len(s.compared)-1 && s.compared[s.keyed].fixed; s.brief {
		s.setKeyed()
	}
	s.notes = s.keyed > 0 && len(s.soft) == 0
}

// setKeyed notes what contenders have beside their keys, where games are to be brief.
func (s *search) setKeyed() {
	if len(s.contenders) < manyContenders {
		return // there are no games
	}
	for i := range s.contenders {
		c := &s.contenders[i]
		c.keyed = s.fixed[int(c.sums)+s.policy.keyed]
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
			at := s.policy.place(t.attributes[0])
			switch {
			case t.targets != nil:
				m := moment{slot: at, none: t.weight * t.clamp(farFromTarget), soft: aimed, aim: s.aimOf(t)}
				m.weight, m.lo, m.hi = t.weight, t.lo, t.hi
				moments = append(moments, m)
			case at != onNode:
				m := moment{domain: s.own.domains[at], slot: at, none: t.weight * t.ofTasks(-1), soft: counted}
				m.weight, m.lo, m.hi = t.weight, t.ofTasks(0), t.ofTasks(MostTasks)
				moments = append(moments, m)
			}
		case ruleTerm, preferencesTerm:
			for i := range s.soft {
				r := &s.soft[i]
				if r.domain == nil || slices.Contains(s.split.rules, i) {
					continue
				}
				m := moment{domain: r.domain, slot: rules + i, soft: i}
				switch {
				case t.kind == ruleTerm && r.term == t:
					m.on, m.off = t.weight*t.clamp(1), t.weight*t.clamp(0)
				case t.kind == preferencesTerm && r.term == nil:
					m.on = t.weight * r.weight
				default:
					continue
				}
				if m.none = m.off; r.lenient {
					m.none = m.on
				}
				moments = append(moments, m)
			}
		}
	}
	return moments
}

// sumOf returns a contender's sum in a tier as it is now, without the key of a row.
func (s *search) sumOf(c *contender, t *tierNow) int64 {
	if t.fixed {
		return s.fixed[int(c.sums)+t.tier]
	}
	return s.changingSum(c, t)
}

// know notes a contender's sum in the first tier, if it comes before keys: compare reads it again and again. Where there are no soft
// rules it stays noted until a task goes to a domain of theirs.
func (s *search) know(c *contender) {
	if s.keyed > 0 && !c.noted {
		s.note(c)
	}
}

// note is what know does of a contender of which nothing is noted, by itself so that know is in line.
func (s *search) note(c *contender) {
	c.firstSum = s.sumOf(c, &s.compared[0])
	c.noted = s.notes && !c.occupied
}

// recount forgets what is noted of contenders whose sums in the first tier have changed with a task of the group that went to a row of
// one.
func (s *search) recount(at *contender) {
	if !s.notes {
		return
	}
	moments := s.compared[0].moments
	for i := range moments {
		place := moments[i].slot
		slot := s.slots[int(at.slots)+place]
		switch m := &moments[i]; {
		case m.soft == aimed && m.aim.shares(slot):
			for j := range s.contenders {
				s.contenders[j].noted = false
			}
			return
		case s.games.on && slot >= 0:
			s.recountSpans(s.counts.layout.spans[place][slot])
		default:
			for j := range s.contenders {
				if c := &s.contenders[j]; s.slots[int(c.slots)+place] == slot {
					c.noted = false
				}
			}
		}
	}
}

// recountSpans forgets what is noted of the contenders of some spans. Those that are out of the games are in none again before all is played anew, when nothing
// is noted of them.
func (s *search) recountSpans(spans []span) {
	k := &s.games
	for _, sp := range spans {
		for leaf := k.before[sp.from]; leaf < k.before[sp.to]; leaf++ {
			if i := k.tree.winner[k.tree.leaves+int(leaf)]; i != nobody {
				s.contenders[i].noted = false
			}
		}
	}
}

// changingSum is sumOf for a tier in which sums change.
func (s *search) changingSum(c *contender, t *tierNow) int64 {
	sum := s.fixed[int(c.sums)+t.tier]
	for i := range t.moments {
		m := &t.moments[i]
		switch slot := s.slots[int(c.slots)+m.slot]; {
		case slot < 0:
			sum += m.none
		case m.soft == aimed:
			sum += m.weight * min(max(m.aim.rate(slot), m.lo), m.hi)
		case m.soft == counted:
			sum += m.weight * min(max(int64(m.domain.tasks[slot]), m.lo), m.hi)
		case !s.soft[m.soft].closedAt(slot):
			sum += m.on
		default:
			sum += m.off
		}
	}
	if t.node != nil && c.occupied {
		sum += t.node.weight * t.node.ofTasks(c.tasksOnRow())
	}
	return sum
}

// keyFor returns the key that makes a total of a sum, or more than any key if there is none.
func keyFor(total, sum int64) int64 {
	if sum < 0 && total > math.MaxInt64+sum {
		return math.MaxInt64
	}
	return total - sum
}

// outranks compares, of the rows that contenders are known to have, or may have yet, the tiers before keys can tell: 1 if
// that of a is better, -1 if that of b is. What know notes of both is as it is now.
func (s *search) outranks(a, b *contender) int {
	switch {
	case s.keyed == 0:
		return 0
	case a.firstSum != b.firstSum:
		return cmp.Compare(a.firstSum, b.firstSum)
	case s.level && !a.occupied && !b.occupied:
		return 0
	}
	return s.compareTiers(a, b, s.compared[1:s.keyed])
}

func (s *search) compareTiers(a, b *contender, tiers []tierNow) int {
	for i := range tiers {
		t := &tiers[i]
		x, y := s.sumOf(a, t), s.sumOf(b, t)
		if x != y {
			return cmp.Compare(x, y)
		}
	}
	return 0
}

// compare compares the rows of contenders, or the best that they may have yet, by all tiers and then by rank. What know notes
// of both is as it is now.
func (s *search) compare(a, b *contender) int {
	if c := s.outranks(a, b); c != 0 {
		return c
	}
	keyed := &s.compared[s.keyed]
	if x, y := a.key+s.sumOf(a, keyed), b.key+s.sumOf(b, keyed); x != y {
		return cmp.Compare(x, y)
	}
	if after := s.compared[s.keyed+1:]; len(after) > 0 {
		if c := s.compareTiers(a, b, after); c != 0 {
			return c
		}
	}
	return cmp.Compare(s.rankOf(b), s.rankOf(a))
}

// isBetter reports whether a, which has a row, is a better choice than b, which has one. What know notes of both is as it is now.
func (s *search) isBetter(a, b *contender) bool {
	if s.keyed > 0 && a.firstSum != b.firstSum { // as outranks has it, but in line
		return a.firstSum > b.firstSum
	}
	if s.plain && s.onlyKeyed {
		keyed := s.policy.keyed
		if x, y := a.key+s.fixed[int(a.sums)+keyed], b.key+s.fixed[int(b.sums)+keyed]; x != y {
			return x > y
		}
	}
	return s.compare(a, b) > 0
}

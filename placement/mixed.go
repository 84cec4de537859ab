package placement

import "github.com/berth-sched/berth"

// Where what counts is how many tasks of the group a node has, and those that have any do not simply come after the others, the
// occupied nodes are rated one by one, which are no more than the group has tasks; searches pass them by, so that all
// the nodes of a class that they look at are alike in it.

// bestMixed picks the best row of those that searches find, and of the occupied ones.
func (s *search) bestMixed() (row uint32, from *contender, found bool) {
	from = s.bestContender()
	if found = from != nil; found {
		row = from.row
		s.candidate(&s.rivals[0], from, 0, from.key)
	}
	for i := range s.own.hosts {
		h := &s.own.hosts[i]
		if h.tasks == 0 {
			continue
		}
		c := s.contenderLike(h.row)
		if c == nil || len(s.ofClass) > 0 && s.full(c) || !s.fits(h.row) || s.picky && !s.usable(h.row) || s.even && s.isOverLimit(h.row) {
			continue
		}
		s.candidate(&s.rivals[1], c, h.tasks, s.classes.rate(h.row))
		order := 1
		if found {
			order = compareSums(s.rivals[1], s.rivals[0])
		}
		if order > 0 || order == 0 && s.mirror.rows[h.row].rank < s.mirror.rows[row].rank {
			row, from, found = h.row, nil, true
			s.rivals[0], s.rivals[1] = s.rivals[1], s.rivals[0]
		}
	}
	return row, from, found
}

// candidate writes the sums of a row of a contender that has so many tasks of the group.
func (s *search) candidate(sums *[]int64, c *contender, tasks int, key int64) {
	*sums = (*sums)[:0]
	for i := range s.compared {
		t := &s.compared[i]
		sum := s.sumOf(c, t) + s.onNode(t.tier, tasks)
		if i == s.keyed {
			sum += key
		}
		*sums = append(*sums, sum)
	}
}

// onNode returns what a tier gains on a node with so many tasks of the group.
func (s *search) onNode(tier, tasks int) (sum int64) {
	terms := s.policy.tiers[tier].terms
	for j := range terms {
		t := &terms[j]
		switch t.kind {
		case tasksTerm:
			if t.attributes[0] == berth.NodeID {
				sum += t.weight * t.ofTasks(tasks)
			}
		case ruleTerm, preferencesTerm:
			for i := range s.soft {
				switch r := &s.soft[i]; {
				case r.domain != nil:
				case t.kind == ruleTerm && r.term == t && tasks < r.limit:
					sum += t.weight * t.clamp(1)
				case t.kind == ruleTerm && r.term == t:
					sum += t.weight * t.clamp(0)
				case t.kind == preferencesTerm && r.term == nil && tasks < r.limit:
					sum += t.weight * r.weight
				}
			}
		}
	}
	return sum
}

// countsOnNode reports whether a tier counts tasks by node.
func (s *search) countsOnNode(tier int) bool {
	for j := range s.policy.tiers[tier].terms {
		switch t := &s.policy.tiers[tier].terms[j]; {
		case t.kind == tasksTerm && t.attributes[0] == berth.NodeID:
			return true
		case t.kind == ruleTerm || t.kind == preferencesTerm:
			for i := range s.soft {
				if r := &s.soft[i]; r.domain == nil && (r.term == t || t.kind == preferencesTerm && r.term == nil) {
					return true
				}
			}
		}
	}
	return false
}

// placedOnMixed notes that an occupied row has one more task.
func (s *search) placedOnMixed(row uint32) {
	if s.split.on {
		s.placedSplit(row)
		return
	}
	if i, ok := s.contenderOf(s.mirror.rows[row].class); ok {
		s.recount(&s.contenders[i])
		s.played(&s.contenders[i])
	}
}

package placement

import (
	"slices"

	"github.com/berth-sched/berth"
)

// What rules about the tasks in domains say of the nodes that cannot take a task follows from the counts that the search has: of all nodes of a
// class at once, or row by row.

// toldRule is a rule about the tasks in domains, and what is told of a node that it keeps the task off.
type toldRule struct {
	rule   *countRule // nil for one about how many of the group's tasks a node has,
	limit  int        // which are to be fewer than so many
	full   berth.Reason
	absent berth.Reason // of a node that has no value of the attribute
}

// ofRow reports whether it is asked row by row.
func (t *toldRule) ofRow() bool { return t.rule == nil || t.rule.domain == nil || t.rule.slots != nil }

// takeRules lists the rules of the search.
func (q *asking) takeRules() {
	s, v := q.e.search, q.survey
	own := s.group.Requirements().DomainRules
	v.told = append(v.told[:0], make([]toldRule, len(own))...)
	for i, rule := range own {
		if rule.Domain() == berth.NodeID && !rule.Counts().Even {
			v.told[i].limit = rule.Limit(berth.Domains{})
			v.told[i].full = berth.Reason{Code: berth.DomainFull, Subject: rule.String()}
		}
	}
	for _, rules := range [][]countRule{s.ofClass, s.ofRow} {
		for i := range rules {
			r := &rules[i]
			if more := r.place + 1 - len(v.told); more > 0 {
				v.told = append(v.told, make([]toldRule, more)...)
			}
			v.told[r.place] = toldRule{
				rule:   r,
				full:   berth.Reason{Code: r.code(), Subject: r.text()},
				absent: berth.Reason{Code: berth.NoDomain, Subject: r.text()},
			}
		}
	}
}

// brokenBy returns why a rule keeps the task off a row, no reason if it does not.
func (q *asking) brokenBy(t *toldRule, row uint32) berth.Reason {
	s, r := q.e.search, t.rule
	slot, tasks := int32(noSlot), 0
	switch {
	case r == nil:
		if s.counts.on(row) >= t.limit {
			return t.full
		}
		return berth.Reason{}
	case r.domain == nil:
		tasks = s.counts.on(row)
	default:
		if slot = q.slotOf(r, row); slot < 0 {
			if r.lenient {
				return berth.Reason{}
			}
			return t.absent
		}
		tasks = r.domain.in(slot)
	}
	if r.closed(slot, tasks) {
		return t.full
	}
	return berth.Reason{}
}

// slotOf returns the slot of a row's domain under a rule, or -1.
func (q *asking) slotOf(r *countRule, row uint32) int32 {
	if r.slots != nil {
		return r.slots[row]
	}
	s := q.e.search
	if v, ok := s.classes.all[s.mirror.rows[row].class].attr(r.domain.key); ok {
		return r.domain.slot(v)
	}
	return noSlot
}

// isBroken reports whether a rule that is asked row by row keeps the task off a row.
func (q *asking) isBroken(row uint32) bool {
	told := q.survey.told
	for i := range told {
		if told[i].ofRow() && q.brokenBy(&told[i], row).Code != berth.None {
			return true
		}
	}
	return false
}

// brokenAt appends what rules keep the task off a row.
func (q *asking) brokenAt(row uint32, lacks []berth.Lack) []berth.Lack {
	told := q.survey.told
	for i := range told {
		if why := q.brokenBy(&told[i], row); why.Code != berth.None {
			lacks = append(lacks, berth.Lack{Reason: why})
		}
	}
	return lacks
}

// lacksOf returns what a row's class is refused for, as a list that its nodes share.
func (q *asking) lacksOf(row uint32) []berth.Lack {
	class := q.e.search.mirror.rows[row].class
	lacks, c := q.rulesOf(class), &q.survey.rules[class]
	if len(q.survey.told) == 0 {
		return lacks
	}
	if !c.joined {
		c.joined, c.all = true, slices.Clip(lacks)
		for i := range q.survey.told {
			if t := &q.survey.told[i]; !t.ofRow() {
				if why := q.brokenBy(t, row); why.Code != berth.None {
					c.all = append(c.all, berth.Lack{Reason: why})
				}
			}
		}
	}
	return c.all
}

package placement

import (
	"iter"
	"math"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// Preferred rules about the tasks in domains are like hard ones that only count: where one lets a task more in it holds, which is
// worth its weight. Those about the group's own tasks ask the group's counts, those about the tasks that a selector chooses
// the counters of the plan.

// softRule is a rule about the tasks in domains that is preferred: by the group, or by a term.
type softRule struct {
	countRule
	ofNode berth.NodeRule // if it is one about a node's attributes too
	term   *Term          // nil for the group's
	weight int64          // of the group's preference
	others bool           // whether it asks a counter

	countsOwn bool // whether the group's own tasks are among those that it counts
}

// holds reports whether the rule holds in a domain by its slot, -1 where the node is in none.
func (r *softRule) holds(slot int32) bool {
	if slot < 0 {
		return r.lenient
	}
	return !r.closed(slot, r.domain.in(slot))
}

// ownRules yields the rules about domains that a group has and prefers, of those that count its own tasks.
func ownRules(r *berth.Requirements) iter.Seq[berth.DomainRule] {
	return func(yield func(berth.DomainRule) bool) {
		for _, rule := range r.DomainRules {
			if !yield(rule) {
				return
			}
		}
		for i := range r.Prefer {
			if rule := r.Prefer[i].Own; rule != nil && !yield(rule) {
				return
			}
		}
	}
}

// countedFor returns what the rule of a Prefer term says of whom it counts for a group, nil if it counts the group's own tasks
// as others do.
func (t *Term) countedFor(g *berth.Group) *berth.CountedRule {
	if t.counted == nil {
		return nil
	}
	r := *t.counted
	if r.Of.IsOwn() {
		r.Of = berth.InGroup(g.Name())
	}
	r.Self = r.Of.Matches(g)
	return &r
}

// preferredCounters yields the keys of the counters that a group's preferences ask.
func (t *taskCounts) preferredCounters(g *berth.Group) iter.Seq[store.CounterKey] {
	return func(yield func(store.CounterKey) bool) {
		prefer := g.Requirements().Prefer
		for i := range prefer {
			if r := prefer[i].Tasks; r != nil && !yield(t.keyOf(r)) {
				return
			}
		}
	}
}

// listSoft lists the rules about the tasks in domains that the strategy and the group prefer, and has the counters made that they
// ask.
func (s *search) listSoft(g *berth.Group) {
	s.soft = s.soft[:0]
	add := func(own berth.DomainRule, counted *berth.CountedRule, r softRule) {
		if counted != nil {
			r.others, r.countsOwn = true, counted.Self
			s.tasks.limitOf(counted, &r.countRule, false)
		} else {
			r.rule, r.attribute, r.countsOwn = own, own.Domain(), true
		}
		s.soft = append(s.soft, r)
	}
	for _, t := range s.policy.rules {
		r := softRule{term: t}
		r.ofNode, _ = t.rule.(berth.NodeRule)
		if own, counted := t.own, t.countedFor(g); own != nil || counted != nil {
			add(own, counted, r)
		}
	}
	prefer := g.Requirements().Prefer
	for i := range prefer {
		if p := &prefer[i]; p.Own != nil || p.Tasks != nil {
			add(p.Own, p.Tasks, softRule{weight: p.Weight, ofNode: p.Node})
		}
	}
}

// addSoft finds where the tasks are counted that soft rules are about. Rules about what rows of a class differ in split it, and where
// that does not serve, every row is rated.
func (s *search) addSoft() {
	for i := range s.soft {
		r := &s.soft[i]
		onNode := r.attribute == berth.NodeID
		if !r.others {
			if !r.rule.Counts().Even {
				r.limit = r.rule.Limit(berth.Domains{})
			}
			if !onNode {
				r.domain = s.counts.domain(s.own, s.mirror.attrs.ID(r.attribute))
			}
			s.mixed = s.mixed || onNode
		}
		s.every = s.every || r.ofNode != nil
		if r.byValue {
			s.limitByValue(&r.countRule)
		}
		if r.domain != nil && (onNode || !s.classes.isLow(r.attribute)) {
			s.split.rules = append(s.split.rules, i)
		}
	}
}

// decideSplit decides how rules are served that are asked row by row, once it is known what else there is.
func (s *search) decideSplit() {
	if len(s.split.rules) > 0 {
		s.split.on = !s.every && s.canSplit()
		s.every = !s.split.on
	}
}

// knowRows makes what is counted by domain known of every row.
func (s *search) knowRows() {
	for i, key := range s.counts.keys {
		s.counts.slotsByRow(s.own.domains[i].values, key)
	}
	for i := range s.soft {
		switch r := &s.soft[i]; {
		case r.domain == nil:
		case r.attribute == berth.NodeID:
			r.slots = s.tasks.rows.rows
		default:
			r.slots = s.counts.slotsByRow(r.domain.values, r.domain.key)
		}
	}
}

// holdsAt reports whether a soft rule holds at a row, what it says of the node aside. It changes nothing, so that many
// goroutines may ask.
func (s *search) holdsAt(r *softRule, row uint32) bool {
	if r.domain == nil {
		return !r.closed(noSlot, s.counts.on(row))
	}
	return r.holds(r.slots[row])
}

// limitOf makes a rule about the tasks of others a limit over its counter. It reports whether it is another once the first of the
// group's tasks is placed: where none is there to be near, that may go anywhere if the rule is a must.
func (t *taskCounts) limitOf(r *berth.CountedRule, limit *countRule, must bool) (first bool) {
	c := t.get(t.keyOf(r))
	limit.rule, limit.attribute, limit.domain, limit.over = r.Limit, r.Attribute, &c.domainCounts, fit.PopulationOf(r.Counting)
	limit.counter = c
	switch {
	case must && (r.Relation == berth.Near && r.Self && c.total == 0 || r.Relation == berth.Colocate && c.inFewer(r.Domains)):
		limit.limit = math.MaxInt // it needs the attribute
		if first = r.Self && r.Domains <= 1; r.Self && !first {
			limit.fills = r.Domains
		}
	case r.Relation.Opens():
		limit.near = true
	case r.Relation.Lenient():
		limit.limit, limit.lenient = 1, true
	default:
		if limit.notOwn = !r.Self; r.ByValue {
			limit.byValue = true
		} else if !r.Even {
			limit.setLimit(r.Limit.Limit(berth.Domains{}))
		}
	}
	return first
}

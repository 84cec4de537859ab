package placement

import (
	"math"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// Most groups ask for amounts, and most strategies look at nothing but the node. Then nothing that tasks do to domains matters, and a
// search needs no more than the order of each class. What begins such a search is kept apart from what begins any other because of
// where the time goes: where each task has a group of its own, all that is executed for one has to stay in the processor's first cache
// of instructions, of 32 KB, or every task waits for all of it again.

// servesPlain reports whether no term of the policy counts tasks or looks at attributes, and one order serves every request.
func (p *policy) servesPlain() bool {
	return p.ordered && !p.models && !p.byNode && len(p.attributes)+len(p.reads)+len(p.rules) == 0
}

// isPlain reports whether the search for a group is plain: it asks for amounts only, under a strategy that serves those as they are,
// while there are no tasks that refuse others. Where there are counters of whatever kind, it is not.
func (s *search) isPlain(r *berth.Requirements) bool {
	return r.AmountsOnly && s.policy.simple && len(s.tasks.all) == 0 && !s.mirror.view.HasCounters()
}

// beginPlain is begin for a search that is plain.
func (s *search) beginPlain(g *berth.Group, r *berth.Requirements) {
	s.classes.assign()
	if !s.plain {
		s.makePlain()
	}
	s.target = target{group: g, left: s.limits.allowance(g), hostLimit: math.MaxInt, alike: true}
	s.again = nil
	if len(s.counts.groups) > 0 {
		s.counted = s.counts.groups[g.Name()]
	}
	s.contenders, s.fixed = s.contenders[:0], s.fixed[:0]
	s.games.on, s.overLimit = false, false
	if s.ofAmounts(r, s.mirror); !s.possible {
		return
	}
	s.bind()
	s.verdict = s.classes.verdictOf(r.Eligibility)
	if level := s.enterPlain(); !level || !s.onlyKeyed {
		s.setTiers()
		s.onlyKeyed = level
	} else {
		s.setKeyed() // the tiers are as they were, and keys alone decide
	}
}

// makePlain forgets what searches that are not plain need.
func (s *search) makePlain() {
	s.inside, s.plain, s.onlyKeyed = domain{}, true, false
	s.soft, s.ofClass, s.ofRow, s.slots = s.soft[:0], s.ofClass[:0], s.ofRow[:0], s.slots[:0]
	s.split.forget()
	s.passing.forget(nil)
	s.notes, s.keyed = false, 0
	s.devices, s.several, s.ports = nil, false, false
}

// enterPlain finds the classes that the group may use, and reports whether they are alike in all tiers but that of the keys.
func (s *search) enterPlain() (level bool) {
	v, keyed := s.verdict, s.policy.keyed
	level = true
	for i, k := range s.classes.all {
		if k.members == 0 {
			continue
		}
		ok, preferred := v.ask(i, s.group, k)
		if !ok {
			continue
		}
		n, sums := len(s.contenders), len(s.fixed)
		if n == cap(s.contenders) {
			s.contenders = append(s.contenders, contender{})
		} else {
			s.contenders = s.contenders[:n+1]
		}
		s.contenders[n] = contender{class: int32(i), sums: int32(sums), from: treeStart, preferred: preferred, least: leastPart(s.request, k.capacity)}
		s.fixed = s.addFixed(s.fixed, k, preferred)
		for tier, sum := range s.fixed[sums:] {
			level = level && (tier == keyed || sum == s.fixed[tier])
		}
	}
	return level
}

// ofAmounts makes it the demand for amounts, in the room of what it was.
func (d *demand) ofAmounts(r *berth.Requirements, m *mirror) {
	d.needs, d.least, d.leastAt, d.possible = d.needs[:0], 0, m.dims, true
	if len(d.request) != m.dims {
		d.request = make([]int64, m.dims)
	}
	clear(d.request)
	for i := range r.Needs {
		dim, ok := m.view.DimOf(r.Needs[i].Name)
		if !ok {
			d.possible = false
			continue
		}
		d.request[dim] = r.Needs[i].Amount
		d.needs = append(d.needs, store.Need{Dim: dim, Amount: r.Needs[i].Amount})
	}
	d.resources = len(d.needs)
}

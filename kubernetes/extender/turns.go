package extender

import (
	"cmp"
	"maps"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/kubernetes/cache"
)

// turns is what turns of one state of the cluster come to, for whoever asks. What is played until it is the turn of a role is the same
// whichever role that is, so it is played once, and no further than somebody has asked.
type turns struct {
	e       *Extender
	ledger  ledger
	free    berth.Resources
	waiting []cache.Demand
	more    berth.Role // whose turn is asked for, and of whom nothing waits; of no meaning without others
	others  bool       // more is meant

	names []string     // of what is free, in order
	shown *playthrough // with the room that there is
	bare  *playthrough // without any: nobody takes anything, so that it is the order alone
}

// playthrough is turns that were played, as far as they were.
type playthrough struct {
	round allocator.Round
	*play // nil where nobody takes anything
	came  map[berth.Role]bool
	steps []step
	over  bool
}

// step is a turn that a role has come to.
type step struct {
	role berth.Role
	took bool
	free []int64 // afterwards, if it took something
}

// newTurns returns turns of which none is played yet.
func (e *Extender) newTurns(l ledger, free berth.Resources, waiting []cache.Demand, mine berth.Role) *turns {
	t := &turns{e: e, ledger: l, free: free, waiting: waiting}
	if !waits(waiting, mine) {
		t.more, t.others = mine, true
	}
	for name := range free.All() {
		t.names = append(t.names, name)
	}
	return t
}

// of reports whether t is about a state of the cluster, and of what waits, for one of a role.
func (t *turns) of(l ledger, waiting []cache.Demand, mine berth.Role) bool {
	return t.ledger.Version() == l.Version() && slices.Equal(t.waiting, waiting) && t.others != waits(waiting, mine) && (!t.others || t.more == mine)
}

// waits reports whether something of a role waits.
func waits(waiting []cache.Demand, role berth.Role) bool {
	_, there := byRole(waiting, role)
	return there
}

// byRole returns where what waits of a role begins.
func byRole(waiting []cache.Demand, role berth.Role) (int, bool) {
	return slices.BinarySearchFunc(waiting, role, func(d cache.Demand, role berth.Role) int { return cmp.Compare(d.Group.Role(), role) })
}

// open begins to play.
func (t *turns) open(p **playthrough, takes bool) *playthrough {
	if *p != nil {
		return *p
	}
	mine := t.more
	if !t.others {
		mine = t.waiting[0].Group.Role() // which is among them
	}
	out := &playthrough{round: t.e.config.Tenants.Order.Begin(t.ledger, rolesOf(t.waiting, mine)), came: map[berth.Role]bool{}}
	if takes {
		out.play = t.e.enter(t.ledger, maps.Clone(t.free), t.waiting)
	}
	*p = out
	return out
}

// step returns a turn; false if there are no more.
func (t *turns) step(p *playthrough, i int) (step, bool) {
	for i >= len(p.steps) && !p.over {
		role, ok := p.round.Next(func(role berth.Role) bool { return !p.came[role] || p.play != nil && p.can(role) })
		if p.over = !ok || p.came[role] && (p.play == nil || !p.can(role)); p.over { // the last where the order is the host's, and contradicts itself
			break
		}
		p.came[role] = true
		s := step{role: role}
		if p.play != nil && p.can(role) {
			p.round.Charged(p.turn(role))
			s.took, s.free = true, make([]int64, len(t.names))
			for k, name := range t.names {
				s.free[k] = p.free[name]
			}
		}
		p.steps = append(p.steps, s)
	}
	if i >= len(p.steps) {
		return step{}, false
	}
	return p.steps[i], true
}

// turn returns why a pod of a group is to wait, as Extender.play does, or false if it has to be played for that group.
func (t *turns) turn(g *berth.Group) (why berth.Reason, sure bool) {
	needs := g.Requirements().Needs
	for _, need := range needs {
		if need.Amount > t.free[need.Name] {
			return t.ordered(g)
		}
	}
	at := make([]int, len(needs))
	for k, need := range needs {
		at[k], _ = slices.BinarySearch(t.names, need.Name)
	}
	var first berth.Role
	p, took := t.open(&t.shown, true), false
	for i := 0; ; i++ {
		s, ok := t.step(p, i)
		if !ok || s.role == g.Role() {
			return berth.Reason{}, true
		}
		if !s.took {
			continue
		}
		if !took {
			first, took = s.role, true
		}
		for k, need := range needs {
			if need.Amount > 0 && s.free[at[k]] < need.Amount {
				return berth.Behind(first), true
			}
		}
	}
}

// ordered is turn for a pod that there is no room for, and for which it is as if there were. Whoever is the first to take some of that
// mostly leaves too little.
func (t *turns) ordered(g *berth.Group) (why berth.Reason, sure bool) {
	order := t.open(&t.bare, false)
	p := &play{free: raised(t.free, g)}
	if len(t.e.config.Tenants.Quotas) > 0 {
		p.account = allocator.NewAccount(t.ledger)
	}
	for i := 0; ; i++ {
		s, ok := t.step(order, i)
		if !ok || s.role == g.Role() {
			return berth.Reason{}, true
		}
		from, _ := byRole(t.waiting, s.role)
		for k := from; k < len(t.waiting) && t.waiting[k].Group.Role() == s.role; k++ {
			d := &t.waiting[k]
			most := p.most(s.role, d.Group)
			if most == 0 {
				continue
			}
			p.charge(d.Group, min(d.Pods, max(1, p.fits(d.Group)/worth), most))
			if p.fits(g) == 0 {
				return berth.Behind(s.role), true
			}
			return berth.Reason{}, false
		}
	}
}

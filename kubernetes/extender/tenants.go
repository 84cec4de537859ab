package extender

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/cache"
)

// Tenants says what the roles that pods are charged to may have: their namespaces, or what adapter.Config.Role makes of a pod. Roles are
// paths, so that departments can have shares, limits and guarantees, and the namespaces of each a part of those.
//
// kube-scheduler decides which pod is asked about next, so an order is kept by letting a pod wait. Nobody waits where there is room for all
// that waits. Where there is not, turns are played out of what everyone has: the order says whose it is, and that role is given as
// many of its waiting pods as a turn is worth, as long as the room of all nodes together takes them, and its limits. A pod
// whose role has its turn in time is let in, whoever is asked about first. It waits if the room would be gone by then. So two roles
// that both want everything end within one pod of their shares, in whatever order their pods come. Pods that were found
// to fit nowhere, and those of a lower priority, hold nobody back. Nobody is evicted for it.
//
// A turn is worth one pod, or a 64th of those that there is room for if that is more, so that a question takes some hundred
// turns on a cluster of any size: the less room is left the finer they are, and the last are single pods.
type Tenants struct {
	// Order says whose turn it is: an allocator.Tree or an allocator.Fair for shares by weighted dominant resource fairness (Ghodsi et
	// al., NSDI 2011), which both compare exactly, an allocator.Priority, or one of the host's. By default nobody has to
	// wait for another. What waits has no time of arrival here. It is to go by the ledger alone: what it says of a state of the cluster
	// is kept until that changes.
	Order allocator.Order
	// Quotas are limits, which no role exceeds, and guarantees, which an Order may go by, as allocator.ByNeed does.
	Quotas []berth.Quota
}

// Err returns every fault of t joined into one error, or nil: those of the order, if it can have any, of each quota, and of quotas that
// contradict each other.
func (t Tenants) Err() error {
	var errs []error
	if o, ok := t.Order.(interface{ Err() error }); ok {
		errs = append(errs, o.Err())
	}
	seen := map[berth.Role]bool{}
	guaranteed := berth.Resources{} // by anybody: how much there is of it is not known yet
	for _, q := range t.Quotas {
		errs = append(errs, q.Err())
		if seen[q.Role] {
			errs = append(errs, fmt.Errorf("role %q has two quotas", q.Role))
		}
		seen[q.Role] = true
		for name := range q.Guarantees {
			guaranteed[name] = math.MaxInt64
		}
	}
	if errors.Join(errs...) == nil {
		errs = append(errs, allocator.CheckQuotas(guaranteed, t.Quotas...))
	}
	return errors.Join(errs...)
}

// worth is the part of the room that a turn is worth.
const worth = 64

// turn returns why a pod of a group is to wait for those of other roles; no reason if it need not.
func (e *Extender) turn(g *berth.Group) berth.Reason {
	if e.config.Tenants.Order == nil {
		return berth.Reason{}
	}
	waiting := e.cache.Waiting(g.Priority())
	if len(waiting) == 0 {
		return berth.Reason{}
	}
	l := e.ledger()
	free := l.free()
	if enough(free, waiting) {
		return berth.Reason{}
	}
	e.playing.Lock()
	defer e.playing.Unlock()
	t := e.played
	e.played = nil // an order of the host's may panic
	if t == nil || !t.of(l, waiting, g.Role()) {
		t = e.newTurns(l, free, waiting, g.Role())
	}
	why, sure := t.turn(g)
	if e.played = t; sure {
		return why
	}
	return e.play(l, free, waiting, g)
}

// play plays turns until it is that of the group's role, or there is no room left for one of its pods.
func (e *Extender) play(l ledger, free berth.Resources, waiting []cache.Demand, g *berth.Group) berth.Reason {
	p := e.enter(l, raised(free, g), waiting)
	mine := g.Role()
	delete(p.claims, mine)
	round := e.config.Tenants.Order.Begin(l, rolesOf(waiting, mine))
	can := func(role berth.Role) bool { return role == mine || p.can(role) }
	var first berth.Role
	for took := false; ; took = true {
		role, ok := round.Next(can)
		if !ok || role == mine || !p.can(role) { // the last where the order is the host's, and contradicts itself
			return berth.Reason{}
		}
		if !took {
			first = role
		}
		if round.Charged(p.turn(role)); p.fits(g) == 0 {
			return berth.Behind(first)
		}
	}
}

// raised returns what is free as if there were room for a pod of a group: if others are before it, nobody is to be evicted for it either.
func raised(free berth.Resources, g *berth.Group) berth.Resources {
	out := maps.Clone(free)
	for _, need := range g.Requirements().Needs {
		out[need.Name] = max(out[need.Name], need.Amount)
	}
	return out
}

// enough reports whether there is room for all that waits, as sums go.
func enough(free berth.Resources, waiting []cache.Demand) bool {
	left := berth.Resources{}
	for name, n := range free {
		left[name] = n
	}
	for i := range waiting {
		for _, need := range waiting[i].Group.Requirements().Needs {
			if need.Amount <= 0 {
				continue
			}
			if left[need.Name]/need.Amount < int64(waiting[i].Pods) {
				return false
			}
			left[need.Name] -= need.Amount * int64(waiting[i].Pods)
		}
	}
	return true
}

// play is turns that are played to see what would be left.
type play struct {
	free    berth.Resources
	account *allocator.Account // of what roles may have; nil without quotas
	claims  map[berth.Role]*claim
}

// claim is what a role has waiting.
type claim struct {
	waiting []cache.Demand
	size    int // so many pods of the first of these is a turn worth
}

// enter begins a play of what waits, which is in the order of roles.
func (e *Extender) enter(l ledger, free berth.Resources, waiting []cache.Demand) *play {
	p := &play{free: free, claims: make(map[berth.Role]*claim, len(waiting))}
	if len(e.config.Tenants.Quotas) > 0 {
		p.account = allocator.NewAccount(l)
	}
	waiting = slices.Clone(waiting) // turns count down what of them waits
	for from := 0; from < len(waiting); {
		role, to := waiting[from].Group.Role(), from
		for to < len(waiting) && waiting[to].Group.Role() == role {
			to++
		}
		c := &claim{waiting: waiting[from:to:to]}
		c.size = max(1, p.fits(c.waiting[0].Group)/worth)
		p.claims[role] = c
		from = to
	}
	return p
}

// rolesOf returns the roles of what waits, which is in their order, and one more.
func rolesOf(waiting []cache.Demand, mine berth.Role) []berth.Role {
	roles := make([]berth.Role, 0, len(waiting)+1)
	for i := range waiting {
		if role := waiting[i].Group.Role(); len(roles) == 0 || roles[len(roles)-1] != role {
			roles = append(roles, role)
		}
	}
	if at, there := slices.BinarySearch(roles, mine); !there {
		roles = slices.Insert(roles, at, mine)
	}
	return roles
}

// can reports whether a role has something waiting for which there is room. Of what has no room at present nothing gets any later.
func (p *play) can(role berth.Role) bool {
	c := p.claims[role]
	for c != nil && len(c.waiting) > 0 {
		if p.most(role, c.waiting[0].Group) > 0 {
			return true
		}
		c.next(p)
	}
	return false
}

func (c *claim) next(p *play) {
	if c.waiting = c.waiting[1:]; len(c.waiting) > 0 {
		c.size = max(1, p.fits(c.waiting[0].Group)/worth)
	}
}

// turn gives a role that can have one a turn, and returns for how many pods of which group.
func (p *play) turn(role berth.Role) (*berth.Group, int) {
	c := p.claims[role]
	d := &c.waiting[0]
	g, n := d.Group, min(d.Pods, c.size, p.most(role, d.Group))
	p.take(d, n)
	return g, n
}

// fits returns for how many pods of a group there is room.
func (p *play) fits(g *berth.Group) int {
	n := int64(math.MaxInt32)
	for _, need := range g.Requirements().Needs {
		if need.Amount > 0 {
			n = min(n, p.free[need.Name]/need.Amount)
		}
	}
	return int(n)
}

// most is fits within the limits of a role.
func (p *play) most(role berth.Role, g *berth.Group) int {
	n := p.fits(g)
	if p.account == nil || n == 0 {
		return n
	}
	room := p.account.Room(role)
	for _, need := range g.Requirements().Needs {
		if left, limited := room[need.Name]; limited && need.Amount > 0 {
			n = min(n, int(min(left/need.Amount, math.MaxInt32)))
		}
	}
	return n
}

// take gives n pods of what a role has waiting their room.
func (p *play) take(d *cache.Demand, n int) {
	p.charge(d.Group, n)
	if d.Pods -= n; d.Pods == 0 {
		p.claims[d.Group.Role()].next(p)
	}
}

// charge gives n pods of a group their room.
func (p *play) charge(g *berth.Group, n int) {
	takes := berth.Resources{}
	for _, need := range g.Requirements().Needs {
		if need.Amount > 0 {
			takes[need.Name] = need.Amount * int64(n) // which is free
			p.free[need.Name] -= takes[need.Name]
		}
	}
	if p.account != nil {
		_ = p.account.Charge(g.Role(), takes) // neither is at fault
	}
}

// ledger is what there is and who has what of it, at one moment.
type ledger struct {
	*cluster.Snapshot
	total berth.Resources
}

// Total is that of the snapshot, which need not be added up for each question.
func (l ledger) Total() berth.Resources { return l.total }

// free returns what nobody has, of all nodes together.
func (l ledger) free() berth.Resources {
	used, free := l.Used(""), berth.Resources{}
	for name, n := range l.total {
		if n > used[name] {
			free[name] = n - used[name]
		}
	}
	return free
}

// ledger returns the cluster as it is now. What all nodes have is added up when one has come, gone or changed.
func (e *Extender) ledger() ledger {
	changes := e.cache.NodeChanges() // before the snapshot: of one that comes in between is known next time that there is something to add up
	s := e.snapshot()
	e.totals.Lock()
	defer e.totals.Unlock()
	if e.totals.of == nil || e.totals.changes != changes {
		e.totals.changes, e.totals.of = changes, s.Total()
	}
	return ledger{s, e.totals.of}
}

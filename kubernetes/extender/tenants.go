package extender

import (
	"cmp"
	"errors"
	"fmt"
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
	// wait for another. What waits has no time of arrival here.
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
	order := e.config.Tenants.Order
	if order == nil {
		return berth.Reason{}
	}
	waiting := e.cache.Waiting(g.Priority())
	if len(waiting) == 0 {
		return berth.Reason{}
	}
	l := e.ledger()
	p := play{mine: g.Role(), free: berth.Resources{}}
	used := l.Used("")
	for name, n := range l.total {
		if n > used[name] {
			p.free[name] = n - used[name]
		}
	}
	if enough(p.free, waiting) {
		return berth.Reason{}
	}
	for _, need := range g.Requirements().Needs { // as if there were room for it: if others are before it, nobody is to be evicted for it either
		p.free[need.Name] = max(p.free[need.Name], need.Amount)
	}
	if len(e.config.Tenants.Quotas) > 0 {
		p.account = allocator.NewAccount(l)
	}
	roles := p.enter(waiting)
	round := order.Begin(l, roles)
	var first *claim
	for {
		role, ok := round.Next(p.can)
		if !ok || role == p.mine {
			return berth.Reason{}
		}
		c := p.claims[role]
		if c == nil || !p.can(role) {
			return berth.Reason{} // the order is the host's, and contradicts itself
		}
		first = cmp.Or(first, c)
		d := &c.waiting[0]
		n := min(d.Pods, c.turn, p.most(role, d.Group))
		round.Charged(d.Group, n)
		if p.take(d, n); p.fits(g) == 0 {
			return berth.Behind(first.role)
		}
	}
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
	mine    berth.Role
	free    berth.Resources
	account *allocator.Account // of what roles may have; nil without quotas
	claims  map[berth.Role]*claim
}

// claim is what a role has waiting.
type claim struct {
	role    berth.Role
	waiting []cache.Demand
	turn    int // so many pods of the first of these is a turn worth
}

// enter takes in what waits, by role, and returns the roles, that of the pod itself among them.
func (p *play) enter(waiting []cache.Demand) []berth.Role {
	p.claims = make(map[berth.Role]*claim)
	roles := []berth.Role{p.mine}
	for from := 0; from < len(waiting); {
		role, to := waiting[from].Group.Role(), from
		for to < len(waiting) && waiting[to].Group.Role() == role {
			to++
		}
		if role != p.mine {
			c := &claim{role: role, waiting: waiting[from:to:to]}
			c.turn = max(1, p.fits(c.waiting[0].Group)/worth)
			p.claims[role] = c
			roles = append(roles, role)
		}
		from = to
	}
	slices.Sort(roles)
	return roles
}

// can reports whether a role has something waiting for which there is room. Of what has no room at present nothing gets any later.
func (p *play) can(role berth.Role) bool {
	if role == p.mine {
		return true
	}
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
		c.turn = max(1, p.fits(c.waiting[0].Group)/worth)
	}
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
	takes := berth.Resources{}
	for _, need := range d.Group.Requirements().Needs {
		if need.Amount > 0 {
			takes[need.Name] = need.Amount * int64(n) // which is free
			p.free[need.Name] -= takes[need.Name]
		}
	}
	if p.account != nil {
		_ = p.account.Charge(d.Group.Role(), takes) // neither is at fault
	}
	if d.Pods -= n; d.Pods == 0 {
		p.claims[d.Group.Role()].next(p)
	}
}

// ledger is what there is and who has what of it, at one moment.
type ledger struct {
	*cluster.Snapshot
	total berth.Resources
}

// Total is that of the snapshot, which need not be added up for each question.
func (l ledger) Total() berth.Resources { return l.total }

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

package mesos

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Interval is the time between two runs.
const Interval = time.Second

// Quota is what is guaranteed to a role, and the most that it may have, where that is named. Only roles at the top have one.
type Quota struct{ Guarantee, Limit Amounts }

// Offer is an offer of one node to one framework.
type Offer struct {
	Framework, Agent string
	Amounts          Amounts
}

// Allocator makes offers.
type Allocator struct {
	Whole   []string  // resources that come whole, and count in nobody's share
	Exclude []string  // resources that count in nobody's share
	Scarce  string    // nodes with this resource are kept from frameworks that do not say that they use it
	Least   []Amounts // an offer covers one of them at least, where there are any (min_allocatable_resources)

	now        time.Duration
	clients    *Clients
	frameworks map[string]*framework
	agents     []*agent
	quotas     map[string]Quota
}

type framework struct {
	role   string
	scarce bool
	least  []Amounts // in place of the allocator's, unless nil
}

type agent struct {
	id      string
	total   Amounts
	taken   map[string]Amounts // offered to a framework or used by it
	filters []*filter
}

type filter struct {
	framework string
	refused   Amounts
	until     time.Duration
	runs      int
}

// New returns an allocator without anything.
func New() *Allocator {
	return &Allocator{frameworks: map[string]*framework{}, quotas: map[string]Quota{}}
}

func (a *Allocator) order() *Clients {
	if a.clients == nil {
		a.clients = NewClients(append(slices.Clone(a.Exclude), a.Whole...)...)
	}
	return a.clients
}

// Join adds a framework and makes a run over all nodes.
func (a *Allocator) Join(name, role string, scarce bool) []Offer {
	a.frameworks[name] = &framework{role: role, scarce: scarce}
	a.order().Add(role, name)
	for _, g := range a.agents { // used before it came
		if held := g.taken[name]; len(held) > 0 {
			a.charge(name, held)
		}
	}
	return a.run(a.agents)
}

func (a *Allocator) charge(name string, r Amounts) {
	if f := a.frameworks[name]; f != nil {
		a.order().Allocated(f.role, name, r)
	}
}

func (a *Allocator) credit(name string, r Amounts) {
	if f := a.frameworks[name]; f != nil {
		a.order().Unallocated(f.role, name, r)
	}
}

// AddAgent adds a node, some of which frameworks use, and makes a run over it.
func (a *Allocator) AddAgent(id string, total Amounts, used map[string]Amounts) []Offer {
	g := &agent{id: id, total: total, taken: map[string]Amounts{}}
	a.agents = append(a.agents, g)
	total = Amounts{}
	for _, g := range a.agents {
		total.add(g.total, 1)
	}
	a.order().SetTotal(total)
	for _, name := range slices.Sorted(maps.Keys(used)) {
		g.taken[name] = used[name]
		a.charge(name, used[name])
	}
	return a.run([]*agent{g})
}

// Describe is told that a node has other attributes: its filters go, and a run is made over it.
func (a *Allocator) Describe(id string) []Offer {
	g := a.agent(id)
	g.filters = nil
	return a.run([]*agent{g})
}

func (a *Allocator) agent(id string) *agent {
	return a.agents[slices.IndexFunc(a.agents, func(g *agent) bool { return g.id == id })]
}

// Tick lets the time of a run pass, and makes one over all nodes.
func (a *Allocator) Tick() []Offer {
	a.now += Interval
	return a.run(a.agents)
}

// Weigh gives a role a weight.
func (a *Allocator) Weigh(role string, w float64) { a.order().SetWeight(role, w) }

// SetQuota gives a role at the top a quota.
func (a *Allocator) SetQuota(role string, q Quota) { a.quotas[role] = q }

// Release takes back what a framework has of a node, offered or used. With a time, as much is not offered to it again so long.
func (a *Allocator) Release(name, id string, r Amounts, refuse time.Duration) {
	g := a.agent(id)
	r = maps.Clone(r)
	g.taken[name].add(r, -1)
	a.credit(name, r)
	if refuse > 0 {
		g.filters = append(g.filters, &filter{framework: name, refused: r, until: a.now + max(Interval, refuse)})
	}
}

// Suppress lets a framework be passed by until it revives.
func (a *Allocator) Suppress(name string) { a.order().Activate(a.frameworks[name].role, name, false) }

// Revive lets a framework have offers again, drops its filters and makes a run over all nodes.
func (a *Allocator) Revive(name string) []Offer {
	a.order().Activate(a.frameworks[name].role, name, true)
	for _, g := range a.agents {
		g.filters = slices.DeleteFunc(g.filters, func(f *filter) bool { return f.framework == name })
	}
	return a.run(a.agents)
}

// Share returns the share of a role over its weight.
func (a *Allocator) Share(role string) float64 { return a.order().Share(role) }

// SetLeast gives a framework a minimum of its own (offer_filters); none at all is that anything is offered.
func (a *Allocator) SetLeast(name string, least []Amounts) {
	a.frameworks[name].least = append([]Amounts{}, least...)
}

// allocatable reports whether as much may be offered to a framework.
func (a *Allocator) allocatable(name string, r Amounts) bool {
	least := a.Least
	if own := a.frameworks[name].least; own != nil {
		least = own
	}
	return len(least) == 0 || slices.ContainsFunc(least, r.covers)
}

func (g *agent) free() Amounts {
	free := maps.Clone(g.total)
	for _, r := range g.taken {
		free.add(r, -1)
	}
	return free
}

func (a *Allocator) filtered(g *agent, name string, r Amounts) bool {
	return slices.ContainsFunc(g.filters, func(f *filter) bool {
		return f.framework == name && (a.now < f.until || f.runs == 0) && f.refused.covers(r)
	})
}

// consumed is what a role at the top, and those below it, have.
func (a *Allocator) consumed(role string) Amounts {
	sum := Amounts{}
	for name, f := range a.frameworks {
		if f.role == role || strings.HasPrefix(f.role, role+"/") {
			for _, g := range a.agents {
				sum.add(g.taken[name], 1)
			}
		}
	}
	return sum
}

// run makes the offers of some nodes: guarantees first, then fair shares.
func (a *Allocator) run(agents []*agent) (made []Offer) {
	required, available := Amounts{}, Amounts{}
	for role, q := range a.quotas {
		required.add(minus(q.Guarantee, a.consumed(role)), 1)
	}
	for _, g := range a.agents {
		available.add(g.free(), 1)
	}
	offer := func(g *agent, name string, r Amounts) {
		if g.taken[name] == nil {
			g.taken[name] = Amounts{}
		}
		g.taken[name].add(r, 1)
		a.charge(name, r)
		available.add(r, -1)
		made = append(made, Offer{name, g.id, r})
	}
	each := func(g *agent, turn func(name, role string, free Amounts)) {
		for _, c := range a.order().Sort() {
			if f := a.frameworks[c.Name]; a.Scarce != "" && g.total[a.Scarce] > 0 && !f.scarce {
				continue
			}
			free := g.free()
			if len(free) == 0 {
				return
			}
			turn(c.Name, c.Role, free)
		}
	}
	whole := func(r, of Amounts) {
		for _, name := range a.Whole {
			if of[name] > 0 {
				r[name] = of[name]
			}
		}
	}
	for _, g := range agents {
		each(g, func(name, role string, free Amounts) {
			q, ok := a.quotas[role]
			if !ok {
				return
			}
			consumed := a.consumed(role)
			least := shrink(free, minus(q.Guarantee, consumed))
			if len(least) == 0 {
				return
			}
			rest := minus(free, least)
			sum := maps.Clone(consumed)
			sum.add(least, 1)
			rest = shrink(limited(rest, q.Limit, sum), minus(available, required))
			r := maps.Clone(least)
			r.add(rest, 1)
			whole(r, free)
			if !a.allocatable(name, r) || a.filtered(g, name, r) {
				return
			}
			offer(g, name, r)
			required.add(least, -1)
		})
	}
	for _, g := range agents {
		each(g, func(name, role string, free Amounts) {
			r := free
			if q, ok := a.quotas[role]; ok {
				r = limited(r, q.Limit, a.consumed(role))
			}
			r = shrink(r, minus(available, required))
			whole(r, free)
			if len(r) == 0 || !a.allocatable(name, r) || a.filtered(g, name, r) {
				return
			}
			offer(g, name, r)
		})
	}
	for _, g := range agents {
		for _, f := range g.filters {
			f.runs++
		}
		g.filters = slices.DeleteFunc(g.filters, func(f *filter) bool { return a.now >= f.until })
	}
	return made
}

// minus subtracts, nothing below zero.
func minus(a, b Amounts) Amounts {
	left := maps.Clone(a)
	if left == nil {
		left = Amounts{}
	}
	left.add(b, -1)
	return left
}

// shrink cuts to a target: what it does not name drops to nothing.
func shrink(r, target Amounts) Amounts {
	cut := Amounts{}
	for name, q := range r {
		if q = min(q, target[name]); q > 0 {
			cut[name] = q
		}
	}
	return cut
}

// limited cuts to what a limit leaves: what it does not name stays whole.
func limited(r, limit, has Amounts) Amounts {
	cut := Amounts{}
	for name, q := range r {
		if most, named := limit[name]; named {
			q = min(q, max(0, most-has[name]))
		}
		if q > 0 {
			cut[name] = q
		}
	}
	return cut
}

package checked

import (
	"maps"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// domainLack says whether a rule keeps a task of the group off a node because of its domain.
func (f *Fork) domainLack(sh *shape, row uint32, r berth.DomainRule, detail bool) (berth.Lack, bool) {
	key := r.Domain()
	count := 0
	if key == berth.NodeID {
		if sh.named {
			count = f.s.CountOn(sh.kin, row)
		}
	} else {
		id := f.s.Attrs().ID(key)
		value, ok := f.s.Node(row).Node.Attr(id)
		if !ok {
			return berth.Lack{Reason: berth.Reason{Code: berth.NoDomain, Subject: r.String()}, Detail: "no " + key}, true
		}
		if sh.named {
			count = f.s.CountAt(sh.kin, id, value)
		}
	}
	var d berth.Domains
	if r.Counts().Even {
		d = f.domains(sh, key)
	}
	if count < r.Limit(d) {
		return berth.Lack{}, false
	}
	l := berth.Lack{Reason: berth.Reason{Code: berth.DomainFull, Subject: r.String()}}
	if detail {
		l.Detail = f.tasksThere(row, key, f.own(sh))
	}
	return l, true
}

// own returns the numbers of the groups of a name.
func (f *Fork) own(sh *shape) []uint32 {
	if sh.named {
		return f.s.Kin(sh.kin)
	}
	return nil
}

// Domains sums up the group's domains under an attribute: those of the nodes that are eligible for it
// and not cordoned.
func (f *Fork) Domains(g *berth.Group, key string) berth.Domains {
	f = f.Ready()
	if g.Err() != nil {
		return berth.Domains{}
	}
	return f.domains(f.shape(g), key)
}

func (f *Fork) domains(sh *shape, key string) berth.Domains {
	eligible := f.eligibleDomains(sh.group, key, fit.Population{})
	d := berth.Domains{Number: len(eligible.nodes)}
	if sh.named && d.Number > 0 {
		s := f.spread(sh, key, eligible)
		d.Least, d.Total = s.least, s.total
	}
	return d
}

// remembered bounds what a fork remembers of domains, and of spreads: not their number, for one can be of every node.
func (f *Fork) remembered() int { return max(4096, 4*f.s.Rows()) }

// eligibleDomains are the domains, under one attribute, of the nodes that are eligible for a group and not cordoned, and of
// others that a rule counts in. It is the same for all groups for which the same nodes are eligible.
type eligibleDomains struct {
	name  string
	at    uint64              // Fork.nodes when it was made
	nodes map[uint32]struct{} // by interned value, for [berth.NodeID] by row
}

func (f *Fork) eligibleDomains(g *berth.Group, key string, over fit.Population) *eligibleDomains {
	name := domainsName(g, key, over)
	e := f.domainsOf[name]
	if e != nil && e.at == f.nodes {
		return e
	}
	e = &eligibleDomains{name: name, at: f.nodes, nodes: map[uint32]struct{}{}}
	id := f.s.Attrs().ID(key)
	for row := range uint32(f.s.Rows()) {
		n := f.s.Node(row)
		if n.Node == nil || !over.Has(g, n.Node.Spec, n.Cordoned) {
			continue
		}
		if key == berth.NodeID {
			e.nodes[row] = struct{}{}
		} else if v, ok := n.Node.Attr(id); ok {
			e.nodes[v] = struct{}{}
		}
	}
	f.remember(name, e)
	return e
}

// remember keeps domains for the next time. Where there would be too many, those of nodes as they were before go first, then all
// the others.
func (f *Fork) remember(name string, e *eligibleDomains) {
	delete(f.domainsOf, name)
	size := 1 + len(e.nodes)
	for _, other := range f.domainsOf {
		size += 1 + len(other.nodes)
	}
	if size > f.remembered() {
		maps.DeleteFunc(f.domainsOf, func(_ string, other *eligibleDomains) bool {
			stale := other.at != f.nodes
			if stale {
				size -= 1 + len(other.nodes)
			}
			return stale
		})
		if size > f.remembered() {
			clear(f.domainsOf)
		}
		f.spreads, f.spreadCells = nil, 0 // they know the domains that went
	}
	if f.domainsOf == nil {
		f.domainsOf = map[string]*eligibleDomains{}
	}
	f.domainsOf[name] = e
}

// spreadKey is whose tasks are spread, those of a counter or else of a group, and over which domains.
type spreadKey struct {
	counter store.CounterKey
	group   string
	over    string
}

// spread is how tasks are spread over eligible domains under one attribute. It follows the store's log, so
// that asking for the emptiest domain costs what has changed since it was last asked, not the number of domains.
type spread struct {
	over    *eligibleDomains
	groups  []uint32 // of the name
	counter uint64   // Counter.Born
	at      store.Position
	tasks   map[uint32]int // by domain, of those that have any
	sizes   map[int]int    // how many domains have so many tasks, of those that have any
	least   int            // tasks in the emptiest domain
	total   int            // tasks in all of them
}

// spread returns how a group that the store knows is spread at the moment.
func (f *Fork) spread(sh *shape, key string, eligible *eligibleDomains) *spread {
	name := spreadKey{group: sh.group.Name(), over: eligible.name}
	groups := f.own(sh)
	s := f.spreads[name]
	now := f.s.Position()
	id := f.s.Attrs().ID(key)
	if s != nil && (s.over != eligible || !slices.Equal(s.groups, groups)) {
		s = nil
	}
	if s != nil {
		changes, ok := f.s.Since(s.at)
		if ok && len(changes) == 0 {
			return s
		}
		if counted := key == berth.NodeID || slices.Contains(f.s.Group(sh.kin).Keys, id); ok && counted {
			before := len(s.tasks)
			for _, c := range changes {
				if slices.Contains(groups, c.Group) {
					f.follow(s, sh, c.Row, key, id)
				}
			}
			f.spreadCells += len(s.tasks) - before
			s.at = now
			s.settle()
			return s
		}
	}
	s = &spread{over: eligible, groups: groups, at: now, tasks: map[uint32]int{}, sizes: map[int]int{}}
	for slot := range f.s.Named(sh.group.Name()) {
		if r := f.s.Record(slot); r.Row != store.None {
			if domain, ok := f.domainOf(r.Row, key, id); ok {
				s.set(domain, s.tasks[domain]+1)
			}
		}
	}
	f.keepSpread(name, s)
	return s
}

// keepSpread keeps a spread that has just been made for the next time.
func (f *Fork) keepSpread(name spreadKey, s *spread) {
	s.settle()
	if old := f.spreads[name]; old != nil {
		delete(f.spreads, name)
		f.spreadCells -= 1 + len(old.tasks)
	}
	cells := 1 + len(s.tasks)
	if f.spreads == nil || f.spreadCells+cells > f.remembered() {
		f.spreads, f.spreadCells = map[spreadKey]*spread{}, 0
	}
	f.spreads[name] = s
	f.spreadCells += cells
}

// follow sets the count of the domain of a row on which the group's tasks have changed.
func (f *Fork) follow(s *spread, sh *shape, row uint32, key string, id uint32) {
	domain, ok := f.domainOf(row, key, id)
	switch {
	case !ok:
	case key == berth.NodeID:
		s.set(domain, f.s.CountOn(sh.kin, row))
	default:
		s.set(domain, f.s.CountAt(sh.kin, id, domain))
	}
}

// domainOf returns which domain a row is in.
func (f *Fork) domainOf(row uint32, key string, id uint32) (uint32, bool) {
	if key == berth.NodeID {
		return row, true
	}
	n := f.s.Node(row).Node
	if n == nil {
		return 0, false
	}
	return n.Attr(id)
}

// set sets the number of tasks in a domain.
func (s *spread) set(domain uint32, tasks int) {
	was := s.tasks[domain]
	if _, eligible := s.over.nodes[domain]; !eligible || was == tasks {
		return
	}
	s.total += tasks - was
	if was > 0 {
		if s.sizes[was]--; s.sizes[was] == 0 {
			delete(s.sizes, was)
		}
	}
	if tasks == 0 {
		delete(s.tasks, domain)
	} else {
		s.tasks[domain] = tasks
		s.sizes[tasks]++
	}
	s.least = min(s.least, tasks)
}

// settle raises least to what the emptiest domain has.
func (s *spread) settle() {
	if len(s.tasks) < len(s.over.nodes) {
		s.least = 0
		return
	}
	for s.sizes[s.least] == 0 {
		s.least++
	}
}

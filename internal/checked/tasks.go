package checked

import (
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// Rules about the tasks of other groups ask counters of the store. A group obeys those of its own rules, and those in which tasks
// that keep apart from it are counted: so apart is symmetric.

// counterOf returns the key of the counter that a rule asks.
func counterOf(s *store.Store, r *berth.CountedRule) store.CounterKey {
	k := store.CounterKey{Of: r.Of, Attribute: store.ByNode, WithoutStopping: r.WithoutStopping}
	if r.Attribute != berth.NodeID {
		k.Attribute = s.Attrs().ID(r.Attribute)
	}
	return k
}

// refusingOf returns the key of the counter in which the tasks of a group with an apart rule refuse others.
func refusingOf(s *store.Store, r *berth.CountedRule) store.CounterKey {
	k := counterOf(s, r)
	k.Refusing = true
	return k
}

// countersOf returns the keys of all counters that a group asks for, each once.
func countersOf(s *store.Store, g *berth.Group) []store.CounterKey {
	rules, prefer := g.Requirements().Counted, g.Requirements().Prefer
	if len(rules)+len(prefer) == 0 {
		return nil
	}
	var keys []store.CounterKey
	seen := make(map[store.CounterKey]bool, len(rules))
	add := func(k store.CounterKey) {
		if !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	for i := range rules {
		add(counterOf(s, &rules[i]))
		if rules[i].Relation == berth.Apart {
			add(refusingOf(s, &rules[i]))
		}
	}
	for i := range prefer {
		if r := prefer[i].Tasks; r != nil {
			add(counterOf(s, r))
		}
	}
	return keys
}

// asked is the counters that a group obeys.
type asked struct {
	epoch    uint64   // of the store's counters when these were found
	known    bool     // whether they were
	rules    []uint32 // by rule about tasks
	refusing []uint32
}

// ask finds the counters that a group obeys, and has those made that are not there.
func (f *Fork) ask(sh *shape) *asked {
	a := &sh.asked
	if a.known && a.epoch == f.s.CounterEpoch() {
		return a
	}
	rules := sh.group.Requirements().Counted
	*a = asked{known: true}
	if len(rules) > 0 {
		keys := make([]store.CounterKey, len(rules))
		for i := range rules {
			keys[i] = counterOf(f.s, &rules[i])
		}
		a.rules = f.s.Ask(keys)
	}
	a.refusing = f.s.Refusing(sh.group)
	a.epoch = f.s.CounterEpoch()
	return a
}

// taskLacks appends what keeps a task of the group off a node because of the tasks in its domains; only the first if so told.
func (f *Fork) taskLacks(out []berth.Lack, sh *shape, row uint32, detail, first bool) []berth.Lack {
	a := f.ask(sh)
	rules := sh.group.Requirements().Counted
	for i := range rules {
		l, refuses := f.taskLack(sh, row, &rules[i], a.rules[i])
		if !refuses {
			continue
		}
		if detail && l.Detail == "" {
			l.Detail = f.tasksThere(row, rules[i].Attribute, f.chosen(&f.s.Counter(a.rules[i]).Key))
		}
		if out = append(out, l); first {
			return out
		}
	}
	for _, slot := range a.refusing {
		c := f.s.Counter(slot)
		domain, ok := f.domainIn(c, row)
		if !ok || c.Tasks(domain) == 0 {
			continue
		}
		attribute := f.attributeOf(c)
		kept := berth.Counting{Of: c.Key.Of, Relation: berth.Apart, WithoutStopping: c.Key.WithoutStopping}
		l := berth.Lack{Reason: berth.Reason{Code: berth.KeptApart, Subject: kept.Print(attribute)}}
		if detail {
			l.Detail = f.tasksThere(row, attribute, f.chosen(&c.Key))
		}
		if out = append(out, l); first {
			return out
		}
	}
	return out
}

func (f *Fork) attributeOf(c *store.Counter) string {
	if c.Key.Attribute == store.ByNode {
		return berth.NodeID
	}
	return f.s.Attrs().Text(c.Key.Attribute)
}

// domainIn returns the domain in which a counter counts the tasks on a node.
func (f *Fork) domainIn(c *store.Counter, row uint32) (uint32, bool) {
	if c.Key.Attribute == store.ByNode {
		return row, true
	}
	return f.s.Node(row).Node.Attr(c.Key.Attribute)
}

// taskLack says whether a rule keeps a task of the group off a node because of the tasks that its counter has.
func (f *Fork) taskLack(sh *shape, row uint32, r *berth.CountedRule, slot uint32) (berth.Lack, bool) {
	c := f.s.Counter(slot)
	domain, ok := f.domainIn(c, row)
	if !ok {
		if r.Relation.Lenient() {
			return berth.Lack{}, false
		}
		return berth.Lack{Reason: berth.Reason{Code: berth.NoDomain, Subject: r.Text}, Detail: "no " + r.Attribute}, true
	}
	var d berth.Domains
	if r.Even {
		d = f.counted(sh, r, c)
	}
	if r.ByValue {
		d.Value, _ = f.s.Node(row).Node.Spec.Attribute(r.Attribute)
	}
	if r.Allows(c.Tasks(domain), c.Domains(), d) {
		return berth.Lack{}, false
	}
	code := berth.DomainFull
	if r.Relation.Opens() {
		code = berth.NoneNear
	}
	return berth.Lack{Reason: berth.Reason{Code: code, Subject: r.Text}}, true
}

// counted sums up the domains that a rule compares.
func (f *Fork) counted(sh *shape, r *berth.CountedRule, c *store.Counter) berth.Domains {
	over := f.eligibleDomains(sh.group, r.Attribute, fit.PopulationOf(r.Counting))
	d := berth.Domains{Number: len(over.nodes)}
	if d.Number > 0 && c.Domains() > 0 {
		s := f.countedSpread(over, c)
		d.Least, d.Total = s.least, s.total
	}
	return d
}

// countedSpread returns how the tasks of a counter are spread over domains at the moment.
func (f *Fork) countedSpread(over *eligibleDomains, c *store.Counter) *spread {
	name := spreadKey{c.Key, "", over.name}
	s := f.spreads[name]
	if s != nil && s.over == over && s.counter == c.Born() {
		if changes, ok := f.s.Since(s.at); ok {
			before := len(s.tasks)
			for _, change := range changes {
				if change.Group == store.NoGroup || f.s.Node(change.Row).Node == nil {
					continue
				}
				if domain, ok := f.domainIn(c, change.Row); ok {
					s.set(domain, c.Tasks(domain))
				}
			}
			f.spreadCells += len(s.tasks) - before
			s.at = f.s.Position()
			s.settle()
			return s
		}
	}
	s = &spread{over: over, counter: c.Born(), at: f.s.Position(), tasks: map[uint32]int{}, sizes: map[int]int{}}
	for domain, tasks := range c.All() {
		s.set(domain, int(tasks))
	}
	f.keepSpread(name, s)
	return s
}

// chosen returns the groups whose tasks a counter counts.
func (f *Fork) chosen(k *store.CounterKey) []uint32 {
	if !k.Refusing {
		return f.s.Selected(k.Of)
	}
	return f.s.Asking(*k)
}

// tasksThere says which tasks of some groups are in a node's domain: "zone=a has web-1".
func (f *Fork) tasksThere(row uint32, key string, groups []uint32) string {
	at, _ := f.s.Node(row).Node.Spec.Attribute(key)
	label := key + "="
	if key == berth.NodeID {
		label = ""
	}
	id := f.s.Attrs().ID(key)
	value, _ := f.domainOf(row, key, id)
	var names []string
	for _, g := range groups {
		for slot := range f.s.Members(g) {
			r := f.s.Record(slot)
			if r.Row == store.None {
				continue
			}
			if v, ok := f.domainOf(r.Row, key, id); ok && v == value {
				names = append(names, f.s.ID(slot))
			}
		}
	}
	if len(names) == 0 {
		return fmt.Sprintf("%s%v has none", label, at)
	}
	slices.Sort(names)
	return fmt.Sprintf("%s%v has %s", label, at, fit.Few(names))
}

// domainsName is what domains are remembered under: they are the same for all groups for which the same nodes are eligible.
func domainsName(g *berth.Group, key string, over fit.Population) string {
	eligibility := g.Requirements().Eligibility
	if over.All() {
		eligibility = "" // all nodes, for every group
	}
	return eligibility + "\x00" + over.Key() + key
}

package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// domainLack says whether a rule keeps a task of the group off a node because of its domain.
func (f *Fork) domainLack(sh *shape, row uint32, r berth.DomainRule, detail bool) (berth.Lack, bool) {
	key := r.Domain()
	count := 0
	var value uint32
	if key == berth.NodeID {
		if sh.known {
			count = f.s.CountOn(sh.id, row)
		}
	} else {
		id := f.s.Attrs().ID(key)
		v, ok := f.s.Node(row).Node.Attr(id)
		if !ok {
			return berth.Lack{Reason: berth.Reason{Code: berth.RuleBroken, Subject: r.String()}, Detail: "no " + key}, true
		}
		value = v
		if sh.known {
			count = f.s.CountAt(sh.id, id, value)
		}
	}
	var d berth.Domains
	if r.Even() {
		d = f.domains(sh, key)
	}
	if count < r.Limit(d) {
		return berth.Lack{}, false
	}
	l := berth.Lack{Reason: berth.Reason{Code: berth.DomainFull, Subject: r.String()}}
	if detail {
		l.Detail = f.domainTasks(sh, row, key)
	}
	return l, true
}

// domainTasks says which tasks of the group are in the domain of a node: "zone=a has web-1".
func (f *Fork) domainTasks(sh *shape, row uint32, key string) string {
	const most = 3
	here := viewOf(&f.s.View, row)
	at, _ := here.Attribute(key)
	var names []string
	if sh.known {
		for slot := range f.s.Members(sh.id) {
			if r := f.s.Record(slot); r.Row != store.None {
				if v, ok := viewOf(&f.s.View, r.Row).Attribute(key); ok && v == at {
					names = append(names, f.s.ID(slot))
				}
			}
		}
	}
	slices.Sort(names)
	if n := len(names); n > most {
		names = append(names[:most], fmt.Sprintf("%d more", n-most))
	}
	label := key + "="
	if key == berth.NodeID {
		label = ""
	}
	return fmt.Sprintf("%s%v has %s", label, at, strings.Join(names, ", "))
}

// Domains sums up the group's domains under an attribute: those of the nodes that are eligible for it
// and not cordoned.
func (f *Fork) Domains(g *berth.Group, key string) berth.Domains {
	f.ready()
	if g.Err() != nil {
		return berth.Domains{}
	}
	return f.domains(f.shape(g), key)
}

func (f *Fork) domains(sh *shape, key string) berth.Domains {
	a := f.area(sh.group, key)
	d := berth.Domains{Number: len(a.values)}
	if !sh.known || d.Number == 0 {
		return d
	}
	d.Least = -1
	id := f.s.Attrs().ID(key)
	for v := range a.values {
		n := 0
		if key == berth.NodeID {
			n = f.s.CountOn(sh.id, v)
		} else {
			n = f.countAt(sh, id, v)
		}
		if d.Least < 0 || n < d.Least {
			d.Least = n
		}
	}
	return d
}

// countAt is the store's count where it keeps one, and counts where the group's rules do not name the
// attribute.
func (f *Fork) countAt(sh *shape, key, value uint32) int {
	if slices.Contains(sh.keys, key) {
		return f.s.CountAt(sh.id, key, value)
	}
	n := 0
	for slot := range f.s.Members(sh.id) {
		if r := f.s.Record(slot); r.Row != store.None {
			if v, ok := f.s.Node(r.Row).Node.Attr(key); ok && v == value {
				n++
			}
		}
	}
	return n
}

// maxAreas bounds what a fork remembers of eligible nodes; beyond it starts anew.
const maxAreas = 4096

// area returns the eligible nodes by domain; under [berth.NodeID] the domains are the rows.
func (f *Fork) area(g *berth.Group, key string) *area {
	name := g.Requirements().Eligibility + "\x00" + key
	a := f.areas[name]
	if a != nil && a.at == f.nodes {
		return a
	}
	a = &area{at: f.nodes, values: map[uint32]int{}}
	if f.areas == nil || len(f.areas) >= maxAreas {
		f.areas = map[string]*area{}
	}
	f.areas[name] = a
	id := f.s.Attrs().ID(key)
	for row := range uint32(f.s.Rows()) {
		n := f.s.Node(row)
		if n.Node == nil || n.Cordoned || !Eligible(g, n.Node.Spec) {
			continue
		}
		if key == berth.NodeID {
			a.values[row]++
		} else if v, ok := n.Node.Attr(id); ok {
			a.values[v]++
		}
	}
	return a
}

// area is the nodes that are eligible for a group, by domain.
type area struct {
	at     uint64 // the fork's nodes when it was made
	values map[uint32]int
}

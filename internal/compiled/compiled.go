// Package compiled has what a group's spec comes to: its needs in one list, its rules by kind, and which attributes they
// read. Package berth keeps the words as a host wrote them; the packages that place tasks work with this form.
package compiled

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
)

// Group is a group's spec, taken apart. It is immutable.
type Group struct {
	*berth.Group
	Spec berth.GroupSpec

	// Needs are what one task takes of every resource, the scalars of devices included, in name order, none of them zero.
	Needs []Need
	// NodeRules, DomainRules and Tolerations are the hard constraints by kind, each text once: said again, a rule adds
	// nothing but the same reason once more.
	NodeRules   []berth.NodeRule
	DomainRules []berth.DomainRule
	Tolerations []berth.Toleration
	// Keys are the attributes by whose values the domain rules count the group's tasks, sorted, without [berth.NodeID].
	Keys []string
	// Eligibility is equal for groups that the same nodes are eligible for and equally preferred by. It is empty for those
	// without rules about nodes and without preferences.
	Eligibility string
	// Reads are the attributes that the rules about nodes and the preferences look at, sorted. Nodes with equal taints and
	// equal values of them are answered alike, unless ReadsAll says that a rule may look at any part of a node.
	Reads    []string
	ReadsAll bool
}

// A Need is an amount of a resource.
type Need struct {
	Name   string
	Amount int64
}

// Of returns the compiled form of a group. It is made at the first call and kept with the group. A group with faults has
// none of the lists.
func Of(g *berth.Group) *Group { return berth.Derive(g, compile) }

// Grants reports whether a task of the group gets particular devices or ports.
func (g *Group) Grants() bool { return len(g.Spec.Devices) > 0 || g.UsesPorts() }

// UsesPorts reports whether the group's tasks need ports.
func (g *Group) UsesPorts() bool { return len(g.Spec.Ports) > 0 || g.Spec.DynamicPorts > 0 }

// Amount returns what one task takes of a resource.
func (g *Group) Amount(name string) int64 {
	i, ok := slices.BinarySearchFunc(g.Needs, name, func(n Need, name string) int { return cmp.Compare(n.Name, name) })
	if !ok {
		return 0
	}
	return g.Needs[i].Amount
}

// Device returns the index of the group's request for devices of a class, or -1.
func (g *Group) Device(class string) int {
	return slices.IndexFunc(g.Spec.Devices, func(d berth.DeviceRequest) bool { return d.Class == class })
}

func compile(group *berth.Group, spec berth.GroupSpec) *Group {
	g := &Group{Group: group}
	if group.Err() != nil {
		return g
	}
	g.Spec = spec
	g.Needs = make([]Need, 0, len(g.Spec.Request)+len(g.Spec.Devices))
	for name, q := range g.Spec.Request {
		if q > 0 {
			g.Needs = append(g.Needs, Need{name, q})
		}
	}
	for _, d := range g.Spec.Devices {
		g.Needs = append(g.Needs, Need{d.Class, d.Units()})
	}
	slices.SortFunc(g.Needs, func(a, b Need) int { return cmp.Compare(a.Name, b.Name) })
	g.sortRules()
	if len(g.NodeRules)+len(g.Tolerations)+len(g.Spec.Prefer) == 0 {
		return g
	}
	g.Eligibility = fmt.Sprintf("%q %q %q", texts(g.NodeRules), texts(g.Tolerations), g.Spec.Prefer)
	for _, r := range g.NodeRules {
		g.reads(r)
	}
	for _, p := range g.Spec.Prefer {
		if r, ok := p.Rule.(berth.NodeRule); ok {
			g.reads(r)
		}
	}
	slices.Sort(g.Reads)
	g.Reads = slices.Compact(g.Reads)
	return g
}

func (g *Group) sortRules() {
	said := make(map[string]bool, len(g.Spec.Rules))
	for _, r := range g.Spec.Rules {
		text := r.String()
		if said[text] {
			continue
		}
		said[text] = true
		switch r := r.(type) {
		case berth.NodeRule:
			g.NodeRules = append(g.NodeRules, r)
		case berth.DomainRule:
			g.DomainRules = append(g.DomainRules, r)
			if k := r.Domain(); k != berth.NodeID {
				g.Keys = append(g.Keys, k)
			}
		case berth.Toleration:
			g.Tolerations = append(g.Tolerations, r)
		}
	}
	slices.Sort(g.Keys)
	g.Keys = slices.Compact(g.Keys)
}

func (g *Group) reads(r berth.NodeRule) {
	attributes := r.Reads()
	g.ReadsAll = g.ReadsAll || len(attributes) == 0
	g.Reads = append(g.Reads, attributes...)
}

func texts[C berth.Constraint](rules []C) []string {
	out := make([]string, len(rules))
	for i, r := range rules {
		out[i] = r.String()
	}
	return out
}

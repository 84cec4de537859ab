package berth

import (
	"fmt"
	"slices"
	"strings"
)

// Requirements is what a group's spec comes to, in the form in which a source, a picker or a strategy asks about many
// nodes: amounts in one list, rules by kind, and what the rules read. It is made once for a group.
type Requirements struct {
	// Needs are what one task takes of every resource, each class of devices included, in name order, none of them zero.
	Needs []struct {
		Name   string
		Amount int64
	}
	// Devices are the requests for devices.
	Devices []DeviceRequest
	// Ports are the ports needed by number, in ascending order, and DynamicPorts is how many more.
	Ports        []PortRange
	DynamicPorts int

	// NodeRules, DomainRules and Tolerations are the hard constraints by kind. Of rules that print alike each list has
	// the first.
	NodeRules   []NodeRule
	DomainRules []DomainRule
	Tolerations []Toleration
	// Prefer are the preferences.
	Prefer []Preference

	// Eligibility is equal for groups for which the same nodes are eligible and equally preferred. It is empty for
	// groups without rules about nodes, tolerations and preferences.
	Eligibility string
	// Reads are the attributes that the rules about nodes and the preferences look at, sorted. Nodes with equal taints and
	// equal values of them are answered alike, unless ReadsAll says that a rule may look at any part of a node.
	Reads    []string
	ReadsAll bool
}

// UsesPorts reports whether a task needs ports.
func (r *Requirements) UsesPorts() bool { return len(r.Ports) > 0 || r.DynamicPorts > 0 }

func (r *Requirements) compile(s *GroupSpec) {
	r.needs(s)
	r.Devices, r.Ports, r.DynamicPorts, r.Prefer = s.Devices, sortedPorts(s.Ports), s.DynamicPorts, s.Prefer
	r.rules(s)
	if len(r.NodeRules)+len(r.Tolerations)+len(r.Prefer) == 0 {
		return
	}
	r.Eligibility = fmt.Sprintf("%q %q %q", texts(r.NodeRules), texts(r.Tolerations), r.Prefer)
	for _, rule := range r.NodeRules {
		r.read(rule)
	}
	for _, p := range r.Prefer {
		r.read(p.Rule.(NodeRule))
	}
	slices.Sort(r.Reads)
	r.Reads = slices.Compact(r.Reads)
}

func (r *Requirements) needs(s *GroupSpec) {
	type need = struct {
		Name   string
		Amount int64
	}
	r.Needs = make([]need, 0, len(s.Request)+len(s.Devices))
	for name, q := range s.Request {
		if q > 0 {
			r.Needs = append(r.Needs, need{name, q})
		}
	}
	for _, d := range s.Devices {
		r.Needs = append(r.Needs, need{d.Class, d.Units()})
	}
	slices.SortFunc(r.Needs, func(a, b need) int { return strings.Compare(a.Name, b.Name) })
}

func (r *Requirements) rules(s *GroupSpec) {
	said := texts(s.Rules)
	for i, rule := range s.Rules {
		if slices.Contains(said[:i], said[i]) {
			continue // said again, a rule adds nothing but the same reason once more
		}
		switch rule := rule.(type) {
		case NodeRule:
			r.NodeRules = append(r.NodeRules, rule)
		case DomainRule:
			r.DomainRules = append(r.DomainRules, rule)
		case Toleration:
			r.Tolerations = append(r.Tolerations, rule)
		}
	}
}

func (r *Requirements) read(rule NodeRule) {
	attributes := rule.Reads()
	r.ReadsAll = r.ReadsAll || len(attributes) == 0
	r.Reads = append(r.Reads, attributes...)
}

package berth

import (
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"
)

// Requirements is what a group's spec comes to, in the form in which a source, a picker or a strategy asks about many
// nodes: amounts in one list, rules by kind, and what the rules read. It is made once for a group.
type Requirements struct {
	// AmountsOnly says that a task asks of a node for amounts of plain resources, that it tolerates its taints, and for nothing else, and
	// that the group is no daemon: there are no devices, ports, rules about nodes, domains and tasks, and no preferences.
	AmountsOnly bool
	// Needs are what one task takes of every resource, each class of devices included, in name order, none of them zero. Class is
	// that of the devices that it is of, if it is of devices.
	Needs []struct {
		Name   string
		Amount int64
		Class  string
	}
	// Eligibility is equal for groups for which the same nodes are eligible and equally preferred.
	Eligibility string
	// Devices are the requests for devices, by class, those of a class as they were given. Those of a class for whole devices that
	// differ in nothing but their number are one. Several reports whether a class has more than one, and Choosy whether one
	// device may be better than another that has room as well: there are several, models are preferred or amounts asked for.
	Devices         []DeviceRequest
	Several, Choosy bool
	// Plain are the resources that are requested as such, not as devices, in name order.
	Plain []string
	// Ports are the ports needed by number, in ascending order, and DynamicPorts is how many more.
	Ports        []PortRange
	DynamicPorts int

	// NodeRules, DomainRules, Counted and Tolerations are the hard constraints by kind. Of rules that print alike each
	// list has the first. A rule about the tasks in domains is among the DomainRules if it says nothing of its Counting, but
	// whether it is Even, and else among the Counted.
	NodeRules   []NodeRule
	DomainRules []DomainRule
	Counted     []CountedRule
	Tolerations []Toleration
	// Prefer are the preferences, by what their rules are about. A rule is about a node's attributes, about the tasks in its
	// domain, which are the group's own or not, or about both; what it is not about is nil. It holds where all of it lets one
	// task more in.
	Prefer []struct {
		Weight int64
		Node   NodeRule
		Own    DomainRule
		Tasks  *CountedRule
	}

	// Reads are the attributes that the rules about nodes and the preferences look at, sorted. Nodes with equal taints and
	// equal values of them are answered alike, unless ReadsAll says that a rule may look at any part of a node.
	Reads    []string
	ReadsAll bool
}

// CountedRule is a [DomainRule] with what it said when the group was made.
type CountedRule struct {
	Attribute string // [DomainRule.Domain]
	// Counting is whom it counts. Of is never the zero Selector: that of a rule about the group's own tasks is the group's
	// [InGroup].
	Counting
	Limit DomainRule // nil unless the Relation is AtMost
	Self  bool       // whether the group's own tasks are selected
	Text  string     // how the rule prints
}

// String prints the rule.
func (r CountedRule) String() string { return r.Text }

// Allows reports whether a domain of which the rule counts so many tasks takes one of the group's more. In is in how many domains it
// counts any, and d sums domains up, where the rule is Even, and has the value of the one that is asked about, where it goes by that.
func (r *CountedRule) Allows(tasks, in int, d Domains) bool {
	switch r.Relation {
	case Near:
		return tasks > 0 || in == 0 && r.Self
	case Colocate:
		return tasks > 0 || in < max(r.Domains, 1)
	case AtMost:
		if r.Limit == nil {
			return true
		}
		if r.Self {
			return tasks < r.Limit.Limit(d)
		}
		return tasks <= r.Limit.Limit(d)
	}
	return tasks == 0
}

// UsesPorts reports whether a task needs ports.
func (r *Requirements) UsesPorts() bool { return len(r.Ports) > 0 || r.DynamicPorts > 0 }

// RequestsOf returns where in r.Devices the requests for devices of a class begin and end; at the same place if there are none.
func (r *Requirements) RequestsOf(class string) (from, to int) {
	if len(r.Devices) == 1 { // the common case, asked for every device of a node
		if r.Devices[0].Class == class {
			return 0, 1
		}
		return 0, 0
	}
	from, _ = slices.BinarySearchFunc(r.Devices, class, func(d DeviceRequest, class string) int { return strings.Compare(d.Class, class) })
	for to = from; to < len(r.Devices) && r.Devices[to].Class == class; {
		to++
	}
	return from, to
}

// ClassOf returns the class of the devices that a resource that a task needs is of, and whether it is of devices.
func (r *Requirements) ClassOf(resource string) (string, bool) {
	if len(r.Devices) == 0 {
		return "", false
	}
	i := sort.Search(len(r.Needs), func(i int) bool { return r.Needs[i].Name >= resource })
	if i == len(r.Needs) || r.Needs[i].Name != resource {
		return "", false
	}
	return r.Needs[i].Class, r.Needs[i].Class != ""
}

func (r *Requirements) compile(g *Group) {
	s := &g.spec
	r.needs(s)
	r.Ports, r.DynamicPorts = sortedPorts(s.Ports), s.DynamicPorts
	r.requests(s)
	r.rules(g)
	r.preferences(g)
	r.AmountsOnly = len(r.Devices)+len(r.NodeRules)+len(r.DomainRules)+len(r.Counted)+len(r.Prefer) == 0 && !r.UsesPorts() && s.Mode != Daemon
	r.Eligibility = strings.Join(r.Plain, "\x00") // a node of such devices does not give them as plain resources
	if len(r.NodeRules)+len(r.Tolerations)+len(r.Prefer) == 0 {
		return
	}
	r.Eligibility += fmt.Sprintf("\x00%q %q %q", texts(r.NodeRules), texts(r.Tolerations), s.Prefer)
	for _, rule := range r.NodeRules {
		r.read(rule)
	}
	for _, p := range r.Prefer {
		if p.Node != nil {
			r.read(p.Node)
		}
	}
	slices.Sort(r.Reads)
	r.Reads = slices.Compact(r.Reads)
}

func (r *Requirements) needs(s *GroupSpec) {
	type need = struct {
		Name   string
		Amount int64
		Class  string
	}
	r.Needs = make([]need, 0, len(s.Request)+len(s.Devices))
	for name, q := range s.Request {
		if q > 0 {
			r.Needs, r.Plain = append(r.Needs, need{name, q, ""}), append(r.Plain, name)
		}
	}
	slices.Sort(r.Plain)
	for i := range s.Devices {
		d := &s.Devices[i]
		if units := d.Units(); units > 0 {
			r.Needs = append(r.Needs, need{d.Class, units, d.Class})
		}
		for amount, q := range d.Amounts {
			if q > 0 {
				r.Needs = append(r.Needs, need{DeviceResource(d.Class, amount), q, d.Class})
			}
		}
	}
	slices.SortFunc(r.Needs, func(a, b need) int { return strings.Compare(a.Name, b.Name) })
	if len(s.Devices) < 2 {
		return
	}
	once := r.Needs[:0]
	for _, n := range r.Needs {
		if last := len(once) - 1; last >= 0 && once[last].Name == n.Name {
			once[last].Amount += n.Amount
		} else {
			once = append(once, n)
		}
	}
	r.Needs = once
}

// requests puts the requests for devices in order.
func (r *Requirements) requests(s *GroupSpec) {
	r.Devices = s.Devices
	for i := range r.Devices {
		r.Choosy = r.Choosy || len(r.Devices[i].Prefer)+len(r.Devices[i].Amounts) > 0
	}
	if len(r.Devices) < 2 {
		return
	}
	r.Devices = slices.Clone(r.Devices)
	slices.SortStableFunc(r.Devices, func(a, b DeviceRequest) int { return strings.Compare(a.Class, b.Class) })
	merged := r.Devices[:0]
	for _, d := range r.Devices {
		from := len(merged)
		for from > 0 && merged[from-1].Class == d.Class {
			from--
		}
		same := slices.IndexFunc(merged[from:], func(o DeviceRequest) bool {
			return d.Count > 0 && o.Count > 0 && slices.Equal(d.Models, o.Models) && maps.Equal(d.Prefer, o.Prefer)
		})
		if same >= 0 {
			merged[from+same].Count += d.Count
			continue
		}
		merged, r.Several = append(merged, d), r.Several || from < len(merged)
	}
	r.Devices, r.Choosy = merged, r.Choosy || r.Several
}

func (r *Requirements) rules(g *Group) {
	for _, rule := range g.spec.Rules { // a host's rule can be of several kinds, and says something as each
		if rule, ok := rule.(NodeRule); ok {
			r.NodeRules = append(r.NodeRules, rule)
		}
		if rule, ok := rule.(DomainRule); ok {
			if c, counted := countedBy(g, rule); counted {
				r.Counted = append(r.Counted, c)
			} else {
				r.DomainRules = append(r.DomainRules, rule)
			}
		}
		if rule, ok := rule.(Toleration); ok {
			r.Tolerations = append(r.Tolerations, rule)
		}
	}
	r.NodeRules, r.DomainRules, r.Tolerations = unlike(r.NodeRules), unlike(r.DomainRules), unlike(r.Tolerations)
	r.Counted = unlike(r.Counted)
}

func (r *Requirements) preferences(g *Group) {
	r.Prefer = slices.Grow(r.Prefer, len(g.spec.Prefer))[:len(g.spec.Prefer)]
	for i, p := range g.spec.Prefer {
		soft := &r.Prefer[i]
		soft.Weight = p.Weight
		soft.Node, _ = p.Rule.(NodeRule)
		if rule, ok := p.Rule.(DomainRule); ok {
			if c, counted := countedBy(g, rule); counted {
				soft.Tasks = &c
			} else {
				soft.Own = rule
			}
		}
	}
}

// countedBy returns what a rule says for a group, unless that is the number of the group's own tasks and no more.
func countedBy(g *Group, rule DomainRule) (CountedRule, bool) {
	c, limit := rule.Counts(), rule
	if c == (Counting{Even: c.Even}) {
		return CountedRule{}, false
	}
	if c.Relation != AtMost {
		limit = nil
	}
	if c.Of.IsOwn() {
		c.Of = InGroup(g.name)
	}
	return CountedRule{rule.Domain(), c, limit, c.Of.of.matches(g), rule.String()}, true
}

// unlike returns rules of one kind without those that print like an earlier one: said again, a rule adds nothing but the
// same reason once more.
func unlike[R fmt.Stringer](rules []R) []R {
	if len(rules) < 2 {
		return rules
	}
	said := make(map[string]bool, len(rules))
	return slices.DeleteFunc(rules, func(rule R) bool {
		text := rule.String()
		again := said[text]
		said[text] = true
		return again
	})
}

func (r *Requirements) read(rule NodeRule) {
	attributes := rule.Reads()
	r.ReadsAll = r.ReadsAll || len(attributes) == 0
	r.Reads = append(r.Reads, attributes...)
}

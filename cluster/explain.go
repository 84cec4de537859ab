package cluster

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/explain"
	"github.com/berth-sched/berth/internal/store"
)

// Fits reports whether a task of the group could be placed on n now: n is a node of the fork, and this
// is what [Fork.Apply] checks of it.
func (f *Fork) Fits(g *berth.Group, n NodeView) bool {
	f = f.ready()
	if g.Err() != nil || !f.has(n) {
		return false
	}
	_, row := n.at()
	sh := f.shape(g)
	if len(sh.missing) > 0 || f.differs(sh) {
		return false
	}
	free := f.s.Free(row)
	for _, need := range sh.needs {
		if free[need.Dim] < need.Amount {
			return false
		}
	}
	if why := f.allowed(sh, row); why.Code != berth.None {
		return false
	}
	if !grants(sh.group) {
		return true
	}
	_, why := f.grant(sh.group, row, nil, f.s.Node(row).Devices, f.unusedOn(row))
	return why.Code == berth.None
}

// Lacks returns every reason why a task of the group cannot be placed on n now, with what is missing;
// none if it can be.
func (f *Fork) Lacks(g *berth.Group, n NodeView) []berth.Lack {
	f = f.ready()
	if err := g.Err(); err != nil {
		return []berth.Lack{{Reason: berth.Reason{Code: berth.Invalid, Subject: err.Error()}}}
	}
	if !f.has(n) {
		return []berth.Lack{{Reason: berth.Reason{Code: berth.UnknownNode}}}
	}
	_, row := n.at()
	return f.offered(f.lacks(nil, f.shape(g), row, true), row)
}

// offered returns what a node lacks as its reader may know it.
func (f *Fork) offered(lacks []berth.Lack, row uint32) []berth.Lack {
	if f.s.Node(row).Withheld {
		return Withheld(lacks)
	}
	return lacks
}

// Withheld returns what a node lacks of which a reader may not see what is free: that it is not offered stands for all that
// is taken there. What the node never had stays. lacks is used up.
func Withheld(lacks []berth.Lack) []berth.Lack {
	short := slices.ContainsFunc(lacks, func(l berth.Lack) bool { return isRoom(l.Reason.Code) })
	lacks = slices.DeleteFunc(lacks, func(l berth.Lack) bool { return isTaken(l.Reason.Code) })
	if short {
		lacks = append(lacks, berth.Lack{Reason: berth.Reason{Code: berth.NotOffered}})
	}
	return lacks
}

// isTaken reports whether a reason says that the node's room is taken.
func isTaken(c berth.Code) bool {
	return c == berth.Insufficient || c == berth.UnitsTaken || c == berth.DeviceTaken || c == berth.PortTaken
}

// isRoom reports whether more room would cure what a reason says.
func isRoom(c berth.Code) bool {
	return isTaken(c) || c == berth.TooSmall || c == berth.NoDevice || c == berth.DeviceUnhealthy || c == berth.NoPort
}

// allowed returns the first reason other than room why a task of the group may not go on a node.
func (f *Fork) allowed(sh *shape, row uint32) berth.Reason {
	n := f.s.Node(row)
	if n.Cordoned {
		return berth.Reason{Code: berth.Cordoned}
	}
	g := sh.group
	if node := n.Node.Spec; !Eligible(g, node) {
		for why := range ineligible(g, node) {
			return why
		}
	}
	if g.Mode() == berth.Daemon && sh.known && f.s.CountOn(sh.id, row) > 0 {
		return berth.Reason{Code: berth.Covered}
	}
	for _, r := range g.Requirements().DomainRules {
		if l, full := f.domainLack(sh, row, r, false); full {
			return l.Reason
		}
	}
	return berth.Reason{}
}

// lacks appends every reason why a task of the group cannot be placed on a node. No two are alike. Details cost the number
// of the group's tasks, and are left out where many nodes are asked about.
func (f *Fork) lacks(out []berth.Lack, sh *shape, row uint32, detail bool) []berth.Lack {
	n := f.s.Node(row)
	node := n.Node.Spec
	g := sh.group
	if f.differs(sh) {
		return append(out, berth.Lack{Reason: berth.Reason{Code: berth.GroupDiffers, Subject: g.Name()}})
	}
	if n.Cordoned {
		out = append(out, berth.Lack{Reason: berth.Reason{Code: berth.Cordoned}})
	}
	for why, rule := range ineligible(g, node) {
		l := berth.Lack{Reason: why}
		if detail && rule != nil {
			l.Detail = rule.Why(node)
		}
		out = append(out, l)
	}
	if g.Mode() == berth.Daemon && sh.known && f.s.CountOn(sh.id, row) > 0 {
		out = append(out, berth.Lack{Reason: berth.Reason{Code: berth.Covered}})
	}
	for _, r := range g.Requirements().DomainRules {
		if l, full := f.domainLack(sh, row, r, detail); full {
			out = append(out, l)
		}
	}
	var who *onNode
	if detail {
		who = &onNode{f: f, row: row}
	}
	return appendShortfalls(out, g, node, func(name string) int64 {
		if d, ok := f.s.DimOf(name); ok {
			return f.s.Free(row)[d]
		}
		return 0
	}, n.Devices, n.Ports, who)
}

func (f *Fork) has(n NodeView) bool {
	v, _ := n.at()
	return v == &f.s.View && n.exists()
}

// Shortfalls returns what a node lacks of the room that a task of a group takes, given what is free of
// each resource, the free units of each device, and the ports in use, ascending. It cannot say who is in the way, as
// [Fork.Lacks] does.
func Shortfalls(g *berth.Group, n *berth.Node, free func(resource string) int64, devices []int64, used []uint16) []berth.Lack {
	if n == nil || free == nil || g.Err() != nil {
		return nil
	}
	return appendShortfalls(nil, g, n, free, devices, used, new(onNode))
}

// appendShortfalls appends what Shortfalls returns, with details if who is there to tell them.
func appendShortfalls(out []berth.Lack, g *berth.Group, n *berth.Node, free func(string) int64, devices []int64, used []uint16, who *onNode) []berth.Lack {
	r := g.Requirements()
	var has []stock
	if len(r.Devices) > 0 {
		has = stocks(r, n, devices, who != nil)
	}
	var asDevices []string // what is only to be had as devices is not a matter of room
	for name := range byDevice(g, n) {
		asDevices = append(asDevices, name)
	}
	for _, need := range r.Needs {
		have := free(need.Name)
		if have >= need.Amount {
			continue
		}
		if i := r.DeviceOf(need.Name); i >= 0 {
			if has[i].serves(&r.Devices[i]) { // else it is said of the devices below
				out = append(out, unitsLack(need.Name, explain.Shortfall(need.Amount, have)))
			}
		} else if _, ok := slices.BinarySearch(asDevices, need.Name); !ok {
			out = append(out, amountLack(n, need.Name, need.Amount, have, who != nil))
		}
	}
	for i := range r.Devices {
		d := &r.Devices[i]
		switch {
		case has[i].serves(d):
		case who == nil:
			out = append(out, berth.Lack{Reason: has[i].reason(d)})
		default:
			l := has[i].lack(d)
			l.Detail += who.strays(n, d.Class)
			out = append(out, l)
		}
	}
	if r.UsesPorts() {
		_, missing := choosePorts(r, n, unused(n, used))
		for _, s := range missing {
			l := berth.Lack{Reason: s.why}
			if who != nil {
				l.Detail = who.inTheWay(s)
			}
			out = append(out, l)
		}
	}
	return out
}

// AmountLack says what n lacks of a resource of which a task takes more than is free.
func AmountLack(n *berth.Node, resource string, amount, free int64) berth.Lack {
	if n == nil {
		n = new(berth.Node)
	}
	return amountLack(n, resource, amount, free, true)
}

func amountLack(n *berth.Node, resource string, amount, free int64, detail bool) berth.Lack {
	l := berth.Lack{Reason: berth.Reason{Code: berth.Insufficient, Subject: resource}, Short: explain.Shortfall(amount, free)}
	if all := n.Capacity[resource]; all < amount {
		l.Reason.Code = berth.TooSmall
		if detail {
			l.Detail = "it has " + berth.FormatQuantity(resource, all) + " in all"
		}
	}
	return l
}

// UnitsLack says that a node has the devices of a class, but short units of it too little, since others take them of no
// device in particular.
func UnitsLack(class string, short int64) berth.Lack { return unitsLack(class, short) }

func unitsLack(class string, short int64) berth.Lack {
	return berth.Lack{
		Reason: berth.Reason{Code: berth.UnitsTaken, Subject: class}, Short: short,
		Detail: "taken by tasks without a device",
	}
}

// DeviceLack says what n lacks of the devices that a request asks for and that the free units of each cannot serve.
func DeviceLack(d *berth.DeviceRequest, n *berth.Node, free []int64) berth.Lack {
	if d == nil || n == nil {
		return berth.Lack{Reason: DeviceReason(d, n)}
	}
	return stocks(&berth.Requirements{Devices: []berth.DeviceRequest{*d}}, n, free, true)[0].lack(d)
}

// onNode tells who has what on a node of a fork; of no fork, it tells nothing. It looks at the node's tasks and holds once.
type onNode struct {
	f      *Fork
	row    uint32
	gone   map[string][]string // by class: which tasks have devices that the node no longer has
	owners map[uint16]owner
}

// owner is the first task or hold that has a port, in order of their IDs, tasks first.
type owner struct {
	hold bool
	id   string
}

// strays says which tasks still have devices of a class that the node no longer has.
func (o *onNode) strays(n *berth.Node, class string) string {
	if o.f == nil || o.f.s.Node(o.row).Stray == 0 {
		return ""
	}
	if o.gone == nil {
		o.gone = map[string][]string{}
		find := finder(n, len(n.Devices))
		for slot, r := range o.f.s.On(o.row) {
			if r.Extra == nil || r.Extra.Grant == nil {
				continue
			}
			for k := range r.Extra.Grant.Devices {
				if s := &r.Extra.Grant.Devices[k]; find(s) < 0 {
					o.gone[s.Class] = append(o.gone[s.Class], fmt.Sprintf("%s has %s/%s, which is gone", o.f.s.ID(slot), s.Class, s.ID))
				}
			}
		}
	}
	gone := o.gone[class]
	if len(gone) == 0 {
		return ""
	}
	slices.Sort(gone)
	return "; " + short(gone)
}

// inTheWay says what stands in the way of a request for ports: "8080 has web-1".
func (o *onNode) inTheWay(s portShort) string {
	if len(s.ports) == 0 {
		return fmt.Sprintf("%d free", s.free)
	}
	const most = 3
	var parts []string
	for i, p := range s.ports {
		if i == most {
			parts = append(parts, fmt.Sprintf("%d more", len(s.ports)-most))
			break
		}
		part := onePort(p)
		switch owner := o.owner(p); {
		case s.why.Code == berth.NoPort:
			part += " is not the node's"
		case owner != "":
			part += " has " + owner
		default:
			part += " is taken"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// owner says who has a port.
func (o *onNode) owner(p uint16) string {
	if o.f == nil {
		return ""
	}
	if o.owners == nil {
		o.owners = map[uint16]owner{}
		for slot, r := range o.f.s.On(o.row) {
			if r.Extra == nil {
				continue
			}
			next := owner{r.Group == store.Holds, o.f.s.ID(slot)}
			for _, p := range r.Extra.Ports {
				if is, ok := o.owners[p]; !ok || !next.hold && is.hold || next.hold == is.hold && next.id < is.id {
					o.owners[p] = next
				}
			}
		}
	}
	if is := o.owners[p]; is.hold {
		return "hold " + is.id
	}
	return o.owners[p].id
}

// Explain says why no node can take a task of the group now; for a group that some node can take it
// tells the same of the other nodes. It looks at every node.
func (f *Fork) Explain(g *berth.Group) *berth.Explanation {
	f = f.ready()
	e := &berth.Explanation{Nodes: f.s.Nodes(), Mode: g.Mode()}
	if err := g.Err(); err != nil {
		e.Counts = []berth.ReasonCount{{Reason: berth.Reason{Code: berth.Invalid, Subject: err.Error()}, Nodes: e.Nodes}}
		return e
	}
	e.Missing = Missing(&f.s.View, g, 0)
	sh := f.shape(g)
	counts := map[berth.Reason]int{}
	var buf []berth.Lack
	var nearest explain.Miss
	at, found := uint32(0), false
	for _, row := range f.s.Sorted() {
		buf = f.lacks(buf[:0], sh, row, false)
		near := missOf(sh.group, buf)
		buf = f.offered(buf, row)
		for _, l := range buf {
			counts[l.Reason]++
		}
		if len(buf) == 0 {
			continue
		}
		if !found || near.Compare(nearest) < 0 {
			at, nearest, found = row, near, true
		}
	}
	if found {
		e.Nearest = &berth.NearMiss{Node: f.s.Node(at).Node.ID, Lacks: f.offered(f.lacks(nil, sh, at, true), at)}
	}
	for r, n := range counts {
		e.Counts = append(e.Counts, berth.ReasonCount{Reason: r, Nodes: n})
	}
	explain.Sort(e.Counts)
	return e
}

// Missing returns how many tasks of a gang have no place yet, up to its size, if so many more than the view shows have been
// picked; 0 for other groups. Tasks that stop do not count. It is for berth's own packages: no other has a view.
func Missing(v *store.View, g *berth.Group, picked int) int {
	if g.Mode() != berth.Gang {
		return 0
	}
	if id, ok := v.FindGroup(g.Name()); ok {
		for slot := range v.Members(id) {
			if r := v.Record(slot); r.Row != store.None && berth.TaskState(r.State) != berth.Stopping {
				picked++
			}
		}
	}
	return max(0, g.GangSize()-picked)
}

func missOf(g *berth.Group, lacks []berth.Lack) explain.Miss {
	m := explain.NoMiss
	for _, l := range lacks {
		switch l.Reason.Code {
		case berth.Insufficient, berth.TooSmall, berth.UnitsTaken:
			m.LackBy(amount(g, l.Reason.Subject), l.Short)
		default:
			if isRoom(l.Reason.Code) {
				m.Rooms++
			} else {
				m.Rules++
			}
		}
	}
	return m
}

// amount returns what one task of the group takes of a resource that it needs.
func amount(g *berth.Group, resource string) int64 {
	needs := g.Requirements().Needs
	i := sort.Search(len(needs), func(i int) bool { return needs[i].Name >= resource })
	if i == len(needs) || needs[i].Name != resource {
		return 0
	}
	return needs[i].Amount
}

package cluster

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/explain"
)

// Fits reports whether a task of the group could be placed on n now: n is a node of the fork, and this
// is what [Fork.Apply] checks of it.
func (f *Fork) Fits(g *berth.Group, n NodeView) bool {
	f.ready()
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
	f.ready()
	if err := g.Err(); err != nil {
		return []berth.Lack{{Reason: berth.Reason{Code: berth.Invalid, Subject: err.Error()}}}
	}
	if !f.has(n) {
		return []berth.Lack{{Reason: berth.Reason{Code: berth.UnknownNode}}}
	}
	_, row := n.at()
	return f.offered(f.lacks(nil, f.shape(g), row), row)
}

// offered returns what a node lacks as its reader may know it: that a node is not offered stands for all that is short
// there.
func (f *Fork) offered(lacks []berth.Lack, row uint32) []berth.Lack {
	if !f.s.Node(row).Withheld {
		return lacks
	}
	all := len(lacks)
	lacks = slices.DeleteFunc(lacks, func(l berth.Lack) bool { return isRoom(l.Reason.Code) })
	if len(lacks) < all {
		lacks = append(lacks, berth.Lack{Reason: berth.Reason{Code: berth.NotOffered}})
	}
	return lacks
}

// isRoom reports whether more room would cure what a reason says.
func isRoom(c berth.Code) bool {
	return c == berth.Insufficient || c == berth.NoDevice || c == berth.NoPort
}

// allowed returns the first reason other than room why a task of the group may not go on a node.
func (f *Fork) allowed(sh *shape, row uint32) berth.Reason {
	n := f.s.Node(row)
	if n.Cordoned {
		return berth.Reason{Code: berth.Cordoned}
	}
	g := sh.group
	if node := n.Node.Spec; !Eligible(g, node) {
		return Ineligible(g, node)[0]
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

// lacks appends every reason why a task of the group cannot be placed on a node.
func (f *Fork) lacks(out []berth.Lack, sh *shape, row uint32) []berth.Lack {
	n := f.s.Node(row)
	node := n.Node.Spec
	g := sh.group
	if f.differs(sh) {
		return append(out, berth.Lack{Reason: berth.Reason{Code: berth.GroupDiffers, Subject: g.Name()}})
	}
	if n.Cordoned {
		out = append(out, berth.Lack{Reason: berth.Reason{Code: berth.Cordoned}})
	}
	for _, why := range Ineligible(g, node) {
		l := berth.Lack{Reason: why}
		if why.Code == berth.RuleBroken {
			i := slices.IndexFunc(g.Requirements().NodeRules, func(r berth.NodeRule) bool { return r.String() == why.Subject })
			l.Detail = g.Requirements().NodeRules[i].Why(node)
		}
		out = append(out, l)
	}
	if g.Mode() == berth.Daemon && sh.known && f.s.CountOn(sh.id, row) > 0 {
		out = append(out, berth.Lack{Reason: berth.Reason{Code: berth.Covered}})
	}
	for _, r := range g.Requirements().DomainRules {
		if l, full := f.domainLack(sh, row, r, true); full {
			out = append(out, l)
		}
	}
	return append(out, Shortfalls(g, node, func(name string) int64 {
		if d, ok := f.s.DimOf(name); ok {
			return f.s.FreeOf(row, d)
		}
		return 0
	}, n.Devices, n.Ports)...)
}

func (f *Fork) has(n NodeView) bool {
	v, _ := n.at()
	return v == &f.s.View && n.exists()
}

// Shortfalls returns what a node lacks of the room that a task of a group takes, given what is free of
// each resource, the free units of each device, and the ports in use, ascending.
func Shortfalls(g *berth.Group, n *berth.Node, free func(resource string) int64, devices []int64, used []uint16) []berth.Lack {
	if n == nil || free == nil || g.Err() != nil {
		return nil
	}
	var out []berth.Lack
	for _, need := range g.Requirements().Needs {
		have := free(need.Name)
		if have >= need.Amount {
			continue
		}
		if i := deviceRequest(g, need.Name); i >= 0 && !Serves(n, &g.Requirements().Devices[i], devices) {
			continue // said of the devices below
		}
		out = append(out, berth.Lack{
			Reason: berth.Reason{Code: berth.Insufficient, Subject: need.Name},
			Short:  explain.Shortfall(need.Amount, have),
		})
	}
	for i := range g.Requirements().Devices {
		if d := &g.Requirements().Devices[i]; !Serves(n, d, devices) {
			out = append(out, berth.Lack{Reason: berth.Reason{Code: berth.NoDevice, Subject: d.String()}})
		}
	}
	if g.Requirements().UsesPorts() {
		if why := choosePorts(g, new(berth.Grant), n, unused(n, used)); why.Code != berth.None {
			out = append(out, berth.Lack{Reason: why})
		}
	}
	return out
}

// Explain says why no node can take a task of the group now; for a group that some node can take it
// tells the same of the other nodes. It looks at every node.
func (f *Fork) Explain(g *berth.Group) *berth.Explanation {
	e := &berth.Explanation{Nodes: f.ready().s.Nodes()}
	if err := g.Err(); err != nil {
		e.Counts = []berth.ReasonCount{{Reason: berth.Reason{Code: berth.Invalid, Subject: err.Error()}, Nodes: e.Nodes}}
		return e
	}
	sh := f.shape(g)
	counts := map[berth.Reason]int{}
	var buf []berth.Lack
	var nearest explain.Miss
	for _, row := range f.s.Order() {
		buf = f.lacks(buf[:0], sh, row)
		near := missOf(sh.group, buf)
		buf = f.offered(buf, row)
		for i, l := range buf {
			if !slices.ContainsFunc(buf[:i], func(o berth.Lack) bool { return o.Reason == l.Reason }) {
				counts[l.Reason]++
			}
		}
		if len(buf) == 0 {
			continue
		}
		if e.Nearest == nil || near.Compare(nearest) < 0 {
			nearest = near
			e.Nearest = &berth.NearMiss{Node: f.s.Node(row).Node.ID, Lacks: slices.Clone(buf)}
		}
	}
	for r, n := range counts {
		e.Counts = append(e.Counts, berth.ReasonCount{Reason: r, Nodes: n})
	}
	explain.Sort(e.Counts)
	return e
}

func missOf(g *berth.Group, lacks []berth.Lack) explain.Miss {
	m := explain.NoMiss
	for _, l := range lacks {
		switch l.Reason.Code {
		case berth.Insufficient:
			m.LackBy(amount(g, l.Reason.Subject), l.Short)
		case berth.NoDevice, berth.NoPort:
			m.Rooms++
		default:
			m.Rules++
		}
	}
	return m
}

// amount returns what one task of the group takes of a resource that it needs.
func amount(g *berth.Group, resource string) int64 {
	for _, n := range g.Requirements().Needs {
		if n.Name == resource {
			return n.Amount
		}
	}
	return 0
}

package checked

import (
	"sort"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/explain"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// Fits reports whether a task of the group could be placed on the node in a row now.
func (f *Fork) Fits(g *berth.Group, row uint32) bool {
	f = f.Ready()
	if g.Err() != nil {
		return false
	}
	sh := f.shape(g)
	if len(sh.missing) > 0 || f.differs(sh) {
		return false
	}
	for _, need := range sh.needs {
		if f.s.FreeOf(row, need.Dim) < need.Amount {
			return false
		}
	}
	if why := f.allowed(sh, row); why.Code != berth.None {
		return false
	}
	if !fit.Grants(sh.group) {
		return true
	}
	_, why := f.grant(sh.group, row, nil, f.s.Node(row).Devices, f.unusedOn(row))
	return why.Code == berth.None
}

// Lacks returns every reason why a task of the group, which has no faults, cannot be placed on the node in a row now.
func (f *Fork) Lacks(g *berth.Group, row uint32) []berth.Lack {
	f = f.Ready()
	return f.offered(f.lacks(nil, f.shape(g), row, true), row)
}

// offered returns what a node lacks as its reader may know it.
func (f *Fork) offered(lacks []berth.Lack, row uint32) []berth.Lack {
	if f.s.Node(row).Withheld {
		return fit.Withheld(lacks)
	}
	return lacks
}

// allowed returns the first reason other than room why a task of the group may not go on a node.
func (f *Fork) allowed(sh *shape, row uint32) berth.Reason {
	n := f.s.Node(row)
	if n.Cordoned {
		return berth.Reason{Code: berth.Cordoned}
	}
	g := sh.group
	for why := range fit.Reasons(g, n.Node.Spec) {
		return why
	}
	if g.Mode() == berth.Daemon && sh.known && f.s.CountOn(sh.id, row) > 0 {
		return berth.Reason{Code: berth.Covered}
	}
	for _, r := range g.Requirements().DomainRules {
		if l, full := f.domainLack(sh, row, r, false); full {
			return l.Reason
		}
	}
	var one [1]berth.Lack
	for _, l := range f.taskLacks(one[:0], sh, row, false, true) {
		return l.Reason
	}
	return berth.Reason{}
}

// lacks appends every reason why a task of the group cannot be placed on a node. No two are alike. Details cost the number
// of the tasks that rules count, and are left out where many nodes are asked about.
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
	for why, rule := range fit.Reasons(g, node) {
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
	out = f.taskLacks(out, sh, row, detail, false)
	var tell *fit.Details
	if detail {
		tell = fit.DetailsOf(&f.s.View, row)
	}
	free := func(name string) int64 {
		if d, ok := f.s.DimOf(name); ok {
			return f.s.FreeOf(row, d)
		}
		return 0
	}
	return fit.AppendLacks(out, g, node, fit.Room{Amount: free, Devices: n.Devices, Ports: n.Ports}, tell)
}

// Explain says why no node can take a task of the group now; for a group that some node can take it
// tells the same of the other nodes. It looks at every node.
func (f *Fork) Explain(g *berth.Group) *berth.Explanation {
	f = f.Ready()
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
	for _, row := range f.s.Order() {
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
// picked; 0 for other groups. Tasks that stop do not count; no view shows none.
func Missing(v *store.View, g *berth.Group, picked int) int {
	if g.Mode() != berth.Gang {
		return 0
	}
	v = v.Shown()
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
	m := explain.Miss{}
	for _, l := range lacks {
		switch l.Reason.Code {
		case berth.Insufficient, berth.TooSmall, berth.UnitsTaken:
			m.LackBy(amount(g, l.Reason.Subject), l.Short)
		default:
			if fit.IsRoom(l.Reason.Code) {
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

package checked

import (
	"iter"
	"slices"
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
	if !f.enoughFor(sh, row, "") || f.refusal(sh, row).Code != berth.None || len(f.overOn(sh, row, "")) > 0 {
		return false
	}
	_, why := f.granted(sh, row, nil)
	return why.Code == berth.None
}

// Lacks returns every reason why a task of the group, which has no faults, cannot be placed on the node in a row now.
func (f *Fork) Lacks(g *berth.Group, row uint32) []berth.Lack {
	f = f.Ready()
	sh := f.shape(g)
	var lacks []berth.Lack
	for _, x := range f.excessesOn(sh, row, "") {
		lacks = append(lacks, x.Lack())
	}
	return append(lacks, f.offered(f.lacks(nil, sh, row, true), row)...)
}

// offered returns what a node lacks as its reader may know it.
func (f *Fork) offered(lacks []berth.Lack, row uint32) []berth.Lack {
	if f.s.Node(row).Withheld {
		return fit.Withheld(lacks)
	}
	return lacks
}

// refusal returns the first reason other than room why a task of the group may not go on a node.
func (f *Fork) refusal(sh *shape, row uint32) berth.Reason {
	for l := range f.refusals(sh, row, false) {
		return l.Reason
	}
	var one [1]berth.Lack
	for _, l := range f.taskLacks(one[:0], sh, row, false, true) {
		return l.Reason
	}
	return berth.Reason{}
}

// refusals yields every reason other than room why a task of the group may not go on a node, in order: the node,
// its rules and taints, and what is on it and elsewhere already.
func (f *Fork) refusals(sh *shape, row uint32, detail bool) iter.Seq[berth.Lack] {
	return func(yield func(berth.Lack) bool) {
		n, g := f.s.Node(row), sh.group
		if n.Cordoned && !yield(berth.Lack{Reason: berth.Reason{Code: berth.Cordoned}}) {
			return
		}
		for why, rule := range fit.Reasons(g, n.Node.Spec) {
			l := berth.Lack{Reason: why}
			if detail && rule != nil {
				l.Detail = rule.Why(n.Node.Spec)
			}
			if !yield(l) {
				return
			}
		}
		if g.Mode() == berth.Daemon && sh.named && f.s.CountOn(sh.kin, row) > 0 && !yield(berth.Lack{Reason: berth.Reason{Code: berth.Covered}}) {
			return
		}
		for _, r := range g.Requirements().DomainRules {
			if l, full := f.domainLack(sh, row, r, detail); full && !yield(l) {
				return
			}
		}
	}
}

// lacks appends every reason why a task of the group cannot be placed on a node. No two are alike. Details cost the number
// of the tasks that rules count, and are left out where many nodes are asked about.
func (f *Fork) lacks(out []berth.Lack, sh *shape, row uint32, detail bool) []berth.Lack {
	out = slices.AppendSeq(out, f.refusals(sh, row, detail))
	out = f.taskLacks(out, sh, row, detail, false)
	var tell *fit.Details
	if detail {
		tell = fit.DetailsOf(&f.s.View, row)
	}
	n := f.s.Node(row)
	node, role := n.Node.Spec, sh.group.Role()
	room := fit.Room{
		Amount: func(name string) int64 {
			if d, ok := f.s.DimOf(name); ok {
				return f.s.RoomOf(row, d, role, "")
			}
			return 0
		},
		InAll:   func(name string) int64 { return node.Capacity[name] },
		Devices: n.Devices, Ports: n.Ports,
	}
	return fit.AppendLacks(out, sh.group, node, room, tell)
}

// Check is what a node lacks for a task, limits of roles and details aside, and how far it is from taking it.
type Check struct {
	Row   uint32
	Lacks []berth.Lack // good until the next
	Miss  explain.Miss
}

// Checks yields every node, in the order of IDs, as a group without faults finds it.
func (f *Fork) Checks(g *berth.Group) iter.Seq[Check] {
	f = f.Ready()
	return f.checks(f.shape(g))
}

func (f *Fork) checks(sh *shape) iter.Seq[Check] {
	return func(yield func(Check) bool) {
		var buf []berth.Lack
		for _, row := range f.s.Order() {
			buf = f.lacks(buf[:0], sh, row, false)
			miss := missOf(sh.group, buf)
			buf = f.offered(buf, row)
			if !yield(Check{row, buf, miss}) {
				return
			}
		}
	}
}

// Told returns what the node in a row lacks for a task of a group without faults, limits of roles aside, with details.
func (f *Fork) Told(g *berth.Group, row uint32) []berth.Lack {
	f = f.Ready()
	return f.offered(f.lacks(nil, f.shape(g), row, true), row)
}

// Excesses returns the limits that a task of the group would exceed.
func (f *Fork) Excesses(g *berth.Group) []fit.Excess {
	f = f.Ready()
	return f.excesses(f.shape(g))
}

// Missing returns how many tasks of a gang have no place yet, up to its size, if so many more than the view shows have been
// picked; 0 for other groups. Tasks that stop do not count; no view shows none.
func Missing(v *store.View, g *berth.Group, picked int) int {
	if g.Mode() != berth.Gang {
		return 0
	}
	v = v.Shown()
	for slot := range v.Named(g.Name()) {
		if r := v.Record(slot); r.Row != store.None && berth.TaskState(r.State) != berth.Stopping {
			picked++
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

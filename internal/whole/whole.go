// Package whole says which operations of a plan stand or fall together: those of a part, and the placements of a group that goes
// together. What has an operation in common is one unit. It also has the error for a plan that is none of the source's.
package whole

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// OtherSource is the error for a plan of a version that is of another source than it is committed to.
func OtherSource(v cluster.Version) error {
	if v.Lineage == 0 {
		return fmt.Errorf("%w: it has no Version, which is that of a snapshot of the source", berth.ErrLineage)
	}
	return berth.ErrLineage
}

// Unit is operations of a plan of which all are done or none.
type Unit struct {
	Part  string // the name of the part that it is; of several, the one that begins first, and of those the longest
	Named bool   // whether it is a part, and no group alone
	Last  int    // the last of its operations
	Gangs []Gang // whose tasks it places, each once

	first int   // where its part begins
	into  *Unit // the unit that it became one with
}

// Gang is the placements of a group that goes together.
type Gang struct {
	Name string
	Size int // the least number of tasks that it runs with; 0 for groups that are no gang
	Last int // the last of its placements
}

// Units returns the unit of each operation of a plan without faults, nil for those that stand alone; nil if all do.
func Units(p *cluster.Plan) []*Unit {
	if len(p.Together) == 0 && len(p.Parts) == 0 && !p.Whole {
		return nil
	}
	of := make([]*Unit, len(p.Ops))
	for _, part := range disjoint(p) {
		u := &Unit{Part: part.Name, Named: true, first: part.First}
		for i := part.First; i < part.End; i++ {
			of[i] = u
		}
	}
	groups := make(map[string]*Unit, len(p.Together))
	for _, name := range p.Together {
		groups[name] = &Unit{}
	}
	groupOf := func(i int) *Unit {
		if op := &p.Ops[i]; op.Kind == berth.Place && op.Task.Group != nil {
			return groups[op.Task.Group.Name()]
		}
		return nil
	}
	for i := range of {
		switch g := groupOf(i).root(); {
		case g == nil:
		case of[i] == nil:
			of[i] = g
		default:
			join(of[i].root(), g)
		}
	}
	gangs := map[string]int{} // the place of each in its unit's list
	for i := range of {
		u := of[i].root()
		if of[i] = u; u == nil {
			continue
		}
		u.Last = i
		if groupOf(i) == nil {
			continue
		}
		g := p.Ops[i].Task.Group
		at, seen := gangs[g.Name()]
		if !seen {
			at = len(u.Gangs)
			gangs[g.Name()], u.Gangs = at, append(u.Gangs, Gang{Name: g.Name()})
		}
		u.Gangs[at].Last = i
		u.Gangs[at].Size = max(u.Gangs[at].Size, g.GangSize())
	}
	return of
}

// disjoint returns the parts of a plan with those that overlap as one.
func disjoint(p *cluster.Plan) []cluster.Part {
	parts := slices.Clone(p.Parts)
	if p.Whole {
		parts = append(parts, cluster.Part{Name: "the plan", End: len(p.Ops)})
	}
	parts = slices.DeleteFunc(parts, func(p cluster.Part) bool { return p.First == p.End })
	slices.SortStableFunc(parts, func(a, b cluster.Part) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(b.End, a.End))
	})
	var out []cluster.Part
	for _, part := range parts {
		if n := len(out); n > 0 && part.First < out[n-1].End {
			out[n-1].End = max(out[n-1].End, part.End)
		} else {
			out = append(out, part)
		}
	}
	return out
}

func (u *Unit) root() *Unit {
	if u == nil {
		return nil
	}
	for u.into != nil {
		u = u.into
	}
	return u
}

// join makes two units one: the part of the first name, if one is a part.
func join(u, g *Unit) {
	switch {
	case u == g:
	case g.Named && (!u.Named || g.first < u.first):
		u.into = g
	default:
		g.into = u
	}
}

// Rest returns why an operation of the unit is not done, since another one is not.
func (u *Unit) Rest(op, failed *berth.Op, why berth.Reason) berth.Reason {
	if !u.Named {
		return berth.Reason{Code: berth.GangIncomplete, Subject: op.Task.Group.Name()}
	}
	return berth.Reason{Code: berth.NotWhole, Subject: fmt.Sprintf("%s: %v: %v", u.Part, failed, why)}
}

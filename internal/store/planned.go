package store

import (
	"slices"

	"github.com/berth-sched/berth"
)

// Planned is what a plan adds to what the roles of a view have, as long as it is no more than a plan. The zero Planned is of an
// empty view.
type Planned struct {
	view  *View
	roles map[berth.Role]*Sums // the roles below each included

	group *berth.Group // that came or went last, or is asked about, with what is derived of it
	needs []Need
	names []string // of what the needs are of
	path  []plannedRole
	made  uint64 // accounts, when the path was found
}

// plannedRole is a role of the group's path.
type plannedRole struct {
	role    berth.Role
	sums    *Sums  // that the plan adds
	account uint32 // None if it has none
}

// Reset begins a plan on a view.
func (p *Planned) Reset(v *View) {
	p.view, p.group = v, nil
	clear(p.roles)
}

// Add adds so many tasks of a group, or with a negative number takes them away again.
func (p *Planned) Add(g *berth.Group, tasks int64) {
	p.Turn(g)
	for i := range p.path {
		p.path[i].sums.add(p.needs, tasks)
	}
}

// Turn says that a group is the next to be asked about, which makes it fast to ask about its roles.
func (p *Planned) Turn(g *berth.Group) {
	if p.group == g && p.made == p.view.made {
		return
	}
	if p.roles == nil {
		p.roles = map[berth.Role]*Sums{}
	}
	p.group, p.path, p.made = g, p.path[:0], p.view.made
	p.needs, p.names = p.needs[:0], p.names[:0]
	for _, need := range g.Requirements().Needs {
		if d, ok := p.view.DimOf(need.Name); ok {
			p.needs, p.names = append(p.needs, Need{d, need.Amount}), append(p.names, need.Name)
		}
	}
	for role := g.Role(); ; role = role.Parent() {
		sums := p.roles[role]
		if sums == nil {
			sums = new(Sums)
			p.roles[role] = sums
		}
		at, ok := p.view.FindRole(role)
		if !ok {
			at = None
		}
		if p.path = append(p.path, plannedRole{role, sums, at}); role == "" {
			return
		}
	}
}

// NeedsOf returns what a task of a group takes of the dimensions that the view has.
func (v *View) NeedsOf(g *berth.Group) []Need { return v.needsOf(nil, g) }

// needsOf appends what a task of a group takes of the dimensions that the view has.
func (v *View) needsOf(needs []Need, g *berth.Group) []Need {
	for _, need := range g.Requirements().Needs {
		if d, ok := v.DimOf(need.Name); ok {
			needs = append(needs, Need{d, need.Amount})
		}
	}
	return needs
}

// Trial is a [Trial] of the plan.
func (p *Planned) Trial(a *Account, d int32) (plus, minus Sum) {
	if sums := p.roles[berth.Role(a.Name)]; sums != nil {
		plus = sums.Of(d)
	}
	return plus, minus
}

// Name returns the name of a dimension.
func (p *Planned) Name(d int32) string { return p.view.dims[d] }

// Of returns what a role and those below it have of one resource, with the plan.
func (p *Planned) Of(role berth.Role, resource string) Sum {
	if p.group != nil && p.made == p.view.made {
		if i := slices.Index(p.names, resource); i >= 0 {
			d := p.needs[i].Dim
			for k := range p.path {
				if at := &p.path[k]; at.role == role {
					sum := at.sums.Of(d)
					if at.account != None {
						sum = sum.plus(p.view.Account(at.account).Used.Of(d))
					}
					return sum
				}
			}
		}
	}
	d, ok := p.view.DimOf(resource)
	if !ok {
		return Sum{}
	}
	sum := Sum{Dim: d}
	if at, ok := p.view.FindRole(role); ok {
		sum = p.view.Account(at).Used.Of(d)
	}
	if sums := p.roles[role]; sums != nil {
		sum = sum.plus(sums.Of(d))
	}
	return sum
}

// Used returns what a role and those below it have, with the plan.
func (p *Planned) Used(role berth.Role) Sums {
	var used Sums
	if at, ok := p.view.FindRole(role); ok {
		used = append(used, p.view.Account(at).Used...)
	}
	if planned := p.roles[role]; planned != nil {
		for _, sum := range *planned {
			used.plus(sum)
		}
	}
	return used
}

// plus adds a sum. The list is written.
func (s *Sums) plus(o Sum) {
	list := *s
	i := 0
	for i < len(list) && list[i].Dim < o.Dim {
		i++
	}
	if i == len(list) || list[i].Dim != o.Dim {
		list = append(list, Sum{})
		copy(list[i+1:], list[i:])
		list[i] = o
	} else {
		list[i] = list[i].plus(o)
	}
	*s = list
}

// Allowance returns how many more tasks of a group limits let be, with the plan; see [View.Allowance].
func (p *Planned) Allowance(g *berth.Group) int64 {
	return p.view.Allowance(g.Role(), p.view.needsOf(nil, g), p.Trial)
}

package offers

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// grant is what a pass has given a framework, and the role whose limits it counts against.
type grant struct {
	sub  *Subscription
	role berth.Role
	cost berth.Resources
}

// fork returns the cluster as one framework could have it, less what the pass has given. Exclusive
// offers come out of one cluster; an optimistic one leaves all but its own framework's view as it is, and counts against the
// limits of roles in all.
func (p *pass) fork(s *Subscription) *cluster.Fork {
	key := s
	if p.x.cfg.Lease == berth.Exclusive {
		key = nil
	}
	f := p.forks[key]
	if f == nil {
		f = p.x.snapshot.Fork()
		p.forks[key] = f
		if key != nil {
			for _, o := range s.inOrder() {
				if hold, ok := p.x.hold(o); ok && hold.Lease == berth.Optimistic {
					(*checked.Fork)(f).Firm(o.id)
				}
			}
		}
		p.x.recast((*checked.Fork)(f))
	}
	for _, g := range p.given[p.told[s]:] {
		if g.sub != s {
			(*checked.Fork)(f).Owe(g.role, g.cost)
		}
	}
	if len(p.given) > 0 {
		p.told[s] = len(p.given)
	}
	return f
}

// recast makes each offer count for the role of the demand that it was cut to, as the tasks on it will. In the source it counts for
// the framework's, whose other tasks may have it as well.
func (x *Exchange) recast(f *checked.Fork) {
	if x.view.Limited() == 0 {
		return
	}
	var below []*offer
	for _, o := range x.offers.m {
		if o.group != nil && o.group.Role() != o.sub.client.role {
			if _, ok := x.hold(o); ok {
				below = append(below, o)
			}
		}
	}
	slices.SortFunc(below, byNumber)
	for _, o := range below {
		f.Recast(o.id, o.group.Role())
	}
}

// note takes down what a framework was given where the forks of others do not show it.
func (p *pass) note(s *Subscription, role berth.Role, cost berth.Resources) {
	if p.x.cfg.Lease == berth.Optimistic && p.x.view.Limited() > 0 {
		p.given = append(p.given, grant{s, role, cost})
	}
}

// cut returns a hold of what is free on a node without what is more than the limits of a framework's role leave, and whether that
// is less. It notes what was cut.
func (p *pass) cut(s *Subscription, v *store.View, h berth.Hold) (berth.Hold, bool) {
	c, short := withinLimits(s.client.role, v, h)
	for _, name := range short {
		p.cuts[cutOf{s, name}] = true
	}
	return c, len(short) > 0
}

// withinLimits returns a hold without what is more than the limits of a role leave, and the resources of which that is less.
func withinLimits(role berth.Role, v *store.View, h berth.Hold) (c berth.Hold, short []string) {
	if v.Limited() == 0 {
		return h, nil
	}
	room := map[string]int64{}
	part := func(name string, q int64) int64 {
		left, known := room[name]
		if !known {
			left = v.HeadroomOf(role, name)
		}
		got := min(q, left)
		room[name] = left - got
		if got < q {
			short = append(short, name)
		}
		return got
	}
	c = h
	c.Resources, c.Devices = berth.Resources{}, nil
	for name, q := range h.Resources.All() {
		if q = part(name, q); q > 0 {
			c.Resources[name] = q
		}
	}
	for _, share := range h.Devices {
		got := berth.DeviceShare{Class: share.Class, ID: share.ID, Units: part(share.Class, share.Units)}
		for amount, q := range share.Amounts.All() {
			if q = part(berth.DeviceResource(share.Class, amount), q); q > 0 {
				got.Amounts = with(got.Amounts, amount, q)
			}
		}
		if !isEmpty(got) {
			c.Devices = append(c.Devices, got)
		}
	}
	return c, short
}

// cutOf is a resource of which a limit kept a framework from what is free.
type cutOf struct {
	sub      *Subscription
	resource string
}

// remember notes how much the limits leave of what a pass had to cut. Once they leave more, a pass looks at all nodes.
func (p *pass) remember() {
	for c := range p.cuts {
		if c.sub.cut == nil {
			c.sub.cut = map[string]int64{}
			p.x.cutters++
		}
		c.sub.cut[c.resource] = p.x.view.HeadroomOf(c.sub.client.role, c.resource)
	}
}

// relook makes a pass look at all nodes if limits leave a framework more than when they last kept something from it.
func (x *Exchange) relook() {
	if x.cutters == 0 {
		return
	}
	more := false
	for _, s := range x.subs {
		for resource, was := range s.cut {
			switch now := x.view.HeadroomOf(s.client.role, resource); {
			case now > was:
				more = true
				delete(s.cut, resource)
			case now < was:
				s.cut[resource] = now
			}
		}
		if s.cut != nil && len(s.cut) == 0 {
			s.cut = nil
			x.cutters--
		}
	}
	if more {
		x.freshenAll()
	}
}

// Over returns the limits that keep offers from the framework now, of its role and of the roles above: those that the next task of
// something it wants would exceed, or, where it has declared nothing, those of which nothing is left. Of its offers' room it can
// still make use. They are in the order of those of a [cluster.Explanation].
func (s *Subscription) Over(ctx context.Context) ([]berth.Lack, error) {
	var over []berth.Lack
	err := s.do(ctx, "over", func() error {
		view := s.x.view
		switch {
		case view.Limited() == 0:
		case !s.declared:
			over = s.overAny()
		default:
			fork := view.Fork()
			s.x.recast(checked.Over(fork))
			over = s.overDemand(&fork.View)
		}
		return nil
	})
	return over, err
}

// overAny returns the limits of which nothing is left.
func (s *Subscription) overAny() []berth.Lack {
	view := s.x.view
	needs := make([]store.Need, len(view.Dims()))
	for d := range needs {
		needs[d] = store.Need{Dim: int32(d), Amount: 1}
	}
	return fit.LacksOf(fit.Over(view, s.client.role, needs, nil))
}

func (s *Subscription) overDemand(v *store.View) []berth.Lack {
	type limit struct {
		role     berth.Role
		resource string
	}
	most := map[limit]berth.Lack{}
	for _, d := range s.demand {
		if d.Count > 0 && s.x.running(d.Group) >= d.Count {
			continue
		}
		for _, x := range fit.Excesses(v, d.Group, nil) {
			at := limit{x.Role, x.Resource}
			if is, ok := most[at]; !ok || x.Short > is.Short {
				most[at] = x.Lack()
			}
		}
	}
	return slices.SortedFunc(maps.Values(most), func(a, b berth.Lack) int {
		return cmp.Or(cmp.Compare(len(b.Role), len(a.Role)), strings.Compare(string(a.Role), string(b.Role)), strings.Compare(a.Resource, b.Resource))
	})
}

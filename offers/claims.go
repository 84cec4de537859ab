package offers

import (
	"cmp"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// claim is a task that a framework placed, as long as the source has it. That a task has the same ID does not
// make it the same task: its slot in the source, and which of the slot's lives it is, do.
type claim struct {
	sub        *Subscription
	task       berth.Task
	node       string
	slot, life uint32

	before, after *claim // among those of the framework, once it is enlisted
}

// promised is a plan that is with the source. Should the source not live to tell what became of it, what it was seen to have done is
// the framework's all the same.
type promised struct {
	sub  *Subscription
	plan *cluster.Plan
	view *store.View // what the source had before
}

// claim notes that a framework is about to have a plan carried out.
func (x *Exchange) claim(s *Subscription, p *cluster.Plan) { x.promised = promised{s, p, x.view} }

// confirm claims the tasks that the source says it has placed.
func (x *Exchange) confirm(s *Subscription, out *cluster.Outcome) {
	x.promised = promised{}
	x.claimAll(s, out.Placed, nil)
}

// claimAll claims the tasks of placements, but for those whose IDs were taken before: what another has under such an ID stays the
// other's.
func (x *Exchange) claimAll(s *Subscription, ops []berth.Op, before *store.View) {
	x.placed = slices.Grow(x.placed, len(ops))
	var few []claim // made some at a time: one that lives on keeps no more than a few others from being freed
	for i := range ops {
		op := &ops[i]
		if op.Kind != berth.Place {
			continue
		}
		if before != nil {
			if _, taken := before.FindTask(op.Task.ID); taken {
				continue
			}
		}
		if len(few) == 0 {
			few = make([]claim, min(len(ops)-i, 16))
		}
		c := &few[0]
		few = few[1:]
		*c = claim{sub: s, task: op.Task, node: op.Node}
		x.placed = append(x.placed, c)
	}
}

// identify finds the tasks that were placed since the source was last seen; all of them anew on another branch of it,
// which has other slots.
func (x *Exchange) identify() {
	if p := x.promised; p.plan != nil { // it is not known what became of it
		x.promised = promised{}
		x.claimAll(p.sub, p.plan.Ops, p.view)
	}
	if x.branch != x.view.Version().Branch {
		x.claimed, x.lost = slots[claim]{}, nil
		for _, s := range x.slots {
			for s != nil && s.claims != nil {
				c := s.claims
				x.delist(c)
				x.placed = append(x.placed, c)
			}
		}
	}
	for _, c := range x.placed {
		slot, ok := x.view.FindTask(c.task.ID)
		if !ok {
			continue
		}
		r := x.view.Record(slot)
		if !x.view.Group(r.Group).Spec.Equal(c.task.Group) || r.Row != store.None && x.view.Node(r.Row).Node.ID != c.node {
			continue
		}
		c.slot, c.life = slot, r.Life()
		x.enlistClaim(c)
		if r.Row == store.None {
			x.lost = append(x.lost, c)
		}
	}
	x.placed, x.branch = nil, x.view.Version().Branch
}

// enlistClaim makes a claim the one to the task in its slot.
func (x *Exchange) enlistClaim(c *claim) {
	if was := x.claimed.get(c.slot); was != nil {
		x.delist(was)
	}
	x.claimed.set(c.slot, c)
	if c.after = c.sub.claims; c.after != nil {
		c.after.before = c
	}
	c.sub.claims = c
}

// delist takes a claim off the list of its framework. It returns false of one that is on it no more.
func (x *Exchange) delist(c *claim) bool {
	switch {
	case c.before != nil:
		c.before.after = c.after
	case c.sub.claims == c:
		c.sub.claims = c.after
	default:
		return false
	}
	if c.after != nil {
		c.after.before = c.before
	}
	c.before, c.after = nil, nil
	return true
}

// disown leaves a framework's tasks to their roles.
func (x *Exchange) disown(s *Subscription) {
	own := func(c *claim) bool { return c.sub == s }
	var sites []*site
	for s.claims != nil {
		c := s.claims
		x.forget(c)
		if at, ok := x.sites.get(c.node); ok {
			sites = append(sites, at)
		}
	}
	x.placed, x.lost = slices.DeleteFunc(x.placed, own), slices.DeleteFunc(x.lost, own)
	slices.SortFunc(sites, func(a, b *site) int { return cmp.Compare(a.id, b.id) })
	for _, at := range slices.Compact(sites) {
		at.claims = slices.DeleteFunc(at.claims, own)
		x.reconcile(at)
	}
}

// stands reports whether the source still has a task that a framework placed, and that was seen there.
func (x *Exchange) stands(c *claim) bool {
	if int(c.slot) >= x.view.Slots() {
		return false
	}
	r := x.view.Record(c.slot)
	return r.ID != "" && r.Life() == c.life
}

// claimOn returns the claim to a record of the source.
func (x *Exchange) claimOn(slot uint32, r *store.Record) (*claim, bool) {
	c := x.claimed.get(slot)
	return c, c != nil && c.life == r.Life()
}

// forget ends a claim, and returns true.
func (x *Exchange) forget(c *claim) bool {
	x.claimed.remove(c.slot, c)
	x.delist(c)
	return true
}

// slots is something that is known by slots of the source. It takes room where there is any.
type slots[T any] struct{ pages []*[slotsOnPage]*T }

const slotsOnPage = 512

func (s *slots[T]) get(slot uint32) *T {
	if i := int(slot / slotsOnPage); i < len(s.pages) && s.pages[i] != nil {
		return s.pages[i][slot%slotsOnPage]
	}
	return nil
}

func (s *slots[T]) set(slot uint32, v *T) {
	i := int(slot / slotsOnPage)
	for len(s.pages) <= i {
		s.pages = append(s.pages, nil)
	}
	if s.pages[i] == nil {
		s.pages[i] = new([slotsOnPage]*T)
	}
	s.pages[i][slot%slotsOnPage] = v
}

// remove takes v out, if it is there.
func (s *slots[T]) remove(slot uint32, v *T) {
	if s.get(slot) == v {
		s.pages[slot/slotsOnPage][slot%slotsOnPage] = nil
	}
}

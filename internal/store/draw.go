package store

import (
	"maps"
	"slices"

	"github.com/berth-sched/berth"
)

// Draw takes amounts of what a hold has, and gives its node as much back. They are no more than the hold has, at most 255, and sorted; the hold
// is exclusive and of no devices. The hold is copied once, and then written in place until somebody takes a view: of an offer of a whole
// node, thousands of tasks draw one after another.
func (s *Store) Draw(slot uint32, part []Need) {
	if j := &s.journal; j.on {
		for _, need := range part {
			j.values = append(j.values, need.Amount, int64(need.Dim))
		}
		j.addTo(entry{kind: drawn, at: slot, state: uint8(len(part))})
	}
	s.draw(slot, part, 1)
}

// undoDraw gives a hold back what was drawn.
func (s *Store) undoDraw(e entry, tell func(from, to Record)) {
	part := make([]Need, e.state)
	for i := range slices.Backward(part) {
		part[i].Dim = int32(pull(&s.journal.values))
		part[i].Amount = pull(&s.journal.values)
	}
	was := *s.Record(e.at)
	s.draw(e.at, part, -1)
	tell(was, *s.Record(e.at))
}

// draw is Draw or, with sign -1, the opposite of it.
func (s *Store) draw(slot uint32, part []Need, sign int64) {
	s.settleHolds() // it may be of what is written below
	r := s.recs.mutAt(s.token, int(slot))
	ns, free := s.node(r.Row), s.free.mutRow(s.token, int(r.Row))
	if rare := takeNeeds(free, ns.rare, part, -sign); len(rare)+len(ns.rare) > 0 {
		ns.Parts = partsOf(ns.Devices, ns.Ports, ns.Stray, rare)
	}
	if r.Extra.by != s.token {
		r.Extra = r.Extra.toDrawOn(s.token)
	}
	x := r.Extra
	for _, need := range part {
		i, has := findDim(x.Needs, need.Dim)
		if !has {
			x.Needs = slices.Insert(x.Needs, i, Need{Dim: need.Dim})
		}
		x.Hold.Resources[s.dims[need.Dim]] -= sign * need.Amount
		if x.Needs[i].Amount -= sign * need.Amount; x.Needs[i].Amount == 0 {
			x.Needs = slices.Delete(x.Needs, i, i+1)
		}
	}
	if ns.reserves != nil {
		s.reserve(r.Row, ns, ns.reserves.After(x.Hold.Role, x.Hold.Owner, part, -sign))
	}
	if x.Cost != nil { // a hold of no devices takes what it is of
		x.Cost = x.Needs
		role, owner := s.parties(x)
		if s.enter(role, part, -sign); owner != 0 {
			s.account(owner).Used.add(part, -sign)
		}
	}
	s.changed(r.Row, Holds)
}

// toDrawOn returns a copy that a store may write.
func (x *Extra) toDrawOn(by token) *Extra {
	both := &struct {
		extra Extra
		hold  berth.Hold
	}{*x, *x.Hold}
	both.hold.Resources = maps.Clone(x.Hold.Resources)
	both.extra.Hold, both.extra.by = &both.hold, by
	both.extra.Needs = slices.Clone(x.Needs)
	return &both.extra
}

// Other returns a copy that is free to be changed until a record has it, but for what it refers to.
func (x *Extra) Other() *Extra {
	c := *x
	c.by = 0
	c.Needs = slices.Clone(x.Needs)
	if x.Cost != nil {
		c.Cost = slices.Clone(x.Cost)
	}
	return &c
}

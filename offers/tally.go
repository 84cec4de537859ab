package offers

import (
	"maps"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// A count is how many tasks of one kind there are on a node.
type count struct {
	of taskKind
	n  int64
}

// taskKind is the tasks of one group that one framework has placed, or none of them.
type taskKind struct {
	sub   *Subscription
	group uint32
}

// tally returns what clients have on a node as the source shows it. It notes the claims of frameworks to tasks there, and
// the owners of holds that are no offers. Tasks of one group and one framework are counted, and what they take is worked out once.
func (x *Exchange) tally(s *site) (balances []balance) {
	s.claims, s.others = s.claims[:0], s.others[:0]
	if s.node == nil {
		s.claims, s.others = nil, nil
		return nil
	}
	owe := func(who client, what *stock) {
		b := x.account.balanceOf(&balances, who)
		b.owed = b.owed.plus(what)
	}
	counts, at := x.counts[:0], 0
	clear(x.countAt)
	for slot, r := range x.view.On(s.row) {
		if r.Group == store.Holds {
			if r.Extra.Hold.Lease == berth.Reserved {
				continue // what is idle of it is counted below
			}
			o, ok := x.offerOf(r.Extra.Hold)
			if !ok {
				s.others = append(s.others, r.Extra.Hold.Owner)
			}
			what := x.costOf(o, r.Extra.Hold, s)
			if what == nil {
				continue
			}
			if ok {
				owe(o.sub.client, what)
			} else if who, ok := x.account.payer(r.Extra.Hold.Role); ok {
				owe(who, what)
			}
			continue
		}
		of := taskKind{group: r.Group}
		if c, claimed := x.claimOn(slot, r); claimed {
			s.claims = append(s.claims, c)
			of.sub = c.sub
		}
		if at < len(counts) && counts[at].of == of {
			counts[at].n++
			continue
		}
		known := false
		if at, known = x.countAt[of]; !known {
			if x.countAt == nil {
				x.countAt = map[taskKind]int{}
			}
			at = len(counts)
			x.countAt[of] = at
			counts = append(counts, count{of: of})
		}
		counts[at].n++
	}
	for _, c := range counts {
		group := x.view.Group(c.of.group)
		what := x.stocks.needs(x.view, group.Request).times(c.n)
		if what == nil {
			continue
		}
		if c.of.sub != nil {
			owe(c.of.sub.client, what)
		} else if who, ok := x.account.payer(group.Spec.Role()); ok {
			owe(who, what)
		}
	}
	clear(counts)
	x.counts = counts
	if x.view.Reserved() > 0 {
		idle := x.idleOn(s.row)
		for _, role := range slices.Sorted(maps.Keys(idle)) {
			if who, ok := x.account.payer(role); ok {
				owe(who, x.stocks.of(idle[role]))
			}
		}
	}
	return balances
}

// costOf returns what a hold is of every resource; nil of nothing. An offer knows what it was when somebody asked last.
func (x *Exchange) costOf(o *offer, h *berth.Hold, s *site) *stock {
	if o != nil && o.seen == h {
		return o.what
	}
	var what *stock
	if cost := x.amounts(h, s); !isZero(cost) {
		what = x.stocks.of(cost)
	}
	if o != nil {
		o.seen, o.what = h, what
	}
	return what
}

// amounts returns what a hold is of every resource, devices by their class.
func (x *Exchange) amounts(h *berth.Hold, s *site) berth.Resources {
	if len(h.Devices) == 0 || s.node == nil {
		return h.Resources
	}
	return h.Cost()
}

package checked

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// user is for whom room is asked for: what is reserved for whom counts as free.
type user struct {
	role  berth.Role
	owner string
}

// userOf returns for whom a hold is.
func userOf(h *berth.Hold) user { return user{h.Role, h.Owner} }

// room is what there is of a node's resources while a change of what is on it is only thought of.
type room struct {
	s        *store.Store
	row      uint32
	back     map[int32]int64 // by dimension: what comes back
	reserves *store.Reserves
}

func (f *Fork) roomOn(row uint32) room {
	return room{s: f.s, row: row, reserves: f.s.ReservesOn(row)}
}

// give thinks of so much that a user has as given back, or with a sign of -1 as taken.
func (r *room) give(u user, needs []store.Need, sign int64) {
	if r.back == nil {
		r.back = make(map[int32]int64, len(needs))
	}
	for _, n := range needs {
		r.back[n.Dim] += sign * n.Amount
	}
	r.reserves = r.reserves.After(u.role, u.owner, needs, -sign)
}

// free returns what everybody may have of a dimension.
func (r *room) free(d int32) int64 {
	q := r.s.FreeOf(r.row, d) + r.back[d]
	if was := r.s.ReservesOn(r.row); was != nil {
		q += was.Total(d) - r.reserves.Total(d)
	}
	return q
}

// of returns what a user may have of a dimension.
func (r *room) of(u user, d int32) int64 {
	return r.free(d) + r.reserves.Idle(u.role, u.owner, d)
}

// named is of for a resource that is named.
func (r *room) named(u user, name string) int64 {
	if d, ok := r.s.DimOf(name); ok {
		return r.of(u, d)
	}
	return 0
}

// instead returns what is given back in exchange where reserved room of a node changes from what it is to what it would be.
func (f *Fork) instead(row uint32, to *store.Reserves) (x exchange) {
	for role, need := range to.Changes(f.s.ReservesOn(row)) {
		if need.Amount < 0 {
			x.give(role, []store.Need{{Dim: need.Dim, Amount: -need.Amount}})
		} else {
			x.keep(role, []store.Need{need})
		}
	}
	return x
}

// excessesOn returns the limits that keep a task of a group from being placed on a node: none that what is reserved there for its role
// makes up for.
func (f *Fork) excessesOn(sh *shape, row uint32, owner string) []fit.Excess {
	over := f.excesses(sh)
	if len(over) == 0 {
		return nil
	}
	role, is := sh.group.Role(), f.s.ReservesOn(row)
	to := is.After(role, owner, sh.needs, 1)
	if to == is {
		return over
	}
	return fit.Over(&f.s.View, role, sh.needs, f.instead(row, to).trial)
}

// insteadOf is instead as a trial; nil where nothing would change.
func (f *Fork) insteadOf(row uint32, to *store.Reserves) store.Trial {
	if to == f.s.ReservesOn(row) {
		return nil
	}
	return f.instead(row, to).trial
}

// insteadOfEvicted is instead for a hold that is made where a task, which may be on another node, is evicted.
func (f *Fork) insteadOfEvicted(row uint32, gone *store.Record, h *berth.Hold, extra *store.Extra) exchange {
	to := f.s.ReservesOn(row)
	if gone != nil {
		g := f.s.Group(gone.Group)
		to = to.After(g.Spec.Role(), f.s.OwnerName(gone.Owner), g.Request, -1)
	}
	if to = to.After(h.Role, h.Owner, extra.Needs, 1); to == f.s.ReservesOn(row) {
		return nil
	}
	return f.instead(row, to)
}

// overOn returns the limits that keep a task of a group off a node.
func (f *Fork) overOn(sh *shape, row uint32, owner string) []fit.Excess {
	if f.allows(sh) {
		return nil
	}
	return f.excessesOn(sh, row, owner)
}

// enoughFor reports whether a node has free, or reserved for a user, what a task of a group takes of every resource.
func (f *Fork) enoughFor(sh *shape, row uint32, owner string) bool {
	if f.enough(sh, row) {
		return true
	}
	r := f.s.ReservesOn(row)
	role := sh.group.Role()
	if len(sh.missing) > 0 || !r.Serves(role, owner) {
		return false
	}
	for _, need := range sh.needs {
		if f.s.RoomOf(row, need.Dim, role, owner) < need.Amount {
			return false
		}
	}
	return true
}

// reserve makes a reservation: what is to be idle of it must be free.
func (f *Fork) reserve(h *berth.Hold, row uint32) berth.Reason {
	c := kept(h)
	was, to := f.s.ReservesOn(row), f.s.WithReservation(row, c)
	for name, q := range c.Resources.All() {
		d, _ := f.s.DimOf(name)
		more := to.Total(d) - was.Total(d)
		switch {
		case q <= 0 || more <= max(0, f.s.FreeOf(row, d)) && to.Amount(d)-was.Amount(d) == q:
		case f.s.Node(row).Node.Spec.Capacity[name] < q:
			return berth.Reason{Code: berth.TooSmall, Subject: name}
		default:
			return berth.Reason{Code: berth.Insufficient, Subject: name}
		}
	}
	if f.s.Limited() > 0 {
		change := f.instead(row, to)
		for role := h.Role; ; role = role.Parent() {
			for _, x := range fit.Over(&f.s.View, role, change.within(role), nil) {
				if x.Role == role {
					return x.Lack().Reason
				}
			}
			if role == "" {
				break
			}
		}
	}
	f.hold(&store.Extra{Hold: c}, row)
	return berth.Reason{}
}

// within returns by how much more a role, and those below it, have with what is given back and kept.
func (x exchange) within(role berth.Role) []store.Need {
	var more []store.Need
	for _, part := range x {
		if !part.role.Within(role) {
			continue
		}
		for _, n := range part.needs {
			i := slices.IndexFunc(more, func(m store.Need) bool { return m.Dim == n.Dim })
			if i < 0 {
				i = len(more)
				more = append(more, store.Need{Dim: n.Dim})
			}
			more[i].Amount += part.times * n.Amount
		}
	}
	return slices.DeleteFunc(more, func(n store.Need) bool { return n.Amount <= 0 })
}

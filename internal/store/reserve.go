package store

import (
	"iter"
	"math"
	"math/bits"
	"slices"

	"github.com/berth-sched/berth"
)

// A reservation is a floor: so much of a node is for a role. What the tasks and holds of the role, and of those below it, have on
// the node counts towards it first, and what they leave of it is idle: nobody else can have it. So a free amount is of what is neither
// taken nor idle, as everybody may have it, and who the reservation is for has what is idle besides. Nothing is noted with a task, so
// that it does not matter which came first, and what a task gives back is reserved again.
//
// Floors of one node are nested: the one of a role is around those of the roles below it and around those that are for one owner in
// the role. What is used of an inner one is not used of the outer ones, and what is used beyond it is.
//
// What is idle counts as the role's in the ledger.

// Reserves is what of one node is reserved, and how much of it is idle. It is immutable: a change replaces it. Nil is of a node of
// which nothing is reserved.
type Reserves struct {
	dims []int32   // that something is reserved of, ascending
	list []reserve // by role, then owner: an outer one before its inner ones
	// By reserve and dimension.
	asked   []int64 // that are to be reserved,
	amounts []int64 // and that are: all of it, unless the node has less
	used    []int64 // by those of whom it is the innermost
	idle    []int64
	total   []int64 // that is idle, by dimension
}

// reserve is what is reserved for a role, or for one owner in it.
type reserve struct {
	role    berth.Role
	owner   string // for what is placed in that name in the role itself; empty for everybody in the role and below
	parent  int    // the one around it, or -1
	account uint32 // of the role
}

// innermost returns the index of the innermost reserve that an owner's task of a role may use, or -1.
func (r *Reserves) innermost(role berth.Role, owner string) int {
	if r == nil {
		return -1
	}
	if owner != "" {
		if i, found := slices.BinarySearchFunc(r.list, reserve{role: role, owner: owner}, compareReserves); found {
			return i
		}
	}
	return r.nearest(role)
}

// Idle returns what of a dimension is idle that an owner's tasks of a role may use.
func (r *Reserves) Idle(role berth.Role, owner string, d int32) (sum int64) {
	if r == nil {
		return 0
	}
	k, ok := slices.BinarySearch(r.dims, d)
	if !ok {
		return 0
	}
	for i := r.innermost(role, owner); i >= 0; i = r.list[i].parent {
		sum += r.idle[i*len(r.dims)+k]
	}
	return sum
}

// Total returns what of a dimension is idle in all.
func (r *Reserves) Total(d int32) int64 {
	if r != nil {
		if k, ok := slices.BinarySearch(r.dims, d); ok {
			return r.total[k]
		}
	}
	return 0
}

// Amount returns what of a dimension is reserved in all.
func (r *Reserves) Amount(d int32) (sum int64) {
	if r == nil {
		return 0
	}
	if k, ok := slices.BinarySearch(r.dims, d); ok {
		for i := range r.list {
			sum += r.amounts[i*len(r.dims)+k]
		}
	}
	return sum
}

// Serves reports whether an owner's tasks of a role may use any of it.
func (r *Reserves) Serves(role berth.Role, owner string) bool { return r.innermost(role, owner) >= 0 }

// For yields what is idle of a dimension for others than an owner's tasks of a role: for whom, and how much.
func (r *Reserves) For(d int32, role berth.Role, owner string) iter.Seq2[berth.Role, int64] {
	return func(yield func(berth.Role, int64) bool) {
		if r == nil {
			return
		}
		k, ok := slices.BinarySearch(r.dims, d)
		if !ok {
			return
		}
		own := map[int]bool{}
		for i := r.innermost(role, owner); i >= 0; i = r.list[i].parent {
			own[i] = true
		}
		for i := range r.list {
			if q := r.idle[i*len(r.dims)+k]; q > 0 && !own[i] && !yield(r.list[i].role, q) {
				return
			}
		}
	}
}

// Unused is what is reserved for a role, or for one owner in it, and idle.
type Unused struct {
	Role  berth.Role
	Owner string
	Needs []Need
}

// Unused yields what is idle, by for whom it is.
func (r *Reserves) Unused() iter.Seq[Unused] {
	return func(yield func(Unused) bool) {
		if r == nil {
			return
		}
		for i := range r.list {
			u := Unused{Role: r.list[i].role, Owner: r.list[i].owner}
			for k, d := range r.dims {
				if q := r.idle[i*len(r.dims)+k]; q > 0 {
					u.Needs = append(u.Needs, Need{d, q})
				}
			}
			if len(u.Needs) > 0 && !yield(u) {
				return
			}
		}
	}
}

// After returns what it is once an owner's tasks and holds of a role have so much more, or with a sign of -1 less.
func (r *Reserves) After(role berth.Role, owner string, needs []Need, sign int64) *Reserves {
	i := r.innermost(role, owner)
	if i < 0 {
		return r
	}
	var c *Reserves
	for _, n := range needs {
		k, ok := slices.BinarySearch(r.dims, n.Dim)
		if !ok || n.Amount == 0 {
			continue
		}
		if c == nil {
			c = &Reserves{dims: r.dims, list: r.list, asked: r.asked, amounts: r.amounts, used: slices.Clone(r.used)}
		}
		c.used[i*len(c.dims)+k] += sign * n.Amount
	}
	if c == nil {
		return r
	}
	c.settle()
	return c
}

// settle works out what is idle, the innermost first: what is used beyond one is used of the one around it.
func (r *Reserves) settle() {
	n := len(r.dims)
	all := make([]int64, 2*len(r.used)+n)
	beyond := all[:len(r.used)]
	r.idle, r.total = all[len(r.used):2*len(r.used):2*len(r.used)], all[2*len(r.used):]
	for i := len(r.list) - 1; i >= 0; i-- {
		for k := range n {
			at := i*n + k
			use := plus(r.used[at], beyond[at])
			r.idle[at] = max(0, r.amounts[at]-max(use, 0))
			r.total[k] += r.idle[at]
			if more := use - r.amounts[at]; more > 0 && r.list[i].parent >= 0 {
				up := r.list[i].parent*n + k
				beyond[up] = plus(beyond[up], more)
			}
		}
	}
}

// plus adds amounts; a sum that would overflow stays at the largest int64.
func plus(a, b int64) int64 {
	if b > 0 && a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Changes yields by how much what is idle differs from what it was before, by role: what is charged to the role.
func (r *Reserves) Changes(before *Reserves) iter.Seq2[berth.Role, Need] {
	return func(yield func(berth.Role, Need) bool) {
		for _, part := range []struct {
			of   *Reserves
			sign int64
		}{{before, -1}, {r, 1}} {
			if part.of == nil {
				continue
			}
			for i := range part.of.list {
				for k, d := range part.of.dims {
					if q := part.of.idle[i*len(part.of.dims)+k]; q > 0 && !yield(part.of.list[i].role, Need{d, part.sign * q}) {
						return
					}
				}
			}
		}
	}
}

// ReservesOn returns what is reserved of the node in a row.
func (v *View) ReservesOn(row uint32) *Reserves {
	if v.reserved == 0 {
		return nil
	}
	return v.nodes.At(int(row)).reserves
}

// Reserved returns on how many nodes something is reserved.
func (v *View) Reserved() int { return v.reserved }

// RoomOf returns what of one dimension an owner's tasks of a role may have of the node in a row: what is free, and what is idle of what
// is reserved for them.
func (v *View) RoomOf(row uint32, d int32, role berth.Role, owner string) int64 {
	return v.FreeOf(row, d) + v.ReservesOn(row).Idle(role, owner, d)
}

// Room is Free as tasks of a role in nobody's name have it. Where something is reserved for them it is put together for the call.
func (v *View) Room(row uint32, role berth.Role) []int64 {
	free := v.Free(row)
	r := v.ReservesOn(row)
	i := r.innermost(role, "")
	if i < 0 {
		return free
	}
	free = slices.Clone(free)
	for ; i >= 0; i = r.list[i].parent {
		for k, d := range r.dims {
			if int(d) < len(free) {
				free[d] += r.idle[i*len(r.dims)+k]
			}
		}
	}
	return free
}

// Sight returns the nearest role, a role itself or one above it, for which something is reserved anywhere; the root role if there is
// none. Tasks of roles of one sight, in nobody's name, have the same room on every node.
func (v *View) Sight(role berth.Role) berth.Role {
	if v.reserved == 0 {
		return ""
	}
	for at := v.NearestRole(role); at != Root; at = v.accounts.At(int(at)).Parent {
		if a := v.accounts.At(int(at)); a.reserves > 0 {
			return berth.Role(a.Name)
		}
	}
	return ""
}

// ReservedRows yields the rows of nodes of which something is reserved, ascending.
func (v *View) ReservedRows() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		if v.reserved == 0 {
			return
		}
		for at := range v.reserving.Len() {
			for word := *v.reserving.At(at); word != 0; word &= word - 1 {
				if !yield(uint32(at*64 + bits.TrailingZeros64(word))) {
					return
				}
			}
		}
	}
}

// isReservation reports whether a record is a hold that reserves room and takes none.
func isReservation(r *Record) bool {
	return r.Group == Holds && r.Extra != nil && r.Extra.Hold != nil && r.Extra.Hold.Lease == berth.Reserved
}

// user returns for whom a record, which is none of a reservation, takes what.
func (s *Store) user(r *Record) (role berth.Role, owner string, needs []Need) {
	if r.Group != Holds {
		g := s.Group(r.Group)
		return g.Spec.Role(), s.OwnerName(r.Owner), g.Request
	}
	if r.Extra == nil || r.Extra.Hold == nil {
		return "", "", nil
	}
	return r.Extra.Hold.Role, r.Extra.Hold.Owner, r.Extra.Needs
}

// occupy notes in what is reserved of a node that a record came to it, or with a sign of -1 that it goes.
func (s *Store) occupy(r *Record, ns *NodeState, sign int64) {
	if isReservation(r) {
		s.reserve(r.Row, ns, s.reservesWith(r.Row, ns.Node, ns.reserves, r, sign))
		return
	}
	role, owner, needs := s.user(r)
	s.reserve(r.Row, ns, ns.reserves.After(role, owner, needs, sign))
}

// reserve makes what is reserved of a node what it is to be, and what is free with it.
func (s *Store) reserve(row uint32, ns *NodeState, to *Reserves) {
	from := ns.reserves
	if from == to {
		return
	}
	free, rare := s.free.mutRow(s.token, int(row)), ns.rare
	var change [8]Need
	moved := change[:0]
	for _, part := range []struct {
		of   *Reserves
		sign int64
	}{{from, -1}, {to, 1}} {
		if part.of == nil {
			continue
		}
		for k, d := range part.of.dims {
			if q := part.of.total[k]; q != 0 {
				moved = append(moved, Need{d, part.sign * q})
			}
		}
	}
	rare = takeNeeds(free, rare, moved, 1)
	if len(rare) > 0 || len(ns.rare) > 0 {
		ns.Parts = partsOf(ns.Devices, ns.Ports, ns.Stray, rare)
	}
	s.setReserves(row, ns, to)
}

// setReserves makes what is reserved of a node what it is to be, in all but what is free.
func (s *Store) setReserves(row uint32, ns *NodeState, to *Reserves) {
	from := ns.reserves
	ns.reserves = to
	if from == to {
		return
	}
	same := from != nil && to != nil && len(from.list) == len(to.list) && &from.list[0] == &to.list[0] // for the same roles
	if same {
		s.moveReserves(from, to)
		return
	}
	s.chargeReserves(to, 1)
	s.chargeReserves(from, -1)
	s.referReserves(to, 1)
	s.referReserves(from, -1)
	if (from == nil) != (to == nil) {
		s.flagReserved(row, to != nil)
	}
}

// chargeReserves enters what is idle as the roles'.
func (s *Store) chargeReserves(r *Reserves, times int64) {
	if r == nil {
		return
	}
	needs := make([]Need, 0, len(r.dims))
	for i := range r.list {
		needs = needs[:0]
		for k, d := range r.dims {
			if q := r.idle[i*len(r.dims)+k]; q > 0 {
				needs = append(needs, Need{d, q})
			}
		}
		s.enter(r.list[i].account, needs, times)
	}
}

// moveReserves enters by how much what is idle of the same reserves has changed.
func (s *Store) moveReserves(from, to *Reserves) {
	n := len(to.dims)
	var few [8]Need
	for i := range to.list {
		more, less := few[:0:4], few[4:4]
		for k, d := range to.dims {
			switch q := to.idle[i*n+k] - from.idle[i*n+k]; {
			case q > 0:
				more = append(more, Need{d, q})
			case q < 0:
				less = append(less, Need{d, -q})
			}
		}
		if len(more) > 0 {
			s.enter(to.list[i].account, more, 1)
		}
		if len(less) > 0 {
			s.enter(to.list[i].account, less, -1)
		}
	}
}

// referReserves notes that so many more nodes have something reserved for the roles.
func (s *Store) referReserves(r *Reserves, more int) {
	if r == nil {
		return
	}
	for i := range r.list {
		s.refer(r.list[i].account, more)
		s.accounts.mutAt(s.token, int(r.list[i].account)).reserves += more
	}
}

// flagReserved notes that something of the node in a row is reserved, or nothing any more.
func (s *Store) flagReserved(row uint32, is bool) {
	at := int(row / 64)
	for s.reserving.Len() <= at {
		s.reserving.grow(s.token)
	}
	word := s.reserving.mutAt(s.token, at)
	if is {
		*word |= 1 << (row % 64)
		s.reserved++
	} else {
		*word &^= 1 << (row % 64)
		s.reserved--
	}
}

// resized returns what it is once a hold is of another size.
func (r *Reserves) resized(from, to *Extra) *Reserves {
	if r == nil || from.Hold == nil {
		return r
	}
	h := from.Hold
	return r.After(h.Role, h.Owner, from.Needs, -1).After(h.Role, h.Owner, to.Needs, 1)
}

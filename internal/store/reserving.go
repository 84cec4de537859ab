package store

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/berth-sched/berth"
)

// What is reserved of a node follows from its description and the reservations on it. One more reservation, or one less, of what is reserved
// already for whom it is adds to that or takes off it: O(the roles and owners that have reservations there). The first for somebody, or of a
// resource, and the last have all that is on the node looked through, for the tasks that use it.

// WithReservation returns what would be reserved of the node in a row with one reservation more.
func (s *Store) WithReservation(row uint32, h *berth.Hold) *Reserves {
	n := s.Node(row)
	if r := s.movedBy(n.Node, n.reserves, h, 1); r != nil {
		return r
	}
	return s.reservesOf(row, n.Node, "", h)
}

// reservesWith returns what is reserved of a node once a reservation has come to it or, with a sign of -1, goes.
func (s *Store) reservesWith(row uint32, node *Node, is *Reserves, r *Record, sign int64) *Reserves {
	if to := s.movedBy(node, is, r.Extra.Hold, sign); to != nil {
		return to
	}
	without := ""
	if sign < 0 {
		without = r.ID
	}
	return s.reservesOf(row, node, without, nil)
}

// movedBy returns what is reserved with so much more, or with a sign of -1 less; nil if that is for others, or of other resources.
func (s *Store) movedBy(node *Node, r *Reserves, h *berth.Hold, sign int64) *Reserves {
	if r == nil {
		return nil
	}
	i, found := slices.BinarySearchFunc(r.list, reserve{role: h.Role, owner: h.Owner}, compareReserves)
	if !found {
		return nil
	}
	n := len(r.dims)
	c := &Reserves{dims: r.dims, list: r.list, asked: slices.Clone(r.asked), amounts: make([]int64, len(r.amounts)), used: r.used}
	for name, q := range h.Resources {
		if q <= 0 {
			continue
		}
		d, known := s.DimOf(name)
		k, among := slices.BinarySearch(r.dims, d)
		if !known || !among {
			return nil
		}
		at := &c.asked[i*n+k]
		if sign > 0 {
			*at = plus(*at, q)
			continue
		}
		if *at == math.MaxInt64 {
			return nil // it may be less than the sum of what was added to it
		}
		*at -= q
		if *at < 0 || sumOf(c.asked[k:], n) == 0 {
			return nil
		}
	}
	if sign < 0 && sumOf(c.asked[i*n:i*n+n], 1) == 0 {
		return nil
	}
	c.limit(node)
	c.settle()
	return c
}

// sumOf returns the sum of every so manieth amount.
func sumOf(amounts []int64, step int) (sum int64) {
	for i := 0; i < len(amounts); i += step {
		sum = plus(sum, amounts[i])
	}
	return sum
}

// limit makes what is reserved no more than a node has, that became smaller.
func (r *Reserves) limit(node *Node) {
	n := len(r.dims)
	for k, d := range r.dims {
		left := max(0, node.CapacityOf(d))
		for i := range r.list {
			q := min(left, r.asked[i*n+k])
			r.amounts[i*n+k] = q
			left -= q
		}
	}
}

func compareReserves(a, b reserve) int {
	return cmp.Or(cmp.Compare(a.role, b.role), cmp.Compare(a.owner, b.owner))
}

// reservesOf works out what is reserved of a node as it is described, and how much of it is idle, without one reservation that is named and
// with one that is given.
func (s *Store) reservesOf(row uint32, node *Node, without string, with *berth.Hold) *Reserves {
	type key struct {
		role  berth.Role
		owner string
	}
	amounts := map[key]map[int32]int64{}
	out := &Reserves{}
	add := func(k key, of berth.Resources) {
		for name, q := range of.All() {
			if q <= 0 {
				continue
			}
			d := s.Dim(name)
			if amounts[k] == nil {
				amounts[k] = map[int32]int64{}
				out.list = append(out.list, reserve{role: k.role, owner: k.owner, parent: -1})
			}
			amounts[k][d] = plus(amounts[k][d], q)
			if !slices.Contains(out.dims, d) {
				out.dims = append(out.dims, d)
			}
		}
	}
	if node.Spec != nil {
		for _, role := range slices.Sorted(maps.Keys(node.Spec.Reserved)) { // in an order, for resources are numbered as they are met
			add(key{role: role}, node.Spec.Reserved[role])
		}
	}
	for _, r := range s.HoldsOn(row) {
		if isReservation(r) && r.ID != without {
			add(key{r.Extra.Hold.Role, r.Extra.Hold.Owner}, r.Extra.Hold.Resources)
		}
	}
	if with != nil {
		add(key{with.Role, with.Owner}, with.Resources)
	}
	if len(out.list) == 0 {
		return nil
	}
	slices.SortFunc(out.list, compareReserves)
	slices.Sort(out.dims)
	n := len(out.dims)
	out.asked, out.amounts, out.used = make([]int64, len(out.list)*n), make([]int64, len(out.list)*n), make([]int64, len(out.list)*n)
	for i := range out.list {
		e := &out.list[i]
		e.account, e.parent = s.roleAccount(e.role), out.around(e)
		for k, d := range out.dims {
			out.asked[i*n+k] = amounts[key{e.role, e.owner}][d]
		}
	}
	out.limit(node)
	for _, r := range s.On(row) {
		if isReservation(r) {
			continue
		}
		role, owner, needs := s.user(r)
		if i := out.innermost(role, owner); i >= 0 {
			for _, need := range needs {
				if k, ok := slices.BinarySearch(out.dims, need.Dim); ok {
					out.used[i*n+k] = plus(out.used[i*n+k], need.Amount)
				}
			}
		}
	}
	out.settle()
	return out
}

// around returns the reserve around one, or -1.
func (r *Reserves) around(e *reserve) int {
	role := e.role
	if e.owner == "" {
		if role == "" {
			return -1
		}
		role = role.Parent()
	}
	return r.nearest(role)
}

// nearest returns the reserve that is for everybody in the nearest of a role and those above it, or -1.
func (r *Reserves) nearest(role berth.Role) int {
	for role != "" {
		if i, found := slices.BinarySearchFunc(r.list, reserve{role: role}, compareReserves); found {
			return i
		}
		role = role.Parent()
	}
	return -1
}

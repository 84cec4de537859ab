package store

import (
	"cmp"
	"slices"
)

// denseDims is how many dimensions, the first ones, have a column. Of the others a row lists those that it has: if
// each of many nodes has a resource of its own, columns would have room for every one on every node.
const denseDims = 32

// A Need is an amount of one dimension.
type Need struct {
	Dim    int32
	Amount int64
}

// Dims returns the names of the dimensions; one that nothing has any more has none.
func (v *View) Dims() []string { return v.dims }

// DimOf returns the dimension of that name.
func (v *View) DimOf(name string) (int32, bool) {
	const few = 8 // comparing with each of a few, as there are as a rule, is faster than a look-up by hash
	if len(v.dims) <= few {
		d := slices.Index(v.dims, name)
		return int32(d), d >= 0 && name != ""
	}
	d, ok := v.byDim.find(Hash(name), name, v.dimName)
	return int32(d), ok
}

// dimName returns the name of a dimension, or "" if there is none of that number.
func (v *View) dimName(d uint32) string {
	if int(d) >= len(v.dims) {
		return ""
	}
	return v.dims[d]
}

// Dim returns the dimension of that name, a new one if it is new.
func (s *Store) Dim(name string) int32 {
	if d, ok := s.DimOf(name); ok {
		return d
	}
	d := len(s.dims)
	if k := len(s.freeDims); k > 0 {
		d = int(s.freeDims[k-1])
		s.freeDims = s.freeDims[:k-1]
		s.dims = slices.Clone(s.dims) // views have it
		s.dims[d] = name
		s.naming = newIdentity()
	} else {
		s.dims = append(s.dims, name)
	}
	s.newDims++
	s.byDim.insert(uint32(d), Hash(name), func(d, hash uint32) bool { return Hash(s.dimName(d)) == hash })
	if d < denseDims && d >= s.free.width {
		s.free = s.free.widened(s.token, 2*s.free.width)
	}
	return int32(d)
}

// Naming is another number wherever a dimension has another name: with the same, one view's Dims begin with the other's.
func (v *View) Naming() uint64 { return v.naming }

// forgetDims makes the dimensions free that nothing in the store has an amount of, to be used again under other names, once there
// are enough new ones for the walk over the nodes, holds and groups to cost little for each.
func (s *Store) forgetDims() {
	if s.newDims < 64 || s.newDims < len(s.dims)/4 || s.newDims < s.nodeN/16 || s.postponed() {
		return
	}
	s.newDims = 0
	s.settle()
	used := make([]bool, len(s.dims))
	note := func(needs []Need) {
		for _, n := range needs {
			used[n.Dim] = true
		}
	}
	noteDense := func(amounts []int64) {
		for d, q := range amounts {
			if q != 0 {
				used[d] = true
			}
		}
	}
	for row := range uint32(s.Rows()) {
		if ns := s.Node(row); ns.Node != nil {
			noteDense(ns.Node.capacity.dense)
			noteDense(s.free.Row(int(row)))
			note(ns.Node.capacity.rare)
			note(ns.rare)
		}
	}
	for row := range s.ReservedRows() {
		for _, d := range s.Node(row).reserves.dims {
			used[d] = true
		}
	}
	for id := range s.groups.Len() {
		note(s.Group(uint32(id)).Request)
	}
	for slot := range s.Members(Holds) {
		if x := s.Record(slot).Extra; x != nil {
			note(x.Needs)
			note(x.Cost)
		}
	}
	for at := range s.accounts.Len() {
		a := s.accounts.At(at)
		if a.Quota != nil {
			note(a.Quota.Limits)
		}
		for _, sum := range a.Unseen {
			used[sum.Dim] = true
		}
	}
	dims := slices.Clone(s.dims)
	s.freeDims = s.freeDims[:0]
	for d := len(dims) - 1; d >= 0; d-- { // so that the lowest are the next to be used, for those have columns
		if used[d] {
			continue
		}
		if dims[d] != "" {
			s.byDim.remove(uint32(d), Hash(dims[d]))
			dims[d] = ""
		}
		s.freeDims = append(s.freeDims, uint32(d))
	}
	s.dims, s.naming = dims, newIdentity()
}

// Free returns the free amounts of a row by dimension, to be read; they are negative where the node
// is overcommitted. It may be longer than Dims. Where there are more dimensions than columns it is put together for the call.
func (v *View) Free(row uint32) []int64 {
	dense := v.free.Row(int(row))
	if len(v.dims) <= denseDims {
		return dense
	}
	all := make([]int64, len(v.dims))
	copy(all, dense)
	if v.Node(row).Node != nil {
		for _, n := range v.Node(row).rare {
			all[n.Dim] = n.Amount
		}
	}
	return all
}

// Columns returns the free amounts of a row in the dimensions that have a column, to be read. The others FreeOf tells.
func (v *View) Columns(row uint32) []int64 { return v.free.Row(int(row)) }

// FreeOf returns what is free of one dimension in a row that has a node.
func (v *View) FreeOf(row uint32, d int32) int64 {
	if d < denseDims {
		return v.free.Row(int(row))[d]
	}
	return amountOf(v.Node(row).rare, d)
}

// amounts are by dimension: of the first ones all, of the others those that are not zero, sorted.
type amounts struct {
	dense []int64 // dimensions beyond its length are zero
	rare  []Need
}

// set makes the amount of a dimension what it is to be.
func (a *amounts) set(d int32, amount int64) {
	if d >= denseDims {
		if k := len(a.rare); amount != 0 && (k == 0 || a.rare[k-1].Dim < d) {
			a.rare = append(a.rare, Need{d, amount}) // a node that is being made shares its amounts with nobody
			return
		}
		a.rare = changedBy(a.rare, d, amount-amountOf(a.rare, d))
		return
	}
	for len(a.dense) <= int(d) {
		a.dense = append(a.dense, 0)
	}
	a.dense[d] = amount
}

// all returns the amounts by dimension; dimensions beyond its length are zero.
func (a *amounts) all() []int64 {
	if len(a.rare) == 0 {
		return a.dense
	}
	out := make([]int64, a.rare[len(a.rare)-1].Dim+1)
	copy(out, a.dense)
	for _, n := range a.rare {
		out[n.Dim] = n.Amount
	}
	return out
}

// amountOf returns the amount of a dimension in a sorted list.
func amountOf(list []Need, d int32) int64 {
	if i, ok := findDim(list, d); ok {
		return list[i].Amount
	}
	return 0
}

// changedBy returns a sorted list in which the amount of a dimension has moved. The list itself stays as it is.
func changedBy(list []Need, d int32, by int64) []Need {
	i, ok := findDim(list, d)
	switch {
	case by == 0:
		return list
	case !ok:
		return slices.Insert(slices.Clone(list), i, Need{d, by})
	case list[i].Amount+by == 0:
		return slices.Delete(slices.Clone(list), i, i+1)
	}
	list = slices.Clone(list)
	list[i].Amount += by
	return list
}

// changedByAll is changedBy for many amounts, in any order and each times by: the list is copied once, not for each of them.
// Amounts of dimensions that have columns are passed over.
func changedByAll(list, needs []Need, by int64) []Need {
	byDim := func(a, b Need) int { return cmp.Compare(a.Dim, b.Dim) }
	if !slices.IsSortedFunc(needs, byDim) {
		needs = slices.SortedFunc(slices.Values(needs), byDim)
	}
	first, _ := findDim(needs, denseDims)
	out := make([]Need, 0, len(list)+len(needs)-first)
	add := func(n Need) {
		last := len(out) - 1
		switch {
		case last < 0 || out[last].Dim != n.Dim:
			out = append(out, n)
		default:
			out[last].Amount += n.Amount
		}
		if last = len(out) - 1; out[last].Amount == 0 {
			out = out[:last]
		}
	}
	for _, n := range needs[first:] {
		for len(list) > 0 && list[0].Dim <= n.Dim {
			add(list[0])
			list = list[1:]
		}
		add(Need{n.Dim, by * n.Amount})
	}
	return append(out, list...)
}

func findDim(list []Need, d int32) (int, bool) {
	return slices.BinarySearchFunc(list, d, func(n Need, d int32) int { return cmp.Compare(n.Dim, d) })
}

package fit

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
)

// A node often has several ways to serve requests for devices. Two of them differ, for who looks at what is left, only if one
// takes more devices of some run of a pool for some request than the other. So ways are told apart by runs, and are the same for
// nodes of equal pools.

// NoRequest stands for a device that is given to no request.
const NoRequest = -1

// Options finds the distinct ways to serve a group's requests out of a pool. It is kept for its room.
type Options struct {
	Pool
	of       *berth.Requirements
	requests []berth.DeviceRequest
	serves   []uint64 // by run: which requests of its class the devices can serve, a bit for each
	ordered  [][]int  // by request: the runs that can serve it, the best first
	like     []int    // by request: the first request of its class that asks for the same
	taken    []int    // by run: devices given
	given    []int32  // by place of the pool: the request
	want     matching // kept for its room
	found    []int32  // ways one after another, each as long as there are devices
	most     int
}

// Find returns how many ways there are, at most so many; none if the requests cannot be served, or there are none. In each each
// request in turn takes what leaves the others enough; in the first the devices of the most preferred models, and of these
// for a share those of which the least is free, as [Choose] has it.
func (o *Options) Find(r *berth.Requirements, most int) int {
	o.found, o.most = o.found[:0], most
	if len(r.Devices) == 0 || len(o.order) == 0 {
		return 0
	}
	o.of, o.requests = r, r.Devices
	if !o.one(r) {
		o.prepare(r)
		o.request(0)
	}
	return len(o.found) / len(o.order)
}

// one finds the ways to serve one request that prefers no model and asks for no amounts, where the devices are of one kind. It returns false,
// having found nothing, for any other.
func (o *Options) one(r *berth.Requirements) bool {
	if len(r.Devices) > 1 || o.kindOf(0) != o.kindOf(len(o.runs)-1) {
		return false
	}
	d, dev := &r.Devices[0], &o.node.Devices[o.order[0]]
	if len(d.Prefer)+len(d.Amounts)+len(dev.Capacity) > 0 {
		return false
	}
	if !accepts(d, dev) {
		return true
	}
	n, need := max(d.Count, 1), min(d.Units(), berth.DeviceUnits)
	for i, run := range o.runs { // of one kind they are in the order of what is free
		if o.free[o.order[run.first]] < need {
			continue
		}
		if run.n < n { // a count needs whole ones, which are alike and the last
			if d.Count > 0 && i == len(o.runs)-1 {
				return true // the whole ones are alike
			}
			return false
		}
		for k := range o.order {
			given := int32(NoRequest)
			if k >= run.first && k < run.first+n {
				given = 0
			}
			o.found = append(o.found, given)
		}
		if len(o.found) >= o.most*len(o.order) {
			break
		}
	}
	return true
}

// Way returns the ith of the ways that were found: the request, as an index of the requirements' devices, that each device of
// the pool, in its order, is given to, or NoRequest.
func (o *Options) Way(i int) []int32 {
	n := len(o.order)
	return o.found[i*n : (i+1)*n]
}

// First returns the first device, by its place in the node's list, that the ith way takes.
func (o *Options) First(i int) int {
	first := len(o.order)
	for k, j := range o.Way(i) {
		if j != NoRequest {
			first = min(first, o.order[k])
		}
	}
	return first
}

func (o *Options) prepare(r *berth.Requirements) {
	o.serves = slices.Grow(o.serves[:0], len(o.runs))[:len(o.runs)]
	o.taken = slices.Grow(o.taken[:0], len(o.runs))[:len(o.runs)]
	clear(o.taken)
	o.given = slices.Grow(o.given[:0], len(o.order))[:len(o.order)]
	for k := range o.given {
		o.given[k] = NoRequest
	}
	for len(o.ordered) < len(o.requests) {
		o.ordered = append(o.ordered, nil)
	}
	o.like = o.like[:0]
	for j := range o.requests {
		o.ordered[j] = o.ordered[j][:0]
		first, _ := r.RequestsOf(o.requests[j].Class)
		for first < j && !asksAlike(&o.requests[first], &o.requests[j]) {
			first++
		}
		o.like = append(o.like, first)
	}
	for i, run := range o.runs {
		at := o.order[run.first]
		dev := &o.node.Devices[at]
		from, to := r.RequestsOf(dev.Class)
		o.serves[i] = servedBy(o.requests[from:to], dev, o.free, at, o.atOf(at), withRoom)
		for j := from; j < to; j++ {
			if o.serves[i]>>(j-from)&1 == 1 {
				o.ordered[j] = append(o.ordered[j], i)
			}
		}
	}
	for j := range o.requests {
		d := &o.requests[j]
		if len(d.Prefer) == 0 && (d.Count > 0 || o.areOfOneKind(o.ordered[j])) {
			continue // they are in order
		}
		slices.SortStableFunc(o.ordered[j], func(a, b int) int {
			x, y := o.order[o.runs[a].first], o.order[o.runs[b].first]
			if c := cmp.Compare(d.WeightOf(o.node.Devices[y].Model), d.WeightOf(o.node.Devices[x].Model)); c != 0 || d.Count > 0 {
				return c
			}
			return cmp.Compare(o.free[x], o.free[y])
		})
	}
}

// areOfOneKind reports whether all devices of some runs, which are in order, are of one kind.
func (o *Options) areOfOneKind(runs []int) bool {
	return len(runs) < 2 || o.kindOf(runs[0]) == o.kindOf(runs[len(runs)-1])
}

func (o *Options) kindOf(run int) int32 { return o.kinds[o.order[o.runs[run].first]] }

// asksAlike reports whether two requests can have each other's devices and are as glad of them.
func asksAlike(a, b *berth.DeviceRequest) bool {
	if a.Class != b.Class || a.Count != b.Count || a.Share != b.Share || len(a.Amounts) != len(b.Amounts) {
		return false
	}
	for amount, q := range a.Amounts {
		if other, ok := b.Amounts[amount]; !ok || other != q {
			return false
		}
	}
	return slices.Equal(a.Models, b.Models) && maps.Equal(a.Prefer, b.Prefer)
}

// request finds the ways to serve the requests from one on. It returns false once there are enough.
func (o *Options) request(j int) bool {
	if j == len(o.requests) {
		o.found = append(o.found, o.given...)
		return len(o.found) < o.most*len(o.order)
	}
	from, to := o.of.RequestsOf(o.requests[j].Class)
	first := 0
	if like := o.like[j]; like < j { // of ways that differ in which of two like requests has what, one is enough
		before := j - 1
		for o.like[before] != like {
			before--
		}
		first = o.lastOf(before)
	}
	return o.run(j, first, max(o.requests[j].Count, 1), from, to)
}

// lastOf returns which of the runs in the order of a request has the last device that it was given.
func (o *Options) lastOf(j int) (last int) {
	for k, i := range o.ordered[j] {
		run := o.runs[i]
		if slices.Contains(o.given[run.first:run.first+o.taken[i]], int32(j)) {
			last = k
		}
	}
	return last
}

// run finds the ways in which a request takes so many devices more of the runs from one on in its order.
func (o *Options) run(j, k, wanted, from, to int) bool {
	if wanted == 0 {
		return o.request(j + 1)
	}
	if k == len(o.ordered[j]) || !o.isPossible(j, k, wanted, from, to) {
		return true
	}
	i := o.ordered[j][k]
	run := o.runs[i]
	most := min(wanted, run.n-o.taken[i])
	for n := most; n >= 0; n-- {
		at := run.first + o.taken[i]
		for p := at; p < at+n; p++ {
			o.given[p] = int32(j)
		}
		o.taken[i] += n
		more := o.run(j, k+1, wanted-n, from, to)
		o.taken[i] -= n
		for p := at; p < at+n; p++ {
			o.given[p] = NoRequest
		}
		if !more {
			return false
		}
	}
	return true
}

// isPossible reports whether a request can have so many devices of the runs from one on in its order, and those after it of its class
// what they want, requests like it of the same runs.
func (o *Options) isPossible(j, k, wanted, from, to int) bool {
	left := 0
	for _, i := range o.ordered[j][k:] {
		left += o.runs[i].n - o.taken[i]
	}
	if left < wanted || j+1 == to {
		return left >= wanted
	}
	m := &o.want
	m.want, m.kinds = append(m.want[:0], wanted), m.kinds[:0]
	for next := j + 1; next < to; next++ {
		m.want = append(m.want, max(o.requests[next].Count, 1))
	}
	passed := uint64(0) // the requests that may take no more of the runs before
	for next := j; next < to; next++ {
		if o.like[next] == o.like[j] {
			passed |= 1 << (next - from)
		}
	}
	for i, run := range o.runs {
		if o.node.Devices[o.order[run.first]].Class != o.requests[j].Class || run.n == o.taken[i] {
			continue
		}
		serves := o.serves[i]
		if slices.Contains(o.ordered[j][:k], i) {
			serves &^= passed
		}
		if serves >>= j - from; serves != 0 {
			m.addSome(serves, run.n-o.taken[i])
		}
	}
	return m.isPossible()
}

// Shares returns the devices that a way takes, in the order of a grant.
func (o *Options) Shares(way []int32) (shares []berth.DeviceShare) {
	by := make([]int32, len(way)) // by index in the node's list
	for k, j := range way {
		by[o.order[k]] = j
	}
	var few [4]int
	seen := few[:] // by the first request of a class: devices so far
	if len(o.requests) > len(few) {
		seen = make([]int, len(o.requests))
	}
	for i, j := range by {
		dev := &o.node.Devices[i]
		from, to := o.of.RequestsOf(dev.Class)
		if from == to {
			continue
		}
		if j != NoRequest {
			shares = append(shares, share(&o.requests[j], dev, seen[from]))
		}
		seen[from]++
	}
	if o.requests[0].Class != o.requests[len(o.requests)-1].Class {
		slices.SortStableFunc(shares, func(a, b berth.DeviceShare) int { return strings.Compare(a.Class, b.Class) })
	}
	return shares
}

// Left calls do with each device of the pool of which a way takes something: its place, what is free of its units then, and of its
// amounts, which it may keep only if it copies them.
func (o *Options) Left(way []int32, do func(place int, units int64, amounts []int64)) {
	var few [4]int64
	for k, j := range way {
		if j == NoRequest {
			continue
		}
		i, d := o.order[k], &o.requests[j]
		capacity := o.node.Devices[i].Capacity
		amounts := few[:0]
		if len(capacity) > 0 {
			amounts = append(amounts, o.Amounts(i)...)
			for amount, all := range capacity {
				amounts[placeOf(amount, capacity)] -= d.Takes(amount, all)
			}
		}
		do(k, o.free[i]-min(d.Units(), berth.DeviceUnits), amounts)
	}
}

// GivenAt returns a grant of the first devices of a node of which so much is free, as many as a request asks for, or nil if they are too few. All devices of the node are
// of one kind that serves the request, and have nothing but units.
func GivenAt(n *berth.Node, d *berth.DeviceRequest, devices []int64, free int64) *berth.Grant {
	out := new(struct {
		berth.Grant
		one [1]berth.DeviceShare
	})
	left := max(d.Count, 1)
	out.Devices = out.one[:0]
	if left > 1 {
		out.Devices = make([]berth.DeviceShare, 0, left)
	}
	for i, f := range devices {
		if f != free || i >= len(n.Devices) {
			continue
		}
		out.Devices = append(out.Devices, share(d, &n.Devices[i], i))
		if left--; left == 0 {
			return &out.Grant
		}
	}
	return nil
}

// Given returns a grant of these devices, and of the ports that a task of a group would get on n.
func Given(g *berth.Group, n *berth.Node, shares []berth.DeviceShare, used []berth.Port) *berth.Grant {
	out := &berth.Grant{Devices: shares}
	if r := g.Requirements(); r.UsesPorts() {
		out.Ports, _ = choosePorts(r, Unused(n, used))
	}
	return out
}

package placement

import (
	"slices"

	"github.com/berth-sched/berth"
)

// Most of what a policy of gaps costs is to find out in which ways a node can give devices and to sort what is left of them. Where a node's devices are
// of one kind and a task asks for one share, or for whole ones, both are plain from the sorted list of what is free, which is kept by state: there is one
// way for each distinct amount that is enough, or one for all whole devices, in the order in which fit.Options finds them.

// levels is what is free of the devices of a state, ascending, where they are of one kind that has units and nothing else.
type levels struct {
	device *berth.Device // of that kind; nil if they are not of one
	free   []int64
}

// quickTerm returns the term of gaps if no other may look at devices, and its tier.
func (p *policy) quickTerm() (*Term, int) {
	var only *Term
	at := 0
	for i := range p.tiers {
		for j := range p.tiers[i].terms {
			if t := &p.tiers[i].terms[j]; t.ofGrant() {
				if only != nil || t.gaps == nil {
					return nil, 0
				}
				only, at = t, i
			}
		}
	}
	return only, at
}

// quickly rates the ways to give devices as bestWay does, if that is plain; false if it is not, and nothing is done. Of equally good ways it takes the
// first: which device is first on the node is not the same on all nodes of a state, and found out when the task goes there.
func (r *rater) quickly(sums []int64) ([]int64, bool) {
	t, tuned, l := r.policy.quick, r.policy.tuned, &r.levels
	if t == nil || tuned == nil || tuned.Plain || l.device == nil || l.device.Class != tuned.Primary {
		return sums, false
	}
	asked := r.devices.requests.Devices
	var d *berth.DeviceRequest
	switch len(asked) {
	case 0:
	case 1:
		d = &asked[0]
		if len(d.Prefer)+len(d.Amounts) > 0 || d.Class != l.device.Class || len(d.Models) > 0 && !slices.Contains(d.Models, l.device.Model) {
			return sums, false
		}
	default:
		return sums, false
	}
	n, last := len(l.free), int64(0)
	whole := 0 // how many are
	for whole < n && l.free[n-1-whole] == berth.DeviceUnits {
		whole++
	}
	if d != nil && (d.Count > whole || d.Share > l.free[n-1] || l.free[n-1] > berth.DeviceUnits) {
		return sums, false
	}
	before := r.worthBefore(t)
	rate := func(taken int, units int64) int64 {
		return t.weight * t.clamp(t.changed(r.worthWithout(taken, units), before))
	}
	best := int64(0)
	switch r.way = -1; {
	case d == nil:
		best = rate(n, 0)
	case d.Count > 0:
		r.way = 0
		for i := n - d.Count; i < n-1; i++ { // the last goes below
			l.free[i] = 0
		}
		best = rate(n-1, berth.DeviceUnits)
		for i := n - d.Count; i < n-1; i++ {
			l.free[i] = berth.DeviceUnits
		}
	default:
		ways := 0
		for i, free := range l.free {
			if free < d.Share || free == last {
				continue
			}
			if ways == MaxGrants {
				break
			}
			last = free
			if v := rate(i, d.Share); ways == 0 || v > best {
				best, r.way = v, ways
			}
			ways++
		}
	}
	sums = sums[:0]
	for range r.policy.tiers {
		sums = append(sums, 0)
	}
	sums[r.policy.quickTier] = best
	return sums, true
}

// changed returns what a Change says of what a state is worth after and before.
func (t *Term) changed(after, before int64) int64 {
	change := difference(after, before)
	if t.through != nil {
		change = t.through(change)
	}
	return change
}

// worthWithout returns what the state is worth once the task has taken so much of the ith device, by what is free, and what it takes of the node.
func (r *rater) worthWithout(i int, units int64) int64 {
	t, free := r.policy.quick, r.levels.free
	if r.gaps == nil {
		r.gaps = new(gapView)
	}
	g := r.gaps
	g.begin(r.policy.tuned)
	g.amounts(r.cand.names, r.afterwards(t).Free)
	model, left := r.levels.device.Model, int64(-1)
	if i < len(free) {
		left = free[i] - units
	}
	for k, f := range free { // in order, so that nothing is sorted
		if left >= 0 && (f >= left || k == i) {
			g.device(model, left)
			left = -1
		}
		if k != i {
			g.device(model, f)
		}
	}
	g.end()
	return t.gaps.summed(r.policy.tuned, g)
}

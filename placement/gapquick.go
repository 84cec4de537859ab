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

// isLone reports whether there are no terms but of gaps and of preferences, so that a state that is known as levels is rated by nothing else.
func (p *policy) isLone() bool {
	for i := range p.tiers {
		for j := range p.tiers[i].terms {
			if t := &p.tiers[i].terms[j]; t != p.quick && t.kind != preferencesTerm {
				return false
			}
		}
	}
	return p.quick != nil
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

// isLevel reports whether what is free of the candidate's devices is known as levels, and is all of devices that the policy's only term of them looks at.
func (r *rater) isLevel() bool {
	t := r.policy.tuned
	return r.policy.quick != nil && t != nil && !t.Plain && r.levels.device != nil && r.levels.device.Class == t.Primary
}

// turn returns the view of the candidate's state, with so much of its resources taken.
func (r *rater) turn(taken []int64) *gapView {
	g := r.view()
	g.turn(r.policy.tuned)
	if taken == nil {
		g.amounts(r.cand.names, r.cand.Free)
	} else {
		g.amountsLess(r.cand.names, r.cand.Free, taken)
	}
	return g
}

// single returns the only request for devices, or nil if there is none; false if levels do not tell in which ways they can give what is asked for.
func (r *rater) single() (d *berth.DeviceRequest, ok bool) {
	l, asked := &r.levels, r.devices.requests.Devices
	if len(asked) != 1 {
		return nil, len(asked) == 0
	}
	d = &asked[0]
	if len(d.Prefer)+len(d.Amounts) > 0 || d.Class != l.device.Class || len(d.Models) > 0 && !slices.Contains(d.Models, l.device.Model) {
		return nil, false
	}
	n := len(l.free)
	top := l.free[n-1]
	return d, d.Share <= top && top <= berth.DeviceUnits && (d.Count <= 0 || d.Count <= n && l.free[n-d.Count] == berth.DeviceUnits)
}

// quickly rates the ways to give devices as bestWay does, if that is plain; false if it is not, and nothing is done. Of equally good ways it takes the
// first: which device is first on the node is not the same on all nodes of a state, and found out when the task goes there.
func (r *rater) quickly(sums []int64) ([]int64, bool) {
	if !r.isLevel() {
		return sums, false
	}
	d, ok := r.single()
	if !ok {
		return sums, false
	}
	sums = sums[:0]
	for range r.policy.tiers {
		sums = append(sums, 0)
	}
	sums[r.policy.quickTier] = r.bestLeft(r.policy.quick, d)
	return sums, true
}

// bestLeft returns what the best way to give devices of levels comes to, which is r.way.
func (r *rater) bestLeft(t *Term, d *berth.DeviceRequest) (best int64) {
	before, l := r.worthBefore(t), &r.levels
	g := r.turn(r.cand.Request)
	g.tell(l.device.Model, l.free)
	rate := func(gone taking) int64 {
		return t.weight * t.clamp(t.changed(t.gaps.levelsOf(r.policy.tuned, g, gone), before))
	}
	switch r.way = -1; {
	case d == nil:
		return rate(taking{})
	case d.Count > 0:
		r.way = 0
		return rate(taking{int64(d.Count), berth.DeviceUnits, 0})
	}
	ways, last := 0, int64(0)
	for _, f := range l.free {
		if f < d.Share || f == last {
			continue
		}
		if ways == MaxGrants {
			break
		}
		last = f
		if v := rate(taking{1, f, f - d.Share}); ways == 0 || v > best {
			best, r.way = v, ways
		}
		ways++
	}
	return best
}

// changed returns what a Change says of what a state is worth after and before.
func (t *Term) changed(after, before int64) int64 {
	change := difference(after, before)
	if t.through != nil {
		change = t.through(change)
	}
	return change
}

package placement

import (
	"math"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// rater rates one candidate after another by every term, as it is declared and nothing else. It is for one goroutine.
// Whoever uses it sets the candidate, and answers what is counted and what holds.
type rater struct {
	policy *policy
	cand   Candidate
	after  State
	bound  []resources // by additive term, in order
	scales []scale     // by OfAmounts, in order
	names  []string    // of the dimensions that they are bound to

	devices deviceViews
	levels  levels     // of the candidate's devices, if it is known that they are of one kind
	gaps    *gapView   // what a term that learns looks at; kept for its room
	shared  bool       // whether worths are kept by others
	worths  []worth    // by Change, of the candidate's state before placing
	way     int        // in which devices would be given, once the candidate was rated: -1 if no term looks at them
	ways    [2][]int64 // what terms add to each tier that may go by the devices: the most so far, and another; kept for their room
}

// worth is what a state is worth to a Change, once that was asked.
type worth struct {
	of    int64
	known bool
}

// stand turns to another candidate.
func (r *rater) stand(n *store.Node, kinds []int32, free []int64) {
	r.devices.stand(n, kinds, free)
	r.levels.device = nil
	if r.shared {
		r.worths, r.shared = nil, false
	}
	clear(r.worths)
}

// asked answers what a rater cannot see for itself, of the candidate that is rated.
type asked interface {
	// tasksIn counts the group's tasks in the candidate's domain under an attribute: -1 if it has none.
	tasksIn(attribute string) int
	// targeted is what a Targets term says of the candidate's domain, whatever its range.
	targeted(t *Term) int64
	// holds reports whether the rule of a term holds at the candidate.
	holds(t *Term) bool
	// preferred is the sum of the group's preferences that hold.
	preferred() int64
	// sizes reports whether the candidate has tasks that ask for so much of a class of devices, and others that ask for any.
	sizes(class string, of taskSize) (alike, others bool)
}

// aim sets what all candidates for a task have in common.
func (r *rater) aim(t berth.Task, names []string, request []int64) {
	r.cand.task, r.cand.Request = t, request
	r.cand.names, r.after.names = names, names
	r.cand.views, r.after.views, r.after.after = &r.devices, &r.devices, true
	r.devices.requests = t.Group.Requirements()
	r.bind(names)
}

// bind finds the resources of additive terms among the dimensions.
func (r *rater) bind(names []string) {
	if r.bound != nil && sameNames(r.names, names) {
		return
	}
	r.names, r.bound, r.scales = names, r.policy.bind(names), r.policy.bindScales(names)
}

// sameNames reports whether two lists are the same or have the same names.
func sameNames(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) == 0 || &a[0] == &b[0] {
		return true
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// rate writes the sum of each tier for the candidate.
func (r *rater) rate(who asked, sums []int64) {
	additive := 0
	for i := range r.policy.tiers {
		terms := r.policy.tiers[i].terms
		sums[i] = 0
		for j := range terms {
			t := &terms[j]
			if t.isAdditive() {
				b := &r.bound[additive]
				additive++
				sums[i] += t.weight * (b.node(r.cand.Free, r.cand.Capacity) + b.request(r.cand.Request, r.cand.Capacity))
				continue
			}
			if t.ofGrant() {
				continue
			}
			sums[i] += t.weight * r.value(t, who)
		}
	}
	if r.way = -1; r.policy.grants {
		for i, v := range r.bestWay() {
			sums[i] += v
		}
	}
}

// ofGrant reports whether what the term says may go by which devices are given.
func (t *Term) ofGrant() bool { return t.kind == stateTerm || t.kind == modelsTerm }

// bestWay rates the candidate for each distinct way to give devices, if any term looks at them, and returns what the terms that
// may look add to each tier in the best way, which is r.way. Of equally good ones it is the first, or that which takes the device that is
// first on the node, if the policy has it so.
func (r *rater) bestWay() []int64 {
	if sums, ok := r.quickly(r.ways[0]); ok {
		r.ways[0] = sums
		return sums
	}
	d := &r.devices
	best, other := r.rateWay(0, r.ways[0]), r.ways[1]
	if r.way = -1; d.looked && d.ways() > 0 {
		r.way = 0
		for way := 1; way < d.ways(); way++ {
			other = r.rateWay(way, other)
			if c := compareSums(other, best); c > 0 || c == 0 && r.policy.byPlace && d.options.First(way) < d.options.First(r.way) {
				best, other, r.way = other, best, way
			}
		}
	}
	r.ways[0], r.ways[1] = best, other
	return best
}

// rateWay writes what the terms that may look at devices add to each tier where these are given in a way.
func (r *rater) rateWay(way int, sums []int64) []int64 {
	r.devices.show(way)
	sums = sums[:0]
	for i := range r.policy.tiers {
		terms, sum := r.policy.tiers[i].terms, int64(0)
		for j := range terms {
			if t := &terms[j]; t.ofGrant() {
				sum += t.weight * r.value(t, nil)
			}
		}
		sums = append(sums, sum)
	}
	return sums
}

// settle makes the state after placing what it is where the devices are given in the best way.
func (r *rater) settle() {
	if r.way = -1; r.policy.grants {
		r.bestWay()
		r.devices.show(max(r.way, 0))
	}
}

// rateTerms writes the sum of each tier for the candidate, and what each term says.
func (r *rater) rateTerms(who asked, sums, values []int64) {
	r.settle()
	additive, at := 0, 0
	for i := range r.policy.tiers {
		terms := r.policy.tiers[i].terms
		sums[i] = 0
		for j := range terms {
			t := &terms[j]
			if t.isAdditive() {
				b := &r.bound[additive]
				additive++
				values[at] = b.node(r.cand.Free, r.cand.Capacity) + b.request(r.cand.Request, r.cand.Capacity)
			} else {
				values[at] = r.value(t, who)
			}
			sums[i] += t.weight * values[at]
			at++
		}
	}
}

// value returns what a term that is not additive says of the candidate.
func (r *rater) value(t *Term, who asked) int64 {
	c := &r.cand
	switch t.kind {
	case classTerm:
		if t.ofClass != nil {
			return t.clamp(t.ofClass(c.node.Spec))
		}
	case tasksTerm:
		if t.targets != nil {
			return t.clamp(who.targeted(t))
		}
		return t.ofTasks(who.tasksIn(t.attributes[0]))
	case preferencesTerm:
		return who.preferred()
	case ruleTerm:
		if t.rule != nil && who.holds(t) {
			return t.clamp(1)
		}
		return t.clamp(0)
	case modelsTerm:
		return t.clamp(r.devices.preferred())
	case amountsTerm:
		return r.scaleOf(t).rate(c.Free, c.Capacity, c.Request)
	case stateTerm:
		if t.ofState != nil {
			return t.clamp(t.ofState(r.before(t), r.afterwards(t)))
		}
		if t.isChange() {
			return t.clamp(t.changed(r.worthOf(t, r.afterwards(t)), r.worthBefore(t)))
		}
	case freeTerm:
		if t.ofCandidate != nil {
			c.all, c.who, c.Tasks = true, who, c.Tasks[:0]
			for _, attribute := range t.attributes {
				c.Tasks = append(c.Tasks, who.tasksIn(attribute))
			}
			return t.clamp(t.ofCandidate(c))
		}
	}
	return t.clamp(0) // Err says why
}

// difference returns a - b, or what is nearest to it: it is clamped all the same.
func difference(a, b int64) int64 {
	switch d := a - b; {
	case b > 0 && d > a:
		return math.MinInt64
	case b < 0 && d < a:
		return math.MaxInt64
	default:
		return d
	}
}

// worthBefore returns what the candidate's state is worth to a Change before placing, which is asked once.
func (r *rater) worthBefore(t *Term) int64 {
	i := 0
	for r.policy.changes[i] != t {
		i++
	}
	if r.worths == nil {
		r.worths = make([]worth, len(r.policy.changes))
	}
	w := &r.worths[i]
	if !w.known {
		if w.known = true; r.isLevel() {
			g := r.turn(nil)
			g.tell(r.levels.device.Model, r.levels.free)
			w.of = t.gaps.levelsOf(r.policy.tuned, g, taking{})
		} else {
			w.of = r.worthOf(t, r.before(t))
		}
	}
	return w.of
}

// worthOf returns what a state is worth to a Change.
func (r *rater) worthOf(t *Term, s *State) int64 {
	if t.gaps != nil {
		return t.gaps.worthOf(r.policy.tuned, s, r.view())
	}
	return t.worth(s)
}

// view returns what a policy of gaps looks at states by.
func (r *rater) view() *gapView {
	if r.gaps == nil {
		r.gaps = new(gapView)
	}
	return r.gaps
}

// before returns the state before placing, as a term may see it.
func (r *rater) before(t *Term) *State {
	s := &r.cand.State
	s.all, s.reads = false, t.attributes
	return s
}

// afterwards returns the state after placing.
func (r *rater) afterwards(t *Term) *State {
	before, after := &r.cand.State, &r.after
	after.Capacity, after.node, after.reads = before.Capacity, before.node, t.attributes
	after.Free = after.Free[:0]
	for d, free := range before.Free {
		after.Free = append(after.Free, free-r.cand.Request[d])
	}
	return after
}

// ofTasks returns what a Tasks term says of a number of tasks, -1 where the attribute is missing.
func (t *Term) ofTasks(n int) int64 {
	if n < 0 {
		return t.clamp(t.missing)
	}
	return t.clamp(int64(min(n, MostTasks)))
}

// resources is an additive term that knows the places of its resources among the dimensions. It is for one goroutine.
type resources struct {
	term   *Term
	tier   int // that it is of
	all    bool
	at     []int // by named resource; -1 where no node has it
	part   []int64
	whole  []int64
	weight int64
}

// bind returns the additive terms of all tiers for dimensions.
func (p *policy) bind(names []string) []resources {
	bound := make([]resources, 0, 1)
	for i := range p.tiers {
		for j := range p.tiers[i].terms {
			if t := &p.tiers[i].terms[j]; t.isAdditive() {
				bound = append(bound, bindTerm(i, t, names))
			}
		}
	}
	return bound
}

// bindKeys returns the additive terms of the tier that orders the nodes of a class; none if there is no such order.
func (p *policy) bindKeys(names []string) (bound []resources) {
	if !p.ordered {
		return nil
	}
	for j := range p.tiers[p.keyed].terms {
		if t := &p.tiers[p.keyed].terms[j]; t.isAdditive() {
			bound = append(bound, bindTerm(p.keyed, t, names))
		}
	}
	return bound
}

func bindTerm(tier int, t *Term, names []string) resources {
	b := resources{tier: tier, term: t, all: len(t.resources) == 0, weight: t.weight}
	for _, name := range t.resources {
		at := -1
		for d, n := range names {
			if n == name {
				at = d
			}
		}
		b.at = append(b.at, at)
	}
	b.part, b.whole = make([]int64, len(b.at)), make([]int64, len(b.at))
	return b
}

// node returns the part of the term that depends on what is free.
func (b *resources) node(free, capacity []int64) int64 {
	t := b.term
	if t.kind == inUseTerm {
		return t.clamp(b.meanInUse(free, capacity))
	}
	if t.ofNode == nil {
		return 0
	}
	if !b.all {
		free, capacity = b.pick(free, capacity)
	}
	return t.clamp(t.ofNode(free, capacity))
}

// request returns the part of the term that depends on the request.
func (b *resources) request(request, capacity []int64) int64 {
	t := b.term
	if t.kind == inUseTerm {
		return t.clamp(b.meanAsked(request, capacity))
	}
	if t.ofRequest == nil {
		return 0
	}
	if !b.all {
		request, capacity = b.pick(request, capacity)
	}
	return t.clamp(t.ofRequest(request, capacity))
}

// pick returns the named resources of two lists by dimension.
func (b *resources) pick(part, whole []int64) (parts, wholes []int64) {
	for i, d := range b.at {
		b.part[i], b.whole[i] = 0, 0
		if d >= 0 && d < len(part) && d < len(whole) {
			b.part[i], b.whole[i] = part[d], whole[d]
		}
	}
	return b.part, b.whole
}

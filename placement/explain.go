package placement

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/berth-sched/berth"
)

// Explain says why no node can take a task of the group now. For a group without ports, devices and rules
// about nodes' tasks or wide attributes, asked again while nothing has changed, it costs a few searches in
// each lane; else a few nanoseconds a node where lanes and columns tell, or as much as [Exhaustive.Explain].
func (e *Engine) Explain(g *berth.Group) *berth.Explanation {
	if g.Err() != nil {
		return e.ref.Explain(g)
	}
	r := e.begin(g)
	e.cur = nil
	if r == nil || r.escaped || len(r.wide) > 0 || r.ports || !r.possible || g.Mode() == berth.Daemon {
		e.catchUpReference()
		return e.ref.Explain(g)
	}
	e.setLimits(r)
	x := &explaining{Engine: e, r: r, out: &berth.Explanation{Nodes: e.view.Nodes()}, amounts: len(r.needs) - len(r.devices)}
	x.short = append(x.short, make([]int, len(r.needs))...)
	x.explain()
	for i, n := range x.short {
		switch {
		case n == 0:
		case i < x.amounts:
			x.count(berth.Reason{Code: berth.Insufficient, Subject: e.view.Dims()[r.needs[i].Dim]}, n)
		default:
			x.count(berth.Reason{Code: berth.NoDevice, Subject: r.devices[i-x.amounts].String()}, n)
		}
	}
	berth.SortReasons(x.out.Counts)
	if x.found {
		n := e.records[x.nearest]
		if x.miss.rules == 0 {
			x.out.Nearest = &berth.NearMiss{Node: n.ID, Lacks: e.shortfalls(g, x.nearest)}
		} else {
			e.catchUpReference()
			view, _ := e.ref.fork.Node(n.ID)
			x.out.Nearest = &berth.NearMiss{Node: n.ID, Lacks: e.ref.fork.Lacks(g, view)}
		}
	}
	return x.out
}

// shortfalls returns what an eligible row lacks.
func (e *Engine) shortfalls(g *berth.Group, row uint32) []berth.Lack {
	return g.Shortfalls(e.records[row].Payload.(*berth.Node), func(name string) int64 {
		if d, ok := e.view.DimOf(name); ok {
			return e.freeOf(row)[d]
		}
		return 0
	}, e.devices[row], e.ports[row])
}

// explaining is an explanation in the making.
type explaining struct {
	*Engine
	r       *run
	out     *berth.Explanation
	amounts int   // the first of the run's needs are amounts of resources, the others devices
	short   []int // nodes that lack each of the run's needs

	found   bool
	nearest uint32
	miss    miss
}

// explain counts every lane, by its summaries if they are good for all, and finds the nearest miss.
func (x *explaining) explain() {
	summaries := len(x.r.devices) == 0 && x.r.hostLimit == math.MaxInt
	for _, l := range x.lanes {
		if l.size > 0 && summaries {
			summaries = x.summarize(l)
		}
	}
	if summaries {
		var clean []*lane // lanes of which nodes lack nothing but room
		for _, l := range x.lanes {
			if l.size == 0 {
				continue
			}
			if x.rules(l) == 0 {
				clean = append(clean, l)
			}
			for i, n := range x.r.needs {
				x.short[i] += l.below(int(n.Dim), n.Amount)
			}
		}
		if x.closest(clean) {
			return
		}
		// No node lacks one thing only: look at each.
		clear(x.short)
		x.out.Counts = nil
	}
	for _, l := range x.lanes {
		if l.size > 0 {
			x.lane(l)
		}
	}
}

// summarize makes a lane's sorted amounts if they are asked for a second time since it changed.
func (x *explaining) summarize(l *lane) bool {
	if l.sortedAt == l.version {
		return true
	}
	if l.askedAt != l.version {
		l.askedAt = l.version
		return false
	}
	l.sorted = make([][]int64, x.dims)
	for d := range l.sorted {
		l.sorted[d] = make([]int64, 0, l.size)
		for row := range l.all() {
			l.sorted[d] = append(l.sorted[d], x.freeOf(row)[d])
		}
		slices.Sort(l.sorted[d])
	}
	l.sortedAt = l.version
	return true
}

// below counts the nodes of which less than an amount is free.
func (l *lane) below(dim int, amount int64) int {
	n, _ := slices.BinarySearch(l.sorted[dim], amount)
	return n
}

// closest finds the nearest miss among nodes that lack nothing but one amount: for each need, the node
// with the most of it free among those that have room for the rest.
func (x *explaining) closest(lanes []*lane) bool {
	for k, need := range x.r.needs {
		var best uint32
		most, found := int64(math.MinInt64), false
		for _, l := range lanes {
			for _, c := range l.chunks {
				if c.bound[need.Dim] < most || !x.r.withinBut(k, c.bound) {
					continue
				}
				for b := range c.n {
					bound := c.mostOf(b)[need.Dim]
					if bound < most || found && bound == most && x.rank[c.low[b]] >= x.rank[best] || !x.r.withinBut(k, c.mostOf(b)) {
						continue
					}
					for _, row := range c.block(b) {
						free := x.freeOf(row)
						if f := free[need.Dim]; x.r.withinBut(k, free) && (!found || f > most || f == most && x.rank[row] < x.rank[best]) {
							best, most, found = row, f, true
						}
					}
				}
			}
		}
		if found {
			x.consider(best, x.missOf(best, 0, false))
		}
	}
	return x.found
}

// withinBut is within for all needs but one.
func (r *run) withinBut(k int, most []int64) bool {
	for i, n := range r.needs {
		if i != k && most[n.Dim] < n.Amount {
			return false
		}
	}
	return true
}

// miss orders near misses as berth.NearMiss says.
type miss struct {
	rules, rooms int
	short, need  uint64
}

func (m miss) compare(o miss) int {
	if c := cmp.Or(cmp.Compare(m.rules, o.rules), cmp.Compare(m.rooms, o.rooms)); c != 0 {
		return c
	}
	switch {
	case less(m.short, m.need, o.short, o.need):
		return -1
	case less(o.short, o.need, m.short, m.need):
		return 1
	}
	return 0
}

func (x *explaining) count(why berth.Reason, nodes int) {
	for i := range x.out.Counts {
		if x.out.Counts[i].Reason == why {
			x.out.Counts[i].Nodes += nodes
			return
		}
	}
	x.out.Counts = append(x.out.Counts, berth.ReasonCount{Reason: why, Nodes: nodes})
}

// lane adds what is to be said of a lane's nodes: of all of them at once as far as their profile goes,
// of each as far as its amounts do.
func (x *explaining) lane(l *lane) {
	rules := x.rules(l)
	for row := range l.all() {
		x.row(row, rules)
	}
}

// rules counts a lane's nodes under the rules that keep the group off all of them, and returns how many
// those are.
func (x *explaining) rules(l *lane) int {
	p, r := l.profile, x.r
	rules := 0
	var once []berth.Reason // a node counts once for reasons that read alike
	say := func(why berth.Reason) {
		rules++
		if !slices.Contains(once, why) {
			once = append(once, why)
			x.count(why, l.size)
		}
	}
	if p.drained {
		say(berth.Reason{Code: berth.Drained})
	}
	for _, why := range r.group.Ineligible(p.node) {
		say(why)
	}
	for _, z := range r.zones {
		v, ok := p.attr(z.domain.key)
		switch {
		case !ok:
			say(berth.Reason{Code: berth.RuleBroken, Subject: z.rule.String()})
		case z.domain.tasks[z.domain.slot(v)] >= z.limit:
			say(berth.Reason{Code: berth.DomainFull, Subject: z.rule.String()})
		}
	}
	return rules
}

func (x *explaining) row(row uint32, rules int) {
	if x.r.tally != nil && x.hostCount(row) >= x.r.hostLimit {
		rules += x.hostRules(x.hostCount(row))
	}
	m := x.missOf(row, rules, true)
	if m.rules+m.rooms > 0 {
		x.consider(row, m)
	}
}

// consider keeps a row if it is nearer than the nearest so far.
func (x *explaining) consider(row uint32, m miss) {
	if !x.found {
		x.nearest, x.miss, x.found = row, m, true
		return
	}
	if m.rules > x.miss.rules || m.rules == x.miss.rules && m.rooms > x.miss.rooms {
		return
	}
	if c := m.compare(x.miss); c < 0 || c == 0 && x.rank[row] < x.rank[x.nearest] {
		x.nearest, x.miss = row, m
	}
}

// missOf says how far a row is from having room, and counts what it lacks if that is not counted yet.
func (x *explaining) missOf(row uint32, rules int, count bool) miss {
	m := miss{rules: rules, need: 1}
	free := x.freeOf(row)
	for i, n := range x.r.needs[:x.amounts] {
		if free[n.Dim] >= n.Amount || x.spoken(row, n.Dim) {
			continue
		}
		short := n.Amount - free[n.Dim]
		if short < 0 { // beyond int64, as Shortfalls has it
			short = math.MaxInt64
		}
		if m.rooms++; count {
			x.short[i]++
		}
		if m.short == 0 || less(m.short, m.need, uint64(short), uint64(n.Amount)) {
			m.short, m.need = uint64(short), uint64(n.Amount)
		}
	}
	for i := range x.r.devices {
		if !x.r.devices[i].Fits(x.records[row].Payload.(*berth.Node), x.devices[row]) {
			if m.rooms++; count {
				x.short[x.amounts+i]++
			}
		}
	}
	return m
}

// spoken reports whether a dimension is the scalar of devices that the row has no room for, which is said
// of the devices themselves.
func (x *explaining) spoken(row uint32, dim int32) bool {
	for i := range x.r.devices {
		if d := &x.r.devices[i]; x.view.Dims()[dim] == d.Class {
			return !d.Fits(x.records[row].Payload.(*berth.Node), x.devices[row])
		}
	}
	return false
}

// hostRules counts a node under each rule about the tasks on it that does not hold.
func (x *explaining) hostRules(tasks int) (broken int) {
	rules := x.r.group.DomainRules()
	for i, rule := range rules {
		if rule.Domain() != berth.NodeID || tasks < rule.Limit(berth.Domains{}) {
			continue
		}
		broken++
		if !slices.ContainsFunc(rules[:i], func(o berth.DomainRule) bool { return o.String() == rule.String() }) {
			x.count(berth.Reason{Code: berth.DomainFull, Subject: rule.String()}, 1)
		}
	}
	return broken
}

// less reports whether a/b < c/d, exactly.
func less(a, b, c, d uint64) bool {
	h1, l1 := bits.Mul64(a, d)
	h2, l2 := bits.Mul64(c, b)
	return h1 < h2 || h1 == h2 && l1 < l2
}

package placement

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/berth-sched/berth"
)

// Explain says why no node can take a task of the group now. Where lanes and columns tell, which is
// unless devices, ports or rules about wide attributes are asked for, it costs a few nanoseconds a node; else
// as much as [Exhaustive.Explain].
func (e *Engine) Explain(g *berth.Group) *berth.Explanation {
	r := e.begin(g)
	e.cur = nil
	if r == nil || r.escaped || len(r.wide) > 0 || r.ports || len(r.devices) > 0 || !r.possible || g.Mode() == berth.Daemon {
		e.catchUpReference()
		return e.ref.Explain(g)
	}
	e.setLimits(r)
	x := &explaining{Engine: e, r: r, out: &berth.Explanation{Nodes: e.view.Nodes()}, short: make([]int, len(r.needs))}
	for _, l := range e.lanes {
		if l.size > 0 {
			x.lane(l)
		}
	}
	for i, n := range x.short {
		if n > 0 {
			x.count(berth.Reason{Code: berth.Insufficient, Subject: e.view.Dims()[r.needs[i].Dim]}, n)
		}
	}
	berth.SortReasons(x.out.Counts)
	if x.found {
		e.catchUpReference()
		id := e.records[x.nearest].ID
		n, _ := e.ref.fork.Node(id)
		x.out.SetNearest(id, e.ref.fork.Lacks(g, n))
	}
	return x.out
}

// explaining is an explanation in the making.
type explaining struct {
	*Engine
	r     *run
	out   *berth.Explanation
	short []int // nodes that lack each of the run's needs

	found   bool
	nearest uint32
	miss    miss
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
	p, r := l.profile, x.r
	rules := 0
	var once []berth.Reason // a node counts once for reasons that read alike
	say := func(why berth.Reason) {
		rules++
		for _, o := range once {
			if o == why {
				return
			}
		}
		once = append(once, why)
		x.count(why, l.size)
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
	for _, c := range l.chunks {
		for _, b := range c.blocks {
			for _, row := range b.rows {
				x.row(row, rules)
			}
		}
	}
}

func (x *explaining) row(row uint32, rules int) {
	if x.r.tally != nil && x.hostCount(row) >= x.r.hostLimit {
		rules += x.hostRules(x.hostCount(row))
	}
	m := miss{rules: rules, need: 1}
	free := x.freeOf(row)
	for i, n := range x.r.needs {
		if short := n.Amount - free[n.Dim]; free[n.Dim] < n.Amount {
			if short < 0 { // beyond int64, as Lacks has it
				short = 1<<63 - 1
			}
			x.short[i]++
			m.rooms++
			if m.short == 0 || less(m.short, m.need, uint64(short), uint64(n.Amount)) {
				m.short, m.need = uint64(short), uint64(n.Amount)
			}
		}
	}
	if m.rules+m.rooms == 0 {
		return
	}
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

package placement

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/explain"
	"github.com/berth-sched/berth/internal/store"
)

// Explain says why no node can take a task of the group now. Asked again before much has changed it costs
// a few searches in sorted columns; else a few nanoseconds a node, or, for a group with ports or with
// rules about wide attributes, as much as [Exhaustive.Explain].
func (e *Engine) Explain(g *berth.Group) *berth.Explanation {
	if g.Err() != nil {
		return e.ref.Explain(g)
	}
	r := e.begin(g)
	e.cur = nil
	if r.escaped || len(r.wide) > 0 || r.ports || !r.possible || g.Mode() == berth.Daemon || e.view.Nodes() == 0 {
		e.catchUpReference()
		return e.ref.Explain(g)
	}
	e.setLimits(r)
	e.build()
	a := new(answer)
	a.Nodes = e.view.Nodes()
	a.Counts = a.counts[:0]
	x := explaining{Engine: e, r: r, out: a, amounts: len(r.needs) - len(r.devices)}
	e.scratch.short = zeros(e.scratch.short, len(r.needs))
	e.scratch.rules = zeros(e.scratch.rules, len(e.lanes))
	e.scratch.top = zeros(e.scratch.top, e.width)
	x.countRules()
	if e.sortColumns(r) {
		x.countByColumns()
		x.search()
	} else {
		x.lookAtAll()
	}
	if hidden := e.view.Withheld(); hidden > 0 && len(r.needs) > 0 {
		// Nothing is free there, so all that is needed was counted as short; a class of devices by its devices.
		for i, n := range r.needs {
			if i >= x.amounts || x.deviceOf(n.Dim) < 0 {
				x.short[i] -= hidden
			}
		}
		x.count(berth.Reason{Code: berth.NotOffered}, hidden)
	}
	for i, n := range x.short {
		switch {
		case n == 0:
		case i < x.amounts:
			x.count(berth.Reason{Code: berth.Insufficient, Subject: e.view.Dims()[r.needs[i].Dim]}, n)
		default:
			x.count(berth.Reason{Code: berth.NoDevice, Subject: r.devices[i-x.amounts].String()}, n)
		}
	}
	if len(a.Counts) == 0 {
		a.Counts = nil
	}
	explain.Sort(a.Counts)
	if x.found {
		x.nearMiss()
	}
	return &a.Explanation
}

// shortfalls returns what an eligible row lacks.
func (e *Engine) shortfalls(g *berth.Group, row uint32) []berth.Lack {
	lacks := cluster.Shortfalls(g, e.rows[row].node.Spec, func(name string) int64 {
		if d, ok := e.view.DimOf(name); ok {
			return e.freeOf(row)[d]
		}
		return 0
	}, e.devicesOf(row), e.portsOf(row))
	if len(lacks) > 0 && e.view.Node(row).Withheld {
		return []berth.Lack{{Reason: berth.Reason{Code: berth.NotOffered}}}
	}
	return lacks
}

// answer is an explanation in one piece of memory, as far as it is of common size.
type answer struct {
	berth.Explanation
	nearest berth.NearMiss
	counts  [2]berth.ReasonCount
	lacks   [1]berth.Lack
}

// scratch is room for explanations in the making.
type scratch struct {
	short []int   // nodes that lack each of the run's needs
	rules []int   // by lane: the rules that keep the group off all its nodes
	top   []int64 // by dimension of the needs: the most that is free on any node
}

// zeros returns a list of zeros, in the room of another if it is enough.
func zeros[T any](s []T, n int) []T {
	s = slices.Grow(s[:0], n)[:n]
	clear(s)
	return s
}

// explaining is an explanation in the making.
type explaining struct {
	*Engine
	r       *run
	out     *answer
	amounts int // the first of the run's needs are amounts of resources, the others devices
	fewest  int // of the rules of any lane

	found   bool
	nearest uint32
	miss    miss
}

// nearMiss says what the nearest row lacks.
func (x *explaining) nearMiss() {
	a := x.out
	a.nearest.Node = x.rows[x.nearest].id
	if x.view.Node(x.nearest).Withheld && x.miss.rules == 0 {
		a.nearest.Lacks = append(a.lacks[:0], berth.Lack{Reason: berth.Reason{Code: berth.NotOffered}})
	} else if x.miss.rules == 0 {
		a.nearest.Lacks = x.lacks(a.lacks[:0], x.nearest)
	} else {
		x.catchUpReference()
		view, _ := x.ref.fork.Node(a.nearest.Node)
		a.nearest.Lacks = x.ref.fork.Lacks(x.r.group, view)
	}
	a.Nearest = &a.nearest
}

// lacks appends what a row lacks of the room, as Group.Shortfalls has it.
func (x *explaining) lacks(out []berth.Lack, row uint32) []berth.Lack {
	free := x.freeOf(row)
	for _, n := range x.r.needs[:x.amounts] {
		if free[n.Dim] < n.Amount && !x.spoken(row, n.Dim) {
			out = append(out, berth.Lack{
				Reason: berth.Reason{Code: berth.Insufficient, Subject: x.view.Dims()[n.Dim]},
				Short:  shortfall(n.Amount, free[n.Dim]),
			})
		}
	}
	for i := range x.r.devices {
		if !x.has(row, i) {
			out = append(out, berth.Lack{Reason: berth.Reason{Code: berth.NoDevice, Subject: x.r.devices[i].String()}})
		}
	}
	return out
}

// shortfall returns what is missing of an amount of which less is free.
func shortfall(amount, free int64) int64 {
	if short := amount - free; short > 0 {
		return short
	}
	return math.MaxInt64 // the difference is beyond int64
}

// miss orders near misses as berth.NearMiss says.
type miss struct {
	rules, rooms int
	short, need  uint64
}

func (m miss) compare(o miss) int {
	if m.rules != o.rules {
		return cmp.Compare(m.rules, o.rules)
	}
	if m.rooms != o.rooms {
		return cmp.Compare(m.rooms, o.rooms)
	}
	switch {
	case less(m.short, m.need, o.short, o.need):
		return -1
	case less(o.short, o.need, m.short, m.need):
		return 1
	}
	return 0
}

// lack adds that less than an amount is free.
func (m *miss) lack(amount, free int64) {
	m.rooms++
	if short := uint64(shortfall(amount, free)); m.short == 0 || less(m.short, m.need, short, uint64(amount)) {
		m.short, m.need = short, uint64(amount)
	}
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

// countRules counts the nodes under the rules that keep the group off them: those of a lane together, and
// those that have too many of the group's tasks.
func (x *explaining) countRules() {
	x.fewest = math.MaxInt
	for i, l := range x.lanes {
		if l.size > 0 {
			x.rules[i] = x.countLane(i, l)
			x.fewest = min(x.fewest, x.rules[i])
		}
	}
	if x.r.hostLimit == math.MaxInt {
		return
	}
	for _, rule := range x.r.group.Requirements().DomainRules {
		if rule.Domain() != berth.NodeID {
			continue
		}
		full, limit := 0, rule.Limit(berth.Domains{})
		for _, h := range x.r.tally.hosts {
			if h.tasks >= limit {
				full++
			}
		}
		if full > 0 {
			x.count(berth.Reason{Code: berth.DomainFull, Subject: rule.String()}, full)
		}
	}
}

// countLane counts a lane's nodes under the rules that keep the group off all of them, and returns how many
// those are. No two reasons of a node are alike.
func (x *explaining) countLane(i int, l *lane) (rules int) {
	if l.profile.cordoned {
		x.count(berth.Reason{Code: berth.Cordoned}, l.size)
		rules++
	}
	for _, why := range x.r.verdict.reasons(i, x.r.group, l.profile.node) {
		x.count(why, l.size)
		rules++
	}
	for _, z := range x.r.zones {
		v, ok := l.profile.attr(z.domain.key)
		switch {
		case !ok:
			x.count(berth.Reason{Code: berth.RuleBroken, Subject: z.rule.String()}, l.size)
			rules++
		case z.domain.tasks[z.domain.slot(v)] >= z.limit:
			x.count(berth.Reason{Code: berth.DomainFull, Subject: z.rule.String()}, l.size)
			rules++
		}
	}
	return rules
}

// reasons returns why a group may not use a lane's nodes, cordons aside.
func (v *verdict) reasons(lane int, g *berth.Group, node *berth.Node) []berth.Reason {
	if v.ok[lane] {
		return nil
	}
	for len(v.why) < len(v.ok) {
		v.why = append(v.why, nil)
	}
	if v.why[lane] == nil {
		v.why[lane] = cluster.Ineligible(g, node)
	}
	return v.why[lane]
}

// lookAtAll counts what every row lacks, and finds the nearest miss on the way.
func (x *explaining) lookAtAll() {
	for _, l := range x.lanes {
		for row := range l.all() {
			x.weigh(row, true)
		}
	}
}

// countByColumns counts what rows lack by the sorted columns.
func (x *explaining) countByColumns() {
	for i, n := range x.r.needs[:x.amounts] {
		if x.deviceOf(n.Dim) < 0 {
			x.short[i] = x.out.Nodes - x.sorted.column(n).enough(n.Amount)
		}
	}
	for d := range x.r.devices {
		x.countDevices(d)
	}
}

// countDevices counts the rows that lack devices, and of the others those that lack the class's scalar
// though they have the devices, such as where it is held.
func (x *explaining) countDevices(d int) {
	need := x.r.needs[x.amounts+d]
	scalar := slices.IndexFunc(x.r.needs[:x.amounts], func(n store.Need) bool { return x.deviceOf(n.Dim) == d })
	devices, units := x.sorted.column(need), x.r.needs[scalar]
	fit := 0
	for row := range devices.first(devices.enough(need.Amount)) {
		if !x.has(row, d) {
			continue // of the class, but not of the models
		}
		if fit++; x.freeOf(row)[units.Dim] < units.Amount {
			x.short[scalar]++
		}
	}
	x.short[x.amounts+d] = x.out.Nodes - fit
}

// weigh keeps a row as the nearest miss if it is nearer than the nearest so far.
func (x *explaining) weigh(row uint32, count bool) {
	m := miss{rules: x.rules[x.rows[row].lane], need: 1}
	if x.r.tally != nil && x.hostCount(row) >= x.r.hostLimit {
		m.rules += x.hostRules(x.hostCount(row))
	}
	x.measure(&m, row, count)
	if m.rules+m.rooms == 0 || x.found && (m.rules > x.miss.rules || m.rules == x.miss.rules && m.rooms > x.miss.rooms) {
		return
	}
	if !x.found {
		x.nearest, x.miss, x.found = row, m, true
		return
	}
	if c := m.compare(x.miss); c < 0 || c == 0 && x.rows[row].rank < x.rows[x.nearest].rank {
		x.nearest, x.miss = row, m
	}
}

// measure adds to a miss what a row lacks, and counts it if that is not done yet.
func (x *explaining) measure(m *miss, row uint32, count bool) {
	free := x.freeOf(row)
	for i, n := range x.r.needs[:x.amounts] {
		if free[n.Dim] >= n.Amount || x.spoken(row, n.Dim) {
			continue
		}
		if m.lack(n.Amount, free[n.Dim]); count {
			x.short[i]++
		}
	}
	for d := range x.r.devices {
		if !x.has(row, d) {
			if m.rooms++; count {
				x.short[x.amounts+d]++
			}
		}
	}
}

// has reports whether a row has what one of the device requests asks for.
func (x *explaining) has(row uint32, d int) bool {
	return cluster.Serves(x.rows[row].node.Spec, &x.r.devices[d], x.devicesOf(row))
}

// deviceOf returns which of the device requests a dimension is the scalar of, or -1.
func (x *explaining) deviceOf(dim int32) int {
	for d := range x.r.devices {
		if x.view.Dims()[dim] == x.r.devices[d].Class {
			return d
		}
	}
	return -1
}

// spoken reports whether a dimension is the scalar of devices that the row has no room for, which is said
// of the devices themselves.
func (x *explaining) spoken(row uint32, dim int32) bool {
	d := x.deviceOf(dim)
	return d >= 0 && !x.has(row, d)
}

// hostRules returns how many rules about the tasks on a node do not hold where there are so many.
func (x *explaining) hostRules(tasks int) (broken int) {
	for _, rule := range x.r.group.Requirements().DomainRules {
		if rule.Domain() == berth.NodeID && tasks >= rule.Limit(berth.Domains{}) {
			broken++
		}
	}
	return broken
}

// search finds the nearest miss by walks where they lead to it, else by bounds.
func (x *explaining) search() {
	for _, n := range x.r.needs {
		x.top[n.Dim] = x.sorted.column(n).greatest()
	}
	if !x.walk(x.bound(x.fewest, x.top)) {
		x.searchByBounds()
	}
}

// walkRows is how many rows a walk looks at before it is given up.
const walkRows = 512

// walk finds the nearest miss in the lanes with the fewest rules against the group, by walks along sorted
// columns or the node IDs. No miss is nearer than least. It returns false if a nearer one may be elsewhere.
func (x *explaining) walk(least miss) bool {
	far := -1 // of the needs that no row has enough of, the one that is the farthest off
	for k, n := range x.r.needs[:x.amounts] {
		if x.top[n.Dim] < n.Amount && uint64(shortfall(n.Amount, x.top[n.Dim])) == least.short && uint64(n.Amount) == least.need {
			far = k
		}
	}
	if len(x.r.devices) > 0 || far < 0 && x.fewest > 0 {
		// Where only devices are missing, or nothing, the lowest node ID decides.
		return x.walkNodes(least)
	}
	for rooms := least.rooms; rooms <= x.amounts; rooms++ {
		for k := range x.r.needs {
			// What no row has enough of, the nearest lacks: one walk along it will do.
			if (far < 0 || k == far) && !x.walkColumn(k, rooms, rooms == least.rooms) {
				return false
			}
		}
		if x.isAt(rooms) {
			return true
		}
	}
	return false
}

// isAt reports whether the nearest miss so far breaks no more rules than any must, and lacks so many things.
func (x *explaining) isAt(rooms int) bool {
	return x.found && x.miss.rules == x.fewest && x.miss.rooms == rooms
}

// walkNodes walks in the order of node IDs.
func (x *explaining) walkNodes(least miss) bool {
	order := x.view.Order()
	for _, row := range order[:min(walkRows, len(order))] {
		if x.rules[x.rows[row].lane] > x.fewest {
			continue
		}
		if x.weigh(row, false); x.found && x.miss.compare(least) == 0 {
			return true
		}
	}
	return false
}

// walkColumn finds the nearest of the rows that lack so many things, a given need among them: from the row
// that lacks the least of it on or, if they have all else that can be had, among the rows that have another
// need, where those are few.
func (x *explaining) walkColumn(k, rooms int, allElse bool) bool {
	need := x.r.needs[k]
	left := walkRows
	if c, n := x.scarcest(k); allElse && n <= pageRows {
		for row := range c.first(n) {
			x.weigh(row, false)
		}
		return true
	}
	c := x.sorted.column(need)
	from, at := c.after(need.Amount)
	for i := from; i < len(c.pages); i, at = i+1, 0 {
		p := &c.pages[i]
		if i > from && x.isAt(rooms) && x.isPast(need, p.first) {
			return true
		}
		if near := x.bound(x.fewest, c.mostOf(i)); near.rooms > rooms || x.isAt(rooms) && near.compare(x.miss) > 0 {
			continue
		}
		for _, here := range p.rows[at:] {
			if left--; left < 0 {
				return false
			}
			if x.isAt(rooms) && x.isPast(need, here) {
				return true
			}
			if x.rules[x.rows[here.row].lane] == x.fewest {
				x.weigh(here.row, false)
			}
		}
		if p.loose {
			x.tightenPage(c, i)
		}
	}
	return true
}

// scarcest returns the column of the need that the fewest rows have enough of, another than the kth and one
// that some row has enough of; and how many do.
func (x *explaining) scarcest(k int) (scarce *sortedColumn, few int) {
	few = math.MaxInt
	for i, n := range x.r.needs {
		if i != k && x.top[n.Dim] >= n.Amount {
			if c := x.sorted.column(n); c.enough(n.Amount) < few {
				scarce, few = c, c.enough(n.Amount)
			}
		}
	}
	return scarce, few
}

// isPast reports whether no row from here on, in the column of a need, is nearer than the nearest miss: all
// lack as much of the need or more, and of rows that lack as much the node IDs ascend.
func (x *explaining) isPast(need store.Need, here entry) bool {
	m := x.miss
	m.short, m.need = uint64(shortfall(need.Amount, here.free)), uint64(need.Amount)
	c := m.compare(x.miss)
	return c > 0 || c == 0 && m.short < math.MaxInt64 && here.rank > x.rows[x.nearest].rank
}

// searchByBounds finds the nearest miss wherever it is, passing by chunks and blocks that cannot have it.
func (x *explaining) searchByBounds() {
	for i, l := range x.lanes {
		for _, c := range l.chunks {
			if x.found && x.bound(x.rules[i], c.bound).compare(x.miss) > 0 {
				continue
			}
			for b := range c.n {
				if x.found {
					near := x.bound(x.rules[i], c.mostOf(b)).compare(x.miss)
					if near > 0 || near == 0 && c.lowest(b) >= x.rows[x.nearest].rank {
						continue
					}
				}
				for _, a := range c.block(b) {
					x.weigh(a.row, false)
				}
			}
			if c.slack {
				c.tighten()
			}
		}
	}
}

// bound returns how near the nearest miss may be where no more is free than given by dimension. Scalars of
// devices are left out, since a row that lacks the devices is not said to lack their scalar.
func (x *explaining) bound(rules int, most []int64) miss {
	m := miss{rules: rules, need: 1}
	for i, n := range x.r.needs {
		switch {
		case most[n.Dim] >= n.Amount:
		case i >= x.amounts:
			m.rooms++
		case x.deviceOf(n.Dim) < 0:
			m.lack(n.Amount, most[n.Dim])
		}
	}
	if m.rules+m.rooms == 0 {
		m.rooms = 1 // a row that lacks nothing is no miss
	}
	return m
}

// less reports whether a/b < c/d, exactly.
func less(a, b, c, d uint64) bool {
	h1, l1 := bits.Mul64(a, d)
	h2, l2 := bits.Mul64(c, b)
	return h1 < h2 || h1 == h2 && l1 < l2
}

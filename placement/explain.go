package placement

import (
	"math"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/explain"
	"github.com/berth-sched/berth/internal/fit"
)

// explainer says why no node can take a task, by counting and not by asking each node. What it keeps from question to
// question is columns, which see for themselves when they become invalid; all else is of one question.
type explainer struct {
	mirror  *mirror
	classes *classIndex
	columns columns

	search   *search // for the group that is asked about
	out      *answer
	lacking  []int                // nodes that lack each of the search's needs
	never    []never              // of those, for each need
	ofRow    []brokenRows         // by the search's rules that are asked row by row
	withheld []int                // by class: nodes that are not offered
	rules    []int                // by class: the rules that keep the group off all its nodes
	top      []int64              // by dimension of the needs: the most that is free on any node
	fewest   int                  // of the rules of any class
	nears    int                  // how many of each class's are near ones that are asked row by row: they keep all its rows off but those that are weighed
	deviceOf []int32              // by dimension: which of the device requests it is the scalar of, or -1; none without requests
	at       map[berth.Reason]int // the index of each reason among the counts, once they are many
	several  severalRequests      // of a search whose group has them

	found   bool // whether a row was found that lacks something
	nearest uint32
	near    explain.Miss // of nearest
}

// brokenRows is how many rows a rule keeps the group off, because they have no domain, and because of the tasks in it.
type brokenRows struct{ missing, full int }

// answer is an explanation in one piece of memory, as far as it is of common size.
type answer struct {
	cluster.Explanation
	nearest cluster.NearMiss
	counts  [2]cluster.ReasonCount
	lacks   [2]berth.Lack
}

// zeros returns a list of zeros, in the room of another if it is enough.
func zeros[T any](s []T, n int) []T {
	s = slices.Grow(s[:0], n)[:n]
	clear(s)
	return s
}

// explain explains for a search whose group is kept off no rows by their attributes alone and wants what nodes have, though not ports.
// If rules keep the group off the nearest node, or tasks there have devices that are gone, what that node lacks is left to
// the caller.
func (x *explainer) explain(s *search) (why *cluster.Explanation, partly bool) {
	x.classes.build()
	a := new(answer)
	a.Nodes, a.Mode = len(x.mirror.order), s.group.Mode()
	a.Counts = a.counts[:0]
	x.search, x.out, x.found, x.near, x.at = s, a, false, explain.Miss{}, nil
	x.nears = 0
	x.lacking = zeros(x.lacking, len(s.needs))
	x.never = zeros(x.never, len(s.needs))
	x.rules = zeros(x.rules, len(x.classes.all))
	x.top = zeros(x.top, x.mirror.width)
	x.nameScalars()
	x.countRules()
	x.ofRow = zeros(x.ofRow, len(s.ofRow))
	if s.several {
		x.several.begin(s)
	}
	met := !s.several && x.countMet()
	switch {
	case met && x.nearestIsMet() && len(s.devices) == 0 && !x.columns.due(&s.wanted):
		x.countRows()
	case met && x.columns.update(&s.wanted):
		x.countByColumns()
		if !x.nearestIsMet() {
			x.findNearest()
		}
	default:
		x.forgetMet()
		x.lookAtAll()
	}
	for i, n := range x.ofRow {
		r := &s.ofRow[i]
		x.countSome(berth.NoDomain, r.text(), n.missing)
		x.countSome(r.code(), r.text(), n.full)
	}
	x.countNever()
	for i, n := range x.lacking {
		never := x.never[i]
		n -= never.lack + never.unhealthy + never.withheld
		switch {
		case i >= s.resources && s.several: // counted apart
		case i >= s.resources:
			request := s.devices[i-s.resources].String()
			x.countSome(berth.NoDevice, request, never.lack)
			x.countSome(berth.DeviceUnhealthy, request, never.unhealthy)
			x.countSome(berth.DeviceTaken, request, n)
		case x.isScalar(s.needs[i].Dim) && !x.isAmount(s.needs[i].Dim):
			x.countSome(berth.UnitsTaken, x.mirror.names[s.needs[i].Dim], n)
		default:
			x.countSome(berth.TooSmall, x.mirror.names[s.needs[i].Dim], never.lack)
			x.countSome(berth.Insufficient, x.mirror.names[s.needs[i].Dim], n)
		}
	}
	if s.several {
		x.several.count(x)
	}
	if len(a.Counts) == 0 {
		a.Counts = nil
	}
	slices.SortFunc(a.Counts, func(a, b cluster.ReasonCount) int { return explain.Compare(a.Nodes, a.Reason, b.Nodes, b.Reason) })
	if x.found {
		a.nearest.Node = x.mirror.rows[x.nearest].id
		if partly = x.near.Rules > 0 || x.mirror.strays(x.nearest) || x.mirror.view.ReservesOn(x.nearest) != nil; !partly {
			a.nearest.Lacks = x.classes.shortfalls(a.lacks[:0], s.group, x.nearest)
		}
		a.Nearest = &a.nearest
	}
	x.search, x.out, x.at = nil, nil, nil
	return &a.Explanation, partly
}

func (x *explainer) countSome(code berth.Code, subject string, nodes int) {
	if nodes > 0 {
		x.count(berth.Reason{Code: code, Subject: subject}, nodes)
	}
}

// never counts, of the nodes that lack something, those that would lack it without any task, which the nodes of a class do
// alike, and of the others those that are not offered: nothing is free on them.
type never struct {
	lack      int // they have less in all, or not the devices
	unhealthy int // they have the devices, but too few are healthy
	withheld  int
}

// countNever fills never, and counts the nodes that are not offered.
func (x *explainer) countNever() {
	x.withheld = zeros(x.withheld, len(x.classes.all))
	if n := x.mirror.view.Withheld(); n > 0 {
		for _, row := range x.mirror.order {
			if x.mirror.view.Node(row).Withheld {
				x.withheld[x.mirror.rows[row].class]++
			}
		}
		if len(x.search.needs) > 0 {
			x.count(berth.Reason{Code: berth.NotOffered}, n)
		}
	}
	for i, c := range x.classes.all {
		if c.members == 0 {
			continue
		}
		for k, n := range x.search.needs[:x.search.resources] {
			switch {
			case x.isScalar(n.Dim): // said of the devices
			case int(n.Dim) >= len(c.capacity) || c.capacity[n.Dim] < n.Amount:
				x.never[k].lack += c.members
			default:
				x.never[k].withheld += x.withheld[i]
			}
		}
		for d := range x.search.devices {
			if x.search.several {
				break // said of them together
			}
			switch of := &x.never[x.search.resources+d]; fit.DeviceReason(&x.search.devices[d], c.node).Code {
			case berth.NoDevice:
				of.lack += c.members
			case berth.DeviceUnhealthy:
				of.unhealthy += c.members
			default:
				of.withheld += x.withheld[i]
			}
		}
	}
}

// nameScalars finds which dimensions are the scalars of devices that are asked for.
func (x *explainer) nameScalars() {
	x.deviceOf = x.deviceOf[:0]
	if len(x.search.devices) == 0 {
		return
	}
	for range x.mirror.dims {
		x.deviceOf = append(x.deviceOf, -1)
	}
	for i := range x.search.devices {
		d := &x.search.devices[i]
		if dim, ok := x.mirror.view.DimOf(d.Class); ok {
			x.deviceOf[dim] = int32(i)
		}
		for amount := range d.Amounts {
			if dim, ok := x.mirror.view.DimOf(berth.DeviceResource(d.Class, amount)); ok {
				x.deviceOf[dim] = int32(i)
			}
		}
	}
}

// isAmount reports whether a scalar of devices is an amount of theirs, and not their units.
func (x *explainer) isAmount(dim int32) bool {
	return x.mirror.names[dim] != x.search.devices[x.deviceOf[dim]].Class
}

// isScalar reports whether a dimension of a resource is the scalar of devices that are asked for.
func (x *explainer) isScalar(dim int32) bool { return len(x.deviceOf) > 0 && x.deviceOf[dim] >= 0 }

func (x *explainer) count(why berth.Reason, nodes int) {
	const many = 16
	counts := x.out.Counts
	if x.at != nil {
		if i, ok := x.at[why]; ok {
			counts[i].Nodes += nodes
			return
		}
		x.at[why] = len(counts)
	} else {
		for i := range counts {
			if counts[i].Reason == why {
				counts[i].Nodes += nodes
				return
			}
		}
	}
	counts = append(counts, cluster.ReasonCount{Reason: why, Nodes: nodes})
	x.out.Counts = counts
	if x.at == nil && len(counts) > many {
		x.at = make(map[berth.Reason]int, 2*many)
		for i := range counts {
			x.at[counts[i].Reason] = i
		}
	}
}

// countRules counts the nodes under the rules that keep the group off them: those of a class together, and those that
// have too many of the group's tasks.
func (x *explainer) countRules() {
	x.fewest = math.MaxInt
	for i, c := range x.classes.all {
		if c.members > 0 {
			x.rules[i] = x.countClass(i, c)
			x.fewest = min(x.fewest, x.rules[i])
		}
	}
	if x.search.hostLimit == math.MaxInt {
		return
	}
	for _, rule := range x.search.group.Requirements().DomainRules {
		if rule.Domain() != berth.NodeID || rule.Counts().Even { // an even one is asked row by row
			continue
		}
		full, limit := 0, rule.Limit(berth.Domains{})
		for _, h := range x.search.own.hosts {
			if h.tasks >= limit {
				full++
			}
		}
		if full > 0 {
			x.count(berth.Reason{Code: berth.DomainFull, Subject: rule.String()}, full)
		}
	}
}

// countClass counts a class's nodes under the rules that keep the group off all of them, and returns how many those
// are. No two reasons of a node are alike.
func (x *explainer) countClass(i int, c *nodeClass) (rules int) {
	if c.cordoned {
		x.count(berth.Reason{Code: berth.Cordoned}, c.members)
		rules++
	}
	for _, why := range x.search.verdict.reasons(i, x.search.group, c.node) {
		x.count(why, c.members)
		rules++
	}
	for j := range x.search.ofClass {
		r := &x.search.ofClass[j]
		v, ok := c.attr(r.domain.key)
		switch {
		case !ok && r.lenient:
		case !ok:
			x.count(berth.Reason{Code: berth.NoDomain, Subject: r.text()}, c.members)
			rules++
		case r.closedAt(r.domain.slot(v)):
			x.count(berth.Reason{Code: r.code(), Subject: r.text()}, c.members)
			rules++
		}
	}
	return rules
}

// hostRules returns how many rules about the tasks on a node do not hold where there are so many.
func (x *explainer) hostRules(tasks int) (broken int) {
	for _, rule := range x.search.group.Requirements().DomainRules {
		if rule.Domain() == berth.NodeID && !rule.Counts().Even && tasks >= rule.Limit(berth.Domains{}) {
			broken++
		}
	}
	return broken
}

// lookAtAll counts what every row lacks, and finds the nearest on the way.
func (x *explainer) lookAtAll() {
	for _, row := range x.mirror.order { // which is nearer that of memory than the order of trees
		x.weigh(row, true)
	}
}

// countRows counts what rows lack in one pass over them.
func (x *explainer) countRows() {
	m := x.mirror
	for i, n := range x.search.needs {
		lacking, column := 0, m.free[n.Dim:]
		if len(m.order) == len(m.rows) { // in whatever order, then
			for at := 0; at < len(column); at += m.width {
				if column[at] < n.Amount {
					lacking++
				}
			}
		} else {
			for _, row := range m.order {
				if column[int(row)*m.width] < n.Amount {
					lacking++
				}
			}
		}
		x.lacking[i] = lacking
	}
}

// countByColumns counts what rows lack by the columns.
func (x *explainer) countByColumns() {
	for i, n := range x.search.needs[:x.search.resources] {
		if d := x.columns.byDim[n.Dim]; x.isScalar(n.Dim) {
			x.countDevices(int(x.deviceOf[n.Dim]), i)
		} else {
			x.lacking[i] = x.out.Nodes - d.enough(n.Amount)
		}
	}
}

// countDevices counts the rows that lack devices, and of the others those that lack the class's scalar, which is one of
// the needs, though they have the devices, such as where it is held.
func (x *explainer) countDevices(device, scalar int) {
	need, units := x.search.needs[x.search.resources+device], x.search.needs[scalar]
	devices := x.columns.byDim[need.Dim]
	fit := 0
	for row := range devices.firstRows(devices.enough(need.Amount)) {
		if !x.has(row, device) {
			continue // of the class, but not of the models
		}
		if fit++; x.mirror.amountsOf(row)[units.Dim] < units.Amount {
			x.lacking[scalar]++
		}
	}
	x.lacking[x.search.resources+device] = x.out.Nodes - fit
}

// has reports whether a row has what one of the device requests asks for.
func (x *explainer) has(row uint32, device int) bool {
	if need := x.search.needs[x.search.resources+device]; x.mirror.amountsOf(row)[need.Dim] < need.Amount {
		return false // of any model
	}
	return x.search.serves(row, device)
}

// weigh keeps a row as the nearest if it lacks something and is nearer than the nearest so far.
func (x *explainer) weigh(row uint32, count bool) {
	near := explain.Miss{Rules: x.rules[x.mirror.rows[row].class] - x.nears}
	if x.search.own != nil {
		if tasks := x.search.counts.on(row); tasks >= x.search.hostLimit {
			near.Rules += x.hostRules(tasks)
		}
	}
	for i := range x.search.ofRow {
		switch r := &x.search.ofRow[i]; {
		case r.domain != nil && r.slots[row] < 0:
			if !r.lenient {
				if near.Rules++; count {
					x.ofRow[i].missing++
				}
			}
		case x.search.closedAt(r, row):
			if near.Rules++; count {
				x.ofRow[i].full++
			}
		}
	}
	x.measure(&near, row, count)
	if near.Rules+near.Rooms == 0 || x.found && (near.Rules > x.near.Rules || near.Rules == x.near.Rules && near.Rooms > x.near.Rooms) {
		return
	}
	if !x.found {
		x.nearest, x.near, x.found = row, near, true
		return
	}
	if c := near.Compare(x.near); c < 0 || c == 0 && x.mirror.ranks[row] < x.mirror.ranks[x.nearest] {
		x.nearest, x.near = row, near
	}
}

// measure adds what a row lacks of the room, and counts it if that is not done yet. What is missing of the scalar of
// devices is said of the devices themselves if the row lacks those.
func (x *explainer) measure(near *explain.Miss, row uint32, count bool) {
	if x.search.several {
		x.measureSeveral(near, row)
		return
	}
	free := x.mirror.amountsOf(row)
	for i, n := range x.search.needs[:x.search.resources] {
		if free[n.Dim] >= n.Amount || x.isScalar(n.Dim) && !x.has(row, int(x.deviceOf[n.Dim])) {
			continue
		}
		if near.Lack(n.Amount, free[n.Dim]); count {
			x.lacking[i]++
		}
	}
	for d := range x.search.devices {
		if !x.has(row, d) {
			if near.Rooms++; count {
				x.lacking[x.search.resources+d]++
			}
		}
	}
}

// shortfalls appends what an eligible row lacks of the room for a task of a group, as its reader may know it. What the node has in
// all is read from its class if it has one: most of the time here is waiting for memory.
func (x *classIndex) shortfalls(lacks []berth.Lack, g *berth.Group, row uint32) []berth.Lack {
	m := x.mirror
	st := &m.rows[row]
	lacks = fit.AppendLacks(lacks, g, st.node.Spec, fit.Room{
		Amount: func(name string) int64 {
			if d := m.dimOf(name); d >= 0 {
				return m.amountsOf(row)[d]
			}
			return 0
		},
		InAll: func(name string) int64 {
			switch d := m.dimOf(name); {
			case d < 0:
				return 0
			case st.class >= 0:
				return x.all[st.class].capacity[d]
			default:
				return st.node.CapacityOf(int32(d))
			}
		},
		Devices: m.devicesOf(row), Ports: m.portsOf(row),
	}, m.details)
	if m.view.Node(row).Withheld {
		return fit.Withheld(lacks)
	}
	return lacks
}

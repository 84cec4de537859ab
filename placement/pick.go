package placement

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// verdict is what a group's rules about attributes, taints and preferences say of each lane. Groups of
// equal rules share it.
type verdict struct {
	known     []bool // by lane
	ok        []bool
	preferred []int64
	why       [][]berth.Reason // that a lane may not be used, once asked
}

// run is the search for the tasks of one group, as long as no other group is placed in between.
type run struct {
	group    *berth.Group
	needs    []store.Need // in the engine's dimensions
	least    int64        // of the lane that is searched; at least this part of every resource is needed
	request  []int64
	devices  []berth.DeviceRequest
	ports    bool
	possible bool // whether nodes ever had what is needed
	escaped  bool // whether the group's rules look at wide attributes, and are asked row by row
	picky    bool // whether a row that has room may still be refused
	scan     bool // whether no lane keeps the order
	ranked   bool // whether a ranking keeps it, so that not every row is asked about
	even     bool // whether rules compare domains
	verdict  *verdict
	tally    *tally // nil if nobody counts the group's tasks

	hostLimit int        // of the group's tasks on one node
	zones     []zoneRule // about narrow attributes: they hold or not for a lane
	wide      []zoneRule // about wide ones, and even ones about hosts: they are asked row by row
	heldAt    position   // where the search met the first row that an even rule holds off, if holds says so
	holds     bool

	lanes []laneRun
	slots []int32  // of each lane: its slots in the domains of the strategy, then of zones
	games knockout // among lanes, if they are many
}

// zoneRule is a domain rule, and where its tasks are counted.
type zoneRule struct {
	rule   berth.DomainRule
	domain *domain // nil for hosts
	slots  []int32 // by row, of rules that are asked row by row
	census *census // nil unless the rule is even
	limit  int     // for even rules, at the moment
}

// laneRun is what a run knows of a lane that its group may use.
type laneRun struct {
	lane      int32
	slots     int32 // where its slots begin
	preferred int64
	groupTerm int64
	least     int64 // the least part that the request takes of a node, if it takes of all the node has
	found     bool  // row is the best of the lane
	row       uint32
	score     int64    // of row; without one, what no row of the lane exceeds, for games
	from      position // nothing before it can be used, but rows that an even rule holds off
	held      position // where the first of those stands, if holds says so
	holds     bool
	apart     bool      // whether rows with tasks of the group stand in for it, row being the first of hosts
	hosts     []hostRow // a heap
}

// begin makes the run of a group.
func (e *Engine) begin(g *berth.Group) *run {
	c := g.Requirements()
	eligibility, reads, all := c.Eligibility, c.Reads, c.ReadsAll
	rules := g.Requirements().DomainRules
	e.want(reads)
	for _, rule := range rules {
		e.want([]string{rule.Domain()})
	}
	e.assignLanes()
	e.runs[0], e.runs[1] = e.runs[1], e.runs[0]
	r := &e.runs[0] // not that of the current run, whose slices may still be read
	*r = run{
		group: g, devices: g.Requirements().Devices, ports: g.Requirements().UsesPorts(), scan: !e.lanesOK, hostLimit: math.MaxInt,
		needs: r.needs[:0], request: r.request[:0], lanes: r.lanes[:0], slots: r.slots[:0], zones: r.zones[:0], wide: r.wide[:0],
		games: knockout{winner: r.games.winner, leafOf: r.games.leafOf, before: r.games.before},
	}
	r.possible = e.needsOf(g, r)
	r.escaped = all && eligibility != ""
	for _, name := range reads {
		r.escaped = r.escaped || name == berth.NodeID || !e.isNarrow(name)
	}
	if g.Mode() == berth.Daemon {
		r.hostLimit = 1
	}
	if g.Mode() == berth.Daemon || len(rules) > 0 || len(e.depends.Domains) > 0 {
		r.tally = e.tallyOf(g)
		e.activate(r.tally)
	}
	for _, rule := range rules {
		switch name := rule.Domain(); {
		case name == berth.NodeID && rule.Even():
			r.wide = append(r.wide, zoneRule{rule: rule})
		case name == berth.NodeID:
			r.hostLimit = min(r.hostLimit, rule.Limit(berth.Domains{}))
		default:
			z := zoneRule{rule: rule, domain: e.domain(r.tally, e.view.Attrs().ID(name))}
			if !rule.Even() {
				z.limit = rule.Limit(berth.Domains{})
			}
			if e.isNarrow(name) {
				r.zones = append(r.zones, z)
			} else {
				z.slots = e.slotsByRow(z.domain.values, z.domain.key)
				r.wide = append(r.wide, z)
			}
		}
	}
	for _, key := range e.zoneKeys {
		r.scan = r.scan || !e.isNarrowKey(key)
	}
	r.scan = r.scan || r.escaped && len(g.Requirements().Prefer) > 0
	if r.scan {
		for zone, key := range e.zoneKeys {
			e.slotsByRow(r.tally.domains[zone].values, key)
		}
	}
	r.ranked = r.scan && e.depends.Shape && r.tally == nil && !r.ports
	r.picky = r.escaped || r.ports || len(r.devices) > 0 || len(r.wide) > 0 || r.hostLimit < math.MaxInt || e.byNode
	if r.possible {
		e.enter(r, eligibility)
		e.takeCensus(r)
		e.setLimits(r)
	}
	return r
}

// needsOf sets the run's needs; false means that no node ever had one of the resources.
func (e *Engine) needsOf(g *berth.Group, r *run) bool {
	r.request = slices.Grow(r.request[:0], e.dims)[:e.dims]
	clear(r.request)
	possible := true
	for _, need := range g.Requirements().Needs {
		name, q := need.Name, need.Amount
		d, ok := e.view.DimOf(name)
		if !ok {
			possible = false
			continue
		}
		r.request[d] = q
		r.needs = append(r.needs, store.Need{Dim: d, Amount: q})
	}
	for i := range r.devices {
		d := &r.devices[i]
		c := slices.Index(e.classes, d.Class)
		if c < 0 {
			return false
		}
		if d.Count > 0 {
			r.needs = append(r.needs, store.Need{Dim: int32(e.dims + 2 + 2*c), Amount: int64(d.Count)})
		} else {
			r.needs = append(r.needs, store.Need{Dim: int32(e.dims + 1 + 2*c), Amount: d.Share})
		}
	}
	return possible
}

// isNarrow reports whether lanes go by an attribute. One that no node has is narrow: all lanes lack it.
func (e *Engine) isNarrow(name string) bool { return e.isNarrowKey(e.view.Attrs().ID(name)) }

func (e *Engine) isNarrowKey(key uint32) bool {
	if e.seen(key) == 0 {
		return true
	}
	_, ok := slices.BinarySearch(e.narrow, key)
	return ok
}

// enter finds the lanes that the run's group may use.
func (e *Engine) enter(r *run, eligibility string) {
	v := e.verdicts[eligibility]
	if v == nil {
		if len(e.verdicts) >= maxVerdicts || len(e.verdicts)*len(e.lanes) >= maxVerdictCells {
			clear(e.verdicts)
		}
		v = new(verdict)
		e.verdicts[eligibility] = v
	}
	r.verdict = v
	e.lanesInOrder()
	for zone := range e.zoneKeys {
		r.tally.domains[zone].grow()
	}
	for len(v.known) < len(e.lanes) {
		v.known, v.ok, v.preferred = append(v.known, false), append(v.ok, false), append(v.preferred, 0)
	}
	for i, l := range e.lanes {
		if l.size == 0 {
			continue
		}
		p := l.profile
		lr := laneRun{lane: int32(i), slots: int32(len(r.slots)), from: laneStart}
		if r.escaped {
			// What wide attributes say is asked row by row, and the rest of Eligible with it.
			if p.cordoned || p.node.Unschedulable {
				continue
			}
			lr.preferred = cluster.Preferred(r.group, p.node) // of taints only, or else the run is a scan
		} else {
			if !v.known[i] {
				v.known[i] = true
				v.ok[i] = !p.cordoned && cluster.Eligible(r.group, p.node)
				v.preferred[i] = cluster.Preferred(r.group, p.node)
			}
			if !v.ok[i] {
				continue
			}
			lr.preferred = v.preferred[i]
		}
		if !e.slotsOf(r, i) {
			r.slots = r.slots[:lr.slots]
			continue
		}
		if !r.scan {
			lr.groupTerm = e.depends.Additive.Group(r.request, p.capacity)
			lr.least = leastPart(r.request, p.capacity)
		}
		r.lanes = append(r.lanes, lr)
	}
}

// leastPart returns the least part that a request takes of the resources of a node; nothing if there is
// one that it does not take of.
func leastPart(request, capacity []int64) int64 {
	least := int64(Resolution)
	for d, c := range capacity {
		if c > 0 {
			least = min(least, fraction(request[d], c))
		}
	}
	return least
}

// slotsOf appends a lane's slots in the domains that are counted; false means that it has none in the
// domains of a rule.
func (e *Engine) slotsOf(r *run, lane int) bool {
	p := e.lanes[lane].profile
	zones := len(e.zoneKeys)
	r.slots = append(r.slots, e.bracket.slots[lane*zones:(lane+1)*zones]...)
	for _, z := range r.zones {
		v, ok := p.attr(z.domain.key)
		if !ok {
			return false
		}
		r.slots = append(r.slots, z.domain.slot(v))
	}
	return true
}

// accepts says of a row that has room whether the run's group may be placed there, as far as lanes do
// not say. For a strategy that counts tasks by node, rows that have some are looked at apart.
func (e *Engine) accepts(r *run, row uint32) bool {
	if e.byNode && e.hostCount(row) > 0 || !e.usable(r, row) {
		return false
	}
	if r.even && e.held(r, row) {
		if !r.holds {
			r.heldAt, r.holds = e.positionOf(row), true
		}
		return false
	}
	return true
}

// usable is accepts for a row that is looked at apart, even rules left out: what it refuses stays refused for as long
// as the run only places tasks. It changes nothing, so that many goroutines may ask.
func (e *Engine) usable(r *run, row uint32) bool {
	n := e.rows[row].node
	if r.tally != nil && e.hostCount(row) >= r.hostLimit {
		return false
	}
	if r.escaped && !cluster.Eligible(r.group, n.Spec) {
		return false
	}
	for i := range r.wide {
		z := &r.wide[i]
		if z.domain != nil && z.slots[row] < 0 || z.census == nil && e.tasksAt(z, row) >= z.limit {
			return false
		}
	}
	for i := range r.devices {
		if !cluster.Serves(n.Spec, &r.devices[i], e.devicesOf(row)) {
			return false
		}
	}
	if r.ports {
		if _, why := cluster.Choose(r.group, n.Spec, e.devicesOf(row), e.portsOf(row)); why.Code != berth.None {
			return false
		}
	}
	return true
}

// full reports whether a domain of a lane can take no more tasks of the group.
func (e *Engine) full(r *run, lr *laneRun) bool {
	for i := range r.zones {
		z := &r.zones[i]
		if z.domain.tasks[r.slots[int(lr.slots)+len(e.zoneKeys)+i]] >= z.limit {
			return true
		}
	}
	return false
}

// Place picks the best node for a task. What it costs is in ENGINE.md.
func (e *Engine) Place(t berth.Task) (berth.Op, bool) {
	if e.cur == nil || e.cur.group != t.Group {
		if t.Group.Err() != nil {
			return berth.Op{}, false
		}
		e.cur = e.begin(t.Group)
	}
	r := e.cur
	if !r.possible {
		return berth.Op{}, false
	}
	if r.even {
		e.setLimits(r)
	}
	if r.scan {
		var row uint32
		var ok bool
		if r.ranked {
			row, ok = e.ranked(r, t)
		} else {
			row, ok = e.scan(r, t)
		}
		if !ok {
			return berth.Op{}, false
		}
		return e.occupy(r, row, t), true
	}
	best := e.bestOf(r)
	if best == nil {
		return berth.Op{}, false
	}
	return e.take(r, best, t), true
}

// bestOf finds the lane with the best row, nil if there is no row. The lanes whose best row is known come first:
// the others are searched only as far as they could have a better one.
func (e *Engine) bestOf(r *run) (best *laneRun) {
	if len(r.lanes) >= manyLanes {
		return e.bestLane(r)
	}
	for i := range r.lanes {
		lr := &r.lanes[i]
		if len(r.zones) > 0 && e.full(r, lr) {
			continue
		}
		if lr.found && len(r.wide) > 0 {
			e.checkAgain(r, lr)
		}
		if lr.found && (best == nil || e.better(r, lr, best)) {
			best = lr
		}
	}
	for i := range r.lanes {
		lr := &r.lanes[i]
		if lr.found || len(r.zones) > 0 && e.full(r, lr) {
			continue
		}
		if e.search(r, lr, best); lr.found && (best == nil || e.better(r, lr, best)) {
			best = lr
		}
	}
	return best
}

// search finds the best row of a lane, unless it is no better than one that is known.
func (e *Engine) search(r *run, lr *laneRun, best *laneRun) {
	if lr.from == laneEnd {
		return
	}
	floor := int64(math.MinInt64)
	if best != nil {
		switch e.outranks(r, lr, best) {
		case -1:
			return
		case 0:
			floor = best.score - lr.groupTerm
			if lr.from.key < floor {
				return
			}
		}
	}
	e.flush()
	e.build()
	var end position
	r.least, r.holds = lr.least, false
	lr.row, lr.found, end = e.find(e.lanes[lr.lane], r, lr.from, floor)
	r.least = 0
	if r.holds {
		lr.hold(r.heldAt)
	}
	if lr.found {
		lr.from = e.positionOf(lr.row)
		lr.score = e.rows[lr.row].key + lr.groupTerm
		return
	}
	lr.from = end
	lr.expect()
	if end == laneEnd && e.byNode {
		e.standIn(r, lr)
	}
}

// expect sets the score that no row from where the search stands exceeds.
func (lr *laneRun) expect() { lr.score = lr.from.key + lr.groupTerm }

// lose notes that the best row of a lane cannot be used any more.
func (lr *laneRun) lose() {
	lr.found = false
	lr.expect()
}

// checkAgain lets a lane keep its best row if it can be used although other lanes have had tasks since.
func (e *Engine) checkAgain(r *run, lr *laneRun) {
	if lr.apart {
		e.firstHost(r, lr)
		return
	}
	r.holds = false
	if !e.accepts(r, lr.row) {
		if r.holds {
			lr.hold(e.moved(lr.row))
		}
		lr.lose()
	}
}

// outranks compares what comes before scores, of the rows that lanes are known to have, or may have yet: 1 if
// that of a is more preferred or has fewer tasks in its domains, -1 if that of b does.
func (e *Engine) outranks(r *run, a, b *laneRun) int {
	if c := cmp.Compare(a.preferred, b.preferred); c != 0 {
		return c
	}
	for _, zone := range e.zoneOf {
		var c int
		if zone == onNode {
			c = cmp.Compare(b.tasksApart(), a.tasksApart())
		} else {
			c = cmp.Compare(r.tasksIn(b, zone), r.tasksIn(a, zone))
		}
		if c != 0 {
			return c
		}
	}
	return 0
}

// better reports whether a is a better choice than b: more preferred, with fewer tasks in its domains,
// of a higher score, or of a lower node ID.
func (e *Engine) better(r *run, a, b *laneRun) bool {
	if c := e.outranks(r, a, b); c != 0 {
		return c > 0
	}
	if a.score != b.score {
		return a.score > b.score
	}
	return e.rows[a.row].rank < e.rows[b.row].rank
}

// tasksIn counts the group's tasks in a lane's domain under an attribute of the strategy.
func (r *run) tasksIn(lr *laneRun, zone int) int {
	slot := r.slots[int(lr.slots)+zone]
	if slot < 0 {
		return MostTasks
	}
	return min(r.tally.domains[zone].tasks[slot], MostTasks)
}

func (r *run) laneOf(lane int32) *laneRun {
	if i, ok := r.find(lane); ok {
		return &r.lanes[i]
	}
	return nil
}

// find returns the place of a lane in the run's.
func (r *run) find(lane int32) (int, bool) {
	return slices.BinarySearchFunc(r.lanes, lane, func(lr laneRun, l int32) int { return cmp.Compare(lr.lane, l) })
}

// take places a task on the row of a candidate.
func (e *Engine) take(r *run, c *laneRun, t berth.Task) berth.Op {
	row := c.row
	op := e.occupy(r, row, t)
	if c.apart {
		e.placedApart(r, c)
		e.played(r, c)
		return op
	}
	// Nothing before the row can be used, so it is still the best of its lane if it became no worse.
	if now := e.rate(row); now >= e.rows[row].key && e.fits(r, row) && (!r.picky || e.accepts(r, row)) {
		c.score = now + c.groupTerm
	} else {
		// It may stand before where the search was: it rose, was moved, and has fallen again.
		c.from = earlier(c.from, position{now, e.rows[row].rank})
		c.lose()
	}
	e.played(r, c)
	return op
}

// occupy takes the room of a task on a row, whatever the lanes.
func (e *Engine) occupy(r *run, row uint32, t berth.Task) berth.Op {
	op := berth.Op{Kind: berth.Place, Row: row, Task: t, Node: e.rows[row].id}
	if len(r.devices) > 0 || r.ports { // usable has found that there is what to grant
		op.Grant, _ = cluster.Choose(r.group, e.rows[row].node.Spec, e.devicesOf(row), e.portsOf(row))
	}
	e.move(r.request, op, 1)
	if r.tally != nil {
		e.add(r.tally, row, 1)
	}
	e.steps.add(step{task: t, grant: op.Grant, row: row})
	return op
}

// step is a pick, or its undoing.
type step struct {
	task   berth.Task
	grant  *berth.Grant
	row    uint32
	undone bool
}

// steps is a list of them in parts, so that a first plan of many tasks does not copy what it has grown.
type steps struct {
	parts [][]step
	n     int
}

const stepsAPart = 1 << 10

func (s *steps) add(st step) {
	if s.n == len(s.parts)*stepsAPart {
		s.parts = append(s.parts, make([]step, stepsAPart))
	}
	*s.at(s.n) = st
	s.n++
}

func (s *steps) at(i int) *step { return &s.parts[i/stepsAPart][i%stepsAPart] }

// reset forgets all, and keeps room for a plan as large as the last.
func (s *steps) reset() {
	s.parts = s.parts[:(s.n+stepsAPart-1)/stepsAPart]
	for _, part := range s.parts {
		used := min(s.n, stepsAPart)
		clear(part[:used])
		s.n -= used
	}
}

// op returns the operation that a step is.
func (e *Engine) op(s step) berth.Op {
	if s.undone {
		return berth.Op{Kind: berth.Release, ID: s.task.ID}
	}
	return berth.Op{Kind: berth.Place, Row: s.row, Task: s.task, Node: e.rows[s.row].id, Grant: s.grant}
}

// move takes the room of an operation, or with a sign of -1 gives it back.
func (e *Engine) move(request []int64, op berth.Op, sign int64) {
	row := op.Row
	free := e.freeOf(row)
	for d, q := range request {
		free[d] -= sign * q
	}
	if g := op.Grant; g != nil {
		if len(g.Devices) > 0 {
			units := slices.Clone(e.devicesOf(row))
			for _, d := range g.Devices {
				units[d.Index] -= sign * d.Units
			}
			e.setDevices(row, units)
		}
		if used := slices.Clone(e.portsOf(row)); sign > 0 {
			e.setPorts(row, slices.Sorted(slices.Values(append(used, g.Ports...))))
		} else {
			e.setPorts(row, slices.DeleteFunc(used, func(p uint16) bool { return slices.Contains(g.Ports, p) }))
		}
	}
	e.derive(row)
	if e.mark(row) {
		e.touched = append(e.touched, row)
	}
	e.loosen(row)
	e.changed(row)
}

// Undo gives back what was picked by an operation of this plan; any other is passed over. It looks back
// through what was picked since.
func (e *Engine) Undo(op berth.Op) {
	op, ok := e.picked(op.Task.ID)
	if !ok {
		return
	}
	e.steps.add(step{task: op.Task, undone: true})
	r := run{devices: op.Task.Group.Requirements().Devices}
	e.needsOf(op.Task.Group, &r)
	e.move(r.request, op, -1)
	// The row has more room than its block says, so it goes to its place at once.
	row := op.Row
	if e.built {
		l := e.lanes[e.rows[row].lane]
		e.remove(l, row)
		e.rows[row].key = e.rate(row)
		e.insert(l, row)
	}
	if t := e.tallies[op.Task.Group.Name()]; t != nil {
		e.add(t, row, -1)
	}
	e.cur = nil
}

// picked returns the operation that placed a task in this plan, if it was not undone.
func (e *Engine) picked(task string) (berth.Op, bool) {
	for i := e.steps.n - 1; i >= 0; i-- {
		if s := e.steps.at(i); s.task.ID == task {
			return e.op(*s), !s.undone
		}
	}
	return berth.Op{}, false
}

// Cover picks every eligible node that lacks the daemon group's instance: O(nodes).
func (e *Engine) Cover(g *berth.Group, placed func(berth.Op), missed func(string, []berth.Lack)) {
	e.cur = nil
	if g.Err() != nil {
		return
	}
	r := e.begin(g)
	if len(g.Requirements().DomainRules) > 0 {
		e.coverByReference(g, placed, missed)
		return
	}
	var ids instances
	usable := make([]bool, len(e.lanes))
	for _, lr := range r.lanes {
		usable[lr.lane] = true
	}
	for _, row := range e.order {
		n := e.rows[row].node
		if e.hostCount(row) > 0 {
			continue
		}
		if !usable[e.rows[row].lane] {
			if e.eligible(r, row) {
				e.miss(r, row, missed)
			}
			continue
		}
		if r.escaped && !cluster.Eligible(g, n.Spec) {
			continue
		}
		if !e.fits(r, row) || r.picky && !e.usable(r, row) {
			e.miss(r, row, missed)
			continue
		}
		placed(e.occupy(r, row, ids.on(g, e.rows[row].id)))
	}
	e.cur = nil
}

// instances makes tasks of a daemon group as [berth.Group.On] does, with many IDs in one piece of memory.
type instances struct{ ids strings.Builder }

func (m *instances) on(g *berth.Group, node string) berth.Task {
	const piece = 1 << 10
	name := g.Name()
	if n := len(name) + 1 + len(node); m.ids.Cap()-m.ids.Len() < n {
		m.ids = strings.Builder{}
		m.ids.Grow(max(n, piece))
	}
	from := m.ids.Len()
	m.ids.WriteString(name)
	m.ids.WriteByte('@')
	m.ids.WriteString(node)
	return berth.Task{ID: m.ids.String()[from:], Group: g}
}

// eligible reports whether a group may use a row, room aside; it is asked where a group has no lanes
// because no node ever had what it needs.
func (e *Engine) eligible(r *run, row uint32) bool {
	return !e.rows[row].cordoned && cluster.Eligible(r.group, e.rows[row].node.Spec)
}

func (e *Engine) miss(r *run, row uint32, missed func(string, []berth.Lack)) {
	missed(e.rows[row].id, e.shortfalls(r.group, row))
}

// catchUpReference brings the reference picker to where the plan is.
func (e *Engine) catchUpReference() {
	if !e.refLive {
		e.ref.Start(e.snapshot)
		e.refLive, e.told = true, 0
	}
	for ; e.told < e.steps.n; e.told++ {
		e.ref.fork.Apply(e.op(*e.steps.at(e.told)))
	}
}

func (e *Engine) coverByReference(g *berth.Group, placed func(berth.Op), missed func(string, []berth.Lack)) {
	e.catchUpReference()
	e.ref.Cover(g, func(op berth.Op) {
		e.follow(op)
		placed(op)
	}, missed)
}

// follow does to the columns what the reference picked.
func (e *Engine) follow(op berth.Op) {
	e.steps.add(step{task: op.Task, grant: op.Grant, row: op.Row})
	e.told = e.steps.n
	r := run{devices: op.Task.Group.Requirements().Devices}
	e.needsOf(op.Task.Group, &r)
	e.move(r.request, op, 1)
	if t := e.tallies[op.Task.Group.Name()]; t != nil {
		e.add(t, op.Row, 1)
	}
}

package placement

import (
	"cmp"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// verdict is what a group's rules about attributes, taints and preferences say of each lane. Groups of
// equal rules share it.
type verdict struct {
	known     []bool // by lane
	ok        []bool
	preferred []int64
}

// tally is how many of a group's tasks are where, what the plan placed included.
type tally struct {
	hosts  map[uint32]int            // by row
	values map[uint32]map[uint32]int // by attribute and value
}

// run is the search for the tasks of one group, as long as no other group is placed in between.
type run struct {
	group   *berth.Group
	needs   []store.Need // in the engine's dimensions
	request []int64
	rules   []berth.DomainRule
	keys    []uint32 // of the rules; nothing where it is berth.NodeID
	picky   bool     // whether a row that has room may still be refused
	escaped bool     // whether the group's rules look at wide attributes
	wide    bool     // whether a rule's domains are not those of lanes
	devices []berth.DeviceRequest
	ports   bool
	tally   *tally
	lanes   []laneRun
}

// laneRun is what a run knows of a lane that its group may use.
type laneRun struct {
	lane      int32
	preferred int64
	groupTerm int64
	searched  bool // row is the best of the lane, if found
	found     bool
	row       uint32
	score     int64
	from      position // nothing before it can be used
}

var laneStart = position{key: 1<<63 - 1}

// begin makes the run of a group, or returns nil if the group needs the reference: its rules or
// preferences look at parts of nodes that lanes do not go by, in a way that cannot be checked row by row.
func (e *Engine) begin(g *berth.Group) *run {
	if !e.lanesOK {
		return nil
	}
	r := &run{group: g, rules: g.DomainRules(), devices: g.Devices()}
	if e.cur != nil {
		// Slices of the run that ended are used again.
		r.needs, r.request, r.lanes, r.keys = e.cur.needs[:0], e.cur.request[:0], e.cur.lanes[:0], e.cur.keys[:0]
	}
	r.ports = g.UsesPorts()
	possible := e.needsOf(g, r)

	eligibility, reads, all := g.Reads()
	r.escaped = all
	for _, name := range reads {
		if name == berth.NodeID || !e.isNarrow(name) {
			r.escaped = true
		}
	}
	if r.escaped && len(g.Preferences()) > 0 {
		return nil
	}
	for _, rule := range r.rules {
		name := rule.Domain()
		if name == berth.NodeID {
			if rule.Even() {
				return nil
			}
			r.keys = append(r.keys, 0)
			r.picky = true
			continue
		}
		r.keys = append(r.keys, e.view.Attrs().ID(name))
		if !e.isNarrow(name) {
			if rule.Even() {
				return nil
			}
			r.wide, r.picky = true, true
		} else if rule.Even() && r.escaped {
			return nil
		}
	}
	for _, name := range e.zoneKeys {
		if !e.isNarrow(name) {
			return nil
		}
	}
	r.picky = r.picky || r.escaped || r.ports || len(r.devices) > 0 || e.byNode
	if g.Mode() == berth.Daemon || len(r.rules) > 0 || len(e.depends.Domains) > 0 {
		r.tally = e.tallyOf(g)
	}
	if possible {
		e.enter(r, eligibility)
	}
	return r
}

// needsOf sets the run's needs; false means that no node ever had one of the resources.
func (e *Engine) needsOf(g *berth.Group, r *run) bool {
	r.request = slices.Grow(r.request[:0], e.dims)[:e.dims]
	clear(r.request)
	possible := true
	for name, q := range g.Needs() {
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
			r.needs = append(r.needs, store.Need{Dim: int32(e.dims + 2*c + 1), Amount: int64(d.Count)})
		} else {
			r.needs = append(r.needs, store.Need{Dim: int32(e.dims + 2*c), Amount: d.Share})
		}
	}
	return possible
}

// isNarrow reports whether lanes go by an attribute. One that no node has is narrow: all lanes lack it.
func (e *Engine) isNarrow(name string) bool {
	key := e.view.Attrs().ID(name)
	if _, seen := e.values[key]; !seen {
		return true
	}
	_, ok := slices.BinarySearch(e.narrow, key)
	return ok
}

// enter finds the lanes that the run's group may use.
func (e *Engine) enter(r *run, eligibility string) {
	v := e.verdicts[eligibility]
	if v == nil {
		if len(e.verdicts) >= maxVerdicts {
			clear(e.verdicts)
		}
		v = new(verdict)
		e.verdicts[eligibility] = v
	}
	for len(v.known) < len(e.lanes) {
		v.known, v.ok, v.preferred = append(v.known, false), append(v.ok, false), append(v.preferred, 0)
	}
	for i, l := range e.lanes {
		if l.size == 0 {
			continue
		}
		p := l.profile
		if r.escaped {
			// What the wide attributes say is asked row by row; the rest of Eligible is asked there too.
			if p.drained || p.node.Unschedulable {
				continue
			}
		} else {
			if !v.known[i] {
				v.known[i] = true
				v.ok[i] = !p.drained && r.group.Eligible(p.node)
				v.preferred[i] = r.group.Preferred(p.node)
			}
			if !v.ok[i] {
				continue
			}
		}
		if !r.hasDomains(e, p) {
			continue
		}
		lr := laneRun{lane: int32(i), groupTerm: e.depends.Additive.Group(r.request, p.capacity), from: laneStart}
		if !r.escaped {
			lr.preferred = v.preferred[i]
		} else {
			lr.preferred = r.group.Preferred(p.node)
		}
		r.lanes = append(r.lanes, lr)
	}
}

// hasDomains reports whether the nodes of a profile have the attributes of the run's domain rules, as
// far as lanes go by them.
func (r *run) hasDomains(e *Engine, p *profile) bool {
	for i, rule := range r.rules {
		if rule.Domain() == berth.NodeID || !e.isNarrow(rule.Domain()) {
			continue
		}
		if _, ok := p.attr(r.keys[i]); !ok {
			return false
		}
	}
	return true
}

// tallyOf counts the tasks of a group in the snapshot; what the plan places is added as it is placed.
func (e *Engine) tallyOf(g *berth.Group) *tally {
	if t := e.tallies[g.Name()]; t != nil {
		return t
	}
	t := &tally{hosts: map[uint32]int{}, values: map[uint32]map[uint32]int{}}
	for _, rule := range g.DomainRules() {
		if rule.Domain() != berth.NodeID {
			t.values[e.view.Attrs().ID(rule.Domain())] = map[uint32]int{}
		}
	}
	for _, name := range e.zoneKeys {
		t.values[e.view.Attrs().ID(name)] = map[uint32]int{}
	}
	if id, ok := e.view.FindGroup(g.Name()); ok {
		for slot := range e.view.Members(id) {
			if row := e.view.Record(slot).Row; row != store.None {
				t.add(e.records[row], row, 1)
			}
		}
	}
	if e.tallies == nil {
		e.tallies = map[string]*tally{}
	}
	e.tallies[g.Name()] = t
	return t
}

func (t *tally) add(n *store.Node, row uint32, by int) {
	if t.hosts[row] += by; t.hosts[row] == 0 {
		delete(t.hosts, row)
	}
	for key, counts := range t.values {
		if v, ok := n.Attr(key); ok {
			counts[v] += by
		}
	}
}

// accepts says of a row that has room whether the run's group may be placed there, as far as lanes do not say.
func (e *Engine) accepts(r *run, row uint32) bool {
	n := e.records[row]
	if r.escaped && !r.group.Eligible(n.Payload.(*berth.Node)) {
		return false
	}
	if e.byNode && r.tally.hosts[row] > 0 {
		return false // looked at apart
	}
	return e.acceptsHost(r, row)
}

// acceptsHost is accepts for a row that has tasks of the group and is looked at apart.
func (e *Engine) acceptsHost(r *run, row uint32) bool {
	n := e.records[row]
	for i, rule := range r.rules {
		if rule.Even() {
			continue // the domains are those of lanes
		}
		if rule.Domain() == berth.NodeID {
			if r.tally.hosts[row] >= rule.Limit(berth.Domains{}) {
				return false
			}
		} else if r.wide {
			v, ok := n.Attr(r.keys[i])
			if !ok || r.tally.values[r.keys[i]][v] >= rule.Limit(berth.Domains{}) {
				return false
			}
		}
	}
	for i := range r.devices {
		if !r.devices[i].Fits(n.Payload.(*berth.Node), e.devices[row]) {
			return false
		}
	}
	if r.ports {
		if _, why := r.group.Grant(n.Payload.(*berth.Node), e.devices[row], e.ports[row]); why.Code != berth.None {
			return false
		}
	}
	return true
}

// full reports whether the domain of a lane can take no more tasks of the group.
func (e *Engine) full(r *run, l *lane) bool {
	for i, rule := range r.rules {
		if rule.Domain() == berth.NodeID {
			continue
		}
		v, ok := l.profile.attr(r.keys[i])
		if !ok {
			continue // a wide attribute: asked row by row
		}
		var d berth.Domains
		if rule.Even() {
			d = e.domains(r, r.keys[i])
		}
		if r.tally.values[r.keys[i]][v] >= rule.Limit(d) {
			return true
		}
	}
	return false
}

// domains sums up the domains of a narrow attribute over the lanes that are eligible for the group.
func (e *Engine) domains(r *run, key uint32) berth.Domains {
	v := e.verdicts[eligibilityOf(r.group)]
	var seen []uint32
	d := berth.Domains{Least: -1}
	for i, l := range e.lanes {
		if l.size == 0 || !v.ok[i] {
			continue
		}
		value, ok := l.profile.attr(key)
		if !ok || slices.Contains(seen, value) {
			continue
		}
		seen = append(seen, value)
		if n := r.tally.values[key][value]; d.Least < 0 || n < d.Least {
			d.Least = n
		}
	}
	d.Number, d.Least = len(seen), max(d.Least, 0)
	return d
}

func eligibilityOf(g *berth.Group) string {
	key, _, _ := g.Reads()
	return key
}

// Place picks the best node for a task. What it costs is in ENGINE.md.
func (e *Engine) Place(t berth.Task) (berth.Op, bool) {
	if e.cur == nil || e.cur.group != t.Group {
		e.cur = e.begin(t.Group)
	}
	r := e.cur
	if r == nil {
		return e.placeByReference(t)
	}
	best := -1
	for i := range r.lanes {
		lr := &r.lanes[i]
		l := e.lanes[lr.lane]
		if len(r.rules) > 0 && e.full(r, l) {
			continue
		}
		if lr.searched && lr.found && r.wide && !e.accepts(r, lr.row) {
			lr.searched = false
		}
		if !lr.searched {
			e.search(r, lr)
		}
		if lr.found && (best < 0 || e.better(r, lr, &r.lanes[best])) {
			best = i
		}
	}
	var host laneRun
	if e.byNode && len(r.tally.hosts) > 0 {
		if e.bestHost(r, &host) && (best < 0 || e.better(r, &host, &r.lanes[best])) {
			return e.take(r, &host, t), true
		}
	}
	if best < 0 {
		return berth.Op{}, false
	}
	return e.take(r, &r.lanes[best], t), true
}

// search finds the best row of a lane.
func (e *Engine) search(r *run, lr *laneRun) {
	e.flush()
	lr.searched = true
	if lr.row, lr.found = e.find(e.lanes[lr.lane], r, lr.from); lr.found {
		lr.from = position{e.key[lr.row], e.rank[lr.row]}
		lr.score = e.key[lr.row] + lr.groupTerm
	} else {
		lr.from = position{key: minAmount, rank: ^uint32(0)}
	}
}

// better reports whether a is a better choice than b: more preferred, with fewer tasks in its domains,
// of a higher score, or of a lower node ID.
func (e *Engine) better(r *run, a, b *laneRun) bool {
	if a.preferred != b.preferred {
		return a.preferred > b.preferred
	}
	for _, name := range e.depends.Domains {
		if c := cmp.Compare(e.tasksAt(r, a, name), e.tasksAt(r, b, name)); c != 0 {
			return c < 0
		}
	}
	if a.score != b.score {
		return a.score > b.score
	}
	return e.rank[a.row] < e.rank[b.row]
}

// tasksAt counts the group's tasks in a candidate's domain.
func (e *Engine) tasksAt(r *run, c *laneRun, name string) int {
	if name == berth.NodeID {
		return min(r.tally.hosts[c.row], MostTasks)
	}
	key := e.view.Attrs().ID(name)
	v, ok := e.lanes[c.lane].profile.attr(key)
	if !ok {
		return MostTasks
	}
	return min(r.tally.values[key][v], MostTasks)
}

// bestHost finds the best row among those that have tasks of the group already, in lanes where no other
// row can be used: elsewhere a row without one is better.
func (e *Engine) bestHost(r *run, best *laneRun) bool {
	found := false
	for row := range r.tally.hosts {
		i, ok := slices.BinarySearchFunc(r.lanes, e.lane[row], func(lr laneRun, l int32) int { return cmp.Compare(lr.lane, l) })
		if !ok || r.lanes[i].found && !e.full(r, e.lanes[e.lane[row]]) {
			continue
		}
		if !e.fits(r, row) || e.full(r, e.lanes[e.lane[row]]) || !e.acceptsHost(r, row) {
			continue
		}
		if r.escaped && !r.group.Eligible(e.records[row].Payload.(*berth.Node)) {
			continue
		}
		c := r.lanes[i]
		c.row, c.score = row, e.rate(row)+c.groupTerm
		if !found || e.better(r, &c, best) {
			*best, found = c, true
		}
	}
	return found
}

// take places a task on the row of a candidate.
func (e *Engine) take(r *run, c *laneRun, t berth.Task) berth.Op {
	row := c.row
	op := e.occupy(r, row, t)
	lr := c
	if i, ok := slices.BinarySearchFunc(r.lanes, e.lane[row], func(lr laneRun, l int32) int { return cmp.Compare(lr.lane, l) }); ok {
		lr = &r.lanes[i]
	}
	if !lr.found || lr.row != row {
		return op
	}
	// Nothing before the row can be used, so it is still the best of its lane if it became no worse.
	if now := e.rate(row); now >= e.key[row] && e.fits(r, row) && (!r.picky || e.accepts(r, row)) {
		lr.score = now + lr.groupTerm
	} else {
		lr.searched = false
	}
	return op
}

// occupy takes the room of a task on a row, whatever the lanes.
func (e *Engine) occupy(r *run, row uint32, t berth.Task) berth.Op {
	n := e.records[row]
	op := berth.Op{Kind: berth.Place, Row: row, Task: t, Node: n.ID}
	if len(r.devices) > 0 || r.ports {
		op.Grant, _ = r.group.Grant(n.Payload.(*berth.Node), e.devices[row], e.ports[row])
	}
	e.move(r.request, op, 1)
	if r.tally != nil {
		r.tally.add(n, row, 1)
	}
	e.steps = append(e.steps, op)
	return op
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
			e.devices[row] = slices.Clone(e.devices[row])
			for _, d := range g.Devices {
				e.devices[row][d.Index] -= sign * d.Units
			}
			e.sumDevices(row)
		}
		if sign > 0 {
			e.ports[row] = slices.Sorted(slices.Values(append(slices.Clone(e.ports[row]), g.Ports...)))
		} else {
			e.ports[row] = slices.DeleteFunc(slices.Clone(e.ports[row]), func(p uint16) bool { return slices.Contains(g.Ports, p) })
		}
	}
	e.touched = append(e.touched, row)
	e.loosen(row)
}

// Undo gives back what was picked by an operation of this plan, as it was returned.
func (e *Engine) Undo(op berth.Op) {
	e.steps = append(e.steps, berth.Op{Kind: berth.Release, ID: op.Task.ID})
	if e.lanesOK {
		r := run{devices: op.Task.Group.Devices()}
		e.needsOf(op.Task.Group, &r)
		e.move(r.request, op, -1)
		// The row has more room than its block says, so it goes to its place at once.
		row := op.Row
		l := e.lanes[e.lane[row]]
		e.remove(l, row)
		e.key[row] = e.rate(row)
		e.insert(l, row)
		if t := e.tallies[op.Task.Group.Name()]; t != nil {
			t.add(e.records[row], row, -1)
		}
	}
	e.cur = nil
}

// Cover picks every eligible node that lacks the daemon group's instance: O(nodes).
func (e *Engine) Cover(g *berth.Group, placed func(berth.Op), missed func(string, []berth.Lack)) {
	e.cur = nil
	r := e.begin(g)
	if r == nil || len(r.rules) > 0 {
		e.coverByReference(g, placed, missed)
		return
	}
	usable := make([]bool, len(e.lanes))
	for _, lr := range r.lanes {
		usable[lr.lane] = true
	}
	for _, row := range e.view.Order() {
		n := e.records[row]
		if r.tally.hosts[row] > 0 {
			continue
		}
		if !usable[e.lane[row]] {
			if e.eligible(r, row) {
				e.miss(r, row, missed)
			}
			continue
		}
		if r.escaped && !g.Eligible(n.Payload.(*berth.Node)) {
			continue
		}
		if !e.fits(r, row) || r.picky && !e.acceptsHost(r, row) {
			e.miss(r, row, missed)
			continue
		}
		placed(e.occupy(r, row, g.On(n.ID)))
	}
	e.cur = nil
}

// eligible reports whether a group may use a row, room aside; it is asked where a group has no lanes
// because no node ever had what it needs.
func (e *Engine) eligible(r *run, row uint32) bool {
	return !e.drained[row] && r.group.Eligible(e.records[row].Payload.(*berth.Node))
}

func (e *Engine) miss(r *run, row uint32, missed func(string, []berth.Lack)) {
	e.catchUpReference()
	id := e.records[row].ID
	n, _ := e.ref.fork.Node(id)
	missed(id, e.ref.fork.Lacks(r.group, n))
}

// Explain says why no node can take a task of the group now: O(nodes), and O(operations) the first time
// in a plan.
func (e *Engine) Explain(g *berth.Group) *berth.Explanation {
	e.catchUpReference()
	return e.ref.Explain(g)
}

// catchUpReference brings the reference picker to where the plan is.
func (e *Engine) catchUpReference() {
	if !e.refLive {
		e.ref.Start(e.snapshot)
		e.refLive, e.told = true, 0
	}
	for _, op := range e.steps[e.told:] {
		e.ref.fork.Apply(op)
	}
	e.told = len(e.steps)
}

func (e *Engine) placeByReference(t berth.Task) (berth.Op, bool) {
	e.catchUpReference()
	op, ok := e.ref.Place(t)
	if ok {
		e.follow(op)
	}
	return op, ok
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
	e.steps = append(e.steps, op)
	e.told = len(e.steps)
	if !e.lanesOK {
		return
	}
	r := run{devices: op.Task.Group.Devices()}
	e.needsOf(op.Task.Group, &r)
	e.move(r.request, op, 1)
	if t := e.tallies[op.Task.Group.Name()]; t != nil {
		t.add(e.records[op.Row], op.Row, 1)
	}
}

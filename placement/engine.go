package placement

import (
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// Engine is the Picker that keeps indexes. It picks what [Exhaustive] picks, ties and all, and looks at
// few nodes to find it. Its indexes outlive a plan: they are caught up from the change log of the
// snapshots it is given, those of forks and of the past included, and brought in line by comparison where the log
// does not reach; they never decide. If a strategy or rule of the host panics in a call, the call
// has picked nothing that it has not returned or told of, and the next one makes all indexes anew. The zero value is an
// engine for BinPack. It is for one goroutine. See ENGINE.md for how it works and what it costs.
type Engine struct {
	policy *policy // nil in the zero value
	*parts

	snapshot *cluster.Snapshot  // of the plan
	steps    steps              // what the plan picked and undid
	done     int                // how many of the steps the caller knows of
	busy     bool               // whether a call is under way; where one begins and finds it so, the last did not return
	saves    checked.Saves[int] // how many steps there were at savepoints of the plan
	inCover  bool               // whether that is Cover, whose caller may not call from within
}

// parts is what an engine keeps, and makes anew when host code may have torn it.
type parts struct {
	mirror    *mirror
	classes   *classIndex
	counts    *groupCounts
	search    *search
	limits    *limits
	explainer *explainer
	reference *reference // for what has no index
	tasks     *taskCounts
	survey    *survey
	clusters  *clusters // nil if no term asks for them
}

func newParts(p *policy, s *steps) *parts {
	e := &parts{mirror: &mirror{policy: p, details: fit.CommonDetails()}, limits: &limits{steps: s}}
	e.classes = newClassIndex(p, e.mirror)
	e.counts = newGroupCounts(p, e.mirror, e.classes, s)
	e.tasks = newTaskCounts(e.mirror, e.counts, s)
	e.clusters = newClusters(p, e.mirror)
	e.search = &search{
		atOnce:   4,
		clusters: e.clusters, tasks: e.tasks, limits: e.limits,
		policy: p, mirror: e.mirror, classes: e.classes, counts: e.counts, scan: &scan{policy: p},
		rankings: &rankings{mirror: e.mirror, states: &states{classes: e.classes, changes: len(p.changes)}, byShape: map[string]*ranking{}},
	}
	e.explainer = &explainer{mirror: e.mirror, classes: e.classes, columns: columns{mirror: e.mirror}}
	e.reference = &reference{picker: &Exhaustive{policy: p}}
	e.survey = new(survey)
	return e
}

// NewEngine returns a picker for a strategy, to be used again and again. Of a strategy with a fault, which [Strategy.Err] tells and a
// scheduler refuses, it may pick any node that fits.
func NewEngine(s Strategy) *Engine {
	e := &Engine{policy: policyOf(s)}
	e.Start(nil)
	return e
}

// Start begins a plan on a snapshot. It costs as much as has changed since the last: nodes that the last
// plan filled, if it was committed as it was planned, have not.
func (e *Engine) Start(s *cluster.Snapshot) {
	if e.inCover {
		return
	}
	if e.policy == nil {
		e.policy = policyOf(Strategy{})
	}
	if e.parts == nil || e.busy {
		e.parts = newParts(e.policy, &e.steps)
	}
	e.busy = true
	e.steps.reset()
	e.saves.Clear()
	e.done = 0
	e.snapshot = orEmpty(s)
	e.start()
	e.leave()
}

// enter begins a call, and leave ends one that has not panicked. Around a function of the caller's a call is left and
// entered, since what was picked until then is picked if the function panics.
func (e *Engine) enter() {
	switch {
	case e.parts == nil:
		e.Start(nil)
	case e.busy:
		e.restore()
	}
	e.busy = true
}

func (e *Engine) leave() { e.busy, e.done = false, e.steps.size }

// restore makes all parts anew, with what the plan picked as far as the caller knows.
func (e *Engine) restore() {
	e.parts = newParts(e.policy, &e.steps)
	e.steps.truncate(e.done)
	e.start()
	e.classes.assign()
	for i := range e.steps.size {
		st, sign := e.steps.at(i), int64(1)
		if st.undone {
			sign = -1
		}
		e.move(st, sign) // what is counted is counted when it is asked for
		e.skew(st.row)
	}
	for i := range e.steps.size {
		e.tasks.refuse(e.steps.at(i).task.Group)
	}
}

// start brings all parts in line with the snapshot.
func (e *Engine) start() {
	view := (*store.View)(e.snapshot).Shown()
	e.classes.moveMisplaced()
	e.search.end()
	e.reference.end()
	e.tasks.start()
	e.counts.start(view)
	e.limits.start(view)
	if e.limits.exact == nil {
		e.limits.exact = e.idleLimits
	}
	e.mirror.open(view)
	e.mirror.skewed = false
	e.catchUp()
	e.clusters.start()
	e.mirror.opened()
}

// catchUp brings the rows, and what is made of them, in line with the view.
func (e *Engine) catchUp() {
	m := e.mirror
	if !m.covers(m.view) {
		e.rebuild()
		return
	}
	stale := m.stale()
	e.clusters.changed(stale)
	e.survey.log.note(stale)
	// Nodes that are gone leave first: where they stand goes by the ranks that they had.
	for _, row := range stale {
		if st := &m.rows[row]; st.node != nil && m.view.Node(row).Node != st.node {
			if e.classes.assigned {
				e.classes.leave(row)
			}
			st.node, st.class = nil, -1
			m.described++
		}
	}
	if m.rankAll() {
		e.classes.renumber()
	}
	for _, row := range stale {
		if !e.refresh(row) {
			e.rebuild()
			return
		}
	}
}

// rebuild makes everything anew, as far as it does not depend on what rules read: O(nodes).
func (e *Engine) rebuild() {
	e.mirror.rebuild()
	e.classes.rebuild()
	e.counts.rebuild()
	e.search.rankings.forget()
	e.explainer.columns.forget()
	e.clusters.forget()
}

// refresh brings one row in line with the view. It returns false if everything must be made anew.
func (e *Engine) refresh(row uint32) bool {
	m, classed := e.mirror, e.classes.assigned
	ns := m.view.Node(row)
	node := ns.Node
	switch {
	case m.isDescribed(row, ns):
		if node != nil && m.isLoaded(row, ns) {
			return true
		}
		e.changed(row)
		if node == nil {
			return true
		}
		if classed {
			e.classes.leave(row)
		}
		m.load(row, ns)
		if classed {
			e.classes.derive(row)
			e.classes.enter(row)
		}
		return true
	case classed && m.rows[row].node != nil: // it was cordoned, or is cordoned no more
		e.classes.leave(row)
	}
	e.changed(row)
	m.describe(row, ns)
	if node == nil {
		return true
	}
	if len(m.deviceClasses) < len(m.view.Catalog().Devices()) {
		return false
	}
	m.load(row, ns)
	e.classes.describe(row)
	return true
}

// changed tells those of it that keep something of every row.
func (e *Engine) changed(row uint32) {
	e.explainer.columns.changed(row)
	e.search.rankings.changed(row)
}

// Place picks the best node for a task. What it costs is in ENGINE.md.
func (e *Engine) Place(t berth.Task) (berth.Op, bool) {
	if st := e.place(t, nil); st != nil {
		return e.op(st), true
	}
	return berth.Op{}, false
}

// place picks the best node, of a domain if it is given one, and returns the step that the pick is, or nil.
func (e *Engine) place(t berth.Task, in *domain) *step {
	if e.inCover {
		return nil
	}
	e.enter()
	row, from, ok := e.find(t, in)
	if !ok {
		e.leave()
		return nil
	}
	st := e.occupy(row, t)
	switch s := e.search; {
	case s.first || s.filled(): // what rules say is otherwise now
		s.end()
	case from != nil:
		s.placed(from)
	case s.mixed && !s.every:
		s.placedOnMixed(row)
	}
	e.leave()
	return st
}

// Picked returns the node of the last pick of the plan, by Place or as the caller of Cover was told; no node before the first.
func (e *Engine) Picked() cluster.NodeView {
	if e.parts == nil || e.steps.size == 0 {
		return cluster.NodeView{}
	}
	return cluster.NodeView(store.RefTo(e.mirror.view, e.steps.at(e.steps.size-1).row))
}

// find finds the best row, of a domain if it is given one, for a task, and the contender that it is of. It refuses what the reference does.
func (e *Engine) find(t berth.Task, in *domain) (row uint32, from *contender, ok bool) {
	s := e.search
	if t.ID == "" { // the demand of a daemon group, which is none to be placed
		return 0, nil, false
	}
	if s.group != t.Group || t.Group == nil || s.astray || !s.isWithin(in) {
		if t.Group.Err() != nil {
			return 0, nil, false
		}
		e.beginWithin(t.Group, in)
	}
	if s.left <= 0 {
		if !e.isSighted() {
			return 0, nil, false
		}
		s.left = e.limits.allowance(t.Group) // what is reserved may have taken some of the tasks
	}
	if s.left > 0 {
		row, from, ok = s.best(t)
	} else {
		row, ok = e.findReserved(t, in)
	}
	if ok && t.Group.Mode() == berth.Daemon && strings.Contains(t.ID, "@") && t.ID != t.Group.On(e.mirror.rows[row].id).ID {
		s.wayKnown = false
		return 0, nil, false // of another node
	}
	return row, from, ok
}

// missing returns how many tasks of a gang are neither in the snapshot nor picked.
func (e *Engine) missing(g *berth.Group) int {
	if g.Mode() != berth.Gang {
		return 0
	}
	return checked.Missing(e.mirror.view, g, e.steps.picked(g).tasks)
}

// occupy takes the room of a task of the group that is searched for.
func (e *Engine) occupy(row uint32, t berth.Task) *step {
	s, st := e.search, e.steps.add()
	st.task, st.row = t, row
	s.left--
	if len(s.devices) > 0 || s.ports { // it was found that there is what to grant
		st.grant = s.grantOn(row, t)
	}
	e.take(row, s.request, st.grant, 1)
	if s.counted != nil {
		e.counts.add(s.counted, row, 1)
	}
	for _, c := range s.moved {
		e.tasks.move(c, row, 1)
	}
	e.clusters.move(t.Group, row, 1)
	return st
}

// take takes what a task takes from a row, or with a sign of -1 gives it back.
func (e *Engine) take(row uint32, request []int64, g *berth.Grant, sign int64) {
	e.mirror.take(row, request, g, sign)
	e.classes.derive(row)
	e.classes.misplace(row)
	e.changed(row)
}

// move does what a step did, or with a sign of -1 undoes it, when the search is not for its group.
func (e *Engine) move(st *step, sign int64) {
	var d demand
	d.of(st.task.Group, e.mirror)
	e.take(st.row, d.request, st.grant, sign)
	if c := e.counts.groups[st.task.Group.Name()]; c != nil {
		e.counts.add(c, st.row, int(sign))
	}
	e.tasks.moveAll(st.task.Group, st.row, int(sign))
	e.clusters.move(st.task.Group, st.row, int(sign))
}

// op returns the operation that a step is.
func (e *Engine) op(st *step) berth.Op {
	if st.undone {
		return berth.Op{Kind: berth.Release, ID: st.task.ID}
	}
	return berth.Op{Kind: berth.Place, Task: st.task, Node: e.mirror.rows[st.row].id, Grant: st.grant}
}

// Undo gives back what was picked by an operation of this plan; any other is passed over.
func (e *Engine) Undo(op berth.Op) {
	if e.inCover {
		return
	}
	e.enter()
	if pick := e.steps.pickOf(op.Task.ID); pick != nil {
		e.search.end()
		e.invert(*pick)
	}
	e.leave()
}

// invert adds the step that takes a step back: the undoing of a pick, or the pick of what was undone.
func (e *Engine) invert(st step) {
	e.skew(st.row)
	if st.undone, st.again = !st.undone, st.undone; st.undone {
		e.move(&st, -1)
		e.classes.move(st.row) // at once: it has more room than its tree says
	} else {
		e.move(&st, 1)
	}
	*e.steps.add() = st
}

// Explain says why no node can take a task of the group now. Asked again before much has changed it costs
// a few searches in sorted columns; else a few nanoseconds a node, or, for a group with ports or with
// rules about attributes of many values, as much as [Exhaustive.Explain].
func (e *Engine) Explain(g *berth.Group) *cluster.Explanation {
	if e.inCover {
		return nil
	}
	e.enter()
	why := e.explain(g)
	e.leave()
	return why
}

func (e *Engine) explain(g *berth.Group) *cluster.Explanation {
	s := e.search
	if g.Err() == nil {
		e.begin(g)
		defer s.end()
		over := e.limits.over(g)
		if !(len(over) > 0 && e.isSighted()) && !s.byRow && !s.ports && s.possible && g.Mode() != berth.Daemon && e.mirror.view.Nodes() > 0 && !e.mirror.hasAsDevices(g) {
			if len(over) > 0 {
				if _, _, ok := s.best(g.Task(g.Name())); ok { // there is room, and it would be placed
					return &cluster.Explanation{Nodes: e.mirror.view.Nodes(), Over: fit.LacksOf(over), Mode: g.Mode(), Missing: e.missing(g)}
				}
				s.begin(g)
			}
			why, partly := e.explainer.explain(s)
			why.Missing, why.Over = e.missing(g), fit.LacksOf(over)
			if partly {
				why.Nearest.Lacks = e.caughtUp().lacks(g, why.Nearest.Node)[len(over):]
			}
			return why
		}
	}
	return e.caughtUp().picker.Explain(g)
}

// caughtUp returns the reference where the plan is.
func (e *Engine) caughtUp() *reference {
	r := e.reference
	r.begin(e.snapshot)
	for ; r.told < e.steps.size; r.told++ {
		if st := e.steps.at(r.told); st.again { // what was is so again, whether or not a rule would let it now
			_ = r.picker.fork.Adopt(st.task, e.mirror.rows[st.row].id, st.grant, berth.Assumed)
		} else {
			r.picker.fork.Apply(e.op(st))
		}
	}
	return r
}

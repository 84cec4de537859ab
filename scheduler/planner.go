package scheduler

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
	"github.com/berth-sched/berth/placement"
)

// planner makes one plan after another, with the same indexes.
type planner struct {
	picker placement.Picker
	engine *placement.Engine // the picker, if it is one
	slow   bool              // to pick may be to walk over all nodes
	turns  turns             // of roles, where there is an order
	seen   store.Set         // the IDs that the plan has tried to place
	names  store.Set         // of groups
	specs  store.Set         // the fingerprints of others

	// Of the plan that is being made.
	ctx      context.Context
	patience int // tasks to plan before the context is looked at again
	gate     *gate
	denied   []cluster.Refusal
	snapshot *cluster.Snapshot
	view     *store.View
	plan     *cluster.Plan
	picks    []store.Pick            // of the plan's operations, if they were made by an engine
	hashes   []uint32                // of the tasks' IDs
	one      bool                    // there is but one task or demand, so no ID can come twice
	exists   map[string]string       // where tasks that exist already are
	groups   []groupPlan             // as names has them, the first spec of each
	others   []groupPlan             // the other specs of those names
	group    int                     // what is being placed: its place in groups, or if it is negative that in others, inverted
	name     uint32                  // the hash of its name
	last     *berth.Group            // what is being placed, as the last task had it; nil where it is to be looked up
	gangs    map[string][]berth.Task // by group name, until they are planned
	kept     keptRoom
}

// groupPlan is what a plan knows of a group.
type groupPlan struct {
	group  *berth.Group
	failed *cluster.Explanation // why the last of its tasks found no node; those that follow fail alike

	covered bool // its demand has been planned

	piece string // the node with room that is meant for the group, which the last task was tried on,
	room  int    // for how many more there is,
	spent bool   // or whether there is no more such room
}

// run makes a plan, and tells what the gate refused. Silent demands are those of daemons that are not planned, for which room is kept. It fails
// only when the context has ended, or an order of the host's fails.
func (p *planner) run(ctx context.Context, snapshot *cluster.Snapshot, tasks, silent []berth.Task, gate *gate) (*cluster.Plan, []cluster.Refusal, error) {
	p.ctx, p.gate, tasks = ctx, gate, p.kept.begin(tasks, silent)
	p.snapshot, p.view = snapshot, (*store.View)(snapshot).Shown()
	p.plan = &cluster.Plan{Version: snapshot.Version(), Ops: make([]berth.Op, 0, len(tasks))}
	p.picks = slices.Grow(p.picks[:0], len(tasks))
	if p.one = len(tasks) == 1; !p.one {
		p.seen.Grow(len(tasks))
	}
	defer p.forget()
	p.picker.Start(snapshot)
	p.hashes = slices.Grow(p.hashes[:0], len(tasks))[:len(tasks)]
	p.findExisting(tasks, p.hashes)
	if p.turns.order != nil {
		if err := p.takeTurns(tasks); err != nil {
			return nil, nil, err
		}
	} else {
		for i := range tasks {
			if p.ended() {
				break
			}
			p.take(tasks, i, i)
		}
	}
	if err := ended(ctx); err != nil {
		return nil, nil, err
	}
	return p.plan, p.denied, nil
}

// take plans the task at a place. What may belong to the same gang is from another place on.
func (p *planner) take(tasks []berth.Task, from, i int) {
	t := &tasks[i]
	if t.Group != p.last {
		p.enterGroup(t.Group)
		p.last = t.Group
	}
	switch {
	case t.Group.Mode() == berth.Gang:
		p.gang(t.Group, tasks[from:])
	case t.IsDemand():
		p.cover(t.Group)
	default:
		p.place(t, p.hashes[i])
	}
}

// ended reports whether the context has ended. It looks now and then, after what may have taken a few milliseconds.
func (p *planner) ended() bool {
	const tasks = 64
	if p.patience--; p.patience >= 0 && !p.slow {
		return false
	}
	p.patience = tasks
	return p.ctx.Err() != nil
}

// findExisting notes which tasks exist already, and the hashes of their IDs, tells the engine of their groups, and makes room for as many as
// there may be. It looks up many at once, so that their cache misses overlap.
func (p *planner) findExisting(tasks []berth.Task, hashes []uint32) {
	var names [store.Ahead]uint32
	var last *berth.Group
	n := 0
	for part := range slices.Chunk(tasks, store.Ahead) {
		groups := names[:0]
		for i := range part {
			hashes[i] = store.Hash(part[i].ID)
			if g := part[i].Group; g != last {
				last, groups = g, append(groups, store.Hash(g.Name()))
				if p.engine != nil {
					p.engine.Expect(g)
				}
			}
		}
		n += len(groups)
		p.view.PrefetchTasks(hashes[:len(part)])
		p.view.PrefetchGroups(groups)
		for i, t := range part {
			if _, ok := p.view.FindTaskBy(hashes[i], t.ID); !ok {
				continue
			}
			if p.exists == nil {
				p.exists = map[string]string{}
			}
			v, _ := p.snapshot.Task(t.ID)
			p.exists[t.ID] = whereabouts(v)
		}
		hashes = hashes[len(part):]
	}
	if n > 1 {
		p.names.Grow(n)
		p.groups = slices.Grow(p.groups, n)
	}
}

// forget drops all that belongs to one plan.
func (p *planner) forget() {
	p.seen.Clear()
	p.names.Clear()
	p.specs.Clear()
	p.snapshot, p.view, p.plan, p.exists, p.gangs = nil, nil, nil, nil, nil
	p.ctx, p.gate, p.denied, p.patience, p.last, p.kept = nil, nil, nil, 0, nil, keptRoom{}
	clear(p.groups)
	clear(p.others)
	p.groups, p.others = p.groups[:0], p.others[:0]
}

// enterGroup makes a group the one that is being placed: what is known of it is known of groups that equal it.
func (p *planner) enterGroup(g *berth.Group) {
	p.name = store.Hash(g.Name())
	at, fresh := p.names.Add(p.name, g.Name())
	if p.group = at; fresh {
		p.groups = append(p.groups, groupPlan{group: g})
	}
	if p.plans(p.group).group.Equal(g) {
		return
	}
	text := g.Fingerprint()
	if at, fresh = p.specs.Add(store.Hash(text), text); fresh {
		p.others = append(p.others, groupPlan{group: g})
	}
	p.group = ^at
}

// plans returns what the plan knows of the group in a place.
func (p *planner) plans(at int) *groupPlan {
	if at < 0 {
		return &p.others[^at]
	}
	return &p.groups[at]
}

// place picks a node for a task and adds the placement to the plan, or notes why there is none.
func (p *planner) place(t *berth.Task, hash uint32) {
	if where, known := p.known(t, hash); known {
		p.leave(cluster.Unplaced{Task: *t, Reason: berth.Reason{Code: berth.TaskExists, Subject: where}})
		return
	}
	why := p.plans(p.group).failed
	if why == nil {
		// The operation is made where it is to be: it is large, and there are many.
		n := len(p.plan.Ops)
		p.plan.Ops = slices.Grow(p.plan.Ops, 1)[:n+1]
		op, ok, meant := &p.plan.Ops[n], false, false
		if p.view.Pieces() != nil {
			*op, meant = p.placeMeant(t)
		}
		if ok = meant; !ok {
			*op, ok = p.picker.Place(*t)
		}
		switch {
		case ok && p.admit(op):
			p.note(hash)
			p.charge(t.Group, 1)
			return
		case ok:
			p.plan.Ops = p.plan.Ops[:n]
			if meant {
				p.plans(p.group).room++
			}
			return
		}
		p.plan.Ops = p.plan.Ops[:n]
		p.patience = 0 // to explain is to look at every node
		// Room only shrinks while a plan is made, so the group's other tasks fail alike.
		why = p.picker.Explain(t.Group)
		p.turns.blame(why)
		p.kept.blame(why)
		p.plans(p.group).failed = why
	}
	p.leave(cluster.Unplaced{Task: *t, Reason: firstReason(why), Why: why})
}

// placeMeant picks a node for a task on which there is room that is meant for its group, as an offer is that was cut for it: the first by
// ID. It is asked where there are such pieces.
func (p *planner) placeMeant(t *berth.Task) (berth.Op, bool) {
	pieces, g := p.view.Pieces(), p.plans(p.group)
	if g.spent {
		return berth.Op{}, false
	}
	for {
		if g.room == 0 {
			var ok bool
			if g.piece, g.room, ok = pieces.Next(t.Group.Name(), g.piece); !ok {
				g.spent = true
				return berth.Op{}, false
			}
		}
		if op, ok := p.picker.PlaceWithin(*t, berth.NodeID, g.piece); ok {
			g.room--
			return op, true
		}
		g.room = 0 // what is there suits no task of the group
	}
}

// add adds a placement that the picker has just picked to the plan. It comes by reference because it is large.
func (p *planner) add(op *berth.Op, hash uint32) {
	p.plan.Ops = append(p.plan.Ops, *op)
	p.note(hash)
}

// note takes down what the engine knows of the pick that is the plan's last operation.
func (p *planner) note(hash uint32) {
	if p.engine != nil {
		p.picks = append(p.picks, store.PickOf(store.Ref(p.engine.Picked()), hash, p.name))
	}
}

// cut takes all operations but the first n off the plan.
func (p *planner) cut(n int) {
	p.plan.Ops = p.plan.Ops[:n]
	if p.engine != nil {
		p.picks = p.picks[:n]
	}
}

// admit asks the gate about a placement that was picked. One that it refuses takes no room from those that come.
func (p *planner) admit(op *berth.Op) bool {
	if p.gate == nil {
		return true
	}
	if why := p.gate.ask(op); why.Code != berth.None {
		p.picker.Undo(*op)
		p.denied = append(p.denied, cluster.Refusal{Op: *op, Reason: why})
		return false
	}
	p.gate.pick(op, true)
	return true
}

// undo gives back what was picked by an operation that was admitted.
func (p *planner) undo(op berth.Op) {
	p.picker.Undo(op)
	p.gate.pick(&op, false)
}

// leave adds to what is unplaced. Where nothing fits that is every task, so the list grows by doubling, up to as many as there
// are tasks: the runtime's own growth would copy a long list of these large elements several times as often.
func (p *planner) leave(u cluster.Unplaced) {
	if n := len(p.plan.Unplaced); n == cap(p.plan.Unplaced) {
		more := n + 8
		if tasks := cap(p.plan.Ops); n < tasks {
			more = min(more, tasks-n)
		}
		p.plan.Unplaced = append(make([]cluster.Unplaced, 0, n+more), p.plan.Unplaced...)
	}
	p.plan.Unplaced = append(p.plan.Unplaced, u)
}

func firstReason(e *cluster.Explanation) berth.Reason {
	switch {
	case e != nil && e.Nodes == 0:
		return berth.Reason{Code: berth.NoNodes}
	case e != nil && len(e.Over) > 0:
		return e.Over[0].Reason
	case e == nil || len(e.Counts) == 0:
		return berth.Reason{}
	}
	return e.Counts[0].Reason
}

func whereabouts(t cluster.TaskView) string {
	if t.Node == "" {
		return t.State.String()
	}
	return "on " + t.Node
}

// known reports whether a task exists or is in the plan already.
func (p *planner) known(t *berth.Task, hash uint32) (where string, known bool) {
	if p.exists != nil {
		if where, known = p.exists[t.ID]; known {
			return where, known
		}
	}
	if p.one {
		return "", false
	}
	if _, fresh := p.seen.Add(hash, t.ID); !fresh {
		return "earlier in the plan", true
	}
	return "", false
}

// gang places the tasks of a gang, or, if fewer than its size can be placed, none. The gang's name is what makes it one: each of
// its tasks may have come with a group of its own, and with a spec of its own. The greatest size that one names counts.
func (p *planner) gang(g *berth.Group, rest []berth.Task) {
	if p.gangs == nil {
		p.gangs = make(map[string][]berth.Task)
		for _, t := range rest {
			if t.Group.Mode() == berth.Gang {
				p.gangs[t.Group.Name()] = append(p.gangs[t.Group.Name()], t)
			}
		}
	}
	tasks := p.gangs[g.Name()]
	if len(tasks) == 0 {
		return // they have been planned
	}
	delete(p.gangs, g.Name())
	running := standing(p.view, g.Name())
	ops, unplaced := len(p.plan.Ops), len(p.plan.Unplaced)
	size, last := g.GangSize(), g
	for i := range tasks {
		t := &tasks[i]
		if p.ended() {
			return // and there will be no plan
		}
		if t.Group != last {
			p.enterGroup(t.Group)
			size, last = max(size, t.Group.GangSize()), t.Group
		}
		p.place(t, store.Hash(t.ID))
	}
	placed := p.plan.Ops[ops:]
	if running+len(placed) >= size {
		if len(placed) > 0 {
			p.plan.Together = append(p.plan.Together, g.Name())
		}
		return
	}
	incomplete := berth.Reason{Code: berth.GangIncomplete, Subject: fmt.Sprintf("%d of %d", running+len(placed), size)}
	var why *cluster.Explanation // none if every task given has room, but too few were given
	for i := range p.plan.Unplaced[unplaced:] {
		if u := &p.plan.Unplaced[unplaced+i]; u.Why != nil {
			u.Reason, why = incomplete, u.Why
		}
	}
	if len(placed) == 0 {
		return
	}
	for _, op := range placed {
		p.undo(op)
		p.charge(op.Task.Group, -1)
		p.leave(cluster.Unplaced{Task: op.Task, Reason: incomplete, Why: why})
	}
	p.cut(ops)
	for _, plans := range [][]groupPlan{p.groups, p.others} {
		for i := range plans {
			plans[i].failed = nil // there is room again
		}
	}
}

// isPlanned reports whether a task is of a gang that has been planned.
func (p *planner) isPlanned(t *berth.Task) bool {
	return p.gangs != nil && t.Group.Mode() == berth.Gang && len(p.gangs[t.Group.Name()]) == 0
}

// cover places a daemon group's instance on each eligible node that lacks it. Where there is no node that suits, it is the
// demand that is unplaced.
//
// Where room alone is lacking it is kept for the instance, as far as it is free, from what is placed afterwards.
func (p *planner) cover(g *berth.Group) {
	p.giveBack(g)
	if p.kept.silent[g.Name()] {
		p.keepSilently(g)
		return
	}
	p.patience = 0
	from, missed := len(p.plan.Ops), len(p.plan.Unplaced)
	p.picker.Cover(g, func(op berth.Op) {
		if n := len(p.plan.Ops); n == cap(p.plan.Ops) {
			p.growFor(n - from)
		}
		p.add(&op, store.Hash(op.Task.ID))
	}, func(node string, lacks []berth.Lack) {
		p.miss(g.On(node), node, lacks)
	})
	instances := p.plan.Ops[from:]
	if !p.one || p.gate != nil {
		// The picker knows which tasks there are, but not which the plan tried to place in vain.
		picks := p.picks[min(from, len(p.picks)):]
		p.cut(from)
		if !p.one {
			p.seen.Grow(len(instances))
		}
		for i, op := range instances {
			if where, known := p.known(&op.Task, store.Hash(op.Task.ID)); known {
				p.picker.Undo(op)
				p.miss(op.Task, op.Node, []berth.Lack{{Reason: berth.Reason{Code: berth.TaskExists, Subject: where}}})
			} else if p.admit(&op) {
				p.plan.Ops = append(p.plan.Ops, op)
				if p.engine != nil {
					p.picks = append(p.picks, picks[i])
				}
			}
		}
	}
	p.charge(g, len(p.plan.Ops)-from)
	switch lacking := p.plan.Unplaced[missed:]; {
	case len(lacking) > 0:
		slices.SortFunc(lacking, func(a, b cluster.Unplaced) int { return strings.Compare(a.Task.ID, b.Task.ID) }) // as nodes are ordered
	case len(instances) == 0 && !p.placed(g) && !p.plans(p.group).covered:
		why := p.picker.Explain(g)
		p.leave(cluster.Unplaced{Task: g.Everywhere(), Reason: firstReason(why), Why: why})
	}
	p.keepAll(p.plan.Unplaced[missed:])
	p.plans(p.group).covered = true
}

// growFor makes room in the plan for more instances of a daemon group of which it has some already. A few are those of nodes that joined;
// of more than that every node is likely to lack one.
func (p *planner) growFor(some int) {
	more := max(len(p.plan.Ops), 16)
	if some >= 16 {
		more = max(more, p.view.Nodes()-some)
	}
	p.plan.Ops = slices.Grow(p.plan.Ops, more)
	if p.engine != nil {
		p.picks = slices.Grow(p.picks, more)
	}
}

// placed reports whether a group has a task on a node of the snapshot.
func (p *planner) placed(g *berth.Group) bool {
	id, ok := p.view.FindGroup(g.Name())
	return ok && slices.ContainsFunc(p.view.Kin(id), func(kin uint32) bool { return p.view.Group(kin).Count > 0 })
}

// miss notes that a node lacks an instance of a daemon group, and why.
func (p *planner) miss(t berth.Task, node string, lacks []berth.Lack) {
	why := whyMissed(node, lacks)
	p.turns.blame(why)
	p.leave(cluster.Unplaced{Task: t, Reason: firstReason(why), Why: why})
}

// whyMissed explains that a node cannot have an instance of a daemon group.
func whyMissed(node string, lacks []berth.Lack) *cluster.Explanation {
	why := &cluster.Explanation{Nodes: 1, Mode: berth.Daemon, Nearest: &cluster.NearMiss{Node: node, Lacks: lacks}}
	for _, l := range lacks {
		why.Counts = append(why.Counts, cluster.ReasonCount{Reason: l.Reason, Nodes: 1})
	}
	return why
}

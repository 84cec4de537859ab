package scheduler

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
)

// schedule stops what was cancelled, and places what waits and may be tried now: all of it if something changed that
// could help, else what is new and what has waited after a failure.
func (r *runner) schedule(ctx context.Context) error {
	if !r.ready() {
		return nil
	}
	now := r.State.Now()
	all := r.all
	seen := r.Queue.look(all, r.after, r.backoff.ripe(now))
	if !all && len(seen.waits)+len(seen.cancels) > 0 && r.parts[0].cfg.holdsBack() {
		all = true // what is new is not to overtake what waits, and what was kept for what is cancelled is for all
		cancels := seen.cancels
		seen = r.Queue.look(all, 0, nil)
		seen.cancels = append(cancels, seen.cancels...)
	}
	r.all, r.after = false, seen.turn
	r.cancel(seen.cancels)
	if len(r.own.stranded) > 0 {
		r.adoptWithheld(seen.waits)
	}
	if all {
		r.State.unplaced(r.feed, hope{}, true, cluster.Version{}) // what is unplaced again is named below
	}
	round := make(map[string]*waiting, len(seen.waits))
	tasks := make([]berth.Task, 0, len(seen.waits))
	for _, w := range seen.waits {
		if w.task.ID != "" && (r.backoff.at(w.task.ID).After(now) || r.taken(w)) {
			continue
		}
		round[w.name()] = w
		tasks = append(tasks, w.task)
	}
	if len(tasks) == 0 {
		return nil
	}
	return r.place(ctx, tasks, round)
}

// taken reports whether a task cannot be placed because its ID is taken by an own one. It either waits until that is
// gone, or waits no longer.
func (r *runner) taken(w *waiting) bool {
	id := w.task.ID
	if _, ok := r.own.stranded[id]; ok {
		return true
	}
	t := r.own.tasks[id]
	switch {
	case t == nil:
		return false
	case t.lost:
		r.release(t) // the host wants it to run again
		return false
	case t.stopping:
		return true // its release is a change that has all looked at again
	case !r.Queue.take(w):
		return true // cancelled in this very moment
	case t.turn == 0:
		t.turn = w.turn // it is the one that was found running
		return true
	}
	r.tell(Event{Kind: Unplaced, Placement: Placement{Task: w.task}, Reason: berth.Reason{Code: berth.TaskExists, Subject: "on " + t.Node}})
	return true
}

// placeBy plans and commits. The tasks of a group that failed on a node of late go to other nodes if they can: they are
// planned on a fork on which those nodes take no tasks, in their turn, and the rest of them as usual.
func (r *runner) placeBy(ctx context.Context, p *part, tasks []berth.Task, round map[string]*waiting) error {
	switch {
	case len(r.backoff.shunned) == 0:
	case p.cfg.Order == nil:
		tasks = inTurn(tasks)
	default:
		rest, err := r.placeInTurns(ctx, p, tasks, round)
		if err != nil {
			return err
		}
		return r.placeUsual(ctx, p, rest, round)
	}
	for len(tasks) > 0 {
		g := tasks[0].Group
		shuns := r.backoff.shuns(g.Name())
		n := 1
		for n < len(tasks) {
			if next := tasks[n].Group; len(shuns) > 0 && next.Name() != g.Name() || len(shuns) == 0 && r.backoff.shunned[next.Name()] != nil {
				break
			}
			n++
		}
		part := tasks[:n]
		tasks = tasks[n:]
		if len(shuns) > 0 {
			var err error
			if part, err = r.placeElsewhere(ctx, p, part, shuns, round); err != nil {
				return err
			}
		}
		if err := r.placeUsual(ctx, p, part, round); err != nil {
			return err
		}
	}
	return nil
}

// placeUsual plans and commits tasks, if there are any, and takes in what became of them.
func (r *runner) placeUsual(ctx context.Context, p *part, tasks []berth.Task, round map[string]*waiting) error {
	if len(tasks) == 0 {
		return nil
	}
	out, err := p.schedule(ctx, r.silent(p, tasks), tasks)
	if out != nil {
		r.placed(out, tasks, round) // also what was placed before an error
	}
	return err
}

// silent returns the demands of daemons for whose instances room is kept while tasks are planned of which they are none.
func (r *runner) silent(p *part, tasks []berth.Task) []berth.Task {
	if len(r.keeping) == 0 {
		return nil
	}
	planned := map[string]bool{}
	for _, t := range tasks {
		if t.IsDemand() {
			planned[t.Group.Name()] = true
		}
	}
	var silent []berth.Task
	for _, name := range slices.Sorted(maps.Keys(r.keeping)) {
		if !planned[name] && r.partOf(r.keeping[name].Group) == p {
			silent = append(silent, r.keeping[name])
		}
	}
	return silent
}

// placeInTurns is for an order of roles, which is asked about all that waits at once: what it gives a place is committed in its turns,
// but that what is to go to other nodes goes there if it can. It returns what has no place yet.
func (r *runner) placeInTurns(ctx context.Context, p *part, tasks []berth.Task, round map[string]*waiting) ([]berth.Task, error) {
	source := p.source
	now, err := source.Snapshot(ctx)
	if err != nil {
		return nil, faults.Of("scheduler: snapshot", err)
	}
	plan, err := p.planBeside(ctx, now, r.silent(p, tasks), tasks)
	if err != nil {
		return nil, err
	}
	gangs := map[string]bool{} // of which a task is to go elsewhere, so that all are
	away := func(op *berth.Op) bool {
		_, shunned := r.backoff.shunned[op.Task.Group.Name()][op.Node]
		return shunned && op.Task.Group.Mode() != berth.Daemon // whose instances have no choice
	}
	for i := range plan.Ops {
		if op := &plan.Ops[i]; op.Task.Group.Mode() == berth.Gang && away(op) {
			gangs[op.Task.Group.Name()] = true
		}
	}
	done := map[string]bool{}
	for ops := plan.Ops; len(ops) > 0; {
		name := ops[0].Task.Group.Name()
		elsewhere := gangs[name] || away(&ops[0])
		n := 1
		for n < len(ops) && (gangs[ops[n].Task.Group.Name()] || away(&ops[n])) == elsewhere && (!elsewhere || ops[n].Task.Group.Name() == name) {
			n++
		}
		part := ops[:n]
		if ops = ops[n:]; elsewhere {
			var group []berth.Task
			for i := range part {
				done[part[i].Task.ID] = true
				group = append(group, part[i].Task)
			}
			if group, err = r.placeElsewhere(ctx, p, group, r.backoff.shuns(name), round); err != nil {
				return nil, err
			}
			for _, t := range group {
				delete(done, t.ID)
			}
			continue
		}
		out, err := source.Commit(ctx, &cluster.Plan{Version: plan.Version, Ops: part, Together: plan.Together})
		if err != nil {
			return nil, faults.Of("scheduler: commit", err)
		}
		for i := range out.Placed {
			done[out.Placed[i].Task.ID] = true
		}
		out.Refused = nil // it is planned again, as usual
		r.placed(out, nil, round)
	}
	return slices.DeleteFunc(slices.Clone(tasks), func(t berth.Task) bool { return done[t.ID] }), nil
}

// inTurn returns the tasks in the order they are planned in, those of each gang together.
func inTurn(tasks []berth.Task) []berth.Task {
	gangs := map[string]int{}
	at := make(map[string]int, len(tasks))
	for i, t := range tasks {
		at[nameOf(t)] = i
		if t.Group.Mode() == berth.Gang {
			if first, ok := gangs[t.Group.Name()]; ok {
				at[nameOf(t)] = first
			} else {
				gangs[t.Group.Name()] = i
			}
		}
	}
	tasks = slices.Clone(tasks)
	slices.SortStableFunc(tasks, func(a, b berth.Task) int {
		return cmp.Or(cmp.Compare(b.Group.Priority(), a.Group.Priority()), cmp.Compare(at[nameOf(a)], at[nameOf(b)]))
	})
	return tasks
}

// placeElsewhere places tasks on other nodes than those to shun, and returns the tasks for which there is none.
func (r *runner) placeElsewhere(ctx context.Context, p *part, tasks []berth.Task, shuns []string, round map[string]*waiting) ([]berth.Task, error) {
	source := p.source
	now, err := source.Snapshot(ctx)
	if err != nil {
		return nil, faults.Of("scheduler: snapshot", err)
	}
	fork := now.Fork()
	shuns = slices.DeleteFunc(shuns, func(node string) bool {
		_, there := fork.Node(node)
		return !there
	})
	if err := fork.Cordon(shuns...); err != nil {
		return nil, err
	}
	plan, err := p.planBeside(ctx, fork.Snapshot(), r.silent(p, tasks), tasks)
	if err != nil {
		return nil, err
	}
	plan.Unplaced = nil
	out, err := source.Commit(ctx, plan)
	if err != nil {
		return nil, faults.Of("scheduler: commit", err)
	}
	done := make(map[string]bool, len(out.Placed))
	for i := range out.Placed {
		done[out.Placed[i].Task.ID] = true
	}
	out.Refused = nil // it is planned again, as usual
	r.placed(out, nil, round)
	return slices.DeleteFunc(slices.Clone(tasks), func(t berth.Task) bool { return done[t.ID] }), nil
}

// placed takes in what became of the tasks that were planned.
func (r *runner) placed(out *cluster.Outcome, planned []berth.Task, round map[string]*waiting) {
	at := r.State.Now()
	for i := range out.Placed {
		op := &out.Placed[i]
		w := round[demandOf(op.Task)]
		r.own.attempt++
		t := &ownTask{Placement: Placement{op.Task, op.Node, op.Grant, r.own.attempt}, turn: w.turn}
		r.own.add(t)
		if !r.Queue.take(w) { // it was cancelled while it was being placed
			r.release(t)
			r.report(Stopped, t.Placement, nil)
			continue
		}
		j := &launch{Placement: t.Placement, turn: w.turn, at: later(at, r.backoff.at(op.Task.ID))} // a daemon's instance waits on its node
		e, runs := r.own.stranded[op.Task.ID]
		if runs {
			j.at = farAway
		}
		if r.launches.add(j); runs {
			_ = r.taskEvent(e.TaskEvent) // if it runs on another node it is as before: see startWithheld
		}
	}
	r.unplaced(out, planned, round)
}

// demandOf returns the name under which a task that was placed waited.
func demandOf(t berth.Task) string {
	if t.Group.Mode() == berth.Daemon {
		return t.Group.Name()
	}
	return t.ID
}

// unplaced tells of what was not placed, unless it was told before.
func (r *runner) unplaced(out *cluster.Outcome, planned []berth.Task, round map[string]*waiting) {
	before := map[*waiting]map[string]berth.Reason{}
	for _, t := range planned {
		if t.ID == "" { // reasons of instances that are no longer unplaced go
			w := round[nameOf(t)]
			before[w], w.whys = w.whys, map[string]berth.Reason{}
			delete(r.keeping, w.name())
		}
	}
	var hopes hope
	var last *berth.Group
	note := func(t berth.Task, why berth.Reason, u *cluster.Unplaced) {
		w := round[demandOf(t)]
		if t.Group != last {
			var others *cluster.Explanation
			if u != nil {
				others = u.Why
			}
			hopes.of(t, w.mayOpen(), why, others)
		}
		last = t.Group
		if why.Code == berth.TaskExists {
			if now, ok := r.State.Task(t.ID); ok && now.State == berth.Lost && !r.State.ownedByOther(r.feed, t.ID) {
				if r.State.Release(t.ID) == nil { // it is this Run's or nobody's, and the host wants it to run again
					r.all = true
					return
				}
			}
		}
		var told bool
		if w.task.ID == "" {
			was, known := before[w][t.ID]
			told = known && was == why
			w.whys[t.ID] = why
		} else {
			told = w.told && w.why == why
			w.told, w.why = true, why
		}
		if !told {
			r.tell(Event{Kind: Unplaced, Placement: Placement{Task: t}, Reason: why, Unplaced: u})
		}
	}
	for i := range out.Unplaced {
		u := &out.Unplaced[i]
		note(u.Task, u.Reason, u)
		if instanceWaits(u) {
			w := round[demandOf(u.Task)]
			if r.keeping == nil {
				r.keeping = map[string]berth.Task{}
			}
			r.keeping[w.name()] = w.task
		}
	}
	now := r.State.Now()
	for _, ref := range out.Refused {
		note(ref.Op.Task, ref.Reason, nil)
		if mayPass(ref) {
			r.backoff.again(demandOf(ref.Op.Task), now) // others were faster, and may have left room elsewhere
		}
	}
	r.State.unplaced(r.feed, hopes, false, out.Version)
}

package scheduler

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// taskEvents takes in what the Launcher says, the first time everything that runs.
func (r *runner) taskEvents(events []TaskEvent) error {
	r.observe()
	var errs []error
	for _, e := range events {
		since := r.since(e)
		r.own.attempt = max(r.own.attempt, e.Attempt)
		if err := r.taskEvent(e); err != nil {
			errs = append(errs, err)
			if e.live() && e.Task.ID != "" && !since && !r.knows(e.Task.ID) && !errors.Is(err, ErrOtherAttempt) && !errors.Is(err, ErrNotOurs) {
				r.withhold(e, err)
			}
		}
	}
	if !r.tasksTold {
		r.tasksTold, r.own.found = true, r.own.attempt
	}
	return errors.Join(errs...)
}

// since reports whether an event is of an attempt that began after the Launcher first told what runs. If the State does not have
// the task it is over, whatever a late event says.
func (r *runner) since(e TaskEvent) bool {
	return r.tasksTold && e.Attempt > r.own.found && e.Attempt <= r.own.attempt
}

// live reports whether the event says that the task runs.
func (e TaskEvent) live() bool { return e.Status == TaskRunning || e.Status == TaskOrphan }

// knows reports whether the State has a task on a node, so that it is not placed.
func (r *runner) knows(id string) bool {
	now, ok := r.State.Task(id)
	return ok && now.State != berth.Lost
}

func (r *runner) taskEvent(e TaskEvent) error {
	id := e.Task.ID
	switch {
	case id == "":
		return errors.New("scheduler: event: no task")
	case e.Status > TaskOrphan:
		return fmt.Errorf("scheduler: task %q: unknown %v", id, e.Status)
	}
	if e.Status == TaskExited || e.Status == TaskLost {
		return r.taskEnded(e)
	}
	now, known := r.State.Task(id)
	t := r.own.tasks[id]
	switch {
	case known && r.State.ownedByOther(r.feed, id):
		return fmt.Errorf("scheduler: task %q: %w", id, ErrNotOurs)
	case !known:
		return r.adopt(e, false)
	case now.State == berth.Lost:
		if t != nil && !t.is(e) && e.Attempt != 0 {
			return otherAttempt(e, t)
		}
		return r.adopt(e, true)
	case e.Node != "" && e.Node != now.Node:
		return fmt.Errorf("scheduler: task %q: it is on node %q, not %q", id, now.Node, e.Node)
	case t == nil:
		return r.claim(e, now)
	case e.Status == TaskOrphan:
		return fmt.Errorf("scheduler: task %q: %w", id, berth.ErrTaskExists)
	}
	return r.taskRuns(e, t, now)
}

// is reports whether an event is of the present attempt of the task.
func (t *ownTask) is(e TaskEvent) bool {
	return e.Attempt == t.Attempt || e.Attempt == 0 && t.unnumbered
}

// run notes that the task runs.
func (t *ownTask) run(now time.Time) {
	if !t.runs {
		t.runs, t.began = true, now
	}
}

func otherAttempt(e TaskEvent, t *ownTask) error {
	return fmt.Errorf("scheduler: task %q: %w: %d, not %d", e.Task.ID, ErrOtherAttempt, e.Attempt, t.Attempt)
}

// taskRuns takes in that an own task runs.
func (r *runner) taskRuns(e TaskEvent, t *ownTask, now cluster.TaskView) error {
	if s, ok := r.own.stranded[t.Task.ID]; ok { // what was placed was not started, and is what runs
		if err := r.State.Confirm(t.Task.ID); err != nil {
			return err
		}
		r.launches.remove(r.launches.find(t.Placement, false))
		r.own.unstrand(s.Placement)
		t.Attempt = e.Attempt
		t.run(r.State.Now())
		r.report(Adopted, t.Placement, nil)
		return nil
	}
	if e.Attempt != t.Attempt && e.Attempt != 0 {
		return otherAttempt(e, t)
	}
	start := r.launches.find(t.Placement, false)
	if start != nil && start.begun {
		if err := r.State.Confirm(t.Task.ID); err != nil { // it is told of when Start returns
			return err
		}
		t.unnumbered = t.unnumbered || e.Attempt != t.Attempt
		return nil
	}
	if err := r.State.Confirm(t.Task.ID); err != nil {
		return err
	}
	t.unnumbered = t.unnumbered || e.Attempt != t.Attempt
	r.launches.remove(start) // it runs where it was to be started
	t.run(r.State.Now())
	if now.State == berth.Assumed {
		r.report(Started, t.Placement, nil)
	}
	return nil
}

// claim makes a task that the State has, and that runs by the Launcher's word, this Run's own.
func (r *runner) claim(e TaskEvent, now cluster.TaskView) error {
	p := placementOf(now)
	p.Attempt = e.Attempt
	if e.Status == TaskRunning || now.State == berth.Assumed {
		if err := r.State.Confirm(p.Task.ID); err != nil {
			return err
		}
	}
	t := &ownTask{Placement: p, runs: true, began: r.State.Now(), stopping: now.State == berth.Stopping}
	r.take(t)
	if t.stopping {
		r.launches.add(&launch{Placement: p, stop: true, at: r.State.Now()})
	}
	r.report(Adopted, p, nil)
	return nil
}

// take makes a task that was found running an own one. What waits under its ID is that task, unless it is to follow
// one that was cancelled.
func (r *runner) take(t *ownTask) {
	if w := r.Queue.find(t.Task.ID); w != nil && w.task.ID != "" && !t.stopping && !r.Queue.cancelling()[t.Task.ID] && r.Queue.take(w) {
		t.turn = w.turn
	}
	r.own.add(t)
}

// adopt takes in a task that the State does not have, or has as lost.
func (r *runner) adopt(e TaskEvent, lost bool) error {
	id := e.Task.ID
	w := r.Queue.find(id)
	if w != nil && w.task.ID == "" {
		w = nil // the demand of a daemon of that name
	}
	if e.Task.Group == nil {
		if old, ok := r.State.Task(id); ok {
			e.Task.Group = old.Group
		} else if w != nil {
			e.Task.Group = w.task.Group
		} else if demand, node := r.demandFor(id); demand != nil {
			e.Task.Group, e.Node = demand.task.Group, cmp.Or(e.Node, node)
		}
	}
	if err := e.Task.Err(); err != nil {
		return wrap(err)
	}
	if e.Node == "" {
		return fmt.Errorf("scheduler: task %q: runs, but no node is named", id)
	}
	if !r.State.hasNode(e.Node) {
		if r.tasksTold && e.Attempt > r.own.found {
			return noNode(e) // it was lost with it
		}
		r.own.strand(e)
		if r.nodesTold {
			r.withhold(e, noNode(e))
		}
		return nil
	}
	running := Running{Task: e.Task, Node: e.Node, Grant: e.Grant, State: berth.Running}
	kind := Adopted
	if e.Status == TaskOrphan && w == nil {
		running.State, kind = berth.Orphan, Orphaned
	}
	if lost {
		if t := r.own.tasks[id]; t != nil {
			r.own.remove(t)
		}
		_ = r.State.Release(id) // it fails only if the host released it in this very moment
	}
	if err := r.State.Adopt(running); err != nil {
		return err
	}
	r.own.unstrand(r.own.stranded[id].Placement)
	p := e.Placement
	if now, ok := r.State.Task(id); ok {
		p.Grant = now.Grant
	}
	r.take(&ownTask{Placement: p, runs: true, began: r.State.Now()})
	r.report(kind, p, nil)
	return nil
}

// withhold keeps a task that runs and cannot be adopted, and tells why, once.
func (r *runner) withhold(e TaskEvent, why error) {
	r.own.strand(e)
	s := r.own.stranded[e.Task.ID]
	if s.why == why.Error() {
		return
	}
	s.why = why.Error()
	r.own.stranded[e.Task.ID] = s
	r.report(Withheld, e.Placement, why)
}

// noNode is why a task on a node that is not there cannot be adopted.
func noNode(e TaskEvent) error {
	return fmt.Errorf("scheduler: task %q: node %q: %w", e.Task.ID, e.Node, berth.ErrUnknownNode)
}

// demandFor returns what waits for the instances of the daemon group that an ID is one of, and the node of the instance.
// An '@' is in no other ID, and may be in the node's.
func (r *runner) demandFor(id string) (demand *waiting, node string) {
	group, node, ok := strings.Cut(id, "@")
	if !ok {
		return nil, ""
	}
	if demand = r.Queue.find(group); demand == nil || demand.task.ID != "" {
		return nil, ""
	}
	return demand, node
}

// adoptWithheld tries again to adopt tasks that were found running without a word of their group, now that what waits
// may name it.
func (r *runner) adoptWithheld(waits []*waiting) {
	for _, w := range waits {
		for _, id := range r.own.strandedAs(w.name()) {
			e := r.own.stranded[id]
			if e.Task.Group != nil || r.launches.find(e.Placement, true) != nil {
				continue
			}
			if err := r.taskEvent(e.TaskEvent); err != nil {
				r.withhold(e.TaskEvent, err)
			}
		}
	}
}

// startWithheld starts the instance of a daemon that was placed while one of its ID ran elsewhere.
func (r *runner) startWithheld(id string) {
	if t := r.own.tasks[id]; t != nil {
		if j := r.launches.find(t.Placement, false); r.launches.remove(j) {
			r.launches.add(&launch{Placement: j.Placement, turn: j.turn, at: later(r.State.Now(), r.backoff.at(id))})
		}
	}
}

// later returns the later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// arrived adopts the tasks that were found running on a node before it came.
func (r *runner) arrived(node string) {
	if len(r.own.awaited[node]) == 0 || !r.State.hasNode(node) {
		return
	}
	for _, id := range slices.Sorted(maps.Keys(r.own.awaited[node])) {
		e := r.own.stranded[id]
		if j := r.launches.find(e.Placement, true); j != nil {
			r.own.unstrand(e.Placement)
			r.startWithheld(id)
			continue // it was cancelled, and is being stopped
		}
		switch err := r.taskEvent(e.TaskEvent); {
		case err != nil && r.knows(id):
			r.own.unstrand(e.Placement)
			r.report(Failed, e.Placement, err)
		case err != nil:
			r.withhold(e.TaskEvent, err)
		}
	}
}

// taskEnded takes in that a task ended, or is lost.
func (r *runner) taskEnded(e TaskEvent) error {
	id := e.Task.ID
	if s, ok := r.own.stranded[id]; ok && s.Attempt == e.Attempt && (e.Node == "" || s.Node == "" || e.Node == s.Node) {
		r.own.unstrand(s.Placement)
		if j := r.launches.find(s.Placement, true); !r.launches.remove(j) && j != nil {
			j.over = true
		}
		r.all = true
		r.startWithheld(id)
		r.report(endKind(e, false), s.Placement, nil)
		return nil
	}
	now, known := r.State.Task(id)
	t := r.own.tasks[id]
	switch {
	case !known:
		return fmt.Errorf("scheduler: task %q: %w", id, berth.ErrUnknownTask)
	case t == nil && (e.Node != now.Node || r.State.ownedByOther(r.feed, id)):
		return fmt.Errorf("scheduler: task %q: %w", id, ErrNotOurs)
	case t == nil: // it was that of a Run that has ended
		t = &ownTask{Placement: placementOf(now), stopping: now.State == berth.Stopping}
		t.Attempt = e.Attempt
	case t.lost:
		if !t.is(e) {
			return otherAttempt(e, t)
		}
		r.release(t) // it was reported as lost
		return nil
	case e.Node != "" && e.Node != t.Node:
		return fmt.Errorf("scheduler: task %q: it is on node %q, not %q", id, t.Node, e.Node)
	case !t.is(e):
		return otherAttempt(e, t)
	}
	for _, stop := range []bool{false, true} {
		if j := r.launches.find(t.Placement, stop); !r.launches.remove(j) && j != nil {
			j.over = true
		}
	}
	r.release(t)
	at := r.State.Now()
	settled := t.runs && at.Sub(t.began) >= r.RetryAtMost
	if settled || t.stopping {
		r.backoff.clear(id)
	}
	if t.Task.Group.Mode() == berth.Daemon || !settled && !t.stopping {
		r.backoff.fail(id, at) // a daemon's instance is placed again at once, and started again in time
	}
	if t.moving {
		r.Queue.putBack(t.Task, t.turn)
		return nil
	}
	r.report(endKind(e, t.stopping), t.Placement, nil)
	return nil
}

func placementOf(t cluster.TaskView) Placement {
	return Placement{Task: t.Task, Node: t.Node, Grant: t.Grant}
}

func endKind(e TaskEvent, stopping bool) EventKind {
	switch {
	case stopping:
		return Stopped
	case e.Status == TaskLost:
		return Lost
	}
	return Exited
}

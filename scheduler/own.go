package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
)

// ownTask is a task that is a Run's own: it placed it, or its Launcher reported that it runs.
type ownTask struct {
	Placement
	turn       uint64    // of the Submit that it came from; 0 if it was found running
	runs       bool      // the Launcher said so
	began      time.Time // when it began to run, as far as known
	lost       bool      // its node went away: the State knows it as lost
	stopping   bool      // it was cancelled, or
	moving     bool      // is to run elsewhere
	unnumbered bool      // the Launcher reported it without its number
}

// strandedTask is a task that runs and could not be adopted.
type strandedTask struct {
	TaskEvent
	why string // as it was last told; empty if it was not
}

// ownTasks are those of one Run.
type ownTasks struct {
	tasks   map[string]*ownTask
	daemons map[string]map[string]*ownTask // instances, by group and ID
	state   *State
	feed    *feed
	found   uint64 // numbers up to this one were given before this Run began to place
	attempt uint64 // the greatest number of a placement that was given or seen

	// Tasks that run and could not be adopted, as those on nodes that the State does not have: by ID, by node, and those
	// that are instances of daemons by group.
	stranded map[string]strandedTask
	awaited  map[string]map[string]bool
	instance map[string]map[string]bool
}

func newOwnTasks(s *State, f *feed) ownTasks {
	return ownTasks{
		state:    s,
		feed:     f,
		tasks:    map[string]*ownTask{},
		daemons:  map[string]map[string]*ownTask{},
		stranded: map[string]strandedTask{},
		awaited:  map[string]map[string]bool{},
		instance: map[string]map[string]bool{},
	}
}

// of returns the own task that a placement is the present attempt of, or nil.
func (o *ownTasks) of(p Placement) *ownTask {
	if t := o.tasks[p.Task.ID]; t != nil && t.Attempt == p.Attempt {
		return t
	}
	return nil
}

func (o *ownTasks) add(t *ownTask) {
	o.tasks[t.Task.ID] = t
	o.state.own(o.feed, t.Task.ID)
	if g := t.Task.Group; g.Mode() == berth.Daemon {
		if o.daemons[g.Name()] == nil {
			o.daemons[g.Name()] = map[string]*ownTask{}
		}
		o.daemons[g.Name()][t.Task.ID] = t
	}
}

func (o *ownTasks) remove(t *ownTask) {
	o.state.disown(o.feed, t.Task.ID)
	if delete(o.tasks, t.Task.ID); len(o.tasks) == 0 {
		o.tasks = map[string]*ownTask{} // a map keeps the room it once needed
	}
	if g := t.Task.Group; g.Mode() == berth.Daemon {
		if delete(o.daemons[g.Name()], t.Task.ID); len(o.daemons[g.Name()]) == 0 {
			delete(o.daemons, g.Name())
		}
	}
}

// strand keeps a task that runs and cannot be adopted yet, as on a node that is not known.
func (o *ownTasks) strand(e TaskEvent) {
	why := o.stranded[e.Task.ID].why
	o.unstrand(o.stranded[e.Task.ID].Placement)
	o.stranded[e.Task.ID] = strandedTask{e, why}
	if o.awaited[e.Node] == nil {
		o.awaited[e.Node] = map[string]bool{}
	}
	o.awaited[e.Node][e.Task.ID] = true
	if group, _, ok := strings.Cut(e.Task.ID, "@"); ok {
		if o.instance[group] == nil {
			o.instance[group] = map[string]bool{}
		}
		o.instance[group][e.Task.ID] = true
	}
}

// strandedAs returns the IDs of the stranded tasks of a name: the task itself, and the instances of the daemon group.
func (o *ownTasks) strandedAs(name string) []string {
	ids := slices.Sorted(maps.Keys(o.instance[name]))
	if _, ok := o.stranded[name]; ok {
		ids = append(ids, name)
	}
	return ids
}

// unstrand drops a stranded task, and reports whether there was one of that ID and attempt.
func (o *ownTasks) unstrand(p Placement) bool {
	e, ok := o.stranded[p.Task.ID]
	if !ok || e.Attempt != p.Attempt {
		return false
	}
	delete(o.stranded, p.Task.ID)
	if delete(o.awaited[e.Node], p.Task.ID); len(o.awaited[e.Node]) == 0 {
		delete(o.awaited, e.Node)
	}
	if group, _, ok := strings.Cut(p.Task.ID, "@"); ok {
		if delete(o.instance[group], p.Task.ID); len(o.instance[group]) == 0 {
			delete(o.instance, group)
		}
	}
	return true
}

// observe takes in what happened to the State. It comes before everything that relies on what is known of own tasks.
func (r *runner) observe() {
	news := r.State.read(r.feed)
	r.all = r.all || news.room || news.opened || news.unsure
	for _, e := range news.ended {
		if r.ended(e.task, e.how); e.how == endLost && r.own.tasks[e.task] == nil {
			r.lostByNobody(e)
		}
	}
	if news.unsure {
		for _, id := range slices.Sorted(maps.Keys(r.own.tasks)) {
			how := endReleased
			if now, ok := r.State.Task(id); ok && now.State == berth.Lost {
				how = endLost
			}
			r.ended(id, how)
		}
	}
	if len(r.own.stranded) > 0 {
		for _, node := range news.nodes {
			r.arrived(node)
		}
	}
}

// expire ends what was assumed for too long. What is nobody's is told of here; each Run sees its own.
func (r *runner) expire() {
	tasks, _, _ := r.State.Expire() // that the State is stopped ends the loop
	for _, t := range tasks {
		if r.own.tasks[t.ID] == nil && !r.State.ownedByOther(r.feed, t.ID) {
			r.report(Expired, placementOf(t), nil)
		}
	}
}

// lostByNobody tells of a task that went with its node and is no Run's: one that an earlier Run left, or the host's.
func (r *runner) lostByNobody(e ending) {
	if now, ok := r.State.Task(e.task); ok && now.State == berth.Lost && !r.State.ownedByOther(r.feed, e.task) && r.State.isFirst(r.feed) {
		r.report(Lost, Placement{Task: now.Task, Node: e.node}, nil)
	}
}

// ended takes in that an own task is on its node no longer, by the doing of the host, of another Run, or of the
// Inventory.
func (r *runner) ended(id string, how endingKind) {
	t := r.own.tasks[id]
	if t == nil {
		return
	}
	if now, ok := r.State.Task(id); ok && now.Node == t.Node {
		return // that was before it was placed where it is
	}
	start := r.launches.find(t.Placement, false)
	unbegun := r.launches.remove(start)
	switch how {
	case endReleased:
		r.own.remove(t)
		if start != nil && t.moving {
			start.again = true
		}
		return // who released it knows; a Start under way is stopped when it returns
	case endExpired:
		r.own.remove(t)
		if start != nil && !unbegun {
			start.again = true // it waits until that call has returned, lest the task runs twice
		} else {
			r.Queue.putBack(t.Task, t.turn)
		}
		r.report(Expired, t.Placement, nil)
		return
	}
	if t.lost {
		return
	}
	if unbegun { // it never ran
		r.release(t)
		r.Queue.putBack(t.Task, t.turn)
		return
	}
	t.lost = true
	r.backoff.clear(t.Task.ID)
	r.report(Lost, t.Placement, nil)
}

// release gives back the room of an own task, which is no longer one. That the host releases it in the same moment is
// as well.
func (r *runner) release(t *ownTask) {
	r.own.remove(t)
	if now, ok := r.State.Task(t.Task.ID); ok && (now.Node == t.Node || now.Node == "") {
		_ = r.State.Release(t.Task.ID)
	}
}

// cancel stops what was cancelled after it was placed.
func (r *runner) cancel(cancels []cancelled) {
	for _, c := range cancels {
		known := c.waited
		r.backoff.clear(c.name)
		if _, kept := r.keeping[c.name]; kept && c.waited {
			delete(r.keeping, c.name)
			r.all = true // others may have the room
		}
		if j := r.launches.first[c.name]; j != nil && j.again && j.turn < c.turn {
			j.again, known = false, true // it is stopped, and not placed again
		}
		r.ownIfNobodys(c.name)
		if t := r.own.tasks[c.name]; t != nil && t.turn < c.turn {
			known = true
			r.stop(t)
		}
		for _, id := range slices.Sorted(maps.Keys(r.own.daemons[c.name])) {
			if t := r.own.daemons[c.name][id]; t != nil && t.turn < c.turn {
				known = true
				r.stop(t)
			}
		}
		for _, id := range r.own.strandedAs(c.name) {
			known = true
			if e := r.own.stranded[id]; r.launches.find(e.Placement, true) == nil {
				r.launches.add(&launch{Placement: e.Placement, stop: true, at: r.State.Now()})
			}
		}
		if !known {
			r.report(Unknown, Placement{Task: berth.Task{ID: c.name}}, fmt.Errorf("task %q: %w", c.name, berth.ErrUnknownTask))
		}
	}
}

// ownIfNobodys makes a task of the State an own one, if it is no other Run's: to stop it.
func (r *runner) ownIfNobodys(id string) {
	if r.own.tasks[id] != nil {
		return
	}
	if now, ok := r.State.Task(id); ok && !r.State.ownedByOther(r.feed, id) {
		r.own.add(&ownTask{Placement: placementOf(now), lost: now.State == berth.Lost})
	}
}

// stop has an own task stopped. One that is being started is stopped when that call returns.
func (r *runner) stop(t *ownTask) {
	start := r.launches.find(t.Placement, false)
	if stop := r.launches.find(t.Placement, true); stop != nil {
		stop.again = false // it was to run elsewhere, and is not any more
	}
	switch t.moving = false; {
	case t.lost || r.launches.remove(start):
		r.release(t)
		r.backoff.clear(t.Task.ID)
		r.report(Stopped, t.Placement, nil)
	default:
		r.halt(t, start)
	}
}

// halt has an own task stopped that is started already, or is being started.
func (r *runner) halt(t *ownTask, start *launch) {
	if t.stopping || r.State.Stop(t.Task.ID) != nil {
		return // it is on its way, or gone in this very moment, which observe will see
	}
	t.stopping = true
	if start == nil {
		r.launches.add(&launch{Placement: t.Placement, stop: true, turn: t.turn, at: r.State.Now(), again: t.moving})
	}
}

package scheduler

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/berth-sched/berth"
)

// launch is one call of Start or Stop: to come, or under way.
type launch struct {
	Placement
	stop     bool
	turn     uint64 // of the Submit that the task came from
	at       time.Time
	failures int  // of a stop
	begun    bool // it is under way
	over     bool // the launcher reported the task's end meanwhile
	again    bool // the task is placed again when this is over: it expired meanwhile, or is to run elsewhere

	slot *entry[*launch] // on the agenda: only the first of a task's launches that is not begun
	next *launch         // of the same task
}

// launches are those that are to come or under way. Those of one task follow each other: one begins when the one
// before it is done.
type launches struct {
	agenda   agenda[*launch]
	first    map[string]*launch // of each task
	underWay int
}

func newLaunches() launches {
	return launches{agenda: newAgenda[*launch](), first: map[string]*launch{}}
}

// add puts a launch behind those of its task.
func (l *launches) add(j *launch) {
	last := l.first[j.Task.ID]
	if last == nil {
		l.first[j.Task.ID] = j
		j.slot = l.agenda.add(j.at, j)
		return
	}
	for last.next != nil {
		last = last.next
	}
	last.next = j
}

// addFirst puts a launch before those of its task, none of which is under way.
func (l *launches) addFirst(j *launch) {
	if j.next = l.first[j.Task.ID]; j.next != nil {
		l.agenda.remove(j.next.slot)
		j.next.slot = nil
	}
	l.first[j.Task.ID] = j
	j.slot = l.agenda.add(j.at, j)
}

// find returns the launch of an attempt, a Stop or a Start, or nil.
func (l *launches) find(p Placement, stop bool) *launch {
	j := l.first[p.Task.ID]
	for j != nil && (j.Attempt != p.Attempt || j.stop != stop) {
		j = j.next
	}
	return j
}

// remove takes out a launch that is not begun, and reports whether there was one.
func (l *launches) remove(j *launch) bool {
	if j == nil || j.begun {
		return false
	}
	if first := l.first[j.Task.ID]; first != j {
		for first.next != j {
			first = first.next
		}
		first.next = j.next
		return true
	}
	l.agenda.remove(j.slot)
	l.advance(j)
	return true
}

// advance makes the launch after the first of a task the first one.
func (l *launches) advance(j *launch) {
	if j.next == nil {
		delete(l.first, j.Task.ID)
		return
	}
	l.first[j.Task.ID] = j.next
	j.next.slot = l.agenda.add(j.next.at, j.next)
}

// begin returns the next launch whose time has come, or nil.
func (l *launches) begin(now time.Time) *launch {
	j, ok := l.agenda.pop(now)
	if !ok {
		return nil
	}
	j.slot, j.begun = nil, true
	l.underWay++
	return j
}

func (l *launches) next() (time.Time, bool) { return l.agenda.next() }

// dispatch begins the launches whose time has come, as far as calls are free.
func (r *runner) dispatch(ctx context.Context) {
	if r.launches.underWay >= r.Launches || ctx.Err() != nil {
		return
	}
	now := r.State.Now()
	for r.launches.underWay < r.Launches {
		j := r.launches.begin(now)
		if j == nil {
			return
		}
		call := r.Launcher.Start
		if j.stop {
			call = r.Launcher.Stop
		}
		go guard(
			func() error { return call(ctx, j.Placement) },
			func(err error) { r.work <- func() { r.landed(j, err) } },
		)
	}
}

// land takes back what was not begun, and waits for the calls under way. Run's context has ended. Whatever host code
// does meanwhile, every call is waited for.
func (r *runner) land() {
	step := func(f func()) {
		guard(func() error { f(); return nil }, func(err error) {
			if err != nil {
				r.fail(err)
			}
		})
	}
	for r.launches.underWay > 0 {
		step(<-r.work)
	}
	step(r.observe)
	for j := r.launches.begin(farAway); j != nil; j = r.launches.begin(farAway) {
		step(func() { r.takeBack(j) })
		r.launches.advance(j)
	}
}

// farAway is after everything on an agenda.
var farAway = time.Unix(1<<60, 0)

// takeBack gives up a launch that was not begun.
func (r *runner) takeBack(j *launch) {
	t := r.own.of(j.Placement)
	switch {
	case !j.stop && t != nil:
		r.release(t)
		r.Queue.putBack(j.Task, j.turn)
	case j.stop:
		if j.again {
			r.Queue.putBack(j.Task, j.turn)
		}
		r.report(Uncertain, j.Placement, errors.New("not stopped: Run has ended"))
	}
}

func (r *runner) landed(j *launch, err error) {
	r.launches.underWay-- // whatever happens below
	panicked := isPanic(err)
	if panicked {
		what := "Start"
		if j.stop {
			what = "Stop"
		}
		r.fail(fmt.Errorf("launcher: %s of %v: %w", what, j.Placement, err))
	}
	r.observe()
	if j.stop && err != nil && !j.over {
		r.notStopped(j, err)
		return
	}
	r.launches.advance(j)
	switch {
	case j.over:
		// There is nothing left to do for it.
	case j.stop:
		r.stopped(j)
	default:
		r.started(j, err, panicked || uncertain(err))
	}
}

func (r *runner) started(j *launch, err error, uncertain bool) {
	t := r.own.of(j.Placement)
	switch {
	case err == nil && t != nil && t.lost:
		// It was reported when its node went.
	case err == nil && t != nil:
		if err := r.State.Confirm(j.Task.ID); err != nil {
			r.observe() // it was lost or released in this very moment
			if r.own.of(j.Placement) == nil {
				r.started(j, nil, false)
			}
			return
		}
		t.run(r.State.Now())
		r.report(Started, j.Placement, nil)
		r.stopNext(t)
	case uncertain && t != nil && t.lost:
		// It is as lost as if it had started.
	case err == nil || uncertain && t == nil:
		// It runs, or may run, but has no room: it expired or was released by the host. Whatever is to come of its ID
		// waits until it is stopped.
		if uncertain {
			r.report(Uncertain, j.Placement, err)
		}
		r.launches.addFirst(&launch{Placement: j.Placement, stop: true, turn: j.turn, at: r.State.Now(), again: j.again})
	case uncertain:
		r.report(Uncertain, j.Placement, err)
		r.stopNext(t)
	default:
		now := r.State.Now()
		r.backoff.fail(j.Task.ID, now)
		if g := j.Task.Group; g.Mode() != berth.Daemon { // an instance has one node
			r.backoff.shun(g.Name(), j.Node, now)
		}
		again := j.again
		if t != nil {
			r.release(t)
			again = !t.stopping || t.moving
		}
		if again {
			r.Queue.putBack(j.Task, j.turn)
		}
		r.report(Failed, j.Placement, err)
		if t != nil && !again {
			r.backoff.clear(j.Task.ID)
			r.report(Stopped, j.Placement, nil)
		}
	}
}

// stopNext stops a task that was cancelled while it was being started.
func (r *runner) stopNext(t *ownTask) {
	if t.stopping && r.own.of(t.Placement) == t {
		r.launches.add(&launch{Placement: t.Placement, stop: true, turn: t.turn, at: r.State.Now(), again: t.moving})
	}
}

// uncertain reports whether a Start that failed does not know whether the task runs.
func uncertain(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// notStopped has a stop that failed tried again, later. What ran on a node that is gone is nobody's to stop.
func (r *runner) notStopped(j *launch, err error) {
	if _, stranded := r.own.stranded[j.Task.ID]; !stranded && !r.State.hasNode(j.Node) {
		r.launches.advance(j)
		r.stopped(j)
		return
	}
	j.at = r.State.Now().Add(r.backoff.wait(j.failures))
	j.failures++
	j.begun = false
	j.slot = r.launches.agenda.add(j.at, j)
	r.report(Failed, j.Placement, err)
}

func (r *runner) stopped(j *launch) {
	if t := r.own.of(j.Placement); t != nil {
		r.release(t)
		r.backoff.clear(t.Task.ID)
	}
	if j.again {
		r.Queue.putBack(j.Task, j.turn)
		return
	}
	if r.own.unstrand(j.Placement) {
		r.startWithheld(j.Task.ID)
	}
	r.report(Stopped, j.Placement, nil)
}

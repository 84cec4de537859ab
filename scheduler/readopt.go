package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// Readopt records what became of tasks by other doings than the State's: one that runs on another node, with other resources or
// another grant, with another revision of its group, or that was lost and is back, is from now on what is said of it, and one that the State
// does not know is adopted. It is one step: no task is gone meanwhile, and none is if one is at fault. As for [State.Adopt], room and
// rules are not asked: it is a fact. Where there is to be room first, commit a [cluster.Plan.Replace].
func (s *State) Readopt(running ...Running) error {
	running = slices.Clone(running)
	for i := range running {
		if running[i].State == berth.Assumed {
			running[i].State = berth.Running
		}
	}
	return s.change(len(running), Command{Readopted: running})
}

// Renew sets when assumed tasks expire: sooner or later than they would have, or, with the zero time, never. It fails for tasks that are
// not assumed, since those do not expire, and for a time that has passed, and then changes nothing. It wakes nobody: a plan could use no
// more than before.
func (s *State) Renew(until time.Time, tasks ...string) error {
	switch {
	case s == nil:
		return errNoState
	case len(tasks) == 0:
		return nil
	}
	s.lock()
	defer s.unlock()
	now, until := s.now(), until.Round(0).UTC()
	if !until.IsZero() && store.DeadlineOf(until) <= store.Reached(now) {
		return fmt.Errorf("scheduler: renew: %v has passed", until)
	}
	return s.apply(Command{Time: now, Renewed: tasks, Deadline: until})
}

// readopt makes tasks what they are said to be, whatever they were. Where it fails, with every fault, what it has done is to be
// undone.
func (l *live) readopt(running []Running) error {
	for i := range running {
		id := running[i].Task.ID
		if _, known := l.fork.Task(id); known {
			l.do(&berth.Op{Kind: berth.Release, ID: id}, time.Time{}, store.Pick{})
		}
	}
	return l.adopt(running)
}

// renew has assumed tasks expire at another time; the zero time is never. Where it fails, with every fault, what it has done is to be
// undone.
func (l *live) renew(ids []string, until time.Time) error {
	var errs []error
	for _, id := range ids {
		switch t, ok := l.fork.Task(id); {
		case !ok:
			errs = append(errs, fmt.Errorf("task %q: %w", id, berth.ErrUnknownTask))
		case t.State != berth.Assumed:
			errs = append(errs, fmt.Errorf("task %q: %v, and does not expire", id, t.State))
		default:
			if !t.Deadline.IsZero() {
				l.tasks.remove(t.Deadline, id)
			}
			l.mustMark(id, berth.Assumed, until)
			if !until.IsZero() {
				l.tasks.add(until, id)
			}
		}
	}
	return errors.Join(errs...)
}

package scheduler

import (
	"context"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
)

// Observer is functions of the host's that are told what a Scheduler does, for metrics and traces. Each may be nil, and a
// Scheduler whose Observer has none neither reads a clock nor allocates for it. Nothing that they do or return decides anything.
//
// They are called one call after another in the goroutine that called the Scheduler, or that of a Run, when all is done and
// without any lock, so that they may call the Scheduler and its source. A Scheduler that several goroutines use calls them at the
// same time. A panic in one is dropped: what was committed is the caller's to know of.
type Observer struct {
	// Planned is told of each plan that was made or failed, by Plan or on the way of another method.
	Planned func(Planned)
	// Committed is told of each plan that was handed to the source.
	Committed func(Committed)
	// Waiting is told how many tasks and demands are in the Queue of a [Run] that has this Scheduler, whenever it has planned and
	// that number is not what it told last.
	Waiting func(tasks int)
	// Now is the clock by which durations are measured. It is called under the locks of the Scheduler and the State, and must call
	// neither. The default is time.Now.
	Now func() time.Time
}

// Planned is what became of a plan.
type Planned struct {
	Version  cluster.Version // of the snapshot
	Took     time.Duration   // without the wait for other plans; 0 where the clock went back
	Tasks    int             // that it was made for; the demand of a daemon is one
	Placed   int             // placements in the plan
	Unplaced int
	Err      error // why there is no plan
}

// Committed is what became of a plan that was handed to the source.
type Committed struct {
	Version  cluster.Version // of the source afterwards
	Took     time.Duration   // 0 where the clock went back
	Attempt  int             // of the call, from 1; more are made when others commit at the same time
	Placed   int
	Refused  int
	Unplaced int   // by the plan
	Err      error // why nothing was committed
}

// watch is what is noted for an Observer while a Scheduler works. A nil one notes nothing.
type watch struct {
	*Observer
	since time.Time
	tells []func()
}

func (s *Scheduler) watch() *watch {
	o := &s.cfg.Observer
	if o.Planned == nil && o.Committed == nil {
		return nil
	}
	return &watch{Observer: o}
}

// start begins to measure.
func (w *watch) start() {
	if w != nil {
		w.since = w.Now()
	}
}

func (w *watch) took() time.Duration { return max(w.Now().Sub(w.since), 0) }

// planned notes a plan.
func (w *watch) planned(of cluster.Version, tasks int, p *cluster.Plan, err error) {
	if w == nil || w.Planned == nil {
		return
	}
	told := Planned{Version: of, Took: w.took(), Tasks: tasks, Err: err}
	if p != nil {
		for i := range p.Ops {
			if p.Ops[i].Kind == berth.Place {
				told.Placed++
			}
		}
		told.Unplaced = len(p.Unplaced)
	}
	w.tells = append(w.tells, func() { w.Planned(told) })
}

// committed notes a commit.
func (w *watch) committed(attempt int, out *cluster.Outcome, err error) {
	if w == nil || w.Committed == nil {
		return
	}
	told := Committed{Took: w.took(), Attempt: attempt, Err: err}
	if out != nil {
		told.Version, told.Placed, told.Refused, told.Unplaced = out.Version, len(out.Placed), len(out.Refused), len(out.Unplaced)
	}
	w.tells = append(w.tells, func() { w.Committed(told) })
}

// tell tells what was noted. It is for after the locks have been given back.
func (w *watch) tell() {
	if w != nil {
		for _, f := range w.tells {
			faults.Drop(f)
		}
	}
}

// commitTo hands a plan to the source.
func (s *Scheduler) commitTo(ctx context.Context, p *cluster.Plan, attempt int) (*cluster.Outcome, error) {
	w := s.watch()
	defer w.tell()
	w.start()
	out, err := s.source.Commit(ctx, p)
	w.committed(attempt, out, err)
	if err != nil {
		return nil, faults.Of("scheduler: commit", err)
	}
	return out, nil
}

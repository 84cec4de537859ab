package scheduler

import (
	"context"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
	"github.com/berth-sched/berth/internal/store"
)

// Schedule takes a snapshot, plans the tasks and commits the plan. Tasks whose placement was refused
// because others changed the source meanwhile are planned again on a newer snapshot, Config.Attempts times
// in all; what is still refused then is in the outcome. It fails, having committed nothing, if a task is at
// fault, and otherwise only if the source or the context does; the outcome then tells what was done before. Planning stops
// soon after the context has ended, and then nothing of the plan is committed.
//
// What [berth.Denied] refuses keeps no room from the others: those that found none are planned once more without it.
//
// On a [State], and with a strategy that does not rate every node for every task (see [placement.Strategy.Rescans]), all is
// one step under the State's lock: nothing comes between, and nothing is copied that a snapshot would have kept. The outcome is that
// of the three steps, had the tasks that [StateConfig.Admit] refuses not been given. Other callers of the State wait
// meanwhile, some microseconds for each task; to plan without its lock, call Snapshot, Plan and Commit.
func (s *Scheduler) Schedule(ctx context.Context, tasks ...berth.Task) (*cluster.Outcome, error) {
	return s.schedule(ctx, nil, tasks)
}

// schedule is Schedule, with room kept for daemons whose demands are not planned.
func (s *Scheduler) schedule(ctx context.Context, silent, tasks []berth.Task) (*cluster.Outcome, error) {
	total := &cluster.Outcome{}
	if err := s.usable(ctx); err != nil {
		return total, err
	}
	var denied rest // a daemon group with an instance that was is not planned again for the sake of others
	for attempt := 1; ; {
		out, err := s.round(ctx, silent, tasks, attempt)
		if err != nil {
			return total, err
		}
		total.Version = out.Version
		if len(total.Placed) == 0 {
			total.Placed = out.Placed
		} else {
			total.Placed = append(slices.Clip(total.Placed), out.Placed...)
		}
		var again rest
		crowded := false // by what is not to be
		for _, r := range out.Refused {
			switch {
			case attempt < s.cfg.Attempts && mayPass(r):
				again.add(r.Op.Task)
			case s.state == nil && r.Op.Kind == berth.Place && r.Reason.Code == berth.Denied:
				crowded = true
				denied.add(r.Op.Task)
			}
		}
		if len(again.tasks) > 0 {
			attempt++
		}
		if crowded {
			for _, u := range out.Unplaced {
				if u.Why != nil && !u.Task.IsDemand() && !denied.has(u.Task) {
					again.add(u.Task)
				}
			}
		}
		// What is planned again is told of when it has been.
		for _, r := range out.Refused {
			if !again.has(r.Op.Task) {
				total.Refused = append(total.Refused, r)
			}
		}
		if len(total.Unplaced) == 0 && len(again.tasks) == 0 {
			total.Unplaced = out.Unplaced // all of a large batch, where nothing fits: it is not copied
		} else {
			for _, u := range out.Unplaced {
				if !again.has(u.Task) {
					total.Unplaced = append(total.Unplaced, u)
				}
			}
		}
		if len(again.tasks) == 0 {
			return total, nil
		}
		for _, t := range tasks {
			if t.IsDemand() && !again.has(t) {
				silent = append(slices.Clip(silent), t)
			}
		}
		tasks = again.tasks
	}
}

// round is one attempt of Schedule.
func (s *Scheduler) round(ctx context.Context, silent, tasks []berth.Task, attempt int) (*cluster.Outcome, error) {
	if s.state != nil {
		return s.roundOn(ctx, silent, tasks, attempt)
	}
	tasks, denied, err := s.notDenied(tasks)
	if err != nil {
		return nil, err
	}
	snapshot, err := s.source.Snapshot(ctx)
	if err != nil {
		return nil, faults.Of("scheduler: snapshot", err)
	}
	plan, err := s.planBeside(ctx, snapshot, silent, tasks)
	if err != nil {
		return nil, err
	}
	out, err := s.commitTo(ctx, plan, attempt)
	if err != nil {
		return nil, err
	}
	if attempt == 1 {
		s.Arrived(snapshot, tasks...)
	}
	if len(denied) > 0 {
		whole := *out
		whole.Unplaced = slices.Concat(denied, out.Unplaced)
		out = &whole
	}
	return out, nil
}

// roundOn is round on a State. It returns in few places, so that its defers cost next to nothing.
func (s *Scheduler) roundOn(ctx context.Context, silent, tasks []berth.Task, attempt int) (out *cluster.Outcome, err error) {
	if err = checkTasks(tasks); err != nil {
		return nil, err
	}
	w := s.watch()
	defer w.tell()
	s.mu.Lock()
	defer s.mu.Unlock()
	planned := false
	out, err = s.state.decide(ctx, func(now *cluster.Snapshot, gate *gate) (*cluster.Plan, []cluster.Refusal, error) {
		w.start()
		plan, denied, err := s.plan(ctx, now, tasks, silent, gate)
		w.planned(now.Version(), len(tasks), plan, err)
		w.start()
		planned = err == nil
		return plan, denied, err
	}, func() []store.Pick { return s.planner.picks })
	if planned {
		w.committed(attempt, out, err)
	}
	switch {
	case err != nil:
		out, err = nil, fmt.Errorf("scheduler: schedule: %w", err)
	case attempt == 1:
		s.learn(tasks)
	}
	return out, err
}

// notDenied returns the tasks without those that the source denies, and those as unplaced.
func (s *Scheduler) notDenied(tasks []berth.Task) (rest []berth.Task, denied []cluster.Unplaced, err error) {
	source, ok := s.source.(denier)
	if !ok {
		return tasks, nil, nil
	}
	if err := checkTasks(tasks); err != nil {
		return nil, nil, err
	}
	var last *berth.Group
	var why berth.Reason
	for i, t := range tasks {
		if t.Group != last {
			last, why = t.Group, source.Denies(t.Group)
		}
		switch {
		case why.Code == berth.None && denied != nil:
			rest = append(rest, t)
		case why.Code != berth.None:
			if denied == nil {
				rest = slices.Clone(tasks[:i])
			}
			denied = append(denied, cluster.Unplaced{Task: t, Reason: why})
		}
	}
	if denied == nil {
		return tasks, nil, nil
	}
	return rest, denied, nil
}

// rest is what is to be planned again: tasks, and of daemon groups the demand.
type rest struct {
	tasks   []berth.Task
	known   map[string]bool // tasks
	daemons map[string]bool // by name
}

func (r *rest) add(t berth.Task) {
	if r.has(t) {
		return
	}
	if r.known == nil {
		r.known, r.daemons = map[string]bool{}, map[string]bool{}
	}
	if t.Group.Mode() == berth.Daemon {
		r.daemons[t.Group.Name()] = true
		t = t.Group.Everywhere()
	} else {
		r.known[t.ID] = true
	}
	r.tasks = append(r.tasks, t)
}

func (r *rest) has(t berth.Task) bool {
	if t.Group.Mode() == berth.Daemon {
		return r.daemons[t.Group.Name()]
	}
	return r.known[t.ID]
}

// mayPass reports whether a refused operation may be done on a newer snapshot.
func mayPass(r cluster.Refusal) bool {
	switch r.Reason.Code {
	case berth.TaskExists, berth.Denied, berth.Invalid:
		return false
	}
	return r.Op.Kind == berth.Place
}

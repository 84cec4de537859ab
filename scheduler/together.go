package scheduler

import (
	"context"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
)

// PlanWhole is [Scheduler.Plan] for tasks of several groups that only make sense together, such as the gang of workers of a job and
// the gang of its servers: either the plan places them all and says so ([cluster.Plan.Whole]), so that a commit does all of it or
// nothing, or it places none. Of a gang as many as its size are needed, and more are placed as far as there is room; of a daemon
// every instance is. A task that exists already is there, and keeps none of the others out.
//
// Where it places none, what has no place is unplaced with its own reason, and all else with [berth.NotWhole], which names the first
// that has none. It costs what Plan does.
func (s *Scheduler) PlanWhole(ctx context.Context, snapshot *cluster.Snapshot, tasks ...berth.Task) (*cluster.Plan, error) {
	plan, err := s.Plan(ctx, snapshot, tasks...)
	if err != nil {
		return nil, err
	}
	return whollyOrNot(plan), nil
}

// whollyOrNot makes of a plan one that is done whole, or where something is lacking one that does nothing.
func whollyOrNot(plan *cluster.Plan) *cluster.Plan {
	gangs := map[string]bool{}
	for _, name := range plan.Together {
		gangs[name] = true
	}
	lacking := func(u cluster.Unplaced) bool {
		switch {
		case u.Reason.Code == berth.TaskExists:
			return false
		case u.Task.Group.Mode() == berth.Gang && u.Reason.Code != berth.GangIncomplete:
			return !gangs[u.Task.Group.Name()] // else it is more than the gang needs
		}
		return true
	}
	i := slices.IndexFunc(plan.Unplaced, lacking)
	if i < 0 {
		plan.Whole = true
		return plan
	}
	rest := make([]berth.Task, len(plan.Ops))
	for k := range plan.Ops {
		rest[k] = plan.Ops[k].Task
	}
	first := plan.Unplaced[i]
	return &cluster.Plan{Version: plan.Version, Unplaced: withRest(plan.Unplaced, rest, first)}
}

// withRest adds to what is unplaced the rest, which is so because of the first.
func withRest(unplaced []cluster.Unplaced, rest []berth.Task, first cluster.Unplaced) []cluster.Unplaced {
	why := berth.Reason{Code: berth.NotWhole, Subject: fmt.Sprintf("%v: %v", first.Task, first.Reason)}
	for _, t := range rest {
		unplaced = append(unplaced, cluster.Unplaced{Task: t, Reason: why})
	}
	return unplaced
}

// ScheduleWhole schedules tasks of several groups of which either all are placed or none, as [Scheduler.PlanWhole] plans them. If others
// come first to the room of one, all are planned again on a newer snapshot, [Config].Attempts times in all. It fails as
// [Scheduler.Schedule] does.
func (s *Scheduler) ScheduleWhole(ctx context.Context, tasks ...berth.Task) (*cluster.Outcome, error) {
	if err := s.usable(ctx); err != nil {
		return &cluster.Outcome{}, err
	}
	rest, denied, err := s.notDenied(tasks)
	if err != nil {
		return &cluster.Outcome{}, err
	}
	for attempt := 1; ; attempt++ {
		snapshot, err := s.source.Snapshot(ctx)
		if err != nil {
			return &cluster.Outcome{}, faults.Of("scheduler: snapshot", err)
		}
		if len(denied) > 0 {
			return &cluster.Outcome{Version: snapshot.Version(), Unplaced: withRest(denied, rest, denied[0])}, nil
		}
		plan, err := s.PlanWhole(ctx, snapshot, tasks...)
		if err != nil {
			return &cluster.Outcome{}, err
		}
		out, err := s.commitTo(ctx, plan, attempt)
		if err != nil {
			return &cluster.Outcome{}, err
		}
		if attempt >= s.cfg.Attempts || !lostRoom(out.Refused) {
			return out, nil
		}
	}
}

// lostRoom reports whether a whole plan was refused for what may pass.
func lostRoom(refused []cluster.Refusal) bool {
	for _, r := range refused {
		if r.Reason.Code != berth.NotWhole && !mayPass(r) {
			return false
		}
	}
	return len(refused) > 0
}

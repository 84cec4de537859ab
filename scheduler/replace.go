package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
)

// Replace gives each task that the source has under the ID of one of tasks the place, the size and the rules that this one has: the old
// one ends and the new one is placed on the best node there is once the old one is gone, which may be the same. Of each both is done or
// neither, so a task for which there is no room, which breaks a rule or is denied keeps running as it was, and is among the unplaced or
// refused with the reason. The instance of a daemon is replaced on its node. A new one is assumed, until it is confirmed: to stop the old
// one, and to start the new one then, is the host's. A role that has more than its limit can replace what it has by what takes no more.
//
// Tasks are replaced in the order given, each on what those before it left. One that the source does not have is unplaced, with
// [berth.UnknownTask]. What others came first to is planned again, [Config].Attempts times in all; those that wait for that when Replace fails are among the refused.
// Replace fails as [Scheduler.Schedule] does; each task costs a fork, and a plan on it.
func (s *Scheduler) Replace(ctx context.Context, tasks ...berth.Task) (*cluster.Outcome, error) {
	total := &cluster.Outcome{}
	if err := s.usable(ctx); err != nil {
		return total, err
	}
	if err := checkReplacements(tasks); err != nil {
		return total, err
	}
	var waiting []cluster.Refusal // of tasks, to be planned again
	for attempt := 1; ; attempt++ {
		out, err := s.replaceOnce(ctx, tasks, attempt)
		if err != nil {
			total.Refused = append(total.Refused, waiting...)
			return total, err
		}
		total.Version = out.Version
		total.Placed = append(total.Placed, out.Placed...)
		total.Unplaced = append(total.Unplaced, out.Unplaced...)
		again := map[string]bool{}
		for _, r := range out.Refused {
			if attempt < s.cfg.Attempts && mayPass(r) && r.Reason.Code != berth.NotWhole {
				again[r.Op.Task.ID] = true
			}
		}
		tasks, waiting = nil, nil
		for _, r := range out.Refused {
			if !again[cmp.Or(r.Op.Task.ID, r.Op.ID)] {
				total.Refused = append(total.Refused, r)
				continue
			}
			if waiting = append(waiting, r); r.Op.Kind == berth.Place {
				tasks = append(tasks, r.Op.Task)
			}
		}
		if len(tasks) == 0 {
			return total, nil
		}
	}
}

// replaceOnce plans the replacement of tasks on the present, and commits the plan.
func (s *Scheduler) replaceOnce(ctx context.Context, tasks []berth.Task, attempt int) (*cluster.Outcome, error) {
	snapshot, err := s.source.Snapshot(ctx)
	if err != nil {
		return nil, faults.Of("scheduler: snapshot", err)
	}
	plan, err := s.replacements(ctx, snapshot, tasks)
	if err != nil {
		return nil, err
	}
	return s.commitTo(ctx, plan, attempt)
}

// checkReplacements is checkTasks for tasks that are there, among which may be instances of daemons, and each once.
func checkReplacements(tasks []berth.Task) error {
	var errs []error
	seen := map[string]bool{}
	for _, t := range tasks {
		err := t.Err()
		switch {
		case err != nil:
		case t.IsDemand():
			err = fmt.Errorf("group %q: the demand of a daemon is not a task", t.Group.Name())
		case seen[t.ID]:
			err = fmt.Errorf("task %q: given twice", t.ID)
		}
		seen[t.ID] = true
		if err != nil {
			errs = append(errs, faults.Of("scheduler: replace", err))
		}
	}
	return errors.Join(errs...)
}

// replacements plans what Replace commits.
func (s *Scheduler) replacements(ctx context.Context, snapshot *cluster.Snapshot, tasks []berth.Task) (*cluster.Plan, error) {
	plan := &cluster.Plan{Version: snapshot.Version()}
	fork := snapshot.Fork()
	for _, t := range tasks {
		old, known := fork.Task(t.ID)
		if !known {
			plan.Unplaced = append(plan.Unplaced, cluster.Unplaced{Task: t, Reason: berth.Reason{Code: berth.UnknownTask, Subject: t.ID}})
			continue
		}
		before := fork.Savepoint()
		fork.Apply(berth.Op{Kind: berth.Release, ID: t.ID})
		op := berth.Op{Kind: berth.Place, Task: t, Node: old.Node}
		var why *cluster.Unplaced
		if t.Group.Mode() == berth.Daemon {
			if _, refused := fork.Apply(op); refused.Code != berth.None {
				why = missOf(fork, t, op.Node, refused)
			}
		} else {
			var err error
			if op, why, err = s.replacement(ctx, fork, t); err != nil {
				return nil, err
			}
		}
		if why != nil {
			plan.Unplaced = append(plan.Unplaced, *why)
			if err := fork.Rollback(before); err != nil {
				return nil, fmt.Errorf("scheduler: replace: %w", err)
			}
			continue
		}
		plan.Part("replace "+t.ID, func() {
			plan.Release(t.ID)
			plan.Ops = append(plan.Ops, op)
		})
	}
	if err := ended(ctx); err != nil {
		return nil, fmt.Errorf("scheduler: replace: %w", err)
	}
	return plan, nil
}

// replacement plans a task on a fork that has just released the old one, and applies it there. Where limits keep the task from being
// planned, it is planned without them: the fork, which knows what was released, then says whether the role has no more than before.
func (s *Scheduler) replacement(ctx context.Context, fork *cluster.Fork, t berth.Task) (berth.Op, *cluster.Unplaced, error) {
	on := fork.Snapshot()
	planned, err := s.Plan(ctx, on, t)
	if err != nil {
		return berth.Op{}, nil, err
	}
	if len(planned.Ops) == 0 && planned.Unplaced[0].Reason.Code == berth.OverLimit {
		unlimited := on.Fork()
		for role := t.Group.Role(); ; role = role.Parent() {
			if err := unlimited.SetQuotas(berth.Quota{Role: role}); err != nil {
				return berth.Op{}, nil, err
			}
			if role == "" {
				break
			}
		}
		refused := &planned.Unplaced[0]
		if planned, err = s.Plan(ctx, unlimited.Snapshot(), t); err != nil {
			return berth.Op{}, nil, err
		}
		if len(planned.Ops) > 0 {
			if _, why := fork.Apply(planned.Ops[0]); why.Code != berth.None {
				return berth.Op{}, refused, nil
			}
			return planned.Ops[0], nil, nil
		}
	}
	if len(planned.Ops) == 0 {
		return berth.Op{}, &planned.Unplaced[0], nil
	}
	fork.Apply(planned.Ops[0])
	return planned.Ops[0], nil, nil
}

// missOf says why an instance of a daemon cannot be on its node.
func missOf(fork *cluster.Fork, t berth.Task, node string, why berth.Reason) *cluster.Unplaced {
	u := &cluster.Unplaced{Task: t, Reason: why}
	if n, ok := fork.Node(node); ok {
		u.Why = whyMissed(node, fork.Lacks(t.Group, n))
	}
	return u
}

package scheduler

import (
	"context"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// reclaimOne finds room for a task that is by itself.
func (s *Scheduler) reclaimOne(ctx context.Context, how Reclaim, fork *cluster.Fork, t berth.Task, out *Reclaimed) error {
	now := fork.Snapshot()
	planned, err := s.Plan(ctx, now, t)
	if err != nil {
		return err
	}
	if len(planned.Ops) > 0 {
		fork.Apply(planned.Ops[0])
		out.Plan.Ops = append(out.Plan.Ops, planned.Ops[0])
		return nil
	}
	claim, op, ok := newReclaim(how, fork, now, t).find()
	if !ok {
		out.Plan.Unplaced = append(out.Plan.Unplaced, planned.Unplaced...)
		return nil
	}
	out.Plan.Part("reclaim "+t.ID, func() { out.claim(claim, op) })
	return nil
}

// claim adds a claim to what is proposed.
func (r *Reclaimed) claim(c Claim, op berth.Op) {
	r.Claims = append(r.Claims, c)
	for _, end := range c.Ends {
		r.Plan.Evict(end.ID, nil)
	}
	r.Plan.Ops = append(r.Plan.Ops, op)
}

// withdraw takes out of what is proposed the placements of tasks that were ended again for the claims of later ones, and their ends: a host that starts what is placed
// would start them for nothing. It returns these tasks.
func (r *Reclaimed) withdraw() (tasks []berth.Task) {
	ops := r.Plan.Ops
	placed, gone, drop := map[string]int{}, map[string]bool{}, make([]bool, len(ops))
	for i, op := range ops {
		switch op.Kind {
		case berth.Place:
			placed[op.Task.ID] = i
		case berth.Evict:
			if at, ok := placed[op.ID]; ok {
				drop[at], drop[i], gone[op.ID] = true, true, true
				tasks = append(tasks, ops[at].Task)
			}
		}
	}
	if len(tasks) == 0 {
		return nil
	}
	now := make([]int, len(ops)+1) // where operations begin that were at an index
	r.Plan.Ops = nil
	for i, op := range ops {
		now[i] = len(r.Plan.Ops)
		if !drop[i] {
			r.Plan.Ops = append(r.Plan.Ops, op)
		}
	}
	now[len(ops)] = len(r.Plan.Ops)
	for i := range r.Plan.Parts {
		p := &r.Plan.Parts[i]
		p.First, p.End = now[p.First], now[p.End]
	}
	for i := range r.Claims {
		c := &r.Claims[i]
		c.Ends = slices.DeleteFunc(c.Ends, func(t cluster.TaskView) bool { return gone[t.ID] })
	}
	r.Claims = slices.DeleteFunc(r.Claims, func(c Claim) bool { return len(c.Ends) == 0 })
	return tasks
}

// reclaimGang finds room for the tasks of a gang that were handed in: for as many as the gang lacks to be whole, or for none.
func (s *Scheduler) reclaimGang(ctx context.Context, how Reclaim, fork *cluster.Fork, tasks []berth.Task, out *Reclaimed) error {
	g := tasks[0].Group
	planned, err := s.Plan(ctx, fork.Snapshot(), tasks...)
	if err != nil {
		return err
	}
	why := map[string]cluster.Unplaced{}
	for _, u := range planned.Unplaced {
		why[u.Task.ID] = u
	}
	lacks := g.GangSize()
	for t := range fork.Group(g.Name()) {
		if t.Node != "" && t.Group.Equal(g) {
			lacks--
		}
	}
	before, proposed := fork.Savepoint(), &Reclaimed{Plan: &cluster.Plan{}}
	for _, op := range planned.Ops {
		fork.Apply(op)
		proposed.Plan.Ops = append(proposed.Plan.Ops, op)
	}
	placed := len(planned.Ops)
	var left []cluster.Unplaced
	for _, t := range tasks {
		u, unplaced := why[t.ID]
		if !unplaced {
			continue
		}
		if err := ended(ctx); err != nil {
			return fmt.Errorf("scheduler: reclaim: %w", err)
		}
		if op, ok := freePlace(fork, t); ok {
			proposed.Plan.Ops = append(proposed.Plan.Ops, op)
		} else if claim, op, ok := newReclaim(how, fork, fork.Snapshot(), t).find(); ok {
			proposed.claim(claim, op)
		} else {
			left = append(left, u)
			continue
		}
		placed++
	}
	if placed < lacks {
		_ = fork.Rollback(before) // of a savepoint that was just made
		out.Plan.Unplaced = append(out.Plan.Unplaced, planned.Unplaced...)
		return nil
	}
	out.Plan.Unplaced = append(out.Plan.Unplaced, left...)
	if placed > 0 {
		out.Claims = append(out.Claims, proposed.Claims...)
		out.Plan.Part("reclaim gang "+g.Name(), func() { out.Plan.Ops = append(out.Plan.Ops, proposed.Plan.Ops...) })
	}
	return nil
}

// freePlace places a task of a gang on the first node by ID on which it fits as it is: a plan would not, as it is not the whole gang.
func freePlace(fork *cluster.Fork, t berth.Task) (berth.Op, bool) {
	for n := range fork.Nodes() {
		if at, ok := fork.Node(n.ID()); ok && !at.Cordoned() && fork.Fits(t.Group, at) {
			if op, why := fork.Apply(berth.Op{Kind: berth.Place, Task: t, Node: n.ID()}); why.Code == berth.None {
				return op, true
			}
		}
	}
	return berth.Op{}, false
}

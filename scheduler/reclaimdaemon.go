package scheduler

import (
	"context"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// reclaimDaemon gives the instances of a daemon their room, each on its node, as far as the guarantee goes: in the order of nodes.
func (s *Scheduler) reclaimDaemon(ctx context.Context, how Reclaim, fork *cluster.Fork, demand berth.Task, out *Reclaimed) error {
	planned, err := s.Plan(ctx, fork.Snapshot(), demand)
	if err != nil {
		return err
	}
	for _, op := range planned.Ops {
		fork.Apply(op)
	}
	out.Plan.Ops = append(out.Plan.Ops, planned.Ops...)
	for _, u := range planned.Unplaced {
		if err := ended(ctx); err != nil {
			return fmt.Errorf("scheduler: reclaim: %w", err)
		}
		if u.Task.ID != "" && u.Why != nil && u.Why.Nearest != nil {
			if claim, op, ok := newReclaim(how, fork, fork.Snapshot(), u.Task).on(u.Why.Nearest.Node); ok {
				out.Plan.Part("reclaim "+u.Task.ID, func() { out.claim(claim, op) })
				continue
			}
		}
		out.Plan.Unplaced = append(out.Plan.Unplaced, u)
	}
	return nil
}

// on is find on one node.
func (r *reclaim) on(node string) (claim Claim, op berth.Op, found bool) {
	g := r.task.Group
	if r.role, found = r.account.Claim(g.Role(), r.costOf(g)); !found {
		return claim, op, false
	}
	n, there := r.fork.Node(node)
	if !there {
		return claim, op, false
	}
	ends, ok := r.choose(n)
	if !ok {
		return claim, op, false
	}
	return r.settle(reclaimSite{node: node, ends: ends})
}

package scheduler

import (
	"context"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
)

// Roll takes a daemon group one step further to another revision: it replaces instances of other revisions, in the order of node
// IDs, as far as no more than a number of eligible nodes are without an instance that runs. Called again whenever instances were
// confirmed or have ended, it comes to the end, when it places nothing and [Coverage.Other] is empty; Kubernetes does the same by
// the maxUnavailable of a DaemonSet.
//
// Instances that do not run yet, or no more, are missing already, so those of other revisions are replaced at once. A node that has
// none because its room is taken counts as missing, one that could never have one does not. The step is carried out by
// [Scheduler.Replace], in whose outcome are those that stay as they are because the new revision takes more than their node has. Nodes without
// an instance are not filled: that is what Schedule does with the demand of the group.
//
// Roll fails if the group is at fault or not a daemon, if missing is less than 1, and as [Scheduler.Replace] does; what was done until
// then is in the outcome. The bound is for one caller at a time: two that roll the same group at once may each replace as many.
func (s *Scheduler) Roll(ctx context.Context, g *berth.Group, missing int) (*cluster.Outcome, error) {
	if missing < 1 {
		return &cluster.Outcome{}, fmt.Errorf("scheduler: roll: %d missing at most: with fewer than 1 nothing can be replaced", missing)
	}
	if err := s.usable(ctx); err != nil {
		return &cluster.Outcome{}, err
	}
	snapshot, err := s.source.Snapshot(ctx)
	if err != nil {
		return &cluster.Outcome{}, faults.Of("scheduler: roll", err)
	}
	c, err := coverageOf("scheduler: roll", snapshot, g)
	if err != nil {
		return &cluster.Outcome{}, err
	}
	var idle, running []berth.Task
	for _, node := range c.Other {
		if _, runs := slices.BinarySearch(c.Running, node); runs {
			running = append(running, g.On(node))
		} else {
			idle = append(idle, g.On(node))
		}
	}
	total := &cluster.Outcome{Version: snapshot.Version()}
	replace := func(tasks []berth.Task) (placed int, err error) {
		if len(tasks) == 0 {
			return 0, nil
		}
		out, err := s.Replace(ctx, tasks...)
		if out.Version != (cluster.Version{}) { // where Replace fails before it commits, it has none
			total.Version = out.Version
		}
		total.Placed = append(total.Placed, out.Placed...)
		total.Refused = append(total.Refused, out.Refused...)
		total.Unplaced = append(total.Unplaced, out.Unplaced...)
		return len(out.Placed), err
	}
	if _, err := replace(idle); err != nil {
		return total, err
	}
	// An instance that stays runs on, so that another can be replaced instead.
	for left := missing - len(c.Pending) - len(c.Blocked); left > 0 && len(running) > 0; {
		n := min(left, len(running))
		placed, err := replace(running[:n])
		if err != nil {
			return total, err
		}
		left, running = left-placed, running[n:]
	}
	return total, nil
}

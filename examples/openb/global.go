package main

import (
	"context"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// global schedules a cell with all of it in view: all tasks at once, or by a strategy of the caller's one after another.
func global(ctx context.Context, c *trace.Cell, by *placement.Strategy) (*result, error) {
	state, err := scheduler.NewState(scheduler.StateConfig{}, c.Nodes...)
	if err != nil {
		return nil, err
	}
	tasks, at := c.Tasks(), 1
	if by == nil {
		best := placement.BinPack()
		by, at = &best, len(tasks)
	}
	s, err := scheduler.New(state, scheduler.Config{Strategy: *by})
	if err != nil {
		return nil, err
	}
	var placed []berth.Op
	var unplaced []cluster.Unplaced
	for some := range slices.Chunk(tasks, max(at, 1)) {
		out, err := s.Schedule(ctx, some...)
		if err != nil {
			return nil, err
		}
		placed, unplaced = append(placed, out.Placed...), append(unplaced, out.Unplaced...)
	}
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return newResult(snapshot, placed, unplaced), nil
}

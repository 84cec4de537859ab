package main

import (
	"context"

	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// global schedules a cell with all of it in view.
func global(ctx context.Context, c *trace.Cell) (*result, error) {
	state, err := scheduler.NewState(scheduler.StateConfig{}, c.Nodes...)
	if err != nil {
		return nil, err
	}
	s, err := scheduler.New(state, scheduler.Config{Strategy: placement.BinPack()})
	if err != nil {
		return nil, err
	}
	out, err := s.Schedule(ctx, c.Tasks()...)
	if err != nil {
		return nil, err
	}
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return newResult(snapshot, out.Placed, out.Unplaced), nil
}

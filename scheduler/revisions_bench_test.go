package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// growRevisions places and releases a thousand tasks of a group that has n revisions which run, one in two of a revision that is new.
func growRevisions(b *testing.B, n int) {
	const operations = 1_000
	state, err := scheduler.NewState(scheduler.StateConfig{}, newWorkload(1_000).nodes...)
	require.NoError(b, err)
	sched, err := scheduler.New(state, scheduler.Config{})
	require.NoError(b, err)
	version := func(i int) *berth.Group {
		return berth.NewGroup("web", berth.GroupSpec{
			Request: berth.Resources{"cpu": 10}, Labels: map[string]string{"version": fmt.Sprint(i)},
		})
	}
	var running, more []berth.Task
	for i := range n {
		running = append(running, version(i).Task(fmt.Sprint("web-", i)))
	}
	for i := range operations {
		g := running[i*7919%n].Group
		if i%2 == 0 {
			g = version(n + i)
		}
		more = append(more, g.Task(fmt.Sprint("more-", i)))
	}
	out, err := sched.Schedule(b.Context(), running...)
	require.NoError(b, err)
	require.Len(b, out.Placed, n)
	for b.Loop() {
		for i := range more {
			out, err := sched.Schedule(b.Context(), more[i])
			if err != nil || len(out.Placed) != 1 {
				b.Fatal(err)
			}
		}
		for i := range more {
			if err := state.Release(more[i].ID); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// growRoll takes a daemon on n nodes to another revision and back, as many nodes at a time as there are.
func growRoll(b *testing.B, n int) {
	state, err := scheduler.NewState(scheduler.StateConfig{}, newWorkload(n).nodes...)
	require.NoError(b, err)
	sched, err := scheduler.New(state, scheduler.Config{})
	require.NoError(b, err)
	version := func(i int) *berth.Group {
		return berth.NewGroup("agent", berth.GroupSpec{
			Mode: berth.Daemon, Request: berth.Resources{"cpu": 10}, Labels: map[string]string{"version": fmt.Sprint(i)},
		})
	}
	_, err = sched.Schedule(b.Context(), version(0).Everywhere())
	require.NoError(b, err)
	turn := 0
	for b.Loop() {
		turn++
		out, err := sched.Roll(b.Context(), version(turn%2), n)
		require.NoError(b, err)
		require.Len(b, out.Placed, n)
	}
}

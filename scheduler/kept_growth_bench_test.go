package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/scheduler"
)

// waitingNodes are n nodes of which one core is free of four, where daemons that take two wait, and as many that are not for daemons.
func waitingNodes(b *testing.B, n int) (*scheduler.State, *scheduler.Scheduler) {
	var nodes []berth.Node
	for i := range n {
		nodes = append(nodes,
			berth.Node{ID: fmt.Sprintf("full-%06d", i), Capacity: berth.Resources{"cpu": 4000}, Attributes: berth.Attributes{"for": "daemons"}},
			berth.Node{ID: fmt.Sprintf("open-%06d", i), Capacity: berth.Resources{"cpu": 1000}})
	}
	state := newState(b, scheduler.StateConfig{}, nodes...)
	s := newScheduler(b, state, scheduler.Config{})
	old := berth.NewGroup("old", berth.GroupSpec{Request: berth.Resources{"cpu": 3000}})
	out, err := s.Schedule(b.Context(), old.Tasks(n)...)
	require.NoError(b, err)
	require.Len(b, out.Placed, n)
	return state, s
}

func waitingAgent(name string) *berth.Group {
	return berth.NewGroup(name, berth.GroupSpec{
		Mode: berth.Daemon, Request: berth.Resources{"cpu": 2000}, Rules: []berth.Constraint{constraints.Eq("for", "daemons")},
	})
}

// growWaitingInstances plans a daemon whose instances wait for room on n nodes.
func growWaitingInstances(b *testing.B, n int) {
	_, s := waitingNodes(b, n)
	agent := waitingAgent("agent")
	for b.Loop() {
		out, err := s.Schedule(b.Context(), agent.Everywhere())
		require.NoError(b, err)
		require.Len(b, out.Unplaced, n)
	}
}

// growWaitingDaemons plans n daemons that wait for room on 20 nodes.
func growWaitingDaemons(b *testing.B, n int) {
	_, s := waitingNodes(b, 20)
	var all []berth.Task
	for i := range n {
		all = append(all, waitingAgent(fmt.Sprint("agent", i)).Everywhere())
	}
	for b.Loop() {
		out, err := s.Schedule(b.Context(), all...)
		require.NoError(b, err)
		require.Len(b, out.Unplaced, 20*n)
	}
}

// growKeptRooms places n tasks while room is kept on n nodes: each would go where it is kept.
func growKeptRooms(b *testing.B, n int) {
	state, s := waitingNodes(b, n)
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	tasks := append(web.Tasks(n), waitingAgent("agent").Everywhere())
	for b.Loop() {
		out, err := s.Schedule(b.Context(), tasks...)
		require.NoError(b, err)
		require.Len(b, out.Placed, n)
		b.StopTimer()
		for _, op := range out.Placed {
			require.NoError(b, state.Release(op.Task.ID))
		}
		b.StartTimer()
	}
}

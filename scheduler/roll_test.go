package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

func agents(version string, cpu int64) *berth.Group {
	return berth.NewGroup("agent", berth.GroupSpec{
		Mode: berth.Daemon, Request: berth.Resources{"cpu": cpu}, Labels: map[string]string{"version": version},
	})
}

// An agent on five nodes gets another version, two nodes at a time. On n3 there is no room for the larger one, which stays as it was.
func ExampleScheduler_Roll() {
	ctx := context.Background()
	var nodes []berth.Node
	for i := range 5 {
		nodes = append(nodes, berth.Node{ID: fmt.Sprint("n", i+1), Capacity: berth.Resources{"cpu": 1000}})
	}
	nodes[2].Capacity["cpu"] = 500
	state, _ := scheduler.NewState(scheduler.StateConfig{}, nodes...)
	s, _ := scheduler.New(state, scheduler.Config{})
	old, next := agents("1", 500), agents("2", 600)
	out, _ := s.Schedule(ctx, old.Everywhere())
	for {
		for _, p := range out.Placed { // the host stops the old one, starts the new one, and waits until it is well
			_ = state.Confirm(p.Task.ID)
		}
		out, _ = s.Roll(ctx, next, 2)
		for _, p := range out.Placed {
			fmt.Println("new on", p.Node)
		}
		for _, u := range out.Unplaced {
			fmt.Println("stays", u.Task, u.Reason)
		}
		if len(out.Placed) == 0 {
			break
		}
	}
	c, _ := s.Coverage(ctx, next)
	fmt.Println(c)
	// Output:
	// new on n1
	// new on n2
	// new on n4
	// new on n5
	// stays agent@n3 too little cpu in all
	// stays agent@n3 too little cpu in all
	// agent: 5 running, 0 pending, 0 blocked, 0 impossible, 0 not eligible, 1 of another revision
}

func TestRollErrors(t *testing.T) {
	state, err := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1"})
	require.NoError(t, err)
	s, err := scheduler.New(state, scheduler.Config{})
	require.NoError(t, err)
	ctx, agent := context.Background(), agents("1", 0)
	_, err = s.Roll(ctx, agent, 0)
	assert.EqualError(t, err, "scheduler: roll: 0 missing at most: with fewer than 1 nothing can be replaced")
	_, err = s.Roll(ctx, berth.NewGroup("web", berth.GroupSpec{}), 1)
	assert.EqualError(t, err, `scheduler: roll: group "web": the mode is count, not daemon`)
	_, err = s.Roll(ctx, nil, 1)
	assert.Error(t, err)
	_, err = (*scheduler.Scheduler)(nil).Roll(ctx, agent, 1)
	assert.Error(t, err)
	out, err := s.Roll(ctx, agent, 1)
	require.NoError(t, err)
	assert.Empty(t, out.Placed, "nodes without an instance are not filled")
}

// Whatever fails, joins and leaves meanwhile, no step leaves more nodes without a running instance than were allowed, or than there were;
// and in the end all are of the new version.
func TestRollKeepsTheBound(t *testing.T) {
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 3))
		state, err := scheduler.NewState(scheduler.StateConfig{})
		require.NoError(t, err)
		s, err := scheduler.New(state, scheduler.Config{})
		require.NoError(t, err)
		ctx, names := context.Background(), 0
		join := func() {
			names++
			require.NoError(t, state.AddNodes(berth.Node{ID: fmt.Sprintf("n%02d", names), Capacity: berth.Resources{"cpu": 1000}}))
		}
		for range 3 + r.IntN(12) {
			join()
		}
		old, next := agents("1", 400), agents("2", 500)
		fill := func(g *berth.Group) {
			_, err := s.Schedule(ctx, g.Everywhere())
			require.NoError(t, err)
		}
		fill(old)
		confirm := func(all bool) {
			snapshot, err := state.Snapshot(ctx)
			require.NoError(t, err)
			for task := range snapshot.Group("agent") {
				if task.State == berth.Assumed && (all || r.IntN(2) == 0) {
					require.NoError(t, state.Confirm(task.ID))
				}
			}
		}
		missing := func() int {
			c, err := s.Coverage(ctx, next)
			require.NoError(t, err)
			return len(c.Pending) + len(c.Blocked)
		}
		most := 1 + r.IntN(3)
		confirm(true)
		for round := range 60 {
			before := missing()
			_, err := s.Roll(ctx, next, most)
			require.NoError(t, err)
			require.LessOrEqual(t, missing(), max(before, most), "seed %d, round %d", seed, round)
			confirm(round > 40)
			switch {
			case round > 40:
				fill(next)
			case r.IntN(4) == 0:
				join()
			case r.IntN(4) == 0:
				fill(next)
			}
		}
		c, err := s.Coverage(ctx, next)
		require.NoError(t, err)
		require.True(t, c.Complete() && len(c.Other) == 0, "seed %d: %v", seed, c)
	}
}

// Both instances are to be replaced; on n1 another task is quicker, on n2 it is done. Then the State fails: n2 is in the outcome all the same.
func TestRollTellsWhatWasDoneBeforeAFault(t *testing.T) {
	ctx := context.Background()
	state, err := scheduler.NewState(scheduler.StateConfig{},
		berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 1000}}, berth.Node{ID: "n2", Capacity: berth.Resources{"cpu": 1000}})
	require.NoError(t, err)
	r := &rival{State: state}
	s, err := scheduler.New(r, scheduler.Config{})
	require.NoError(t, err)
	out, err := s.Schedule(ctx, agents("1", 400).Everywhere())
	require.NoError(t, err)
	for _, p := range out.Placed {
		require.NoError(t, state.Confirm(p.Task.ID))
	}
	broken := errors.New("broken")
	r.races, r.beat = 1, func() {
		filler := berth.NewTask("filler", berth.GroupSpec{Request: berth.Resources{"cpu": 600}})
		_, err := state.Commit(ctx, &cluster.Plan{Version: state.Version(), Ops: []berth.Op{{Kind: berth.Place, Task: filler, Node: "n1"}}})
		require.NoError(t, err)
	}
	r.after = func() { r.fails = broken }
	out, err = s.Roll(ctx, agents("2", 500), 2)
	require.ErrorIs(t, err, broken)
	require.Len(t, out.Placed, 1)
	assert.Equal(t, "n2", out.Placed[0].Node)
	assert.Equal(t, state.Version(), out.Version)
	assert.True(t, slices.ContainsFunc(out.Refused, func(r cluster.Refusal) bool { return r.Op.Task.ID == "agent@n1" }), "%v", out.Refused)
}

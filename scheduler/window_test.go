package scheduler_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/scheduler"
)

// What becomes of the tasks behind one that finds no room: role a hands in a task of 1 core, two of 3, and one of 1; b two of 1. The node has 4
// cores. Turns are a, b, a (3 do not fit into the 2 that are left; what then?), b.
func TestWindow(t *testing.T) {
	for _, tc := range []struct {
		window       int
		placed, left string
	}{
		{0, "a1 b1 a4 b2", "a2: insufficient cpu, a3: insufficient cpu"},
		{1, "a1 b1 b2", "a2: insufficient cpu, a3: held back behind a, a4: held back behind a"},
		{2, "a1 b1 b2", "a2: insufficient cpu, a3: insufficient cpu, a4: held back behind a"},
		{3, "a1 b1 a4 b2", "a2: insufficient cpu, a3: insufficient cpu"},
	} {
		for _, exhaustive := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d, exhaustive %t", tc.window, exhaustive), func(t *testing.T) {
				s := newState(t, scheduler.StateConfig{})
				require.NoError(t, s.AddNodes(node("n1", 4000)))
				sched, err := scheduler.New(s, scheduler.Config{Order: allocator.Fair{}, Window: tc.window, Exhaustive: exhaustive})
				require.NoError(t, err)
				var tasks []berth.Task
				for _, one := range []struct {
					id   string
					cpus int64
				}{{"a1", 1}, {"a2", 3}, {"a3", 3}, {"a4", 1}, {"b1", 1}, {"b2", 1}} {
					spec := berth.GroupSpec{Role: berth.Role(one.id[:1]), Request: berth.Resources{"cpu": 1000 * one.cpus}}
					tasks = append(tasks, berth.NewTask(one.id, spec))
				}
				plan, err := sched.Plan(t.Context(), snapshotOf(t, s), tasks...)
				require.NoError(t, err)
				var placed, left []string
				for _, op := range plan.Ops {
					placed = append(placed, op.Task.ID)
				}
				for _, u := range plan.Unplaced {
					left = append(left, u.Task.ID+": "+u.Reason.String())
				}
				assert.Equal(t, tc.placed, strings.Join(placed, " "))
				assert.Equal(t, tc.left, strings.Join(left, ", "))
			})
		}
	}
	_, err := scheduler.New(newState(t, scheduler.StateConfig{}), scheduler.Config{Window: -1})
	require.ErrorContains(t, err, "window: -1")
}

// With a window of one the large task has the next room there is, whoever comes meanwhile in its role; without, small ones take it again and again.
func TestWindowLetsTheLargeOneThrough(t *testing.T) {
	for _, window := range []int{0, 1} {
		s := newState(t, scheduler.StateConfig{})
		require.NoError(t, s.AddNodes(node("n1", 4000)))
		sched, err := scheduler.New(s, scheduler.Config{Order: allocator.Fair{}, Window: window})
		require.NoError(t, err)
		waiting := []berth.Task{berth.NewTask("large", berth.GroupSpec{Role: "a", Request: berth.Resources{"cpu": 4000}})}
		ends := map[int][]string{}
		s2, err := sched.Schedule(t.Context(), berth.NewTask("first", berth.GroupSpec{Role: "a", Request: berth.Resources{"cpu": 1000}}))
		require.NoError(t, err)
		require.Len(t, s2.Placed, 1)
		ends[3] = []string{"first"}
		at := -1
		for step := range 20 {
			if len(ends[step]) > 0 {
				require.NoError(t, s.Release(ends[step]...))
			}
			waiting = append(waiting, berth.NewTask(fmt.Sprint("small", step), berth.GroupSpec{Role: "a", Request: berth.Resources{"cpu": 1000}}))
			out, err := sched.Schedule(t.Context(), waiting...)
			require.NoError(t, err)
			gone := map[string]bool{}
			for _, op := range out.Placed {
				gone[op.Task.ID] = true
				if ends[step+3] = append(ends[step+3], op.Task.ID); op.Task.ID == "large" {
					at = step
				}
			}
			var left []berth.Task
			for _, task := range waiting {
				if !gone[task.ID] {
					left = append(left, task)
				}
			}
			waiting = left
		}
		assert.Equal(t, map[int]int{0: -1, 1: 3}[window], at, "window %d", window)
	}
}

// Only what finds no room fills a window: not a task that exists, not one handed in twice, not the rest of a gang that was placed or failed with its
// first, and not a daemon that is everywhere. No task is told of twice. The node has 8 cores, of which one is in use, and two with the daemon.
func TestWindowOfWhatHasRoom(t *testing.T) {
	s := newState(t, scheduler.StateConfig{})
	require.NoError(t, s.AddNodes(node("n1", 8000)))
	sched, err := scheduler.New(s, scheduler.Config{Order: allocator.Fair{}, Window: 1})
	require.NoError(t, err)
	group := func(name string, cpus int64, mode berth.Mode, size int) *berth.Group {
		return berth.NewGroup(name, berth.GroupSpec{Role: "a", Mode: mode, GangSize: size, Request: berth.Resources{"cpu": 1000 * cpus}})
	}
	small, large := group("small", 1, berth.Count, 0), group("large", 3, berth.Gang, 3)
	fits, agent := group("fits", 1, berth.Gang, 3), group("agent", 1, berth.Daemon, 0)
	_, err = sched.Schedule(t.Context(), small.Task("there"), agent.Everywhere())
	require.NoError(t, err)
	for _, tc := range []struct {
		name         string
		tasks        []berth.Task
		placed, left string
	}{
		{"exists", []berth.Task{small.Task("there"), small.Task("a2")}, "a2", "there: task exists on n1"},
		{"twice", []berth.Task{small.Task("a1"), small.Task("a1"), small.Task("a2")}, "a1 a2", "a1: task exists earlier in the plan"},
		{"gang", append(fits.Tasks(3), small.Task("a2")), "fits-1 fits-2 fits-3 a2", ""},
		{"failed gang", append(large.Tasks(3), small.Task("a2")), "",
			"large-3: gang incomplete 2 of 3, large-1: gang incomplete 2 of 3, large-2: gang incomplete 2 of 3, a2: held back behind a"},
		{"everywhere", []berth.Task{agent.Everywhere(), group("other", 1, berth.Daemon, 0).Everywhere()}, "other@n1", ""},
	} {
		plan, err := sched.Plan(t.Context(), snapshotOf(t, s), tc.tasks...)
		require.NoError(t, err)
		var placed, left []string
		for _, op := range plan.Ops {
			placed = append(placed, op.Task.ID)
		}
		for _, u := range plan.Unplaced {
			left = append(left, u.Task.ID+": "+u.Reason.String())
		}
		assert.Equal(t, tc.placed, strings.Join(placed, " "), tc.name)
		assert.Equal(t, tc.left, strings.Join(left, ", "), tc.name)
	}
}

// The demand of a daemon is one task, whatever the number of nodes, which waits as long as one node lacks it; what daemons of other roles lack is no
// reason of its own. The agent takes 1 core: n1 and n2 have it, n3 does not.
func TestWhyRoleOfDaemons(t *testing.T) {
	s := newState(t, scheduler.StateConfig{})
	require.NoError(t, s.AddNodes(node("n1", 8000), node("n2", 8000)))
	sched, err := scheduler.New(s, scheduler.Config{})
	require.NoError(t, err)
	agent := berth.NewGroup("agent", berth.GroupSpec{Role: "a", Mode: berth.Daemon, Request: berth.Resources{"cpu": 1000}}).Everywhere()
	huge := berth.NewGroup("huge", berth.GroupSpec{Role: "b", Mode: berth.Daemon, Rules: []berth.Constraint{constraints.In("zone", "z9")}}).Everywhere()
	for _, tc := range []struct {
		more          []berth.Node
		placed        int
		first, reason string
	}{
		{nil, 1, "", ""},
		{[]berth.Node{node("n3", 500)}, 0, "agent@n3", "too little cpu in all"},
	} {
		require.NoError(t, s.AddNodes(tc.more...))
		why, err := sched.WhyRole(t.Context(), snapshotOf(t, s), "a", huge, agent)
		require.NoError(t, err)
		assert.Equal(t, [2]int{1, tc.placed}, [2]int{why.Waiting, why.Placed})
		if tc.first == "" {
			assert.Nil(t, why.First)
		} else if assert.NotNil(t, why.First) {
			assert.Equal(t, [2]string{tc.first, tc.reason}, [2]string{why.First.Task.ID, why.First.Reason.String()})
		}
		why, err = sched.WhyRole(t.Context(), snapshotOf(t, s), "b", huge, agent)
		require.NoError(t, err)
		assert.Zero(t, why.Placed)
		require.NotNil(t, why.First)
		assert.Equal(t, "huge", why.First.Task.Group.Name())
	}
}

// Why has search no more? Two of its tasks wait; one finds no room.
// A role that wants nothing does not read as one that waits for its turn.
func TestWhyRoleOfWhoWantsNothing(t *testing.T) {
	s := newState(t, scheduler.StateConfig{}, node("n1", 4000))
	sched, err := scheduler.New(s, scheduler.Config{Order: allocator.Fair{}})
	require.NoError(t, err)
	why, err := sched.WhyRole(t.Context(), snapshotOf(t, s), "idle", berth.NewGroup("web", berth.GroupSpec{Role: "busy"}).Task("web-1"))
	require.NoError(t, err)
	assert.Equal(t, "idle: nothing waits", why.String())
}

func ExampleScheduler_WhyRole() {
	state, _ := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}})
	s, _ := scheduler.New(state, scheduler.Config{Order: allocator.Tree{}})
	search := berth.NewGroup("search", berth.GroupSpec{Role: "eng/search", Request: berth.Resources{"cpu": 1500}})
	ads := berth.NewGroup("ads", berth.GroupSpec{Role: "eng/ads", Request: berth.Resources{"cpu": 1000}})
	ctx := context.Background()
	_, _ = s.Schedule(ctx, ads.Task("ads-0"))

	snapshot, _ := state.Snapshot(ctx)
	why, err := s.WhyRole(ctx, snapshot, "eng/search", append(search.Tasks(2), ads.Tasks(1)...)...)
	fmt.Println(why, err)
	// Output:
	// eng/search: 1 of 2 tasks that wait get a place; 0/1 nodes for search-2: 1 insufficient cpu; nearest n1: lacks 1 cpu; held back behind eng/ads; 1 more cpu on n1 would do; eng/search: eng is 1 of 1 with 1/4 of cpu; eng/search is 1 of 2 with 0 <nil>
}

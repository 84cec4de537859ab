package scheduler_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/scheduler"
)

func ofCores(role berth.Role, id string, cores int64) berth.Task {
	return berth.NewTask(id, berth.GroupSpec{Role: role, Request: berth.Resources{"cpu": 1000 * cores}})
}

// What is kept for the first task of a role that finds no room. The node n1 has 4 cores and n2 has 3, of which 2 and 2 are in use: a task of 4 cores comes
// nearest to having room on n1, where it lacks half, and is too large for n2.
func TestHoldKeepsRoom(t *testing.T) {
	large, small := ofCores("a", "large", 4), func(role berth.Role, i int) berth.Task { return ofCores(role, fmt.Sprint(string(role), i), 1) }
	for _, tc := range []struct {
		name         string
		hold         bool
		window       int
		tasks        []berth.Task
		placed, left string
	}{
		{"skip", false, 0, []berth.Task{large, small("a", 1), small("b", 1), small("b", 2)}, "a1 b1 b2", "large: insufficient cpu"},
		{"hold", true, 0, []berth.Task{large, small("a", 1), small("b", 1), small("b", 2)}, "a1 on n2", "large: insufficient cpu; b1: insufficient cpu behind task large; b2: insufficient cpu behind task large"},
		{"hold and window", true, 1, []berth.Task{large, small("a", 1), small("b", 1), small("b", 2)}, "b1 on n2",
			"large: insufficient cpu; b2: insufficient cpu behind task large; a1: held back behind a"},
		{"what came before keeps its turn", true, 0, []berth.Task{small("a", 1), small("a", 2), large}, "a1 a2", "large: insufficient cpu"},
		{"one of a role", true, 0, []berth.Task{large, ofCores("a", "next", 2), small("a", 1)}, "a1 on n2", "large: insufficient cpu; next: insufficient cpu behind task large"},
		{"too large for any", true, 0, []berth.Task{ofCores("a", "huge", 5), small("b", 1), small("b", 2), small("b", 3)}, "b1 b2 b3", "huge: too little cpu in all"},
		{"more than room is lacking", true, 0, []berth.Task{
			berth.NewTask("lonely", berth.GroupSpec{Role: "a", Request: berth.Resources{"cpu": 4000}, Rules: []berth.Constraint{constraints.Exists("rack")}}),
			small("b", 1), small("b", 2), small("b", 3),
		}, "b1 b2 b3", ""},
		{"a gang keeps nothing", true, 0, append(berth.NewGroup("g", berth.GroupSpec{Role: "a", Mode: berth.Gang, GangSize: 1, Request: berth.Resources{"cpu": 4000}}).Tasks(1),
			small("b", 1), small("b", 2), small("b", 3)), "b1 b2 b3", ""},
	} {
		for _, exhaustive := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, exhaustive %t", tc.name, exhaustive), func(t *testing.T) {
				s := newState(t, scheduler.StateConfig{}, node("n1", 4000), node("n2", 3000))
				for i, id := range []string{"n1", "n2"} {
					require.NoError(t, s.Adopt(scheduler.Running{Task: ofCores("old", fmt.Sprint("there", i), 2), Node: id, State: berth.Running}))
				}
				sched, err := scheduler.New(s, scheduler.Config{Order: allocator.Fair{}, Hold: tc.hold, Window: tc.window, Exhaustive: exhaustive})
				require.NoError(t, err)
				plan, err := sched.Plan(t.Context(), snapshotOf(t, s), tc.tasks...)
				require.NoError(t, err)
				var placed, left []string
				for _, op := range plan.Ops {
					where := ""
					if strings.Contains(tc.placed, " on ") {
						where = " on " + op.Node
					}
					placed = append(placed, op.Task.ID+where)
				}
				assert.Equal(t, tc.placed, strings.Join(placed, " "))
				for _, u := range plan.Unplaced {
					text := u.Task.ID + ": " + u.Reason.String()
					if u.Why != nil && u.Why.Order.Code == berth.HeldBack {
						text += " behind " + u.Why.Order.Subject
					}
					left = append(left, text)
				}
				if tc.left != "" {
					assert.Equal(t, tc.left, strings.Join(left, "; "))
				}
				out, err := sched.Schedule(t.Context(), tc.tasks...)
				require.NoError(t, err)
				assert.Equal(t, plan.Ops, out.Placed, "what is kept is in no plan, and a plan of one step is the same")
			})
		}
	}
}

// Groups of one name may be of different sizes and roles. Each lacks two cores, the one of four on n1, where 2 are free, and the one of six on n2, where
// 4 are: all that is free is kept.
func TestHoldForGroupsOfOneName(t *testing.T) {
	onlyOn1 := []berth.Constraint{constraints.In(berth.NodeID, "n1")}
	four := berth.NewGroup("web", berth.GroupSpec{Role: "a", Request: berth.Resources{"cpu": 4000}, Rules: onlyOn1}).Task("four")
	six := berth.NewGroup("web", berth.GroupSpec{Role: "b", Request: berth.Resources{"cpu": 6000}}).Task("six")
	s := newState(t, scheduler.StateConfig{}, node("n1", 4000), node("n2", 8000))
	require.NoError(t, s.Adopt(scheduler.Running{Task: ofCores("old", "x", 2), Node: "n1", State: berth.Running}))
	require.NoError(t, s.Adopt(scheduler.Running{Task: ofCores("old", "y", 4), Node: "n2", State: berth.Running}))
	for _, exhaustive := range []bool{false, true} {
		sched, err := scheduler.New(s, scheduler.Config{Order: allocator.Fair{}, Hold: true, Exhaustive: exhaustive})
		require.NoError(t, err)
		plan, err := sched.Plan(t.Context(), snapshotOf(t, s), four, six, ofCores("c", "small", 1))
		require.NoError(t, err)
		assert.Empty(t, plan.Ops)
		assert.Len(t, plan.Unplaced, 3)
	}
}

// Small tasks of another role come and go on a node of 4 cores, one each step, each for three steps. The large task, which takes all, would wait for ever; with
// Hold it runs as soon as the three that run when it comes have ended, though the others' tasks come all the time. Its role has nothing, so it has the first turn.
func TestHoldLetsTheLargeOneThrough(t *testing.T) {
	for _, hold := range []bool{false, true} {
		s := newState(t, scheduler.StateConfig{}, node("n1", 4000))
		sched, err := scheduler.New(s, scheduler.Config{Order: allocator.Fair{}, Hold: hold})
		require.NoError(t, err)
		var waiting []berth.Task
		ends := map[int][]string{}
		at := -1
		for step := range 30 {
			if len(ends[step]) > 0 {
				require.NoError(t, s.Release(ends[step]...))
			}
			waiting = append(waiting, ofCores("b", fmt.Sprint("small", step), 1))
			if step == 5 {
				waiting = append(waiting, ofCores("a", "large", 4))
			}
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
		// At step 5 the task of step 2 has ended, and those of 3 and 4 run until 6 and 7.
		assert.Equal(t, map[bool]int{false: -1, true: 7}[hold], at, "hold %t", hold)
	}
}

// Under Run what is submitted later does not take what is kept, nor overtake a full window, and gets it when what it was kept for is cancelled. Two of four
// cores are in use.
func TestRunHoldsRoom(t *testing.T) {
	for _, tc := range []struct {
		hold       bool
		window     int
		role, then string
	}{
		{false, 0, "a", "2s started small on n1"},
		{true, 0, "b", "2s unplaced small: insufficient cpu"},
		{false, 1, "b", "2s started small on n1"},
		{false, 1, "a", "2s unplaced small: held back behind a"},
	} {
		t.Run(fmt.Sprintf("hold %t, window %d, role %s", tc.hold, tc.window, tc.role), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &site{state: newState(t, scheduler.StateConfig{}, node("n1", 4000))}
				require.NoError(t, s.state.Adopt(scheduler.Running{Task: ofCores("old", "there", 2), Node: "n1", State: berth.Running}))
				s.start(t, scheduler.StateConfig{}, func(cfg *scheduler.RunConfig) {
					sched, err := scheduler.New(s.state, scheduler.Config{Order: allocator.Fair{}, Hold: tc.hold, Window: tc.window})
					require.NoError(t, err)
					cfg.Scheduler = sched
				})
				require.NoError(t, s.queue.Submit(ofCores("a", "large", 4)))
				s.after(time.Second)
				s.after(time.Second)
				require.NoError(t, s.queue.Submit(ofCores(berth.Role(tc.role), "small", 1)))
				assert.Equal(t, tc.then, s.after(time.Second))
				if strings.Contains(tc.then, "unplaced") {
					s.queue.Cancel("large")
					assert.Equal(t, "3s started small on n1", s.after(time.Second))
				}
			})
		})
	}
}

// A task of four cores waits for the whole node, and has the first turn, for its role has nothing. Of the core that is free on the node it lets nobody
// have it, though somebody else could use it at once.
func ExampleConfig_hold() {
	ctx := context.Background()
	state, _ := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}})
	cores := func(role berth.Role, id string, n int64) berth.Task {
		return berth.NewTask(id, berth.GroupSpec{Role: role, Request: berth.Resources{"cpu": n * 1000}})
	}
	s, _ := scheduler.New(state, scheduler.Config{Order: allocator.Fair{}, Hold: true})
	s.Schedule(ctx, cores("batch", "batch-1", 3))

	waiting := []berth.Task{cores("batch", "batch-2", 1), cores("analysis", "analysis-1", 4)}
	out, _ := s.Schedule(ctx, waiting...)
	for _, u := range out.Unplaced {
		fmt.Println(u.Task, u.Why)
	}
	state.Release("batch-1")
	out, _ = s.Schedule(ctx, waiting...)
	fmt.Println(out.Placed)
	// Output:
	// analysis-1 1 insufficient cpu; nearest n1: lacks 3 cpu; 3 more cpu on n1 would do
	// batch-2 1 insufficient cpu; nearest n1: lacks 1 cpu; held back behind task analysis-1; 1 more cpu on n1 would do
	// [place analysis-1 on n1]
}

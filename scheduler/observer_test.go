package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// ticking is a clock that is a second later each time it is asked.
func ticking() func() time.Time {
	at := time.Unix(0, 0)
	return func() time.Time {
		at = at.Add(time.Second)
		return at
	}
}

// Of two nodes of four cores, two tasks of three fit and one does not; each plan and each commit takes one tick.
func TestObserver(t *testing.T) {
	for _, exhaustive := range []bool{false, true} { // planned and committed in one step, and in three
		t.Run(fmt.Sprintf("exhaustive %t", exhaustive), func(t *testing.T) {
			state, err := scheduler.NewState(scheduler.StateConfig{}, node("n1", 4000), node("n2", 4000))
			require.NoError(t, err)
			var told []any
			s, err := scheduler.New(state, scheduler.Config{Exhaustive: exhaustive, Observer: scheduler.Observer{
				Planned: func(p scheduler.Planned) { told = append(told, p); state.Snapshot(t.Context()) },
				Committed: func(c scheduler.Committed) {
					told = append(told, c)
					s, _ := state.Snapshot(t.Context())
					_ = s.Version()
				},
				Now: ticking(),
			}})
			require.NoError(t, err)
			before := snapshotOf(t, state).Version()
			out, err := s.Schedule(t.Context(), webGroup(3000).Tasks(3)...)
			require.NoError(t, err)
			assert.Equal(t, []any{
				scheduler.Planned{Version: before, Took: time.Second, Tasks: 3, Placed: 2, Unplaced: 1},
				scheduler.Committed{Version: out.Version, Took: time.Second, Attempt: 1, Placed: 2, Unplaced: 1},
			}, told)

			told = nil
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(errors.New("enough"))
			_, err = s.Plan(ctx, snapshotOf(t, state), webGroup(3000).Task("web-4"))
			require.ErrorContains(t, err, "enough")
			require.Len(t, told, 1)
			assert.ErrorContains(t, told[0].(scheduler.Planned).Err, "enough")

			told = nil
			_, err = s.Replace(t.Context(), webGroup(2000).Task("web-1"))
			require.NoError(t, err)
			require.Len(t, told, 2, "a plan for the one task, and the commit")
			assert.Equal(t, 1, told[1].(scheduler.Committed).Placed)

			told = nil
			_, err = s.ScheduleWhole(t.Context(), webGroup(2000).Task("web-9"))
			require.NoError(t, err)
			assert.Len(t, told, 2)
		})
	}
}

// An observer that panics, or whose clock goes back, changes nothing but what it is told.
func TestObserverTearsNothing(t *testing.T) {
	state, err := scheduler.NewState(scheduler.StateConfig{}, node("n1", 4000))
	require.NoError(t, err)
	at := time.Unix(1000, 0)
	var took []time.Duration
	s, err := scheduler.New(state, scheduler.Config{Observer: scheduler.Observer{
		Planned: func(p scheduler.Planned) { took = append(took, p.Took); panic("planned") },
		Committed: func(c scheduler.Committed) {
			took = append(took, c.Took)
			panic("committed")
		},
		Now: func() time.Time { at = at.Add(-time.Hour); return at },
	}})
	require.NoError(t, err)
	out, err := s.Schedule(t.Context(), webGroup(1000).Task("web-1"))
	require.NoError(t, err)
	assert.Len(t, out.Placed, 1)
	assert.Equal(t, []time.Duration{0, 0}, took)
	_, there := snapshotOf(t, state).Task("web-1")
	assert.True(t, there)
}

// Where a strategy panics there is neither a plan nor a commit to tell of, and the next call is told of as ever.
func TestObserverIsToldNothingOfPanics(t *testing.T) {
	state, err := scheduler.NewState(scheduler.StateConfig{}, node("n1", 4000))
	require.NoError(t, err)
	broken, told := true, 0
	s, err := scheduler.New(state, scheduler.Config{
		Strategy: placement.Best(placement.Class("own", func(*berth.Node) int64 {
			if broken {
				panic("broken")
			}
			return 0
		})),
		Observer: scheduler.Observer{Planned: func(scheduler.Planned) { told++ }, Committed: func(scheduler.Committed) { told++ }},
	})
	require.NoError(t, err)
	assert.Panics(t, func() { _, _ = s.Schedule(t.Context(), webGroup(1000).Task("web-1")) })
	assert.Zero(t, told)
	broken = false
	_, err = s.Schedule(t.Context(), webGroup(1000).Task("web-1"))
	require.NoError(t, err)
	assert.Equal(t, 2, told)
}

// A Scheduler without an Observer allocates nothing for it.
func TestNoObserverAllocatesNothing(t *testing.T) {
	state, err := scheduler.NewState(scheduler.StateConfig{}, node("n1", 4000))
	require.NoError(t, err)
	plain, err := scheduler.New(state, scheduler.Config{})
	require.NoError(t, err)
	watched, err := scheduler.New(state, scheduler.Config{Observer: scheduler.Observer{Planned: func(scheduler.Planned) {}}})
	require.NoError(t, err)
	snapshot, task := snapshotOf(t, state), webGroup(1000).Task("web-1")
	allocs := func(s *scheduler.Scheduler) float64 {
		return testing.AllocsPerRun(100, func() { _, _ = s.Plan(t.Context(), snapshot, task) })
	}
	assert.Less(t, allocs(plain), allocs(watched))
}

// A Run tells how many wait when that has changed: three before anything is placed are told of as one that has no room.
func TestObserverOfRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waiting []int
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 4000))}
		require.NoError(t, s.queue.Submit(webGroup(2000).Tasks(3)...))
		assert.Equal(t, 3, s.queue.Len())
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) {
			var err error
			c.Scheduler, err = scheduler.New(s.state, scheduler.Config{Observer: scheduler.Observer{Waiting: func(n int) {
				waiting = append(waiting, n)
				panic("the Run goes on")
			}}})
			require.NoError(t, err)
		})
		s.after(0)
		assert.Equal(t, 1, waiting[len(waiting)-1])
		s.queue.Cancel("web-3")
		s.after(0)
		assert.Equal(t, 0, waiting[len(waiting)-1])
		s.stop(t)
	})
}

// What a Scheduler does goes to the host's metrics.
func ExampleObserver() {
	state, err := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}})
	if err != nil {
		panic(err)
	}
	s, err := scheduler.New(state, scheduler.Config{Observer: scheduler.Observer{
		Planned: func(p scheduler.Planned) { fmt.Println("plan of", p.Tasks, "tasks,", p.Unplaced, "without a place") },
		Committed: func(c scheduler.Committed) {
			fmt.Println("attempt", c.Attempt, "placed", c.Placed, "and lost the race for", c.Refused)
		},
	}})
	if err != nil {
		panic(err)
	}
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1500}})
	if _, err := s.Schedule(context.Background(), web.Tasks(3)...); err != nil {
		panic(err)
	}
	// Output:
	// plan of 3 tasks, 1 without a place
	// attempt 1 placed 2 and lost the race for 0
}

package scheduler_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

func TestFault33OtherNodesAreTriedAfterAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 8000), node("n2", 90_000), node("n3", 500))}
		var mended atomic.Bool
		h := &hand{start: func(_ context.Context, p scheduler.Placement) error {
			if p.Node == "n1" && !mended.Load() {
				return errors.New("no disk")
			}
			return nil
		}}
		web := webGroup(1000)
		require.NoError(t, s.queue.Submit(web.Tasks(1)...))
		s.start(t, scheduler.StateConfig{}, with(h))
		assert.Equal(t, "0s failed web-1 on n1: no disk\n1s started web-1 on n2", s.after(30*time.Second), "bin packing likes n1, the fuller one, better")
		require.NoError(t, s.queue.Submit(web.Task("web-2")))
		assert.Equal(t, "30s started web-2 on n2", s.after(0), "the whole group keeps away")
		require.NoError(t, s.queue.Submit(webGroup2().Task("other")))
		assert.Equal(t, "30s failed other on n1: no disk\n31s started other on n2", s.after(20*time.Second), "another group does not know")
		mended.Store(true)
		require.NoError(t, s.state.Cordon("n2"))
		require.NoError(t, s.queue.Submit(web.Task("web-3")))
		assert.Equal(t, "50s started web-3 on n1", s.after(0), "where no other node can take it, it goes there all the same")
		require.NoError(t, s.state.Uncordon("n2"))
		s.after(time.Minute)
		require.NoError(t, s.queue.Submit(web.Task("web-4")))
		assert.Equal(t, "1m50s started web-4 on n1", s.after(0), "a minute later all is forgotten")
		s.stop(t)
	})
}

func webGroup2() *berth.Group {
	return berth.NewGroup("other", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
}

// A gang whose node fails goes elsewhere together, in spite of others of other priorities between its tasks.
func TestFault33GangGoesElsewhereTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 4000), node("n2", 9000))}
		h := &hand{start: func(_ context.Context, p scheduler.Placement) error {
			if p.Node == "n1" {
				return errors.New("no disk")
			}
			return nil
		}}
		gang := berth.NewGroup("gang", berth.GroupSpec{Mode: berth.Gang, GangSize: 2, Request: berth.Resources{"cpu": 2000}})
		require.NoError(t, s.queue.Submit(gang.Task("g-1"), webGroup2().Task("other"), gang.Task("g-2")))
		s.start(t, scheduler.StateConfig{}, with(h))
		s.after(time.Minute - 1)
		where := map[string]string{}
		for _, id := range []string{"g-1", "g-2"} {
			task, ok := s.state.Task(id)
			require.True(t, ok)
			where[id] = task.Node + " " + task.State.String()
		}
		assert.Equal(t, map[string]string{"g-1": "n2 running", "g-2": "n2 running"}, where)
		s.stop(t)
	})
}

func TestFault33ExitDoesNotClearTheBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000))}
		a := webGroup(1000).Task("a")
		h := &hand{}
		h.start = func(_ context.Context, p scheduler.Placement) error {
			go func() { // it ends as soon as it runs
				_ = h.tell(scheduler.TaskEvent{Placement: p, Status: scheduler.TaskExited})
			}()
			return nil
		}
		require.NoError(t, s.queue.Submit(a))
		starts := 0
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) {
			c.Launcher = h
			report := c.Report
			c.Report = func(e scheduler.Event) {
				report(e)
				if e.Kind == scheduler.Exited {
					starts++
					assert.NoError(t, s.queue.Submit(a))
				}
			}
		})
		s.after(200 * time.Second)
		// It starts at 0, 1, 1+2, +4, +8, +16, +32 = 63, and then each minute: 123, 183.
		assert.Equal(t, 9, starts)
		s.stop(t)
	})
}

func TestFault33BackOffEndsWhenTheTaskRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000))}
		a := webGroup(1000).Task("a")
		require.NoError(t, s.queue.Submit(a))
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) { c.RetryAfter, c.RetryAtMost = 10*time.Second, time.Minute })
		end := func() {
			s.launcher.End(scheduler.TaskExited, "a")
			synctest.Wait()
			require.NoError(t, s.queue.Submit(a))
		}
		s.after(59 * time.Second)
		end()
		assert.Equal(t, "59s exited a on n1\n1m9s started a on n1", s.after(70*time.Second), "10 s after it ended")
		end() // after 60 s
		assert.Equal(t, "2m9s exited a on n1\n2m9s started a on n1", s.after(0), "it ran for a minute, and begins anew")
		end()
		assert.Equal(t, "2m9s exited a on n1\n2m19s started a on n1", s.after(10*time.Second), "and does not double")
		s.stop(t)
	})
}

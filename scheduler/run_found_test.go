package scheduler_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/scheduler"
)

func TestFault32NothingIsPlacedBeforeTheLauncherHasTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 8000), node("n2", 8000))}
		web := webGroup(1000)
		h := &hand{may: make(chan struct{})}
		for i := range 5 { // web-1 to web-5 run; of web-5 the launcher knows nothing but the name
			e := scheduler.TaskEvent{Placement: scheduler.Placement{Task: web.Task(fmt.Sprintf("web-%d", i+1)), Node: "n2", Attempt: uint64(100 + i)}}
			if i == 4 {
				e.Task.Group, e.Attempt = nil, 0
			}
			h.first = append(h.first, e)
		}
		require.NoError(t, s.queue.Submit(web.Tasks(7)...))
		s.start(t, scheduler.StateConfig{}, with(h))
		assert.Empty(t, s.after(time.Hour), "it is not known what runs")
		close(h.may)
		want := ""
		for i := range 5 {
			want += fmt.Sprintf("1h0m0s adopted web-%d on n2\n", i+1)
		}
		got := s.after(0)
		require.NoError(t, h.result)
		assert.Contains(t, got, want)
		assert.ElementsMatch(t, []string{"start web-6 on n2", "start web-7 on n2"}, h.did(), "what runs is not started again")
		assert.Greater(t, h.started("web-6").Attempt, uint64(103), "numbers go on where they were")
		assert.Empty(t, s.queue.Waiting())

		// One that is submitted later is the one that was found, once.
		require.NoError(t, s.queue.Submit(web.Task("web-1")))
		assert.Equal(t, "1h0m0s unplaced web-1: task exists on n2", s.after(0), "it waited when it was found, and was taken to be that one")
		require.ErrorIs(t, h.tell(scheduler.TaskEvent{Placement: scheduler.Placement{Task: web.Task("web-1"), Attempt: 99}, Status: scheduler.TaskExited}), scheduler.ErrOtherAttempt)
		require.NoError(t, h.tell(scheduler.TaskEvent{Placement: scheduler.Placement{Task: web.Task("web-5"), Node: "n2"}, Status: scheduler.TaskExited}))
		assert.Equal(t, "1h0m0s exited web-5 on n2", s.after(0))
		s.stop(t)
	})
}

func TestFault32FoundBeforeItIsSubmitted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 8000))}
		web := webGroup(1000)
		h := &hand{first: []scheduler.TaskEvent{{Placement: scheduler.Placement{Task: web.Task("web-1"), Node: "n1"}}}}
		s.start(t, scheduler.StateConfig{}, with(h))
		assert.Equal(t, "0s adopted web-1 on n1", s.after(0))
		require.NoError(t, s.queue.Submit(web.Task("web-1")))
		assert.Empty(t, s.after(0), "it is the one that runs")
		assert.Empty(t, s.queue.Waiting())
		require.NoError(t, s.queue.Submit(web.Task("web-1")))
		assert.Equal(t, "0s unplaced web-1: task exists on n1", s.after(0))
		assert.Empty(t, h.did())
		s.stop(t)
	})
}

// A task runs on a node that the State does not have yet.
func TestFault32NodeComesAfterItsTasks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 8000))}
		web := webGroup(1000)
		on := func(id, node string) scheduler.TaskEvent {
			return scheduler.TaskEvent{Placement: scheduler.Placement{Task: web.Task(id), Node: node, Attempt: 7}}
		}
		h := &hand{first: []scheduler.TaskEvent{on("web-1", "n2"), on("web-2", "n2"), on("web-3", "n2")}}
		require.NoError(t, s.queue.Submit(web.Tasks(3)...))
		s.start(t, scheduler.StateConfig{}, with(h))
		require.NoError(t, h.result)
		want := ""
		for i := range 3 {
			want += fmt.Sprintf("\n0s withheld web-%d on n2: scheduler: task \"web-%d\": node \"n2\": unknown node", i+1, i+1)
		}
		assert.Equal(t, want[1:], s.after(time.Hour), "nothing is started")
		gone := on("web-3", "n2")
		gone.Status = scheduler.TaskExited
		require.NoError(t, h.tell(gone))
		assert.Equal(t, "1h0m0s exited web-3 on n2\n1h0m0s started web-3 on n1", s.after(0), "now it runs nowhere, and is still to run")
		s.queue.Cancel("web-2")
		assert.Equal(t, "1h0m0s stopped web-2 on n2", s.after(0))
		s.inventory.Set(node("n2", 1000))
		assert.Equal(t, "1h0m0s adopted web-1 on n2", s.after(0))
		assert.Equal(t, []string{"start web-3 on n1", "stop web-2 on n2"}, h.did())
		s.stop(t)
	})
}

// A second Run on the same State, with the launcher of the first.
func TestFault32RunAfterRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 9000))}
		web := webGroup(1000)
		require.NoError(t, s.queue.Submit(web.Tasks(3)...))
		s.start(t, scheduler.StateConfig{}, nil)
		s.stop(t)
		s.after(0)
		s.launcher.End(scheduler.TaskExited, "web-2") // while nobody watches
		require.NoError(t, s.queue.Submit(web.Task("web-1"), web.Task("web-4")))
		s.start(t, scheduler.StateConfig{}, nil)
		assert.Equal(t, "0s exited web-2 on n1\n0s adopted web-1 on n1\n0s adopted web-3 on n1\n0s started web-4 on n1", s.after(0))
		assert.Equal(t, []string{"web-1 on n1", "web-3 on n1", "web-4 on n1"}, s.running())
		attempts := map[uint64]bool{}
		for _, p := range s.launcher.Running() {
			attempts[p.Attempt] = true
		}
		assert.Len(t, attempts, 3, "no number is given twice")
		s.queue.Cancel("web-3")
		assert.Equal(t, "0s stopped web-3 on n1", s.after(0))
		s.stop(t)
	})
}

package scheduler_test

import (
	"bytes"
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

// bare is the event of a task that runs, of which only the ID and the node are known.
func bare(id, node string) scheduler.TaskEvent {
	return scheduler.TaskEvent{Placement: scheduler.Placement{Task: berth.Task{ID: id}, Node: node}}
}

func agentGroup() *berth.Group {
	return berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 500}})
}

func TestRunFindsDaemonInstancesByTheirIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000), node("n@2", 1000), node("n3", 1000))}
		h := &hand{first: []scheduler.TaskEvent{bare("agent@n1", "n1"), bare("agent@n@2", "")}}
		require.NoError(t, s.queue.Submit(agentGroup().Everywhere()))
		s.start(t, scheduler.StateConfig{}, with(h))
		require.NoError(t, h.result)
		assert.Equal(t, "0s adopted agent@n1 on n1\n0s adopted agent@n@2 on n@2\n0s started agent@n3 on n3", s.after(0))
		assert.Equal(t, []string{"start agent@n3 on n3"}, h.did(), "what runs is not started")
		n, _ := snapshotOf(t, s.state).Node("n1")
		assert.Equal(t, int64(500), n.Free()["cpu"])
		s.stop(t)
	})
}

func TestRunWithholdsWhatItCannotAdopt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 4000))}
		h := &hand{first: []scheduler.TaskEvent{bare("web-1", "n1"), bare("agent@n1", "n1"), bare("web-2", "n1")}}
		s.start(t, scheduler.StateConfig{}, with(h))
		require.ErrorContains(t, h.result, `task "web-2": group: none given`)
		assert.Equal(t, "0s withheld web-1 on n1: scheduler: task \"web-1\": group: none given\n"+
			"0s withheld agent@n1 on n1: scheduler: task \"agent@n1\": group: none given\n"+
			"0s withheld web-2 on n1: scheduler: task \"web-2\": group: none given", s.after(0))
		n, _ := snapshotOf(t, s.state).Node("n1")
		assert.Equal(t, int64(4000), n.Free()["cpu"], "their room is not counted")

		require.NoError(t, s.queue.Submit(webGroup(1000).Task("web-1"), agentGroup().Everywhere()))
		assert.Equal(t, "0s adopted web-1 on n1\n0s adopted agent@n1 on n1", s.after(0), "now their groups are known")
		told := bare("web-2", "n1")
		told.Task = berth.NewTask("web-2", berth.GroupSpec{Request: berth.Resources{"cpu": 700}})
		require.NoError(t, h.tell(told))
		assert.Equal(t, "0s adopted web-2 on n1", s.after(0))
		n, _ = snapshotOf(t, s.state).Node("n1")
		assert.Equal(t, int64(4000-1000-500-700), n.Free()["cpu"])
		assert.Empty(t, h.did(), "nothing was started or stopped")
		assert.Empty(t, s.queue.Waiting()[1:], "only the demand stays")
		s.stop(t)
	})
}

// A task that is found later, such as one that another program started, is kept from being started twice as well.
func TestRunWithholdsWhatItIsToldLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 4000))}
		h := &hand{}
		s.start(t, scheduler.StateConfig{}, with(h))
		assert.Empty(t, s.after(time.Minute), "nothing ran")
		foreign := bare("web-2", "n1")
		foreign.Attempt = 99
		require.ErrorContains(t, h.tell(bare("web-1", "n1"), foreign, bare("web-1", "n1")), `task "web-2": group: none given`)
		assert.Equal(t, "1m0s withheld web-1 on n1: scheduler: task \"web-1\": group: none given\n"+
			"1m0s withheld web-2 on n1: scheduler: task \"web-2\": group: none given", s.after(0), "each once")
		require.NoError(t, s.queue.Submit(webGroup(1000).Tasks(2)...))
		assert.Equal(t, "1m0s adopted web-1 on n1\n1m0s adopted web-2 on n1", s.after(0))
		assert.Empty(t, h.did(), "what runs is not started")
		s.stop(t)
	})
}

// A late word of a run that has ended says nothing of the present.
func TestRunDoesNotWithholdForARunThatEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 4000))}
		h := &hand{}
		require.NoError(t, s.queue.Submit(webGroup(1000).Task("web-1")))
		s.start(t, scheduler.StateConfig{}, with(h))
		assert.Equal(t, "0s started web-1 on n1", s.after(0))
		over := bare("web-1", "n1")
		over.Attempt, over.Status = h.last["web-1"].Attempt, scheduler.TaskExited
		require.NoError(t, h.tell(over))
		over.Status = scheduler.TaskRunning
		require.Error(t, h.tell(over), "nobody knows it any more")
		assert.Equal(t, "0s exited web-1 on n1", s.after(0), "and it is not withheld")
		require.NoError(t, s.queue.Submit(webGroup(1000).Task("web-1")))
		assert.Contains(t, s.after(time.Minute), "started web-1 on n1")
		s.stop(t)
	})
}

// faulty is the event of a daemon's instance with a group that is at fault.
func faulty(on string) scheduler.TaskEvent {
	e := bare("agent@n1", on)
	e.Attempt = 9
	e.Task.Group = berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": -1}})
	return e
}

// Once the instance is placed the one that runs there is that one.
func TestRunTakesOverADaemonInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000))}
		h := &hand{first: []scheduler.TaskEvent{faulty("n1")}}
		require.NoError(t, s.queue.Submit(agentGroup().Everywhere()))
		s.start(t, scheduler.StateConfig{}, with(h))
		require.ErrorContains(t, h.result, "negative")
		got := s.after(time.Hour)
		assert.Contains(t, got, "0s withheld agent@n1 on n1")
		assert.Contains(t, got, "\n0s adopted agent@n1 on n1")
		assert.Empty(t, h.did(), "it runs")
		gone := faulty("n1")
		gone.Status = scheduler.TaskExited
		require.NoError(t, h.tell(gone))
		assert.Equal(t, "1h0m0s exited agent@n1 on n1\n1h0m1s started agent@n1 on n1", s.after(time.Minute))
		s.stop(t)
	})
}

// An instance that is said to run on a node that is not its own keeps the other one from being started until it ends.
func TestRunWithholdsADaemonInstance(t *testing.T) {
	withheld := func(t *testing.T, h *hand, then func(s *site)) {
		synctest.Test(t, func(t *testing.T) {
			s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000), node("n2", 100))}
			require.NoError(t, s.queue.Submit(agentGroup().Everywhere()))
			s.start(t, scheduler.StateConfig{}, with(h))
			assert.Contains(t, s.after(time.Hour), "0s withheld agent@n1 on n2")
			assert.Empty(t, h.did(), "it runs")
			then(s)
		})
	}
	t.Run("ends", func(t *testing.T) {
		h := &hand{first: []scheduler.TaskEvent{faulty("n2")}}
		withheld(t, h, func(s *site) {
			gone := bare("agent@n1", "")
			gone.Attempt, gone.Status = 9, scheduler.TaskExited
			require.NoError(t, h.tell(gone))
			assert.Equal(t, "1h0m0s exited agent@n1 on n2\n1h0m0s started agent@n1 on n1", s.after(0))
			s.stop(t)
		})
	})
	t.Run("is cancelled", func(t *testing.T) {
		h := &hand{first: []scheduler.TaskEvent{faulty("n2")}}
		withheld(t, h, func(s *site) {
			s.queue.Cancel("agent")
			assert.Equal(t, "1h0m0s stopped agent@n1 on n1\n1h0m0s stopped agent@n1 on n2", s.after(0), "the one that was placed, and the one that ran")
			assert.Equal(t, []string{"stop agent@n1 on n2"}, h.did())
			assert.Zero(t, snapshotOf(t, s.state).Tasks())
			s.stop(t)
		})
	})
	t.Run("Run ends", func(t *testing.T) {
		h := &hand{first: []scheduler.TaskEvent{faulty("n2")}}
		withheld(t, h, func(s *site) {
			s.stop(t)
			assert.Zero(t, snapshotOf(t, s.state).Tasks(), "what was placed and not started is released")
			assert.Empty(t, h.did())
		})
	})
}

func TestRunFirstAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000))}
		h := &hand{}
		require.NoError(t, s.queue.Submit(webGroup(1000).Task("web-1")))
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) { c.Launcher, c.FirstAttempt = h, 5000 })
		one := h.started("web-1")
		assert.Equal(t, uint64(5000), one.Attempt)
		late := one
		late.Attempt = 4 // of an earlier process
		require.ErrorIs(t, h.tell(scheduler.TaskEvent{Placement: late, Status: scheduler.TaskExited}), scheduler.ErrOtherAttempt)
		assert.Equal(t, "0s started web-1 on n1", s.after(0))
		s.stop(t)
	})
	assert.ErrorContains(t, scheduler.Run(t.Context(), scheduler.RunConfig{FirstAttempt: 1<<63 + 1}), "FirstAttempt 9223372036854775809 is more than 1<<63")
}

// mute is an inventory that never tells anything.
type mute struct{}

func (mute) Watch(ctx context.Context, _ func(...scheduler.NodeEvent) error) error {
	<-ctx.Done()
	return nil
}

func TestRunWarnsOfAHostThatTellsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &site{}
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) {
			c.Inventory, c.RetryAtMost = mute{}, 2*time.Minute
			c.Logger = hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Warn})
		})
		s.after(time.Hour)
		assert.Contains(t, log.String(), ":02:00.", "it is said after two minutes")
		assert.Contains(t, log.String(), "inventory told=false launcher told=true waited=2m0s")
		assert.Equal(t, 1, bytes.Count(log.Bytes(), []byte("nothing is placed")), "it is said once")
		s.stop(t)
	})
}

func TestEventPrintsItsExplanation(t *testing.T) {
	e := scheduler.Event{
		Kind:      scheduler.Unplaced,
		Placement: scheduler.Placement{Task: webGroup(1000).Task("web-1")},
		Reason:    berth.Reason{Code: berth.GangIncomplete, Subject: "1 of 2"},
		Unplaced: &cluster.Unplaced{Why: &cluster.Explanation{
			Nodes:  2,
			Counts: []cluster.ReasonCount{{Reason: berth.Reason{Code: berth.Insufficient, Subject: "cpu"}, Nodes: 2}},
		}},
	}
	assert.Equal(t, "unplaced web-1: 0/2 nodes: 2 insufficient cpu; gang incomplete 1 of 2", e.String())
	e.Reason = berth.Reason{Code: berth.NoNodes}
	e.Unplaced.Why = &cluster.Explanation{}
	assert.Equal(t, "unplaced web-1: no nodes", e.String())
}

// Every line of an error names the package and the thing at fault.
func TestErrorsNameThePackageOnEveryLine(t *testing.T) {
	lines := func(err error, want string) {
		t.Helper()
		require.Error(t, err)
		for _, line := range bytes.Split([]byte(err.Error()), []byte("\n")) {
			assert.True(t, bytes.HasPrefix(line, []byte(want)), "%s", line)
		}
		assert.Contains(t, err.Error(), "\n", "there are several faults")
	}
	lines(scheduler.Run(t.Context(), scheduler.RunConfig{}), "scheduler: run: no ")
	bad := berth.NewGroup("bad", berth.GroupSpec{Request: berth.Resources{"cpu": -1, "memory": -1}, Priority: -1, Mode: 77})
	var q scheduler.Queue
	lines(q.Submit(bad.Task("a"), bad.Task("b")), "scheduler: submit: task \"")
	s := newState(t, scheduler.StateConfig{}, node("n1", 1))
	lines(s.RemoveNodes("x", "y"), "scheduler: node \"")
	lines(s.AddNodes(node("n1", 1), node("", -1)), "scheduler: node")
	lines(s.Confirm("x", "y"), "scheduler: task \"")
	lines(s.Release("x", "y"), "scheduler: task \"")
	lines(s.Hold(berth.Hold{ID: "h"}), "scheduler: hold \"h\"")
	lines(s.Replay(scheduler.Command{Removed: []string{"x", "y"}}), "scheduler: replay: command 0: node \"")
	_, err := scheduler.NewState(scheduler.StateConfig{AssumeFor: -1}, node("", -1))
	lines(err, "scheduler: ")
	_, err = scheduler.New(nil, scheduler.Config{Attempts: -1})
	lines(err, "scheduler: ")
	_, err = newScheduler(t, s, scheduler.Config{}).Schedule(t.Context(), bad.Task("a"), bad.Task("b"))
	lines(err, "scheduler: task \"")
	_, err = scheduler.CoverageOf(nil, bad)
	lines(err, "scheduler: coverage: group \"bad\"")
}

// The launcher may tell before the inventory: what runs on nodes that are told next is nothing to tell of.
func TestRunWithholdsOnlyWhereTheNodeIsNotTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{}
		in := &slow{MemoryInventory: scheduler.NewMemoryInventory(node("n1", 1000)), may: make(chan struct{})}
		web := webGroup(100)
		on := func(id, node string) scheduler.TaskEvent {
			return scheduler.TaskEvent{Placement: scheduler.Placement{Task: web.Task(id), Node: node}}
		}
		h := &hand{first: []scheduler.TaskEvent{on("a", "n1"), on("b", "n2")}}
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) { c.Launcher, c.Inventory = h, in })
		assert.Empty(t, s.after(time.Second))
		close(in.may)
		assert.Equal(t, "1s adopted a on n1\n1s withheld b on n2: scheduler: task \"b\": node \"n2\": unknown node", s.after(0))
		s.stop(t)
	})
}

// slow is an inventory that tells when it may.
type slow struct {
	*scheduler.MemoryInventory
	may chan struct{}
}

func (s *slow) Watch(ctx context.Context, tell func(...scheduler.NodeEvent) error) error {
	select {
	case <-s.may:
		return s.MemoryInventory.Watch(ctx, tell)
	case <-ctx.Done():
		return nil
	}
}

package scheduler_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// heard is what a framework's Run reported.
type heard struct {
	mu     sync.Mutex
	events []scheduler.Event
}

func (e *heard) note(one scheduler.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.events = append(e.events, one)
}

// all returns what was reported so far.
func (e *heard) all() []scheduler.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Clone(e.events)
}

// of returns the tasks of the events of a kind, in order: calls of a launcher end in any.
func (e *heard) of(kind scheduler.EventKind) (ids []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, one := range e.events {
		if one.Kind == kind {
			ids = append(ids, one.Task.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// framework runs a framework by a configuration, of which the names, the State and the Exchange are filled in.
func (y *tenancy) framework(name string, cfg scheduler.FrameworkConfig, tasks ...berth.Task) (*running, *heard) {
	r, events := &running{launcher: &scheduler.MemoryLauncher{}}, &heard{}
	require.NoError(y.t, r.queue.Submit(tasks...))
	ctx, cancel := context.WithCancel(y.t.Context())
	ended := make(chan error, 1)
	cfg.Exchange = y.x
	cfg.Framework.Name, cfg.Framework.Role = name, berth.Role(name)
	cfg.Run = scheduler.RunConfig{State: y.state, Queue: &r.queue, Launcher: r.launcher, Report: events.note}
	go func() { ended <- scheduler.RunFramework(ctx, cfg) }()
	r.stop = func() {
		cancel()
		assert.ErrorIs(y.t, <-ended, context.Canceled)
	}
	return r, events
}

// where returns what runs on a node.
func (r *running) where(node string) (ids []string) {
	for _, p := range r.launcher.Running() {
		if p.Node == node {
			ids = append(ids, p.Task.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

// drain cordons a node and asks for it back.
func (y *tenancy) drain(node string, in time.Duration) string {
	require.NoError(y.t, y.state.Cordon(node))
	id, err := y.x.Recall(y.t.Context(), offers.Recall{Node: node, Reason: "a new kernel", Deadline: time.Now().Add(in)})
	require.NoError(y.t, err)
	return id
}

// One framework serves two roles: each task is placed on what was offered in its own role, or the nearest above it, and charged there.
func TestRunFrameworkInSeveralRoles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newTenancy(t, node("n1", 4000), node("n2", 4000))
		defer y.end()
		of := func(name string, role berth.Role) *berth.Group {
			return berth.NewGroup(name, berth.GroupSpec{Role: role, Request: berth.Resources{"cpu": 1000}})
		}
		tasks := slices.Concat(of("own", "spark").Tasks(1), of("click", "ads").Tasks(2), of("rank", "ads/rank").Tasks(1), of("deep", "ads/rank/deep").Tasks(1),
			of("foreign", "other").Tasks(1))
		f, events := y.framework("spark", scheduler.FrameworkConfig{Roles: []offers.Framework{{Role: "ads"}, {Role: "ads/rank"}}}, tasks...)
		time.Sleep(3 * time.Second)
		assert.Len(t, f.launcher.Running(), 5)
		for _, e := range events.all() {
			assert.Equal(t, e.Task.ID == "foreign-1", e.Kind == scheduler.Unplaced && e.Reason.Code == berth.Denied, "in none of its roles: %v", e)
		}
		snapshot, err := y.state.Snapshot(t.Context())
		require.NoError(t, err)
		for role, want := range map[berth.Role]int64{"spark": 1000, "ads": 4000, "ads/rank": 2000} {
			assert.Equal(t, want, snapshot.Used(role)["cpu"], role)
		}
		for owner, want := range map[string]int64{"spark": 1000, "spark@ads": 2000, "spark@ads/rank": 2000} {
			assert.Equal(t, want, snapshot.UsedBy(owner)["cpu"], owner)
		}
		for h := range snapshot.Holds() {
			assert.Fail(t, "idle, and holds room", "%v", h)
		}
		// It has its tasks in all roles back when it begins anew.
		f.stop()
		g, _ := y.framework("spark", scheduler.FrameworkConfig{Roles: []offers.Framework{{Role: "ads"}, {Role: "ads/rank"}}}, of("click", "ads").Task("click-3"))
		defer g.stop()
		time.Sleep(3 * time.Second)
		assert.Len(t, g.launcher.Running(), 1)
		snapshot, err = y.state.Snapshot(t.Context())
		require.NoError(t, err)
		assert.Equal(t, int64(3000), snapshot.UsedBy("spark@ads")["cpu"])
	})
}

// A node is drained: tasks move to another node once there is room, one by one if need be, and none is stopped before.
func TestRunFrameworkMovesForADrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newTenancy(t, node("n1", 4000))
		defer y.end()
		f, events := y.framework("web", scheduler.FrameworkConfig{}, coresOf("web", 1).Tasks(4)...)
		defer f.stop()
		time.Sleep(3 * time.Second)
		require.Len(t, f.where("n1"), 4)
		id := y.drain("n1", time.Hour)
		time.Sleep(5 * time.Minute)
		assert.Len(t, f.where("n1"), 4, "there is no room elsewhere yet")
		recalls, err := y.x.Recalls(t.Context())
		require.NoError(t, err)
		require.Len(t, recalls, 1)
		require.Len(t, recalls[0].Asked, 1)
		assert.Equal(t, offers.Accepted, recalls[0].Asked[0].Reply)

		require.NoError(t, y.state.AddNodes(node("n2", 1000), node("n3", 1000)))
		time.Sleep(10 * time.Second)
		assert.Equal(t, []string{"web-3", "web-4"}, f.where("n1"), "two have found room")
		assert.Len(t, f.launcher.Running(), 4)
		require.NoError(t, y.state.AddNodes(node("n4", 2000)))
		time.Sleep(10 * time.Second)
		assert.Empty(t, f.where("n1"))
		assert.Equal(t, []string{"web-3", "web-4"}, f.where("n4"))
		assert.Equal(t, []string{"web-1", "web-2", "web-3", "web-4"}, events.of(scheduler.Recalled))
		assert.Len(t, events.of(scheduler.Started), 8)
		assert.Equal(t, int64(4000), y.charged("web"), "and wants no more than it has")
		time.Sleep(time.Hour)
		plan, err := y.x.Overdue(t.Context())
		require.NoError(t, err)
		assert.Empty(t, plan.Ops, "nothing of %s is left to the host", id)
		assert.Len(t, f.launcher.Running(), 4)
	})
}

// What finds no room is stopped before the deadline, and waits; when the recall is withdrawn before, it stays as it was.
func TestRunFrameworkStopsByTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newTenancy(t, node("n1", 4000), node("n2", 1000))
		defer y.end()
		agent := berth.NewGroup("agent", berth.GroupSpec{Role: "web", Mode: berth.Daemon, Request: berth.Resources{"cpu": 500}})
		f, _ := y.framework("web", scheduler.FrameworkConfig{Notice: 2 * time.Minute}, append(coresOf("web", 1).Tasks(3), agent.Everywhere())...)
		defer f.stop()
		time.Sleep(3 * time.Second)
		require.Equal(t, []string{"agent@n1", "web-1", "web-2", "web-3"}, f.where("n1"))
		id := y.drain("n1", 10*time.Minute)
		time.Sleep(5 * time.Minute)
		require.NoError(t, y.x.Withdraw(t.Context(), id, "the kernel is new already"))
		time.Sleep(10 * time.Minute)
		assert.Len(t, f.where("n1"), 4, "withdrawn")
		assert.Equal(t, int64(4000), y.charged("web"), "and wants none of them twice")

		y.drain("n1", 10*time.Minute)
		time.Sleep(8*time.Minute - time.Second)
		assert.Len(t, f.where("n1"), 4)
		time.Sleep(2 * time.Second)
		assert.Empty(t, f.where("n1"), "two minutes before the deadline")
		assert.Len(t, f.queue.Waiting(), 4, "three tasks, and the demand of the daemon")
		require.NoError(t, y.state.AddNodes(node("n3", 4000)))
		time.Sleep(10 * time.Second)
		assert.Equal(t, []string{"agent@n3", "web-1", "web-2", "web-3"}, f.where("n3"))

		// Where the time is short, half of it is the notice.
		y.drain("n3", time.Minute)
		time.Sleep(29 * time.Second)
		assert.Len(t, f.where("n3"), 4)
		time.Sleep(2 * time.Second)
		assert.Empty(t, f.where("n3"))
	})
}

// The host's answer counts: tasks run on for a reason, or end for good.
func TestRunFrameworkAnswersAsTheHostSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newTenancy(t, node("n1", 4000), node("n2", 4000))
		defer y.end()
		var asked []string
		stay, _ := y.framework("stay", scheduler.FrameworkConfig{Inverse: func(o offers.InverseOffer) scheduler.Answer {
			asked = append(asked, o.Reason)
			return scheduler.Answer{Decline: "the only copy"}
		}}, coresOf("stay", 1).Tasks(2)...)
		batch, events := y.framework("batch", scheduler.FrameworkConfig{Inverse: func(offers.InverseOffer) scheduler.Answer {
			return scheduler.Answer{Stop: true}
		}}, coresOf("batch", 1).Tasks(2)...)
		defer func() { stay.stop(); batch.stop() }()
		time.Sleep(3 * time.Second)
		require.Len(t, slices.Concat(stay.where("n1"), batch.where("n1")), 4)
		y.drain("n1", time.Hour)
		time.Sleep(time.Minute)
		assert.Len(t, stay.where("n1"), 2)
		assert.Empty(t, batch.launcher.Running())
		assert.Equal(t, []string{"batch-1", "batch-2"}, events.of(scheduler.Stopped))
		assert.Zero(t, batch.queue.Len())
		assert.Equal(t, []string{"a new kernel"}, asked, "once")
		recalls, err := y.x.Recalls(t.Context())
		require.NoError(t, err)
		require.Len(t, recalls[0].Asked, 1)
		assert.Equal(t, "the only copy", recalls[0].Asked[0].Because)
	})
}

// Tasks that are asked back by themselves do not go back to where they were. One that is cancelled meanwhile is gone for good.
func TestRunFrameworkGivesTasksBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newTenancy(t, node("n1", 4000))
		defer y.end()
		f, events := y.framework("web", scheduler.FrameworkConfig{}, coresOf("web", 1).Tasks(4)...)
		defer f.stop()
		time.Sleep(3 * time.Second)
		_, err := y.x.Recall(t.Context(), offers.Recall{Tasks: []string{"web-1", "web-3"}, Reason: "guaranteed to others", Deadline: time.Now().Add(10 * time.Minute)})
		require.NoError(t, err)
		time.Sleep(time.Minute)
		f.queue.Cancel("web-3")
		time.Sleep(9*time.Minute - 2*time.Second)
		assert.Equal(t, []string{"web-2", "web-4"}, f.where("n1"))
		assert.Equal(t, []string{"web-1"}, events.of(scheduler.Recalled))
		assert.Equal(t, []string{"web-3"}, events.of(scheduler.Stopped))
		require.NoError(t, y.state.AddNodes(node("n2", 4000)))
		time.Sleep(5 * time.Second)
		assert.Equal(t, []string{"web-1"}, f.where("n2"))
	})
}

// slowToStop takes a minute to stop a task.
type slowToStop struct{ *scheduler.MemoryLauncher }

func (l slowToStop) Stop(ctx context.Context, p scheduler.Placement) error {
	select {
	case <-time.After(time.Minute):
		return l.MemoryLauncher.Stop(ctx, p)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A task that is on its way to another node ends for good if that is what the framework says to the next who asks for it.
func TestRunFrameworkStopsWhatMoves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newTenancy(t, node("n1", 4000))
		defer y.end()
		var queue scheduler.Queue
		require.NoError(t, queue.Submit(coresOf("web", 1).Tasks(1)...))
		launcher, events := slowToStop{new(scheduler.MemoryLauncher)}, new(heard)
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			ended <- scheduler.RunFramework(ctx, scheduler.FrameworkConfig{
				Exchange:  y.x,
				Framework: offers.Framework{Name: "web", Role: "web"},
				Inverse:   func(o offers.InverseOffer) scheduler.Answer { return scheduler.Answer{Stop: o.Node != ""} },
				Run:       scheduler.RunConfig{State: y.state, Queue: &queue, Launcher: launcher, Report: events.note},
			})
		}()
		time.Sleep(3 * time.Second)
		require.Len(t, launcher.Running(), 1)
		_, err := y.x.Recall(t.Context(), offers.Recall{Tasks: []string{"web-1"}, Reason: "guaranteed to others", Deadline: time.Now().Add(time.Hour)})
		require.NoError(t, err)
		require.NoError(t, y.state.AddNodes(node("n2", 4000)))
		time.Sleep(10 * time.Second)
		require.Equal(t, []string{"web-1"}, events.of(scheduler.Recalled), "it moves")
		y.drain("n1", time.Hour)
		time.Sleep(3 * time.Minute)
		assert.Empty(t, launcher.Running())
		assert.Zero(t, queue.Len())
		assert.Equal(t, []string{"web-1"}, events.of(scheduler.Stopped))
		cancel()
		assert.ErrorIs(t, <-ended, context.Canceled)
	})
}

// A gang moves as a whole or, where there is no room for it, not before its time has come.
func TestRunFrameworkMovesAGang(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newTenancy(t, node("n1", 3000))
		defer y.end()
		gang := berth.NewGroup("gang", berth.GroupSpec{Role: "web", Request: berth.Resources{"cpu": 1000}, Mode: berth.Gang, GangSize: 3})
		f, events := y.framework("web", scheduler.FrameworkConfig{}, gang.Tasks(3)...)
		defer f.stop()
		time.Sleep(3 * time.Second)
		require.Len(t, f.where("n1"), 3)
		y.drain("n1", time.Hour)
		require.NoError(t, y.state.AddNodes(node("n2", 2000)))
		time.Sleep(time.Minute)
		assert.Len(t, f.where("n1"), 3)
		require.NoError(t, y.state.AddNodes(node("n3", 1000)))
		time.Sleep(time.Minute)
		assert.Len(t, f.where("n2"), 2)
		assert.Len(t, f.where("n3"), 1)
		assert.Len(t, events.of(scheduler.Recalled), 3)
	})
}

// A framework that ends in the middle of a move leaves nothing behind that its successor does not take up.
func TestRunFrameworkEndsInAMove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newTenancy(t, node("n1", 4000))
		defer y.end()
		web := coresOf("web", 1)
		f, _ := y.framework("web", scheduler.FrameworkConfig{}, web.Tasks(2)...)
		time.Sleep(3 * time.Second)
		y.drain("n1", time.Hour)
		time.Sleep(3 * time.Second)
		f.stop()
		again := y.run("web", f.launcher, f.queue.Waiting()...)
		defer again.stop()
		time.Sleep(3 * time.Second)
		assert.Len(t, f.where("n1"), 2)
		require.NoError(t, y.state.AddNodes(node("n2", 4000)))
		time.Sleep(5 * time.Second)
		assert.Len(t, f.where("n2"), 2)
		assert.Empty(t, f.where("n1"))
	})
}

// A host whose answer panics ends its framework, and nobody else's.
func TestRunFrameworkWhoseAnswerPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newTenancy(t, node("n1", 4000), node("n2", 4000))
		defer y.end()
		other := y.run("other", &scheduler.MemoryLauncher{}, coresOf("other", 1).Tasks(2)...)
		defer other.stop()
		var queue scheduler.Queue
		require.NoError(t, queue.Submit(coresOf("web", 1).Tasks(2)...))
		ended := make(chan error, 1)
		launcher := &scheduler.MemoryLauncher{}
		go func() {
			ended <- scheduler.RunFramework(t.Context(), scheduler.FrameworkConfig{
				Exchange:  y.x,
				Framework: offers.Framework{Name: "web", Role: "web"},
				Inverse:   func(offers.InverseOffer) scheduler.Answer { panic("answer") },
				Run:       scheduler.RunConfig{State: y.state, Queue: &queue, Launcher: launcher},
			})
		}()
		time.Sleep(3 * time.Second)
		y.drain("n1", time.Hour)
		require.ErrorContains(t, <-ended, "answer")
		time.Sleep(10 * time.Second)
		assert.Len(t, launcher.Running(), 2, "they run on")
		assert.Len(t, other.where("n2"), 2, "the others have moved")
	})
}

// Two inverse offers about tasks of one node stand by themselves: that one is withdrawn lets the node be used no sooner.
func TestRunFrameworkSparesANodeForEachInverseOffer(t *testing.T) {
	for _, roles := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			y := newTenancy(t, node("n1", 4000))
			defer y.end()
			tasks := coresOf("web", 1).Tasks(2)
			if roles {
				tasks[1] = berth.NewGroup("ads", berth.GroupSpec{Role: "ads", Request: berth.Resources{"cpu": 1000}}).Task("ads-1")
			}
			f, events := y.framework("web", scheduler.FrameworkConfig{Roles: []offers.Framework{{Role: "ads"}}, Notice: time.Minute}, tasks...)
			defer f.stop()
			time.Sleep(3 * time.Second)
			require.Len(t, f.where("n1"), 2)
			recall := func(id string) string {
				id, err := y.x.Recall(t.Context(), offers.Recall{Tasks: []string{id}, Reason: "guaranteed to others", Deadline: time.Now().Add(10 * time.Minute)})
				require.NoError(t, err)
				return id
			}
			recall(tasks[0].ID)
			time.Sleep(10 * time.Second)
			second := recall(tasks[1].ID)
			time.Sleep(10 * time.Second)
			require.NoError(t, y.x.Withdraw(t.Context(), second, "not needed"))
			time.Sleep(9*time.Minute + 20*time.Second) // the first has been stopped by now, and waits
			assert.Equal(t, []string{tasks[1].ID}, f.where("n1"))
			assert.Equal(t, []string{tasks[0].ID}, events.of(scheduler.Recalled))
			time.Sleep(2 * time.Minute)
			assert.Len(t, f.where("n1"), 2, "its time is over")
		})
	}
}

package scheduler_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/scheduler"
)

// hand is a launcher in a test's hand: every method does what the test says.
type hand struct {
	first  []scheduler.TaskEvent // what Watch says first, when it may
	may    chan struct{}         // nil: at once
	start  func(ctx context.Context, p scheduler.Placement) error
	stop   func(ctx context.Context, p scheduler.Placement) error
	tell   func(...scheduler.TaskEvent) error
	result error // of the first word

	mu    sync.Mutex
	calls []string
	last  map[string]scheduler.Placement // the last Start, by task
}

func (h *hand) note(what string, p scheduler.Placement) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, what+" "+p.String())
	if h.last == nil {
		h.last = map[string]scheduler.Placement{}
	}
	if what == "start" {
		h.last[p.Task.ID] = p
	}
}

func (h *hand) Start(ctx context.Context, p scheduler.Placement) error {
	h.note("start", p)
	if h.start == nil {
		return nil
	}
	return h.start(ctx, p)
}

func (h *hand) Stop(ctx context.Context, p scheduler.Placement) error {
	h.note("stop", p)
	if h.stop == nil {
		return nil
	}
	return h.stop(ctx, p)
}

func (h *hand) Watch(ctx context.Context, tell func(...scheduler.TaskEvent) error) error {
	if h.may != nil {
		select {
		case <-h.may:
		case <-ctx.Done():
			return nil
		}
	}
	h.tell = tell
	h.result = tell(h.first...)
	<-ctx.Done()
	return nil
}

// did returns the calls since the last time.
func (h *hand) did() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	calls := h.calls
	h.calls = nil
	return calls
}

func (h *hand) started(id string) scheduler.Placement {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last[id]
}

func with(h *hand) func(*scheduler.RunConfig) {
	return func(c *scheduler.RunConfig) { c.Launcher = h }
}

func TestFault26CancelThenSubmitKeepsTheNewTask(t *testing.T) {
	cases := map[string]struct {
		slow bool // Start takes a minute
		do   func(q *scheduler.Queue, a berth.Task)
		want string
		left []string
	}{
		"running": {do: func(q *scheduler.Queue, a berth.Task) {
			q.Cancel("a")
			assert.NoError(t, q.Submit(a))
		}, want: "2m0s stopped a on n1\n2m0s started a on n1", left: []string{"a on n1"}},
		"running, and cancelled again": {do: func(q *scheduler.Queue, a berth.Task) {
			q.Cancel("a")
			assert.NoError(t, q.Submit(a))
			q.Cancel("a")
		}, want: "2m0s stopped a on n1", left: []string{}},
		"running, submitted twice": {do: func(q *scheduler.Queue, a berth.Task) {
			assert.NoError(t, q.Submit(a))
			q.Cancel("a")
		}, want: "2m0s stopped a on n1", left: []string{}},
		"running, cancelled between two": {do: func(q *scheduler.Queue, a berth.Task) {
			assert.NoError(t, q.Submit(a))
			q.Cancel("a")
			assert.NoError(t, q.Submit(a))
		}, want: "2m0s stopped a on n1\n2m0s started a on n1", left: []string{"a on n1"}},
		"starting": {slow: true, do: func(q *scheduler.Queue, a berth.Task) {
			q.Cancel("a")
			assert.NoError(t, q.Submit(a))
		}, want: "3m0s started a on n1\n3m0s stopped a on n1\n6m0s started a on n1", left: []string{"a on n1"}},
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		c := cases[name]
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000))}
				a := webGroup(1000).Task("a")
				if c.slow {
					s.launcher.OnStart = func(context.Context, scheduler.Placement) error {
						time.Sleep(3 * time.Minute)
						return nil
					}
				}
				require.NoError(t, s.queue.Submit(a))
				s.start(t, scheduler.StateConfig{}, nil)
				s.after(2 * time.Minute)
				c.do(&s.queue, a)
				assert.Equal(t, c.want, s.after(time.Hour))
				assert.Equal(t, c.left, s.running())
				s.stop(t)
			})
		})
	}
}

// The new task comes while the old one is being placed: admission is asked in the middle of it.
func TestFault26CancelThenSubmitWhileItIsPlaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000))}
		a := webGroup(1000).Task("a")
		asked := 0
		require.NoError(t, s.queue.Submit(a))
		s.start(t, scheduler.StateConfig{Admit: func(scheduler.Admission) berth.Reason {
			if asked++; asked == 1 {
				s.queue.Cancel("a")
				assert.NoError(t, s.queue.Submit(a))
			}
			return berth.Reason{}
		}}, nil)
		assert.Equal(t, "0s stopped a on n1\n0s started a on n1", s.after(time.Hour), "the first one was never started")
		assert.Equal(t, []string{"a on n1"}, s.running())
		s.stop(t)
	})
}

func TestFault26CancelOfATaskThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000))}
		h := &hand{start: func(context.Context, scheduler.Placement) error {
			time.Sleep(time.Minute)
			return errors.New("no image")
		}}
		require.NoError(t, s.queue.Submit(webGroup(1000).Task("a")))
		s.start(t, scheduler.StateConfig{}, with(h))
		s.queue.Cancel("a")
		assert.Equal(t, "1m0s failed a on n1: no image\n1m0s stopped a on n1", s.after(time.Hour))
		assert.Equal(t, []string{"start a on n1"}, h.did())
		assert.Empty(t, s.queue.Waiting())
		s.stop(t)
	})
}

func TestFault27FirstWordOfTheInventoryIsTheWholeTruth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n2", 1000))}
		web := webGroup(1000)
		s.prepare = func() {
			require.NoError(t, s.state.AddNodes(node("n1", 1000), node("n2", 1000), node("n3", 1000)))
			require.NoError(t, s.state.Adopt(scheduler.Running{Task: web.Task("web-0"), Node: "n1"}))
		}
		require.NoError(t, s.queue.Submit(web.Tasks(2)...))
		s.start(t, scheduler.StateConfig{}, nil)
		assert.Equal(t, "0s lost web-0 on n1\n0s unplaced web-2: insufficient cpu\n0s started web-1 on n2", s.after(time.Hour))
		_, n1 := snapshotOf(t, s.state).Node("n1")
		_, n3 := snapshotOf(t, s.state).Node("n3")
		assert.False(t, n1 || n3, "nodes that were not named are gone")
		s.stop(t)
	})
}

func TestFault28NodeRemovedByTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 3000), node("n2", 10))}
		web := webGroup(1000)
		require.NoError(t, s.queue.Submit(web.Tasks(2)...))
		s.start(t, scheduler.StateConfig{}, with(&hand{}))
		s.after(time.Second)
		require.NoError(t, s.state.RemoveNodes("n1"))
		assert.Equal(t, "1s lost web-1 on n1\n1s lost web-2 on n1", s.after(time.Second))

		require.NoError(t, s.state.AddNodes(node("n4", 1000)))
		assert.Empty(t, s.after(time.Second), "whether lost tasks are to run again is the host's to decide")
		require.NoError(t, s.queue.Submit(web.Task("web-1")))
		assert.Equal(t, "3s started web-1 on n4", s.after(time.Second), "it says so by submitting it again")
		s.queue.Cancel("web-2")
		assert.Equal(t, "4s stopped web-2 on n1", s.after(time.Second))
		s.stop(t)
	})
}

// What was placed on the node and not begun was never lost: it waits again.
func TestFault28NodeRemovedByTheHostUnderALaunch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 3000))}
		h := &hand{start: func(context.Context, scheduler.Placement) error {
			time.Sleep(time.Minute)
			return nil
		}}
		require.NoError(t, s.queue.Submit(webGroup(1000).Tasks(2)...))
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) { c.Launcher, c.Launches = h, 1 })
		require.NoError(t, s.state.RemoveNodes("n1"))
		assert.Equal(t, "0s lost web-1 on n1\n0s unplaced web-2: no nodes", s.after(time.Second))
		require.NoError(t, s.state.AddNodes(node("n2", 3000)))
		assert.Equal(t, "2m0s started web-2 on n2", s.after(time.Hour))
		assert.Equal(t, []string{"start web-1 on n1", "start web-2 on n2"}, h.did())
		s.stop(t)
	})
}

func TestFault29LateEventOfAnEarlierAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000))}
		h := &hand{}
		j := webGroup(1000).Task("j")
		require.NoError(t, s.queue.Submit(j))
		s.start(t, scheduler.StateConfig{}, with(h))
		one := h.started("j")
		s.inventory.Remove("n1")
		s.after(time.Second)
		s.inventory.Set(node("n1", 1000))
		synctest.Wait()
		require.NoError(t, s.queue.Submit(j))
		assert.Equal(t, "1s started j on n1", s.after(time.Second))
		two := h.started("j")
		require.Greater(t, two.Attempt, one.Attempt)
		require.Positive(t, one.Attempt)

		event := func(p scheduler.Placement, status scheduler.TaskStatus) scheduler.TaskEvent {
			return scheduler.TaskEvent{Placement: p, Status: status}
		}
		unnumbered := two
		unnumbered.Attempt = 0
		for _, status := range []scheduler.TaskStatus{scheduler.TaskExited, scheduler.TaskLost} {
			require.ErrorIs(t, h.tell(event(one, status)), scheduler.ErrOtherAttempt)
			require.ErrorIs(t, h.tell(event(unnumbered, status)), scheduler.ErrOtherAttempt, "it might be of the first run")
		}
		require.ErrorIs(t, h.tell(event(one, scheduler.TaskRunning)), scheduler.ErrOtherAttempt)
		assert.Empty(t, s.after(time.Second), "nothing has changed")

		// A launcher that lost its numbers says what runs, and is then believed without them.
		require.NoError(t, h.tell(event(unnumbered, scheduler.TaskRunning)))
		require.NoError(t, h.tell(event(unnumbered, scheduler.TaskExited)))
		assert.Equal(t, "3s exited j on n1", s.after(time.Second))
		require.ErrorIs(t, h.tell(event(two, scheduler.TaskExited)), berth.ErrUnknownTask)
		s.stop(t)
	})
}

func TestFault29StopNamesTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000))}
		var stopped []uint64
		h := &hand{
			start: func(context.Context, scheduler.Placement) error {
				time.Sleep(2 * time.Minute)
				return nil
			},
			stop: func(_ context.Context, p scheduler.Placement) error {
				stopped = append(stopped, p.Attempt)
				return nil
			},
		}
		j := webGroup(1000).Task("j")
		require.NoError(t, s.queue.Submit(j))
		s.start(t, scheduler.StateConfig{}, with(h))
		one := h.started("j")
		require.NoError(t, s.state.Release("j"))
		require.NoError(t, s.queue.Submit(j))
		assert.Equal(t, "2m0s stopped j on n1\n4m0s started j on n1", s.after(time.Hour), "the one that the host released is stopped before the next begins")
		assert.Equal(t, []uint64{one.Attempt}, stopped)
		n, _ := snapshotOf(t, s.state).Node("n1")
		assert.Zero(t, n.Free()["cpu"], "the second one keeps its room")
		s.stop(t)
	})
}

func TestFault30RepetitionKeepsWhatTheHostSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{}
		in := &repeater{said: make(chan struct{})}
		s.prepare = func() {
			require.NoError(t, s.state.AddNodes(node("n3", 1000)))
			require.NoError(t, s.state.Cordon("n3"))
		}
		in.first = []scheduler.NodeEvent{{Node: node("n1", 1000)}, {Node: node("n2", 1000)}, {Node: node("n3", 1000)}}
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) { c.Inventory = in })
		cordoned := func(id string) bool {
			n, ok := snapshotOf(t, s.state).Node(id)
			require.True(t, ok)
			return n.Cordoned()
		}
		assert.True(t, cordoned("n3"), "cordoned before the Run began")
		require.NoError(t, s.state.Cordon("n1"))
		labelled := node("n1", 2000)
		require.NoError(t, s.state.UpdateNodes(labelled))
		require.NoError(t, in.tell(scheduler.NodeEvent{Node: node("n1", 1000)}))
		assert.True(t, cordoned("n1"), "a repetition undoes nothing")
		n, _ := snapshotOf(t, s.state).Node("n1")
		assert.Equal(t, int64(2000), n.Capacity()["cpu"])
		require.NoError(t, in.tell(scheduler.NodeEvent{Node: node("n1", 3000)}))
		assert.True(t, cordoned("n1"), "a new description is no word of the cordon")
		n, _ = snapshotOf(t, s.state).Node("n1")
		assert.Equal(t, int64(3000), n.Capacity()["cpu"])

		say := func(id string, cordon bool) {
			require.NoError(t, in.tell(scheduler.NodeEvent{Node: node(id, 1000), Cordoned: cordon}))
		}
		say("n2", true)
		assert.True(t, cordoned("n2"))
		require.NoError(t, s.state.Uncordon("n2"))
		say("n2", true)
		assert.False(t, cordoned("n2"), "nor does a repetition repeat")
		say("n2", false)
		say("n2", true)
		assert.True(t, cordoned("n2"))
		say("n2", false)
		assert.False(t, cordoned("n2"), "its own cordon the inventory ends")

		say("n3", true)
		say("n3", false)
		assert.True(t, cordoned("n3"), "the host's it does not")

		require.NoError(t, s.state.RemoveNodes("n2"))
		say("n2", false)
		_, known := snapshotOf(t, s.state).Node("n2")
		assert.False(t, known, "what the host removed does not return by a repetition")
		require.NoError(t, in.tell(scheduler.NodeEvent{Node: berth.Node{ID: "n2"}, Removed: true}))
		say("n2", true)
		assert.True(t, cordoned("n2"))
		s.stop(t)
	})
}

// repeater is an inventory in a test's hand.
type repeater struct {
	first []scheduler.NodeEvent
	tell  func(...scheduler.NodeEvent) error
	said  chan struct{}
}

func (r *repeater) Watch(ctx context.Context, tell func(...scheduler.NodeEvent) error) error {
	if err := tell(r.first...); err != nil {
		return err
	}
	r.tell = tell
	close(r.said)
	<-ctx.Done()
	return nil
}

func TestFault31TwoRunsOnOneState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := newState(t, scheduler.StateConfig{AssumeFor: time.Minute}, node("n1", 3000), node("n2", 3000))
		a, b := &site{state: state}, &site{state: state}
		web := webGroup(1000)
		db := berth.NewGroup("db", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}, Rules: []berth.Constraint{constraints.Eq("rack", "none")}})
		var knows atomic.Bool
		ha, hb := &hand{}, &hand{start: func(context.Context, scheduler.Placement) error {
			if knows.Load() {
				return nil
			}
			return context.DeadlineExceeded
		}}
		require.NoError(t, a.queue.Submit(web.Task("a-1"), web.Task("a-2"), db.Task("a-db")))
		require.NoError(t, b.queue.Submit(web.Task("b-1")))
		a.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) { c.Launcher, c.Launches = ha, 1 })
		b.start(t, scheduler.StateConfig{}, with(hb))
		assert.Equal(t, "0s unplaced a-db: refused by rack = \"none\"\n0s started a-1 on n1\n0s started a-2 on n1", a.after(0))
		assert.Equal(t, "0s uncertain b-1 on n1: context deadline exceeded", b.after(0))
		ha.did()
		hb.did()

		a.queue.Cancel("b-1")
		assert.Equal(t, `0s unknown b-1: task "b-1": unknown task`, a.after(time.Second), "another's task is not known")
		require.ErrorIs(t, ha.tell(scheduler.TaskEvent{Placement: scheduler.Placement{Task: web.Task("b-1"), Node: "n1"}, Status: scheduler.TaskExited}), scheduler.ErrNotOurs)
		assert.Empty(t, ha.did())

		// Both expire what is due; b-1 is b's to place again.
		knows.Store(true)
		assert.Empty(t, a.after(2*time.Minute))
		assert.Equal(t, "1m0s expired b-1 on n1\n1m0s started b-1 on n1", b.after(0))
		assert.Equal(t, []string{"start b-1 on n1"}, hb.did())

		require.NoError(t, state.RemoveNodes("n1"))
		assert.Equal(t, "2m1s lost a-1 on n1\n2m1s lost a-2 on n1", a.after(time.Second))
		assert.Equal(t, "2m1s lost b-1 on n1", b.after(0))
		a.stop(t)
		b.stop(t)
	})
}

func TestFault31OneQueueOneRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{}
		s.start(t, scheduler.StateConfig{}, nil)
		err := scheduler.Run(t.Context(), scheduler.RunConfig{State: s.state, Queue: &s.queue, Launcher: &hand{}})
		require.ErrorContains(t, err, "the Queue is used by another Run")
		s.stop(t)
		s.start(t, scheduler.StateConfig{}, nil)
		s.stop(t)
	})
}

func TestFault31TheLaunchersWordOfAnothersTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := newState(t, scheduler.StateConfig{}, node("n1", 3000))
		a, b := &site{state: state}, &site{state: state}
		web := webGroup(1000)
		ha, hb := &hand{}, &hand{}
		require.NoError(t, a.queue.Submit(web.Task("j")))
		a.start(t, scheduler.StateConfig{}, with(ha))
		b.start(t, scheduler.StateConfig{}, with(hb))
		for _, status := range []scheduler.TaskStatus{scheduler.TaskRunning, scheduler.TaskOrphan, scheduler.TaskExited, scheduler.TaskLost} {
			e := scheduler.TaskEvent{Placement: ha.started("j"), Status: status}
			require.ErrorIs(t, hb.tell(e), scheduler.ErrNotOurs, status)
		}
		require.NoError(t, b.queue.Submit(web.Task("j")))
		assert.Equal(t, "0s unplaced j: task exists on n1", b.after(0))
		a.stop(t)

		// Now it is nobody's: it becomes b's by the word of b's launcher.
		require.NoError(t, hb.tell(scheduler.TaskEvent{Placement: ha.started("j")}))
		assert.Equal(t, "0s adopted j on n1", b.after(0))
		assert.Empty(t, b.queue.Waiting())
		b.queue.Cancel("j")
		assert.Equal(t, "0s stopped j on n1", b.after(0))
		assert.Equal(t, []string{"stop j on n1"}, hb.did())
		b.stop(t)
	})
}

// One Run waits for an ID that another has.
func TestFault31AnIDThatAnotherRunGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		state := newState(t, scheduler.StateConfig{}, node("n1", 1000))
		a, b := &site{state: state}, &site{state: state}
		j := webGroup(1000).Task("j")
		require.NoError(t, a.queue.Submit(j))
		a.start(t, scheduler.StateConfig{}, with(&hand{}))
		b.start(t, scheduler.StateConfig{}, with(&hand{}))
		require.NoError(t, b.queue.Submit(j))
		assert.Equal(t, "0s unplaced j: task exists on n1", b.after(0))
		require.NoError(t, state.AddNodes(node("n2", 1000)))
		require.NoError(t, state.RemoveNodes("n1"))
		assert.Equal(t, "0s unplaced j: task exists lost", b.after(0), "what was lost is still a's")
		a.queue.Cancel("j")
		assert.Equal(t, "0s started j on n2", b.after(0))
		assert.Equal(t, "0s started j on n1\n0s lost j on n1\n0s stopped j on n1", a.after(0))
		a.stop(t)
		b.stop(t)
	})
}

// The host places and adopts tasks by itself. They are nobody's until it cancels them.
func TestFault31TasksOfTheHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{}
		h := &hand{}
		web := webGroup(1000)
		s.prepare = func() {
			require.NoError(t, s.state.AddNodes(node("n1", 2000), node("n2", 1000)))
			require.NoError(t, s.state.Adopt(scheduler.Running{Task: web.Task("x"), Node: "n1"}, scheduler.Running{Task: web.Task("z"), Node: "n2"}))
			sched, err := scheduler.New(s.state, scheduler.Config{})
			require.NoError(t, err)
			_, err = sched.Schedule(t.Context(), web.Task("y"))
			require.NoError(t, err)
		}
		s.start(t, scheduler.StateConfig{AssumeFor: time.Minute}, with(h))
		assert.Equal(t, "1m0s expired y on n1", s.after(time.Hour), "it is not Run's to place again")
		require.NoError(t, s.state.RemoveNodes("n2"))
		assert.Equal(t, "1h0m0s lost z on n2", s.after(0))
		s.queue.Cancel("x", "z")
		assert.Equal(t, "1h0m0s stopped z\n1h0m0s stopped x on n1", s.after(0))
		assert.Equal(t, []string{"stop x on n1"}, h.did())
		s.stop(t)
	})
}

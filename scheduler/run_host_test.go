package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

var errBoom = errors.New("boom")

// watching is a launcher or an inventory whose Watch does something.
type watching struct {
	*hand
	watch func(ctx context.Context) error
}

func (w watching) Watch(ctx context.Context, tell func(...scheduler.TaskEvent) error) error {
	if err := w.hand.Watch(canceled(ctx), tell); err != nil {
		return err
	}
	return w.watch(ctx)
}

// canceled is a context that has ended, for a Watch that is to return after the first word.
func canceled(ctx context.Context) context.Context {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx
}

type watchingNodes struct {
	watch func(ctx context.Context) error
}

func (w watchingNodes) Watch(ctx context.Context, tell func(...scheduler.NodeEvent) error) error {
	_ = tell(scheduler.NodeEvent{Node: node("n1", 9000)})
	return w.watch(ctx)
}

// Two tasks are being started and a third is placed, not begun, when host code fails. Run ends with what failed, the
// two are confirmed or assumed and reported, and the third waits again.
func TestRunOutlivesHostCode(t *testing.T) {
	cases := map[string]struct {
		do     func(h *hand, c *scheduler.RunConfig, fail func() error)
		states map[string]string
	}{
		"launcher: Start of a on n1": {do: func(h *hand, _ *scheduler.RunConfig, fail func() error) {
			start := h.start
			h.start = func(ctx context.Context, p scheduler.Placement) error {
				if p.Task.ID == "a" {
					return fail()
				}
				return start(ctx, p)
			}
		}, states: map[string]string{"a": "assumed", "b": "running"}},
		"launcher": {do: func(h *hand, c *scheduler.RunConfig, fail func() error) {
			c.Launcher = watching{h, func(context.Context) error { return fail() }}
		}},
		"inventory": {do: func(_ *hand, c *scheduler.RunConfig, fail func() error) {
			c.Inventory = watchingNodes{func(context.Context) error { return fail() }}
		}},
		"report": {do: func(_ *hand, c *scheduler.RunConfig, fail func() error) {
			report := c.Report
			c.Report = func(e scheduler.Event) {
				report(e)
				if e.Kind == scheduler.Unplaced {
					_ = fail()
				}
			}
		}},
	}
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		for _, how := range []string{"panic", "goexit"} {
			t.Run(name+" "+how, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 9000))}
					h := &hand{start: func(ctx context.Context, _ scheduler.Placement) error {
						<-ctx.Done()
						return nil
					}}
					g := webGroup(1000)
					require.NoError(t, s.queue.Submit(g.Task("a"), g.Task("b"), g.Task("c"), berth.NewTask("big", berth.GroupSpec{Request: berth.Resources{"cpu": 9999}})))
					s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) {
						c.Launcher, c.Launches = h, 2
						cases[name].do(h, c, func() error {
							time.Sleep(time.Minute)
							if how == "goexit" {
								runtime.Goexit()
							}
							panic(errBoom)
						})
					})
					err := <-s.result
					require.ErrorContains(t, err, "scheduler: run: "+name+": panic: ")
					if how == "panic" {
						require.ErrorIs(t, err, errBoom)
						require.ErrorContains(t, err, "run_host_test.go", "the stack tells where")
					}
					events := s.after(time.Minute)
					states := map[string]string{}
					for task := range snapshotOf(t, s.state).Group("web") {
						states[task.ID] = task.State.String()
					}
					want := cases[name].states
					if want == nil {
						want = map[string]string{"a": "running", "b": "running"}
					}
					if name != "report" { // there the end comes before a and b were begun
						assert.Equal(t, want, states, events)
					}
					if want["a"] == "assumed" {
						assert.Contains(t, events, "uncertain a on n1: panic: ")
					}
					waiting := map[string]bool{}
					for _, task := range s.queue.Waiting() {
						waiting[task.ID] = true
					}
					for _, id := range []string{"a", "b", "c"} {
						assert.True(t, waiting[id] != (states[id] != ""), "%s is in one place", id)
					}
				})
			})
		}
	}
}

func TestRunOutlivesAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 9000))}
		h := &hand{stop: func(context.Context, scheduler.Placement) error { panic(errBoom) }}
		require.NoError(t, s.queue.Submit(webGroup(1000).Task("a")))
		s.start(t, scheduler.StateConfig{}, with(h))
		s.queue.Cancel("a")
		err := <-s.result
		require.ErrorIs(t, err, errBoom)
		require.ErrorContains(t, err, "scheduler: run: launcher: Stop of a on n1: panic: boom")
		assert.Contains(t, s.after(0), "0s uncertain a on n1: not stopped: Run has ended")
		task, _ := s.state.Task("a")
		assert.Equal(t, berth.Stopping, task.State)

		// The next Run hears that it still runs, and stops it.
		h.stop = nil
		h.first = []scheduler.TaskEvent{{Placement: h.started("a")}}
		s.start(t, scheduler.StateConfig{}, with(h))
		assert.Equal(t, "0s adopted a on n1\n0s stopped a on n1", s.after(0))
		s.stop(t)
	})
}

// What the State and the Scheduler call on Run's behalf is host code as well.
func TestRunOutlivesAdmission(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 9000))}
		require.NoError(t, s.queue.Submit(webGroup(1000).Task("a")))
		s.start(t, scheduler.StateConfig{Admit: func(scheduler.Admission) berth.Reason { panic(errBoom) }}, nil)
		require.ErrorIs(t, <-s.result, errBoom)
		assert.Len(t, s.queue.Waiting(), 1)
	})
}

func TestRunConfigOfNothing(t *testing.T) {
	state := newState(t, scheduler.StateConfig{})
	good := scheduler.RunConfig{State: state, Queue: &scheduler.Queue{}, Launcher: &scheduler.MemoryLauncher{}}
	other, err := scheduler.New(newState(t, scheduler.StateConfig{}), scheduler.Config{})
	require.NoError(t, err)
	cases := map[string]func(*scheduler.RunConfig){
		"no State":                    func(c *scheduler.RunConfig) { c.State = nil },
		"no Queue":                    func(c *scheduler.RunConfig) { c.Queue = nil },
		"no Launcher":                 func(c *scheduler.RunConfig) { c.Launcher = (*hand)(nil) },
		"the Scheduler has no source": func(c *scheduler.RunConfig) { c.Scheduler = &scheduler.Scheduler{} },
		"the Scheduler's source is another State":  func(c *scheduler.RunConfig) { c.Scheduler = other },
		"RetryAtMost 1s is less than RetryAfter 2": func(c *scheduler.RunConfig) { c.RetryAfter, c.RetryAtMost = 2*time.Second, time.Second },
	}
	for fault, spoil := range cases {
		c := good
		spoil(&c)
		assert.ErrorContains(t, scheduler.Run(t.Context(), c), fault)
	}
	var none context.Context
	assert.ErrorContains(t, scheduler.Run(none, scheduler.RunConfig{}), "no context")
	assert.ErrorContains(t, scheduler.Run(none, good), "no context")

	ended := canceled(t.Context())
	good.Inventory, good.Scheduler = (*repeater)(nil), (*scheduler.Scheduler)(nil)
	require.ErrorIs(t, scheduler.Run(ended, good), context.Canceled, "what is not needed may be a nil of its type")

	good.State = &scheduler.State{}
	require.ErrorIs(t, scheduler.Run(ended, good), context.Canceled, "a zero State is an empty one")

	var q *scheduler.Queue
	q.Cancel("a")
	assert.Empty(t, q.Waiting())
	assert.ErrorContains(t, q.Submit(), "no queue")
	assert.Error(t, (&scheduler.MemoryInventory{}).Watch(none, nil))
	assert.Error(t, (&scheduler.MemoryLauncher{}).Watch(none, nil))
}

func TestRunRefusesEventsAtFault(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 9000))}
		web := webGroup(1000)
		good := scheduler.TaskEvent{Placement: scheduler.Placement{Task: web.Task("web-1"), Node: "n1"}}
		h := &hand{first: []scheduler.TaskEvent{{}, {Placement: scheduler.Placement{Task: berth.Task{ID: "x"}, Node: "n1"}}, {Placement: scheduler.Placement{Task: web.Task("y")}}, good}}
		s.start(t, scheduler.StateConfig{}, with(h))
		for _, fault := range []string{"no task", `task "x"`, `task "y": runs, but no node is named`} {
			assert.ErrorContains(t, h.result, fault)
		}
		assert.Equal(t, "0s withheld x on n1: scheduler: task \"x\": group: none given\n"+
			"0s withheld y: scheduler: task \"y\": runs, but no node is named\n"+
			"0s adopted web-1 on n1", s.after(0), "the others are done")
		s.stop(t)
	})
}

// A task for which there is no node is planned again when room comes, not for what Run itself places. A gang is also when
// somebody else places a task of it.
func TestRunPlansAgainWhenItCouldHelp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failed := 0 // plans that had no place for one task
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 4000))}
		gang := berth.NewGroup("gang", berth.GroupSpec{Mode: berth.Gang, GangSize: 3, Request: berth.Resources{"cpu": 100}})
		big := berth.NewGroup("big", berth.GroupSpec{Request: berth.Resources{"cpu": 3900}})
		small := berth.NewGroup("small", berth.GroupSpec{Request: berth.Resources{"cpu": 10}})
		require.NoError(t, s.queue.Submit(gang.Task("g-1"), gang.Task("g-2"), webGroup(1000).Task("web-1")))
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) {
			var err error
			c.Scheduler, err = scheduler.New(s.state, scheduler.Config{Observer: scheduler.Observer{Committed: func(c scheduler.Committed) {
				if c.Unplaced == 1 {
					failed++
				}
			}}})
			require.NoError(t, err)
		})
		assert.Contains(t, s.after(0), "unplaced g-1: gang incomplete")
		require.NoError(t, s.state.Adopt(scheduler.Running{Task: gang.Task("g-3"), Node: "n1"}))
		got := s.after(0)
		assert.Contains(t, got, "started g-1 on n1")
		assert.Contains(t, got, "started g-2 on n1")

		require.NoError(t, s.queue.Submit(big.Task("big")))
		assert.Contains(t, s.after(0), "unplaced big: insufficient cpu")
		plans := func() int {
			defer func() { failed = 0 }()
			return failed
		}
		plans()
		for i := range 10 {
			require.NoError(t, s.queue.Submit(small.Task(fmt.Sprintf("small-%d", i))))
			assert.Contains(t, s.after(0), "started small-")
		}
		assert.Zero(t, plans(), "big is not planned again")
		s.queue.Cancel("web-1")
		s.after(0)
		assert.Equal(t, 1, plans(), "room was given back, not enough")
		s.inventory.Set(node("n2", 4000))
		assert.Contains(t, s.after(0), "started big on n2")
		s.stop(t)
	})
}

// A Stop that fails is asked again; when the node is gone there is nothing left to stop.
func TestRunGivesUpStopsOnNodesThatAreGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000), node("n2", 1000))}
		h := &hand{stop: func(context.Context, scheduler.Placement) error { return errors.New("no answer") }}
		a := webGroup(1000).Task("a")
		require.NoError(t, s.queue.Submit(a))
		s.start(t, scheduler.StateConfig{}, with(h))
		s.queue.Cancel("a")
		require.NoError(t, s.queue.Submit(a))
		assert.Equal(t, "0s started a on n1\n0s failed a on n1: no answer\n1s failed a on n1: no answer", s.after(2*time.Second))
		s.inventory.Remove("n1")
		assert.Equal(t, "2s lost a on n1\n3s stopped a on n1\n3s started a on n2", s.after(time.Hour))
		s.stop(t)
	})
}

// What is cancelled before Run knows what runs is stopped when it does.
func TestRunStopsWhatWasCancelledBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 9000))}
		web := webGroup(1000)
		h := &hand{may: make(chan struct{})}
		for _, task := range web.Tasks(2) {
			h.first = append(h.first, scheduler.TaskEvent{Placement: scheduler.Placement{Task: task, Node: "n1"}})
		}
		s.start(t, scheduler.StateConfig{}, with(h))
		s.queue.Cancel("web-1", "web-2")
		require.NoError(t, s.queue.Submit(web.Task("web-2")))
		assert.Empty(t, s.after(time.Minute))
		close(h.may)
		got := strings.Split(s.after(0), "\n")
		assert.ElementsMatch(t, []string{
			"1m0s adopted web-1 on n1", "1m0s stopped web-1 on n1",
			"1m0s adopted web-2 on n1", "1m0s stopped web-2 on n1", "1m0s started web-2 on n1",
		}, got)
		s.stop(t)
	})
}

// A daemon's instance on a node that left and returned is placed anew.
func TestRunCoversNodesThatReturn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000))}
		logs := berth.NewGroup("logs", berth.GroupSpec{Mode: berth.Daemon})
		require.NoError(t, s.queue.Submit(logs.Everywhere()))
		s.start(t, scheduler.StateConfig{}, with(&hand{}))
		assert.Equal(t, "0s started logs@n1 on n1", s.after(time.Second))
		s.inventory.Remove("n1")
		assert.Equal(t, "1s lost logs@n1 on n1\n1s unplaced logs on every node: no nodes", s.after(time.Second))
		s.inventory.Set(node("n1", 1000))
		assert.Equal(t, "2s started logs@n1 on n1", s.after(time.Second))
		s.stop(t)
	})
}

// A Run whose Scheduler works on what one framework was offered waits for offers, and goes elsewhere after a failure.
func TestRunOnOffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{state: newState(t, scheduler.StateConfig{}, node("n1", 4000), node("n2", 90_000))}
		x, err := offers.NewExchange(s.state, offers.Config{Order: new(allocator.DRF).Turns()})
		require.NoError(t, err)
		sub, err := x.Subscribe(offers.Framework{Name: "fw", Role: "fw"})
		require.NoError(t, err)
		book, err := scheduler.New(sub.Book(), scheduler.Config{})
		require.NoError(t, err)
		h := &hand{start: func(_ context.Context, p scheduler.Placement) error {
			if p.Node == "n1" {
				return errors.New("no disk")
			}
			return nil
		}}
		web := berth.NewGroup("web", berth.GroupSpec{Role: "fw", Request: berth.Resources{"cpu": 1000}})
		require.NoError(t, s.queue.Submit(web.Task("web-1")))
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) { c.Launcher, c.Scheduler = h, book })
		assert.Contains(t, s.after(time.Second), "0s unplaced web-1: ")
		n, err := x.Offer(t.Context())
		require.NoError(t, err)
		require.Equal(t, 2, n)
		assert.Equal(t, "1s failed web-1 on n1: no disk\n2s started web-1 on n2", s.after(time.Minute))
		s.queue.Cancel("web-1")
		assert.Equal(t, "1m1s stopped web-1 on n2", s.after(0))
		s.stop(t)
	})
}

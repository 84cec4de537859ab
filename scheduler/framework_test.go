package scheduler_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// tenancy is a State with an Exchange that makes a pass each second, and frameworks that run.
type tenancy struct {
	t     *testing.T
	state *scheduler.State
	drf   *allocator.DRF
	x     *offers.Exchange
	end   context.CancelFunc
}

func newTenancy(t *testing.T, nodes ...berth.Node) *tenancy {
	y := &tenancy{t: t, state: newState(t, scheduler.StateConfig{}, nodes...), drf: new(allocator.DRF)}
	var err error
	y.x, err = offers.NewExchange(y.state, offers.Config{Order: y.drf.Turns(), LeaseFor: 10 * time.Second})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	y.end = cancel
	go func() { _ = y.x.Run(ctx, time.Second, nil) }()
	return y
}

// running is a framework that runs.
type running struct {
	queue    scheduler.Queue
	launcher *scheduler.MemoryLauncher
	stop     func()
}

// run runs a framework whose role has its name, with a launcher that may have tasks that run already.
func (y *tenancy) run(name string, launcher *scheduler.MemoryLauncher, tasks ...berth.Task) *running {
	r := &running{launcher: launcher}
	require.NoError(y.t, r.queue.Submit(tasks...))
	ctx, cancel := context.WithCancel(y.t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- scheduler.RunFramework(ctx, scheduler.FrameworkConfig{
			Exchange:  y.x,
			Framework: offers.Framework{Name: name, Role: berth.Role(name)},
			Run:       scheduler.RunConfig{State: y.state, Queue: &r.queue, Launcher: launcher},
		})
	}()
	r.stop = func() {
		cancel()
		assert.ErrorIs(y.t, <-ended, context.Canceled)
	}
	return r
}

func (y *tenancy) charged(name string) int64 {
	got := int64(0)
	require.NoError(y.t, y.x.Consult(y.t.Context(), func(offers.Order) {
		if c, ok := y.drf.Charged(allocator.Client{Role: berth.Role(name), Name: name}); ok {
			got = c["cpu"]
		}
	}))
	return got
}

func coresOf(name string, n int) *berth.Group {
	return berth.NewGroup(name, berth.GroupSpec{Role: berth.Role(name), Request: berth.Resources{"cpu": int64(n) * 1000}})
}

// Two gangs for which there is room one after the other both run, each as a whole, and the one that waits keeps nobody out.
func TestRunFrameworkWithGangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newTenancy(t, node("n1", 3000), node("n2", 3000))
		defer y.end()
		gang := func(name string) *berth.Group {
			return berth.NewGroup(name, berth.GroupSpec{Role: berth.Role(name), Request: berth.Resources{"cpu": 1000}, Mode: berth.Gang, GangSize: 4})
		}
		a := y.run("a", &scheduler.MemoryLauncher{}, gang("a").Tasks(4)...)
		b := y.run("b", &scheduler.MemoryLauncher{}, gang("b").Tasks(4)...)
		c := y.run("c", &scheduler.MemoryLauncher{}, coresOf("c", 1).Tasks(2)...)
		defer func() { a.stop(); b.stop(); c.stop() }()
		time.Sleep(5 * time.Second)
		assert.Len(t, c.launcher.Running(), 2)
		first, second := a, b
		if len(a.launcher.Running()) == 0 {
			first, second = b, a
		}
		require.Len(t, first.launcher.Running(), 4)
		require.Empty(t, second.launcher.Running())
		for _, p := range first.launcher.Running() {
			first.launcher.End(scheduler.TaskExited, p.Task.ID)
		}
		time.Sleep(5 * time.Second)
		assert.Len(t, second.launcher.Running(), 4)
	})
}

// A launcher that panics ends its framework and nobody else's: the error has the panic, no offer is left behind, and what was started runs on
// once, also after the framework has begun anew under its name.
func TestRunFrameworkWhoseLauncherPanics(t *testing.T) {
	for at := range 5 {
		synctest.Test(t, func(t *testing.T) {
			y := newTenancy(t, node("n1", 6000), node("n2", 6000))
			defer y.end()
			other := y.run("other", &scheduler.MemoryLauncher{}, coresOf("other", 1).Tasks(4)...)
			defer other.stop()
			var starts atomic.Int64
			launcher := &scheduler.MemoryLauncher{OnStart: func(context.Context, scheduler.Placement) error {
				if starts.Add(1) == int64(at+1) {
					panic("launcher")
				}
				return nil
			}}
			web := coresOf("web", 1)
			var queue scheduler.Queue
			require.NoError(t, queue.Submit(web.Tasks(5)...))
			err := scheduler.RunFramework(t.Context(), scheduler.FrameworkConfig{
				Exchange:  y.x,
				Framework: offers.Framework{Name: "web", Role: "web"},
				Run:       scheduler.RunConfig{State: y.state, Queue: &queue, Launcher: launcher, Launches: 1},
			})
			require.ErrorContains(t, err, "launcher", "at start %d", at)
			time.Sleep(2 * time.Second)
			snapshot, err := y.x.Snapshot(t.Context())
			require.NoError(t, err)
			for h := range snapshot.Holds() {
				assert.Fail(t, "an offer is left", "at start %d: %v", at, h)
			}
			assert.Len(t, other.launcher.Running(), 4)

			again := y.run("web", launcher, queue.Waiting()...)
			defer again.stop()
			time.Sleep(3 * time.Minute) // what was placed and may not have been started expires
			seen := map[string]bool{}
			for _, p := range launcher.Running() {
				assert.False(t, seen[p.Task.ID], "%s runs twice", p.Task.ID)
				seen[p.Task.ID] = true
			}
			assert.GreaterOrEqual(t, len(seen), 4, "all but the one of whose start nothing is known")
			assert.Len(t, other.launcher.Running(), 4)
		})
	}
}

// A framework places what waits, holds nothing when idle, keeps its tasks when it ends, and has them back when it begins anew.
func TestRunFramework(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		y := newTenancy(t, node("n1", 4000), node("n2", 4000))
		defer y.end()
		web := coresOf("web", 1)
		launcher := &scheduler.MemoryLauncher{}
		f := y.run("web", launcher, web.Tasks(3)...)
		time.Sleep(3 * time.Second)
		assert.Len(t, launcher.Running(), 3)
		assert.Equal(t, int64(3000), y.charged("web"), "no more than it has")
		snapshot, err := y.x.Snapshot(t.Context())
		require.NoError(t, err)
		for h := range snapshot.Holds() {
			assert.Fail(t, "idle, and holds room", "%v", h)
		}
		f.stop()
		assert.Len(t, launcher.Running(), 3, "its tasks run on")

		// It begins anew, with a queue that names one that runs and one that does not.
		f = y.run("web", launcher, web.Task("web-3"), web.Task("web-4"))
		time.Sleep(3 * time.Second)
		assert.Len(t, launcher.Running(), 4)
		assert.Equal(t, int64(4000), y.charged("web"))
		f.queue.Cancel("web-1", "web-4")
		time.Sleep(time.Second)
		assert.Len(t, launcher.Running(), 2)
		time.Sleep(time.Second)
		assert.Equal(t, int64(2000), y.charged("web"))

		// A node goes away with its tasks; what is submitted again runs elsewhere.
		lost := launcher.Running()[0]
		require.NoError(t, y.state.RemoveNodes(lost.Node))
		for _, p := range launcher.Running() {
			if p.Node == lost.Node {
				launcher.End(scheduler.TaskLost, p.Task.ID)
			}
		}
		time.Sleep(time.Second)
		require.NoError(t, f.queue.Submit(lost.Task))
		time.Sleep(3 * time.Second)
		found := false
		for _, p := range launcher.Running() {
			found = found || p.Task.ID == lost.Task.ID && p.Node != lost.Node
		}
		assert.True(t, found)
		f.stop()
	})
}

// Frameworks that hoard, flood or vanish hurt nobody: the others run all that is theirs.
func TestMischievousFrameworks(t *testing.T) {
	for name, mischief := range map[string]func(t *testing.T, y *tenancy){
		"never answers": func(t *testing.T, y *tenancy) {
			_, err := y.x.Subscribe(offers.Framework{Name: "bad", Role: "bad"})
			require.NoError(t, err)
		},
		"declines all, again and again": func(t *testing.T, y *tenancy) {
			bad, err := y.x.Subscribe(offers.Framework{Name: "bad", Role: "bad"})
			require.NoError(t, err)
			go func() {
				for range 100 {
					open, _ := bad.Offers(t.Context())
					for _, o := range open {
						_ = bad.Decline(t.Context(), []string{o.ID}, offers.Filter{})
						_ = bad.Decline(t.Context(), []string{o.ID}, offers.Filter{})
					}
					time.Sleep(100 * time.Millisecond)
				}
			}()
		},
		"revives and suppresses all the time": func(t *testing.T, y *tenancy) {
			bad, err := y.x.Subscribe(offers.Framework{Name: "bad", Role: "bad"})
			require.NoError(t, err)
			go func() {
				for range 1000 {
					_ = bad.Suppress()
					_ = bad.Revive()
					time.Sleep(10 * time.Millisecond)
				}
			}()
		},
		"accepts twice, another's, and too much": func(t *testing.T, y *tenancy) {
			bad, err := y.x.Subscribe(offers.Framework{Name: "bad", Role: "bad"})
			require.NoError(t, err)
			go func() {
				for i := range 200 {
					p := &cluster.Plan{}
					p.Place(coresOf("bad", 9).Task(fmt.Sprint("huge-", i)), "n1")
					p.Place(coresOf("web", 1).Task("web-1"), "n1")
					open, _ := bad.Offers(t.Context())
					for n := range 20 {
						_, _ = bad.Accept(t.Context(), []string{fmt.Sprint("offer-", n)}, p, offers.Filter{})
					}
					for _, o := range open {
						_, _ = bad.Accept(t.Context(), []string{o.ID}, p, offers.Filter{For: time.Hour})
						_, _ = bad.Accept(t.Context(), []string{o.ID, o.ID}, p, offers.Filter{})
					}
					time.Sleep(50 * time.Millisecond)
				}
			}()
		},
		"comes and goes under names that are taken": func(t *testing.T, y *tenancy) {
			go func() {
				for range 200 {
					if _, err := y.x.Subscribe(offers.Framework{Name: "web", Role: "web"}); err == nil {
						return // it was not there yet
					}
					if bad, err := y.x.Subscribe(offers.Framework{Name: "bad", Role: "bad"}); err == nil {
						_, _ = bad.Resume(t.Context())
						time.Sleep(50 * time.Millisecond)
						_ = bad.Unsubscribe(t.Context())
					}
				}
			}()
		},
		"wants what nobody has": func(t *testing.T, y *tenancy) {
			_, err := y.x.Subscribe(offers.Framework{Name: "bad", Role: "bad", Demand: []offers.Demand{{Group: coresOf("bad", 1000), Count: 1 << 40}}})
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				y := newTenancy(t, node("n1", 4000), node("n2", 4000))
				defer y.end()
				web, batch := &scheduler.MemoryLauncher{}, &scheduler.MemoryLauncher{}
				f, g := y.run("web", web), y.run("batch", batch)
				synctest.Wait() // so that the names are theirs
				mischief(t, y)
				time.Sleep(2 * time.Second)
				require.NoError(t, f.queue.Submit(coresOf("web", 1).Tasks(3)...))
				require.NoError(t, g.queue.Submit(coresOf("batch", 1).Tasks(3)...))
				time.Sleep(40 * time.Second) // leases end after 10
				assert.Len(t, web.Running(), 3)
				assert.Len(t, batch.Running(), 3)
				assert.Equal(t, int64(3000), y.charged("web"))
				f.stop()
				g.stop()
			})
		})
	}
}

func TestRunFrameworkInput(t *testing.T) {
	err := scheduler.RunFramework(t.Context(), scheduler.FrameworkConfig{
		Framework: offers.Framework{Name: "", Role: "..", Demand: []offers.Demand{}, Terms: offers.Terms{Window: -1}},
		Roles:     []offers.Framework{{Name: "other", Role: "a"}, {Role: "a", Demand: []offers.Demand{}}, {Role: "b//", Terms: offers.Terms{MaxOutstanding: -1}}},
		Notice:    -1,
		Run:       scheduler.RunConfig{Scheduler: &scheduler.Scheduler{}, Inventory: &scheduler.MemoryInventory{}},
		Scheduler: scheduler.Config{Attempts: -1},
	})
	for _, fault := range []string{"no Exchange", "no Framework.Name", `role ".."`, "attempts: -1", "Framework.Demand is set", "Run.Scheduler is set", "Run.Inventory is set", "State",
		`the framework is "", not "other"`, `role "a" of Roles: given twice`, `role "a" of Roles: Demand is set`, `role "b//"`, "Roles: terms", "negative Window", "negative Notice"} {
		assert.ErrorContains(t, err, fault)
	}
	assert.ErrorIs(t, new(offers.Exchange).Run(t.Context(), 0, nil), offers.ErrNotMade)
	assert.ErrorContains(t, new(offers.Exchange).Run(t.Context(), -1, nil), "negative")
}

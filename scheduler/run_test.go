package scheduler_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// site is a Run and its surroundings, inside a synctest bubble: time passes when everybody waits.
type site struct {
	state     *scheduler.State
	queue     scheduler.Queue
	inventory *scheduler.MemoryInventory
	launcher  scheduler.MemoryLauncher
	end       context.CancelCauseFunc
	result    chan error
	prepare   func() // if set: does something to the State before Run begins

	mu     sync.Mutex
	begun  time.Time
	events []string
}

var errHome = errors.New("the host goes home")

// start runs with what configure changed of the defaults.
func (s *site) start(t *testing.T, stateCfg scheduler.StateConfig, configure func(*scheduler.RunConfig)) {
	t.Helper()
	if s.state == nil {
		s.state = newState(t, stateCfg)
	}
	if s.prepare != nil {
		s.prepare()
	}
	s.begun = time.Now()
	cfg := scheduler.RunConfig{
		State:    s.state,
		Queue:    &s.queue,
		Launcher: &s.launcher,
		Report: func(e scheduler.Event) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.events = append(s.events, fmt.Sprintf("%v %v", time.Since(s.begun), brief(e)))
		},
	}
	if s.inventory != nil {
		cfg.Inventory = s.inventory
	}
	if configure != nil {
		configure(&cfg)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	s.end = cancel
	s.result = make(chan error, 1)
	go func() { s.result <- scheduler.Run(ctx, cfg) }()
	t.Cleanup(func() { cancel(errHome) })
	synctest.Wait()
}

// brief is an event without its explanation.
func brief(e scheduler.Event) scheduler.Event {
	e.Unplaced = nil
	return e
}

// after lets time pass, and returns what happened meanwhile, one event a line.
func (s *site) after(d time.Duration) string {
	time.Sleep(d)
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	out := strings.Join(s.events, "\n")
	s.events = nil
	return out
}

func (s *site) stop(t *testing.T) {
	t.Helper()
	s.end(errHome)
	require.ErrorIs(t, <-s.result, errHome)
}

func (s *site) running() []string {
	ids := []string{}
	for _, p := range s.launcher.Running() {
		ids = append(ids, p.String())
	}
	return ids
}

func webGroup(cpu int64) *berth.Group {
	return berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": cpu}})
}

func TestRunPlacesStartsAndStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 2000))}
		web := webGroup(1000)
		require.NoError(t, s.queue.Submit(web.Tasks(3)...))
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) { c.Launches = 1 })
		assert.Equal(t, "0s unplaced web-3: insufficient cpu\n0s started web-1 on n1\n0s started web-2 on n1", s.after(0))
		task, ok := s.state.Task("web-1")
		require.True(t, ok)
		assert.Equal(t, berth.Running, task.State)

		s.queue.Cancel("web-1")
		assert.Equal(t, "0s stopped web-1 on n1\n0s started web-3 on n1", s.after(0), "the room of a stopped task goes to the one that waits")

		s.launcher.End(scheduler.TaskExited, "web-2")
		s.launcher.End(scheduler.TaskLost, "web-3")
		s.queue.Cancel("nobody")
		got := s.after(0)
		assert.Contains(t, got, "exited web-2 on n1")
		assert.Contains(t, got, "lost web-3 on n1")
		assert.Contains(t, got, `unknown nobody: task "nobody": unknown task`)
		assert.Zero(t, snapshotOf(t, s.state).Tasks())
		s.stop(t)
	})
}

func TestRunRetriesWithBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000))}
		failures := 3
		s.launcher.OnStart = func(context.Context, scheduler.Placement) error {
			if failures--; failures >= 0 {
				return errors.New("no image")
			}
			return nil
		}
		require.NoError(t, s.queue.Submit(webGroup(1000).Task("web-1")))
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) { c.RetryAfter, c.RetryAtMost = time.Second, 3*time.Second })
		assert.Equal(t, "0s failed web-1 on n1: no image", s.after(0))
		n, _ := snapshotOf(t, s.state).Node("n1")
		assert.Equal(t, berth.Resources{"cpu": 1000}, n.Free(), "a failed launch keeps no room while it waits")
		// 1 s after the first failure, 2 s after the second, 3 s (not 4) after the third.
		assert.Equal(t, "1s failed web-1 on n1: no image\n3s failed web-1 on n1: no image\n6s started web-1 on n1", s.after(time.Minute))
		s.stop(t)
	})
}

func TestRunFollowsNodesWithDaemons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 2000))}
		logs := berth.NewGroup("logs", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 500}})
		require.NoError(t, s.queue.Submit(logs.Everywhere()))
		s.start(t, scheduler.StateConfig{}, nil)
		assert.Equal(t, "0s started logs@n1 on n1", s.after(0))

		s.inventory.Set(node("n2", 2000))
		assert.Equal(t, "0s started logs@n2 on n2", s.after(time.Second))

		s.inventory.Cordon("n2")
		s.inventory.Remove("n1")
		assert.Equal(t, "1s lost logs@n1 on n1", s.after(time.Second))
		n, _ := snapshotOf(t, s.state).Node("n2")
		assert.True(t, n.Cordoned())
		s.inventory.Uncordon("n2")
		assert.Empty(t, s.after(0))

		s.launcher.End(scheduler.TaskExited, "logs@n2")
		assert.Equal(t, "2s exited logs@n2 on n2\n3s started logs@n2 on n2", s.after(5*time.Second), "an instance that ended is started again, not at once")

		s.queue.Cancel("logs")
		assert.Contains(t, s.after(0), "stopped logs@n2 on n2")
		assert.Empty(t, s.queue.Waiting())
		assert.Equal(t, []string{"logs@n1 on n1"}, s.running(), "what a removed node runs is nobody's to stop")
		s.stop(t)
	})
}

func TestRunEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 9000))}
		// a has started when the end comes, b has failed, c does not know; d to f are placed, not begun.
		s.launcher.OnStart = func(ctx context.Context, p scheduler.Placement) error {
			<-ctx.Done()
			switch p.Task.ID {
			case "a":
				return nil
			case "b":
				return errors.New("no image")
			case "c":
				return fmt.Errorf("asked, no answer: %w", ctx.Err())
			}
			return errors.New("started although Run has ended")
		}
		g := webGroup(1000)
		for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
			require.NoError(t, s.queue.Submit(g.Task(id)))
		}
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) { c.Launches = 3 })
		assert.Empty(t, s.after(time.Hour), "all launches are under way")
		s.stop(t)

		got := strings.Split(s.after(0), "\n")
		assert.ElementsMatch(t, []string{
			"1h0m0s started a on n1",
			"1h0m0s failed b on n1: no image",
			"1h0m0s uncertain c on n1: asked, no answer: context canceled",
		}, got)
		states := map[string]string{}
		for task := range snapshotOf(t, s.state).Group("web") {
			states[task.ID] = task.State.String()
		}
		assert.Equal(t, map[string]string{"a": "running", "c": "assumed"}, states)
		waiting := []string{}
		for _, task := range s.queue.Waiting() {
			waiting = append(waiting, task.ID)
		}
		assert.ElementsMatch(t, []string{"b", "d", "e", "f"}, waiting)
	})
}

func TestRunBoundsLaunches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 100_000))}
		var mu sync.Mutex
		now, most := 0, 0
		s.launcher.OnStart = func(context.Context, scheduler.Placement) error {
			mu.Lock()
			now++
			most = max(most, now)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			now--
			mu.Unlock()
			return nil
		}
		require.NoError(t, s.queue.Submit(webGroup(1000).Tasks(20)...))
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) { c.Launches = 4 })
		s.after(5 * time.Second) // 20 launches of a second, four at a time
		assert.Len(t, s.running(), 20)
		assert.Equal(t, 4, most)
		s.stop(t)
	})
}

func TestRunExpiresWhatNeverStarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000))}
		first := true
		s.launcher.OnStart = func(ctx context.Context, _ scheduler.Placement) error {
			if first {
				first = false
				time.Sleep(90 * time.Second) // too slow: it runs when its room has gone
			}
			return nil
		}
		require.NoError(t, s.queue.Submit(webGroup(1000).Task("web-1")))
		s.start(t, scheduler.StateConfig{AssumeFor: time.Minute}, nil)
		assert.Equal(t, "1m0s expired web-1 on n1\n1m30s started web-1 on n1", s.after(2*time.Minute))
		assert.Equal(t, []string{"web-1 on n1"}, s.running(), "the late one was stopped, then started in its new place")
		s.stop(t)
	})
}

func TestRunTakesReports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000))}
		s.launcher.OnStart = func(context.Context, scheduler.Placement) error {
			return fmt.Errorf("asked, no answer: %w", context.DeadlineExceeded)
		}
		g := webGroup(1000)
		require.NoError(t, s.queue.Submit(g.Task("web-1")))
		var tell func(...scheduler.TaskEvent) error
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) {
			c.Launcher = watched{&s.launcher, func(f func(...scheduler.TaskEvent) error) { tell = f }}
		})
		assert.Equal(t, "0s uncertain web-1 on n1: asked, no answer: context deadline exceeded", s.after(0))

		of := func(id, node string, status scheduler.TaskStatus) scheduler.TaskEvent {
			return scheduler.TaskEvent{Placement: scheduler.Placement{Task: g.Task(id), Node: node}, Status: status}
		}
		require.NoError(t, tell(of("web-1", "n1", scheduler.TaskRunning)))
		require.NoError(t, tell(of("web-1", "n1", scheduler.TaskRunning)), "twice is once")
		require.NoError(t, tell(of("stray", "n1", scheduler.TaskOrphan)))
		require.ErrorIs(t, tell(of("stray", "n1", scheduler.TaskOrphan)), berth.ErrTaskExists)
		require.ErrorIs(t, tell(of("nobody", "n1", scheduler.TaskExited)), berth.ErrUnknownTask)
		require.ErrorContains(t, tell(of("web-1", "n2", scheduler.TaskExited)), `task "web-1": it is on node "n1", not "n2"`)
		require.ErrorContains(t, tell(of("web-1", "n1", 9)), `task "web-1": unknown status 9`)
		assert.Equal(t, "0s started web-1 on n1\n0s orphan stray on n1", s.after(0))
		n, _ := snapshotOf(t, s.state).Node("n1")
		assert.True(t, n.Overcommitted(), "an orphan is adopted as it is")
		s.queue.Cancel("stray")
		assert.Equal(t, "0s stopped stray on n1", s.after(0))
		s.stop(t)
		assert.ErrorIs(t, tell(of("web-1", "n1", scheduler.TaskExited)), errHome, "a Run that has ended takes no events")
	})
}

// watched is a launcher that hands out how to report to Run.
type watched struct {
	*scheduler.MemoryLauncher
	got func(func(...scheduler.TaskEvent) error)
}

func (w watched) Watch(ctx context.Context, tell func(...scheduler.TaskEvent) error) error {
	w.got(tell)
	return w.MemoryLauncher.Watch(ctx, tell)
}

func TestRunFailsWithItsHost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{inventory: scheduler.NewMemoryInventory(berth.Node{ID: "bad", Capacity: berth.Resources{"cpu": -1}})}
		s.start(t, scheduler.StateConfig{}, nil)
		err := <-s.result
		require.ErrorIs(t, err, berth.ErrNegative)
		assert.ErrorContains(t, err, `scheduler: run: inventory: `)
		assert.ErrorContains(t, err, `node "bad"`)
	})
}

func TestRunConfigFaults(t *testing.T) {
	err := scheduler.Run(context.Background(), scheduler.RunConfig{Launches: -1, RetryAfter: -1, RetryAtMost: -2})
	assert.ErrorContains(t, scheduler.Run(context.Background(), scheduler.RunConfig{Launcher: (*scheduler.MemoryLauncher)(nil)}), "no Launcher")
	for _, fault := range []string{"no State", "no Queue", "no Launcher", "negative Launches: -1", "negative RetryAfter", "negative RetryAtMost"} {
		assert.ErrorContains(t, err, fault)
	}
}

func TestRunLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &site{inventory: scheduler.NewMemoryInventory(node("n1", 1000))}
		s.launcher.OnStart = func(context.Context, scheduler.Placement) error { return errors.New("no image") }
		require.NoError(t, s.queue.Submit(webGroup(1000).Task("web-1")))
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) {
			c.Logger = hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Warn})
		})
		s.stop(t)
		assert.Contains(t, log.String(), `failed: task=web-1 node=n1 reason="no reason" error="no image"`)
	})
}

func TestQueueFaults(t *testing.T) {
	var q scheduler.Queue
	g := webGroup(1000)
	logs := berth.NewGroup("logs", berth.GroupSpec{Mode: berth.Daemon})
	require.NoError(t, q.Submit(g.Task("web-1")))
	err := q.Submit(g.Task("web-1"), g.Task("web-2"), g.Task("web-2"), berth.Task{ID: "none"}, logs.On("n1"))
	require.ErrorIs(t, err, berth.ErrTaskExists)
	for _, fault := range []string{`task "web-1"`, `task "web-2"`, `task "none"`, `task "logs@n1": group "logs" is a daemon`} {
		assert.ErrorContains(t, err, fault)
	}
	assert.Len(t, q.Waiting(), 1, "nothing is added of a batch at fault")
	q.Cancel("web-1")
	assert.Empty(t, q.Waiting())
}

// What a simulation needs: an inventory and a launcher that are tables.
func ExampleMemoryLauncher() {
	state, _ := scheduler.NewState(scheduler.StateConfig{})
	inventory := scheduler.NewMemoryInventory(
		berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 2000}},
		berth.Node{ID: "n2", Capacity: berth.Resources{"cpu": 2000}},
	)
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	logs := berth.NewGroup("logs", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 100}, Priority: 1})
	var queue scheduler.Queue
	if err := queue.Submit(append(web.Tasks(2), logs.Everywhere())...); err != nil {
		fmt.Println(err)
		return
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	started := 0
	err := scheduler.Run(ctx, scheduler.RunConfig{
		State:     state,
		Queue:     &queue,
		Inventory: inventory,
		Launcher:  &scheduler.MemoryLauncher{},
		Launches:  1,
		Report: func(e scheduler.Event) {
			fmt.Println(e)
			if started++; started == 4 {
				cancel()
			}
		},
	})
	fmt.Println(err)
	// Output:
	// started logs@n1 on n1
	// started logs@n2 on n2
	// started web-1 on n1
	// started web-2 on n2
	// context canceled
}

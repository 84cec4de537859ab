package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// instant is a launcher that starts and stops at once, or fails at once.
type instant struct{ err error }

func (i *instant) Start(context.Context, scheduler.Placement) error { return i.err }

func (i *instant) Stop(context.Context, scheduler.Placement) error { return nil }

func (i *instant) Watch(ctx context.Context, tell func(...scheduler.TaskEvent) error) error {
	if err := tell(); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// clock is one that a benchmark moves.
type clock struct{ past atomic.Int64 }

func (c *clock) now() time.Time { return time.Unix(0, c.past.Load()) }

func (c *clock) pass(d time.Duration) { c.past.Add(int64(d)) }

// counted is a Run of which a benchmark awaits events.
type counted struct {
	state  *scheduler.State
	queue  scheduler.Queue
	events chan scheduler.EventKind
	end    func()
}

func runCounted(b *testing.B, c *clock, l scheduler.Launcher, in scheduler.Inventory, nodes ...berth.Node) *counted {
	b.Helper()
	r := &counted{events: make(chan scheduler.EventKind, 1<<20)}
	cfg := scheduler.StateConfig{}
	if c != nil {
		cfg.Clock = c.now
	}
	r.state = newState(b, cfg, nodes...)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- scheduler.Run(ctx, scheduler.RunConfig{
			State:     r.state,
			Queue:     &r.queue,
			Launcher:  l,
			Inventory: in,
			Report:    func(e scheduler.Event) { r.events <- e.Kind },
		})
	}()
	r.end = func() {
		cancel()
		<-done
	}
	return r
}

// await waits for n events of a kind, and passes over others.
func (r *counted) await(kind scheduler.EventKind, n int) {
	for n > 0 {
		if <-r.events == kind {
			n--
		}
	}
}

func manyNodes(n int, cpu int64) []berth.Node {
	nodes := make([]berth.Node, n)
	for i := range nodes {
		nodes[i] = node(fmt.Sprintf("n%06d", i), cpu)
	}
	return nodes
}

// growRunStart: Run places and starts n tasks that wait.
func growRunStart(b *testing.B, n int) {
	for b.Loop() {
		b.StopTimer()
		r := runCounted(b, nil, &instant{}, nil, manyNodes(100, int64(n)*10)...)
		tasks := webGroup(1000).Tasks(n)
		b.StartTimer()
		require.NoError(b, r.queue.Submit(tasks...))
		r.await(scheduler.Started, n)
		b.StopTimer()
		r.end()
		b.StartTimer()
	}
}

// growRunParked: 100 tasks come and are started one by one while n others wait for room that there is not.
func growRunParked(b *testing.B, n int) {
	r := runCounted(b, nil, &instant{}, nil, manyNodes(100, 1_000_000_000)...)
	defer r.end()
	for i := range n {
		big := berth.NewGroup(fmt.Sprintf("big-%d", i), berth.GroupSpec{Request: berth.Resources{"cpu": 2_000_000_000}})
		require.NoError(b, r.queue.Submit(big.Task(big.Name())))
	}
	r.await(scheduler.Unplaced, n)
	web := webGroup(1)
	i := 0
	for b.Loop() {
		for range 100 {
			i++
			require.NoError(b, r.queue.Submit(web.Task(fmt.Sprintf("web-%d", i))))
			r.await(scheduler.Started, 1)
		}
	}
}

// growRunNodes: an inventory tells n nodes in one call.
func growRunNodes(b *testing.B, n int) {
	nodes := manyNodes(n, 1000)
	daemon := berth.NewGroup("d", berth.GroupSpec{Mode: berth.Daemon})
	for b.Loop() {
		r := runCounted(b, nil, &instant{}, scheduler.NewMemoryInventory(nodes...))
		require.NoError(b, r.queue.Submit(daemon.Everywhere()))
		r.await(scheduler.Started, n)
		r.end()
	}
}

// growQueueCancel: n tasks are cancelled, one call each.
func growQueueCancel(b *testing.B, n int) {
	tasks := webGroup(1000).Tasks(n)
	for b.Loop() {
		b.StopTimer()
		var q scheduler.Queue
		require.NoError(b, q.Submit(tasks...))
		b.StartTimer()
		for i := range tasks {
			q.Cancel(tasks[i].ID)
		}
	}
}

// growInventoryWatch: 1,000 changes of one of n nodes, each told.
func growInventoryWatch(b *testing.B, n int) {
	in := scheduler.NewMemoryInventory(manyNodes(n, 1000)...)
	ctx, cancel := context.WithCancel(context.Background())
	told := make(chan int)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = in.Watch(ctx, func(events ...scheduler.NodeEvent) error {
			told <- len(events)
			return nil
		})
	}()
	require.Equal(b, n, <-told)
	for b.Loop() {
		for i := range 1000 {
			in.Set(node("n000000", int64(i)))
			<-told
		}
	}
	cancel()
	<-ended
}

// bytesLeft reports what the heap grew by since the call of the function that it returns.
func bytesLeft(b *testing.B) func() {
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	return func() { b.ReportMetric(float64(max(heap()-before, 0)), "bytes-left") }
}

// growRunFailures: n tasks fail to start and are cancelled; later nothing of them is left.
func growRunFailures(b *testing.B, n int) {
	c := &clock{}
	r := runCounted(b, c, &instant{errors.New("no image")}, nil, node("n1", int64(n)*1000))
	defer r.end()
	web := webGroup(1000)
	for range 1 << 16 { // the State's log of changes is as long as it gets
		require.NoError(b, r.state.Adopt(scheduler.Running{Task: web.Task("a"), Node: "n1"}))
		require.NoError(b, r.state.Release("a"))
	}
	left := bytesLeft(b)
	i := 0
	for b.Loop() {
		for range n {
			i++
			g := berth.NewGroup(fmt.Sprintf("web-%d", i), berth.GroupSpec{Request: berth.Resources{"cpu": 1}})
			require.NoError(b, r.queue.Submit(g.Task(g.Name())))
			r.await(scheduler.Failed, 1)
			r.queue.Cancel(g.Name())
		}
		c.pass(time.Hour)
		require.NoError(b, r.queue.Submit(web.Task(fmt.Sprintf("after-%d", i))))
		r.await(scheduler.Failed, 1)
		r.queue.Cancel(fmt.Sprintf("after-%d", i))
	}
	left()
}

// growRunUnplaced: n tasks for which there is no node are cancelled; nothing of them is left.
func growRunUnplaced(b *testing.B, n int) {
	r := runCounted(b, nil, &instant{}, nil, node("n1", 1))
	defer r.end()
	left := bytesLeft(b)
	i := 0
	for b.Loop() {
		for range n {
			i++
			g := berth.NewGroup(fmt.Sprintf("web-%d", i), berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
			require.NoError(b, r.queue.Submit(g.Task(g.Name())))
			r.await(scheduler.Unplaced, 1)
			r.queue.Cancel(g.Name())
		}
		r.queue.Cancel("nobody")
		r.await(scheduler.Unknown, 1)
	}
	left()
}

// growInventoryRemoved: n nodes come and go.
func growInventoryRemoved(b *testing.B, n int) {
	in := scheduler.NewMemoryInventory(node("keeper", 1))
	left := bytesLeft(b)
	i := 0
	for b.Loop() {
		for range n {
			i++
			id := fmt.Sprintf("n%06d", i)
			in.Set(node(id, 1000))
			in.Remove(id)
		}
	}
	left()
	in.Remove("keeper")
}

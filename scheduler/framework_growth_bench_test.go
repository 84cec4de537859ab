package scheduler_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// growFrameworksParked: 20 tasks of one framework come, are offered room and are started one by one, while n other frameworks wait for room that there is not.
func growFrameworksParked(b *testing.B, n int) {
	state := newState(b, scheduler.StateConfig{}, manyNodes(100, 1_000_000_000)...)
	x, err := offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns()})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, n+1)
	events := make(chan scheduler.EventKind, 1<<20)
	run := func(name string) *scheduler.Queue {
		queue := new(scheduler.Queue)
		go func() {
			ended <- scheduler.RunFramework(ctx, scheduler.FrameworkConfig{
				Exchange:  x,
				Framework: offers.Framework{Name: name, Role: berth.Role(name)},
				Run: scheduler.RunConfig{State: state, Queue: queue, Launcher: &instant{}, Report: func(e scheduler.Event) {
					events <- e.Kind
				}},
			})
		}()
		return queue
	}
	await := func(kind scheduler.EventKind, n int) {
		for n > 0 {
			if <-events == kind {
				n--
			}
		}
	}
	for i := range n {
		name := fmt.Sprintf("big-%d", i)
		big := berth.NewGroup(name, berth.GroupSpec{Role: berth.Role(name), Request: berth.Resources{"cpu": 2_000_000_000}})
		require.NoError(b, run(name).Submit(big.Task(name)))
	}
	await(scheduler.Unplaced, n)
	web := berth.NewGroup("web", berth.GroupSpec{Role: "web", Request: berth.Resources{"cpu": 1}})
	queue := run("web")
	i := 0
	for b.Loop() {
		for range 20 {
			i++
			require.NoError(b, queue.Submit(web.Task(fmt.Sprintf("web-%d", i))))
			for started := false; !started; {
				if _, err := x.Offer(ctx); err != nil {
					b.Fatal(err)
				}
				select {
				case kind := <-events:
					started = kind == scheduler.Started
				default:
				}
			}
		}
	}
	b.StopTimer()
	cancel()
	for range n + 1 {
		<-ended
	}
}

// growFrameworksMoved: n tasks of a framework move from one node to another, as one is drained and then the other.
func growFrameworksMoved(b *testing.B, n int) {
	state := newState(b, scheduler.StateConfig{}, manyNodes(2, 1_000_000_000)...)
	x, err := offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns()})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(context.Background())
	events, ended := make(chan scheduler.EventKind, 1<<20), make(chan error, 1)
	queue := new(scheduler.Queue)
	go func() {
		ended <- scheduler.RunFramework(ctx, scheduler.FrameworkConfig{
			Exchange:  x,
			Framework: offers.Framework{Name: "web", Role: "web"},
			Run: scheduler.RunConfig{State: state, Queue: queue, Launcher: &scheduler.MemoryLauncher{}, Report: func(e scheduler.Event) {
				events <- e.Kind
			}},
		})
	}()
	started := func() {
		for left := n; left > 0; {
			if _, err := x.Offer(ctx); err != nil {
				b.Fatal(err)
			}
			select {
			case kind := <-events:
				if kind == scheduler.Started {
					left--
				}
			case <-time.After(time.Millisecond):
			}
		}
	}
	var nodes []string
	for v := range snapshotOf(b, state).Nodes() {
		nodes = append(nodes, v.ID())
	}
	require.NoError(b, state.Cordon(nodes[1]))
	web := berth.NewGroup("web", berth.GroupSpec{Role: "web", Request: berth.Resources{"cpu": 1}})
	require.NoError(b, queue.Submit(web.Tasks(n)...))
	started()
	for b.Loop() {
		require.NoError(b, state.Uncordon(nodes[1]))
		require.NoError(b, state.Cordon(nodes[0]))
		id, err := x.Recall(ctx, offers.Recall{Node: nodes[0], Reason: "drained", Deadline: time.Now().Add(time.Hour)})
		require.NoError(b, err)
		started()
		require.NoError(b, x.Withdraw(ctx, id, "done"))
		slices.Reverse(nodes)
	}
	cancel()
	<-ended
}

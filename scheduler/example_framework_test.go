package scheduler_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// Two teams share two nodes. Each has a queue of its own, and a launcher, which is all that a host writes. A third holds on to what it is
// offered and never answers: its leases end, and the others have the room.
func ExampleRunFramework() {
	ctx, end := context.WithCancel(context.Background())
	state, err := scheduler.NewState(scheduler.StateConfig{},
		berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}},
		berth.Node{ID: "n2", Capacity: berth.Resources{"cpu": 4000}})
	if err != nil {
		panic(err)
	}
	x, err := offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns(), LeaseFor: 100 * time.Millisecond})
	if err != nil {
		panic(err)
	}
	if _, err := x.Subscribe(offers.Framework{Name: "hoarder", Role: "mischief"}); err != nil {
		panic(err)
	}

	started, ended := make(chan string, 10), make(chan error, 3)
	go func() { ended <- x.Run(ctx, 10*time.Millisecond, nil) }()
	for _, team := range []string{"ads", "search"} {
		var queue scheduler.Queue
		worker := berth.NewGroup(team, berth.GroupSpec{Role: berth.Role(team), Request: berth.Resources{"cpu": 1000}})
		if err := queue.Submit(worker.Tasks(2)...); err != nil {
			panic(err)
		}
		launcher := &scheduler.MemoryLauncher{OnStart: func(_ context.Context, p scheduler.Placement) error {
			started <- p.Task.ID
			return nil
		}}
		go func() {
			ended <- scheduler.RunFramework(ctx, scheduler.FrameworkConfig{
				Exchange:  x,
				Framework: offers.Framework{Name: team, Role: berth.Role(team)},
				Run:       scheduler.RunConfig{State: state, Queue: &queue, Launcher: launcher},
			})
		}()
	}

	var tasks []string
	for range 4 {
		tasks = append(tasks, <-started)
	}
	slices.Sort(tasks)
	fmt.Println(tasks)
	end()
	for range 3 {
		<-ended
	}
	// Output: [ads-1 ads-2 search-1 search-2]
}

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

// A framework works for two tenants. The node that its tasks run on is to be drained: it says yes, and moves them as soon as there is room elsewhere,
// all but those of a tenant that would rather wait for the deadline.
func ExampleRunFramework_drain() {
	ctx, end := context.WithCancel(context.Background())
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	state, err := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "old", Capacity: berth.Resources{"cpu": 4000}})
	must(err)
	x, err := offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns()})
	must(err)
	var queue scheduler.Queue
	for _, role := range []berth.Role{"ads", "search"} {
		must(queue.Submit(berth.NewGroup(string(role), berth.GroupSpec{Role: role, Request: berth.Resources{"cpu": 1000}}).Tasks(1)...))
	}
	started, ended := make(chan string, 10), make(chan error, 2)
	go func() { ended <- x.Run(ctx, 10*time.Millisecond, nil) }()
	go func() {
		ended <- scheduler.RunFramework(ctx, scheduler.FrameworkConfig{
			Exchange:  x,
			Framework: offers.Framework{Name: "spark", Role: "ads"},
			Roles:     []offers.Framework{{Role: "search"}},
			Inverse: func(o offers.InverseOffer) (a scheduler.Answer) {
				if o.Role == "search" {
					a.Decline = "its data is there"
				}
				return a
			},
			Run: scheduler.RunConfig{State: state, Queue: &queue, Launcher: &scheduler.MemoryLauncher{
				OnStart: func(_ context.Context, p scheduler.Placement) error { started <- p.String(); return nil },
			}},
		})
	}()
	first := []string{<-started, <-started}
	slices.Sort(first)
	fmt.Println(first)

	must(state.Cordon("old"))
	_, err = x.Recall(ctx, offers.Recall{Node: "old", Reason: "a new kernel", Deadline: time.Now().Add(time.Hour)})
	must(err)
	must(state.AddNodes(berth.Node{ID: "new", Capacity: berth.Resources{"cpu": 4000}}))
	fmt.Println(<-started)
	recalls, err := x.Recalls(ctx)
	must(err)
	fmt.Println(recalls[0].Left, recalls[0].Asked[0].Because)
	end()
	<-ended
	<-ended
	// Output:
	// [ads-1 on old search-1 on old]
	// ads-1 on new
	// [search-1] its data is there
}

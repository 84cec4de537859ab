package scheduler_test

import (
	"context"
	"fmt"
	"log"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// Which nodes could take the next task, best first, and why not the others? Nothing is placed.
func ExampleScheduler_Candidates() {
	ctx := context.Background()
	state, err := scheduler.NewState(scheduler.StateConfig{}, twoZones()...)
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(state, scheduler.Config{})
	if err != nil {
		log.Fatal(err)
	}
	web := berth.NewGroup("web", berth.GroupSpec{
		Request: berth.Resources{"cpu": 1000},
		Rules:   []berth.Constraint{constraints.Unique("zone")},
	})
	if _, err := s.Schedule(ctx, web.Task("web-1")); err != nil {
		log.Fatal(err)
	}
	found, err := s.Candidates(ctx, web.Task("web-2"), placement.Ask{Misfits: true, Details: true})
	if err != nil {
		log.Fatal(err)
	}
	for c := range found.All() {
		fmt.Println(c.Rank, c.Node)
	}
	for _, m := range found.Misfits {
		fmt.Println(m)
	}

	found, err = s.Candidates(ctx, web.Task("web-1"), placement.Ask{Gone: []string{"web-1"}}) // where could it go instead?
	if err != nil {
		log.Fatal(err)
	}
	for c := range found.All() {
		fmt.Println(c.Rank, c.Node)
	}
	// Output:
	// 1 n1
	// n2: unique(zone) (zone=b has web-1)
	// 1 n2
	// 2 n1
}

// On a fork: which nodes could take the task once a node is drained?
func ExampleScheduler_CandidatesOn() {
	ctx := context.Background()
	state, err := scheduler.NewState(scheduler.StateConfig{}, twoZones()...)
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(state, scheduler.Config{})
	if err != nil {
		log.Fatal(err)
	}
	now, err := state.Snapshot(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fork := now.Fork()
	if err := fork.Cordon("n2"); err != nil {
		log.Fatal(err)
	}
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	found, err := s.CandidatesOn(ctx, fork.Snapshot(), web.Task("web-1"), placement.Ask{Misfits: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(found.At(0).Node)
	fmt.Println(found.Misfits[0])
	// Output:
	// n1
	// n2: cordoned
}

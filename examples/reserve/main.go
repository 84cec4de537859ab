// Reserve is a framework that has no use yet for what it is offered: it reserves room for its role in its answer, and starts a database
// there later, while another framework takes all else.
package main

import (
	"context"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

func main() {
	ctx := context.Background()
	state := must(scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 8000}}))
	exchange := must(offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns()}))
	shop := must(exchange.Subscribe(offers.Framework{Name: "shop", Role: "shop"})) // it declares nothing, and is offered what is free
	must(exchange.Offer(ctx))

	offer := must(shop.Offers(ctx))[0]
	answer := new(cluster.Plan)
	answer.Take(berth.Hold{ID: "for-db", Role: "shop", Node: offer.Node, Lease: berth.Reserved, Resources: berth.Resources{"cpu": 5000}})
	tell("shop", must(shop.Accept(ctx, []string{offer.ID}, answer, offers.Filter{})))
	fmt.Println("shop has", must(state.Snapshot(ctx)).Used("shop")) // what is reserved counts as used

	batch := berth.NewGroup("batch", berth.GroupSpec{Role: "lab", Request: berth.Resources{"cpu": 1000}})
	lab := must(exchange.Subscribe(offers.Framework{Name: "lab", Role: "lab", Demand: []offers.Demand{{Group: batch}}}))
	must(exchange.Offer(ctx))
	tell("lab", must(must(scheduler.New(lab.Book(), scheduler.Config{})).Schedule(ctx, batch.Tasks(8)...)))

	offer = must(shop.Offers(ctx))[0] // what is reserved and not used is offered to the role again
	fmt.Println("shop is offered", offer.Resources)
	db := berth.NewGroup("db", berth.GroupSpec{Role: "shop", Request: berth.Resources{"cpu": 5000}})
	answer = new(cluster.Plan)
	answer.Place(db.Task("db-1"), offer.Node)
	tell("shop", must(shop.Accept(ctx, []string{offer.ID}, answer, offers.Filter{})))
}

func tell(framework string, outcome *cluster.Outcome) {
	for _, p := range outcome.Placed {
		fmt.Println(framework+":", p)
	}
	for _, r := range outcome.Refused {
		fmt.Println(framework+":", r)
	}
	if n := len(outcome.Unplaced); n > 0 {
		fmt.Printf("%s: %d unplaced; %v\n", framework, n, outcome.Unplaced[0])
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

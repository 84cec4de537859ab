package offers_test

import (
	"context"
	"fmt"
	"log"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
)

// A framework works for two tenants. Each offer is made to one of them, and what is placed on it is charged to that one.
func ExampleSubscription_Join() {
	ctx := context.Background()
	state, exchange, _ := twoNodes()
	research, err := exchange.Subscribe(offers.Framework{Name: "spark", Role: "research"})
	if err != nil {
		log.Fatal(err)
	}
	ads, err := research.Join(offers.Framework{Role: "ads"})
	if err != nil {
		log.Fatal(err)
	}
	pass(exchange)
	show("for ads", ads)
	show("for research", research)

	clicks := berth.NewTask("clicks", berth.GroupSpec{Role: "ads", Request: berth.Resources{"cpu": 1000}})
	var plan cluster.Plan
	plan.Place(clicks, "n1")
	if _, err := ads.Accept(ctx, []string{"offer-1"}, &plan, offers.Filter{For: offers.DefaultFilter}); err != nil {
		log.Fatal(err)
	}
	if err := research.Suppress(); err != nil { // and ads goes on being offered
		log.Fatal(err)
	}
	now, err := state.Snapshot(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ads has", now.Used("ads"))
	// Output:
	// for ads: offer-1 (n1: cpu 4)
	// for research: offer-2 (n2: cpu 4)
	// ads has cpu 1
}

// A framework's process dies and comes back. Meanwhile others are offered what it was, and its tasks run and count.
func ExampleSubscription_Disconnect() {
	ctx := context.Background()
	_, exchange, _ := twoNodes()
	batch, err := exchange.Subscribe(offers.Framework{Name: "batch", Role: "batch"})
	if err != nil {
		log.Fatal(err)
	}
	pass(exchange)
	if err := batch.Disconnect(ctx); err != nil {
		log.Fatal(err)
	}
	show("away", batch)
	pass(exchange)
	if err := batch.Reconnect(); err != nil {
		log.Fatal(err)
	}
	pass(exchange)
	show("back", batch)
	fmt.Println(batch.Ended(ctx, "offer-1"))
	// Output:
	// away:
	// back: offer-3 (n1: cpu 4) offer-4 (n2: cpu 4)
	// disconnected true <nil>
}

package offers_test

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// A framework answers an offer with several operations, done in their order, all or none: it starts a database and reserves the room of
// two, so that what it does not use now, and what the first gives back, is kept for its role.
func ExampleSubscription_Accept_reserve() {
	ctx := context.Background()
	state, _ := scheduler.NewState(scheduler.StateConfig{Clock: func() time.Time { return time.Unix(0, 0) }},
		berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 8000}})
	x, _ := offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns()})
	shop, _ := x.Subscribe(offers.Framework{Name: "shop", Role: "shop"})
	db := berth.NewGroup("db", berth.GroupSpec{Role: "shop", Request: berth.Resources{"cpu": 3000}})

	_, _ = x.Offer(ctx)
	offered, _ := shop.Offers(ctx)
	p := new(cluster.Plan)
	p.Place(db.Task("db-1"), "n1")
	p.Take(berth.Hold{ID: "dbs", Role: "shop", Node: "n1", Lease: berth.Reserved, Resources: berth.Resources{"cpu": 9000}})
	out, _ := shop.Accept(ctx, []string{offered[0].ID}, p, offers.Filter{})
	for _, r := range out.Refused {
		fmt.Println(r)
	}

	p.Ops[1].Hold.Resources["cpu"] = 6000 // the offer is as it was
	out, _ = shop.Accept(ctx, []string{offered[0].ID}, p, offers.Filter{})
	snapshot, _ := state.Snapshot(ctx)
	n1, _ := snapshot.Node("n1")
	fmt.Println("placed", len(out.Placed), "- n1 has", n1.Free(), "for everybody and", n1.FreeFor("shop"), "for shop")

	_ = state.Release("db-1")
	p = new(cluster.Plan)
	p.Drop("dbs") // it may give back what is reserved for its role at any time
	_, _ = shop.Accept(ctx, nil, p, offers.Filter{})
	snapshot, _ = state.Snapshot(ctx)
	n1, _ = snapshot.Node("n1")
	fmt.Println("n1 has", n1.Free(), "for everybody")
	// Output:
	// place db-1 on n1: not whole: the plan: hold dbs for role shop on n1: cpu 9: too little cpu in all
	// hold dbs for role shop on n1: cpu 9: too little cpu in all
	// placed 1 - n1 has cpu 2 for everybody and cpu 5 for shop
	// n1 has cpu 8 for everybody
}

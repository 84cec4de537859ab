package offers_test

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// Which nodes are offered first is the demand's to say, nodes with what is scarce are left to who needs it, and for what is too large for all
// that is free a node is emptied.
func Example_nodes() {
	gpu := berth.Device{Class: "gpu"}
	state, err := scheduler.NewState(scheduler.StateConfig{Clock: func() time.Time { return time.Unix(0, 0) }},
		berth.Node{ID: "a", Capacity: berth.Resources{"cpu": 4000}, Devices: []berth.Device{gpu}},
		berth.Node{ID: "b", Capacity: berth.Resources{"cpu": 4000}},
		berth.Node{ID: "c", Capacity: berth.Resources{"cpu": 4000}},
	)
	fail(err)
	exchange, err := offers.NewExchange(state, offers.Config{
		Order:  new(allocator.DRF).Turns(),
		Scarce: []offers.Scarce{{Resource: "gpu"}}, // nodes with GPUs come last for who asks for none
		Gather: 1,
	})
	fail(err)
	ctx := context.Background()
	show := func(what string, f *offers.Subscription) {
		_, err := exchange.Offer(ctx)
		fail(err)
		all, err := f.Offers(ctx)
		fail(err)
		fmt.Print(what, ":")
		for _, o := range all {
			fmt.Printf(" %s (%v)", o.Node, o.Resources)
		}
		fmt.Println()
	}
	web := berth.NewGroup("web", berth.GroupSpec{Role: "shop", Request: berth.Resources{"cpu": 1000}})
	shop, err := exchange.Subscribe(offers.Framework{Name: "shop", Role: "shop", Demand: []offers.Demand{{Group: web, Count: 3, Nodes: offers.Emptiest}}})
	fail(err)
	show("shop", shop)

	whole := berth.NewGroup("solve", berth.GroupSpec{Role: "lab", Request: berth.Resources{"cpu": 4000}})
	lab, err := exchange.Subscribe(offers.Framework{Name: "lab", Role: "lab", Demand: []offers.Demand{{Group: whole, Count: 2}}})
	fail(err)
	show("lab", lab)
	fail(shop.Want(offers.Demand{Group: web, Count: 9}))
	show("shop", shop)
	guest, err := exchange.Subscribe(offers.Framework{Name: "guest", Role: "guest"})
	fail(err)
	why, err := guest.WhyNode(ctx, "c")
	fail(err)
	fmt.Println(why)
	// Output:
	// shop: b (cpu 2) c (cpu 1)
	// lab: a (cpu 4)
	// shop: b (cpu 2) c (cpu 1) b (cpu 2)
	// c: gathered
}

func fail(err error) {
	if err != nil {
		panic(err)
	}
}

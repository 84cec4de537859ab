package offers_test

import (
	"context"
	"fmt"
	"log"

	"github.com/berth-sched/berth/offers"
)

// An operator takes back what is offered of a node before it is emptied.
func ExampleExchange_Rescind() {
	ctx := context.Background()
	state, exchange, _ := twoNodes()
	batch, err := exchange.Subscribe(offers.Framework{Name: "batch", Role: "batch"})
	if err != nil {
		log.Fatal(err)
	}
	pass(exchange)
	if err := state.Cordon("n1"); err != nil {
		log.Fatal(err)
	}
	now, err := exchange.Snapshot(ctx)
	if err != nil {
		log.Fatal(err)
	}
	var ids []string
	for h := range now.Holds() {
		if h.Node == "n1" {
			ids = append(ids, h.ID)
		}
	}
	if err := exchange.Rescind(ctx, ids, "n1 gets a new disk"); err != nil {
		log.Fatal(err)
	}
	show("batch", batch)
	fmt.Println(batch.Decline(ctx, ids, offers.Filter{}))
	// Output:
	// batch: offer-2 (n2: cpu 4)
	// offers: decline: framework "batch": offer "offer-1": the offer has ended: rescinded: n1 gets a new disk
}

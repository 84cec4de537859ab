package offers_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// A node is drained: the frameworks that have tasks there are asked for them back, and what is left at the deadline is evicted.
func ExampleExchange_Recall() {
	ctx := context.Background()
	state, exchange, now := twoNodes()
	must := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	start := func(name string) *offers.Subscription {
		s, err := exchange.Subscribe(offers.Framework{Name: name, Role: berth.Role(name)})
		must(err)
		pass(exchange)
		sched, err := scheduler.New(s.Book(), scheduler.Config{})
		must(err)
		_, err = sched.Schedule(ctx, berth.NewTask(name+"-1", berth.GroupSpec{Role: berth.Role(name), Request: berth.Resources{"cpu": 1000}}))
		must(err)
		all, err := s.Offers(ctx)
		must(err)
		for _, o := range all {
			must(s.Decline(ctx, []string{o.ID}, offers.Filter{}))
		}
		return s
	}
	batch, store := start("batch"), start("store")

	must(state.Cordon("n1"))
	_, err := exchange.Recall(ctx, offers.Recall{Node: "n1", Reason: "a new kernel", Deadline: now.Add(10 * time.Minute)})
	must(err)
	for _, s := range []*offers.Subscription{batch, store} {
		asked, err := s.Inverse(ctx)
		must(err)
		for _, o := range asked {
			fmt.Println("asked:", o)
			if s == store {
				must(s.DeclineInverse(ctx, []string{o.ID}, "the only copy"))
			} else {
				must(s.AcceptInverse(ctx, []string{o.ID}))
			}
		}
	}
	book, err := batch.Book().Snapshot(ctx) // batch does as it has said
	must(err)
	end := &cluster.Plan{Version: book.Version()}
	end.Release("batch-1")
	_, err = batch.Book().Commit(ctx, end)
	must(err)

	recalls, err := exchange.Recalls(ctx)
	must(err)
	for _, r := range recalls {
		fmt.Println("stands:", r.Asked)
	}
	*now = now.Add(10 * time.Minute)
	plan, err := exchange.Overdue(ctx)
	must(err)
	fmt.Println(plan)
	// Output:
	// asked: inverse-6 to batch: batch-1 on n1 by 01:10:00: a new kernel
	// asked: inverse-7 to store: store-1 on n1 by 01:10:00: a new kernel
	// stands: [inverse-7 to store: store-1 on n1 by 01:10:00: a new kernel; declined: the only copy]
	// evict store-1
}

// What a guarantee lends is asked for before it is taken: the tasks that Reclaim would end are recalled, and the claim is committed at the deadline.
func ExampleRecall() {
	ctx := context.Background()
	state, exchange, now := twoNodes()
	must := func(err error) {
		if err != nil {
			log.Fatal(err)
		}
	}
	must(state.SetQuotas(berth.Quota{Role: "web", Guarantees: berth.Resources{"cpu": 4000}}))
	batch, err := exchange.Subscribe(offers.Framework{Name: "batch", Role: "batch"})
	must(err)
	pass(exchange)
	books, err := scheduler.New(batch.Book(), scheduler.Config{})
	must(err)
	g := berth.NewGroup("batch", berth.GroupSpec{Role: "batch", Request: berth.Resources{"cpu": 2000}})
	_, err = books.Schedule(ctx, g.Tasks(4)...) // which is all there is
	must(err)

	s, err := scheduler.New(state, scheduler.Config{})
	must(err)
	snapshot, err := state.Snapshot(ctx)
	must(err)
	web := berth.NewTask("web-1", berth.GroupSpec{Role: "web", Request: berth.Resources{"cpu": 2000}})
	proposal, err := s.Reclaim(ctx, snapshot, scheduler.Reclaim{}, web)
	must(err)
	var ends []string
	for _, claim := range proposal.Claims {
		for _, t := range claim.Ends {
			ends = append(ends, t.ID)
		}
	}
	_, err = exchange.Recall(ctx, offers.Recall{Tasks: ends, Reason: "guaranteed to web", Deadline: now.Add(time.Minute)})
	must(err)
	asked, err := batch.Inverse(ctx)
	must(err)
	fmt.Println(asked[0])

	*now = now.Add(time.Minute)
	out, err := state.Commit(ctx, proposal.Plan) // it ends nothing that has ended by itself
	must(err)
	for _, op := range out.Placed {
		fmt.Println(op)
	}
	ended, _, err := batch.Ended(ctx, asked[0].ID)
	must(err)
	fmt.Println(ended)
	// Output:
	// inverse-4 to batch: batch-4 by 01:01:00: guaranteed to web
	// place web-1 on n2
	// met
}

package offers_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// twoNodes returns a State of two nodes, an Exchange that makes offers of it, and the clock of both.
func twoNodes() (*scheduler.State, *offers.Exchange, *time.Time) {
	now := time.Unix(0, 0).Add(time.Hour)
	clock := func() time.Time { return now }
	state, err := scheduler.NewState(scheduler.StateConfig{Clock: clock},
		berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}},
		berth.Node{ID: "n2", Capacity: berth.Resources{"cpu": 4000}},
	)
	if err != nil {
		log.Fatal(err)
	}
	exchange, err := offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns()})
	if err != nil {
		log.Fatal(err)
	}
	return state, exchange, &now
}

func pass(x *offers.Exchange) {
	if _, err := x.Offer(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func show(name string, s *offers.Subscription) {
	all, err := s.Offers(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Print(name, ":")
	for _, o := range all {
		fmt.Printf(" %s (%s: %v)", o.ID, o.Node, o.Resources)
	}
	fmt.Println()
}

// Two frameworks share a cluster by dominant share; the scheduler of one works on its Book as it would on
// the whole cluster.
func ExampleExchange() {
	ctx := context.Background()
	_, exchange, _ := twoNodes()
	shop, err := exchange.Subscribe(offers.Framework{Name: "shop", Role: "shop"})
	if err != nil {
		log.Fatal(err)
	}
	batch, err := exchange.Subscribe(offers.Framework{Name: "batch", Role: "batch"})
	if err != nil {
		log.Fatal(err)
	}
	n, err := exchange.Offer(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(n, "offers")
	show("shop", shop)
	show("batch", batch)

	s, err := scheduler.New(shop.Book(), scheduler.Config{})
	if err != nil {
		log.Fatal(err)
	}
	web := berth.NewGroup("web", berth.GroupSpec{Role: "shop", Request: berth.Resources{"cpu": 1500}})
	out, err := s.Schedule(ctx, web.Tasks(3)...)
	if err != nil {
		log.Fatal(err)
	}
	for _, op := range out.Placed {
		fmt.Println(op.Task, "on", op.Node)
	}
	for _, u := range out.Unplaced {
		fmt.Println(u.Task, "not placed")
	}
	show("shop", shop)
	// Output:
	// 2 offers
	// shop: offer-2 (n2: cpu 4)
	// batch: offer-1 (n1: cpu 4)
	// web-1 on n2
	// web-2 on n2
	// web-3 not placed
	// shop: offer-2 (n2: cpu 1)
}

func ExampleSubscription_Want() {
	_, exchange, _ := twoNodes()
	ci, err := exchange.Subscribe(offers.Framework{Name: "ci"})
	if err != nil {
		log.Fatal(err)
	}
	if err := ci.Want(); err != nil { // nothing
		log.Fatal(err)
	}
	pass(exchange)
	show("ci", ci)

	build := berth.NewGroup("build", berth.GroupSpec{Request: berth.Resources{"cpu": 1500}})
	if err := ci.Want(offers.Demand{Group: build, Count: 3}); err != nil {
		log.Fatal(err)
	}
	pass(exchange)
	show("ci", ci)
	// Output:
	// ci:
	// ci: offer-1 (n1: cpu 3) offer-2 (n2: cpu 1.5)
}

func ExampleSubscription_Accept() {
	ctx := context.Background()
	_, exchange, _ := twoNodes()
	f, err := exchange.Subscribe(offers.Framework{Name: "f"})
	if err != nil {
		log.Fatal(err)
	}
	pass(exchange)

	plan := new(cluster.Plan)
	plan.Place(berth.NewTask("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}}), "n1")
	plan.Place(berth.NewTask("huge", berth.GroupSpec{Request: berth.Resources{"cpu": 9000}}), "n1")
	out, err := f.Accept(ctx, []string{"offer-1"}, plan, offers.Filter{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(out.Placed)
	fmt.Println(out.Refused)

	_, err = f.Accept(ctx, []string{"offer-1"}, plan, offers.Filter{})
	fmt.Println(err)
	// Output:
	// [place web on n1]
	// [place huge on n1: not held cpu]
	// offers: accept: framework "f": offer "offer-1": no such offer, or it has been answered
}

func ExampleSubscription_Decline() {
	ctx := context.Background()
	_, exchange, now := twoNodes()
	f, err := exchange.Subscribe(offers.Framework{Name: "f"})
	if err != nil {
		log.Fatal(err)
	}
	pass(exchange)
	if err := f.Decline(ctx, []string{"offer-1"}, offers.Filter{For: offers.DefaultFilter}); err != nil {
		log.Fatal(err)
	}
	pass(exchange)
	show("filtered", f)
	*now = now.Add(offers.DefaultFilter)
	pass(exchange)
	show("5 s later", f)
	// Output:
	// filtered: offer-2 (n2: cpu 4)
	// 5 s later: offer-2 (n2: cpu 4) offer-3 (n1: cpu 4)
}

func ExampleSubscription_Suppress() {
	_, exchange, _ := twoNodes()
	f, err := exchange.Subscribe(offers.Framework{Name: "f"})
	if err != nil {
		log.Fatal(err)
	}
	if err := f.Suppress(); err != nil {
		log.Fatal(err)
	}
	pass(exchange)
	show("suppressed", f)
	if err := f.Revive(); err != nil {
		log.Fatal(err)
	}
	pass(exchange)
	show("revived", f)
	// Output:
	// suppressed:
	// revived: offer-1 (n1: cpu 4) offer-2 (n2: cpu 4)
}

func ExampleSubscription_Unsubscribe() {
	ctx := context.Background()
	_, exchange, _ := twoNodes()
	f, err := exchange.Subscribe(offers.Framework{Name: "f"})
	if err != nil {
		log.Fatal(err)
	}
	if err := f.Unsubscribe(ctx); err != nil {
		log.Fatal(err)
	}
	_, err = f.Book().Snapshot(ctx)
	fmt.Println(errors.Is(err, offers.ErrUnsubscribed), err)
	// Output:
	// true offers: snapshot: framework "f": the framework has unsubscribed
}

func ExampleExchange_Expire() {
	ctx := context.Background()
	state, exchange, now := twoNodes()
	f, err := exchange.Subscribe(offers.Framework{Name: "f"})
	if err != nil {
		log.Fatal(err)
	}
	pass(exchange)
	*now = now.Add(offers.DefaultLeaseFor)
	if _, err := exchange.Expire(ctx); err != nil {
		log.Fatal(err)
	}
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		log.Fatal(err)
	}
	n1, _ := snapshot.Node("n1")
	fmt.Println("free on n1:", n1.Free())
	err = f.Decline(ctx, []string{"offer-1"}, offers.Filter{})
	fmt.Println(errors.Is(err, offers.ErrExpired))
	// Output:
	// free on n1: cpu 4
	// true
}

// A Book shows nodes that are not offered, too, with nothing free.
func ExampleBook() {
	ctx := context.Background()
	_, exchange, _ := twoNodes()
	f, err := exchange.Subscribe(offers.Framework{Name: "f"})
	if err != nil {
		log.Fatal(err)
	}
	pass(exchange)
	if err := f.Decline(ctx, []string{"offer-2"}, offers.Filter{}); err != nil {
		log.Fatal(err)
	}
	snapshot, err := f.Book().Snapshot(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for n := range snapshot.Nodes() {
		fmt.Println(n.ID(), n.Capacity(), "of which free:", n.Free())
	}
	// Output:
	// n1 cpu 4 of which free: cpu 4
	// n2 cpu 4 of which free: nothing
}

// Room that is offered is set aside.
func ExampleExchange_Snapshot() {
	ctx := context.Background()
	_, exchange, _ := twoNodes()
	free := func() berth.Resources {
		snapshot, err := exchange.Snapshot(ctx)
		if err != nil {
			log.Fatal(err)
		}
		n1, _ := snapshot.Node("n1")
		return n1.Free()
	}
	if _, err := exchange.Subscribe(offers.Framework{Name: "batch"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println("before:", free())
	pass(exchange)
	fmt.Println("offered:", free())
	// Output:
	// before: cpu 4
	// offered: nothing
}

// A daemon gets an offer from each node that it misses, and its coverage is a fact of the source.
func ExampleSubscription_Snapshot() {
	ctx := context.Background()
	state, exchange, _ := twoNodes()
	agent := berth.NewGroup("agent", berth.GroupSpec{Request: berth.Resources{"cpu": 100}, Mode: berth.Daemon})
	ops, err := exchange.Subscribe(offers.Framework{Name: "ops", Demand: []offers.Demand{{Group: agent}}})
	if err != nil {
		log.Fatal(err)
	}
	s, err := scheduler.New(ops.Book(), scheduler.Config{})
	if err != nil {
		log.Fatal(err)
	}
	report := func() {
		snapshot, err := ops.Snapshot(ctx)
		if err != nil {
			log.Fatal(err)
		}
		coverage, err := scheduler.CoverageOf(snapshot, agent)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(coverage)
	}
	round := func() {
		pass(exchange)
		report()
		out, err := s.Schedule(ctx, agent.Everywhere())
		if err != nil {
			log.Fatal(err)
		}
		for _, op := range out.Placed {
			if err := state.Confirm(op.Task.ID); err != nil {
				log.Fatal(err)
			}
		}
		report()
	}
	round()
	if err := state.AddNodes(berth.Node{ID: "n3", Capacity: berth.Resources{"cpu": 4000}}); err != nil {
		log.Fatal(err)
	}
	round()
	// Output:
	// agent: 0 running, 2 pending, 0 blocked, 0 impossible, 0 not eligible
	// agent: 2 running, 0 pending, 0 blocked, 0 impossible, 0 not eligible
	// agent: 2 running, 1 pending, 0 blocked, 0 impossible, 0 not eligible
	// agent: 3 running, 0 pending, 0 blocked, 0 impossible, 0 not eligible
}

func ExampleSubscription_Why() {
	now := time.Unix(0, 0)
	clock := func() time.Time { return now }
	state, err := scheduler.NewState(scheduler.StateConfig{Clock: clock},
		berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}},
		berth.Node{ID: "n2", Capacity: berth.Resources{"cpu": 4000}},
		berth.Node{ID: "n3", Capacity: berth.Resources{"cpu": 1000}})
	if err != nil {
		panic(err)
	}
	x, err := offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns()})
	if err != nil {
		panic(err)
	}
	index := berth.NewGroup("index", berth.GroupSpec{Role: "eng/search", Request: berth.Resources{"cpu": 2000}})
	search, err := x.Subscribe(offers.Framework{Name: "search", Role: "eng/search", Demand: []offers.Demand{{Group: index, Count: 4}}})
	if err != nil {
		panic(err)
	}
	if err := state.Hold(berth.Hold{ID: "repair", Owner: "host", Node: "n1", Resources: berth.Resources{"cpu": 3000}, Deadline: now.Add(time.Hour)}); err != nil {
		panic(err)
	}
	if _, err := x.Offer(context.Background()); err != nil {
		panic(err)
	}
	why, err := search.Why(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Println(why)
	// Output:
	// framework "search" of role "eng/search": 1 offer; 0 frameworks ahead; 3 nodes: 1 offered, 2 unfit (n1: lacks 1 cpu)
}

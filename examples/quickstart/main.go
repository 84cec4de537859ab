// Quickstart places the same tasks twice: with the whole cluster in view, and out of resource offers.
package main

import (
	"context"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

func main() {
	ctx := context.Background()
	node := func(id, zone string, cpu int64) berth.Node { // cpu in thousandths of a core, memory in bytes
		return berth.Node{ID: id, Capacity: berth.Resources{"cpu": cpu, "memory": 16 << 30}, Attributes: berth.Attributes{"zone": zone}}
	}
	agent := berth.NewGroup("agent", berth.GroupSpec{Role: "ops", Mode: berth.Daemon, Request: berth.Resources{"cpu": 500}})
	web := berth.NewGroup("web", berth.GroupSpec{Role: "shop", Request: berth.Resources{"cpu": 1000, "memory": 2 << 30},
		Rules: []berth.Constraint{constraints.Unique("zone")}})
	train := berth.NewGroup("train", berth.GroupSpec{Role: "research", Request: berth.Resources{"cpu": 2000, "memory": 4 << 30}})
	tasks := map[*berth.Group][]berth.Task{agent: {agent.Everywhere()}, web: web.Tasks(2), train: train.Tasks(4)}

	for _, mode := range []string{"global state", "offers"} {
		cluster := must(scheduler.NewState(scheduler.StateConfig{}, node("n1", "a", 4000), node("n2", "a", 4000),
			node("n3", "b", 4000), node("n4", "b", 1750), node("n5", "b", 250)))
		drf := must(allocator.New(allocator.Config{}))
		exchange := must(offers.NewExchange(cluster, offers.Config{Order: drf.Turns()}))
		must(fmt.Println(mode))
		for _, g := range []*berth.Group{agent, web, train} {
			var source scheduler.Source = cluster // everything is in view
			if mode == "offers" {
				team := must(exchange.Subscribe(offers.Framework{Name: g.Name(), Role: g.Role(), Demand: []offers.Demand{{Group: g}}}))
				must(exchange.Offer(ctx))
				source = team.Book() // what this team was offered; nothing else changes
			}
			outcome := must(must(scheduler.New(source, scheduler.Config{})).Schedule(ctx, tasks[g]...))
			for _, op := range outcome.Placed {
				must(fmt.Printf("  %v on %s\n", op.Task, op.Node)) // a host starts it here, and then tells:
				must(0, cluster.Confirm(op.Task.ID))
			}
			for _, u := range outcome.Unplaced {
				must(fmt.Printf("  %v\n", u))
			}
		}
		must(fmt.Printf("  coverage of %v\n", must(scheduler.CoverageOf(must(exchange.Snapshot(ctx)), agent))))
		share := func(r berth.Role) allocator.Share { s, _ := drf.RoleShare(r); return s }
		must(fmt.Printf("  dominant shares: ops %v; shop %v; research %v\n", share("ops"), share("shop"), share("research")))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

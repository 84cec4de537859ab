package allocator_test

import (
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
)

// Who is next on a cluster where batch has three of eight cores already? A scheduler is handed the order, as its Config.Order; this
// asks it directly. What was charged in a round is forgotten with it.
func ExampleFair() {
	fork := cluster.NewFork()
	_ = fork.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 8000}})
	core := berth.Resources{"cpu": 1000}
	batch := berth.NewGroup("batch", berth.GroupSpec{Role: "batch", Request: core})
	web := berth.NewGroup("web", berth.GroupSpec{Role: "shop/web", Request: core})
	for _, t := range batch.Tasks(3) {
		fork.Apply(berth.Op{Kind: berth.Place, Task: t, Node: "n1"})
	}

	order := allocator.Fair{Weights: map[berth.Role]allocator.Weight{"shop": 2 * allocator.DefaultWeight}}
	round := order.Begin(fork.Snapshot(), []berth.Role{"batch", "shop/web"})
	for range 5 {
		role, _ := round.Next(nil)
		fmt.Println(role)
		if role == "batch" {
			round.Charged(batch, 1)
		} else {
			round.Charged(web, 1)
		}
	}
	// Output:
	// shop/web
	// shop/web
	// shop/web
	// shop/web
	// shop/web
}

func ExampleFair_Err() {
	fmt.Println(allocator.Fair{Weights: map[berth.Role]allocator.Weight{"eng": 0}, Grain: 2_000_000}.Err())
	// Output:
	// allocator: weight of "eng": weight 0 is not positive
	// allocator: grain: 2000000 is not between 0 and 1000000
}

// Production before batch, and fair among the roles of each.
func ExamplePriority() {
	order := allocator.Priority{Of: map[berth.Role]int{"prod": 10}, Then: allocator.Fair{}}
	waiting := map[berth.Role]int{"batch": 1, "prod/ads": 2, "prod/web": 1}
	core := berth.Resources{"cpu": 1000}

	snapshot := cluster.NewFork().Snapshot()
	round := order.Begin(snapshot, []berth.Role{"batch", "prod/ads", "prod/web"})
	for {
		role, ok := round.Next(func(r berth.Role) bool { return waiting[r] > 0 })
		if !ok {
			break
		}
		fmt.Println(role)
		waiting[role]--
		round.Charged(berth.NewGroup("g", berth.GroupSpec{Role: role, Request: core}), 1)
	}
	fmt.Println(allocator.Priority{Of: map[berth.Role]int{"a//b": 1}}.Err())
	// Output:
	// prod/ads
	// prod/ads
	// prod/web
	// batch
	// allocator: priority: role "a//b": empty segment
}

// Candidates asks which five nodes could take a task, best first, and why not the rest.
package main

import (
	"context"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

func main() {
	ctx := context.Background()
	var nodes []berth.Node
	for i := range int64(12) { // n0 to n11, in three zones, of 4, 8 or 12 cores
		nodes = append(nodes, berth.Node{
			ID:         fmt.Sprintf("n%d", i),
			Capacity:   berth.Resources{"cpu": 4000 * (1 + i%3), "memory": 16 << 30 * (1 + i%3)},
			Attributes: berth.Attributes{"zone": string("abc"[i/5])},
		})
	}
	nodes[4].Taints = []berth.Taint{{Key: "dedicated", Value: "ci"}}
	state := must(scheduler.NewState(scheduler.StateConfig{}, nodes...))
	must(0, state.Cordon("n10"))
	s := must(scheduler.New(state, scheduler.Config{}))

	batch := berth.NewGroup("batch", berth.GroupSpec{Request: berth.Resources{"cpu": 3000, "memory": 4 << 30}})
	web := berth.NewGroup("web", berth.GroupSpec{
		Request: berth.Resources{"cpu": 2000, "memory": 4 << 30},
		Rules:   []berth.Constraint{constraints.In("zone", "a", "b"), constraints.UniqueNode()},
	})
	must(s.Schedule(ctx, append(batch.Tasks(2), web.Task("web-1"))...))

	found := must(s.Candidates(ctx, web.Task("web-2"), placement.Ask{Top: 5, Misfits: true, Details: true}))
	must(fmt.Printf("%d of %d nodes could take web-2:\n", found.Fit, found.Asked))
	for c := range found.All() {
		must(fmt.Println(" ", c))
	}
	for _, m := range found.Misfits {
		must(fmt.Println(" ", m))
	}

	found = must(s.Candidates(ctx, web.Task("web-2"), placement.Ask{Top: 1, Gone: []string{"batch-1"}}))
	must(fmt.Println("without batch-1:", found.At(0).Node))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

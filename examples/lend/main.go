// Lend is a host that lends what its services were given and do not use to batch tasks, and ends the youngest of these when the services
// use it again.
package main

import (
	"context"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

func main() {
	ctx := context.Background()
	state := must(scheduler.NewState(scheduler.StateConfig{},
		berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 8000}}, berth.Node{ID: "n2", Capacity: berth.Resources{"cpu": 8000}}))
	s := must(scheduler.New(state, scheduler.Config{}))
	web := berth.NewGroup("web", berth.GroupSpec{Role: "shop", Request: berth.Resources{"cpu": 8000}})
	batch := berth.NewGroup("batch", berth.GroupSpec{Role: "lab", Request: berth.Resources{berth.Revocable("cpu"): 1000}})
	estimate(state, 3000, 2000) // what web does not use of its cores just now

	outcome := must(s.Schedule(ctx, append(web.Tasks(2), batch.Tasks(6)...)...))
	for _, p := range outcome.Placed {
		fmt.Println(p.Task, "on", p.Node)
	}
	for _, u := range outcome.Unplaced {
		fmt.Println(u)
	}

	estimate(state, 1000, 2000) // web on n1 is busy
	revoked := must(s.Revoke(ctx, must(state.Snapshot(ctx)), scheduler.Reclaim{}))
	for _, r := range revoked.Nodes {
		fmt.Println(r) // the host stops r.Ends
	}
	must(state.Commit(ctx, revoked.Plan))
	fmt.Println("shop has", must(state.Snapshot(ctx)).Used("shop"), "and lab", must(state.Snapshot(ctx)).Used("lab"))
}

func estimate(state *scheduler.State, n1, n2 int64) {
	if err := state.SetRevocable(map[string]berth.Resources{"n1": {"cpu": n1}, "n2": {"cpu": n2}}); err != nil {
		panic(err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// First places the tasks of one group on three nodes, and says why one of them found none.
package main

import (
	"context"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/scheduler"
)

func main() {
	node := func(id, zone string) berth.Node { // four cores and 16 GiB
		return berth.Node{ID: id, Capacity: berth.Resources{"cpu": 4000, "memory": 16 << 30}, Attributes: berth.Attributes{"zone": zone}}
	}
	cluster := must(scheduler.NewState(scheduler.StateConfig{}, node("n1", "a"), node("n2", "a"), node("n3", "b")))
	web := berth.NewGroup("web", berth.GroupSpec{
		Request: berth.Resources{"cpu": 500, "memory": 1 << 30},
		Rules:   []berth.Constraint{constraints.Unique("zone")},
	})
	outcome := must(must(scheduler.New(cluster, scheduler.Config{})).Schedule(context.Background(), web.Tasks(3)...))
	for _, p := range outcome.Placed {
		must(fmt.Println(p.Task, "on", p.Node))
	}
	for _, u := range outcome.Unplaced {
		must(fmt.Println(u))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

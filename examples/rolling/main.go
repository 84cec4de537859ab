// Rolling gives a service of ten instances, one on a node, a new version that takes more, one instance at a time. Where the new one
// has no place, the old one stays.
package main

import (
	"context"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/scheduler"
)

func main() {
	ctx := context.Background()
	var nodes []berth.Node
	for i := range 11 { // n01 to n11 of three cores, but for the first two, which have two
		nodes = append(nodes, berth.Node{ID: fmt.Sprintf("n%02d", i+1), Capacity: berth.Resources{"cpu": 1000 * int64(min(3, 2+i/2))}})
	}
	state := must(scheduler.NewState(scheduler.StateConfig{}, nodes...))
	s := must(scheduler.New(state, scheduler.Config{}))
	web := func(version string, cpu int64) *berth.Group { // the rule counts both versions
		return berth.NewGroup("web", berth.GroupSpec{
			Labels:  map[string]string{"version": version},
			Request: berth.Resources{"cpu": cpu},
			Rules:   []berth.Constraint{constraints.UniqueNode()},
		})
	}
	v1, v2 := web("1", 1500), web("2", 2500)
	for _, p := range must(s.Schedule(ctx, v1.Tasks(10)...)).Placed {
		must(0, state.Confirm(p.Task.ID))
	}

	for _, t := range v2.Tasks(10) {
		old, _ := state.Task(t.ID)
		out := must(s.Replace(ctx, t))
		if len(out.Placed) == 0 {
			must(fmt.Println(t.ID, "stays on", old.Node+":", out.Unplaced[0].Reason))
			continue
		}
		// Here the host stops the old one, starts the new one, and waits until it is well.
		must(0, state.Confirm(t.ID))
		must(fmt.Println(t.ID, "from", old.Node, "to", out.Placed[0].Node))
	}

	versions := map[string]int{}
	for t := range must(state.Snapshot(ctx)).Group("web") {
		versions[t.Group.Labels()["version"]]++
	}
	must(fmt.Println(versions["1"], "of version 1,", versions["2"], "of version 2"))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

package placement_test

import (
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
)

// All three tasks are to be in one zone. Zone a has room for two of them, which are given up for the three of zone b.
func ExampleEngine_PlaceWithin() {
	f := cluster.NewFork()
	for zone, cpu := range map[string]int64{"a": 2000, "b": 3000} {
		_ = f.AddNodes(berth.Node{ID: "n-" + zone, Capacity: berth.Resources{"cpu": cpu}, Attributes: berth.Attributes{"zone": zone}})
	}
	engine := placement.NewEngine(placement.BinPack())
	engine.Start(f.Snapshot())

	trainers := berth.NewGroup("trainers", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	begin := engine.Savepoint()
	for _, zone := range []string{"a", "b"} {
		picked := 0
		for _, t := range trainers.Tasks(3) {
			if _, ok := engine.PlaceWithin(t, "zone", zone); ok {
				picked++
			}
		}
		fmt.Println("zone", zone, "has room for", picked)
		if picked == 3 {
			break
		}
		if err := engine.Rollback(begin); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// zone a has room for 2
	// zone b has room for 3
}

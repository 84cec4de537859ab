package placement_test

import (
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// A job prefers racks with a cache, and avoids nodes that have a batch job, itself included. Both are wishes: where each node near
// the cache has a job, near counts for more.
func ExamplePreferences_tasks() {
	f := cluster.NewFork()
	for _, n := range []struct{ id, rack string }{{"n1", "a"}, {"n2", "a"}, {"n3", "b"}, {"n4", "b"}} {
		err := f.AddNodes(berth.Node{ID: n.id, Capacity: berth.Resources{"cpu": 8000}, Attributes: berth.Attributes{"rack": n.rack}})
		if err != nil {
			fmt.Println(err)
		}
	}
	cache := berth.NewGroup("cache", berth.GroupSpec{Labels: map[string]string{"app": "cache"}, Request: berth.Resources{"cpu": 1000}})
	f.Apply(berth.Op{Kind: berth.Place, Task: cache.Task("cache-1"), Node: "n3"})

	job := berth.NewGroup("job", berth.GroupSpec{
		Labels:  map[string]string{"kind": "batch"},
		Request: berth.Resources{"cpu": 1000},
		Prefer: []berth.Preference{
			{Weight: 10, Rule: constraints.Near("rack", berth.Label("app", "cache"))},
			{Weight: -5, Rule: constraints.Near(berth.NodeID, berth.Label("kind", "batch"))},
		},
	})
	p := placement.NewEngine(placement.BinPack())
	p.Start(f.Snapshot())
	for _, t := range job.Tasks(3) {
		choices := p.Candidates(t, placement.Ask{Top: 1})
		fmt.Println(t, choices.At(0).Score()[0].Sum)
		if op, ok := p.Place(t); ok {
			fmt.Println(op)
		}
	}
	// Output:
	// job-1 10
	// place job-1 on n3
	// job-2 10
	// place job-2 on n4
	// job-3 5
	// place job-3 on n3
}

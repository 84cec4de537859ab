package placement_test

import (
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// A host that drives a picker itself tells it which groups a plan is about before it places the first task.
func ExampleEngine_Expect() {
	fork := cluster.NewFork()
	if err := fork.AddNodes(
		berth.Node{ID: "a", Capacity: berth.Resources{"cpu": 4000}, Attributes: berth.Attributes{"disk": "hdd", "zone": "east"}},
		berth.Node{ID: "b", Capacity: berth.Resources{"cpu": 4000}, Attributes: berth.Attributes{"disk": "ssd", "zone": "west"}},
	); err != nil {
		fmt.Println(err)
	}
	groups := []*berth.Group{
		berth.NewGroup("db", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}, Rules: []berth.Constraint{constraints.Eq("disk", "ssd")}}),
		berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}, Rules: []berth.Constraint{
			constraints.Apart("zone", berth.InGroup("db"))}}),
	}
	engine := placement.NewEngine(placement.BinPack())
	engine.Start(fork.Snapshot())
	for _, g := range groups {
		engine.Expect(g)
	}
	for _, g := range groups {
		op, _ := engine.Place(g.Task(g.Name() + "-0"))
		fmt.Println(op.Task.ID, "on", op.Node)
	}
	// Output:
	// db-0 on b
	// web-0 on a
}

package constraints_test

import (
	"fmt"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
)

// twoZones returns a fork with a node in each of two zones, and what places tasks there and prints what comes of it.
func twoZones(group *berth.Group) (f *cluster.Fork, place func(id, node string)) {
	f = cluster.NewFork()
	for _, zone := range []string{"a", "b"} {
		_ = f.AddNodes(berth.Node{ID: "in-" + zone, Attributes: berth.Attributes{"zone": zone}})
	}
	return f, func(id, node string) {
		_, why := f.Apply(berth.Op{Kind: berth.Place, Task: group.Task(id), Node: node})
		fmt.Println(id, node, why)
	}
}

// One task at a time on a node; one that is stopping is in the way until it is gone, unless the rule lets it pass.
func ExampleCap_WithoutStopping() {
	for _, rule := range []constraints.Cap{constraints.UniqueNode(), constraints.UniqueNode().WithoutStopping()} {
		fmt.Println(rule)
		f, place := twoZones(berth.NewGroup("db", berth.GroupSpec{Rules: []berth.Constraint{rule}}))
		place("db-1", "in-a")
		_ = f.Mark("db-1", berth.Stopping, time.Time{})
		place("db-2", "in-a")
	}
	// Output:
	// unique(node.id)
	// db-1 in-a no reason
	// db-2 in-a unique(node.id)
	// unique(node.id, without stopping)
	// db-1 in-a no reason
	// db-2 in-a no reason
}

// Zone b has no node that the group may use. As a rule such zones are not compared; where they are, zone a may be ahead of them by one task and no more.
func ExampleSpread_ExcludedToo() {
	for _, rule := range []constraints.Spread{constraints.GroupBy("zone"), constraints.GroupBy("zone").ExcludedToo()} {
		fmt.Println(rule)
		_, place := twoZones(berth.NewGroup("web", berth.GroupSpec{Rules: []berth.Constraint{rule, constraints.Eq("zone", "a")}}))
		place("web-1", "in-a")
		place("web-2", "in-a")
	}
	// Output:
	// group-by(zone)
	// web-1 in-a no reason
	// web-2 in-a no reason
	// group-by(zone, over excluded-too)
	// web-1 in-a no reason
	// web-2 in-a group-by(zone, over excluded-too)
}

// The same of a zone whose only node is cordoned.
func ExampleSpread_CordonedToo() {
	for _, rule := range []constraints.Spread{constraints.GroupBy("zone"), constraints.GroupBy("zone").CordonedToo()} {
		fmt.Println(rule)
		f, place := twoZones(berth.NewGroup("web", berth.GroupSpec{Rules: []berth.Constraint{rule}}))
		_ = f.Cordon("in-b")
		place("web-1", "in-a")
		place("web-2", "in-a")
	}
	// Output:
	// group-by(zone)
	// web-1 in-a no reason
	// web-2 in-a no reason
	// group-by(zone, over cordoned-too)
	// web-1 in-a no reason
	// web-2 in-a group-by(zone, over cordoned-too)
}

// Of ten tasks six go to one data centre, and all others share two.
func ExampleShares_Others() {
	rule := constraints.Targets("dc", 10, map[any]int{"dc1": 60}).Others(20)
	fmt.Println(rule)
	for _, dc := range []string{"dc1", "dc2"} {
		v, _ := berth.ValueOf(dc)
		fmt.Println(dc, rule.Limit(berth.Domains{Value: v}))
	}
	// Output:
	// targets(dc, 10, "dc1" 60%, others 20%)
	// dc1 6
	// dc2 2
}

package placement_test

import (
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// A node in zone b costs less: what a Class term says follows from how a node is described, and is asked once for all nodes alike.
func ExampleClass() {
	cheap := placement.Class("cheap", func(n *berth.Node) int64 {
		zone, _ := n.Attribute("zone")
		return map[string]int64{"a": 1, "b": 2}[zone.String()]
	}).Reads("zone")
	show(placement.NewEngine(placement.Best(cheap).Then(placement.InUse())), 2)
	// Output:
	// place web-1 on n3
	// place web-2 on n3
}

// Tasks counts those of the group in a domain: with a weight below 0 the zone with the fewest is the best, and nodes without a zone count as if they had two.
func ExampleTasks() {
	even := placement.Tasks("zone").Missing(2).Times(-1)
	fmt.Println(placement.Best(even))
	show(placement.NewEngine(placement.Best(even).Then(placement.InUse())), 3)
	// Output:
	// -1 tasks(zone, missing 2)
	// place web-1 on n2
	// place web-2 on n3
	// place web-3 on n2
}

// InUse is the mean of the parts in use, of the resources that are named or of all. By weight -1 the emptiest node is the best.
func ExampleInUse() {
	show(placement.NewEngine(placement.Best(placement.InUse("cpu").Times(-1))), 2)
	// Output:
	// place web-1 on n3
	// place web-2 on n1
}

// What an Additive term says is a part that follows from the node and one that follows from the request, so that one order of nodes serves all requests.
func ExampleAdditive() {
	left := placement.Additive("cores left", func(free, capacity []int64) int64 { return -free[0] }, func(request, capacity []int64) int64 { return request[0] }).Over("cpu")
	show(placement.NewEngine(placement.Best(left)), 3)
	// Output:
	// place web-1 on n2
	// place web-2 on n2
	// place web-3 on n1
}

// Nodes that a task would leave with no room for one more as large come last.
func ExampleOfState() {
	another := placement.OfState("another", func(before, after *placement.State) int64 {
		if taken := before.FreeOf("cpu") - after.FreeOf("cpu"); after.FreeOf("cpu") >= taken {
			return 1
		}
		return 0
	})
	show(placement.NewEngine(placement.Best(another).Then(placement.InUse())), 3)
	// Output:
	// place web-1 on n2
	// place web-2 on n1
	// place web-3 on n1
}

// What a node is worth is how many tasks of six cores it has room for; the node that loses least of that is the best.
func ExampleChange() {
	room := placement.Change("room", func(s *placement.State) int64 { return s.FreeOf("cpu") / 6000 })
	show(placement.NewEngine(placement.Best(room).Then(placement.InUse())), 3)
	// Output:
	// place web-1 on n2
	// place web-2 on n2
	// place web-3 on n1
}

// A rule made soft: a node of zone b is worth as much as a quarter more in use.
func ExamplePrefer() {
	s := placement.Best(placement.InUse(), placement.Prefer(constraints.Eq("zone", "b")).Times(placement.Resolution/4))
	show(placement.NewEngine(s), 3)
	// Output:
	// place web-1 on n2
	// place web-2 on n2
	// place web-3 on n3
}

// A term that may look at anything, and asks how many tasks of the group the node's zone and the node have.
func ExampleTerm_Counts() {
	few := placement.Func("few", func(c *placement.Candidate) int64 { return -int64(10*c.Tasks[0] + c.Tasks[1]) }).Counts("zone", berth.NodeID)
	show(placement.NewEngine(placement.Best(few).Then(placement.InUse())), 4)
	// Output:
	// place web-1 on n2
	// place web-2 on n3
	// place web-3 on n1
	// place web-4 on n3
}

// Six of ten in zone a, and a fifth in each zone that is not named.
func ExampleTerm_Others() {
	s := placement.Best(placement.Targets("zone", map[any]int{"a": 60}).Others(20)).Then(placement.InUse())
	fmt.Println(s)
	show(placement.NewEngine(s), 4)
	// Output:
	// targets(zone, "a" 60%, others 20%), then in-use()
	// place web-1 on n2
	// place web-2 on n2
	// place web-3 on n1
	// place web-4 on n3
}

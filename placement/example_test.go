package placement_test

import (
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// halfFull returns a half full node and an empty one of 8 cores in zone a, and an empty one of 16 in zone b.
func halfFull() *cluster.Snapshot {
	f := cluster.NewFork()
	for _, n := range []struct {
		id, zone string
		cores    int64
	}{{"n1", "a", 8}, {"n2", "a", 8}, {"n3", "b", 16}} {
		err := f.AddNodes(berth.Node{
			ID:         n.id,
			Capacity:   berth.Resources{"cpu": 1000 * n.cores, "memory": 4 << 30 * n.cores},
			Attributes: berth.Attributes{"zone": n.zone},
		})
		if err != nil {
			fmt.Println(err)
		}
	}
	db := berth.NewGroup("db", berth.GroupSpec{Request: berth.Resources{"cpu": 4000, "memory": 16 << 30}})
	if _, why := f.Apply(berth.Op{Kind: berth.Place, Task: db.Task("db"), Node: "n2"}); why.Code != berth.None {
		fmt.Println(why)
	}
	return f.Snapshot()
}

// show places tasks of 2 cores and 8 GiB and prints where they go.
func show(p placement.Picker, tasks int) {
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 2000, "memory": 8 << 30}})
	p.Start(halfFull())
	for _, t := range web.Tasks(tasks) {
		if op, ok := p.Place(t); ok {
			fmt.Println(op)
		} else {
			fmt.Println(t, p.Explain(web))
		}
	}
}

// Best fit fills up n2, which is half full already, then the smaller of the empty nodes.
func ExampleBinPack() {
	show(placement.NewEngine(placement.BinPack()), 4)
	// Output:
	// place web-1 on n2
	// place web-2 on n2
	// place web-3 on n1
	// place web-4 on n1
}

// Without attributes tasks go where the least is in use: n3, until an eighth more of it is in use than of n1.
func ExampleSpread() {
	show(placement.NewEngine(placement.Spread()), 4)
	// Output:
	// place web-1 on n3
	// place web-2 on n1
	// place web-3 on n3
	// place web-4 on n3
}

// With attributes, zones are kept even first and nodes next: where the zones are even, n2 has no task yet.
func ExampleSpread_attributes() {
	show(placement.NewEngine(placement.Spread("zone", berth.NodeID)), 5)
	// Output:
	// place web-1 on n3
	// place web-2 on n1
	// place web-3 on n2
	// place web-4 on n3
	// place web-5 on n1
}

func ExampleFirstFit() {
	show(placement.NewEngine(placement.FirstFit()), 5)
	// Output:
	// place web-1 on n1
	// place web-2 on n1
	// place web-3 on n1
	// place web-4 on n1
	// place web-5 on n2
}

// A seed makes one choice of all the possible ones, the same every time.
func ExampleRandom() {
	show(placement.NewEngine(placement.Random(1)), 3)
	fmt.Println("the same seed, and another:")
	show(placement.NewEngine(placement.Random(1)), 3)
	show(placement.NewEngine(placement.Random(2)), 3)
	// Output:
	// place web-1 on n3
	// place web-2 on n2
	// place web-3 on n2
	// the same seed, and another:
	// place web-1 on n3
	// place web-2 on n2
	// place web-3 on n2
	// place web-1 on n3
	// place web-2 on n3
	// place web-3 on n2
}

// Func is the shortest way to a strategy. This one likes the nodes with the most cores, whatever is on them.
func ExampleFunc() {
	biggest := placement.Best(placement.Func("biggest", func(c *placement.Candidate) int64 {
		cpu, _ := c.Resource("cpu")
		return c.Capacity[cpu]
	}))
	show(placement.NewEngine(biggest), 2)
	// Output:
	// place web-1 on n3
	// place web-2 on n3
}

// An engine is kept and started again on every snapshot. Picks can be undone, and a task without a node explained.
func ExampleEngine() {
	engine := placement.NewEngine(placement.BinPack())
	s := halfFull()
	huge := berth.NewGroup("huge", berth.GroupSpec{Request: berth.Resources{"cpu": 16000}})

	engine.Start(s)
	first, _ := engine.Place(huge.Task("first"))
	fmt.Println(first)
	_, ok := engine.Place(huge.Task("second"))
	fmt.Println(ok, engine.Explain(huge))
	engine.Undo(first)
	second, _ := engine.Place(huge.Task("second"))
	fmt.Println(second)

	engine.Start(s) // another plan on the same snapshot: nothing was committed
	again, _ := engine.Place(huge.Task("first"))
	fmt.Println(again)
	// Output:
	// place first on n3
	// false 2 too little cpu in all, 1 insufficient cpu; nearest n1: lacks 8 cpu (it has 8 in all); 8 more cpu on n1 would do
	// place second on n3
	// place first on n3
}

// A daemon group is covered in one call: an instance on each node that has room for it.
func ExampleEngine_Cover() {
	agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 5000}})
	engine := placement.NewEngine(placement.BinPack())
	engine.Start(halfFull())
	engine.Cover(agent, func(op berth.Op) {
		fmt.Println(op)
	}, func(node string, lacks []berth.Lack) {
		fmt.Println(node, lacks)
	})
	// Output:
	// place agent@n1 on n1
	// n2 [lacks 1 cpu]
	// place agent@n3 on n3
}

// The reference is used like an engine, and picks the same; a test that compares the two proves what a
// strategy declares.
func ExampleExhaustive() {
	show(placement.NewExhaustive(placement.BinPack()), 4)
	// Output:
	// place web-1 on n2
	// place web-2 on n2
	// place web-3 on n1
	// place web-4 on n1
}

// roomy keeps the most memory free in GiB, on nodes where a task is a small part of the memory.
func roomy() placement.Term {
	return placement.Additive("roomy", func(free, capacity []int64) int64 {
		return free[0] >> 20
	}, func(request, capacity []int64) int64 {
		return -request[0]>>20 - 1000*request[0]/max(capacity[0], 1)
	}).Over("memory")
}

// A host's own strategy is a list of terms. What each declares lets the engine keep an order of nodes instead of asking
// about each; the reference asks, and picks the same.
func ExampleBest() {
	s := placement.Best(placement.Tasks("zone").Times(-1)).Then(roomy())
	fmt.Println(s)
	show(placement.NewEngine(s), 4)
	fmt.Println("the reference:")
	show(placement.NewExhaustive(s), 4)
	// Output:
	// -1 tasks(zone), then roomy
	// place web-1 on n3
	// place web-2 on n1
	// place web-3 on n3
	// place web-4 on n1
	// the reference:
	// place web-1 on n3
	// place web-2 on n1
	// place web-3 on n3
	// place web-4 on n1
}

// Terms add up within a tier: here a task of the group in the zone is as bad as half a node in use is good.
func ExampleTerm_Times() {
	s := placement.Best(placement.InUse(), placement.Tasks("zone").Times(-placement.Resolution/2))
	show(placement.NewEngine(s), 4)
	// Output:
	// place web-1 on n2
	// place web-2 on n2
	// place web-3 on n3
	// place web-4 on n3
}

// Whatever is within an eighth of the fullest node counts as fullest, and of these the shuffle takes one.
func ExampleStrategy_Within() {
	s := placement.BinPack().Within(placement.Resolution / 8)
	fmt.Println(s)
	show(placement.NewEngine(s), 4)
	// Output:
	// binpack within 131072
	// place web-1 on n2
	// place web-2 on n2
	// place web-3 on n1
	// place web-4 on n1
}

// What the group prefers comes before the score, unless the strategy gives it another place: here it is worth a
// quarter of a node.
func ExamplePreferences() {
	s := placement.Best(placement.InUse(), placement.Preferences().Times(placement.Resolution/4))
	web := berth.NewGroup("web", berth.GroupSpec{
		Request: berth.Resources{"cpu": 2000, "memory": 8 << 30},
		Prefer:  []berth.Preference{{Weight: 1, Rule: constraints.Unique("zone")}},
	})
	p := placement.NewEngine(s)
	p.Start(halfFull())
	for _, t := range web.Tasks(3) {
		op, _ := p.Place(t)
		fmt.Println(op)
	}
	fmt.Println(p.Score(web.Task("web-4"), "n3"))
	// Output:
	// place web-1 on n2
	// place web-2 on n2
	// place web-3 on n3
	// 262144 = in-use() 262144 + 262144 x preferences 0 true
}

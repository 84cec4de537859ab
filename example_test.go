package berth_test

import (
	"fmt"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
)

func ExampleResources() {
	a := berth.Resources{"cpu": 1500, "memory": 1 << 30}
	b := berth.Resources{"cpu": 500}
	sum, _ := a.Plus(b)
	rest, _ := a.Minus(b)
	three, _ := a.Times(3)
	fmt.Println(sum)
	fmt.Println(rest)
	fmt.Println(three)
	fmt.Println(a.Covers(b), b.Covers(a))
	_, err := b.Minus(a)
	fmt.Println(err)
	// Output:
	// cpu 2, memory 1 GiB
	// cpu 1, memory 1 GiB
	// cpu 4.5, memory 3 GiB
	// true false
	// resource "cpu": 500 - 1500: quantity is negative
	// resource "memory": 0 - 1073741824: quantity is negative
}

func ExampleFormatQuantity() {
	fmt.Println(berth.FormatQuantity("cpu", 250))
	fmt.Println(berth.FormatQuantity("memory", 3<<29))
	fmt.Println(berth.FormatQuantity("licences", 12))
	// Output:
	// 0.25
	// 1.5 GiB
	// 12
}

func ExampleValueOf() {
	zone, _ := berth.ValueOf("a")
	generation, _ := berth.ValueOf(uint8(7))
	fmt.Println(zone, generation, generation.Compare(zone) < 0)
	_, err := berth.ValueOf(true)
	fmt.Println(err)
	// Output:
	// a 7 true
	// value of type bool is neither text nor a number
}

func ExampleRole() {
	role := berth.Role("eng/search")
	fmt.Println(role.Parent(), role.Err())
	fmt.Println(berth.Role("eng//search").Err())
	// Output:
	// eng <nil>
	// role "eng//search": empty segment
}

func ExampleNode() {
	n := berth.Node{
		ID:         "n1",
		Capacity:   berth.Resources{"cpu": 8000, "memory": 32 << 30},
		Attributes: berth.Attributes{"zone": "a", "generation": 7},
		Devices:    []berth.Device{{Class: "gpu", Model: "A100"}},
		Ports:      []berth.PortRange{{First: 8000, Last: 8999}},
	}
	zone, _ := n.Attribute("zone")
	fmt.Println(zone, n.Err())
	fmt.Println((&berth.Node{ID: "n2", Capacity: berth.Resources{"cpu": -1}, Ports: n.Ports[:1:1]}).Err())
	// Output:
	// a <nil>
	// node "n2": resource "cpu": quantity is negative: -1
}

func ExampleNewSnapshot() {
	s, err := berth.NewSnapshot(
		berth.Node{ID: "n2", Capacity: berth.Resources{"cpu": 4000}},
		berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 2000}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	for n := range s.Nodes() {
		fmt.Println(n.ID(), n.Free())
	}
	fmt.Println(s.Total())
	// Output:
	// n1 cpu 2
	// n2 cpu 4
	// cpu 6
}

// A fork answers "what if" and leaves the snapshot as it was; what was done to it is a plan.
func ExampleFork() {
	s, _ := berth.NewSnapshot(
		berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 2000}, Attributes: berth.Attributes{"zone": "a"}},
		berth.Node{ID: "n2", Capacity: berth.Resources{"cpu": 1000}, Attributes: berth.Attributes{"zone": "b"}},
	)
	web := berth.NewGroup("web", berth.GroupSpec{
		Request: berth.Resources{"cpu": 1500},
		Rules:   []berth.Constraint{constraints.Unique("zone")},
	})

	f := s.Fork()
	tasks := web.Tasks(2)
	_, why := f.Apply(berth.Op{Kind: berth.Place, Task: tasks[0], Node: "n1"})
	fmt.Println(tasks[0], why.Code == berth.None)
	_, why = f.Apply(berth.Op{Kind: berth.Place, Task: tasks[1], Node: "n1"})
	fmt.Println(tasks[1], why)
	fmt.Println(f.Explain(web))

	fmt.Print(f.Plan())
	n1, _ := s.Node("n1")
	fmt.Println(n1.Free())
	// Output:
	// web-1 true
	// web-2 unique(zone)
	// 2 insufficient cpu, 1 unique(zone); nearest n2: lacks 0.5 cpu; 0.5 more cpu on n2 would do
	// place web-1 on n1
	// cpu 2
}

func ExampleFork_Lacks() {
	f := berth.NewFork()
	_ = f.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 1000}, Taints: []berth.Taint{{Key: "dedicated", Value: "db"}}})
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1500}})
	n1, _ := f.Node("n1")
	fmt.Println(f.Fits(web, n1))
	for _, lack := range f.Lacks(web, n1) {
		fmt.Println(lack)
	}
	// Output:
	// false
	// untolerated taint dedicated=db
	// lacks 0.5 cpu
}

func ExampleFork_Adopt() {
	f := berth.NewFork()
	_ = f.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 1000}})
	task := berth.NewTask("found", berth.GroupSpec{Request: berth.Resources{"cpu": 1500}})
	fmt.Println(f.Adopt(task, "n1", nil, berth.Orphan))
	n1, _ := f.Node("n1")
	fmt.Println(n1.Free(), n1.Overcommitted())
	// Output:
	// <nil>
	// cpu -0.5 true
}

func ExampleFork_Drain() {
	f := berth.NewFork()
	_ = f.AddNodes(berth.Node{ID: "n1"}, berth.Node{ID: "n2"})
	fmt.Println(f.Drain(true, "n1"))
	fmt.Println(f.Explain(berth.NewGroup("web", berth.GroupSpec{})))
	fmt.Println(f.Drain(true, "n3"))
	// Output:
	// <nil>
	// 1 draining; nearest n1: draining; ending the drain of n1 would do
	// node "n3": unknown node
}

func ExampleNewGroup() {
	web := berth.NewGroup("web", berth.GroupSpec{
		Role:    "eng/search",
		Request: berth.Resources{"cpu": 500},
		Devices: []berth.DeviceRequest{{Class: "gpu", Share: 300, Models: []string{"A100", "T4"}}},
	})
	fmt.Println(web, web.Cost(), web.Err())
	fmt.Println(berth.NewGroup("batch", berth.GroupSpec{Role: "a b", Mode: berth.Gang}).Err())
	// Output:
	// web cpu 0.5, gpu 300 <nil>
	// group "batch": role "a b": segment "a b" holds white space, a control character or a backslash
	// group "batch": gang size 0 is less than 1
}

func ExampleGroup_Tasks() {
	fmt.Println(berth.NewGroup("web", berth.GroupSpec{}).Tasks(3))
	// Output: [web-1 web-2 web-3]
}

func ExampleNewTask() {
	task := berth.NewTask("migrate", berth.GroupSpec{Request: berth.Resources{"cpu": 100}})
	fmt.Println(task, task.Group, task.Err())
	// Output: migrate migrate <nil>
}

func ExampleGroup_Everywhere() {
	logs := berth.NewGroup("logs", berth.GroupSpec{Mode: berth.Daemon})
	fmt.Println(logs.Everywhere().Err()) // the demand, to be scheduled
	fmt.Println(logs.On("n1"))           // the instance on a node
	// Output:
	// <nil>
	// logs@n1
}

func ExampleGroup_Grant() {
	n := berth.Node{ID: "n1", Devices: []berth.Device{{Class: "gpu"}, {Class: "gpu"}}, Ports: []berth.PortRange{{First: 8000, Last: 8009}}}
	g := berth.NewGroup("train", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 400}}, DynamicPorts: 2})
	// The second device is the fuller one that suffices; port 8000 is in use.
	grant, _ := g.Grant(&n, []int64{1000, 500}, []uint16{8000})
	fmt.Println(grant)
	_, why := g.Grant(&n, []int64{300, 300}, nil)
	fmt.Println(why)
	// Output:
	// 1:400 ports [8001 8002]
	// no device for 0.4 gpu
}

// A hold keeps room for its owner, who alone can draw on it.
func ExampleHold() {
	f := berth.NewFork()
	_ = f.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 2000}})
	hold := berth.Hold{ID: "offer-1", Owner: "spark", Node: "n1", Resources: berth.Resources{"cpu": 1500}, Deadline: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	_, why := f.Apply(berth.Op{Kind: berth.Take, Hold: &hold})
	fmt.Println(why.Code == berth.None)

	task := berth.NewTask("job", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	_, why = f.Apply(berth.Op{Task: task, Node: "n1"})
	fmt.Println(why)
	_, why = f.Apply(berth.Op{Task: task, Node: "n1", From: "spark"})
	fmt.Println(why.Code == berth.None)
	rest, _ := f.Hold("offer-1")
	fmt.Println(rest.Resources)
	// Output:
	// true
	// insufficient cpu
	// true
	// cpu 0.5
}

func ExamplePlan() {
	web := berth.NewGroup("web", berth.GroupSpec{})
	var p berth.Plan
	p.Place(web.Task("web-1"), "n1")
	p.Release("old-1")
	p.Evict("batch-7", nil)
	fmt.Print(&p)
	// Output:
	// place web-1 on n1
	// release old-1
	// evict batch-7
}

func ExampleUnplaced() {
	f := berth.NewFork()
	_ = f.AddNodes(
		berth.Node{ID: "n1", Capacity: berth.Resources{"memory": 2 << 30}},
		berth.Node{ID: "n2", Capacity: berth.Resources{"memory": 1 << 30}},
	)
	task := berth.NewTask("db", berth.GroupSpec{Request: berth.Resources{"memory": 3 << 30}})
	why := f.Explain(task.Group)
	fmt.Println(berth.Unplaced{Task: task, Reason: why.Counts[0].Reason, Why: why})
	// Output: 0/2 nodes for db: 2 insufficient memory; nearest n1: lacks 1 GiB memory; 1 GiB more memory on n1 would do
}

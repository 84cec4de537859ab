package berth_test

import (
	"fmt"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
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

// A hold keeps room for its owner, who alone can draw on it.
func ExampleHold() {
	f := cluster.NewFork()
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

// What a role may have at most, it and all below it.
func ExampleQuota() {
	quota := berth.Quota{Role: "eng", Limits: berth.Resources{"cpu": 2000}}
	fmt.Println(quota, quota.Err())
	// Output: eng: at most cpu 2 <nil>
}

package cluster_test

import (
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
)

func ExampleNewSnapshot() {
	s, err := cluster.NewSnapshot(
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
	s, _ := cluster.NewSnapshot(
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
	// 1 insufficient cpu, 1 too little cpu in all, 1 unique(zone); nearest n2: lacks 0.5 cpu (it has 1 in all); 0.5 more cpu on n2 would do
	// place web-1 on n1
	// cpu 2
}

func ExampleFork_Lacks() {
	f := cluster.NewFork()
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
	// lacks 0.5 cpu (it has 1 in all)
}

func ExampleFork_Adopt() {
	f := cluster.NewFork()
	_ = f.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 1000}})
	task := berth.NewTask("found", berth.GroupSpec{Request: berth.Resources{"cpu": 1500}})
	fmt.Println(f.Adopt(task, "n1", nil, berth.Orphan))
	n1, _ := f.Node("n1")
	fmt.Println(n1.Free(), n1.Overcommitted())
	// Output:
	// <nil>
	// cpu -0.5 true
}

func ExampleFork_Cordon() {
	f := cluster.NewFork()
	_ = f.AddNodes(berth.Node{ID: "n1"}, berth.Node{ID: "n2"})
	fmt.Println(f.Cordon("n1"))
	fmt.Println(f.Explain(berth.NewGroup("web", berth.GroupSpec{})))
	fmt.Println(f.Cordon("n3"))
	// Output:
	// <nil>
	// 1 cordoned; nearest n1: cordoned; uncordoning n1 would do
	// node "n3": unknown node
}

func ExampleChoose() {
	n := berth.Node{ID: "n1", Devices: []berth.Device{{Class: "gpu"}, {Class: "gpu"}}, Ports: []berth.PortRange{{First: 8000, Last: 8009}}}
	g := berth.NewGroup("train", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 400}}, DynamicPorts: 2})
	// The second device is the fuller one that suffices; port 8000 is in use.
	grant, _ := cluster.Choose(g, &n, []int64{1000, 500}, []uint16{8000})
	fmt.Println(grant)
	_, why := cluster.Choose(g, &n, []int64{300, 300}, nil)
	fmt.Println(why)
	// Output:
	// gpu/1:400 ports [8001 8002]
	// no free device for 0.4 gpu
}

package cluster_test

import (
	"fmt"
	"time"

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
	grant, _ := cluster.Choose(g, &n, []int64{1000, 500}, []berth.Port{{Number: 8000}})
	fmt.Println(grant)
	_, why := cluster.Choose(g, &n, []int64{300, 300}, nil)
	fmt.Println(why)
	// Output:
	// gpu/1:400 ports [8001 8002]
	// no free device for 0.4 gpu
}

// What does the cluster look like once what was never confirmed has expired?
func ExampleFork_Advance() {
	noon := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	f := cluster.NewFork()
	_ = f.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}})
	f.Advance(noon)
	f.Apply(berth.Op{Task: berth.NewTask("slow", berth.GroupSpec{Request: berth.Resources{"cpu": 3000}}), Node: "n1"})
	_ = f.Mark("slow", berth.Assumed, noon.Add(time.Minute))

	later := f.Snapshot().Fork()
	tasks, _ := later.Advance(noon.Add(time.Hour))
	n1, _ := later.Node("n1")
	fmt.Println(tasks[0].ID, "has expired;", n1.Free(), "at", later.Time().Format(time.Kitchen))
	// Output: slow has expired; cpu 4 at 1:00PM
}

func ExampleSnapshot_TasksOf() {
	f := cluster.NewFork()
	_ = f.AddNodes(berth.Node{ID: "n1"}, berth.Node{ID: "n2"})
	search := berth.NewGroup("index", berth.GroupSpec{Role: "eng/search"})
	f.Apply(berth.Op{Task: search.Task("index-1"), Node: "n1"})
	f.Apply(berth.Op{Task: search.Task("index-2"), Node: "n2"})
	f.Apply(berth.Op{Task: berth.NewTask("cron", berth.GroupSpec{Role: "ops"}), Node: "n2"})
	_ = f.RemoveNodes("n1")
	for t := range f.Snapshot().TasksOf("eng") {
		fmt.Println(t.ID, t.State)
	}
	for t := range f.Snapshot().Lost() {
		fmt.Println(t.ID, "is lost")
	}
	// Output:
	// index-1 lost
	// index-2 assumed
	// index-1 is lost
}

func ExampleSnapshot_HoldsOf() {
	f := cluster.NewFork()
	_ = f.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}, Ports: []berth.PortRange{{First: 80, Last: 80}}})
	f.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{
		ID: "h1", Owner: "ci", Node: "n1", Resources: berth.Resources{"cpu": 1000}, Ports: []berth.Port{{Number: 80}}, Deadline: time.Unix(60, 0),
	}})
	for h := range f.Snapshot().HoldsOf("ci") {
		n, _ := f.Node(h.Node)
		fmt.Println(h.ID, "on", h.Node, h.Resources, "ports", n.UsedPorts())
	}
	// Output: h1 on n1 cpu 1 ports [80]
}

func ExampleFork_UpsertNodes() {
	f := cluster.NewFork()
	n1 := berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}}
	fmt.Println(f.UpsertNodes(n1), f.Len())
	before := f.Version()
	fmt.Println(f.UpsertNodes(n1), f.Version() == before)
	// Output:
	// <nil> 1
	// <nil> true
}

// Where a task cannot be moved to, it stays.
func ExampleFork_Rollback() {
	f := cluster.NewFork()
	_ = f.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}}, berth.Node{ID: "n2", Capacity: berth.Resources{"cpu": 1000}})
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 2000}})
	f.Apply(berth.Op{Kind: berth.Place, Task: web.Task("web-1"), Node: "n1"})

	before := f.Savepoint()
	f.Apply(berth.Op{Kind: berth.Release, ID: "web-1"})
	if _, why := f.Apply(berth.Op{Kind: berth.Place, Task: web.Task("web-1"), Node: "n2"}); why.Code != berth.None {
		fmt.Println(why, f.Rollback(before))
	}
	t, _ := f.Task("web-1")
	fmt.Println(t.ID, "on", t.Node)
	// Output:
	// too little cpu in all <nil>
	// web-1 on n1
}

// Who has what, and what they may have.
func ExampleSnapshot_Roles() {
	f := cluster.NewFork()
	_ = f.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}})
	_ = f.SetQuotas(berth.Quota{Role: "eng", Limits: berth.Resources{"cpu": 3000}})
	web := berth.NewTask("web", berth.GroupSpec{Role: "eng/web", Request: berth.Resources{"cpu": 1000}})
	f.Apply(berth.Op{Kind: berth.Place, Task: web, Node: "n1", Owner: "shop"})

	s := f.Snapshot()
	for role := range s.Roles() {
		fmt.Printf("%q has %v; %v\n", role.Role, role.Used, role.Quota)
	}
	fmt.Println("shop has", s.UsedBy("shop"))
	// Output:
	// "" has cpu 1; /: no quota
	// "eng" has cpu 1; eng: at most cpu 3
	// "eng/web" has cpu 1; eng/web: no quota
	// shop has cpu 1
}

func ExamplePlan() {
	web := berth.NewGroup("web", berth.GroupSpec{})
	var p cluster.Plan
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
	f := cluster.NewFork()
	_ = f.AddNodes(
		berth.Node{ID: "n1", Capacity: berth.Resources{"memory": 2 << 30}},
		berth.Node{ID: "n2", Capacity: berth.Resources{"memory": 1 << 30}},
	)
	task := berth.NewTask("db", berth.GroupSpec{Request: berth.Resources{"memory": 3 << 30}})
	why := f.Explain(task.Group)
	fmt.Println(cluster.Unplaced{Task: task, Reason: why.Counts[0].Reason, Why: why})
	// Output: 0/2 nodes for db: 2 too little memory in all; nearest n1: lacks 1 GiB memory (it has 2 GiB in all); 1 GiB more memory on n1 would do
}

// A plan of the host's own: web-1 is replaced on n1 by its larger version, and a hold gives way to another. Of each either all is done
// or nothing.
func ExamplePlan_Replace() {
	larger := berth.NewTask("web-1", berth.GroupSpec{Request: berth.Resources{"cpu": 2000}})
	plan := &cluster.Plan{}
	plan.Replace(larger, "n1")
	plan.Exchange("a", berth.Hold{ID: "b", Owner: "host", Node: "n2", Resources: berth.Resources{"cpu": 1000}, Deadline: time.Unix(60, 0)})
	for _, op := range plan.Ops {
		fmt.Println(op)
	}
	fmt.Println(len(plan.Parts), "parts", plan.Err())
	// Output:
	// release web-1
	// place web-1 on n1
	// drop a
	// hold b for host on n2: cpu 1
	// 2 parts <nil>
}

package placement_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// BenchmarkGrowth doubles what can be many about one task, one node or one plan. The time of a row grows at most 2.5 times
// as its n doubles.
func BenchmarkGrowth(b *testing.B) {
	for _, row := range []struct {
		what string
		n    int
		run  func(b *testing.B, n int)
	}{
		{"undo", 10_000, growUndo},
		{"broken-rules", 200, growBrokenRules},
		{"taints", 200, growTaints},
		{"nested-and", 100, growNestedAnd},
		{"domain-rules", 100, growDomainRules},
		{"task-rules", 100, growTaskRules},
		{"targets", 1_000, growTargets},
		{"selectors", 200, growSelectors},
		{"device-classes", 100, growDeviceClasses},
		{"lacking-device-classes", 100, growLackingDevices},
		{"node-device-classes", 100, growNodeDevices},
		{"device-requests", 32, growDeviceRequests},
		{"lacking-device-requests", 30, growLackingRequests},
		{"lacking-nodes", 1_000, growLackingNodes},
		{"devices", 200, growDevices},
		{"models", 200, growModels},
		{"distinct-grants", 30, growGrants},
		{"rated-device-classes", 100, growRatedClasses},
		{"states", 5_000, growStates},
		{"ports", 500, growPorts},
		{"daemons", 100, growDaemons},
		{"within-racks", 5_000, growWithin},
		{"lost-instances", 2_000, growLostInstances},
		{"candidates", 10_000, growCandidates},
		{"candidates-again", 10_000, growAgain},
		{"candidates-tolerant", 5_000, growTolerant},
		{"candidates-misfits", 1_000, growMisfits},
		{"candidates-named", 2_000, growNamed},
		{"candidates-gone", 1_000, growGone},
	} {
		for _, n := range []int{row.n, 2 * row.n} {
			b.Run(fmt.Sprintf("what=%s/n=%d", row.what, n), func(b *testing.B) { row.run(b, n) })
		}
	}
}

// growUndo places n tasks of a gang and undoes them in the order they were placed.
func growUndo(b *testing.B, n int) {
	e := placement.NewEngine(placement.BinPack())
	s, tasks := snapshotOf(b, benchNodes(1000)...), request("gang", 100, 1<<20).Tasks(n)
	for b.Loop() {
		e.Start(s)
		var ops []berth.Op
		for _, t := range tasks {
			if op, ok := e.Place(t); ok {
				ops = append(ops, op)
			}
		}
		require.Len(b, ops, n)
		for _, op := range ops {
			e.Undo(op)
		}
	}
}

// growWithin places a task in each of a thousand racks, on n nodes of which ten are in a rack.
func growWithin(b *testing.B, n int) {
	nodes := benchNodes(n)
	for i := range nodes {
		nodes[i].Attributes = berth.Attributes{"rack": fmt.Sprint("r", i/10)}
	}
	e := placement.NewEngine(placement.BinPack())
	s, tasks := snapshotOf(b, nodes...), request("g", 100, 1<<20).Tasks(1000)
	for b.Loop() {
		e.Start(s)
		for i, t := range tasks {
			_, ok := e.PlaceWithin(t, "rack", fmt.Sprint("r", i%(n/10)))
			require.True(b, ok)
		}
	}
}

// growRefused asks why a task of a group can be placed on none of some nodes, in a new plan each time.
func growRefused(b *testing.B, g *berth.Group, nodes ...berth.Node) {
	require.NoError(b, g.Err())
	e, s := placement.NewEngine(placement.BinPack()), snapshotOf(b, nodes...)
	for b.Loop() {
		e.Start(s)
		if _, ok := e.Place(g.Task("t")); ok {
			b.Fatal("placed")
		}
		e.Explain(g)
	}
}

// growPlaced places a task of a group, in a new plan each time.
func growPlaced(b *testing.B, g *berth.Group, nodes ...berth.Node) {
	require.NoError(b, g.Err())
	e, s := placement.NewEngine(placement.BinPack()), snapshotOf(b, nodes...)
	for b.Loop() {
		e.Start(s)
		if _, ok := e.Place(g.Task("t")); !ok {
			b.Fatal("not placed")
		}
	}
}

// growBrokenRules has n rules on a task, none of which holds on any of the nodes.
func growBrokenRules(b *testing.B, n int) {
	var rules []berth.Constraint
	for i := range n {
		rules = append(rules, constraints.Eq("zone", fmt.Sprint("other", i)))
	}
	growRefused(b, request("g", 100, 1, rules...), benchNodes(100)...)
}

// growTaints has n taints on each node that the task does not tolerate.
func growTaints(b *testing.B, n int) {
	nodes := benchNodes(20)
	for i := range nodes {
		for k := range n {
			nodes[i].Taints = append(nodes[i].Taints, berth.Taint{Key: fmt.Sprint("k", k)})
		}
	}
	growRefused(b, request("g", 100, 1), nodes...)
}

// growNestedAnd has a rule of n others, each within the next.
func growNestedAnd(b *testing.B, n int) {
	var rule berth.NodeRule = constraints.NotEq("zone", "z9")
	for i := range n {
		rule = constraints.And(rule, constraints.NotEq("zone", fmt.Sprint("z", 10+i)))
	}
	growPlaced(b, request("g", 100, 1, rule), benchNodes(100)...)
}

// growDomainRules has n rules on a task about as many attributes.
func growDomainRules(b *testing.B, n int) {
	var rules []berth.Constraint
	nodes := benchNodes(20)
	for i := range n {
		name := fmt.Sprint("attribute", i)
		rules = append(rules, constraints.MaxPer(name, 2))
		for k := range nodes {
			nodes[k].Attributes[name] = "x"
		}
	}
	growPlaced(b, request("g", 100, 1, rules...), nodes...)
}

// growTaskRules has n rules about the tasks of as many other groups.
func growTaskRules(b *testing.B, n int) {
	var rules []berth.Constraint
	for i := range n {
		rules = append(rules, constraints.Apart("zone", berth.Label("app", fmt.Sprint(i))))
	}
	growPlaced(b, request("g", 100, 1, rules...), benchNodes(100)...)
}

// growSelectors places a task of each of n groups, each apart from another by a selector of its own, in a new plan each time.
func growSelectors(b *testing.B, n int) {
	e, s := placement.NewEngine(placement.BinPack()), snapshotOf(b, benchNodes(1000)...)
	var tasks []berth.Task
	for i := range n {
		tasks = append(tasks, berth.NewTask(fmt.Sprint("t", i), berth.GroupSpec{
			Labels: map[string]string{"app": fmt.Sprint(i)}, Rules: []berth.Constraint{constraints.Apart(berth.NodeID, berth.Label("app", fmt.Sprint(i+1)))},
		}))
	}
	for b.Loop() {
		e.Start(s)
		for _, t := range tasks {
			if _, ok := e.Place(t); !ok {
				b.Fatal("not placed")
			}
		}
	}
}

// withDevices gives a node a device of each of n classes, and returns requests for as many.
func withDevices(n int, of *berth.Node) (requests []berth.DeviceRequest) {
	for i := range n {
		class := fmt.Sprint("class", i)
		of.Devices = append(of.Devices, berth.Device{Class: class})
		requests = append(requests, berth.DeviceRequest{Class: class, Count: 1})
	}
	return requests
}

// growDeviceClasses takes a device of each of n classes.
func growDeviceClasses(b *testing.B, n int) {
	node := plain("a", 1000, 1000)
	growPlaced(b, berth.NewGroup("g", berth.GroupSpec{Devices: withDevices(n, &node)}), node)
}

// growLackingDevices lacks a device of each of n classes.
func growLackingDevices(b *testing.B, n int) {
	node := plain("a", 1000, 1000)
	requests := withDevices(n, &node)
	for i := range requests {
		requests[i].Count = 2
	}
	growRefused(b, berth.NewGroup("g", berth.GroupSpec{Devices: requests}), node, plain("b", 1, 1))
}

// growNodeDevices takes one device where nodes have devices of n classes.
func growNodeDevices(b *testing.B, n int) {
	nodes := benchNodes(20)
	var one []berth.DeviceRequest
	for i := range nodes {
		one = withDevices(n, &nodes[i])[:1]
	}
	growPlaced(b, berth.NewGroup("g", berth.GroupSpec{Devices: one}), nodes...)
}

// growPorts places n tasks with a port each on one node.
func growPorts(b *testing.B, n int) {
	node := plain("a", 1<<40, 1<<40)
	node.Ports = []berth.PortRange{{First: 1, Last: 60_000}}
	e, s := placement.NewEngine(placement.BinPack()), snapshotOf(b, node)
	tasks := berth.NewGroup("g", berth.GroupSpec{DynamicPorts: 1}).Tasks(n)
	for b.Loop() {
		e.Start(s)
		for _, t := range tasks {
			if _, ok := e.Place(t); !ok {
				b.Fatal("not placed")
			}
		}
	}
}

// growDaemons covers 100 nodes with n daemons.
func growDaemons(b *testing.B, n int) {
	e, s := placement.NewEngine(placement.BinPack()), snapshotOf(b, benchNodes(100)...)
	var groups []*berth.Group
	for i := range n {
		groups = append(groups, berth.NewGroup(fmt.Sprint("daemon", i), berth.GroupSpec{Mode: berth.Daemon}))
	}
	for b.Loop() {
		e.Start(s)
		for _, g := range groups {
			e.Cover(g, nil, nil)
		}
	}
}

// growLostInstances covers n nodes that were lost with their instances and came back.
func growLostInstances(b *testing.B, n int) {
	f := cluster.NewFork()
	nodes, ids := benchNodes(n), []string{}
	require.NoError(b, f.AddNodes(nodes...))
	g := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon})
	for _, node := range nodes {
		_, why := f.Apply(berth.Op{Kind: berth.Place, Task: g.On(node.ID), Node: node.ID})
		require.Equal(b, berth.None, why.Code)
		ids = append(ids, node.ID)
	}
	require.NoError(b, f.RemoveNodes(ids...))
	require.NoError(b, f.AddNodes(nodes...))
	e, s := placement.NewEngine(placement.BinPack()), f.Snapshot()
	for b.Loop() {
		e.Start(s)
		missed := 0
		e.Cover(g, nil, func(string, []berth.Lack) { missed++ })
		if missed != n {
			b.Fatal(missed)
		}
	}
}

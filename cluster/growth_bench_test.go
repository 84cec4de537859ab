package cluster_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
)

// BenchmarkGrowth measures what must not grow faster than what there is of it: each row at a number and at twice
// that number, where the time may grow at most 2.5 times.
func BenchmarkGrowth(b *testing.B) {
	for _, row := range []struct {
		what string
		n    int
		op   func(b *testing.B, n int) func() // does the work once
	}{
		{"even-hosts-fits", 2000, evenFits},
		{"even-hosts-lacks", 2000, evenLacks},
		{"even-hosts-explain", 2000, evenExplain},
		{"even-hosts-place", 2000, evenPlace},
		{"diagnose", 4000, diagnose},
		{"place-from-all-holds", 4000, placeFromHolds},
		{"place-from-one-of-holds", 2000, placeFromOneHold},
		{"dynamic-ports-asked", 2000, dynamicPorts},
		{"dynamic-ports-taken", 8000, dynamicPort},
		{"device-classes-place", 4000, deviceClasses},
		{"device-classes-lacks", 2000, deviceClassesLack},
		{"taints", 4000, taints},
		{"broken-rules", 4000, brokenRules},
		{"ports-lacks", 4000, portsLack},
		{"port-ranges-fits", 8000, portRanges},
		{"device-classes-update", 4000, deviceClassesUpdate},
		{"devices-update", 2000, updateDevices},
		{"selectors-place", 2000, selectorsPlace},
		{"selectors-of-one", 500, selectorsOfOne},
		{"selected-hosts", 4000, selectedHosts},
		{"walk-lost", 60_000, walkLost},
		{"walk-role", 20_000, walkRole},
		{"walk-owner", 8000, walkOwner},
		{"upsert-same", 20_000, upsertSame},
		{"advance", 4000, advance},
	} {
		for _, n := range []int{row.n, 2 * row.n} {
			b.Run(fmt.Sprintf("what=%s/n=%d", row.what, n), func(b *testing.B) {
				op := row.op(b, n)
				b.ReportAllocs()
				for b.Loop() {
					op()
				}
			})
		}
	}
	// Rows about memory report bytes-left, which does not grow: what the heap holds once all is gone again.
	for _, row := range []struct {
		what string
		n    int
		run  func(b *testing.B, n int)
	}{
		{"add-nodes-snapshot", 10_000, growAddNodesSnapshot},
		{"own-resource", 10_000, growOwnResource},
		{"forks-of-forks", 1_000, growForksOfForks},
		{"nodes-rolling", 150_000, growNodesRolling},
		{"nodes-at-once", 150_000, growNodesAtOnce},
		{"tasks-at-once", 150_000, growTasksAtOnce},
		{"resources-rolling", 80_000, growResourcesRolling},
	} {
		for _, n := range []int{row.n, 2 * row.n} {
			b.Run(fmt.Sprintf("what=%s/n=%d", row.what, n), func(b *testing.B) { row.run(b, n) })
		}
	}
}

// evenHosts is n nodes with a task each of a group that is kept even over hosts, and with room for no more.
func evenHosts(b *testing.B, n int) (*cluster.Fork, *berth.Group) {
	f := cluster.NewFork()
	g := berth.NewGroup("even", berth.GroupSpec{Request: berth.Resources{"cpu": 1}, Rules: []berth.Constraint{constraints.GroupBy(berth.NodeID)}})
	var nodes []berth.Node
	for i := range n {
		nodes = append(nodes, berth.Node{ID: fmt.Sprint("n", i), Capacity: berth.Resources{"cpu": 1}})
	}
	require.NoError(b, f.AddNodes(nodes...))
	for i := range n {
		require.NoError(b, f.Adopt(g.Task(fmt.Sprint("t", i)), nodes[i].ID, nil, berth.Running))
	}
	return f, g
}

func evenFits(b *testing.B, n int) func() {
	f, g := evenHosts(b, n)
	return func() {
		for node := range f.Nodes() {
			f.Fits(g, node)
		}
	}
}

func evenLacks(b *testing.B, n int) func() {
	f, g := evenHosts(b, n)
	return func() {
		for node := range f.Nodes() {
			f.Lacks(g, node)
		}
	}
}

func evenExplain(b *testing.B, n int) func() {
	f, g := evenHosts(b, n)
	return func() { f.Explain(g) }
}

func evenPlace(b *testing.B, n int) func() {
	f, g := evenHosts(b, n)
	for i := range n {
		f.Apply(berth.Op{Kind: berth.Release, ID: fmt.Sprint("t", i)})
	}
	s := f.Snapshot()
	return func() {
		f := s.Fork()
		for i := range n {
			f.Apply(berth.Op{Task: g.Task(fmt.Sprint("t", i)), Node: fmt.Sprint("n", i)})
		}
	}
}

// diagnose says of n nodes, one in ten of which lacks a resource of its own, why they cannot take a task.
func diagnose(b *testing.B, n int) func() {
	f, g := evenHosts(b, n)
	for i := range n / 10 {
		id := fmt.Sprint("n", 10*i)
		require.NoError(b, f.UpdateNodes(berth.Node{ID: id, Capacity: berth.Resources{"cpu": 1}, Taints: []berth.Taint{{Key: id}}}))
	}
	return func() { f.Diagnose(g) }
}

// selectorsPlace places a task of each of n groups, which are apart from each other by as many selectors, with a snapshot after
// each.
func selectorsPlace(b *testing.B, n int) func() {
	nodes := cluster.NewFork()
	require.NoError(b, nodes.AddNodes(berth.Node{ID: "n"}))
	s := nodes.Snapshot()
	var tasks []berth.Task
	for i := range n {
		tasks = append(tasks, berth.NewTask(fmt.Sprint("t", i), berth.GroupSpec{
			Labels: map[string]string{"app": fmt.Sprint(i)}, Rules: []berth.Constraint{constraints.Apart(berth.NodeID, berth.Label("app", fmt.Sprint(-i), "x"))},
		}))
	}
	return func() {
		f := s.Fork()
		for _, t := range tasks {
			if _, why := f.Apply(berth.Op{Task: t, Node: "n"}); why.Code != berth.None {
				b.Fatal(why)
			}
			f.Snapshot()
		}
	}
}

// selectorsOfOne places and releases a task that n groups ask for.
func selectorsOfOne(b *testing.B, n int) func() {
	f := cluster.NewFork()
	require.NoError(b, f.AddNodes(berth.Node{ID: "n"}))
	for i := range n {
		g := berth.NewTask(fmt.Sprint("t", i), berth.GroupSpec{Rules: []berth.Constraint{constraints.Apart(berth.NodeID, berth.Label("app", "web", fmt.Sprint(i)))}})
		require.NoError(b, f.Adopt(g, "n", nil, berth.Running))
	}
	require.NoError(b, f.AddNodes(berth.Node{ID: "m"}))
	web := berth.NewTask("web", berth.GroupSpec{Labels: map[string]string{"app": "web"}})
	return func() {
		f.Apply(berth.Op{Task: web, Node: "m"})
		f.Apply(berth.Op{Kind: berth.Release, ID: "web"})
	}
}

// selectedHosts places n tasks on as many nodes, each of which takes one.
func selectedHosts(b *testing.B, n int) func() {
	nodes := cluster.NewFork()
	for i := range n {
		require.NoError(b, nodes.AddNodes(berth.Node{ID: fmt.Sprint("n", i)}))
	}
	s := nodes.Snapshot()
	g := berth.NewGroup("g", berth.GroupSpec{Rules: []berth.Constraint{constraints.UniqueNode().Of(berth.AnyTask())}})
	return func() {
		f := s.Fork()
		for i := range n {
			if _, why := f.Apply(berth.Op{Task: g.Task(fmt.Sprint("t", i)), Node: fmt.Sprint("n", i)}); why.Code != berth.None {
				b.Fatal(why)
			}
		}
	}
}

// held is a node with n holds of one owner, each of a core and a port.
func held(b *testing.B, n int) *cluster.Snapshot {
	f := cluster.NewFork()
	require.NoError(b, f.AddNodes(berth.Node{ID: "n", Capacity: berth.Resources{"cpu": int64(n)}, Ports: []berth.PortRange{{First: 1, Last: 60000}}}))
	for i := range n {
		_, why := f.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{
			ID: fmt.Sprintf("h%06d", i), Owner: "fw", Node: "n", Resources: berth.Resources{"cpu": 1}, Ports: []berth.Port{{Number: uint16(1 + i)}}, Deadline: time.Unix(1, 0),
		}})
		require.Equal(b, berth.None, why.Code)
	}
	return f.Snapshot()
}

func placeFrom(b *testing.B, s *cluster.Snapshot, spec berth.GroupSpec) func() {
	g := berth.NewGroup("g", spec)
	return func() {
		_, why := s.Fork().Apply(berth.Op{Task: g.Task("t"), Node: "n", From: "fw"})
		require.Equal(b, berth.None, why.Code)
	}
}

func placeFromHolds(b *testing.B, n int) func() {
	return placeFrom(b, held(b, n), berth.GroupSpec{Request: berth.Resources{"cpu": int64(n)}, DynamicPorts: n})
}

func placeFromOneHold(b *testing.B, n int) func() {
	return placeFrom(b, held(b, n), berth.GroupSpec{Request: berth.Resources{"cpu": 1}, DynamicPorts: 1})
}

func dynamicPorts(b *testing.B, n int) func() {
	s, err := cluster.NewSnapshot(berth.Node{ID: "n", Ports: []berth.PortRange{{First: 1, Last: 60000}}})
	require.NoError(b, err)
	g := berth.NewGroup("g", berth.GroupSpec{DynamicPorts: n})
	return func() {
		_, why := s.Fork().Apply(berth.Op{Task: g.Task("t"), Node: "n"})
		require.Equal(b, berth.None, why.Code)
	}
}

func dynamicPort(b *testing.B, n int) func() {
	f := cluster.NewFork()
	require.NoError(b, f.AddNodes(berth.Node{ID: "n", Ports: []berth.PortRange{{First: 1, Last: 60000}}}))
	f.Apply(berth.Op{Task: berth.NewTask("many", berth.GroupSpec{DynamicPorts: n}), Node: "n"})
	s := f.Snapshot()
	g := berth.NewGroup("g", berth.GroupSpec{DynamicPorts: 1})
	return func() {
		_, why := s.Fork().Apply(berth.Op{Task: g.Task("t"), Node: "n"})
		require.Equal(b, berth.None, why.Code)
	}
}

// classes is a node with a device each of n classes, and a group that asks for one of each.
func classes(b *testing.B, n int) (*cluster.Fork, *berth.Group) {
	node, spec := berth.Node{ID: "n"}, berth.GroupSpec{}
	for i := range n {
		class := fmt.Sprintf("class%05d", i)
		node.Devices = append(node.Devices, berth.Device{Class: class})
		spec.Devices = append(spec.Devices, berth.DeviceRequest{Class: class, Count: 1})
	}
	f := cluster.NewFork()
	require.NoError(b, f.AddNodes(node))
	return f, berth.NewGroup("g", spec)
}

func deviceClasses(b *testing.B, n int) func() {
	f, g := classes(b, n)
	s := f.Snapshot()
	return func() {
		_, why := s.Fork().Apply(berth.Op{Task: g.Task("t"), Node: "n"})
		require.Equal(b, berth.None, why.Code)
	}
}

func deviceClassesLack(b *testing.B, n int) func() {
	f, g := classes(b, n)
	f.Apply(berth.Op{Task: g.Task("t"), Node: "n"})
	node, _ := f.Node("n")
	return func() { f.Lacks(g, node) }
}

func taints(b *testing.B, n int) func() {
	node := berth.Node{ID: "n"}
	for i := range n {
		node.Taints = append(node.Taints, berth.Taint{Key: fmt.Sprint("k", i)})
	}
	f := cluster.NewFork()
	require.NoError(b, f.AddNodes(node))
	g := berth.NewGroup("g", berth.GroupSpec{})
	return func() { f.Explain(g) }
}

func brokenRules(b *testing.B, n int) func() {
	spec := berth.GroupSpec{}
	for i := range n {
		spec.Rules = append(spec.Rules, constraints.Exists(fmt.Sprint("a", i)))
	}
	f := cluster.NewFork()
	require.NoError(b, f.AddNodes(berth.Node{ID: "n"}))
	g := berth.NewGroup("g", spec)
	return func() { f.Explain(g) }
}

func portsLack(b *testing.B, n int) func() {
	f := cluster.NewFork()
	require.NoError(b, f.AddNodes(berth.Node{ID: "n", Ports: []berth.PortRange{{First: 1, Last: 60000}}}))
	spec := berth.GroupSpec{}
	for i := range n {
		port := []berth.PortRange{{First: uint16(1 + i), Last: uint16(1 + i)}}
		f.Apply(berth.Op{Task: berth.NewTask(fmt.Sprint("t", i), berth.GroupSpec{Ports: port}), Node: "n"})
		spec.Ports = append(spec.Ports, port...)
	}
	g := berth.NewGroup("g", spec)
	node, _ := f.Node("n")
	return func() { f.Lacks(g, node) }
}

// portRanges is a node that has n ports, each a range of its own, and a group that asks for all of them.
func portRanges(b *testing.B, n int) func() {
	var ports []berth.PortRange
	for i := range n {
		ports = append(ports, berth.PortRange{First: uint16(1 + 2*i), Last: uint16(1 + 2*i)})
	}
	f := cluster.NewFork()
	require.NoError(b, f.AddNodes(berth.Node{ID: "n", Ports: ports}))
	node, _ := f.Node("n")
	g := berth.NewGroup("g", berth.GroupSpec{Ports: ports})
	return func() { require.True(b, f.Fits(g, node)) }
}

func deviceClassesUpdate(b *testing.B, n int) func() {
	f, _ := classes(b, n)
	node, _ := f.Node("n")
	spec := node.Node()
	return func() { require.NoError(b, f.UpdateNodes(spec)) }
}

func updateDevices(b *testing.B, n int) func() {
	f := cluster.NewFork()
	node := berth.Node{ID: "n"}
	for i := range n {
		node.Devices = append(node.Devices, berth.Device{Class: "gpu", ID: fmt.Sprint("g", i)})
	}
	require.NoError(b, f.AddNodes(node))
	g := oneGPU("g")
	for i := range n {
		f.Apply(berth.Op{Task: g.Task(fmt.Sprint("t", i)), Node: "n"})
	}
	return func() { require.NoError(b, f.UpdateNodes(node)) }
}

// manyTasks is n tasks of a role on ten nodes, of which one is lost.
func manyTasks(b *testing.B, n int) *cluster.Fork {
	f := cluster.NewFork()
	g := berth.NewGroup("g", berth.GroupSpec{Role: "eng", Request: berth.Resources{"cpu": 1}})
	for i := range 10 {
		require.NoError(b, f.AddNodes(berth.Node{ID: fmt.Sprint("n", i), Capacity: berth.Resources{"cpu": int64(n)}}))
	}
	require.NoError(b, f.AddNodes(berth.Node{ID: "gone", Capacity: berth.Resources{"cpu": 1}}))
	for i := range n {
		f.Apply(berth.Op{Task: g.Task(fmt.Sprint("t", i)), Node: fmt.Sprint("n", i%10)})
	}
	f.Apply(berth.Op{Task: g.Task("last"), Node: "gone"})
	require.NoError(b, f.RemoveNodes("gone"))
	return f
}

func walkLost(b *testing.B, n int) func() {
	s := manyTasks(b, n).Snapshot()
	return func() {
		for t := range s.Lost() {
			require.Equal(b, "last", t.ID)
		}
	}
}

func walkRole(b *testing.B, n int) func() {
	s := manyTasks(b, n).Snapshot()
	return func() {
		k := 0
		for range s.TasksOf("eng") {
			k++
		}
		require.Equal(b, n+1, k)
	}
}

func walkOwner(b *testing.B, n int) func() {
	s := held(b, n)
	return func() {
		k := 0
		for range s.HoldsOf("fw") {
			k++
		}
		require.Equal(b, n, k)
	}
}

func upsertSame(b *testing.B, n int) func() {
	f := cluster.NewFork()
	var nodes []berth.Node
	for i := range n {
		nodes = append(nodes, berth.Node{ID: fmt.Sprint("n", i), Capacity: berth.Resources{"cpu": 1}, Attributes: berth.Attributes{"zone": "a"}})
	}
	require.NoError(b, f.UpsertNodes(nodes...))
	before := f.Version()
	return func() {
		require.NoError(b, f.UpsertNodes(nodes...))
		require.Equal(b, before, f.Version())
	}
}

func advance(b *testing.B, n int) func() {
	f := manyTasks(b, n)
	for i := range n {
		require.NoError(b, f.Mark(fmt.Sprint("t", i), berth.Assumed, time.Unix(int64(i+1), 0)))
	}
	s := f.Snapshot()
	return func() {
		tasks, _ := s.Fork().Advance(time.Unix(int64(n), 0))
		require.Len(b, tasks, n)
	}
}

package placement_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/placement"
)

// growRated places a task by a new engine whose strategy looks at every device, each time: nothing is kept of states.
func growRated(b *testing.B, g *berth.Group, nodes ...berth.Node) {
	require.NoError(b, g.Err())
	s := snapshotOf(b, nodes...)
	by := placement.Best(placement.Models(), splintersOf(func() {}))
	for b.Loop() {
		e := placement.NewEngine(by)
		e.Start(s)
		if _, ok := e.Place(g.Task("t")); !ok {
			b.Fatal("not placed")
		}
	}
}

// models returns n names of models.
func models(n int) (names []string) {
	for i := range n {
		names = append(names, fmt.Sprintf("m%03d", i))
	}
	return names
}

// growDeviceRequests asks for n devices in as many requests, each of another size.
func growDeviceRequests(b *testing.B, n int) {
	var requests []berth.DeviceRequest
	for i := range n {
		requests = append(requests, berth.DeviceRequest{Class: "gpu", Share: int64(100 + i)})
	}
	growRated(b, gpus(requests...), cards("n", make([]string, 64)...))
}

// growLackingRequests lacks n devices of a class, each asked for by itself.
func growLackingRequests(b *testing.B, n int) {
	var requests []berth.DeviceRequest
	for i := range n {
		requests = append(requests, berth.DeviceRequest{Class: "gpu", Share: int64(100 + i), Models: []string{"B"}})
	}
	growRefused(b, gpus(requests...), cards("n1", make([]string, 64)...), cards("n2", make([]string, 64)...))
}

// growLackingNodes lacks two devices on each of n nodes, of which the parts that are free differ.
func growLackingNodes(b *testing.B, n int) {
	d := berth.DeviceRequest{Class: "gpu", Share: 600}
	nodes := make([]berth.Node, n)
	for i := range nodes {
		nodes[i] = cards(fmt.Sprint("n", i), "A", "A")
		nodes[i].Devices[i%2].Unhealthy = true
	}
	growRefused(b, gpus(d, berth.DeviceRequest{Class: "gpu", Count: 1}), nodes...)
}

// growDevices takes a device of a node that has n alike.
func growDevices(b *testing.B, n int) {
	growRated(b, gpus(berth.DeviceRequest{Class: "gpu", Count: 2}), cards("n", make([]string, n)...))
}

// growModels asks for a device of n models, each more or less welcome, of a node with a few devices.
func growModels(b *testing.B, n int) {
	d := berth.DeviceRequest{Class: "gpu", Share: 100, Models: models(n), Prefer: map[string]int64{}}
	for i, m := range d.Models {
		d.Prefer[m] = int64(1 + i%7)
	}
	growRated(b, gpus(d), cards("n", d.Models[n-20:]...))
}

// growGrants takes a device of a node where there are n distinct ones.
func growGrants(b *testing.B, n int) {
	growRated(b, gpus(berth.DeviceRequest{Class: "gpu", Share: 100}), cards("n", models(n)...))
}

// growRatedClasses takes a device of each of n classes.
func growRatedClasses(b *testing.B, n int) {
	node := plain("a", 1000, 1000)
	growRated(b, berth.NewGroup("g", berth.GroupSpec{Devices: withDevices(n, &node)}), node)
}

// growStates has n nodes that differ, of which all are rated.
func growStates(b *testing.B, n int) {
	nodes := make([]berth.Node, n)
	for i := range nodes {
		nodes[i] = cards(fmt.Sprint("n", i), "A", "B")
	}
	s, tasks := snapshotOf(b, nodes...), gpus(berth.DeviceRequest{Class: "gpu", Share: 100}).Tasks(n)
	e := placement.NewEngine(placement.Best(splintersOf(func() {})).Then(placement.InUse().Times(-1)))
	for b.Loop() {
		e.Start(s)
		for _, t := range tasks {
			if _, ok := e.Place(t); !ok {
				b.Fatal("not placed")
			}
		}
	}
}

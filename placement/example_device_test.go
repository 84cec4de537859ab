package placement_test

import (
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
)

// gpuNode returns a node with GPUs of these models, each with 40 GiB.
func gpuNode(id string, models ...string) berth.Node {
	n := berth.Node{ID: id, Capacity: berth.Resources{"cpu": 32000, "memory": 256 << 30}}
	for _, m := range models {
		n.Devices = append(n.Devices, berth.Device{Class: "gpu", Model: m, Capacity: berth.Resources{"memory": 40 << 30}})
	}
	return n
}

// A term that looks at devices chooses among those of a node: this one keeps the A100s whole.
func ExampleState_Devices() {
	whole := placement.OfState("A100s left whole", func(_, after *placement.State) (n int64) {
		for _, d := range after.Devices() {
			if d.Model == "A100" && d.Free == berth.DeviceUnits {
				n++
			}
		}
		return n
	})
	s, err := cluster.NewSnapshot(gpuNode("n1", "A100", "T4", "A100"))
	if err != nil {
		fmt.Println(err)
	}
	p := placement.NewEngine(placement.Best(whole))
	p.Start(s)
	train := berth.NewGroup("train", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 600}}})
	for _, t := range train.Tasks(3) {
		op, _ := p.Place(t)
		fmt.Println(t.ID, op.Grant.Devices[0].Device())
	}
	// Output:
	// train-1 gpu/1
	// train-2 gpu/0
	// train-3 gpu/2
}

// The amounts of a device are seen as its units are.
func ExampleDevice_Amount() {
	memory := placement.OfState("memory left where it is least", func(_, after *placement.State) int64 {
		least := int64(1 << 40)
		for _, d := range after.Devices() {
			free, _, _ := d.Amount("memory")
			least = min(least, free)
		}
		return least
	})
	s, err := cluster.NewSnapshot(gpuNode("n1", "A100", "A100"))
	if err != nil {
		fmt.Println(err)
	}
	p := placement.NewEngine(placement.Best(memory))
	p.Start(s)
	serve := berth.NewGroup("serve", berth.GroupSpec{
		Devices: []berth.DeviceRequest{{Class: "gpu", Amounts: berth.Resources{"memory": 10 << 30}}},
	})
	for _, t := range serve.Tasks(3) {
		op, _ := p.Place(t)
		fmt.Println(t.ID, op.Grant.Devices[0].Device())
	}
	// Output:
	// serve-1 gpu/0
	// serve-2 gpu/1
	// serve-3 gpu/0
}

// Tasks go to nodes with the models that they prefer, and among those where best fit says.
func ExampleModels() {
	s, err := cluster.NewSnapshot(gpuNode("n1", "T4", "T4"), gpuNode("n2", "T4", "A100"))
	if err != nil {
		fmt.Println(err)
	}
	p := placement.NewEngine(placement.Best(placement.Models()).Then(placement.InUse()))
	p.Start(s)
	train := berth.NewGroup("train", berth.GroupSpec{Devices: []berth.DeviceRequest{
		{Class: "gpu", Count: 1, Prefer: map[string]int64{"A100": 10}},
	}})
	for _, t := range train.Tasks(2) {
		op, _ := p.Place(t)
		fmt.Println(op.Task.ID, op.Node, op.Grant.Devices[0].Device())
	}
	// Output:
	// train-1 n2 gpu/1
	// train-2 n2 gpu/0
}

// A Change is rated by what it adds to the worth of a node's state. This one likes nodes on which there is memory for
// every core that is free, in steps of a tenth of them.
func ExampleTerm_Through() {
	balanced := placement.Change("balanced", func(s *placement.State) int64 {
		return -max(0, s.FreeOf("cpu")-s.FreeOf("memory")>>32*1000) // cores, in thousandths, without 4 GiB each
	}).Through(func(change int64) int64 { return change / 100 })
	s, err := cluster.NewSnapshot(gpuNode("n1", "T4"), berth.Node{ID: "n2", Capacity: berth.Resources{"cpu": 32000, "memory": 64 << 30}})
	if err != nil {
		fmt.Println(err)
	}
	p := placement.NewExhaustive(placement.Best(balanced).TiesByID())
	p.Start(s)
	web := berth.NewTask("web", berth.GroupSpec{Request: berth.Resources{"cpu": 2000, "memory": 1 << 30}})
	for _, n := range []string{"n1", "n2"} {
		score, _ := p.Score(web, n)
		fmt.Println(n, score)
	}
	// Output:
	// n1 0 = preferences 0; 0 = balanced 0
	// n2 0 = preferences 0; 10 = balanced 10
}

package placement_test

import (
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
)

// Of two nodes that are drawn for each task the one with less in use takes it: the power of two choices.
func ExampleStrategy_BestOf() {
	two := placement.Spread().BestOf(2).Seed(1)
	fmt.Println(two)
	show(placement.NewEngine(two), 4)
	// Output:
	// spread(); best of 2; seed 1
	// place web-1 on n3
	// place web-2 on n1
	// place web-3 on n3
	// place web-4 on n3
}

// Half a GPU goes where it fills one up, then to an idle GPU of a node in use, and last to an idle node.
func ExampleGpuPacking() {
	f := cluster.NewFork()
	for _, id := range []string{"n1", "n2"} {
		err := f.AddNodes(berth.Node{ID: id, Devices: []berth.Device{{Class: "gpu"}, {Class: "gpu"}}})
		if err != nil {
			fmt.Println(err)
		}
	}
	half := berth.NewGroup("half", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 500}}})
	whole := berth.NewGroup("whole", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}}})
	picker := placement.NewEngine(placement.Best(placement.GpuPacking("gpu")))
	for _, t := range []berth.Task{half.Task("first"), half.Task("second"), half.Task("third"), whole.Task("fourth"), half.Task("fifth")} {
		picker.Start(f.Snapshot())
		choices := picker.Candidates(t, placement.Ask{})
		for c := range choices.All() {
			fmt.Println(t.ID, c.Node, c.Score()[1].Sum)
		}
		op, _ := picker.Place(t)
		if _, why := f.Apply(op); why.Code != berth.None {
			fmt.Println(why)
		}
	}
	// Output:
	// first n1 31
	// first n2 31
	// second n1 95
	// second n2 31
	// third n1 49
	// third n2 31
	// fourth n2 31
	// fifth n1 95
	// fifth n2 49
}

// All of the GPUs and more is asked for, and nearly as much of the cores; of memory there is plenty.
func ExampleShortOf() {
	capacity := berth.Resources{"cpu": 1_200_000, "memory": 9000 << 30, "gpu": 100_000}
	asked := berth.Resources{"cpu": 1_250_000, "memory": 3000 << 30, "gpu": 110_000}
	short := placement.ShortOf(capacity, asked)
	fmt.Println(placement.BinPack(short...))
	// Output:
	// binpack(cpu, gpu)
}

// A strategy from a configuration names what it goes by, and a host knows what its nodes have.
func ExampleStrategy_Resources() {
	by, err := placement.ParseStrategy("gpu-packing(gpu), then in-use(cpu, memroy) + 2 tasks(zone)")
	fmt.Println(by.Resources(), err)
	// Output:
	// [cpu gpu memroy] <nil>
}

// Halves go where halves are, and a task of a whole GPU to a node without tasks rather than to theirs.
func ExampleGpuClustering() {
	f := cluster.NewFork()
	for _, id := range []string{"n1", "n2"} {
		err := f.AddNodes(berth.Node{ID: id, Devices: []berth.Device{{Class: "gpu"}, {Class: "gpu"}}})
		if err != nil {
			fmt.Println(err)
		}
	}
	half := berth.NewGroup("half", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 500}}})
	whole := berth.NewGroup("whole", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}}})
	picker := placement.NewEngine(placement.Best(placement.GpuClustering("gpu")).TiesByID())
	picker.Start(f.Snapshot())
	for _, t := range []berth.Task{half.Task("first"), whole.Task("second"), half.Task("third"), whole.Task("fourth")} {
		op, _ := picker.Place(t)
		fmt.Println(t.ID, op.Node)
	}
	// Output:
	// first n1
	// second n2
	// third n1
	// fourth n2
}

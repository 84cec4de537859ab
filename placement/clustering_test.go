package placement_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
)

// GpuClustering by the rules of the FGD study's simulator, on nodes of four GPUs: what runs there, what is asked for.
func TestGpuClustering(t *testing.T) {
	share := func(units int64) berth.DeviceRequest { return berth.DeviceRequest{Class: "gpu", Share: units} }
	whole := func(n int) berth.DeviceRequest { return berth.DeviceRequest{Class: "gpu", Count: n} }
	type requests = []berth.DeviceRequest
	group := func(name string, asks requests) *berth.Group {
		return berth.NewGroup(name, berth.GroupSpec{Devices: asks})
	}
	for _, c := range []struct {
		runs []requests
		asks requests
		want int64
	}{
		{nil, requests{share(10)}, 37},                                    // 25 + 25 x (8000-4000)/8000 = 12.5, rounded down
		{[]requests{{share(500)}}, requests{share(10)}, 89},               // 75 + 25 x 4500/8000 = 14.06
		{[]requests{{share(500)}}, requests{whole(1)}, 14},                // another size
		{[]requests{{share(500)}, {whole(1)}}, requests{whole(1)}, 67},    // 50 + 25 x 5500/8000 = 17.19
		{[]requests{{whole(1)}}, requests{whole(2)}, 15},                  // 25 x 5000/8000 = 15.6
		{[]requests{{whole(1)}, {whole(1)}}, requests{whole(2)}, 18},      // two of one are not one of two: 25 x 6000/8000 = 18.75
		{[]requests{{whole(2)}}, requests{whole(1), whole(1)}, 93},        // but requests of a task add up: 75 + 18.75
		{[]requests{{{Class: "fpga", Count: 1}}}, requests{share(1)}, 37}, // of another class
		{[]requests{{whole(1)}}, requests{{Class: "fpga", Count: 1}}, 0},
		{[]requests{{whole(1)}}, nil, 0},
	} {
		n := berth.Node{ID: "n", Devices: []berth.Device{{Class: "gpu"}, {Class: "gpu"}, {Class: "gpu"}, {Class: "gpu"}, {Class: "fpga"}, {Class: "fpga"}}}
		f := cluster.NewFork()
		require.NoError(t, f.AddNodes(n))
		engine := placement.NewEngine(placement.Best(placement.GpuClustering("gpu")))
		engine.Start(f.Snapshot())
		for i, runs := range c.runs {
			task := group(fmt.Sprint("g", i), runs).Task(fmt.Sprint("t", i))
			op, ok := engine.Place(task)
			require.True(t, ok)
			_, why := f.Apply(op)
			require.Equal(t, berth.None, why.Code)
			if i%2 == 0 { // counted as picked, and as there
				engine.Start(f.Snapshot())
			}
		}
		asks := group("asks", c.asks).Task("asks")
		score, ok := engine.Score(asks, "n")
		require.True(t, ok)
		assert.Equal(t, c.want, score[1].Sum, "%v beside %v", c.asks, c.runs)
	}
	assert.Equal(t, "gpu-clustering(gpu)", placement.GpuClustering("gpu").String())
}

// A task of two devices takes the place of two of one, and as much is free as was: the node has another size all the same.
func TestGpuClusteringAfterAnExchange(t *testing.T) {
	f := cluster.NewFork()
	two := []berth.Device{{Class: "gpu"}, {Class: "gpu"}, {Class: "gpu"}}
	require.NoError(t, f.AddNodes(berth.Node{ID: "a", Devices: two}, berth.Node{ID: "b", Devices: two}))
	of := func(n int) *berth.Group {
		return berth.NewGroup(fmt.Sprint("of-", n), berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: n}}})
	}
	apply := func(op berth.Op) {
		_, why := f.Apply(op)
		require.Equal(t, berth.None, why.Code)
	}
	engine := placement.NewEngine(placement.Best(placement.GpuClustering("gpu")))
	engine.Start(f.Snapshot())
	first, ok := engine.Place(of(1).Task("one"))
	require.True(t, ok)
	apply(first)
	apply(berth.Op{Kind: berth.Place, Task: of(1).Task("other"), Node: first.Node})
	engine.Start(f.Snapshot())
	next, ok := engine.Place(of(1).Task("third"))
	require.True(t, ok)
	assert.Equal(t, first.Node, next.Node)
	apply(berth.Op{Kind: berth.Release, ID: "one"})
	apply(berth.Op{Kind: berth.Release, ID: "other"})
	apply(berth.Op{Kind: berth.Place, Task: of(2).Task("both"), Node: first.Node})
	engine.Start(f.Snapshot())
	next, ok = engine.Place(of(1).Task("third"))
	require.True(t, ok)
	assert.NotEqual(t, first.Node, next.Node)
}

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

// GpuPacking by the rules of the FGD study's simulator: what is free of each device of a node before, and what is asked for.
func TestGpuPacking(t *testing.T) {
	share := func(units int64) berth.DeviceRequest { return berth.DeviceRequest{Class: "gpu", Share: units} }
	whole := func(n int) berth.DeviceRequest { return berth.DeviceRequest{Class: "gpu", Count: n} }
	idle := func(n int, others ...int64) (free []int64) {
		for range n {
			free = append(free, 1000)
		}
		return append(free, others...)
	}
	// fresh takes no device that is in use already.
	fresh := placement.OfState("fresh", func(_, after *placement.State) (idle int64) {
		for _, d := range after.Devices() {
			if d.Free == berth.DeviceUnits {
				idle--
			}
		}
		return idle
	})
	for _, c := range []struct {
		free []int64
		asks berth.DeviceRequest
		want int64
		was  int64 // what is free of the device that it gets
	}{
		{idle(1), share(10), 32, 1000},           // 33 - 1
		{idle(8), whole(2), 25, 1000},            // 33 - 8
		{idle(20), whole(1), 20, 1000},           // no less than 20
		{idle(2, 500), whole(2), 48, 1000},       // 50 - 2
		{idle(20, 1), whole(18), 33, 1000},       // no less than 33
		{idle(1, 300, 700), share(300), 97, 300}, // 100 - 30/10
		{idle(1, 300, 750), share(400), 93, 750}, // 100 - 75/10
		{idle(1, 300, 399), share(400), 49, 1000},
		{idle(1, 999), share(999), 91, 999},      // 100 - 99/10
		{idle(1, 305, 301), share(100), 97, 301}, // the same by tens of percents
	} {
		n := berth.Node{ID: "n"}
		for range c.free {
			n.Devices = append(n.Devices, berth.Device{Class: "gpu"})
		}
		n.Devices = append(n.Devices, berth.Device{Class: "gpu", Unhealthy: true}, berth.Device{Class: "fpga"})
		f := cluster.NewFork()
		require.NoError(t, f.AddNodes(n))
		used := map[string]int64{}
		place := func(by placement.Term, d berth.DeviceRequest) berth.Op {
			g := berth.NewGroup("g", berth.GroupSpec{Devices: []berth.DeviceRequest{d}})
			engine := placement.NewEngine(placement.Best(by))
			engine.Start(f.Snapshot())
			op, ok := engine.Place(g.Task(fmt.Sprint("t", len(used))))
			require.True(t, ok)
			return op
		}
		for _, units := range c.free {
			if units < 1000 {
				op := place(fresh, share(1000-units))
				_, why := f.Apply(op)
				require.Equal(t, berth.None, why.Code)
				used[op.Grant.Devices[0].ID] = 1000 - units
			}
		}
		engine := placement.NewEngine(placement.Best(placement.GpuPacking("gpu")))
		engine.Start(f.Snapshot())
		score, ok := engine.Score(berth.NewGroup("asks", berth.GroupSpec{Devices: []berth.DeviceRequest{c.asks}}).Task("asks"), "n")
		require.True(t, ok)
		assert.Equal(t, c.want, score[1].Sum, "%v of %v", c.asks, c.free)
		score, _ = engine.Score(berth.NewGroup("none", berth.GroupSpec{}).Task("none"), "n")
		assert.Zero(t, score[1].Sum)
		op := place(placement.GpuPacking("gpu"), c.asks)
		assert.Equal(t, c.was, 1000-used[op.Grant.Devices[0].ID], "%v of %v", c.asks, c.free)
	}
}

// A draw is the same for the same seed and task, another for others, and is of nodes that can take the task, as many as there are.
func TestBestOf(t *testing.T) {
	f := cluster.NewFork()
	for i := range 40 {
		require.NoError(t, f.AddNodes(berth.Node{ID: fmt.Sprintf("n%02d", i), Capacity: berth.Resources{"cpu": int64(i)}}))
	}
	g := berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"cpu": 30}}) // which ten nodes have
	most := placement.Best(placement.Class("size", func(n *berth.Node) int64 { return n.Capacity["cpu"] }))
	picks := func(s placement.Strategy) (nodes []string, sum int) {
		require.NoError(t, s.Err())
		for i := range 200 {
			e := placement.NewEngine(s)
			e.Start(f.Snapshot())
			op, ok := e.Place(g.Task(fmt.Sprint("t", i)))
			require.True(t, ok)
			var size int
			_, err := fmt.Sscanf(op.Node, "n%d", &size)
			require.NoError(t, err)
			assert.GreaterOrEqual(t, size, 30)
			nodes, sum = append(nodes, op.Node), sum+size
		}
		return nodes, sum
	}
	draws, one := picks(most.BestOf(1))
	again, _ := picks(most.BestOf(1))
	assert.Equal(t, draws, again)
	other, _ := picks(most.BestOf(1).Seed(5))
	assert.NotEqual(t, draws, other)
	_, two := picks(most.BestOf(2))
	_, four := picks(most.BestOf(4))
	assert.Less(t, one, two)
	assert.Less(t, two, four)
	_, all := picks(most.BestOf(10)) // the best is always among them
	assert.Equal(t, 200*39, all)
	assert.ErrorContains(t, most.BestOf(0).Err(), "best of 0: not within 1 to 100")
	assert.ErrorContains(t, most.BestOf(101).Err(), "best of 101: not within 1 to 100")
}

func TestShortOf(t *testing.T) {
	capacity := berth.Resources{"cpu": 100, "memory": 100, "gpu": 10, "tape": 5}
	for _, c := range []struct {
		asked berth.Resources
		want  []string
	}{
		{berth.Resources{"cpu": 91, "memory": 89, "gpu": 10}, []string{"cpu", "gpu"}},
		{berth.Resources{"cpu": 91, "memory": 95, "gpu": 10}, []string{"cpu", "gpu", "memory"}},
		{berth.Resources{"cpu": 89, "memory": 10, "gpu": 10, "disk": 1000}, []string{"gpu"}},
		{berth.Resources{"cpu": 1 << 40, "gpu": 10}, []string{"cpu"}},
		{nil, nil},
	} {
		assert.Equal(t, c.want, placement.ShortOf(capacity, c.asked))
	}
}

package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// Without a strategy a scheduler places as priced gaps do if a node has devices when it first sees nodes, and else best fit over all resources: task
// by task as one that was given that strategy, with both pickers. It stays that when the nodes that come later are others.
func TestDefaultStrategy(t *testing.T) {
	plain := func(i int) berth.Node {
		return berth.Node{ID: fmt.Sprintf("plain-%d", i), Capacity: berth.Resources{"cpu": int64(8000 + 4000*i), "memory": int64(64-8*i) << 30}}
	}
	withGPUs := func(i int) berth.Node {
		n := plain(i)
		n.ID = fmt.Sprintf("gpus-%d", i)
		for range 2 << (i % 3) {
			n.Devices = append(n.Devices, berth.Device{Class: "gpu"})
		}
		return n
	}
	for _, c := range []struct {
		name        string
		first, then func(int) berth.Node
		want        placement.Strategy
	}{
		{"devices", withGPUs, plain, placement.PricedGaps(placement.Mix{})},
		{"no devices", plain, withGPUs, placement.BinPack()},
	} {
		for _, exhaustive := range []bool{false, true} {
			for _, seed := range []uint64{0, 7} {
				var states [2]*scheduler.State
				var schedulers [2]*scheduler.Scheduler
				for i, by := range []placement.Strategy{{}, c.want} {
					var err error
					states[i], err = scheduler.NewState(scheduler.StateConfig{})
					require.NoError(t, err)
					schedulers[i], err = scheduler.New(states[i], scheduler.Config{Strategy: by, Exhaustive: exhaustive, Seed: seed})
					require.NoError(t, err)
				}
				early := berth.NewGroup("early", berth.GroupSpec{}).Task("early")
				for step := range 40 {
					asks := berth.GroupSpec{Request: berth.Resources{"cpu": int64(500 + 500*(step%3)), "memory": int64(1+step%5) << 30}}
					if step%2 == 0 {
						asks.Devices = []berth.DeviceRequest{{Class: "gpu", Share: int64(200 + 100*(step%4))}}
					}
					task := berth.NewGroup(fmt.Sprintf("g%d", step), asks).Task(fmt.Sprintf("t%d", step))
					var placed [2][]berth.Op
					for i, s := range schedulers {
						if step == 0 && i == 0 { // while there are no nodes nothing is chosen
							_, err := s.Schedule(t.Context(), early)
							require.NoError(t, err)
						}
						if nodes := map[int]func(int) berth.Node{0: c.first, 20: c.then}[step]; nodes != nil {
							for k := range 5 {
								require.NoError(t, states[i].AddNodes(nodes(k)))
							}
						}
						out, err := s.Schedule(t.Context(), task)
						require.NoError(t, err)
						placed[i] = out.Placed
					}
					require.Equal(t, placed[1], placed[0], "%s, task %d", c.name, step)
				}
				require.Equal(t, schedulers[1].Learned(), schedulers[0].Learned())
			}
		}
	}
}

// What the default strategy learned is handed to another scheduler without naming the strategy.
func TestDefaultStrategyGoesOnLearning(t *testing.T) {
	state, err := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n", Devices: []berth.Device{{Class: "gpu"}}})
	require.NoError(t, err)
	s, err := scheduler.New(state, scheduler.Config{})
	require.NoError(t, err)
	assert.Nil(t, s.Learned(), "it has seen no nodes")
	_, err = s.Schedule(t.Context(), berth.NewGroup("g", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 300}}}).Task("t"))
	require.NoError(t, err)
	require.True(t, s.Learned().Of(placement.PricedGaps(placement.Mix{})))
	again, err := scheduler.New(state, scheduler.Config{Learned: s.Learned()})
	require.NoError(t, err)
	assert.Equal(t, s.Learned().Mix().String(), again.Learned().Mix().String())
}

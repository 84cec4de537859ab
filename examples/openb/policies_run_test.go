package main

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// policies are the host-written ones for a cell.
func policies(c *trace.Cell) map[string]placement.Strategy {
	return map[string]placement.Strategy{"fgd": fgd(mixOf(c.Pods)), "room-loss": roomLoss(mixOf(c.Pods), c.Nodes)}
}

// someGPUs returns a small cell that is made up, with GPUs of three models.
func someGPUs(seed uint64) *trace.Cell {
	rng := rand.New(rand.NewPCG(seed, 5))
	c := &trace.Cell{Name: "made up"}
	for i := range 24 {
		n := berth.Node{ID: fmt.Sprintf("n%02d", i), Capacity: berth.Resources{"cpu": 32_000 + 32_000*rng.Int64N(3), "memory": 256 << 30}}
		model := []string{"T4", "P100", "G2"}[rng.IntN(3)]
		for range 1 << rng.IntN(4) {
			n.Devices = append(n.Devices, berth.Device{Class: trace.GPU, Model: model})
		}
		c.Nodes = append(c.Nodes, n)
	}
	for i := range 300 {
		s := trace.Shape{CPU: 1000 << rng.IntN(5), Memory: 4 << 30 << rng.IntN(4)}
		switch rng.IntN(4) {
		case 0, 1:
			s.GPUs, s.GPUMilli = 1, 100*rng.Int64N(10)+100
		case 2:
			s.GPUs, s.GPUMilli = 1<<rng.IntN(4), 1000
		}
		if s.GPUs > 0 && rng.IntN(4) == 0 {
			s.Models = []string{"T4", "P100|G2"}[rng.IntN(2)]
		}
		c.Pods = append(c.Pods, trace.Pod{Name: fmt.Sprintf("p%03d", i), QoS: trace.NoQoS, Shape: s})
	}
	return c
}

// A policy of a host's own is placed as fast as the engine can and as exactly as by looking at every node: each choice, and each
// device, is the reference picker's.
func TestPoliciesOnBothPickers(t *testing.T) {
	cells := []*trace.Cell{someGPUs(1), someGPUs(2)}
	t.Run("trace", func(t *testing.T) {
		needData(t)
		for _, pods := range []string{trace.PodList, "openb_pod_list_gpuspec33.csv"} {
			c := load(t, pods, 0)
			c.Nodes, c.Pods = c.Nodes[len(c.Nodes)-60:], c.Pods[:900]
			cells = append(cells, c)
		}
	})
	for _, c := range cells {
		for name, by := range policies(c) {
			require.NoError(t, by.Err())
			engine, reference := placement.NewEngine(by), placement.NewExhaustive(by)
			f := cluster.NewFork()
			require.NoError(t, f.AddNodes(c.Nodes...))
			refused := 0
			var engineOps []berth.Op
			for i, task := range c.Tasks() {
				if i%25 == 0 {
					for _, op := range engineOps {
						_, why := f.Apply(op)
						require.Equal(t, berth.None, why.Code)
					}
					engineOps = nil
					s := f.Snapshot()
					engine.Start(s)
					reference.Start(s)
				}
				got, ok := engine.Place(task)
				want, wantOK := reference.Place(task)
				require.Equal(t, wantOK, ok, "%s %s: %v", c.Name, name, task)
				require.Equal(t, want, got, "%s %s: %v", c.Name, name, task)
				if ok {
					engineOps = append(engineOps, got)
				} else {
					refused++
				}
			}
			assert.Positive(t, refused, "the cell was filled")
		}
	}
}

// BenchmarkPolicies measures the whole public path, one task a call, with the library's policies and those that a host wrote, on the nodes and tasks of the
// trace: State, Schedule and Commit. Of the library's FGD is told the mix, and the others learn it.
func BenchmarkPolicies(b *testing.B) {
	for _, pods := range []string{trace.PodList, "openb_pod_list_gpuspec33.csv"} {
		c, err := trace.Load(data, pods)
		if err != nil {
			b.Skipf("the openb trace is not beside this repository: %v", err)
		}
		all, told := policies(c), placement.NewMix(c.Tasks()...)
		all["fgd-of-a-host"], all["room-loss-of-a-host"] = all["fgd"], all["room-loss"]
		all["fgd"], all["room-loss"], all["priced-gaps"] = placement.FGD(told), placement.RoomLoss(placement.Mix{}), placement.PricedGaps(placement.Mix{})
		all["binpack"] = placement.BinPack()
		for _, name := range []string{"fgd", "fgd-of-a-host", "room-loss", "room-loss-of-a-host", "priced-gaps", "binpack"} {
			b.Run(fmt.Sprintf("list=%s/policy=%s", pods, name), func(b *testing.B) {
				decisions := 0
				for b.Loop() {
					b.StopTimer()
					state, err := scheduler.NewState(scheduler.StateConfig{}, c.Nodes...)
					require.NoError(b, err)
					s, err := scheduler.New(state, scheduler.Config{Strategy: all[name]})
					require.NoError(b, err)
					tasks := c.Tasks()
					decisions += len(tasks)
					b.StartTimer()
					for i := range tasks {
						if _, err := s.Schedule(b.Context(), tasks[i]); err != nil {
							b.Fatal(err)
						}
					}
				}
				b.ReportMetric(float64(decisions)/b.Elapsed().Seconds(), "decisions/s")
			})
		}
	}
}

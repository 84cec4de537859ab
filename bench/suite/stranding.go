package suite

import (
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
)

// strandingWorkloads are two in which a careless choice leaves room that nobody can use.
func strandingWorkloads(c Config) ([]Workload, error) {
	return []Workload{
		{Name: "negative", About: "tasks that need much of cores or much of memory, never both, 120 % of the cores; a node fills evenly or strands one of the two", Cell: func(seed uint64) (*Cell, error) {
			rng := pcg(seed, 8)
			cell := &Cell{Seed: seed}
			for i := range c.Nodes {
				cell.Nodes = append(cell.Nodes, berth.Node{ID: fmt.Sprintf("node-%06d", i), Capacity: berth.Resources{"cpu": 32_000, "memory": 128 << 30}})
			}
			groups := map[trace.Shape]*berth.Group{}
			for asked := int64(0); asked < int64(c.Nodes)*32_000*12/10; {
				large := int64(2 + rng.IntN(7)) // in sixteenths of a node, of the one; of the other a sixteenth or two
				little := int64(1 + rng.IntN(2))
				if rng.IntN(2) == 0 {
					large, little = little, large
				}
				asked += large * 2000
				cell.add(groups, trace.Shape{CPU: large * 2000, Memory: little * 8 << 30})
			}
			return cell, nil
		}},
		{Name: "large-late", About: "nodes of 8 GPUs: tasks for one or a part of one ask for 60 % of them, and then tasks for all 8 of a node come, up to 130 %", Cell: func(seed uint64) (*Cell, error) {
			rng := pcg(seed, 9)
			cell := &Cell{Seed: seed}
			for i := range c.Nodes {
				n := berth.Node{ID: fmt.Sprintf("node-%06d", i), Capacity: berth.Resources{"cpu": 96_000, "memory": 384 << 30}}
				for range 8 {
					n.Devices = append(n.Devices, berth.Device{Class: trace.GPU, Model: "A100"})
				}
				cell.Nodes = append(cell.Nodes, n)
			}
			groups := map[trace.Shape]*berth.Group{}
			whole := int64(c.Nodes) * 8000
			asked := int64(0)
			for 10*asked < 6*whole {
				s := trace.Shape{CPU: 4000, Memory: 16 << 30, GPUs: 1, GPUMilli: 1000}
				if rng.IntN(2) == 0 {
					s.GPUMilli = 100 * int64(1+rng.IntN(9))
				}
				asked += s.GPUMilli
				cell.add(groups, s)
			}
			for 10*asked < 13*whole {
				asked += 8000
				cell.add(groups, trace.Shape{CPU: 64_000, Memory: 256 << 30, GPUs: 8, GPUMilli: 1000})
			}
			return cell, nil
		}},
	}, nil
}

// add appends a task of a shape, in the group of that shape.
func (c *Cell) add(groups map[trace.Shape]*berth.Group, s trace.Shape) {
	g := groups[s]
	if g == nil {
		g = berth.NewGroup(fmt.Sprintf("shape-%d", len(groups)), s.Spec(""))
		groups[s] = g
	}
	c.Arrivals = append(c.Arrivals, Arrival{Task: g.Task(fmt.Sprintf("task-%07d", len(c.Arrivals))), Batch: len(c.Arrivals)})
}

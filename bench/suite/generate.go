package suite

import (
	"fmt"
	"math/rand/v2"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
)

// pcg returns the generator of a seed; each use has a stream of its own, so that one more draw here changes nothing there.
func pcg(seed, stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }

// halving returns 0 with probability 1/2, 1 with 1/4 and so on, and the last of so many sizes with what is left.
func halving(rng *rand.Rand, sizes int) int {
	k := 0
	for k < sizes-1 && rng.IntN(2) == 0 {
		k++
	}
	return k
}

// gpuCell is a made-up cluster with GPUs, after the proportions of Alibaba's trace: of ten nodes, one without a GPU, three with two,
// two with four and four with eight, 8 cores and 48 GiB to a GPU; of three models. Of its tasks 13 % ask for no GPU, 38 % for a
// part of one (a tenth to nine tenths), 46 % for one, and 1 % each for two, four and eight.
func gpuCell(nodes int, thousandths int64) Workload {
	return Workload{
		Name:  fmt.Sprintf("gpu-%d", thousandths/10),
		About: fmt.Sprintf("a made-up cluster with GPUs after the proportions of Alibaba's trace, tasks that ask for %d %% of them, drawn from the seed", thousandths/10),
		Cell: func(seed uint64) (*Cell, error) {
			rng := pcg(seed, 4)
			c := &trace.Cell{Name: "gpu"}
			for i := range nodes {
				gpus := [...]int{0, 2, 2, 2, 4, 4, 8, 8, 8, 8}[rng.IntN(10)]
				model := [...]string{"T4", "P100", "V100"}[rng.IntN(3)]
				n := berth.Node{ID: fmt.Sprintf("node-%06d", i), Capacity: berth.Resources{"cpu": 8000 * int64(max(gpus, 8)), "memory": int64(max(gpus, 8)) * 48 << 30}}
				for range gpus {
					n.Devices = append(n.Devices, berth.Device{Class: trace.GPU, Model: model})
				}
				if gpus > 0 {
					n.Attributes = berth.Attributes{"model": model}
				}
				c.Nodes = append(c.Nodes, n)
			}
			c.Pods = gpuPods(rng, 5*nodes)
			if err := c.Inflate(thousandths, seed); err != nil {
				return nil, err
			}
			return cellOf(c, seed), nil
		},
	}
}

// gpuPods draws tasks after the proportions of Alibaba's trace.
func gpuPods(rng *rand.Rand, n int) (pods []trace.Pod) {
	for i := range n {
		p := trace.Pod{Name: fmt.Sprintf("task-%07d", i), QoS: trace.NoQoS}
		switch k := rng.IntN(100); {
		case k < 13:
			p.CPU = 1000 << halving(rng, 5)
		case k < 51:
			p.GPUs, p.GPUMilli = 1, 100*int64(1+rng.IntN(9))
			p.CPU = 500 << halving(rng, 5)
		case k < 97:
			p.GPUs, p.GPUMilli = 1, 1000
			p.CPU = 2000 << halving(rng, 4)
		default:
			p.GPUs, p.GPUMilli = 2<<(k-97), 1000
			p.CPU = 4000 * int64(p.GPUs)
		}
		p.Memory = p.CPU / 500 << 30
		pods = append(pods, p)
	}
	return pods
}

// pai is the machines of Alibaba's PAI cluster, or so many of them, drawn from the seed, with tasks as gpuCell has them.
func pai(machines []berth.Node, nodes int, thousandths int64) Workload {
	nodes = min(nodes, len(machines))
	return Workload{
		Name:  fmt.Sprintf("pai-%d", thousandths/10),
		About: fmt.Sprintf("%d of the machines of Alibaba's PAI trace of 2020, tasks after the proportions of Alibaba's trace of 2023 that ask for %d %% of the GPUs, drawn from the seed", nodes, thousandths/10),
		Cell: func(seed uint64) (*Cell, error) {
			rng := pcg(seed, 20)
			c := &trace.Cell{Name: "pai"}
			for _, i := range rng.Perm(len(machines))[:nodes] {
				c.Nodes = append(c.Nodes, machines[i])
			}
			c.Pods = gpuPods(rng, 5*nodes)
			if err := c.Inflate(thousandths, seed); err != nil {
				return nil, err
			}
			return cellOf(c, seed), nil
		},
	}
}

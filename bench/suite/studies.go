package suite

import (
	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/placement"
)

// study is a policy of the experiment. Published is its name in the table of the published curves, or empty if it has none.
type study struct {
	name, published string
	exact           bool // on the default list, its curve is to be the published one at every seed
	strategy        func(pods []trace.Pod) placement.Strategy
}

// studies are the policies that are compared with what was published, and others, which were not. Those of the experiment
// score in whole numbers from 0 to 100, so that many nodes are equal and the order of nodes decides among them.
func studies() []study {
	fixed := func(name string, score func(before, after *placement.State) int64) func([]trace.Pod) placement.Strategy {
		return func([]trace.Pod) placement.Strategy {
			return placement.Best(placement.OfState(name, score).Between(-1000, 1000)).TiesByID()
		}
	}
	return []study{
		{name: "DotProd", published: "02-DotProd", strategy: fixed("dot-product-of-atc23", paperDotProd)},
		{name: "GpuClustering", published: "03-GpuClustering", strategy: func([]trace.Pod) placement.Strategy {
			return placement.Best(placement.GpuClustering(trace.GPU)).TiesByID()
		}},
		{name: "GpuPacking", published: "04-GpuPacking", exact: true, strategy: fixed("gpu-packing-of-atc23", paperGpuPacking)},
		{name: "BestFit", published: "05-BestFit", exact: true, strategy: fixed("best-fit-of-atc23", paperBestFit)},
		{name: "FGD", published: "06-FGD", exact: true, strategy: knowing(placement.FGD)},
		{name: "FirstFit", strategy: func([]trace.Pod) placement.Strategy { return placement.FirstFit() }},
		{name: "RoomLoss", strategy: knowing(placement.RoomLoss)},
		{name: "PricedGaps", strategy: knowing(placement.PricedGaps)},
	}
}

// knowing gives a policy the mix of the whole list, as the experiment gives it to fragmentation gradient descent.
func knowing(of func(placement.Mix) placement.Strategy) func([]trace.Pod) placement.Strategy {
	return func(pods []trace.Pod) placement.Strategy {
		return of(placement.NewMix((&trace.Cell{Pods: pods}).Tasks()...)).TiesByID()
	}
}

// What the largest machine has, by which the experiment counts.
const (
	mostCPU = 128_000.0
	mostGPU = 8_000.0
)

// paperBestFit takes the node with the least left, cores and GPUs in halves.
func paperBestFit(_, after *placement.State) int64 {
	left := float64(after.FreeOf("cpu"))/mostCPU*0.5 + float64(after.FreeOf(trace.GPU))/mostGPU*0.5
	return int64((1 - left) * 100)
}

// paperDotProd takes the node with the least dot product of what is asked for and what was free.
func paperDotProd(before, after *placement.State) int64 {
	sum := 0.0
	for _, of := range []struct {
		name string
		most float64
	}{{"cpu", mostCPU}, {trace.GPU, mostGPU}} {
		free, left := before.FreeOf(of.name), after.FreeOf(of.name)
		sum += float64(float64(free) / of.most * (float64(free-left) / of.most))
	}
	return int64(100 * (1 - sum/2))
}

// paperGpuPacking takes GPUs that are in use already, then free ones of nodes in use, then those of idle nodes.
func paperGpuPacking(before, after *placement.State) int64 {
	was, is := before.Devices(), after.Devices()
	idle, fresh, freeOfUsed, taken := 0, 0, int64(0), 0
	for i := range was {
		if was[i].Free == berth.DeviceUnits {
			idle++
		}
		if was[i].Free != is[i].Free {
			taken++
			if was[i].Free == berth.DeviceUnits {
				fresh++
			} else {
				freeOfUsed += was[i].Free * 100 / berth.DeviceUnits
			}
		}
	}
	switch {
	case taken == 0: // no GPU is asked for, and all nodes are alike
		return 0
	case idle == len(was):
		return max(100/3-int64(idle), int64(idle))
	case fresh > 0:
		return max(100/2-int64(fresh), 100/3)
	default:
		return max(100-freeOfUsed/10, 100/2)
	}
}

package placement

import (
	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/lex"
)

// GpuPacking is the GpuPacking score of the FGD study (Weng et al., USENIX ATC 2023, in its Kubernetes scheduler simulator), for devices of a class: first those in use, then idle
// ones of nodes where some are in use, then those of idle nodes. It is a whole number from 0 to 100:
//
//	100 - p/10  where the task needs no idle device, p being how many percent are free of all the devices that it gets; at least 50
//	50 - n      where it gets n idle devices of a node of which some are in use; at least 33
//	33 - m      where all m devices of the node are idle; at least m
//
// A task that asks for no units of the class is rated 0 everywhere. Which devices it gets on a node goes by the score too, and
// then by how little is free. In the study nodes of equal score come in a fixed order that is shuffled, which is what a [Strategy] does.
//
// It prints as "gpu-packing(gpu)".
func GpuPacking(class string) Term {
	t := OfState("gpu-packing("+lex.PrintName(class)+")", func(before, after *State) int64 {
		var all, idle, taken, fresh, percent int64
		now := after.Devices()
		for i, d := range before.Devices() {
			if d.Class != class || d.Unhealthy {
				continue
			}
			all++
			if d.Free == berth.DeviceUnits {
				idle++
			}
			if now[i].Free == d.Free {
				continue
			}
			taken++
			percent += d.Free * 100 / berth.DeviceUnits
			if d.Free == berth.DeviceUnits {
				fresh++
			}
		}
		switch {
		case taken == 0:
			return 0
		case idle == all:
			return max(33-all, all)
		case fresh > 0:
			return max(50-fresh, 33)
		}
		return max(100-percent/10, 50)
	}).Between(0, 100)
	t.ours, t.resources = true, []string{class}
	if class == "" {
		return t.fault("no device class")
	}
	return t
}

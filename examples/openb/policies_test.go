package main

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/placement"
)

// demand is a shape that tasks are expected to have, and how likely it is.
type demand struct {
	cpu, memory int64
	parts       int // the place of what it asks of GPUs among a mix's parts, or -1 if it asks for none
	share       float64
	weight      int64 // what counts of it, in 1/2^20
}

// parts is what shapes ask of GPUs: so many of each, of some models.
type parts struct {
	gpus, milli int64
	models      []string // any if there are none
}

// mix is the most frequent shapes, which together are 95 % of the tasks.
type mix struct {
	demands   []demand
	parts     []parts
	accepting map[string][]int // by model: the parts that may be of it; those of any where a model is not named
}

const mostParts = 128

func mixOf(pods []trace.Pod) *mix {
	type kind struct {
		cpu, milli int64
		gpus       int
		models     string
	}
	count, memory := map[kind]int{}, map[kind]int64{}
	for _, p := range pods {
		k := kind{p.CPU, p.GPUMilli, p.GPUs, p.Models}
		count[k]++
		memory[k] += p.Memory
	}
	kinds := slices.SortedFunc(maps.Keys(count), func(a, b kind) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a.cpu, b.cpu), cmp.Compare(a.milli, b.milli),
			cmp.Compare(a.gpus, b.gpus), cmp.Compare(a.models, b.models))
	})
	m, covered := new(mix), 0
	for _, k := range kinds {
		if covered*100 >= 95*len(pods) || len(m.parts) == mostParts {
			break
		}
		covered += count[k]
		d := demand{cpu: k.cpu, memory: memory[k] / int64(count[k]), parts: -1, share: float64(count[k])}
		if k.gpus > 0 {
			p := parts{gpus: int64(k.gpus), milli: k.milli}
			if k.models != "" {
				p.models = strings.Split(k.models, "|")
			}
			same := func(o parts) bool { return o.gpus == p.gpus && o.milli == p.milli && slices.Equal(o.models, p.models) }
			if d.parts = slices.IndexFunc(m.parts, same); d.parts < 0 {
				d.parts, m.parts = len(m.parts), append(m.parts, p)
			}
		}
		m.demands = append(m.demands, d)
	}
	for i := range m.demands {
		m.demands[i].share /= float64(covered)
	}
	m.accepting = map[string][]int{"": nil}
	for _, p := range m.parts {
		for _, model := range p.models {
			m.accepting[model] = nil
		}
	}
	for model := range m.accepting {
		for i, p := range m.parts {
			if p.models == nil || slices.Contains(p.models, model) {
				m.accepting[model] = append(m.accepting[model], i)
			}
		}
	}
	return m
}

// usable says how much of the devices each of the parts could use: all that is free of devices with enough, if they are enough.
func (m *mix) usable(devices []placement.Device) (usable [mostParts]int64, idle int64) {
	var n [mostParts]int64
	var accepting []int
	for j := range devices {
		d := &devices[j]
		if idle += d.Free; j == 0 || d.Model != devices[j-1].Model { // those of a model stand together
			var named bool
			if accepting, named = m.accepting[d.Model]; !named {
				accepting = m.accepting[""]
			}
		}
		for _, i := range accepting {
			if d.Free >= m.parts[i].milli {
				usable[i], n[i] = usable[i]+d.Free, n[i]+1
			}
		}
	}
	for i := range m.parts {
		if n[i] < m.parts[i].gpus {
			usable[i] = 0
		}
	}
	return usable, idle
}

// fgd is fragmentation gradient descent (Weng et al., USENIX ATC 2023): a task goes where it adds least to what tasks of the mix
// could not use of the idle GPUs.
func fgd(m *mix) placement.Strategy {
	fragments := func(s *placement.State) (sum int64) {
		usable, idle := m.usable(s.Devices())
		cpu := s.FreeOf("cpu")
		for i := range m.demands {
			d := &m.demands[i]
			left := idle
			if d.parts >= 0 && d.cpu <= cpu {
				left -= usable[d.parts]
			}
			sum += d.weight * left
		}
		return -sum
	}
	for i := range m.demands {
		m.demands[i].weight = int64(m.demands[i].share * (1 << 20))
	}
	return placement.Best(placement.Change("fragments", fragments).Through(func(gain int64) int64 {
		return int64(100 / (1 + math.Exp(-float64(gain)/(1000<<20))))
	}).Between(0, 100))
}

// roomLoss places a task where it destroys least of the room that tasks of the mix could use, each shape's by how little of it
// there is on the nodes. The room of a shape is what it could use of the GPUs, but no more than there are cores and memory for
// at twice what tasks need for a GPU in the mean.
func roomLoss(m *mix, nodes []berth.Node) placement.Strategy {
	var cpu, memory, gpu, perTask float64
	for i := range m.demands {
		if d := &m.demands[i]; d.parts >= 0 {
			units := float64(m.parts[d.parts].gpus * m.parts[d.parts].milli)
			cpu, memory, gpu = cpu+d.share*float64(d.cpu), memory+d.share*float64(d.memory>>20), gpu+d.share*units
			perTask += d.share / units
		}
	}
	perCPU, perMemory := int64(gpu/cpu*2*(1<<20)), int64(gpu/memory*2*(1<<20))
	room := func(d *demand, usable, cpu, memory int64) int64 {
		if usable == 0 || cpu < d.cpu || memory < d.memory {
			return 0
		}
		asked := m.parts[d.parts].gpus * m.parts[d.parts].milli
		return min(usable, asked+(cpu-d.cpu)*perCPU>>20, asked+(memory-d.memory)>>20*perMemory>>20)
	}
	var rooms [256]float64
	idle := 0.0
	for _, n := range nodes {
		devices := make([]placement.Device, len(n.Devices))
		for i, d := range n.Devices {
			devices[i] = placement.Device{Class: d.Class, Model: d.Model, Free: berth.DeviceUnits}
		}
		usable, all := m.usable(devices)
		idle += float64(all)
		for i := range m.demands {
			if d := &m.demands[i]; d.parts >= 0 {
				rooms[i] += float64(room(d, usable[d.parts], n.Capacity["cpu"], n.Capacity["memory"]))
			}
		}
	}
	const few = 100_000
	for i := range m.demands {
		if d := &m.demands[i]; d.parts >= 0 {
			units := float64(m.parts[d.parts].gpus * m.parts[d.parts].milli)
			d.weight = int64(d.share / units / perTask * (idle + few) / (rooms[i] + few) * (1 << 20))
		}
	}
	worth := func(s *placement.State) (sum int64) {
		usable, _ := m.usable(s.Devices())
		cpu, memory := s.FreeOf("cpu"), s.FreeOf("memory")
		for i := range m.demands {
			if d := &m.demands[i]; d.parts >= 0 {
				sum += d.weight * room(d, usable[d.parts], cpu, memory)
			}
		}
		return sum
	}
	return placement.Best(placement.Change("room", worth)).Within(16 << 20)
}

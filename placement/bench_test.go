package placement_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/placement"
)

// The benchmarks place 10,000 tasks in groups of 50 alike, of {0.25, 0.5, 1, 2, 4, 8} cores and
// {0.5, 1, 2, 4, 8, 16, 32} GiB, on nodes of 16, 32 or 64 cores and 4 GiB for each, seeded, in one plan each time round. They go
// through Start and Place alone: no source, no commit. The yardstick is BenchmarkFloor of package scheduler, on the same
// nodes; BenchmarkPlan there is this and what a plan adds.
const (
	benchTasks = 10_000
	benchGroup = 50
)

func benchNodes(n int) (nodes []berth.Node) {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range n {
		size := int64(1) << rng.IntN(3)
		nodes = append(nodes, plain(fmt.Sprintf("node-%06d", i), 16000*size, 64<<30*size))
		nodes[i].Attributes = berth.Attributes{"zone": "z" + strconv.Itoa(i%3)}
	}
	return nodes
}

// benchSizes returns what the tasks of each group take.
func benchSizes(groups int) (cpu, memory []int64) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range groups {
		cpu = append(cpu, 250<<rng.IntN(6))
		memory = append(memory, 512<<20<<rng.IntN(7))
	}
	return cpu, memory
}

func benchBatch(tasks int) (batch []berth.Task) {
	cpu, memory := benchSizes(tasks / benchGroup)
	for i := range cpu {
		batch = append(batch, request(fmt.Sprintf("g%d", i), cpu[i], memory[i]).Tasks(benchGroup)...)
	}
	return batch
}

func benchmarkPicker(b *testing.B, p placement.Picker, nodes, tasks int) {
	s := snapshotOf(b, benchNodes(nodes)...)
	batch := benchBatch(tasks)
	p.Start(s)
	placed := 0
	for _, t := range batch {
		if _, ok := p.Place(t); ok {
			placed++
		}
	}
	require.Positive(b, placed)
	b.ReportAllocs()
	for b.Loop() {
		p.Start(s)
		for _, t := range batch {
			p.Place(t)
		}
	}
	b.ReportMetric(float64(tasks)*float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
	b.ReportMetric(100*float64(placed)/float64(tasks), "%placed")
}

func BenchmarkEngine(b *testing.B) {
	for _, nodes := range []int{1_000, 10_000} {
		for _, s := range []placement.Strategy{placement.BinPack(), placement.Spread("zone", berth.NodeID), placement.FirstFit()} {
			b.Run(fmt.Sprintf("strategy=%v/nodes=%d", s, nodes), func(b *testing.B) {
				benchmarkPicker(b, placement.NewEngine(s), nodes, benchTasks)
			})
		}
	}
}

// BenchmarkExhaustive places fewer tasks, for it is slow; what one costs hardly depends on how many.
func BenchmarkExhaustive(b *testing.B) {
	for _, nodes := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("strategy=%v/nodes=%d", placement.BinPack(), nodes), func(b *testing.B) {
			benchmarkPicker(b, placement.NewExhaustive(placement.BinPack()), nodes, 2*benchGroup)
		})
	}
}

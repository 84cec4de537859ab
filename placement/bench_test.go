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
// through Start and Place alone: no source, no commit. BenchmarkFloor is the yardstick.
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

// BenchmarkExplain asks why tasks, each of another size, fit on no node of a cluster that is full for a part,
// more or less by node. After each question, with changes, a task is placed that takes room on a node.
func BenchmarkExplain(b *testing.B) {
	for _, nodes := range []int{1_000, 10_000, 100_000} {
		for _, fill := range []int64{0, 50, 90} {
			for _, changes := range []bool{false, true} {
				b.Run(fmt.Sprintf("nodes=%d/fill=%d/changes=%v", nodes, fill, changes), func(b *testing.B) {
					s := snapshotOf(b, benchNodes(nodes)...)
					engine := placement.NewEngine(placement.BinPack())
					f, rng := s.Fork(), rand.New(rand.NewPCG(3, 3))
					for i, n := range benchNodes(nodes) {
						part := func(of int64) int64 { return of * min(max(fill-10+rng.Int64N(21), 0), 100) / 100 }
						load := request(fmt.Sprintf("load-%d", i), part(n.Capacity["cpu"]), part(n.Capacity["memory"]))
						require.NoError(b, f.Adopt(load.Task(load.Name()), n.ID, nil, berth.Running))
					}
					var groups []*berth.Group
					for i := range 1000 {
						groups = append(groups, request(fmt.Sprintf("g%d", i), 64_250+rng.Int64N(8000), 1<<29<<rng.IntN(7)+int64(i)<<12))
					}
					small := request("small", 1, 1<<20)
					engine.Start(f.Snapshot())
					engine.Explain(groups[0])
					engine.Explain(groups[1])
					b.ReportAllocs()
					i := 0
					for b.Loop() {
						if i++; changes {
							engine.Place(small.Task("t"))
						}
						engine.Explain(groups[i%len(groups)])
					}
				})
			}
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

// BenchmarkFloor is best fit by a tight loop over the same columns, free and capacity of each resource by
// node, with the fractions that do not depend on the task kept beside them: what exhaustive search
// costs without strategies, constraints, IDs or explanations. It makes the same choices, and checks that.
func BenchmarkFloor(b *testing.B) {
	for _, nodes := range []int{1_000, 10_000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			const tasks = 1_000
			f := newFloor(benchNodes(nodes))
			cpu, memory := benchSizes(tasks / benchGroup)
			engine := placement.NewEngine(placement.BinPack())
			engine.Start(snapshotOf(b, benchNodes(nodes)...))
			f.reset()
			for i, t := range benchBatch(tasks) {
				op, _ := engine.Place(t)
				require.Equal(b, op.Node, fmt.Sprintf("node-%06d", f.place(cpu[i/benchGroup], memory[i/benchGroup])))
			}
			for b.Loop() {
				f.reset()
				for i := range cpu {
					for range benchGroup {
						f.place(cpu[i], memory[i])
					}
				}
			}
			b.ReportMetric(tasks*float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
		})
	}
}

// floor is the columns of BenchmarkFloor.
type floor struct {
	cpu, memory, cpuFree, memoryFree, used, class []int64
	sizes                                         [][2]int64 // capacities of each class of nodes
}

func newFloor(nodes []berth.Node) *floor {
	f := &floor{cpuFree: make([]int64, len(nodes)), memoryFree: make([]int64, len(nodes)), used: make([]int64, len(nodes))}
	class := map[[2]int64]int64{}
	for _, n := range nodes {
		size := [2]int64{n.Capacity["cpu"], n.Capacity["memory"]}
		if _, ok := class[size]; !ok {
			class[size] = int64(len(f.sizes))
			f.sizes = append(f.sizes, size)
		}
		f.cpu, f.memory, f.class = append(f.cpu, size[0]), append(f.memory, size[1]), append(f.class, class[size])
	}
	return f
}

func (f *floor) reset() {
	copy(f.cpuFree, f.cpu)
	copy(f.memoryFree, f.memory)
	clear(f.used)
}

// place takes the room of a task on the node that BinPack would choose, and returns its index, or -1.
func (f *floor) place(cpu, memory int64) int {
	var terms [8]int64 // of the request, by class of nodes
	for i, size := range f.sizes {
		terms[i] = (cpu*placement.Resolution/size[0] + memory*placement.Resolution/size[1]) / 2
	}
	best, most := -1, int64(-1)
	for i, used := range f.used {
		if score := used + terms[f.class[i]&7]; score > most && f.cpuFree[i] >= cpu && f.memoryFree[i] >= memory {
			best, most = i, score
		}
	}
	if best >= 0 {
		f.cpuFree[best] -= cpu
		f.memoryFree[best] -= memory
		f.used[best] = ((f.cpu[best]-f.cpuFree[best])*placement.Resolution/f.cpu[best] +
			(f.memory[best]-f.memoryFree[best])*placement.Resolution/f.memory[best]) / 2
	}
	return best
}

package placement_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
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
		nodes[i].Attributes = berth.Attributes{"zone": "z" + strconv.Itoa(i%3), "rack": "r" + strconv.Itoa(i%250), "name": nodes[i].ID}
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

func benchBatch(tasks int, rules ...berth.Constraint) (batch []berth.Task) {
	cpu, memory := benchSizes(tasks / benchGroup)
	for i := range cpu {
		batch = append(batch, request(fmt.Sprintf("g%d", i), cpu[i], memory[i], rules...).Tasks(benchGroup)...)
	}
	return batch
}

func benchmarkPicker(b *testing.B, p placement.Picker, nodes, tasks int, rules ...berth.Constraint) {
	s := snapshotOf(b, benchNodes(nodes)...)
	batch := benchBatch(tasks, rules...)
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

// BenchmarkDeclared gives best fit, alone and with others, by terms that declare more and less of what they read. Package doc
// quotes it.
func BenchmarkDeclared(b *testing.B) {
	best, inUse, whole := placement.Best, placement.InUse(), int64(placement.Resolution)
	zone, rack, node := placement.Tasks("zone").Times(-1), placement.Tasks("rack").Times(-1), placement.Tasks(berth.NodeID).Times(-1)
	packed := placement.Change("packed", func(s *placement.State) (sum int64) {
		for d, c := range s.Capacity {
			if c > 0 {
				sum += (c - s.Free[d]) * placement.Resolution / c
			}
		}
		return sum
	})
	cores := placement.Class("cores", func(n *berth.Node) int64 { return n.Capacity["cpu"] })
	for _, d := range []struct {
		what     string
		strategy placement.Strategy
		tasks    int // where each costs as much as there are nodes, fewer
	}{
		{"func", best(placement.Func("packed", func(c *placement.Candidate) int64 { return -c.Free[0] })), benchTasks / 20},
		{"state", best(packed), benchTasks},
		{"additive", best(inUse), benchTasks},
		{"two-additive", best(inUse.Times(7), placement.InUse("cpu").Times(-3)), benchTasks},
		{"additive+class", best(inUse, cores), benchTasks},
		{"additive+zone", best(inUse, zone.Times(whole/20)), benchTasks},
		{"additive+node", best(inUse, node.Times(whole/20)), benchTasks},
		{"additive+rack", best(inUse, rack.Times(whole/20)), benchTasks},
		{"zone,additive", best(zone).Then(inUse), benchTasks},
		{"zone,node,additive", best(zone).Then(node).Then(inUse), benchTasks},
		{"additive,additive", best(placement.InUse("cpu")).Then(placement.InUse("memory")), benchTasks},
		{"within", best(inUse).Within(whole / 100), benchTasks},
		{"zone+state", best(packed, zone.Times(whole/20)), benchTasks},
	} {
		b.Run(fmt.Sprintf("declared=%s/nodes=10000", d.what), func(b *testing.B) {
			benchmarkPicker(b, placement.NewEngine(d.strategy), 10_000, d.tasks)
		})
	}
}

// BenchmarkFirstFit places a task in each plan on a cluster whose first nodes are full, so that the order of nodes says
// nothing of their room.
func BenchmarkFirstFit(b *testing.B) {
	for _, full := range []int{0, 5_000, 9_000} {
		b.Run(fmt.Sprintf("nodes=10000/full=%d", full), func(b *testing.B) {
			f := cluster.NewFork()
			require.NoError(b, f.AddNodes(benchNodes(10_000)...))
			e := placement.NewEngine(placement.FirstFit())
			e.Start(f.Snapshot())
			one := request("one", 16_000, 1<<30)
			place := func(id string) berth.Op {
				op, ok := e.Place(one.Task(id))
				require.True(b, ok)
				op, why := f.Apply(op)
				require.Equal(b, berth.None, why.Code)
				return op
			}
			for i, node := 0, ""; node < fmt.Sprintf("node-%06d", full); i++ {
				node = place(fmt.Sprint("t", i)).Node
				e.Start(f.Snapshot())
			}
			for b.Loop() {
				place("last")
				f.Apply(berth.Op{Kind: berth.Release, ID: "last"})
				e.Start(f.Snapshot())
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
		})
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

// BenchmarkEven keeps groups even over 250 racks, over hosts, and over zones where a rule reads racks. The exhaustive
// picker, beside it, asks each node about all domains, and on so many nodes would take minutes.
func BenchmarkEven(b *testing.B) {
	for _, c := range []struct {
		name  string
		rules []berth.Constraint
	}{
		{"racks", []berth.Constraint{constraints.GroupBy("rack")}},
		{"hosts", []berth.Constraint{constraints.GroupBy(berth.NodeID)}},
		{"zones, not one rack", []berth.Constraint{constraints.GroupBy("zone"), constraints.NotEq("rack", "r1")}},
		{"unique racks", []berth.Constraint{constraints.Unique("rack")}}, // not even, for comparison
	} {
		b.Run("engine/nodes=10000/over="+c.name, func(b *testing.B) {
			benchmarkPicker(b, placement.NewEngine(placement.BinPack()), 10_000, benchTasks, c.rules...)
		})
		b.Run("exhaustive/nodes=1000/over="+c.name, func(b *testing.B) {
			benchmarkPicker(b, placement.NewExhaustive(placement.BinPack()), 1_000, benchGroup, c.rules...)
		})
	}
}

// BenchmarkSpreadWide spreads groups over 250 racks, over racks within zones, and over an attribute of which each node
// has a value of its own.
func BenchmarkSpreadWide(b *testing.B) {
	for _, s := range []placement.Strategy{
		placement.Spread("rack"), placement.Spread("rack", berth.NodeID), placement.Spread("zone", "rack"),
		placement.Spread("rack", "zone"), placement.Spread(berth.NodeID, "rack"), placement.Spread("name"),
	} {
		b.Run(fmt.Sprintf("engine/strategy=%v/nodes=10000", s), func(b *testing.B) {
			benchmarkPicker(b, placement.NewEngine(s), 10_000, benchTasks)
		})
	}
	b.Run("exhaustive/strategy=spread(rack)/nodes=10000", func(b *testing.B) {
		benchmarkPicker(b, placement.NewExhaustive(placement.Spread("rack")), 10_000, benchGroup)
	})
}

// BenchmarkManyClasses packs nodes of as many classes as there are.
func BenchmarkManyClasses(b *testing.B) {
	for _, kinds := range []int{8, 16, 32, 64, 128, 256, 500} {
		b.Run(fmt.Sprintf("classes=%d", kinds), func(b *testing.B) {
			nodes := benchNodes(10_000)
			for i := range nodes {
				nodes[i].Capacity = berth.Resources{"cpu": 32000 + int64(i%kinds), "memory": 128 << 30}
			}
			s := snapshotOf(b, nodes...)
			batch := benchBatch(benchTasks)
			engine := placement.NewEngine(placement.BinPack())
			for b.Loop() {
				engine.Start(s)
				for _, t := range batch {
					engine.Place(t)
				}
			}
			b.ReportMetric(benchTasks*float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
		})
	}
}

// BenchmarkScan asks a strategy that declares nothing about every row for each task, and one of Shape about every
// row for each request, with one goroutine and with as many as there are processors.
func BenchmarkScan(b *testing.B) {
	least := func(c *placement.Candidate) int64 { return -c.Free[0] }
	const tasks = 10 * benchGroup
	for _, procs := range []int{1, runtime.NumCPU()} {
		for _, nodes := range []int{1_000, 2_500, 5_000, 10_000} {
			for _, s := range []placement.Strategy{
				placement.Best(placement.Func("func", least)), placement.Best(placement.Change("state", func(s *placement.State) int64 { return s.Free[0] })),
			} {
				b.Run(fmt.Sprintf("strategy=%v/nodes=%d/procs=%d", s, nodes, procs), func(b *testing.B) {
					defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
					benchmarkPicker(b, placement.NewEngine(s), nodes, tasks)
				})
			}
		}
	}
}

// BenchmarkSpreadRounds places one group of five tasks for each node, so that nodes have to be used again.
func BenchmarkSpreadRounds(b *testing.B) {
	for _, s := range []placement.Strategy{
		placement.Spread(berth.NodeID), placement.Spread("zone", berth.NodeID), placement.Spread("rack", berth.NodeID),
	} {
		b.Run(fmt.Sprintf("strategy=%v/nodes=2000", s), func(b *testing.B) {
			snapshot := snapshotOf(b, benchNodes(2_000)...)
			engine := placement.NewEngine(s)
			batch := request("g", 100, 1<<20).Tasks(benchTasks)
			for b.Loop() {
				engine.Start(snapshot)
				for _, t := range batch {
					engine.Place(t)
				}
			}
			b.ReportMetric(benchTasks*float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
		})
	}
}

// BenchmarkEvenRounds places one group of many rounds over all domains, whose limit rises with each.
func BenchmarkEvenRounds(b *testing.B) {
	for _, over := range []string{"rack", berth.NodeID} {
		b.Run("over="+over, func(b *testing.B) {
			s := snapshotOf(b, benchNodes(10_000)...)
			engine := placement.NewEngine(placement.BinPack())
			batch := request("g", 100, 1<<20, constraints.GroupBy(over)).Tasks(5 * benchTasks)
			for b.Loop() {
				engine.Start(s)
				for _, t := range batch {
					_, ok := engine.Place(t)
					require.True(b, ok)
				}
			}
			b.ReportMetric(float64(len(batch))*float64(b.N)/b.Elapsed().Seconds(), "decisions/s")
		})
	}
}

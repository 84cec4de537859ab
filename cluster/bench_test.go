package cluster_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

func manyNodes(n int) []berth.Node {
	nodes := make([]berth.Node, n)
	for i := range nodes {
		nodes[i] = berth.Node{ID: fmt.Sprintf("node-%06d", i), Capacity: berth.Resources{"cpu": 64000, "memory": 256 << 30},
			Attributes: berth.Attributes{"zone": []string{"a", "b", "c"}[i%3]}}
	}
	return nodes
}

func manyForked(b *testing.B, nodes int) *cluster.Fork {
	f := cluster.NewFork()
	require.NoError(b, f.AddNodes(manyNodes(nodes)...))
	f.Snapshot() // sorts the nodes
	return f
}

var small = berth.GroupSpec{Request: berth.Resources{"cpu": 100, "memory": 1 << 28}}

func BenchmarkSnapshot(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			f := manyForked(b, n)
			b.ReportAllocs()
			for b.Loop() {
				f.Snapshot()
			}
		})
	}
}

func BenchmarkFork(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			s := manyForked(b, n).Snapshot()
			b.ReportAllocs()
			for b.Loop() {
				s.Fork()
			}
		})
	}
}

// BenchmarkFirstWrite is a fork and one placement on it: the pages that the placement writes are copied.
func BenchmarkFirstWrite(b *testing.B) {
	for _, n := range []int{1000, 100_000} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			f := manyForked(b, n)
			g := berth.NewGroup("g", small)
			_, why := f.Apply(berth.Op{Task: g.Task("first"), Node: "node-000001"})
			require.Equal(b, berth.None, why.Code)
			s := f.Snapshot()
			b.ReportAllocs()
			for b.Loop() {
				if _, why := s.Fork().Apply(berth.Op{Task: g.Task("t"), Node: "node-000500"}); why.Code != berth.None {
					b.Fatal(why)
				}
			}
		})
	}
}

func BenchmarkPlaceRelease(b *testing.B) {
	f := manyForked(b, 10_000)
	g := berth.NewGroup("g", small)
	_, why := f.Apply(berth.Op{Task: g.Task("first"), Node: "node-000000"})
	require.Equal(b, berth.None, why.Code)
	tasks := g.Tasks(4096)
	var nodes []string
	for n := range f.Nodes() {
		nodes = append(nodes, n.ID())
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		t := tasks[i%len(tasks)]
		if _, why := f.Apply(berth.Op{Task: t, Node: nodes[i%len(nodes)]}); why.Code != berth.None {
			b.Fatal(why)
		}
		if _, why := f.Apply(berth.Op{Kind: berth.Release, ID: t.ID}); why.Code != berth.None {
			b.Fatal(why)
		}
		i++
	}
}

// BenchmarkMemory reports what a node and a task cost at rest, their IDs and the host's description included.
func BenchmarkMemory(b *testing.B) {
	const n = 100_000
	b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
		for b.Loop() {
			before := heap()
			f := cluster.NewFork()
			require.NoError(b, f.AddNodes(manyNodes(n)...))
			f.Snapshot()
			nodes := heap()
			g := berth.NewGroup("g", small)
			for i, t := range g.Tasks(n) {
				if _, why := f.Apply(berth.Op{Task: t, Node: fmt.Sprintf("node-%06d", i)}); why.Code != berth.None {
					b.Fatal(why)
				}
			}
			tasks := heap()
			b.ReportMetric(float64(nodes-before)/n, "B/node")
			b.ReportMetric(float64(tasks-nodes)/n, "B/task")
			runtime.KeepAlive(f)
		}
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

package cluster_test

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

// joining returns the node that joins as the i-th: its ID comes in no order, and it has an attribute of its own.
func joining(i int) berth.Node {
	return berth.Node{
		ID:         fmt.Sprintf("node-%08x", uint32(i)*2654435761),
		Capacity:   berth.Resources{"cpu": 16_000, "memory": 64 << 30},
		Attributes: berth.Attributes{"host": fmt.Sprintf("host-%d.example.org", i), "zone": string(rune('a' + i%3))},
	}
}

func growState(b *testing.B) *scheduler.State {
	b.Helper()
	s, err := scheduler.NewState(scheduler.StateConfig{})
	require.NoError(b, err)
	return s
}

// growAddNodesSnapshot adds nodes one by one, each followed by a snapshot.
func growAddNodesSnapshot(b *testing.B, n int) {
	for b.Loop() {
		s := growState(b)
		for i := range n {
			require.NoError(b, s.AddNodes(joining(i)))
			snapshot, err := s.Snapshot(context.Background())
			if err != nil || snapshot.Len() != i+1 {
				b.Fatal(err, snapshot.Len())
			}
		}
	}
}

// growOwnResource adds nodes one by one, each with a resource that no other has, and places a task of each.
func growOwnResource(b *testing.B, n int) {
	for b.Loop() {
		f := cluster.NewFork()
		for i := range n {
			node, own := joining(i), fmt.Sprint("licence-", i)
			node.Capacity[own] = 1
			require.NoError(b, f.AddNodes(node))
			task := berth.NewTask(fmt.Sprint("t", i), berth.GroupSpec{Request: berth.Resources{"cpu": 1, own: 1}})
			if _, why := f.Apply(berth.Op{Kind: berth.Place, Task: task, Node: node.ID}); why.Code != berth.None {
				b.Fatal(why)
			}
		}
	}
}

// growForksOfForks forks a fork of a fork and so on, and releases a task and places another on each.
func growForksOfForks(b *testing.B, n int) {
	first := cluster.NewFork()
	g := berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"cpu": 10}})
	for i := range 1000 {
		require.NoError(b, first.AddNodes(joining(i)))
		_, why := first.Apply(berth.Op{Kind: berth.Place, Task: g.Task(fmt.Sprint("t", i)), Node: joining(i).ID})
		require.Equal(b, berth.None, why.Code)
	}
	for b.Loop() {
		f := first
		for i := range n {
			f = f.Snapshot().Fork()
			node := joining(i % 1000).ID
			if _, why := f.Apply(berth.Op{Kind: berth.Release, ID: fmt.Sprint("t", i)}); why.Code != berth.None {
				b.Fatal(why)
			}
			if _, why := f.Apply(berth.Op{Kind: berth.Place, Task: g.Task(fmt.Sprint("t", 1000+i)), Node: node}); why.Code != berth.None {
				b.Fatal(why)
			}
		}
	}
}

// heapInUse returns the bytes on the heap that something refers to.
func heapInUse() int64 {
	for range 3 { // what is forgotten by a finalizer or a pool goes a round later
		runtime.GC()
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// bytesLeft reports what the heap holds of a State through which something came and went, beyond what it held before.
func bytesLeft(b *testing.B, through func(s *scheduler.State)) {
	for b.Loop() {
		s := growState(b)
		require.NoError(b, s.AddNodes(berth.Node{ID: "stays", Capacity: berth.Resources{"cpu": 1 << 40}}))
		before := heapInUse()
		through(s)
		left := heapInUse() - before
		b.ReportMetric(float64(max(left, 0)), "bytes-left")
		runtime.KeepAlive(s)
	}
}

// growNodesRolling lets nodes come and go, a thousand at a time.
func growNodesRolling(b *testing.B, n int) {
	bytesLeft(b, func(s *scheduler.State) { comeAndGo(b, s, n, 1000) })
}

// growNodesAtOnce lets nodes come and go, all at a time.
func growNodesAtOnce(b *testing.B, n int) {
	bytesLeft(b, func(s *scheduler.State) { comeAndGo(b, s, n, n) })
}

func comeAndGo(b *testing.B, s *scheduler.State, n, atOnce int) {
	for from := 0; from < n; from += atOnce {
		nodes := make([]berth.Node, atOnce)
		ids := make([]string, atOnce)
		for i := range nodes {
			nodes[i] = joining(from + i)
			ids[i] = nodes[i].ID
		}
		require.NoError(b, s.AddNodes(nodes...))
		require.NoError(b, s.RemoveNodes(ids...))
	}
}

// growTasksAtOnce lets tasks come and go, all at a time, each of a group of its own.
func growTasksAtOnce(b *testing.B, n int) {
	bytesLeft(b, func(s *scheduler.State) {
		for range 2 {
			snapshot, err := s.Snapshot(context.Background())
			require.NoError(b, err)
			plan := &cluster.Plan{Version: snapshot.Version()}
			ids := make([]string, n)
			for i := range ids {
				ids[i] = fmt.Sprint("task-", i)
				task := berth.NewTask(ids[i], berth.GroupSpec{Request: berth.Resources{"cpu": 1}})
				plan.Ops = append(plan.Ops, berth.Op{Kind: berth.Place, Task: task, Node: "stays"})
			}
			out, err := s.Commit(context.Background(), plan)
			require.NoError(b, err)
			require.Len(b, out.Placed, n)
			require.NoError(b, s.Release(ids...))
		}
	})
}

// growResourcesRolling lets nodes come and go one by one, each with a resource that no other ever has.
func growResourcesRolling(b *testing.B, n int) {
	bytesLeft(b, func(s *scheduler.State) {
		for i := range n {
			node := joining(i)
			node.Capacity[fmt.Sprint("licence-", i)] = 1
			require.NoError(b, s.AddNodes(node))
			require.NoError(b, s.RemoveNodes(node.ID))
		}
	})
}

package scheduler_test

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/scheduler"
)

// fullCluster returns a State of many nodes, with ten tasks each, of groups of a hundred, some of them assumed, and some holds.
func fullCluster(b testing.TB, nodes int, record func(scheduler.Command) error) *scheduler.State {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	s, err := scheduler.NewState(scheduler.StateConfig{Record: record, Clock: func() time.Time { return now }})
	require.NoError(b, err)
	list := make([]berth.Node, nodes)
	for i := range list {
		list[i] = berth.Node{
			ID: fmt.Sprintf("node-%06d", i), Capacity: berth.Resources{"cpu": 64000, "memory": 256 << 30},
			Attributes: berth.Attributes{"zone": fmt.Sprint("z", i%3), "rack": fmt.Sprint("r", i/40), "generation": i % 5},
		}
	}
	require.NoError(b, s.AddNodes(list...))
	var group *berth.Group
	for i := 0; i < 10*nodes; {
		p := &cluster.Plan{Version: s.Version()}
		for range min(1000, 10*nodes-i) {
			if i%100 == 0 {
				group = berth.NewGroup(fmt.Sprintf("service-%d", i/100), berth.GroupSpec{
					Role: berth.Role(fmt.Sprint("team-", i%7)), Request: berth.Resources{"cpu": 500, "memory": 1 << 30},
					Rules: []berth.Constraint{constraints.In("zone", "z0", "z1", "z2"), constraints.UniqueNode()},
				})
			}
			p.Place(group.Task(fmt.Sprintf("%s-%d", group.Name(), i%100)), list[i%nodes].ID)
			i++
		}
		if i%9000 == 0 {
			p.Take(berth.Hold{ID: fmt.Sprint("h", i), Owner: "o", Node: list[i%nodes].ID, Resources: berth.Resources{"cpu": 10}, Deadline: now.Add(time.Hour)})
		}
		out, err := s.Commit(context.Background(), p)
		require.NoError(b, err)
		require.Empty(b, out.Refused)
	}
	return s
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}

// BenchmarkRestore is what it takes to write a State and to begin again with it. state-MB is what the restored State takes, and
// all-MB what was allocated for it in all, which is more than was ever in use.
func BenchmarkRestore(b *testing.B) {
	for _, nodes := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("nodes=%d/tasks=%d", nodes, 10*nodes), func(b *testing.B) {
			s := fullCluster(b, nodes, nil)
			var out bytes.Buffer
			require.NoError(b, scheduler.Codec{}.Checkpoint(&out, s))
			s = nil
			var state, all uint64
			b.ResetTimer()
			for b.Loop() {
				b.StopTimer()
				before, then := heap(), allocated()
				b.StartTimer()
				again, err := scheduler.Codec{}.Restore(bytes.NewReader(out.Bytes()), scheduler.StateConfig{})
				b.StopTimer()
				require.NoError(b, err)
				all = allocated() - then
				state = heap() - before
				require.Equal(b, 10*nodes, tasksOf(b, again))
				b.StartTimer()
			}
			b.ReportMetric(float64(out.Len())/1e6, "checkpoint-MB")
			b.ReportMetric(float64(state)/1e6, "state-MB")
			b.ReportMetric(float64(all)/1e6, "all-MB")
			b.ReportMetric(float64(all)/float64(state), "all/state")
		})
	}
}

func tasksOf(b testing.TB, s *scheduler.State) int {
	snapshot, err := s.Snapshot(context.Background())
	require.NoError(b, err)
	return snapshot.Tasks()
}

// BenchmarkCheckpoint is what it takes to write a State down.
func BenchmarkCheckpoint(b *testing.B) {
	for _, nodes := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("nodes=%d/tasks=%d", nodes, 10*nodes), func(b *testing.B) {
			s := fullCluster(b, nodes, nil)
			var out bytes.Buffer
			b.ReportAllocs()
			for b.Loop() {
				out.Reset()
				require.NoError(b, scheduler.Codec{}.Checkpoint(&out, s))
			}
			b.SetBytes(int64(out.Len()))
		})
	}
}

// BenchmarkLog is what a Log adds to a commit of one task and of many, its file in memory, and what it takes to do the commands again.
func BenchmarkLog(b *testing.B) {
	for _, tasks := range []int{1, 100} {
		b.Run(fmt.Sprintf("record/tasks=%d", tasks), func(b *testing.B) {
			log := new(scheduler.Log)
			s, err := scheduler.NewState(scheduler.StateConfig{})
			require.NoError(b, err)
			require.NoError(b, log.Open(new(growing), s))
			g := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1}, Rules: []berth.Constraint{constraints.UniqueNode()}})
			var c scheduler.Command
			for i, t := range g.Tasks(tasks) {
				c.Ops = append(c.Ops, berth.Op{Kind: berth.Place, Task: t, Node: fmt.Sprint("node-", i)})
			}
			b.ReportAllocs()
			for b.Loop() {
				require.NoError(b, log.Record(c))
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*tasks), "ns/task")
		})
	}
	b.Run("open/tasks=100000", func(b *testing.B) {
		log, file := new(scheduler.Log), new(growing)
		s, err := scheduler.NewState(scheduler.StateConfig{})
		require.NoError(b, err)
		require.NoError(b, log.Open(file, s))
		fullCluster(b, 10_000, log.Record)
		for b.Loop() {
			again, err := scheduler.NewState(scheduler.StateConfig{})
			require.NoError(b, err)
			file.at = 0
			require.NoError(b, new(scheduler.Log).Open(file, again))
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*100_000), "ns/task")
		b.ReportMetric(float64(len(file.data))/1e6, "log-MB")
	})
}

// growing is a file in memory that forgets what is beyond 64 MB.
type growing struct {
	data []byte
	at   int
}

func (f *growing) Read(b []byte) (int, error) {
	n, err := bytes.NewReader(f.data[f.at:]).Read(b)
	f.at += n
	return n, err
}

func (f *growing) Write(b []byte) (int, error) {
	if len(f.data) > 1<<26 {
		f.data, f.at = f.data[:0], 0
	}
	f.data = append(f.data[:f.at], b...)
	f.at += len(b)
	return len(b), nil
}

func (f *growing) Seek(offset int64, _ int) (int64, error) {
	f.at = int(offset)
	return offset, nil
}

func (f *growing) Truncate(size int64) error {
	f.data = f.data[:size]
	return nil
}

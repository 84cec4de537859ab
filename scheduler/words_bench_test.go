package scheduler_test

import (
	"context"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

// BenchmarkWords tells what each word of the public API costs, per task, on 10,000 nodes that are half
// full: what a host pays to describe a task, and what each step of a decision takes. placement/ENGINE.md has
// the account.
func BenchmarkWords(b *testing.B) {
	const batch = 1000
	w := newWorkload(10_000)
	state, err := scheduler.NewState(scheduler.StateConfig{}, w.nodes...)
	require.NoError(b, err)
	w.fill(b, state, 50)
	ctx := context.Background()
	snapshot, err := state.Snapshot(ctx)
	require.NoError(b, err)
	spec := berth.GroupSpec{Request: berth.Resources{"cpu": 250, "memory": 1 << 30}}
	perTask := func(b *testing.B, n int) {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/task")
		b.ReportMetric(0, "ns/op")
	}

	b.Run("describe/group of its own", func(b *testing.B) {
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			i++
			berth.NewTask("task-"+strconv.Itoa(i), spec)
		}
		perTask(b, 1)
	})
	b.Run("describe/task of a group", func(b *testing.B) {
		b.ReportAllocs()
		g := berth.NewGroup("g", spec)
		for b.Loop() {
			g.Tasks(batch)
		}
		perTask(b, batch)
	})
	b.Run("look-up/task that is not there", func(b *testing.B) {
		tasks := berth.NewGroup("nobody", spec).Tasks(batch)
		for b.Loop() {
			for _, t := range tasks {
				snapshot.Task(t.ID)
			}
		}
		perTask(b, batch)
	})
	b.Run("plan", func(b *testing.B) {
		b.ReportAllocs()
		s, err := scheduler.New(state, scheduler.Config{})
		require.NoError(b, err)
		tasks := berth.NewGroup("planned", spec).Tasks(batch)
		for b.Loop() {
			_, err := s.Plan(b.Context(), snapshot, tasks...)
			require.NoError(b, err)
		}
		perTask(b, batch)
	})

	place := func(b *testing.B, fork *cluster.Fork, pages bool) {
		b.ReportAllocs()
		g := berth.NewGroup("placed", berth.GroupSpec{Request: berth.Resources{"cpu": 1}})
		tasks := g.Tasks(batch)
		var ops []berth.Op
		for i := 0; len(ops) < batch; i++ {
			op, why := fork.Apply(berth.Op{Kind: berth.Place, Task: tasks[len(ops)], Node: w.nodes[i*7%len(w.nodes)].ID})
			if why.Code != berth.None {
				continue // full
			}
			fork.Apply(berth.Op{Kind: berth.Release, ID: op.Task.ID})
			ops = append(ops, op)
		}
		for b.Loop() {
			for _, op := range ops {
				if pages {
					fork.Snapshot()
				}
				fork.Apply(op)
			}
			b.StopTimer()
			for _, t := range tasks {
				fork.Apply(berth.Op{Kind: berth.Release, ID: t.ID})
			}
			b.StartTimer()
		}
		perTask(b, batch)
	}
	b.Run("place", func(b *testing.B) { place(b, snapshot.Fork(), false) })
	b.Run("place/after a snapshot each", func(b *testing.B) { place(b, snapshot.Fork(), true) })

	commit := func(b *testing.B, cfg scheduler.StateConfig) {
		b.ReportAllocs()
		state, err := scheduler.NewState(cfg, w.nodes...)
		require.NoError(b, err)
		s, err := scheduler.New(state, scheduler.Config{})
		require.NoError(b, err)
		tasks := berth.NewGroup("committed", spec).Tasks(batch)
		ids := make([]string, batch)
		for i, t := range tasks {
			ids[i] = t.ID
		}
		for b.Loop() {
			b.StopTimer()
			snapshot, err := state.Snapshot(ctx)
			require.NoError(b, err)
			plan, err := s.Plan(b.Context(), snapshot, tasks...)
			require.NoError(b, err)
			b.StartTimer()
			_, err = state.Commit(ctx, plan)
			b.StopTimer()
			require.NoError(b, err)
			require.NoError(b, state.Release(ids...))
			b.StartTimer()
		}
		perTask(b, batch)
	}
	b.Run("commit", func(b *testing.B) { commit(b, scheduler.StateConfig{}) })
	b.Run("commit/recorded", func(b *testing.B) {
		commit(b, scheduler.StateConfig{Record: func(scheduler.Command) error { return nil }})
	})
	b.Run("commit/admission", func(b *testing.B) {
		commit(b, scheduler.StateConfig{Admit: func(scheduler.Admission) berth.Reason { return berth.Reason{} }})
	})
}

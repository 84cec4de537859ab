package scheduler_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

// BenchmarkForkPlan tells what a what-if costs on nodes that are half full: a task is evicted on a fork of the present,
// one is planned there, and then the next on the State itself. us/plan is the time of the two plans together, us/fork
// that of making the fork, evicting the task and taking the fork's snapshot.
func BenchmarkForkPlan(b *testing.B) {
	for _, n := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("nodes=%d", n), func(b *testing.B) {
			w := newWorkload(n)
			state, err := scheduler.NewState(scheduler.StateConfig{}, w.nodes...)
			require.NoError(b, err)
			placed := w.fill(b, state, 50)
			s, err := scheduler.New(state, scheduler.Config{})
			require.NoError(b, err)
			present, err := state.Snapshot(context.Background())
			require.NoError(b, err)
			g := berth.NewGroup("what-if", berth.GroupSpec{Request: berth.Resources{"cpu": 2000, "memory": 4 << 30}})
			plan := func(on *cluster.Snapshot) {
				if p, err := s.Plan(b.Context(), on, g.Task("t")); err != nil || len(p.Ops) != 1 {
					b.Fatal(p, err)
				}
			}
			plan(present)
			var forking, planning time.Duration
			i := 0
			b.ReportAllocs()
			for b.Loop() {
				begin := time.Now()
				f := present.Fork()
				if _, why := f.Apply(berth.Op{Kind: berth.Evict, ID: placed[i%len(placed)]}); why.Code != berth.None {
					b.Fatal(why)
				}
				i++
				forked := f.Snapshot()
				middle := time.Now()
				plan(forked)
				plan(present)
				forking += middle.Sub(begin)
				planning += time.Since(middle)
			}
			b.ReportMetric(float64(planning.Nanoseconds())/1000/float64(b.N), "us/plan")
			b.ReportMetric(float64(forking.Nanoseconds())/1000/float64(b.N), "us/fork")
		})
	}
}

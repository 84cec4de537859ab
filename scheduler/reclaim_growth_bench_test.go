package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// BenchmarkReclaimGrowth reclaims room for a task on n full nodes with four tasks each, and for one that takes half of two nodes with n tasks
// each.
func BenchmarkReclaimGrowth(b *testing.B) {
	for _, row := range []struct {
		what            string
		n               int
		nodes, on, ends func(n int) int
	}{
		{"nodes", 1000, func(n int) int { return n }, func(int) int { return 4 }, func(int) int { return 2 }},
		{"tasks-on-a-node", 1000, func(int) int { return 2 }, func(n int) int { return n }, func(n int) int { return n / 2 }},
	} {
		for _, n := range []int{row.n, 2 * row.n} {
			b.Run(fmt.Sprintf("what=%s/n=%d", row.what, n), func(b *testing.B) {
				nodes, on, ends := row.nodes(n), row.on(n), row.ends(n)
				state := newState(b, scheduler.StateConfig{})
				for i := range nodes {
					require.NoError(b, state.AddNodes(berth.Node{ID: fmt.Sprintf("n%05d", i), Capacity: berth.Resources{"cpu": int64(on)}}))
				}
				require.NoError(b, state.SetQuotas(berth.Quota{Role: "a", Guarantees: berth.Resources{"cpu": int64(ends)}}))
				s, err := scheduler.New(state, scheduler.Config{})
				require.NoError(b, err)
				_, err = s.Schedule(b.Context(), berth.NewGroup("b", berth.GroupSpec{Role: "b", Request: berth.Resources{"cpu": 1}}).Tasks(nodes*on)...)
				require.NoError(b, err)
				snapshot := snapshotOf(b, state)
				task := berth.NewTask("a", berth.GroupSpec{Role: "a", Request: berth.Resources{"cpu": int64(ends)}})
				b.ResetTimer()
				for b.Loop() {
					got, err := s.Reclaim(b.Context(), snapshot, scheduler.Reclaim{}, task)
					if err != nil || len(got.Claims) != 1 || len(got.Claims[0].Ends) != ends {
						b.Fatal(got, err)
					}
				}
			})
		}
	}
}

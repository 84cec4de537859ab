package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// A gang gets what is guaranteed to its role whole, or nothing ends for it. Three nodes of four cores; batch runs tasks of one core each.
func TestReclaimOfGangs(t *testing.T) {
	for _, tc := range []struct {
		name       string
		guaranteed int64
		batch      int  // tasks of one core
		running    bool // one of the gang's tasks runs
		n, cores   int  // tasks handed in, of a gang of three
		claims     []string
		unplaced   int
	}{
		{"each on a node of its own", 9, 12, false, 3, 3, []string{
			"g-1 on n3 for train: ends batch-12, batch-11, batch-10", "g-2 on n2 for train: ends batch-8, batch-7, batch-6",
			"g-3 on n1 for train: ends batch-4, batch-3, batch-2"}, 0},
		{"not for two of three", 8, 12, false, 3, 3, nil, 3},
		{"too few handed in", 12, 12, false, 2, 3, nil, 2},
		// n3 is free.
		{"one is free, and two are made so", 9, 8, false, 3, 3, []string{
			"g-2 on n2 for train: ends batch-8, batch-7, batch-6", "g-3 on n1 for train: ends batch-4, batch-3, batch-2"}, 0},
		{"one runs", 9, 8, true, 2, 3, []string{
			"g-1 on n2 for train: ends batch-8, batch-7, batch-6", "g-2 on n1 for train: ends batch-4, batch-3, batch-2"}, 0},
		{"all free", 0, 2, false, 3, 2, nil, 0},
		{"more than the gang, as far as the guarantee goes", 9, 12, false, 4, 3, []string{
			"g-1 on n3 for train: ends batch-12, batch-11, batch-10", "g-2 on n2 for train: ends batch-8, batch-7, batch-6",
			"g-3 on n1 for train: ends batch-4, batch-3, batch-2"}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			state := newState(t, scheduler.StateConfig{})
			for i := range 3 {
				require.NoError(t, state.AddNodes(berth.Node{ID: fmt.Sprint("n", i+1), Capacity: berth.Resources{"cpu": 4}}))
			}
			batch := berth.NewGroup("batch", berth.GroupSpec{Role: "batch", Request: berth.Resources{"cpu": 1}})
			for i := range tc.batch {
				require.NoError(t, state.Adopt(scheduler.Running{Task: batch.Task(fmt.Sprint("batch-", i+1)), Node: fmt.Sprint("n", i/4+1)}))
			}
			gang := berth.NewGroup("g", berth.GroupSpec{Role: "train", Mode: berth.Gang, GangSize: 3, Request: berth.Resources{"cpu": int64(tc.cores)}})
			if tc.running {
				require.NoError(t, state.Adopt(scheduler.Running{Task: gang.Task("g-0"), Node: "n3"}))
			}
			require.NoError(t, state.SetQuotas(berth.Quota{Role: "train", Guarantees: berth.Resources{"cpu": tc.guaranteed}}))
			s, err := scheduler.New(state, scheduler.Config{})
			require.NoError(t, err)
			got, err := s.Reclaim(t.Context(), snapshotOf(t, state), scheduler.Reclaim{}, gang.Tasks(tc.n)...)
			require.NoError(t, err)
			var claims []string
			for _, c := range got.Claims {
				claims = append(claims, c.String())
			}
			assert.Equal(t, tc.claims, claims)
			assert.Len(t, got.Plan.Unplaced, tc.unplaced)
			if len(got.Plan.Ops) == 0 {
				assert.Equal(t, tc.n, tc.unplaced)
				return
			}
			assert.Len(t, got.Plan.Parts, 1, "it stands or falls together")
			out := commit(t, state, got.Plan)
			assert.Empty(t, out.Refused)
			assert.Len(t, out.Placed, tc.n-tc.unplaced)
		})
	}
}

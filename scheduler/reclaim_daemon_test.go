package scheduler_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

// The instances of a daemon have what is guaranteed to its role back on each node, by the end of the youngest that have more than is theirs.
func ExampleScheduler_Reclaim_daemon() {
	ctx := context.Background()
	must := func(err error) {
		if err != nil {
			panic(err)
		}
	}
	state, err := scheduler.NewState(scheduler.StateConfig{},
		berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 2000}}, berth.Node{ID: "n2", Capacity: berth.Resources{"cpu": 2000}})
	must(err)
	must(state.SetQuotas(berth.Quota{Role: "ops", Guarantees: berth.Resources{"cpu": 2000}}))
	s, err := scheduler.New(state, scheduler.Config{})
	must(err)
	batch := berth.NewGroup("batch", berth.GroupSpec{Role: "batch", Request: berth.Resources{"cpu": 1000}})
	_, err = s.Schedule(ctx, batch.Tasks(4)...) // which is all there is
	must(err)

	agent := berth.NewGroup("agent", berth.GroupSpec{Role: "ops", Mode: berth.Daemon, Request: berth.Resources{"cpu": 500}})
	now, err := state.Snapshot(ctx)
	must(err)
	proposal, err := s.Reclaim(ctx, now, scheduler.Reclaim{}, agent.Everywhere())
	must(err)
	for _, claim := range proposal.Claims {
		fmt.Println(claim)
	}
	// Output:
	// agent@n1 on n1 for ops: ends batch-2
	// agent@n2 on n2 for ops: ends batch-4
}

// An instance that has room is placed, one for which the guarantee is not enough is not, nor is one whose node it may not be on; tasks of daemons and gangs, and
// what is kept, do not end.
func TestReclaimForDaemons(t *testing.T) {
	group := func(name string, role berth.Role, mode berth.Mode, cpu int64) *berth.Group {
		return berth.NewGroup(name, berth.GroupSpec{Role: role, Mode: mode, Request: berth.Resources{"cpu": cpu}})
	}
	for _, tc := range []struct {
		name       string
		guaranteed int64
		keep       string
		want       string
	}{
		{"all", 9000, "", "agent@n2 ends batch-2, agent@n3 ends batch-4; places agent@n1"},
		{"as far as it goes", 2000, "", "agent@n2 ends batch-2; places agent@n1; agent@n3 waits"},
		{"no more than it has", 1000, "", "places agent@n1; agent@n2 waits; agent@n3 waits"},
		{"what is kept", 9000, "batch-4", "agent@n2 ends batch-2, agent@n3 ends batch-3; places agent@n1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			state := newState(t, scheduler.StateConfig{}, node("n1", 1000), node("n2", 2000), node("n3", 2000), node("n4", 1000))
			require.NoError(t, state.Cordon("n4"))
			require.NoError(t, state.SetQuotas(berth.Quota{Role: "ops", Guarantees: berth.Resources{"cpu": tc.guaranteed}}))
			batch, other := group("batch", "batch", berth.Count, 1000), group("other", "batch", berth.Daemon, 1000)
			for i, n := range []string{"n2", "n2", "n3", "n3"} {
				require.NoError(t, state.Adopt(scheduler.Running{Task: batch.Task(fmt.Sprint("batch-", i+1)), Node: n}))
			}
			require.NoError(t, state.Adopt(scheduler.Running{Task: other.On("n4"), Node: "n4"}))
			s, err := scheduler.New(state, scheduler.Config{})
			require.NoError(t, err)
			how := scheduler.Reclaim{}
			if tc.keep != "" {
				how.Keep = func(t cluster.TaskView) bool { return t.ID == tc.keep }
			}
			out, err := s.Reclaim(t.Context(), snapshotOf(t, state), how, group("agent", "ops", berth.Daemon, 1000).Everywhere())
			require.NoError(t, err)
			said, claimed := "", map[string]bool{}
			for i, c := range out.Claims {
				require.Len(t, c.Ends, 1)
				said += []string{"", ", "}[min(i, 1)] + c.Task.ID + " ends " + c.Ends[0].ID
				claimed[c.Task.ID] = true
			}
			tell := func(text string) {
				if said != "" {
					said += "; "
				}
				said += text
			}
			for _, op := range out.Plan.Ops {
				if op.Kind == berth.Place && !claimed[op.Task.ID] {
					tell("places " + op.Task.ID)
				}
			}
			for _, u := range out.Plan.Unplaced {
				tell(u.Task.ID + " waits")
			}
			assert.Equal(t, tc.want, said)
			done := commit(t, state, out.Plan)
			assert.Empty(t, done.Refused)
		})
	}
}

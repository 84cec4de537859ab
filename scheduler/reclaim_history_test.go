package scheduler_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/scheduler"
)

// A cluster that lends what guarantees do not use and takes it back, for long: no commit of a proposal brings a role, or one above it, below what
// is guaranteed to it in favour of another, who gets
// tasks by force has no more than is guaranteed in whose name it was, and the whole of a proposal is done.
func TestReclaimInLongHistories(t *testing.T) {
	guaranteed := map[berth.Role]int64{"a": 10, "b": 6, "o": 12, "o/x": 4, "o/y": 5}
	roles := []berth.Role{"a", "b", "c", "o/x", "o/y", "o/z"}
	claims := 0
	for seed := range uint64(12) {
		rng := rand.New(rand.NewPCG(seed, 31))
		s := newState(t, scheduler.StateConfig{})
		var total int64
		for i := range 5 {
			cpu := int64(6 + rng.IntN(5))
			total += cpu
			require.NoError(t, s.AddNodes(node(fmt.Sprintf("n%d", i), cpu)))
		}
		for r, q := range guaranteed {
			require.NoError(t, s.SetQuotas(berth.Quota{Role: r, Guarantees: berth.Resources{"cpu": q}}))
		}
		sched, err := scheduler.New(s, scheduler.Config{Order: allocator.Tree{Policy: allocator.InTurn(allocator.ByNeed, allocator.ByShare)}})
		require.NoError(t, err)
		var running []string
		for step := range 60 {
			role := roles[rng.IntN(len(roles))]
			var tasks []berth.Task
			g := berth.NewGroup(fmt.Sprintf("g%d", step), berth.GroupSpec{Role: role, Request: berth.Resources{"cpu": 1 + rng.Int64N(4)}})
			tasks = append(tasks, g.Tasks(1+rng.IntN(3))...)
			if rng.IntN(3) > 0 { // whoever comes takes what is idle
				_, err := sched.Schedule(t.Context(), tasks...)
				require.NoError(t, err)
			} else {
				before := snapshotOf(t, s)
				proposal, err := sched.Reclaim(t.Context(), before, scheduler.Reclaim{}, tasks...)
				require.NoError(t, err)
				out, err := s.Commit(t.Context(), proposal.Plan)
				require.NoError(t, err)
				require.Empty(t, out.Refused)
				after := snapshotOf(t, s)
				for r, least := range guaranteed {
					if !role.Within(r) {
						has, had := after.Used(r)["cpu"], before.Used(r)["cpu"]
						require.GreaterOrEqual(t, has, min(had, least), "seed %d, step %d: %s is below its guarantee for %s", seed, step, r, role)
					}
				}
				for _, c := range proposal.Claims {
					claims++
					require.NotEmpty(t, c.Ends)
					require.True(t, role.Within(c.Role))
					if len(out.Placed) == len(proposal.Claims) { // what finds room may have more than is guaranteed
						require.LessOrEqual(t, after.Used(c.Role)["cpu"], max(guaranteed[c.Role], before.Used(c.Role)["cpu"]), "%v", c)
					}
					for _, end := range c.Ends {
						require.False(t, end.Group.Role().Within(c.Role), "%v", c)
						_, still := after.Task(end.ID)
						require.False(t, still, "%v", c)
					}
				}
			}
			running = running[:0]
			for n := range snapshotOf(t, s).Nodes() {
				for task := range n.Tasks() {
					running = append(running, task.ID)
				}
			}
			for range rng.IntN(3) {
				if len(running) > 0 && rng.IntN(2) == 0 {
					at := rng.IntN(len(running))
					require.NoError(t, s.Release(running[at]))
					running = append(running[:at], running[at+1:]...)
				}
			}
		}
		require.LessOrEqual(t, snapshotOf(t, s).Used("")["cpu"], total)
	}
	require.Greater(t, claims, 30, "little was reclaimed")
}

package scheduler_test

import (
	"cmp"
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

// Every turn is that of the lowest: on random clusters that fill up and empty again, with rules, devices, ports and limits, whoever is
// given a place had the lowest weighted share, or the first path of equals, of all roles that have another one later in the plan. Those
// could use it: room only shrinks while a plan is made. The shares are worked out here from the ledger and the plan.
func TestEveryTurnIsTheLowest(t *testing.T) {
	roles := []berth.Role{"a", "b", "c", "d", "e"}
	turns := 0
	for seed := range uint64(30) {
		rng := rand.New(rand.NewPCG(seed, 11))
		weights := map[berth.Role]allocator.Weight{}
		for _, r := range roles {
			weights[r] = allocator.Weight(500 * (1 + rng.IntN(4)))
		}
		s := newState(t, scheduler.StateConfig{})
		for i := range 3 + rng.IntN(20) {
			require.NoError(t, s.AddNodes(stepNode(rng, i)))
		}
		sched, err := scheduler.New(s, scheduler.Config{Order: allocator.Fair{Weights: weights}, Exhaustive: seed%5 == 4})
		require.NoError(t, err)
		var placed []string
		for round := range 10 {
			if rng.IntN(3) == 0 {
				require.NoError(t, s.SetQuotas(berth.Quota{Role: roles[rng.IntN(5)], Limits: berth.Resources{"cpu": 1000 * rng.Int64N(9)}}))
			}
			var tasks []berth.Task
			for part := range 4 {
				for _, task := range stepTasks(rng, 10*round+part) {
					if task.Group.Mode() != berth.Count {
						continue // many places in one turn
					}
					spec := task.Group.Spec()
					spec.Role, spec.Priority = roles[(part+len(task.Group.Name()))%5], 0
					tasks = append(tasks, berth.NewGroup(task.Group.Name(), spec).Task(task.ID))
				}
			}
			snapshot := snapshotOf(t, s)
			plan, err := sched.Plan(t.Context(), snapshot, tasks...)
			require.NoError(t, err)
			turns += len(plan.Ops)
			require.NoError(t, lowestFirst(snapshot, weights, plan), "seed %d, round %d", seed, round)
			placed = append(placed, idsOf(commit(t, s, plan))...)
			rng.Shuffle(len(placed), func(i, j int) { placed[i], placed[j] = placed[j], placed[i] })
			n := rng.IntN(len(placed) + 1)
			require.NoError(t, s.Release(placed[:n]...))
			placed = placed[n:]
		}
	}
	require.Greater(t, turns, 1000)
}

// lowestFirst says which placement of a plan went to a role that was not the lowest, if there is one.
func lowestFirst(snapshot *cluster.Snapshot, weights map[berth.Role]allocator.Weight, plan *cluster.Plan) error {
	total, used, last := snapshot.Total(), map[berth.Role]berth.Resources{}, map[berth.Role]int{}
	for r := range weights {
		used[r], last[r] = snapshot.Used(r), -1
	}
	for i, op := range plan.Ops {
		last[op.Task.Group.Role()] = i
	}
	level := func(r berth.Role) *big.Rat {
		most := new(big.Rat)
		for name, q := range used[r] {
			if share := big.NewRat(q, max(total[name], 1)); total[name] > 0 && share.Cmp(most) > 0 {
				most = share
			}
		}
		return most.Mul(most, big.NewRat(1, int64(weights[r])))
	}
	for i, op := range plan.Ops {
		turn := op.Task.Group.Role()
		for r := range weights {
			if last[r] > i && cmp.Or(level(r).Cmp(level(turn)), cmp.Compare(r, turn)) < 0 {
				return fmt.Errorf("%v: %s at %v, but %s waits at %v", op, turn, level(turn), r, level(r))
			}
		}
		for name, q := range op.Task.Group.Cost() {
			used[turn][name] += q
		}
	}
	return nil
}

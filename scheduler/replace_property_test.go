package scheduler_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// no-lost-task: on nodes without room to spare, with others taking whatever room there is between plan and commit, each replaced task is
// there after every call, with its old size or the new one, and both pickers do the same.
func TestReplaceOnFullNodesLosesNoTask(t *testing.T) {
	placed, unplaced, refused := 0, 0, 0
	for seed := range uint64(20) {
		var said [2]string
		for i, exhaustive := range []bool{false, true} {
			r := rand.New(rand.NewPCG(seed, 0))
			s := newState(t, scheduler.StateConfig{}, node("n1", 4000), node("n2", 4000), node("n3", 4000))
			racing := &rival{State: s}
			sched := newScheduler(t, racing, scheduler.Config{Exhaustive: exhaustive, Attempts: 1 + int(seed%2)})
			cpus := map[string]int64{}
			ids := []string{}
			for _, task := range web(1000).Tasks(12) {
				cpus[task.ID], ids = 1000, append(ids, task.ID)
			}
			out, err := sched.Schedule(t.Context(), web(1000).Tasks(12)...)
			require.NoError(t, err)
			require.Len(t, out.Placed, 12)

			for step := range 20 {
				racing.races = r.IntN(3)
				racing.beat = func() {
					p := newPlan(t, s)
					p.Place(web(int64(1+r.IntN(2))*500).Task(fmt.Sprint("rival-", s.Version().Seq)), fmt.Sprint("n", 1+r.IntN(3)))
					commit(t, s, p)
				}
				var tasks []berth.Task
				wanted := map[string]int64{}
				for _, k := range r.Perm(len(ids))[:1+r.IntN(3)] {
					wanted[ids[k]] = int64(1+r.IntN(4)) * 500
					tasks = append(tasks, web(wanted[ids[k]]).Task(ids[k]))
				}
				out, err := sched.Replace(t.Context(), tasks...)
				require.NoError(t, err)
				placed, unplaced, refused = placed+len(out.Placed), unplaced+len(out.Unplaced), refused+len(out.Refused)
				for _, op := range out.Placed {
					cpus[op.Task.ID] = wanted[op.Task.ID]
				}
				require.Equal(t, len(tasks), len(out.Placed)+len(out.Unplaced)+len(out.Refused)/2, "each has one answer: %v", out)
				for _, id := range ids {
					task, known := s.Task(id)
					require.True(t, known, "seed %d, step %d: %s is lost", seed, step, id)
					require.NotEmpty(t, task.Node)
					require.Equal(t, cpus[id], task.Group.Cost()["cpu"], "seed %d, step %d: %s", seed, step, id)
					said[i] += fmt.Sprint(id, task.Node, cpus[id], " ")
				}
				for n := range snapshotOf(t, s).Nodes() {
					require.False(t, n.Overcommitted())
				}
				var mine []string // rivals go, or soon no node would have room for any change
				for n := range snapshotOf(t, s).Nodes() {
					for task := range n.Tasks() {
						if !slices.Contains(ids, task.ID) && r.IntN(2) == 0 {
							mine = append(mine, task.ID)
						}
					}
				}
				slices.Sort(mine)
				require.NoError(t, s.Release(mine...))
			}
		}
		require.Equal(t, said[1], said[0], "seed %d", seed)
	}
	require.Greater(t, min(placed, unplaced, refused), 20, "of each some, or the test tests little")
}

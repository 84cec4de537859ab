package scheduler_test

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

// partNodes is the size of the cluster where the parts of a decision are told apart.
func partNodes() int {
	if testing.Short() {
		return 1_000
	}
	return 10_000
}

// plannerOf returns a call that plans tasks on the same snapshot each time, and has done so before.
func plannerOf(b testing.TB, on *filledCluster, c benchCase, tasks []berth.Task) (plan func() *cluster.Plan) {
	s, err := scheduler.New(on.state, scheduler.Config{Strategy: c.strategy})
	require.NoError(b, err)
	snapshot, err := on.state.Snapshot(b.Context())
	require.NoError(b, err)
	plan = func() *cluster.Plan {
		p, err := s.Plan(b.Context(), snapshot, tasks...)
		require.NoError(b, err)
		return p
	}
	plan()
	return plan
}

// BenchmarkPlan plans the same 10,000 tasks on the same snapshot again and again: what planning alone takes and
// allocates once the indexes are there. What is allocated is for the plan and for each group, so
// allocs/decision is a small fraction but where every task has a group of its own.
func BenchmarkPlan(b *testing.B) {
	for _, name := range []string{"binpack", "spread", "constrained", "daemon", "distinct"} {
		for _, fill := range benchFills {
			b.Run(benchName(name, partNodes(), fill), func(b *testing.B) {
				on, c := clusterOf(b, partNodes(), fill), benchCaseOf(name)
				plan := plannerOf(b, on, c, c.tasks(on.workload, runTasks))
				decisions := 0
				var before, after runtime.MemStats
				b.ReportAllocs()
				runtime.ReadMemStats(&before)
				for b.Loop() {
					p := plan()
					decisions += len(p.Ops) + len(p.Unplaced)
				}
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(decisions)/b.Elapsed().Seconds(), "decisions/s")
				b.ReportMetric(float64(after.Mallocs-before.Mallocs)/float64(decisions), "allocs/decision")
				b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(decisions), "B/decision")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// BenchmarkCommit makes plans of 10,000 tasks and commits them, and tells the time of the two apart.
func BenchmarkCommit(b *testing.B) {
	for _, fill := range benchFills {
		b.Run(benchName("binpack", partNodes(), fill), func(b *testing.B) {
			on, c := clusterOf(b, partNodes(), fill), benchCaseOf("binpack")
			s, err := scheduler.New(on.state, scheduler.Config{Strategy: c.strategy})
			require.NoError(b, err)
			prepare := func() (*cluster.Snapshot, []berth.Task) {
				snapshot, err := on.state.Snapshot(b.Context())
				require.NoError(b, err)
				return snapshot, c.tasks(on.workload, runTasks)
			}
			release := func(out *cluster.Outcome) {
				require.Empty(b, out.Refused)
				require.NoError(b, on.state.Release(idsOf(out)...))
			}
			out, err := s.Schedule(b.Context(), c.tasks(on.workload, runTasks)...) // so that every plan finds its indexes
			require.NoError(b, err)
			release(out)

			var planning, committing time.Duration
			placed := 0
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				snapshot, tasks := prepare()
				b.StartTimer()
				begin := time.Now()
				plan, err := s.Plan(b.Context(), snapshot, tasks...)
				require.NoError(b, err)
				middle := time.Now()
				out, err := on.state.Commit(b.Context(), plan)
				require.NoError(b, err)
				committing += time.Since(middle)
				planning += middle.Sub(begin)
				b.StopTimer()
				placed += len(out.Placed)
				release(out)
				b.StartTimer()
			}
			b.ReportMetric(float64(planning.Nanoseconds())/float64(placed), "plan-ns/task")
			b.ReportMetric(float64(committing.Nanoseconds())/float64(placed), "commit-ns/task")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// Once its indexes are there, a plan allocates for itself and for each group, and nothing for a task that it places.
// The limit of one in a hundred tasks leaves room for what grows by doubling. Instances of a daemon get their IDs in the plan,
// some fifty in one piece of memory.
func TestPlanAllocatesForGroupsNotTasks(t *testing.T) {
	const limit = 0.01
	for _, name := range []string{"binpack", "spread", "constrained"} {
		t.Run(name, func(t *testing.T) {
			const groups, few, many = 20, 50, 500
			const nodes = 10_000 // of which one in ten is enough for the tasks of a group
			on, c := clusterOf(t, nodes, 0), benchCaseOf(name)
			drawn := c.tasks(on.workload, groups*groupSize)
			allocations := func(perGroup int) float64 {
				var tasks []berth.Task
				for part := range slices.Chunk(drawn, groupSize) {
					tasks = append(tasks, part[0].Group.Tasks(perGroup)...)
				}
				return allocationsOf(t, on, c, tasks, groups*perGroup)
			}
			base := allocations(few)
			assert.LessOrEqual(t, (allocations(many)-base)/(groups*(many-few)), limit)
			assert.LessOrEqual(t, base, 100.0+20*groups, "for a plan and its groups")
		})
	}
	t.Run("daemon", func(t *testing.T) {
		const few, many = 500, 5_000
		allocations := func(nodes int) float64 {
			on, c := clusterOf(t, nodes, 0), benchCaseOf("daemon")
			return allocationsOf(t, on, c, c.tasks(on.workload, 1), nodes)
		}
		assert.LessOrEqual(t, (allocations(many)-allocations(few))/(many-few), 0.04)
	})
}

// allocationsOf counts the allocations of a plan that places so many tasks.
func allocationsOf(t *testing.T, on *filledCluster, c benchCase, tasks []berth.Task, placed int) float64 {
	plan := plannerOf(t, on, c, tasks)
	require.Len(t, plan().Ops, placed)
	return testing.AllocsPerRun(5, func() { plan() })
}

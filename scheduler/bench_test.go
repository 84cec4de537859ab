package scheduler_test

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// benchCase is a way to ask for the tasks of a run; workload says what they are and how nodes are filled.
type benchCase struct {
	name     string
	strategy placement.Strategy
	tasks    func(w *workload, n int) []berth.Task
	calls    int  // how many the tasks are shared out to; with 0 each has its own
	churn    bool // each call comes after the release of as many tasks as it is to place
	full     bool // no task can be placed
	order    allocator.Order
	quotas   []berth.Quota // that roles have while the tasks are placed
}

// benchCases lists what is measured.
//
//	binpack        groups of 50, in one call
//	spread         the same over zones, then nodes
//	softspread     groups of 50, where a task of the group in the zone is as bad as a tenth of the node in use is good
//	tiers          groups of 50 on nodes with an SSD first, then even over zones, then packed
//	kube-least     groups of 50, by the two scores about resources of Kubernetes' default profile
//	nomad          groups of 50, by Nomad's score for packing
//	constrained    groups of 50 on nodes with an SSD only, which one in ten has, and one of a group per node
//	affinity       groups of 50, every other one near or apart from ten others by zone, rack or node
//	softaffinity   groups of 50, every other one preferably near or apart from ten others by zone, rack or node, one in four by two of
//	               these
//	daemon         groups that want an instance on every node, as many groups as make 10,000 instances, at least one
//	distinct       every task of another size
//	full           groups of 50 that fit nowhere; every failure is explained, with counts by reason
//	full-distinct  tasks that fit nowhere, each of another size, explained likewise
//	single         10,000 calls of one task; p99-ns is of these calls
//	limits         groups of 50 in a tree of 81 roles four levels deep, where each role, the root included, has limits that are just not
//	               reached; of-plain is as below
//	roles=1000     groups of 10, each of a role of its own, one in ten of two levels, in fair order with a grain of a five-thousandth of
//	               the capacity; of-plain is the rate as a part of that of the same tasks without an order, in turn in the same run
//	churn          100 calls, each after the release of as many tasks as it is to place. An empty cluster has none
//	               for the first call, which places 100; from then on one is released for each placement.
//	openb          tasks and nodes of the Alibaba GPU trace, GPUs and shares of GPUs included
func benchCases() []benchCase {
	const noNodeHas = 64_000 // more thousandths of a core than any node has, with what is drawn
	groups := func(w *workload, n int) []berth.Task { return w.tasks(n, 0) }
	binpack := placement.BinPack()
	softspread := placement.Best(placement.InUse(), placement.Tasks("zone").Times(-placement.Resolution/10))
	tiers := placement.Best(placement.Prefer(constraints.Eq("disk", "ssd"))).Then(placement.Tasks("zone").Times(-1)).Then(placement.InUse())
	return []benchCase{
		{name: "binpack", strategy: binpack, tasks: groups, calls: 1},
		{name: "spread", strategy: placement.Spread("zone", berth.NodeID), tasks: groups, calls: 1},
		{name: "softspread", strategy: softspread, tasks: groups, calls: 1},
		{name: "tiers", strategy: tiers, tasks: groups, calls: 1},
		{name: "kube-least", strategy: placement.Best(placement.LeastAllocated(), placement.BalancedAllocation()), tasks: groups, calls: 1},
		{name: "nomad", strategy: placement.Best(placement.NomadBinPack()), tasks: groups, calls: 1},
		{name: "constrained", strategy: binpack, calls: 1, tasks: func(w *workload, n int) []berth.Task {
			return w.tasks(n, 0, constraints.Eq("disk", "ssd"), constraints.UniqueNode())
		}},
		{name: "affinity", strategy: binpack, tasks: (*workload).meeting, calls: 1},
		{name: "softaffinity", strategy: binpack, tasks: (*workload).preferring, calls: 1},
		{name: "daemon", strategy: binpack, tasks: (*workload).daemons, calls: 1},
		{name: "distinct", strategy: binpack, calls: 1, tasks: func(w *workload, n int) []berth.Task {
			return w.distinct(n, 0)
		}},
		{name: "full", strategy: binpack, calls: 1, full: true, tasks: func(w *workload, n int) []berth.Task {
			return w.tasks(n, noNodeHas)
		}},
		{name: "full-distinct", strategy: binpack, calls: 1, full: true, tasks: func(w *workload, n int) []berth.Task {
			return w.distinct(n, noNodeHas)
		}},
		{name: "limits", strategy: binpack, tasks: (*workload).inTree, calls: 1, quotas: treeQuotas()},
		{name: "roles=1000", strategy: binpack, calls: 1, order: allocator.Fair{Grain: 200}, tasks: func(w *workload, n int) []berth.Task {
			return w.inRoles(n, 1_000)
		}},
		{name: "single", strategy: binpack, tasks: groups},
		{name: "churn", strategy: binpack, tasks: groups, calls: 100, churn: true},
	}
}

// onTrace is the case that has a cluster of its own.
func onTrace() benchCase {
	return benchCase{name: "openb", strategy: placement.BinPack(), calls: 1, tasks: func(w *workload, n int) []berth.Task {
		return w.trace[:min(n, len(w.trace))]
	}}
}

func benchCaseOf(name string) benchCase {
	cases := benchCases()
	return cases[slices.IndexFunc(cases, func(c benchCase) bool { return c.name == name })]
}

// BenchmarkSchedule measures the whole public path, State, Schedule and Commit: 10,000 tasks from the first call to
// the last commit. For fill=0 the scheduler is new, so that the building of its indexes counts; otherwise it has
// done such a run before. B/op and allocs/op are of the run.
func BenchmarkSchedule(b *testing.B) {
	benchmark(b, benchNodes(), false, func(benchCase, int) int { return runTasks })
}

// BenchmarkExhaustive is BenchmarkSchedule through the reference picker. That asks about every node for every task,
// so a run is 1,000,000 tasks divided by the nodes, which takes a second or two. Spread takes a group of 50, since
// there the reference also walks the group's tasks for every node: a second on 1,000 nodes, ten on 10,000.
//
// What a decision costs depends on the nodes and hardly on the number of tasks, so the rates compare, but where a run
// of BenchmarkSchedule outgrows the cluster: on 1,000 nodes at fill=90, and in openb, it goes on to tasks that
// fail, and the tasks of a group that failed are not tried again.
func BenchmarkExhaustive(b *testing.B) {
	nodes := slices.DeleteFunc(benchNodes(), func(n int) bool { return n > 10_000 })
	benchmark(b, nodes, true, func(c benchCase, nodes int) int {
		switch {
		case c.name == "spread":
			return groupSize
		case testing.Short():
			return 2 * groupSize
		}
		return 1_000_000 / nodes
	})
}

func benchNodes() []int {
	if testing.Short() {
		return []int{1_000}
	}
	return []int{1_000, 10_000, 100_000}
}

var benchFills = []int{0, 50, 90}

// benchmark runs every case, the cases of one cluster one after another.
func benchmark(b *testing.B, nodes []int, exhaustive bool, tasks func(c benchCase, nodes int) int) {
	for _, n := range nodes {
		for _, fill := range benchFills {
			for _, c := range benchCases() {
				b.Run(benchName(c.name, n, fill), func(b *testing.B) {
					measure(b, c, exhaustive, clusterOf(b, n, fill), tasks(c, n))
				})
			}
		}
	}
	const traceNodes = 1213
	c := onTrace()
	for _, fill := range benchFills {
		b.Run(benchName(c.name, traceNodes, fill), func(b *testing.B) {
			measure(b, c, exhaustive, openb(b, fill), tasks(c, traceNodes))
		})
	}
}

func benchName(name string, nodes, fill int) string {
	return fmt.Sprintf("case=%s/nodes=%d/fill=%d", name, nodes, fill)
}

// measure times runs of a case, and leaves the cluster as it was after each.
func measure(b *testing.B, c benchCase, exhaustive bool, on *filledCluster, tasks int) {
	r, plain := &benchRun{benchCase: c, on: on}, &benchRun{benchCase: c, on: on}
	plain.order = nil
	ready := func(r *benchRun) {
		if r.sched == nil || on.fill == 0 {
			var err error
			r.sched, err = scheduler.New(on.state, scheduler.Config{Strategy: c.strategy, Exhaustive: exhaustive, Order: r.order})
			require.NoError(b, err)
		}
	}
	compare := func(batch []berth.Task) {
		if c.order != nil || c.quotas != nil {
			limit(b, on.state, c.quotas, false)
			ready(plain)
			plain.run(b, batch)
			plain.settle(b)
			limit(b, on.state, c.quotas, true)
		}
	}
	limit(b, on.state, c.quotas, true)
	defer limit(b, on.state, c.quotas, false)
	begin := func() []berth.Task {
		ready(r)
		return c.tasks(on.workload, tasks)
	}
	if on.fill > 0 && !exhaustive { // the reference keeps nothing that could be warm
		batch := begin()
		r.run(b, batch)
		r.settle(b)
		compare(batch)
		r.took, plain.took = r.took[:0], plain.took[:0]
	}
	decisions, runs := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		batch := begin()
		if runs++; runs%2 == 0 {
			compare(batch)
		}
		b.StartTimer()
		r.run(b, batch)
		b.StopTimer()
		decisions += r.settle(b)
		if runs%2 == 1 {
			compare(batch)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(decisions)/b.Elapsed().Seconds(), "decisions/s")
	b.ReportMetric(0, "ns/op")
	if c.order != nil || c.quotas != nil {
		b.ReportMetric(float64(sum(plain.took))/float64(sum(r.took)), "of-plain")
	}
	if c.calls == 0 {
		slices.Sort(r.took)
		b.ReportMetric(float64(r.took[len(r.took)*99/100].Nanoseconds()), "p99-ns")
	}
}

// limit gives roles their quotas, or takes them away.
func limit(b *testing.B, s *scheduler.State, quotas []berth.Quota, on bool) {
	quotas = slices.Clone(quotas)
	for i := range quotas {
		if !on {
			quotas[i].Limits = nil
		}
	}
	require.NoError(b, s.SetQuotas(quotas...))
}

func sum(durations []time.Duration) (all time.Duration) {
	for _, d := range durations {
		all += d
	}
	return all
}

// benchRun is one case on one cluster.
type benchRun struct {
	benchCase
	on       *filledCluster
	sched    *scheduler.Scheduler
	outcomes []*cluster.Outcome // of the calls of this run
	took     []time.Duration    // by the calls of all runs
}

// run makes the calls.
func (r *benchRun) run(b *testing.B, tasks []berth.Task) {
	perCall := 1
	if r.calls > 0 {
		perCall = max(len(tasks)/r.calls, 1)
	}
	for part := range slices.Chunk(tasks, perCall) {
		if r.churn {
			n := min(len(r.on.old), len(part))
			if err := r.on.state.Release(r.on.old[:n]...); err != nil {
				b.Fatal(err)
			}
			r.on.old = r.on.old[n:]
		}
		begin := time.Now()
		out, err := r.sched.Schedule(context.Background(), part...)
		if err != nil || len(out.Refused) > 0 {
			b.Fatal(err, out.Refused)
		}
		r.took = append(r.took, time.Since(begin))
		r.outcomes = append(r.outcomes, out)
		if r.churn {
			r.on.old = append(r.on.old, idsOf(out)...)
		}
	}
}

// settle checks the run, undoes it and returns the number of its decisions. What churn replaced stays so,
// and the cluster, no longer as it was filled, is not kept for other cases.
func (r *benchRun) settle(b *testing.B) (decisions int) {
	for _, out := range r.outcomes {
		decisions += len(out.Placed) + len(out.Unplaced)
		if r.full {
			require.Empty(b, out.Placed)
		}
		if !r.churn {
			require.NoError(b, r.on.state.Release(idsOf(out)...))
		}
	}
	r.outcomes = r.outcomes[:0]
	if r.churn {
		kept = nil
		if r.on.fill == 0 {
			require.NoError(b, r.on.state.Release(r.on.old...))
			r.on.old = nil
		}
	}
	return decisions
}

// BenchmarkMillion places a million tasks in groups of 50 on 100,000 empty nodes, in calls of 10,000, with the making of
// the State outside the clock. CONTRIBUTING.md says how to take the peak memory of the process.
func BenchmarkMillion(b *testing.B) {
	if testing.Short() {
		b.Skip("a million tasks are for measuring")
	}
	b.Run("nodes=100000", func(b *testing.B) {
		const all = 1_000_000
		w := newWorkload(100_000)
		tasks := w.tasks(all, 0)
		for b.Loop() {
			b.StopTimer()
			c := newCluster(b, w, 0)
			s, err := scheduler.New(c.state, scheduler.Config{})
			require.NoError(b, err)
			b.StartTimer()
			for part := range slices.Chunk(tasks, runTasks) {
				out, err := s.Schedule(b.Context(), part...)
				require.NoError(b, err)
				require.Len(b, out.Placed, len(part))
			}
		}
		b.ReportMetric(float64(all*b.N)/b.Elapsed().Seconds(), "decisions/s")
		b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/op")
		b.ReportMetric(0, "ns/op")
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-sys")
	})
}

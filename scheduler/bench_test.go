package scheduler_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/examples/openb/trace"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// The workload of the benchmarks, seeded. Node i has 16 cores and 64 GiB, 32 and 128, or 64 and 256, by a
// draw; its zone is i mod 3, its rack i mod n/40, and one in ten has an SSD. Tasks come in groups of
// 50 alike, of {0.25, 0.5, 1, 2, 4, 8} cores and {0.5, 1, 2, 4, 8, 16, 32} GiB, each size twice as likely
// as the next. A run is 10,000 tasks. The nodes are filled beforehand, with tasks of the same mix, until
// the stated part of each node's cores is taken, give or take a tenth of the node.
//
//	binpack      groups of 50, one call
//	spread       the same over zones, then nodes
//	constrained  the same on nodes with an SSD only, one of a group per node
//	daemon       one on every node
//	distinct     every task of another size
//	churn        100 calls, each after the release of as many tasks as it places
//	full         groups of 50 that fit nowhere; full-distinct: each of another size
//	single       10,000 calls of one task
//	openb        the 8,152 tasks of the default list of the Alibaba GPU trace on its 1,213 nodes, GPUs and
//	             shares of GPUs included, where the trace lies beside the module
//
// The clock runs from the first call to the last commit. For fill=0 the scheduler is new, so that the
// building of its indexes counts; otherwise it has planned before.
type workload struct {
	rng    *rand.Rand
	nodes  []berth.Node
	groups int
	fixed  []berth.Task // the tasks of every run, where they are not drawn
}

const (
	runTasks  = 10_000
	groupSize = 50
)

func newWorkload(n int) *workload {
	w := &workload{rng: rand.New(rand.NewPCG(1, uint64(n)))}
	for i := range n {
		size := int64(1) << w.rng.IntN(3)
		disk := "hdd"
		if i%10 == 0 {
			disk = "ssd"
		}
		w.nodes = append(w.nodes, berth.Node{
			ID:       fmt.Sprintf("node-%06d", i),
			Capacity: berth.Resources{"cpu": 16000 * size, "memory": 64 << 30 * size},
			Attributes: berth.Attributes{
				"zone": "z" + strconv.Itoa(i%3),
				"rack": "r" + strconv.Itoa(i%max(n/40, 1)),
				"disk": disk,
			},
		})
	}
	return w
}

// halving returns i of 0 to n-1, each twice as likely as the next.
func (w *workload) halving(n int) int {
	x := w.rng.IntN(1<<n - 1)
	for i := range n {
		if x < 1<<(n-1-i) {
			return i
		}
		x -= 1 << (n - 1 - i)
	}
	return n - 1
}

func (w *workload) size() berth.Resources {
	return berth.Resources{"cpu": 250 << w.halving(6), "memory": 512 << 20 << w.halving(7)}
}

func (w *workload) group(spec berth.GroupSpec) *berth.Group {
	w.groups++
	return berth.NewGroup("g"+strconv.Itoa(w.groups), spec)
}

// tasks returns n tasks in groups of 50 of random sizes.
func (w *workload) tasks(n int, rules ...berth.Constraint) []berth.Task {
	var tasks []berth.Task
	for len(tasks) < n {
		g := w.group(berth.GroupSpec{Request: w.size(), Rules: rules})
		tasks = append(tasks, g.Tasks(min(groupSize, n-len(tasks)))...)
	}
	return tasks
}

func (w *workload) distinct(n int, least int64) []berth.Task {
	var tasks []berth.Task
	for i := range n {
		r := w.size()
		r["cpu"] += least + w.rng.Int64N(250)
		r["memory"] += int64(i) << 12
		g := w.group(berth.GroupSpec{Request: r})
		tasks = append(tasks, g.Task(g.Name()))
	}
	return tasks
}

// fill places tasks until about percent of each node's cores is taken.
func (w *workload) fill(b testing.TB, state *scheduler.State, percent int) (placed []string) {
	if percent == 0 {
		return nil
	}
	ctx := context.Background()
	var queue []berth.Task
	flush := func(plan *berth.Plan) {
		out, err := state.Commit(ctx, plan)
		require.NoError(b, err)
		for _, op := range out.Placed {
			placed = append(placed, op.Task.ID)
		}
	}
	plan := &berth.Plan{Version: state.Version()}
	for _, n := range w.nodes {
		left := n.Capacity["cpu"] * int64(percent-10+w.rng.IntN(21)) / 100
		for left > 0 {
			if len(queue) == 0 {
				queue = w.tasks(groupSize)
			}
			t := queue[0]
			queue = queue[1:]
			left -= t.Group.Cost()["cpu"]
			plan.Place(t, n.ID)
		}
		if len(plan.Ops) > 50_000 {
			flush(plan)
			plan = &berth.Plan{Version: state.Version()}
		}
	}
	flush(plan)
	w.rng.Shuffle(len(placed), func(i, j int) { placed[i], placed[j] = placed[j], placed[i] })
	return placed
}

type benchCase struct {
	name     string
	strategy placement.Strategy
	// run does the case once and returns the number of decisions and what each call took.
	run func(b *testing.B, r *benchRun) int
}

type benchRun struct {
	w      *workload
	state  *scheduler.State
	sched  *scheduler.Scheduler
	old    []string // tasks that may be released
	tasks  []berth.Task
	placed []string // to be released after the run
	calls  []time.Duration
}

func (r *benchRun) schedule(b *testing.B, tasks ...berth.Task) *berth.Outcome {
	out, err := r.sched.Schedule(context.Background(), tasks...)
	if err != nil || len(out.Refused) > 0 {
		b.Fatal(err, out.Refused)
	}
	return out
}

func (r *benchRun) keep(out *berth.Outcome) {
	for _, op := range out.Placed {
		r.placed = append(r.placed, op.Task.ID)
	}
}

func benchCases() []benchCase {
	batch := func(b *testing.B, r *benchRun) int {
		out := r.schedule(b, r.tasks...)
		b.StopTimer()
		r.keep(out)
		b.StartTimer()
		return len(out.Placed) + len(out.Unplaced)
	}
	binpack := placement.BinPack()
	return []benchCase{
		{"binpack", binpack, batch},
		{"spread", placement.Spread("zone", berth.NodeID), batch},
		{"constrained", binpack, batch},
		{"daemon", binpack, batch},
		{"distinct", binpack, batch},
		{"churn", binpack, func(b *testing.B, r *benchRun) int {
			const calls = 100
			for i := range calls {
				part := r.tasks[i*runTasks/calls : (i+1)*runTasks/calls]
				n := min(len(r.old), len(part))
				if err := r.state.Release(r.old[:n]...); err != nil {
					b.Fatal(err)
				}
				r.old = r.old[n:]
				for _, op := range r.schedule(b, part...).Placed {
					r.old = append(r.old, op.Task.ID)
				}
			}
			return runTasks
		}},
		{"full", binpack, batch},
		{"full-distinct", binpack, batch},
		{"single", binpack, func(b *testing.B, r *benchRun) int {
			for _, t := range r.tasks {
				begin := time.Now()
				out := r.schedule(b, t)
				r.calls = append(r.calls, time.Since(begin))
				r.keep(out)
			}
			return len(r.tasks)
		}},
	}
}

// tasksFor returns the tasks of a run.
func (w *workload) tasksFor(name string) []berth.Task {
	switch name {
	case "openb":
		return w.fixed
	case "constrained":
		return w.tasks(runTasks, constraints.Eq("disk", "ssd"), constraints.UniqueNode())
	case "daemon":
		return []berth.Task{w.group(berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 10, "memory": 1 << 20}}).Everywhere()}
	case "distinct":
		return w.distinct(runTasks, 0)
	case "full":
		var tasks []berth.Task
		for len(tasks) < runTasks {
			r := w.size()
			r["cpu"] += 64_000
			tasks = append(tasks, w.group(berth.GroupSpec{Request: r}).Tasks(groupSize)...)
		}
		return tasks
	case "full-distinct":
		return w.distinct(runTasks, 64_000)
	}
	return w.tasks(runTasks)
}

// BenchmarkSchedule measures the whole public path: State, Schedule, Commit.
func BenchmarkSchedule(b *testing.B) {
	benchmark(b, scheduler.Config{}, 100_000)
	b.Run("case=openb/nodes=1213/fill=0", func(b *testing.B) {
		const dir = "../../shared/data/alibaba-gpu-v2023"
		if _, err := os.Stat(dir); err != nil {
			b.Skipf("the trace is not there: %v", err)
		}
		cell, err := trace.Load(dir, trace.PodList)
		require.NoError(b, err)
		w := &workload{nodes: cell.Nodes, fixed: cell.Tasks()}
		c := benchCases()[0]
		measure(b, benchCase{"openb", c.strategy, c.run}, scheduler.Config{}, w, 0)
	})
}

// BenchmarkMillion places a million tasks in groups of 50 on 100,000 empty nodes, in calls of 10,000.
func BenchmarkMillion(b *testing.B) {
	if testing.Short() {
		b.Skip("a million tasks are for measuring")
	}
	b.Run("nodes=100000", func(b *testing.B) {
		const all = 1_000_000
		w := newWorkload(100_000)
		tasks := w.tasks(all)
		for b.Loop() {
			state, err := scheduler.NewState(scheduler.StateConfig{}, w.nodes...)
			require.NoError(b, err)
			r := &benchRun{w: w, state: state}
			r.sched, err = scheduler.New(state, scheduler.Config{})
			require.NoError(b, err)
			for part := range slices.Chunk(tasks, runTasks) {
				require.Len(b, r.schedule(b, part...).Placed, len(part))
			}
		}
		b.ReportMetric(float64(all*b.N)/b.Elapsed().Seconds(), "decisions/s")
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.Sys)/(1<<20), "MiB-sys")
	})
}

// BenchmarkExhaustive is BenchmarkSchedule with the exhaustive picker, where it ends within minutes.
func BenchmarkExhaustive(b *testing.B) { benchmark(b, scheduler.Config{Exhaustive: true}, 10_000) }

func benchmark(b *testing.B, cfg scheduler.Config, most int) {
	for _, c := range benchCases() {
		for _, n := range []int{1_000, 10_000, 100_000} {
			if n > most || testing.Short() && n > 1_000 {
				continue
			}
			for _, fill := range []int{0, 50, 90} {
				if fill == 0 && c.name == "churn" {
					continue // there is nothing to release
				}
				if (testing.Short() || n > 1_000) && cfg.Exhaustive && (fill > 0 || c.name != "binpack") {
					continue
				}
				b.Run(fmt.Sprintf("case=%s/nodes=%d/fill=%d", c.name, n, fill), func(b *testing.B) {
					cfg := cfg
					cfg.Strategy = c.strategy
					measure(b, c, cfg, newWorkload(n), fill)
				})
			}
		}
	}
}

func measure(b *testing.B, c benchCase, cfg scheduler.Config, w *workload, fill int) {
	r := &benchRun{w: w}
	var err error
	r.state, err = scheduler.NewState(scheduler.StateConfig{}, r.w.nodes...)
	require.NoError(b, err)
	r.old = r.w.fill(b, r.state, fill)
	r.sched, err = scheduler.New(r.state, cfg)
	require.NoError(b, err)
	decisions := 0
	var elapsed time.Duration
	b.ReportAllocs()
	for first := true; b.Loop(); first = false {
		b.StopTimer()
		require.NoError(b, r.state.Release(r.placed...))
		r.placed = r.placed[:0]
		r.tasks = r.w.tasksFor(c.name)
		if fill == 0 {
			r.sched, err = scheduler.New(r.state, cfg)
			require.NoError(b, err)
		} else if first {
			r.schedule(b, berth.NewTask("warm", berth.GroupSpec{}))
			require.NoError(b, r.state.Release("warm"))
		}
		b.StartTimer()
		begin := b.Elapsed()
		decisions += c.run(b, r)
		elapsed += b.Elapsed() - begin
	}
	b.ReportMetric(float64(decisions)/elapsed.Seconds(), "decisions/s")
	b.ReportMetric(0, "ns/op")
	if len(r.calls) > 0 {
		slices.Sort(r.calls)
		b.ReportMetric(float64(r.calls[len(r.calls)*99/100].Nanoseconds()), "p99-ns")
	}
}

package offers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// crowd is frameworks that each have tasks of some shapes to run, one scheduler for each.
type crowd struct {
	state  *scheduler.State
	x      *offers.Exchange
	subs   []*offers.Subscription
	scheds []*scheduler.Scheduler
	queues [][]berth.Task // what is still to run
}

// The shapes take 1.125 cores and 3.25 GiB of memory on average.
var crowdShapes = []res{
	{"cpu": 500, "memory": 1 << 30},
	{"cpu": 1000, "memory": 2 << 30},
	{"cpu": 2000, "memory": 4 << 30},
	{"cpu": 1000, "memory": 6 << 30},
}

// crowdQueue returns the tasks of one of m frameworks that have so many in all, those of one shape behind those of another.
func crowdQueue(framework, m, tasks int) []berth.Task {
	var queue []berth.Task
	role := berth.Role(fmt.Sprintf("r%04d", framework))
	for i, shape := range crowdShapes {
		g := berth.NewGroup(fmt.Sprintf("%s-g%d", role, i), berth.GroupSpec{Role: role, Request: shape})
		queue = append(queue, g.Tasks(tasks/m/len(crowdShapes))...)
	}
	return queue
}

func crowdNodes(b *testing.B, n int) *scheduler.State {
	nodes := make([]berth.Node, n)
	for i := range nodes {
		nodes[i] = node(fmt.Sprintf("n%05d", i), 16_000, 64<<30)
	}
	now := time.Unix(1000, 0)
	state, err := scheduler.NewState(scheduler.StateConfig{Clock: func() time.Time { return now }}, nodes...)
	require.NoError(b, err)
	return state
}

func newCrowd(b *testing.B, nodes, m, tasks int, declared bool) *crowd {
	c := &crowd{state: crowdNodes(b, nodes)}
	var err error
	c.x, err = offers.NewExchange(c.state, offers.Config{Order: new(allocator.DRF).Turns()})
	require.NoError(b, err)
	for i := range m {
		queue := crowdQueue(i, m, tasks)
		f := offers.Framework{Name: fmt.Sprintf("f%04d", i), Role: queue[0].Group.Role()}
		if declared {
			each := len(queue) / len(crowdShapes)
			for at := 0; at < len(queue); at += each {
				f.Demand = append(f.Demand, offers.Demand{Group: queue[at].Group, Count: each})
			}
		}
		c.join(b, f, queue)
	}
	return c
}

func (c *crowd) join(b *testing.B, f offers.Framework, queue []berth.Task) {
	s, err := c.x.Subscribe(f)
	require.NoError(b, err)
	sched, err := scheduler.New(s.Book(), scheduler.Config{})
	require.NoError(b, err)
	c.subs, c.scheds, c.queues = append(c.subs, s), append(c.scheds, sched), append(c.queues, queue)
}

// run makes passes, in each round one, and has each framework schedule at most so many of its tasks on what it was
// offered and decline the rest, until all tasks run. It returns the number of rounds.
func (c *crowd) run(b *testing.B, most func(framework int) int) int {
	for round := 1; ; round++ {
		if _, err := c.x.Offer(ctx); err != nil {
			b.Fatal(err)
		}
		left := 0
		for i, s := range c.subs {
			now := c.queues[i]
			now = now[:min(len(now), most(i))]
			if len(now) == 0 {
				continue
			}
			out, err := c.scheds[i].Schedule(ctx, now...)
			if err != nil {
				b.Fatal(err)
			}
			c.queues[i] = c.queues[i][len(now):]
			if len(out.Placed) < len(now) {
				c.queues[i] = append(unplaced(out, now), c.queues[i]...)
			}
			left += len(c.queues[i])
			open, err := s.Offers(ctx)
			if err != nil {
				b.Fatal(err)
			}
			rest := make([]string, len(open))
			for i := range open {
				rest[i] = open[i].ID
			}
			if err := s.Decline(ctx, rest, offers.Filter{}); err != nil {
				b.Fatal(err)
			}
			if len(c.queues[i]) == 0 {
				if err := s.Suppress(); err != nil {
					b.Fatal(err)
				}
			}
		}
		if left == 0 {
			return round
		}
		if round > 1000 {
			b.Fatalf("%d tasks do not come to run", left)
		}
	}
}

// unplaced returns the tasks that were not placed, as they stood.
func unplaced(out *cluster.Outcome, all []berth.Task) []berth.Task {
	placed := make(map[string]bool, len(out.Placed))
	for i := range out.Placed {
		placed[out.Placed[i].Task.ID] = true
	}
	var left []berth.Task
	for _, t := range all {
		if !placed[t.ID] {
			left = append(left, t)
		}
	}
	return left
}

// BenchmarkBooks runs 10,000 tasks through Books, passes and declines included, and in mode=global the same tasks by as
// many schedulers on the State. The metric x-global is the time as a multiple of the latter.
func BenchmarkBooks(b *testing.B) {
	const tasks = 10_000
	global := func(b *testing.B, nodes, m int) time.Duration {
		b.StopTimer()
		state := crowdNodes(b, nodes)
		queues, scheds := make([][]berth.Task, m), make([]*scheduler.Scheduler, m)
		for i := range m {
			queues[i] = crowdQueue(i, m, tasks)
			var err error
			scheds[i], err = scheduler.New(state, scheduler.Config{})
			require.NoError(b, err)
		}
		began := time.Now()
		for i := range m {
			out, err := scheds[i].Schedule(ctx, queues[i]...)
			if err != nil || len(out.Placed) != len(queues[i]) {
				b.Fatalf("%d placed, %v", len(out.Placed), err)
			}
		}
		took := time.Since(began)
		b.StartTimer()
		return took
	}
	all := func(int) int { return tasks }
	for _, nodes := range []int{1000, 10_000} {
		for _, m := range []int{1, 10} {
			for _, declared := range []bool{false, true} {
				mode := map[bool]string{false: "undeclared", true: "declared"}[declared]
				b.Run(fmt.Sprintf("nodes=%d/frameworks=%d/mode=%s", nodes, m, mode), func(b *testing.B) {
					rounds, base := 0, time.Duration(0)
					for b.Loop() {
						base += global(b, nodes, m)
						b.StopTimer()
						c := newCrowd(b, nodes, m, tasks, declared)
						b.StartTimer()
						rounds += c.run(b, all)
					}
					b.ReportMetric(float64(rounds)/float64(b.N), "rounds")
					b.ReportMetric(float64(base.Milliseconds())/float64(b.N), "global-ms")
					b.ReportMetric(float64(b.Elapsed())/float64(base), "x-global")
				})
			}
		}
	}
}

// BenchmarkMultiFramework is the workload of Mesos' MultiFrameworkAllocations benchmark
// (src/tests/hierarchical_allocator_benchmarks.cpp): 80 nodes; 4 services with 4,000 small tasks each, of which they start 100
// on an offer; 500 builds of 5 tasks in one role, one at a time; and 50 analyses of 20 tasks, 5 at a time.
func BenchmarkMultiFramework(b *testing.B) {
	kinds := []struct {
		name        string
		many, tasks int
		most        int
		oneRole     bool
		cpu, memory int64
	}{
		{"service", 4, 4000, 100, false, 70, 400},
		{"build", 500, 5, 1, true, 100, 4000},
		{"analysis", 50, 20, 5, false, 1000, 1000},
	}
	for _, declared := range []bool{false, true} {
		mode := map[bool]string{false: "undeclared", true: "declared"}[declared]
		b.Run("mode="+mode, func(b *testing.B) {
			rounds := 0
			for b.Loop() {
				b.StopTimer()
				var nodes []berth.Node
				for i := range 80 {
					nodes = append(nodes, node(fmt.Sprintf("n%02d", i), 64_000, 488_000))
				}
				now := time.Unix(1000, 0)
				state, err := scheduler.NewState(scheduler.StateConfig{Clock: func() time.Time { return now }}, nodes...)
				require.NoError(b, err)
				c := &crowd{state: state}
				c.x, err = offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns()})
				require.NoError(b, err)
				var most []int
				for _, k := range kinds {
					for i := range k.many {
						name := fmt.Sprintf("%s%03d", k.name, i)
						role := berth.Role(name)
						if k.oneRole {
							role = berth.Role(k.name)
						}
						g := berth.NewGroup(name, berth.GroupSpec{Role: role, Request: res{"cpu": k.cpu, "memory": k.memory}})
						f := offers.Framework{Name: name, Role: role}
						if declared {
							f.Demand = []offers.Demand{{Group: g, Count: k.tasks}}
						}
						c.join(b, f, g.Tasks(k.tasks))
						most = append(most, k.most)
					}
				}
				b.StartTimer()
				rounds += c.run(b, func(i int) int {
					if declared {
						return len(c.queues[i])
					}
					open, err := c.subs[i].Offers(ctx)
					if err != nil {
						b.Fatal(err)
					}
					return most[i] * len(open)
				})
			}
			b.ReportMetric(float64(rounds)/float64(b.N), "rounds")
		})
	}
}

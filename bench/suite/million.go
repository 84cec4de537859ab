package suite

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/scheduler"
)

const (
	// perNode is how many tasks there are for each node of the scenario million.
	perNode = 10
	// jobSize is how many tasks of a job are alike and come together.
	jobSize = 50
	// callSize is how many tasks are handed in at once.
	callSize = 10_000
)

// millionWorkloads are for whoever asks for the scenario by name: it takes minutes and gigabytes.
func millionWorkloads(c Config) ([]Workload, error) {
	if !slices.Contains(c.Scenarios, "million") {
		return nil, nil
	}
	nodes := c.Nodes
	if !c.said {
		nodes = 1_000_000
	}
	var workloads []Workload
	for _, kind := range []string{"empty", "full"} {
		about := "empty"
		if kind == "full" {
			about = "nine tenths of every node taken before the clock starts, and tasks a fifth as large"
		}
		workloads = append(workloads, Workload{Name: fmt.Sprintf("%d-%s", nodes, kind),
			About: fmt.Sprintf("%d machines drawn from Google's table of 2011 and ten times as many tasks, %s", nodes, about),
			Cell: func(seed uint64) (*Cell, error) {
				return &Cell{Seed: seed, Nodes: machinesOf(nodes, seed)}, nil
			}})
	}
	return workloads, nil
}

// machinesOf draws machines of Google's table; beyond those of the table it begins again.
func machinesOf(n int, seed uint64) []berth.Node {
	table := trace.Google(trace.Machines, 0, seed).Nodes
	nodes := make([]berth.Node, n)
	for i := range nodes {
		nodes[i] = table[i%len(table)]
		nodes[i].ID = fmt.Sprintf("machine-%07d", i)
	}
	return nodes
}

// million fills a cell with ten tasks for each node. Tasks are made as they are handed in: what the library holds of ten million is
// measured, and not what a list of them would take.
func million(ctx context.Context, r *Run) error {
	full := strings.HasSuffix(r.Result.Workload, "-full")
	all := perNode * len(r.Cell.Nodes)
	r.Result.Tasks, r.Timing.Tasks = all, all
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	base := m.HeapAlloc
	begin := time.Now()
	state, s, err := r.Scheduler(r.Cell.Nodes)
	if err != nil {
		return err
	}
	size := int64(250)
	if full {
		size = 50
		if err := state.Adopt(taken(r.Cell.Nodes)...); err != nil {
			return err
		}
	}
	r.Time("seconds.load", time.Since(begin).Seconds())
	runtime.GC()
	runtime.ReadMemStats(&m)
	r.Time("heap.node", grown(base, m.HeapAlloc)/float64(max(len(r.Cell.Nodes), 1)))
	before := m
	rng := pcg(r.Cell.Seed, 21)
	var took time.Duration
	var longest time.Duration
	rejected := 0
	tasks := make([]berth.Task, 0, callSize+jobSize)
	for job := 0; job*jobSize < all; {
		for tasks = tasks[:0]; len(tasks) < callSize && job*jobSize < all; job++ {
			g := berth.NewGroup(fmt.Sprintf("job-%07d", job), berth.GroupSpec{Request: berth.Resources{
				"cpu": size << halving(rng, 3), "memory": size << 20 << halving(rng, 3)}})
			tasks = append(tasks, g.Tasks(min(jobSize, all-job*jobSize))...)
		}
		begin := time.Now()
		out, err := s.Schedule(ctx, tasks...)
		span := time.Since(begin)
		if err != nil {
			return err
		}
		took, longest, rejected = took+span, max(longest, span), rejected+len(out.Unplaced)
	}
	r.Metric("rejected", percent(int64(rejected), int64(all)))
	r.Time("seconds.place", took.Seconds())
	r.Time("decisions", float64(all)/took.Seconds())
	r.Time("latency.max", float64(longest))
	runtime.ReadMemStats(&m)
	r.Time("bytes", float64(m.TotalAlloc-before.TotalAlloc)/float64(max(all, 1)))
	r.Time("resident", float64(m.Sys-m.HeapReleased))
	runtime.GC()
	runtime.ReadMemStats(&m)
	r.Time("heap.task", grown(before.HeapAlloc, m.HeapAlloc)/float64(max(all, 1)))
	runtime.KeepAlive(s)
	return nil
}

// taken is a task on each node, of nine tenths of what it has.
func taken(nodes []berth.Node) []scheduler.Running {
	groups := map[trace.Shape]*berth.Group{}
	all := make([]scheduler.Running, len(nodes))
	for i := range nodes {
		shape := trace.Shape{CPU: nodes[i].Capacity["cpu"] / 10 * 9, Memory: nodes[i].Capacity["memory"] / 10 * 9}
		g := groups[shape]
		if g == nil {
			g = berth.NewGroup(fmt.Sprintf("taken-%d", len(groups)), shape.Spec(""))
			groups[shape] = g
		}
		all[i] = scheduler.Running{Task: g.Task(fmt.Sprintf("taken-%07d", i)), Node: nodes[i].ID}
	}
	return all
}

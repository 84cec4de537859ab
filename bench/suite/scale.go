package suite

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
)

// scaleWorkloads are cells of several sizes, empty and with nine tenths of the cores taken.
func scaleWorkloads(c Config) ([]Workload, error) {
	sizes := [][]int{{1000, 5000}, {1000, 5000, 12_583}, {1000, 5000, 12_583, 50_000, 100_000}}[min(max(c.Tier, Quick), Full)]
	if c.Nodes < sizes[0] {
		sizes = []int{c.Nodes}
	}
	var workloads []Workload
	for _, n := range sizes {
		for _, full := range []bool{false, true} {
			kind := map[bool]string{false: "empty", true: "full"}[full]
			workloads = append(workloads, Workload{Name: fmt.Sprintf("%d-%s", n, kind),
				About: fmt.Sprintf("%d machines drawn from Google's table of 2011, %s", n, map[bool]string{false: "empty", true: "nine tenths of the cores taken before the clock starts"}[full]),
				Cell:  func(seed uint64) (*Cell, error) { return sized(n, full, seed), nil }})
		}
	}
	return workloads, nil
}

// sized is a cell of so many nodes with four tasks for each, and before them, if it is to be full, as many as ask for 90 % of the
// cores: batch -1 marks those.
func sized(n int, full bool, seed uint64) *Cell {
	cell := &Cell{Seed: seed, Nodes: machinesOf(n, seed)}
	rng := pcg(seed, 15)
	groups := map[trace.Shape]*berth.Group{}
	if full {
		for left := cell.Total()["cpu"] / 10 * 9; left > 0; {
			s := trace.Shape{CPU: 1000 << halving(rng, 4), Memory: 512 << 20 << halving(rng, 4)}
			left -= s.CPU
			cell.add(groups, s)
			cell.Arrivals[len(cell.Arrivals)-1].Batch = -1
		}
	}
	for range 4 * n {
		cell.add(groups, trace.Shape{CPU: 250 << halving(rng, 3), Memory: 256 << 20 << halving(rng, 3)})
	}
	return cell
}

// scale measures how fast decisions are, and what they cost: all tasks in one call, then a thousand calls of one task each.
func scale(ctx context.Context, r *Run) error {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	base := before.HeapAlloc
	state, s, err := r.Scheduler(r.Cell.Nodes)
	if err != nil {
		return err
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	r.Time("heap.node", grown(base, after.HeapAlloc)/float64(max(len(r.Cell.Nodes), 1)))
	var first, tasks []berth.Task
	for _, a := range r.Cell.Arrivals {
		if a.Batch < 0 {
			first = append(first, a.Task)
		} else {
			tasks = append(tasks, a.Task)
		}
	}
	if len(first) > 0 {
		if _, err := s.Schedule(ctx, first...); err != nil {
			return err
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&before)
	begin := time.Now()
	out, err := s.Schedule(ctx, tasks...)
	took := time.Since(begin)
	if err != nil {
		return err
	}
	runtime.ReadMemStats(&after)
	r.Time("decisions", float64(len(tasks))/took.Seconds())
	r.Time("bytes", float64(after.TotalAlloc-before.TotalAlloc)/float64(max(len(tasks), 1)))
	r.Metric("rejected", percent(int64(len(out.Unplaced)), int64(len(tasks))))
	runtime.GC()
	runtime.ReadMemStats(&after)
	r.Time("heap.task", grown(before.HeapAlloc, after.HeapAlloc)/float64(max(len(tasks), 1)))
	const calls = 1000
	var spans []time.Duration
	for i := range min(calls, len(out.Placed)) { // a task ends, and comes again
		t := out.Placed[i*len(out.Placed)/min(calls, len(out.Placed))].Task
		if err := state.Release(t.ID); err != nil {
			return err
		}
		begin := time.Now()
		if _, err := s.Schedule(ctx, t); err != nil {
			return err
		}
		spans = append(spans, time.Since(begin))
	}
	if len(spans) > 0 {
		slices.Sort(spans)
		at := func(thousandths int) float64 { return float64(spans[min(len(spans)*thousandths/1000, len(spans)-1)]) }
		r.Time("latency.p50", at(500))
		r.Time("latency.p99", at(990))
		r.Time("latency.p999", at(999))
		r.Time("latency.max", at(1000))
	}
	return nil
}

func grown(before, after uint64) float64 { return max(0, float64(after)-float64(before)) }

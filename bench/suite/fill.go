package suite

import (
	"context"
	"runtime"
	"time"

	"github.com/berth-sched/berth"
)

// fill hands in the tasks of a cell one after another, and none of them ends. It is the experiment of Weng et al., USENIX ATC
// 2023, "inflation" there.
func fill(ctx context.Context, r *Run) error {
	if r.Policy != nil && r.Policy.Sort != nil {
		r.Policy.Sort(r.Cell)
	}
	state, s, err := r.Scheduler(r.Cell.Nodes)
	if err != nil {
		return err
	}
	tasks, scarce := r.Cell.Tasks(), r.Cell.Scarce()
	l := load{whole: r.Cell.Total()[scarce]}
	half, asked := 0, int64(0) // of the load, when the nodes are looked at for the first time
	for ; half < len(tasks) && 2*asked < l.whole; half++ {
		asked += tasks[half].Group.Cost()[scarce]
	}
	rejected := map[string]bool{}
	var took time.Duration
	var bytes uint64
	for i, part := range [][]berth.Task{tasks[:half], tasks[half:]} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		begin := time.Now()
		out, err := s.Schedule(ctx, part...)
		took += time.Since(begin)
		runtime.ReadMemStats(&after)
		bytes += after.TotalAlloc - before.TotalAlloc
		if err != nil {
			return err
		}
		for _, u := range out.Unplaced {
			rejected[u.Task.ID] = true
		}
		snapshot, err := state.Snapshot(ctx)
		if err != nil {
			return err
		}
		if r.Result.Heat == nil {
			r.Result.Heat = map[string][]int{}
		}
		r.Result.Heat[[...]string{"half", "end"}[i]] = heat(snapshot, scarce)
	}
	first := -1.0
	for _, t := range tasks {
		l.add(t.Group.Cost()[scarce], !rejected[t.ID])
		if rejected[t.ID] && first < 0 {
			first = percent(l.arrived, l.whole)
		}
	}
	if first < 0 {
		first = percent(l.arrived, l.whole)
	}
	r.Metric("first-rejection", first)
	xs, ys := l.curve()
	area, ideal := 0.0, 0.0
	for i, x := range xs {
		area, ideal = area+ys[i], ideal+min(x, 100)
	}
	if ideal > 0 {
		r.Metric("area", 100*area/ideal)
	}
	r.Curve("allocated", xs, ys)
	r.rejections(tasks, rejected)
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		return err
	}
	r.end(snapshot)
	r.Time("decisions", float64(len(tasks))/took.Seconds())
	r.Time("bytes", float64(bytes)/float64(max(len(tasks), 1)))
	return nil
}

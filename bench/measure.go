package main

import (
	"context"
	"runtime"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// row is what one strategy made of one workload.
type row struct {
	Workload       string             `json:"workload"`
	Strategy       string             `json:"strategy"`
	Nodes          int                `json:"nodes"`
	Tasks          int                `json:"tasks"`
	Allocated      map[string]float64 `json:"allocated_percent"`
	FirstRejection *float64           `json:"first_rejection_percent"` // null if all were placed
	Rejected       bySize             `json:"rejected"`
	NodesUsed      int                `json:"nodes_used"`
	Speed          float64            `json:"decisions_per_second"`
	Bytes          float64            `json:"bytes_per_decision"`
}

// bySize counts tasks by the largest fraction that they ask for of any resource of the largest node.
type bySize struct {
	Small  int `json:"small"`  // less than 1/16
	Medium int `json:"medium"` // less than 1/4
	Large  int `json:"large"`
}

func (b bySize) all() int { return b.Small + b.Medium + b.Large }

func (b *bySize) add(request, largest berth.Resources) {
	quarter, sixteenth := false, false
	for name, q := range request {
		quarter = quarter || q >= largest[name]/4
		sixteenth = sixteenth || q >= largest[name]/16
	}
	switch {
	case quarter:
		b.Large++
	case sixteenth:
		b.Medium++
	default:
		b.Small++
	}
}

// measure schedules a workload's tasks in order, in one call, by one strategy. The clock runs from the
// first call to the end of the commit, building indexes included.
func measure(ctx context.Context, c *trace.Cell, strategy placement.Strategy) (row, error) {
	state, err := scheduler.NewState(scheduler.StateConfig{}, c.Nodes...)
	if err != nil {
		return row{}, err
	}
	s, err := scheduler.New(state, scheduler.Config{Strategy: strategy})
	if err != nil {
		return row{}, err
	}
	tasks := c.Tasks()

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := time.Now()
	out, err := s.Schedule(ctx, tasks...)
	took := time.Since(begin)
	runtime.ReadMemStats(&after)
	if err != nil {
		return row{}, err
	}

	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		return row{}, err
	}
	r := quality(c, snapshot, tasks, out)
	r.Strategy = strategy.String()
	r.Speed = float64(len(tasks)) / took.Seconds()
	r.Bytes = float64(after.TotalAlloc-before.TotalAlloc) / float64(max(len(tasks), 1))
	return r, nil
}

func quality(c *trace.Cell, snapshot *cluster.Snapshot, tasks []berth.Task, out *berth.Outcome) row {
	r := row{Workload: c.Name, Nodes: snapshot.Len(), Tasks: len(tasks), Allocated: map[string]float64{}}
	total, free, largest := snapshot.Total(), berth.Resources{}, berth.Resources{}
	for n := range snapshot.Nodes() {
		for name, q := range n.Free() {
			free[name] += q
		}
		for name, q := range n.Capacity() {
			largest[name] = max(largest[name], q)
		}
		for range n.Tasks() {
			r.NodesUsed++
			break
		}
	}
	for name, whole := range total {
		r.Allocated[name] = percent(whole-free[name], whole)
	}
	for _, u := range out.Unplaced {
		r.Rejected.add(u.Task.Group.Cost(), largest)
	}
	if len(out.Unplaced) > 0 {
		var asked int64
		for _, t := range tasks {
			asked += t.Group.Cost()[c.Scarce()]
			if t.ID == out.Unplaced[0].Task.ID {
				break
			}
		}
		load := percent(asked, total[c.Scarce()])
		r.FirstRejection = &load
	}
	return r
}

func percent(part, whole int64) float64 { return 100 * float64(part) / float64(max(whole, 1)) }

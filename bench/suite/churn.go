package suite

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

// churn lets tasks arrive and end. All that arrive within a step of time are handed in at once, after those that ended have given
// their room back; what finds no node is turned away for good. Figures are of the second half, since the cell begins empty.
func churn(ctx context.Context, r *Run) error {
	_, _, err := r.live(ctx)
	return err
}

// live is churn, and returns what it leaves.
func (r *Run) live(ctx context.Context) (*scheduler.State, *scheduler.Scheduler, error) {
	state, s, err := r.Scheduler(r.Cell.Nodes)
	if err != nil {
		return nil, nil, err
	}
	arrivals, scarce := r.Cell.Arrivals, r.Cell.Scarce()
	if len(arrivals) == 0 {
		return state, s, nil
	}
	last := arrivals[len(arrivals)-1].At
	ends := map[time.Duration][]string{} // by the time at which they are let go
	var times []time.Duration            // at which something arrives or ends
	for _, a := range arrivals {
		times = append(times, a.At)
		if a.Lives > 0 && a.At+a.Lives <= last {
			times = append(times, a.At+a.Lives)
		}
	}
	slices.Sort(times)
	times = slices.Compact(times)
	step := max(1, len(times)/100) // steps between two looks
	rejected, late := map[string]bool{}, []berth.Task{}
	placed, lost := map[int]bool{}, map[int]bool{} // batches, of the second half
	var xs, full, empty, emptyLate []float64
	var took time.Duration
	decisions, next := 0, 0
	for i, now := range times {
		if gone := ends[now]; len(gone) > 0 {
			begin := time.Now()
			if err := state.Release(gone...); err != nil {
				return nil, nil, err
			}
			took += time.Since(begin)
			delete(ends, now)
		}
		var tasks []berth.Task
		from := next
		for ; next < len(arrivals) && arrivals[next].At == now; next++ {
			tasks = append(tasks, arrivals[next].Task)
		}
		var refused map[string]bool
		if len(tasks) > 0 {
			begin := time.Now()
			out, err := s.Schedule(ctx, tasks...)
			took += time.Since(begin)
			if err != nil {
				return nil, nil, err
			}
			decisions += len(tasks)
			refused = unplaced(out)
		}
		second := 2*now >= last
		for _, a := range arrivals[from:next] {
			if second {
				late = append(late, a.Task)
			}
			switch {
			case refused[a.Task.ID]:
				if second {
					rejected[a.Task.ID], lost[a.Batch] = true, true
				}
				continue
			case second:
				placed[a.Batch] = true
			}
			if a.Lives > 0 && a.At+a.Lives <= last {
				ends[a.At+a.Lives] = append(ends[a.At+a.Lives], a.Task.ID)
			}
		}
		if i%step == 0 || i == len(times)-1 {
			snapshot, err := state.Snapshot(ctx)
			if err != nil {
				return nil, nil, err
			}
			used, idle := look(snapshot, scarce)
			xs, full, empty = append(xs, percent(int64(now), int64(last))), append(full, used), append(empty, idle)
			if second {
				emptyLate = append(emptyLate, idle)
			}
		}
	}
	r.rejections(late, rejected)
	split := 0
	for b := range lost {
		if placed[b] {
			split++
		}
	}
	batches := len(lost) + len(placed) - split
	r.Metric("split", percent(int64(split), int64(batches)))
	r.Metric("empty", mean(emptyLate))
	r.Curve("allocated", xs, full)
	r.Curve("empty", xs, empty)
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		return nil, nil, err
	}
	r.end(snapshot)
	r.Result.Heat = map[string][]int{"end": heat(snapshot, scarce)}
	r.Time("decisions", float64(decisions)/took.Seconds())
	return state, s, nil
}

// look returns the part of a resource that is in use, and the part of the nodes that have no task, in %.
func look(snapshot *cluster.Snapshot, scarce string) (used, idle float64) {
	whole, free, empty := int64(0), int64(0), 0
	for n := range snapshot.Nodes() {
		whole, free = whole+n.Capacity()[scarce], free+n.Free()[scarce]
		if !occupied(n) {
			empty++
		}
	}
	return percent(whole-free, whole), percent(int64(empty), int64(snapshot.Len()))
}

// bins is how many steps of time a generated churn has.
const bins = 200

// lively is a cell after Google's table whose tasks come in batches of 1 to 20 alike and live 1 to 128 steps of 200, short lives
// likelier: a life is up to 4 steps with probability 1/2, up to 8 with 1/4 and so on. They come evenly, so many that what lives at
// once asks for a part of the cores in the mean, were none turned away.
func lively(nodes int, load int64) Workload {
	return Workload{
		Name:  fmt.Sprintf("google-2011-churn-%d", load),
		About: fmt.Sprintf("machines drawn from Google's table of 2011, tasks that come and go, drawn from the seed, %d %% of the cores in the mean", load),
		Cell: func(seed uint64) (*Cell, error) {
			c := trace.Google(min(nodes, trace.Machines), 0, seed)
			cell := &Cell{Seed: seed, Nodes: c.Nodes}
			rng := pcg(seed, 7)
			target := cell.Total()["cpu"] / 100 * load * bins
			groups := map[trace.Shape]*berth.Group{}
			for batch := 0; target > 0; batch++ {
				shape := trace.Shape{CPU: 1000 << halving(rng, 4), Memory: 2 << 30 << halving(rng, 5)}
				g := groups[shape]
				if g == nil {
					g = berth.NewGroup(fmt.Sprintf("shape-%d", len(groups)), shape.Spec(""))
					groups[shape] = g
				}
				for range 1 + rng.IntN(20) {
					life := 1 + rng.IntN(4<<halving(rng, 6))
					target -= shape.CPU * int64(life)
					cell.Arrivals = append(cell.Arrivals, Arrival{Task: g.Task(fmt.Sprintf("task-%07d", len(cell.Arrivals))), Lives: time.Duration(life) * time.Minute, Batch: batch})
				}
			}
			at, batch := 0, -1
			for i := range cell.Arrivals { // a batch comes at once
				if a := &cell.Arrivals[i]; a.Batch != batch {
					at, batch = i*bins/len(cell.Arrivals), a.Batch
				}
				cell.Arrivals[i].At = time.Duration(at) * time.Minute
			}
			return cell, nil
		},
	}
}

func churnWorkloads(c Config) ([]Workload, error) {
	loads := []int64{70, 85, 95}
	nodes := c.Nodes
	if c.Tier == Quick { // a third of the nodes, since each sees hundreds of tasks
		loads, nodes = loads[1:], max(nodes/3, 1)
	}
	var workloads []Workload
	for _, l := range loads {
		workloads = append(workloads, lively(nodes, l))
	}
	own, err := ownWorkloads(c, true)
	return append(workloads, own...), err
}

// azureEvery is which part of the batches a tier takes, one of so many, with a cell as much smaller.
var azureEvery = [...]int{16, 8, 1}

func azureWorkloads(c Config) ([]Workload, error) {
	if c.Data == "" {
		return nil, nil
	}
	files, err := trace.FindAzure(c.Data)
	if err != nil {
		return nil, err
	}
	var workloads []Workload
	for _, file := range files {
		a, err := trace.LoadAzure(file)
		if err != nil {
			return nil, err
		}
		var inputs []Input
		for _, path := range a.Files {
			in, err := InputOf(path)
			if err != nil {
				return nil, err
			}
			inputs = append(inputs, in)
		}
		every := azureEvery[min(max(c.Tier, Quick), Full)]
		for _, load := range []int64{85, 95} {
			w := azure(a, strings.TrimSuffix(filepath.Base(file), ".txt"), load, every)
			w.Inputs = inputs
			workloads = append(workloads, w)
		}
	}
	return workloads, nil
}

// azure is the trace's arrivals on machines of Google's table, so many that in the second half what lives at once asks for a part of
// the scarcer of cores and memory, in the mean, were none turned away. A life is the middle of its published bin, in whole steps of
// five minutes but at least one; what ran to the end of the trace stays.
func azure(a *trace.Azure, name string, load int64, every int) Workload {
	return Workload{
		Name: fmt.Sprintf("azure-%s-%d", name, load),
		About: fmt.Sprintf("Azure's arrivals of 2017 with their lives, one of %d batches, the seed says which, on as many machines drawn from Google's table of 2011 as makes %d %% of the scarcer resource",
			every, load),
		Cell: func(seed uint64) (*Cell, error) {
			const step = 300
			cell := &Cell{Seed: seed}
			groups := map[trace.Shape]*berth.Group{}
			last := a.VMs[len(a.VMs)-1].At
			var cpu, memory float64 // what lives, by seconds of the second half
			for i, v := range a.VMs {
				if v.Batch%every != int(seed%uint64(every)) {
					continue
				}
				life := max(step, (v.Life+step/2)/step*step)
				shape := trace.Shape{CPU: v.CPU, Memory: v.Memory}
				g := groups[shape]
				if g == nil {
					g = berth.NewGroup(fmt.Sprintf("kind-%d", len(groups)), shape.Spec(""))
					groups[shape] = g
				}
				arrival := Arrival{Task: g.Task(fmt.Sprintf("vm-%06d", i)), At: time.Duration(v.At) * time.Second, Batch: v.Batch}
				end := last
				if !v.Open {
					arrival.Lives = time.Duration(life) * time.Second
					end = min(end, v.At+life)
				}
				half := (a.VMs[0].At + last) / 2
				if span := float64(end - max(v.At, half)); span > 0 {
					cpu, memory = cpu+float64(float64(v.CPU)*span), memory+float64(float64(v.Memory)*span)
				}
				cell.Arrivals = append(cell.Arrivals, arrival)
			}
			if len(cell.Arrivals) == 0 {
				return nil, fmt.Errorf("%s: no batch of that part", name)
			}
			first := cell.Arrivals[0].At // time begins with the first arrival
			for i := range cell.Arrivals {
				cell.Arrivals[i].At -= first
			}
			span := float64(last-a.VMs[0].At) / 2
			needCPU, needMemory := cpu/span*100/float64(load), memory/span*100/float64(load)
			all := trace.Google(trace.Machines, 0, seed).Nodes
			for _, n := range all {
				if needCPU <= 0 && needMemory <= 0 {
					break
				}
				needCPU, needMemory = needCPU-float64(n.Capacity["cpu"]), needMemory-float64(n.Capacity["memory"])
				cell.Nodes = append(cell.Nodes, n)
			}
			if needCPU > 0 || needMemory > 0 {
				return nil, fmt.Errorf("%s: %d machines are too few for %d %% load", name, len(all), load)
			}
			return cell, nil
		},
	}
}

package rivals

import (
	"context"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// Berth is this project's scheduler, with everything in view. OneByOne makes a call for each task instead of one for all.
type Berth struct{ OneByOne bool }

// Name returns "berth" or "berth, one by one".
func (b Berth) Name() string {
	if b.OneByOne {
		return "berth, one by one"
	}
	return "berth"
}

// Can reports that there are words for every case. One by one there is no daemon, which is one demand.
func (b Berth) Can(c Case) bool { return !b.OneByOne || c != Daemon }

// Load makes a State.
func (b Berth) Load(_ context.Context, w *Workload) (Instance, error) {
	nodes := make([]berth.Node, len(w.Nodes))
	for i, n := range w.Nodes {
		nodes[i] = berth.Node{
			ID: n.ID, Capacity: berth.Resources{"cpu": n.CPU, "memory": n.Memory},
			Attributes: berth.Attributes{"zone": n.Zone, "disk": n.Disk},
		}
	}
	state, err := scheduler.NewState(scheduler.StateConfig{}, nodes...)
	if err != nil {
		return nil, err
	}
	strategy := placement.BinPack()
	if w.Case == Spread {
		strategy = placement.Spread("zone", berth.NodeID)
	}
	return &berthInstance{w: w, state: state, cfg: scheduler.Config{Strategy: strategy}, tasks: berthTasks(w), oneByOne: b.OneByOne}, nil
}

// berthTasks returns the tasks of a workload; of a daemon its demand.
func berthTasks(w *Workload) (tasks []berth.Task) {
	for _, g := range w.Groups {
		spec := berth.GroupSpec{Request: berth.Resources{"cpu": g.CPU, "memory": g.Memory}, Labels: map[string]string{"group": g.Name}}
		if g.SSD {
			spec.Rules = append(spec.Rules, constraints.Eq("disk", "ssd"))
		}
		if g.Alone {
			spec.Rules = append(spec.Rules, constraints.UniqueNode())
		}
		if g.Near != "" {
			spec.Rules = append(spec.Rules, constraints.Near("zone", berth.Label("group", g.Near)))
		}
		if g.EveryNode {
			spec.Mode = berth.Daemon
			tasks = append(tasks, berth.NewGroup(g.Name, spec).Everywhere())
			continue
		}
		tasks = append(tasks, berth.NewGroup(g.Name, spec).Tasks(g.Tasks)...)
	}
	return tasks
}

type berthInstance struct {
	w        *Workload
	state    *scheduler.State
	cfg      scheduler.Config
	tasks    []berth.Task
	oneByOne bool
}

func (i *berthInstance) Place(ctx context.Context) (placed []Placement, latencies []time.Duration, err error) {
	s, err := scheduler.New(i.state, i.cfg)
	if err != nil {
		return nil, nil, err
	}
	var ops []berth.Op
	if !i.oneByOne {
		out, err := s.Schedule(ctx, i.tasks...)
		if err != nil {
			return nil, nil, err
		}
		ops = out.Placed
	} else {
		for k := range i.tasks {
			start := time.Now()
			out, err := s.Schedule(ctx, i.tasks[k])
			if err != nil {
				return nil, nil, err
			}
			latencies = append(latencies, time.Since(start))
			ops = append(ops, out.Placed...)
		}
	}
	placed = make([]Placement, len(ops))
	for k, op := range ops {
		placed[k] = Placement{op.Task.Group.Name(), op.Node}
	}
	return placed, latencies, nil
}

func (i *berthInstance) Close() {}

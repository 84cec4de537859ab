package suite

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

// mover empties nodes by moving their tasks to others.
type mover struct {
	state *scheduler.State
	s     *scheduler.Scheduler
	took  time.Duration
	moves int
}

// empty tries to move all tasks of a node elsewhere. Where one finds no other node, all stay, and the node can be used again.
func (m *mover) empty(ctx context.Context, n cluster.NodeView) (bool, error) {
	begin := time.Now()
	defer func() { m.took += time.Since(begin) }()
	var tasks []berth.Task
	var back []scheduler.Running
	var ids []string
	for t := range n.Tasks() {
		task := t.Group.Task(t.ID)
		tasks, ids = append(tasks, task), append(ids, t.ID)
		back = append(back, scheduler.Running{Task: task, Node: n.ID(), Grant: t.Grant})
	}
	if err := m.state.Cordon(n.ID()); err != nil {
		return false, err
	}
	if err := m.state.Release(ids...); err != nil {
		return false, err
	}
	out, err := m.s.Schedule(ctx, tasks...)
	if err != nil {
		return false, err
	}
	if len(out.Unplaced) == 0 && len(out.Refused) == 0 {
		m.moves += len(tasks)
		return true, nil
	}
	var moved []string
	for _, op := range out.Placed {
		moved = append(moved, op.Task.ID)
	}
	if err := m.state.Release(moved...); err != nil {
		return false, err
	}
	if err := m.state.Uncordon(n.ID()); err != nil {
		return false, err
	}
	return false, m.state.Adopt(back...)
}

// fragmented is a churn that leaves room in many places.
func fragmented(c Config) ([]Workload, error) {
	nodes := c.Nodes
	if c.Tier == Quick {
		nodes = max(nodes/3, 1)
	}
	return []Workload{lively(nodes, 50)}, nil
}

// defragment lets a cell live, and then empties nodes, those with the least in use first, until a twentieth of those that have tasks is regained.
// Nodes that are empty already stay so.
func defragment(ctx context.Context, r *Run) error {
	state, s, err := r.live(ctx)
	if err != nil {
		return err
	}
	r.Result.Metrics, r.Result.Curves, r.Timing.Metrics = map[string]float64{}, nil, map[string]float64{} // those of the churn are in its own scenario
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		return err
	}
	scarce := r.Cell.Scarce()
	r.Result.Heat = map[string][]int{"start": heat(snapshot, scarce)}
	var some []cluster.NodeView
	var idle []string
	for n := range snapshot.Nodes() {
		if occupied(n) {
			some = append(some, n)
		} else {
			idle = append(idle, n.ID())
		}
	}
	if err := state.Cordon(idle...); err != nil {
		return err
	}
	used := func(n cluster.NodeView) int64 { return n.Capacity()[scarce] - n.Free()[scarce] }
	slices.SortStableFunc(some, func(a, b cluster.NodeView) int { return cmp.Compare(used(a), used(b)) })
	m := &mover{state: state, s: s}
	want, regained := (len(some)+19)/20, 0
	for _, n := range some {
		if regained == want {
			break
		}
		now, ok := state.Node(n.ID()) // tasks of nodes that were emptied before may be here by now
		if !ok || now.Cordoned() {
			continue
		}
		done, err := m.empty(ctx, now)
		if err != nil {
			return err
		}
		if done {
			regained++
		}
	}
	r.Metric("empty", percent(int64(len(idle)), int64(len(r.Cell.Nodes))))
	r.Metric("regained", percent(int64(regained), int64(want)))
	if regained > 0 {
		r.Metric("moves", float64(m.moves)/float64(regained))
	}
	r.Time("decisions", float64(m.moves)/max(m.took.Seconds(), 1e-9))
	if snapshot, err = state.Snapshot(ctx); err != nil {
		return err
	}
	r.Result.Heat["end"] = heat(snapshot, scarce)
	return nil
}

// drain empties a tenth of the nodes, evenly over the order of IDs. Tasks that find no other node stay, and so does their node.
func drain(ctx context.Context, r *Run) error {
	state, s, err := r.Scheduler(r.Cell.Nodes)
	if err != nil {
		return err
	}
	if _, err := s.Schedule(ctx, r.upTo(6)...); err != nil {
		return err
	}
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		return err
	}
	r.Result.Heat = map[string][]int{"start": heat(snapshot, "cpu")}
	m := &mover{state: state, s: s}
	i, tried, drained, tasks := 0, 0, 0, 0
	for n := range snapshot.Nodes() {
		if i++; i%10 != 0 {
			continue
		}
		now, ok := state.Node(n.ID())
		if !ok {
			continue
		}
		tried++
		for range now.Tasks() {
			tasks++
		}
		done, err := m.empty(ctx, now)
		if err != nil {
			return err
		}
		if done {
			drained++
		}
	}
	r.Metric("regained", percent(int64(drained), int64(tried)))
	r.Metric("replaced", percent(int64(m.moves), int64(tasks)))
	r.Time("decisions", float64(m.moves)/max(m.took.Seconds(), 1e-9))
	if snapshot, err = state.Snapshot(ctx); err != nil {
		return err
	}
	violations, _ := broken(snapshot)
	r.Metric("violations", float64(violations))
	r.Result.Heat["end"] = heat(snapshot, "cpu")
	return nil
}

// upTo returns the first tasks of the cell that together ask for at most so many tenths of its cores.
func (r *Run) upTo(tenths int64) (tasks []berth.Task) {
	limit, asked := r.Cell.Total()["cpu"]*tenths/10, int64(0)
	for _, t := range r.Cell.Tasks() {
		if asked += t.Group.Cost()["cpu"]; asked > limit {
			break
		}
		tasks = append(tasks, t)
	}
	return tasks
}

package suite

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/scheduler"
)

const (
	zones       = 8
	generations = 5
)

func zoned(nodes int, seed uint64) []berth.Node {
	rng := pcg(seed, 10)
	all := trace.Google(min(nodes, trace.Machines), 0, seed).Nodes
	for i := range all {
		all[i].Attributes = berth.Attributes{"zone": fmt.Sprintf("zone-%d", rng.IntN(zones)), "generation": 1 + rng.IntN(generations)}
		if rng.IntN(10) == 0 {
			all[i].Taints = []berth.Taint{{Key: "dedicated", Value: "batch", Effect: berth.NoSchedule}}
		}
	}
	return all
}

// ruled is a cell of services with rules.
func ruled(nodes int) Workload {
	return Workload{
		Name:  "services",
		About: "machines drawn from Google's table of 2011 in 8 zones, of 5 generations, a tenth with a taint; services of 5 to 40 tasks: even over zones, one to a node, of a generation or later, tolerating the taint or without a rule; 110 % of the cores",
		Cell: func(seed uint64) (*Cell, error) {
			cell := &Cell{Seed: seed, Nodes: zoned(nodes, seed)}
			rng := pcg(seed, 11)
			limit, asked := cell.Total()["cpu"]/10*11, int64(0)
			for service := 0; asked < limit; service++ {
				spec := berth.GroupSpec{Request: berth.Resources{"cpu": 250 << halving(rng, 6), "memory": 512 << 20 << halving(rng, 7)}}
				switch rng.IntN(5) {
				case 0:
					spec.Rules = []berth.Constraint{constraints.GroupBy("zone").Skew(1)}
				case 1:
					spec.Rules = []berth.Constraint{constraints.UniqueNode()}
				case 2:
					spec.Rules = []berth.Constraint{constraints.AtLeast("generation", 2+rng.IntN(generations-1))}
				case 3:
					spec.Rules = []berth.Constraint{constraints.TolerateKey("dedicated")}
				}
				g := berth.NewGroup(fmt.Sprintf("service-%05d", service), spec)
				for i := range 5 + rng.IntN(36) {
					asked += spec.Request["cpu"]
					cell.Arrivals = append(cell.Arrivals, Arrival{Task: g.Task(fmt.Sprintf("service-%05d-%d", service, i)), Batch: service})
				}
			}
			return cell, nil
		},
	}
}

// obey fills a cell with services that have rules, and counts in the end, task by task, the rules that are broken.
func obey(ctx context.Context, r *Run) error {
	state, s, err := r.Scheduler(r.Cell.Nodes)
	if err != nil {
		return err
	}
	if _, _, err := r.scheduleAll(ctx, s); err != nil {
		return err
	}
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		return err
	}
	r.end(snapshot)
	violations, lost := broken(snapshot)
	r.Metric("violations", float64(violations))
	r.Metric("zone-loss", lost)
	lo, hi := 100.0, 0.0
	used, whole := map[string]int64{}, map[string]int64{}
	scarce := r.Cell.Scarce()
	for n := range snapshot.Nodes() {
		zone := textOf(n, "zone")
		whole[zone] += n.Capacity()[scarce]
		used[zone] += n.Capacity()[scarce] - n.Free()[scarce]
	}
	for zone, q := range whole {
		part := percent(used[zone], q)
		lo, hi = min(lo, part), max(hi, part)
	}
	r.Metric("zone-imbalance", hi-lo)
	return nil
}

// scheduleAll hands in all tasks of the cell at once, and notes how fast they are decided and which are turned away.
func (r *Run) scheduleAll(ctx context.Context, s *scheduler.Scheduler) (tasks []berth.Task, rejected map[string]bool, err error) {
	tasks = r.Cell.Tasks()
	begin := time.Now()
	out, err := s.Schedule(ctx, tasks...)
	if err != nil {
		return nil, nil, err
	}
	r.Time("decisions", float64(len(tasks))/time.Since(begin).Seconds())
	rejected = unplaced(out)
	r.rejections(tasks, rejected)
	return tasks, rejected, nil
}

// unplaced returns the IDs of the tasks that found no node.
func unplaced(out *cluster.Outcome) map[string]bool {
	ids := make(map[string]bool, len(out.Unplaced))
	for _, u := range out.Unplaced {
		ids[u.Task.ID] = true
	}
	return ids
}

func textOf(n cluster.NodeView, attribute string) string {
	v, _ := n.Attribute(attribute)
	return v.String()
}

// broken looks at every task where it is, and counts those that a rule forbids: it shares no code with the scheduler but what a node
// and a task are. It also returns what a service loses, in % and in the mean, with the zone that has most of it.
func broken(snapshot *cluster.Snapshot) (violations int, loss float64) {
	type service struct {
		group  *berth.Group
		zones  map[string]int
		nodes  map[string]int
		placed int
	}
	services := map[string]*service{}
	var order []*service
	all := map[string]bool{}
	for n := range snapshot.Nodes() {
		zone, id := textOf(n, "zone"), n.ID()
		all[zone] = true
		node := n.Node()
		for t := range n.Tasks() {
			g := t.Group
			sv := services[g.Name()]
			if sv == nil {
				sv = &service{group: g, zones: map[string]int{}, nodes: map[string]int{}}
				services[g.Name()] = sv
				order = append(order, sv)
			}
			sv.zones[zone]++
			sv.nodes[id]++
			sv.placed++
			tolerates := false
			for _, rule := range g.Spec().Rules {
				switch rule := rule.(type) {
				case constraints.Comparison:
					need := 0
					if _, err := fmt.Sscanf(rule.String(), "generation >= %d", &need); err != nil || node.Attributes["generation"].(int) < need {
						violations++
					}
				case constraints.Toleration:
					tolerates = true
				}
			}
			if len(node.Taints) > 0 && !tolerates {
				violations++
			}
		}
	}
	var losses []float64
	for _, sv := range order {
		most, least := 0, sv.placed
		for zone := range all {
			most, least = max(most, sv.zones[zone]), min(least, sv.zones[zone])
		}
		for _, rule := range sv.group.Spec().Rules {
			switch rule := rule.(type) {
			case constraints.Spread:
				violations += max(0, most-least-1)
			case constraints.Cap:
				if rule == constraints.UniqueNode() {
					for _, k := range sv.nodes {
						violations += k - 1
					}
				}
			}
		}
		losses = append(losses, percent(int64(most), int64(sv.placed)))
	}
	return violations, mean(losses)
}

// fail fills a cell of services to half of its cores, lets the zone go that has most of its tasks, and places them anew.
func fail(ctx context.Context, r *Run) error {
	state, s, err := r.Scheduler(r.Cell.Nodes)
	if err != nil {
		return err
	}
	tasks := r.upTo(6)
	if _, err := s.Schedule(ctx, tasks...); err != nil {
		return err
	}
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		return err
	}
	r.Result.Heat = map[string][]int{"start": heat(snapshot, "cpu")}
	count, nodes := map[string]int{}, map[string][]string{}
	for n := range snapshot.Nodes() {
		zone := textOf(n, "zone")
		nodes[zone] = append(nodes[zone], n.ID())
		for range n.Tasks() {
			count[zone]++
		}
	}
	worst := ""
	for _, zone := range sorted(count) {
		if worst == "" || count[zone] > count[worst] {
			worst = zone
		}
	}
	if err := state.RemoveNodes(nodes[worst]...); err != nil {
		return err
	}
	if snapshot, err = state.Snapshot(ctx); err != nil {
		return err
	}
	var lost []berth.Task
	var ids []string
	for t := range snapshot.Lost() {
		lost = append(lost, t.Group.Task(t.ID))
		ids = append(ids, t.ID)
	}
	if err := state.Release(ids...); err != nil {
		return err
	}
	begin := time.Now()
	out, err := s.Schedule(ctx, lost...)
	if err != nil {
		return err
	}
	r.Time("decisions", float64(len(lost))/time.Since(begin).Seconds())
	r.Metric("zone-loss", percent(int64(len(lost)), int64(len(tasks))))
	r.Metric("replaced", percent(int64(len(out.Placed)), int64(len(lost))))
	if snapshot, err = state.Snapshot(ctx); err != nil {
		return err
	}
	violations, _ := broken(snapshot)
	r.Metric("violations", float64(violations))
	r.Result.Heat["end"] = heat(snapshot, "cpu")
	return nil
}

// gangs are groups that run whole or not at all, of 2 to 64 tasks, small ones likelier, which ask for 120 % of the cores.
func gangs(nodes int) Workload {
	return Workload{
		Name:  "gangs",
		About: "machines drawn from Google's table of 2011; gangs of 2 to 64 tasks of 1 to 16 cores, small ones likelier; 120 % of the cores",
		Cell: func(seed uint64) (*Cell, error) {
			cell := &Cell{Seed: seed, Nodes: trace.Google(min(nodes, trace.Machines), 0, seed).Nodes}
			rng := pcg(seed, 12)
			limit, asked := cell.Total()["cpu"]/10*12, int64(0)
			for gang := 0; asked < limit; gang++ {
				size := 2 << halving(rng, 6)
				cpu := int64(1000) << halving(rng, 5)
				g := berth.NewGroup(fmt.Sprintf("gang-%05d", gang), berth.GroupSpec{Mode: berth.Gang, GangSize: size, Request: berth.Resources{"cpu": cpu, "memory": cpu / 500 << 30}})
				for i := range size {
					asked += cpu
					cell.Arrivals = append(cell.Arrivals, Arrival{Task: g.Task(fmt.Sprintf("gang-%05d-%d", gang, i)), Batch: gang})
				}
			}
			return cell, nil
		},
	}
}

// gather fills a cell with gangs, and looks in the end whether each runs whole or not at all.
func gather(ctx context.Context, r *Run) error {
	state, s, err := r.Scheduler(r.Cell.Nodes)
	if err != nil {
		return err
	}
	tasks, rejected, err := r.scheduleAll(ctx, s)
	if err != nil {
		return err
	}
	running, size := map[*berth.Group]int{}, map[*berth.Group]int{}
	for _, t := range tasks {
		size[t.Group] = t.Group.GangSize()
		if !rejected[t.ID] {
			running[t.Group]++
		}
	}
	whole, partial := 0, 0
	for g, n := range size {
		switch {
		case running[g] >= n:
			whole++
		case running[g] > 0:
			partial++
		}
	}
	r.Metric("whole", percent(int64(whole), int64(len(size))))
	r.Metric("partial", float64(partial))
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		return err
	}
	r.end(snapshot)
	return nil
}

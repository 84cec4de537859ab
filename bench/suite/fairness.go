package suite

import (
	"context"
	"fmt"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/bench/trace"
)

const (
	rounds  = 40
	backlog = 150 // tasks that a role has waiting at most
)

func tenant(i int) berth.Role { return berth.Role(fmt.Sprintf("tenant-%03d", i)) }

// tenantWeight is what a role deserves where weights count: 1, 2, 3, 4, 1, 2 and so on.
func tenantWeight(i int) allocator.Weight { return allocator.Weight(1+i%4) * allocator.DefaultWeight }

func orders() []Order {
	weights := func(c *Cell) map[berth.Role]allocator.Weight {
		w := map[berth.Role]allocator.Weight{}
		for i, r := range c.roles() {
			w[r] = tenantWeight(i)
		}
		return w
	}
	return []Order{
		{Name: "first-come", About: "tasks in the order in which they are handed in", Of: func(*Cell) (allocator.Order, error) { return nil, nil }},
		{Name: "drf", About: "dominant resource fairness (Ghodsi et al., NSDI 2011), all roles alike", Of: func(*Cell) (allocator.Order, error) { return allocator.Fair{}, nil }},
		{Name: "weighted-drf", About: "dominant resource fairness, roles of weights 1 to 4 in turn", Of: func(c *Cell) (allocator.Order, error) {
			return allocator.Fair{Weights: weights(c)}, nil
		}},
		{Name: "priority", About: "every other role before the others, dominant resource fairness among each", Of: func(c *Cell) (allocator.Order, error) {
			of := map[berth.Role]int{}
			for i, r := range c.roles() {
				of[r] = 1 - i%2
			}
			return allocator.Priority{Of: of}, nil
		}},
	}
}

// roles returns the roles of the cell's tasks, in the order in which they come first.
func (c *Cell) roles() (all []berth.Role) {
	seen := map[berth.Role]bool{}
	for _, a := range c.Arrivals {
		if r := a.Task.Group.Role(); !seen[r] {
			seen[r] = true
			all = append(all, r)
		}
	}
	return all
}

// tenants is a cell that tenants compete for. Each has one kind of task, for which it needs more of cores or more of memory; the
// arrivals are one task of each, of which a round makes as many as the tenant hands in.
func tenants(nodes, n int) Workload {
	return Workload{
		Name:  fmt.Sprintf("tenants-%d", n),
		About: fmt.Sprintf("%d tenants, of which each hands in more tasks in a round than the one before it, needing cores or memory, of 1 to 8 rounds; together far more than there is room for", n),
		Cell: func(seed uint64) (*Cell, error) {
			cell := &Cell{Seed: seed, Nodes: trace.Google(min(nodes, trace.Machines), 0, seed).Nodes}
			rng := pcg(seed, 13)
			for i := range n {
				large, little := int64(1)<<rng.IntN(3), int64(1)
				request := berth.Resources{"cpu": 1000 * large, "memory": little << 30}
				if i%2 == 1 {
					request = berth.Resources{"cpu": 250 * little, "memory": 4 * large << 30}
				}
				g := berth.NewGroup(string(tenant(i)), berth.GroupSpec{Role: tenant(i), Request: request})
				cell.Arrivals = append(cell.Arrivals, Arrival{Task: g.Task(string(tenant(i))), Batch: i})
			}
			return cell, nil
		},
	}
}

func fairnessWorkloads(c Config) ([]Workload, error) {
	workloads := []Workload{tenants(min(c.Nodes, 100), 2), tenants(min(c.Nodes, 100), 10)}
	if c.Tier != Quick {
		workloads = append(workloads, tenants(c.Nodes, 100))
	}
	if c.Tier == Full {
		workloads = append(workloads, tenants(c.Nodes, 1000))
	}
	return workloads, nil
}

// share lets tenants hand in tasks round after round, more than there is room for, and looks after each round at what each has.
func share(ctx context.Context, r *Run) error {
	state, s, err := r.Scheduler(r.Cell.Nodes)
	if err != nil {
		return err
	}
	rng := pcg(r.Cell.Seed, 14)
	total := r.Cell.Total()
	n := len(r.Cell.Arrivals)
	waiting := make([][]berth.Task, n)
	ends := map[int][]string{}
	starved, longest, number, decisions, unfair := make([]int, n), 0, 0, 0, 0
	var took time.Duration
	var xs, gaps, weightedGaps, deficits []float64
	fill := int64(total["cpu"]) / 4000 / int64(n) // tasks that would give a tenant its part in a round, about
	for round := range rounds {
		if len(ends[round]) > 0 {
			if err := state.Release(ends[round]...); err != nil {
				return err
			}
		}
		var tasks []berth.Task
		for i, a := range r.Cell.Arrivals {
			for range min(int64(backlog)+fill-int64(len(waiting[i])), (fill+1)*int64(2+i%5)) {
				waiting[i] = append(waiting[i], a.Task.Group.Task(fmt.Sprintf("%s-%07d", a.Task.Group.Name(), number)))
				number++
			}
			tasks = append(tasks, waiting[i]...)
		}
		begin := time.Now()
		out, err := s.Schedule(ctx, tasks...)
		took += time.Since(begin)
		decisions += len(tasks)
		if err != nil {
			return err
		}
		placed := map[string]bool{}
		for _, op := range out.Placed {
			placed[op.Task.ID] = true
			at := round + 1 + rng.IntN(8)
			ends[at] = append(ends[at], op.Task.ID)
		}
		snapshot, err := state.Snapshot(ctx)
		if err != nil {
			return err
		}
		lo, hi, wlo, whi := 1e18, 0.0, 1e18, 0.0
		for i, a := range r.Cell.Arrivals {
			before := len(waiting[i])
			var left []berth.Task
			for _, t := range waiting[i] {
				if !placed[t.ID] {
					left = append(left, t)
				}
			}
			waiting[i] = left
			if len(left) == 0 {
				starved[i] = 0
				continue
			}
			if starved[i]++; len(left) < before {
				starved[i] = 0
			}
			longest = max(longest, starved[i])
			dominant := 0.0
			for name, q := range snapshot.Used(a.Task.Group.Role()).All() {
				dominant = max(dominant, percent(q, total[name]))
			}
			weighted := dominant * float64(allocator.DefaultWeight) / float64(tenantWeight(i))
			lo, hi, wlo, whi = min(lo, dominant), max(hi, dominant), min(wlo, weighted), max(whi, weighted)
			deficits = append(deficits, max(0, 100/float64(n)-dominant))
			if round == rounds-1 && dominant < 100/float64(n) {
				unfair++
			}
		}
		xs, gaps, weightedGaps = append(xs, float64(round)), append(gaps, max(0, hi-lo)), append(weightedGaps, max(0, whi-wlo))
	}
	r.Metric("gap-shares", mean(gaps[rounds/2:]))
	r.Metric("gap-shares.weighted", mean(weightedGaps[rounds/2:]))
	r.Metric("deficit", mean(deficits))
	r.Metric("starved", float64(longest))
	r.Metric("no-incentive", float64(unfair))
	r.Curve("gap-shares", xs, gaps)
	snapshot, err := state.Snapshot(ctx)
	if err != nil {
		return err
	}
	for name, whole := range total.All() {
		r.Metric("allocated."+name, percent(snapshot.Used("")[name], whole))
	}
	r.Time("decisions", float64(decisions)/took.Seconds())
	return nil
}

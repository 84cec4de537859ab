package suite

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

const (
	rounds  = 40
	backlog = 150 // tasks that a role has waiting at most
)

func tenant(i int) berth.Role { return berth.Role(fmt.Sprintf("tenant-%03d", i)) }

// tenantWeight is what a role deserves where weights count: 1, 2, 3, 4, 1, 2 and so on.
func tenantWeight(i int) allocator.Weight { return allocator.Weight(1+i%4) * allocator.DefaultWeight }

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
		Cell:  func(seed uint64) (*Cell, error) { return competing(nodes, n, seed, tenant), nil },
	}
}

// departments is such a cell whose tenants are the teams of departments: half of them of the first, a quarter of the second and so on.
func departments(nodes, n int) Workload {
	return Workload{
		Name:  fmt.Sprintf("departments-%d", n),
		About: fmt.Sprintf("%d tenants as before, half of them teams of one department, a quarter of the next and so on", n),
		Cell: func(seed uint64) (*Cell, error) {
			return competing(nodes, n, seed, func(i int) berth.Role {
				department := 0
				for end := n / 2; i >= end && end < n-1; end += max((n-end)/2, 1) {
					department++
				}
				return berth.Role(fmt.Sprintf("department-%d/%s", department, tenant(i)))
			}), nil
		},
	}
}

func competing(nodes, n int, seed uint64, role func(i int) berth.Role) *Cell {
	cell := &Cell{Seed: seed, Nodes: trace.Google(min(nodes, trace.Machines), 0, seed).Nodes}
	rng := pcg(seed, 13)
	for i := range n {
		large, little := int64(1)<<rng.IntN(3), int64(1)
		request := berth.Resources{"cpu": 1000 * large, "memory": little << 30}
		if i%2 == 1 {
			request = berth.Resources{"cpu": 250 * little, "memory": 4 * large << 30}
		}
		g := berth.NewGroup(string(tenant(i)), berth.GroupSpec{Role: role(i), Request: request})
		cell.Arrivals = append(cell.Arrivals, Arrival{Task: g.Task(string(tenant(i))), Batch: i})
	}
	return cell
}

func fairnessWorkloads(c Config) ([]Workload, error) {
	workloads := []Workload{tenants(min(c.Nodes, 100), 2), tenants(min(c.Nodes, 100), 10), departments(min(c.Nodes, 100), 8)}
	if c.Tier != Quick {
		workloads = append(workloads, tenants(c.Nodes, 100))
	}
	if c.Tier == Full {
		workloads = append(workloads, tenants(c.Nodes, 1000))
	}
	real, err := byQoS(c)
	return append(workloads, real...), err
}

// byQoS is openb with its qualities of service as tenants, which together ask for more GPUs than there are, all the time.
func byQoS(c Config) ([]Workload, error) {
	lists, err := openbLists(c)
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		if filepath.Base(list) != trace.PodList {
			continue
		}
		w, err := openb(c.Data, list, 1300)
		if err != nil {
			return nil, err
		}
		of := w.Cell
		w.Name, w.About = "qos-130", w.About+"; each quality of service is a tenant, and what ends comes again"
		w.Cell = func(seed uint64) (*Cell, error) {
			cell, err := of(seed)
			if err == nil {
				cell.Recurring = true
			}
			return cell, err
		}
		return []Workload{w}, nil
	}
	return nil, nil
}

// contender is a role that competes, and the tasks that it has: all, or one of each kind.
type contender struct {
	role  berth.Role
	tasks []berth.Task
}

func (c *Cell) contenders() (all []contender) {
	at := map[berth.Role]int{}
	for _, a := range c.Arrivals {
		role := a.Task.Group.Role()
		i, known := at[role]
		if !known || !c.Recurring {
			i, at[role] = len(all), len(all)
			all = append(all, contender{role: role})
		}
		all[i].tasks = append(all[i].tasks, a.Task)
	}
	return all
}

// share lets tenants hand in tasks round after round, more than there is room for, to one scheduler that places them all.
func share(ctx context.Context, r *Run) error {
	state, s, err := r.Scheduler(r.Cell.Nodes)
	if err != nil {
		return err
	}
	return r.compete(ctx, state, func(waiting [][]berth.Task) ([]berth.Op, error) {
		var tasks []berth.Task
		for _, w := range waiting {
			tasks = append(tasks, w...)
		}
		out, err := s.Schedule(ctx, tasks...)
		if err != nil {
			return nil, err
		}
		return out.Placed, nil
	})
}

// compete lets tenants hand in tasks round after round, and looks after each round at what each has.
func (r *Run) compete(ctx context.Context, state *scheduler.State, place func(waiting [][]berth.Task) ([]berth.Op, error)) error {
	rng := pcg(r.Cell.Seed, 14)
	total := r.Cell.Total()
	all := r.Cell.contenders()
	n := len(all)
	waiting := make([][]berth.Task, n)
	if r.Cell.Recurring {
		for i, one := range all {
			waiting[i] = slices.Clone(one.tasks)
		}
	}
	ends := map[int][]leaver{}
	number, decisions := 0, 0
	var took time.Duration
	f := newFairness(all)
	fill := int64(total["cpu"]) / 4000 / int64(n) // tasks that would give a tenant its part in a round, about
	for round := range rounds {
		r.now = r.now.Add(time.Minute)
		if len(ends[round]) > 0 {
			ids := make([]string, len(ends[round]))
			for k, e := range ends[round] {
				if ids[k] = e.task.ID; r.Cell.Recurring {
					waiting[e.of] = append(waiting[e.of], e.task)
				}
			}
			if err := state.Release(ids...); err != nil {
				return err
			}
		}
		for i, one := range all {
			if !r.Cell.Recurring {
				g := one.tasks[0].Group
				for range min(int64(backlog)+fill-int64(len(waiting[i])), (fill+1)*int64(2+i%5)) {
					waiting[i] = append(waiting[i], g.Task(fmt.Sprintf("%s-%07d", g.Name(), number)))
					number++
				}
			}
			decisions += len(waiting[i])
		}
		begin := time.Now()
		ops, err := place(waiting)
		took += time.Since(begin)
		if err != nil {
			return err
		}
		placed := map[string]int{} // when each ends
		for _, op := range ops {
			placed[op.Task.ID] = round + 1 + rng.IntN(8)
		}
		snapshot, err := state.Snapshot(ctx)
		if err != nil {
			return err
		}
		if t, ok := r.Order.(allocator.Tree); ok && t.Usage != nil {
			if err := t.Usage.Observe(snapshot, r.Cell.roles()...); err != nil {
				return err
			}
		}
		got := make([]bool, n)
		for i := range waiting {
			var left []berth.Task
			for _, t := range waiting[i] {
				if at, ok := placed[t.ID]; ok {
					ends[at] = append(ends[at], leaver{i, t})
				} else {
					left = append(left, t)
				}
			}
			got[i] = len(left) < len(waiting[i])
			waiting[i] = left
		}
		if err := f.round(snapshot, total, waiting, got); err != nil {
			return err
		}
	}
	f.tell(r)
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

// leaver is a task that ends, and whose it is.
type leaver struct {
	of   int
	task berth.Task
}

// fairness is what is seen round after round of how fair it is.
type fairness struct {
	all                    []contender
	starved                []int
	longest, unfair        int
	gaps, weighted, levels []float64
	deficits, owed         []float64
}

func newFairness(all []contender) *fairness {
	return &fairness{all: all, starved: make([]int, len(all))}
}

// apart is how far values are apart.
type apart struct {
	lo, hi float64
	some   bool
}

func (a *apart) add(v float64) {
	if !a.some {
		a.lo, a.hi, a.some = v, v, true
	}
	a.lo, a.hi = min(a.lo, v), max(a.hi, v)
}

func (f *fairness) round(snapshot *cluster.Snapshot, total berth.Resources, waiting [][]berth.Task, got []bool) error {
	n := len(waiting)
	var gap, weighted, level apart
	f.unfair = 0
	var wishes []allocator.Wish
	for i, one := range f.all {
		if w, wants := wishOf(snapshot, one.role, waiting[i]); wants {
			wishes = append(wishes, w)
		}
		if len(waiting[i]) == 0 {
			f.starved[i] = 0
			continue
		}
		if f.starved[i]++; got[i] {
			f.starved[i] = 0
		}
		f.longest = max(f.longest, f.starved[i])
		role := one.role
		dominant := dominantShare(snapshot, total, role)
		gap.add(dominant)
		weighted.add(dominant * float64(allocator.DefaultWeight) / float64(tenantWeight(i)))
		f.deficits = append(f.deficits, max(0, 100/float64(n)-dominant))
		if dominant < 100/float64(n) {
			f.unfair++
		}
		if department, _, below := strings.Cut(string(role), "/"); below {
			level.add(dominantShare(snapshot, total, berth.Role(department)))
		}
	}
	f.gaps, f.weighted = append(f.gaps, gap.hi-gap.lo), append(f.weighted, weighted.hi-weighted.lo)
	if level.some {
		f.levels = append(f.levels, level.hi-level.lo)
	}
	rows, err := allocator.FairnessOf(ledger{snapshot, total}, wishes...)
	owed := 0.0
	for _, row := range rows {
		owed += 100 * math.Abs(row.Level-row.Share.Float64()) / float64(max(len(rows), 1))
	}
	f.owed = append(f.owed, owed)
	return err
}

// ledger is what roles have, devices of which a whole is counted in the total included.
type ledger struct {
	*cluster.Snapshot
	total berth.Resources
}

func (l ledger) Total() berth.Resources { return l.total }

// wishOf is all that a role runs and has waiting, as that many tasks of the mean size.
func wishOf(snapshot *cluster.Snapshot, role berth.Role, waiting []berth.Task) (allocator.Wish, bool) {
	wants := snapshot.Used(role).Clone()
	if wants == nil {
		wants = berth.Resources{}
	}
	for _, t := range waiting {
		for name, q := range t.Group.Cost().All() {
			wants[name] += q
		}
	}
	const parts = 1000 // a mean is no whole number: what counts is the direction, and how far it goes
	w := allocator.Wish{Role: role, Task: berth.Resources{}, Tasks: parts}
	for name, q := range wants.All() {
		w.Task[name] = (q + parts - 1) / parts
	}
	return w, len(wants) > 0
}

// dominantShare returns the largest part of a resource that a role has with those below it, in %.
func dominantShare(snapshot *cluster.Snapshot, total berth.Resources, role berth.Role) (dominant float64) {
	for name, q := range snapshot.Used(role).All() {
		dominant = max(dominant, percent(q, total[name]))
	}
	return dominant
}

func (f *fairness) tell(r *Run) {
	xs := make([]float64, len(f.gaps))
	for i := range xs {
		xs[i] = float64(i)
	}
	r.Metric("gap-shares", mean(f.gaps[rounds/2:]))
	r.Metric("gap-shares.weighted", mean(f.weighted[rounds/2:]))
	if len(f.levels) > 0 {
		r.Metric("gap-departments", mean(f.levels[len(f.levels)/2:]))
	}
	r.Metric("gap-level", mean(f.owed[rounds/2:]))
	r.Metric("deficit", mean(f.deficits))
	r.Metric("starved", float64(f.longest))
	r.Metric("no-incentive", float64(f.unfair))
	r.Curve("gap-shares", xs, f.gaps)
	r.Curve("gap-level", xs, f.owed)
}

package suite

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/berth-sched/berth"
)

// binSize is what a bin has of each resource. Items are whole numbers of it.
const binSize = 1_000_000

// family is a way to draw items: one of so many resources, each a part of a bin.
type family struct {
	name, about string
	draw        func(rng *rand.Rand, d int) []float64
}

func within(rng *rand.Rand, lo, hi float64) float64 { return lo + float64(rng.Float64()*(hi-lo)) }

// families are those of Panigrahy et al., "Heuristics for Vector Bin Packing", 2011, small, middling and any size, and two in which an
// item's resources go together or against each other.
func families() []family {
	uniform := func(lo, hi float64) func(*rand.Rand, int) []float64 {
		return func(rng *rand.Rand, d int) []float64 {
			item := make([]float64, d)
			for i := range item {
				item[i] = within(rng, lo, hi)
			}
			return item
		}
	}
	correlated := func(sign float64) func(*rand.Rand, int) []float64 {
		return func(rng *rand.Rand, d int) []float64 {
			item, base := make([]float64, d), within(rng, 0.1, 0.4)
			for i := range item {
				v := base
				if i%2 == 1 && sign < 0 {
					v = 0.5 - base
				}
				item[i] = min(max(v+within(rng, -0.05, 0.05), 0.01), 0.5)
			}
			return item
		}
	}
	return []family{
		{"small", "each resource within 0.005 to 0.205 of a bin", uniform(0.005, 0.205)},
		{"middle", "each resource within 0.1 to 0.4 of a bin", uniform(0.1, 0.4)},
		{"negative", "an item that needs much of one resource needs little of the next", correlated(-1)},
		{"positive", "an item that needs much of one resource needs much of all", correlated(1)},
		{"any", "each resource within 0.1 to 1 of a bin", uniform(0.1, 1)},
	}
}

func packingWorkloads(c Config) ([]Workload, error) {
	all, dimensions, items := families(), []int{2, 3, 4, 6}, 500
	if c.Tier == Quick {
		all, dimensions, items = all[:3], []int{2, 4}, 200
	}
	var workloads []Workload
	for _, f := range all {
		for _, d := range dimensions {
			workloads = append(workloads, Workload{
				Name:  fmt.Sprintf("%s-d%d", f.name, d),
				About: fmt.Sprintf("%d items of %d resources: %s", items, d, f.about),
				Cell: func(seed uint64) (*Cell, error) {
					rng := pcg(seed, 6)
					cell := &Cell{Seed: seed}
					names := [...]string{"cpu", "memory", "disk", "net", "iops", "power"}
					bin := berth.Resources{}
					for _, name := range names[:d] {
						bin[name] = binSize
					}
					for i := range items {
						cell.Nodes = append(cell.Nodes, berth.Node{ID: fmt.Sprintf("bin-%05d", i), Capacity: bin})
						request := berth.Resources{}
						for j, v := range f.draw(rng, d) {
							request[names[j]] = int64(v * binSize)
						}
						cell.Arrivals = append(cell.Arrivals, Arrival{Task: berth.NewTask(fmt.Sprintf("item-%05d", i), berth.GroupSpec{Request: request})})
					}
					return cell, nil
				},
			})
		}
	}
	return workloads, nil
}

// pack puts items into bins, of which a new one is opened only when an item fits into none that is open.
func pack(ctx context.Context, r *Run) error {
	if r.Policy != nil && r.Policy.Sort != nil {
		r.Policy.Sort(r.Cell)
	}
	state, s, err := r.Scheduler(r.Cell.Nodes[:1])
	if err != nil {
		return err
	}
	taken := berth.Resources{}
	open := 1
	begin := time.Now()
	for _, t := range r.Cell.Tasks() {
		for name, q := range t.Group.Cost() {
			taken[name] += q
		}
		out, err := s.Schedule(ctx, t)
		if err != nil {
			return err
		}
		if len(out.Unplaced) == 0 {
			continue
		}
		if err := state.AddNodes(r.Cell.Nodes[open]); err != nil {
			return err
		}
		open++
		if out, err = s.Schedule(ctx, t); err != nil {
			return err
		}
		if len(out.Unplaced) > 0 {
			return fmt.Errorf("%v does not fit into an empty bin", t)
		}
	}
	took := time.Since(begin)
	bound := nodesBound(r.Cell.Nodes, taken)
	r.Metric("bins", float64(open)/float64(max(bound, 1)))
	r.Metric("nodes-used", float64(open))
	r.Metric("nodes-bound", float64(bound))
	r.Time("decisions", float64(len(r.Cell.Arrivals))/took.Seconds())
	return nil
}

package suite

import (
	"cmp"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/placement"
)

// Fixed returns the policy of a strategy that does not depend on the cell.
func Fixed(name, about string, strategy placement.Strategy) Policy {
	return Policy{Name: name, About: about, Strategy: func(*Cell) (placement.Strategy, error) { return strategy, nil }}
}

// scored names the resources by which policies rate nodes: where there are GPUs those and cores, since there is memory in
// plenty and packing by it costs room for GPUs; all of them elsewhere.
func scored(c *Cell) []string {
	if c.Total()[trace.GPU] > 0 {
		return []string{"cpu", trace.GPU}
	}
	return nil
}

func policies() []Policy {
	over := func(f func(...string) placement.Strategy) func(*Cell) (placement.Strategy, error) {
		return func(c *Cell) (placement.Strategy, error) { return f(scored(c)...).Seed(c.Seed), nil }
	}
	return []Policy{
		{Name: "random", About: "any node that can take the task", Strategy: func(c *Cell) (placement.Strategy, error) {
			return placement.Random(c.Seed), nil
		}},
		Fixed("first-fit", "the first node in the order of IDs", placement.FirstFit()),
		{Name: "best-fit", About: "the fullest node: mean part in use once the task is there", Strategy: over(placement.BinPack)},
		{Name: "worst-fit", About: "the emptiest node", Strategy: over(func(names ...string) placement.Strategy {
			return placement.Spread().Over(names...)
		})},
		{Name: "first-fit-decreasing", About: "first fit of tasks sorted by size, largest first: it knows them all before it begins",
			Strategy: func(*Cell) (placement.Strategy, error) { return placement.FirstFit(), nil }, Sort: decreasing},
	}
}

// decreasing sorts tasks by the sum of what they ask for, each resource weighted by how scarce it is: by the part of the cell's
// capacity that all tasks together ask for. It is FFDSum of Panigrahy et al., "Heuristics for Vector Bin Packing", 2011.
func decreasing(c *Cell) {
	total := c.Total()
	asked := map[string]float64{}
	for _, a := range c.Arrivals {
		for name, q := range a.Task.Group.Cost() {
			asked[name] += float64(q) / float64(max(total[name], 1))
		}
	}
	sizes := map[*berth.Group]float64{}
	for _, a := range c.Arrivals {
		if _, ok := sizes[a.Task.Group]; ok {
			continue
		}
		size := 0.0
		for name, q := range a.Task.Group.Cost().All() {
			size += float64(asked[name] * float64(q) / float64(max(total[name], 1)))
		}
		sizes[a.Task.Group] = size
	}
	c.Arrivals = slices.Clone(c.Arrivals)
	slices.SortStableFunc(c.Arrivals, func(a, b Arrival) int { return cmp.Compare(sizes[b.Task.Group], sizes[a.Task.Group]) })
}

func orders() []Order {
	return []Order{
		{Name: "first-come", About: "tasks in the order in which they are handed in", Of: func(*Cell) (allocator.Order, error) { return nil, nil }},
		{Name: "drf", About: "dominant resource fairness, all roles alike", Of: func(*Cell) (allocator.Order, error) { return allocator.Fair{}, nil }},
	}
}

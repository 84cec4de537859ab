package suite

import (
	"cmp"
	"errors"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/placement"
)

// ErrUnsuited is what a policy's Strategy returns, or wraps, for a cell that it is not made for: there is then no result of it, and
// nothing is at fault.
var ErrUnsuited = errors.New("the policy is not made for such a cell")

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
	term := func(f func(...string) placement.Term) func(*Cell) (placement.Strategy, error) {
		return over(func(names ...string) placement.Strategy { return placement.Best(f(names...)) })
	}
	knowing := func(f func(placement.Mix) placement.Strategy) func(*Cell) (placement.Strategy, error) {
		return func(c *Cell) (placement.Strategy, error) {
			if c.Total()[trace.GPU] == 0 {
				return placement.Strategy{}, ErrUnsuited
			}
			return f(placement.NewMix(c.Tasks()...)).Seed(c.Seed), nil
		}
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
		{Name: "balanced", About: "the node whose resources are in use most evenly once the task is there, BalancedAllocation in Kubernetes", Strategy: term(placement.BalancedAllocation)},
		{Name: "nomad-binpack", About: "Nomad's exponential best fit", Strategy: term(placement.NomadBinPack)},
		{Name: "dot-product", About: "the least dot product of request and what is free, as USENIX ATC 2023 has it", Strategy: term(func(names ...string) placement.Term {
			return placement.DotProduct(names...).Times(-1)
		})},
		{Name: "tetris", About: "the greatest dot product of request and what is free (Grandl et al., SIGCOMM 2014), used to choose a node", Strategy: term(placement.Tetris)},
		{Name: "l2", About: "the least Euclidean norm of what is left (Panigrahy et al., 2011)", Strategy: term(placement.L2Norm)},
		{Name: "fgd", About: "fragmentation gradient descent (Weng et al., USENIX ATC 2023), which is told the mix of tasks; where there are GPUs", Strategy: knowing(placement.FGD)},
		{Name: "room-loss", About: "least loss of room for the mix of tasks, which it is told; where there are GPUs", Strategy: knowing(placement.RoomLoss)},
		{Name: "priced-gaps", About: "room loss, and the worth of the gaps that are left on GPUs; where there are GPUs", Strategy: knowing(placement.PricedGaps)},
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

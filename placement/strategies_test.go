package placement_test

import (
	"math/rand/v2"
	"testing"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// strategies are all constructors, and terms of every kind: alone, in sums, in tiers, with tolerances and seeds.
func strategies() []placement.Strategy { return strategiesOf(func() {}) }

// someStrategies are all, or where tests are to be short a third of them, and under the race detector a ninth, for tests
// of other things.
func someStrategies() (some []placement.Strategy) {
	every := 1
	switch {
	case underRace:
		every = 9
	case testing.Short():
		every = 3
	}
	for i, s := range strategies() {
		if i%every == every-1 {
			some = append(some, s)
		}
	}
	return some
}

// strategiesOf are the strategies with host code that calls a function whenever it is called.
func strategiesOf(tick func()) []placement.Strategy {
	best, tasks, hump := placement.Best, placement.Tasks, humpOf(tick)
	zone, rack, node := tasks("zone").Times(-1), tasks("rack").Times(-1), tasks(berth.NodeID).Times(-1)
	least := placement.Func("least cpu", func(c *placement.Candidate) int64 {
		tick()
		i, _ := c.Resource("cpu")
		return -c.Free[i]
	})
	counting := placement.Func("counting", func(c *placement.Candidate) int64 {
		tick()
		return int64(-7*c.Tasks[0] + 3*c.Tasks[1])
	}).Counts("rack", berth.NodeID)
	slanted := placement.OfState("slanted", func(before, after *placement.State) int64 {
		tick()
		i, _ := before.Resource("cpu")
		zone, _ := before.Attribute("zone")
		return (after.Free[i]*3+before.Free[i])%7000 + int64(len(zone.String()))*50
	}).Reads("zone")
	disk := placement.Class("disk", func(n *berth.Node) int64 {
		tick()
		v, _ := n.Attribute("ssd")
		number, _ := v.Number()
		return int64(number)*100 + n.Capacity["cpu"]%3000/10
	}).Reads("ssd")
	ofRack := placement.Class("of the rack", func(n *berth.Node) int64 {
		tick()
		v, _ := n.Attribute("rack")
		return int64(len(v.String()))
	}).Reads("rack")
	crooked := placement.OfAmounts("crooked", func(free, capacity, request []int64) int64 {
		tick()
		return (free[0]*3+free[1]>>20)%(5+capacity[0]%1000+request[0])*7 - request[1]>>28
	}).Over("cpu", "memory")
	splinters := splintersOf(tick)
	idle := placement.Func("idle", func(c *placement.Candidate) (free int64) {
		tick()
		for _, d := range c.Devices() {
			free += d.Free % 1000 * int64(len(d.Model))
		}
		return free
	})
	whole := int64(placement.Resolution)
	gapMix, err := placement.ParseMix("5 of (cpu 2000; gpu 1 x 300), 3 of (cpu 4000, memory 4000; gpu 1 x 1000), 2 of (cpu 1000; gpu 2 x 1000 A), 9 of (cpu 500)")
	if err != nil {
		panic(err)
	}
	return []placement.Strategy{
		placement.FGD(gapMix), placement.PricedGaps(gapMix).Over("gpu").Seed(3), placement.RoomLoss(gapMix).Within(5).Then(placement.InUse()), placement.PricedGaps(placement.Mix{}),
		best(placement.Models()).Then(placement.InUse()), best(placement.Models().Times(-200), splinters).Within(150).Then(hump),
		best(splinters), best(zone).Then(splinters).Then(idle),
		placement.BinPack(), placement.Spread(), placement.Spread("zone", berth.NodeID), placement.Spread(berth.NodeID), placement.Suited(nil).Seed(6),
		placement.Spread("zone"), placement.Spread("rack"), placement.FirstFit(), placement.Random(1), best(least),
		placement.BinPack("cpu").Seed(3), placement.Spread("zone").Over("cpu", "gpu").TiesByID(),
		best(slanted),
		best(hump), best(hump.Times(3), placement.InUse("cpu").Times(-1)).TiesByID(),
		best(zone).Then(slanted), best(zone).Then(node).Then(hump),
		best(placement.Targets("zone", map[any]int{"a": 50, "b": 30})).Then(placement.InUse()), best(placement.Targets("rack", map[any]int{"r1": 10, "r2": 5}), node).Then(hump),
		best(node).Then(zone).Then(hump), best(tasks("ssd").Times(-1)).Then(zone).Then(hump).Seed(9),
		placement.Spread("rack", berth.NodeID), placement.Spread("zone", "rack"), placement.Spread("zone", "rack", berth.NodeID),
		best(rack).Then(tasks("ssd").Times(-1)).Then(hump), best(tasks("no such attribute").Times(-1)).Then(hump),
		best(hump, zone.Times(150), disk), best(disk).Then(placement.InUse()), best(placement.InUse()).Then(zone).Then(disk),
		best(placement.InUse().Times(7), tasks(berth.NodeID).Times(-whole)), best(hump.Times(5), rack.Times(700), zone.Times(-90)),
		best(placement.InUse(), tasks(berth.NodeID).Times(whole/3), tasks("rack").Missing(2).Between(0, 4).Times(-whole/9)),
		best(placement.InUse("cpu")).Then(placement.InUse("memory").Times(-1)), best(counting, placement.InUse()),
		best(placement.InUse()).Within(whole / 8), best(hump).Within(100).Then(zone).Within(1).Then(placement.InUse()),
		best(slanted, hump.Times(7)).Within(500), best(least).Within(3000).TiesByID(), best(zone).Within(1).Then(node).Then(hump),
		best(placement.InUse().Times(5), placement.Preferences().Times(whole)), best(hump).Then(placement.Preferences()),
		best(placement.Prefer(constraints.Exists("ssd")).Times(300), placement.Prefer(constraints.GroupBy("zone")).Times(200), hump),
		best(placement.Prefer(constraints.Unique("rack"))).Then(placement.InUse()),
		best(placement.Prefer(constraints.Unique(berth.NodeID)), placement.Prefer(constraints.NotEq("rack", "r3"))).Then(hump),
		best(ofRack, hump), best(ofRack).Then(slanted),
		best(placement.LeastAllocated(), placement.BalancedAllocation("cpu", "gpu", "memory").Times(2)),
		best(placement.MostAllocated("cpu", "gpu").Weights(1, 3), zone).Then(placement.NomadBinPack("gpu", "memory")).TiesByID(),
		best(placement.RequestedToCapacityRatio(placement.Shape{{0, 2}, {40, 10}, {90, 1}}, "gpu", "memory"), disk).Within(3).Then(placement.Tetris()),
		placement.BinPack().BestOf(2), best(hump, zone.Times(90)).Within(40).BestOf(5).TiesByID(), placement.Spread("rack").BestOf(1).Seed(8),
		best(placement.GpuClustering("gpu")), best(placement.GpuPacking("gpu")).Then(hump), best(placement.GpuPacking("gpu"), splinters.Times(2)).Seed(2),
		best(placement.NomadSpread("gpu", "cpu"), placement.InUse("memory").Times(2), placement.Preferences().Times(50_000)),
		best(placement.DotProduct("cpu", "gpu").Per(8000, 2000).Times(-1), placement.L2Norm().Times(3), placement.L1Norm("disk"), crooked).Seed(4),
		best(placement.Prefer(constraints.Near("zone", berth.Label("app", "a"))).Times(3), placement.Preferences()).Then(hump),
		best(hump, placement.Prefer(constraints.Apart(berth.NodeID, berth.Label("app", "b"))).Times(200), placement.Preferences().Times(70)),
	}
}

// humpOf likes nodes the better the nearer they are to half full, so that a node rises and falls in the order
// as it is filled, and rates requests by the node's capacity in a way that turns the order of classes about.
// Both parts together are between -500 and 250.
func humpOf(tick func()) placement.Term {
	return placement.Additive("hump", func(free, capacity []int64) int64 {
		tick()
		return -abs(500 - free[0]*1000/max(capacity[0], 1))
	}, func(request, capacity []int64) int64 {
		tick()
		return (request[0] + capacity[0]/7) % 1000 / 4
	}).Over("cpu")
}

// splintersOf rates what is left of each device: whole ones, halves and those of model A are more welcome, and
// differences in amounts too.
func splintersOf(tick func()) placement.Term {
	return placement.OfState("splinters", func(before, after *placement.State) (sum int64) {
		tick()
		was := before.Devices()
		for i, d := range after.Devices() {
			switch taken := was[i].Free - d.Free; {
			case d.Free == berth.DeviceUnits:
				sum += 40
			case d.Free == 500:
				sum += 25
			case taken > 0 && d.Model == "A":
				sum += taken % 7
			}
			if memory, all, ok := d.Amount("memory"); ok {
				sum += memory%3*all + int64(i)
			}
		}
		return sum
	})
}

// targetsOf shares tasks out to some of the values that nodes of a history have.
func targetsOf(rng *rand.Rand) placement.Term {
	attribute := []string{"zone", "rack", "ssd", "no such attribute"}[rng.IntN(4)]
	t := placement.Targets(attribute, map[any]int{"a": rng.IntN(50), "r1": rng.IntN(30), 2: rng.IntN(20)})
	if rng.IntN(2) == 0 {
		t = t.Others(rng.IntN(100))
	}
	return t
}

// randomStrategy puts terms of every kind together, in tiers, with weights, tolerances and seeds.
func randomStrategy(seed uint64) placement.Strategy {
	rng := rand.New(rand.NewPCG(seed, 3))
	hump := humpOf(func() {})
	terms := []func() placement.Term{
		func() placement.Term { return placement.InUse([]string{"cpu", "memory", "gpu"}[:rng.IntN(4)]...) },
		func() placement.Term { return hump },
		func() placement.Term { return hump },
		func() placement.Term {
			return placement.Tasks([]string{"zone", "rack", berth.NodeID, "ssd"}[rng.IntN(4)]).Times(int64(rng.IntN(200) - 150))
		},
		func() placement.Term { return placement.Tasks("zone").Between(0, 3).Missing(1).Times(-300) },
		func() placement.Term { return placement.Tasks(berth.NodeID).Times(-int64(1 + rng.IntN(1000))) },
		func() placement.Term {
			return placement.Class("cores", func(n *berth.Node) int64 { return n.Capacity["cpu"] / 100 })
		},
		func() placement.Term {
			return placement.Change("left", func(s *placement.State) (sum int64) {
				for i, d := range s.Devices() {
					sum += d.Free % 700 * int64(i+len(d.Model))
				}
				return sum + s.Free[0]%900
			}).Through(func(change int64) int64 { return change / 3 })
		},
		func() placement.Term { return placement.Preferences().Times(100) },
		func() placement.Term { return placement.LeastAllocated("cpu", "memory", "gpu", "disk") },
		func() placement.Term { return placement.NomadBinPack([]string{"cpu", "gpu"}[:rng.IntN(3)]...) },
		func() placement.Term { return placement.Models() },
		func() placement.Term { return targetsOf(rng) },
		func() placement.Term {
			formulas := []placement.Term{
				placement.MostAllocated(), placement.RequestedToCapacityRatio(placement.Shape{{0, 10}, {40, 0}, {100, 7}}, "cpu", "gpu"),
				placement.BalancedAllocation("cpu", "memory", "gpu"), placement.NomadSpread(), placement.DotProduct(), placement.Tetris("cpu", "gpu"),
				placement.L1Norm(), placement.L2Norm("cpu", "memory").Weights(1, 3), placement.GpuPacking("gpu"),
			}
			return formulas[rng.IntN(len(formulas))]
		},
		func() placement.Term { return splintersOf(func() {}) },
		func() placement.Term {
			rules := []berth.Constraint{
				constraints.Unique("zone"), constraints.GroupBy("zone"), constraints.MaxPer("rack", 2), constraints.GroupBy("rack").Skew(2),
				constraints.Unique(berth.NodeID), constraints.GroupBy(berth.NodeID), constraints.Eq("zone", "b"), constraints.In("rack", "r1", "r2"), ceiling{},
			}
			return placement.Prefer(rules[rng.IntN(len(rules))]).Times(int64(rng.IntN(500) - 200))
		},
		func() placement.Term {
			of := []berth.Selector{{}, berth.Label("app", "a"), berth.Label("app", "b").Not()}[rng.IntN(3)]
			return placement.Prefer(aboutTasks(rng, of)).Times(int64(rng.IntN(500) - 200))
		},
	}
	some := func() (tier []placement.Term) {
		for range 1 + rng.IntN(3) {
			tier = append(tier, terms[rng.IntN(len(terms))]().Times(int64(rng.IntN(9)-3)))
		}
		return tier
	}
	s := placement.Best(some()...)
	for tiers := rng.IntN(4); ; tiers-- {
		if rng.IntN(5) == 0 {
			s = s.Within(int64(rng.IntN(3000)))
		}
		if tiers == 0 {
			break
		}
		s = s.Then(some()...)
	}
	if rng.IntN(3) == 0 {
		return s.TiesByID()
	}
	return s.Seed(rng.Uint64N(3))
}

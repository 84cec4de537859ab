package placement_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// Groups whose tasks take the same, of devices of one model or another, and on some nodes or others, go by the same rates, where all devices of a node are of one kind. Nothing
// of that shows: not where some groups prefer nodes, where terms go by something else from time to time, nor once nodes come that have devices of two models.
func TestGroupsShareWhatTheirTasksTake(t *testing.T) {
	gapMix, err := placement.ParseMix("5 of (cpu 2000; gpu 1 x 300), 3 of (cpu 1000, memory 4000; gpu 1 x 1000), 2 of (cpu 1000; gpu 2 x 1000 A)")
	require.NoError(t, err)
	for seed := range 5 * seeds(4) {
		rng := rand.New(rand.NewPCG(seed, 21))
		by := []placement.Strategy{
			placement.PricedGaps(placement.Mix{}), placement.RoomLoss(gapMix), placement.FGD(gapMix),
			placement.Best(splintersOf(func() {})), placement.PricedGaps(placement.Mix{}).Then(placement.InUse("cpu")),
		}[seed%5]
		learned := placement.NewLearned(by)
		engine, reference := placement.NewEngine(by), placement.NewExhaustive(by)
		f := cluster.NewFork()
		add := func(from, to int, models ...string) {
			for i := from; i < to; i++ {
				n := berth.Node{ID: fmt.Sprintf("n%02d", i), Capacity: berth.Resources{"cpu": 8000 << rng.IntN(3), "memory": 32 << 30}}
				n.Attributes = berth.Attributes{"zone": string(rune('a' + rng.IntN(3)))}
				first := rng.IntN(len(models))
				for k := range rng.IntN(5) {
					n.Devices = append(n.Devices, berth.Device{Class: "gpu", Model: models[(first+k*(len(models)-3))%len(models)]})
				}
				require.NoError(t, f.AddNodes(n))
			}
		}
		add(0, 30, "A", "B", "C")
		var groups []*berth.Group
		for i := range 24 {
			spec := berth.GroupSpec{Request: berth.Resources{"cpu": 1000 << rng.IntN(2), "memory": 1 << 30}}
			d := berth.DeviceRequest{Class: "gpu", Models: [][]string{nil, {"A"}, {"B", "C"}}[rng.IntN(3)]}
			if d.Share = 300; rng.IntN(3) == 0 {
				d.Share, d.Count = 0, 1+rng.IntN(2)
			}
			if rng.IntN(6) > 0 {
				spec.Devices = []berth.DeviceRequest{d}
			}
			if rng.IntN(3) == 0 {
				spec.Rules = append(spec.Rules, constraints.NotEq("zone", "a"))
			}
			if rng.IntN(5) == 0 {
				spec.Prefer = append(spec.Prefer, berth.Preference{Weight: 1, Rule: constraints.Eq("zone", "b")})
			}
			groups = append(groups, berth.NewGroup(fmt.Sprint("g", i), spec))
		}
		for round := range 12 {
			if round == 8 {
				add(30, 34, "A", "B", "C", "A")
			}
			var tasks []berth.Task
			for i := range 20 {
				tasks = append(tasks, groups[rng.IntN(len(groups))].Task(fmt.Sprintf("t%d-%d", round, i)))
			}
			s := f.Snapshot()
			if next := learned.Foresee(s, tasks...); next != nil {
				learned = next
			} else {
				learned.Arrived(tasks...)
			}
			engine.Tune(learned)
			reference.Tune(learned)
			ops, _, err := pickBoth(engine, reference, s, tasks, seed)
			require.NoError(t, err, "%v, round %d of seed %d", by, round, seed)
			apply(f, ops)
			for _, op := range ops {
				if rng.IntN(3) == 0 {
					_, why := f.Apply(berth.Op{Kind: berth.Release, ID: op.Task.ID})
					require.Zero(t, why.Code)
				}
			}
		}
	}
}

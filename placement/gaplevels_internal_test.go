package placement

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// drawnMix returns tasks that ask for devices of some models, or of any, and for so many resources beside them, of which nodes are now and then short.
func drawnMix(rng *rand.Rand, others int) (tasks []berth.Task) {
	models := [][]string{nil, nil, {"A"}, {"B"}, {"A", "B"}}
	for i := range 4 + rng.IntN(30) {
		spec := berth.GroupSpec{Request: berth.Resources{}}
		for d := range others {
			spec.Request[[]string{"cpu", "memory", "disk"}[d]] = 1 + rng.Int64N(20)*rng.Int64N(400)
		}
		switch rng.IntN(4) {
		case 0:
			spec.Devices = []berth.DeviceRequest{{Class: "gpu", Count: 1 << rng.IntN(3), Models: models[rng.IntN(len(models))]}}
		case 1, 2:
			spec.Devices = []berth.DeviceRequest{{Class: "gpu", Share: 1 + 50*rng.Int64N(20), Models: models[rng.IntN(len(models))]}}
		}
		tasks = append(tasks, berth.NewGroup(fmt.Sprint("g", i), spec).Tasks(1+rng.IntN(9))...)
	}
	return append(tasks, berth.NewGroup("some", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 300}}}).Task("t"))
}

// What a state is worth is the same whether its devices are told as levels of a model or one by one, however scarce the other resources are.
func TestLevelsAreWorthWhatDevicesAre(t *testing.T) {
	byEach := 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 1))
		others := rng.IntN(4)
		mix := NewMix(drawnMix(rng, others)...)
		for _, by := range []Strategy{FGD(mix), RoomLoss(mix), PricedGaps(mix)} {
			p := by.gapPolicy()
			tuned := p.tune(mix, gpuCell(3))
			require.NotNil(t, tuned)
			levels, general := new(gapView), new(gapView)
			names := []string{"disk", "cpu", "memory"}
			for range 60 {
				free := []int64{rng.Int64N(8000), rng.Int64N(8000), rng.Int64N(8000)}
				if rng.IntN(3) == 0 {
					free[rng.IntN(3)] = 1 << (20 + rng.IntN(30))
				}
				var units []int64
				for range rng.IntN(9) {
					units = append(units, min(100*rng.Int64N(14), whole)-100*rng.Int64N(2))
				}
				slices.Sort(units)
				model := []string{"", "A", "B", "C"}[rng.IntN(4)]
				general.begin(tuned)
				general.amounts(names, free)
				for _, i := range rng.Perm(len(units)) {
					general.device(model, units[i])
				}
				general.end()
				want := p.summed(tuned, general)
				levels.turn(tuned)
				levels.amounts(names, free)
				levels.tell(model, units)
				require.Equal(t, want, p.levelsOf(tuned, levels, taking{}), "seed %d: %s: %v of %q beside %v", seed, by, units, model, free)
				if n := len(units); n > 0 && units[n-1] > 0 { // and so it is of what is left once some of it is taken
					i := rng.IntN(n)
					for units[i] <= 0 {
						i++
					}
					of, alike := units[i], 0
					for _, u := range units {
						if u == of {
							alike++
						}
					}
					gone := taking{int64(1 + rng.IntN(alike)), of, of - min(of, 1+rng.Int64N(whole))}
					general.begin(tuned)
					general.amounts(names, free)
					rest := gone.devices
					for _, u := range units {
						if u == of && rest > 0 {
							u, rest = gone.left, rest-1
						}
						general.device(model, u)
					}
					general.end()
					require.Equal(t, p.summed(tuned, general), p.levelsOf(tuned, levels, gone), "seed %d: %s: %+v of %v of %q beside %v", seed, by, gone, units, model, free)
				}
				taken := []int64{0, min(free[1], 700), 1}
				levels.amountsLess(names, free, taken)
				general.amounts(names, []int64{free[0], free[1] - taken[1], max(free[2]-taken[2], 0)})
				require.Equal(t, general.others, levels.others)
				if others > 1 && len(levels.levels.short[1]) > 0 && levels.levels.short[1][0].key > tuned.reach(1, levels.others[1], levels.idle) {
					byEach++
				}
			}
		}
	}
	assert.Greater(t, byEach, 1000, "memory was short now and then")
}

// What shapes could use in a cluster is the sum of what they could use on each node, idle ones, which are counted together, and others.
func TestRoomsAreAddedUpOverNodes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var nodes []berth.Node
	for i := range 60 {
		n := berth.Node{ID: fmt.Sprintf("n%02d", i), Capacity: berth.Resources{"cpu": 4000 * (1 + rng.Int64N(2)), "memory": 5000}}
		for range 2 * rng.IntN(3) {
			n.Devices = append(n.Devices, berth.Device{Class: "gpu", Model: []string{"A", "B"}[i%2], Unhealthy: rng.IntN(20) == 0})
		}
		if i%7 == 0 {
			n.Devices = append(n.Devices, berth.Device{Class: "gpu", Model: "C"}, berth.Device{Class: "nic"})
		}
		nodes = append(nodes, n)
	}
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(nodes...))
	tasks := drawnMix(rng, 2)
	e := NewEngine(BinPack())
	e.Start(f.Snapshot())
	for i, task := range tasks {
		if op, ok := e.Place(task.Group.Task(fmt.Sprint("t", i))); ok {
			_, why := f.Apply(op)
			require.Equal(t, berth.None, why.Code)
		}
	}
	mix := NewMix(tasks...)
	for _, by := range []Strategy{RoomLoss(mix), PricedGaps(mix)} {
		view := (*store.View)(f.Snapshot()).Shown()
		tuned := by.gapPolicy().tune(mix, f.Snapshot())
		got, want := make([]int64, len(tuned.Shapes)), make([]int64, len(tuned.Shapes))
		free, sum := tuned.roomsIn(view, got), int64(0)
		for _, row := range view.Order() {
			n, g := view.Node(row), new(gapView)
			g.begin(tuned)
			g.amounts(view.Dims(), view.Free(row))
			for i := range n.Node.Spec.Devices {
				if d := &n.Node.Spec.Devices[i]; d.Class == "gpu" {
					g.device(d.Model, n.Devices[i])
				}
			}
			g.end()
			sum += g.idle
			g.rooms(want, 1)
		}
		assert.Equal(t, want, got)
		assert.Equal(t, sum, free)
		assert.Positive(t, free)
	}
}

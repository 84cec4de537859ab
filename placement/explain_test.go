package placement_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// explained compares explanations of an engine with those of the reference, and counts those made of sorted columns.
type explained struct {
	*pair
	sorted int
}

func (x *explained) explain(t *testing.T, g *berth.Group) *cluster.Explanation {
	t.Helper()
	if x.engine.(*placement.Engine).Sorted() {
		x.sorted++
	}
	got := x.engine.Explain(g)
	require.Equal(t, x.reference.Explain(g), got, "%+v", g.Spec())
	return got
}

// Failures of every kind between placements that are done and undone, on nodes enough for columns of
// many pages that grow, split and shrink, from plan to plan.
func TestExplainBetweenChanges(t *testing.T) {
	if testing.Short() {
		t.Skip("the reference is slow where nodes are many; run without -short")
	}
	for _, s := range []placement.Strategy{placement.BinPack(), placement.Spread("zone", berth.NodeID), placement.Random(3)} {
		t.Run(s.String(), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(7, 7))
			f := cluster.NewFork()
			for i := range 700 {
				n := plain(fmt.Sprintf("n%03d", i*37%700), int64(4+4*rng.IntN(3))*1000, int64(8+8*rng.IntN(3))<<30)
				n.Attributes = berth.Attributes{"zone": fmt.Sprintf("z%d", rng.IntN(4))}
				rare := i == 13 // its zone has no other, and stands at the end of all columns
				if rare {
					n.Attributes["zone"] = "z4"
				}
				if i%3 == 0 {
					n.Capacity["disk"] = rng.Int64N(1000)
				}
				for d := range rng.IntN(4) {
					n.Devices = append(n.Devices, berth.Device{Class: "gpu", Model: string(rune('A' + d%2))})
				}
				if i%50 == 0 {
					n.Taints = []berth.Taint{{Key: "dedicated", Effect: berth.NoSchedule}}
				}
				require.NoError(t, f.AddNodes(n))
				// The fuller of memory a node is, the more cores it has left.
				cpu, memory := rng.Int64N(n.Capacity["cpu"]), rng.Int64N(n.Capacity["memory"])
				if rare {
					cpu, memory = n.Capacity["cpu"]-1, n.Capacity["memory"]
				}
				load := request(fmt.Sprintf("load%d", i), cpu, min(memory, (16000-cpu)<<21))
				require.NoError(t, f.Adopt(load.Task(load.Name()), n.ID, nil, berth.Running))
				if len(n.Devices) > 0 && i%3 == 0 { // units of a class that are taken, nobody knows of which device
					g := berth.NewGroup("gpu"+n.ID, berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 700}}})
					require.NoError(t, f.Adopt(g.Task(g.Name()), n.ID, nil, berth.Running))
				}
			}
			var groups []*berth.Group
			group := func() *berth.Group {
				if len(groups) > 0 && rng.IntN(4) == 0 {
					return groups[rng.IntN(len(groups))]
				}
				spec := berth.GroupSpec{Request: berth.Resources{"cpu": 1 + rng.Int64N(16_000), "memory": 1 + rng.Int64N(28<<30)}}
				if rng.IntN(4) == 0 {
					spec.Request["disk"] = rng.Int64N(1200)
				}
				switch rng.IntN(8) {
				case 0:
					spec.Rules = append(spec.Rules, constraints.Eq("zone", fmt.Sprintf("z%d", rng.IntN(5))))
				case 1:
					spec.Rules = append(spec.Rules, constraints.UniqueNode())
				case 2:
					spec.Rules = append(spec.Rules, constraints.MaxPer("zone", 1))
				case 3:
					spec.Devices = []berth.DeviceRequest{{Class: "gpu", Count: 1 + rng.IntN(4)}}
				case 4:
					spec.Devices = []berth.DeviceRequest{{Class: "gpu", Share: 100 * (1 + rng.Int64N(10)), Models: []string{"B"}}}
				}
				groups = append(groups, berth.NewGroup(fmt.Sprintf("g%d", len(groups)), spec))
				return groups[len(groups)-1]
			}
			x := &explained{pair: pairOf(s)}
			all := 0
			for round := range 5 {
				snapshot := f.Snapshot()
				x.engine.Start(snapshot)
				x.reference.Start(snapshot)
				var ops []berth.Op
				for i := range 40 {
					g := group()
					task := g.Task(fmt.Sprintf("%v-%d-%d", g, round, i))
					op, ok := x.engine.Place(task)
					want, wantOK := x.reference.Place(task)
					require.Equal(t, wantOK, ok)
					if ok {
						require.Equal(t, want.Node, op.Node)
						ops = append(ops, op)
					}
					all++
					x.explain(t, g)
					if len(ops) > 0 && rng.IntN(5) == 0 {
						k := rng.IntN(len(ops))
						x.engine.Undo(ops[k])
						x.reference.Undo(ops[k])
						ops = append(ops[:k], ops[k+1:]...)
					}
				}
				apply(f, ops[:len(ops)/2])
			}
			assert.Greater(t, x.sorted, all*9/10, "explanations made of sorted columns, of %d", all)
		})
	}
}

// Where much has changed since anybody asked, and where nodes have come or gone, columns are sorted anew.
func TestSortedColumnsAreForgotten(t *testing.T) {
	f := cluster.NewFork()
	for i := range 200 {
		require.NoError(t, f.AddNodes(plain(fmt.Sprintf("n%03d", i), 4000, 8<<30)))
	}
	x := &explained{pair: pairOf(placement.Spread())}
	start := func() {
		s := f.Snapshot()
		x.engine.Start(s)
		x.reference.Start(s)
	}
	ask := func(sorted int) {
		t.Helper()
		x.sorted = 0
		for i := range int64(3) {
			x.explain(t, request("big", 5000+i, 1))
		}
		assert.Equal(t, sorted, x.sorted)
	}
	place := func(g *berth.Group, n int) {
		for _, task := range g.Tasks(n) {
			_, ok := x.engine.Place(task)
			require.True(t, ok)
			_, ok = x.reference.Place(task)
			require.True(t, ok)
		}
	}
	start()
	ask(1)
	ask(3)
	place(request("few", 100, 1), 40)
	ask(3)
	place(request("many", 100, 1), 120)
	ask(1)
	require.NoError(t, f.RemoveNodes("n007"))
	require.NoError(t, f.AddNodes(plain("n500", 5000, 8<<30)))
	start()
	x.explain(t, request("big", 5000, 8<<30))
	ask(2)
	require.NoError(t, f.Cordon("n500"))
	require.NoError(t, f.UpdateNodes(plain("n008", 4500, 9<<30)))
	start()
	ask(3)
}

// Where every node has a task of a group that may have one on each, the nearest miss breaks a rule, and a
// node of another zone that has none breaks no fewer.
func TestExplainTasksOnEveryNode(t *testing.T) {
	f := cluster.NewFork()
	for i := range 9 {
		n := plain(fmt.Sprintf("n%d", i*4%9), 4000+100*int64(i), 8<<30)
		n.Attributes = berth.Attributes{"zone": fmt.Sprintf("z%d", i%3)}
		require.NoError(t, f.AddNodes(n))
	}
	g := request("g", 500, 1, constraints.UniqueNode(), constraints.NotEq("zone", "z2"))
	x := &explained{pair: pairOf(placement.Strategy{})}
	x.engine.Start(f.Snapshot())
	x.reference.Start(f.Snapshot())
	for i := range 6 {
		x.explain(t, g)
		want, ok := x.reference.Place(g.Task(fmt.Sprint(i)))
		require.True(t, ok)
		got, _ := x.engine.Place(g.Task(fmt.Sprint(i)))
		require.Equal(t, want.Node, got.Node)
	}
	x.explain(t, g)
	assert.Equal(t, 5, x.sorted)
}

// Shortfalls beyond int64 are all the greatest, and then node IDs decide.
func TestExplainGreatShortfalls(t *testing.T) {
	f := cluster.NewFork()
	for i, load := range []int64{9, 6, 5, 6} {
		n := plain(fmt.Sprintf("n%d", i), 4, 4)
		require.NoError(t, f.AddNodes(n))
		g := request("load"+n.ID, load, load)
		require.NoError(t, f.Adopt(g.Task(g.Name()), n.ID, nil, berth.Running))
	}
	x := &explained{pair: pairOf(placement.Strategy{})}
	x.engine.Start(f.Snapshot())
	x.reference.Start(f.Snapshot())
	for range 3 {
		for _, cpu := range []int64{1, 2, math.MaxInt64 - 2, math.MaxInt64} {
			for _, memory := range []int64{0, 1, 5, math.MaxInt64} {
				x.explain(t, request("g", cpu, memory))
			}
		}
	}
	assert.Positive(t, x.sorted)
}

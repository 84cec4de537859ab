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

// pair is an engine that is kept from plan to plan, and the reference it is measured by.
type pair struct {
	strategy          placement.Strategy
	engine, reference placement.Picker
}

func pairOf(s placement.Strategy) *pair {
	return &pair{s, placement.NewEngine(s), placement.NewExhaustive(s)}
}

// plan makes a plan with both, requires them to be the same, and returns its operations.
func (p *pair) plan(t *testing.T, s *cluster.Snapshot, tasks []berth.Task) []berth.Op {
	t.Helper()
	ops, decisions, err := pickBoth(p.engine, p.reference, s, tasks, 1)
	require.NoError(t, err, "strategy %v", p.strategy)
	require.GreaterOrEqual(t, decisions, min(1, len(tasks)))
	return ops
}

// each runs a test for every strategy there is, with an engine of its own.
func each(t *testing.T, test func(t *testing.T, p *pair)) {
	for _, s := range someStrategies() {
		t.Run(s.String(), func(t *testing.T) { test(t, pairOf(s)) })
	}
}

func apply(f *cluster.Fork, ops []berth.Op) {
	for _, op := range ops {
		f.Apply(op)
	}
}

func plain(id string, cpu, memory int64) berth.Node {
	return berth.Node{ID: id, Capacity: berth.Resources{"cpu": cpu, "memory": memory}}
}

func request(name string, cpu, memory int64, rules ...berth.Constraint) *berth.Group {
	return berth.NewGroup(name, berth.GroupSpec{Request: berth.Resources{"cpu": cpu, "memory": memory}, Rules: rules})
}

func snapshotOf(t testing.TB, nodes ...berth.Node) *cluster.Snapshot {
	t.Helper()
	s, err := cluster.NewSnapshot(nodes...)
	require.NoError(t, err)
	return s
}

func TestEmptyCluster(t *testing.T) {
	for _, s := range []placement.Strategy{placement.BinPack(), placement.Spread("zone", berth.NodeID), placement.FirstFit(), placement.Random(1)} {
		for name, p := range map[string]placement.Picker{"engine": placement.NewEngine(s), "exhaustive": placement.NewExhaustive(s)} {
			t.Run(fmt.Sprint(s, " ", name), func(t *testing.T) {
				daemon := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon})
				for _, snapshot := range []*cluster.Snapshot{cluster.NewFork().Snapshot(), new(cluster.Snapshot), nil} {
					p.Start(snapshot)
					_, ok := p.Place(request("g", 1, 1).Task("t"))
					assert.False(t, ok)
					_, ok = p.Place(berth.NewGroup("nothing", berth.GroupSpec{}).Task("u"))
					assert.False(t, ok)
					assert.Zero(t, p.Explain(request("g", 1, 1)).Nodes)
					ops, text := cover(p, daemon)
					assert.Empty(t, ops)
					assert.Empty(t, text)
				}
			})
		}
	}
}

// A cluster may lose all its nodes and get others, in the rows of those that left.
func TestRowsAreUsedAgain(t *testing.T) {
	each(t, func(t *testing.T, p *pair) {
		f := cluster.NewFork()
		rng := rand.New(rand.NewPCG(3, 3))
		for round := range 8 {
			var ids []string
			for i := range 10 + rng.IntN(10) {
				n := plain(fmt.Sprintf("r%d-n%d", round, (i*7+round)%31), 4000+int64(round%3)*1000, 8<<30)
				n.Attributes = berth.Attributes{"zone": fmt.Sprintf("z%d", (i+round)%4)}
				require.NoError(t, f.AddNodes(n))
				ids = append(ids, n.ID)
			}
			g := request(fmt.Sprintf("g%d", round), 700, 1<<30, constraints.NotEq("zone", fmt.Sprintf("z%d", round%4)))
			apply(f, p.plan(t, f.Snapshot(), g.Tasks(40)))
			require.NoError(t, f.RemoveNodes(ids[:len(ids)/2]...))
			p.plan(t, f.Snapshot(), request("h", 300, 1).Tasks(5))
			require.NoError(t, f.RemoveNodes(ids[len(ids)/2:]...))
			p.plan(t, f.Snapshot(), request("h", 300, 1).Tasks(5))
		}
	})
}

// One more value of an attribute than an engine keeps apart, in the middle of its life, must change
// nothing, nor must the values that come after, nor the way back.
func TestAttributeOfManyValues(t *testing.T) {
	rules := [][]berth.Constraint{
		nil,
		{constraints.Eq("zone", "z3")},
		{constraints.MaxPer("zone", 1)},
		{constraints.GroupBy("zone")},
	}
	each(t, func(t *testing.T, p *pair) {
		f := cluster.NewFork()
		for i := range 70 {
			n := plain(fmt.Sprintf("n%02d", i*37%70), 3000, 8<<30)
			n.Attributes = berth.Attributes{"zone": fmt.Sprintf("z%d", i)}
			require.NoError(t, f.AddNodes(n))
			if i < 30 || i > 36 && i%8 != 0 {
				continue
			}
			g := request(fmt.Sprintf("g%d", i), 900, 1<<30, rules[i%len(rules)]...)
			apply(f, p.plan(t, f.Snapshot(), g.Tasks(4)))
		}
		for i := range 50 {
			require.NoError(t, f.RemoveNodes(fmt.Sprintf("n%02d", i)))
		}
		p.plan(t, f.Snapshot(), request("last", 500, 1, constraints.GroupBy("zone")).Tasks(20))
	})
}

// More kinds of nodes than an engine keeps apart: by attributes, which it can look away from, and by
// capacities, which it cannot.
func TestManyClasses(t *testing.T) {
	if testing.Short() {
		t.Skip("the reference is slow where nodes are many; run without -short")
	}
	node := func(i int, byCapacity bool) berth.Node {
		n := plain(fmt.Sprintf("n%04d", i*7919%1000), 8000, 32<<30)
		if byCapacity {
			n.Capacity["cpu"] += int64(i)
		}
		n.Attributes = berth.Attributes{
			"zone": fmt.Sprintf("z%d", i%31), "rack": fmt.Sprintf("r%d", i%29), "kind": i % 2, "ssd": 1 + i%2,
		}
		return n
	}
	for _, byCapacity := range []bool{false, true} {
		for _, s := range []placement.Strategy{placement.BinPack(), placement.Spread("zone", berth.NodeID), placement.FirstFit()} {
			t.Run(fmt.Sprintf("%v, by capacity %v", s, byCapacity), func(t *testing.T) {
				p, f := pairOf(s), cluster.NewFork()
				for i := range 700 {
					require.NoError(t, f.AddNodes(node(i, byCapacity)))
				}
				for round, rules := range [][]berth.Constraint{
					nil, {constraints.Eq("zone", "z3")}, {constraints.Unique("rack")}, {constraints.GroupBy("kind"), constraints.NotEq("rack", "r3")},
				} {
					g := request(fmt.Sprintf("g%d", round), 1500, 1<<30, rules...)
					apply(f, p.plan(t, f.Snapshot(), g.Tasks(40)))
					require.NoError(t, f.AddNodes(node(700+round, byCapacity)))
				}
			})
		}
	}
}

// TestFarBehind lets more change between two plans than the change log holds.
func TestFarBehind(t *testing.T) {
	const bound = 1 << 17 // of the log
	f := cluster.NewFork()
	for i := range 40 {
		n := plain(fmt.Sprintf("n%02d", i), 4000, 8<<30)
		n.Attributes = berth.Attributes{"zone": fmt.Sprintf("z%d", i%3)}
		require.NoError(t, f.AddNodes(n))
	}
	p := pairOf(placement.Spread("zone"))
	g := request("g", 500, 1<<30)
	apply(f, p.plan(t, f.Snapshot(), g.Tasks(60)))
	before := f.Version().Seq
	churn := request("churn", 100, 1).Task("churn")
	for i := range bound/2 + 100 {
		_, why := f.Apply(berth.Op{Kind: berth.Place, Task: churn, Node: fmt.Sprintf("n%02d", i%40)})
		if why.Code == berth.None {
			f.Apply(berth.Op{Kind: berth.Release, ID: churn.ID})
		}
	}
	f.Apply(berth.Op{Kind: berth.Release, ID: "g-7"})
	require.NoError(t, f.Cordon("n03"))
	require.Greater(t, f.Version().Seq-before, uint64(bound), "the log must overflow")
	p.plan(t, f.Snapshot(), request("h", 700, 1<<30).Tasks(30))
}

// Quantities up to the greatest int64 are quantities like any other.
func TestGreatQuantities(t *testing.T) {
	sizes := []int64{1, 1 << 20, math.MaxInt64 / placement.Resolution, math.MaxInt64/placement.Resolution + 1,
		math.MaxInt64 / 3, math.MaxInt64/2 + 1, math.MaxInt64 - 1, math.MaxInt64}
	for _, s := range []placement.Strategy{placement.BinPack(), placement.Spread(), placement.Spread("zone", berth.NodeID), placement.FirstFit()} {
		t.Run(s.String(), func(t *testing.T) {
			p, f := pairOf(s), cluster.NewFork()
			for i, cpu := range sizes {
				for j, memory := range sizes {
					require.NoError(t, f.AddNodes(plain(fmt.Sprintf("n%d%d", i, j), cpu, memory)))
				}
			}
			for i, cpu := range sizes {
				for j, memory := range sizes {
					apply(f, p.plan(t, f.Snapshot(), request(fmt.Sprintf("g%d%d", i, j), cpu, memory).Tasks(2)))
				}
			}
			// What runs already may leave less than nothing free.
			full := request("full", math.MaxInt64, math.MaxInt64)
			require.NoError(t, f.AddNodes(plain("tiny", 1, 1)))
			require.NoError(t, f.Adopt(full.Task("adopted"), "tiny", nil, berth.Running))
			p.plan(t, f.Snapshot(), append(full.Tasks(2), request("none", 0, 0).Tasks(20)...))
		})
	}
}

// TestFractionOfGreatQuantities: half of almost all an int64 holds is as full as half of two. The
// scores are those of the documented formula, floor(used/capacity x 2^20) + floor(request/capacity x 2^20)
// with one resource, which for a half of each is 2^19 and for the whole 2^20.
func TestFractionOfGreatQuantities(t *testing.T) {
	const most = math.MaxInt64 - 1 // even
	for _, whole := range []int64{2, 1 << 43, 1 << 44, 1 << 62, most} {
		at := func(free, asked int64) int64 {
			return scoreOf(t, placement.BinPack("cpu"), request("g", asked, 0), plain("n", whole, 1), request("load", whole-free, 0))
		}
		assert.EqualValues(t, 0, at(whole, 0), "empty, of %d", whole)
		assert.EqualValues(t, placement.Resolution/2, at(whole, whole/2), "half, of %d", whole)
		assert.EqualValues(t, placement.Resolution, at(whole/2, whole/2), "both halves, of %d", whole)
		assert.EqualValues(t, placement.Resolution, at(whole, whole), "all, of %d", whole)
		assert.EqualValues(t, placement.Resolution, at(-1, 0), "overcommitted, of %d", whole)
	}
}

func TestHundredsOfZones(t *testing.T) {
	for _, s := range []placement.Strategy{
		placement.BinPack(), placement.Spread("zone"), placement.Spread("zone", berth.NodeID), placement.Spread(berth.NodeID, "zone"),
	} {
		t.Run(s.String(), func(t *testing.T) {
			p, f := pairOf(s), cluster.NewFork()
			for i := range 340 {
				n := plain(fmt.Sprintf("n%03d", i*7%340), 4000, 8<<30)
				n.Attributes = berth.Attributes{"zone": fmt.Sprintf("z%d", i%300)}
				require.NoError(t, f.AddNodes(n))
			}
			for round, rules := range [][]berth.Constraint{{constraints.Unique("zone")}, {constraints.GroupBy("zone")}, nil} {
				apply(f, p.plan(t, f.Snapshot(), request(fmt.Sprintf("g%d", round), 900, 1<<30, rules...).Tasks(12)))
			}
		})
	}
}

// Dimensions added between plans, by nodes and not by nodes: a request may name what no node has yet.
func TestDimensionsComeLater(t *testing.T) {
	each(t, func(t *testing.T, p *pair) {
		f := cluster.NewFork()
		tape := berth.NewGroup("tape", berth.GroupSpec{Request: berth.Resources{"tape": 1}})
		for i := range 12 {
			n := plain(fmt.Sprintf("n%02d", i*5%12), 4000, 8<<30)
			if i%4 == 3 {
				n.Capacity[fmt.Sprintf("licence%d", i)] = 3
			}
			if i > 8 {
				n.Capacity["tape"] = 1
			}
			require.NoError(t, f.AddNodes(n))
			tasks := append(request(fmt.Sprintf("g%d", i), 500, 1<<30).Tasks(2), tape.Task(fmt.Sprintf("tape%d", i)))
			apply(f, p.plan(t, f.Snapshot(), tasks))
		}
	})
}

// TestEngineMovesBetweenClusters hands one engine snapshots of clusters that have nothing to do with each other,
// in which the same numbers inside stand for other names.
func TestEngineMovesBetweenClusters(t *testing.T) {
	made := func(attribute, resource string, reverse bool) *cluster.Snapshot {
		f := cluster.NewFork()
		for i := range 6 {
			zone := i
			if reverse {
				zone = 5 - i
			}
			n := berth.Node{
				ID:         fmt.Sprintf("n%d", i),
				Capacity:   berth.Resources{resource: 4000},
				Attributes: berth.Attributes{attribute: fmt.Sprintf("v%d", zone%3)},
			}
			require.NoError(t, f.AddNodes(n))
		}
		return f.Snapshot()
	}
	clusters := []*cluster.Snapshot{
		made("zone", "cpu", false), made("zone", "cpu", true), made("rack", "cpu", false), made("zone", "gpu", true),
	}
	each(t, func(t *testing.T, p *pair) {
		for round := range 12 {
			s := clusters[round*round%len(clusters)]
			for i, rules := range [][]berth.Constraint{
				{constraints.Eq("zone", "v1")}, {constraints.NotEq("rack", "v0")}, {constraints.Unique("zone")}, {constraints.GroupBy("zone")},
			} {
				g := berth.NewGroup(fmt.Sprintf("g%d", i), berth.GroupSpec{Request: berth.Resources{"cpu": 1000}, Rules: rules})
				p.plan(t, s, g.Tasks(5))
				p.plan(t, clusters[(round+1)%len(clusters)], g.Tasks(3))
			}
		}
	})
}

// Forks that grow apart share what they began with and nothing else.
func TestEngineMovesBetweenForks(t *testing.T) {
	each(t, func(t *testing.T, p *pair) {
		base := cluster.NewFork()
		for i := range 10 {
			require.NoError(t, base.AddNodes(plain(fmt.Sprintf("n%d", i), 4000, 8<<30)))
		}
		forks := []*cluster.Fork{base, base.Snapshot().Fork(), base.Snapshot().Fork()}
		rng := rand.New(rand.NewPCG(5, 5))
		for round := range 30 {
			k := rng.IntN(len(forks))
			f := forks[k]
			n := plain(fmt.Sprintf("new%d", round), 2000, 4<<30)
			n.Capacity[fmt.Sprintf("own%d-%d", k, round%4)] = 2
			n.Attributes = berth.Attributes{"zone": fmt.Sprintf("z%d", k)}
			require.NoError(t, f.AddNodes(n))
			g := berth.NewGroup(fmt.Sprintf("g%d", round), berth.GroupSpec{
				Request: berth.Resources{"cpu": 700, fmt.Sprintf("own%d-%d", k, round%4): int64(round % 2)},
				Rules:   []berth.Constraint{constraints.MaxPer(berth.NodeID, 2)},
			})
			apply(f, p.plan(t, f.Snapshot(), g.Tasks(6)))
		}
	})
}

// TestRisesAndFalls: where filling a node makes it better and then worse again, its place in the order moves both
// ways while one group is placed, in more than one class of nodes.
func TestRisesAndFalls(t *testing.T) {
	for _, s := range someStrategies() {
		t.Run(s.String(), func(t *testing.T) {
			for seed := range seeds(13) {
				rng := rand.New(rand.NewPCG(seed, 7))
				p, f := pairOf(s), cluster.NewFork()
				for i := range 12 {
					n := plain(fmt.Sprintf("n%02d", i), 10000+int64(i%3)*5000, 64<<30)
					n.Attributes = berth.Attributes{"zone": fmt.Sprintf("z%d", i%2)}
					require.NoError(t, f.AddNodes(n))
				}
				for round := range 4 {
					g := request(fmt.Sprintf("g%d", round), int64(1+rng.IntN(6))*500, 1<<30)
					ops := p.plan(t, f.Snapshot(), g.Tasks(15))
					for _, op := range ops {
						if rng.IntN(2) == 0 {
							f.Apply(op)
						}
					}
				}
			}
		})
	}
}

// A gang that is undone leaves no trace: what follows is what a picker that never tried would pick.
func TestUndoneGangLeavesNoTrace(t *testing.T) {
	each(t, func(t *testing.T, p *pair) {
		h := newHistory(11)
		s := h.fork.Snapshot()
		for seed := range seeds(13) {
			gang := request("gang", 300+int64(seed)*100, 1<<30, constraints.MaxPer("zone", 4))
			then := request("then", 700, 1<<30, constraints.GroupBy("zone")).Tasks(10)
			p.engine.Start(s)
			var ops []berth.Op
			for _, task := range gang.Tasks(12) {
				if op, ok := p.engine.Place(task); ok {
					ops = append(ops, op)
				}
			}
			require.NotEmpty(t, ops)
			for len(ops) > 0 { // in any order
				i := int(seed) % len(ops)
				p.engine.Undo(ops[i])
				ops = append(ops[:i], ops[i+1:]...)
			}
			p.reference.Start(s)
			for _, task := range then {
				got, gotOK := p.engine.Place(task)
				want, wantOK := p.reference.Place(task)
				require.Equal(t, wantOK, gotOK)
				require.Equal(t, want.Node, got.Node)
			}
		}
	})
}

// Nodes that are alike but for one thing are told apart, whichever comes first.
func TestAlikeButForOneThing(t *testing.T) {
	variants := []func(n *berth.Node){
		func(*berth.Node) {},
		func(n *berth.Node) { n.Unschedulable = true },
		func(n *berth.Node) { n.Taints = []berth.Taint{{Key: "k", Value: "v"}} },
		func(n *berth.Node) { n.Taints = []berth.Taint{{Key: "k", Value: "w"}} },
		func(n *berth.Node) {
			n.Taints = []berth.Taint{{Key: "k", Value: "v", Effect: berth.PreferNoSchedule}}
		},
		func(n *berth.Node) { n.Attributes = berth.Attributes{"zone": "a"} },
		func(n *berth.Node) { n.Attributes = berth.Attributes{"zone": "b"} },
		func(n *berth.Node) { n.Attributes = berth.Attributes{"rack": "a"} },
		func(n *berth.Node) { n.Devices = []berth.Device{{Class: "gpu", Model: "A"}} },
		func(n *berth.Node) { n.Devices = []berth.Device{{Class: "gpu", Model: "B"}} },
		func(n *berth.Node) { n.Ports = []berth.PortRange{{First: 80, Last: 80}} },
		func(n *berth.Node) { n.Capacity["memory"]++ },
		func(n *berth.Node) { n.Capacity["disk"] = 1 },
	}
	specs := []berth.GroupSpec{
		{},
		{Rules: []berth.Constraint{constraints.Tolerate("k", "v")}},
		{Rules: []berth.Constraint{constraints.Tolerate("k", "w")}},
		{Rules: []berth.Constraint{constraints.Eq("zone", "a")}},
		{Rules: []berth.Constraint{constraints.TolerateAll(), constraints.GroupBy("zone")}},
		{Rules: []berth.Constraint{constraints.Exists("rack")}},
		{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 400, Models: []string{"B"}}}},
		{Ports: []berth.PortRange{{First: 80, Last: 80}}},
	}
	each(t, func(t *testing.T, p *pair) {
		rng := rand.New(rand.NewPCG(4, 4))
		for round := range 6 {
			f := cluster.NewFork()
			for i, k := range rng.Perm(2 * len(variants)) {
				n := plain(fmt.Sprintf("n%02d", i), 4000, 8<<30)
				variants[k/2](&n)
				require.NoError(t, f.AddNodes(n))
				require.NoError(t, cordon(f, k == 1, n.ID)) // one of the two that have nothing special
			}
			for i, spec := range specs {
				spec.Request = berth.Resources{"cpu": 1500}
				apply(f, p.plan(t, f.Snapshot(), berth.NewGroup(fmt.Sprintf("g%d-%d", round, i), spec).Tasks(9)))
			}
		}
	})
}

// Names of models may hold what joins them in print. Requests that print alike need not be alike, and a ranking of one
// must not serve the other.
func TestModelsThatPrintAlike(t *testing.T) {
	var nodes []berth.Node
	for i := range 20 {
		n := plain(fmt.Sprintf("n%02d", i), 8000, 8<<30)
		n.Devices = []berth.Device{{Class: "gpu", Model: "A"}}
		nodes = append(nodes, n)
	}
	group := func(name string, models ...string) *berth.Group {
		return berth.NewGroup(name, berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1, Models: models}}})
	}
	either, odd := group("either", "A", "B"), group("odd", "A|B")
	require.Equal(t, either.Spec().Devices[0].String(), odd.Spec().Devices[0].String())
	e := placement.NewEngine(placement.Best(placement.Change("left", func(s *placement.State) int64 { return s.Free[0] })))
	e.Start(snapshotOf(t, nodes...))
	_, ok := e.Place(either.Task("a"))
	require.True(t, ok)
	_, ok = e.Place(odd.Task("b"))
	require.False(t, ok)
}

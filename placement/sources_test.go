package placement_test

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// The scenarios of this file are those of other schedulers, restated. Each runs with the engine and with
// the reference picker.

// place picks nodes for tasks in one plan and returns them in order, "" for a task without one.
func place(p placement.Picker, s *cluster.Snapshot, tasks ...berth.Task) (nodes []string) {
	p.Start(s)
	for _, t := range tasks {
		op, _ := p.Place(t)
		nodes = append(nodes, op.Node)
	}
	return nodes
}

// scoreOf returns the sum of the last tier of a node for a group's task, with other groups' tasks on it.
func scoreOf(t *testing.T, s placement.Strategy, g *berth.Group, n berth.Node, loads ...*berth.Group) int64 {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(n))
	for _, load := range loads {
		require.NoError(t, f.Adopt(load.Task("t-"+load.Name()), n.ID, nil, berth.Running))
	}
	p := placement.NewEngine(s)
	p.Start(f.Snapshot())
	score, ok := p.Score(g.Task("t"), n.ID)
	require.True(t, ok)
	return score[len(score)-1].Sum
}

// both runs a test with an engine and with the reference.
func both(t *testing.T, s placement.Strategy, test func(t *testing.T, p placement.Picker)) {
	t.Helper()
	for kind, make := range pickers(s) {
		t.Run(kind, func(t *testing.T) { test(t, make()) })
	}
}

// counts returns how many of the nodes have each value of an attribute.
func counts(s *cluster.Snapshot, attribute string, nodes []string) map[string]int {
	n := map[string]int{}
	for _, id := range nodes {
		view, ok := s.Node(id)
		if !ok {
			n[""]++
			continue
		}
		v, _ := view.Attribute(attribute)
		n[v.String()]++
	}
	return n
}

func inZone(n berth.Node, zone string) berth.Node {
	n.Attributes = berth.Attributes{"zone": zone}
	return n
}

// Fenzo's BinPackingSchedulerTests and ConstraintsTests: 3 tasks of 1 cpu and 1000 MB on hosts A, B and C of
// 4 cpu and 4000 MB in a zone each, placed one after another with cpu and memory packing, all go to one
// zone; unique by zone among themselves, hard or soft, they take all three.
func TestFenzoZones(t *testing.T) {
	three := snapshotOf(t, inZone(plain("A", 4, 4000), "a"), inZone(plain("B", 4, 4000), "b"), inZone(plain("C", 4, 4000), "c"))
	both(t, placement.BinPack(), func(t *testing.T, p placement.Picker) {
		nodes := place(p, three, request("plain", 1, 1000).Tasks(3)...)
		assert.Equal(t, map[string]int{"a": 3}, counts(three, "zone", nodes))
		nodes = place(p, three, request("hard", 1, 1000, constraints.Unique("zone")).Tasks(3)...)
		assert.Equal(t, map[string]int{"a": 1, "b": 1, "c": 1}, counts(three, "zone", nodes))
	})
	both(t, placement.Spread("zone"), func(t *testing.T, p placement.Picker) {
		nodes := place(p, three, request("soft", 1, 1000).Tasks(3)...)
		assert.Equal(t, map[string]int{"a": 1, "b": 1, "c": 1}, counts(three, "zone", nodes))

		// Soft unique by zone, 3 tasks, 2 hosts: all are placed and both zones used.
		two := snapshotOf(t, inZone(plain("A", 4, 4000), "a"), inZone(plain("B", 4, 4000), "b"))
		n := counts(two, "zone", place(p, two, request("soft", 1, 1000).Tasks(3)...))
		assert.Len(t, n, 2)
		assert.Equal(t, 3, n["a"]+n["b"])

		// Balanced by zone, 6 tasks, 3 hosts of 4 cpu in 3 zones: 2 on each host, for soft ...
		nodes = place(p, three, request("balanced", 1, 1).Tasks(6)...)
		assert.Equal(t, map[string]int{"A": 2, "B": 2, "C": 2}, counts(three, berth.NodeID, nodes))
	})
	both(t, placement.BinPack(), func(t *testing.T, p placement.Picker) { // ... and for hard
		nodes := place(p, three, request("balanced", 1, 1, constraints.GroupBy("zone")).Tasks(6)...)
		assert.Equal(t, map[string]int{"A": 2, "B": 2, "C": 2}, counts(three, berth.NodeID, nodes))
	})
}

// Fenzo: 5 tasks without constraint pack on one of 5 hosts of 8 cpu; the next 5, unique by host among
// themselves, take 5 hosts, the used one included.
func TestFenzoUniqueHost(t *testing.T) {
	var nodes []berth.Node
	for i := range 5 {
		nodes = append(nodes, plain(fmt.Sprintf("h%d", i), 8, 8000))
	}
	s := snapshotOf(t, nodes...)
	both(t, placement.BinPack().TiesByID(), func(t *testing.T, p placement.Picker) {
		tasks := append(request("plain", 1, 100).Tasks(5), request("unique", 1, 100, constraints.UniqueNode()).Tasks(5)...)
		got := place(p, s, tasks...)
		assert.Equal(t, []string{"h0", "h0", "h0", "h0", "h0"}, got[:5])
		assert.ElementsMatch(t, []string{"h0", "h1", "h2", "h3", "h4"}, got[5:])
	})
}

// Fenzo's heterogeneous pack: 10 hosts of 8 cpu and 800 MB and 10 of 4 and 400; 41 tasks of 1 cpu and 100 MB
// fill the ten small hosts and one big one starts. A small host takes the first task, for 1/4 of it is more
// than 1/8 of a big one, and one with k of 4 scores more than any with fewer until it is full.
func TestFenzoHeterogeneousPack(t *testing.T) {
	var nodes []berth.Node
	for i := range 10 {
		nodes = append(nodes, plain(fmt.Sprintf("big%d", i), 8, 800), plain(fmt.Sprintf("small%d", i), 4, 400))
	}
	s := snapshotOf(t, nodes...)
	for name, g := range map[string]*berth.Group{
		"cpu and memory": request("g", 1, 100), "cpu": request("g", 1, 0), "memory": request("g", 0, 100),
	} {
		t.Run(name, func(t *testing.T) {
			both(t, placement.BinPack(), func(t *testing.T, p placement.Picker) {
				got := counts(s, berth.NodeID, place(p, s, g.Tasks(41)...))
				for i := range 10 {
					small := fmt.Sprintf("small%d", i)
					assert.Equal(t, 4, got[small])
					delete(got, small)
				}
				require.Len(t, got, 1)
				for big, n := range got {
					assert.Contains(t, big, "big")
					assert.Equal(t, 1, n)
				}
			})
		})
	}
}

// Kubernetes' tables for LeastAllocated and MostAllocated, weights 1 (noderesources/least_allocated_test.go and
// most_allocated_test.go): empty nodes N1 of (4000, 10000) and N2 of (6000, 10000), a pod of 3000 and 5000.
// LeastAllocated gives 37 and 50 of 100, MostAllocated 62 and 50. In units of 1/2^20, rounded down
// apart, what is in use being 0:
//
//	N1  (floor(3000/4000 x 2^20) + floor(5000/10000 x 2^20)) / 2 = (786432 + 524288) / 2 = 655360 = 62.5 %
//	N2  (floor(3000/6000 x 2^20) + floor(5000/10000 x 2^20)) / 2 = (524288 + 524288) / 2 = 524288 = 50 %
//
// and worst fit is the same below zero: -62.5 % and -50 %, which is LeastAllocated's 37.5 and 50 less 100.
func TestKubernetesAllocated(t *testing.T) {
	s := snapshotOf(t, plain("N1", 4000, 10000), plain("N2", 6000, 10000))
	pod := request("pod", 3000, 5000)
	for _, c := range []struct {
		strategy placement.Strategy
		best     string
		n1, n2   int64
	}{
		{placement.BinPack(), "N1", 655360, 524288},
		{placement.Spread(), "N2", -655360, -524288},
	} {
		t.Run(c.strategy.String(), func(t *testing.T) {
			score := func(cpu int64) int64 {
				return scoreOf(t, c.strategy, pod, plain("n", cpu, 10000))
			}
			assert.Equal(t, c.n1, score(4000))
			assert.Equal(t, c.n2, score(6000))
			both(t, c.strategy, func(t *testing.T, p placement.Picker) {
				assert.Equal(t, []string{c.best}, place(p, s, pod.Task("p")))
			})
		})
	}
}

// Kubernetes' LeastAllocated with something in use: N1 and N2 of (10000, 20000); N1 runs 6000 and 0, N2 6000 and
// 5000; a pod without containers scores 70 and 57 (rounded down from 57.5). The parts in use are 60 % and 0 %, and 60 % and 25 %:
//
//	N1  floor(0.6 x 2^20) / 2 = 629145 / 2 = 314572             = 30.0 %, 100 - 30 = 70
//	N2  (629145 + floor(0.25 x 2^20)) / 2 = (629145 + 262144) / 2 = 445644 = 42.5 %, 100 - 42.5 = 57.5
func TestKubernetesLeastAllocatedInUse(t *testing.T) {
	score := func(memory int64) int64 {
		return scoreOf(t, placement.Spread(), request("pod", 0, 0), plain("n", 10000, 20000), request("load", 6000, 20000-memory))
	}
	assert.EqualValues(t, -314572, score(20000))
	assert.EqualValues(t, -445644, score(15000))

	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(plain("N1", 10000, 20000), plain("N2", 10000, 20000)))
	apply(f, []berth.Op{
		{Kind: berth.Place, Task: request("one", 6000, 0).Task("one"), Node: "N1"},
		{Kind: berth.Place, Task: request("two", 6000, 5000).Task("two"), Node: "N2"},
	})
	both(t, placement.Spread(), func(t *testing.T, p placement.Picker) {
		assert.Equal(t, []string{"N1"}, place(p, f.Snapshot(), request("pod", 0, 0).Task("p")))
	})
	both(t, placement.BinPack(), func(t *testing.T, p placement.Picker) {
		assert.Equal(t, []string{"N2"}, place(p, f.Snapshot(), request("pod", 0, 0).Task("p")))
	})
}

// N7, N8 and N12. Nomad: 10 equal nodes, count 11, distinct_hosts: 10 placed on 10 nodes and one failure. 10 nodes in 2 racks,
// count 8, distinct_property of 2 by rack: exactly 4 placed. Capacities of A 1024, B 512 and C 3072, ask 1024:
// B is no candidate, A, filled to the last, is best, and C next.
func TestNomadPlacement(t *testing.T) {
	var nodes []berth.Node
	for i := range 10 {
		n := plain(fmt.Sprintf("n%d", i), 4000, 8192)
		n.Attributes = berth.Attributes{"rack": fmt.Sprintf("r%d", i%2)}
		nodes = append(nodes, n)
	}
	s := snapshotOf(t, nodes...)
	both(t, placement.BinPack(), func(t *testing.T, p placement.Picker) {
		got := place(p, s, request("hosts", 500, 256, constraints.UniqueNode()).Tasks(11)...)
		want := map[string]int{"": 1}
		for i := range 10 {
			want[fmt.Sprintf("n%d", i)] = 1
		}
		assert.Equal(t, want, counts(s, berth.NodeID, got))
		assert.Equal(t, []cluster.ReasonCount{
			{Reason: berth.Reason{Code: berth.DomainFull, Subject: constraints.UniqueNode().String()}, Nodes: 10},
		}, p.Explain(request("hosts", 500, 256, constraints.UniqueNode())).Counts)

		got = place(p, s, request("racks", 500, 256, constraints.MaxPer("rack", 2)).Tasks(8)...)
		assert.Equal(t, map[string]int{"r0": 2, "r1": 2, "": 4}, counts(s, "rack", got))

		abc := snapshotOf(t, plain("A", 1024, 1024), plain("B", 512, 512), plain("C", 3072, 3072))
		got = place(p, abc, request("ask", 1024, 1024).Tasks(5)...)
		assert.Equal(t, []string{"A", "C", "C", "C", ""}, got)
	})
}

// Nomad's even spread: 10 nodes half in dc1 and half in dc2, count 10: 5 and 5. 3 DCs of 4 nodes, count 12: 4
// in each; and one on each node where nodes count next.
func TestEvenSpread(t *testing.T) {
	cluster := func(dcs, n int) *cluster.Snapshot {
		var nodes []berth.Node
		for i := range n {
			nodes = append(nodes, inZone(plain(fmt.Sprintf("n%02d", i), 4000+int64(i)*100, 8192), fmt.Sprintf("dc%d", 1+i*dcs/n)))
		}
		return snapshotOf(t, nodes...)
	}
	for _, attributes := range [][]string{{"zone"}, {"zone", berth.NodeID}} {
		both(t, placement.Spread(attributes...), func(t *testing.T, p placement.Picker) {
			g := request("g", 100, 100)
			two := cluster(2, 10)
			assert.Equal(t, map[string]int{"dc1": 5, "dc2": 5}, counts(two, "zone", place(p, two, g.Tasks(10)...)))
			three := cluster(3, 12)
			got := place(p, three, g.Tasks(12)...)
			assert.Equal(t, map[string]int{"dc1": 4, "dc2": 4, "dc3": 4}, counts(three, "zone", got))
			if len(attributes) == 2 {
				assert.Len(t, counts(three, berth.NodeID, got), 12)
			}
			// At any moment no zone is more than one ahead of another.
			for i := range got {
				n := counts(three, "zone", got[:i+1])
				values := slices.Sorted(maps.Values(n))
				least := values[0]
				if len(n) < 3 {
					least = 0
				}
				assert.LessOrEqual(t, values[len(values)-1]-least, 1)
			}
		})
	}
}

// TestSpreadInFull: over zones first, then nodes, then the least in use, then IDs; nodes without the attribute last.
func TestSpreadInFull(t *testing.T) {
	s := snapshotOf(t,
		inZone(plain("a1", 4000, 4000), "a"), inZone(plain("a2", 8000, 8000), "a"),
		inZone(plain("b1", 4000, 4000), "b"), plain("nowhere", 64000, 64000))
	both(t, placement.Spread("zone", berth.NodeID), func(t *testing.T, p placement.Picker) {
		got := place(p, s, request("g", 1000, 1000).Tasks(18)...)
		assert.Equal(t, []string{
			"a2", // 1/8 of it in use, against 1/4 of a1 and b1
			"b1", // the zone without a task
			"a1", // zones are even again; a1 has no task, b1 has one
			"b1",
			"a2", // each node of zone a has one: 2/8 against 2/4
			"b1",
			"a1",
			"b1",                                           // b is full
			"a2", "a1", "a2", "a1", "a2", "a2", "a2", "a2", // nodes even as long as a1 has room
			"nowhere", "nowhere",
		}, got)
	})
}

// Ties end at the lowest hash of the node's ID under the seed, or, where the strategy says so, at the lowest ID, whatever
// the order in which nodes came. The hash is the finaliser of SplitMix64 of the seed's and of FNV-1a of the ID, as
// TestRandomIsStable writes them out.
func TestTies(t *testing.T) {
	ids := []string{"c", "a", "e", "b", "d"}
	var nodes []berth.Node
	for _, id := range ids {
		nodes = append(nodes, plain(id, 4000, 4000))
	}
	s := snapshotOf(t, nodes...)
	for _, strategy := range []placement.Strategy{
		placement.BinPack(), placement.Spread(), placement.Spread("zone"), placement.FirstFit(), placement.Best(),
		placement.Best(placement.Func("none", func(*placement.Candidate) int64 { return 0 })),
		placement.Best(placement.Change("none", func(*placement.State) int64 { return 0 })),
		placement.Best(placement.InUse()).Within(1 << 40),
	} {
		t.Run(strategy.String(), func(t *testing.T) {
			both(t, strategy.TiesByID(), func(t *testing.T, p placement.Picker) {
				assert.Equal(t, []string{"a"}, place(p, s, request("g", 1, 1).Task("t")))
			})
			if strategy.String() == placement.FirstFit().String() {
				return
			}
			for seed := range seeds(5) {
				want := slices.MinFunc(ids, func(a, b string) int {
					return cmp.Compare(splitmix(splitmix(seed)^fnv1a(a)), splitmix(splitmix(seed)^fnv1a(b)))
				})
				both(t, strategy.Seed(seed), func(t *testing.T, p placement.Picker) {
					assert.Equal(t, []string{want}, place(p, s, request("g", 1, 1).Task("t")))
				})
			}
		})
	}
}

// A preference outweighs any score: the sum of the weights that hold decides first.
func TestPreferencesComeFirst(t *testing.T) {
	s := snapshotOf(t, inZone(plain("a", 4000, 4000), "a"), inZone(plain("b", 4000, 4000), "b"), inZone(plain("c", 64000, 64000), "c"))
	g := berth.NewGroup("g", berth.GroupSpec{
		Request: berth.Resources{"cpu": 2000},
		Prefer: []berth.Preference{
			{Weight: 2, Rule: constraints.Eq("zone", "c")}, {Weight: 1, Rule: constraints.NotEq("zone", "a")},
		},
	})
	for _, strategy := range []placement.Strategy{placement.BinPack(), placement.FirstFit(), placement.Spread("zone")} {
		t.Run(strategy.String(), func(t *testing.T) {
			both(t, strategy, func(t *testing.T, p placement.Picker) {
				assert.Equal(t, []string{"c", "c"}, place(p, s, g.Tasks(2)...))
			})
		})
	}
}

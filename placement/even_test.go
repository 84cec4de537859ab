package placement_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// ofRacks returns n nodes of 4 cores and 8 GiB, the i-th in rack i mod racks.
func ofRacks(n, racks int) (nodes []berth.Node) {
	for i := range n {
		nodes = append(nodes, plain(fmt.Sprintf("n%04d", i), 4000, 8<<30))
		nodes[i].Attributes = berth.Attributes{"rack": fmt.Sprintf("r%d", i%racks), "zone": fmt.Sprintf("z%d", i%3)}
	}
	return nodes
}

// most returns the greatest and the least number of times that a domain was chosen, of all domains there are.
func most(chosen map[string]int, domains int) (greatest, least int) {
	least = 1 << 30
	for _, n := range chosen {
		greatest, least = max(greatest, n), min(least, n)
	}
	if len(chosen) < domains {
		least = 0
	}
	return greatest, least
}

// TestEvenOverManyDomains counts. Of t tasks that all find room, kept even over d domains, each domain has
// floor(t/d) or one more, and with a skew of s none has more than the emptiest and s: binpack, which would rather fill
// one node after another, makes use of the whole skew.
func TestEvenOverManyDomains(t *testing.T) {
	cases := []struct {
		name            string
		nodes, racks    int
		rule            constraints.Spread
		more            []berth.Constraint
		tasks           int
		domains         int // in which the group may go
		greatest, least int // tasks in one
	}{
		{"250 racks, as many tasks", 1000, 250, constraints.GroupBy("rack"), nil, 250, 250, 1, 1},
		{"250 racks, 2 rounds and a half", 1000, 250, constraints.GroupBy("rack"), nil, 625, 250, 3, 2},
		{"hosts, 3 rounds", 100, 50, constraints.GroupBy(berth.NodeID), nil, 300, 100, 3, 3},
		{"hosts, one over", 100, 50, constraints.GroupBy(berth.NodeID), nil, 101, 100, 2, 1},
		{"few racks of many", 1000, 250, constraints.GroupBy("rack"), []berth.Constraint{constraints.In("rack", "r1", "r7", "r9")}, 30, 3, 10, 10},
		{"hosts of one rack", 1000, 250, constraints.GroupBy(berth.NodeID), []berth.Constraint{constraints.Eq("rack", "r1")}, 11, 4, 3, 2},
		{"zones without some racks", 1000, 250, constraints.GroupBy("zone"), []berth.Constraint{constraints.NotEq("rack", "r1")}, 31, 3, 11, 10},
		// All in the first rack until it has the skew; then in the next: 60 tasks are 15 racks of 4.
		{"skew", 1000, 250, constraints.GroupBy("rack").Skew(4), nil, 60, 250, 4, 0},
		// 250 racks are fewer than 300, so none may have more than one, and 250 of 300 find a place.
		{"fewer domains than wanted", 1000, 250, constraints.GroupBy("rack").MinDomains(300), nil, 300, 250, 1, 1},
		{"as many domains as wanted", 1000, 250, constraints.GroupBy("rack").MinDomains(250), nil, 500, 250, 2, 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			nodes := ofRacks(c.nodes, c.racks)
			domainOf := map[string]string{}
			for _, n := range nodes {
				domainOf[n.ID] = n.ID
				if key := c.rule.Domain(); key != berth.NodeID {
					domainOf[n.ID] = fmt.Sprint(n.Attributes[key])
				}
			}
			engine := placement.NewEngine(placement.BinPack())
			engine.Start(snapshotOf(t, nodes...))
			chosen := map[string]int{}
			for _, task := range request("g", 10, 1<<20, append(c.more, c.rule)...).Tasks(c.tasks) {
				if op, ok := engine.Place(task); ok {
					chosen[domainOf[op.Node]]++
				}
			}
			greatest, least := most(chosen, c.domains)
			assert.Equal(t, c.greatest, greatest)
			assert.Equal(t, c.least, least)
		})
	}
}

// TestEvenInTurn spells out which rack comes when: the four racks that a group may use have a node each, and r3 has
// room for one task.
func TestEvenInTurn(t *testing.T) {
	nodes := ofRacks(40, 40)
	nodes[3].Capacity["cpu"] = 100
	engine := placement.NewEngine(placement.FirstFit())
	engine.Start(snapshotOf(t, nodes...))
	g := request("g", 100, 1<<20, constraints.GroupBy("rack"), constraints.In("rack", "r0", "r1", "r2", "r3"))
	var got []string
	place := func(id string) {
		op, ok := engine.Place(g.Task(id))
		if !ok {
			op.Node = "none"
		}
		got = append(got, op.Node)
	}
	for i := range 8 {
		place(fmt.Sprint("a", i))
	}
	// r3 is full with one, so the others stop at two.
	require.Equal(t, []string{"n0000", "n0001", "n0002", "n0003", "n0000", "n0001", "n0002", "none"}, got)
	got = nil
	op, ok := engine.Place(request("other", 10, 1, constraints.Eq("rack", "r1")).Task("o"))
	require.True(t, ok)
	engine.Undo(op)
	place("b0")
	engine.Undo(berth.Op{Task: g.Task("a3")}) // r3 is empty: the limit falls to one
	place("b1")
	place("b2")
	require.Equal(t, []string{"none", "n0003", "none"}, got)
}

// TestValuesComeAndGo gives every node another rack from plan to plan, so that in the end few of those that there ever
// were are left.
func TestValuesComeAndGo(t *testing.T) {
	each(t, func(t *testing.T, p *pair) {
		f := cluster.NewFork()
		nodes := ofRacks(36, 36)
		require.NoError(t, f.AddNodes(nodes...))
		for round := range 12 {
			for i := range nodes {
				nodes[i].Attributes = berth.Attributes{"rack": fmt.Sprintf("r%d-%d", round, i%34), "zone": fmt.Sprintf("z%d", round)}
			}
			require.NoError(t, f.UpdateNodes(nodes...))
			for i, rules := range [][]berth.Constraint{{constraints.GroupBy("rack")}, {constraints.Unique("rack"), constraints.GroupBy("zone").Skew(9)}} {
				g := request(fmt.Sprint("g", i), 10, 1<<20, rules...)
				var tasks []berth.Task
				for k := range 8 {
					tasks = append(tasks, g.Task(fmt.Sprint(i, "-", round, "-", k)))
				}
				apply(f, p.plan(t, f.Snapshot(), tasks))
			}
		}
	})
}

// TestEvenEqualsExhaustive keeps small tasks even over many domains, so that limits rise again and again, while tasks
// are undone and end and nodes are cordoned.
func TestEvenEqualsExhaustive(t *testing.T) {
	rules := [][]berth.Constraint{
		{constraints.GroupBy("rack")},
		{constraints.GroupBy("rack").Skew(2), constraints.MaxPer(berth.NodeID, 3)},
		{constraints.GroupBy(berth.NodeID)},
		{constraints.GroupBy(berth.NodeID).Skew(2), constraints.GroupBy("rack").Skew(3)},
		{constraints.GroupBy("zone"), constraints.NotEq("rack", "r1")},
		{constraints.GroupBy("rack"), constraints.In("rack", "r1", "r2", "r3", "r4")},
		{constraints.GroupBy(berth.NodeID), constraints.In("rack", "r1", "r2", "r3", "r4"), constraints.GroupBy("zone").Skew(2)},
		{ceiling{}},
	}
	each(t, func(t *testing.T, p *pair) {
		for seed := range seeds(uint64(len(rules))) {
			rng := rand.New(rand.NewPCG(seed, 9))
			f := cluster.NewFork()
			nodes := ofRacks(40, 34)
			for i := range nodes {
				nodes[i].Capacity["cpu"] = int64(2+rng.IntN(3)) * 1000
			}
			require.NoError(t, f.AddNodes(nodes...))
			g := request(fmt.Sprint("g", seed), int64(1+rng.IntN(3))*100, 1<<20, rules[seed]...)
			for round := range 2 {
				var tasks []berth.Task
				for i := range 50 {
					tasks = append(tasks, g.Task(fmt.Sprint(round, "-", i)))
					if i%20 == 19 {
						tasks = append(tasks, request(fmt.Sprint("h", seed, round, i), 300, 1<<30).Tasks(2)...)
					}
				}
				for _, op := range p.plan(t, f.Snapshot(), tasks) {
					if rng.IntN(5) > 0 {
						f.Apply(op)
					}
				}
				require.NoError(t, cordon(f, round == 0, "n0007", "n0008"))
			}
		}
	})
}

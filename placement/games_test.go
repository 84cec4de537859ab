package placement_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// TestSpreadOverManyDomains: the i-th of 1,000 equal empty nodes is in rack i mod 250 and zone i mod 3. Whichever of
// them a strategy spreads over, the i-th task goes to the i-th node: it is the first in the order of IDs that is empty
// and whose domains have floor(i / domains) tasks, the fewest there are.
func TestSpreadOverManyDomains(t *testing.T) {
	s := snapshotOf(t, ofRacks(1000, 250)...)
	for _, strategy := range []placement.Strategy{
		placement.Spread("rack").TiesByID(), placement.Spread("rack", berth.NodeID).TiesByID(), placement.Spread(berth.NodeID, "rack").TiesByID(),
		placement.Spread("zone", "rack").TiesByID(), placement.Spread("rack", "zone").TiesByID(),
	} {
		t.Run(strategy.String(), func(t *testing.T) {
			engine := placement.NewEngine(strategy)
			for round := range 2 { // the second plan begins with what the first left behind, which was not committed
				engine.Start(s)
				for i, task := range request(fmt.Sprint("g", round), 100, 1<<20).Tasks(1000) {
					op, ok := engine.Place(task)
					require.True(t, ok)
					require.Equal(t, fmt.Sprintf("n%04d", i), op.Node)
				}
			}
		})
	}
}

// TestNodesInTurn: a group of more tasks than there are nodes goes round them, all equal, in the order of IDs.
func TestNodesInTurn(t *testing.T) {
	s := snapshotOf(t, ofRacks(300, 50)...)
	for _, strategy := range []placement.Strategy{
		placement.Spread(berth.NodeID).TiesByID(), placement.Spread("zone", berth.NodeID).TiesByID(), placement.Spread(berth.NodeID, "zone").TiesByID(),
		placement.Spread("rack", berth.NodeID).TiesByID(), placement.Spread(berth.NodeID, "rack").TiesByID(),
	} {
		t.Run(strategy.String(), func(t *testing.T) {
			for _, rules := range [][]berth.Constraint{nil, {constraints.GroupBy(berth.NodeID)}, {constraints.GroupBy("rack").Skew(2)}} {
				engine := placement.NewEngine(strategy)
				engine.Start(s)
				for i, task := range request("g", 100, 1<<20, rules...).Tasks(1000) {
					op, ok := engine.Place(task)
					require.True(t, ok)
					require.Equal(t, fmt.Sprintf("n%04d", i%300), op.Node)
				}
			}
		})
	}
}

// TestFullDomainsAreLeft: racks r0 to r9 have room for one task on each of their four nodes, the others for 40. Spread
// over racks, 250 x 4 tasks find every rack with room for four; the rest goes to the 240 that have more.
func TestFullDomainsAreLeft(t *testing.T) {
	nodes := ofRacks(1000, 250)
	for i := range nodes {
		if i%250 < 10 {
			nodes[i].Capacity["cpu"] = 100
		}
	}
	for _, strategy := range []placement.Strategy{placement.Spread("rack"), placement.Spread("rack", berth.NodeID)} {
		t.Run(strategy.String(), func(t *testing.T) {
			engine := placement.NewEngine(strategy)
			engine.Start(snapshotOf(t, nodes...))
			rackOf := map[string]any{}
			for _, n := range nodes {
				rackOf[n.ID] = n.Attributes["rack"]
			}
			count := map[any]int{}
			for _, task := range request("g", 100, 1<<20).Tasks(250*4 + 240*2) {
				op, ok := engine.Place(task)
				require.True(t, ok)
				count[rackOf[op.Node]]++
			}
			for i := range 250 {
				want := 6
				if i < 10 {
					want = 4
				}
				require.Equal(t, want, count[fmt.Sprintf("r%d", i)], "rack %d", i)
			}
		})
	}
}

// TestManyClassesEqualExhaustive has a kind of node for every second node, and rules that close domains and open them again.
func TestManyClassesEqualExhaustive(t *testing.T) {
	rules := [][]berth.Constraint{
		nil,
		{constraints.Unique("rack")},
		{constraints.GroupBy("rack")},
		{constraints.GroupBy(berth.NodeID), constraints.GroupBy("zone").Skew(2)},
		{constraints.GroupBy("zone")},
		{constraints.MaxPer("zone", 12), constraints.MaxPer("rack", 2)},
		{constraints.GroupBy("rack"), constraints.NotEq("rack", "r3")},
	}
	each(t, func(t *testing.T, p *pair) {
		f := cluster.NewFork()
		nodes := ofRacks(72, 40)
		for i := range nodes {
			nodes[i].Capacity["cpu"] = int64(1500 + i%36)
		}
		require.NoError(t, f.AddNodes(nodes...))
		for i, rules := range rules {
			spec := berth.GroupSpec{Request: berth.Resources{"cpu": 40, "memory": 1 << 20}, Rules: rules}
			if i%2 == 0 {
				spec.Prefer = []berth.Preference{{Weight: 1, Rule: constraints.Eq("zone", "z1")}}
			}
			g := berth.NewGroup(fmt.Sprint("g", i), spec)
			tasks := append(g.Tasks(45), request(fmt.Sprint("h", i), 300, 1<<20).Tasks(3)...)
			tasks = append(tasks, g.Task(fmt.Sprint("one", i)), g.Task(fmt.Sprint("more", i)))
			ops := p.plan(t, f.Snapshot(), tasks)
			apply(f, ops[len(ops)/3:])
			require.NoError(t, cordon(f, i%2 == 0, "n0005"))
		}
	})
}

package placement_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
)

// inCentres is a snapshot with some nodes in each data centre, named dc1-0 and so on, and tasks of a group on some of them.
func inCentres(t *testing.T, nodes map[string]int, g *berth.Group, on ...string) *cluster.Snapshot {
	f := cluster.NewFork()
	for dc, n := range nodes {
		for i := range n {
			require.NoError(t, f.AddNodes(berth.Node{ID: fmt.Sprintf("%s-%d", dc, i), Capacity: amounts{"cpu": 100}, Attributes: berth.Attributes{"dc": dc}}))
		}
	}
	for i, node := range on {
		require.NoError(t, f.Adopt(g.Task(fmt.Sprintf("there-%d", i)), node, nil, berth.Running))
	}
	return f.Snapshot()
}

// Nomad's TestSpreadIterator_SingleAttribute (scenario N16): a target of 80 % in dc1 of 10 allocations, two of them there: a node in
// dc1 scores (8 - 3)/8 = 0.625, one in dc2, which has what is left, (2 - 1)/2 = 0.5; with 5 more in dc1, 0 and 0.5. That is 1 +
// Targets / (100 x 10), allocations of other jobs not counted.
func TestTargetsOfNomad(t *testing.T) {
	g, other := request("job", 1, 0), request("other", 1, 0)
	s := placement.Best(placement.Targets("dc", map[any]int{"dc1": 80}))
	for _, c := range []struct {
		there    int
		dc1, dc2 float64
	}{{2, 0.625, 0.5}, {7, 0, 0.5}} {
		var on []string
		for i := range c.there {
			on = append(on, fmt.Sprintf("dc1-%d", i%2))
		}
		snapshot := inCentres(t, map[string]int{"dc1": 2, "dc2": 2}, g, on...)
		fork := snapshot.Fork()
		require.NoError(t, fork.Adopt(other.Task("other"), "dc2-0", nil, berth.Running))
		both(t, s, func(t *testing.T, p placement.Picker) {
			p.Start(fork.Snapshot())
			for node, want := range map[string]float64{"dc1-1": c.dc1, "dc2-1": c.dc2} {
				score, ok := p.(scorer).Score(g.Task("new"), node)
				require.True(t, ok)
				assert.Equal(t, want, 1+float64(score[1].Sum)/1000, node)
			}
		})
	}
}

// Nomad's TestServiceSched_Spread and TestSpread of several data centres (N17): of 10 allocations p % are in dc1 for each p; of 12
// in three data centres half are in dc1 where that is its target, and 6, 3 and 3 with targets of 50, 25 and 25.
func TestTargetsAreReached(t *testing.T) {
	for percent := 10; percent <= 100; percent += 10 {
		s := placement.Best(placement.Targets("dc", map[any]int{"dc1": percent, "dc2": 100 - percent})).Then(placement.InUse())
		both(t, s, func(t *testing.T, p placement.Picker) {
			snapshot := inCentres(t, map[string]int{"dc1": 5, "dc2": 5}, nil)
			got := counts(snapshot, "dc", place(p, snapshot, request("job", 1, 0).Tasks(10)...))
			assert.Equal(t, percent/10, got["dc1"])
			assert.Equal(t, 10-percent/10, got["dc2"])
		})
	}
	for _, c := range []struct {
		targets map[any]int
		others  int
		dc1     int
		dc2     int
	}{
		{map[any]int{"dc1": 50}, 50, 6, -1},
		{map[any]int{"dc1": 50, "dc2": 25, "dc3": 25}, 0, 6, 3},
		{map[any]int{"dc1": 50, "dc2": 25}, 25, 6, 3},
	} {
		both(t, placement.Best(placement.Targets("dc", c.targets).Others(c.others)), func(t *testing.T, p placement.Picker) {
			snapshot := inCentres(t, map[string]int{"dc1": 4, "dc2": 4, "dc3": 4}, nil)
			got := counts(snapshot, "dc", place(p, snapshot, request("job", 1, 0).Tasks(12)...))
			assert.Equal(t, c.dc1, got["dc1"])
			assert.Equal(t, 6, got["dc2"]+got["dc3"])
			if c.dc2 >= 0 {
				assert.Equal(t, c.dc2, got["dc2"])
			}
		})
	}
}

// What is to have nothing, and what has no such attribute, come last.
func TestTargetsOfNothing(t *testing.T) {
	f := cluster.NewFork()
	for id, attributes := range map[string]berth.Attributes{"named": {"dc": 1}, "none": {"dc": 2}, "other": {"dc": "1"}, "without": nil} {
		require.NoError(t, f.AddNodes(berth.Node{ID: id, Capacity: amounts{"cpu": 2}, Attributes: attributes}))
	}
	both(t, placement.Best(placement.Targets("dc", map[any]int{1: 99, 2: 0})).TiesByID(), func(t *testing.T, p placement.Picker) {
		// The other values have the last hundredth: two of theirs come when 198 tasks would be there, which is never.
		assert.Equal(t, []string{"named", "named", "other", "other", "none", "none", "without", "without", ""}, place(p, f.Snapshot(), request("job", 1, 0).Tasks(9)...))
	})
	assert.ErrorContains(t, placement.Tasks("dc").Others(3).Err(), "others: only Targets has it")
	assert.ErrorContains(t, placement.Targets("dc", map[any]int{1: 3}).Missing(3).Err(), "missing: only Tasks has it")
	assert.ErrorContains(t, placement.Targets("dc", map[any]int{1: 3, 1.0: 2, true: 1}).Err(), "value 1 is given twice")
	assert.ErrorContains(t, placement.Targets("dc", map[any]int{1: 3, 1.0: 2, true: 1}).Err(), "type bool")
}

// Four of five tasks go to one data centre, and at any time both have what is nearest to their part.
func ExampleTargets() {
	f := cluster.NewFork()
	for _, n := range []struct{ id, dc string }{{"a1", "dc1"}, {"a2", "dc1"}, {"b1", "dc2"}} {
		_ = f.AddNodes(berth.Node{ID: n.id, Capacity: berth.Resources{"cpu": 8000}, Attributes: berth.Attributes{"dc": n.dc}})
	}
	s := placement.Best(placement.Targets("dc", map[any]int{"dc1": 80, "dc2": 20})).Then(placement.InUse()).TiesByID()
	fmt.Println(s)
	p := placement.NewEngine(s)
	p.Start(f.Snapshot())
	for _, t := range berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}}).Tasks(5) {
		op, _ := p.Place(t)
		fmt.Println(op)
	}
	// Output:
	// targets(dc, "dc1" 80%, "dc2" 20%), then in-use(); ties by id
	// place web-1 on a1
	// place web-2 on a1
	// place web-3 on a1
	// place web-4 on a1
	// place web-5 on b1
}

// scorer is a picker that says how it rates a node.
type scorer interface {
	Score(t berth.Task, node string) (placement.Score, bool)
}

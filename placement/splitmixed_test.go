package placement_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// TestPreferredByRackWhereNodesCount holds groups that prefer to be near others or apart from them by rack and node, under strategies that count
// tasks by node, against the exhaustive picker, and that the engine finds nodes by search: it rates no more than those with tasks.
func TestPreferredByRackWhereNodesCount(t *testing.T) {
	const nodes, racks, teams = 120, 30, 6
	byNode := placement.Tasks(berth.NodeID).Times(-placement.Resolution / 8)
	for name, s := range map[string]placement.Strategy{
		"spread":       placement.Spread("zone", berth.NodeID),
		"nodes first":  placement.Spread(berth.NodeID, "zone"),
		"beside use":   placement.Best(placement.InUse(), byNode),
		"behind zones": placement.Best(placement.Tasks("zone").Times(-1)).Then(placement.InUse(), byNode),
		"prefer last":  placement.Best(placement.InUse(), byNode).Then(placement.Preferences()),
	} {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(2) { // with and without listing first
				r := rand.New(rand.NewPCG(seed, 7))
				var all []berth.Node
				for i := range nodes {
					n := plain(fmt.Sprintf("n%03d", i), 8+int64(r.IntN(3))*8, 64)
					n.Attributes = berth.Attributes{"rack": fmt.Sprint("r", i%racks), "zone": fmt.Sprint("z", i%3)}
					all = append(all, n)
				}
				snapshot := snapshotOf(t, all...)
				engine, slow := placement.NewEngine(s), placement.NewExhaustive(s)
				if seed%2 == 0 {
					engine.SearchFirst()
				}
				engine.Start(snapshot)
				slow.Start(snapshot)
				for k := range 20 {
					team := berth.Label("team", fmt.Sprint(r.IntN(teams)))
					prefer := []berth.Preference{
						{Weight: 3, Rule: constraints.Near("rack", team)}, {Weight: 2, Rule: constraints.Apart(berth.NodeID, team)},
						{Weight: -2, Rule: constraints.Near("rack", team)}, {Weight: 4, Rule: constraints.MaxPer("rack", 2)},
						{Weight: 1, Rule: constraints.Near(berth.NodeID, team)}, {Weight: 5, Rule: constraints.Unique(berth.NodeID)},
					}
					from := r.IntN(len(prefer) - 1)
					spec := berth.GroupSpec{Request: berth.Resources{"cpu": 1 + int64(r.IntN(3))}, Labels: map[string]string{"team": fmt.Sprint(k % teams)}}
					if k >= teams {
						spec.Prefer = prefer[from : from+1+r.IntN(2)]
					}
					g := berth.NewGroup(fmt.Sprint("g", k), spec)
					for i := range 12 {
						task := g.Task(fmt.Sprintf("g%d-%d", k, i))
						got, ok := engine.Place(task)
						want, should := slow.Place(task)
						require.Equal(t, should, ok, "seed %d, %s", seed, task.ID)
						require.Equal(t, want.Node, got.Node, "seed %d, %s, which prefers %v", seed, task.ID, spec.Prefer)
						require.False(t, engine.RatesAll(), "seed %d, %s, which prefers %v", seed, task.ID, spec.Prefer)
					}
					require.NoError(t, engine.Check(), "seed %d, group %d", seed, k)
				}
			}
		})
	}
}

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

// An answer that is brought up to date is what a new engine says, whatever has happened since: little or much, to nodes or to limits, and
// in the middle of a plan.
func TestCandidatesAgain(t *testing.T) {
	for _, strategy := range []placement.Strategy{placement.BinPack(), placement.Spread(), placement.BinPack("cpu").Seed(7)} {
		rng := rand.New(rand.NewPCG(11, 5))
		f := snapshotOf(t, benchNodes(70)...).Fork()
		groups := []*berth.Group{
			request("small", 1, 1), request("large", 20_000, 1<<34),
			berth.NewGroup("ruled", berth.GroupSpec{Request: berth.Resources{"cpu": 3000}, Role: "r", Rules: []berth.Constraint{constraints.In("zone", "z1", "z2")}}),
		}
		engine, kept := placement.NewEngine(strategy), map[*berth.Group]*placement.Choices{}
		var tasks []string
		cordoned := map[string]bool{}
		for round := range 100 {
			many := 1
			if rng.IntN(10) == 0 {
				many = 30
			}
			for range rng.IntN(1 + many) {
				node := fmt.Sprintf("node-%06d", rng.IntN(70))
				switch rng.IntN(8) {
				case 0:
					if cordoned[node] = !cordoned[node]; cordoned[node] {
						require.NoError(t, f.Cordon(node))
					} else {
						require.NoError(t, f.Uncordon(node))
					}
				case 1, 2:
					if len(tasks) > 0 {
						f.Apply(berth.Op{Kind: berth.Release, ID: tasks[0]})
						tasks = tasks[1:]
					}
				default:
					task := groups[rng.IntN(3)].Task(fmt.Sprintf("t-%d-%d", round, len(tasks)))
					if _, why := f.Apply(berth.Op{Kind: berth.Place, Task: task, Node: node}); why.Code == berth.None {
						tasks = append(tasks, task.ID)
					}
				}
			}
			switch round {
			case 50:
				require.NoError(t, f.SetQuotas(berth.Quota{Role: "r", Limits: berth.Resources{"cpu": 1}}))
			case 60:
				require.NoError(t, f.SetQuotas(berth.Quota{Role: "r"}))
			case 80:
				require.NoError(t, f.RemoveNodes("node-000069"))
			}
			s := f.Snapshot()
			fresh := placement.NewEngine(strategy)
			engine.Start(s)
			fresh.Start(s)
			for range rng.IntN(3) {
				task := groups[1].Task(fmt.Sprint("picked-", rng.Int()))
				op, ok := engine.Place(task)
				want, _ := fresh.Place(task)
				require.Equal(t, want, op)
				if ok && rng.IntN(2) == 0 {
					engine.Undo(op)
					fresh.Undo(op)
				}
			}
			for _, g := range groups {
				if kept[g] == nil {
					kept[g] = new(placement.Choices)
				}
				kept[g] = engine.Candidates(g.Task("new"), placement.Ask{Misfits: true, Into: kept[g]})
				require.Equal(t, describe(fresh.Candidates(g.Task("new"), placement.Ask{Misfits: true})), describe(kept[g]), "%v, round %d, %v", strategy, round, g)
			}
		}
	}
}

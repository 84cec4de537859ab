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

// planned returns where each task goes, one line each, in the order of the tasks.
func planned(p placement.Picker, s *cluster.Snapshot, tasks []berth.Task) (nodes []string, ops []berth.Op) {
	p.Start(s)
	for _, t := range tasks {
		op, ok := p.Place(t)
		if ok {
			ops = append(ops, op)
		}
		nodes = append(nodes, fmt.Sprint(t.ID, " ", op.Node, " ", ok))
	}
	return nodes, ops
}

// twins is a history of plans that is lived through twice, by groups that must make no difference.
func twins(t *testing.T, seed uint64, spec func(r *rand.Rand, twin bool, i int) berth.GroupSpec) {
	t.Helper()
	var plans [2][]string
	for twin := range 2 {
		h := newHistory(seed)
		r := rand.New(rand.NewPCG(seed, 9))
		engine := placement.NewEngine(strategies()[seed%5])
		var groups []*berth.Group
		for i := range 8 {
			groups = append(groups, berth.NewGroup(fmt.Sprint("g", i), spec(rand.New(rand.NewPCG(seed, uint64(i))), twin == 1, i)))
			require.NoError(t, groups[i].Err())
		}
		next := 0
		for range 8 {
			var tasks []berth.Task
			for range 40 {
				g := groups[r.IntN(len(groups))]
				for range 1 + r.IntN(3) {
					next++
					tasks = append(tasks, g.Task(fmt.Sprint("t", next)))
				}
			}
			nodes, ops := planned(engine, h.fork.Snapshot(), tasks)
			plans[twin] = append(plans[twin], nodes...)
			for _, op := range ops {
				if _, why := h.fork.Apply(op); why.Code == berth.None && r.IntN(3) == 0 {
					h.fork.Apply(berth.Op{Kind: berth.Release, ID: op.Task.ID})
				}
			}
		}
	}
	require.Equal(t, plans[0], plans[1], "seed %d", seed)
}

func someRequest(r *rand.Rand) berth.Resources {
	return berth.Resources{"cpu": int64(1+r.IntN(4)) * 250, "memory": int64(r.IntN(3)) << 29}
}

// Labels of a group that nobody selects make no difference.
func TestLabelsThatNobodySelects(t *testing.T) {
	for seed := range seeds(5) {
		twins(t, seed, func(r *rand.Rand, twin bool, i int) berth.GroupSpec {
			s := berth.GroupSpec{Request: someRequest(r), Labels: map[string]string{"app": "b", "n": fmt.Sprint(i)}}
			if i%2 == 0 {
				s.Rules = []berth.Constraint{constraints.Apart([]string{"zone", "rack"}[r.IntN(2)], berth.Label("n", "1", "3"))}
			}
			if twin && i == 5 {
				s.Labels = map[string]string{"app": "other", "n": "none", "x": "y"}
			}
			return s
		})
	}
}

// A rule over a selector that chooses the tasks of its own group only is the rule without one, plan for plan.
func TestSelectorOfTheOwnGroup(t *testing.T) {
	for seed := range seeds(5) {
		twins(t, seed, func(r *rand.Rand, twin bool, i int) berth.GroupSpec {
			s := berth.GroupSpec{Request: someRequest(r), Labels: map[string]string{"app": fmt.Sprint(i)}}
			own := berth.Label("app", fmt.Sprint(i))
			if r.IntN(2) == 0 {
				own = berth.InGroup(fmt.Sprint("g", i))
			}
			domain := []string{"zone", "rack", berth.NodeID}[r.IntN(3)]
			limit, even := constraints.MaxPer(domain, 1+r.IntN(9)), constraints.GroupBy(domain).Skew(1+r.IntN(2))
			if twin {
				limit, even = limit.Of(own), even.Of(own)
			}
			s.Rules = []berth.Constraint{[]berth.Constraint{limit, even}[r.IntN(2)]}
			return s
		})
	}
}

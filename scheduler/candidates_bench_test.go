package scheduler_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// askCase is a way to ask for candidates.
type askCase struct {
	name     string
	strategy placement.Strategy
	rules    []berth.Constraint
	ask      placement.Ask
	gone     int // tasks that are counted as gone
	others   int // tasks of a team that are placed before
}

// askCases lists what is measured: tasks of groups of 50 as in BenchmarkSchedule, of which one is asked about at a time.
//
//	candidates         all nodes that fit, ranked
//	candidates-top     the best five
//	candidates-spread  all, spread over zones and nodes, in a zone and with two of the group a node
//	candidates-near    the same, in a zone with tasks of a team and on a node without, of which there are 1,000
//	candidates-gone    all, with ten tasks counted as gone
//	candidates-why     all, and of the others why not
func askCases() []askCase {
	binpack, team := placement.BinPack(), berth.Label("team", "a")
	return []askCase{
		{name: "candidates", strategy: binpack},
		{name: "candidates-top", strategy: binpack, ask: placement.Ask{Top: 5}},
		{name: "candidates-spread", strategy: placement.Spread("zone", berth.NodeID), rules: []berth.Constraint{
			constraints.In("zone", "z0", "z1"), constraints.MaxPer(berth.NodeID, 2),
		}},
		{name: "candidates-near", strategy: placement.Spread("zone", berth.NodeID), others: 1000, rules: []berth.Constraint{
			constraints.Near("zone", team), constraints.Apart(berth.NodeID, team), constraints.MaxPer(berth.NodeID, 2),
		}},
		{name: "candidates-gone", strategy: binpack, gone: 10},
		{name: "candidates-why", strategy: binpack, ask: placement.Ask{Misfits: true}},
	}
}

// BenchmarkCandidates measures calls of Candidates on a State that does not change, by one scheduler, in the room of the
// last answer. nodes-fit is how many nodes were candidates.
func BenchmarkCandidates(b *testing.B) {
	for _, n := range benchNodes() {
		for _, fill := range benchFills {
			for _, c := range askCases() {
				b.Run(benchName(c.name, n, fill), func(b *testing.B) { c.measure(b, clusterOf(b, n, fill)) })
			}
		}
	}
}

func (c askCase) measure(b *testing.B, on *filledCluster) {
	s, err := scheduler.New(on.state, scheduler.Config{Strategy: c.strategy})
	require.NoError(b, err)
	others := berth.NewGroup("others", berth.GroupSpec{Request: berth.Resources{"cpu": 1}, Labels: map[string]string{"team": "a"}})
	out, err := s.Schedule(b.Context(), others.Tasks(min(c.others, len(on.nodes)))...)
	require.NoError(b, err)
	defer func() { require.NoError(b, on.state.Release(idsOf(out)...)) }()
	tasks := on.tasks(64*groupSize, 0, c.rules...)
	ask := c.ask
	ask.Gone = on.old[:min(c.gone, len(on.old))]
	ask.Into, err = s.Candidates(b.Context(), tasks[0], ask)
	require.NoError(b, err)
	fit, calls := 0, 0
	b.ReportAllocs()
	for b.Loop() {
		ask.Into, err = s.Candidates(b.Context(), tasks[calls*groupSize%len(tasks)], ask)
		if err != nil {
			b.Fatal(err)
		}
		calls++
		fit += ask.Into.Fit
	}
	b.ReportMetric(float64(calls)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(float64(fit)/float64(calls), "nodes-fit")
}

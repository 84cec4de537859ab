package scheduler_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// BenchmarkRules tells what each rule costs: 10,000 tasks in groups of 50 with the rule, placed by BinPack on 10,000 nodes that are
// half full, from the first call to the last commit. Nodes have one of 20 kernels, one of 10 lists of features and an address of
// their own, besides what the workload gives them, and one in ten has a taint.
func BenchmarkRules(b *testing.B) {
	all := 10_000
	if testing.Short() {
		all = 1_000
	}
	app := berth.Label("app", "web")
	for _, rules := range [][]berth.Constraint{
		{},
		{constraints.In("zone", "z0", "z1")},
		{constraints.Exists("disk")},
		{constraints.Not(constraints.In("zone", "z0", "z1"))},
		{constraints.AtLeast("generation", 5)},
		{constraints.Match("disk", "ss.*")},
		{constraints.Search("kernel", "^5[.]1")},
		{constraints.Version("kernel", ">= 5.4, < 5.18")},
		{constraints.SemVer("kernel", ">= 5.4.0, < 5.18.0")},
		{constraints.ContainsAll("features", "f1", "common")},
		{constraints.ContainsAny("features", "f1", "f2")},
		{constraints.InNetwork("ip", "10.0.0.0/11")},
		{constraints.Or(constraints.And(constraints.Eq("zone", "z0"), constraints.Eq("disk", "ssd")), constraints.Eq("zone", "z1"))},
		{constraints.TolerateKey("dedicated")},
		{constraints.UniqueNode()},
		{constraints.Unique("zone/rack")},
		{constraints.MaxPer("zone", 20)},
		{constraints.MaxPercent("zone", 40, 50)},
		{constraints.GroupBy("zone")},
		{constraints.GroupBy("zone").Skew(2).MinDomains(3)},
		{constraints.GroupBy("zone/rack")},
		{constraints.MaxShare("zone", 40)},
		{constraints.Targets("zone", 50, map[any]int{"z0": 40, "z1": 30})},
		{constraints.Colocate("zone", berth.Selector{}).Domains(3)},
		{constraints.GroupBy("zone").Of(app).CordonedToo().WithoutStopping()},
		{constraints.Near("zone", berth.Selector{})},
		{constraints.Apart(berth.NodeID, app)},
		{constraints.Avoid("zone/rack", app)},
		{constraints.Colocate("zone/rack", app)},
	} {
		b.Run(fmt.Sprintf("rule=%v/nodes=%d", rules, all), func(b *testing.B) {
			w := newWorkload(all)
			for i := range w.nodes {
				n := &w.nodes[i]
				n.Attributes.Nest("zone", "rack")
				n.Attributes["kernel"] = fmt.Sprintf("5.%d.0", i%20)
				n.Attributes["generation"] = fmt.Sprint(i % 9)
				n.Attributes["features"] = fmt.Sprintf("common,f%d", i%10)
				n.Attributes["ip"] = fmt.Sprintf("10.%d.%d.1", i/250, i%250)
				if i%10 == 3 {
					n.Taints = []berth.Taint{{Key: "dedicated"}}
				}
			}
			state, err := scheduler.NewState(scheduler.StateConfig{}, w.nodes...)
			require.NoError(b, err)
			s, err := scheduler.New(state, scheduler.Config{Strategy: placement.BinPack()})
			require.NoError(b, err)
			w.fill(b, state, 50)
			_, err = s.Schedule(context.Background(), berth.NewGroup("app", berth.GroupSpec{Labels: map[string]string{"app": "web"}, Request: berth.Resources{"cpu": 1}}).Tasks(20)...)
			require.NoError(b, err)
			run := func() {
				tasks := w.tasks(runTasks, 0, rules...)
				b.StartTimer()
				out, err := s.Schedule(context.Background(), tasks...)
				b.StopTimer()
				require.NoError(b, err)
				require.NoError(b, state.Release(idsOf(out)...))
			}
			b.StopTimer()
			run()
			b.ResetTimer()
			for range b.N {
				run()
			}
			b.ReportMetric(float64(b.N*runTasks)/b.Elapsed().Seconds(), "decisions/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// growClusters places n groups of two tasks, each near itself: a counter for each group.
func growClusters(b *testing.B, n int) {
	w := newWorkload(1000)
	state, err := scheduler.NewState(scheduler.StateConfig{}, w.nodes...)
	require.NoError(b, err)
	s, err := scheduler.New(state, scheduler.Config{})
	require.NoError(b, err)
	var tasks []berth.Task
	for i := range n {
		g := berth.NewGroup(fmt.Sprintf("g%d", i), berth.GroupSpec{Request: berth.Resources{"cpu": 1}, Rules: []berth.Constraint{constraints.Near("zone", berth.Selector{})}})
		tasks = append(tasks, g.Tasks(2)...)
	}
	for b.Loop() {
		out, err := s.Schedule(context.Background(), tasks...)
		require.NoError(b, err)
		require.Empty(b, out.Unplaced)
		require.NoError(b, state.Release(idsOf(out)...))
	}
}

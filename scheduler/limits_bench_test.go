package scheduler_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// inLimits refuses what the role, or one above it, has no room for under a quota of the host's own.
func inLimits(a scheduler.Admission) berth.Reason {
	const most = 1 << 40
	for role := a.Role(); ; role = role.Parent() {
		if a.UsedOf(role, "cpu")+a.CostOf("cpu") > most {
			return berth.Reason{Subject: "quota of " + string(role)}
		}
		if role == "" {
			return berth.Reason{}
		}
	}
}

// BenchmarkAdmit is the rate with a hook that looks at the use of the role and of all above it, for each task, on 10,000 nodes. What
// is reported as of-plain is that rate as a part of the one without a hook, measured in turn in the same run.
func BenchmarkAdmit(b *testing.B) {
	nodes := 10_000
	if testing.Short() {
		nodes = 1_000
	}
	for _, depth := range []int{1, 4} {
		b.Run(fmt.Sprintf("depth=%d/nodes=%d", depth, nodes), func(b *testing.B) {
			w := newWorkload(nodes)
			tasks := make([]berth.Task, 0, runTasks)
			for i := 0; len(tasks) < runTasks; i++ {
				tasks = append(tasks, w.group(berth.GroupSpec{Role: treeRole(i, depth), Request: w.size()}).Tasks(groupSize)...)
			}
			var took [2]time.Duration
			var states [2]*scheduler.State
			for i, cfg := range []scheduler.StateConfig{{}, {Admit: inLimits}} {
				states[i] = newState(b, cfg, w.nodes...)
			}
			run := func(i int) {
				s, err := scheduler.New(states[i], scheduler.Config{Strategy: placement.BinPack()})
				require.NoError(b, err)
				begin := time.Now()
				out, err := s.Schedule(context.Background(), tasks...)
				took[i] += time.Since(begin)
				require.NoError(b, err)
				require.Len(b, out.Placed, runTasks)
				require.NoError(b, states[i].Release(idsOf(out)...))
			}
			for n := 0; b.Loop(); n++ {
				run(n % 2)
				run(1 - n%2)
			}
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(float64(b.N*runTasks)/took[1].Seconds(), "decisions/s")
			b.ReportMetric(took[0].Seconds()/took[1].Seconds(), "of-plain")
		})
	}
}

// growWithin schedules tasks of a core within quotas, of which so many are placed, and releases them.
func growWithin(b *testing.B, placed int, tasks []berth.Task, quotas ...berth.Quota) {
	s := newState(b, scheduler.StateConfig{}, roomFor(len(tasks))...)
	require.NoError(b, s.SetQuotas(quotas...))
	sched, err := scheduler.New(s, scheduler.Config{})
	require.NoError(b, err)
	for b.Loop() {
		out, err := sched.Schedule(b.Context(), tasks...)
		require.NoError(b, err)
		require.Len(b, out.Placed, placed)
		require.NoError(b, s.Release(idsOf(out)...))
	}
}

// growLimits places a task of each of n roles that have limits.
func growLimits(b *testing.B, n int) {
	tasks, quotas := limitedRoles(n, 1000)
	growWithin(b, n, tasks, quotas...)
}

// growLimitsReached has a task of each of n roles that have limits of less.
func growLimitsReached(b *testing.B, n int) {
	tasks, quotas := limitedRoles(n, 500)
	growWithin(b, 0, tasks, quotas...)
}

func limitedRoles(n int, most int64) (tasks []berth.Task, quotas []berth.Quota) {
	for i := range n {
		role := berth.Role(fmt.Sprintf("o%d/r%d", i%10, i))
		tasks = append(tasks, berth.NewTask(fmt.Sprintf("t%d", i), berth.GroupSpec{Role: role, Request: berth.Resources{"cpu": 1000}}))
		quotas = append(quotas, berth.Quota{Role: role, Limits: berth.Resources{"cpu": most}})
	}
	return tasks, quotas
}

// growLimitsDepth places tasks of ten groups of a role that is n deep, with a limit at every level.
func growLimitsDepth(b *testing.B, n int) {
	var tasks []berth.Task
	var quotas []berth.Quota
	role := berth.Role(strings.Repeat("r/", n-1) + "r")
	for at := role; at != ""; at = at.Parent() {
		quotas = append(quotas, berth.Quota{Role: at, Limits: berth.Resources{"cpu": 1_000_000}})
	}
	for i := range 10 {
		tasks = append(tasks, cores(fmt.Sprintf("g%d", i), role, 1).Tasks(10)...)
	}
	growWithin(b, len(tasks), tasks, quotas...)
}

// growLimitsSet gives n roles limits and takes them away.
func growLimitsSet(b *testing.B, n int) {
	_, quotas := limitedRoles(n, 500)
	s := newState(b, scheduler.StateConfig{}, node("n1", 1))
	for b.Loop() {
		limit(b, s, quotas, true)
		limit(b, s, quotas, false)
	}
}

// growOwners places a task in the name of each of n owners, who are there for as long as the tasks are.
func growOwners(b *testing.B, n int) {
	s := newState(b, scheduler.StateConfig{}, roomFor(n)...)
	g := cores("g", "", 1)
	p := &cluster.Plan{Version: s.Version()}
	for i, t := range g.Tasks(n) {
		p.Ops = append(p.Ops, berth.Op{Kind: berth.Place, Task: t, Node: fmt.Sprint("n", i/100), Owner: fmt.Sprintf("owner-%d", i)})
	}
	for b.Loop() {
		out := commit(b, s, p)
		require.Len(b, out.Placed, n)
		require.NoError(b, s.Release(idsOf(out)...))
	}
}

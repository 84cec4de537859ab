package scheduler_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

func newScheduler(t *testing.T, source scheduler.Source, cfg scheduler.Config) *scheduler.Scheduler {
	t.Helper()
	s, err := scheduler.New(source, cfg)
	require.NoError(t, err)
	return s
}

// gangOf returns a group that asks for a core and runs with no less than size tasks.
func gangOf(size int) *berth.Group {
	return berth.NewGroup("gang", berth.GroupSpec{Mode: berth.Gang, GangSize: size, Request: berth.Resources{"cpu": 1000}})
}

// Nodes n1 and n2 have two cores each, n1 runs old-1, and gang-0 of the group that gangOf(4) returns runs on n2.
func TestPlan(t *testing.T) {
	core := func(priority int) berth.GroupSpec {
		return berth.GroupSpec{Priority: priority, Request: berth.Resources{"cpu": 1000}}
	}
	agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 1500}})
	var apart []berth.Task // each with a group of its own, as they come from the wire
	for i := range 3 {
		apart = append(apart, gangOf(4).Task(fmt.Sprint("gang-", i+1)))
	}
	for _, tt := range []struct {
		name  string
		tasks []berth.Task
		want  string
	}{
		{"nothing", nil, ""},
		{"higher priority first", []berth.Task{berth.NewTask("low", core(-1)), berth.NewTask("mid", core(0)), berth.NewTask("high", core(1)), berth.NewTask("last", core(-1))}, `
			place high on n1
			place mid on n2
			0/2 nodes for low: 2 insufficient cpu; nearest n1: lacks 1 cpu; 1 more cpu on n1 would do
			0/2 nodes for last: 2 insufficient cpu; nearest n1: lacks 1 cpu; 1 more cpu on n1 would do`},
		{"known tasks", []berth.Task{berth.NewTask("old-1", core(0)), berth.NewTask("lost-1", core(0)), berth.NewTask("a", core(0)), berth.NewTask("a", core(0))}, `
			place a on n1
			old-1: task exists on n1
			lost-1: task exists lost
			a: task exists earlier in the plan`},
		{"one ID twice", core1("web").tasks("a", "a"), `
			place a on n1
			a: task exists earlier in the plan`},
		{"two groups of one name", []berth.Task{berth.NewGroup("web", core(0)).Task("a"), berth.NewGroup("web", berth.GroupSpec{}).Task("b")}, `
			place a on n1
			b: another group is named web`},
		{"group that is known otherwise", []berth.Task{gangOf(1).Task("b")}, `
			b: another group is named gang`},
		{"gang of equal groups, one of them running", append(apart[:2:2], gangOf(4).Task("gang-3")), `
			0/2 nodes for gang-3: 2 insufficient cpu; nearest n1: lacks 1 cpu; 1 more cpu on n1 would do; gang incomplete 3 of 4
			0/2 nodes for gang-1: 2 insufficient cpu; nearest n1: lacks 1 cpu; 1 more cpu on n1 would do; gang incomplete 3 of 4
			0/2 nodes for gang-2: 2 insufficient cpu; nearest n1: lacks 1 cpu; 1 more cpu on n1 would do; gang incomplete 3 of 4`},
		{"gang that is given too few", apart[:2], `
			gang-1: gang incomplete 3 of 4
			gang-2: gang incomplete 3 of 4`},
		{"what a gang leaves", append(apart[:3:3], berth.NewTask("a", core(0))), `
			place a on n1
			0/2 nodes for gang-3: 2 insufficient cpu; nearest n1: lacks 1 cpu; 1 more cpu on n1 would do; gang incomplete 3 of 4
			0/2 nodes for gang-1: 2 insufficient cpu; nearest n1: lacks 1 cpu; 1 more cpu on n1 would do; gang incomplete 3 of 4
			0/2 nodes for gang-2: 2 insufficient cpu; nearest n1: lacks 1 cpu; 1 more cpu on n1 would do; gang incomplete 3 of 4`},
		{"daemon without room", []berth.Task{agent.Everywhere()}, `
			0/1 nodes for agent@n1: 1 insufficient cpu; nearest n1: lacks 0.5 cpu
			0/1 nodes for agent@n2: 1 insufficient cpu; nearest n2: lacks 0.5 cpu`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newState(t, scheduler.StateConfig{}, node("n1", 2000), node("n2", 2000), node("n3", 2000))
			require.NoError(t, s.Adopt(
				scheduler.Running{Task: core1("old").tasks("old-1")[0], Node: "n1"},
				scheduler.Running{Task: gangOf(4).Task("gang-0"), Node: "n2"},
				scheduler.Running{Task: core1("lost").tasks("lost-1")[0], Node: "n3"},
			))
			require.NoError(t, s.RemoveNodes("n3"))
			snapshot, err := s.Snapshot(context.Background())
			require.NoError(t, err)
			for _, exhaustive := range []bool{false, true} {
				p, err := newScheduler(t, s, scheduler.Config{Exhaustive: exhaustive}).Plan(snapshot, tt.tasks...)
				require.NoError(t, err)
				assert.Equal(t, strings.ReplaceAll(strings.TrimSpace(tt.want), "\t", ""), strings.TrimSpace(p.String()))
			}
		})
	}
}

// core1 is the name of a group that asks for a core.
type core1 string

func (name core1) tasks(ids ...string) []berth.Task {
	g := berth.NewGroup(string(name), berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	tasks := make([]berth.Task, len(ids))
	for i, id := range ids {
		tasks[i] = g.Task(id)
	}
	return tasks
}

package scheduler_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

func gangNamed(name string, cpu int64, size int) *berth.Group {
	return berth.NewGroup(name, berth.GroupSpec{Request: berth.Resources{"cpu": cpu}, Mode: berth.Gang, GangSize: size})
}

func TestScheduleWhole(t *testing.T) {
	servers, workers := gangNamed("servers", 1000, 1), gangNamed("workers", 1000, 3)
	lone := berth.NewTask("lone", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	agent := berth.NewGroup("agent", berth.GroupSpec{Request: berth.Resources{"cpu": 3000}, Mode: berth.Daemon})
	tests := []struct {
		name     string
		tasks    []berth.Task
		placed   int
		unplaced []string
	}{
		{"all have room", append(servers.Tasks(1), workers.Tasks(3)...), 4, nil},
		{"one gang lacks a task", append(servers.Tasks(2), workers.Tasks(3)...), 5, nil},
		// Six cores: a server, three workers and two of the two more; the third is more than the gang needs.
		{"more than a gang needs", append(servers.Tasks(1), workers.Tasks(6)...), 6, []string{"workers-6: insufficient cpu"}},
		// Of the seven cores that are asked for two gangs get the first six, and the lone task none.
		{"a lone task lacks room", append(append(servers.Tasks(3), workers.Tasks(3)...), lone), 0, []string{
			"lone: insufficient cpu",
			"servers-1: not whole: lone: insufficient cpu", "servers-2: not whole: lone: insufficient cpu", "servers-3: not whole: lone: insufficient cpu",
			"workers-1: not whole: lone: insufficient cpu", "workers-2: not whole: lone: insufficient cpu", "workers-3: not whole: lone: insufficient cpu"}},
		{"too few tasks of a gang", append(servers.Tasks(1), workers.Tasks(2)...), 0, []string{
			"workers-1: gang incomplete 2 of 3", "workers-2: gang incomplete 2 of 3", "servers-1: not whole: workers-1: gang incomplete 2 of 3"}},
		{"a daemon has no room on one node", []berth.Task{agent.Everywhere(), lone}, 0, []string{
			"agent@n2: too little cpu in all", "agent@n1: not whole: agent@n2: too little cpu in all", "lone: not whole: agent@n2: too little cpu in all"}},
		{"nothing", nil, 0, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newState(t, scheduler.StateConfig{}, node("n1", 4000), node("n2", 2000))
			out, err := newScheduler(t, s, scheduler.Config{}).ScheduleWhole(t.Context(), tt.tasks...)
			require.NoError(t, err)
			assert.Empty(t, out.Refused)
			assert.Len(t, out.Placed, tt.placed)
			var unplaced []string
			for _, u := range out.Unplaced {
				unplaced = append(unplaced, fmt.Sprintf("%v: %v", u.Task, u.Reason))
			}
			assert.Equal(t, tt.unplaced, unplaced)
			assert.Equal(t, tt.placed, snapshotOf(t, s).Tasks())
		})
	}
}

// Whoever is faster, all is there or nothing, and a second call finds that all is there.
func TestScheduleWholeIsWhole(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 0))
		s := newState(t, scheduler.StateConfig{}, node("n1", 4000), node("n2", 4000))
		racing := &rival{State: s, races: 1 + int(seed%5), beat: func() {
			p := newPlan(t, s)
			p.Place(web(int64(1+r.IntN(4))*1000).Task(fmt.Sprint("rival-", s.Version().Seq)), fmt.Sprint("n", 1+r.IntN(2)))
			commit(t, s, p)
		}}
		sched := newScheduler(t, racing, scheduler.Config{})
		tasks := append(gangNamed("a", 1000, 2).Tasks(2), gangNamed("b", 1000, 1+r.IntN(3)).Tasks(3)...)
		tasks = append(tasks, berth.NewTask("lone", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}}))
		_, err := sched.ScheduleWhole(t.Context(), tasks...)
		require.NoError(t, err)
		there := map[string]int{}
		snapshot := snapshotOf(t, s)
		for _, g := range []string{"a", "b", "lone"} {
			for range snapshot.Group(g) {
				there[g]++
			}
		}
		if len(there) > 0 {
			assert.Equal(t, 2, there["a"], "seed %d", seed)
			assert.GreaterOrEqual(t, there["b"], tasks[2].Group.GangSize(), "seed %d", seed)
			assert.Equal(t, 1, there["lone"], "seed %d", seed)
			again, err := sched.ScheduleWhole(t.Context(), tasks...)
			require.NoError(t, err)
			assert.Empty(t, again.Refused)
			for _, u := range again.Unplaced {
				assert.NotEqual(t, berth.NotWhole, u.Reason.Code, "seed %d", seed)
			}
		}
	}
}

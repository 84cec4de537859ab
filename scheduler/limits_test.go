package scheduler_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

func ExampleState_SetQuotas() {
	state, _ := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 3000}})
	_ = state.SetQuotas(berth.Quota{Role: "eng", Limits: berth.Resources{"cpu": 2000}})

	s, _ := scheduler.New(state, scheduler.Config{})
	web := berth.NewGroup("web", berth.GroupSpec{Role: "eng/web", Request: berth.Resources{"cpu": 1000}})
	dns := berth.NewTask("dns", berth.GroupSpec{Role: "ops", Request: berth.Resources{"cpu": 1000}})
	out, _ := s.Schedule(context.Background(), append(web.Tasks(3), dns)...)
	for _, op := range out.Placed {
		fmt.Println(op)
	}
	fmt.Println(out.Unplaced[0])
	snapshot, _ := state.Snapshot(context.Background())
	fmt.Println("eng has", snapshot.Used("eng"))
	// Output:
	// place web-1 on n1
	// place web-2 on n1
	// place dns on n1
	// 0/1 nodes for web-3: over limit eng: cpu 2 (2 used); raising the limit eng: cpu 2 by 1 would do
	// eng has cpu 2
}

// Both ways to plan, and each with both pickers.
func planners(t *testing.T, run func(t *testing.T, schedule func(*scheduler.State, ...berth.Task) *berth.Outcome)) {
	for _, exhaustive := range []bool{false, true} {
		for _, steps := range []string{"one step", "three steps"} {
			t.Run(fmt.Sprintf("%s, exhaustive %t", steps, exhaustive), func(t *testing.T) {
				run(t, func(s *scheduler.State, tasks ...berth.Task) *berth.Outcome {
					sched, err := scheduler.New(s, scheduler.Config{Exhaustive: exhaustive})
					require.NoError(t, err)
					if steps == "one step" {
						out, err := sched.Schedule(t.Context(), tasks...)
						require.NoError(t, err)
						return out
					}
					plan, err := sched.Plan(t.Context(), snapshotOf(t, s), tasks...)
					require.NoError(t, err)
					return commit(t, s, plan)
				})
			})
		}
	}
}

func cores(name string, role berth.Role, n int64) *berth.Group {
	return berth.NewGroup(name, berth.GroupSpec{Role: role, Request: berth.Resources{"cpu": n * 1000}})
}

func unplaced(out *berth.Outcome) (texts []string) {
	for _, u := range out.Unplaced {
		texts = append(texts, u.String())
	}
	return texts
}

func TestALimitKeepsNobodyElseFromRoom(t *testing.T) {
	planners(t, func(t *testing.T, schedule func(*scheduler.State, ...berth.Task) *berth.Outcome) {
		s := newState(t, scheduler.StateConfig{}, node("n1", 4000))
		require.NoError(t, s.SetQuotas(berth.Quota{Role: "eng", Limits: berth.Resources{"cpu": 1000}}))
		eng, web := cores("eng", "eng", 1), cores("web", "eng/web", 2)
		out := schedule(s, eng.Task("e1"), eng.Task("e2"), web.Task("w1"), cores("ops", "ops", 3).Task("o1"))
		assert.Equal(t, []string{"e1", "o1"}, idsOf(out))
		assert.Empty(t, out.Refused)
		assert.Equal(t, []string{
			"0/1 nodes for e2: over limit eng: cpu 1 (1 used); raising the limit eng: cpu 1 by 1 would do",
			"0/1 nodes for w1: over limit eng: cpu 1 (1 used); raising the limit eng: cpu 1 by 2 would do",
		}, unplaced(out))
		assert.Equal(t, berth.Reason{Code: berth.OverLimit, Subject: "eng: cpu 1"}, out.Unplaced[0].Reason)
		assert.Equal(t, []berth.Excess{{Role: "eng", Resource: "cpu", Limit: 1000, Used: 1000, Short: 2000}}, out.Unplaced[1].Why.Over)

		again := schedule(s, web.Task("w1"))
		assert.Equal(t, []string{"0/1 nodes for w1: over limit eng: cpu 1 (1 used), 1 insufficient cpu; nearest n1: lacks 2 cpu; " +
			"raising the limit eng: cpu 1 by 2 and 2 more cpu on n1 would do"}, unplaced(again), "there is no room any more, either")
	})
}

func TestLimitsOfGangsAndDaemons(t *testing.T) {
	planners(t, func(t *testing.T, schedule func(*scheduler.State, ...berth.Task) *berth.Outcome) {
		s := newState(t, scheduler.StateConfig{}, node("n1", 4000), node("n2", 4000), node("n3", 0))
		require.NoError(t, s.SetQuotas(berth.Quota{Role: "eng", Limits: berth.Resources{"cpu": 2000}}))
		gang := berth.NewGroup("gang", berth.GroupSpec{Role: "eng", Request: berth.Resources{"cpu": 1000}, Mode: berth.Gang, GangSize: 3})
		out := schedule(s, append(gang.Tasks(3), cores("web", "eng", 2).Task("w1"))...)
		assert.Equal(t, []string{"w1"}, idsOf(out), "what the gang gave back is there for others of its role")
		require.Len(t, out.Unplaced, 3)
		for _, u := range out.Unplaced {
			assert.Equal(t, berth.Reason{Code: berth.GangIncomplete, Subject: "2 of 3"}, u.Reason)
			assert.Equal(t, "eng", string(u.Why.Over[0].Role))
		}
		require.NoError(t, s.Release("w1"))

		logs := berth.NewGroup("logs", berth.GroupSpec{Role: "eng/logs", Request: berth.Resources{"cpu": 1500}, Mode: berth.Daemon})
		out = schedule(s, logs.Everywhere())
		assert.Equal(t, []string{"logs@n1"}, idsOf(out))
		assert.Equal(t, []string{
			"0/1 nodes for logs@n2: 1 over limit eng: cpu 2; nearest n2: over limit eng: cpu 2 (1.5 used); raising the limit eng: cpu 2 by 1 would do",
			"0/1 nodes for logs@n3: 1 over limit eng: cpu 2, 1 too little cpu in all; nearest n3: over limit eng: cpu 2 (1.5 used), lacks 1.5 cpu (it has 0 in all); " +
				"raising the limit eng: cpu 2 by 1 and 1.5 more cpu on n3 would do",
		}, unplaced(out))
	})
}

func TestALimitIsKeptAtEveryDoor(t *testing.T) {
	now := time.Unix(0, 0).UTC()
	var record []scheduler.Command
	cfg := scheduler.StateConfig{Clock: func() time.Time { return now }, Record: func(c scheduler.Command) error { record = append(record, c); return nil }}
	s := newState(t, cfg, node("n1", 10_000))
	changed := s.Changed()
	require.NoError(t, s.SetQuotas(berth.Quota{Role: "eng", Limits: berth.Resources{"cpu": 2000}}, berth.Quota{Role: "ops", Guarantees: berth.Resources{"cpu": 500}}))
	select {
	case <-changed:
	default:
		t.Error("a plan could use that")
	}
	hold := berth.Hold{ID: "h1", Owner: "o", Role: "eng", Node: "n1", Resources: berth.Resources{"cpu": 2500}, Deadline: now.Add(time.Minute)}
	assert.ErrorContains(t, s.Hold(hold), "over limit eng: cpu 2", "the host's own")
	hold.Resources["cpu"] = 1500
	require.NoError(t, s.Hold(hold))

	p := &berth.Plan{Version: s.Version()}
	p.Place(cores("web", "eng/web", 1).Task("w1"), "n1")
	take := hold
	take.ID, take.Lease = "h2", berth.Optimistic
	p.Take(take)
	p.Place(cores("dns", "ops", 1).Task("d1"), "n1")
	evicted := take
	evicted.ID, evicted.Lease = "h3", berth.Exclusive
	p.Evict("d1", &evicted)
	out := commit(t, s, p)
	assert.Equal(t, []string{"d1"}, idsOf(out))
	require.Len(t, out.Refused, 3)
	for _, r := range out.Refused {
		assert.Equal(t, berth.Reason{Code: berth.OverLimit, Subject: "eng: cpu 2"}, r.Reason, "%v", r)
	}
	require.NoError(t, s.Adopt(scheduler.Running{Task: cores("old", "eng", 3).Task("old-1"), Node: "n1", Owner: "spark"}), "it runs")
	assert.EqualValues(t, 4500, snapshotOf(t, s).Used("eng")["cpu"], "and is seen to be more than the limit")
	assert.EqualValues(t, 3000, snapshotOf(t, s).UsedBy("spark")["cpu"])

	assert.ErrorContains(t, s.SetQuotas(berth.Quota{Role: "a", Limits: berth.Resources{"cpu": -1}}, berth.Quota{Role: "b"}), "quota of a")
	assert.Equal(t, "quota eng: at most cpu 2\nquota ops: at least cpu 0.5\n", record[1].String())

	again := newState(t, scheduler.StateConfig{Clock: cfg.Clock})
	require.NoError(t, again.Replay(record...))
	assert.Equal(t, look(t, s), look(t, again))
	assert.Equal(t, snapshotOf(t, s).Role("eng"), snapshotOf(t, again).Role("eng"), "replay-equals-live")
	assert.Equal(t, s.Version().Seq, again.Version().Seq)
}

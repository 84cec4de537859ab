package scheduler_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
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
func planners(t *testing.T, run func(t *testing.T, schedule func(*scheduler.State, ...berth.Task) *cluster.Outcome)) {
	inTurns(t, func(t *testing.T, schedule func(*scheduler.State, allocator.Order, ...berth.Task) *cluster.Outcome) {
		run(t, func(s *scheduler.State, tasks ...berth.Task) *cluster.Outcome { return schedule(s, nil, tasks...) })
	})
}

func cores(name string, role berth.Role, n int64) *berth.Group {
	return berth.NewGroup(name, berth.GroupSpec{Role: role, Request: berth.Resources{"cpu": n * 1000}})
}

func unplaced(out *cluster.Outcome) (texts []string) {
	for _, u := range out.Unplaced {
		texts = append(texts, u.String())
	}
	return texts
}

func TestALimitKeepsNobodyElseFromRoom(t *testing.T) {
	planners(t, func(t *testing.T, schedule func(*scheduler.State, ...berth.Task) *cluster.Outcome) {
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
		assert.Equal(t, []berth.Lack{berth.Exceeded("eng", "cpu", 1000, 1000, 2000)}, out.Unplaced[1].Why.Over)

		again := schedule(s, web.Task("w1"))
		assert.Equal(t, []string{"0/1 nodes for w1: over limit eng: cpu 1 (1 used), 1 insufficient cpu; nearest n1: lacks 2 cpu; " +
			"raising the limit eng: cpu 1 by 2 and 2 more cpu on n1 would do"}, unplaced(again), "there is no room any more, either")
	})
}

func TestLimitsOfGangsAndDaemons(t *testing.T) {
	planners(t, func(t *testing.T, schedule func(*scheduler.State, ...berth.Task) *cluster.Outcome) {
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

	p := &cluster.Plan{Version: s.Version()}
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

// What a role has beyond its limit it keeps, in whatever form: it only gets no more.
func TestAnExchangeThatAddsNothingExceedsNoLimit(t *testing.T) {
	now := time.Unix(0, 0).UTC()
	for _, c := range []struct {
		name    string
		plan    func(p *cluster.Plan, hold func(role berth.Role, cpu int64) berth.Hold)
		refused string // the reason of the last operation
	}{
		{"a task draws on a hold", func(p *cluster.Plan, _ func(berth.Role, int64) berth.Hold) {
			p.Ops = append(p.Ops, berth.Op{Kind: berth.Place, Task: cores("web", "eng/web", 2).Task("w1"), Node: "n1", From: "o"})
		}, ""},
		{"a task of a role with a limit of its own", func(p *cluster.Plan, _ func(berth.Role, int64) berth.Hold) {
			p.Ops = append(p.Ops, berth.Op{Kind: berth.Place, Task: cores("db", "eng/db", 2).Task("d1"), Node: "n1", From: "o"})
		}, "over limit eng/db: cpu 1"},
		{"a task draws on nothing", func(p *cluster.Plan, _ func(berth.Role, int64) berth.Hold) {
			p.Place(cores("web", "eng/web", 1).Task("w1"), "n1")
		}, "over limit eng: cpu 1"},
		{"a hold for an evicted task", func(p *cluster.Plan, hold func(berth.Role, int64) berth.Hold) {
			h := hold("eng/web", 3)
			p.Evict("old", &h)
		}, ""},
		{"a greater one", func(p *cluster.Plan, hold func(berth.Role, int64) berth.Hold) {
			h := hold("eng/web", 4)
			p.Evict("old", &h)
		}, "over limit eng: cpu 1"},
		{"for a role that had nothing", func(p *cluster.Plan, hold func(berth.Role, int64) berth.Hold) {
			h := hold("eng/db", 3)
			p.Evict("old", &h)
		}, "over limit eng/db: cpu 1"},
		{"of another role, within its limit", func(p *cluster.Plan, hold func(berth.Role, int64) berth.Hold) {
			h := hold("ops", 3)
			p.Evict("old", &h)
		}, ""},
		{"a hold for a dropped one", func(p *cluster.Plan, hold func(berth.Role, int64) berth.Hold) {
			p.Exchange("h", hold("eng/web", 2))
		}, "over limit eng: cpu 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newState(t, scheduler.StateConfig{Clock: func() time.Time { return now }}, node("n1", 10_000))
			hold := func(role berth.Role, cpu int64) berth.Hold {
				return berth.Hold{ID: "new", Owner: "o", Role: role, Node: "n1", Resources: berth.Resources{"cpu": 1000 * cpu}, Deadline: now.Add(time.Minute)}
			}
			first := hold("eng", 2)
			first.ID = "h"
			require.NoError(t, s.Hold(first))
			require.NoError(t, s.Adopt(scheduler.Running{Task: cores("old", "eng/web", 3).Task("old"), Node: "n1"}))
			require.NoError(t, s.SetQuotas(
				berth.Quota{Role: "eng", Limits: berth.Resources{"cpu": 1000}}, berth.Quota{Role: "eng/db", Limits: berth.Resources{"cpu": 1000}},
				berth.Quota{Role: "ops", Limits: berth.Resources{"cpu": 3000}}))
			p := &cluster.Plan{Version: s.Version()}
			c.plan(p, hold)
			why := ""
			if out := commit(t, s, p); len(out.Refused) > 0 {
				why = out.Refused[len(out.Refused)-1].Reason.String()
			}
			assert.Equal(t, c.refused, why)
		})
	}
}

// Planning twice, planning after a dropped plan and planning by whoever has never planned is the same plan.
func TestPlansWithinLimitsAreTheSame(t *testing.T) {
	limited := 0
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 97))
		s := newState(t, scheduler.StateConfig{}, node("n1", 20_000), node("n2", 20_000), node("n3", 20_000))
		roles := []berth.Role{"", "a", "a/b", "a/b/c", "a/d", "e"}
		role := func() berth.Role { return roles[rng.IntN(len(roles))] }
		for range 4 {
			require.NoError(t, s.SetQuotas(berth.Quota{Role: role(), Limits: berth.Resources{"cpu": int64(rng.IntN(30)) * 1000}}))
		}
		tasks := func(name string) (all []berth.Task) {
			for i := range 8 {
				spec := berth.GroupSpec{Role: role(), Request: berth.Resources{"cpu": int64(1+rng.IntN(4)) * 1000}}
				if rng.IntN(4) == 0 {
					spec.Mode, spec.GangSize = berth.Gang, 2
				}
				all = append(all, berth.NewGroup(fmt.Sprintf("%s%d", name, i), spec).Tasks(3)...)
			}
			return all
		}
		sched, err := scheduler.New(s, scheduler.Config{})
		require.NoError(t, err)
		for round := range 3 {
			batch, other := tasks(fmt.Sprintf("r%d-", round)), tasks("other")
			snapshot := snapshotOf(t, s)
			plan := func(sched *scheduler.Scheduler, tasks []berth.Task) string {
				p, err := sched.Plan(t.Context(), snapshot, tasks...)
				require.NoError(t, err)
				for _, u := range p.Unplaced {
					if u.Reason.Code == berth.OverLimit {
						limited++
					}
				}
				return fmt.Sprint(p.Ops, p.Unplaced)
			}
			once := plan(sched, batch)
			assert.Equal(t, once, plan(sched, batch), "again")
			plan(sched, other)
			assert.Equal(t, once, plan(sched, batch), "after a dropped plan")
			for _, exhaustive := range []bool{false, true} {
				anew, err := scheduler.New(s, scheduler.Config{Exhaustive: exhaustive})
				require.NoError(t, err)
				assert.Equal(t, once, plan(anew, batch), "by a new scheduler")
			}
			out, err := sched.Schedule(t.Context(), batch...)
			require.NoError(t, err)
			assert.Empty(t, out.Refused)
			assert.Equal(t, once, fmt.Sprint(out.Placed, out.Unplaced), "in one step")
		}
	}
	assert.Greater(t, limited, 100)
}

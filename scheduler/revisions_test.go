package scheduler_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/scheduler"
)

// Adopting what runs does not fail for a spec that differs, and each task takes what its own says.
func TestRevisionsAreAdopted(t *testing.T) {
	var log []scheduler.Command
	record := func(c scheduler.Command) error {
		log = append(log, c)
		return nil
	}
	s := newState(t, scheduler.StateConfig{Record: record}, node("n1", 10_000), node("n2", 10_000))
	for i, cpu := range []int64{1000, 2000, 1000, 3000} {
		g := berth.NewGroup("web", berth.GroupSpec{Role: berth.Role(fmt.Sprint("r", cpu)), Request: berth.Resources{"cpu": cpu}})
		require.NoError(t, s.Adopt(scheduler.Running{Task: g.Task(fmt.Sprint("web-", i)), Node: "n1"}))
	}
	check := func(s *scheduler.State) {
		n, _ := s.Node("n1")
		assert.Equal(t, int64(10_000-1000-2000-1000-3000), n.Free()["cpu"])
		snap := snapshotOf(t, s)
		for i, cpu := range []int64{1000, 2000, 1000, 3000} {
			task, ok := snap.Task(fmt.Sprint("web-", i))
			require.True(t, ok)
			assert.Equal(t, cpu, task.Group.Cost()["cpu"])
		}
		k := 0
		for range snap.Group("web") {
			k++
		}
		assert.Equal(t, 4, k, "all revisions are the group's")
		k = 0
		for task := range snap.TasksOf("r1000") {
			k++
			assert.Equal(t, int64(1000), task.Group.Cost()["cpu"])
		}
		assert.Equal(t, 2, k)
	}
	check(s)
	again := newState(t, scheduler.StateConfig{})
	require.NoError(t, again.Replay(log...))
	check(again)

	require.NoError(t, s.Release("web-0", "web-2")) // those by whose spec the State knew the name
	require.NoError(t, s.UpdateNodes(node("n1", 20_000)))
	n, _ := s.Node("n1")
	assert.Equal(t, int64(20_000-2000-3000), n.Free()["cpu"])
	require.NoError(t, s.Release("web-1", "web-3"))
	n, _ = s.Node("n1")
	assert.Equal(t, int64(20_000), n.Free()["cpu"])
}

// A rule that counts the group's own tasks counts those of all revisions, those placed before it came and those placed after.
func TestRulesCountAllRevisions(t *testing.T) {
	nodes := []berth.Node{}
	for i, zone := range []string{"a", "b", "c"} {
		n := node(fmt.Sprint("n", i), 10_000)
		n.Attributes = berth.Attributes{"zone": zone}
		nodes = append(nodes, n)
	}
	for _, exhaustive := range []bool{false, true} {
		s := newState(t, scheduler.StateConfig{}, nodes...)
		sched := newScheduler(t, s, scheduler.Config{Exhaustive: exhaustive})
		v1 := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
		v2 := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 2000}, Rules: []berth.Constraint{constraints.Unique("zone")}})
		out, err := sched.Schedule(context.Background(), v1.Task("old"), v2.Task("x"), v2.Task("y"), v2.Task("z"))
		require.NoError(t, err)
		require.Len(t, out.Placed, 3, "%v", out.Refused)
		zones := map[string]bool{}
		for _, op := range out.Placed {
			zones[op.Node] = true
		}
		assert.Len(t, zones, 3)
		require.Len(t, out.Unplaced, 1)
		assert.Equal(t, berth.Reason{Code: berth.DomainFull, Subject: "unique(zone)"}, out.Unplaced[0].Reason)

		p := newPlan(t, s)
		old, _ := s.Task("old")
		p.Place(v2.Task("z"), old.Node)
		assert.Equal(t, berth.DomainFull, commit(t, s, p).Refused[0].Reason.Code, "at the commit, too")
		require.NoError(t, s.Release("old"))
		out, err = sched.Schedule(context.Background(), v2.Task("z"), v1.Task("free"))
		require.NoError(t, err)
		require.Len(t, out.Placed, 2, "v1 has no rule")
		assert.Equal(t, old.Node, out.Placed[0].Node)
	}
}

// The tasks of a gang are those of its name; of several sizes the greatest counts, in the plan and at the commit.
func TestGangOfTwoRevisions(t *testing.T) {
	s := newState(t, scheduler.StateConfig{}, node("n1", 4000))
	sched := newScheduler(t, s, scheduler.Config{})
	gang := func(cpu int64, size int) *berth.Group {
		return berth.NewGroup("gang", berth.GroupSpec{Request: berth.Resources{"cpu": cpu}, Mode: berth.Gang, GangSize: size})
	}
	small, large := gang(1000, 2), gang(2000, 4)
	out, err := sched.Schedule(context.Background(), small.Task("a"), large.Task("b"), small.Task("c"))
	require.NoError(t, err)
	assert.Empty(t, out.Placed)
	require.Len(t, out.Unplaced, 3)
	assert.Equal(t, berth.Reason{Code: berth.GangIncomplete, Subject: "3 of 4"}, out.Unplaced[0].Reason)

	p := newPlan(t, s)
	p.Together = []string{"gang"}
	p.Place(large.Task("b"), "n1")
	p.Place(small.Task("a"), "n1")
	refused := commit(t, s, p).Refused
	require.Len(t, refused, 2)
	assert.Equal(t, berth.Reason{Code: berth.GangIncomplete, Subject: "2 of 4"}, refused[1].Reason)

	out, err = sched.Schedule(context.Background(), small.Task("a"), gang(2000, 3).Task("b"), small.Task("c"))
	require.NoError(t, err)
	assert.Len(t, out.Placed, 3)
}

// An instance of any revision covers its node; once it is released the demand of the new one fills it.
func TestSecondRevisionOfADaemon(t *testing.T) {
	s := newState(t, scheduler.StateConfig{}, node("n1", 4000), node("n2", 4000))
	sched := newScheduler(t, s, scheduler.Config{})
	agent := func(cpu int64) *berth.Group {
		return berth.NewGroup("agent", berth.GroupSpec{Request: berth.Resources{"cpu": cpu}, Mode: berth.Daemon})
	}
	v1, v2 := agent(100), agent(200)
	ctx := context.Background()
	out, err := sched.Schedule(ctx, v1.Everywhere())
	require.NoError(t, err)
	require.Len(t, out.Placed, 2)
	out, err = sched.Schedule(ctx, v2.Everywhere())
	require.NoError(t, err)
	require.Empty(t, out.Placed)
	require.Empty(t, out.Unplaced)
	for i, id := range []string{"n1", "n2"} {
		c, err := sched.Coverage(ctx, v2)
		require.NoError(t, err)
		assert.Equal(t, []string{"n1", "n2"}[i:], c.Other)
		require.NoError(t, s.Release(v2.On(id).ID))
		out, err = sched.Schedule(ctx, v2.Everywhere())
		require.NoError(t, err)
		require.Len(t, out.Placed, 1)
		n, _ := s.Node(id)
		assert.Equal(t, int64(3800), n.Free()["cpu"])
	}
	c, err := sched.Coverage(ctx, v2)
	require.NoError(t, err)
	assert.Empty(t, c.Other)
	c, err = sched.Coverage(ctx, v1)
	require.NoError(t, err)
	assert.Contains(t, c.String(), ", 2 of another revision")
}

// What a failed commit did with revisions is taken back: the group's counts by what only the new rules count, too.
func TestRevisionsAreTakenBack(t *testing.T) {
	n := node("n1", 4000)
	n.Attributes = berth.Attributes{"zone": "a"}
	boom := false
	s := newState(t, scheduler.StateConfig{Admit: func(a scheduler.Admission) berth.Reason {
		if boom && a.Op.Task.ID == "last" {
			panic("boom")
		}
		return berth.Reason{}
	}}, n)
	v1 := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	v2 := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 500}, Rules: []berth.Constraint{constraints.MaxPer("zone", 3)}})
	p := newPlan(t, s)
	p.Place(v1.Task("first"), "n1")
	require.Len(t, commit(t, s, p).Placed, 1)
	p = newPlan(t, s)
	p.Place(v2.Task("x"), "n1")
	p.Place(v2.Task("last"), "n1")
	boom = true
	assert.Panics(t, func() { _, _ = s.Commit(context.Background(), p) })
	boom = false
	node, _ := s.Node("n1")
	assert.Equal(t, int64(3000), node.Free()["cpu"])
	out := commit(t, s, p)
	require.Len(t, out.Placed, 2)
	p = newPlan(t, s)
	p.Place(v2.Task("fourth"), "n1")
	assert.Equal(t, berth.DomainFull, commit(t, s, p).Refused[0].Reason.Code, "the first counts, of which the rule never heard")
}

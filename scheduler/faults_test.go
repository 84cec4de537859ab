package scheduler_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

// texts prints things one by one.
func texts[T fmt.Stringer](list []T) []string {
	var out []string
	for _, x := range list {
		out = append(out, x.String())
	}
	return out
}

// whys prints of each unplaced task its ID and the reason.
func whys(list []cluster.Unplaced) []string {
	var out []string
	for _, u := range list {
		out = append(out, fmt.Sprintf("%v: %v", u.Task, u.Reason))
	}
	return out
}

// everyWay runs a test with each way to plan: in one step, in three, and by the reference.
func everyWay(t *testing.T, test func(t *testing.T, through func(*scheduler.State) scheduler.Source, cfg scheduler.Config)) {
	state := func(s *scheduler.State) scheduler.Source { return s }
	behind := func(s *scheduler.State) scheduler.Source { return &rival{State: s} }
	t.Run("one step", func(t *testing.T) { test(t, state, scheduler.Config{}) })
	t.Run("three steps", func(t *testing.T) { test(t, behind, scheduler.Config{}) })
	t.Run("one attempt", func(t *testing.T) { test(t, behind, scheduler.Config{Attempts: 1}) })
	t.Run("exhaustive", func(t *testing.T) { test(t, state, scheduler.Config{Exhaustive: true}) })
}

// Every door to room asks Admit, as the tenant that is charged.
func TestFault09EveryDoorAsks(t *testing.T) {
	var asked []string
	closed := ""
	s := newState(t, scheduler.StateConfig{
		Clock: func() time.Time { return time.Unix(0, 0) },
		Admit: func(a scheduler.Admission) berth.Reason {
			asked = append(asked, fmt.Sprintf("%v %q costs %v", a.Op, a.Role(), a.Cost()))
			if a.Role() == berth.Role(closed) {
				return berth.Reason{Subject: "closed"}
			}
			return berth.Reason{}
		},
	}, node("n1", 4000))
	hold := func(id string, role berth.Role) berth.Hold {
		return berth.Hold{ID: id, Owner: "o", Role: role, Node: "n1", Resources: berth.Resources{"cpu": 1000}, Deadline: time.Unix(60, 0)}
	}
	require.NoError(t, s.Adopt(scheduler.Running{Task: core1("web").tasks("a")[0], Node: "n1"}))
	assert.Empty(t, asked, "it runs already")

	closed = "eng"
	version := s.Version()
	err := s.Hold(hold("h1", "eng"))
	assert.EqualError(t, err, "scheduler: hold h1 for o on n1: cpu 1: denied closed")
	assert.ErrorIs(t, err, berth.Reason{Code: berth.Denied, Subject: "closed"})
	p := newPlan(t, s)
	p.Take(hold("h2", "eng"))
	h3 := hold("h3", "eng")
	p.Evict("a", &h3)
	p.Place(berth.NewTask("b", berth.GroupSpec{Role: "eng"}), "n1")
	out := commit(t, s, p)
	assert.Equal(t, []string{"hold h2 for o on n1: cpu 1: denied closed", "evict a to hold h3: denied closed", "place b on n1: denied closed"}, texts(out.Refused))
	assert.Equal(t, version, s.Version())
	assert.Equal(t, []string{
		`hold h1 for o on n1: cpu 1 "eng" costs cpu 1`, `hold h2 for o on n1: cpu 1 "eng" costs cpu 1`,
		`evict a to hold h3 "eng" costs cpu 1`, `place b on n1 "eng" costs nothing`,
	}, asked)

	closed, asked = "other", nil
	require.NoError(t, s.Hold(hold("h1", "eng")))
	q := newPlan(t, s)
	q.Evict("a", &h3)
	q.Release("nobody")
	q.Drop("h1")
	assert.Len(t, commit(t, s, q).Refused, 1)
	assert.Len(t, asked, 2, "what gives room back is not asked about")
	assert.Equal(t, berth.Role("eng"), must(snapshotOf(t, s).Fork().Hold("h3")).Role)
	assert.ErrorContains(t, s.Hold(hold("h4", "a//b")), `hold "h4": role "a//b": empty segment`)
}

func must[T any](v T, ok bool) T {
	if !ok {
		panic("none")
	}
	return v
}

// No two instances of daemons have one ID, and no other task has an instance's.
func TestFault10InstancesHaveTheirOwnIDs(t *testing.T) {
	s := newState(t, scheduler.StateConfig{}, node("b@c", 1000), node("c", 1000), node("n1", 1000))
	sched := newScheduler(t, s, scheduler.Config{})
	daemon := berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 100}}
	a, ab := berth.NewGroup("a", daemon), berth.NewGroup("a@b", daemon)
	out, err := sched.Schedule(t.Context(), a.Everywhere())
	require.NoError(t, err)
	assert.Equal(t, []string{"place a@b@c on b@c", "place a@c on c", "place a@n1 on n1"}, texts(out.Placed))
	_, err = sched.Schedule(t.Context(), ab.Everywhere())
	assert.ErrorContains(t, err, `group "a@b": the name of a daemon group has no '@'`)

	web := berth.NewGroup("web", berth.GroupSpec{})
	for name, task := range map[string]berth.Task{
		"a lone task":              berth.NewTask("agent@n1", berth.GroupSpec{}),
		"a task of another group":  web.Task("agent@n1"),
		"one of the group's own":   web.Task("web@n1"),
		"another daemon's":         a.Task("agent@n1"),
		"one of no node":           a.Task("a@"),
		"a demand of no daemon":    web.Task(""),
		"an instance on elsewhere": a.On("n2"),
	} {
		t.Run(name, func(t *testing.T) {
			version := s.Version()
			_, err := sched.Schedule(t.Context(), task)
			assert.Error(t, err)
			assert.Error(t, s.Adopt(scheduler.Running{Task: task, Node: "n1"}))
			p := newPlan(t, s)
			p.Place(task, "n1")
			out := commit(t, s, p)
			require.Len(t, out.Refused, 1)
			assert.Equal(t, berth.Invalid, out.Refused[0].Reason.Code, "%v", out.Refused[0])
			assert.Equal(t, version, s.Version())
		})
	}
	require.NoError(t, s.Release("a@b@c"))
	require.NoError(t, s.Adopt(scheduler.Running{Task: a.On("b@c"), Node: "b@c"}), "a daemon that runs is found")
	c, err := sched.Coverage(t.Context(), a)
	require.NoError(t, err)
	assert.Equal(t, []string{"b@c"}, c.Running)
}

// What admission refuses takes no room from the tasks after it, nor do those of a gang that is then too small.
func TestFault14RefusedTasksTakeNoRoom(t *testing.T) {
	everyWay(t, func(t *testing.T, through func(*scheduler.State) scheduler.Source, cfg scheduler.Config) {
		asked := map[string]int{}
		s := newState(t, scheduler.StateConfig{Admit: func(a scheduler.Admission) berth.Reason {
			asked[a.Op.Task.ID]++
			if strings.HasPrefix(a.Op.Task.ID, "no") {
				return berth.Reason{Subject: "not you"}
			}
			if a.Role() == "eng" && a.Used("eng")["cpu"]+a.Cost()["cpu"] > 1000 {
				return berth.Reason{Subject: "over quota"}
			}
			return berth.Reason{}
		}}, node("n1", 1000), node("n2", 1000))
		sched := newScheduler(t, through(s), cfg)
		one := berth.GroupSpec{Request: berth.Resources{"cpu": 1000}}
		out, err := sched.Schedule(t.Context(), berth.NewTask("no-1", one), berth.NewTask("no-2", one), berth.NewTask("a", one), berth.NewTask("no-3", one), berth.NewTask("b", one), berth.NewTask("c", one))
		require.NoError(t, err)
		assert.Equal(t, []string{"place a on n1", "place b on n2"}, texts(out.Placed))
		var refused []string
		for _, r := range out.Refused {
			assert.Equal(t, berth.Reason{Code: berth.Denied, Subject: "not you"}, r.Reason)
			refused = append(refused, r.Op.Task.ID)
		}
		assert.Subset(t, []string{"no-1", "no-2", "no-3"}, refused)
		assert.Contains(t, refused, "no-1")
		assert.Contains(t, refused, "no-2")
		assert.Len(t, append(refused, whys(out.Unplaced)...), 4, "each of the others is told of once")
		assert.Contains(t, whys(out.Unplaced), "c: insufficient cpu")
		for id, times := range asked {
			assert.Equal(t, 1, times, "%s", id)
		}

		// The quota of eng is a core: of its two tasks one is placed, and the room of the other goes to the next.
		require.NoError(t, s.Release("a", "b"))
		eng := one
		eng.Role = "eng"
		out, err = sched.Schedule(t.Context(), berth.NewTask("eng-1", eng), berth.NewTask("eng-2", eng), berth.NewTask("d", one))
		require.NoError(t, err)
		assert.Equal(t, []string{"place eng-1 on n1", "place d on n2"}, texts(out.Placed))
		assert.Equal(t, []string{"place eng-2 on n2: denied over quota"}, texts(out.Refused))
		assert.Empty(t, out.Unplaced)

		// So does that of a gang which the quota lets have one task of two.
		require.NoError(t, s.Release("eng-1", "d"))
		eng.Mode, eng.GangSize = berth.Gang, 2
		out, err = sched.Schedule(t.Context(), append(berth.NewGroup("gang", eng).Tasks(2), berth.NewTask("e", one), berth.NewTask("f", one))...)
		require.NoError(t, err)
		assert.Equal(t, []string{"place e on n1", "place f on n2"}, texts(out.Placed))
		assert.Len(t, out.Refused, 2-len(out.Unplaced))
	})
}

// A denied instance of a daemon is asked about once in a call, and keeps no room.
func TestFault14DeniedInstances(t *testing.T) {
	everyWay(t, func(t *testing.T, through func(*scheduler.State) scheduler.Source, cfg scheduler.Config) {
		asked := 0
		s := newState(t, scheduler.StateConfig{Admit: func(a scheduler.Admission) berth.Reason {
			if a.Op.Task.ID == "agent@n1" {
				asked++
				return berth.Reason{Subject: "not here"}
			}
			return berth.Reason{}
		}}, node("n1", 1000), node("n2", 1000))
		agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 500}})
		out, err := newScheduler(t, through(s), cfg).Schedule(t.Context(), append(core1("web").tasks("a", "b"), agent.Everywhere())...)
		require.NoError(t, err)
		assert.Equal(t, []string{"place agent@n2 on n2", "place a on n1"}, texts(out.Placed))
		assert.Equal(t, []string{"place agent@n1 on n1: denied not here"}, texts(out.Refused))
		assert.Equal(t, []string{"b: insufficient cpu"}, whys(out.Unplaced))
		assert.Equal(t, 1, asked)
	})
}

// A gang's size is held against what runs when it is committed.
func TestFault15GangsAreWholeAtTheCommit(t *testing.T) {
	gang := gangOf(3)
	for name, c := range map[string]struct {
		meanwhile func(s *scheduler.State) error
		whole     bool
	}{
		"nothing":           {func(*scheduler.State) error { return nil }, true},
		"one is released":   {func(s *scheduler.State) error { return s.Release("gang-1") }, true}, // two and the fourth
		"two are released":  {func(s *scheduler.State) error { return s.Release("gang-1", "gang-2") }, false},
		"all are released":  {func(s *scheduler.State) error { return s.Release("gang-1", "gang-2", "gang-3") }, false},
		"two are stopping":  {func(s *scheduler.State) error { return s.Stop("gang-1", "gang-3") }, false},
		"two are lost":      {func(s *scheduler.State) error { return s.RemoveNodes("n1", "n2") }, false},
		"two are confirmed": {func(s *scheduler.State) error { return s.Confirm("gang-1", "gang-2") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			s := newState(t, scheduler.StateConfig{}, node("n1", 1000), node("n2", 1000), node("n3", 1000), node("n4", 1000), node("n5", 1000))
			sched := newScheduler(t, s, scheduler.Config{Strategy: placement.BinPack().TiesByID()})
			out, err := sched.Schedule(t.Context(), gang.Tasks(3)...)
			require.NoError(t, err)
			require.Len(t, out.Placed, 3)
			plan, err := sched.Plan(t.Context(), snapshotOf(t, s), gang.Tasks(4)[3], core1("web").tasks("w")[0])
			require.NoError(t, err)
			require.Len(t, plan.Ops, 2)
			require.NoError(t, c.meanwhile(s))
			out = commit(t, s, plan)
			if c.whole {
				assert.Equal(t, []string{"place gang-4 on n4", "place w on n5"}, texts(out.Placed))
				return
			}
			assert.Equal(t, []string{"place w on n5"}, texts(out.Placed))
			require.Len(t, out.Refused, 1)
			assert.Equal(t, berth.GangIncomplete, out.Refused[0].Reason.Code)
			_, known := s.Task("gang-4")
			assert.False(t, known)

			// Nor does a plan count them.
			out, err = sched.Schedule(t.Context(), gang.Tasks(4)[3])
			require.NoError(t, err)
			assert.Empty(t, out.Placed)
		})
	}
}

// A daemon that suits no node is told of, and its coverage is not complete.
func TestFault16DaemonsThatSuitNoNode(t *testing.T) {
	everyWay(t, func(t *testing.T, through func(*scheduler.State) scheduler.Source, cfg scheduler.Config) {
		s := newState(t, scheduler.StateConfig{}, node("n1", 1000), node("n2", 1000))
		sched := newScheduler(t, through(s), cfg)
		agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Rules: []berth.Constraint{constraints.Eq("zone", "a")}})
		out, err := sched.Schedule(t.Context(), agent.Everywhere(), core1("web").tasks("a")[0], agent.Everywhere())
		require.NoError(t, err)
		assert.Len(t, out.Placed, 1)
		require.Len(t, out.Unplaced, 1)
		u := out.Unplaced[0]
		assert.Equal(t, agent.Everywhere(), u.Task)
		assert.Equal(t, berth.Reason{Code: berth.RuleBroken, Subject: `zone = "a"`}, u.Reason)
		require.NotNil(t, u.Why)
		assert.Equal(t, 2, u.Why.Nodes)
		assert.Contains(t, u.String(), "0/2 nodes for agent on every node: 2 ")
		c, err := sched.Coverage(t.Context(), agent)
		require.NoError(t, err)
		assert.False(t, c.Complete())
		assert.False(t, c.Suits())
		assert.Equal(t, "agent: 0 running, 0 pending, 0 blocked, 0 impossible, 2 not eligible; suits no node", c.String())

		n3 := node("n3", 100)
		n3.Attributes = berth.Attributes{"zone": "a"}
		require.NoError(t, s.AddNodes(n3))
		out, err = sched.Schedule(t.Context(), agent.Everywhere())
		require.NoError(t, err)
		assert.Len(t, out.Placed, 1)
		out, err = sched.Schedule(t.Context(), agent.Everywhere())
		require.NoError(t, err)
		assert.Empty(t, out.Unplaced, "it is where it may be")
		require.NoError(t, s.Stop("agent@n3"))
		require.NoError(t, s.Cordon("n3"))
		out, err = sched.Schedule(t.Context(), agent.Everywhere())
		require.NoError(t, err)
		assert.Empty(t, out.Unplaced, "it still is")
		require.NoError(t, s.Release("agent@n3"))
		out, err = sched.Schedule(t.Context(), agent.Everywhere())
		require.NoError(t, err)
		assert.Len(t, out.Unplaced, 1)

		out, err = newScheduler(t, through(newState(t, scheduler.StateConfig{})), cfg).Schedule(t.Context(), agent.Everywhere())
		require.NoError(t, err)
		assert.Equal(t, []string{"agent on every node: no nodes"}, whys(out.Unplaced))
	})
}

// An instance that was lost with its node is in the way of the next one there until it is released, and that is said.
func TestFault17LostInstances(t *testing.T) {
	everyWay(t, func(t *testing.T, through func(*scheduler.State) scheduler.Source, cfg scheduler.Config) {
		s := newState(t, scheduler.StateConfig{}, node("n1", 1000), node("n2", 100), node("n3", 1000), node("n4", 1000))
		sched := newScheduler(t, through(s), cfg)
		agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 500}})
		out, err := sched.Schedule(t.Context(), agent.Everywhere())
		require.NoError(t, err)
		require.Len(t, out.Placed, 3)
		require.NoError(t, s.RemoveNodes("n1", "n3"))
		require.NoError(t, s.AddNodes(node("n1", 1000), node("n3", 1000)))
		for range 2 {
			out, err = sched.Schedule(t.Context(), agent.Everywhere(), core1("web").tasks("a")[0])
			require.NoError(t, err)
			require.Equal(t, []string{"agent@n1: task exists lost", "agent@n2: too little cpu in all", "agent@n3: task exists lost"}, whys(out.Unplaced)[:3])
			require.NotEmpty(t, out.Unplaced[0].Why.Nearest.Lacks)
		}
		assert.Equal(t, []string{"a: task exists on n1"}, whys(out.Unplaced)[3:], "the room of an instance that is not placed is free")
		require.NoError(t, s.Release("agent@n1", "agent@n3", "a"))
		out, err = sched.Schedule(t.Context(), agent.Everywhere())
		require.NoError(t, err)
		assert.Len(t, out.Placed, 2)
	})
}

// Daemons come before other tasks of equal priority, wherever they stand, and not before those of higher.
func TestFault18DaemonsComeFirstAmongEquals(t *testing.T) {
	everyWay(t, func(t *testing.T, through func(*scheduler.State) scheduler.Source, cfg scheduler.Config) {
		s := newState(t, scheduler.StateConfig{}, node("n1", 1000), node("n2", 1000))
		agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 100}})
		urgent := berth.NewTask("urgent", berth.GroupSpec{Priority: 1, Request: berth.Resources{"cpu": 950}})
		tasks := append(core1("web").tasks("a", "b"), agent.Everywhere(), urgent)
		out, err := newScheduler(t, through(s), cfg).Schedule(t.Context(), tasks...)
		require.NoError(t, err)
		assert.Equal(t, []string{"place urgent on n1", "place agent@n2 on n2"}, texts(out.Placed))
		assert.Equal(t, []string{"agent@n1: insufficient cpu", "a: insufficient cpu", "b: insufficient cpu"}, whys(out.Unplaced))
		assert.Equal(t, "a", tasks[0].ID, "what was handed in is as it was")
	})
}

// both is a rule about nodes and about domains.
type both struct {
	constraints.Comparison
	berth.DomainRule
}

func (b both) String() string { return b.Comparison.String() + " and " + b.DomainRule.String() }
func (b both) Err() error     { return nil }

func TestFault20RulesOfTwoKinds(t *testing.T) {
	everyWay(t, func(t *testing.T, through func(*scheduler.State) scheduler.Source, cfg scheduler.Config) {
		var nodes []berth.Node
		for i := range 6 {
			n := node(fmt.Sprint("n", i), 9000)
			n.Attributes = berth.Attributes{"zone": string(rune('a' + i%3))}
			nodes = append(nodes, n)
		}
		s := newState(t, scheduler.StateConfig{}, nodes...)
		var rule berth.DomainRule = constraints.Unique("zone")
		g := berth.NewGroup("web", berth.GroupSpec{Rules: []berth.Constraint{both{constraints.In("zone", "a", "b"), rule}}})
		out, err := newScheduler(t, through(s), cfg).Schedule(t.Context(), g.Tasks(5)...)
		require.NoError(t, err)
		zones := map[string]int{}
		for _, op := range out.Placed {
			v, _ := must(snapshotOf(t, s).Node(op.Node)).Attribute("zone")
			zones[v.String()]++
		}
		assert.Equal(t, map[string]int{"a": 1, "b": 1}, zones, "one in each zone, and none in c")
	})
}

// An instance that found no room is told of once, however often the daemon is planned.
func TestFault21InstancesAreToldOfOnce(t *testing.T) {
	src := &rival{State: newState(t, scheduler.StateConfig{}, node("n1", 100), node("n2", 1000), node("n3", 1000)), races: 2}
	quick := newScheduler(t, src.State, scheduler.Config{})
	src.beat = func() {
		_, err := quick.Schedule(t.Context(), core1("quick").tasks(fmt.Sprint("quick-", src.races))...)
		require.NoError(t, err)
	}
	agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 500}})
	out, err := newScheduler(t, src, scheduler.Config{}).Schedule(t.Context(), agent.Everywhere())
	require.NoError(t, err)
	told := map[string]int{}
	for _, u := range out.Unplaced {
		told[u.Task.ID]++
	}
	for _, op := range out.Placed {
		told[op.Task.ID]++
	}
	assert.Equal(t, map[string]int{"agent@n1": 1, "agent@n2": 1, "agent@n3": 1}, told)
}

// Tasks and holds expire whenever the clock is.
func TestFault22EveryClockExpires(t *testing.T) {
	for _, start := range []time.Time{
		{},
		time.Time{}.Add(-time.Second), // the deadline of a task is then the zero time, which is not never
		time.Date(1066, 10, 14, 9, 0, 0, 0, time.UTC),
		time.Date(1677, 9, 21, 0, 12, 42, 999_999_999, time.UTC),
		time.Unix(-1, 0),
		time.Unix(0, -500),
		time.Date(2262, 4, 11, 23, 47, 16, 0, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 50, 1, time.UTC),
		time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		t.Run(start.String(), func(t *testing.T) {
			now := start
			var record []scheduler.Command
			cfg := scheduler.StateConfig{Clock: func() time.Time { return now }, AssumeFor: time.Second}
			replayed := newState(t, cfg)
			cfg.Record = func(c scheduler.Command) error { record = append(record, c); return nil }
			s := newState(t, cfg, node("n1", 3000))
			out, err := newScheduler(t, s, scheduler.Config{}).Schedule(t.Context(), core1("web").tasks("a")...)
			require.NoError(t, err)
			require.Len(t, out.Placed, 1)
			hold := berth.Hold{ID: "h", Owner: "o", Node: "n1", Resources: berth.Resources{"cpu": 1000}, Deadline: start.Add(2 * time.Second)}
			require.NoError(t, s.Hold(hold))
			at, ok := s.NextExpiry()
			require.True(t, ok)
			if start.Year() >= 1 {
				assert.WithinDuration(t, start.Add(time.Second), at, time.Microsecond)
			}
			require.NoError(t, replayed.Replay(record...))
			again, _ := replayed.NextExpiry()
			assert.True(t, at.Equal(again))

			now = start.Add(500 * time.Millisecond)
			if start.Year() >= 1 {
				tasks, holds, _ := s.Expire()
				assert.Empty(t, tasks)
				assert.Empty(t, holds)
			}
			now = start.Add(time.Second + 2*time.Microsecond)
			tasks, holds, _ := s.Expire()
			require.Len(t, tasks, 1)
			assert.Equal(t, "a", tasks[0].ID)
			assert.Empty(t, holds)
			now = start.Add(2*time.Second + 2*time.Microsecond)
			assert.Empty(t, slicesOf(snapshotOf(t, s).Holds()))
			_, ok = s.NextExpiry()
			assert.False(t, ok)
			assert.Error(t, s.Hold(hold), "its deadline has passed")
		})
	}
}

func slicesOf[T any](seq func(func(T) bool)) (out []T) {
	for v := range seq {
		out = append(out, v)
	}
	return out
}

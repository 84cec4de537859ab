package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// inTurns runs a test with both pickers, and with a plan made in one step and in three.
func inTurns(t *testing.T, run func(t *testing.T, schedule func(s *scheduler.State, o allocator.Order, tasks ...berth.Task) *cluster.Outcome)) {
	for _, exhaustive := range []bool{false, true} {
		for _, steps := range []string{"one step", "three steps"} {
			t.Run(fmt.Sprintf("%s, exhaustive %t", steps, exhaustive), func(t *testing.T) {
				run(t, func(s *scheduler.State, o allocator.Order, tasks ...berth.Task) *cluster.Outcome {
					sched, err := scheduler.New(s, scheduler.Config{Exhaustive: exhaustive, Order: o})
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

// groupsIn returns n tasks of a group for each role, those of the first role first.
func groupsIn(n int, cost berth.Resources, roles ...berth.Role) (tasks []berth.Task) {
	for _, r := range roles {
		g := berth.NewGroup("g-"+strings.ReplaceAll(string(r), "/", "-"), berth.GroupSpec{Role: r, Request: cost})
		tasks = append(tasks, g.Tasks(n)...)
	}
	return tasks
}

// rolesOf returns whose the placed tasks are, in order.
func rolesOf(out *cluster.Outcome) string {
	var roles []string
	for _, op := range out.Placed {
		roles = append(roles, string(op.Task.Group.Role()))
	}
	return strings.Join(roles, " ")
}

// The example of NSDI'11, as in the test of allocator.Fair: A takes 2/9 of memory for each task, B 1/3 of cpu. All of A's tasks
// are handed in first.
func TestOrderOfThePaper(t *testing.T) {
	inTurns(t, func(t *testing.T, schedule func(*scheduler.State, allocator.Order, ...berth.Task) *cluster.Outcome) {
		s := newState(t, scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 9, "memory": 18}})
		tasks := append(groupsIn(9, berth.Resources{"cpu": 1, "memory": 4}, "A"), groupsIn(9, berth.Resources{"cpu": 3, "memory": 1}, "B")...)
		out := schedule(s, allocator.Fair{}, tasks...)
		assert.Equal(t, "A B A B A", rolesOf(out))
		require.Len(t, out.Unplaced, 13)
		// A's fourth task was tried first: the shares were level at 2/3, and A is first by path. Of B two had room that were handed in later.
		assert.Equal(t, "0/1 nodes for g-A-4: 1 insufficient cpu; nearest n1: lacks 0.001 cpu; held back behind B; 0.001 more cpu on n1 would do", out.Unplaced[0].String())
		b := out.Unplaced[slices.IndexFunc(out.Unplaced, func(u cluster.Unplaced) bool { return u.Task.ID == "g-B-3" })]
		assert.Zero(t, b.Why.Order, "nobody who came later has a place")
	})
}

// A task that its own role's limit keeps out is not held back by others; one that a limit over both roles keeps out is.
func TestLimitsAndWhoWentFirst(t *testing.T) {
	inTurns(t, func(t *testing.T, schedule func(*scheduler.State, allocator.Order, ...berth.Task) *cluster.Outcome) {
		for _, c := range []struct {
			limited berth.Role
			order   string
		}{{"x/a", ""}, {"x", "x/b"}} {
			s := newState(t, scheduler.StateConfig{}, node("n1", 9000))
			require.NoError(t, s.SetQuotas(berth.Quota{Role: c.limited, Limits: berth.Resources{"cpu": 2000}}))
			require.NoError(t, s.SetQuotas(berth.Quota{Role: "x/b", Limits: berth.Resources{"cpu": 1000}}))
			out := schedule(s, allocator.Fair{}, groupsIn(3, berth.Resources{"cpu": 1000}, "x/a", "x/b")...)
			last := out.Unplaced[slices.IndexFunc(out.Unplaced, func(u cluster.Unplaced) bool { return u.Task.ID == "g-x-a-3" })]
			require.Len(t, last.Why.Over, 1)
			assert.Equal(t, c.limited, last.Why.Over[0].Role)
			want := berth.Reason{}
			if c.order != "" {
				want = berth.Behind(berth.Role(c.order))
			}
			assert.Equal(t, want, last.Why.Order, c.limited)
		}
	})
}

func TestOrderOfRoles(t *testing.T) {
	one := berth.Resources{"cpu": 1000}
	prio := func(name string, role berth.Role, priority int) *berth.Group {
		return berth.NewGroup(name, berth.GroupSpec{Role: role, Request: one, Priority: priority})
	}
	with := func(lists ...[]berth.Task) []berth.Task { return slices.Concat(lists...) }
	for _, tc := range []struct {
		name  string
		cores int64
		order allocator.Order
		tasks []berth.Task
		want  string
	}{
		{"none: as given", 4, nil, groupsIn(3, one, "a", "b"), "a a a b"},
		{"fair", 4, allocator.Fair{}, groupsIn(3, one, "a", "b"), "a b a b"},
		{"weights", 6, allocator.Fair{Weights: map[berth.Role]allocator.Weight{"b": 2000}}, groupsIn(6, one, "a", "b"), "a b b a b b"},
		{"tree", 4, allocator.Fair{}, groupsIn(4, one, "a/x", "a/y", "a/z", "b"), "a/x b a/y b"},
		{"grain of half the cores", 8, allocator.Fair{Grain: 500_000}, groupsIn(4, one, "a", "b"), "a a a a b b b b"},
		{"priority of roles", 4, allocator.Priority{Of: map[berth.Role]int{"b": 1}}, groupsIn(3, one, "a", "b"), "b b b a"},
		// In the higher tier a has two. The lower one sees that: b has two before a has its third.
		{"priority of groups", 5, allocator.Fair{}, with(prio("low-a", "a", 0).Tasks(3), prio("low-b", "b", 0).Tasks(3), prio("high", "a", 1).Tasks(2)),
			"a a b b a"},
		{"the same below a role that waits itself", 6, allocator.Fair{}, with(prio("low-a", "a", 0).Tasks(3), prio("low-x", "a/x", 0).Tasks(3), prio("high", "a", 1).Tasks(2)),
			"a a a/x a/x a a/x"},
		{"a role with nothing that fits is passed", 4, allocator.Fair{}, with(groupsIn(3, berth.Resources{"cpu": 9000}, "a"), groupsIn(3, one, "b", "c")), "b c b c"},
		{"daemons first", 3, allocator.Fair{}, with(groupsIn(3, one, "a"), []berth.Task{
			berth.NewGroup("d", berth.GroupSpec{Role: "z", Mode: berth.Daemon, Request: one}).Everywhere()}), "z a a"},
		{"a daemon's instances count", 4, allocator.Fair{}, with(groupsIn(3, one, "a", "z"), []berth.Task{
			berth.NewGroup("d", berth.GroupSpec{Role: "a", Mode: berth.Daemon, Request: one}).Everywhere()}), "a z a z"},
		// The gang has no room for its four, and what it gave back leaves a at nothing: a comes first again.
		{"a gang that is not complete", 3, allocator.Fair{}, with(
			berth.NewGroup("gang", berth.GroupSpec{Role: "a", Mode: berth.Gang, GangSize: 4, Request: one}).Tasks(4), groupsIn(3, one, "a", "b")), "a b a"},
		{"a gang is one turn", 6, allocator.Fair{}, with(
			berth.NewGroup("gang", berth.GroupSpec{Role: "a", Mode: berth.Gang, GangSize: 3, Request: one}).Tasks(3), groupsIn(3, one, "a", "b")), "a a a b b b"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			inTurns(t, func(t *testing.T, schedule func(*scheduler.State, allocator.Order, ...berth.Task) *cluster.Outcome) {
				assert.Equal(t, tc.want, rolesOf(schedule(newState(t, scheduler.StateConfig{}, node("n1", tc.cores*1000)), tc.order, tc.tasks...)))
			})
		})
	}
}

func TestOrderSeesTheLedger(t *testing.T) {
	inTurns(t, func(t *testing.T, schedule func(*scheduler.State, allocator.Order, ...berth.Task) *cluster.Outcome) {
		s := newState(t, scheduler.StateConfig{Clock: func() time.Time { return time.Unix(0, 0) }}, node("n1", 10_000))
		require.NoError(t, s.Adopt(scheduler.Running{Task: cores("old", "a/x", 2).Task("old-1"), Node: "n1"}))
		require.NoError(t, s.Hold(berth.Hold{ID: "h", Owner: "o", Role: "b", Node: "n1", Resources: berth.Resources{"cpu": 1000}, Deadline: time.Unix(60, 0)}))
		require.NoError(t, s.SetQuotas(berth.Quota{Role: "c", Limits: berth.Resources{"cpu": 2000}}))
		// a has 2, b has 1 held, c nothing and a limit of 2: c to 1, b to 2, c to 2 (at 1 it was lowest), then a and b by path.
		out := schedule(s, allocator.Fair{}, groupsIn(5, berth.Resources{"cpu": 1000}, "a", "b", "c")...)
		assert.Equal(t, "c b c a b a b", rolesOf(out))
		for _, u := range out.Unplaced {
			if u.Task.Group.Role() == "c" {
				assert.Equal(t, berth.OverLimit, u.Reason.Code)
			}
		}
	})
}

// roundRobin is an order that a host could write: each role has a task in turn, whatever it takes. It notes what it is told.
type roundRobin struct {
	told *[]string
	ask  func(next func() (berth.Role, bool), can func(berth.Role) bool) (berth.Role, bool) // in place of the answer, if set
	fail string
}

func (o roundRobin) Begin(l allocator.Ledger, roles []berth.Role) allocator.Round {
	o.note("begin %v %v", l.Total(), roles)
	if o.fail == "no round" {
		return nil
	}
	return &robin{o, roles}
}

func (o roundRobin) note(format string, args ...any) {
	if o.told != nil {
		*o.told = append(*o.told, fmt.Sprintf(format, args...))
	}
	if word, _, _ := strings.Cut(format, " "); o.fail == word {
		panic(errTold)
	}
}

var errTold = errors.New("told to")

type robin struct {
	roundRobin
	roles []berth.Role
}

func (r *robin) Next(can func(berth.Role) bool) (berth.Role, bool) {
	r.note("next")
	next := func() (berth.Role, bool) {
		for range r.roles {
			first := r.roles[0]
			r.roles = append(r.roles[1:], first)
			if can(first) {
				return first, true
			}
		}
		return "", false
	}
	if r.ask != nil {
		return r.ask(next, can)
	}
	return next()
}

func (r *robin) Charged(g *berth.Group, n int)  { r.note("charged %v %d", g, n) }
func (r *robin) Credited(g *berth.Group, n int) { r.note("credited %v %d", g, n) }

func TestAnOrderIsToldOfEveryStep(t *testing.T) {
	var told []string
	s := newState(t, scheduler.StateConfig{}, node("n1", 4000))
	sched, err := scheduler.New(s, scheduler.Config{Order: roundRobin{told: &told}})
	require.NoError(t, err)
	gang := berth.NewGroup("gang", berth.GroupSpec{Role: "a", Mode: berth.Gang, GangSize: 5, Request: berth.Resources{"cpu": 2000}})
	out, err := sched.Schedule(t.Context(), append(gang.Tasks(5), groupsIn(2, berth.Resources{"cpu": 1000}, "a", "b")...)...)
	require.NoError(t, err)
	assert.Equal(t, "a b a b", rolesOf(out))
	assert.Equal(t, []string{
		"begin cpu 4 [a b]", "next", "charged gang 1", "charged gang 1", "credited gang 1", "credited gang 1", "charged g-a 1",
		"next", "charged g-b 1", "next", "charged g-a 1", "next", "charged g-b 1",
	}, told)
}

// Whatever an order of the host's does, there is an error or a plan, and the next plan is as if nothing had been.
func TestAnOrderMayFail(t *testing.T) {
	var kept func(berth.Role) bool
	for _, tc := range []struct {
		name  string
		order roundRobin
		want  string // "" for no error
	}{
		{"no round", roundRobin{fail: "no round"}, "order scheduler_test.roundRobin: begin: no round"},
		{"begin", roundRobin{fail: "begin"}, "order scheduler_test.roundRobin: begin: panic: told to"},
		{"next", roundRobin{fail: "next"}, "order scheduler_test.roundRobin: next: panic: told to"},
		{"charged", roundRobin{fail: "charged"}, "order scheduler_test.roundRobin: charged: panic: told to"},
		{"credited", roundRobin{fail: "credited"}, "order scheduler_test.roundRobin: credited: panic: told to"},
		{"unknown role", roundRobin{ask: func(func() (berth.Role, bool), func(berth.Role) bool) (berth.Role, bool) { return "z", true }},
			`order scheduler_test.roundRobin: next: role "z" has nothing waiting`},
		{"never stops", roundRobin{ask: func(func() (berth.Role, bool), func(berth.Role) bool) (berth.Role, bool) { return "a", true }},
			`order scheduler_test.roundRobin: next: role "a" has nothing waiting`},
		{"keeps what it was given", roundRobin{ask: func(next func() (berth.Role, bool), can func(berth.Role) bool) (berth.Role, bool) {
			kept = can
			return next()
		}}, ""},
	} {
		for _, exhaustive := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, exhaustive %t", tc.name, exhaustive), func(t *testing.T) {
				s := newState(t, scheduler.StateConfig{}, node("n1", 4000))
				gang := berth.NewGroup("gang", berth.GroupSpec{Role: "a", Mode: berth.Gang, GangSize: 5, Request: berth.Resources{"cpu": 2000}})
				tasks := append(gang.Tasks(5), groupsIn(2, berth.Resources{"cpu": 1000}, "a", "b")...)
				sched, err := scheduler.New(s, scheduler.Config{Order: tc.order, Exhaustive: exhaustive})
				require.NoError(t, err)
				before := look(t, s)
				out, err := sched.Schedule(t.Context(), tasks...)
				if tc.want == "" {
					require.NoError(t, err)
					assert.Len(t, out.Placed, 4)
					assert.False(t, kept("a"), "the plan is over")
					return
				}
				require.ErrorContains(t, err, tc.want)
				assert.Equal(t, strings.Contains(tc.want, "panic"), errors.Is(err, errTold))
				assert.Empty(t, out.Placed)
				assert.Equal(t, before, look(t, s), "nothing is torn")
				_, err = sched.Plan(t.Context(), snapshotOf(t, s), tasks...)
				require.ErrorContains(t, err, tc.want, "again")
			})
		}
	}
	_, err := scheduler.New(newState(t, scheduler.StateConfig{}), scheduler.Config{Order: (*robin)(nil)})
	assert.ErrorContains(t, err, "order: a nil pointer")
	_, err = scheduler.New(newState(t, scheduler.StateConfig{}), scheduler.Config{Order: allocator.Fair{Grain: -1}})
	assert.ErrorContains(t, err, "scheduler: order: allocator: grain: -1")
}

// An order that names nobody more holds back what waits, with that as the reason, and what exists already is told apart.
func TestAnOrderMayHoldBack(t *testing.T) {
	inTurns(t, func(t *testing.T, schedule func(*scheduler.State, allocator.Order, ...berth.Task) *cluster.Outcome) {
		s := newState(t, scheduler.StateConfig{}, node("n1", 9000))
		tasks := groupsIn(2, berth.Resources{"cpu": 1000}, "a", "b")
		require.NoError(t, s.Adopt(scheduler.Running{Task: tasks[3], Node: "n1"}))
		daemon := berth.NewGroup("d", berth.GroupSpec{Role: "b", Mode: berth.Daemon, Priority: -1}).Everywhere()
		turns := 0
		out := schedule(s, roundRobin{ask: func(next func() (berth.Role, bool), _ func(berth.Role) bool) (berth.Role, bool) {
			if turns++; turns > 1 {
				return "", false
			}
			return next()
		}}, append(tasks, daemon)...)
		assert.Equal(t, "a", rolesOf(out))
		assert.Equal(t, []string{"g-a-2: held back", "g-b-1: held back", "g-b-2: task exists on n1", "d on every node: held back"}, unplaced(out))
		assert.Equal(t, berth.Reason{Code: berth.HeldBack}, out.Unplaced[0].Reason)
	})
}

// Planning twice, after a plan that was dropped, and after one that failed, is the same plan.
func TestAnOrderLeavesNoTrace(t *testing.T) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 8))
		s := newState(t, scheduler.StateConfig{})
		for i := range 6 {
			require.NoError(t, s.AddNodes(stepNode(rng, i)))
		}
		order := orderOf(rng)
		newOne := func() *scheduler.Scheduler {
			sched, err := scheduler.New(s, scheduler.Config{Order: order, Exhaustive: seed%4 == 3})
			require.NoError(t, err)
			return sched
		}
		sched := newOne()
		for round := range 6 {
			snapshot := snapshotOf(t, s)
			tasks, others := inRandomRoles(rng, stepTasks(rng, round)), inRandomRoles(rng, stepTasks(rng, 100+round))
			plan := func(by *scheduler.Scheduler, tasks []berth.Task) *cluster.Plan {
				p, err := by.Plan(t.Context(), snapshot, tasks...)
				require.NoError(t, err)
				return p
			}
			first := plan(sched, tasks)
			assert.Equal(t, first.String(), plan(sched, tasks).String(), "planned twice")
			plan(sched, others)
			ended, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := sched.Plan(ended, snapshot, tasks...)
			require.Error(t, err)
			assert.Equal(t, first.String(), plan(sched, tasks).String(), "after plans that were dropped")
			assert.Equal(t, first.String(), plan(newOne(), tasks).String(), "by another")
			commit(t, s, first)
		}
	}
}

// orderOf returns some order.
func orderOf(rng *rand.Rand) allocator.Order {
	weights := map[berth.Role]allocator.Weight{"a": 500, "b": 3000, "a/y": 2000}
	switch rng.IntN(5) {
	case 0:
		return allocator.Priority{Of: map[berth.Role]int{"a/x": 3, "b": 1}, Then: allocator.Fair{Grain: 100_000}}
	case 1:
		return allocator.Fair{Weights: weights, Exclude: []string{"gpu"}}
	case 2:
		return allocator.Fair{Weights: weights, Grain: 50_000}
	case 3:
		return roundRobin{}
	}
	return allocator.Fair{}
}

// inRandomRoles returns tasks as they are, but that their groups are of roles.
func inRandomRoles(rng *rand.Rand, tasks []berth.Task) []berth.Task {
	groups := map[*berth.Group]*berth.Group{}
	for i, t := range tasks {
		g := groups[t.Group]
		if g == nil {
			spec := t.Group.Spec()
			spec.Role = []berth.Role{"", "a", "a/x", "a/y", "b", "b/z/w"}[rng.IntN(6)]
			g = berth.NewGroup(t.Group.Name(), spec)
			groups[t.Group] = g
		}
		tasks[i].Group = g
	}
	return tasks
}

// With tasks that are small against what there is, the shares of all roles that want more end within one task of each other, on
// real nodes and through the public path.
func TestSharesEndEqual(t *testing.T) {
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 9))
		s := newState(t, scheduler.StateConfig{})
		for i := range 10 {
			require.NoError(t, s.AddNodes(node(fmt.Sprintf("n%d", i), 10_000)))
		}
		weights := map[berth.Role]allocator.Weight{}
		var tasks []berth.Task
		for i := range 8 {
			r := berth.Role(fmt.Sprintf("r%d", i))
			weights[r] = allocator.Weight(1000 * (1 + rng.IntN(3)))
			tasks = append(tasks, groupsIn(1000, berth.Resources{"cpu": 100}, r)...)
		}
		rng.Shuffle(len(tasks), func(i, j int) { tasks[i], tasks[j] = tasks[j], tasks[i] })
		sched, err := scheduler.New(s, scheduler.Config{Order: allocator.Fair{Weights: weights}})
		require.NoError(t, err)
		for part := range slices.Chunk(tasks, len(tasks)) {
			_, err := sched.Schedule(t.Context(), part...)
			require.NoError(t, err)
		}
		snapshot := snapshotOf(t, s)
		require.EqualValues(t, 100_000, snapshot.Used("")["cpu"], "all is used")
		for a, w := range weights {
			for b, v := range weights {
				level := func(r berth.Role, w allocator.Weight) int64 { return snapshot.Used(r)["cpu"] * 1000 / int64(w) }
				assert.LessOrEqual(t, level(a, w), level(b, v)+100, "%s at %v and %s at %v", a, w, b, v)
			}
		}
	}
}

func TestOrderInABook(t *testing.T) {
	state := newState(t, scheduler.StateConfig{}, node("n1", 2000), node("n2", 3000))
	exchange, err := offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns()})
	require.NoError(t, err)
	team, err := exchange.Subscribe(offers.Framework{Name: "shop", Role: "shop"})
	require.NoError(t, err)
	_, err = exchange.Offer(t.Context())
	require.NoError(t, err)
	for range 2 { // the second time the Book has what was placed before
		sched, err := scheduler.New(team.Book(), scheduler.Config{Order: allocator.Fair{}})
		require.NoError(t, err)
		out, err := sched.Schedule(t.Context(), groupsIn(4, berth.Resources{"cpu": 1000}, "shop/a", "shop/b")...)
		require.NoError(t, err)
		if len(out.Placed) > 0 {
			assert.Equal(t, "shop/a shop/b shop/a shop/b shop/a", rolesOf(out))
		}
		assert.Len(t, snapshotOf(t, state).Used("shop/b"), 1)
	}
}

func TestRunInTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{state: newState(t, scheduler.StateConfig{}, node("n1", 4000))}
		sched, err := scheduler.New(s.state, scheduler.Config{Order: allocator.Fair{}})
		require.NoError(t, err)
		tasks := groupsIn(4, berth.Resources{"cpu": 1000}, "a", "b")
		require.NoError(t, s.queue.Submit(tasks...))
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) { c.Scheduler = sched })
		s.after(time.Second)
		used := func() string {
			now := snapshotOf(t, s.state)
			return fmt.Sprint(now.Used("a")["cpu"], " ", now.Used("b")["cpu"])
		}
		assert.Equal(t, "2000 2000", used())
		s.queue.Cancel("g-a-1", "g-a-2", "g-b-1")
		s.after(time.Second)
		assert.Equal(t, "2000 2000", used(), "a had nothing and b one: two of a's, and one of b's")
	})
}

// A task that the order holds back is planned again when anything changes.
func TestRunPlansAgainWhatIsHeldBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{state: newState(t, scheduler.StateConfig{}, node("n1", 4000))}
		open := false
		sched, err := scheduler.New(s.state, scheduler.Config{Order: roundRobin{
			ask: func(next func() (berth.Role, bool), _ func(berth.Role) bool) (berth.Role, bool) {
				if !open {
					return "", false
				}
				return next()
			}}})
		require.NoError(t, err)
		require.NoError(t, s.queue.Submit(groupsIn(1, berth.Resources{"cpu": 1000}, "a")...))
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) { c.Scheduler = sched })
		assert.Contains(t, s.after(time.Second), "g-a-1: held back")
		open = true
		require.NoError(t, s.state.SetQuotas(berth.Quota{Role: "z", Guarantees: berth.Resources{"cpu": 1}}))
		s.after(time.Second)
		assert.Len(t, slices.Collect(snapshotOf(t, s.state).TasksOf("a")), 1)
	})
}

// Where a group's tasks fail to start on a node, they go elsewhere in their role's turns: b has as many as a, though a's tasks come first.
func TestRunInTurnsElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &site{state: newState(t, scheduler.StateConfig{}, node("n1", 1000), node("n2", 4000))}
		sched, err := scheduler.New(s.state, scheduler.Config{Order: allocator.Fair{}})
		require.NoError(t, err)
		h := &hand{start: func(_ context.Context, p scheduler.Placement) error {
			if p.Node == "n1" && p.Task.Group.Role() == "b" {
				return errors.New("no disk")
			}
			return nil
		}}
		b := groupsIn(1, berth.Resources{"cpu": 1000}, "b")[0].Group
		require.NoError(t, s.queue.Submit(b.Task("first")))
		s.start(t, scheduler.StateConfig{}, func(c *scheduler.RunConfig) { c.Scheduler, c.Launcher = sched, h })
		assert.Equal(t, "0s failed first on n1: no disk\n1s started first on n2", s.after(2*time.Second))
		gang := berth.NewGroup("gang", berth.GroupSpec{Role: "c", Mode: berth.Gang, GangSize: 9, Request: berth.Resources{"cpu": 1000}})
		daemon := berth.NewGroup("d", berth.GroupSpec{Role: "b", Mode: berth.Daemon})
		require.NoError(t, s.queue.Submit(append(append(groupsIn(4, berth.Resources{"cpu": 1000}, "a"), append(b.Tasks(4), gang.Tasks(2)...)...), daemon.Everywhere())...))
		s.after(2 * time.Second)
		now := snapshotOf(t, s.state)
		assert.EqualValues(t, 5000, now.Used("")["cpu"])
		assert.EqualValues(t, 3000, now.Used("a")["cpu"], "a has n1, which is no place for b")
		assert.EqualValues(t, 2000, now.Used("b")["cpu"])
		for task := range now.TasksOf("b") {
			assert.True(t, task.Node == "n2" || task.Group.Mode() == berth.Daemon, task.ID)
		}
		s.stop(t)
	})
}

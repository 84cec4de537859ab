package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

func newScheduler(t testing.TB, source scheduler.Source, cfg scheduler.Config) *scheduler.Scheduler {
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
		{"two revisions of a group", []berth.Task{berth.NewGroup("web", core(0)).Task("a"), berth.NewGroup("web", berth.GroupSpec{}).Task("b")}, `
			place a on n1
			place b on n1`},
		{"another revision of a gang that runs", []berth.Task{gangOf(1).Task("b")}, `
			place b on n1`},
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
			0/1 nodes for agent@n1: 1 insufficient cpu; nearest n1: lacks 0.5 cpu; 0.5 more cpu on n1 would do
			0/1 nodes for agent@n2: 1 insufficient cpu; nearest n2: lacks 0.5 cpu; 0.5 more cpu on n2 would do`},
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
				p, err := newScheduler(t, s, scheduler.Config{Exhaustive: exhaustive}).Plan(t.Context(), snapshot, tt.tasks...)
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

func TestPlanFaults(t *testing.T) {
	s := newScheduler(t, newState(t, scheduler.StateConfig{}), scheduler.Config{})
	_, err := s.Plan(t.Context(), nil)
	assert.EqualError(t, err, "scheduler: plan: no snapshot")
	daemon := berth.NewGroup("d", berth.GroupSpec{Mode: berth.Daemon})
	tasks := []berth.Task{
		{}, {ID: "a", Group: new(berth.Group)}, core1("web").tasks("")[0], daemon.On("n1"),
		berth.NewTask("neg", berth.GroupSpec{Request: berth.Resources{"cpu": -1}}),
	}
	_, err = s.Plan(t.Context(), new(cluster.Snapshot), tasks...)
	assert.EqualError(t, err, strings.Join([]string{
		`scheduler: task "": group: none given`,
		`scheduler: task "a": group: not made by NewGroup`,
		`scheduler: task of group "web": empty name`,
		`scheduler: task "d@n1": group "d" is a daemon: schedule what its Everywhere returns`,
		`scheduler: task "neg": group "neg": resource "cpu": quantity is negative: -1`,
	}, "\n"))
	out, err := s.Schedule(context.Background(), tasks...)
	require.Error(t, err)
	assert.Empty(t, out.Placed)
}

// rival is a State on which somebody else is quicker, as often as it says.
type rival struct {
	*scheduler.State
	races int
	beat  func()
	after func() // a commit, if it is set
	fails error
}

func (r *rival) Commit(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
	if r.fails != nil {
		return nil, r.fails
	}
	if r.races > 0 {
		r.races--
		r.beat()
	}
	out, err := r.State.Commit(ctx, p)
	if r.after != nil {
		r.after()
	}
	return out, err
}

// Nodes n1 to n4 have a core each; at every race the rival places a task where the plan's first one goes.
func TestSchedulePlansAgainWhatLostItsRoom(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		name     string
		tasks    []berth.Task
		races    int
		attempts int
		placed   []string
		refused  []string
	}{
		{"no race", core1("web").tasks("a", "b"), 0, 3, []string{"a on n1", "b on n2"}, nil},
		{"two races", core1("web").tasks("a", "b"), 2, 3, []string{"b on n2", "a on n4"}, nil},
		{"one attempt", core1("web").tasks("a", "b"), 1, 1, []string{"b on n2"}, []string{"place a on n1: insufficient cpu"}},
		{"the default is three", core1("web").tasks("a"), 9, 0, nil, []string{"place a on n3: insufficient cpu"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			src := &rival{State: newState(t, scheduler.StateConfig{}, node("n1", 1000), node("n2", 1000), node("n3", 1000), node("n4", 1000)), races: tt.races}
			quick := newScheduler(t, src.State, scheduler.Config{Strategy: placement.BinPack().TiesByID()})
			src.beat = func() {
				_, err := quick.Schedule(ctx, core1("quick").tasks(fmt.Sprint("quick-", src.races))...)
				require.NoError(t, err)
			}
			out, err := newScheduler(t, src, scheduler.Config{Strategy: placement.BinPack().TiesByID(), Attempts: tt.attempts}).Schedule(ctx, tt.tasks...)
			require.NoError(t, err)
			var placed, refused []string
			for _, op := range out.Placed {
				placed = append(placed, fmt.Sprintf("%v on %s", op.Task, op.Node))
			}
			for _, r := range out.Refused {
				refused = append(refused, r.String())
			}
			assert.Equal(t, tt.placed, placed)
			assert.Equal(t, tt.refused, refused)
			assert.Equal(t, src.Version(), out.Version)
		})
	}

	t.Run("a refusal that no newer snapshot changes", func(t *testing.T) {
		asked := 0
		s := newState(t, scheduler.StateConfig{Admit: func(scheduler.Admission) berth.Reason {
			asked++
			return berth.Reason{Subject: "closed"}
		}}, node("n1", 1000))
		out, err := newScheduler(t, s, scheduler.Config{}).Schedule(ctx, core1("web").tasks("a")...)
		require.NoError(t, err)
		require.Len(t, out.Refused, 1)
		assert.Equal(t, berth.Reason{Code: berth.Denied, Subject: "closed"}, out.Refused[0].Reason)
		assert.Equal(t, 1, asked)
	})
	t.Run("a source that fails", func(t *testing.T) {
		down := errors.New("down")
		_, err := newScheduler(t, &rival{State: new(scheduler.State), fails: down}, scheduler.Config{}).Schedule(ctx)
		assert.ErrorIs(t, err, down)
		ended, cancel := context.WithCancelCause(ctx)
		cancel(down)
		_, err = newScheduler(t, new(scheduler.State), scheduler.Config{}).Schedule(ended)
		assert.ErrorIs(t, err, down)
	})
}

func TestCoverage(t *testing.T) {
	ctx := context.Background()
	agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 500}, Rules: []berth.Constraint{constraints.NotEq("zone", "x")}})
	away := node("n6", 1000)
	away.Attributes = berth.Attributes{"zone": "x"}
	s := newState(t, scheduler.StateConfig{}, node("n1", 1000), node("n2", 1000), node("n3", 250), node("n5", 1000), away)
	sched := newScheduler(t, s, scheduler.Config{})
	out, err := sched.Schedule(ctx, agent.Everywhere())
	require.NoError(t, err)
	require.Len(t, out.Placed, 3)
	require.NoError(t, s.Confirm("agent@n1"))
	require.NoError(t, s.AddNodes(node("n4", 1000)))
	require.NoError(t, s.Release("agent@n5"))
	require.NoError(t, s.Cordon("n5"))

	c, err := sched.Coverage(ctx, agent)
	require.NoError(t, err)
	assert.Equal(t, []string{"n1"}, c.Running)
	assert.Equal(t, []string{"n2", "n4"}, c.Pending, "one is assumed, one has room")
	assert.Equal(t, "agent: 1 running, 2 pending, 0 blocked, 1 impossible, 2 not eligible; n3: lacks 0.25 cpu (it has 0.25 in all)", c.String())
	assert.Equal(t, []berth.Lack{{Reason: berth.Reason{Code: berth.Cordoned}}}, c.Ineligible[0].Lacks)
	assert.Equal(t, "n6", c.Ineligible[1].Node)
	assert.False(t, c.Complete())

	require.NoError(t, s.RemoveNodes("n3"))
	out, err = sched.Schedule(ctx, agent.Everywhere())
	require.NoError(t, err)
	require.Len(t, out.Placed, 1, "n4 has joined since")
	require.NoError(t, s.Confirm("agent@n2", "agent@n4"))
	c, err = sched.Coverage(ctx, agent)
	require.NoError(t, err)
	assert.True(t, c.Complete(), c)

	_, err = scheduler.CoverageOf(nil, nil)
	assert.EqualError(t, err, "scheduler: coverage: group: none given")
	_, err = scheduler.CoverageOf(nil, berth.NewGroup("web", berth.GroupSpec{}))
	assert.EqualError(t, err, `scheduler: coverage: group "web": the mode is count, not daemon`)
	c, err = scheduler.CoverageOf(nil, agent)
	require.NoError(t, err)
	assert.True(t, c.Complete(), "there are no nodes")
}

// What is full now is told from what could never have an instance.
func TestCoverageTellsBlockedFromImpossible(t *testing.T) {
	agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 500}, Ports: []berth.PortRange{{First: 80, Last: 80}}})
	port := func(id string, cpu int64) berth.Node {
		n := node(id, cpu)
		n.Ports = []berth.PortRange{{First: 80, Last: 80}}
		return n
	}
	s := newState(t, scheduler.StateConfig{}, port("full", 1000), port("room", 1000), port("small", 400), node("portless", 1000), port("web", 1000))
	www := berth.NewGroup("www", berth.GroupSpec{Ports: []berth.PortRange{{First: 80, Last: 80}}})
	require.NoError(t, s.Adopt(
		scheduler.Running{Task: webGroup(501).Task("big"), Node: "full"},
		scheduler.Running{Task: www.Task("www"), Node: "web", Grant: &berth.Grant{Ports: []berth.Port{{Number: 80}}}},
	))
	c, err := scheduler.CoverageOf(snapshotOf(t, s), agent)
	require.NoError(t, err)
	assert.Equal(t, []string{"room"}, c.Pending)
	assert.Equal(t, []string{"full", "web"}, names(c.Blocked))
	assert.Equal(t, []string{"portless", "small"}, names(c.Impossible))
	assert.False(t, c.Complete())
	assert.Contains(t, c.String(), "agent: 0 running, 1 pending, 2 blocked, 2 impossible, 0 not eligible; full: ")
}

// mixture returns nodes and tasks of every kind: shapes, modes, rules, devices, more than there is room for.
func mixture(rng *rand.Rand) ([]berth.Node, []berth.Task) {
	var nodes []berth.Node
	for i := range 40 {
		n := node(fmt.Sprintf("n%02d", i), 1000*(1+rng.Int64N(8)))
		n.Attributes = berth.Attributes{"zone": string(rune('a' + i%4))}
		for range i % 3 {
			n.Devices = append(n.Devices, berth.Device{Class: "gpu"})
		}
		nodes = append(nodes, n)
	}
	var tasks []berth.Task
	for i := range 30 {
		spec := berth.GroupSpec{Priority: rng.IntN(3), Request: berth.Resources{"cpu": 100 * rng.Int64N(20)}}
		switch i % 5 {
		case 1:
			spec.Rules = []berth.Constraint{constraints.GroupBy("zone")}
		case 2:
			spec.Devices = []berth.DeviceRequest{{Class: "gpu", Share: 100 * (1 + rng.Int64N(10))}}
		case 3:
			spec.Mode, spec.GangSize = berth.Gang, 1+rng.IntN(12)
		case 4:
			spec.Mode = berth.Daemon
		}
		g := berth.NewGroup(fmt.Sprint("g", i), spec)
		if spec.Mode == berth.Daemon {
			tasks = append(tasks, g.Everywhere())
		} else {
			tasks = append(tasks, g.Tasks(8)...)
		}
	}
	return nodes, tasks
}

// same-inputs-same-plan and node-order-does-not-matter, byte for byte: a hundred plans of one workload, on
// nodes added in another order each time, one by one or at once, on one processor and on two, by a scheduler that has
// planned before and by one that has not.
func TestSamePlan(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, strategy := range []placement.Strategy{placement.BinPack(), placement.Spread("zone"), placement.FirstFit(), placement.Random(7)} {
		rng := rand.New(rand.NewPCG(1, 2))
		nodes, tasks := mixture(rng)
		var want string
		var warm *scheduler.Scheduler
		for i := range 100 {
			runtime.GOMAXPROCS(1 + i%2)
			rng.Shuffle(len(nodes), func(a, b int) { nodes[a], nodes[b] = nodes[b], nodes[a] })
			s := newState(t, scheduler.StateConfig{}, nodes[:i%len(nodes)]...)
			for _, n := range nodes[i%len(nodes):] {
				require.NoError(t, s.AddNodes(n))
			}
			if i%3 == 0 {
				warm = newScheduler(t, s, scheduler.Config{Strategy: strategy})
			}
			p, err := warm.Plan(t.Context(), snapshotOf(t, s), tasks...)
			require.NoError(t, err)
			if i == 0 {
				want = p.String()
				require.NotEmpty(t, p.Ops)
				require.NotEmpty(t, p.Unplaced)
			}
			require.Equal(t, want, p.String(), "%v, repetition %d", strategy, i)
		}
	}
}

// placed-or-explained: every task handed in is in exactly one of the outcome's lists, and one without a node
// says why, with the nodes counted, whatever its mode. There may be no nodes at all.
func TestPlacedOrExplained(t *testing.T) {
	for seed := range uint64(20) {
		nodes, tasks := mixture(rand.New(rand.NewPCG(seed, 3)))
		nodes = nodes[:int(seed)*len(nodes)/20]
		s := newState(t, scheduler.StateConfig{}, nodes...)
		out, err := newScheduler(t, s, scheduler.Config{}).Schedule(context.Background(), tasks...)
		require.NoError(t, err)
		fate := map[string]int{}
		for _, op := range out.Placed {
			fate[op.Task.ID]++
		}
		for _, u := range out.Unplaced {
			id := u.Task.ID
			if u.Task.IsDemand() {
				id = "all of " + u.Task.Group.Name()
			}
			fate[id]++
			require.NotEqual(t, berth.None, u.Reason.Code, "seed %d: %v", seed, u)
			if len(nodes) == 0 && u.Reason.Code != berth.GangIncomplete {
				require.Equal(t, berth.NoNodes, u.Reason.Code, "seed %d: %v", seed, u)
			}
			require.NotEmpty(t, u.String(), "seed %d", seed)
			if u.Why != nil && len(nodes) > 0 {
				require.NotEmpty(t, u.Why.Counts, "seed %d: %v", seed, u)
				require.NotNil(t, u.Why.Nearest, "seed %d: %v", seed, u)
			}
			require.True(t, u.Why != nil || u.Reason.Code == berth.GangIncomplete, "seed %d: %v", seed, u)
		}
		require.Empty(t, out.Refused)
		want := 0
		for _, task := range tasks {
			if task.ID != "" {
				want++
				require.Equal(t, 1, fate[task.ID], "seed %d: %v", seed, task)
				continue
			}
			c, err := scheduler.CoverageOf(snapshotOf(t, s), task.Group)
			require.NoError(t, err)
			if !c.Suits() {
				want++
				require.Equal(t, 1, fate["all of "+task.Group.Name()], "seed %d: %v suits no node", seed, task.Group)
			}
			for _, n := range slices.Concat(c.Pending, names(c.Blocked), names(c.Impossible)) {
				want++
				require.Equal(t, 1, fate[task.Group.On(n).ID], "seed %d: %v on %s", seed, task.Group, n)
			}
		}
		require.Len(t, fate, want, "seed %d", seed)
	}
}

func names(misses []scheduler.Miss) []string {
	var out []string
	for _, m := range misses {
		out = append(out, m.Node)
	}
	return out
}

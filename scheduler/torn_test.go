package scheduler_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
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

// look prints all there is to see of a State.
func look(t testing.TB, s *scheduler.State, groups ...string) string {
	var b strings.Builder
	snapshot := snapshotOf(t, s)
	for n := range snapshot.Nodes() {
		fmt.Fprintf(&b, "%s %t %v\n", n.ID(), n.Cordoned(), n.Free())
		for task := range n.Tasks() {
			fmt.Fprintf(&b, "  %v %v %v %v\n", task.Task, task.State, task.Grant, task.Deadline)
		}
	}
	for _, g := range groups {
		for task := range snapshot.Group(g) {
			fmt.Fprintf(&b, "%v %v %s\n", task.Task, task.State, task.Node)
		}
	}
	for h := range snapshot.Holds() {
		fmt.Fprintf(&b, "%v\n", h)
	}
	at, some := s.NextExpiry()
	fmt.Fprintln(&b, s.Version().Seq, at, some)
	return b.String()
}

// fuse is host code that fails when it is called for the last time it is good for.
type fuse struct {
	calls int
	blow  func()
}

func (f *fuse) burn() {
	if f.calls--; f.calls == 0 {
		f.blow()
	}
}

// brittle is a rule that burns a fuse whenever it is asked.
type brittle struct {
	berth.NodeRule
	*fuse
}

func (b brittle) Allows(n *berth.Node) bool { b.burn(); return b.NodeRule.Allows(n) }
func (b brittle) String() string            { b.burn(); return b.NodeRule.String() }

// survive runs f, which may panic or end its goroutine, and reports whether it returned.
func survive(f func()) (returned bool) {
	done := make(chan bool)
	go func() {
		returned := false
		defer func() {
			_ = recover()
			done <- returned
		}()
		f()
		returned = true
	}()
	return <-done
}

// Whatever function of the host ends a call, and at whichever of its calls, the call has done nothing: the State looks as before,
// nobody is woken, the lock is free, and what was recorded replays to the same. The next call works.
func TestFault01HostCodeTearsNothing(t *testing.T) {
	ctx := context.Background()
	rule := constraints.Exists("zone")
	calls := []struct {
		name string
		call func(s *scheduler.State, sched *scheduler.Scheduler, web, gang *berth.Group)
	}{
		{"schedule", func(s *scheduler.State, sched *scheduler.Scheduler, web, gang *berth.Group) {
			_, _ = sched.Schedule(ctx, web.Tasks(3)...)
		}},
		{"schedule a gang", func(s *scheduler.State, sched *scheduler.Scheduler, web, gang *berth.Group) {
			_, _ = sched.Schedule(ctx, gang.Tasks(4)...)
		}},
		{"commit", func(s *scheduler.State, sched *scheduler.Scheduler, web, gang *berth.Group) {
			p := &cluster.Plan{Version: s.Version(), Together: []string{"gang"}}
			p.Place(web.Task("web-1"), "n1")
			p.Release("old-2")
			p.Take(berth.Hold{ID: "h2", Owner: "o", Node: "n2", Resources: berth.Resources{"cpu": 100}, Deadline: time.Unix(90, 0)})
			p.Place(gang.Task("gang-1"), "n1")
			p.Place(gang.Task("gang-2"), "n2")
			p.Evict("old-3", &berth.Hold{ID: "h3", Owner: "o", Node: "n1", Resources: berth.Resources{"cpu": 100}, Deadline: time.Unix(90, 0)})
			p.Ops = append(p.Ops, berth.Op{Kind: berth.Place, Task: web.Task("web-2"), Node: "n1", From: "holder"})
			p.Drop("h2")
			p.Place(web.Task("web-3"), "n2")
			_, _ = s.Commit(ctx, p)
		}},
		{"add", func(s *scheduler.State, _ *scheduler.Scheduler, _, _ *berth.Group) {
			_ = s.AddNodes(node("n8", 1), node("n9", 1))
		}},
		{"update", func(s *scheduler.State, _ *scheduler.Scheduler, _, _ *berth.Group) {
			_ = s.UpdateNodes(node("n1", 1), node("n2", 7))
		}},
		{"remove", func(s *scheduler.State, _ *scheduler.Scheduler, _, _ *berth.Group) { _ = s.RemoveNodes("n1", "n3") }},
		{"cordon", func(s *scheduler.State, _ *scheduler.Scheduler, _, _ *berth.Group) { _ = s.Cordon("n1", "n2") }},
		{"uncordon", func(s *scheduler.State, _ *scheduler.Scheduler, _, _ *berth.Group) { _ = s.Uncordon("n3") }},
		{"adopt", func(s *scheduler.State, _ *scheduler.Scheduler, web, _ *berth.Group) {
			_ = s.Adopt(scheduler.Running{Task: web.Task("web-8"), Node: "n1"}, scheduler.Running{Task: web.Task("web-9"), Node: "n2"})
		}},
		{"confirm", func(s *scheduler.State, _ *scheduler.Scheduler, _, _ *berth.Group) { _ = s.Confirm("old-1", "old-3") }},
		{"stop", func(s *scheduler.State, _ *scheduler.Scheduler, _, _ *berth.Group) { _ = s.Stop("old-1", "old-3") }},
		{"release", func(s *scheduler.State, _ *scheduler.Scheduler, _, _ *berth.Group) {
			_ = s.Release("old-1", "old-3", "old-2")
		}},
		{"hold", func(s *scheduler.State, _ *scheduler.Scheduler, _, _ *berth.Group) {
			_ = s.Hold(berth.Hold{ID: "h4", Owner: "o", Node: "n2", Resources: berth.Resources{"cpu": 100}, Deadline: time.Unix(90, 0)})
		}},
		{"drop", func(s *scheduler.State, _ *scheduler.Scheduler, _, _ *berth.Group) { _ = s.DropHold("h1") }},
		{"expire", func(s *scheduler.State, _ *scheduler.Scheduler, _, _ *berth.Group) { s.Expire() }},
		{"replay", func(s *scheduler.State, _ *scheduler.Scheduler, web, _ *berth.Group) {
			_ = s.Replay(
				scheduler.Command{Removed: []string{"n3"}},
				scheduler.Command{Ops: []berth.Op{{Kind: berth.Release, ID: "old-2"}, {Kind: berth.Place, Task: web.Task("web-1"), Node: "n1"}}, Deadline: time.Unix(77, 0)},
				scheduler.Command{Ops: []berth.Op{{Kind: berth.Place, Task: web.Task("web-2"), Node: "n2"}}},
			)
		}},
	}
	blows := map[string]func(){
		"panic":  func() { panic("boom") },
		"goexit": runtime.Goexit,
	}
	for _, c := range calls {
		for how, blow := range blows {
			t.Run(c.name+"/"+how, func(t *testing.T) {
				torn := 0
				for at := 1; ; at++ {
					require.Less(t, at, 1000)
					// The same State each time, and host code that fails at call number at.
					f := &fuse{blow: blow}
					now, armed := time.Unix(0, 0), false
					burn := func() {
						if armed {
							f.burn()
						}
					}
					var record []scheduler.Command
					cfg := scheduler.StateConfig{
						AssumeFor: 50 * time.Second,
						Clock:     func() time.Time { burn(); return now },
						Admit:     func(scheduler.Admission) berth.Reason { burn(); return berth.Reason{} },
						Record:    func(c scheduler.Command) error { burn(); record = append(record, c); return nil },
					}
					in := func(id, zone string) berth.Node {
						n := node(id, 8000)
						n.Attributes = berth.Attributes{"zone": zone}
						return n
					}
					s := newState(t, cfg, in("n1", "a"), in("n2", "b"), in("n3", "b"))
					old := berth.NewGroup("old", berth.GroupSpec{Role: "eng", Request: berth.Resources{"cpu": 500}})
					p := newPlan(t, s)
					for i, n := range []string{"n1", "n1", "n1", "n3"} {
						p.Place(old.Task(fmt.Sprint("old-", i)), n)
					}
					p.Take(berth.Hold{ID: "h1", Owner: "holder", Node: "n1", Resources: berth.Resources{"cpu": 1000}, Deadline: time.Unix(60, 0)})
					require.Empty(t, commit(t, s, p).Refused)
					require.NoError(t, s.Confirm("old-2"))
					require.NoError(t, s.Cordon("n3"))
					sched := newScheduler(t, s, scheduler.Config{})
					fuseOfRules := &fuse{calls: math.MaxInt, blow: blow}
					spec := berth.GroupSpec{Role: "eng/web", Request: berth.Resources{"cpu": 300}, Rules: []berth.Constraint{brittle{rule, fuseOfRules}}}
					web := berth.NewGroup("web", spec)
					spec.Mode, spec.GangSize = berth.Gang, 2
					gang := berth.NewGroup("gang", spec)
					if c.name == "expire" {
						now = time.Unix(55, 0)
					}

					before, changed, recorded := look(t, s, "old", "web", "gang"), s.Changed(), len(record)
					f.calls, fuseOfRules.calls, armed = at, at, true
					returned := survive(func() { c.call(s, sched, web, gang) })
					armed, fuseOfRules.calls = false, math.MaxInt
					if returned {
						break // there are no more calls of the host's code
					}
					torn++
					require.Equal(t, before, look(t, s, "old", "web", "gang"), "host code fails at call %d", at)
					require.Len(t, record, recorded, "host code fails at call %d", at)
					select {
					case <-changed:
						require.Fail(t, "woken by nothing")
					default:
					}

					// It works as one to which nothing happened.
					out, err := sched.Schedule(ctx, web.Tasks(3)...)
					require.NoError(t, err)
					require.Len(t, out.Placed, 3)
					<-changed
					again := newState(t, scheduler.StateConfig{AssumeFor: cfg.AssumeFor, Clock: cfg.Clock})
					require.NoError(t, again.Replay(record...))
					require.Equal(t, look(t, s, "old", "web", "gang"), look(t, again, "old", "web", "gang"))
				}
				require.Positive(t, torn)
			})
		}
	}
}

// A strategy that panics leaves the Scheduler good for the next plan: it is that of one that never saw the fault.
func TestStrategyPanics(t *testing.T) {
	ctx := context.Background()
	for _, exhaustive := range []bool{false, true} {
		f := &fuse{calls: math.MaxInt, blow: func() { panic("boom") }}
		faulty := placement.Func("in use, or boom", func(c *placement.Candidate) int64 {
			f.burn()
			return (c.Capacity[0] - c.Free[0] + c.Request[0]) * placement.Resolution / c.Capacity[0]
		})
		s := newState(t, scheduler.StateConfig{}, node("n1", 3000), node("n2", 2000), node("n3", 1000))
		sched := newScheduler(t, s, scheduler.Config{Strategy: placement.Best(faulty), Exhaustive: exhaustive})
		for at := 1; at < 12; at++ {
			f.calls = at
			version := s.Version()
			if survive(func() { _, _ = sched.Schedule(ctx, core1("web").tasks("a", "b")...) }) {
				require.NoError(t, s.Release("a", "b"))
				continue
			}
			require.Equal(t, version, s.Version())
			f.calls = math.MaxInt
			got, err := sched.Plan(ctx, snapshotOf(t, s), core1("web").tasks("a", "b", "c", "d")...)
			require.NoError(t, err)
			want, err := newScheduler(t, s, scheduler.Config{Exhaustive: true}).Plan(ctx, snapshotOf(t, s), core1("web").tasks("a", "b", "c", "d")...)
			require.NoError(t, err)
			require.Equal(t, want.String(), got.String())
		}
	}
}

// moody is a rule of every kind that answers differently from one time to another.
type moody struct{ calls, odd int }

func (m *moody) turn() bool {
	m.calls++
	return m.calls%m.odd != 0
}
func (m *moody) Err() error                  { return nil }
func (m *moody) Allows(*berth.Node) bool     { return m.turn() }
func (m *moody) Why(*berth.Node) string      { return fmt.Sprint("mood ", m.turn()) }
func (m *moody) Counts() berth.Counting      { return berth.Counting{Even: m.turn()} }
func (m *moody) Tolerates(berth.Taint) bool  { return m.turn() }
func (m *moody) Stay() (time.Duration, bool) { return time.Second, m.turn() }
func (m *moody) String() string {
	if m.turn() {
		return "moody"
	}
	return fmt.Sprint("moody ", m.calls)
}
func (m *moody) Reads() []string {
	if m.turn() {
		return []string{"zone"}
	}
	return nil
}
func (m *moody) Domain() string { return []string{"zone", berth.NodeID, "rack", "none"}[m.calls%4] }
func (m *moody) Limit(berth.Domains) int {
	return []int{math.MinInt, -1, 0, 1, 2, math.MaxInt}[m.calls%6]
}

// A rule that contradicts itself cannot make the library panic, loop or lose count, whatever it is asked for.
func TestFault03RulesThatContradictThemselves(t *testing.T) {
	ctx := context.Background()
	for odd := 2; odd < 40; odd++ {
		for _, exhaustive := range []bool{false, true} {
			rule := &moody{odd: odd}
			var nodes []berth.Node
			for i := range 6 {
				n := node(fmt.Sprint("n", i), 2000)
				n.Attributes = berth.Attributes{"zone": string(rune('a' + i%2)), "rack": i}
				n.Taints = []berth.Taint{{Key: "dedicated"}}
				nodes = append(nodes, n)
			}
			s := newState(t, scheduler.StateConfig{}, nodes...)
			sched := newScheduler(t, s, scheduler.Config{Exhaustive: exhaustive})
			spec := berth.GroupSpec{Request: berth.Resources{"cpu": 700}, Rules: []berth.Constraint{rule}, Prefer: []berth.Preference{{Weight: 3, Rule: rule}}}
			web := berth.NewGroup("web", spec)
			spec.Mode = berth.Daemon
			logs := berth.NewGroup("logs", spec)
			spec.Mode, spec.GangSize = berth.Gang, 2
			gang := berth.NewGroup("gang", spec)
			for round := range 4 {
				_, err := sched.Schedule(ctx, append(append(web.Tasks(4+round), logs.Everywhere()), gang.Tasks(3)...)...)
				require.NoError(t, err)
				p := &cluster.Plan{Version: s.Version(), Together: []string{"gang"}}
				for i := range 3 {
					p.Place(web.Task(fmt.Sprintf("more-%d-%d", round, i)), fmt.Sprint("n", i))
					p.Place(gang.Task(fmt.Sprintf("gang-%d-%d", round, i)), fmt.Sprint("n", i+2))
				}
				_, err = s.Commit(ctx, p)
				require.NoError(t, err)
				snapshot := snapshotOf(t, s)
				fork := snapshot.Fork()
				for n := range fork.Nodes() {
					fork.Fits(web, n)
					fork.Lacks(gang, n)
					require.GreaterOrEqual(t, n.Free()["cpu"], int64(0))
				}
				fork.Explain(web)
				fork.Domains(gang, "zone")
				_, err = scheduler.CoverageOf(snapshot, logs)
				require.NoError(t, err)
				var ids []string
				tasks := 0
				for n := range snapshot.Nodes() {
					for task := range n.Tasks() {
						if tasks++; tasks%2 == 0 {
							ids = append(ids, task.ID)
						}
					}
				}
				require.Equal(t, tasks, snapshot.Tasks())
				require.NoError(t, s.Release(ids...))
				require.NoError(t, s.Cordon(fmt.Sprint("n", round)))
			}
			require.NoError(t, s.UpdateNodes(nodes...))
			require.NoError(t, s.RemoveNodes("n0", "n1", "n2", "n3", "n4", "n5"))
		}
	}
}

// The input that was seen: a rule that holds but for its third answer.
func TestFault03MaintenanceWindow(t *testing.T) {
	for window := range 12 {
		s := newState(t, scheduler.StateConfig{}, node("n1", 9000))
		k := 0
		g := berth.NewGroup("web", berth.GroupSpec{Rules: []berth.Constraint{ruleFunc(func() bool { k++; return k != window })}})
		p := newPlan(t, s)
		for _, task := range g.Tasks(3) {
			p.Place(task, "n1")
		}
		out := commit(t, s, p)
		assert.Len(t, out.Placed, 3-len(out.Refused))
		for _, r := range out.Refused {
			assert.Equal(t, berth.RuleBroken, r.Reason.Code)
		}
	}
}

type ruleFunc func() bool

func (f ruleFunc) String() string          { return "not in the window" }
func (f ruleFunc) Err() error              { return nil }
func (f ruleFunc) Reads() []string         { return nil }
func (f ruleFunc) Allows(*berth.Node) bool { return f() }
func (f ruleFunc) Why(*berth.Node) string  { return "it is" }

// running out is a context that ends when it has been looked at a number of times.
type runningOut struct {
	context.Context
	looks *int
}

func (c runningOut) Err() error {
	if *c.looks--; *c.looks < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

// Planning looks at the context all along, and nothing of a plan that it ends is committed.
func TestFault04PlanningEndsWithItsContext(t *testing.T) {
	var nodes []berth.Node
	for i := range 50 {
		nodes = append(nodes, node(fmt.Sprint("n", i), 100_000))
	}
	tiny := berth.NewGroup("tiny", berth.GroupSpec{Request: berth.Resources{"cpu": 1}})
	gang := berth.NewGroup("gang", berth.GroupSpec{Request: berth.Resources{"cpu": 1}, Mode: berth.Gang, GangSize: 1000})
	var hopeless []berth.Task // each looks at every node, to say why
	for i := range 40 {
		hopeless = append(hopeless, berth.NewTask(fmt.Sprint("hopeless-", i), berth.GroupSpec{Request: berth.Resources{"cpu": 1 << 40, fmt.Sprint("r", i): 1}}))
	}
	for _, c := range []struct {
		name  string
		cfg   scheduler.Config
		tasks []berth.Task
		looks int // at the context, at least
	}{
		{"one step", scheduler.Config{}, tiny.Tasks(2000), 2000 / 100},
		{"gang", scheduler.Config{}, gang.Tasks(2000), 2000 / 100},
		{"explanations", scheduler.Config{}, hopeless, 40},
		{"three steps", scheduler.Config{Exhaustive: true}, tiny.Tasks(200), 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newState(t, scheduler.StateConfig{}, nodes...)
			sched := newScheduler(t, s, c.cfg)
			version, snapshot := s.Version(), snapshotOf(t, s)
			for _, looks := range []int{0, 1, 2, c.looks / 2, c.looks} {
				left := looks
				out, err := sched.Schedule(runningOut{t.Context(), &left}, c.tasks...)
				require.ErrorIs(t, err, context.DeadlineExceeded, "after %d looks", looks)
				require.Empty(t, out.Placed)
				require.Equal(t, version, s.Version())
				left = looks
				_, err = sched.Plan(runningOut{t.Context(), &left}, snapshot, c.tasks...)
				require.ErrorIs(t, err, context.DeadlineExceeded, "after %d looks", looks)
			}
			why := errors.New("closing time")
			ended, cancel := context.WithCancelCause(t.Context())
			cancel(why)
			_, err := sched.Plan(ended, snapshot, c.tasks...)
			require.ErrorIs(t, err, why)
			_, err = sched.Schedule(t.Context(), c.tasks[:10]...)
			require.NoError(t, err)
		})
	}
}

// What an earlier attempt has placed is told when the context ends before the next.
func TestFault04EarlierAttemptsAreTold(t *testing.T) {
	why := errors.New("closing time")
	ctx, cancel := context.WithCancelCause(t.Context())
	src := &rival{State: newState(t, scheduler.StateConfig{}, node("n1", 1000), node("n2", 1000), node("n3", 1000)), races: 1}
	quick := newScheduler(t, src.State, scheduler.Config{})
	src.beat = func() {
		_, err := quick.Schedule(t.Context(), core1("quick").tasks("quick-1")...)
		require.NoError(t, err)
	}
	src.after = func() { cancel(why) }
	out, err := newScheduler(t, src, scheduler.Config{}).Schedule(ctx, core1("web").tasks("a", "b")...)
	require.ErrorIs(t, err, why)
	require.Len(t, out.Placed, 1, "b, on n2")
	require.Equal(t, "b", out.Placed[0].Task.ID)
}

func TestNothingGiven(t *testing.T) {
	var none *scheduler.State
	ctx := t.Context()
	s := newState(t, scheduler.StateConfig{}, node("n1", 1))
	for _, err := range []error{
		none.AddNodes(node("n1", 1)), none.UpdateNodes(node("n1", 1)), none.RemoveNodes("n1"), none.Cordon("n1"), none.Uncordon("n1"),
		none.Adopt(scheduler.Running{}), none.Confirm("t"), none.Stop("t"), none.Release("t"), none.Hold(berth.Hold{}), none.DropHold("h"), none.Replay(),
		second(none.Snapshot(ctx)), second(none.Commit(ctx, new(cluster.Plan))),
	} {
		assert.EqualError(t, err, "scheduler: no state")
	}
	assert.Nil(t, none.Changed())
	assert.Zero(t, none.Version())
	assert.Zero(t, none.Now())
	_, ok := none.Task("t")
	assert.False(t, ok)
	_, ok = none.NextExpiry()
	assert.False(t, ok)
	tasks, holds, _ := none.Expire()
	assert.Empty(t, tasks)
	assert.Empty(t, holds)

	var noContext context.Context
	sched := newScheduler(t, s, scheduler.Config{})
	agent := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon})
	for _, err := range []error{
		second(s.Snapshot(noContext)), second(s.Commit(noContext, newPlan(t, s))), second(sched.Schedule(noContext)),
		second(sched.Plan(noContext, snapshotOf(t, s))), second(sched.Coverage(noContext, agent)),
	} {
		assert.ErrorContains(t, err, "no context")
	}
	_, err := s.Commit(ctx, nil)
	assert.EqualError(t, err, "scheduler: commit: no plan")

	var noScheduler *scheduler.Scheduler
	for _, err := range []error{second(noScheduler.Schedule(ctx)), second(noScheduler.Plan(ctx, snapshotOf(t, s))), second(noScheduler.Coverage(ctx, agent))} {
		assert.EqualError(t, err, "scheduler: no source")
	}
	_, err = scheduler.New((*scheduler.State)(nil), scheduler.Config{Strategy: placement.Best(placement.Term{})})
	assert.EqualError(t, err, "scheduler: no source\nscheduler: strategy: placement: term: not made by any of its functions")
	assert.False(t, (*scheduler.Coverage)(nil).Complete())
	assert.NotEmpty(t, (*scheduler.Coverage)(nil).String())
	assert.Empty(t, scheduler.Command{}.String())
}

func second[T any](_ T, err error) error { return err }

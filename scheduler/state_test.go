package scheduler_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

var _ scheduler.Source = (*scheduler.State)(nil)

func node(id string, cpu int64) berth.Node {
	return berth.Node{ID: id, Capacity: berth.Resources{"cpu": cpu}}
}

func newState(t testing.TB, cfg scheduler.StateConfig, nodes ...berth.Node) *scheduler.State {
	t.Helper()
	s, err := scheduler.NewState(cfg, nodes...)
	require.NoError(t, err)
	return s
}

func snapshotOf(t testing.TB, s *scheduler.State) *cluster.Snapshot {
	t.Helper()
	snap, err := s.Snapshot(context.Background())
	require.NoError(t, err)
	return snap
}

func newPlan(t testing.TB, s *scheduler.State) *cluster.Plan {
	t.Helper()
	return &cluster.Plan{Version: snapshotOf(t, s).Version()}
}

func commit(t testing.TB, s *scheduler.State, p *cluster.Plan) *cluster.Outcome {
	t.Helper()
	out, err := s.Commit(context.Background(), p)
	require.NoError(t, err)
	return out
}

func TestCommitWithoutChangeCopiesNothing(t *testing.T) {
	s := newState(t, scheduler.StateConfig{}, node("n1", 4000), node("n2", 4000))
	g := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	for _, together := range []bool{false, true} {
		p := newPlan(t, s)
		if together {
			p.Together = []string{"web"}
		}
		for i := range 3 {
			p.Place(g.Task(fmt.Sprintf("t%v%d", together, i)), "n1")
			p.Ops[i].Node = fmt.Sprintf("n%d", i%2+1)
		}
		out := commit(t, s, p)
		require.Len(t, out.Placed, 3)
		assert.Same(t, &p.Ops[0], &out.Placed[0])
		assert.Empty(t, out.Refused)
	}
}

// Whatever is wrong with a call, its error names the thing, names every fault, and nothing has changed.
func TestBadInput(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	hold := func(id string, deadline time.Time) berth.Hold {
		return berth.Hold{ID: id, Owner: "o", Node: "n1", Resources: berth.Resources{"cpu": 1000}, Deadline: deadline}
	}
	group := func(name string, spec berth.GroupSpec) *berth.Group { return berth.NewGroup(name, spec) }
	plain := group("web", berth.GroupSpec{})
	type S = *scheduler.State
	tests := []struct {
		name   string
		do     func(s S) error
		is     error
		faults []string
	}{
		{"nodes at fault", func(s S) error {
			return s.AddNodes(node("n1", 1), node("", 1), node("n9", -5), node("n8", 1), node("n8", 1))
		}, berth.ErrNodeExists, []string{`node "n1"`, "empty name", `node "n9": resource "cpu"`, `node "n8"`}},
		{"update of unknown nodes", func(s S) error { return s.UpdateNodes(node("n1", 1), node("x", 1), node("y", 1)) }, berth.ErrUnknownNode, []string{`"x"`, `"y"`}},
		{"removal of unknown nodes", func(s S) error { return s.RemoveNodes("n1", "x", "y") }, berth.ErrUnknownNode, []string{`"x"`, `"y"`}},
		{"cordon of unknown nodes", func(s S) error { return s.Cordon("n1", "x", "y") }, berth.ErrUnknownNode, []string{`"x"`, `"y"`}},
		{"uncordon of unknown nodes", func(s S) error { return s.Uncordon("n1", "x", "y") }, berth.ErrUnknownNode, []string{`"x"`, `"y"`}},
		{"confirmation of unknown and lost tasks", func(s S) error { return s.Confirm("run-1", "x", "y", "lost-1") }, berth.ErrUnknownTask, []string{`"x"`, `"y"`, `task "lost-1": lost cannot become running`}},
		{"stop of unknown and lost tasks", func(s S) error { return s.Stop("run-1", "x", "y", "lost-1") }, berth.ErrUnknownTask, []string{`"x"`, `"y"`, `task "lost-1": lost cannot become stopping`}},
		{"release of unknown tasks", func(s S) error { return s.Release("run-1", "x", "y") }, berth.ErrUnknownTask, []string{`"x"`, `"y"`}},
		{"drop of unknown holds", func(s S) error { return s.DropHold("h1", "x", "y") }, berth.ErrUnknownHold, []string{`"x"`, `"y"`}},
		{"adoption at fault", func(s S) error {
			return s.Adopt(
				scheduler.Running{Task: plain.Task("good"), Node: "n1"},
				scheduler.Running{Task: plain.Task("run-1"), Node: "n1"},
				scheduler.Running{Task: plain.Task("a"), Node: "x"},
				scheduler.Running{Task: berth.Task{ID: "groupless"}, Node: "n1"},
				scheduler.Running{Task: plain.Task("twice"), Node: "n1"},
				scheduler.Running{Task: plain.Task("twice"), Node: "n1"},
				scheduler.Running{Task: plain.Task("state"), Node: "n1", State: berth.Lost},
				scheduler.Running{Task: group("neg", berth.GroupSpec{Request: berth.Resources{"cpu": -1}}).Task("neg-1"), Node: "n1"},
				scheduler.Running{Task: group("role", berth.GroupSpec{Role: "eng//web"}).Task("role-1"), Node: "n1"},
				scheduler.Running{Task: plain.Task("dev"), Node: "n1", Grant: &berth.Grant{Devices: []berth.DeviceShare{{Class: "gpu", ID: "3", Units: 5000}}}},
			)
		}, berth.ErrUnknownNode, []string{`"run-1"`, `node "x"`, `"groupless"`, `"twice"`, `task "state": a task cannot be adopted as lost`, `"neg-1"`, `role "eng//web": empty segment`, `device gpu "3": 5000 units`}},
		{"hold without anything", func(s S) error { return s.Hold(berth.Hold{}) }, nil, []string{"hold: empty name", "owner: empty name", "node: empty name", "no deadline"}},
		{"hold that is over", func(s S) error { return s.Hold(hold("h2", now)) }, nil, []string{`scheduler: hold "h2": its deadline has passed`}},
		{"hold that is over and more", func(s S) error {
			return s.Hold(berth.Hold{Node: "n1", Ports: []berth.Port{{Number: 0}}, Deadline: now})
		}, nil, []string{"hold: empty name", "owner: empty name", "port 0", "its deadline has passed"}},
		{"hold for ever", func(s S) error { return s.Hold(hold("h2", time.Time{})) }, nil, []string{`hold "h2": no deadline`}},
		{"hold without room", func(s S) error {
			h := hold("h2", now.Add(time.Hour))
			h.Resources["cpu"] = 1 << 62
			return s.Hold(h)
		}, berth.Reason{Code: berth.TooSmall, Subject: "cpu"}, []string{"h2"}},
		{"hold of a taken ID", func(s S) error { return s.Hold(hold("h1", now.Add(time.Hour))) }, berth.Reason{Code: berth.HoldExists, Subject: "h1"}, nil},
		{"no plan", func(s S) error { _, err := s.Commit(context.Background(), nil); return err }, nil, []string{"no plan"}},
		{"plan of another lineage", func(s S) error {
			p := newPlan(t, newState(t, scheduler.StateConfig{}, node("n1", 4000)))
			p.Place(plain.Task("a"), "n1")
			_, err := s.Commit(context.Background(), p)
			return err
		}, berth.ErrLineage, nil},
		{"plan without a version", func(s S) error { _, err := s.Commit(context.Background(), &cluster.Plan{}); return err }, berth.ErrLineage, []string{"it has no Version"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			recorded := 0
			s := newState(t, scheduler.StateConfig{
				Clock:  func() time.Time { return now },
				Record: func(scheduler.Command) error { recorded++; return nil },
			}, node("n1", 4000), node("n2", 1000))
			require.NoError(t, s.Adopt(
				scheduler.Running{Task: group("run", berth.GroupSpec{}).Task("run-1"), Node: "n1"},
				scheduler.Running{Task: group("lost", berth.GroupSpec{}).Task("lost-1"), Node: "n2"},
			))
			require.NoError(t, s.RemoveNodes("n2"))
			require.NoError(t, s.Hold(hold("h1", now.Add(time.Hour))))
			recorded = 0
			version, changed := s.Version(), s.Changed()

			err := tt.do(s)
			require.Error(t, err)
			if tt.is != nil {
				require.ErrorIs(t, err, tt.is)
			}
			for _, fault := range tt.faults {
				assert.ErrorContains(t, err, fault)
			}
			assert.True(t, strings.HasPrefix(err.Error(), "scheduler: "), err)
			assert.Equal(t, version, s.Version())
			assert.Zero(t, recorded)
			select {
			case <-changed:
				t.Error("a call that failed woke those who wait")
			default:
			}
			task, _ := s.Task("run-1")
			assert.Equal(t, berth.Running, task.State)
		})
	}
}

// What was not made by its constructor is empty or says so; nothing panics.
func TestZeroValues(t *testing.T) {
	ctx := context.Background()
	var s scheduler.State
	assert.Zero(t, snapshotOf(t, new(scheduler.State)).Len())
	assert.Zero(t, new(scheduler.State).Version().Seq)
	assert.WithinDuration(t, time.Now(), new(scheduler.State).Now(), time.Minute)
	assert.NotNil(t, new(scheduler.State).Changed())
	_, some := new(scheduler.State).NextExpiry()
	assert.False(t, some)
	_, known := new(scheduler.State).Task("t")
	assert.False(t, known)
	assert.ErrorIs(t, new(scheduler.State).Confirm("t"), berth.ErrUnknownTask)
	assert.NoError(t, new(scheduler.State).Replay(scheduler.Command{Added: []berth.Node{node("n1", 1)}}))
	require.NoError(t, s.AddNodes(node("n1", 1)))
	out, err := newScheduler(t, &s, scheduler.Config{}).Schedule(ctx, berth.NewTask("t", berth.GroupSpec{}))
	require.NoError(t, err)
	assert.Len(t, out.Placed, 1)

	for _, source := range []scheduler.Source{nil, (*scheduler.State)(nil)} {
		_, err = scheduler.New(source, scheduler.Config{Attempts: -1})
		assert.EqualError(t, err, "scheduler: no source\nscheduler: attempts: -1 is negative")
	}
	none := new(scheduler.Scheduler)
	_, err = none.Schedule(ctx)
	assert.EqualError(t, err, "scheduler: no source")
	_, err = none.Plan(t.Context(), snapshotOf(t, &s))
	assert.EqualError(t, err, "scheduler: no source")
	_, err = none.Coverage(ctx, berth.NewGroup("d", berth.GroupSpec{Mode: berth.Daemon}))
	assert.EqualError(t, err, "scheduler: no source")

	var a scheduler.Admission
	assert.Empty(t, a.Role())
	assert.Empty(t, a.Cost())
	assert.Empty(t, a.Used(""))
}

func TestNewStateFaults(t *testing.T) {
	_, err := scheduler.NewState(scheduler.StateConfig{AssumeFor: -1}, node("n1", -1), node("n2", 1), node("n2", 1))
	for _, fault := range []string{"AssumeFor is negative", `node "n1"`, `node "n2"`} {
		assert.ErrorContains(t, err, fault)
	}
}

func TestAdmission(t *testing.T) {
	var asked []string
	s := newState(t, scheduler.StateConfig{
		Clock: func() time.Time { return time.Unix(0, 0) },
		Admit: func(a scheduler.Admission) berth.Reason {
			asked = append(asked, fmt.Sprintf("%v | role %q costs %v, eng uses %v, all use %v", a.Op, a.Role(), a.Cost(), a.Used("eng"), a.Used("")))
			if a.Op.Task.ID == "a-2" {
				return berth.Reason{Subject: "over quota"}
			}
			if a.Op.Kind == berth.Take {
				return berth.Reason{Code: berth.Insufficient, Subject: "holds"}
			}
			return berth.Reason{}
		},
	}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 9000}, Devices: []berth.Device{{Class: "gpu"}}})
	a := berth.NewGroup("a", berth.GroupSpec{Role: "eng/web", Request: berth.Resources{"cpu": 1000}})
	p := newPlan(t, s)
	p.Place(a.Task("a-1"), "n1")
	p.Place(a.Task("a-2"), "n1")
	p.Place(a.Task("a-3"), "n1")
	p.Release("a-1")
	p.Take(berth.Hold{ID: "h", Owner: "o", Node: "n1", Devices: []berth.DeviceShare{{Class: "gpu", ID: "0", Units: 500}}, Deadline: time.Unix(9, 0)})
	p.Place(berth.Task{ID: "groupless"}, "n1")
	out := commit(t, s, p)
	assert.Equal(t, []string{
		`place a-1 on n1 | role "eng/web" costs cpu 1, eng uses nothing, all use nothing`,
		`place a-2 on n1 | role "eng/web" costs cpu 1, eng uses cpu 1, all use cpu 1`,
		`place a-3 on n1 | role "eng/web" costs cpu 1, eng uses cpu 1, all use cpu 1`,
		`hold h for o on n1: nothing | role "" costs gpu 500, eng uses cpu 1, all use cpu 1`,
	}, asked, "in order, each after what came before it; faulty operations and endings are not asked about")
	var why []string
	for _, r := range out.Refused {
		why = append(why, r.Reason.String())
	}
	assert.Equal(t, []string{"denied over quota", "insufficient holds", `invalid task "groupless": group: none given`}, why)
}

// Sums beyond int64 stay at its largest value, and come back down exactly.
func TestUseBeyondInt64(t *testing.T) {
	var used []int64
	s := newState(t, scheduler.StateConfig{Admit: func(a scheduler.Admission) berth.Reason {
		used = append(used, a.Used("")["memory"])
		return berth.Reason{}
	}})
	huge := berth.NewGroup("huge", berth.GroupSpec{Request: berth.Resources{"memory": math.MaxInt64}})
	for i := range 3 {
		require.NoError(t, s.AddNodes(berth.Node{ID: fmt.Sprintf("n%d", i), Capacity: berth.Resources{"memory": math.MaxInt64}}))
	}
	place := func(i int) {
		p := newPlan(t, s)
		p.Place(huge.Task(fmt.Sprintf("huge-%d", i)), fmt.Sprintf("n%d", i))
		require.Len(t, commit(t, s, p).Placed, 1)
	}
	place(0)
	place(1)
	place(2)
	require.NoError(t, s.Release("huge-0", "huge-1"))
	place(0)
	assert.Equal(t, []int64{0, math.MaxInt64, math.MaxInt64, math.MaxInt64}, used)
}

func TestHoldsEndByThemselves(t *testing.T) {
	now := time.Unix(1000, 0)
	s := newState(t, scheduler.StateConfig{Clock: func() time.Time { return now }, AssumeFor: 5 * time.Second}, node("n1", 1000))
	hold := berth.Hold{ID: "h", Owner: "o", Node: "n1", Resources: berth.Resources{"cpu": 1000}, Deadline: now.Add(time.Second)}
	require.NoError(t, s.Hold(hold))
	p := newPlan(t, s)
	p.Place(berth.NewTask("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}}), "n1")
	assert.Equal(t, berth.Reason{Code: berth.Insufficient, Subject: "cpu"}, commit(t, s, p).Refused[0].Reason)
	at, ok := s.NextExpiry()
	require.True(t, ok)
	assert.True(t, at.Equal(hold.Deadline))

	now = hold.Deadline
	drawn := newPlan(t, s)
	drawn.Ops = append(drawn.Ops, p.Ops[0])
	drawn.Ops[0].From = "o"
	assert.Equal(t, berth.UnknownHold, commit(t, s, drawn).Refused[0].Reason.Code, "a hold is over at its deadline")
	assert.Len(t, commit(t, s, p).Placed, 1, "and its room is free")

	now = now.Add(5 * time.Second)
	assert.Equal(t, 1, snapshotOf(t, s).Tasks(), "a task does not expire by itself")
	tasks, holds, _ := s.Expire()
	assert.Empty(t, holds)
	require.Len(t, tasks, 1)
	assert.Equal(t, "web", tasks[0].ID)
	assert.Zero(t, snapshotOf(t, s).Tasks())
	_, ok = s.NextExpiry()
	assert.False(t, ok)
}

// What Record was given stays what it was, whatever the caller does with what it handed in.
func TestRecordOwnsItsCommands(t *testing.T) {
	var record []scheduler.Command
	s := newState(t, scheduler.StateConfig{Record: func(c scheduler.Command) error { record = append(record, c); return nil }})
	nodes := []berth.Node{node("n1", 4000)}
	require.NoError(t, s.AddNodes(nodes...))
	nodes[0].Capacity["cpu"] = 1
	nodes[0].ID = "other"
	hold := berth.Hold{ID: "h", Owner: "o", Node: "n1", Resources: berth.Resources{"cpu": 1000}, Deadline: time.Now().Add(time.Hour)}
	p := newPlan(t, s)
	p.Take(hold)
	p.Place(berth.NewTask("web", berth.GroupSpec{}), "n1")
	commit(t, s, p)
	hold.Resources["cpu"] = 4000
	p.Ops[1].Node = "elsewhere"
	var lines []string
	for _, c := range record {
		lines = append(lines, c.String())
	}
	assert.Equal(t, []string{"add node n1: cpu 4\n", "hold h for o on n1: cpu 1\nplace web on n1\n"}, lines)
	require.NoError(t, newState(t, scheduler.StateConfig{}).Replay(record...))
}

// Schedulers, a host and readers at once; the race detector watches. However they interleave, the
// record replayed gives the same State.
func TestConcurrentUse(t *testing.T) {
	var record []scheduler.Command
	s := newState(t, scheduler.StateConfig{Record: func(c scheduler.Command) error { record = append(record, c); return nil }}, node("n1", 4000), node("n2", 4000))
	g := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	ctx := context.Background()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 50 {
				ch := s.Changed()
				snap, err := s.Snapshot(ctx)
				if !assert.NoError(t, err) {
					return
				}
				p := &cluster.Plan{Version: snap.Version()}
				for n := range snap.Nodes() {
					p.Place(g.Task(fmt.Sprintf("web-%d-%d-%s", w, i, n.ID())), n.ID())
				}
				out, err := s.Commit(ctx, p)
				if !assert.NoError(t, err) {
					return
				}
				for _, op := range out.Placed {
					<-ch                                               // it has changed since
					if err := s.Confirm(op.Task.ID); op.Node != "n3" { // which may be gone already
						assert.NoError(t, err)
					}
					assert.NoError(t, s.Release(op.Task.ID))
				}
			}
		})
	}
	wg.Go(func() {
		for range 50 {
			assert.NoError(t, s.AddNodes(node("n3", 1000)))
			assert.NoError(t, s.Cordon("n3"))
			s.Expire()
			s.NextExpiry()
			assert.NoError(t, s.UpdateNodes(node("n3", 2000)))
			assert.NoError(t, s.RemoveNodes("n3"))
		}
	})
	wg.Wait()
	again := newState(t, scheduler.StateConfig{})
	require.NoError(t, again.Replay(record...))
	assert.Equal(t, s.Version().Seq, again.Version().Seq)
	assert.Equal(t, snapshotOf(t, s).Tasks(), snapshotOf(t, again).Tasks())
}

func ExampleState() {
	state, err := scheduler.NewState(scheduler.StateConfig{},
		berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 2000}},
		berth.Node{ID: "n2", Capacity: berth.Resources{"cpu": 2000}},
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1500}})

	snapshot, _ := state.Snapshot(ctx)
	plan := &cluster.Plan{Version: snapshot.Version()} // a Scheduler makes better ones
	plan.Place(web.Task("web-1"), "n1")
	plan.Place(web.Task("web-2"), "n1")
	out, _ := state.Commit(ctx, plan)
	for _, op := range out.Placed {
		fmt.Println(op)
	}
	for _, r := range out.Refused {
		fmt.Println("refused:", r)
	}

	fmt.Println(state.Confirm("web-1", "web-2"))
	// Output:
	// place web-1 on n1
	// refused: place web-2 on n1: insufficient cpu
	// scheduler: task "web-2": unknown task
}

func ExampleState_Replay() {
	var record []scheduler.Command
	live, _ := scheduler.NewState(scheduler.StateConfig{
		Record: func(c scheduler.Command) error { record = append(record, c); return nil },
	}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 2000}})
	_ = live.Adopt(scheduler.Running{Task: berth.NewTask("db", berth.GroupSpec{Request: berth.Resources{"cpu": 500}}), Node: "n1"})
	_ = live.Cordon("n1")

	again, _ := scheduler.NewState(scheduler.StateConfig{})
	if err := again.Replay(record...); err != nil {
		fmt.Println(err)
	}
	for _, c := range record {
		fmt.Print(c)
	}
	snapshot, _ := again.Snapshot(context.Background())
	for n := range snapshot.Nodes() {
		fmt.Println(n.ID(), "has", n.Free(), "free, cordoned:", n.Cordoned())
	}
	// Output:
	// add node n1: cpu 2
	// adopt db on n1 running
	// cordon node n1
	// n1 has cpu 1.5 free, cordoned: true
}

// Two groups that go together, woven into each other: when the first fails, what the second did meanwhile
// is done again without the first; when the second fails too, nothing of the first has come back.
func TestGroupsInterleaved(t *testing.T) {
	s := newState(t, scheduler.StateConfig{}, node("n1", 4000))
	a := berth.NewGroup("a", berth.GroupSpec{Request: berth.Resources{"cpu": 2000}})
	b := berth.NewGroup("b", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	x := berth.NewTask("x", berth.GroupSpec{Request: berth.Resources{"cpu": 3000}})
	p := newPlan(t, s)
	p.Together = []string{"a", "b"}
	p.Place(a.Task("a-1"), "n1") // 2 of 4
	p.Place(b.Task("b-1"), "n1") // 3 of 4
	p.Place(a.Task("a-2"), "n1") // 5: a is out, b-1 leaves 1 of 4
	p.Place(x, "n1")             // 4 of 4
	p.Place(b.Task("b-2"), "n1") // 5: b is out, x leaves 3 of 4
	out := commit(t, s, p)
	require.Len(t, out.Placed, 1)
	assert.Equal(t, "x", out.Placed[0].Task.ID)
	var refused []string
	for _, r := range out.Refused {
		refused = append(refused, r.String())
	}
	assert.Equal(t, []string{
		"place a-1 on n1: gang incomplete a",
		"place b-1 on n1: gang incomplete b",
		"place a-2 on n1: insufficient cpu",
		"place b-2 on n1: insufficient cpu",
	}, refused)
}

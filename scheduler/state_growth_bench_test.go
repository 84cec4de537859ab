package scheduler_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// roomFor returns nodes of 100 cores for n tasks of a core.
func roomFor(n int) []berth.Node {
	nodes := make([]berth.Node, (n+99)/100)
	for i := range nodes {
		nodes[i] = node(fmt.Sprint("n", i), 100_000)
	}
	return nodes
}

// gangs returns n gangs of two tasks of a core, each of its own role.
func gangs(n int) []berth.Task {
	tasks := make([]berth.Task, 0, 2*n)
	for i := range n {
		g := berth.NewGroup(fmt.Sprint("gang-", i), berth.GroupSpec{
			Role: berth.Role(fmt.Sprint("role-", i)), Request: berth.Resources{"cpu": 1000}, Mode: berth.Gang, GangSize: 2,
		})
		tasks = append(tasks, g.Tasks(2)...)
	}
	return tasks
}

// quota admits a role up to ten cores.
func quota(a scheduler.Admission) berth.Reason {
	if a.Used(a.Role())["cpu"]+a.Cost()["cpu"] > 10_000 {
		return berth.Reason{Subject: "over quota"}
	}
	return berth.Reason{}
}

func growGangs(b *testing.B, n int) {
	tasks := gangs(n)
	for b.Loop() {
		b.StopTimer()
		s := newState(b, scheduler.StateConfig{Admit: quota}, roomFor(2*n)...)
		sched, err := scheduler.New(s, scheduler.Config{})
		require.NoError(b, err)
		b.StartTimer()
		out, err := sched.Schedule(b.Context(), tasks...)
		require.NoError(b, err)
		require.Len(b, out.Placed, 2*n)
	}
}

func growGangsCommitted(b *testing.B, n int) {
	tasks := gangs(n)
	for b.Loop() {
		b.StopTimer()
		s := newState(b, scheduler.StateConfig{Admit: quota, AssumeFor: time.Hour}, roomFor(2*n)...)
		sched, err := scheduler.New(s, scheduler.Config{})
		require.NoError(b, err)
		plan, err := sched.Plan(b.Context(), snapshotOf(b, s), tasks...)
		require.NoError(b, err)
		b.StartTimer()
		require.Len(b, commit(b, s, plan).Placed, 2*n)
	}
}

// growGangsRefused commits gangs of which the last task is refused, so that each is taken back.
func growGangsRefused(b *testing.B, n int) {
	tasks := gangs(n)
	for b.Loop() {
		b.StopTimer()
		s := newState(b, scheduler.StateConfig{AssumeFor: time.Hour, Admit: func(a scheduler.Admission) berth.Reason {
			if id := a.Op.Task.ID; id[len(id)-1] == '2' {
				return berth.Reason{Subject: "no seconds"}
			}
			return berth.Reason{}
		}}, roomFor(2*n)...)
		sched, err := scheduler.New(s, scheduler.Config{})
		require.NoError(b, err)
		plan, err := sched.Plan(b.Context(), snapshotOf(b, s), tasks...)
		require.NoError(b, err)
		b.StartTimer()
		require.Len(b, commit(b, s, plan).Refused, 2*n)
	}
}

// growGangUndo plans a gang of n of which all but one have room.
func growGangUndo(b *testing.B, n int) {
	g := berth.NewGroup("gang", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}, Mode: berth.Gang, GangSize: n})
	tasks := g.Tasks(n)
	s := newState(b, scheduler.StateConfig{}, roomFor(n-1)...)
	require.NoError(b, s.UpdateNodes(node("n0", 99_000)))
	sched, err := scheduler.New(s, scheduler.Config{})
	require.NoError(b, err)
	for b.Loop() {
		out, err := sched.Schedule(b.Context(), tasks...)
		require.NoError(b, err)
		require.Len(b, out.Unplaced, n)
	}
}

// growDenied schedules tasks of which admission refuses every second one.
func growDenied(b *testing.B, n int) {
	tasks := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}}).Tasks(n)
	for b.Loop() {
		b.StopTimer()
		s := newState(b, scheduler.StateConfig{Admit: func(a scheduler.Admission) berth.Reason {
			if id := a.Op.Task.ID; id[len(id)-1]%2 == 1 {
				return berth.Reason{Subject: "odd"}
			}
			return berth.Reason{}
		}}, roomFor(n)...)
		sched, err := scheduler.New(s, scheduler.Config{})
		require.NoError(b, err)
		b.StartTimer()
		out, err := sched.Schedule(b.Context(), tasks...)
		require.NoError(b, err)
		require.Len(b, out.Refused, n/2)
	}
}

// growReplay replays n commands of every kind that tasks see.
func growReplay(b *testing.B, n int) {
	var record []scheduler.Command
	cfg := scheduler.StateConfig{AssumeFor: time.Hour, Record: func(c scheduler.Command) error { record = append(record, c); return nil }}
	s := newState(b, cfg, roomFor(n)...)
	sched, err := scheduler.New(s, scheduler.Config{})
	require.NoError(b, err)
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	for i := 0; len(record) < n; i++ {
		id := fmt.Sprint("web-", i)
		_, err := sched.Schedule(b.Context(), web.Task(id))
		require.NoError(b, err)
		switch i % 3 {
		case 0:
			require.NoError(b, s.Confirm(id))
		case 1:
			require.NoError(b, s.Release(id))
		default:
			require.NoError(b, s.Adopt(
				scheduler.Running{Task: web.Task(id + "a"), Node: fmt.Sprint("n", i%(n/100))}, scheduler.Running{Task: web.Task(id + "b"), Node: "n0"}))
			require.NoError(b, s.AddNodes(node(fmt.Sprint("more-", i), 1000)))
		}
	}
	for b.Loop() {
		require.NoError(b, newState(b, scheduler.StateConfig{}).Replay(record...))
	}
}

// growAdopt has n running tasks adopted, two at a time, by a State to which nodes keep coming.
func growAdopt(b *testing.B, n int) {
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	for b.Loop() {
		s := newState(b, scheduler.StateConfig{})
		for i := 0; i < n; i += 2 {
			id := fmt.Sprint("n", i)
			require.NoError(b, s.AddNodes(node(id, 4000)))
			require.NoError(b, s.Adopt(
				scheduler.Running{Task: web.Task(fmt.Sprint("web-", i)), Node: id}, scheduler.Running{Task: web.Task(fmt.Sprint("web-", i+1)), Node: id}))
		}
	}
}

// full returns a State with n assumed tasks, and their IDs.
func full(b *testing.B, cfg scheduler.StateConfig, n int) (*scheduler.State, []string) {
	s := newState(b, cfg, roomFor(n)...)
	sched, err := scheduler.New(s, scheduler.Config{})
	require.NoError(b, err)
	out, err := sched.Schedule(b.Context(), berth.NewGroup("web", berth.GroupSpec{Role: "eng/web", Request: berth.Resources{"cpu": 1000}}).Tasks(n)...)
	require.NoError(b, err)
	require.Len(b, out.Placed, n)
	return s, idsOf(out)
}

func growRelease(b *testing.B, n int) {
	for b.Loop() {
		b.StopTimer()
		s, ids := full(b, scheduler.StateConfig{Admit: quotaOfNone, AssumeFor: time.Hour}, n)
		b.StartTimer()
		require.NoError(b, s.Release(ids...))
	}
}

func quotaOfNone(scheduler.Admission) berth.Reason { return berth.Reason{} }

func growExpire(b *testing.B, n int) {
	for b.Loop() {
		b.StopTimer()
		now := time.Unix(0, 0)
		s, _ := full(b, scheduler.StateConfig{Admit: quotaOfNone, AssumeFor: time.Second, Clock: func() time.Time { return now }}, n)
		now = now.Add(time.Minute)
		b.StartTimer()
		tasks, _, _ := s.Expire()
		require.Len(b, tasks, n)
	}
}

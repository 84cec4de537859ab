package scheduler_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

func web(cpu int64) *berth.Group {
	return berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": cpu}})
}

// A part is done whole or not at all, says which operation failed and why, and the rest of the plan goes on.
func TestParts(t *testing.T) {
	s := newState(t, scheduler.StateConfig{}, node("n1", 4000), node("n2", 1000))
	require.NoError(t, s.Adopt(scheduler.Running{Task: web(4000).Task("web-1"), Node: "n1"}))
	p := newPlan(t, s)
	p.Replace(web(2000).Task("web-1"), "n2") // n2 has one core
	p.Place(berth.NewTask("db", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}}), "n2")
	out := commit(t, s, p)
	require.Len(t, out.Placed, 1)
	require.Len(t, out.Refused, 2)
	assert.Equal(t, "release web-1: not whole: replace web-1: place web-1 on n2: too little cpu in all", out.Refused[0].String())
	assert.Equal(t, berth.TooSmall, out.Refused[1].Reason.Code)
	old, ok := s.Task("web-1")
	require.True(t, ok, "it is where it was")
	assert.Equal(t, berth.Running, old.State)
	assert.Equal(t, "n1", old.Node)

	p = newPlan(t, s)
	p.Replace(web(3000).Task("web-1"), "n1") // resized where it runs: there is room once it is gone
	require.Empty(t, commit(t, s, p).Refused)
	n, _ := s.Node("n1")
	assert.Equal(t, int64(1000), n.Free()["cpu"])

	p = newPlan(t, s)
	p.Whole = true
	p.Release("web-1")
	p.Release("nobody")
	out = commit(t, s, p)
	assert.Equal(t, berth.Reason{Code: berth.NotWhole, Subject: "the plan: release nobody: unknown task nobody"}, out.Refused[0].Reason)
	_, ok = s.Task("web-1")
	assert.True(t, ok)

	for _, part := range []cluster.Part{{First: -1}, {First: 1}, {End: 2}} {
		p = newPlan(t, s)
		p.Release("web-1")
		p.Parts = []cluster.Part{part, {Name: "good", End: 1}}
		p.Parts[0].Name = "bad"
		if part.End == 0 && part.First == 1 {
			p.Parts[0].End = 0
		}
		_, err := s.Commit(context.Background(), p)
		require.ErrorContains(t, err, `part "bad"`)
	}
	_, ok = s.Task("web-1")
	assert.True(t, ok)
}

// A hold is exchanged for another that takes its room, or stays.
func TestExchangeOfHolds(t *testing.T) {
	s := newState(t, scheduler.StateConfig{}, node("n1", 1000))
	hold := func(id string, cpu int64) berth.Hold {
		return berth.Hold{ID: id, Owner: "o", Node: "n1", Resources: berth.Resources{"cpu": cpu}, Deadline: time.Now().Add(time.Hour)}
	}
	require.NoError(t, s.Hold(hold("a", 1000)))
	p := newPlan(t, s)
	p.Exchange("a", hold("b", 2000))
	require.Len(t, commit(t, s, p).Refused, 2)
	_, ok := snapshotOf(t, s).Hold("a")
	assert.True(t, ok)
	p = newPlan(t, s)
	p.Exchange("a", hold("b", 600))
	require.Empty(t, commit(t, s, p).Refused)
	_, ok = snapshotOf(t, s).Hold("a")
	assert.False(t, ok)
}

// Gangs of several groups that only make sense together.
func TestGangsInOnePart(t *testing.T) {
	s := newState(t, scheduler.StateConfig{}, node("n1", 4000))
	gang := func(name string, size int) *berth.Group {
		return berth.NewGroup(name, berth.GroupSpec{Request: berth.Resources{"cpu": 1000}, Mode: berth.Gang, GangSize: size})
	}
	ps, workers := gang("ps", 1), gang("workers", 3)
	p := newPlan(t, s)
	p.Together = []string{"ps", "workers"}
	p.Part("job", func() {
		p.Place(ps.Task("ps-1"), "n1")
		p.Place(workers.Task("w-1"), "n1")
		p.Place(workers.Task("w-2"), "n1")
	})
	out := commit(t, s, p)
	require.Len(t, out.Refused, 3)
	assert.Equal(t, "place ps-1 on n1: not whole: job: place w-2 on n1: gang incomplete 2 of 3", out.Refused[0].String())
	p.Part("job", func() { p.Place(workers.Task("w-3"), "n1") })
	p.Parts[0].End = 4
	assert.Len(t, commit(t, s, p).Placed, 4)
}

// Replace loses no task, whatever refuses it: room, admission, or host code that panics.
func TestReplaceLosesNoTask(t *testing.T) {
	var deny, boom bool
	var log []scheduler.Command
	s := newState(t, scheduler.StateConfig{
		Record: func(c scheduler.Command) error {
			log = append(log, c)
			return nil
		},
		Admit: func(a scheduler.Admission) berth.Reason {
			switch {
			case boom:
				panic("boom")
			case deny:
				return berth.Reason{Subject: "not today"}
			}
			return berth.Reason{}
		},
	}, node("n1", 4000), node("n2", 4000))
	sched := newScheduler(t, s, scheduler.Config{})
	ctx := context.Background()
	out, err := sched.Schedule(ctx, web(1000).Tasks(4)...)
	require.NoError(t, err)
	require.Len(t, out.Placed, 4)
	require.NoError(t, s.Confirm("web-1", "web-2", "web-3", "web-4"))
	all := func() {
		for i := range 4 {
			task, ok := s.Task(fmt.Sprint("web-", i+1))
			require.True(t, ok)
			require.Equal(t, berth.Running, task.State)
			require.Equal(t, int64(1000), task.Group.Cost()["cpu"])
		}
	}
	out, err = sched.Replace(ctx, web(9000).Task("web-1"), web(1000).Task("web-9"))
	require.NoError(t, err)
	require.Len(t, out.Unplaced, 2)
	assert.Equal(t, berth.Reason{Code: berth.TooSmall, Subject: "cpu"}, out.Unplaced[0].Reason)
	assert.Equal(t, berth.Reason{Code: berth.UnknownTask, Subject: "web-9"}, out.Unplaced[1].Reason)
	all()
	deny = true
	out, err = sched.Replace(ctx, web(2000).Task("web-1"))
	require.NoError(t, err)
	require.Len(t, out.Refused, 2)
	all()
	boom = true
	assert.Panics(t, func() { _, _ = sched.Replace(ctx, web(2000).Task("web-1")) })
	all()
	deny, boom = false, false
	_, err = sched.Replace(ctx, web(1).Task("web-1"), web(1).Task("web-1"), berth.Task{})
	require.ErrorContains(t, err, "given twice")
	all()
	out, err = sched.Replace(ctx, web(2000).Task("web-1"), web(2000).Task("web-2"))
	require.NoError(t, err)
	require.Len(t, out.Placed, 2)
	require.Empty(t, out.Unplaced)
	task, _ := s.Task("web-2")
	assert.Equal(t, berth.Assumed, task.State)
	where := task.Node

	again := newState(t, scheduler.StateConfig{})
	require.NoError(t, again.Replay(log...))
	assert.Equal(t, s.Version().Seq, again.Version().Seq)
	task, _ = again.Task("web-2")
	assert.Equal(t, where, task.Node)
}

// The instance of a daemon is replaced on its node.
func TestReplaceOfDaemons(t *testing.T) {
	s := newState(t, scheduler.StateConfig{}, node("n1", 1000), node("n2", 2000))
	sched := newScheduler(t, s, scheduler.Config{})
	agent := func(cpu int64) *berth.Group {
		return berth.NewGroup("agent", berth.GroupSpec{Request: berth.Resources{"cpu": cpu}, Mode: berth.Daemon})
	}
	ctx := context.Background()
	_, err := sched.Schedule(ctx, agent(1000).Everywhere())
	require.NoError(t, err)
	out, err := sched.Replace(ctx, agent(2000).On("n1"), agent(2000).On("n2"))
	require.NoError(t, err)
	require.Len(t, out.Placed, 1)
	assert.Equal(t, "n2", out.Placed[0].Node)
	require.Len(t, out.Unplaced, 1)
	assert.Equal(t, "n1", out.Unplaced[0].Why.Nearest.Node)
}

// Readopt makes tasks what they are said to be in one step, which is a command that replays, or none if one is at fault.
func TestReadopt(t *testing.T) {
	var log []scheduler.Command
	s := newState(t, scheduler.StateConfig{Record: func(c scheduler.Command) error {
		b, err := (scheduler.Codec{}).AppendCommand(nil, c)
		if err == nil {
			c, err = (scheduler.Codec{}).ReadCommand(b)
		}
		log = append(log, c)
		return err
	}}, node("n1", 4000), node("n2", 4000), node("n3", 4000))
	require.NoError(t, s.Adopt(scheduler.Running{Task: web(1000).Task("moved"), Node: "n1"}, scheduler.Running{Task: web(1000).Task("resized"), Node: "n1"},
		scheduler.Running{Task: web(1000).Task("lost"), Node: "n3"}))
	require.NoError(t, s.RemoveNodes("n3"))
	before := s.Version()
	err := s.Readopt(scheduler.Running{Task: web(2000).Task("moved"), Node: "n2"}, scheduler.Running{Task: web(1).Task("resized"), Node: "n9"})
	require.ErrorIs(t, err, berth.ErrUnknownNode)
	assert.Equal(t, before, s.Version())
	require.NoError(t, s.Readopt(
		scheduler.Running{Task: web(1000).Task("moved"), Node: "n2"},
		scheduler.Running{Task: web(2500).Task("resized"), Node: "n1"},
		scheduler.Running{Task: web(1000).Task("lost"), Node: "n2", State: berth.Stopping},
		scheduler.Running{Task: web(500).Task("new"), Node: "n2"},
	))
	again := newState(t, scheduler.StateConfig{})
	require.NoError(t, again.Replay(log...))
	for _, s := range []*scheduler.State{s, again} {
		n1, _ := s.Node("n1")
		n2, _ := s.Node("n2")
		assert.Equal(t, int64(1500), n1.Free()["cpu"])
		assert.Equal(t, int64(1500), n2.Free()["cpu"])
		task, _ := s.Task("lost")
		assert.Equal(t, berth.Stopping, task.State)
		for task := range snapshotOf(t, s).Lost() {
			t.Errorf("%s is lost", task.ID)
		}
	}
}

// A placement has a deadline of its own if its plan says so, and it can be renewed until the task is confirmed.
func TestRenew(t *testing.T) {
	now := time.Unix(1000, 0).UTC()
	var log []scheduler.Command
	s := newState(t, scheduler.StateConfig{
		Clock:     func() time.Time { return now },
		AssumeFor: time.Hour,
		Record: func(c scheduler.Command) error {
			log = append(log, c)
			return nil
		},
	}, node("n1", 4000))
	p := newPlan(t, s)
	p.Deadline = now.Add(time.Minute)
	p.Place(web(1).Task("a"), "n1")
	p.Place(web(1).Task("b"), "n1")
	require.Len(t, commit(t, s, p).Placed, 2)
	version := s.Version()
	require.NoError(t, s.Renew(now.Add(2*time.Minute), "a"))
	assert.Equal(t, version, s.Version(), "no plan depends on it")
	require.ErrorContains(t, s.Renew(now, "a"), "has passed")
	require.ErrorIs(t, s.Renew(time.Time{}, "nobody"), berth.ErrUnknownTask)
	now = now.Add(time.Minute)
	tasks, _, err := s.Expire()
	require.NoError(t, err)
	require.Len(t, tasks, 1)
	assert.Equal(t, "b", tasks[0].ID)
	again := newState(t, scheduler.StateConfig{})
	require.NoError(t, again.Replay(log...))
	at, ok := again.NextExpiry()
	assert.True(t, ok)
	assert.Equal(t, now.Add(time.Minute), at)
	require.NoError(t, s.Renew(time.Time{}, "a"))
	_, ok = s.NextExpiry()
	assert.False(t, ok, "never")
	require.NoError(t, s.Confirm("a"))
	require.ErrorContains(t, s.Renew(now.Add(time.Hour), "a"), "does not expire")
}

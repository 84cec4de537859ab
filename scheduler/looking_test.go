package scheduler_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/scheduler"
)

// A snapshot shows the time that the clock told when it was taken, and is the same but for that while nothing changes.
func TestSnapshotsShowTheTime(t *testing.T) {
	now := time.Unix(100, 5000).In(time.FixedZone("here", 3600))
	s := newState(t, scheduler.StateConfig{Clock: func() time.Time { return now }, AssumeFor: time.Minute}, node("n1", 4000))
	first := snapshotOf(t, s)
	assert.Equal(t, now.UTC(), first.Time())
	assert.Same(t, first, snapshotOf(t, s), "nothing is new")
	now = now.Add(time.Second)
	second := snapshotOf(t, s)
	assert.Equal(t, now.UTC(), second.Time())
	assert.Equal(t, time.Unix(100, 5000).UTC(), first.Time())
	assert.Equal(t, first.Version(), second.Version(), "time alone is no change of what a plan could use")
	changed := s.Changed()
	now = now.Add(time.Second)
	_ = snapshotOf(t, s)
	select {
	case <-changed:
		t.Error("time alone wakes nobody")
	default:
	}

	sched, err := scheduler.New(s, scheduler.Config{})
	require.NoError(t, err)
	_, err = sched.Schedule(context.Background(), berth.NewTask("a", berth.GroupSpec{}))
	require.NoError(t, err)
	fork := snapshotOf(t, s).Fork()
	tasks, _ := fork.Advance(now.Add(time.Minute))
	require.Len(t, tasks, 1, "what is assumed expires in a what-if as it would here")
	require.Equal(t, "a", tasks[0].ID)
	now = now.Add(time.Minute)
	expired, _, err := s.Expire()
	require.NoError(t, err)
	require.Len(t, expired, 1)
	assert.Equal(t, expired[0].ID, tasks[0].ID)
}

// What is asked while a plan is made in one step is asked at the snapshot's time, and replaying shows the command's.
func TestOneTimeForAPlan(t *testing.T) {
	now := time.Unix(1000, 0).UTC()
	var asked []time.Time
	var log []scheduler.Command
	clock := func() time.Time { return now }
	s := newState(t, scheduler.StateConfig{
		Clock: clock,
		Record: func(c scheduler.Command) error {
			log = append(log, c)
			return nil
		},
		Admit: func(a scheduler.Admission) berth.Reason {
			asked = append(asked, a.Time)
			return berth.Reason{}
		},
	}, node("n1", 4000))
	sched, err := scheduler.New(s, scheduler.Config{})
	require.NoError(t, err)
	now = now.Add(time.Hour)
	_, err = sched.Schedule(context.Background(), berth.NewTask("a", berth.GroupSpec{}))
	require.NoError(t, err)
	require.NoError(t, s.Hold(berth.Hold{ID: "h", Owner: "o", Node: "n1", Deadline: now.Add(time.Second)}))
	assert.Equal(t, []time.Time{now, now}, asked)

	again := newState(t, scheduler.StateConfig{Clock: func() time.Time { return time.Time{} }})
	require.NoError(t, again.Replay(log...), "the hold's deadline is compared with the time of its command")
	h, ok := snapshotOf(t, again).Hold("h")
	assert.True(t, ok)
	assert.Equal(t, now.Add(time.Second), h.Deadline)
}

func TestStateNode(t *testing.T) {
	s := newState(t, scheduler.StateConfig{}, node("n1", 4000))
	n, ok := s.Node("n1")
	require.True(t, ok)
	p := newPlan(t, s)
	p.Place(berth.NewTask("a", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}}), "n1")
	require.Len(t, commit(t, s, p).Placed, 1)
	assert.Equal(t, int64(4000), n.Free()["cpu"], "it stays as it was")
	n, _ = s.Node("n1")
	assert.Equal(t, int64(3000), n.Free()["cpu"])
	_, ok = s.Node("n2")
	assert.False(t, ok)
	_, ok = (*scheduler.State)(nil).Node("n1")
	assert.False(t, ok)
}

// An upsert that finds all as it is described is no change: no command, no version, no wake-up.
func TestUpsertNodes(t *testing.T) {
	var log []scheduler.Command
	s := newState(t, scheduler.StateConfig{Record: func(c scheduler.Command) error { log = append(log, c); return nil }}, node("n1", 4000), node("n2", 4000))
	require.NoError(t, s.Cordon("n2"))
	log = log[:0]
	before, changed := s.Version(), s.Changed()
	require.NoError(t, s.UpsertNodes(node("n2", 4000), node("n1", 4000)))
	require.NoError(t, s.UpsertNodes())
	assert.Empty(t, log)
	assert.Equal(t, before, s.Version())
	select {
	case <-changed:
		t.Error("somebody was woken")
	default:
	}
	require.Error(t, s.UpsertNodes(node("n3", 1), node("n1", -1)))
	assert.Empty(t, log, "all or nothing")
	require.NoError(t, s.UpsertNodes(node("n3", 1000), node("n1", 4000), node("n2", 2000)))
	require.Len(t, log, 1)
	assert.Equal(t, "add node n3: cpu 1\nupdate node n2: cpu 2\n", log[0].String())
	n, _ := s.Node("n2")
	assert.True(t, n.Cordoned(), "cordons stay")
	<-changed
	require.Error(t, (*scheduler.State)(nil).UpsertNodes())
}

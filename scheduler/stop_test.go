package scheduler_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/scheduler"
)

var errDisk = errors.New("no space left on device")

// A State whose Record fails has not done what it could not record, and does nothing more until it is told to.
func TestRecordFails(t *testing.T) {
	ctx := context.Background()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 100}})
	held := func(id string) berth.Hold {
		return berth.Hold{ID: id, Owner: "o", Node: "n1", Resources: berth.Resources{"cpu": 1}, Deadline: now.Add(time.Hour)}
	}
	for name, change := range map[string]func(*scheduler.State) error{
		"add":      func(s *scheduler.State) error { return s.AddNodes(node("n3", 1)) },
		"update":   func(s *scheduler.State) error { return s.UpdateNodes(node("n1", 1)) },
		"remove":   func(s *scheduler.State) error { return s.RemoveNodes("n1") },
		"cordon":   func(s *scheduler.State) error { return s.Cordon("n1") },
		"uncordon": func(s *scheduler.State) error { return s.Uncordon("n2") },
		"adopt": func(s *scheduler.State) error {
			return s.Adopt(scheduler.Running{Task: web.Task("w2"), Node: "n1"})
		},
		"confirm": func(s *scheduler.State) error { return s.Confirm("w1") },
		"stop":    func(s *scheduler.State) error { return s.Stop("w1") },
		"release": func(s *scheduler.State) error { return s.Release("w1") },
		"hold":    func(s *scheduler.State) error { return s.Hold(held("h2")) },
		"drop":    func(s *scheduler.State) error { return s.DropHold("h1") },
		"expire": func(s *scheduler.State) error {
			now = now.Add(2 * time.Hour)
			defer func() { now = now.Add(-2 * time.Hour) }()
			tasks, holds, err := s.Expire()
			if err != nil {
				assert.Empty(t, tasks)
				assert.Empty(t, holds)
			}
			return err
		},
		"commit": func(s *scheduler.State) error {
			p := &cluster.Plan{Version: s.Version()}
			p.Place(web.Task("w3"), "n1")
			out, err := s.Commit(ctx, p)
			if err != nil {
				assert.Nil(t, out)
			}
			return err
		},
		"schedule": func(s *scheduler.State) error {
			sched, err := scheduler.New(s, scheduler.Config{})
			require.NoError(t, err)
			_, err = sched.Schedule(ctx, web.Task("w3"))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			calls, fail := 0, false
			s := newState(t, scheduler.StateConfig{
				Clock:     func() time.Time { return now },
				AssumeFor: time.Minute,
				Record: func(scheduler.Command) error {
					calls++
					if fail {
						return errDisk
					}
					return nil
				},
			}, node("n1", 4000), node("n2", 4000))
			p := &cluster.Plan{Version: s.Version()}
			p.Place(web.Task("w1"), "n1")
			_, err := s.Commit(ctx, p)
			require.NoError(t, err)
			require.NoError(t, s.Cordon("n2"))
			require.NoError(t, s.Hold(held("h1")))
			look := func() (string, *cluster.Version) {
				snap, err := s.Snapshot(ctx)
				require.NoError(t, err)
				v := snap.Version()
				var out string
				for n := range snap.Nodes() {
					out += n.ID() + n.Free().String()
					for task := range n.Tasks() {
						out += task.ID + task.State.String() + task.Deadline.String()
					}
					if n.Cordoned() {
						out += " cordoned"
					}
				}
				for h := range snap.Holds() {
					out += h.ID
				}
				return out, &v
			}
			before, version := look()
			changed := s.Changed()

			fail, calls = true, 0
			err = change(s)
			require.ErrorIs(t, err, scheduler.ErrStopped)
			require.ErrorIs(t, err, errDisk)
			require.ErrorIs(t, s.Err(), errDisk)
			after, now := look()
			assert.Equal(t, before, after)
			assert.Equal(t, version, now)
			select {
			case <-changed:
			default:
				t.Error("who waits is not told")
			}
			require.ErrorIs(t, change(s), scheduler.ErrStopped)
			require.ErrorIs(t, s.AddNodes(node("n9", 1)), scheduler.ErrStopped)
			require.ErrorIs(t, s.Replay(scheduler.Command{Cordoned: []string{"n1"}}), scheduler.ErrStopped)
			assert.Equal(t, 1, calls, "Record is not called any more")

			fail = false
			s.Resume()
			require.NoError(t, s.Err())
			require.NoError(t, change(s), "the same change can be asked for again")
			after, _ = look()
			if name != "expire" { // of which nothing is left to see but what is gone
				assert.NotEqual(t, before, after)
			}
		})
	}
}

// Holds whose end cannot be recorded are still there.
func TestRecordFailsAtALapse(t *testing.T) {
	ctx := context.Background()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	var fail error
	s := newState(t, scheduler.StateConfig{
		Clock: func() time.Time { return now }, Record: func(scheduler.Command) error { return fail },
	}, node("n1", 4000))
	require.NoError(t, s.Hold(berth.Hold{ID: "h", Owner: "o", Node: "n1", Deadline: now.Add(time.Minute)}))
	now, fail = now.Add(time.Hour), errDisk
	for range 2 {
		snap, err := s.Snapshot(ctx)
		require.NoError(t, err)
		holds := 0
		for range snap.Holds() {
			holds++
		}
		assert.Equal(t, 1, holds)
		assert.ErrorIs(t, s.Err(), errDisk)
	}
	_, err := s.Commit(ctx, &cluster.Plan{Version: s.Version()})
	assert.ErrorIs(t, err, scheduler.ErrStopped)
	assert.ErrorIs(t, s.Hold(berth.Hold{ID: "h2", Owner: "o", Node: "n1", Deadline: now.Add(time.Minute)}), scheduler.ErrStopped)
	s.Resume()
	_, err = s.Commit(ctx, &cluster.Plan{Version: s.Version()})
	assert.ErrorIs(t, err, errDisk, "the end of the hold comes before all else")

	var none *scheduler.State
	assert.Error(t, none.Err())
	none.Resume()
	require.NoError(t, new(scheduler.State).Err())
	_, err = scheduler.NewState(scheduler.StateConfig{Record: func(scheduler.Command) error { return errDisk }}, node("n1", 1))
	assert.ErrorIs(t, err, errDisk)
}

// Run ends when its State is stopped, be it by somebody else.
func TestRunEndsWhenStopped(t *testing.T) {
	fail := make(chan struct{})
	s := newState(t, scheduler.StateConfig{Record: func(scheduler.Command) error {
		select {
		case <-fail:
			return errDisk
		default:
			return nil
		}
	}}, node("n1", 4000))
	ended := make(chan error)
	go func() {
		ended <- scheduler.Run(context.Background(), scheduler.RunConfig{State: s, Queue: new(scheduler.Queue), Launcher: new(scheduler.MemoryLauncher)})
	}()
	close(fail)
	require.Error(t, s.Cordon("n1"))
	require.ErrorIs(t, <-ended, errDisk)
}

package scheduler_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/scheduler"
)

// waitingDaemon is a cluster of two nodes of 3 cores, full of tasks of a core each, and a daemon that takes two.
type waitingDaemon struct {
	t          *testing.T
	state      *scheduler.State
	s          *scheduler.Scheduler
	agent, web *berth.Group
}

func newWaitingDaemon(t *testing.T, cfg scheduler.Config) *waitingDaemon {
	d := &waitingDaemon{t: t, state: newState(t, scheduler.StateConfig{}, node("n1", 3000), node("n2", 3000))}
	d.s = newScheduler(t, d.state, cfg)
	d.agent = berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 2000}})
	d.web = berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	for _, n := range []string{"n1", "n2"} {
		old := berth.NewGroup("old-"+n, berth.GroupSpec{Request: berth.Resources{"cpu": 1000}, Rules: []berth.Constraint{constraints.Eq(berth.NodeID, n)}})
		placed, _ := d.schedule(old.Tasks(3)...)
		require.Len(t, placed, 3)
	}
	return d
}

func (d *waitingDaemon) schedule(tasks ...berth.Task) (placed, unplaced []string) {
	d.t.Helper()
	out, err := d.s.Schedule(d.t.Context(), tasks...)
	require.NoError(d.t, err)
	for _, op := range out.Placed {
		placed = append(placed, op.Task.ID+" "+op.Node)
	}
	for _, u := range out.Unplaced {
		unplaced = append(unplaced, u.String())
	}
	return placed, unplaced
}

// Room that becomes free little by little where an instance waits adds up for it, and does not go to who comes after it.
func TestRoomIsKeptForDaemons(t *testing.T) {
	twoPickers(t, func(t *testing.T, cfg scheduler.Config) {
		d := newWaitingDaemon(t, cfg)
		require.NoError(t, d.state.Release("old-n2-1")) // one of the two cores that it takes is free
		placed, unplaced := d.schedule(d.web.Task("web-1"), d.agent.Everywhere())
		assert.Empty(t, placed)
		assert.Equal(t, []string{
			"0/1 nodes for agent@n1: 1 insufficient cpu; nearest n1: lacks 2 cpu; 2 more cpu on n1 would do",
			"0/1 nodes for agent@n2: 1 insufficient cpu; nearest n2: lacks 1 cpu; 1 more cpu on n2 would do",
			"0/2 nodes for web-1: 2 insufficient cpu; nearest n1: lacks 1 cpu; held back behind daemon agent; 1 more cpu on n1 would do",
		}, unplaced)

		urgent := berth.NewGroup("urgent", berth.GroupSpec{Priority: 1, Request: berth.Resources{"cpu": 1000}})
		placed, _ = d.schedule(urgent.Task("urgent-1"), d.web.Task("web-1"), d.agent.Everywhere())
		assert.Equal(t, []string{"urgent-1 n2"}, placed, "first among equals")
		require.NoError(t, d.state.Release("urgent-1"))

		require.NoError(t, d.state.Release("old-n2-2"))
		placed, _ = d.schedule(d.web.Task("web-1"), d.agent.Everywhere())
		assert.Equal(t, []string{"agent@n2 n2"}, placed, "both cores are the daemon's")
		placed, _ = d.schedule(d.web.Task("web-1"))
		assert.Empty(t, placed)
		require.NoError(t, d.state.Release("old-n1-1"))
		placed, _ = d.schedule(d.web.Task("web-1"))
		assert.Equal(t, []string{"web-1 n1"}, placed, "nothing is kept where the demand is not handed in")
	})
}

// What is kept is what the instance takes, and not what else is free on the node.
func TestOnlyWhatTheInstanceTakesIsKept(t *testing.T) {
	twoPickers(t, func(t *testing.T, cfg scheduler.Config) {
		n := berth.Node{ID: "n", Capacity: berth.Resources{"cpu": 4000, "memory": 10}, Ports: []berth.PortRange{{First: 80, Last: 81}}}
		for i := range 4 {
			n.Devices = append(n.Devices, berth.Device{Class: "gpu", ID: fmt.Sprint(i)})
		}
		state := newState(t, scheduler.StateConfig{}, n)
		s := newScheduler(t, state, cfg)
		old := berth.NewGroup("old", berth.GroupSpec{
			Request: berth.Resources{"cpu": 3500, "memory": 1}, Devices: []berth.DeviceRequest{{Class: "gpu", Count: 3}}, Ports: []berth.PortRange{{First: 80, Last: 80}},
		})
		_, err := s.Schedule(t.Context(), old.Task("old"))
		require.NoError(t, err)
		agent := berth.NewGroup("agent", berth.GroupSpec{
			Mode: berth.Daemon, Request: berth.Resources{"cpu": 1000, "memory": 4},
			Devices: []berth.DeviceRequest{{Class: "gpu", Count: 2}}, Ports: []berth.PortRange{{First: 80, Last: 80}, {First: 81, Last: 81}},
		})
		for _, c := range []struct {
			spec berth.GroupSpec
			fits bool
		}{
			{berth.GroupSpec{Request: berth.Resources{"memory": 5}}, true}, // 10 - 1 - 4
			{berth.GroupSpec{Request: berth.Resources{"memory": 6}}, false},
			{berth.GroupSpec{Request: berth.Resources{"cpu": 1}}, false},                                  // all 500 that are free
			{berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 1}}}, false},            // the one that is free
			{berth.GroupSpec{Ports: []berth.PortRange{{First: 81, Last: 81}}}, false},                     // and the port
			{berth.GroupSpec{Mode: berth.Gang, GangSize: 1, Request: berth.Resources{"memory": 5}}, true}, // whoever it is
		} {
			snapshot, err := state.Snapshot(t.Context())
			require.NoError(t, err)
			other := berth.NewGroup("other", c.spec)
			plan, err := s.Plan(t.Context(), snapshot, other.Task("other"), agent.Everywhere())
			require.NoError(t, err)
			assert.Equal(t, c.fits, len(plan.Ops) == 1, "%v\n%v", other, plan)
			alone, err := s.Plan(t.Context(), snapshot, other.Task("other"))
			require.NoError(t, err)
			assert.Len(t, alone.Ops, 1)
			again, err := s.Plan(t.Context(), snapshot, other.Task("other"), agent.Everywhere())
			require.NoError(t, err)
			assert.Equal(t, plan, again, "what is kept leaves no trace")
		}
	})
}

// Where not room alone is lacking nothing is kept: no room that becomes free would do.
func TestNothingIsKeptInVain(t *testing.T) {
	for name, spec := range map[string]berth.GroupSpec{
		"too large": {Request: berth.Resources{"cpu": 9000}},
		"refused":   {Request: berth.Resources{"cpu": 2000}, Rules: []berth.Constraint{constraints.Exists("gone")}},
		"limited":   {Request: berth.Resources{"cpu": 2000}, Role: "poor"},
		"apart":     {Request: berth.Resources{"cpu": 2000}, Rules: []berth.Constraint{constraints.Apart(berth.NodeID, berth.Label("app", "old"))}},
	} {
		t.Run(name, func(t *testing.T) {
			twoPickers(t, func(t *testing.T, cfg scheduler.Config) {
				d := newWaitingDaemon(t, cfg)
				require.NoError(t, d.state.SetQuotas(berth.Quota{Role: "poor", Limits: berth.Resources{"cpu": 1000}}))
				require.NoError(t, d.state.Release("old-n2-1"))
				if name == "apart" {
					old := berth.NewGroup("older", berth.GroupSpec{Labels: map[string]string{"app": "old"}, Rules: []berth.Constraint{constraints.Eq(berth.NodeID, "n2")}})
					_, _ = d.schedule(old.Task("older"))
				}
				spec.Mode = berth.Daemon
				placed, _ := d.schedule(d.web.Task("web-1"), berth.NewGroup("agent", spec).Everywhere())
				assert.Equal(t, []string{"web-1 n2"}, placed)
			})
		})
	}
}

// busy is a source in which somebody else is faster once, on n3.
type busy struct {
	*scheduler.State
	others *cluster.Plan
}

func (b *busy) Commit(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
	if others := b.others; others != nil {
		b.others = nil
		now, err := b.State.Snapshot(ctx)
		if err != nil {
			return nil, err
		}
		others.Version = now.Version()
		if _, err := b.State.Commit(ctx, others); err != nil {
			return nil, err
		}
	}
	return b.State.Commit(ctx, p)
}

// A task that is planned again, because somebody was faster, gets no room of the daemon's either.
func TestRoomIsKeptWhenPlannedAgain(t *testing.T) {
	twoPickers(t, func(t *testing.T, cfg scheduler.Config) {
		d := newWaitingDaemon(t, cfg)
		require.NoError(t, d.state.AddNodes(node("n3", 1000)))
		require.NoError(t, d.state.Release("old-n2-1"))
		source := &busy{State: d.state, others: &cluster.Plan{}}
		source.others.Place(d.web.Task("other"), "n3")
		s, err := scheduler.New(source, cfg)
		require.NoError(t, err)
		out, err := s.Schedule(t.Context(), d.agent.Everywhere(), d.web.Task("web-1"))
		require.NoError(t, err)
		assert.Empty(t, out.Placed)
		assert.Empty(t, out.Refused)
		assert.Equal(t, "web-1", out.Unplaced[len(out.Unplaced)-1].Task.ID)
		assert.Nil(t, source.others)
	})
}

// Under Run the room is kept from what is submitted later, too, and goes to the others when the demand is cancelled.
func TestRunKeepsRoomForDaemons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newWaitingDaemon(t, scheduler.Config{})
		s := &site{state: d.state}
		s.start(t, scheduler.StateConfig{}, nil)
		require.NoError(t, s.queue.Submit(d.agent.Everywhere()))
		s.after(time.Second)
		require.NoError(t, d.state.Release("old-n2-1"))
		s.after(time.Second)
		require.NoError(t, s.queue.Submit(d.web.Task("web-1")))
		assert.Equal(t, "2s unplaced web-1: insufficient cpu", s.after(time.Second))
		require.NoError(t, d.state.Release("old-n2-2"))
		assert.Equal(t, "3s started agent@n2 on n2", s.after(time.Second))
		require.NoError(t, d.state.Release("old-n1-1"))
		assert.Empty(t, s.after(time.Second), "the core on n1 is kept")
		s.queue.Cancel("agent")
		assert.Contains(t, s.after(time.Second), "started web-1 on n")
	})
}

// In random histories a daemon gets its room however many small tasks come, both pickers plan alike, and what comes after the daemon takes nothing
// of what is free of the request where an instance waits.
func TestRoomIsKeptInRandomHistories(t *testing.T) {
	kept := 0
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 17))
		var nodes []berth.Node
		for i := range 6 {
			nodes = append(nodes, berth.Node{ID: fmt.Sprint("n", i), Capacity: berth.Resources{"cpu": 2 + r.Int64N(4), "memory": 2 + r.Int64N(4)}})
		}
		state := newState(t, scheduler.StateConfig{}, nodes...)
		fast, slow := newScheduler(t, state, scheduler.Config{}), newScheduler(t, state, scheduler.Config{Exhaustive: true})
		agents := []*berth.Group{
			berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"cpu": 2, "memory": 1}}),
			berth.NewGroup("shipper", berth.GroupSpec{Mode: berth.Daemon, Request: berth.Resources{"memory": 2}}),
		}
		running := map[string]bool{}
		for step := range 40 {
			var tasks []berth.Task
			for i := range r.IntN(6) {
				g := berth.NewGroup(fmt.Sprint("g", step, i), berth.GroupSpec{Request: berth.Resources{"cpu": r.Int64N(2), "memory": r.Int64N(3)}})
				tasks = append(tasks, g.Tasks(1+r.IntN(2))...)
			}
			if step >= 5 {
				tasks = append(tasks, agents[0].Everywhere(), agents[1].Everywhere())
			}
			snapshot, err := state.Snapshot(t.Context())
			require.NoError(t, err)
			plan, err := fast.Plan(t.Context(), snapshot, tasks...)
			require.NoError(t, err)
			other, err := slow.Plan(t.Context(), snapshot, tasks...)
			require.NoError(t, err)
			require.Equal(t, other.String(), plan.String(), "seed %d, step %d", seed, step)
			takes := map[string]berth.Resources{} // by others, by node
			for _, op := range plan.Ops {
				if op.Task.Group.Mode() != berth.Daemon && takes[op.Node] == nil {
					takes[op.Node] = berth.Resources{}
				}
				if op.Task.Group.Mode() != berth.Daemon {
					for name, q := range op.Task.Group.Spec().Request {
						takes[op.Node][name] += q
					}
				}
			}
			for _, u := range plan.Unplaced {
				g := u.Task.Group
				if g.Mode() != berth.Daemon || u.Why.Nearest == nil || u.Why.Counts[0].Reason.Code != berth.Insufficient {
					continue
				}
				view, _ := snapshot.Node(u.Why.Nearest.Node)
				for name, q := range g.Spec().Request {
					if took := takes[view.ID()][name]; took > 0 {
						assert.LessOrEqual(t, took, max(view.Free()[name]-q, 0), "seed %d, step %d: %s of %s", seed, step, name, view.ID())
					} else if view.Free()[name] > 0 {
						kept++
					}
				}
			}
			out, err := state.Commit(t.Context(), plan)
			require.NoError(t, err)
			for _, op := range out.Placed {
				if op.Task.Group.Mode() != berth.Daemon {
					running[op.Task.ID] = true
				}
			}
			for _, id := range slices.Sorted(maps.Keys(running)) {
				if r.IntN(3) == 0 {
					require.NoError(t, state.Release(id))
					delete(running, id)
				}
			}
		}
	}
	assert.Greater(t, kept, 200)
}

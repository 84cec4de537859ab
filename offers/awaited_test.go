package offers_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/offers"
)

// Room that becomes free little by little where a framework's daemon waits is offered to nobody else, and in one piece to the daemon.
func TestRoomIsKeptForDaemonsInOffers(t *testing.T) {
	web := cpus("web", "declares", 1)
	gang := berth.NewGroup("gang", berth.GroupSpec{Role: "gangs", Request: res{"cpu": 1}, Mode: berth.Gang, GangSize: 1})
	for name, other := range map[string]offers.Framework{
		"declares nothing": {Name: "aa", Role: "aa"},
		"declares":         {Name: "aa", Role: "declares", Demand: []offers.Demand{{Group: web}}},
		"a gang":           {Name: "aa", Role: "gangs", Demand: []offers.Demand{{Group: gang, Count: 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, offers.Config{}, node("n1", 4, 4))
			old := berth.NewGroup("old", berth.GroupSpec{Request: res{"cpu": 1, "memory": 1}})
			schedule(t, w.state, old.Tasks(4)...)
			agent := berth.NewGroup("agent", berth.GroupSpec{Role: "ops", Request: res{"cpu": 2}, Mode: berth.Daemon})
			ops := w.subscribe(offers.Framework{Name: "ops", Role: "ops", Demand: []offers.Demand{{Group: agent}}})
			aa := w.subscribe(other)
			w.offer()
			assert.Equal(t, "n1: unfit: lacks 0.002 cpu", whyNode(t, ops, "n1"), "there is nothing to keep yet")
			require.NoError(t, w.state.Release("old-1"))
			w.offer()
			if name == "declares nothing" {
				assert.Equal(t, res{"memory": 1}, offered(t, aa), "what the daemon does not take is free to all")
				declineAll(t, aa, offers.Filter{For: time.Second})
			} else {
				assert.Empty(t, list(t, aa))
				if name == "declares" {
					assert.Equal(t, "n1: kept for a daemon", whyNode(t, aa, "n1"))
				}
			}
			assert.Empty(t, list(t, ops))
			assert.Equal(t, "n1: kept for its daemon: lacks 0.001 cpu", whyNode(t, ops, "n1"))
			assert.Zero(t, w.offer(), "nothing has changed")
			require.NoError(t, w.state.Release("old-2"))
			w.offer()
			assert.Equal(t, res{"cpu": 2}, offered(t, ops))
			require.Len(t, schedule(t, ops.Book(), agent.Everywhere()).Placed, 1)

			// Once the daemon has its place, and where nobody wants it any more, the others get what is free.
			require.NoError(t, w.state.Release("agent@n1"))
			schedule(t, w.state, cpus("more", "", 1).Task("more"))
			w.now = w.now.Add(time.Second)
			w.offer()
			assert.NotContains(t, offered(t, aa), "cpu")
			require.NoError(t, ops.Want())
			w.now = w.now.Add(time.Second)
			w.offer()
			assert.Equal(t, int64(1), offered(t, aa)["cpu"])
		})
	}
}

// offered returns what a framework is offered in all.
func offered(t *testing.T, s *offers.Subscription) res {
	t.Helper()
	all, err := s.Offers(ctx)
	require.NoError(t, err)
	sum := res{}
	for _, o := range all {
		for name, q := range o.Resources {
			sum[name] += q
		}
	}
	return sum
}

// Whoever stops waiting for its daemon in whichever way frees what was kept.
func TestKeptRoomIsFreed(t *testing.T) {
	for name, end := range map[string]func(*offers.Subscription) error{
		"wants nothing": func(s *offers.Subscription) error { return s.Want() },
		"suppresses":    func(s *offers.Subscription) error { return s.Suppress() },
		"leaves":        func(s *offers.Subscription) error { return s.Unsubscribe(ctx) },
		"disconnects":   func(s *offers.Subscription) error { return s.Disconnect(ctx) },
		"may not": func(s *offers.Subscription) error {
			return s.SetTerms(offers.Terms{Nodes: []berth.Constraint{constraints.Eq(berth.NodeID, "n2")}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, offers.Config{}, node("n1", 2, 0), node("n2", 2, 0))
			onN1 := cpus("old", "", 1, constraints.Eq(berth.NodeID, "n1"))
			schedule(t, w.state, onN1.Task("old"))
			agent := berth.NewGroup("agent", berth.GroupSpec{Role: "ops", Request: res{"cpu": 2}, Mode: berth.Daemon})
			ops := w.subscribe(offers.Framework{Name: "ops", Role: "ops", Demand: []offers.Demand{{Group: agent}}})
			aa := w.subscribe(offers.Framework{Name: "aa", Role: "aa"})
			w.offer()
			require.Empty(t, list(t, aa))
			require.NoError(t, end(ops))
			w.offer()
			assert.Contains(t, nodesOf(t, aa), "n1")
		})
	}
}

// In random histories no pass offers to others what is free of the request where a daemon waited when it began.
func TestOffersKeepRoomInRandomHistories(t *testing.T) {
	kept := 0
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 3))
		var nodes []berth.Node
		for i := range 5 {
			nodes = append(nodes, node(fmt.Sprint("n", i), 2+r.Int64N(4), 1+r.Int64N(4)))
		}
		w := newWorld(t, offers.Config{}, nodes...)
		agent := berth.NewGroup("agent", berth.GroupSpec{Role: "ops", Request: res{"cpu": 2, "memory": 1}, Mode: berth.Daemon})
		ops := w.subscribe(offers.Framework{Name: "ops", Role: "ops"})
		plain := w.subscribe(offers.Framework{Name: "a", Role: "a"})
		web := berth.NewGroup("web", berth.GroupSpec{Role: "b", Request: res{"cpu": 1}})
		b := w.subscribe(offers.Framework{Name: "b", Role: "b", Demand: []offers.Demand{{Group: web}}})
		n := 0
		for step := range 40 {
			if step == 5 {
				require.NoError(t, ops.Want(offers.Demand{Group: agent}))
			}
			w.now = w.now.Add(time.Minute)
			before := snapshotOf(t, w.state)
			w.offer()
			after := snapshotOf(t, w.state)
			for _, spec := range nodes {
				f := before.Fork()
				view, _ := f.Node(spec.ID)
				if lacks := f.Lacks(agent, view); step < 5 || !fit.WaitsForRoom(lacks) {
					continue
				}
				now, _ := after.Node(spec.ID)
				for name, q := range agent.Spec().Request {
					least := min(view.Free()[name], q)
					assert.GreaterOrEqual(t, now.Free()[name], least, "seed %d, step %d: %s of %s", seed, step, name, spec.ID)
					if least > 0 {
						kept++
					}
				}
			}
			for _, s := range []*offers.Subscription{plain, b} {
				g := cpus(fmt.Sprint("job", step), "", 1)
				if s == b {
					g = web
				}
				if r.IntN(3) > 0 {
					for range r.IntN(3) {
						n++
						schedule(t, s.Book(), g.Task(fmt.Sprint(g.Name(), "-t", n)))
					}
				}
				declineAll(t, s, offers.Filter{})
			}
			if out := schedule(t, ops.Book(), agent.Everywhere()); r.IntN(2) == 0 {
				for _, op := range out.Placed {
					require.NoError(t, w.state.Release(op.Task.ID))
				}
			}
			declineAll(t, ops, offers.Filter{}) // what is left of pieces that were used
			for view := range after.Nodes() {
				for task := range view.Tasks() {
					if _, there := w.state.Task(task.Task.ID); there && r.IntN(5) == 0 {
						require.NoError(t, w.state.Release(task.Task.ID))
					}
				}
			}
		}
	}
	assert.Greater(t, kept, 50)
}

// A node that leaves is kept no longer: where nodes come and go, no more are remembered than there are.
func TestNodesThatLeaveAreNotAwaited(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n0", 4, 0))
	agent := berth.NewGroup("agent", berth.GroupSpec{Role: "agent", Mode: berth.Daemon, Request: res{"cpu": 3}})
	w.subscribe(wants("agent", offers.Demand{Group: agent}))
	w.subscribe(wants("small", offers.Demand{Group: cpus("small", "small", 1)})) // else nobody need be kept from it
	for i := range 5 {
		old := fmt.Sprintf("old%d", i)
		schedule(t, w.state, cpus(old, "old", 2).Task(old)) // half of the node: the daemon waits for the other
		w.offer()
		require.Equal(t, 1, offers.Awaited(w.x), "%d nodes have been there", i+1)
		require.NoError(t, w.state.RemoveNodes(fmt.Sprintf("n%d", i)))
		require.NoError(t, w.state.AddNodes(node(fmt.Sprintf("n%d", i+1), 4, 0)))
	}
}

package offers_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// A daemon reaches every node it can run on, those that join too, ahead of a framework that would have
// taken them whole; and coverage is the fact that the source knows.
func TestDaemonCoverageComplete(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0), node("n3", 4, 0))
	w.subscribe(offers.Framework{Name: "aa", Role: "aa"}) // first by every tie
	agent := berth.NewGroup("agent", berth.GroupSpec{Role: "ops", Request: res{"cpu": 1}, Mode: berth.Daemon})
	f := w.subscribe(offers.Framework{Name: "ops", Role: "ops", Demand: []offers.Demand{{Group: agent}}})
	coverage := func() *scheduler.Coverage {
		s, err := f.Snapshot(ctx)
		require.NoError(t, err)
		c, err := scheduler.CoverageOf(s, agent)
		require.NoError(t, err)
		return c
	}
	cover := func() {
		t.Helper()
		w.offer()
		out := schedule(t, f.Book(), agent.Everywhere())
		for _, op := range out.Placed {
			require.NoError(t, w.state.Confirm(op.Task.ID))
		}
	}
	cover()
	assert.True(t, coverage().Complete(), coverage())
	assert.Equal(t, []string{"n1", "n2", "n3"}, coverage().Running)
	assert.Empty(t, list(t, f), "no more than was wanted")
	assert.Equal(t, "n1 n2 n3", nodesOf(t, w.subs["aa"]))

	big, taint := node("n0", 4, 0), node("n9", 4, 0)
	taint.Taints = []berth.Taint{{Key: "gpu"}}
	require.NoError(t, w.state.AddNodes(big, taint))
	assert.False(t, coverage().Complete())
	cover()
	assert.Equal(t, []string{"n0", "n1", "n2", "n3"}, coverage().Running)
	require.Len(t, coverage().Ineligible, 1)
	assert.Equal(t, "n9", coverage().Ineligible[0].Node)
	assert.True(t, coverage().Complete())

	// The framework's own scheduler says the same of its Book.
	s, err := scheduler.New(f.Book(), scheduler.Config{})
	require.NoError(t, err)
	own, err := s.Coverage(ctx, agent)
	require.NoError(t, err)
	assert.Equal(t, coverage(), own)

	// An offer for a daemon that is not answered is not made twice, and comes again when declined.
	require.NoError(t, w.state.Release("agent@n1"))
	require.Equal(t, "n1", func() string { w.offer(); return nodesOf(t, f) }())
	w.offer()
	assert.Equal(t, "n1", nodesOf(t, f))
	assert.Equal(t, []string{"n1"}, coverage().Pending, "what it is offered is its room")
	assert.Empty(t, coverage().Blocked)
	assert.Empty(t, coverage().Impossible)
	declineAll(t, f, offers.Filter{For: time.Second})
	w.now = w.now.Add(time.Second)
	require.NoError(t, w.subs["aa"].Suppress())
	cover()
	assert.True(t, coverage().Complete())
	w.check(map[string]berth.Role{"aa": "aa", "ops": "ops"}, map[string]string{"agent@n0": "ops", "agent@n1": "ops", "agent@n2": "ops", "agent@n3": "ops"})
}

func TestDemand(t *testing.T) {
	g := cpus("web", "", 1)
	t.Run("no demand, no offer", func(t *testing.T) {
		w := newWorld(t, offers.Config{}, node("n1", 4, 0))
		f := w.subscribe(offers.Framework{Name: "f"})
		require.NoError(t, f.Want())
		assert.Zero(t, w.offer())
		require.NoError(t, f.Want(offers.Demand{Group: g, Count: 1}))
		assert.Equal(t, 1, w.offer())
		assert.Equal(t, []string{"n1: cpu 0.001"}, list(t, f))
	})
	t.Run("empty is not nil", func(t *testing.T) {
		w := newWorld(t, offers.Config{}, node("n1", 4, 0))
		idle := w.subscribe(offers.Framework{Name: "idle", Demand: []offers.Demand{}})
		w.subscribe(offers.Framework{Name: "mesos"})
		assert.Equal(t, 1, w.offer())
		assert.Empty(t, list(t, idle), "it wants nothing")
		out := schedule(t, idle.Book(), g.Task("web-1"))
		require.Len(t, out.Unplaced, 1)
		assert.Equal(t, berth.Reason{Code: berth.NotOffered}, out.Unplaced[0].Reason)
	})
	t.Run("as many as are to run in all", func(t *testing.T) {
		w := newWorld(t, offers.Config{}, node("n1", 2, 0), node("n2", 2, 0), node("n3", 2, 0))
		f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{{Group: g, Count: 3}}})
		assert.Equal(t, 2, w.offer())
		assert.Equal(t, []string{"n1: cpu 0.002", "n2: cpu 0.001"}, list(t, f))
		assert.Zero(t, w.offer(), "what is offered counts")
		assert.Len(t, schedule(t, f.Book(), g.Tasks(2)...).Placed, 2)
		assert.Zero(t, w.offer(), "what runs counts")
		require.NoError(t, w.state.Release("web-1"))
		assert.Equal(t, 1, w.offer())
		w.check(map[string]berth.Role{"f": ""}, map[string]string{"web-2": "f"})
	})
	t.Run("only nodes that can run it", func(t *testing.T) {
		a, b := node("n1", 1, 0), node("n2", 4, 0)
		b.Attributes = berth.Attributes{"disk": "ssd"}
		w := newWorld(t, offers.Config{}, a, b, node("n3", 4, 0))
		big := cpus("big", "", 2, constraints.Eq("disk", "ssd"))
		f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{{Group: big}}})
		w.offer()
		assert.Equal(t, []string{"n2: cpu 0.004"}, list(t, f))
	})
	t.Run("one per domain", func(t *testing.T) {
		w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0), node("n3", 4, 0))
		f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{{Group: cpus("u", "", 1, constraints.Unique(berth.NodeID)), Count: 2}}})
		w.offer()
		assert.Equal(t, []string{"n1: cpu 0.001", "n2: cpu 0.001"}, list(t, f))
	})
	t.Run("tasks that take nothing", func(t *testing.T) {
		w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
		none := berth.NewGroup("none", berth.GroupSpec{})
		f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{{Group: none, Count: 3}}})
		assert.Zero(t, w.offer(), "they need no offer")
		assert.Len(t, schedule(t, f.Book(), none.Tasks(3)...).Placed, 3)
		out, err := f.Accept(ctx, nil, placeOn(none.Task("none-9"), "n2"), offers.Filter{})
		require.NoError(t, err)
		assert.Len(t, out.Placed, 1)
	})
	t.Run("ports alone", func(t *testing.T) {
		n := node("n1", 4, 0)
		n.Ports = []berth.PortRange{{First: 1, Last: 2}}
		w := newWorld(t, offers.Config{}, n)
		ports := berth.NewGroup("ports", berth.GroupSpec{DynamicPorts: 1})
		f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{{Group: ports}}})
		assert.Equal(t, 1, w.offer())
		assert.Len(t, schedule(t, f.Book(), ports.Tasks(3)...).Placed, 2, "there are two")
	})
	t.Run("declined", func(t *testing.T) {
		w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
		f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{{Group: g, Count: 2}}})
		w.offer()
		require.Equal(t, "n1", nodesOf(t, f))
		declineAll(t, f, offers.Filter{For: time.Minute})
		w.offer()
		assert.Equal(t, []string{"n2: cpu 0.002"}, list(t, f), "another node serves")
	})
}

func TestMaxOutstanding(t *testing.T) {
	w := newWorld(t, offers.Config{MaxOutstanding: 2}, node("n1", 1, 0), node("n2", 1, 0), node("n3", 1, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	assert.Equal(t, 2, w.offer())
	assert.Zero(t, w.offer())
	require.NoError(t, f.Decline(ctx, []string{"offer-1"}, offers.Filter{For: time.Hour}))
	assert.Equal(t, 1, w.offer())
	assert.Equal(t, "n2 n3", nodesOf(t, f))
}

// Two Exchanges, or one that was started anew, do not stumble over each other's holds.
func TestNumbersThatAreTakenArePassedOver(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 1, 0), node("n2", 1, 0))
	require.NoError(t, w.state.Hold(berth.Hold{ID: "offer-1", Owner: "old", Node: "n1", Resources: res{"cpu": 1}, Deadline: w.now.Add(time.Hour)}))
	f := w.subscribe(offers.Framework{Name: "f"})
	assert.Equal(t, 1, w.offer())
	assert.Equal(t, []string{"offer-2"}, ids(t, f))
}

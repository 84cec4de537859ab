package offers_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

var ctx = context.Background()

func placeOn(pairs ...any) *berth.Plan {
	p := &berth.Plan{}
	for i := 0; i < len(pairs); i += 2 {
		p.Place(pairs[i].(berth.Task), pairs[i+1].(string))
	}
	return p
}

func refusals(out *berth.Outcome) string {
	var s []string
	for _, r := range out.Refused {
		s = append(s, r.String())
	}
	return strings.Join(s, "; ")
}

// An offer is answered once: whatever else is tried with it is an error that names it, and changes nothing.
func TestOfferAnsweredOnce(t *testing.T) {
	g := cpus("web", "", 1)
	for _, tc := range []struct {
		name   string
		before func(t *testing.T, w *world, f *offers.Subscription, id string)
		answer string // which offer is then named; the first one if empty
		want   error
	}{
		{"accept twice", func(t *testing.T, w *world, f *offers.Subscription, id string) {
			_, err := f.Accept(ctx, []string{id}, placeOn(g.Task("web-1"), "n1"), offers.Filter{})
			require.NoError(t, err)
		}, "", offers.ErrUnknownOffer},
		{"after decline", func(t *testing.T, w *world, f *offers.Subscription, id string) {
			require.NoError(t, f.Decline(ctx, []string{id}, offers.Filter{}))
		}, "", offers.ErrUnknownOffer},
		{"used up through the Book", func(t *testing.T, w *world, f *offers.Subscription, id string) {
			p := &berth.Plan{Version: snapshotOf(t, f.Book()).Version()}
			p.Place(cpus("big", "", 4).Task("big-1"), "n1")
			out, err := f.Book().Commit(ctx, p)
			require.NoError(t, err)
			require.Len(t, out.Placed, 1, refusals(out))
		}, "", offers.ErrUnknownOffer},
		{"after the lease", func(t *testing.T, w *world, f *offers.Subscription, id string) {
			w.now = w.now.Add(offers.DefaultLeaseFor)
		}, "", offers.ErrExpired},
		{"after its node went away", func(t *testing.T, w *world, f *offers.Subscription, id string) {
			require.NoError(t, w.state.RemoveNodes("n1"))
		}, "", offers.ErrExpired},
		{"another's", func(t *testing.T, w *world, f *offers.Subscription, id string) {
			other := w.subscribe(offers.Framework{Name: "other"})
			require.NoError(t, w.state.AddNodes(node("n3", 1, 0)))
			w.offer()
			require.Equal(t, []string{"offer-3"}, ids(t, other))
		}, "offer-3", offers.ErrForeign},
		{"never made", func(*testing.T, *world, *offers.Subscription, string) {}, "offer-77", offers.ErrUnknownOffer},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
			f := w.subscribe(offers.Framework{Name: "f"})
			require.Equal(t, 2, w.offer())
			id, good := "offer-1", "offer-2"
			require.Equal(t, []string{id, good}, ids(t, f))
			tc.before(t, w, f, id)
			if tc.answer != "" {
				id = tc.answer
			}
			require.NoError(t, func() error { _, err := w.x.Expire(ctx); return err }())
			version := w.state.Version()
			out, err := f.Accept(ctx, []string{id, good}, placeOn(g.Task("web-2"), "n2"), offers.Filter{})
			assert.ErrorIs(t, err, tc.want)
			assert.ErrorContains(t, err, fmt.Sprintf("offer %q", id))
			assert.Nil(t, out)
			assert.ErrorIs(t, f.Decline(ctx, []string{id, good}, offers.Filter{}), tc.want)
			assert.Equal(t, version, w.state.Version(), "the state changed")
			if tc.name != "after the lease" {
				assert.Contains(t, ids(t, f), good)
			}
		})
	}
}

func TestAcceptGivesBackTheRest(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
	w.offer()
	g := cpus("web", "shop", 1)
	out, err := f.Accept(ctx, ids(t, f), placeOn(g.Task("web-1"), "n1", cpus("big", "shop", 5).Task("big-1"), "n1", g.Task("web-2"), "n1"), offers.Filter{For: time.Minute})
	require.NoError(t, err)
	assert.Len(t, out.Placed, 2)
	assert.Equal(t, "place big-1 on n1: not held cpu", refusals(out))
	assert.Equal(t, res{"cpu": 2}, freeOn(t, w.state, "n1"))
	assert.Equal(t, res{"cpu": 4}, freeOn(t, w.state, "n2"))
	assert.Zero(t, w.offer(), "the rest is filtered")
	require.NoError(t, w.state.Release("web-1"))
	assert.Equal(t, 1, w.offer(), "more than was left")
	w.check(map[string]berth.Role{"f": "shop"}, map[string]string{"web-2": "f"})
}

// What a framework accepts it takes from the offers it names, although it has others on the node.
func TestAcceptUsesTheNamedOffersAlone(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 2, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	schedule(t, w.state, cpus("job", "", 1).Tasks(1)...)
	w.offer()
	require.NoError(t, w.state.Release("job-1"))
	w.offer()
	require.Equal(t, []string{"n1: cpu 0.001", "n1: cpu 0.001"}, list(t, f))
	out, err := f.Accept(ctx, []string{"offer-2"}, placeOn(cpus("a", "", 2).Task("a-1"), "n1", cpus("b", "", 1).Task("b-1"), "n1"), offers.Filter{})
	require.NoError(t, err)
	assert.Equal(t, "place a-1 on n1: not held cpu", refusals(out))
	assert.Len(t, out.Placed, 1)
	assert.Equal(t, []string{"offer-1"}, ids(t, f))
	assert.Equal(t, []string{"n1: cpu 0.001"}, list(t, f), "the offer that was not named is whole")
}

func TestAcceptTogether(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 2, 0), node("n2", 1, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	w.offer()
	gang := berth.NewGroup("gang", berth.GroupSpec{Request: res{"cpu": 1}, Mode: berth.Gang, GangSize: 3})
	p := placeOn(gang.Task("gang-1"), "n1", gang.Task("gang-2"), "n2", gang.Task("gang-3"), "n2", cpus("web", "", 1).Task("web-1"), "n1")
	p.Together = []string{"gang"}
	out, err := f.Accept(ctx, ids(t, f), p, offers.Filter{})
	require.NoError(t, err)
	require.Len(t, out.Placed, 1)
	assert.Equal(t, "web-1", out.Placed[0].Task.ID)
	assert.Len(t, out.Refused, 3)
	assert.Equal(t, 1, snapshotOf(t, w.state).Tasks())
}

func TestExpiryReturnsCapacity(t *testing.T) {
	w := newWorld(t, offers.Config{LeaseFor: time.Minute}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	w.offer()
	s, err := f.Accept(ctx, ids(t, f), placeOn(cpus("web", "", 1).Task("web-1"), "n1"), offers.Filter{})
	require.NoError(t, err)
	require.Len(t, s.Placed, 1)
	w.offer()
	changed := f.Book().Changed()
	w.now = w.now.Add(time.Minute - 1)
	n, err := w.x.Expire(ctx)
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.Equal(t, res{"cpu": 3}, freeOn(t, f.Book(), "n1"))
	w.now = w.now.Add(1)
	n, err = w.x.Expire(ctx)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Empty(t, freeOn(t, f.Book(), "n1"))
	<-changed
	assert.Equal(t, res{"cpu": 3}, freeOn(t, w.state, "n1"), "the task stays, the lease is over")
	assert.Empty(t, list(t, f))
	held, _ := w.drf.Charged(allocator.Client{Name: "f"})
	assert.Equal(t, int64(1), held["cpu"], "only the task is charged now")
	w.check(map[string]berth.Role{"f": ""}, map[string]string{"web-1": "f"})
	assert.Equal(t, 1, w.offer(), "offered anew")
}

// A source that keeps no time of its own: the Exchange ends its leases itself.
func TestExpireDropsHolds(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	later := w.now
	x, err := offers.NewExchange(w.state, offers.Config{Order: new(allocator.DRF).Turns(), Clock: func() time.Time { return later }})
	require.NoError(t, err)
	f, err := x.Subscribe(offers.Framework{Name: "f"})
	require.NoError(t, err)
	n, err := x.Offer(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	later = later.Add(offers.DefaultLeaseFor)
	n, err = x.Expire(ctx)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	assert.Equal(t, res{"cpu": 4}, freeOn(t, w.state, "n1"))
	_, err = f.Accept(ctx, []string{"offer-1"}, &berth.Plan{}, offers.Filter{})
	assert.ErrorIs(t, err, offers.ErrExpired)
}

// The room of a released task is offered at the next pass, to whoever's turn it is.
func TestReleasedRoomIsOfferedAgain(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	a := w.subscribe(offers.Framework{Name: "a"})
	w.offer()
	require.Len(t, schedule(t, a.Book(), cpus("web", "", 4).Tasks(1)...).Placed, 1)
	b := w.subscribe(offers.Framework{Name: "b"})
	assert.Zero(t, w.offer())
	p := &berth.Plan{Version: snapshotOf(t, a.Book()).Version()}
	p.Release("web-1")
	out, err := a.Book().Commit(ctx, p)
	require.NoError(t, err)
	assert.Empty(t, out.Refused)
	assert.Equal(t, 1, w.offer())
	assert.Equal(t, []string{"n1: cpu 0.004"}, list(t, b), "a was served once already")
}

func TestSeveralOffersOfANodeAreOneRoom(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	schedule(t, w.state, cpus("job", "", 3).Tasks(1)...)
	assert.Equal(t, 1, w.offer())
	require.NoError(t, w.state.Release("job-1"))
	assert.Equal(t, 1, w.offer())
	assert.Equal(t, []string{"n1: cpu 0.001", "n1: cpu 0.003"}, list(t, f))
	assert.Equal(t, 1, snapshotOf(t, f.Book()).Len())
	assert.Equal(t, res{"cpu": 4}, freeOn(t, f.Book(), "n1"))
	out := schedule(t, f.Book(), cpus("web", "", 4).Tasks(1)...)
	assert.Len(t, out.Placed, 1, "a task larger than each offer")
	assert.Empty(t, list(t, f))
	w.check(map[string]berth.Role{"f": ""}, map[string]string{"web-1": "f"})
}

// What a commit leaves of an offer stays in the Book.
func TestRemaindersStay(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	w.offer()
	g := cpus("web", "", 1)
	schedule(t, f.Book(), g.Tasks(1)...)
	assert.Equal(t, []string{"n1: cpu 0.003"}, list(t, f))
	assert.Len(t, schedule(t, f.Book(), g.Task("web-2"), g.Task("web-3")).Placed, 2)
	assert.Equal(t, []string{"n1: cpu 0.001"}, list(t, f))
	require.NoError(t, f.Decline(ctx, ids(t, f), offers.Filter{}))
	assert.Empty(t, freeOn(t, f.Book(), "n1"))
	assert.Equal(t, res{"cpu": 1}, freeOn(t, w.state, "n1"))
}

// Rules about domains see the framework's tasks on nodes that are not offered now; and, as ever, those
// placed earlier in the same plan (marathon#3867 was about that).
func TestUniqueSeesTasksOnOtherNodes(t *testing.T) {
	zoned := func(id, zone string) berth.Node {
		n := node(id, 2, 0)
		n.Attributes = berth.Attributes{"zone": zone}
		return n
	}
	for _, blind := range []bool{false, true} {
		t.Run(fmt.Sprintf("blind=%v", blind), func(t *testing.T) {
			w := newWorld(t, offers.Config{}, zoned("n1", "a"), zoned("n2", "a"), zoned("n3", "b"))
			f := w.subscribe(offers.Framework{Name: "f", Role: "shop", Blind: blind})
			other := w.subscribe(offers.Framework{Name: "zoo", Role: "zoo"})
			w.offer()
			g := cpus("web", "shop", 1, constraints.Unique("zone"))
			require.Equal(t, "n1 n3", nodesOf(t, f))
			require.Equal(t, "n2", nodesOf(t, other))
			out := schedule(t, f.Book(), g.Task("web-1"))
			require.Len(t, out.Placed, 1)
			require.Equal(t, "n1", out.Placed[0].Node)
			require.NoError(t, f.Decline(ctx, ids(t, f), offers.Filter{For: time.Hour}))
			require.NoError(t, other.Decline(ctx, ids(t, other), offers.Filter{For: time.Hour}))
			require.NoError(t, other.Suppress())
			w.offer()
			require.Equal(t, "n2", nodesOf(t, f), "n1 and n3 are filtered")

			out = schedule(t, f.Book(), g.Task("web-2"))
			require.Len(t, out.Unplaced, 1, "zone a has web-1 on n1, which is not offered now")
			assert.Contains(t, out.Unplaced[0].String(), "2 unique(zone)")
			assert.Equal(t, map[bool]int{false: 3, true: 2}[blind], out.Unplaced[0].Why.Nodes)

			require.NoError(t, f.Revive())
			w.offer()
			out = schedule(t, f.Book(), g.Task("web-2"), g.Task("web-3"))
			assert.Len(t, out.Placed, 1)
			assert.Len(t, out.Unplaced, 1, "web-3 sees web-2 of the same plan")
		})
	}
}

// A framework without tasks on a node that is not offered still knows the node, with nothing free.
func TestBookShowsWhatIsNotOffered(t *testing.T) {
	gpu := node("n1", 4, 0)
	gpu.Devices = []berth.Device{{Class: "gpu"}, {Class: "gpu"}}
	gpu.Ports = []berth.PortRange{{First: 80, Last: 90}}
	w := newWorld(t, offers.Config{}, gpu, node("n2", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
	require.NoError(t, w.state.Adopt(scheduler.Running{Task: cpus("job", "else", 1).Task("job-1"), Node: "n2"}))
	for n := range snapshotOf(t, f.Book()).Nodes() {
		assert.Empty(t, n.Free(), n.ID())
		assert.False(t, n.Overcommitted())
		assert.Zero(t, len(berthTasks(n)), "another tenant's tasks are not shown")
	}
	require.NoError(t, w.state.Cordon("n2"))
	n, _ := snapshotOf(t, f.Book()).Node("n2")
	assert.True(t, n.Cordoned())
	share := berth.NewGroup("gpu", berth.GroupSpec{Role: "shop", Devices: []berth.DeviceRequest{{Class: "gpu", Share: 300}}, DynamicPorts: 1})
	require.NoError(t, f.Want(offers.Demand{Group: share, Count: 2}))
	w.offer()
	n, _ = snapshotOf(t, f.Book()).Node("n1")
	assert.Equal(t, []int64{600, 0}, n.FreeDevices(), "two shares of one device, cut to the demand")
	assert.Equal(t, res{"gpu": 600}, n.Free())
	out := schedule(t, f.Book(), share.Tasks(3)...)
	require.Len(t, out.Placed, 2)
	assert.Equal(t, "gpu/0:300 ports [80]", out.Placed[0].Grant.String())
	assert.Equal(t, "gpu/0:300 ports [81]", out.Placed[1].Grant.String())
	w.check(map[string]berth.Role{"f": "shop"}, map[string]string{"gpu-1": "f", "gpu-2": "f"})
}

func berthTasks(n cluster.NodeView) (ids []string) {
	for t := range n.Tasks() {
		ids = append(ids, t.ID)
	}
	return ids
}

// The Book follows tasks that are confirmed, and nodes that leave with their tasks and come back.
func TestBookFollowsTheSource(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	w.offer()
	schedule(t, f.Book(), cpus("web", "", 1).Tasks(1)...)
	require.NoError(t, w.state.Confirm("web-1"))
	task, ok := snapshotOf(t, f.Book()).Task("web-1")
	require.True(t, ok)
	assert.Equal(t, berth.Running, task.State)
	require.Equal(t, "n1", task.Node)

	require.NoError(t, w.state.RemoveNodes("n1"))
	task, ok = snapshotOf(t, f.Book()).Task("web-1")
	require.True(t, ok)
	assert.Equal(t, berth.Lost, task.State)
	require.NoError(t, w.state.AddNodes(node("n0", 8, 0), node("n1", 4, 0)))
	require.NoError(t, w.state.Release("web-1"))
	s := snapshotOf(t, f.Book())
	_, ok = s.Task("web-1")
	assert.False(t, ok)
	assert.Equal(t, 3, s.Len())
	w.offer()
	assert.Equal(t, res{"cpu": 8}, freeOn(t, f.Book(), "n0"))
	w.check(map[string]berth.Role{"f": ""}, nil)
}

// A framework may do with the source what concerns itself.
func TestBookRefusesWhatIsNotTheFrameworks(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
	schedule(t, w.state, cpus("job", "else", 1).Tasks(1)...)
	w.offer()
	hold := berth.Hold{ID: "h", Owner: "f", Node: "n1", Resources: res{"cpu": 1}, Deadline: w.now.Add(time.Hour)}
	p := &berth.Plan{Version: snapshotOf(t, f.Book()).Version(), Together: []string{"gang"}}
	p.Place(cpus("web", "else", 1).Task("web-1"), "n1")
	p.Place(cpus("gang", "shop", 1).Task("gang-1"), "n1")
	p.Ops = append(p.Ops, berth.Op{Kind: berth.Place, Task: cpus("gang", "shop", 1).Task("gang-2"), Node: "n1", From: "somebody"})
	p.Take(hold)
	p.Drop("nothing")
	p.Release("job-1")
	p.Evict("job-1", nil)
	out, err := f.Book().Commit(ctx, p)
	require.NoError(t, err)
	assert.Empty(t, out.Placed)
	assert.Equal(t, strings.Join([]string{
		`place web-1 on n1: denied role "else" is not at or below "shop"`,
		"place gang-1 on n1: gang incomplete gang",
		"place gang-2 on n1 from somebody: unknown hold somebody",
		"hold h for f on n1: cpu 0.001: denied a framework makes no holds",
		"drop nothing: unknown hold nothing",
		"release job-1: unknown task job-1",
		"evict job-1: unknown task job-1",
	}, "; "), refusals(out))
	p = &berth.Plan{Version: out.Version}
	p.Place(cpus("web", "shop/x", 1).Task("web-1"), "n1")
	p.Evict("web-1", &hold)
	p.Evict("web-1", nil)
	p.Drop(ids(t, f)[0])
	out, err = f.Book().Commit(ctx, p)
	require.NoError(t, err)
	assert.Equal(t, "evict web-1 to hold h: denied a framework makes no holds", refusals(out))
	assert.Equal(t, res{"cpu": 3}, freeOn(t, w.state, "n1"))
}

// An expired lease is a refusal of what was planned on it.
func TestCommitAfterTheLease(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	w.offer()
	p := &berth.Plan{Version: snapshotOf(t, f.Book()).Version()}
	p.Place(cpus("web", "", 1).Task("web-1"), "n1")
	w.now = w.now.Add(time.Hour)
	out, err := f.Book().Commit(ctx, p)
	require.NoError(t, err)
	assert.Equal(t, "place web-1 on n1: unknown hold f", refusals(out))
}

// In optimistic mode both are offered the room, the first commit has it, and the other's is refused.
func TestOptimisticOffers(t *testing.T) {
	w := newWorld(t, offers.Config{Lease: berth.Optimistic}, node("n1", 4, 0))
	a := w.subscribe(offers.Framework{Name: "a", Role: "a"})
	b := w.subscribe(offers.Framework{Name: "b", Role: "b"})
	assert.Equal(t, 2, w.offer())
	assert.Zero(t, w.offer(), "nobody is offered the same room twice")
	assert.Equal(t, res{"cpu": 4}, freeOn(t, w.state, "n1"))
	plan := func(s *offers.Subscription, role berth.Role) *berth.Plan {
		p := &berth.Plan{Version: snapshotOf(t, s.Book()).Version()}
		p.Place(cpus("web-"+string(role), role, 3).Task("web-"+string(role)), "n1")
		return p
	}
	pa, pb := plan(a, "a"), plan(b, "b")
	out, err := a.Book().Commit(ctx, pa)
	require.NoError(t, err)
	assert.Len(t, out.Placed, 1)
	out, err = b.Book().Commit(ctx, pb)
	require.NoError(t, err)
	assert.Equal(t, "place web-b on n1: not held taken by another", refusals(out))
	assert.Equal(t, res{"cpu": 1}, freeOn(t, b.Book(), "n1"), "the Book shows what is left")
	assert.Len(t, schedule(t, b.Book(), cpus("small", "b", 1).Tasks(1)...).Placed, 1)
	s := snapshotOf(t, w.state)
	assert.Equal(t, 2, s.Tasks())
	require.NoError(t, a.Unsubscribe(ctx))
	require.NoError(t, b.Unsubscribe(ctx))
}

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

func TestUnsubscribe(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
	w.offer()
	schedule(t, f.Book(), cpus("web", "shop", 1).Tasks(1)...)
	changed := f.Book().Changed()
	require.NoError(t, f.Unsubscribe(ctx))
	<-changed
	assert.Equal(t, res{"cpu": 3}, freeOn(t, w.state, "n1"))
	held, ok := w.drf.Charged(allocator.Client{Role: "shop"})
	require.True(t, ok, "its task is the role's to pay")
	assert.Equal(t, res{"cpu": 1}, held)
	_, err := f.Offers(ctx)
	for _, err := range []error{
		err, f.Want(), f.Suppress(), f.Revive(), f.Unsubscribe(ctx), f.Decline(ctx, nil, offers.Filter{}),
		func() error { _, err := f.Accept(ctx, nil, &berth.Plan{}, offers.Filter{}); return err }(),
		func() error { _, err := f.Book().Snapshot(ctx); return err }(),
		func() error { _, err := f.Book().Commit(ctx, &berth.Plan{}); return err }(),
	} {
		assert.ErrorIs(t, err, offers.ErrUnsubscribed)
		assert.ErrorContains(t, err, `"f"`)
	}
	again := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
	w.offer()
	assert.Equal(t, []string{"n1: cpu 0.003"}, list(t, again))
}

func TestChangedFires(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f"})
	_, err := w.x.Snapshot(ctx)
	require.NoError(t, err)
	for _, tc := range []struct {
		name string
		do   func()
	}{
		{"offers arrive", func() { w.offer() }},
		{"an offer is declined", func() { declineAll(t, f, offers.Filter{}) }},
		{"an offer expires", func() {
			w.offer()
			ch := f.Book().Changed()
			w.now = w.now.Add(time.Hour)
			_, err := w.x.Expire(ctx)
			require.NoError(t, err)
			<-ch
		}},
		{"a node joins, at the next pass", func() { require.NoError(t, w.state.AddNodes(node("n2", 1, 0))); w.offer() }},
		{"a task is placed", func() { schedule(t, f.Book(), cpus("web", "", 1).Tasks(1)...) }},
		{"a task is released by the host", func() { require.NoError(t, w.state.Release("web-1")); w.offer() }},
	} {
		ch := f.Book().Changed()
		tc.do()
		select {
		case <-ch:
		default:
			t.Errorf("%s: the channel is open", tc.name)
		}
	}
	ch := f.Book().Changed()
	w.offer()
	snapshotOf(t, f.Book())
	select {
	case <-ch:
		t.Error("nothing changed, and the channel is closed")
	default:
	}
}

func TestBadInput(t *testing.T) {
	order := new(allocator.DRF).Turns()
	_, err := offers.NewExchange(nil, offers.Config{LeaseFor: -1, Lease: 7, MaxOutstanding: -2, Prefix: " x"})
	for _, want := range []string{"no source", "no order", "LeaseFor is negative (-1ns)", "Lease 7 is neither", "MaxOutstanding is negative (-2)", `Prefix: hold " x1"`} {
		assert.ErrorContains(t, err, want)
	}
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	_, err = offers.NewExchange(w.state, offers.Config{Order: order})
	require.NoError(t, err)
	daemon := berth.NewGroup("agent", berth.GroupSpec{Role: "else", Mode: berth.Daemon})
	_, err = w.x.Subscribe(offers.Framework{Name: "", Role: "a//b", Demand: []offers.Demand{{}, {Group: daemon, Count: 2}, {Group: cpus("web", "a//b", -1), Count: -1}}})
	for _, line := range strings.Split(err.Error(), "\n") {
		assert.True(t, strings.HasPrefix(line, "offers: subscribe: "), line)
	}
	for _, want := range []string{"offers: subscribe: framework: empty name\n", "empty segment", "none given", `demand "agent": role "else"`, `demand "agent": count 2 of a daemon`, "quantity is negative"} {
		assert.ErrorContains(t, err, want)
	}
	f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
	_, err = w.x.Subscribe(offers.Framework{Name: "f", Role: "other"})
	assert.ErrorIs(t, err, offers.ErrSubscribed)
	_, err = w.x.Subscribe(offers.Framework{Name: "g "})
	assert.EqualError(t, err, `offers: subscribe "g ": framework "g ": leading or trailing space`)
	w.offer()
	version := w.state.Version()
	id := ids(t, f)[0]

	err = f.Want(offers.Demand{Group: cpus("web", "else", 1)}, offers.Demand{Group: cpus("app", "shop", 1), Count: -3})
	assert.ErrorContains(t, err, `demand "web": role "else" is not at or below "shop"`)
	assert.ErrorContains(t, err, `demand "app": count -3 is negative`)
	err = f.Want(offers.Demand{Group: cpus("app", "shop", 1), Count: 1}, offers.Demand{Group: cpus("app", "shop", 1), Count: 2})
	assert.ErrorContains(t, err, `demand "app": given twice`)

	err = f.Decline(ctx, []string{id, id, "x"}, offers.Filter{For: -1})
	for _, line := range strings.Split(err.Error(), "\n") {
		assert.True(t, strings.HasPrefix(line, `offers: decline: framework "f": `), line)
	}
	for _, want := range []string{`offer "` + id + `": named twice`, `offer "x": no such offer`, "filter: For is negative (-1ns)"} {
		assert.ErrorContains(t, err, want)
	}
	p := placeOn(cpus("web", "else", 1).Task("web-1"), "n1", cpus("bad", "shop", -1).Task("bad-1"), "n1", berth.Task{}, "n1",
		berth.NewGroup("d", berth.GroupSpec{Role: "shop", Mode: berth.Daemon}).Everywhere(), "n1")
	p.Release("web-1")
	_, err = f.Accept(ctx, []string{"x"}, p, offers.Filter{For: math.MinInt64})
	for _, want := range []string{`offer "x"`, "negative", `task "web-1": role "else"`, `task "bad-1"`, "group: none given", `group "d": the demand of a daemon is not a task`, "release web-1: only tasks can be placed"} {
		assert.ErrorContains(t, err, want)
	}
	_, err = f.Accept(ctx, []string{id}, nil, offers.Filter{})
	assert.ErrorContains(t, err, "no plan")
	_, err = f.Book().Commit(ctx, nil)
	assert.ErrorContains(t, err, "no plan")
	_, err = f.Book().Commit(ctx, &berth.Plan{Version: w.state.Version()})
	assert.ErrorIs(t, err, berth.ErrLineage)
	assert.Equal(t, version, w.state.Version())
	assert.Equal(t, []string{id}, ids(t, f))
}

// A task of a wrong role is told so, whatever is offered and whatever room there is.
func TestBookDeniesOtherRoles(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4000, 0))
	f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
	denied := berth.Reason{Code: berth.Denied, Subject: `role "lab" is not at or below "shop"`}
	lab, web := cpus("lab", "lab", 1000), cpus("web", "shop/web", 1000)
	agent := berth.NewGroup("agent", berth.GroupSpec{Role: "lab", Mode: berth.Daemon})
	tasks := []berth.Task{web.Task("web-1"), lab.Task("lab-1"), agent.Everywhere(), lab.Task("lab-2"), web.Task("web-2")}
	for _, placed := range []int{0, 2} { // before the first offer, and with one
		out := schedule(t, f.Book(), tasks...)
		assert.Len(t, out.Placed, placed)
		assert.Empty(t, out.Refused)
		require.Len(t, out.Unplaced, 5-placed)
		for i, u := range out.Unplaced[:3] {
			assert.Equal(t, tasks[i+1], u.Task)
			assert.Equal(t, denied, u.Reason)
			assert.Equal(t, fmt.Sprintf("%v: denied %s", u.Task, denied.Subject), u.String())
		}
		for _, u := range out.Unplaced[3:] {
			assert.Equal(t, berth.NotOffered, u.Reason.Code)
		}
		w.offer()
	}
	assert.Equal(t, denied, f.Book().Denies(lab))
	assert.Zero(t, f.Book().Denies(web))
	assert.Zero(t, (*offers.Book)(nil).Denies(lab))
	s, err := scheduler.New(f.Book(), scheduler.Config{})
	require.NoError(t, err)
	out, err := s.Schedule(ctx, lab.Task("lab-1"), berth.Task{ID: "x"})
	assert.ErrorContains(t, err, "group: none given")
	assert.Empty(t, out.Unplaced, "nothing is done if a task is at fault")
}

// Nodes with as much as an int64 holds can be offered, and to two frameworks at once: what they are charged
// together may be more.
func TestHugeQuantities(t *testing.T) {
	w := newWorld(t, offers.Config{Lease: berth.Optimistic}, node("n1", math.MaxInt64, 0))
	a := w.subscribe(offers.Framework{Name: "a"})
	b := w.subscribe(offers.Framework{Name: "b"})
	assert.Equal(t, 2, w.offer())
	assert.Len(t, list(t, a), 1)
	assert.Len(t, list(t, b), 1)
	w = newWorld(t, offers.Config{}, node("n1", math.MaxInt64, math.MaxInt64), node("n2", math.MaxInt64, 1))
	f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{{Group: cpus("web", "", math.MaxInt64/2)}}})
	w.offer()
	assert.Len(t, list(t, f), 2)
}

// A lease of any length can be written down.
func TestLeaseBeyondTime(t *testing.T) {
	w := newWorld(t, offers.Config{LeaseFor: math.MaxInt64}, node("n1", 4, 0))
	w.subscribe(offers.Framework{Name: "f"})
	n, err := w.x.Offer(ctx)
	assert.NoError(t, err)
	assert.Equal(t, 1, n)
}

// A context that has ended, or a source that fails, leaves the Exchange as it was.
func TestFailingSource(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	src := &failing{State: w.state}
	drf := new(allocator.DRF)
	x, err := offers.NewExchange(src, offers.Config{Order: drf.Turns(), Clock: func() time.Time { return w.now }})
	require.NoError(t, err)
	f, err := x.Subscribe(offers.Framework{Name: "f"})
	require.NoError(t, err)
	src.err = fmt.Errorf("no connection")
	_, err = x.Offer(ctx)
	assert.ErrorIs(t, err, src.err)
	held, _ := drf.Charged(allocator.Client{Name: "f"})
	assert.Empty(t, held, "charged for what was not offered")
	src.err = nil
	n, err := x.Offer(ctx)
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	src.err = fmt.Errorf("no connection")
	assert.ErrorIs(t, f.Decline(ctx, []string{"offer-2"}, offers.Filter{For: time.Hour}), src.err)
	_, err = f.Accept(ctx, []string{"offer-2"}, &berth.Plan{}, offers.Filter{})
	assert.ErrorIs(t, err, src.err)
	assert.ErrorIs(t, f.Unsubscribe(ctx), src.err)
	w.now = w.now.Add(time.Second)
	src.err = nil
	assert.Equal(t, []string{"offer-2"}, ids(t, f))
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_, err = x.Offer(gone)
	assert.ErrorIs(t, err, context.Canceled)
}

// A source that fails after it has committed takes nothing back: what was placed is told, and the next
// call meets the failure.
func TestSourceFailsAfterCommit(t *testing.T) {
	for _, tc := range []struct {
		name  string
		place func(*offers.Subscription, *cluster.Snapshot, string) (*berth.Outcome, error)
	}{
		{"book", func(f *offers.Subscription, s *cluster.Snapshot, _ string) (*berth.Outcome, error) {
			p := placeOn(cpus("web", "shop", 1).Task("web-1"), "n1")
			p.Version = s.Version()
			return f.Book().Commit(ctx, p)
		}},
		{"accept", func(f *offers.Subscription, _ *cluster.Snapshot, id string) (*berth.Outcome, error) {
			return f.Accept(ctx, []string{id}, placeOn(cpus("web", "shop", 1).Task("web-1"), "n1"), offers.Filter{})
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t, offers.Config{}, node("n1", 4, 0))
			src := &failing{State: w.state}
			var err error
			w.x, err = offers.NewExchange(src, offers.Config{Order: w.drf.Turns(), Clock: func() time.Time { return w.now }})
			require.NoError(t, err)
			f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
			w.offer()
			s, id := snapshotOf(t, f.Book()), ids(t, f)[0]
			src.after = fmt.Errorf("no connection")
			out, err := tc.place(f, s, id)
			require.NoError(t, err)
			require.Len(t, out.Placed, 1)
			_, err = f.Book().Snapshot(ctx)
			assert.ErrorIs(t, err, src.after)
			src.after = nil
			_, known := snapshotOf(t, f.Book()).Task("web-1")
			assert.True(t, known)
			w.check(map[string]berth.Role{"f": "shop"}, map[string]string{"web-1": "f"})
		})
	}
}

// A framework whose offers are given back has left, though the source can then not be seen.
func TestUnsubscribeBeforeSourceFails(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	src := &failing{State: w.state}
	var err error
	w.x, err = offers.NewExchange(src, offers.Config{Order: w.drf.Turns(), Clock: func() time.Time { return w.now }})
	require.NoError(t, err)
	f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
	w.offer()
	src.after = fmt.Errorf("no connection")
	require.NoError(t, f.Unsubscribe(ctx))
	src.after = nil
	w.subscribe(offers.Framework{Name: "f", Role: "shop"})
	assert.Equal(t, 1, w.offer())
	w.check(map[string]berth.Role{"f": "shop"}, nil)
}

// failing is a State whose commits fail on demand, or whose snapshots fail once something was committed.
type failing struct {
	*scheduler.State
	err, after error
	committed  bool
}

func (f *failing) Commit(ctx context.Context, p *berth.Plan) (*berth.Outcome, error) {
	if f.err != nil {
		return nil, f.err
	}
	f.committed = f.after != nil
	return f.State.Commit(ctx, p)
}

func (f *failing) Snapshot(ctx context.Context) (*cluster.Snapshot, error) {
	if f.committed && f.after != nil {
		return nil, f.after
	}
	return f.State.Snapshot(ctx)
}

// A task's ID that comes again by another door is not the framework's to pay for.
func TestIDsComeAgain(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f", Role: "shop"})
	w.offer()
	g := cpus("web", "shop", 1)
	schedule(t, f.Book(), g.Task("web-1"))
	declineAll(t, f, offers.Filter{For: time.Hour})
	w.check(map[string]berth.Role{"f": "shop"}, map[string]string{"web-1": "f"})
	require.NoError(t, w.state.Release("web-1"))
	w.offer()
	declineAll(t, f, offers.Filter{For: time.Hour})
	schedule(t, w.state, g.Task("web-1"))
	w.offer()
	w.check(map[string]berth.Role{"f": "shop"}, nil)
}

// While a daemon's offer is out, another is not made of the same node, though it has room.
func TestDaemonIsOfferedOnce(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
	agent := berth.NewGroup("agent", berth.GroupSpec{Request: res{"cpu": 1}, Mode: berth.Daemon})
	f := w.subscribe(offers.Framework{Name: "f", Demand: []offers.Demand{{Group: agent}}})
	assert.Equal(t, 2, w.offer())
	assert.Zero(t, w.offer())
	assert.Equal(t, "n1 n2", nodesOf(t, f))
}

// What the source does not let the Exchange hold is neither offered nor charged.
func TestRefusedOffersAreNotCharged(t *testing.T) {
	deny := true
	state, err := scheduler.NewState(scheduler.StateConfig{Admit: func(a scheduler.Admission) berth.Reason {
		if deny && a.Op.Kind == berth.Take {
			return berth.Reason{Code: berth.Denied, Subject: "not now"}
		}
		return berth.Reason{}
	}}, node("n1", 4, 0))
	require.NoError(t, err)
	drf := new(allocator.DRF)
	x, err := offers.NewExchange(state, offers.Config{Order: drf.Turns()})
	require.NoError(t, err)
	f, err := x.Subscribe(offers.Framework{Name: "f"})
	require.NoError(t, err)
	n, err := x.Offer(ctx)
	require.NoError(t, err)
	assert.Zero(t, n)
	assert.Empty(t, list(t, f))
	held, ok := drf.Charged(allocator.Client{Name: "f"})
	require.True(t, ok)
	assert.True(t, held.Equal(nil), held)
	deny = false
	n, err = x.Offer(ctx)
	require.NoError(t, err)
	assert.Equal(t, 1, n, "a later pass tries again")
}

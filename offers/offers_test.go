package offers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

var ctx = context.Background()

func placeOn(pairs ...any) *cluster.Plan {
	p := &cluster.Plan{}
	for i := 0; i < len(pairs); i += 2 {
		p.Place(pairs[i].(berth.Task), pairs[i+1].(string))
	}
	return p
}

func refusals(out *cluster.Outcome) string {
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
			p := &cluster.Plan{Version: snapshotOf(t, f.Book()).Version()}
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
	_, err = f.Accept(ctx, []string{"offer-1"}, &cluster.Plan{}, offers.Filter{})
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
	p := &cluster.Plan{Version: snapshotOf(t, a.Book()).Version()}
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

// In optimistic mode both are offered the room, the first commit has it, and the other's is refused.
func TestOptimisticOffers(t *testing.T) {
	w := newWorld(t, offers.Config{Lease: berth.Optimistic}, node("n1", 4, 0))
	a := w.subscribe(offers.Framework{Name: "a", Role: "a"})
	b := w.subscribe(offers.Framework{Name: "b", Role: "b"})
	assert.Equal(t, 2, w.offer())
	assert.Zero(t, w.offer(), "nobody is offered the same room twice")
	assert.Equal(t, res{"cpu": 4}, freeOn(t, w.state, "n1"))
	plan := func(s *offers.Subscription, role berth.Role) *cluster.Plan {
		p := &cluster.Plan{Version: snapshotOf(t, s.Book()).Version()}
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
		func() error { _, err := f.Accept(ctx, nil, &cluster.Plan{}, offers.Filter{}); return err }(),
		func() error { _, err := f.Book().Snapshot(ctx); return err }(),
		func() error { _, err := f.Book().Commit(ctx, &cluster.Plan{}); return err }(),
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

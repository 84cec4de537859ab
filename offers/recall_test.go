package offers_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/offers"
)

func asked(t testing.TB, s *offers.Subscription) []offers.InverseOffer {
	t.Helper()
	all, err := s.Inverse(ctx)
	require.NoError(t, err)
	return all
}

func recallOf(t testing.TB, w *world, id string) (offers.Recalled, bool) {
	t.Helper()
	all, err := w.x.Recalls(ctx)
	require.NoError(t, err)
	at := slices.IndexFunc(all, func(r offers.Recalled) bool { return r.ID == id })
	if at < 0 {
		return offers.Recalled{}, false
	}
	return all[at], true
}

// M20 of Mesos (MaintenanceInverseOffers): who holds A1 is asked for it once, and not for A2, which was offered and declined.
func TestInverseOffersOfMesos(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("A1", 2, 1024), node("A2", 2, 1024))
	f := w.subscribe(offers.Framework{Name: "F", Role: "*"})
	w.offer()
	schedule(t, f.Book(), berth.NewTask("all of A1", berth.GroupSpec{Role: "*", Request: res{"cpu": 2, "memory": 1024}}))
	declineAll(t, f, offers.Filter{For: 24 * time.Hour})
	when := w.now.Add(time.Hour)
	for _, id := range []string{"A1", "A2"} {
		_, err := w.x.Recall(ctx, offers.Recall{Node: id, Reason: "maintenance", Deadline: when, Until: when.Add(time.Hour)})
		require.NoError(t, err)
	}
	for range 3 {
		w.offer()
		all := asked(t, f)
		require.Len(t, all, 1)
		assert.Equal(t, offers.InverseOffer{ID: all[0].ID, Framework: "F", Role: "*", Node: "A1", Tasks: []string{"all of A1"},
			Reason: "maintenance", Deadline: when, Until: when.Add(time.Hour), Reply: all[0].Reply}, all[0])
		require.NoError(t, f.DeclineInverse(ctx, []string{all[0].ID}, "busy"), "it stands, and is not made again")
		require.NoError(t, f.AcceptInverse(ctx, []string{all[0].ID}))
		w.now = w.now.Add(time.Second)
	}
	require.NoError(t, f.Revive())
	w.offer()
	open, err := f.Offers(ctx)
	require.NoError(t, err)
	require.Len(t, open, 1)
	assert.Equal(t, when, open[0].Recalled, "the offer of A2 tells")
}

// Every end of an inverse offer, with its reason.
func TestInverseOfferEnds(t *testing.T) {
	for name, tc := range map[string]struct {
		do   func(t *testing.T, w *world, f *offers.Subscription, recall string)
		want offers.Ended
		left bool // the recall is not over
	}{
		"met": {func(t *testing.T, w *world, _ *offers.Subscription, _ string) {
			require.NoError(t, w.state.Release("f-1", "f-2"))
		}, offers.Ended{End: offers.Met}, true},
		"lapsed": {func(_ *testing.T, w *world, _ *offers.Subscription, _ string) { w.now = w.now.Add(time.Minute) }, offers.Ended{End: offers.Lapsed}, true},
		"node gone": {func(t *testing.T, w *world, _ *offers.Subscription, _ string) {
			require.NoError(t, w.state.RemoveNodes("n1"))
		}, offers.Ended{End: offers.NodeGone}, false},
		"unsubscribe": {func(t *testing.T, _ *world, f *offers.Subscription, _ string) { require.NoError(t, f.Unsubscribe(ctx)) }, offers.Ended{End: offers.Dropped}, true},
		"withdrawn": {func(t *testing.T, w *world, _ *offers.Subscription, recall string) {
			require.NoError(t, w.x.Withdraw(ctx, recall, "it was n2"))
		}, offers.Ended{End: offers.Rescinded, Reason: "it was n2"}, false},
		"a node in its place": {func(t *testing.T, w *world, _ *offers.Subscription, _ string) {
			require.NoError(t, w.state.RemoveNodes("n1"))
			require.NoError(t, w.state.AddNodes(node("n0", 4, 0)))
		}, offers.Ended{End: offers.NodeGone}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, offers.Config{}, node("n1", 4, 0))
			f := w.subscribe(offers.Framework{Name: "f", Role: "f"})
			w.offer()
			schedule(t, f.Book(), cpus("f", "f", 1).Tasks(2)...)
			id, err := w.x.Recall(ctx, offers.Recall{Node: "n1", Reason: "a new disk", Deadline: w.now.Add(time.Minute)})
			require.NoError(t, err)
			one := asked(t, f)[0]
			assert.Equal(t, []string{"f-1", "f-2"}, one.Tasks)
			tc.do(t, w, f, id)
			if name == "unsubscribe" {
				f = w.subscribe(offers.Framework{Name: "f", Role: "f"})
			}
			assert.Empty(t, asked(t, f))
			ended, ok, err := f.Ended(ctx, one.ID)
			require.NoError(t, err)
			assert.True(t, ok)
			assert.Equal(t, tc.want, ended)
			_, left := recallOf(t, w, id)
			assert.Equal(t, tc.left, left)
			err = f.AcceptInverse(ctx, []string{one.ID})
			require.ErrorIs(t, err, offers.ErrExpired)
			require.ErrorIs(t, w.x.Rescind(ctx, []string{one.ID}, "x"), offers.ErrExpired)
			if name == "unsubscribe" {
				n, err := f.Resume(ctx)
				require.NoError(t, err)
				assert.Equal(t, 2, n)
				assert.Equal(t, []string{"f-1", "f-2"}, asked(t, f)[0].Tasks, "who has them again is asked again")
			}
		})
	}
}

// Who places something on a recalled node is asked for it then, each role by itself; a framework that is away is asked when it is back; tasks of
// nobody's are left to the host.
func TestWhoIsAsked(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 9, 0))
	ads := w.subscribe(offers.Framework{Name: "f", Role: "ads", Demand: []offers.Demand{{Group: cpus("a", "ads", 1), Count: 3}}})
	eng := join(t, ads, offers.Framework{Role: "eng", Demand: []offers.Demand{{Group: cpus("e", "eng", 1), Count: 3}}})
	schedule(t, w.state, cpus("host", "ops", 1).Task("host-1"))
	w.offer()
	schedule(t, ads.Book(), cpus("a", "ads", 1).Task("a-1"))
	id, err := w.x.Recall(ctx, offers.Recall{Node: "n1", Reason: "a new disk", Deadline: w.now.Add(time.Minute)})
	require.NoError(t, err)
	require.NoError(t, ads.Disconnect(ctx))
	require.NoError(t, ads.Reconnect())
	assert.Equal(t, []string{"a-1"}, asked(t, ads)[0].Tasks, "it keeps what it was asked")
	assert.Empty(t, asked(t, eng))
	w.offer()
	schedule(t, eng.Book(), cpus("e", "eng", 1).Task("e-1"))
	schedule(t, ads.Book(), cpus("a", "ads", 1).Task("a-2"))
	assert.Equal(t, []string{"e-1"}, asked(t, eng)[0].Tasks)
	assert.Equal(t, []string{"a-1", "a-2"}, asked(t, ads)[0].Tasks)
	r, ok := recallOf(t, w, id)
	require.True(t, ok)
	assert.Equal(t, []string{"a-1", "a-2", "e-1", "host-1"}, r.Left)
	require.Len(t, r.Asked, 2)
	assert.Equal(t, r.Asked[1].ID+" to f: e-1 on n1 by 00:17:40: a new disk", r.Asked[1].String())
	err = eng.AcceptInverse(ctx, []string{r.Asked[0].ID})
	require.ErrorIs(t, err, offers.ErrOtherRole)
	other := w.subscribe(offers.Framework{Name: "other", Role: "ops"})
	require.ErrorIs(t, other.AcceptInverse(ctx, []string{r.Asked[0].ID}), offers.ErrForeign)
	require.ErrorIs(t, other.AcceptInverse(ctx, []string{"nothing"}), offers.ErrUnknownOffer)
	require.ErrorContains(t, eng.DeclineInverse(ctx, []string{r.Asked[1].ID}, " "), "no reason")

	// At the deadline the host's plan ends what is left, and takes back what is offered of the node.
	w.now = w.now.Add(29 * time.Second) // within the lease
	w.offer()
	w.now = w.now.Add(31 * time.Second)
	require.NoError(t, w.state.Confirm("a-1", "a-2", "e-1", "host-1"))
	require.NoError(t, w.state.Stop("a-2"))
	plan, err := w.x.Overdue(ctx)
	require.NoError(t, err)
	out, err := w.state.Commit(ctx, plan)
	require.NoError(t, err)
	require.Empty(t, out.Refused)
	r, ok = recallOf(t, w, id)
	require.True(t, ok)
	assert.Equal(t, []string{"a-2"}, r.Left, "it is stopping, which is not gone")
	assert.True(t, r.Overdue)
	assert.Empty(t, r.Asked)
	again, err := w.x.Overdue(ctx)
	require.NoError(t, err)
	assert.Empty(t, again.Ops, "once is enough")
	require.NoError(t, w.state.Release("a-2"))
	_, ok = recallOf(t, w, id)
	assert.False(t, ok, "and then it is over")
	require.ErrorIs(t, w.x.Withdraw(ctx, id, "x"), offers.ErrNoRecall)
}

// Tasks that are recalled by themselves are asked of whose they are; one that is gone counts, and another under its ID is another.
func TestRecallOfTasks(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
	f, g := w.subscribe(offers.Framework{Name: "f", Role: "f"}), w.subscribe(offers.Framework{Name: "g", Role: "g"})
	w.offer()
	schedule(t, f.Book(), cpus("f", "f", 1).Tasks(3)...)
	schedule(t, g.Book(), cpus("g", "g", 1).Tasks(2)...)
	id, err := w.x.Recall(ctx, offers.Recall{Tasks: []string{"g-2", "f-3", "f-1"}, Reason: "guaranteed to shop", Deadline: w.now.Add(time.Second)})
	require.NoError(t, err)
	assert.Equal(t, []string{"f-1", "f-3"}, asked(t, f)[0].Tasks)
	assert.Equal(t, []string{"g-2"}, asked(t, g)[0].Tasks)
	require.NoError(t, w.state.Release("f-1"))
	schedule(t, f.Book(), cpus("f", "f", 1).Task("f-1"))
	assert.Equal(t, []string{"f-3"}, asked(t, f)[0].Tasks, "f-1 is another now")
	_, err = w.x.Recall(ctx, offers.Recall{Tasks: []string{"f-1"}, Reason: "again", Deadline: w.now.Add(time.Second)})
	require.NoError(t, err, "and can be recalled")
	require.NoError(t, w.state.Release("g-2", "f-3"))
	_, ok := recallOf(t, w, id)
	assert.False(t, ok, "none is left")
	assert.Len(t, asked(t, f), 1)
	require.NoError(t, w.state.RemoveNodes("n1", "n2"))
	assert.Empty(t, asked(t, f), "a task whose node went holds no room")
}

func TestRecallFaults(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	f := w.subscribe(offers.Framework{Name: "f", Role: "f"})
	w.offer()
	schedule(t, f.Book(), cpus("f", "f", 1).Tasks(2)...)
	later := w.now.Add(time.Minute)
	ok := func(r offers.Recall) {
		_, err := w.x.Recall(ctx, r)
		require.NoError(t, err)
	}
	ok(offers.Recall{Node: "n1", Reason: "x", Deadline: later})
	ok(offers.Recall{Tasks: []string{"f-1"}, Reason: "x", Deadline: later})
	for _, tc := range []struct {
		r    offers.Recall
		want []string
	}{
		{offers.Recall{}, []string{"one of Node and Tasks", "no reason", "no deadline"}},
		{offers.Recall{Node: "n1", Tasks: []string{"f-1"}, Reason: " ", Deadline: later, Until: later}, []string{"one of Node and Tasks", "no reason", "its end, Until, is not after the deadline"}},
		{offers.Recall{Node: "n1", Reason: "x", Deadline: w.now}, []string{"has passed", `node "n1": it is recalled already: recall-`}},
		{offers.Recall{Node: "n7", Reason: "x", Deadline: later}, []string{`node "n7": unknown node`}},
		{offers.Recall{Tasks: []string{"f-2", "f-2", "f-9", "f-1"}, Reason: "x", Deadline: later}, []string{`task "f-2": named twice`, `task "f-9": unknown task`, `task "f-1": it is recalled already`}},
	} {
		_, err := w.x.Recall(ctx, tc.r)
		for _, want := range tc.want {
			require.ErrorContains(t, err, want)
		}
	}
	assert.Len(t, asked(t, f), 2, "nothing is done")
	var none *offers.Exchange
	_, err := none.Recall(ctx, offers.Recall{Node: "n1", Reason: "x", Deadline: later})
	require.ErrorIs(t, err, offers.ErrNotMade)
	_, err = none.Recalls(ctx)
	require.ErrorIs(t, err, offers.ErrNotMade)
	_, err = none.Overdue(ctx)
	require.ErrorIs(t, err, offers.ErrNotMade)
	require.ErrorIs(t, none.Withdraw(ctx, "", ""), offers.ErrNotMade)
	_, err = (*offers.Subscription)(nil).Inverse(ctx)
	require.ErrorIs(t, err, offers.ErrNotMade)
	require.ErrorIs(t, (*offers.Subscription)(nil).AcceptInverse(ctx, nil), offers.ErrNotMade)
	for r := range offers.Declined + 1 {
		text, err := r.MarshalText()
		require.NoError(t, err)
		var back offers.Reply
		require.NoError(t, back.UnmarshalText(text))
		assert.Equal(t, r, back)
	}
	assert.Equal(t, "Reply(3)", (offers.Declined + 1).String())
}

// Whatever happens, what frameworks are asked is what a look at the cluster says, and an inverse offer that was made either stands or has an end.
func TestRecallHistories(t *testing.T) {
	for seed := range uint64(10) {
		rng := rand.New(rand.NewPCG(seed, 20))
		w := newWorld(t, offers.Config{}, node("n0", 6, 0), node("n1", 6, 0), node("n2", 6, 0), node("n3", 6, 0))
		names := []string{"a", "b", "c"}
		for _, name := range names {
			w.subscribe(offers.Framework{Name: name, Role: berth.Role(name)})
		}
		placedBy := map[string]string{}
		all := map[string]string{} // inverse offers ever seen, by framework
		for step := range 80 {
			s, name := w.subs[names[rng.IntN(3)]], ""
			for n, one := range w.subs {
				if one == s {
					name = n
				}
			}
			at := fmt.Sprint("n", rng.IntN(4))
			switch rng.IntN(9) {
			case 0, 1:
				w.offer()
			case 2, 3:
				for _, op := range schedule(t, s.Book(), cpus(fmt.Sprint("g", step), berth.Role(name), 1+rng.Int64N(2)).Tasks(2)...).Placed {
					placedBy[op.Task.ID] = name
				}
			case 4:
				for id := range placedBy {
					if rng.IntN(3) == 0 {
						if _, ok := w.state.Task(id); ok {
							require.NoError(t, w.state.Release(id))
						}
						delete(placedBy, id)
					}
				}
			case 5:
				_, err := w.x.Recall(ctx, offers.Recall{Node: at, Reason: "x", Deadline: w.now.Add(time.Duration(1+rng.IntN(9)) * time.Second)})
				if err != nil {
					require.True(t, errors.Is(err, offers.ErrRecalled) || errors.Is(err, berth.ErrUnknownNode), err)
				}
			case 6:
				if recalls, err := w.x.Recalls(ctx); err == nil && len(recalls) > 0 && rng.IntN(3) == 0 {
					require.NoError(t, w.x.Withdraw(ctx, recalls[rng.IntN(len(recalls))].ID, "y"))
				}
			case 7:
				w.now = w.now.Add(time.Duration(rng.IntN(4)) * time.Second)
			case 8:
				if _, ok := w.state.Node(at); !ok {
					require.NoError(t, w.state.AddNodes(node(at, 6, 0)))
				} else if rng.IntN(3) == 0 {
					require.NoError(t, w.state.RemoveNodes(at))
				}
			}
			declineAll(t, s, offers.Filter{})
			recalls, err := w.x.Recalls(ctx)
			require.NoError(t, err)
			want := map[string][]string{} // by framework and node
			for _, r := range recalls {
				n, ok := w.state.Node(r.Node)
				require.True(t, ok)
				var left []string
				for task := range n.Tasks() {
					left = append(left, task.ID)
					if !r.Overdue {
						key := placedBy[task.ID] + " " + r.Node
						want[key] = append(want[key], task.ID)
					}
				}
				require.Equal(t, left, r.Left)
				require.Equal(t, !w.now.Before(r.Deadline), r.Overdue)
			}
			got := map[string][]string{}
			for name, one := range w.subs {
				stands := map[string]bool{}
				for _, o := range asked(t, one) {
					got[name+" "+o.Node] = o.Tasks
					all[o.ID], stands[o.ID] = name, true
				}
				for id, by := range all {
					if by == name && !stands[id] {
						_, ended, err := one.Ended(ctx, id)
						require.NoError(t, err)
						require.True(t, ended, "%s has no end", id)
					}
				}
			}
			require.Equal(t, want, got, "seed %d, step %d", seed, step)
		}
	}
}

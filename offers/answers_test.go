package offers_test

import (
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

// Six nodes are six offers of one framework. One is accepted with two tasks, of which the second does not fit; a task of a commit to
// the Book uses up the next; one is declined and one is dropped by a commit; of the last two, one node goes and one lease runs out.
func TestObserverOfAnswers(t *testing.T) {
	var told []offers.Answers
	var x *offers.Exchange
	now := time.Unix(1000, 0)
	ids := []string{"n1", "n2", "n3", "n4", "n5", "n6"}
	var nodes []berth.Node
	for _, id := range ids {
		nodes = append(nodes, node(id, 4, 0))
	}
	state, err := scheduler.NewState(scheduler.StateConfig{Clock: func() time.Time { return now }}, nodes...)
	require.NoError(t, err)
	x, err = offers.NewExchange(state, offers.Config{
		Order: new(allocator.DRF).Turns(), LeaseFor: time.Minute, Clock: func() time.Time { return now },
		Observer: offers.Observer{Answered: func(a offers.Answers) {
			told = append(told, a)
			_, err := x.Snapshot(ctx) // without any lock
			assert.NoError(t, err)
			panic("dropped")
		}},
	})
	require.NoError(t, err)
	s, err := x.Subscribe(offers.Framework{Name: "shop", Role: "shop"})
	require.NoError(t, err)
	_, err = x.Offer(ctx)
	require.NoError(t, err)
	made, err := s.Offers(ctx)
	require.NoError(t, err)
	require.Len(t, made, 6)
	on := map[string]string{}
	for _, o := range made {
		on[o.Node] = o.ID
	}
	require.Empty(t, told, "nothing was answered yet")
	heard := func(want offers.Answers) {
		t.Helper()
		want.Framework, want.Role = "shop", "shop"
		require.Equal(t, []offers.Answers{want}, told)
		told = nil
	}
	g := berth.NewGroup("web", berth.GroupSpec{Role: "shop", Request: nodes[0].Capacity})

	plan := &cluster.Plan{}
	plan.Place(g.Task("web-1"), "n1")
	plan.Place(g.Task("web-2"), "n1")
	_, err = s.Accept(ctx, []string{on["n1"]}, plan, offers.Filter{})
	require.NoError(t, err)
	heard(offers.Answers{Accepted: 1, Placed: 1, Refused: 1})

	commit := func(do func(p *cluster.Plan)) {
		seen, err := s.Book().Snapshot(ctx)
		require.NoError(t, err)
		p := &cluster.Plan{Version: seen.Version()}
		do(p)
		_, err = s.Book().Commit(ctx, p)
		require.NoError(t, err)
	}
	commit(func(p *cluster.Plan) { p.Place(g.Task("web-2"), "n2") })
	heard(offers.Answers{Accepted: 1, Placed: 1})

	require.NoError(t, s.Decline(ctx, []string{on["n3"]}, offers.Filter{For: time.Hour}))
	heard(offers.Answers{Declined: 1})

	commit(func(p *cluster.Plan) { p.Drop(on["n4"]) })
	heard(offers.Answers{Declined: 1})

	commit(func(p *cluster.Plan) {})
	require.Empty(t, told)

	require.NoError(t, state.RemoveNodes("n5"))
	_, err = x.Expire(ctx)
	require.NoError(t, err)
	heard(offers.Answers{Rescinded: 1})

	now = now.Add(time.Minute)
	n, err := x.Expire(ctx)
	require.NoError(t, err)
	require.Equal(t, 1, n)
	heard(offers.Answers{Lapsed: 1})

	_, err = x.Offer(ctx)
	require.NoError(t, err)
	made, err = s.Offers(ctx)
	require.NoError(t, err)
	require.NotEmpty(t, made)
	require.NoError(t, s.Unsubscribe(ctx))
	heard(offers.Answers{Declined: len(made)})
}

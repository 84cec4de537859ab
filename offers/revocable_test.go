package offers_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

// What may be taken back is offered to who takes it, and to nobody else.
func TestRevocableIsOfferedToWhoTakesIt(t *testing.T) {
	pool := berth.Revocable("cpu")
	for _, lease := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
		w := newWorld(t, offers.Config{Lease: lease}, node("n1", 4, 0))
		require.NoError(t, w.state.SetRevocable(map[string]berth.Resources{"n1": {"cpu": 6}}))
		plain := w.subscribe(offers.Framework{Name: "plain"})
		w.offer()
		declineAll(t, plain, offers.Filter{})
		w.offer()
		assert.Equal(t, []string{"n1: cpu 0.004"}, list(t, plain))
		takes := w.subscribe(offers.Framework{Name: "takes", Terms: offers.Terms{Uses: []string{pool}}})
		wants := w.subscribe(wants("wants", offers.Demand{Group: berth.NewGroup("batch", berth.GroupSpec{Role: "wants", Request: res{pool: 2}}), Count: 1}))
		w.offer()
		assert.Equal(t, []string{"n1: cpu 0.004"}, list(t, plain))
		if lease == berth.Exclusive {
			assert.Equal(t, []string{"n1: revocable.cpu 0.004"}, list(t, takes))
			declineAll(t, takes, offers.Filter{For: time.Hour})
			w.offer()
		} else {
			assert.Equal(t, []string{"n1: cpu 0.004, revocable.cpu 0.006"}, list(t, takes))
		}
		assert.Equal(t, []string{"n1: revocable.cpu 0.002"}, list(t, wants))
		assert.Equal(t, []string{"n1: cpu 0.004"}, list(t, plain))
	}
}

// When an estimate falls offers of what is gone end first, and then tasks are proposed to end, or asked for.
func TestRevocableOffersEndFirst(t *testing.T) {
	pool := berth.Revocable("cpu")
	w := newWorld(t, offers.Config{}, node("n1", 4, 0))
	require.NoError(t, w.state.SetRevocable(map[string]berth.Resources{"n1": {"cpu": 6}}))
	f := w.subscribe(wants("f", offers.Demand{Group: berth.NewGroup("batch", berth.GroupSpec{Role: "f", Request: res{pool: 2}}), Count: 3}))
	w.offer()
	schedule(t, f.Book(), berth.NewGroup("batch", berth.GroupSpec{Role: "f", Request: res{pool: 2}}).Tasks(2)...)
	require.Len(t, ids(t, f), 1)
	offer := ids(t, f)[0]
	require.NoError(t, w.state.SetRevocable(map[string]berth.Resources{"n1": {"cpu": 3}}))
	s, err := scheduler.New(w.state, scheduler.Config{})
	require.NoError(t, err)
	revoked, err := s.Revoke(ctx, snapshotOf(t, w.state), scheduler.Reclaim{})
	require.NoError(t, err)
	require.Len(t, revoked.Nodes, 1)
	assert.Equal(t, "n1 is over by revocable.cpu 0.003: ends hold "+offer+", batch-2", revoked.Nodes[0].String())
	_, err = w.x.Recall(ctx, offers.Recall{Tasks: []string{"batch-2"}, Reason: "the estimate fell", Deadline: w.now.Add(time.Minute)})
	require.NoError(t, err)
	asked, err := f.Inverse(ctx)
	require.NoError(t, err)
	require.Len(t, asked, 1)
	assert.Equal(t, []string{"batch-2"}, asked[0].Tasks)
	_, err = w.state.Commit(ctx, revoked.Plan)
	require.NoError(t, err)
	assert.Empty(t, ids(t, f))
	how, _, err := f.Ended(ctx, offer)
	require.NoError(t, err)
	assert.Equal(t, "dropped", how.String())
}

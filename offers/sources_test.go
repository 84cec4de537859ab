package offers_test

import (
	"context"
	"fmt"
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
	_, err = f.Accept(ctx, []string{"offer-2"}, &cluster.Plan{}, offers.Filter{})
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
		place func(*offers.Subscription, *cluster.Snapshot, string) (*cluster.Outcome, error)
	}{
		{"book", func(f *offers.Subscription, s *cluster.Snapshot, _ string) (*cluster.Outcome, error) {
			p := placeOn(cpus("web", "shop", 1).Task("web-1"), "n1")
			p.Version = s.Version()
			return f.Book().Commit(ctx, p)
		}},
		{"accept", func(f *offers.Subscription, _ *cluster.Snapshot, id string) (*cluster.Outcome, error) {
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

func (f *failing) Commit(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
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

package offers_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/offers"
)

// OfferFilter and RemoveFilters of Apache Mesos' allocator tests (src/tests/hierarchical_allocator_tests.cpp), beyond what the scripts have: what was declined stays away until the filter expires, the node is
// described anew, or it has more to offer.
func TestMesosOfferFilter(t *testing.T) {
	decline := func(t *testing.T, d time.Duration) (*world, *offers.Subscription) {
		w := newWorld(t, offers.Config{}, node("A", 2, 1024))
		f := w.subscribe(offers.Framework{Name: "F1"})
		require.Equal(t, 1, w.offer())
		declineAll(t, f, offers.Filter{For: d})
		return w, f
	}
	t.Run("expires by the clock", func(t *testing.T) {
		w, _ := decline(t, 2*time.Second)
		w.now = w.now.Add(time.Second)
		assert.Zero(t, w.offer())
		w.now = w.now.Add(time.Second)
		assert.Equal(t, 1, w.offer())
	})
	t.Run("none", func(t *testing.T) {
		w, _ := decline(t, 0)
		assert.Equal(t, 1, w.offer())
	})
	t.Run("other attributes", func(t *testing.T) {
		w, _ := decline(t, offers.DefaultFilter)
		n := node("A", 2, 1024)
		n.Attributes = berth.Attributes{"os": "new"}
		require.NoError(t, w.state.UpdateNodes(n))
		assert.Equal(t, 1, w.offer())
	})
	t.Run("more than was declined", func(t *testing.T) {
		w := newWorld(t, offers.Config{}, node("A", 4, 1024))
		schedule(t, w.state, cpus("job", "", 1).Tasks(1)...)
		f := w.subscribe(offers.Framework{Name: "F1"})
		require.Equal(t, 1, w.offer())
		declineAll(t, f, offers.Filter{For: 365 * 24 * time.Hour})
		schedule(t, w.state, cpus("other", "", 1).Tasks(1)...)
		assert.Zero(t, w.offer(), "less than was declined")
		require.NoError(t, w.state.Release("other-1"))
		assert.Zero(t, w.offer(), "as much as was declined")
		require.NoError(t, w.state.Release("job-1"))
		assert.Equal(t, 1, w.offer(), "more than was declined")
	})
	t.Run("the next framework gets it", func(t *testing.T) {
		w, f := decline(t, time.Hour)
		other := w.subscribe(offers.Framework{Name: "F2"})
		assert.Equal(t, 1, w.offer())
		assert.Equal(t, "A", nodesOf(t, other))
		assert.Empty(t, list(t, f))
	})
	t.Run("revive forgets it", func(t *testing.T) {
		w, f := decline(t, time.Hour)
		assert.Zero(t, w.offer())
		require.NoError(t, f.Revive())
		assert.Equal(t, 1, w.offer())
	})
}

// The example of the DRF paper (NSDI 2011, section 4.1): 9 CPUs and 18 GB; tasks of A take <1, 4>, tasks of B
// <3, 1>. A fills up to 3 tasks and B to 2, both with a dominant share of 2/3.
func TestOffersFillUpAsDRF(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n", 9, 18))
	want := func(name string, r res) *offers.Subscription {
		g := berth.NewGroup(name, berth.GroupSpec{Role: berth.Role(name), Request: r})
		return w.subscribe(offers.Framework{Name: name, Role: berth.Role(name), Demand: []offers.Demand{{Group: g}}})
	}
	a, b := want("A", res{"cpu": 1, "memory": 4}), want("B", res{"cpu": 3, "memory": 1})
	assert.Equal(t, 2, w.offer())
	offersOf := func(s *offers.Subscription) berth.Resources {
		all, err := s.Offers(context.Background())
		require.NoError(t, err)
		require.Len(t, all, 1, "the tasks of one demand are one offer")
		return all[0].Resources
	}
	assert.Equal(t, res{"cpu": 3, "memory": 12}, offersOf(a))
	assert.Equal(t, res{"cpu": 6, "memory": 2}, offersOf(b))
	for _, role := range []berth.Role{"A", "B"} {
		share, ok := w.drf.RoleShare(role)
		require.True(t, ok)
		num, den := share.Fraction()
		assert.Equal(t, []int64{2, 3}, []int64{num, den})
	}
}

// Tasks that came by another door count for their role (and so would a global-state scheduler's).
func TestEveryDoorIsCharged(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 0), node("n2", 4, 0))
	schedule(t, w.state, cpus("job", "role1", 4).Tasks(1)...)
	f1 := w.subscribe(offers.Framework{Name: "F1", Role: "role1"})
	f2 := w.subscribe(offers.Framework{Name: "F2", Role: "role2"})
	w.offer()
	assert.Empty(t, nodesOf(t, f1), "role1 has half of the cluster")
	assert.NotEmpty(t, nodesOf(t, f2))
	got, ok := w.drf.Charged(allocator.Client{Role: "role1"})
	require.True(t, ok)
	assert.Equal(t, int64(4), got["cpu"])
	require.NoError(t, w.state.Release("job-1"))
	w.offer()
	got, _ = w.drf.Charged(allocator.Client{Role: "role1"})
	assert.Zero(t, got["cpu"])
}

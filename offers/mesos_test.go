package offers_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/offers"
)

// Scenarios of Apache Mesos' allocator tests (src/tests/hierarchical_allocator_tests.cpp, names given).
// There each event makes a pass of its own; here the test makes it.

// UnreservedDRF: roles first, frameworks within a role second, all by dominant share.
func TestMesosUnreservedDRF(t *testing.T) {
	w := newWorld(t, offers.Config{LeaseFor: time.Hour})
	join := func(name string, role berth.Role) { w.subscribe(offers.Framework{Name: name, Role: role}) }
	gets := func(n berth.Node, want string) {
		t.Helper()
		require.NoError(t, w.state.AddNodes(n))
		require.Equal(t, 1, w.offer())
		for name, s := range w.subs {
			has := strings.Contains(" "+nodesOf(t, s)+" ", " "+n.ID+" ")
			assert.Equal(t, name == want, has, "%s is offered %s", name, n.ID)
		}
	}
	join("F1", "role1")
	gets(node("A1", 2, 1024), "F1")
	join("F2", "role2")
	assert.Zero(t, w.offer(), "all is offered to F1")
	gets(node("A2", 1, 512), "F2")
	gets(node("A3", 3, 2048), "F2") // role1 has 1/3, role2 1/6 of the nodes there were
	join("F3", "role1")
	gets(node("A4", 4, 4096), "F3") // role1 1/5 and role2 2/5; in role1 F3 has nothing
	join("F4", "role1")
	gets(node("A5", 1, 512), "F2") // role2 4/11, role1 7/11, whoever in it has nothing
}

// NestedRoleDRF: a framework with nothing waits while its parent role has more than another.
func TestMesosNestedRoleDRF(t *testing.T) {
	w := newWorld(t, offers.Config{LeaseFor: time.Hour})
	f1 := w.subscribe(offers.Framework{Name: "F1", Role: "a/b"})
	require.NoError(t, w.state.AddNodes(node("A1", 2, 1024)))
	w.offer()
	assert.Equal(t, "A1", nodesOf(t, f1))
	w.subscribe(offers.Framework{Name: "F2", Role: "a/c"})
	f3 := w.subscribe(offers.Framework{Name: "F3", Role: "d/e"})
	require.NoError(t, w.state.AddNodes(node("A2", 1, 512)))
	w.offer()
	assert.Equal(t, "A2", nodesOf(t, f3))
	f4 := w.subscribe(offers.Framework{Name: "F4", Role: "d/f"})
	require.NoError(t, w.state.AddNodes(node("A3", 2, 1024)))
	w.offer()
	assert.Equal(t, "A3", nodesOf(t, f4), "d has 1/5, a 2/5")
}

// CoarseGrained: two frameworks share two nodes, each a whole one.
func TestMesosCoarseGrained(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("A1", 2, 1024), node("A2", 2, 1024))
	f1 := w.subscribe(offers.Framework{Name: "F1", Role: "role1"})
	assert.Equal(t, 2, w.offer())
	declineAll(t, f1, offers.Filter{})
	f2 := w.subscribe(offers.Framework{Name: "F2", Role: "role2"})
	assert.Equal(t, 2, w.offer())
	assert.Len(t, list(t, f1), 1)
	assert.Len(t, list(t, f2), 1)
	assert.ElementsMatch(t, []string{"A1", "A2"}, []string{nodesOf(t, f1), nodesOf(t, f2)})
}

// SameShareFairness: two frameworks that give back all they get are offered equally often.
func TestMesosSameShareFairness(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("A", 2, 1024))
	f1 := w.subscribe(offers.Framework{Name: "F1"})
	f2 := w.subscribe(offers.Framework{Name: "F2"})
	turns := map[string]int{}
	for range 10 {
		require.Equal(t, 1, w.offer())
		for _, s := range []*offers.Subscription{f1, f2} {
			if len(list(t, s)) > 0 {
				turns[map[bool]string{true: "F1", false: "F2"}[s == f1]]++
				declineAll(t, s, offers.Filter{})
			}
		}
	}
	assert.Equal(t, map[string]int{"F1": 5, "F2": 5}, turns)
}

// OfferFilter and RemoveFilters: what was declined stays away until the filter expires, the node is
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

// UpdateWeight: six equal nodes, everything returned between the passes. A weight alone changes nothing.
func TestMesosUpdateWeight(t *testing.T) {
	w := newWorld(t, offers.Config{})
	for _, id := range []string{"A1", "A2", "A3", "A4", "A5", "A6"} {
		require.NoError(t, w.state.AddNodes(node(id, 2, 1024)))
	}
	w.subscribe(offers.Framework{Name: "F1", Role: "role1"})
	w.subscribe(offers.Framework{Name: "F2", Role: "role2"})
	shares := func() map[string]int {
		got := map[string]int{}
		for name, s := range w.subs {
			got[name] = len(list(t, s))
			declineAll(t, s, offers.Filter{})
		}
		return got
	}
	w.offer()
	assert.Equal(t, map[string]int{"F1": 3, "F2": 3}, shares())
	w.offer()
	require.NoError(t, w.drf.SetWeight("role2", 2000))
	assert.Zero(t, w.offer())
	assert.Equal(t, map[string]int{"F1": 3, "F2": 3}, shares())
	w.offer()
	assert.Equal(t, map[string]int{"F1": 2, "F2": 4}, shares())
	require.NoError(t, w.drf.SetWeight("role3", 3000))
	w.subscribe(offers.Framework{Name: "F3", Role: "role3"})
	w.offer()
	assert.Equal(t, map[string]int{"F1": 1, "F2": 2, "F3": 3}, shares())
}

// SuppressAndReviveOffers, with one framework per role, which is what a framework is here.
func TestMesosSuppressAndRevive(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("A", 2, 1024))
	f1 := w.subscribe(offers.Framework{Name: "F1", Role: "role1"})
	f2 := w.subscribe(offers.Framework{Name: "F2", Role: "role2"})
	require.NoError(t, f1.Suppress())
	require.NoError(t, f1.Suppress(), "once more does no harm")
	require.Equal(t, 1, w.offer())
	assert.Equal(t, "A", nodesOf(t, f2))
	declineAll(t, f2, offers.Filter{For: 24 * time.Hour})
	assert.Zero(t, w.offer())
	require.NoError(t, f1.Revive())
	require.NoError(t, f1.Revive())
	require.Equal(t, 1, w.offer())
	assert.Equal(t, "A", nodesOf(t, f1))
	declineAll(t, f1, offers.Filter{For: 24 * time.Hour})
	assert.Zero(t, w.offer(), "reviving one framework left the other's filter alone")
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

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
	"github.com/berth-sched/berth/offers"
)

func ExampleSubscription_Over() {
	state, x, _ := twoNodes()
	_ = state.SetQuotas(berth.Quota{Role: "eng", Limits: berth.Resources{"cpu": 2000}})
	spark, _ := x.Subscribe(offers.Framework{Name: "spark", Role: "eng"})
	pass(x)
	show("spark", spark)
	over, _ := spark.Over(context.Background())
	fmt.Println(over)
	// Output:
	// spark: offer-1 (n1: cpu 2)
	// [over limit eng: cpu 2 (2 used)]
}

func quota(role berth.Role, limits res) berth.Quota { return berth.Quota{Role: role, Limits: limits} }

// texts prints a list, one to a string.
func texts[T any](list []T) []string {
	out := []string{}
	for _, x := range list {
		out = append(out, fmt.Sprint(x))
	}
	return out
}

func over(t testing.TB, s *offers.Subscription) []string {
	t.Helper()
	x, err := s.Over(t.Context())
	require.NoError(t, err)
	return texts(x)
}

// Frameworks of a role get what its limit leaves, and the rest of a node is there for others.
func TestOffersAreCutToLimits(t *testing.T) {
	for _, lease := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
		t.Run(fmt.Sprintf("lease %d", lease), func(t *testing.T) {
			w := newWorld(t, offers.Config{Lease: lease}, node("n1", 4, 8), node("n2", 4, 8))
			require.NoError(t, w.state.SetQuotas(quota("eng", res{"cpu": 5})))
			a := w.subscribe(offers.Framework{Name: "a", Role: "eng/a"})
			assert.Empty(t, over(t, a))
			w.offer()
			assert.Equal(t, []string{"n1: cpu 0.004, memory 8 B", "n2: cpu 0.001, memory 8 B"}, list(t, a), "5 in all")
			assert.Equal(t, []string{"over limit eng: cpu 0.005 (0.005 used)"}, over(t, a))
			b := w.subscribe(offers.Framework{Name: "b", Role: "ops"})
			w.offer()
			if lease == berth.Exclusive {
				assert.Equal(t, []string{"n2: cpu 0.003"}, list(t, b))
			} else {
				assert.Equal(t, []string{"n1: cpu 0.004, memory 8 B", "n2: cpu 0.004, memory 8 B"}, list(t, b))
			}
			c := w.subscribe(offers.Framework{Name: "c", Role: "eng/c"})
			declineAll(t, b, offers.Filter{For: time.Hour})
			w.offer()
			if lease == berth.Exclusive {
				assert.Empty(t, list(t, c), "nothing is left of the limit")
			} else {
				assert.Equal(t, []string{"n1: memory 8 B", "n2: memory 8 B"}, list(t, c))
			}

			// Once the limit leaves more, a pass looks again at nodes that have not changed.
			assert.Zero(t, w.offer())
			require.NoError(t, w.state.SetQuotas(quota("eng", res{"cpu": 6})))
			w.offer()
			assert.Equal(t, []string{"over limit eng: cpu 0.006 (0.006 used)"}, over(t, a))
			require.NoError(t, w.state.SetQuotas(quota("eng", nil)))
			assert.Empty(t, over(t, a))
		})
	}
}

// Of devices, a class is cut and an amount of them is.
func TestOffersOfDevicesAreCutToLimits(t *testing.T) {
	n1 := berth.Node{ID: "n1", Capacity: res{"cpu": 4}, Devices: []berth.Device{{Class: "gpu", ID: "g0"}, {Class: "gpu", ID: "g1"}}}
	w := newWorld(t, offers.Config{}, n1)
	require.NoError(t, w.state.SetQuotas(quota("eng", res{"gpu": 1500})))
	a := w.subscribe(offers.Framework{Name: "a", Role: "eng"})
	w.offer()
	all, err := a.Offers(t.Context())
	require.NoError(t, err)
	require.Len(t, all, 1)
	assert.Equal(t, res{"cpu": 4, "gpu": 1500}, all[0].Cost())
	assert.Equal(t, []berth.DeviceShare{{Class: "gpu", ID: "g0", Units: 1000}, {Class: "gpu", ID: "g1", Units: 500}}, all[0].Devices)
}

// A demand is offered as many pieces as the limits of its own role leave; the offers that are out count for it.
func TestDemandIsCutToLimits(t *testing.T) {
	for _, lease := range []berth.Lease{berth.Exclusive, berth.Optimistic} {
		t.Run(fmt.Sprintf("lease %d", lease), func(t *testing.T) {
			w := newWorld(t, offers.Config{Lease: lease}, node("n1", 8, 0), node("n2", 8, 0))
			require.NoError(t, w.state.SetQuotas(quota("eng", res{"cpu": 5}), quota("eng/web", res{"cpu": 3})))
			web, batch := cpus("web", "eng/web", 1), cpus("batch", "eng", 1)
			a := w.subscribe(offers.Framework{Name: "a", Role: "eng", Demand: []offers.Demand{{Group: web, Count: 9}}})
			w.offer()
			assert.Equal(t, []string{"n1: cpu 0.003"}, list(t, a))
			assert.Zero(t, w.offer(), "what is offered counts")
			assert.Equal(t, []string{"over limit eng/web: cpu 0.003 (0.003 used)"}, over(t, a))
			require.NoError(t, a.Want(offers.Demand{Group: web, Count: 9}, offers.Demand{Group: batch}))
			w.offer()
			assert.Equal(t, []string{"n1: cpu 0.003", "n1: cpu 0.002"}, list(t, a))
			assert.Equal(t, []string{"over limit eng/web: cpu 0.003 (0.003 used)", "over limit eng: cpu 0.005 (0.005 used)"}, over(t, a))

			// The Book knows the limits: what it is offered can be had, and no more of a role than its limit.
			s := snapshotOf(t, a.Book())
			assert.Equal(t, quota("eng/web", res{"cpu": 3}), s.Role("eng/web").Quota)
			assert.Equal(t, res{}, s.Used("eng"), "its own offers are its room")
			out := schedule(t, a.Book(), web.Tasks(4)...)
			assert.Len(t, out.Placed, 3)
			assert.Empty(t, out.Refused)
			assert.Equal(t, berth.Reason{Code: berth.OverLimit, Subject: "eng/web: cpu 0.003"}, out.Unplaced[0].Reason)
			assert.Equal(t, res{"cpu": 3}, snapshotOf(t, a.Book()).Used("eng"))
			truth := snapshotOf(t, w.state)
			assert.Equal(t, res{"cpu": 5}, truth.Used("eng"), "3 tasks and what is left of the offers")
			assert.Equal(t, res{"cpu": 5}, truth.UsedBy("a"), "the tasks are placed in its name, as the offers are held")
			assert.Equal(t, res{"cpu": 3}, truth.Used("eng/web"))
		})
	}
}

// A Book sees what others have, whatever they are: of the roles above what is needed to know what their limits leave.
func TestABookSeesLimitsOfRolesAbove(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 10, 0))
	require.NoError(t, w.state.SetQuotas(quota("", res{"cpu": 9}), quota("eng", res{"cpu": 6}), quota("ops", res{"cpu": 1})))
	a := w.subscribe(offers.Framework{Name: "a", Role: "eng/a"})
	w.offer()
	assert.Equal(t, []string{"n1: cpu 0.006"}, list(t, a))
	schedule(t, w.state, cpus("old", "ops", 1).Task("o1"))
	require.NoError(t, w.state.Hold(berth.Hold{ID: "h", Owner: "host", Role: "eng/b", Node: "n1", Resources: res{"cpu": 0}, Deadline: w.now.Add(time.Hour)}))
	require.NoError(t, w.state.SetQuotas(quota("eng", res{"cpu": 4}))) // fewer than are offered
	s := snapshotOf(t, a.Book())
	assert.Equal(t, res{"cpu": 1}, s.Used(""))
	assert.Equal(t, res{}, s.Used("eng"))
	assert.EqualValues(t, 4, s.Role("eng").Quota.Limits["cpu"])
	assert.Empty(t, s.Role("ops").Quota.Limits, "what does not bind it is not shown")

	// Drawing on an offer adds nothing, so what was offered can be used even though the role has more than its limit since.
	out := schedule(t, a.Book(), cpus("web", "eng/a", 1).Tasks(6)...)
	assert.Len(t, out.Placed, 4, "but a plan keeps the limit")
	assert.Empty(t, out.Refused)
	require.NoError(t, w.state.Release("web-1", "web-2"))
	assert.Equal(t, res{"cpu": 2}, snapshotOf(t, a.Book()).Used("eng"))
	require.NoError(t, w.state.SetQuotas(quota("eng", nil), quota("", nil)))
	assert.Empty(t, snapshotOf(t, a.Book()).Role("eng").Quota.Limits)
}

// What others have in a role is had by the role: the host's own holds count, of whichever lease, and what another Exchange offers.
func TestHoldsOfOthersAreChargedToTheirRoles(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 8, 0))
	f := w.subscribe(offers.Framework{Name: "f", Role: "role1"})
	charged := func(role berth.Role, name string) int64 {
		_, err := w.x.Expire(ctx)
		require.NoError(t, err)
		got, _ := w.drf.Charged(allocator.Client{Role: role, Name: name})
		return got["cpu"]
	}
	hold := berth.Hold{ID: "h1", Owner: "host", Role: "role1/a", Node: "n1", Resources: res{"cpu": 3}, Deadline: w.now.Add(time.Minute)}
	require.NoError(t, w.state.Hold(hold))
	hold.ID, hold.Role, hold.Lease = "h2", "", berth.Optimistic
	require.NoError(t, w.state.Hold(hold))
	assert.EqualValues(t, 3, charged("role1/a", ""))
	assert.EqualValues(t, 3, charged("", ""), "one without a role is everybody's")
	w.offer()
	assert.EqualValues(t, 5, charged("role1", "f"))
	assert.Zero(t, charged("role1", ""))
	require.NoError(t, w.state.DropHold("h1", "h2"))
	assert.Zero(t, charged("role1/a", ""))
	assert.Zero(t, charged("", ""))

	two := &world{t: t, state: w.state, drf: new(allocator.DRF), subs: map[string]*offers.Subscription{}}
	var err error
	two.x, err = offers.NewExchange(w.state, offers.Config{Order: two.drf.Turns(), Prefix: "two-"})
	require.NoError(t, err)
	two.subscribe(offers.Framework{Name: "f", Role: "role1"})
	declineAll(t, f, offers.Filter{For: time.Second})
	two.offer()
	assert.EqualValues(t, 8, charged("role1", ""))
}

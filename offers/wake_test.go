package offers_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/offers"
)

// refusingOrder refuses some charges.
type refusingOrder struct {
	*allocator.Turns
	refuse bool
}

func (o *refusingOrder) Charge(role berth.Role, name string, r berth.Resources) error {
	if o.refuse {
		return errors.New("not now")
	}
	return o.Turns.Charge(role, name, r)
}

// What an order has refused to charge is offered by the next pass that it lets.
func TestRefusedChargeIsTriedAgain(t *testing.T) {
	for _, demand := range [][]offers.Demand{nil, {{Group: cpus("g", "r", 1)}}} {
		w := newWorld(t, offers.Config{}, node("n1", 4, 4))
		order := &refusingOrder{new(allocator.DRF).Turns(), true}
		x, err := offers.NewExchange(w.state, offers.Config{Order: order})
		require.NoError(t, err)
		_, err = x.Subscribe(offers.Framework{Name: "a", Role: "r", Demand: demand})
		require.NoError(t, err)
		n, err := x.Offer(ctx)
		require.ErrorContains(t, err, "not now")
		require.Zero(t, n)
		order.refuse = false
		n, err = x.Offer(ctx)
		require.NoError(t, err)
		require.Equal(t, 1, n)
	}
}

// A limit that goes away lets in what it has kept out.
func TestLimitTakenAwayWakes(t *testing.T) {
	w := newWorld(t, offers.Config{}, node("n1", 4, 4), node("n2", 4, 4))
	require.NoError(t, w.state.SetQuotas(berth.Quota{Role: "r", Limits: res{"cpu": 0}}))
	w.subscribe(offers.Framework{Name: "a", Role: "r", Demand: []offers.Demand{{Group: cpus("g", "r", 3), Count: 2}}})
	require.Zero(t, w.offer())
	require.Zero(t, w.offer())
	require.NoError(t, w.state.SetQuotas(berth.Quota{Role: "r"}))
	require.Equal(t, 2, w.offer())
}

// A task that keeps those of a demand out of its zone lets them onto all nodes of it once it ends.
func TestRefusingTaskThatEndsWakes(t *testing.T) {
	nodes := []berth.Node{node("n1", 1, 4), node("n2", 4, 4)}
	for i := range nodes {
		nodes[i].Attributes = berth.Attributes{"zone": "z"}
	}
	w := newWorld(t, offers.Config{}, nodes...)
	guard := cpus("guard", "s", 1, constraints.Apart("zone", berth.InGroup("g")))
	p := &cluster.Plan{Version: snapshotOf(t, w.state).Version()}
	p.Place(guard.Task("guard-1"), "n1")
	_, err := w.state.Commit(ctx, p)
	require.NoError(t, err)
	w.subscribe(offers.Framework{Name: "a", Role: "r", Demand: []offers.Demand{{Group: cpus("g", "r", 2)}}})
	require.Zero(t, w.offer())
	require.Zero(t, w.offer())
	require.NoError(t, w.state.Release("guard-1"))
	require.Equal(t, 1, w.offer())
}

// Of two demands that need as much, one has a rule of its own about domains: it says nothing of the other.
func TestAlikeButForADomainRule(t *testing.T) {
	nodes := []berth.Node{node("n1", 4, 4), node("n2", 4, 4)}
	for i := range nodes {
		nodes[i].Attributes = berth.Attributes{"zone": "z"}
	}
	w := newWorld(t, offers.Config{}, nodes...)
	ruled := cpus("ruled", "r", 2, constraints.Unique("zone"))
	p := &cluster.Plan{Version: snapshotOf(t, w.state).Version()}
	p.Place(ruled.Task("ruled-1"), "n1")
	_, err := w.state.Commit(ctx, p)
	require.NoError(t, err)
	w.subscribe(offers.Framework{Name: "a", Role: "r", Demand: []offers.Demand{{Group: ruled}}})
	require.Zero(t, w.offer())
	w.subscribe(offers.Framework{Name: "b", Role: "r", Demand: []offers.Demand{{Group: cpus("plain", "r", 2)}}})
	require.Equal(t, 2, w.offer())
}

// What a framework was offered is not offered to it a second time, however little the limits leave by now.
func TestOptimisticOfferIsMadeOnce(t *testing.T) {
	w := newWorld(t, offers.Config{Lease: berth.Optimistic}, node("n1", 4, 8))
	s := w.subscribe(offers.Framework{Name: "a", Role: "r"})
	require.Equal(t, 1, w.offer())
	require.NoError(t, w.state.SetQuotas(berth.Quota{Role: "r", Limits: res{"cpu": 0}}))
	require.NoError(t, s.Revive())
	require.Zero(t, w.offer(), "all of n1 is in the offer that it has")
}

// Ports that are left of a node alone are nothing that a pass offers, and Why does not say that it will.
func TestWhyOfPortsAlone(t *testing.T) {
	n := node("n1", 1, 0)
	n.Ports = []berth.PortRange{{First: 1, Last: 4}}
	w := newWorld(t, offers.Config{}, n)
	g := berth.NewGroup("g", berth.GroupSpec{Role: "r", Request: res{"cpu": 1}, DynamicPorts: 1})
	w.subscribe(offers.Framework{Name: "a", Role: "r", Demand: []offers.Demand{{Group: g}}})
	require.Equal(t, 1, w.offer())
	why, err := w.subscribe(offers.Framework{Name: "b", Role: "r"}).WhyNode(ctx, "n1")
	require.NoError(t, err)
	require.Zero(t, w.offer())
	require.Equal(t, offers.WithOthers, why.Cause)
}

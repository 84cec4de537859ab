package offers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler"
)

const benchNodes, benchFrameworks = 1000, 50

func benchExchange(b *testing.B, now *time.Time) (*offers.Exchange, []*offers.Subscription) {
	b.Helper()
	clock := func() time.Time { return *now }
	var nodes []berth.Node
	for i := range benchNodes {
		nodes = append(nodes, node(fmt.Sprintf("n%04d", i), 8000, 32<<30))
	}
	state, err := scheduler.NewState(scheduler.StateConfig{Clock: clock}, nodes...)
	require.NoError(b, err)
	x, err := offers.NewExchange(state, offers.Config{Order: new(allocator.DRF).Turns(), Clock: clock})
	require.NoError(b, err)
	var subs []*offers.Subscription
	for i := range benchFrameworks {
		role := berth.Role(fmt.Sprintf("r%02d", i))
		s, err := x.Subscribe(offers.Framework{Name: string(role), Role: role})
		require.NoError(b, err)
		subs = append(subs, s)
	}
	return x, subs
}

// A pass in which everything is offered, as in the rounds of Mesos' DeclineOffers benchmark, which took
// 48 ms each on two cores; what was offered is then given back, without a filter.
func BenchmarkOffer(b *testing.B) {
	b.Run(fmt.Sprintf("nodes=%d/frameworks=%d", benchNodes, benchFrameworks), func(b *testing.B) {
		now := time.Unix(1000, 0)
		x, subs := benchExchange(b, &now)
		made := 0
		for b.Loop() {
			n, err := x.Offer(ctx)
			if err != nil || n != benchNodes {
				b.Fatalf("%d offers, %v", n, err)
			}
			made += n
			b.StopTimer()
			for _, s := range subs {
				declineAll(b, s, offers.Filter{})
			}
			b.StartTimer()
		}
		b.ReportMetric(float64(made)/b.Elapsed().Seconds(), "offers/s")
	})
}

// A pass in which every framework filters every node; Mesos took 269 ms. It is measured as a pass that has
// to ask, because every node has changed, and as one that has not.
func BenchmarkOfferAllFiltered(b *testing.B) {
	now := time.Unix(1000, 0)
	x, subs := benchExchange(b, &now)
	for {
		n, err := x.Offer(ctx)
		require.NoError(b, err)
		if n == 0 {
			break
		}
		for _, s := range subs {
			declineAll(b, s, offers.Filter{For: time.Hour})
		}
	}
	pass := func(b *testing.B) {
		if n, err := x.Offer(ctx); n != 0 || err != nil {
			b.Fatalf("%d offers, %v", n, err)
		}
	}
	name := fmt.Sprintf("nodes=%d/frameworks=%d", benchNodes, benchFrameworks)
	b.Run(name+"/changed", func(b *testing.B) {
		idle := subs[0]
		require.NoError(b, idle.Suppress())
		for b.Loop() {
			// Reviving puts every node on the list; suppressing keeps the reviver from taking them.
			if err := idle.Revive(); err != nil {
				b.Fatal(err)
			}
			if err := idle.Suppress(); err != nil {
				b.Fatal(err)
			}
			pass(b)
		}
		b.ReportMetric(float64(benchNodes*(benchFrameworks-1)*b.N)/b.Elapsed().Seconds(), "checks/s")
	})
	b.Run(name+"/unchanged", func(b *testing.B) {
		for b.Loop() {
			pass(b)
		}
	})
}

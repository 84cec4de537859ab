package offers_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/scheduler/schedulertest"
)

// A Book passes the conformance kit of scheduler.Source, whatever the leases and the view.
func TestBookIsASource(t *testing.T) {
	for _, tc := range []struct {
		name  string
		mode  berth.Lease
		blind bool
	}{{"exclusive", berth.Exclusive, false}, {"optimistic", berth.Optimistic, false}, {"blind", berth.Exclusive, true}} {
		t.Run(tc.name, func(t *testing.T) {
			schedulertest.Run(t, func(t testing.TB, nodes []berth.Node) schedulertest.Fixture {
				w := newWorld(t, offers.Config{Lease: tc.mode}, nodes...)
				s := w.subscribe(offers.Framework{Name: "kit", Blind: tc.blind})
				return schedulertest.Fixture{
					Source: s.Book(),
					Offer: func(t testing.TB) {
						_, err := w.x.Offer(context.Background())
						require.NoError(t, err)
					},
				}
			})
		})
	}
}

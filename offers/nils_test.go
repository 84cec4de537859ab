package offers_test

import (
	"testing"

	"github.com/berth-sched/berth/internal/nils"
	"github.com/berth-sched/berth/offers"
)

func TestNilsAndZeroValues(t *testing.T) {
	nils.Call(t,
		new(offers.Answers), new(offers.Book), new(offers.Cause), new(offers.Config), new(offers.Demand), new(offers.End),
		new(offers.Ended), new(offers.Exchange), new(offers.Filter), new(offers.Framework), new(offers.FrameworkOverview), new(offers.NodeFilter), new(offers.NoOffer),
		new(offers.Observer), new(offers.Offer), new(offers.Overview), new(offers.Part), new(offers.Pass), new(offers.RoleOverview), new(offers.Subscription), new(offers.Terms), new(offers.Why),
	)
	nils.Call(t,
		(*offers.Book)(nil), (*offers.Exchange)(nil), (*offers.NoOffer)(nil), (*offers.Overview)(nil), (*offers.Subscription)(nil),
	)
}

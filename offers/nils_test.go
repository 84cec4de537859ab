package offers_test

import (
	"testing"

	"github.com/berth-sched/berth/internal/nils"
	"github.com/berth-sched/berth/offers"
)

func TestNilsAndZeroValues(t *testing.T) {
	nils.Call(t,
		new(offers.Book), new(offers.Config), new(offers.Demand), new(offers.Exchange), new(offers.Filter),
		new(offers.Framework), new(offers.Observer), new(offers.Offer), new(offers.Pass), new(offers.Subscription),
	)
	nils.Call(t,
		(*offers.Book)(nil), (*offers.Exchange)(nil), (*offers.Subscription)(nil),
	)
}

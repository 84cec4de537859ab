package allocator_test

import (
	"testing"

	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/internal/nils"
)

func TestNilsAndZeroValues(t *testing.T) {
	nils.Call(t,
		new(allocator.Account), new(allocator.Client), new(allocator.Config), new(allocator.DRF), new(allocator.Fair), new(allocator.Fairness), new(allocator.Policy),
		new(allocator.Priority), new(allocator.Queue), new(allocator.Rank), new(allocator.Seat), new(allocator.Share), new(allocator.Sibling),
		new(allocator.Standing), new(allocator.Tree), new(allocator.Turns), new(allocator.Usage), new(allocator.Vector), new(allocator.Weight), new(allocator.Wish),
	)
	nils.Call(t,
		(*allocator.DRF)(nil), (*allocator.Queue)(nil), (*allocator.Standing)(nil), (*allocator.Turns)(nil), (*allocator.Usage)(nil),
	)
}

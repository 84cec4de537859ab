package offers_test

import (
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/offers"
)

var (
	_ offers.Seats = (*allocator.Turns)(nil)
	_ offers.Seats = (*allocator.Queue)(nil)
)

package offers_test

import (
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/offers"
)

var (
	_ offers.Seated = (*allocator.Turns)(nil)
	_ offers.Seated = (*allocator.Queue)(nil)
)

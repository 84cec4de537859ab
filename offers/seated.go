package offers

import (
	"iter"

	"github.com/berth-sched/berth"
)

// Seated is what an [Order] may have besides: clients found once. A seat is the number of a client, which the order gives and which is good
// until the client is removed; charges then name no role, no resource and look up nothing. The Turns of an allocator.DRF are one.
// What is done by seat and what is done by name is the same account.
type Seated interface {
	Order
	// SetIndex names resources by their index, instead of all that were named before; an empty name is that of an unused index.
	SetIndex(names []string) error
	// Seat returns the seat of a client that was added, and gives it a tag to be known again by.
	Seat(role berth.Role, name string, tag int) (seat uint64, err error)
	// ChargeSeat and CreditSeat are Charge and Credit with amounts of the resources at some indexes; those of an index that
	// comes more than once add up.
	ChargeSeat(seat uint64, index []int32, amounts []int64) error
	CreditSeat(seat uint64, index []int32, amounts []int64) error
	// ActivateSeat is Activate or Deactivate.
	ActivateSeat(seat uint64, active bool) error
	// CloseRole keeps a role and all below it out of the order at one step, and OpenRole lets them in again.
	CloseRole(role berth.Role) error
	OpenRole(role berth.Role) error
	// Tags yields the tags of the active clients, as All yields their names; those without a seat are left out.
	Tags() iter.Seq[int]
	// FirstTag returns the first of them, and false if there is none.
	FirstTag() (int, bool)
	// Before reports whether one seat comes before another, as it would if both were active.
	Before(a, b uint64) bool
}

package allocator

import (
	"iter"

	"github.com/berth-sched/berth"
)

// Turns is a [DRF] whose methods take a client as its role and name, so that a package that does not import
// this one can ask for an interface of them: it is the Order of an Exchange in package offers. Like a DRF,
// its zero value is ready to use, a nil one returns errors, and it is for one goroutine at a time.
type Turns DRF

// Turns returns d as an order of roles and names. Both see the same clients and charges.
func (d *DRF) Turns() *Turns { return (*Turns)(d) }

func (t *Turns) drf() *DRF { return (*DRF)(t) }

// SetCapacity is [DRF.SetCapacity].
func (t *Turns) SetCapacity(total berth.Resources) error { return t.drf().SetCapacity(total) }

// Add is [DRF.Add].
func (t *Turns) Add(role berth.Role, name string) error { return t.drf().Add(Client{role, name}) }

// Remove is [DRF.Remove].
func (t *Turns) Remove(role berth.Role, name string) error { return t.drf().Remove(Client{role, name}) }

// Activate is [DRF.Activate].
func (t *Turns) Activate(role berth.Role, name string) error {
	return t.drf().Activate(Client{role, name})
}

// Deactivate is [DRF.Deactivate].
func (t *Turns) Deactivate(role berth.Role, name string) error {
	return t.drf().Deactivate(Client{role, name})
}

// Charge is [DRF.Charge].
func (t *Turns) Charge(role berth.Role, name string, r berth.Resources) error {
	return t.drf().Charge(Client{role, name}, r)
}

// Credit is [DRF.Credit].
func (t *Turns) Credit(role berth.Role, name string, r berth.Resources) error {
	return t.drf().Credit(Client{role, name}, r)
}

// All yields the active clients as [DRF.Order] does.
func (t *Turns) All() iter.Seq2[berth.Role, string] {
	return func(yield func(berth.Role, string) bool) {
		for c := range t.drf().Order() {
			if !yield(c.Role, c.Name) {
				return
			}
		}
	}
}

// SetIndex is [DRF.SetIndex].
func (t *Turns) SetIndex(names []string) error { return t.drf().SetIndex(names) }

// Seat is [DRF.Seat], with the seat as its number.
func (t *Turns) Seat(role berth.Role, name string, tag int) (uint64, error) {
	s, err := t.drf().Seat(Client{role, name}, tag)
	return uint64(s), err
}

// ChargeSeat is [DRF.ChargeSeat].
func (t *Turns) ChargeSeat(seat uint64, index []int32, amounts []int64) error {
	return t.drf().ChargeSeat(Seat(seat), index, amounts)
}

// ChargeSeatTimes is [DRF.ChargeSeatTimes].
func (t *Turns) ChargeSeatTimes(seat uint64, index []int32, amounts []int64, times int64) error {
	return t.drf().ChargeSeatTimes(Seat(seat), index, amounts, times)
}

// CreditSeat is [DRF.CreditSeat].
func (t *Turns) CreditSeat(seat uint64, index []int32, amounts []int64) error {
	return t.drf().CreditSeat(Seat(seat), index, amounts)
}

// ActivateSeat is [DRF.ActivateSeat].
func (t *Turns) ActivateSeat(seat uint64, active bool) error {
	return t.drf().ActivateSeat(Seat(seat), active)
}

// CloseRole is [DRF.CloseRole].
func (t *Turns) CloseRole(role berth.Role) error { return t.drf().CloseRole(role) }

// OpenRole is [DRF.OpenRole].
func (t *Turns) OpenRole(role berth.Role) error { return t.drf().OpenRole(role) }

// Tags yields the tags of clients with seats as [DRF.Tags] does.
func (t *Turns) Tags() iter.Seq[int] { return t.drf().Tags() }

// FirstTag is [DRF.FirstTag].
func (t *Turns) FirstTag() (int, bool) { return t.drf().FirstTag() }

// Before is [DRF.Before].
func (t *Turns) Before(a, b uint64) bool { return t.drf().Before(Seat(a), Seat(b)) }

// Same reports whether an order is t itself, and not a type of the host's that embeds it and has methods of its own instead of some.
func (t *Turns) Same(order any) bool {
	o, ok := order.(*Turns)
	return ok && o == t
}

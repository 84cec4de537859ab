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

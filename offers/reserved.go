package offers

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// What is reserved for a role and idle is charged to the role, as the source has it in its ledger, and not to a framework: whose it will be is
// not known. A demand of the role is offered it, and a framework that has declared nothing is offered it with what everybody may have.

// idleOn returns what is reserved on a node and not in use, by the roles that are charged for it.
func (x *Exchange) idleOn(row uint32) map[berth.Role]berth.Resources {
	var idle map[berth.Role]berth.Resources
	for role, need := range x.view.ReservesOn(row).Changes(nil) {
		if idle == nil {
			idle = map[berth.Role]berth.Resources{}
		}
		idle[role] = with(idle[role], x.view.Dims()[need.Dim], need.Amount)
	}
	return idle
}

// recharge reconciles those of some nodes of which something is reserved: there, what one client is charged follows from what another has.
func (x *Exchange) recharge(sites []*site) {
	if x.view.Reserved() == 0 {
		return
	}
	for _, s := range sites {
		if x.view.ReservesOn(s.row) != nil {
			x.reconcile(s)
		}
	}
}

// withIdle returns what is free on a node with what is idle there of what is reserved for an owner's tasks of a role.
func withIdle(v *store.View, row uint32, free berth.Resources, role berth.Role, owner string) berth.Resources {
	var all berth.Resources
	is := v.ReservesOn(row)
	for d, name := range v.Dims() {
		if q := is.Idle(role, owner, int32(d)); q > 0 {
			if all == nil {
				all = free.Clone()
			}
			all[name] = saturated(all[name], q)
		}
	}
	if all == nil {
		return free
	}
	return all
}

// roomOn returns all that anybody could be offered on a node, as far as it is in no device.
func (x *Exchange) roomOn(row uint32) *stock {
	free := x.view.Free(row)
	if is := x.view.ReservesOn(row); is != nil {
		free = slices.Clone(free)
		for d := range free {
			free[d] = saturated(max(free[d], 0), is.Total(int32(d)))
		}
	}
	return x.stocks.amounts(x.view, free)
}

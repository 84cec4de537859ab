package offers

import (
	"github.com/berth-sched/berth"
)

// What is reserved for a role and idle is charged to the role, as the source has it in its ledger, and not to a framework: whose it will be is
// not known. A demand of the role is offered it. A framework that has declared nothing is offered what everybody may have.

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

package allocator

import (
	"time"

	"github.com/berth-sched/berth"
)

// Order says which role is next while a plan is made: the Order of a Config in package scheduler. [Fair] and [Priority] are
// orders, and a host may write its own. An Order is asked by any number of goroutines at once, each for a plan of its own. It
// remembers nothing of a plan, since few know what became of it: whatever was planned is in the next ledger if it was done.
type Order interface {
	// Begin begins a round of turns among roles that have something waiting, each named once, in the order of their paths.
	// The ledger is as it is before the first turn, and good until Begin returns. A plan has as many rounds as there are tiers
	// that wait: one for each priority of groups, and before it one for the daemons of that priority.
	Begin(l Ledger, roles []berth.Role) Round
}

// Round is whose turn it is, turn after turn. It is for one goroutine.
type Round interface {
	// Next returns the role whose turn it is, of those for which can is true: those that still have something waiting. What can
	// says is true of a role becomes false once and stays so. False as the second result ends the round: what still waits
	// is held back. A role for which can is false must not be returned.
	Next(can func(berth.Role) bool) (berth.Role, bool)
	// Charged tells that so many tasks of a group, more than none, have been given a place, of whichever role it is.
	Charged(g *berth.Group, tasks int)
	// Credited tells that so many of them have lost it again, as the tasks of a gang do that is not complete.
	Credited(g *berth.Group, tasks int)
}

// Ledger is what there is and who has what of it. A Snapshot of package cluster is one. Quantities beyond an int64 read as the
// largest one. Resources must not be changed.
type Ledger interface {
	// Total returns what all nodes have.
	Total() berth.Resources
	// Used returns what a role and those below it have, in tasks and in holds.
	Used(berth.Role) berth.Resources
	// Own returns what a role has without those below it.
	Own(berth.Role) berth.Resources
	// Quota returns the limits and guarantees of a role.
	Quota(berth.Role) berth.Quota
	// Time returns when it is so.
	Time() time.Time
}

package cluster

import (
	"fmt"

	"github.com/berth-sched/berth"
)

// Refusal is an operation that a commit did not do, and why.
type Refusal struct {
	Op     berth.Op
	Reason berth.Reason
}

// String prints the operation and the reason.
func (r Refusal) String() string { return fmt.Sprintf("%v: %v", r.Op, r.Reason) }

// Outcome is what became of a plan. An operation that is not among the Refused was done; of those that were done only placements are listed.
type Outcome struct {
	Version  Version    // after the commit
	Before   Version    // when it began: between that and Version there is nothing but the commit. The zero Version is not known
	Placed   []berth.Op // the Place operations that were done, grants filled in
	Refused  []Refusal  // the operations that were not done
	Unplaced []Unplaced // the tasks no node was found for
}

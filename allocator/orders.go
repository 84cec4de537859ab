package allocator

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/berth-sched/berth"
)

// Tree is the [Order] in which policies order the siblings at each level of the tree of roles, so that departments may share fairly, the
// queues of one go by priority and those of another first come, first served. [NewQueue] makes one for package offers. What is guaranteed
// to roles comes from the quotas in the ledger. The zero value is [Fair] with a turn for each task. A Tree in use must not be changed.
//
// Begin takes time as that of Fair does, a charge for each level the logarithm of how many others wait there and, with Hierarchical,
// a step for each resource.
type Tree struct {
	// Weights of roles, in thousandths, relative to their siblings. The default is [DefaultWeight]. The root can have none.
	Weights map[berth.Role]Weight

	// Policy orders siblings. The default is [ByShare].
	Policy Policy
	// Below are the policies of some roles: of the children of the role, in place of Policy. That of the root is "".
	Below map[berth.Role]Policy

	// Hierarchical rescales what children have before it is added up: hierarchical DRF (Bhattacharya et al., "Hierarchical Scheduling
	// for Diverse Datacenter Workloads", SoCC 2013, the dynamic form). Without it the share of a role is that of all below it
	// together, and a role of which one child holds much of what nobody else wants is passed over for its other children. Shares are
	// then in parts of 2^-40, and the weights of children within parts of 2^-24 of each other.
	Hierarchical bool

	// Priorities are the numbers that [ByPriority] goes by, higher ones first. A role without one has that of the nearest role
	// above that has one, else 0.
	Priorities map[berth.Role]int
	// Usage is what [ByUsage] goes by. The default is none. It may be observed while the Tree is in use.
	Usage *Usage
	// Seed is that of the draws of [ByLottery].
	Seed uint64

	// Exclude names resources that count in nobody's share, each once; see [Config].
	Exclude []string
	// Factors say how much resources count, in thousandths: one of 500 counts half, as if there were twice as much of it. The
	// default is [DefaultWeight]; Exclude is for what is not to count at all.
	Factors map[string]Weight
	// Pools are what could serve some roles, and those below them, in place of all there is: their shares are parts of that. A
	// role that can only run on ten of a thousand nodes has a share of one when it has all ten. A resource that a pool has not
	// does not count for the role. A role below may have a pool of its own.
	Pools map[berth.Role]berth.Resources
}

// Err returns every fault of t joined into one error, or nil: those of roles, weights, factors, pools and names of resources.
func (t Tree) Err() error {
	var errs []error
	for _, r := range slices.Sorted(maps.Keys(t.Weights)) {
		if err := checkWeight(r, t.Weights[r]); err != nil {
			errs = append(errs, err)
		}
	}
	roles := func(what string, roles []berth.Role) {
		for _, r := range roles {
			if err := checkRole(r); err != nil {
				errs = append(errs, fmt.Errorf("allocator: %s: %w", what, err))
			}
		}
	}
	roles("policy below", slices.Sorted(maps.Keys(t.Below)))
	roles("priority", slices.Sorted(maps.Keys(t.Priorities)))
	roles("pool", slices.Sorted(maps.Keys(t.Pools)))
	errs = append(errs, checkExcluded(t.Exclude)...)
	for _, name := range slices.Sorted(maps.Keys(t.Factors)) {
		if err := (berth.Resources{name: 0}).Err(); err != nil {
			errs = append(errs, fmt.Errorf("allocator: factor: %w", err))
		}
		if f := t.Factors[name]; f <= 0 {
			errs = append(errs, fmt.Errorf("allocator: factor of %q: %s is not positive", name, f))
		}
	}
	for _, r := range slices.Sorted(maps.Keys(t.Pools)) {
		if err := t.Pools[r].Err(); err != nil {
			errs = append(errs, fmt.Errorf("allocator: pool of %.40q: %w", string(r), err))
		}
	}
	return errors.Join(errs...)
}

func (t Tree) policyBelow(r berth.Role) Policy {
	if p, ok := t.Below[r]; ok && p != nil {
		return p
	}
	return t.Policy
}

// Heads is what a [Ledger] may tell besides, for [ByArrival]: where the first task that waits of a role stands among all that were handed
// in. It is asked until the round ends.
type Heads interface {
	Head(berth.Role) int64
}

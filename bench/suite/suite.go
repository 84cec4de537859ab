package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/offers"
	"github.com/berth-sched/berth/placement"
)

// Suite is what there is to compare, and what on. [New] returns one with all that this package has; a host appends its own.
type Suite struct {
	Policies  []Policy
	Orders    []Order
	Workloads []Workload // of the host: scenarios that say so run on them too
	Scenarios []Scenario
}

// Policy is a way to choose nodes.
type Policy struct {
	Name  string // unlike that of any other policy
	About string // one line
	// Strategy returns the strategy for a cell, of which it may look at everything but the order of the arrivals: what nodes
	// there are, what tasks are typical, and the seed.
	Strategy func(c *Cell) (placement.Strategy, error)
	// Sort, if there is one, puts tasks into the order in which they are handed in, where a scenario has them all at once and
	// time plays no part. The policy is then an offline one. The default is the order of arrival.
	Sort func(c *Cell)
}

// Order is a way to say whose turn it is.
type Order struct {
	Name  string
	About string
	// Of returns the order for a cell; nil is first come, first served.
	Of func(c *Cell) (allocator.Order, error)
	// Turns returns what Of returned as the order of the turns of an exchange, which makes offers to tenants. Without it the order is not
	// compared there.
	Turns func(c *Cell, order allocator.Order) (offers.Order, error)
}

// Workload makes cells, one for each seed.
type Workload struct {
	Name  string
	About string
	// Cell returns the cell of a seed: an equal one for an equal seed. Its nodes and tasks must not change afterwards.
	Cell func(seed uint64) (*Cell, error)
	// Inputs are the files that the cells are made of.
	Inputs []Input
}

// Scenario is something to be tried with every policy, or every order, on each of some workloads.
type Scenario struct {
	Name  string
	About string
	// Workloads returns what the scenario runs on. It reads files, if it needs to, and returns all their faults.
	Workloads func(c Config) ([]Workload, error)
	// Takes says that the scenario also runs on the workloads of the host.
	Takes bool
	// Offline says that all tasks are there at once, so that a policy may sort them; one that does is compared nowhere else.
	Offline bool
	// ByOrder says that orders of roles are compared, and not policies.
	ByOrder bool
	// Run does it once, and notes what came of it.
	Run func(ctx context.Context, r *Run) error
}

// New returns a suite with every scenario, policy and order of this package.
func New() *Suite {
	return &Suite{Policies: policies(), Orders: orders(), Scenarios: scenarios()}
}

// Err returns every fault of the suite joined into one error, or nil: names that are missing or taken, and functions that are
// missing.
func (s *Suite) Err() error {
	var faults []error
	names := map[string]bool{}
	check := func(what, name string, whole bool) {
		switch {
		case name == "":
			faults = append(faults, fmt.Errorf("suite: a %s without a name", what))
		case names[what+name]:
			faults = append(faults, fmt.Errorf("suite: %s %q: there are two of that name", what, name))
		case !whole:
			faults = append(faults, fmt.Errorf("suite: %s %q: it lacks a function", what, name))
		}
		names[what+name] = true
	}
	for _, p := range s.Policies {
		check("policy", p.Name, p.Strategy != nil)
	}
	for _, o := range s.Orders {
		check("order", o.Name, o.Of != nil)
	}
	for _, w := range s.Workloads {
		check("workload", w.Name, w.Cell != nil)
	}
	for _, c := range s.Scenarios {
		check("scenario", c.Name, c.Run != nil && c.Workloads != nil)
	}
	return errors.Join(faults...)
}

// chosen returns those of all that are named, in their own order, or all if none is; a name of none of them is a fault.
func chosen[T any](what string, all []T, name func(T) string, names []string) ([]T, error) {
	if len(names) == 0 {
		return all, nil
	}
	var faults []error
	for _, n := range names {
		if !slices.ContainsFunc(all, func(t T) bool { return name(t) == n }) {
			faults = append(faults, fmt.Errorf("no %s %q; -list tells which there are", what, n))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(t T) bool { return !slices.Contains(names, name(t)) }), errors.Join(faults...)
}

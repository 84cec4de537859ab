package allocator

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/faults"
)

// Priority is the [Order] in which roles of a higher number come first, as long as they can use anything: production before
// batch, whatever share of the cluster it has. The priority of groups goes before it, since tiers do.
type Priority struct {
	// Of are the numbers, higher ones first. A role without one has that of the nearest role above that has one, else 0.
	Of map[berth.Role]int
	// Then orders roles of one number. The default is the zero [Fair].
	Then Order
}

// Err returns every fault of p joined into one error, or nil: those of roles, and those of Then, if it can have any.
func (p Priority) Err() error {
	var errs []error
	for _, r := range slices.Sorted(maps.Keys(p.Of)) {
		if err := checkRole(r); err != nil {
			errs = append(errs, fmt.Errorf("allocator: priority: %w", err))
		}
	}
	if p.Then != nil && faults.IsNil(p.Then) {
		errs = append(errs, errors.New("allocator: priority: then: a nil pointer"))
	} else if then, ok := p.Then.(interface{ Err() error }); ok {
		errs = append(errs, then.Err())
	}
	return errors.Join(errs...)
}

func (p Priority) of(r berth.Role) int {
	for ; ; r = r.Parent() {
		if n, ok := p.Of[r]; ok || r == "" {
			return n
		}
	}
}

// ranks is a Round of a Priority: a round for each number, the highest first. All are told of every charge, for what one role
// has counts for those above it.
type ranks []Round

// Begin begins a round.
func (p Priority) Begin(l Ledger, roles []berth.Role) Round {
	then := p.Then
	if faults.IsNil(then) {
		then = Fair{}
	}
	roles = slices.Clone(roles)
	slices.SortStableFunc(roles, func(a, b berth.Role) int { return cmp.Compare(p.of(b), p.of(a)) })
	r := new(ranks)
	for len(roles) > 0 {
		n := slices.IndexFunc(roles, func(o berth.Role) bool { return p.of(o) != p.of(roles[0]) })
		if n < 0 {
			n = len(roles)
		}
		if round := then.Begin(l, roles[:n:n]); round != nil { // else they are held back
			*r = append(*r, round)
		}
		roles = roles[n:]
	}
	return r
}

// Next returns the role whose turn it is.
func (r *ranks) Next(can func(berth.Role) bool) (berth.Role, bool) {
	for ; len(*r) > 0; *r = (*r)[1:] {
		if role, ok := (*r)[0].Next(can); ok {
			return role, true
		}
	}
	return "", false
}

// Charged tells that tasks of a group were given a place.
func (r *ranks) Charged(g *berth.Group, tasks int) {
	for _, round := range *r {
		round.Charged(g, tasks)
	}
}

// Credited tells that tasks of a group have lost their places.
func (r *ranks) Credited(g *berth.Group, tasks int) {
	for _, round := range *r {
		round.Credited(g, tasks)
	}
}

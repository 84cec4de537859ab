package scheduler_test

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/scheduler"
)

// Two tenants want more than there is. In the order given the first would have all of it.
func ExampleConfig_order() {
	state, _ := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 6000}})
	core := berth.Resources{"cpu": 1000}
	batch := berth.NewGroup("batch", berth.GroupSpec{Role: "batch", Request: core})
	web := berth.NewGroup("web", berth.GroupSpec{Role: "shop", Request: core})

	s, _ := scheduler.New(state, scheduler.Config{Order: allocator.Fair{
		Weights: map[berth.Role]allocator.Weight{"shop": 2 * allocator.DefaultWeight},
	}})
	out, _ := s.Schedule(context.Background(), append(batch.Tasks(5), web.Tasks(5)...)...)
	for _, op := range out.Placed {
		fmt.Println(op.Task)
	}
	fmt.Println(out.Unplaced[0])
	// Output:
	// batch-1
	// web-1
	// web-2
	// batch-2
	// web-3
	// web-4
	// 0/1 nodes for batch-3: 1 insufficient cpu; nearest n1: lacks 1 cpu; held back behind shop; 1 more cpu on n1 would do
}

// guaranteed is an order of the host's own: roles that lack something of what they are guaranteed go first, in the order of their
// paths, and the rest is shared out fairly.
type guaranteed struct{ allocator.Fair }

func (o guaranteed) Begin(l allocator.Ledger, roles []berth.Role) allocator.Round {
	r := &guarantees{Round: o.Fair.Begin(l, roles), roles: roles, lacks: map[berth.Role]berth.Resources{}}
	for _, role := range roles {
		r.lacks[role] = l.Quota(role).Guarantees.Clone()
		for name, q := range l.Used(role) {
			r.lacks[role][name] -= q
		}
	}
	return r
}

type guarantees struct {
	allocator.Round
	roles []berth.Role
	lacks map[berth.Role]berth.Resources
}

func (r *guarantees) Next(can func(berth.Role) bool) (berth.Role, bool) {
	for _, role := range r.roles {
		for _, q := range r.lacks[role] {
			if q > 0 && can(role) {
				return role, true
			}
		}
	}
	return r.Round.Next(can)
}

func (r *guarantees) Charged(g *berth.Group, n int) {
	r.Round.Charged(g, n)
	for name, q := range g.Cost() {
		r.lacks[g.Role()][name] -= q * int64(n)
	}
}

func (r *guarantees) Credited(g *berth.Group, n int) {
	r.Round.Credited(g, n)
	for name, q := range g.Cost() {
		r.lacks[g.Role()][name] += q * int64(n)
	}
}

func ExampleConfig_ownOrder() {
	state, _ := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 6000}})
	_ = state.SetQuotas(berth.Quota{Role: "shop", Guarantees: berth.Resources{"cpu": 4000}})
	core := berth.Resources{"cpu": 1000}
	batch := berth.NewGroup("batch", berth.GroupSpec{Role: "batch", Request: core})
	web := berth.NewGroup("web", berth.GroupSpec{Role: "shop", Request: core})

	s, _ := scheduler.New(state, scheduler.Config{Order: guaranteed{}})
	out, _ := s.Schedule(context.Background(), append(batch.Tasks(5), web.Tasks(5)...)...)
	for _, op := range out.Placed {
		fmt.Println(op.Task)
	}
	// Output:
	// web-1
	// web-2
	// web-3
	// web-4
	// batch-1
	// batch-2
}

// Departments share fairly; within one, releases go before all else, and the queues of the lab are served as they came.
func ExampleConfig_policies() {
	state, _ := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 6000}})
	core := berth.Resources{"cpu": 1000}
	tasks := func(role berth.Role, n int) []berth.Task {
		return berth.NewGroup(strings.ReplaceAll(string(role), "/", "-"), berth.GroupSpec{Role: role, Request: core}).Tasks(n)
	}
	s, _ := scheduler.New(state, scheduler.Config{Order: allocator.Tree{
		Priorities: map[berth.Role]int{"eng/release": 1},
		Below: map[berth.Role]allocator.Policy{
			"eng": allocator.InTurn(allocator.ByPriority, allocator.ByShare),
			"lab": allocator.ByArrival,
		},
	}})
	out, _ := s.Schedule(context.Background(), slices.Concat(
		tasks("eng/nightly", 3), tasks("lab/z", 1), tasks("lab/a", 3), tasks("eng/release", 2))...)
	for _, op := range out.Placed {
		fmt.Println(op.Task)
	}
	// Output:
	// eng-release-1
	// lab-z-1
	// eng-release-2
	// lab-a-1
	// eng-nightly-1
	// lab-a-2
}

package scheduler_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/scheduler"
)

// growOrder plans what is made for n again and again, turn by turn, on a cluster of a hundred nodes on which n tasks have room.
func growOrder(b *testing.B, n int, placed int, tasks []berth.Task, prepare func(*scheduler.State)) {
	s := newState(b, scheduler.StateConfig{})
	for i := range 100 {
		require.NoError(b, s.AddNodes(node(fmt.Sprintf("n%d", i), int64(n)*100)))
	}
	if prepare != nil {
		prepare(s)
	}
	sched, err := scheduler.New(s, scheduler.Config{Order: allocator.Fair{}})
	require.NoError(b, err)
	snapshot := snapshotOf(b, s)
	for b.Loop() {
		plan, err := sched.Plan(b.Context(), snapshot, tasks...)
		require.NoError(b, err)
		require.Len(b, plan.Ops, placed)
	}
}

// perRole returns tasks of n roles, made by the number of each.
func perRole(n int, tasks func(i int, spec berth.GroupSpec) []berth.Task) (all []berth.Task) {
	for i := range n {
		all = append(all, tasks(i, berth.GroupSpec{Role: berth.Role(fmt.Sprintf("o%d/r%d", i%10, i)), Request: berth.Resources{"cpu": 10}})...)
	}
	return all
}

// growOrderRoles gives n roles three turns each.
func growOrderRoles(b *testing.B, n int) {
	growOrder(b, n, 3*n, perRole(n, func(i int, spec berth.GroupSpec) []berth.Task {
		return berth.NewGroup(fmt.Sprintf("g%d", i), spec).Tasks(3)
	}), nil)
}

// growOrderRolesThatHave makes n plans of a task each where n roles have something: a plan costs what waits.
func growOrderRolesThatHave(b *testing.B, n int) {
	one := perRole(1, func(i int, spec berth.GroupSpec) []berth.Task { return berth.NewGroup("one", spec).Tasks(1) })
	s := newState(b, scheduler.StateConfig{}, node("n1", int64(n)*100))
	for _, t := range perRole(n, func(i int, spec berth.GroupSpec) []berth.Task {
		return berth.NewGroup(fmt.Sprintf("g%d", i), spec).Tasks(1)
	}) {
		require.NoError(b, s.Adopt(scheduler.Running{Task: t, Node: "n1"}))
	}
	sched, err := scheduler.New(s, scheduler.Config{Order: allocator.Fair{}})
	require.NoError(b, err)
	snapshot := snapshotOf(b, s)
	for b.Loop() {
		for range n {
			_, err := sched.Plan(b.Context(), snapshot, one...)
			require.NoError(b, err)
		}
	}
}

// growOrderTiers plans n priorities, each of two roles.
func growOrderTiers(b *testing.B, n int) {
	growOrder(b, n, 2*n, perRole(2*n, func(i int, spec berth.GroupSpec) []berth.Task {
		spec.Priority = i / 2
		return berth.NewGroup(fmt.Sprintf("g%d", i), spec).Tasks(1)
	}), nil)
}

// growOrderNothingFits plans n roles of which none has room for anything but the last.
func growOrderNothingFits(b *testing.B, n int) {
	growOrder(b, n, 10, perRole(n, func(i int, spec berth.GroupSpec) []berth.Task {
		if i < n-1 {
			spec.Request = berth.Resources{"cpu": 1 << 40}
		}
		return berth.NewGroup(fmt.Sprintf("g%d", i), spec).Tasks(10)
	}), nil)
}

// growOrderGangs plans n gangs of ten that lack their last task, each of a role of its own.
func growOrderGangs(b *testing.B, n int) {
	growOrder(b, n, 0, perRole(n, func(i int, spec berth.GroupSpec) []berth.Task {
		spec.Mode, spec.GangSize = berth.Gang, 11
		return berth.NewGroup(fmt.Sprintf("g%d", i), spec).Tasks(10)
	}), nil)
}

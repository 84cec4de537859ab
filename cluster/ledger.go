package cluster

import (
	"iter"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// RoleView is what a role has: what its tasks on nodes take and what its holds name, offers and optimistic holds included.
// Devices count by their class, in units. Lost tasks have nothing. A quantity beyond an int64 reads as the largest one.
type RoleView struct {
	Role  berth.Role
	Used  berth.Resources // by the role and those below it
	Own   berth.Resources // by the role alone
	Quota berth.Quota     // the zero Quota but for the role if it has none
}

// Used returns what a role and the roles below it have; the root's is everybody's. See [RoleView]. It costs as much as there are
// resources in it, however many tasks and roles there are.
func (s *Snapshot) Used(role berth.Role) berth.Resources { return usedIn(s.view(), role) }

// Own returns what a role has without the roles below it. It costs as much as Used.
func (s *Snapshot) Own(role berth.Role) berth.Resources { return ownIn(s.view(), role) }

// Quota returns the limits and guarantees of a role; the zero Quota but for the role if it has none.
func (s *Snapshot) Quota(role berth.Role) berth.Quota { return quotaIn(s.view(), role) }

// UsedBy returns what an owner has: its holds, and the tasks that were placed in its name, of whichever role they are.
func (s *Snapshot) UsedBy(owner string) berth.Resources { return usedBy(s.view(), owner) }

// Role returns what a role has, and its quota.
func (s *Snapshot) Role(role berth.Role) RoleView { return roleIn(s.view(), role) }

// Roles yields the roles that have something or a quota, or are above one that does, in the order of their paths. The root is
// always there.
func (s *Snapshot) Roles() iter.Seq[RoleView] { return rolesIn(s.view()) }

// Used is [Snapshot.Used].
func (f *Fork) Used(role berth.Role) berth.Resources { return usedIn(f.view(), role) }

// UsedBy is [Snapshot.UsedBy].
func (f *Fork) UsedBy(owner string) berth.Resources { return usedBy(f.view(), owner) }

// Own is [Snapshot.Own].
func (f *Fork) Own(role berth.Role) berth.Resources { return ownIn(f.view(), role) }

// Quota is [Snapshot.Quota].
func (f *Fork) Quota(role berth.Role) berth.Quota { return quotaIn(f.view(), role) }

// Role is [Snapshot.Role].
func (f *Fork) Role(role berth.Role) RoleView { return roleIn(f.view(), role) }

// Roles is [Snapshot.Roles], as they were when the walk began.
func (f *Fork) Roles() iter.Seq[RoleView] { return settled(rolesIn(f.view())) }

func usedIn(v *store.View, role berth.Role) berth.Resources {
	at, ok := v.FindRole(role)
	if !ok {
		return berth.Resources{}
	}
	return named(v, v.Account(at).Used)
}

func ownIn(v *store.View, role berth.Role) berth.Resources {
	at, ok := v.FindRole(role)
	if !ok {
		return berth.Resources{}
	}
	return named(v, v.Account(at).Own)
}

func quotaIn(v *store.View, role berth.Role) berth.Quota {
	if at, ok := v.FindRole(role); ok {
		if q := v.Account(at).Quota; q != nil {
			return q.Spec.Clone()
		}
	}
	return berth.Quota{Role: role}
}

func usedBy(v *store.View, owner string) berth.Resources {
	at, ok := v.FindOwner(owner)
	if !ok {
		return berth.Resources{}
	}
	return named(v, v.Account(at).Used)
}

func roleIn(v *store.View, role berth.Role) RoleView {
	return RoleView{Role: role, Used: usedIn(v, role), Own: ownIn(v, role), Quota: quotaIn(v, role)}
}

func rolesIn(v *store.View) iter.Seq[RoleView] {
	return func(yield func(RoleView) bool) {
		for _, at := range v.Roles() {
			if !yield(roleIn(v, berth.Role(v.Account(at).Name))) {
				return
			}
		}
	}
}

// named returns sums by the names of their dimensions.
func named(v *store.View, sums store.Sums) berth.Resources {
	r := make(berth.Resources, len(sums))
	for _, sum := range sums {
		r[v.Dims()[sum.Dim]] = sum.Int64()
	}
	return r
}

// SetQuotas gives roles their quotas, each instead of the one that the role has; one without limits and guarantees takes it
// away. Of two for one role the last counts. What a role has beyond a limit it keeps: it only gets no more. It sets all of them
// or, with every fault of every one, none.
func (f *Fork) SetQuotas(quotas ...berth.Quota) error { return f.checked().SetQuotas(quotas...) }

package checked

import (
	"cmp"
	"errors"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// SetQuotas gives roles their quotas. It sets all of them or, with every fault of every one, none.
func (f *Fork) SetQuotas(quotas ...berth.Quota) error {
	f = f.Ready()
	var errs []error
	for _, q := range quotas {
		errs = append(errs, q.Err())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, q := range quotas {
		if len(q.Limits)+len(q.Guarantees) == 0 {
			if at, ok := f.s.FindRole(q.Role); ok && f.s.Account(at).Quota != nil {
				f.s.SetQuota(q.Role, nil)
			}
			continue
		}
		q = q.Clone()
		set := &store.Quota{Spec: &q}
		for name, most := range q.Limits.All() {
			set.Limits = append(set.Limits, store.Need{Dim: f.s.Dim(name), Amount: most})
		}
		slices.SortFunc(set.Limits, func(a, b store.Need) int { return cmp.Compare(a.Dim, b.Dim) })
		f.s.SetQuota(q.Role, set)
	}
	return nil
}

// allowance is how many more tasks of a group the limits let be, at one version of the fork.
type allowance struct {
	group *berth.Group
	seq   uint64
	left  int64
}

// allows reports whether limits let another task of a group be. Of many that are placed one after another it looks once.
func (f *Fork) allows(sh *shape) bool {
	if f.s.Limited() == 0 {
		return true
	}
	a, now := &f.allowance, f.s.Version().Seq
	if a.group != sh.group || a.seq != now {
		*a = allowance{sh.group, now, f.s.Allowance(sh.group.Role(), sh.needs, nil)}
	}
	return a.left > 0
}

// spend notes that a task of a group was placed that allows was asked about.
func (f *Fork) spend(g *berth.Group) {
	if a := &f.allowance; a.group == g {
		a.left--
		a.seq = f.s.Version().Seq
	}
}

// over returns the first limit that a role would exceed if it had so much more.
func (f *Fork) over(role berth.Role, more []store.Need, trial store.Trial) berth.Reason {
	if f.s.Limited() == 0 {
		return berth.Reason{}
	}
	if over := fit.Over(&f.s.View, role, more, trial); len(over) > 0 {
		return over[0].Lack().Reason
	}
	return berth.Reason{}
}

// excesses returns the limits that keep a task of a group from being placed, wherever that is.
func (f *Fork) excesses(sh *shape) []fit.Excess {
	if f.s.Limited() == 0 {
		return nil
	}
	return fit.Over(&f.s.View, sh.group.Role(), sh.needs, nil)
}

// exchange is what is given back in exchange for what is asked for.
type exchange []struct {
	role  berth.Role
	needs []store.Need
	times int64 // -1 for what is given back, 1 for what is kept of it
}

func (x *exchange) give(role berth.Role, needs []store.Need) { x.add(role, needs, -1) }

func (x *exchange) keep(role berth.Role, needs []store.Need) { x.add(role, needs, 1) }

func (x *exchange) add(role berth.Role, needs []store.Need, times int64) {
	*x = append(*x, struct {
		role  berth.Role
		needs []store.Need
		times int64
	}{role, needs, times})
}

// trial is what accounts show once that was done.
func (x exchange) trial(a *store.Account, d int32) (plus, minus store.Sum) {
	for _, part := range x {
		if !part.role.Within(berth.Role(a.Name)) {
			continue
		}
		for _, n := range part.needs {
			switch {
			case n.Dim != d:
			case part.times > 0:
				plus.Move(n.Amount, 1)
			default:
				minus.Move(n.Amount, 1)
			}
		}
	}
	return plus, minus
}

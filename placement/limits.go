package placement

import (
	"math"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// limits is what the limits of roles leave to a plan. It follows the steps of the plan when it is asked, and where the snapshot
// has no limits it is never asked: a pick costs it nothing.
type limits struct {
	steps   *steps // of the plan
	view    *store.View
	planned store.Planned
	told    int // steps that are in planned

	exact func() *checked.Fork // where the plan is; to be asked where something is reserved, so that what a task adds follows from its node
}

// start begins a plan.
func (l *limits) start(view *store.View) {
	l.view, l.told = view, 0
	l.planned.Reset(view)
}

// none reports whether there are no limits.
func (l *limits) none() bool { return l.view.Limited() == 0 }

// follow takes in what the plan has picked and undone since the last time.
func (l *limits) follow() {
	steps := l.steps
	for l.told < steps.size {
		first := steps.at(l.told)
		n := 1
		for l.told+n < steps.size {
			if next := steps.at(l.told + n); next.task.Group != first.task.Group || next.undone != first.undone {
				break
			}
			n++
		}
		l.told += n
		if first.undone {
			n = -n
		}
		l.planned.Add(first.task.Group, int64(n))
	}
}

// allowance returns how many more tasks of a group the limits let be.
func (l *limits) allowance(g *berth.Group) int64 {
	if l.none() {
		return noLimit
	}
	if l.reservesLimits() {
		v := &l.exact().Store().View
		return v.Allowance(g.Role(), v.NeedsOf(g), nil)
	}
	l.follow()
	return l.planned.Allowance(g)
}

// over returns the limits that one more task of a group would exceed.
func (l *limits) over(g *berth.Group) []fit.Excess {
	if l.none() || l.view.Nodes() == 0 {
		return nil
	}
	if l.reservesLimits() {
		return fit.Excesses(&l.exact().Store().View, g, nil)
	}
	l.follow()
	return fit.Excesses(l.view, g, l.planned.Trial)
}

// overWithout is over where some of what the snapshot has, and some of what the plan picked, is counted as gone.
func (l *limits) overWithout(gone *absence, g *berth.Group) []fit.Excess {
	switch {
	case l.none():
		return nil
	case gone == nil:
		return l.over(g)
	}
	l.follow()
	picks := store.Planned{}
	picks.Reset(l.view)
	for _, st := range gone.picks {
		picks.Add(st.task.Group, 1)
	}
	return fit.Excesses(&gone.rest.View, g, func(a *store.Account, d int32) (plus, minus store.Sum) {
		plus, _ = l.planned.Trial(a, d)
		minus, _ = picks.Trial(a, d)
		return plus, minus
	})
}

// noLimit is an allowance where no limit says anything.
const noLimit = math.MaxInt64

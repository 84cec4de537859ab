package checked

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// replaced is the task that was released last, for the placement that comes directly after it under its ID. That is an exchange: a
// role that has more than its limit, which was lowered, keeps what it has, and so can take a new revision that is no larger. It is
// told by the operations alone, side by side in one commit, so that a replay of what was done decides alike.
type replaced struct {
	id     string
	role   berth.Role
	needs  []store.Need // that the task was charged for
	seq    uint64       // of the version that the release left,
	undone uint64       // and how often changes had been taken back then: after that numbers are given again
}

// release removes a task, and notes it where there are limits.
func (f *Fork) release(slot uint32) {
	f.replaced.id = ""
	if f.s.Limited() > 0 {
		if r := f.s.Record(slot); r.Row != store.None {
			g := f.s.Group(r.Group)
			f.replaced.id, f.replaced.role = r.ID, g.Spec.Role()
			f.replaced.needs = append(f.replaced.needs[:0], g.Request...)
		}
	}
	f.s.Remove(slot)
	f.replaced.seq, f.replaced.undone = f.s.Version().Seq, f.s.Undone()
}

// exceeds returns the first limit that keeps a task of a group off a node.
func (f *Fork) exceeds(sh *shape, row uint32, op *berth.Op) berth.Reason {
	over := f.excessesOn(sh, row, op.Owner)
	if r := &f.replaced; r.id == op.Task.ID && r.seq == f.s.Version().Seq && r.undone == f.s.Undone() && f.s.Open() {
		over = slices.DeleteFunc(over, func(x fit.Excess) bool {
			d, known := f.s.DimOf(x.Resource)
			return known && r.role.Within(x.Role) && amountOf(sh.needs, d) <= amountOf(r.needs, d)
		})
	}
	if len(over) == 0 {
		return berth.Reason{}
	}
	return over[0].Lack().Reason
}

func amountOf(needs []store.Need, d int32) int64 {
	if i := slices.IndexFunc(needs, func(n store.Need) bool { return n.Dim == d }); i >= 0 {
		return needs[i].Amount
	}
	return 0
}

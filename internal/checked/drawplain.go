package checked

import (
	"maps"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// drawPlain takes from an owner's holds on a node what a task needs there, as draw and shrink do, where that is soon done: the task
// gets no devices and no ports, the holds are exclusive and of no devices, nothing that the task needs is overcommitted there, and there is no limit
// to be asked. Elsewhere, and where the holds have too little, it returns false and has changed nothing.
func (f *Fork) drawPlain(sh *shape, row uint32, owner string) bool {
	if f.s.Limited() > 0 || len(sh.missing) > 0 || fit.Grants(sh.group) {
		return false
	}
	for _, need := range sh.needs {
		if f.s.FreeOf(row, need.Dim) < 0 {
			return false
		}
	}
	var few [4]uint32
	slots := few[:0]
	for slot, r := range f.s.HoldsOn(row) {
		h := r.Extra.Hold
		switch {
		case h.Owner != owner:
			continue
		case h.Lease != berth.Exclusive || len(h.Devices) > 0 || nothingIn(h):
			return false
		}
		slots = append(slots, slot)
	}
	if len(slots) == 0 {
		return false
	}
	if len(slots) > 1 {
		f.s.ByID(slots)
	}
	var room [4]store.Need
	open := append(room[:0], sh.needs...)
	var shrunk [4]*store.Extra
	extras := shrunk[:0]
	used := slots[:0]
	for _, slot := range slots {
		if x := less(f.s.Record(slot).Extra, open, f.s.Dims()); x != nil {
			used, extras = append(used, slot), append(extras, x)
		}
	}
	for _, need := range open {
		if need.Amount > 0 {
			return false
		}
	}
	f.s.Resize(used, extras)
	for i, slot := range used {
		if nothingIn(extras[i].Hold) {
			f.s.Remove(slot)
		}
	}
	return true
}

// less returns what is left of a hold of no devices once it has given what it can of what is open, which is that much less then; nil if
// it has given nothing.
func less(was *store.Extra, open []store.Need, dims []string) *store.Extra {
	var left *struct {
		extra store.Extra
		hold  berth.Hold
	}
	for i := range open {
		for k, has := range was.Needs {
			part := min(open[i].Amount, has.Amount)
			if has.Dim != open[i].Dim || part <= 0 {
				continue
			}
			if left == nil {
				left = &struct {
					extra store.Extra
					hold  berth.Hold
				}{*was, *was.Hold}
				left.hold.Resources = maps.Clone(was.Hold.Resources)
				left.extra.Hold = &left.hold
				left.extra.Needs = append([]store.Need(nil), was.Needs...)
			}
			open[i].Amount -= part
			left.extra.Needs[k].Amount -= part
			left.hold.Resources[dims[has.Dim]] -= part
		}
	}
	if left == nil {
		return nil
	}
	some := left.extra.Needs[:0]
	for _, need := range left.extra.Needs {
		if need.Amount > 0 {
			some = append(some, need)
		}
	}
	if left.extra.Needs = some; was.Cost != nil { // a hold of no devices takes what it is of
		left.extra.Cost = some
	}
	return &left.extra
}

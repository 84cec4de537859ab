package checked

import (
	"math"

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
		case h.Lease != berth.Exclusive || len(h.Devices) > 0 || len(r.Extra.Needs) == 0 && nothingIn(h):
			return false
		}
		slots = append(slots, slot)
	}
	if len(slots) > 1 {
		f.s.ByID(slots)
	}
	var room [4]store.Need
	open := append(room[:0], sh.needs...)
	for _, slot := range slots {
		for _, has := range f.s.Record(slot).Extra.Needs {
			for i := range open {
				if open[i].Dim == has.Dim {
					open[i].Amount -= min(open[i].Amount, has.Amount)
				}
			}
		}
	}
	for _, need := range open {
		if need.Amount > 0 {
			return false
		}
	}
	if len(slots) == 0 || len(open) == 0 || len(open) > math.MaxUint8 {
		return false
	}
	open = append(open[:0], sh.needs...)
	for _, slot := range slots {
		f.drawOn(slot, open)
	}
	return true
}

// drawOn takes from a hold what it has of what is open, which is that much less then, and ends the hold if that was all of it.
func (f *Fork) drawOn(slot uint32, open []store.Need) {
	x := f.s.Record(slot).Extra
	var some [4]store.Need
	part, all := some[:0], 0
	for _, has := range x.Needs {
		for i := range open {
			if q := min(open[i].Amount, has.Amount); open[i].Dim == has.Dim && q > 0 {
				if q == has.Amount {
					all++
				}
				open[i].Amount -= q
				part = append(part, store.Need{Dim: has.Dim, Amount: q})
			}
		}
	}
	switch {
	case len(part) == 0:
	case all == len(x.Needs) && len(x.Hold.Ports) == 0 && positive(x.Hold.Resources) == all:
		f.useUp(slot)
	default:
		f.s.Draw(slot, part)
	}
}

// positive returns of how many resources there is something.
func positive(r berth.Resources) int {
	n := 0
	for _, q := range r {
		if q > 0 {
			n++
		}
	}
	return n
}

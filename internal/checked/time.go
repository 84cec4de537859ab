package checked

import (
	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// lapsed reports whether a hold would be over before it began, as far as the time is known.
func (f *Fork) lapsed(h *berth.Hold) bool {
	now := f.s.Time()
	return !now.IsZero() && h.Lease != berth.Reserved && store.DeadlineOf(h.Deadline) <= store.Reached(now)
}

package cluster

import (
	"cmp"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// Time returns the time that the snapshot shows: when its source took it, by the source's clock, or what a fork was set to.
// It is in UTC. What a plan on the snapshot makes of time, it makes of this. The zero time is not known, as in a snapshot of
// nodes alone.
func (s *Snapshot) Time() time.Time {
	if s == nil {
		return time.Time{}
	}
	return (*store.View)(s).Time()
}

// Time returns the time that the fork shows: that of the snapshot it was made of, until it is advanced.
func (f *Fork) Time() time.Time { return f.view().Time() }

// Advance makes it later: the assumed tasks and the holds whose deadline has passed by then end. It returns them as the source would
// have them expire: of each the earliest deadline first, then by ID. It is no change that [Fork.Plan] tells of, for in the source they end by
// themselves. A time before the fork's own changes nothing: time does not go back. O(tasks and holds).
func (f *Fork) Advance(to time.Time) (tasks []TaskView, holds []berth.Hold) {
	on := f.checked().Store()
	to = to.Round(0).UTC()
	if !to.After(on.Time()) {
		return nil, nil
	}
	on.SetTime(to)
	var ended []uint32
	reached := store.Reached(to)
	for slot := range uint32(on.Slots()) {
		if r := on.Record(slot); r.ID != "" && r.Deadline != 0 && r.Deadline <= reached {
			ended = append(ended, slot)
		}
	}
	slices.SortFunc(ended, func(a, b uint32) int {
		x, y := on.Record(a), on.Record(b)
		return cmp.Or(cmp.Compare(x.Deadline, y.Deadline), cmp.Compare(x.ID, y.ID))
	})
	for _, slot := range ended {
		if on.Record(slot).Group == store.Holds {
			holds = append(holds, holdView(&on.View, slot))
		} else {
			tasks = append(tasks, taskView(&on.View, slot))
		}
	}
	for _, slot := range ended {
		on.Remove(slot)
	}
	return tasks, holds
}

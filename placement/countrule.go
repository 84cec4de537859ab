package placement

import (
	"math"

	"github.com/berth-sched/berth"
)

// setLimit sets how many tasks a domain must have for no more to go there, given how many it may have with the new one.
func (r *countRule) setLimit(limit int) {
	if r.limit = limit; r.notOwn && limit < math.MaxInt {
		r.limit++ // the new one is none of those that are counted
	}
}

// code and text are of the reason why a domain takes no more.
func (r *countRule) code() berth.Code {
	if r.told.Code != berth.None {
		return r.told.Code
	}
	return berth.DomainFull
}

func (r *countRule) text() string {
	if r.told.Code != berth.None {
		return r.told.Subject
	}
	return r.rule.String()
}

// isEven reports whether the rule compares domains.
func (r *countRule) isEven() bool { return r.rule != nil && r.rule.Counts().Even }

// noSlot is that of no domain in particular.
const noSlot = -1

// closed reports whether a domain, by its slot, that has so many tasks takes no more.
func (r *countRule) closed(slot int32, tasks int) bool {
	switch {
	case r.near:
		return tasks == 0
	case r.limits != nil && slot >= 0:
		return tasks >= r.limits[slot]
	}
	return tasks >= r.limit
}

// closedAt reports whether a domain takes no more.
func (r *countRule) closedAt(slot int32) bool { return r.closed(slot, r.domain.tasks[slot]) }

// closedAt reports whether a row's domain takes no more of the group's tasks under a rule that is asked row by row.
func (s *search) closedAt(r *countRule, row uint32) bool {
	if r.domain == nil {
		return r.closed(noSlot, s.counts.on(row))
	}
	slot := r.slots[row]
	return r.closed(slot, r.domain.in(slot))
}

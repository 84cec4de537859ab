package scheduler

import (
	"fmt"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// Expire releases the assumed tasks and ends the holds whose deadline has passed, and returns them, the
// earliest deadline first. Tasks expire in no other way, so the caller sees every one. Holds also end by
// themselves, before a snapshot or a commit could use them, and are then not returned here. It fails only if the State
// is stopped, or Record stops it; nothing has then expired.
func (s *State) Expire() (tasks []cluster.TaskView, holds []berth.Hold, err error) {
	if s == nil {
		return nil, nil, errNoState
	}
	s.lock()
	defer s.unlock()
	now := s.now()
	c := Command{Time: now}
	var expired []ending
	for e := range s.live.tasks.passed(now) {
		t, _ := s.live.fork.Task(e.id)
		tasks = append(tasks, t)
		c.Ops = append(c.Ops, berth.Op{Kind: berth.Release, ID: e.id})
		if len(s.feeds) > 0 {
			expired = append(expired, ending{task: e.id, how: endExpired})
		}
	}
	for e := range s.live.holds.passed(now) {
		h, _ := s.live.fork.Hold(e.id)
		holds = append(holds, h)
		c.Ops = append(c.Ops, berth.Op{Kind: berth.Drop, ID: e.id})
	}
	if err := s.mustApply(c, expired); err != nil {
		return nil, nil, err
	}
	return tasks, holds, nil
}

// NextExpiry returns the earliest deadline of an assumed task or a hold, and whether there is one.
func (s *State) NextExpiry() (time.Time, bool) {
	if s == nil {
		return time.Time{}, false
	}
	s.lock()
	defer s.unlock()
	t, some := s.live.tasks.first()
	if h, ok := s.live.holds.first(); ok && (!some || h.Before(t)) {
		return h, true
	}
	return t, some
}

// lapse ends the holds whose deadline has passed, so that nothing is decided on them. It fails if the State is stopped.
func (s *State) lapse() error {
	if s.stopped != nil || s.live.holds.n == 0 {
		return s.stopped
	}
	now := s.now()
	if !s.live.holds.reached(now) {
		return nil
	}
	c := Command{Time: now}
	for e := range s.live.holds.passed(now) {
		c.Ops = append(c.Ops, berth.Op{Kind: berth.Drop, ID: e.id})
	}
	return s.mustApply(c, nil)
}

// mustApply applies operations that the live cluster itself named, and that therefore cannot fail unless the State is stopped.
func (s *State) mustApply(c Command, expired []ending) error {
	if len(c.Ops) == 0 {
		return nil
	}
	err := s.applyTelling(c, expired)
	if err != nil && s.stopped == nil {
		panic(fmt.Sprintf("scheduler: deadlines and records disagree: %v", err))
	}
	return err
}

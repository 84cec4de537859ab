package scheduler

import (
	"errors"
	"fmt"
)

// ErrStopped is wrapped by what every change of a [State] returns since [StateConfig].Record failed, beside what Record
// returned.
var ErrStopped = errors.New("the state is stopped, for a command could not be recorded")

// ErrUnwritable is wrapped by the errors of what cannot be written down, such as a host's rule that [Codec] knows no name
// of. Nothing is at fault but what was asked for.
var ErrUnwritable = errors.New("it cannot be written down")

// stop refuses what comes, and wakes those who wait for a change so that they see it.
func (s *State) stop(err error) {
	s.stopped = fmt.Errorf("scheduler: %w: %w", ErrStopped, err)
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// Err returns why the State takes no changes, or nil if it does: an error that wraps [ErrStopped] and what Record returned.
func (s *State) Err() error {
	if s == nil {
		return errNoState
	}
	s.lock()
	defer s.unlock()
	return s.stopped
}

// Resume makes a State that is stopped take changes again: once Record can keep commands, and keeps them behind the last one that it
// kept. The change that it failed at was undone, and is the caller's to ask for again. It does nothing to a State that is
// not stopped.
func (s *State) Resume() {
	if s == nil {
		return
	}
	s.lock()
	defer s.unlock()
	s.stopped = nil
}

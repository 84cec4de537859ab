package scheduler

import (
	"errors"

	"github.com/berth-sched/berth/internal/faults"
)

// MarshalText fails: [Codec.Checkpoint] writes a State, and [Codec.Restore] reads it.
func (s *State) MarshalText() ([]byte, error) {
	return nil, faults.NoText("scheduler: state", "Codec.Checkpoint writes it and Codec.Restore reads it, and Log keeps what is done since")
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (s *State) UnmarshalText([]byte) error {
	_, err := s.MarshalText()
	return err
}

// MarshalText fails: a Scheduler keeps nothing that cannot be made anew, by [New].
func (s *Scheduler) MarshalText() ([]byte, error) {
	return nil, faults.NoText("scheduler: scheduler", "it is made anew by New; Codec.Checkpoint writes the State it works on")
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (s *Scheduler) UnmarshalText([]byte) error {
	_, err := s.MarshalText()
	return err
}

// MarshalText fails: [Queue.Waiting] returns what is in a Queue.
func (q *Queue) MarshalText() ([]byte, error) {
	return nil, faults.NoText("scheduler: queue", "write what Waiting returns, its groups by Codec or as the host has them")
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (q *Queue) UnmarshalText([]byte) error {
	_, err := q.MarshalText()
	return err
}

// MarshalText fails: Watch tells what a MemoryInventory has.
func (m *MemoryInventory) MarshalText() ([]byte, error) {
	return nil, faults.NoText("scheduler: memory inventory", "write the nodes that it was given")
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (m *MemoryInventory) UnmarshalText([]byte) error {
	_, err := m.MarshalText()
	return err
}

// MarshalText fails: a MemoryLauncher has functions and what it was asked for.
func (m *MemoryLauncher) MarshalText() ([]byte, error) {
	return nil, faults.NoText("scheduler: memory launcher", "Codec.Checkpoint writes the State that has the tasks")
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (m *MemoryLauncher) UnmarshalText([]byte) error {
	_, err := m.MarshalText()
	return err
}

// MarshalText fails: a Log is a way to a file, which has what was written.
func (l *Log) MarshalText() ([]byte, error) {
	return nil, faults.NoText("scheduler: log", "its file has the commands, and Codec.Commands reads them")
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (l *Log) UnmarshalText([]byte) error {
	_, err := l.MarshalText()
	return err
}

// UnmarshalJSON fails: [Codec.ReadCommand] reads what [Codec.AppendCommand] wrote.
func (c *Command) UnmarshalJSON([]byte) error {
	return errors.New("scheduler: command: not read from JSON, which does not tell which package knows a rule; Codec.ReadCommand reads what AppendCommand wrote")
}

package allocator

import "github.com/berth-sched/berth/internal/faults"

const charges = "write what Capacity, Charged and Share return, or the State that has the charges by scheduler.Codec.Checkpoint"

// MarshalText fails, and says what can be written instead.
func (d *DRF) MarshalText() ([]byte, error) { return nil, faults.NoText("allocator: DRF", charges) }

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (d *DRF) UnmarshalText([]byte) error {
	_, err := d.MarshalText()
	return err
}

// MarshalText fails, and says what can be written instead.
func (t *Turns) MarshalText() ([]byte, error) { return nil, faults.NoText("allocator: turns", charges) }

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (t *Turns) UnmarshalText([]byte) error {
	_, err := t.MarshalText()
	return err
}

// MarshalText fails: a vector is good for its DRF and nothing else.
func (v Vector) MarshalText() ([]byte, error) {
	return nil, faults.NoText("allocator: vector", "write the resources that it was made of")
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (v *Vector) UnmarshalText([]byte) error {
	_, err := Vector{}.MarshalText()
	return err
}

// MarshalText fails, and says what can be written instead.
func (q *Queue) MarshalText() ([]byte, error) { return nil, faults.NoText("allocator: queue", charges) }

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (q *Queue) UnmarshalText([]byte) error {
	_, err := q.MarshalText()
	return err
}

// MarshalText fails: a sibling is good for a policy that is asked about it.
func (s *Sibling) MarshalText() ([]byte, error) {
	return nil, faults.NoText("allocator: sibling", "write its Role and what Share returns")
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (s *Sibling) UnmarshalText([]byte) error {
	_, err := s.MarshalText()
	return err
}

// MarshalText fails: an account is a ledger and what was tried on it.
func (a *Account) MarshalText() ([]byte, error) {
	return nil, faults.NoText("allocator: account", "write what Used and Own return")
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (a *Account) UnmarshalText([]byte) error {
	_, err := a.MarshalText()
	return err
}

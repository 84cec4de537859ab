package offers

import (
	"fmt"

	"github.com/berth-sched/berth/internal/faults"
)

const subscribeAnew = "scheduler.Codec.Checkpoint writes the State that it is of, tasks with their owners and holds included; frameworks subscribe anew"

// MarshalText fails, and says what can be written instead.
func (x *Exchange) MarshalText() ([]byte, error) {
	return nil, faults.NoText("offers: exchange", subscribeAnew)
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (x *Exchange) UnmarshalText([]byte) error {
	_, err := x.MarshalText()
	return err
}

// MarshalText fails, and says what can be written instead.
func (s *Subscription) MarshalText() ([]byte, error) {
	return nil, faults.NoText("offers: subscription", "write what Offers returns; "+subscribeAnew)
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (s *Subscription) UnmarshalText([]byte) error {
	_, err := s.MarshalText()
	return err
}

// MarshalText fails, and says what can be written instead.
func (b *Book) MarshalText() ([]byte, error) {
	return nil, faults.NoText("offers: book", subscribeAnew)
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (b *Book) UnmarshalText([]byte) error {
	_, err := b.MarshalText()
	return err
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

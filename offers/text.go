package offers

import "errors"

// errNoText says what else there is: encoders would write "{}" for what has no exported fields, and nobody would know
// before it is to be read.
func errNoText(what, instead string) error {
	return errors.New("offers: " + what + ": it has no text form; " + instead)
}

const subscribeAnew = "scheduler.Codec.Checkpoint writes the State that it is of, tasks with their owners and holds included; frameworks subscribe anew"

// MarshalText fails, and says what can be written instead.
func (x *Exchange) MarshalText() ([]byte, error) { return nil, errNoText("exchange", subscribeAnew) }

// MarshalText fails, and says what can be written instead.
func (s *Subscription) MarshalText() ([]byte, error) {
	return nil, errNoText("subscription", "write what Offers returns; "+subscribeAnew)
}

// MarshalText fails, and says what can be written instead.
func (b *Book) MarshalText() ([]byte, error) { return nil, errNoText("book", subscribeAnew) }

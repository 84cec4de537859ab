package allocator

import "errors"

// errNoText says what else there is: encoders would write "{}" for what has no exported fields, and nobody would know
// before it is to be read.
func errNoText(what, instead string) error {
	return errors.New("allocator: " + what + ": it has no text form; " + instead)
}

const charges = "write what Capacity, Charged and Share return, or the State that has the charges by scheduler.Codec.Checkpoint"

// MarshalText fails, and says what can be written instead.
func (d *DRF) MarshalText() ([]byte, error) { return nil, errNoText("DRF", charges) }

// MarshalText fails, and says what can be written instead.
func (t *Turns) MarshalText() ([]byte, error) { return nil, errNoText("turns", charges) }

// MarshalText fails: a vector is good for its DRF and nothing else.
func (v Vector) MarshalText() ([]byte, error) {
	return nil, errNoText("vector", "write the resources that it was made of")
}

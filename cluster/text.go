package cluster

import "errors"

// errNoText says what else there is: encoders would write "{}" for what has no exported fields, and nobody would know
// before it is to be read.
func errNoText(what, instead string) error {
	return errors.New("cluster: " + what + ": it has no text form; " + instead)
}

const walks = "write what its walks yield, such as Nodes and Holds, or the State it is of by scheduler.Codec.Checkpoint"

// MarshalText fails, and says what can be written instead.
func (s Snapshot) MarshalText() ([]byte, error) { return nil, errNoText("snapshot", walks) }

// MarshalText fails, and says what can be written instead.
func (f Fork) MarshalText() ([]byte, error) { return nil, errNoText("fork", walks) }

// MarshalText fails, and says what can be written instead.
func (n NodeView) MarshalText() ([]byte, error) {
	return nil, errNoText("node view", "write what Node, Tasks and Holds return")
}

// MarshalText fails: a savepoint is good for its fork and nothing else.
func (s Savepoint) MarshalText() ([]byte, error) {
	return nil, errNoText("savepoint", "it is good for its fork and nothing else")
}

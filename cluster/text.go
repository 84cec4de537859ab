package cluster

import "github.com/berth-sched/berth/internal/faults"

const walks = "write what its walks yield, such as Nodes and Holds, or the State it is of by scheduler.Codec.Checkpoint"

// MarshalText fails, and says what can be written instead.
func (s Snapshot) MarshalText() ([]byte, error) {
	return nil, faults.NoText("cluster: snapshot", walks)
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (s *Snapshot) UnmarshalText([]byte) error {
	_, err := Snapshot{}.MarshalText()
	return err
}

// MarshalText fails, and says what can be written instead.
func (f Fork) MarshalText() ([]byte, error) { return nil, faults.NoText("cluster: fork", walks) }

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (f *Fork) UnmarshalText([]byte) error {
	_, err := Fork{}.MarshalText()
	return err
}

// MarshalText fails, and says what can be written instead.
func (n NodeView) MarshalText() ([]byte, error) {
	return nil, faults.NoText("cluster: node view", "write what Node, Tasks and Holds return")
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (n *NodeView) UnmarshalText([]byte) error {
	_, err := NodeView{}.MarshalText()
	return err
}

// MarshalText fails: a savepoint is good for its fork and nothing else.
func (s Savepoint) MarshalText() ([]byte, error) {
	return nil, faults.NoText("cluster: savepoint", "it is good for its fork and nothing else")
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (s *Savepoint) UnmarshalText([]byte) error {
	_, err := Savepoint{}.MarshalText()
	return err
}

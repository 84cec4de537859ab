package placement

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/berth-sched/berth"
)

// errNoText says what else there is: encoders would write "{}" for what has no exported fields, and nobody would know
// before it is to be read.
func errNoText(what, instead string) error {
	return errors.New("placement: " + what + ": it has no text form; " + instead)
}

const pickers = "it is made anew for a strategy, and learns what it knows from the snapshot that it is started with"

// MarshalText fails: an engine is made anew.
func (e *Engine) MarshalText() ([]byte, error) { return nil, errNoText("engine", pickers) }

// MarshalText fails: an exhaustive picker is made anew.
func (e *Exhaustive) MarshalText() ([]byte, error) { return nil, errNoText("exhaustive", pickers) }

// MarshalText fails: a savepoint is good for its picker and nothing else.
func (s Savepoint) MarshalText() ([]byte, error) {
	return nil, errNoText("savepoint", "it is good for its picker and nothing else")
}

// MarshalText fails: a strategy may have functions.
func (s Strategy) MarshalText() ([]byte, error) {
	return nil, errNoText("strategy "+s.String(), "write what the host makes it of")
}

// MarshalText fails: a term may have functions.
func (t Term) MarshalText() ([]byte, error) {
	return nil, errNoText("term "+t.String(), "write what the host makes it of")
}

// MarshalJSON returns the rank, the node and its score, for people and programs that look at it.
func (c Choice) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Rank  int
		Node  string
		Score Score
	}{c.Rank, c.Node, c.Score()})
}

// MarshalJSON returns the fields and, as Choices, the nodes that can take the task, for people and programs that look at it.
func (c *Choices) MarshalJSON() ([]byte, error) {
	if c == nil {
		return []byte("null"), nil
	}
	return json.Marshal(struct {
		Version    berth.Version
		Asked, Fit int
		Reason     berth.Reason
		Over       []berth.Excess
		Choices    []Choice
		Misfits    []Misfit
	}{c.Version, c.Asked, c.Fit, c.Reason, c.Over, slices.Collect(c.All()), c.Misfits})
}

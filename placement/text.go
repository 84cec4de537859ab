package placement

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
)

const pickers = "it is made anew for a strategy, and learns what it knows from the snapshot that it is started with"

// MarshalText fails: an engine is made anew.
func (e *Engine) MarshalText() ([]byte, error) {
	return nil, faults.NoText("placement: engine", pickers)
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (e *Engine) UnmarshalText([]byte) error {
	_, err := e.MarshalText()
	return err
}

// MarshalText fails: an exhaustive picker is made anew.
func (e *Exhaustive) MarshalText() ([]byte, error) {
	return nil, faults.NoText("placement: exhaustive", pickers)
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (e *Exhaustive) UnmarshalText([]byte) error {
	_, err := e.MarshalText()
	return err
}

// MarshalText fails: a savepoint is good for its picker and nothing else.
func (s Savepoint) MarshalText() ([]byte, error) {
	return nil, faults.NoText("placement: savepoint", "it is good for its picker and nothing else")
}

// UnmarshalText fails as MarshalText does, so that nobody takes what was read for one.
func (s *Savepoint) UnmarshalText([]byte) error {
	_, err := Savepoint{}.MarshalText()
	return err
}

// MarshalText returns what String prints, which [ParseStrategy] reads, or a [Reader] where a rule or a host's own term is in it. It
// fails if the strategy has a fault.
func (s Strategy) MarshalText() ([]byte, error) {
	if err := s.Err(); err != nil {
		return nil, err
	}
	return []byte(s.String()), nil
}

// UnmarshalText reads what MarshalText returns, as [ParseStrategy] does.
func (s *Strategy) UnmarshalText(text []byte) error {
	read, err := ParseStrategy(string(text))
	if err == nil {
		*s = read
	}
	return err
}

// MarshalText returns what String prints, which is read as a strategy of this term alone. It fails if the term has a fault.
func (t Term) MarshalText() ([]byte, error) {
	if err := t.Err(); err != nil {
		return nil, err
	}
	return []byte(t.String()), nil
}

// MarshalJSON returns the rank, the node and its score, for people and programs that look at it.
func (c Choice) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Rank  int    `json:"rank"`
		Node  string `json:"node"`
		Score Score  `json:"score"`
	}{c.Rank, c.Node, c.Score()})
}

// UnmarshalJSON fails: a choice is of the Choices that it came from.
func (c *Choice) UnmarshalJSON([]byte) error { return errNotRead }

var errNotRead = errors.New("placement: choices: not read from JSON; Candidates finds them anew")

// UnmarshalJSON fails: what was found is of a snapshot, and is found anew.
func (c *Choices) UnmarshalJSON([]byte) error { return errNotRead }

// MarshalJSON returns the fields and, as Choices, the nodes that can take the task, for people and programs that look at it.
func (c *Choices) MarshalJSON() ([]byte, error) {
	if c == nil {
		return []byte("null"), nil
	}
	return json.Marshal(struct {
		Version cluster.Version `json:"version"`
		Asked   int             `json:"asked"`
		Fit     int             `json:"fit"`
		Reason  berth.Reason    `json:"reason"`
		Over    []berth.Lack    `json:"over,omitempty"`
		Choices []Choice        `json:"choices"`
		Misfits []Misfit        `json:"misfits,omitempty"`
	}{c.Version, c.Asked, c.Fit, c.Reason, c.Over, slices.Collect(c.All()), c.Misfits})
}

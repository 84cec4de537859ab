package berth

import (
	"errors"
	"fmt"
)

// Errors that callers tell apart with [errors.Is].
var (
	// ErrLineage is wrapped where a plan is committed to a source other than the one its snapshot is of.
	ErrLineage = errors.New("plan of another source")
	// ErrNodeExists is wrapped where a node is added whose ID is taken.
	ErrNodeExists = errors.New("a node of that ID exists")
	// ErrTaskExists is wrapped where a task is adopted or submitted whose ID is known.
	ErrTaskExists = errors.New("a task of that ID exists")
	// ErrUnknownNode is wrapped where a node is named that does not exist.
	ErrUnknownNode = errors.New("unknown node")
	// ErrUnknownTask is wrapped where a task is named that does not exist.
	ErrUnknownTask = errors.New("unknown task")
	// ErrUnknownHold is wrapped where a hold is named that does not exist or has ended.
	ErrUnknownHold = errors.New("unknown hold")
)

// SyntaxError says where a text is not what it should be, and why.
type SyntaxError struct {
	Reader string // what reads the text: "selector", "constraints" for a rule, or "placement" for a strategy
	Text   string
	Offset int // in bytes, from 0
	Err    error
}

// Error prints the fault, with the text before it and behind it, a long one cut.
func (e *SyntaxError) Error() string {
	const most = 32
	at := max(min(e.Offset, len(e.Text)), 0)
	before, behind := e.Text[:at], e.Text[at:]
	if len(before) > most {
		before = "..." + before[len(before)-most:]
	}
	if len(behind) > most {
		behind = behind[:most] + "..."
	}
	return fmt.Sprintf("%s: offset %d, between %q and %q: %v", e.Reader, e.Offset, before, behind, e.Err)
}

// Unwrap returns the fault.
func (e *SyntaxError) Unwrap() error { return e.Err }

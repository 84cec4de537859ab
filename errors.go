package berth

import "errors"

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

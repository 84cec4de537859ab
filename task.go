package berth

import "fmt"

// TaskState is where a task is in its life. A task that no source knows is pending.
type TaskState uint8

const (
	// Assumed: placed, not yet confirmed to run.
	Assumed TaskState = iota
	// Running: confirmed.
	Running
	// Stopping: told to stop; it still holds its room.
	Stopping
	// Lost: its node went away. It holds no room, and its host decides what becomes of it.
	Lost
	// Orphan: reported by a node, but nobody here started it. It holds room until its host decides.
	Orphan
)

var taskStateText = [...]string{Assumed: "assumed", Running: "running", Stopping: "stopping", Lost: "lost", Orphan: "orphan"}

// String returns "assumed", "running", "stopping", "lost" or "orphan".
func (s TaskState) String() string {
	if int(s) < len(taskStateText) {
		return taskStateText[s]
	}
	return fmt.Sprintf("state %d", s)
}

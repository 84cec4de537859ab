package scheduler

import (
	"context"
	"fmt"

	"github.com/berth-sched/berth"
)

// Inventory tells [Run] which nodes there are. [MemoryInventory] is one.
type Inventory interface {
	// Watch tells of every node there is, in one call of tell, and then of every change, until the context
	// ends. Nothing is placed before the first call, so that not all goes to the nodes told first; where
	// there is no node, tell is called without one. Run calls Watch once, in a goroutine of its own; an
	// error ends Run, unless the context has ended. tell may be called by any number of goroutines. It
	// returns what is wrong with each event that is at fault, and passes those over.
	Watch(ctx context.Context, tell func(...NodeEvent) error) error
}

// NodeEvent says how a node is now. Telling the same twice changes nothing, so an Inventory that
// is not sure whether it told may tell again.
type NodeEvent struct {
	Node     berth.Node // only its ID counts if it is removed
	Cordoned bool       // the node takes no new tasks
	Removed  bool       // the node is gone
}

// Placement is a task on the node it was placed on.
type Placement struct {
	Task  berth.Task
	Node  string
	Grant *berth.Grant // nil without devices and ports
}

// String prints "web-1 on n1".
func (p Placement) String() string { return fmt.Sprintf("%v on %s", p.Task, p.Node) }

// Launcher starts and stops tasks for [Run]. [MemoryLauncher] is one. Run calls Start and Stop from at
// most [RunConfig].Launches goroutines at once, but never twice at once for one task.
type Launcher interface {
	// Start starts a task. It returns nil if the task runs, and an error if it does not and will not. An
	// error that wraps context.Canceled or context.DeadlineExceeded says that Start gave up without
	// knowing: the task then stays assumed until it is reported on or expires. Start returns soon after the
	// context ends.
	Start(ctx context.Context, p Placement) error

	// Stop stops a task, and returns nil once it runs no longer or if it never did.
	Stop(ctx context.Context, p Placement) error

	// Watch tells what becomes of tasks, until the context ends. Run calls it once, in a goroutine of its
	// own; an error ends Run, unless the context has ended. tell may be called by any number of goroutines.
	// It returns what is wrong with the event, if anything is, and has then changed nothing.
	Watch(ctx context.Context, tell func(TaskEvent) error) error
}

// TaskStatus is what a [Launcher] can say of a task.
type TaskStatus uint8

const (
	// TaskRunning: the task runs. Where Start has said so, saying it again changes nothing.
	TaskRunning TaskStatus = iota
	// TaskExited: the task ended by itself. Its room is released; an instance of a daemon is started again.
	TaskExited
	// TaskLost: nobody knows what became of the task, or it is gone. Its room is released, and whether to
	// submit it again is the host's to decide.
	TaskLost
	// TaskOrphan: a task runs that was not placed by this Run. It is adopted as it is.
	TaskOrphan
)

var taskStatusText = [...]string{TaskRunning: "running", TaskExited: "exited", TaskLost: "lost", TaskOrphan: "orphan"}

// String returns "running", "exited", "lost" or "orphan".
func (s TaskStatus) String() string {
	if int(s) < len(taskStatusText) {
		return taskStatusText[s]
	}
	return fmt.Sprintf("status %d", s)
}

// TaskEvent says what became of a task. For an orphan all of the placement counts, else the task's ID.
type TaskEvent struct {
	Placement
	Status TaskStatus
}

// Event is something [Run] did or saw.
type Event struct {
	Kind EventKind
	Placement
	Reason   berth.Reason    // Unplaced: why
	Unplaced *berth.Unplaced // Unplaced: the explanation, if the plan had one
	Err      error           // Failed, Uncertain, Unknown: what was wrong
}

// EventKind is the kind of an [Event].
type EventKind uint8

const (
	// Started: the task was placed and runs.
	Started EventKind = iota
	// Failed: Start or Stop failed. After a failed Start the room is released; both are tried again later.
	Failed
	// Uncertain: Start gave up without knowing; the task stays assumed.
	Uncertain
	// Unplaced: there is no node for the task now; told once for each new reason. It is tried again when
	// something changes.
	Unplaced
	// Expired: the task was assumed for too long. It is placed again.
	Expired
	// Stopped: the task was cancelled, and has stopped.
	Stopped
	// Exited: the task ended by itself.
	Exited
	// Lost: the task's node went away, or the launcher lost it.
	Lost
	// Orphaned: a task was found that nobody placed.
	Orphaned
	// Unknown: a task was cancelled that is not known.
	Unknown
)

var eventText = [...]string{
	Started: "started", Failed: "failed", Uncertain: "uncertain", Unplaced: "unplaced", Expired: "expired",
	Stopped: "stopped", Exited: "exited", Lost: "lost", Orphaned: "orphan", Unknown: "unknown",
}

// String returns "started", "failed" and so on.
func (k EventKind) String() string {
	if int(k) < len(eventText) {
		return eventText[k]
	}
	return fmt.Sprintf("event %d", k)
}

// String prints "started web-1 on n1" and, where there is one, the reason or the error.
func (e Event) String() string {
	s := fmt.Sprintf("%v %v", e.Kind, e.Task)
	if e.Node != "" {
		s += " on " + e.Node
	}
	if e.Reason.Code != berth.None {
		s += ": " + e.Reason.String()
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

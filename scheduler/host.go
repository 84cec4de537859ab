package scheduler

import (
	"context"
	"errors"
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/enum"
)

// Inventory tells [Run] which nodes there are. [MemoryInventory] is one.
type Inventory interface {
	// Watch tells of every node there is, in one call of tell, and then of every change, until the context
	// ends. The first call is the whole truth: nodes that the State has and that it does not name are removed
	// from the State, and nothing is placed before it, so that not all goes to the nodes told first. Where there
	// is no node, tell is called without one. While the first call is awaited Run waits: it places and starts nothing,
	// and says so only once, as a warning to [RunConfig].Logger after RetryAtMost.
	//
	// tell returns what is wrong with each event that is at fault, and passes those over. It may be called by
	// any number of goroutines once the first call has returned, but not from [RunConfig].Report. After Run's
	// context has ended it returns the cause and changes nothing.
	//
	// Run calls Watch once, in a goroutine of its own, and waits for it before it returns: Watch returns soon
	// after the context ends. An error or a panic ends Run; what it returns after the context has ended is
	// passed over. One that returns nil before has nothing more to tell.
	Watch(ctx context.Context, tell func(...NodeEvent) error) error
}

// NodeEvent says how a node is now:
//
//	the event                            what Run does to the node in the State
//	Removed                              removes it; its tasks are lost
//	the same as the last one             nothing
//	a node that the State does not have  adds it
//	another description                  replaces the description
//	Cordoned true, not so before         cordons it, unless the host has
//	Cordoned false, true before          uncordons it, if it was the Inventory that cordoned it
//
// "Before" is the last event of the node, for which an Inventory that is not sure whether it told may tell again: what
// the host did in the State meanwhile, be it a description, a cordon or a removal, stays. A node that is cordoned
// already when a Run begins counts as cordoned by the host. Run keeps a copy.
type NodeEvent struct {
	// Node describes the node. If it is removed only the ID counts.
	Node berth.Node
	// Cordoned says that the node takes no new tasks. A cordon that the host began with [State.Cordon] is the host's
	// to end.
	Cordoned bool
	// Removed says that the node is gone. Its tasks are lost.
	Removed bool
}

// Placement is a task on the node it was placed on.
type Placement struct {
	Task  berth.Task
	Node  string
	Grant *berth.Grant // nil without devices and ports

	// Attempt tells this run of the task from earlier and later ones of the same ID. [Run] gives each placement
	// a number greater than those before, whichever task they were of; it is not a count of tries. A Launcher
	// keeps the number with what it starts and says it in every [TaskEvent] of it. Zero is a run that no Run has
	// placed, or whose number is not known.
	//
	// Numbers begin anew with a new State, above those that the first call of the Launcher's tell names. A launcher
	// whose machines may still send events of an earlier process drops those itself, or has its host set
	// [RunConfig].FirstAttempt.
	Attempt uint64
}

// String prints "web-1 on n1".
func (p Placement) String() string { return fmt.Sprintf("%v on %s", p.Task, p.Node) }

// Launcher starts and stops tasks for [Run]. [MemoryLauncher] is one. Run calls Start and Stop from at
// most [RunConfig].Launches goroutines at once, but never twice at once for tasks of one ID.
//
// A panic in any of the methods ends Run with an error that has the panic's value and stack. A task whose Start
// panicked stays assumed, as after an error that does not know.
type Launcher interface {
	// Start starts a task. It returns nil if the task runs, and an error if it does not and will not. An
	// error that wraps context.Canceled or context.DeadlineExceeded says that Start gave up without
	// knowing, be it for the end of ctx or for a time-out of the launcher's own. Run reports the task as [Uncertain],
	// and its room stays taken until the Launcher's tell says what became of it, or it is cancelled, or
	// [StateConfig].AssumeFor has passed; the default of that is never. So a launcher that gives up finds out and tells,
	// or its host sets AssumeFor.
	//
	// The context is Run's own and has no time limit but Run's end: a launcher that wants one sets it. A Start that hangs
	// takes one of [RunConfig].Launches meanwhile. It returns soon after the context ends: Run waits for it.
	Start(ctx context.Context, p Placement) error

	// Stop stops the run of a task that has the placement's Attempt, and returns nil once it runs no longer or
	// if it never did. A later run of the same ID is not touched. With an Attempt of zero it stops what runs
	// under the ID on the node. After an error Run asks again, later, unless the State has the node no longer: what
	// runs on a node that is gone is nobody's to stop.
	Stop(ctx context.Context, p Placement) error

	// Watch tells of everything that runs, in one call of tell, and then what becomes of tasks, until the
	// context ends. Run places and starts nothing before the first call has returned, lest it start what runs
	// already. Where nothing runs, tell is called without an event; a Launcher that never calls it is never
	// asked to start anything, of which Run says no more than a warning to [RunConfig].Logger after RetryAtMost.
	//
	// The first call names each task that runs as [TaskRunning] or [TaskOrphan], with its node, its grant and
	// its Attempt where it is known. Such tasks are from then on this Run's to watch and to stop. One that the
	// State does not have is adopted; if its Task has no Group, that of the task of the same ID in the Queue is
	// taken, and for the instance group@node of a daemon that of the group's demand in the Queue. A task of that ID that
	// waits in the Queue waits no longer.
	//
	// A task that runs and cannot be adopted, whichever call says so, is reported as [Withheld]: nothing of its ID is started
	// as long as it is not reported to have ended. A late word of a run that this Run has seen end withholds nothing. Its room is not counted meanwhile, so that others may be placed on it. One on a node that
	// the State does not have yet is adopted when the node comes; one whose group nobody knows when a task of its ID, or
	// the demand of its daemon, is submitted, or when it is told of again with a group. Where nobody will submit it make
	// a group up, with berth.NewTask(id, spec): its room is then counted.
	//
	// The first call may also name tasks that ended while nobody watched, with the node they were on, so that the State
	// gives their room back.
	//
	// tell returns what is wrong with each event that is at fault, and has passed those over. It may be called
	// by any number of goroutines once the first call has returned, from within Start and Stop too, but not from
	// [RunConfig].Report. After Run's context has ended it returns the cause and changes nothing.
	//
	// Run calls Watch once, in a goroutine of its own, and waits for it before it returns: Watch returns soon
	// after the context ends. An error or a panic ends Run; what it returns after the context has ended is
	// passed over. One that returns nil before has nothing more to tell.
	Watch(ctx context.Context, tell func(...TaskEvent) error) error
}

// ErrOtherAttempt is wrapped by what tell returns for an event of another run of the task than the present one: an
// earlier one, as a rule. The event has changed nothing, and telling it again will not either.
var ErrOtherAttempt = errors.New("not the present attempt")

// ErrNotOurs is wrapped by what tell returns for an event of a task that is another [Run]'s, and for the end of one that
// is nobody's and not on the node that the event names.
var ErrNotOurs = errors.New("not a task of this Run")

// TaskStatus is what a [Launcher] can say of a task.
type TaskStatus uint8

const (
	// TaskRunning: the task runs. Where Start has said so, saying it again changes nothing. A task that the
	// State has and that is not this Run's yet becomes so; one that the State does not have is adopted. One that
	// was lost with its node and runs after all is taken back.
	TaskRunning TaskStatus = iota
	// TaskExited: the task ended by itself. Its room is released; an instance of a daemon is started again.
	TaskExited
	// TaskLost: nobody knows what became of the task, or it is gone. Its room is released, and whether to
	// submit it again is the host's to decide.
	TaskLost
	// TaskOrphan: a task runs that nobody asked for. It is adopted as it is, to hold its room until the host
	// decides: [State.Confirm] takes it in, [Queue.Cancel] stops it. One that waits in the Queue is no orphan.
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

// MarshalText returns what String prints.
func (s TaskStatus) MarshalText() ([]byte, error) {
	return enum.Word("task status", taskStatusText[:], s)
}

// UnmarshalText reads what MarshalText returns.
func (s *TaskStatus) UnmarshalText(text []byte) error {
	return enum.Read("task status", taskStatusText[:], text, s)
}

// TaskEvent says what became of a task. A Launcher that keeps the [Placement] it was given sends it back as it is, and
// need not read on. Others fill in:
//
//	field    of a task that this Run has                 of one that is to be adopted
//	Task.ID  needed                                      needed
//	Group    not looked at                               needed, unless the Queue or the State has it
//	Node     may be empty; another one is refused        needed, unless the ID is group@node of a queued daemon
//	Grant    not looked at                               the devices and ports that the task has
//	Attempt  the number; another one is refused; or      the number, or 0
//	         0 once it ran without one: see below
//
// An Attempt of 0 says that the number is not known. Such an event never ends a run that has a number: it might be
// a late one of an earlier run. A launcher that has lost its numbers, because it restarted, first tells that the task
// is [TaskRunning] on its node, without a number; from then on events without one are taken to be of that run.
type TaskEvent struct {
	Placement
	Status TaskStatus
}

// Event is something [Run] did or saw.
type Event struct {
	Kind EventKind
	Placement
	Reason   berth.Reason      // Unplaced: why
	Unplaced *cluster.Unplaced // Unplaced: the explanation, if the plan had one
	Err      error             // Failed, Uncertain, Unknown, Withheld: what was wrong
}

// EventKind is the kind of an [Event].
type EventKind uint8

const (
	// Started: the task was placed and runs.
	Started EventKind = iota
	// Failed: Start or Stop failed. After a failed Start the room is released; both are tried again later. Or a
	// task that was found running could not be adopted when its node came, since another has its ID by then.
	Failed
	// Uncertain: Start gave up without knowing, or panicked; the task stays assumed, and keeps its room: see
	// [Launcher].Start for how long. Or Run has ended before Stop has stopped the task, which stays stopping.
	Uncertain
	// Unplaced: there is no node for the task now; told once for each new reason. It is tried again when
	// something changes that could help: a task or a hold ended, or a node came or changed. Where the Scheduler works on
	// a book of offers, what was not offered yet is told of as not offered: of a daemon, for a node that has just come,
	// until the next pass of offers.
	Unplaced
	// Expired: the task was assumed for too long. It is placed again, unless it is not this Run's but nobody's: then
	// only its room is given back.
	Expired
	// Stopped: the task was cancelled, and has stopped.
	Stopped
	// Exited: the task ended by itself.
	Exited
	// Lost: the launcher lost the task, and its room is released; or its node was removed, by the Inventory or by
	// the host, and the State keeps the task as lost. To run it again call [Queue.Submit], which serves both cases; to
	// give it up after the second call [Queue.Cancel] or [State.Release]. Instances of daemons come back by themselves.
	Lost
	// Orphaned: a task was found that nobody asked for.
	Orphaned
	// Unknown: a task was cancelled that is not known, or is another Run's.
	Unknown
	// Adopted: a task was found running that this Run did not start, and is this Run's from now on.
	Adopted
	// Withheld: a task was found running that could not be adopted, since its group is not known or its node is not
	// there. Nothing of its ID is started, and its room is not counted: see [Launcher].Watch.
	Withheld
	// Recalled: the task's room is asked back of the framework, by an inverse offer. It is stopped, and waits in the Queue from then on, to run
	// elsewhere: see [RunFramework]. The instance of a daemon comes back by itself.
	Recalled
)

var eventText = [...]string{
	Started: "started", Failed: "failed", Uncertain: "uncertain", Unplaced: "unplaced", Expired: "expired",
	Stopped: "stopped", Exited: "exited", Lost: "lost", Orphaned: "orphan", Unknown: "unknown",
	Adopted: "adopted", Withheld: "withheld", Recalled: "recalled",
}

// String returns "started", "failed" and so on.
func (k EventKind) String() string {
	if int(k) < len(eventText) {
		return eventText[k]
	}
	return fmt.Sprintf("event %d", k)
}

// MarshalText returns what String prints.
func (k EventKind) MarshalText() ([]byte, error) { return enum.Word("event", eventText[:], k) }

// UnmarshalText reads what MarshalText returns.
func (k *EventKind) UnmarshalText(text []byte) error {
	return enum.Read("event", eventText[:], text, k)
}

// String prints "started web-1 on n1" and, where there is one, the explanation, or else the reason, or the error.
func (e Event) String() string {
	s := fmt.Sprintf("%v %v", e.Kind, e.Task)
	if e.Node != "" {
		s += " on " + e.Node
	}
	switch u := e.Unplaced; {
	case u != nil && u.Why != nil && u.Why.Nodes > 0:
		s += fmt.Sprintf(": 0/%d nodes: %v", u.Why.Nodes, u.Why)
		if e.Reason.Code == berth.GangIncomplete {
			s += "; " + e.Reason.String()
		}
	case e.Reason.Code != berth.None:
		s += ": " + e.Reason.String()
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

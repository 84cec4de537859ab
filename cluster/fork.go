package cluster

import (
	"iter"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/store"
)

// Fork is a cluster that can be changed, by one goroutine: a what-if, or the truth behind a State. It
// checks what it is told to do, so that nothing done to it creates an overcommitment or breaks a rule.
// The zero Fork is an empty cluster, as that of [NewFork].
type Fork checked.Fork

// NewFork returns a cluster without nodes, the beginning of a lineage of its own.
func NewFork() *Fork { return (*Fork)(new(checked.Fork).Ready()) }

// checked returns what does the work; for no fork, that of an empty cluster.
func (f *Fork) checked() *checked.Fork { return (*checked.Fork)(f).Ready() }

// view returns the cluster as it is, and goes on being.
func (f *Fork) view() *store.View { return &f.checked().Store().View }

// Snapshot returns the cluster as it is now.
func (f *Fork) Snapshot() *Snapshot { return (*Snapshot)(f.checked().Store().Snapshot()) }

// Version says which state the fork is in.
func (f *Fork) Version() Version { return Version(f.view().Version()) }

// Plan returns what was applied since the fork was made of a snapshot, as a plan for the source the
// snapshot came from. Operations on nodes that only the fork has will be refused there.
func (f *Fork) Plan() *Plan {
	base, ops := f.checked().Applied()
	return &Plan{Version: Version(base), Ops: ops}
}

// Len returns the number of nodes.
func (f *Fork) Len() int { return f.view().Nodes() }

// Nodes yields the nodes in the order of their IDs. The fork may change meanwhile; nodes that come or
// go may then be missed or seen.
func (f *Fork) Nodes() iter.Seq[NodeView] {
	v := f.view()
	return nodesOf(v, v.Order())
}

// Node returns the node of that ID.
func (f *Fork) Node(id string) (NodeView, bool) { return nodeOf(f.view(), id) }

// Task returns the task of that ID.
func (f *Fork) Task(id string) (TaskView, bool) { return taskOf(f.view(), id) }

// Group yields the tasks of the group of that name, the earliest placed first, as they were when the
// walk began.
func (f *Fork) Group(name string) iter.Seq[TaskView] { return settled(groupOf(f.view(), name)) }

// Hold returns the hold of that ID.
func (f *Fork) Hold(id string) (berth.Hold, bool) {
	return holdOf(f.view(), id)
}

// Holds yields the holds, the earliest made first, as they were when the walk began.
func (f *Fork) Holds() iter.Seq[berth.Hold] { return settled(holdsOf(f.view())) }

// AddNodes adds nodes that were not there. It adds all of them or, with every fault of every one, none.
func (f *Fork) AddNodes(nodes ...berth.Node) error { return f.checked().AddNodes(nodes...) }

// UpdateNodes replaces the descriptions of nodes. Their tasks stay, even where the node no longer has
// room for them or breaks a rule of theirs: that is for the host to heal. Tasks and holds keep their devices by ID, in
// whatever order the devices are now; a share of one that is gone or unhealthy blocks no other, and the node counts as
// overcommitted while a task has it. It updates all of them or,
// with every fault of every one, none. That devices come back of which so much is taken, together with what was placed as a
// plain resource of their class meanwhile, that it does not fit in an int64 is a fault too.
func (f *Fork) UpdateNodes(nodes ...berth.Node) error { return f.checked().UpdateNodes(nodes...) }

// UpsertNodes adds the nodes that are not there, and replaces the descriptions of those that are described otherwise. What is there
// as it is described is left alone, and a call that finds all so is no change. Of two descriptions of one node
// the last counts. It does all or, with every fault of every node, nothing.
func (f *Fork) UpsertNodes(nodes ...berth.Node) error { return f.checked().UpsertNodes(nodes...) }

// RemoveNodes removes nodes. Their tasks become [berth.Lost] and their holds end. It removes all of them or,
// naming each that is unknown, none.
func (f *Fork) RemoveNodes(ids ...string) error { return f.checked().RemoveNodes(ids...) }

// Cordon makes nodes take no new task. It does so to all of them or, naming each that is unknown, to none. Moving
// the tasks away is the host's to do.
func (f *Fork) Cordon(ids ...string) error { return f.checked().SetCordoned(true, ids) }

// Uncordon makes nodes take tasks again: all of them or, naming each that is unknown, none.
func (f *Fork) Uncordon(ids ...string) error { return f.checked().SetCordoned(false, ids) }

// Apply does one operation if it can be done, and returns it with its grant filled in and no reason;
// else it returns the first reason why not and changes nothing. A placement directly after the release of the task of its ID is an
// exchange, which no limit refuses unless the role has more than before the release.
func (f *Fork) Apply(op berth.Op) (berth.Op, berth.Reason) { return f.checked().Apply(op) }

// Adopt records a task that runs already, wherever it fits or not, in the state it is in. A share of a device that the
// node does not have, or not any more, is kept, and the node counts as overcommitted until the task is released. Adopt
// fails, and changes nothing, if the task, its node, its grant or its group is at fault, if the task is known, or
// if what the node's tasks and holds take together would not fit in an int64. No limit keeps it from what it has.
func (f *Fork) Adopt(t berth.Task, node string, grant *berth.Grant, state berth.TaskState) error {
	return f.checked().Adopt("", t, node, grant, state)
}

// AdoptFor is [Fork.Adopt] of a task that was placed in an owner's name; none is nobody's. The name is at fault where it would not
// do for a [berth.Hold].
func (f *Fork) AdoptFor(owner string, t berth.Task, node string, grant *berth.Grant, state berth.TaskState) error {
	return f.checked().Adopt(owner, t, node, grant, state)
}

// Mark changes the state of a task, and when it expires if it is [berth.Assumed]; the zero time is never. Deadlines
// are kept to the microsecond, rounded up. It moves the version only if a task begins to stop, or stops no more: on anything else no plan depends. A task on a node
// cannot be marked Lost, nor a lost one anything else.
func (f *Fork) Mark(id string, state berth.TaskState, deadline time.Time) error {
	return f.checked().Mark(id, state, deadline)
}

// Fits reports whether a task of the group could be placed on n now: n is a node of the fork, and this
// is what [Fork.Apply] checks of it.
func (f *Fork) Fits(g *berth.Group, n NodeView) bool {
	row, has := f.row(n)
	return has && f.checked().Fits(g, row)
}

// Lacks returns every reason why a task of the group cannot be placed on n now, with what is missing;
// none if it can be. Of a node that is not the fork's own, not that of the snapshot either, it says that it is unknown.
func (f *Fork) Lacks(g *berth.Group, n NodeView) []berth.Lack {
	if err := g.Err(); err != nil {
		return []berth.Lack{{Reason: berth.Reason{Code: berth.Invalid, Subject: err.Error()}}}
	}
	row, has := f.row(n)
	if !has {
		return []berth.Lack{{Reason: berth.Reason{Code: berth.UnknownNode, Subject: n.ID()}}}
	}
	return f.checked().Lacks(g, row)
}

// row returns the row of a node that the fork has.
func (f *Fork) row(n NodeView) (uint32, bool) {
	v, row := n.at()
	return row, v == f.view() && n.exists()
}

// Domains sums up the group's domains under an attribute: those of the nodes that are eligible for it
// and not cordoned.
func (f *Fork) Domains(g *berth.Group, key string) berth.Domains { return f.checked().Domains(g, key) }

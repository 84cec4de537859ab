package berth

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/berth-sched/berth/internal/store"
)

func init() {
	store.ViewOf = func(s any) *store.View { return s.(*Snapshot).behind() }
	store.StoreOf = func(f any) *store.Store { return f.(*Fork).ready().s }
	store.PresentOf = func(f any) any { return f.(*Fork).present() }
	store.PlacePicked = func(f, op any) (code uint8, subject string) {
		why := f.(*Fork).placePicked(op.(*Op))
		return uint8(why.Code), why.Subject
	}
}

// Snapshot is a cluster at one moment: nodes, what runs on them and what is held. It is immutable and
// may be read by any number of goroutines. Taking one costs the same whatever the size of the cluster.
// The zero Snapshot has no nodes.
type Snapshot struct {
	view    *store.View
	lineage *lineage
	present *store.Store // set if view is that of a store that goes on: see Fork.present
}

// NewSnapshot returns a snapshot of the nodes with nothing on them, of a lineage of its own. It fails
// with every fault of every node, duplicate IDs included.
func NewSnapshot(nodes ...Node) (*Snapshot, error) {
	f := NewFork()
	if err := f.AddNodes(nodes...); err != nil {
		return nil, err
	}
	return f.Snapshot(), nil
}

// behind returns the view; a Snapshot that nobody took shows an empty one.
func (s *Snapshot) behind() *store.View {
	if s == nil || s.view == nil {
		return store.New().Snapshot()
	}
	return s.view
}

// Version says which state of which source the snapshot shows.
func (s *Snapshot) Version() Version {
	if s == nil || s.view == nil {
		return Version{}
	}
	return Version{s.lineage, s.view.Branch(), s.view.Seq()}
}

// Fork returns a cluster that begins as s and can be changed. It costs the same whatever the size of
// the cluster, and what is done to it is never seen in s or in another fork.
func (s *Snapshot) Fork() *Fork {
	view := s.behind()
	if s != nil && s.present != nil {
		view = s.present.Snapshot() // what the fork shares with the store must not be written in place
	}
	f := &Fork{s: view.Fork(), base: s.Version(), journal: true}
	f.lineage = f.base.lineage
	return f
}

// Len returns the number of nodes.
func (s *Snapshot) Len() int { return s.behind().Nodes() }

// Nodes yields the nodes in the order of their IDs.
func (s *Snapshot) Nodes() iter.Seq[NodeView] {
	v := s.behind()
	return nodesOf(v, v.Order())
}

func nodesOf(v *store.View, order []uint32) iter.Seq[NodeView] {
	return func(yield func(NodeView) bool) {
		for _, row := range order {
			if v.Node(row).Node != nil && !yield(NodeView{v, row}) { // a fork may have removed it meanwhile
				return
			}
		}
	}
}

// Node returns the node of that ID.
func (s *Snapshot) Node(id string) (NodeView, bool) {
	return nodeOf(s.behind(), id)
}

func nodeOf(v *store.View, id string) (NodeView, bool) {
	row, ok := v.FindNode(id)
	if !ok {
		return NodeView{}, false
	}
	return NodeView{v, row}, true
}

// Task returns the task of that ID.
func (s *Snapshot) Task(id string) (TaskView, bool) { return taskOf(s.behind(), id) }

func taskOf(v *store.View, id string) (TaskView, bool) {
	slot, ok := v.FindTask(id)
	if !ok {
		return TaskView{}, false
	}
	return taskView(v, slot), true
}

// Tasks returns the number of tasks, lost ones included.
func (s *Snapshot) Tasks() int { return s.behind().Tasks() }

// Group yields the tasks of the group of that name, the earliest placed first.
func (s *Snapshot) Group(name string) iter.Seq[TaskView] { return groupOf(s.behind(), name) }

func groupOf(v *store.View, name string) iter.Seq[TaskView] {
	return func(yield func(TaskView) bool) {
		g, ok := v.FindGroup(name)
		if !ok || g == store.Holds {
			return
		}
		for slot := range v.Members(g) {
			if !yield(taskView(v, slot)) {
				return
			}
		}
	}
}

// Holds yields the holds, the earliest made first.
func (s *Snapshot) Holds() iter.Seq[Hold] { return holdsOf(s.behind()) }

func holdsOf(v *store.View) iter.Seq[Hold] {
	return func(yield func(Hold) bool) {
		for slot := range v.Members(store.Holds) {
			if !yield(holdView(v, slot)) {
				return
			}
		}
	}
}

// Total returns the capacity of all nodes together, devices and all. Sums that would overflow stay at
// the largest int64.
func (s *Snapshot) Total() Resources {
	total := Resources{}
	for n := range s.Nodes() {
		for name, q := range n.Capacity() {
			if sum, err := AddQuantity(total[name], q); err == nil {
				total[name] = sum
			} else {
				total[name] = 1<<63 - 1
			}
		}
	}
	return total
}

// NodeView is a node in a snapshot or a fork. It is a small handle, to be passed by value; it comes
// from the walks and look-ups and is good as long as what it came from. The view of a fork shows the
// fork as it is when a method is called; once its node is removed it shows a node without a name that
// has nothing, as the zero NodeView does, or a node that was added later.
type NodeView struct {
	view *store.View
	row  uint32
}

func (n NodeView) state() *store.NodeState {
	if n.exists() {
		return n.view.Node(n.row)
	}
	return &store.NodeState{Node: &store.Node{Payload: new(Node)}, Parts: store.NoParts}
}

func (n NodeView) exists() bool {
	return n.view != nil && int(n.row) < n.view.Rows() && n.view.Node(n.row).Node != nil
}

// free returns the free amounts by dimension.
func (n NodeView) free() []int64 {
	if !n.exists() {
		return nil
	}
	return n.view.Free(n.row)
}

func (n NodeView) node() *Node { return n.state().Node.Payload.(*Node) }

// ID returns the node's ID.
func (n NodeView) ID() string { return n.state().Node.ID }

// Node returns a copy of the node as its host described it.
func (n NodeView) Node() Node { return *n.node().clone() }

// Attribute returns the value of an attribute of the node; [NodeID] is always there.
func (n NodeView) Attribute(name string) (Value, bool) { return n.node().Attribute(name) }

// Drained reports whether the node is being drained.
func (n NodeView) Drained() bool { return n.state().Drained }

// Capacity returns what the node has in all, each class of its devices included.
func (n NodeView) Capacity() Resources {
	return resourcesOf(n.view, n.state().Node.Capacity)
}

// Free returns what is neither taken nor exclusively held, each class of devices included. A quantity
// is negative where the node is overcommitted.
func (n NodeView) Free() Resources { return resourcesOf(n.view, n.free()) }

// FreeDevices returns the free units of each device, by index.
func (n NodeView) FreeDevices() []int64 { return slices.Clone(n.state().Devices) }

// Overcommitted reports whether the node's tasks take more than it has. Commits never make it so; a
// node that shrank or a task adopted as it ran may.
func (n NodeView) Overcommitted() bool {
	negative := func(q int64) bool { return q < 0 }
	return slices.ContainsFunc(n.free(), negative) || slices.ContainsFunc(n.state().Devices, negative)
}

// Tasks yields the node's tasks, in order of their IDs, as they were when the walk began.
func (n NodeView) Tasks() iter.Seq[TaskView] {
	return settled(func(yield func(TaskView) bool) {
		var slots []uint32
		if n.exists() {
			for slot, r := range n.view.On(n.row) {
				if r.Group != store.Holds {
					slots = append(slots, slot)
				}
			}
		}
		for _, slot := range byID(n.view, slots) {
			if !yield(taskView(n.view, slot)) {
				return
			}
		}
	})
}

// settled returns a walk that has seen all before it hands on the first, so that a fork can be changed
// while it is walked.
func settled[T any](walk iter.Seq[T]) iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, v := range slices.Collect(walk) {
			if !yield(v) {
				return
			}
		}
	}
}

func resourcesOf(v *store.View, amounts []int64) Resources {
	r := Resources{}
	if len(amounts) == 0 {
		return r
	}
	for d, name := range v.Dims() {
		if d < len(amounts) && amounts[d] != 0 {
			r[name] = amounts[d]
		}
	}
	return r
}

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

// TaskView is a task as a snapshot shows it.
type TaskView struct {
	Task
	State    TaskState
	Node     string    // empty for a lost task
	Grant    *Grant    // nil without devices and ports
	Deadline time.Time // when an assumed task expires; zero is never
}

func taskView(v *store.View, slot uint32) TaskView {
	r := v.Record(slot)
	t := TaskView{
		Task:  Task{ID: v.ID(slot), Group: v.Group(r.Group).Payload.(*Group)},
		State: TaskState(r.State),
	}
	if r.Row != store.None {
		t.Node = v.Node(r.Row).Node.ID
	}
	if r.Extra != nil {
		t.Grant = r.Extra.Payload.(*Grant)
	}
	if r.Deadline != 0 {
		t.Deadline = time.Unix(0, r.Deadline).UTC()
	}
	return t
}

func holdView(v *store.View, slot uint32) Hold {
	return *v.Record(slot).Extra.Payload.(*Hold).clone()
}

func byID(v *store.View, slots []uint32) []uint32 {
	slices.SortFunc(slots, func(a, b uint32) int {
		switch x, y := v.ID(a), v.ID(b); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	return slots
}

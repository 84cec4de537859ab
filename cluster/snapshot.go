package cluster

import (
	"iter"
	"math"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/store"
)

// Snapshot is a cluster at one moment: nodes, what runs on them and what is held. It is immutable and
// may be read by any number of goroutines. Taking one costs the same whatever the size of the cluster.
// The zero Snapshot has no nodes.
type Snapshot store.View

// NewSnapshot returns a snapshot of the nodes with nothing on them, of a lineage of its own. It fails
// with every fault of every node, duplicate IDs included.
func NewSnapshot(nodes ...berth.Node) (*Snapshot, error) {
	f := NewFork()
	if err := f.AddNodes(nodes...); err != nil {
		return nil, err
	}
	return f.Snapshot(), nil
}

// view returns what is behind s; for a Snapshot that nobody took, a view without nodes.
func (s *Snapshot) view() *store.View { return (*store.View)(s).Shown() }

// Version says which state of which source the snapshot shows.
func (s *Snapshot) Version() Version {
	if s == nil {
		return Version{}
	}
	return Version((*store.View)(s).Version())
}

// Fork returns a cluster that begins as s and can be changed. It costs the same whatever the size of
// the cluster, and what is done to it is never seen in s or in another fork.
func (s *Snapshot) Fork() *Fork { return (*Fork)(checked.Of(s.view(), store.Version(s.Version()))) }

// Len returns the number of nodes.
func (s *Snapshot) Len() int { return s.view().Nodes() }

// Nodes yields the nodes in the order of their IDs.
func (s *Snapshot) Nodes() iter.Seq[NodeView] {
	v := s.view()
	return nodesOf(v, v.Order())
}

func nodesOf(v *store.View, order []uint32) iter.Seq[NodeView] {
	return func(yield func(NodeView) bool) {
		for _, row := range order {
			if n := viewOf(v, row); n.exists() && !yield(n) { // a fork may have removed it meanwhile
				return
			}
		}
	}
}

// Node returns the node of that ID.
func (s *Snapshot) Node(id string) (NodeView, bool) {
	return nodeOf(s.view(), id)
}

func nodeOf(v *store.View, id string) (NodeView, bool) {
	row, ok := v.FindNode(id)
	if !ok {
		return NodeView{}, false
	}
	return viewOf(v, row), true
}

// Task returns the task of that ID.
func (s *Snapshot) Task(id string) (TaskView, bool) { return taskOf(s.view(), id) }

func taskOf(v *store.View, id string) (TaskView, bool) {
	slot, ok := v.FindTask(id)
	if !ok {
		return TaskView{}, false
	}
	return taskView(v, slot), true
}

// Tasks returns the number of tasks, lost ones included.
func (s *Snapshot) Tasks() int { return s.view().Tasks() }

// Group yields the tasks of the group of that name, of all its revisions: one after another, and of each the earliest placed first. Each comes with the Group that it
// was given.
func (s *Snapshot) Group(name string) iter.Seq[TaskView] { return groupOf(s.view(), name) }

func groupOf(v *store.View, name string) iter.Seq[TaskView] {
	return func(yield func(TaskView) bool) {
		for slot := range v.Named(name) {
			if !yield(taskView(v, slot)) {
				return
			}
		}
	}
}

// Holds yields the holds, the earliest made first.
func (s *Snapshot) Holds() iter.Seq[berth.Hold] { return holdsOf(s.view()) }

func holdsOf(v *store.View) iter.Seq[berth.Hold] {
	return func(yield func(berth.Hold) bool) {
		for slot := range v.Members(store.Holds) {
			if !yield(holdView(v, slot)) {
				return
			}
		}
	}
}

// Total returns the capacity of all nodes together, devices and all. Sums that would overflow stay at
// the largest int64.
func (s *Snapshot) Total() berth.Resources {
	total := berth.Resources{}
	for n := range s.Nodes() {
		for name, q := range n.Capacity() {
			if total[name] += q; total[name] < 0 { // both are positive: only a sum that wrapped is not
				total[name] = math.MaxInt64
			}
		}
	}
	return total
}

package cluster

import (
	"iter"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// NodeView is a node in a snapshot or a fork. It is a small handle, to be passed by value; it comes
// from the walks and look-ups and is good as long as what it came from. The view of a fork shows the
// fork as it is when a method is called; once its node is removed it shows a node without a name that
// has nothing, as the zero NodeView does, or a node that was added later.
type NodeView store.Ref

func viewOf(v *store.View, row uint32) NodeView { return NodeView(store.RefTo(v, row)) }

// at returns where the node is.
func (n NodeView) at() (*store.View, uint32) { return store.Ref(n).At() }

// exists reports whether the node is where the handle says.
func (n NodeView) exists() bool {
	v, row := n.at()
	return v != nil && int(row) < v.Rows() && v.Node(row).Node != nil
}

func (n NodeView) state() *store.NodeState {
	if !n.exists() {
		return &store.NodeState{Node: &store.Node{Spec: new(berth.Node)}, Parts: store.NoParts}
	}
	v, row := n.at()
	return v.Node(row)
}

// free returns the free amounts by dimension.
func (n NodeView) free() []int64 {
	if !n.exists() {
		return nil
	}
	v, row := n.at()
	return v.Free(row)
}

// names returns what the dimensions are called.
func (n NodeView) names() []string {
	if !n.exists() {
		return nil
	}
	v, _ := n.at()
	return v.Dims()
}

func (n NodeView) node() *berth.Node { return n.state().Node.Spec }

// ID returns the node's ID.
func (n NodeView) ID() string { return n.state().Node.ID }

// Node returns a copy of the node as its host described it.
func (n NodeView) Node() berth.Node { return *n.node().Clone() }

// Attribute returns the value of an attribute of the node; [berth.NodeID] is always there.
func (n NodeView) Attribute(name string) (berth.Value, bool) { return n.node().Attribute(name) }

// Cordoned reports whether the node is cordoned.
func (n NodeView) Cordoned() bool { return n.state().Cordoned }

// Capacity returns what the node has in all, each class of its devices included.
func (n NodeView) Capacity() berth.Resources {
	return resourcesOf(n.names(), n.state().Node.Capacity())
}

// Free returns what is neither taken nor exclusively held nor reserved, each class of devices included: what everybody may have. A quantity
// is negative where the node is overcommitted, or has less than it is to have reserved.
func (n NodeView) Free() berth.Resources { return resourcesOf(n.names(), n.free()) }

// FreeFor returns what tasks of a role, placed in nobody's name, may have: what is free, and what is idle of what is reserved for the role
// and those above it.
func (n NodeView) FreeFor(role berth.Role) berth.Resources {
	if !n.exists() {
		return berth.Resources{}
	}
	v, row := n.at()
	return resourcesOf(v.Dims(), v.Room(row, role))
}

// Idle returns what is reserved of the node and not in use, by the roles that it is reserved for: what is kept from all others. Roles of
// which nothing is idle are left out.
func (n NodeView) Idle() map[berth.Role]berth.Resources {
	idle := map[berth.Role]berth.Resources{}
	if !n.exists() {
		return idle
	}
	v, row := n.at()
	for role, need := range v.ReservesOn(row).Changes(nil) {
		if idle[role] == nil {
			idle[role] = berth.Resources{}
		}
		idle[role][v.Dims()[need.Dim]] += need.Amount
	}
	return idle
}

// FreeDevices returns what is free of the node's devices: the units of each, in the order of [berth.Node].Devices, and behind
// them, of those that have a capacity of their own, its amounts, device by device, those of one device in the order of their names.
// It is 0 or less for an unhealthy one.
func (n NodeView) FreeDevices() []int64 { return slices.Clone(n.state().Devices) }

// Overcommitted reports whether the node's tasks take more than it has, a share of a device that is gone or unhealthy
// included. Commits never make it so; a node that shrank, a device that broke or a task adopted as it ran may.
func (n NodeView) Overcommitted() bool {
	negative := func(q int64) bool { return q < 0 }
	return n.takesTooMuch() || slices.ContainsFunc(n.state().Devices, negative) || n.state().Stray > 0
}

// takesTooMuch reports whether more of a resource is taken than there is: what is only reserved is not.
func (n NodeView) takesTooMuch() bool {
	if !n.exists() {
		return false
	}
	v, row := n.at()
	r := v.ReservesOn(row)
	for d, q := range v.Free(row) {
		if q < 0 && q+r.Total(int32(d)) < 0 {
			return true
		}
	}
	return false
}

// Tasks yields the node's tasks, in order of their IDs, as they were when the walk began.
func (n NodeView) Tasks() iter.Seq[TaskView] {
	return settled(func(yield func(TaskView) bool) {
		if !n.exists() {
			return
		}
		v, row := n.at()
		var slots []uint32
		for slot, r := range v.On(row) {
			if r.Group != store.Holds {
				slots = append(slots, slot)
			}
		}
		for _, slot := range v.ByID(slots) {
			if !yield(taskView(v, slot)) {
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

func resourcesOf(names []string, amounts []int64) berth.Resources {
	r := berth.Resources{}
	for d, name := range names {
		if d < len(amounts) && amounts[d] != 0 {
			r[name] = amounts[d]
		}
	}
	return r
}

// TaskView is a task as a snapshot shows it.
type TaskView struct {
	berth.Task
	State    berth.TaskState
	Node     string       // empty for a lost task
	Grant    *berth.Grant // nil without devices and ports
	Deadline time.Time    // when an assumed task expires; zero is never
	Owner    string       // in whose name it was placed, such as a framework's; empty if nobody's
}

func taskView(v *store.View, slot uint32) TaskView {
	r := v.Record(slot)
	t := TaskView{
		Task:  berth.Task{ID: v.ID(slot), Group: v.Group(r.Group).Spec},
		State: berth.TaskState(r.State),
		Owner: v.OwnerName(r.Owner),
	}
	if r.Row != store.None {
		t.Node = v.Node(r.Row).Node.ID
	}
	if r.Extra != nil {
		t.Grant = r.Extra.Grant
	}
	if r.Deadline != 0 {
		t.Deadline = store.DeadlineTime(r.Deadline)
	}
	return t
}

func holdView(v *store.View, slot uint32) berth.Hold {
	return *v.Record(slot).Extra.Hold.Clone()
}

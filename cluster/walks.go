package cluster

import (
	"iter"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// Hold returns the hold of that ID.
func (s *Snapshot) Hold(id string) (berth.Hold, bool) { return holdOf(s.view(), id) }

func holdOf(v *store.View, id string) (berth.Hold, bool) {
	slot, ok := v.FindHold(id)
	if !ok {
		return berth.Hold{}, false
	}
	return holdView(v, slot), true
}

// HoldsOf yields the holds of an owner, the earliest made first. It looks at every hold.
func (s *Snapshot) HoldsOf(owner string) iter.Seq[berth.Hold] { return holdsBy(s.view(), owner) }

// HoldsOf yields the holds of an owner, the earliest made first, as they were when the walk began. It looks at every hold.
func (f *Fork) HoldsOf(owner string) iter.Seq[berth.Hold] {
	return settled(holdsBy(f.view(), owner))
}

func holdsBy(v *store.View, owner string) iter.Seq[berth.Hold] {
	return func(yield func(berth.Hold) bool) {
		for slot := range v.Members(store.Holds) {
			if v.Record(slot).Extra.Hold.Owner == owner && !yield(holdView(v, slot)) {
				return
			}
		}
	}
}

// Lost yields the tasks that are on no node, in order of their IDs. Where there are some it looks at every task.
func (s *Snapshot) Lost() iter.Seq[TaskView] { return lostIn(s.view()) }

// Lost yields the tasks that are on no node, in order of their IDs, as they were when the walk began. Where there are some
// it looks at every task.
func (f *Fork) Lost() iter.Seq[TaskView] { return settled(lostIn(f.view())) }

func lostIn(v *store.View) iter.Seq[TaskView] {
	return func(yield func(TaskView) bool) {
		lost := make([]uint32, 0, v.Lost())
		for slot := uint32(0); len(lost) < v.Lost(); slot++ {
			if r := v.Record(slot); r.ID != "" && r.Row == store.None {
				lost = append(lost, slot)
			}
		}
		for _, slot := range v.ByID(lost) {
			if !yield(taskView(v, slot)) {
				return
			}
		}
	}
}

// TasksOf yields the tasks of a role and of the roles below it, lost ones included: group by group in the order of their
// names, and of each revision the earliest placed first. The root role has all. It looks at every group, and at the tasks of those of the role.
func (s *Snapshot) TasksOf(role berth.Role) iter.Seq[TaskView] { return tasksOf(s.view(), role) }

// TasksOf yields the tasks of a role as [Snapshot.TasksOf] does, as they were when the walk began.
func (f *Fork) TasksOf(role berth.Role) iter.Seq[TaskView] {
	return settled(tasksOf(f.view(), role))
}

func tasksOf(v *store.View, role berth.Role) iter.Seq[TaskView] {
	return func(yield func(TaskView) bool) {
		var groups []uint32
		for id := range v.AllGroups() {
			if below(role, v.Group(id).Spec.Role()) {
				groups = append(groups, id)
			}
		}
		for _, id := range v.ByName(slices.Values(groups)) {
			for slot := range v.Members(id) {
				if !yield(taskView(v, slot)) {
					return
				}
			}
		}
	}
}

// below reports whether a role is another or below it.
func below(above, role berth.Role) bool {
	rest, ok := strings.CutPrefix(string(role), string(above))
	return ok && (above == "" || rest == "" || rest[0] == '/')
}

// UsedPorts returns the ports that the node's tasks and exclusive holds have, ascending. One that several adopted tasks
// have is there several times.
func (n NodeView) UsedPorts() []berth.Port { return slices.Clone(n.state().Ports) }

// Holds yields the holds on the node, in order of their IDs, as they were when the walk began.
func (n NodeView) Holds() iter.Seq[berth.Hold] {
	return settled(func(yield func(berth.Hold) bool) {
		if !n.exists() {
			return
		}
		v, row := n.at()
		var slots []uint32
		for slot, r := range v.On(row) {
			if r.Group == store.Holds {
				slots = append(slots, slot)
			}
		}
		for _, slot := range v.ByID(slots) {
			if !yield(holdView(v, slot)) {
				return
			}
		}
	})
}

package offers

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// Others owns, in a Book, all room that was not offered.
const Others = "others"

// always is the latest deadline a hold can have.
var always = time.Unix(0, math.MaxInt64)

// catchUp is sync where the next snapshot tells of what is wrong.
func (b *Book) catchUp() { _ = b.sync() }

// sync brings the Book's fork up to date with the Exchange. Its lineage stays, and its own change log tells
// who keeps indexes on it what is new.
func (b *Book) sync() error {
	x := b.sub.x
	ids, ok := x.journal.since(b.at)
	if !ok || !b.synced {
		ids = slices.Collect(maps.Keys(x.sites.m))
		for id := range b.nodes {
			if _, there := x.sites.get(id); !there {
				ids = append(ids, id)
			}
		}
		slices.Sort(ids)
	}
	b.synced = false // until all is done: else all is compared anew the next time
	if err := b.update(ids); err != nil {
		return err
	}
	b.syncLedger()
	b.synced, b.at = true, x.journal.end()
	return nil
}

// update brings nodes up to date. Nodes leave before tasks, and both before others come: a task's ID may have moved
// from one node to another.
func (b *Book) update(ids []string) error {
	for _, id := range ids {
		if b.nodes[id] != nil && b.left(id) {
			if err := b.remove(id); err != nil {
				return err
			}
		}
	}
	for _, id := range ids {
		if b.nodes[id] != nil {
			b.releaseGone(id)
		}
	}
	b.forgetLost()
	for _, id := range ids {
		if s, ok := b.sub.x.sites.get(id); ok {
			if err := b.fill(s); err != nil {
				return fmt.Errorf("book: node %q: %w", id, err)
			}
		}
	}
	return nil
}

// left reports whether a node that the Book has is no more: it is gone, or was gone for a while, in which its tasks
// were lost.
func (b *Book) left(id string) bool {
	x := b.sub.x
	s, ok := x.sites.get(id)
	if !ok {
		return true
	}
	if b.nodes[id] == s.node {
		return false
	}
	n, _ := b.fork.Node(id)
	for t := range n.Tasks() {
		if slot, ok := x.view.FindTask(t.ID); ok && x.view.Record(slot).Row == store.None {
			return true
		}
	}
	return false
}

// releaseGone releases the tasks of a node that the source does not have there any more.
func (b *Book) releaseGone(id string) {
	s, _ := b.sub.x.sites.get(id)
	here := b.tasksAt(s)
	n, _ := b.fork.Node(id)
	for t := range n.Tasks() {
		now, ok := here[t.ID]
		if !ok || !now.Group.Equal(t.Group) || now.Grant.String() != t.Grant.String() {
			b.fork.Apply(berth.Op{Kind: berth.Release, ID: t.ID})
			delete(b.states, t.ID)
		}
	}
}

// remove takes a node out of the Book; tasks that are still on it are lost.
func (b *Book) remove(id string) error {
	n, _ := b.fork.Node(id)
	for t := range n.Tasks() {
		b.lost = append(b.lost, t.ID)
		delete(b.states, t.ID)
	}
	delete(b.nodes, id)
	b.owned.set(id, nil)
	b.charged = nil
	return b.fork.RemoveNodes(id)
}

// forgetLost takes out the lost tasks that the source has no more, or has on a node again.
func (b *Book) forgetLost() {
	view := b.sub.x.view
	b.lost = slices.DeleteFunc(b.lost, func(id string) bool {
		if slot, ok := view.FindTask(id); ok && view.Record(slot).Row == store.None {
			return false
		}
		b.fork.Apply(berth.Op{Kind: berth.Release, ID: id})
		return true
	})
}

// tasksAt returns the tasks of a node that the Book shows.
func (b *Book) tasksAt(s *site) map[string]cluster.TaskView {
	x := b.sub.x
	tasks := map[string]cluster.TaskView{}
	for _, r := range x.view.On(s.row) {
		if b.shows(r.Group) {
			if t, ok := x.snapshot.Task(r.ID); ok {
				tasks[t.ID] = t
			}
		}
	}
	return tasks
}

// fill makes a node of the Book what it is in the source: its description, the tasks of the role, and
// free what is offered.
func (b *Book) fill(s *site) error {
	tasks := b.tasksAt(s)
	offered := b.offeredAt(s)
	was := b.nodes[s.id]
	b.owned.set(s.id, b.ownedAt(s))
	b.charged = nil
	if b.blind && len(tasks) == 0 && offered == nil {
		if was == nil {
			return nil
		}
		return b.remove(s.id)
	}
	b.fork.Apply(berth.Op{Kind: berth.Drop, ID: restOf(s.id)}) // refused if there is none
	var err error
	switch {
	case was == nil:
		err = b.fork.AddNodes(*s.node.Spec)
	case was != s.node:
		err = b.fork.UpdateNodes(*s.node.Spec)
	}
	if err != nil {
		return err
	}
	b.nodes[s.id] = s.node
	n, _ := b.fork.Node(s.id)
	if cordoned := b.sub.x.view.Node(s.row).Cordoned; cordoned != n.Cordoned() {
		set := b.fork.Uncordon
		if cordoned {
			set = b.fork.Cordon
		}
		if err := set(s.id); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(tasks)) {
		t := tasks[id]
		if _, known := b.fork.Task(id); !known {
			if err := b.fork.AdoptFor(t.Owner, t.Task, s.id, t.Grant, t.State); err != nil {
				return err
			}
		}
		if err := b.setState(t); err != nil {
			return err
		}
	}
	return b.setRest(s.id, offered)
}

// setState gives a task of the Book the state it has in the source.
func (b *Book) setState(t cluster.TaskView) error {
	b.states[t.ID] = t.State
	return b.fork.Mark(t.ID, t.State, t.Deadline)
}

// syncStates brings the states of tasks up to date, of which no change log tells.
func (b *Book) syncStates() error {
	x := b.sub.x
	if b.as == x.view.Undated() {
		return nil
	}
	b.as = nil
	for id, state := range b.states {
		slot, ok := x.view.FindTask(id)
		if !ok || berth.TaskState(x.view.Record(slot).State) == state {
			continue
		}
		t, _ := x.snapshot.Task(id)
		if err := b.setState(t); err != nil {
			return err
		}
	}
	b.as = x.view.Undated()
	return nil
}

// offeredAt returns what a node has for the framework, all its offers together; nil if it has none. Of an
// optimistic one it has what nobody took.
func (b *Book) offeredAt(s *site) *berth.Hold {
	x := b.sub.x
	var sum *berth.Hold
	var devices shareIndex
	own := slices.DeleteFunc(slices.SortedFunc(maps.Keys(s.offers), byNumber), func(o *offer) bool { return o.sub != b.sub })
	for _, o := range own {
		h, ok := x.hold(o)
		if !ok {
			continue
		}
		if sum == nil {
			sum = &berth.Hold{Resources: berth.Resources{}}
		}
		part := *h
		if h.Lease == berth.Optimistic {
			part = b.leftOf(h, s)
		}
		for name, q := range part.Resources {
			sum.Resources = with(sum.Resources, name, q)
		}
		for _, d := range part.Devices {
			sum.Devices = devices.add(sum.Devices, d)
		}
		sum.Ports = append(sum.Ports, part.Ports...)
	}
	return sum
}

// leftOf returns what is still free of an optimistic hold.
func (b *Book) leftOf(h *berth.Hold, s *site) berth.Hold {
	view := b.sub.x.view
	state := view.Node(s.row)
	out := berth.Hold{Resources: berth.Resources{}}
	for name, q := range h.Resources {
		if d, ok := view.DimOf(name); ok {
			out.Resources[name] = min(q, max(0, view.Free(s.row)[d]))
		}
	}
	for i, share := range fit.DevicesOf(state.Node.Spec, h.Devices) {
		if i < 0 {
			continue
		}
		if left := freeShare(state, i, *share); !isEmpty(left) {
			out.Devices = append(out.Devices, left)
		}
	}
	for _, port := range h.Ports {
		if _, taken := slices.BinarySearch(state.Ports, port); !taken {
			out.Ports = append(out.Ports, port)
		}
	}
	return out
}

// restOf is the hold of all of a node that is not the framework's.
func restOf(node string) string { return node + "@" + Others }

// setRest makes all of a node that is neither offered nor used by the role's tasks the others'.
func (b *Book) setRest(node string, offered *berth.Hold) error {
	row, _ := b.store.FindNode(node)
	rest := freeOn(&b.store.View, row)
	if offered != nil {
		subtract(&rest, offered)
	}
	b.store.Withhold(row, offered == nil && !isNothing(&rest))
	if isNothing(&rest) {
		return nil
	}
	rest.ID, rest.Owner, rest.Deadline = restOf(node), Others, always
	if why := (*checked.Fork)(b.fork).SetAside(&rest); why.Code != berth.None {
		return why
	}
	return nil
}

func isNothing(h *berth.Hold) bool {
	return len(h.Resources) == 0 && len(h.Devices) == 0 && len(h.Ports) == 0
}

// subtract takes out of what is free on a node what is offered of it.
func subtract(rest, offered *berth.Hold) {
	for name, q := range offered.Resources {
		if rest.Resources[name] -= q; rest.Resources[name] <= 0 {
			delete(rest.Resources, name)
		}
	}
	rest.Devices = less(rest.Devices, offered.Devices)
	ports := slices.Sorted(slices.Values(offered.Ports))
	rest.Ports = slices.DeleteFunc(rest.Ports, func(port uint16) bool {
		_, theirs := slices.BinarySearch(ports, port)
		return theirs
	})
}

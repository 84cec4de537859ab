package scheduler

import (
	"cmp"
	"errors"
	"fmt"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/store"
)

// live is a cluster and what a State keeps beside it: deadlines in their order. They change together, in apply and do, and
// nowhere else.
//
// What was done to it can be taken back until keep says that it stays. So whatever stops a change half-way leaves the
// live cluster as it was.
type live struct {
	store *store.Store  // what is behind the fork
	fork  *cluster.Fork // the door to it that checks
	tasks deadlines     // of assumed tasks
	holds deadlines
}

func newLive() *live {
	s := store.New()
	s.Undoable()
	of := func(find func(string) (uint32, bool)) func(string) int64 {
		return func(id string) int64 {
			slot, ok := find(id)
			if !ok {
				return 0
			}
			return s.Record(slot).Deadline
		}
	}
	return &live{store: s, fork: (*cluster.Fork)(checked.Over(s)), tasks: newDeadlines(of(s.FindTask)), holds: newDeadlines(of(s.FindHold))}
}

// undo takes back what was done since a point: the last of it first, in time that goes with it alone.
func (l *live) undo(to store.Point) {
	l.store.Undo(to, func(from, to store.Record) {
		l.count(&from, false)
		l.count(&to, true)
	})
}

// restore takes back all that is not kept. What the fork remembers may be of it, so it gets another.
func (l *live) restore() {
	if l.store.Pending() {
		l.undo(l.store.Kept())
		l.fork = (*cluster.Fork)(checked.Over(l.store))
	}
}

// count adds a record to the deadlines, or takes it out of them.
func (l *live) count(r *store.Record, add bool) {
	switch {
	case r.ID == "":
	case r.Group == store.Holds:
		l.holds.set(r.Deadline, r.ID, add)
	default:
		l.tasks.set(r.Deadline, r.ID, add)
	}
}

// do does one operation, as [cluster.Fork.Apply] does, and keeps the rest of the live cluster in step. It returns what a task
// that it places got of devices and ports. The task expires at the deadline; the zero time is never. The operation is not
// written to: it comes by reference because it is large, and every placement passes here.
//
// A placement that was picked on the live cluster as it is now is not asked again what the picker asked.
func (l *live) do(op *berth.Op, deadline time.Time, pick store.Pick) (*berth.Grant, berth.Reason) {
	switch op.Kind {
	case berth.Place:
		return l.place(op, deadline, pick)
	case berth.Take:
		_, why := l.fork.Apply(*op)
		if why.Code == berth.None {
			l.holds.add(op.Hold.Deadline, op.Hold.ID)
		}
		return nil, why
	case berth.Drop:
		var at int64
		if slot, ok := l.store.FindHold(op.ID); ok {
			at = l.store.Record(slot).Deadline
		}
		_, why := l.fork.Apply(*op)
		if why.Code == berth.None {
			l.holds.set(at, op.ID, false)
		}
		return nil, why
	case berth.Release, berth.Evict:
		var t cluster.TaskView
		if l.tasks.n > 0 {
			t, _ = l.fork.Task(op.ID)
		}
		_, why := l.fork.Apply(*op)
		if why.Code == berth.None {
			l.forget(t)
			if op.Kind == berth.Evict && op.Hold != nil {
				l.holds.add(op.Hold.Deadline, op.Hold.ID)
			}
		}
		return nil, why
	}
	_, why := l.fork.Apply(*op)
	return nil, why
}

// take does as many of the operations as make holds that are alike, as do does each of them, and returns how many it has done.
func (l *live) take(ops []berth.Op) int {
	n := (*checked.Fork)(l.fork).TakeAlike(ops)
	for i := range ops[:n] {
		l.holds.add(ops[i].Hold.Deadline, ops[i].Hold.ID)
	}
	return n
}

// prefetch reads ahead for the operations from i on, where it has not done so for an operation before: see package store.
func (l *live) prefetch(ops []berth.Op, picks []store.Pick, i int) {
	if i%store.Ahead != 0 || len(ops) == 1 {
		return
	}
	end := min(i+store.Ahead, len(ops))
	ops = ops[i:end]
	if picks != nil {
		picks = picks[i:end]
	}
	s := l.store
	var hashes, names, nodesOf, slotsOf [store.Ahead]uint32
	groups := names[:0]
	var last *berth.Group
	for i := range ops {
		if picks != nil {
			hashes[i] = picks[i].Hash()
		} else {
			hashes[i] = store.Hash(cmp.Or(ops[i].Task.ID, ops[i].ID))
		}
		if g := ops[i].Task.Group; g != last {
			name := uint32(0)
			if picks != nil {
				name = picks[i].Name()
			} else {
				name = store.Hash(g.Name())
			}
			last, groups = g, append(groups, name)
		}
	}
	s.PrefetchTasks(hashes[:len(ops)])
	s.PrefetchGroups(groups)
	nodes, slots := nodesOf[:0], slotsOf[:0]
	for i := range ops {
		switch ops[i].Kind {
		case berth.Place:
			if picks != nil {
				nodes = append(nodes, picks[i].Row())
			} else if i == 0 || ops[i].Node != ops[i-1].Node {
				nodes = append(nodes, store.Hash(ops[i].Node))
			}
		case berth.Release, berth.Evict:
			if slot, ok := s.FindTaskBy(hashes[i], ops[i].ID); ok {
				slots = append(slots, slot)
			}
		}
	}
	if picks != nil {
		s.PrefetchRows(nodes)
	} else {
		s.PrefetchNodes(nodes)
	}
	s.PrefetchRecords(slots)
}

func (l *live) place(op *berth.Op, deadline time.Time, pick store.Pick) (*berth.Grant, berth.Reason) {
	grant, why := (*checked.Fork)(l.fork).Put(op, pick)
	if why.Code != berth.None {
		return nil, why
	}
	if !deadline.IsZero() {
		l.mustMark(op.Task.ID, berth.Assumed, deadline)
		l.tasks.add(deadline, op.Task.ID)
	}
	if op.From != "" {
		for _, e := range (*checked.Fork)(l.fork).UsedUp() {
			l.holds.set(e.Deadline, e.ID, false)
		}
	}
	return grant, why
}

// mustMark marks a task that was just found in a state that allows it.
func (l *live) mustMark(id string, state berth.TaskState, deadline time.Time) {
	if err := l.fork.Mark(id, state, deadline); err != nil {
		panic(fmt.Sprintf("scheduler: %v", err))
	}
}

// forget takes a task that is gone, or on no node any more, out of the deadlines.
func (l *live) forget(t cluster.TaskView) {
	if !t.Deadline.IsZero() {
		l.tasks.remove(t.Deadline, t.ID)
	}
}

// held returns the holds on a node.
func (l *live) held(node string) []expiry {
	s := l.store
	row, ok := s.FindNode(node)
	if !ok {
		return nil
	}
	var out []expiry
	for _, r := range s.HoldsOn(row) {
		out = append(out, expiry{r.Deadline, r.ID})
	}
	return out
}

// standing returns how many tasks of a group a gang's size is held against: those on nodes that are not stopping.
func standing(v *store.View, group string) int {
	n := 0
	for slot := range v.Named(group) {
		if r := v.Record(slot); r.Row != store.None && berth.TaskState(r.State) != berth.Stopping {
			n++
		}
	}
	return n
}

func (l *live) removeNodes(ids []string) error {
	var tasks []cluster.TaskView
	var holds []expiry
	seen := make(map[string]bool, len(ids))
	for _, id := range ids {
		n, ok := l.fork.Node(id)
		if !ok || seen[id] {
			continue
		}
		seen[id] = true
		for t := range n.Tasks() {
			tasks = append(tasks, t)
		}
		holds = append(holds, l.held(id)...)
	}
	if err := l.fork.RemoveNodes(ids...); err != nil {
		return err
	}
	for _, t := range tasks {
		l.forget(t)
	}
	for _, e := range holds {
		l.holds.set(e.at, e.id, false)
	}
	return nil
}

// adopt adopts tasks. Where it fails, with every fault, what it has done is to be undone.
func (l *live) adopt(running []Running) error {
	var errs []error
	for _, r := range running {
		if err := l.fork.AdoptFor(r.Owner, r.Task, r.Node, r.Grant, r.State); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// mark marks tasks as running or stopping. A stopping one stays so: that it was seen to run is no news. Where it fails,
// with every fault, what it has done is to be undone.
func (l *live) mark(state berth.TaskState, ids []string) error {
	var errs []error
	for _, id := range ids {
		switch t, ok := l.fork.Task(id); {
		case !ok:
			errs = append(errs, fmt.Errorf("task %q: %w", id, berth.ErrUnknownTask))
		case t.State == berth.Lost:
			errs = append(errs, fmt.Errorf("task %q: %v cannot become %v", id, t.State, state))
		case t.State != berth.Stopping:
			if !t.Deadline.IsZero() {
				l.tasks.remove(t.Deadline, id)
			}
			l.mustMark(id, state, time.Time{})
		}
	}
	return errors.Join(errs...)
}

package scheduler

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/google/btree"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// ledger is a cluster and what a State keeps beside it: deadlines in their order, and what each role
// uses. They change together, in apply and do, and nowhere else.
type ledger struct {
	store *store.Store  // what is behind the fork
	fork  *cluster.Fork // the door to it that checks
	tasks deadlines     // of assumed tasks
	holds deadlines
	used  usage // nil unless admission may ask for it
}

func newLedger(admission bool) *ledger {
	s := store.New()
	l := &ledger{store: s, fork: cluster.Over(s), tasks: newDeadlines(), holds: newDeadlines()}
	if admission {
		l.used = usage{}
	}
	return l
}

// branch returns a ledger that begins as l; what is done to either is never seen in the other.
func (l *ledger) branch() *ledger {
	s := l.store.Snapshot().Fork()
	return &ledger{
		store: s,
		fork:  cluster.Over(s),
		tasks: deadlines{l.tasks.tree.Clone()},
		holds: deadlines{l.holds.tree.Clone()},
		used:  l.used.clone(),
	}
}

// do does one operation, as [cluster.Fork.Apply] does, and keeps the rest of the ledger in step. It returns what a task
// that it places got of devices and ports. The task expires at the deadline; 0 is never. The operation is not
// written to: it comes by reference because it is large, and every placement passes here.
//
// A placement that was picked on the ledger as it is now is not asked again what the picker asked.
func (l *ledger) do(op *berth.Op, deadline int64, picked bool) (*berth.Grant, berth.Reason) {
	switch op.Kind {
	case berth.Place:
		return l.place(op, deadline, picked)
	case berth.Take:
		_, why := l.fork.Apply(*op)
		if why.Code == berth.None {
			l.holds.add(nanos(op.Hold.Deadline), op.Hold.ID)
		}
		return nil, why
	case berth.Drop:
		h, _ := l.fork.Hold(op.ID)
		_, why := l.fork.Apply(*op)
		if why.Code == berth.None {
			l.holds.remove(nanos(h.Deadline), h.ID)
		}
		return nil, why
	case berth.Release, berth.Evict:
		var t cluster.TaskView
		if l.used != nil || l.tasks.tree.Len() > 0 {
			t, _ = l.fork.Task(op.ID)
		}
		_, why := l.fork.Apply(*op)
		if why.Code == berth.None {
			l.forget(t)
			if op.Kind == berth.Evict && op.Hold != nil {
				l.holds.add(nanos(op.Hold.Deadline), op.Hold.ID)
			}
		}
		return nil, why
	}
	_, why := l.fork.Apply(*op)
	return nil, why
}

// prefetch reads ahead for the operations from i on, where it has not done so for an operation before: see package store.
func (l *ledger) prefetch(ops []berth.Op, i int) {
	if i%store.Ahead != 0 || len(ops) == 1 {
		return
	}
	ops = ops[i:min(i+store.Ahead, len(ops))]
	s := l.store
	var hashes, names, rowsOf, slotsOf [store.Ahead]uint32
	groups := names[:0]
	var last *berth.Group
	for i := range ops {
		hashes[i] = store.Hash(cmp.Or(ops[i].Task.ID, ops[i].ID))
		if g := ops[i].Task.Group; g != last {
			last, groups = g, append(groups, store.Hash(g.Name()))
		}
	}
	s.PrefetchTasks(hashes[:len(ops)])
	s.PrefetchGroups(groups)
	rows, slots := rowsOf[:0], slotsOf[:0]
	for i := range ops {
		switch ops[i].Kind {
		case berth.Place:
			rows = append(rows, ops[i].Row)
		case berth.Release, berth.Evict:
			if slot, ok := s.FindTaskBy(hashes[i], ops[i].ID); ok {
				slots = append(slots, slot)
			}
		}
	}
	s.PrefetchRows(rows)
	s.PrefetchRecords(slots)
}

func (l *ledger) place(op *berth.Op, deadline int64, picked bool) (grant *berth.Grant, why berth.Reason) {
	var held []expiry
	if op.From != "" {
		held = l.held(op.Node)
	}
	if picked {
		grant, why = op.Grant, l.fork.Put(op)
	} else {
		var done berth.Op
		done, why = l.fork.Apply(*op)
		grant = done.Grant
	}
	if why.Code != berth.None {
		return nil, why
	}
	if deadline != 0 {
		l.mustMark(op.Task.ID, berth.Assumed, deadline)
		l.tasks.add(deadline, op.Task.ID)
	}
	for _, e := range held {
		if _, left := l.fork.Hold(e.id); !left {
			l.holds.remove(e.at, e.id)
		}
	}
	l.used.charge(op.Task.Group, true)
	return grant, why
}

// mustMark marks a task that was just found in a state that allows it.
func (l *ledger) mustMark(id string, state berth.TaskState, deadline int64) {
	if err := l.fork.Mark(id, state, deadline); err != nil {
		panic(fmt.Sprintf("scheduler: %v", err))
	}
}

// forget takes a task that is gone, or on no node any more, out of the deadlines and the use of its role.
func (l *ledger) forget(t cluster.TaskView) {
	if !t.Deadline.IsZero() {
		l.tasks.remove(t.Deadline.UnixNano(), t.ID)
	}
	if t.Node != "" {
		l.used.charge(t.Group, false)
	}
}

// held returns the holds on a node.
func (l *ledger) held(node string) []expiry {
	s := l.store
	row, ok := s.FindNode(node)
	if !ok {
		return nil
	}
	var out []expiry
	for slot, r := range s.On(row) {
		if r.Group == store.Holds {
			out = append(out, expiry{r.Deadline, s.ID(slot)})
		}
	}
	return out
}

func (l *ledger) removeNodes(ids []string) error {
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
		l.holds.remove(e.at, e.id)
	}
	return nil
}

// adopt tries all on a branch first, unless there is one only, which is adopted or not by itself.
func (l *ledger) adopt(running []Running) error {
	if len(running) > 1 {
		trial := l.fork.Snapshot().Fork()
		var errs []error
		for _, r := range running {
			if err := trial.Adopt(r.Task, r.Node, r.Grant, r.State); err != nil {
				errs = append(errs, err)
			}
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
	}
	for _, r := range running {
		if err := l.fork.Adopt(r.Task, r.Node, r.Grant, r.State); err != nil {
			return err
		}
		l.used.charge(r.Task.Group, true)
	}
	return nil
}

// mark marks tasks as running or stopping. A stopping one stays so: that it was seen to run is no news.
func (l *ledger) mark(state berth.TaskState, ids []string) error {
	var errs []error
	for _, id := range ids {
		switch t, ok := l.fork.Task(id); {
		case !ok:
			errs = append(errs, fmt.Errorf("task %q: %w", id, berth.ErrUnknownTask))
		case t.State == berth.Lost:
			errs = append(errs, fmt.Errorf("task %q: %v cannot become %v", id, t.State, state))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, id := range ids {
		t, _ := l.fork.Task(id)
		if t.State == berth.Stopping {
			continue
		}
		if !t.Deadline.IsZero() {
			l.tasks.remove(t.Deadline.UnixNano(), id)
		}
		l.mustMark(id, state, 0)
	}
	return nil
}

// expiry is when a task or a hold ends.
type expiry struct {
	at int64 // Unix nanoseconds
	id string
}

// deadlines are expiries in order of time, then ID.
type deadlines struct{ tree *btree.BTreeG[expiry] }

func newDeadlines() deadlines {
	return deadlines{btree.NewG(32, func(a, b expiry) bool { return a.at < b.at || a.at == b.at && a.id < b.id })}
}

func (d deadlines) add(at int64, id string) { d.tree.ReplaceOrInsert(expiry{at, id}) }

func (d deadlines) remove(at int64, id string) { d.tree.Delete(expiry{at, id}) }

func (d deadlines) first() (time.Time, bool) {
	e, ok := d.tree.Min()
	if !ok {
		return time.Time{}, false
	}
	return time.Unix(0, e.at).UTC(), true
}

// passed yields what ends at now or before, the earliest first. The tree must not change meanwhile.
func (d deadlines) passed(now time.Time) iter.Seq[expiry] {
	return func(yield func(expiry) bool) {
		at := nanos(now)
		d.tree.Ascend(func(e expiry) bool { return e.at <= at && yield(e) })
	}
}

// nanos returns t in Unix nanoseconds; 0 for the zero time and for those that an int64 does not reach,
// which are as good as never.
func nanos(t time.Time) int64 {
	if !representable(t) {
		return 0
	}
	return t.UnixNano()
}

func representable(t time.Time) bool { return time.Unix(0, t.UnixNano()).Equal(t) }

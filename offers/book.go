package offers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// Book is what one framework was offered, as a source of capacity: package scheduler's Source. It may be
// used by any number of goroutines.
//
// Its snapshots show every node of the source with its attributes, the tasks of the framework's role and of the
// roles below it wherever they are, so that rules about them hold, and as free what the framework was
// offered and has not used: several offers of a node are one room, and a node that is not offered has none. All
// else is held by [Others]. A blind Book shows only the nodes that are offered or have such tasks. A task that
// was lost with its node is known to the Books that saw it before.
//
// What a commit does not use of the offers stays in the Book until it is declined or the lease ends.
type Book struct {
	sub   *Subscription
	blind bool

	// Guarded by the mutex of the Exchange:
	fork    *cluster.Fork // what the snapshots are of
	seen    cursor
	as      *cluster.Snapshot // of the source, when the states of tasks were last compared
	rows    []page
	states  map[string]berth.TaskState // of the role's tasks that are on a node
	lost    []string                   // those whose node went away
	changed chan struct{}
}

// page is what a Book has of one row of the source.
type page struct {
	node *store.Node // the description it was given; nil where the Book has no node
}

// Others owns, in a Book, all room that was not offered.
const Others = "others"

// always is the latest deadline a hold can have.
var always = time.Unix(0, math.MaxInt64)

func newBook(s *Subscription, blind bool) *Book {
	return &Book{sub: s, blind: blind, fork: cluster.NewFork(), states: map[string]berth.TaskState{}}
}

// Snapshot returns the Book as it is now. O(nodes that changed since it was last called), and, if the
// source has changed at all, a glance at each of the role's tasks: sources do not log that a task was confirmed.
func (b *Book) Snapshot(ctx context.Context) (*cluster.Snapshot, error) {
	var snapshot *cluster.Snapshot
	err := b.sub.do(ctx, "snapshot", func() error {
		err := b.sync()
		if err == nil {
			err = b.mark()
		}
		if err == nil {
			snapshot = b.fork.Snapshot()
		}
		return err
	})
	return snapshot, err
}

// Changed returns a channel that is closed when something that a plan could use has changed since the
// call: offers came or went, or tasks or nodes changed. What others do to the source is noticed when the
// Exchange is next called, by whomever, such as at the next pass.
func (b *Book) Changed() <-chan struct{} {
	b.sub.x.mu.Lock()
	defer b.sub.x.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
	}
	return b.changed
}

func (b *Book) wake() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// Commit does what still can be done of a plan made on the Book's snapshots. Tasks of the framework's role
// are placed on the room it was offered, whose offers must still last. Tasks of the role can be released and
// evicted; their room goes to whoever is offered it next. The framework's offers can be dropped. The rest is
// refused. It fails, having done nothing, if the plan is of another lineage ([berth.ErrLineage]) or the context has ended.
func (b *Book) Commit(ctx context.Context, p *berth.Plan) (*berth.Outcome, error) {
	var out *berth.Outcome
	err := b.sub.do(ctx, "commit", func() error {
		if p == nil {
			return errors.New("no plan")
		}
		if !p.Version.SameLineage(b.fork.Version()) {
			return berth.ErrLineage
		}
		plan, refusals := b.translate(p)
		done, err := b.sub.x.source.Commit(ctx, plan)
		if err != nil {
			return err
		}
		refusals.add(done.Refused)
		out = &berth.Outcome{Placed: slices.Clone(done.Placed), Refused: refusals.inOrder(), Unplaced: p.Unplaced}
		for i := range out.Placed {
			op := &out.Placed[i]
			op.Row, op.From = 0, ""
			b.sub.x.tasks[op.Task.ID] = b.sub
		}
		b.sub.x.catchUp(ctx)
		_ = b.sync() // the next snapshot tells
		out.Version = b.fork.Version()
		return nil
	})
	return out, err
}

// translate turns a plan for the Book into one for the source, less what a framework may not do.
func (b *Book) translate(p *berth.Plan) (*berth.Plan, *refusals) {
	plan := &berth.Plan{Version: b.sub.x.snapshot.Version(), Ops: make([]berth.Op, 0, len(p.Ops)), Together: p.Together}
	r := &refusals{plan: p, why: map[int]berth.Reason{}, at: map[opKey][]int{}}
	broken := map[string]bool{} // groups that go together and cannot
	placed := map[string]bool{}
	for i, op := range p.Ops {
		if why := b.forbids(op, placed); why.Code != berth.None {
			r.why[i] = why
			if op.Kind == berth.Place && op.Task.Group != nil && slices.Contains(p.Together, op.Task.Group.Name()) {
				broken[op.Task.Group.Name()] = true
			}
		} else if op.Kind == berth.Place {
			placed[op.Task.ID] = true
		}
	}
	for i, op := range p.Ops {
		if _, forbidden := r.why[i]; forbidden {
			continue
		}
		if op.Kind == berth.Place {
			if name := op.Task.Group.Name(); broken[name] {
				r.why[i] = berth.Reason{Code: berth.GangIncomplete, Subject: name}
				continue
			}
			op.Row, op.From = 0, b.sub.owner(op.Task.Group)
		}
		key := keyOf(op)
		r.at[key] = append(r.at[key], i)
		plan.Ops = append(plan.Ops, op)
	}
	return plan, r
}

// refusals gathers what the Book and the source refuse of a plan, by place in it.
type refusals struct {
	plan *berth.Plan
	why  map[int]berth.Reason
	at   map[opKey][]int // where operations that were handed on stand
}

// opKey tells operations of a plan apart, but for those that are given twice.
type opKey struct {
	kind           berth.OpKind
	task, node, id string
}

func keyOf(op berth.Op) opKey { return opKey{op.Kind, op.Task.ID, op.Node, op.ID} }

// add takes in what the source refused. Of operations given twice, it is the later that was refused: the
// first was done, or both were not.
func (r *refusals) add(refused []berth.Refusal) {
	for _, f := range slices.Backward(refused) {
		key := keyOf(f.Op)
		if at := r.at[key]; len(at) > 0 {
			r.why[at[len(at)-1]] = f.Reason
			r.at[key] = at[:len(at)-1]
		}
	}
}

func (r *refusals) inOrder() []berth.Refusal {
	var out []berth.Refusal
	for _, i := range slices.Sorted(maps.Keys(r.why)) {
		out = append(out, berth.Refusal{Op: r.plan.Ops[i], Reason: r.why[i]})
	}
	return out
}

// forbids says why a framework may not do an operation.
func (b *Book) forbids(op berth.Op, placed map[string]bool) berth.Reason {
	x := b.sub.x
	switch op.Kind {
	case berth.Place:
		if err := op.Task.Err(); err != nil {
			return berth.Reason{Code: berth.Invalid, Subject: err.Error()}
		}
		if op.From != "" && op.From != b.sub.client.name {
			return berth.Reason{Code: berth.UnknownHold, Subject: op.From}
		}
		if role := op.Task.Group.Role(); !within(b.sub.client.role, role) {
			return berth.Reason{Code: berth.Denied, Subject: fmt.Sprintf("role %q is not at or below %q", string(role), string(b.sub.client.role))}
		}
	case berth.Release, berth.Evict:
		slot, ok := x.view.FindTask(op.ID)
		if ok {
			ok = b.owns(x.view.Record(slot).Group)
		}
		if !ok && !placed[op.ID] {
			return berth.Reason{Code: berth.UnknownTask, Subject: op.ID}
		}
		if op.Hold != nil {
			return berth.Reason{Code: berth.Denied, Subject: "a framework makes no holds"}
		}
	case berth.Drop:
		if o := x.offers[op.ID]; o == nil || o.sub != b.sub {
			return berth.Reason{Code: berth.UnknownHold, Subject: op.ID}
		}
	case berth.Take:
		return berth.Reason{Code: berth.Denied, Subject: "a framework makes no holds"}
	}
	return berth.Reason{}
}

// owns reports whether the tasks of a group of the source are the framework's role's.
func (b *Book) owns(group uint32) bool {
	if group == store.Holds {
		return false
	}
	return within(b.sub.client.role, b.sub.x.view.Group(group).Spec.Role())
}

// sync brings the Book's fork up to date with the Exchange's view of the source. Its lineage stays, and
// its own change log tells who keeps indexes on it what is new.
func (b *Book) sync() error {
	view := b.sub.x.view
	rows, _ := b.seen.advance(view, len(b.rows))
	if len(rows) == 0 {
		b.forgetLost()
		return nil
	}
	for n := view.Rows(); len(b.rows) < n; {
		b.rows = append(b.rows, page{})
	}
	err := b.update(rows)
	if err != nil {
		b.seen = cursor{} // all of it is compared anew the next time
	}
	return err
}

// update brings rows up to date. Nodes leave before tasks, and both before others come: an ID may have moved from
// one row to another.
func (b *Book) update(rows []uint32) error {
	for _, row := range rows {
		p := &b.rows[row]
		if node := b.sub.x.nodeAt(row); p.node != nil && (node == nil || node.ID != p.node.ID) {
			if err := b.remove(p); err != nil {
				return err
			}
		}
	}
	for _, row := range rows {
		if p := &b.rows[row]; p.node != nil {
			here := b.tasksAt(row)
			n, _ := b.fork.Node(p.node.ID)
			for _, t := range slices.Collect(n.Tasks()) {
				now, ok := here[t.ID]
				if !ok || !now.Group.Equal(t.Group) || now.Grant.String() != t.Grant.String() {
					b.fork.Apply(berth.Op{Kind: berth.Release, ID: t.ID})
					delete(b.states, t.ID)
				}
			}
		}
	}
	b.forgetLost()
	for _, row := range rows {
		if err := b.fill(row); err != nil {
			return err
		}
	}
	return nil
}

// remove takes a node out of the Book; tasks that are still on it are lost.
func (b *Book) remove(p *page) error {
	n, _ := b.fork.Node(p.node.ID)
	for t := range n.Tasks() {
		b.lost = append(b.lost, t.ID)
		delete(b.states, t.ID)
	}
	err := b.fork.RemoveNodes(p.node.ID)
	*p = page{}
	return err
}

// forgetLost takes out the lost tasks that the source has no more, or has on a node again. The change log
// does not speak of tasks that are on no node.
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

// tasksAt returns the tasks of the framework's role on a row of the source.
func (b *Book) tasksAt(row uint32) map[string]cluster.TaskView {
	x := b.sub.x
	n, ok := x.snapshot.Node(x.view.Node(row).Node.ID)
	if !ok {
		return nil
	}
	tasks := map[string]cluster.TaskView{}
	for _, r := range x.view.On(row) {
		if b.owns(r.Group) {
			for t := range n.Tasks() {
				if within(b.sub.client.role, t.Group.Role()) {
					tasks[t.ID] = t
				}
			}
			break
		}
	}
	return tasks
}

// fill makes a node of the Book what it is in the source: its description, the tasks of the role, and
// free what is offered.
func (b *Book) fill(row uint32) error {
	x := b.sub.x
	node := x.nodeAt(row)
	if node == nil {
		return nil
	}
	p := &b.rows[row]
	tasks := b.tasksAt(row)
	offered := b.offeredAt(row)
	if b.blind && len(tasks) == 0 && offered == nil {
		if p.node == nil {
			return nil
		}
		return b.remove(p)
	}
	var err error
	switch {
	case p.node == nil:
		err = b.fork.AddNodes(*node.Spec)
	case p.node != node:
		err = b.fork.UpdateNodes(*node.Spec)
	}
	if err != nil {
		return err
	}
	p.node = node
	n, _ := b.fork.Node(node.ID)
	if cordoned := x.view.Node(row).Cordoned; cordoned != n.Cordoned() {
		if err := b.fork.Cordon(cordoned, node.ID); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(tasks)) {
		t := tasks[id]
		if _, known := b.fork.Task(id); !known {
			if err := b.fork.Adopt(t.Task, node.ID, t.Grant, t.State); err != nil {
				return err
			}
		}
		if err := b.setState(t); err != nil {
			return err
		}
	}
	return b.setRest(p, offered)
}

// setState gives a task of the Book the state it has in the source.
func (b *Book) setState(t cluster.TaskView) error {
	deadline := int64(0)
	if !t.Deadline.IsZero() {
		deadline = t.Deadline.UnixNano()
	}
	b.states[t.ID] = t.State
	return b.fork.Mark(t.ID, t.State, deadline)
}

// mark brings the states of tasks up to date.
func (b *Book) mark() error {
	x := b.sub.x
	if b.as == x.snapshot {
		return nil
	}
	b.as = x.snapshot
	for id, state := range b.states {
		slot, ok := x.view.FindTask(id)
		if !ok || berth.TaskState(x.view.Record(slot).State) == state {
			continue
		}
		t, _ := x.snapshot.Task(id)
		if err := b.setState(t); err != nil {
			b.as = nil
			return err
		}
	}
	return nil
}

// offeredAt returns what a node has for the framework, all its holds together; nil if it has none. Of an
// optimistic one it has what nobody took.
func (b *Book) offeredAt(row uint32) *berth.Hold {
	x := b.sub.x
	var sum *berth.Hold
	for _, r := range x.view.On(row) {
		if r.Group != store.Holds {
			continue
		}
		h := r.Extra.Hold
		if h.Owner != b.sub.client.name {
			continue
		}
		if sum == nil {
			sum = &berth.Hold{Resources: berth.Resources{}}
		}
		part := *h
		if h.Lease == berth.Optimistic {
			part = b.left(h, row)
		}
		for name, q := range part.Resources {
			if have := sum.Resources[name]; have <= math.MaxInt64-q {
				sum.Resources[name] = have + q
			}
		}
		for _, d := range part.Devices {
			if i := slices.IndexFunc(sum.Devices, func(o berth.DeviceShare) bool { return o.Index == d.Index }); i >= 0 {
				sum.Devices[i].Units += d.Units
			} else {
				sum.Devices = append(sum.Devices, d)
			}
		}
		sum.Ports = append(sum.Ports, part.Ports...)
	}
	return sum
}

// left returns what is still free of an optimistic hold.
func (b *Book) left(h *berth.Hold, row uint32) berth.Hold {
	view := b.sub.x.view
	state := view.Node(row)
	out := berth.Hold{Resources: berth.Resources{}}
	for name, q := range h.Resources {
		if d, ok := view.DimOf(name); ok {
			out.Resources[name] = min(q, max(0, view.FreeOf(row, d)))
		}
	}
	for _, d := range h.Devices {
		if d.Index < len(state.Devices) {
			if units := min(d.Units, state.Devices[d.Index]); units > 0 {
				out.Devices = append(out.Devices, berth.DeviceShare{Index: d.Index, Units: units})
			}
		}
	}
	for _, port := range h.Ports {
		if _, taken := slices.BinarySearch(state.Ports, port); !taken {
			out.Ports = append(out.Ports, port)
		}
	}
	return out
}

// setRest makes all of a node that is neither offered nor used by the role's tasks the others'.
func (b *Book) setRest(p *page, offered *berth.Hold) error {
	id := p.node.ID + "@" + Others
	b.fork.Apply(berth.Op{Kind: berth.Drop, ID: id}) // refused if there is none
	rest := freeOf(b.fork, p.node.ID)
	if offered != nil {
		for name, q := range offered.Resources {
			if rest.Resources[name] -= q; rest.Resources[name] <= 0 {
				delete(rest.Resources, name)
			}
		}
		rest.Devices = slices.DeleteFunc(rest.Devices, func(d berth.DeviceShare) bool {
			i := slices.IndexFunc(offered.Devices, func(o berth.DeviceShare) bool { return o.Index == d.Index })
			return i >= 0 && offered.Devices[i].Units >= d.Units
		})
		for i := range rest.Devices {
			for _, o := range offered.Devices {
				if o.Index == rest.Devices[i].Index {
					rest.Devices[i].Units -= o.Units
				}
			}
		}
		rest.Ports = slices.DeleteFunc(rest.Ports, func(port uint16) bool { return slices.Contains(offered.Ports, port) })
	}
	if len(rest.Resources) == 0 && len(rest.Devices) == 0 && len(rest.Ports) == 0 {
		return nil
	}
	rest.ID, rest.Owner, rest.Deadline = id, Others, always
	if _, why := b.fork.Apply(berth.Op{Kind: berth.Take, Hold: &rest}); why.Code != berth.None {
		return fmt.Errorf("book: %w", why)
	}
	return nil
}

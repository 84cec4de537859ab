package offers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
	"github.com/berth-sched/berth/internal/whole"
)

// Book is what one framework was offered, as a source of capacity: package scheduler's Source. It may be
// used by any number of goroutines.
//
// Its snapshots show every node of the source with its attributes, the tasks of the framework's role and of the
// roles below it wherever they are, so that rules about them hold, and as free what the framework was
// offered and has not used: several offers of a node are one room, and a node that is not offered has none. What else
// there is on a node is neither free nor told. What each role has is shown of the framework's role, those below it and those above it, whose limits bind
// the framework, without what the framework itself is offered. A blind Book shows only the nodes that are offered or have such tasks. A task that
// was lost with its node is known to the Books that saw it before.
//
// What all Books have in common, the nodes, they share: a Book takes room, and time when it is read, for the framework's own offers and
// tasks, and one that is never read takes none.
//
// Before the first pass, and for a framework that wants nothing, no node is offered: a task that is scheduled is unplaced
// with [berth.NotOffered] and no word of whether it would fit.
//
// What a commit does not use of the offers stays in the Book until it is declined or the lease ends. Every call of a
// Book that is not a Subscription's fails.
type Book struct {
	sub *Subscription

	// Guarded by the mutex of the Exchange:
	overlay
	changed chan struct{}
	listed  bool // among those that wait
}

func newBook(s *Subscription, blind bool) *Book {
	b := &Book{sub: s}
	b.overlay = overlay{x: s.x, role: s.client.role, book: b, blind: blind, lineage: store.NewLineage()}
	return b
}

// forget gives up all that the Book has.
func (b *Book) forget() {
	b.overlay = overlay{x: b.x, role: b.role, book: b, blind: b.blind, lineage: b.lineage}
	b.x.audience.rearrange()
	if len(b.x.readers(b.role)) == 0 {
		delete(b.x.shelves, b.role)
		b.x.audience.rearrange()
	}
}

// version says which state the Book's last snapshot could show; nothing of a Book that nobody has read.
func (b *Book) version() berth.Version {
	if b.store == nil {
		return berth.Version{}
	}
	return b.store.Version()
}

// isBook lets an Exchange refuse a Book as its source, one that is part of something else included.
func (b *Book) isBook() {}

// do is Subscription.do for the Book's framework.
func (b *Book) do(ctx context.Context, what string, f func() error) error {
	if b == nil {
		return (*Subscription)(nil).do(ctx, what, f)
	}
	return b.sub.do(ctx, what, f)
}

// Denies says why no task of a group may be placed with the Book, whatever is offered: [berth.Denied], if its role is not
// the framework's or below it. It returns no reason for others. A Scheduler asks before it looks for room.
func (b *Book) Denies(g *berth.Group) berth.Reason {
	if b == nil || b.sub == nil || g.Role().Within(b.sub.client.role) {
		return berth.Reason{}
	}
	return berth.Reason{Code: berth.Denied, Subject: fmt.Sprintf("role %q is not at or below %q", string(g.Role()), string(b.sub.client.role))}
}

// Snapshot returns the Book as it is now. The first costs O(what the framework has); those after it O(what changed for the framework
// since, and nodes that came, left or were described anew), a glance at each role if the source has changed at all, and one at each of
// the role's tasks if the state of any task has: sources do not log that a task was confirmed.
func (b *Book) Snapshot(ctx context.Context) (*cluster.Snapshot, error) {
	var snapshot *cluster.Snapshot
	err := b.do(ctx, "snapshot", func() error {
		b.sync()
		b.syncStates()
		b.store.SetTime(b.sub.x.now.Round(0).UTC())
		b.store.SetPieces(b.pieces.show())
		snapshot = (*cluster.Snapshot)(b.store.Snapshot())
		return nil
	})
	return snapshot, err
}

// Changed returns a channel that is closed when something that a plan could use has changed since the
// call: offers came or went, or tasks or nodes changed. What others do to the source is noticed when the
// Exchange is next called, by whomever, such as at the next pass. A Book that is no Subscription's never changes.
func (b *Book) Changed() <-chan struct{} {
	if b == nil || b.sub == nil {
		return make(chan struct{})
	}
	b.sub.x.mu.Lock()
	defer b.sub.x.mu.Unlock()
	if b.changed == nil {
		b.changed = make(chan struct{})
		if !b.listed {
			b.listed = true
			b.sub.x.waiting = append(b.sub.x.waiting, b)
		}
	}
	return b.changed
}

// wakeAll wakes the Books whose channels somebody has. Of many Books few have.
func (x *Exchange) wakeAll() {
	for _, b := range x.waiting {
		b.listed = false
		b.wake()
	}
	x.waiting = x.waiting[:0]
}

func (b *Book) wake() {
	if b.changed != nil {
		close(b.changed)
		b.changed = nil
	}
}

// Commit does what still can be done of a plan made on the Book's snapshots. Tasks of the framework's role
// are placed on the room it was offered, whose offers must still last. Tasks that the framework placed can be released
// and evicted; their room goes to whoever is offered it next, so that a [berth.Plan.Replace] needs an offer of room for the new
// task: without one all of the part is refused. The framework's offers can be dropped. The rest is
// refused. It fails, having done nothing, if the plan is of another lineage ([berth.ErrLineage]) or the context has ended.
func (b *Book) Commit(ctx context.Context, p *berth.Plan) (*berth.Outcome, error) {
	var out *berth.Outcome
	err := b.do(ctx, "commit", func() error {
		if p == nil {
			return errors.New("no plan")
		}
		if err := p.Err(); err != nil {
			return err
		}
		if !p.Version.SameLineage(b.version()) {
			return berth.ErrLineage
		}
		x := b.sub.x
		plan, refusals := b.translate(p)
		x.claim(b.sub, plan)
		done, err := x.commit(ctx, plan)
		if err != nil {
			return err
		}
		x.confirm(b.sub, done)
		b.draw(plan, done)
		x.resume(b.sub)
		refusals.add(done.Refused)
		out = &berth.Outcome{Placed: slices.Clone(done.Placed), Refused: refusals.inOrder(), Unplaced: p.Unplaced}
		for i := range out.Placed {
			op := &out.Placed[i]
			op.From = ""
		}
		x.hear(b.sub, Answers{Placed: len(out.Placed), Refused: len(out.Refused)})
		var c *own
		if x.drawsOnly(plan.Ops) {
			c = &own{sub: b.sub, done: done}
		}
		x.afterwards(ctx, c, b.catchUp)
		out.Version = b.version()
		return nil
	})
	return out, err
}

// draw notes which offers a plan has used: those that are gone the next time were answered, and did not end.
func (b *Book) draw(plan *berth.Plan, done *berth.Outcome) {
	nodes := map[string]bool{}
	for _, op := range done.Placed {
		nodes[op.Node] = true
	}
	for id := range nodes {
		if at, ok := b.sub.x.sites.get(id); ok {
			for _, o := range at.offers {
				o.drawn = o.drawn || o.sub == b.sub
			}
		}
	}
	for _, op := range plan.Ops {
		if op.Kind == berth.Drop {
			if o, ok := b.sub.x.offers.get(op.ID); ok {
				o.drawn, o.dropped = true, true
			}
		}
	}
}

// translate turns a plan for the Book into one for the source, less what a framework may not do.
func (b *Book) translate(p *berth.Plan) (*berth.Plan, *refusals) {
	x := b.sub.x
	plan := &berth.Plan{
		Version: x.snapshot.Version(), Ops: make([]berth.Op, 0, len(p.Ops)),
		Together: p.Together, Whole: p.Whole, Deadline: p.Deadline,
	}
	r := &refusals{plan: p, why: map[int]berth.Reason{}, at: map[opKey][]int{}}
	units := whole.Units(p)
	broken := map[*whole.Unit]int{} // what goes together and cannot, and the first operation that is forbidden
	placed := map[string]bool{}
	for i, op := range p.Ops {
		if why := b.forbids(op, placed); why.Code != berth.None {
			r.why[i] = why
			if units != nil && units[i] != nil {
				if _, known := broken[units[i]]; !known {
					broken[units[i]] = i
				}
			}
		} else if op.Kind == berth.Place {
			placed[op.Task.ID] = true
		}
	}
	at := make([]int, len(p.Ops)) // where operations that are handed on stand
	for i, op := range p.Ops {
		if _, forbidden := r.why[i]; forbidden {
			continue
		}
		if units != nil && units[i] != nil {
			if failed, is := broken[units[i]]; is {
				r.why[i] = units[i].Rest(&p.Ops[i], &p.Ops[failed], r.why[failed])
				continue
			}
		}
		if op.Kind == berth.Place {
			op.From, op.Owner = b.sub.from(op.Task.Group), x.own(b.sub)
		}
		key := keyOf(op)
		r.at[key] = append(r.at[key], i)
		at[i] = len(plan.Ops)
		plan.Ops = append(plan.Ops, op)
	}
	for _, part := range p.Parts { // of each all is handed on, or nothing
		if part.First == part.End {
			continue
		}
		if _, left := r.why[part.First]; !left {
			plan.Parts = append(plan.Parts, berth.Part{Name: part.Name, First: at[part.First], End: at[part.First] + part.End - part.First})
		}
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
		if op.From != "" && op.From != b.sub.client.name && op.From != b.sub.owner {
			return berth.Reason{Code: berth.UnknownHold, Subject: op.From}
		}
		if why := b.Denies(op.Task.Group); why.Code != berth.None {
			return why
		}
		if at, ok := x.sites.get(op.Node); ok && x.others[b.sub.owner] > 0 && slices.Contains(at.others, b.sub.owner) {
			return berth.Reason{Code: berth.Denied, Subject: fmt.Sprintf("somebody else holds room on %s as %s, too", op.Node, b.sub.owner)}
		}
	case berth.Release, berth.Evict:
		if why := b.notOwn(op.ID, placed); why.Code != berth.None {
			return why
		}
		if op.Hold != nil {
			return berth.Reason{Code: berth.Denied, Subject: "a framework makes no holds"}
		}
	case berth.Drop:
		if o, ok := x.offers.get(op.ID); !ok || o.sub != b.sub {
			return berth.Reason{Code: berth.UnknownHold, Subject: op.ID}
		}
	case berth.Take:
		return berth.Reason{Code: berth.Denied, Subject: "a framework makes no holds"}
	}
	return berth.Reason{}
}

// notOwn says why a framework may not end a task: the Book does not show it, or the framework has not placed it,
// before or earlier in the plan.
func (b *Book) notOwn(id string, placed map[string]bool) berth.Reason {
	x := b.sub.x
	slot, known := x.view.FindTask(id)
	switch {
	case !known && placed[id]:
		return berth.Reason{}
	case !known || !b.shows(x.view.Record(slot).Group):
		return berth.Reason{Code: berth.UnknownTask, Subject: id}
	}
	if c, ok := x.claimOn(slot, x.view.Record(slot)); ok && c.sub == b.sub {
		return berth.Reason{}
	}
	return berth.Reason{Code: berth.Denied, Subject: fmt.Sprintf("task %q was not placed by framework %q", id, b.sub.client.name)}
}

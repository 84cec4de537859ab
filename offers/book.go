package offers

import (
	"context"
	"errors"
	"fmt"
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
	if !b.read {
		return // it has nothing, and nobody looks who else reads
	}
	b.x.audience.leave(&b.overlay)
	b.overlay = overlay{x: b.x, role: b.role, book: b, blind: b.blind, lineage: b.lineage}
}

// version says which state the Book's last snapshot could show; nothing of a Book that nobody has read.
func (b *Book) version() cluster.Version {
	if b.store == nil {
		return cluster.Version{}
	}
	return cluster.Version(b.store.Version())
}

// moved is version after a commit of which the source has told what was done. The Book is not brought up to date until it is read: it says that
// something has changed, so that the version is one that comes after all that was shown and before all that will be.
func (b *Book) moved(done *cluster.Outcome) cluster.Version {
	if b.store != nil && (done.Before != done.Version || done.Before == cluster.Version{}) {
		b.store.Advance()
	}
	return b.version()
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
// and evicted; their room goes to whoever is offered it next, so that a [cluster.Plan.Replace] needs an offer of room for the new
// task: without one all of the part is refused. The framework's offers can be dropped. The rest is
// refused. It fails, having done nothing, if the plan is of another lineage ([berth.ErrLineage]) or the context has ended.
func (b *Book) Commit(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
	var out *cluster.Outcome
	err := b.do(ctx, "commit", func() error {
		if p == nil {
			return errors.New("no plan")
		}
		if err := p.Err(); err != nil {
			return err
		}
		if p.Version.Lineage == 0 || !p.Version.SameLineage(b.version()) { // a Book that nobody has read has no lineage either
			return whole.OtherSource(p.Version)
		}
		x := b.sub.x
		t := b.translate(p)
		plan := t.plan
		x.claim(b.sub, plan)
		done, err := x.commit(ctx, plan)
		if err != nil {
			return err
		}
		x.confirm(b.sub, done)
		b.draw(plan, done)
		x.resume(b.sub)
		out = &cluster.Outcome{Placed: slices.Clone(done.Placed), Refused: t.refusals(done.Refused), Unplaced: p.Unplaced}
		for i := range out.Placed {
			out.Placed[i].From = ""
		}
		x.hear(b.sub, Answers{Placed: len(out.Placed), Refused: len(out.Refused)})
		var c *own
		if x.drawsOnly(plan.Ops) {
			c = &own{sub: b.sub, done: done}
		}
		x.afterwards(ctx, c)
		out.Version = b.moved(done)
		return nil
	})
	return out, err
}

// draw notes which offers a plan has used: those that are gone the next time were answered, and did not end.
func (b *Book) draw(plan *cluster.Plan, done *cluster.Outcome) {
	x := b.sub.x
	x.visits++
	node := ""
	for i := range done.Placed {
		if done.Placed[i].Node == node {
			continue
		}
		node = done.Placed[i].Node
		if at, ok := x.sites.get(node); ok && at.visit != x.visits {
			at.visit = x.visits
			for _, o := range at.offers {
				o.drawn = o.drawn || o.sub == b.sub
			}
		}
	}
	for i := range plan.Ops {
		if op := &plan.Ops[i]; op.Kind == berth.Drop {
			if o, ok := x.offers.get(op.ID); ok {
				o.drawn, o.dropped = true, true
			}
		}
	}
}

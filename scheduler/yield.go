package scheduler

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/faults"
	"github.com/berth-sched/berth/offers"
)

// Answer is what a framework says to an inverse offer. The zero Answer accepts it, and moves its tasks to other nodes: see [RunFramework].
type Answer struct {
	// Decline, unless it is empty, is why the framework would rather not: its tasks run on, and what becomes of them at the deadline is for those to
	// say who asked.
	Decline string
	// Stop accepts, and has the tasks stopped at once and for good, as [Queue.Cancel] has. It does not matter with Decline.
	Stop bool
}

const defaultNotice = time.Minute

// yielding is how a framework goes about the inverse offers that it has.
type yielding struct {
	answer func(offers.InverseOffer) Answer
	notice time.Duration
	look   bool             // there may be inverse offers that are new
	asked  map[string]asked // those that stand, by ID
	due    time.Time        // when the next tasks are to be stopped that have found no room
}

// asked is an inverse offer that was answered.
type asked struct {
	Answer
	stop  time.Time // when what has found no room is stopped
	nodes []string  // of tasks that were asked for by themselves, which are not used meanwhile
}

// spared are nodes that are not to be used, by the inverse offers for which they are not, until when: each of these ends by itself.
type spared map[string]map[string]time.Time

// yielder is an own task that is asked back, and the part of the framework that it is in.
type yielder struct {
	*ownTask
	part *part
	stop time.Time
}

func newYielding(answer func(offers.InverseOffer) Answer, notice time.Duration) *yielding {
	if answer == nil {
		answer = func(offers.InverseOffer) Answer { return Answer{} }
	}
	if notice == 0 {
		notice = defaultNotice
	}
	return &yielding{answer: answer, notice: notice, look: true, asked: map[string]asked{}}
}

// stir notes that there may be inverse offers that are new.
func (y *yielding) stir() {
	if y != nil {
		y.look = true
	}
}

// bind lets the parts of a framework know which groups are theirs.
func (y *yielding) bind(r *runner) {
	for i := range r.parts {
		p := &r.parts[i]
		p.tenant.mine = func(g *berth.Group) bool { return r.partOf(g) == p }
		p.tenant.stands = func(t *ownTask) bool { return r.own.of(t.Placement) == t }
	}
}

// next returns when the next tasks are to be stopped, and whether any are.
func (y *yielding) next() (time.Time, bool) { return y.due, !y.due.IsZero() }

// yield answers inverse offers that are new, and moves the tasks that are asked back, as far as there is room or their time has come.
func (r *runner) yield(ctx context.Context) error {
	now := r.State.Now()
	y := r.yielding
	before, looks := y.asked, y.look
	if !looks && (y.due.IsZero() || now.Before(y.due)) {
		return nil
	}
	y.look, y.asked, y.due = false, map[string]asked{}, time.Time{}
	tasks := map[string]yielder{}
	for i := range r.parts {
		p := &r.parts[i]
		open, err := p.tenant.sub.Inverse(ctx)
		if err != nil {
			return faults.Of("scheduler: inverse offers", err)
		}
		for _, o := range open {
			a, known := before[o.ID]
			if !known {
				if a, err = r.reply(ctx, p, o, now); err != nil {
					return err
				}
			}
			if a.Decline == "" {
				r.askedBack(p, o, &a, tasks)
			}
			y.asked[o.ID] = a
		}
		for id, a := range before { // in any order: each gives back its own
			if _, stands := y.asked[id]; !stands && len(a.nodes) > 0 {
				if err := p.tenant.giveUp(ctx, id, a.nodes); err != nil {
					return err
				}
			}
		}
		p.tenant.spareSince(now)
	}
	if len(tasks) == 0 && len(before) == 0 {
		return nil
	}
	return r.move(ctx, tasks, looks, now)
}

// reply asks the host about an inverse offer, and answers it.
func (r *runner) reply(ctx context.Context, p *part, o offers.InverseOffer, now time.Time) (asked, error) {
	var a asked
	guard(func() error { a.Answer = r.yielding.answer(o); return nil }, func(err error) {
		if err != nil {
			a.Decline = "the framework failed to answer"
			r.fail(fmt.Errorf("inverse offer: %w", err))
		}
	})
	a.stop = o.Deadline.Add(-max(0, min(r.yielding.notice, o.Deadline.Sub(now)/2)))
	var err error
	if a.Decline != "" {
		err = p.tenant.sub.DeclineInverse(ctx, []string{o.ID}, a.Decline)
	} else {
		err = p.tenant.sub.AcceptInverse(ctx, []string{o.ID})
	}
	if errors.Is(err, offers.ErrExpired) || errors.Is(err, offers.ErrUnknownOffer) {
		return a, nil // it has ended in this very moment
	}
	return a, faults.Of("scheduler: inverse offer", err)
}

// askedBack collects the own tasks that an inverse offer is about, or stops them if that was the answer.
func (r *runner) askedBack(p *part, o offers.InverseOffer, a *asked, tasks map[string]yielder) {
	spare := func(node string) {
		if p.tenant.spared == nil {
			p.tenant.spared = spared{}
		}
		if p.tenant.spared[node] == nil {
			p.tenant.spared[node] = map[string]time.Time{}
		}
		p.tenant.spared[node][o.ID] = o.Deadline
	}
	if o.Node != "" {
		spare("") // which nodes are recalled each offer tells
	}
	for _, id := range o.Tasks {
		t := r.own.tasks[id]
		if t == nil || t.lost {
			continue
		}
		if o.Node == "" && !slices.Contains(a.nodes, t.Node) {
			spare(t.Node)
			a.nodes = append(a.nodes, t.Node)
		}
		switch one, more := tasks[id]; {
		case a.Stop:
			delete(tasks, id)
			r.stop(t)
		case t.stopping && !t.moving:
		case more && one.stop.Before(a.stop):
		default:
			tasks[id] = yielder{t, p, a.stop}
		}
	}
}

// giveUp lets nodes be used again if the inverse offer about tasks there was withdrawn.
func (t *tenant) giveUp(ctx context.Context, id string, nodes []string) error {
	how, ours, err := t.sub.Ended(ctx, id)
	if err != nil {
		return faults.Of("scheduler: inverse offer", err)
	}
	if ours && how.End == offers.Rescinded {
		for _, n := range nodes {
			if delete(t.spared[n], id); len(t.spared[n]) == 0 {
				delete(t.spared, n)
			}
		}
	}
	return nil
}

// spareSince forgets the nodes whose time is over.
func (t *tenant) spareSince(now time.Time) {
	maps.DeleteFunc(t.spared, func(_ string, offers map[string]time.Time) bool {
		maps.DeleteFunc(offers, func(_ string, until time.Time) bool { return !now.Before(until) })
		return len(offers) == 0
	})
}

// move moves the tasks that are asked back for which there is room elsewhere, and those whose time has come. There is no more room than before unless
// something has changed in what is offered.
func (r *runner) move(ctx context.Context, tasks map[string]yielder, looks bool, now time.Time) error {
	ids := slices.SortedFunc(maps.Keys(tasks), compareIDs)
	for i := range r.parts {
		p := &r.parts[i]
		var going, staying []yielder
		var wanted []*ownTask
		for _, id := range ids {
			t := tasks[id]
			if t.part != p {
				continue
			}
			if t.Task.Group.Mode() != berth.Daemon {
				wanted = append(wanted, t.ownTask)
			}
			if t.moving {
				going = append(going, t)
			} else {
				staying = append(staying, t)
			}
		}
		if len(wanted) == 0 && len(p.tenant.moving) == 0 && len(staying) == 0 {
			continue
		}
		same := slices.Equal(wanted, p.tenant.moving)
		p.tenant.moving = wanted
		var room map[string]bool
		var err error
		switch {
		case looks && len(staying) > 0:
			room, err = r.roomElsewhere(ctx, p, append(going, staying...))
		case looks || !same:
			_, err = p.source.Snapshot(ctx) // which declares what is wanted now
		}
		if err != nil {
			return faults.Of("scheduler: move", err)
		}
		for _, t := range staying {
			switch {
			case room[t.Task.ID] || !now.Before(t.stop):
				r.moveOn(t.ownTask)
			case r.yielding.due.IsZero() || t.stop.Before(r.yielding.due):
				r.yielding.due = t.stop
			}
		}
	}
	return nil
}

// roomElsewhere returns for which of the tasks there is room on what is offered of other nodes than theirs.
func (r *runner) roomElsewhere(ctx context.Context, p *part, tasks []yielder) (map[string]bool, error) {
	snapshot, err := p.source.Snapshot(ctx) // which declares that they are wanted once more
	if err != nil {
		return nil, err
	}
	fork := snapshot.Fork()
	var again []berth.Task
	for _, t := range tasks {
		if _, there := fork.Node(t.Node); there {
			if err := fork.Cordon(t.Node); err != nil {
				return nil, err
			}
		}
		if t.Task.Group.Mode() == berth.Daemon {
			continue
		}
		if _, why := fork.Apply(berth.Op{Kind: berth.Release, ID: t.Task.ID}); why.Code == berth.None {
			again = append(again, t.Task)
		}
	}
	if len(again) == 0 {
		return nil, nil
	}
	plan, err := p.planBeside(ctx, fork.Snapshot(), nil, again)
	if err != nil {
		return nil, err
	}
	room := map[string]bool{}
	for i := range plan.Ops {
		room[plan.Ops[i].Task.ID] = true
	}
	return room, nil
}

// moveOn stops an own task, which waits to be placed again once it has stopped.
func (r *runner) moveOn(t *ownTask) {
	r.report(Recalled, t.Placement, nil)
	start := r.launches.find(t.Placement, false)
	if r.launches.remove(start) {
		r.release(t)
		r.Queue.putBack(t.Task, t.turn)
		return
	}
	t.moving = true
	r.halt(t, start)
}

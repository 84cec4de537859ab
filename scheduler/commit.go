package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// Commit does what still can be done of a plan, operation by operation in its order, and tells what
// became of each. If a placement of a group in [berth.Plan.Together] cannot be done, it is refused with
// its reason, the group's other placements with [berth.GangIncomplete] and the group's name, and the rest
// is done as if they were not in the plan. Where the placements of two such groups alternate, the second one
// may be refused for want of room that the first one then gives back.
//
// It fails, having done nothing, if there is no plan, if the plan is of another source ([berth.ErrLineage])
// or if the context has ended. The plan is not written to; where every operation was a placement and done
// as it stands, [berth.Outcome].Placed is the plan's own slice. Plans with groups that go together, or with
// an eviction that makes a hold, are tried on a fork first, which doubles the cost.
func (s *State) Commit(ctx context.Context, p *berth.Plan) (*berth.Outcome, error) {
	if p == nil {
		return nil, errors.New("scheduler: commit: no plan")
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s.lock()
	defer s.mu.Unlock()
	if !p.Version.SameLineage(s.ledger.fork.Version()) {
		return nil, fmt.Errorf("scheduler: commit: %w", berth.ErrLineage)
	}
	s.lapse()
	return s.commit(p, false), nil
}

// decide has a plan made on the present state and commits it, with nothing in between. The snapshot is good
// during the call of plan only.
func (s *State) decide(ctx context.Context, plan func(*cluster.Snapshot) *berth.Plan) (*berth.Outcome, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	s.lock()
	defer s.mu.Unlock()
	s.lapse()
	return s.commit(plan((*cluster.Snapshot)(s.ledger.store.Present())), true), nil
}

// commit is Commit under the lock, of a plan of this State. A plan that was picked on the present state is not
// asked again what the picker asked.
func (s *State) commit(p *berth.Plan, picked bool) *berth.Outcome {
	c := &commit{plan: p, picked: picked, admit: s.admit, now: s.now()}
	if s.assumeFor > 0 {
		c.expires = c.now.Add(s.assumeFor)
		c.deadline = nanos(c.expires)
	}
	before := s.ledger.fork.Version()
	if c.divisible() {
		c.run(s.ledger)
	} else {
		c.picked = false // a group may be left out
		c.try(s.ledger.branch())
		c.repeat(s.ledger)
	}
	if done := c.done(); len(done) > 0 {
		for _, f := range s.feeds {
			f.ops(done)
		}
		s.done(before)
		if s.record != nil {
			s.record(Command{Time: c.now, Ops: done, Deadline: c.expires}.clone())
		}
	}
	return &berth.Outcome{
		Version:  s.ledger.fork.Version(),
		Placed:   c.placed(),
		Refused:  c.refused,
		Unplaced: p.Unplaced,
	}
}

// commit is a plan on its way into a ledger.
type commit struct {
	plan     *berth.Plan
	picked   bool // on the ledger as it is now
	admit    func(Admission) berth.Reason
	now      time.Time
	expires  time.Time // when the tasks it places do; zero is never
	deadline int64     // the same in Unix nanoseconds

	// The first operations that are placements and were done as they stand are only counted, and copied to
	// accepted when another comes: a plan that is done whole copies nothing.
	whole    int
	accepted []berth.Op
	refused  []berth.Refusal
}

// divisible reports whether each operation of the plan can be decided by itself. Otherwise one that is
// part of something larger could fail after others of it were done.
func (c *commit) divisible() bool {
	return len(c.plan.Together) == 0 && !slices.ContainsFunc(c.plan.Ops, func(op berth.Op) bool {
		return op.Kind == berth.Evict && op.Hold != nil
	})
}

// run does the operations.
func (c *commit) run(l *ledger) {
	for i := range c.plan.Ops {
		l.prefetch(c.plan.Ops, i)
		if why := c.step(l, i); why.Code != berth.None {
			c.refuse(i, why)
		}
	}
}

// step does one operation, or says why it cannot be done.
func (c *commit) step(l *ledger, i int) berth.Reason {
	op := &c.plan.Ops[i]
	if why := c.ask(l, op); why.Code != berth.None {
		return why
	}
	// An operation was picked with those before it done; where one was refused, that is no longer so.
	grant, why := l.do(op, c.deadline, c.picked && len(c.refused) == 0)
	if why.Code != berth.None {
		return why
	}
	if c.whole == i && op.Kind == berth.Place && grant == op.Grant {
		c.whole++
		return why
	}
	if len(c.accepted) == 0 {
		c.accepted = append(make([]berth.Op, 0, len(c.plan.Ops)), c.plan.Ops[:c.whole]...)
	}
	c.accepted = append(c.accepted, *op)
	if op.Kind == berth.Place {
		c.accepted[len(c.accepted)-1].Grant = grant
	}
	return why
}

func (c *commit) refuse(i int, why berth.Reason) {
	c.refused = append(c.refused, berth.Refusal{Op: c.plan.Ops[i], Reason: why})
}

// done returns the operations that were done.
func (c *commit) done() []berth.Op {
	if len(c.accepted) == 0 {
		return c.plan.Ops[:c.whole]
	}
	return c.accepted
}

// placed returns the placements that were done: the plan's own slice where it is that.
func (c *commit) placed() []berth.Op {
	if len(c.accepted) == 0 {
		return slices.Clip(c.plan.Ops[:c.whole])
	}
	n := 0
	for n < len(c.accepted) && c.accepted[n].Kind == berth.Place {
		n++
	}
	placed := slices.Clip(c.accepted[:n])
	for i := n; i < len(c.accepted); i++ {
		if op := &c.accepted[i]; op.Kind == berth.Place {
			placed = append(placed, *op)
		}
	}
	return placed
}

// broken is a group that goes together and cannot: the placement that failed, and why.
type broken struct {
	at  int
	why berth.Reason
}

// mark is where a trial stood before the first placement of a group that goes together.
type mark struct {
	at, whole, accepted, refused int
	ledger                       *ledger
}

// try does the operations on a branch of the ledger. When a placement of a group that goes together
// fails, the trial goes back to where it stood before the group's first one and leaves the group out. Planners
// put a group's placements side by side, so little is done twice.
func (c *commit) try(l *ledger) {
	marks := map[string]mark{}
	out := map[string]broken{}
	for _, name := range c.plan.Together {
		marks[name] = mark{at: -1}
	}
	for i := 0; i < len(c.plan.Ops); i++ {
		name, m, together := c.together(marks, i)
		if b, left := out[name]; together && left {
			why := berth.Reason{Code: berth.GangIncomplete, Subject: name}
			if b.at == i {
				why = b.why
			}
			c.refuse(i, why)
			continue
		}
		if together && m.at < 0 {
			m = mark{i, c.whole, len(c.accepted), len(c.refused), l.branch()}
			marks[name] = m
		}
		why := c.step(l, i)
		if why.Code == berth.None {
			continue
		}
		if !together {
			c.refuse(i, why)
			continue
		}
		out[name] = broken{i, why}
		l, i = m.ledger, m.at-1
		c.whole, c.accepted, c.refused = m.whole, c.accepted[:m.accepted], c.refused[:m.refused]
		for other, o := range marks {
			if o.at >= m.at {
				marks[other] = mark{at: -1} // on the way that was abandoned
			}
		}
	}
}

// together returns the name and the mark of the group that an operation is to be done with, if it is a
// placement of such a group.
func (c *commit) together(marks map[string]mark, i int) (string, mark, bool) {
	op := &c.plan.Ops[i]
	if op.Kind != berth.Place || op.Task.Group == nil {
		return "", mark{}, false
	}
	name := op.Task.Group.Name()
	m, ok := marks[name]
	return name, m, ok
}

// repeat does to the ledger itself what a trial found possible. Nothing has changed since, so all of it
// still is, unless a host's own rule does not keep its promise to decide alike.
func (c *commit) repeat(l *ledger) {
	again := &commit{plan: &berth.Plan{Ops: c.done()}, now: c.now, deadline: c.deadline}
	again.run(l)
	c.whole, c.accepted = 0, again.done()
	c.refused = append(c.refused, again.refused...)
}

// ask returns the reasons against an operation that only the State knows of.
func (c *commit) ask(l *ledger, op *berth.Op) berth.Reason {
	if op.Kind != berth.Place && op.Hold != nil {
		if lapsed(op.Hold, c.now) {
			return berth.Reason{Code: berth.Invalid, Subject: fmt.Sprintf("hold %q: its deadline has passed", op.Hold.ID)}
		}
	}
	if c.admit == nil {
		return berth.Reason{}
	}
	switch op.Kind {
	case berth.Place:
		if op.Task.Err() != nil {
			return berth.Reason{} // the ledger will say what is wrong with it
		}
	case berth.Take:
		if op.Hold.Err() != nil {
			return berth.Reason{}
		}
	default:
		return berth.Reason{}
	}
	why := c.admit(Admission{Op: *op, Time: c.now, ledger: l})
	if why.Code == berth.None && why.Subject != "" {
		why.Code = berth.Denied
	}
	return why
}

// lapsed reports whether a hold would be over before it began. No deadline at all is another fault.
func lapsed(h *berth.Hold, now time.Time) bool {
	return !h.Deadline.IsZero() && !h.Deadline.After(now)
}

package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
	"github.com/berth-sched/berth/internal/store"
	"github.com/berth-sched/berth/internal/whole"
)

// Commit does what still can be done of a plan, operation by operation in its order, and tells what
// became of each. Of each of its [cluster.Plan.Parts] all is done or nothing: the operation that cannot be done is refused with
// its reason, and the part's others with [berth.NotWhole], which names both. The rest of the plan is done as if the part were
// not in it. If a placement of a group in [cluster.Plan.Together] cannot be done, it is refused with
// its reason, the group's other placements with [berth.GangIncomplete] and the group's name, and the rest
// is done as if they were not in the plan. So is a gang that would then have fewer tasks on nodes than its size, counting
// those that were there before but not those that are stopping: it may have shrunk since the plan was made. Where the
// placements of two such groups alternate, the second one may be refused for want of room that the first one then gives back.
//
// Placements of a plan whose [cluster.Plan.Deadline] has passed are refused.
//
// It fails, having done nothing, if there is no plan or its parts are at fault, if the plan is of another source
// ([berth.ErrLineage]), if the context has ended, or if the State is stopped or Record stops it. If a function of the host panics
// meanwhile, nothing of the plan is done. The plan is not written to; where every operation was a placement and done as it stands, [cluster.Outcome].Placed is the plan's own slice.
func (s *State) Commit(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
	switch {
	case s == nil:
		return nil, errNoState
	case p == nil:
		return nil, errors.New("scheduler: commit: no plan")
	}
	if err := ended(ctx); err != nil {
		return nil, err
	}
	if err := p.Err(); err != nil {
		return nil, faults.Of("scheduler: commit", err)
	}
	s.lock()
	defer s.unlock()
	if !p.Version.SameLineage(s.live.fork.Version()) {
		return nil, fmt.Errorf("scheduler: commit: %w", whole.OtherSource(p.Version))
	}
	if err := s.lapse(); err != nil {
		return nil, err
	}
	now := s.now()
	return s.commit(&commit{plan: p, now: now, gate: s.gate(now)})
}

// decide has a plan made on the present state and commits it, with nothing in between. The snapshot is good
// during the call of plan only, in which the gate is asked about every placement that is picked. What it refuses is among the
// refused.
func (s *State) decide(ctx context.Context, plan func(*cluster.Snapshot, *gate) (*cluster.Plan, []cluster.Refusal, error), picks func() []store.Pick) (*cluster.Outcome, error) {
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.lock()
	defer s.unlock()
	if err := s.lapse(); err != nil {
		return nil, err
	}
	now := s.now()
	s.live.store.SetTime(now)
	p, denied, err := plan((*cluster.Snapshot)(s.live.store.Present()), s.gate(now))
	if err != nil {
		return nil, err
	}
	out, err := s.commit(&commit{plan: p, now: now, picks: picks()})
	if err != nil {
		return nil, err
	}
	out.Refused = append(denied, out.Refused...)
	return out, nil
}

// commit carries out a commit under the lock. Of a plan that was picked on the present state it is not asked again what
// the picker asked.
func (s *State) commit(c *commit) (*cluster.Outcome, error) {
	if !c.plan.Deadline.IsZero() {
		c.expires = c.plan.Deadline.Round(0).UTC()
		c.late = store.DeadlineOf(c.expires) <= store.Reached(c.now)
	} else if s.assumeFor > 0 {
		if c.expires = c.now.Add(s.assumeFor); c.expires.IsZero() {
			c.expires = c.expires.Add(1) // the zero time is never
		}
	}
	before := s.live.fork.Version()
	s.live.store.SetTime(c.now)
	c.run(s.live)
	if done := c.done(); len(done) > 0 {
		if err := s.keep(before, Command{Time: c.now, Ops: done, Deadline: c.expires}, nil); err != nil {
			return nil, err
		}
	}
	return &cluster.Outcome{
		Version:  s.live.fork.Version(),
		Before:   before,
		Placed:   c.placed(),
		Refused:  c.refused,
		Unplaced: c.plan.Unplaced,
	}, nil
}

// commit is a plan on its way into a live cluster.
type commit struct {
	plan    *cluster.Plan
	picks   []store.Pick // of the operations, if they were picked on the live cluster as it is now, and admitted
	gate    *gate
	now     time.Time
	expires time.Time // when the tasks it places do; zero is never
	late    bool      // whether that is over already

	// The first operations that were done as they stand are only counted, and copied to accepted when one was not: a plan that is done whole
	// copies nothing.
	whole    int
	accepted []berth.Op
	refused  []cluster.Refusal
}

// run does the operations.
func (c *commit) run(l *live) {
	if units := whole.Units(c.plan); units != nil {
		c.runTogether(l, units)
		return
	}
	for i := 0; i < len(c.plan.Ops); i++ {
		if n := c.take(l, i); n > 0 {
			i += n - 1
			continue
		}
		l.prefetch(c.plan.Ops, c.picks, i)
		if why := c.step(l, i); why.Code != berth.None {
			c.refuse(i, why)
		}
	}
}

// take does the operations from i on that make holds that are alike, as step would one by one, and returns how many it has done.
func (c *commit) take(l *live, i int) int {
	if c.gate != nil || c.plan.Ops[i].Kind != berth.Take {
		return 0
	}
	n := l.take(c.plan.Ops[i:])
	if c.accepted == nil {
		c.whole += n
	} else {
		c.accepted = append(c.accepted, c.plan.Ops[i:i+n]...)
	}
	return n
}

// step does one operation, or says why it cannot be done.
func (c *commit) step(l *live, i int) berth.Reason {
	op := &c.plan.Ops[i]
	if c.late && op.Kind == berth.Place {
		return berth.Reason{Code: berth.Invalid, Subject: "plan: its deadline has passed"}
	}
	if why := c.gate.ask(op); why.Code != berth.None {
		return why
	}
	// An operation was picked with those before it done; where one was refused, that is no longer so.
	var pick store.Pick
	if c.picks != nil && len(c.refused) == 0 {
		pick = c.picks[i]
	}
	grant, why := l.do(op, c.expires, pick)
	if why.Code != berth.None {
		return why
	}
	if c.accepted == nil && grant == op.Grant {
		c.whole++
		return why
	}
	c.part()
	c.accepted = append(c.accepted, *op)
	if op.Kind == berth.Place {
		c.accepted[len(c.accepted)-1].Grant = grant
	}
	return why
}

// part begins the list of what was accepted: it is no longer the plan's.
func (c *commit) part() {
	if c.accepted == nil {
		c.accepted = append(make([]berth.Op, 0, len(c.plan.Ops)), c.plan.Ops[:c.whole]...)
	}
}

func (c *commit) refuse(i int, why berth.Reason) {
	c.part()
	c.refused = append(c.refused, cluster.Refusal{Op: c.plan.Ops[i], Reason: why})
}

// done returns the operations that were done.
func (c *commit) done() []berth.Op {
	if c.accepted == nil {
		return c.plan.Ops[:c.whole]
	}
	return c.accepted
}

// placed returns the placements that were done: the plan's own slice where it is that.
func (c *commit) placed() []berth.Op {
	done := c.done()
	n := 0
	for n < len(done) && done[n].Kind == berth.Place {
		n++
	}
	placed := slices.Clip(done[:n])
	for i := n; i < len(done); i++ {
		if op := &done[i]; op.Kind == berth.Place {
			placed = append(placed, *op)
		}
	}
	return placed
}

// together is what stands or falls together, on its way into a live cluster.
type together struct {
	*whole.Unit
	begun bool
	out   bool // it is left out
	at    int  // the operation that failed, if it was one
	why   berth.Reason
	from  mark // before the first of its operations
}

// mark is where a commit stood.
type mark struct {
	at, whole, refused int
	accepted           int // -1 if there was no list of it yet
	live               store.Point
}

// runTogether does the operations. When one of what stands or falls together fails, it takes back what was done since
// before the first of those, and goes on from there without them. Planners put them side by side, so little is done twice.
func (c *commit) runTogether(l *live, units []*whole.Unit) {
	all := map[*whole.Unit]*together{}
	var begun []*together // in the order in which they began
	for i := 0; i < len(c.plan.Ops); i++ {
		l.prefetch(c.plan.Ops, c.picks, i)
		u := units[i]
		if u == nil {
			if why := c.step(l, i); why.Code != berth.None {
				c.refuse(i, why)
			}
			continue
		}
		g := all[u]
		if g == nil {
			g = &together{Unit: u}
			all[u] = g
		}
		switch {
		case g.out && g.at == i:
			c.refuse(i, g.why)
			continue
		case g.out:
			c.refuse(i, u.Rest(&c.plan.Ops[i], &c.plan.Ops[g.at], g.why))
			continue
		case !g.begun:
			g.begun, begun = true, append(begun, g)
			g.from = mark{i, c.whole, len(c.refused), len(c.accepted), l.store.Point()}
			if c.accepted == nil {
				g.from.accepted = -1
			}
		}
		at, why := i, c.step(l, i)
		if why.Code == berth.None && i == u.Last {
			at, why = c.tooFew(l, u)
		}
		if why.Code == berth.None {
			continue
		}
		g.out, g.at, g.why = true, at, why
		m := g.from
		l.undo(m.live)
		c.whole, c.refused = m.whole, c.refused[:m.refused]
		if m.accepted < 0 {
			c.accepted = nil
		} else {
			c.accepted = c.accepted[:m.accepted]
		}
		for k := len(begun); k > 0 && begun[k-1].from.at >= m.at; k-- {
			begun[k-1].begun, begun = false, begun[:k-1] // it began on the way that is abandoned
		}
		i = m.at - 1
	}
}

// tooFew says that a gang, all of whose placements are done, has fewer tasks than its size, and at which of them.
func (c *commit) tooFew(l *live, u *whole.Unit) (int, berth.Reason) {
	if c.picks != nil && len(c.refused) == 0 {
		return 0, berth.Reason{}
	}
	for _, gang := range u.Gangs {
		if gang.Size == 0 {
			continue
		}
		if n := standing(&l.store.View, gang.Name); n < gang.Size {
			return gang.Last, berth.Reason{Code: berth.GangIncomplete, Subject: fmt.Sprintf("%d of %d", n, gang.Size)}
		}
	}
	return 0, berth.Reason{}
}

// lapsed reports whether a hold would be over before it began. No deadline at all is another fault.
func lapsed(h *berth.Hold, now time.Time) bool {
	return !h.Deadline.IsZero() && store.DeadlineOf(h.Deadline) <= store.Reached(now)
}

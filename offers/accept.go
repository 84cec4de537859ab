package offers

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// find returns the named offers, or an error that names each which cannot be answered.
func (s *Subscription) find(ids []string) ([]*offer, error) {
	var errs []error
	var found []*offer
	named := make(map[string]bool, len(ids))
	for _, id := range ids {
		o, _ := s.x.offers.get(id)
		again := named[id]
		named[id] = true
		switch {
		case again:
			errs = append(errs, fmt.Errorf("offer %q: named twice", id))
		case o == nil && s.x.ended.isOver(id):
			errs = append(errs, s.x.ended.why(id))
		case o == nil:
			errs = append(errs, fmt.Errorf("offer %q: %w", id, ErrUnknownOffer))
		case o.sub.client.name == s.client.name && o.sub != s:
			errs = append(errs, fmt.Errorf("offer %q: role %q: %w", id, string(o.sub.client.role), ErrOtherRole))
		case o.sub != s:
			errs = append(errs, fmt.Errorf("offer %q: %w", id, ErrForeign))
		}
		found = append(found, o)
	}
	return found, errors.Join(errs...)
}

// Decline gives offers back, with a filter. It fails, having done nothing, if one of them cannot be answered.
func (s *Subscription) Decline(ctx context.Context, ids []string, f Filter) error {
	return s.do(ctx, "decline", func() error {
		offers, err := s.find(ids)
		if err := errors.Join(err, f.Err()); err != nil {
			return err
		}
		plan := &cluster.Plan{Version: s.x.snapshot.Version(), Ops: make([]berth.Op, 0, len(offers))}
		rests := make([]*stock, len(offers))
		c := &own{sub: s}
		for i, o := range offers {
			plan.Drop(o.id)
			if hold, ok := s.x.hold(o); ok {
				if rests[i] = s.x.costOf(o, hold, o.site); rests[i] == nil {
					rests[i] = s.x.stocks.of(nil)
				}
				c.back = append(c.back, giveBack{o.site, rests[i]})
			}
		}
		if c.done, err = s.x.commit(ctx, plan); err != nil {
			return err
		}
		if len(c.done.Refused) > 0 {
			c = nil
		}
		s.answered(offers, rests, f)
		s.x.hear(s, Answers{Declined: len(offers)})
		s.x.afterwards(ctx, c)
		return nil
	})
}

// answered tells that the source was made to end offers, and filters what was left of them.
func (s *Subscription) answered(offers []*offer, rests []*stock, f Filter) {
	s.x.resume(s)
	for i, o := range offers {
		s.x.answer(o)
		s.x.filter(s, o.site, rests[i], f)
	}
}

// Accept answers offers with the operations of a plan, which draw on these offers and nothing else:
// any number of offers, on any nodes. What is not used is given back, with a filter. The plan's version does not matter.
//
// A plan that places tasks and does nothing else is done as far as it can be: the offers are
// answered whatever becomes of the tasks; a task for which they have no room, or that breaks a rule, is among
// the refused. The groups of [cluster.Plan.Together] are placed whole or not at all.
//
// A plan can reserve room besides, with [cluster.Plan.Take] of a Hold with a lease of [berth.Reserved], and give back with [cluster.Plan.Drop] what
// is reserved. Such a plan, and one that is [cluster.Plan.Whole], is done in its order, all of it or nothing: where anything is refused,
// each operation is among the refused, with a reason of its own or with [berth.NotWhole], and the offers are as they were. Room is reserved for
// the framework's role or one below it, for everybody there or, with the framework's name as its Owner, for the framework; what the role has on the node
// then, tasks that are placed in the same plan included, counts towards it. The framework may give back what is reserved so, whoever
// has reserved it, and needs no offer for that. Room that is reserved and not used is offered to the role again by the next pass, whatever
// the filter. The outcome lists no reservations: where nothing is refused, they were made.
//
// It fails, having done nothing, with every fault of the offers, the filter and the plan: an offer that
// cannot be answered, another operation, a task or a hold at fault or of a role that is not the framework's.
func (s *Subscription) Accept(ctx context.Context, ids []string, p *cluster.Plan, f Filter) (*cluster.Outcome, error) {
	var out *cluster.Outcome
	err := s.do(ctx, "accept", func() error {
		offers, err := s.find(ids)
		if err := errors.Join(err, f.Err(), s.checkAnswer(p)); err != nil {
			return err
		}
		if isWhole(p) {
			out, err = s.acceptWhole(ctx, offers, p, f)
			return err
		}
		plan, rests, refused := s.untried(offers, p), []*stock(nil), []cluster.Refusal(nil)
		plain := plan != nil
		if !plain {
			plan, rests, refused = s.try(offers, p)
		}
		s.x.claim(s, plan)
		done, err := s.x.commit(ctx, plan)
		if err != nil {
			return err
		}
		s.x.confirm(s, done)
		out = &cluster.Outcome{Placed: slices.Clone(done.Placed), Refused: append(refused, places(done.Refused)...), Unplaced: done.Unplaced}
		for i := range out.Placed {
			out.Placed[i].From = ""
		}
		if plain {
			rests = s.restsOf(offers, done.Placed)
		}
		var c *own
		if places := plan.Ops[:len(plan.Ops)-len(offers)]; len(done.Refused) == 0 && s.x.drawsOnly(places) {
			c = &own{sub: s, done: done}
			for i, o := range offers {
				c.back = append(c.back, giveBack{o.site, rests[i]})
			}
		}
		s.answered(offers, rests, f)
		s.x.hear(s, Answers{Accepted: len(offers), Placed: len(out.Placed), Refused: len(out.Refused)})
		s.x.afterwards(ctx, c)
		out.Version = s.book.moved(done)
		return nil
	})
	return out, err
}

func (s *Subscription) checkAnswer(p *cluster.Plan) error {
	if p == nil {
		return errors.New("no plan")
	}
	var errs []error
	if len(p.Parts) > 0 {
		errs = append(errs, errors.New("a plan of parts is committed to the Book, which does each whole"))
	}
	for i := range p.Ops {
		errs = append(errs, s.checkOp(&p.Ops[i]))
	}
	return errors.Join(errs...)
}

// untried returns a plan that draws the places on the offers and drops what is left of them, where the source does with it what try would find out;
// nil where that is not sure. Each of the tasks asks for amounts only, and is to be on a node of which the framework has one of the offers and nothing
// else, and no task or role elsewhere has a say.
func (s *Subscription) untried(offers []*offer, p *cluster.Plan) *cluster.Plan {
	x := s.x
	if x.cfg.Lease != berth.Exclusive || len(p.Together) > 0 || x.view.Limited() > 0 || x.view.Reserved() > 0 || x.view.HasCounters() {
		return nil
	}
	for _, o := range offers {
		if held := s.holdsOn(o.site.id); len(held) != 1 || held[0] != o.id {
			return nil
		}
	}
	plan := &cluster.Plan{Version: cluster.Version(x.view.Version()), Unplaced: p.Unplaced, Deadline: p.Deadline, Ops: make([]berth.Op, 0, len(p.Ops)+len(offers))}
	offered := make(map[string]bool, len(offers)) // nodes
	for _, o := range offers {
		offered[o.site.id] = true
	}
	last := ""
	for _, op := range p.Ops {
		if !op.Task.Group.Requirements().AmountsOnly || op.Node != last && !offered[op.Node] {
			return nil
		}
		last = op.Node
		op.From, op.Owner, op.Grant = s.from(op.Task.Group), x.own(s), nil
		plan.Ops = append(plan.Ops, op)
	}
	for _, o := range offers {
		plan.Drop(o.id)
	}
	return plan
}

// restsOf returns what is left of offers, each the framework's only one of its node, with tasks that ask for amounts only.
func (s *Subscription) restsOf(offers []*offer, placed []berth.Op) []*stock {
	rests := make([]*stock, len(offers))
	at := make(map[string]berth.Resources, len(offers))
	for _, o := range offers {
		if hold, ok := s.x.hold(o); ok {
			at[o.site.id] = s.x.amounts(hold, o.site).Clone()
		}
	}
	for i := range placed {
		rest := at[placed[i].Node]
		if rest == nil {
			continue // a source that is not asked to has placed it elsewhere
		}
		for _, need := range placed[i].Task.Group.Requirements().Needs {
			rest[need.Name] -= need.Amount
		}
	}
	for i, o := range offers {
		rests[i] = s.x.stocks.of(at[o.site.id])
	}
	return rests
}

// try finds out which places the offers have room for. The plan it returns draws those on the offers, with the devices
// and ports they were found to get, and drops what is left of the offers. Where the framework has other offers of a
// node, which it could draw on as well, the plan drops the named ones first and places on the room that is free then.
func (s *Subscription) try(offers []*offer, p *cluster.Plan) (plan *cluster.Plan, rests []*stock, refused []cluster.Refusal) {
	trial := s.x.snapshot.Fork()
	named := map[string]bool{}
	plan = &cluster.Plan{Version: s.x.snapshot.Version(), Unplaced: p.Unplaced, Together: p.Together, Deadline: p.Deadline}
	for _, o := range offers {
		named[o.id] = true
	}
	shared := map[string]bool{} // nodes, by whether there are other offers of them
	for _, op := range p.Ops {
		if _, known := shared[op.Node]; known {
			continue
		}
		shared[op.Node] = false
		for _, id := range s.holdsOn(op.Node) {
			if !named[id] {
				trial.Apply(berth.Op{Kind: berth.Drop, ID: id})
				shared[op.Node] = true
			}
		}
	}
	for _, o := range offers {
		if shared[o.site.id] {
			plan.Drop(o.id)
		}
	}
	together := make(map[string]bool, len(p.Together))
	for _, name := range p.Together {
		together[name] = true
	}
	broken := map[string]bool{} // groups of which a task was refused
	var done []berth.Op
	for _, op := range p.Ops {
		op.From, op.Owner = s.from(op.Task.Group), s.x.own(s)
		got, why := apply(trial, op)
		got.From, op.From = "", ""
		if why.Code != berth.None {
			refused = append(refused, cluster.Refusal{Op: op, Reason: why})
			broken[op.Task.Group.Name()] = true
			continue
		}
		done = append(done, got)
	}
	for _, op := range done {
		if g := op.Task.Group; broken[g.Name()] && together[g.Name()] {
			trial.Apply(berth.Op{Kind: berth.Release, ID: op.Task.ID})
			refused = append(refused, cluster.Refusal{Op: op, Reason: berth.Reason{Code: berth.GangIncomplete, Subject: "not all of " + g.Name()}})
			continue
		}
		if !shared[op.Node] {
			op.From = s.from(op.Task.Group)
		}
		plan.Ops = append(plan.Ops, op)
	}
	for _, o := range offers {
		if !shared[o.site.id] {
			plan.Drop(o.id)
		}
		var rest berth.Resources
		if h, ok := trial.Hold(o.id); ok {
			rest = s.x.amounts(&h, o.site)
		}
		rests = append(rests, s.x.stocks.of(rest))
	}
	return plan, rests, refused
}

// apply does an operation on a fork. A rule that panics is the fault of the task's group, and of nobody else.
func apply(f *cluster.Fork, op berth.Op) (got berth.Op, why berth.Reason) {
	defer func() {
		if fault := recover(); fault != nil {
			got, why = op, berth.Reason{Code: berth.Invalid, Subject: fmt.Sprintf("a rule panicked: %v", fault)}
		}
	}()
	return f.Apply(op)
}

// holdsOn returns the IDs of all that is held for the framework on a node.
func (s *Subscription) holdsOn(node string) []string {
	at, ok := s.x.sites.get(node)
	if !ok {
		return nil
	}
	var ids []string
	for _, r := range s.x.view.HoldsOn(at.row) {
		if h := r.Extra.Hold; h.Owner == s.owner && h.Lease != berth.Reserved {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// places leaves out refusals of other operations: an offer that went away by itself needs no drop.
func places(refused []cluster.Refusal) []cluster.Refusal {
	var out []cluster.Refusal
	for _, r := range refused {
		if r.Op.Kind == berth.Place {
			r.Op.From = ""
			out = append(out, r)
		}
	}
	return out
}

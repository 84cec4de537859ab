package offers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
	"github.com/berth-sched/berth/internal/whole"
)

// An answer that is to be done whole, because it says so or does more than place tasks, is first done on a fork on which nothing of its
// nodes is free but what the named offers are of: what fits there, in its order, is covered by them. Only then the source is asked, to drop
// the offers and do the same, all of it or nothing.

// isWhole reports whether all of an answer is to be done or nothing.
func isWhole(p *cluster.Plan) bool {
	return p.Whole || slices.ContainsFunc(p.Ops, func(op berth.Op) bool { return op.Kind != berth.Place })
}

// checkOp returns what is wrong with an operation of an answer.
func (s *Subscription) checkOp(op *berth.Op) error {
	switch op.Kind {
	case berth.Place:
		switch {
		case op.Task.Err() != nil:
			return op.Task.Err()
		case op.Task.ID == "":
			return fmt.Errorf("group %q: the demand of a daemon is not a task", op.Task.Group.Name())
		case !op.Task.Group.Role().Within(s.client.role):
			return fmt.Errorf("task %q: role %q is not at or below %q", op.Task.ID, string(op.Task.Group.Role()), string(s.client.role))
		}
	case berth.Take:
		h := op.Hold
		switch {
		case h.Err() != nil:
			return h.Err()
		case h.Lease != berth.Reserved:
			return fmt.Errorf("hold %q: a framework makes no holds but reservations", h.ID)
		case !h.Role.Within(s.client.role):
			return fmt.Errorf("hold %q: role %q is not at or below %q", h.ID, string(h.Role), string(s.client.role))
		case h.Owner != "" && h.Owner != s.client.name:
			return fmt.Errorf("hold %q: owner %q is not the framework, %q", h.ID, h.Owner, s.client.name)
		}
	case berth.Drop:
		if op.ID == "" {
			return errors.New("drop: no ID")
		}
	default:
		return fmt.Errorf("%v: on offers tasks are placed, and room is reserved and given back", op)
	}
	return nil
}

// acceptWhole answers offers with a plan of which all is done or nothing. If nothing is done the offers are as they were.
func (s *Subscription) acceptWhole(ctx context.Context, offers []*offer, p *cluster.Plan, f Filter) (*cluster.Outcome, error) {
	x := s.x
	plan, refused := s.rehearse(offers, p)
	if len(refused) > 0 {
		x.hear(s, Answers{Refused: len(refused)})
		return &cluster.Outcome{Version: s.book.version(), Refused: refused, Unplaced: p.Unplaced}, nil
	}
	x.claim(s, plan)
	done, err := x.commit(ctx, plan)
	if err != nil {
		return nil, err
	}
	x.confirm(s, done)
	out := &cluster.Outcome{Placed: slices.Clone(done.Placed), Refused: asGiven(p.Ops, plan.Ops, done.Refused), Unplaced: p.Unplaced}
	if len(done.Refused) == 0 {
		if slices.ContainsFunc(p.Ops, func(op berth.Op) bool { return op.Kind == berth.Take && !isZero(op.Hold.Resources) }) {
			s.use()
		}
		s.answered(offers, x.unspent(offers, p), f)
		x.hear(s, Answers{Accepted: len(offers), Placed: len(out.Placed)})
	} else {
		x.hear(s, Answers{Refused: len(out.Refused)})
	}
	x.afterwards(ctx, nil)
	out.Version = s.book.moved(done)
	return out, nil
}

// rehearse finds out whether the offers cover all of a plan. It returns the plan for the source, which drops the offers first, or the
// operations that could not be done: all of them then.
func (s *Subscription) rehearse(offers []*offer, p *cluster.Plan) (plan *cluster.Plan, refused []cluster.Refusal) {
	x := s.x
	plan = &cluster.Plan{
		Version: x.snapshot.Version(), Ops: make([]berth.Op, 0, len(offers)+len(p.Ops)),
		Unplaced: p.Unplaced, Together: p.Together, Whole: true, Deadline: p.Deadline,
	}
	trial := x.snapshot.Fork()
	s.enclose(trial, offers, p)
	for _, o := range offers {
		plan.Drop(o.id)
	}
	owner := x.own(s)
	why := make([]berth.Reason, len(p.Ops))
	for i, op := range p.Ops {
		switch op.Kind {
		case berth.Place:
			op.From, op.Owner = "", owner
		case berth.Take:
			op.Hold = op.Hold.Clone()
			if op.Hold.Owner != "" {
				op.Hold.Owner = owner
			}
		case berth.Drop:
			why[i] = s.mayDrop(trial, op.ID)
		}
		if why[i].Code == berth.None {
			op, why[i] = apply(trial, op)
		}
		if why[i].Code == berth.None {
			why[i] = x.withinPorts(offers, &op)
		}
		why[i] = notCovered(why[i])
		plan.Ops = append(plan.Ops, op)
	}
	failed := slices.IndexFunc(why, func(r berth.Reason) bool { return r.Code != berth.None })
	if failed < 0 {
		return plan, nil
	}
	unit := &whole.Unit{Part: "the plan", Named: true}
	for i := range p.Ops {
		if why[i].Code == berth.None {
			why[i] = unit.Rest(&p.Ops[i], &p.Ops[failed], why[failed])
		}
		refused = append(refused, cluster.Refusal{Op: p.Ops[i], Reason: why[i]})
	}
	return nil, refused
}

// enclose takes all that is free of the nodes of a plan and of offers, and all that is idle of what is reserved there, what else is offered
// there included, and gives back the offers: what is free then is what they are of.
func (s *Subscription) enclose(trial *cluster.Fork, offers []*offer, p *cluster.Plan) {
	fork := (*checked.Fork)(trial)
	var nodes []string
	named := make(map[string]bool, len(offers))
	for _, o := range offers {
		named[o.id] = true
		nodes = append(nodes, o.site.id)
		fork.Firm(o.id)
	}
	given := make(map[string]bool) // IDs of holds
	for i := range p.Ops {
		switch op := &p.Ops[i]; op.Kind {
		case berth.Place:
			nodes = append(nodes, op.Node)
		case berth.Take:
			nodes = append(nodes, op.Hold.Node)
			given[op.Hold.ID] = true
		}
	}
	slices.Sort(nodes)
	ports := slices.ContainsFunc(p.Ops, func(op berth.Op) bool {
		return op.Kind == berth.Place && op.Task.Group.Requirements().UsesPorts()
	})
	made := 0
	keep := func(h berth.Hold, take func(*berth.Hold) berth.Reason) {
		h.Deadline, h.Owner = always, cmp.Or(h.Owner, "others")
		for {
			h.ID = fmt.Sprintf("others-%d", made)
			made++
			if _, taken := trial.Hold(h.ID); !taken && !given[h.ID] {
				break
			}
		}
		take(&h)
	}
	for _, id := range slices.Compact(nodes) {
		node, ok := trial.Node(id)
		if !ok {
			continue
		}
		if at, ok := s.x.sites.get(id); ok {
			for _, o := range at.offers {
				if !named[o.id] {
					trial.Apply(berth.Op{Kind: berth.Drop, ID: o.id}) // or a reservation could be of it
				}
			}
		}
		view, row := store.Ref(node).At()
		for _, idle := range slices.Collect(view.ReservesOn(row).Unused()) {
			h := berth.Hold{Node: id, Role: idle.Role, Owner: idle.Owner, Resources: berth.Resources{}}
			for _, n := range idle.Needs { // less where the node has become smaller
				h.Resources[view.Dims()[n.Dim]] = max(0, min(n.Amount, view.RoomOf(row, n.Dim, h.Role, h.Owner)))
			}
			keep(h, func(h *berth.Hold) berth.Reason {
				_, why := trial.Apply(berth.Op{Kind: berth.Take, Hold: h})
				return why
			})
		}
		all := freeAmounts(view, row)
		if ports {
			all.Ports = freePorts(node.Node().Ports, view.Node(row).Ports)
		}
		keep(all, fork.SetAside)
	}
	for _, o := range offers {
		trial.Apply(berth.Op{Kind: berth.Drop, ID: o.id})
	}
}

// withinPorts says which port that a task gets no offer has: where others have a part of a port, for one protocol, nothing of it is offered, and the rest is
// free on the fork all the same.
func (x *Exchange) withinPorts(offers []*offer, op *berth.Op) berth.Reason {
	if op.Kind != berth.Place || op.Grant == nil {
		return berth.Reason{}
	}
	for _, p := range op.Grant.Ports {
		if !slices.ContainsFunc(offers, func(o *offer) bool {
			h, ok := x.hold(o)
			return ok && o.site.id == op.Node && slices.ContainsFunc(store.PortsOf(h.Ports, p.Number), func(of berth.Port) bool { return of.Covers(p) })
		}) {
			return berth.Reason{Code: berth.NotHeld, Subject: p.String()}
		}
	}
	return berth.Reason{}
}

// mayDrop says why a framework may not give back what is held: it may what is reserved for its role or below it, for everybody or in
// its own name.
func (s *Subscription) mayDrop(trial *cluster.Fork, id string) berth.Reason {
	h, ok := trial.Hold(id)
	switch {
	case !ok || h.Lease != berth.Reserved:
		return berth.Reason{Code: berth.UnknownHold, Subject: id}
	case !h.Role.Within(s.client.role):
		return berth.Reason{Code: berth.Denied, Subject: fmt.Sprintf("role %q is not at or below %q", string(h.Role), string(s.client.role))}
	case h.Owner != "" && h.Owner != s.x.own(s):
		return berth.Reason{Code: berth.Denied, Subject: fmt.Sprintf("reserved for %q", h.Owner)}
	}
	return berth.Reason{}
}

// notCovered says of room that is lacking that the offers do not have it.
func notCovered(why berth.Reason) berth.Reason {
	if fit.WaitsForRoom([]berth.Lack{{Reason: why}}) {
		why.Code = berth.NotHeld
	}
	return why
}

// unspent returns what of each offer a plan has not used, for filters: of several of one node the first has it all.
func (x *Exchange) unspent(offers []*offer, p *cluster.Plan) []*stock {
	left := map[string]berth.Resources{}
	for _, o := range offers {
		if hold, ok := x.hold(o); ok {
			for name, q := range x.amounts(hold, o.site) {
				left[o.site.id] = with(left[o.site.id], name, q)
			}
		}
	}
	spend := func(node string, cost berth.Resources) {
		for name, q := range cost {
			if was, ok := left[node][name]; ok {
				left[node][name] = max(was-q, 0)
			}
		}
	}
	for i := range p.Ops {
		switch op := &p.Ops[i]; op.Kind {
		case berth.Place:
			spend(op.Node, op.Task.Group.Cost())
		case berth.Take:
			spend(op.Hold.Node, op.Hold.Cost())
		}
	}
	rests := make([]*stock, len(offers))
	for i, o := range offers {
		rests[i] = x.stocks.of(left[o.site.id])
		delete(left, o.site.id)
	}
	return rests
}

// asGiven returns the refusals of operations that were given with the operations as they were. They were handed on behind others, whose refusals
// are left out.
func asGiven(given, handed []berth.Op, refused []cluster.Refusal) []cluster.Refusal {
	var out []cluster.Refusal
	first, at := len(handed)-len(given), 0
	for i := range refused {
		for k := at; k < len(handed); k++ {
			if isSameOp(&handed[k], &refused[i].Op) {
				if k >= first {
					out = append(out, cluster.Refusal{Op: given[k-first], Reason: refused[i].Reason})
				}
				at = k + 1
				break
			}
		}
	}
	return out
}

// isSameOp reports whether two operations do the same to the same thing, so far as a plan has not both.
func isSameOp(a, b *berth.Op) bool {
	return a.Kind == b.Kind && a.ID == b.ID && a.Node == b.Node && a.Task == b.Task && (a.Hold == nil) == (b.Hold == nil) &&
		(a.Hold == nil || a.Hold.ID == b.Hold.ID)
}

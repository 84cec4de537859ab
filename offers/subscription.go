package offers

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// Framework is who offers are made to: a scheduler of its own, with a role that pays.
type Framework struct {
	// Name is unique in the Exchange. It owns the framework's holds.
	Name string
	// Role is the tenant that is charged. The framework's tasks are of this role or of one below it; those of
	// other frameworks in the role are in its Book too. The default is the root role, below which everything is.
	Role berth.Role
	// Demand is what the framework wants, as Subscription.Want would declare it. None is plain Mesos: the
	// framework declares nothing, and is offered all that is free on a node.
	Demand []Demand
	// Blind makes the Book show only the nodes that are offered and those of the role's tasks, as Mesos
	// does. Rules about domains then know no others.
	Blind bool
}

// Filter says how a framework wants to be spared what it did not take. Until it expires by the
// clock, the node is not offered to the framework again, unless it has more of something than was declined.
// Filters go when the framework revives or the node is described anew.
type Filter struct {
	// For is how long. 0 is no filter.
	For time.Duration
}

// DefaultFilter is how long Mesos filters for a framework that does not say: 5 seconds.
const DefaultFilter = 5 * time.Second

// Err returns what is wrong with the filter, or nil.
func (f Filter) Err() error {
	if f.For < 0 {
		return fmt.Errorf("filter for %v: negative", f.For)
	}
	return nil
}

// refusal is a filter of one node: what was declined, until when.
type refusal struct {
	what  berth.Resources
	until time.Time
}

// Subscription is a framework's side of an Exchange. It may be used by any number of goroutines.
type Subscription struct {
	x      *Exchange
	client client
	book   *Book

	// Guarded by the mutex of the Exchange:
	gone       bool
	suppressed bool
	declared   bool
	demand     []Demand
	filters    map[uint32][]refusal // by row of the source
	offers     map[string]*offer
	planned    int    // offers that the pass at work means to make
	passed     uint64 // the last occasion on which nothing more of a node was wanted
}

// Subscribe makes a framework known, which takes part from the next pass on. It fails with every fault of
// the framework, or if one of its name has subscribed.
func (x *Exchange) Subscribe(f Framework) (*Subscription, error) {
	probe := berth.Hold{ID: "x", Owner: f.Name, Node: "x", Deadline: time.Unix(1, 0)}
	errs := []error{probe.Err(), f.Role.Err(), checkDemand(f.Demand, f.Role)}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.names[f.Name] != nil {
		errs = append(errs, ErrSubscribed)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("offers: subscribe %q: %w", f.Name, err)
	}
	s := &Subscription{
		x:        x,
		client:   client{f.Role, f.Name},
		declared: len(f.Demand) > 0,
		demand:   slices.Clone(f.Demand),
		filters:  map[uint32][]refusal{},
		offers:   map[string]*offer{},
	}
	s.book = newBook(s, f.Blind)
	if err := x.cfg.Order.Add(f.Role, f.Name); err != nil {
		return nil, fmt.Errorf("offers: subscribe %q: %w", f.Name, err)
	}
	x.names[f.Name], x.subs[s.client] = s, s
	x.freshenAll()
	return s, nil
}

// checkDemand returns every fault of what a framework of a role wants, joined, or nil.
func checkDemand(demand []Demand, role berth.Role) error {
	var errs []error
	named := map[string]bool{}
	for _, d := range demand {
		if err := d.Group.Err(); err != nil {
			errs = append(errs, fmt.Errorf("demand: %w", err))
			continue
		}
		if named[d.Group.Name()] { // each would count the other's tasks as its own
			errs = append(errs, fmt.Errorf("demand %q: given twice", d.Group.Name()))
		}
		named[d.Group.Name()] = true
		errs = append(errs, d.check(role))
	}
	return errors.Join(errs...)
}

func (d Demand) check(role berth.Role) error {
	var errs []error
	if !within(role, d.Group.Role()) {
		errs = append(errs, fmt.Errorf("demand %q: role %q is not at or below %q", d.Group.Name(), string(d.Group.Role()), string(role)))
	}
	if d.Count < 0 {
		errs = append(errs, fmt.Errorf("demand %q: count %d is negative", d.Group.Name(), d.Count))
	}
	if d.Count > 0 && d.Group.Mode() == berth.Daemon {
		errs = append(errs, fmt.Errorf("demand %q: count %d of a daemon, which is wanted once on every node", d.Group.Name(), d.Count))
	}
	return errors.Join(errs...)
}

// within reports whether a role is r or below it.
func within(r, role berth.Role) bool {
	return r == "" || role == r || strings.HasPrefix(string(role), string(r)+"/")
}

// Book returns what the framework was offered as a source of capacity; always the same Book.
func (s *Subscription) Book() *Book { return s.book }

// do runs f under the mutex of the Exchange, once leases that ended are gone.
func (s *Subscription) do(ctx context.Context, what string, f func() error) error {
	s.x.mu.Lock()
	defer s.x.mu.Unlock()
	err := s.err()
	if err == nil {
		_, err = s.x.expire(ctx)
	}
	if err == nil {
		err = f()
	}
	if err != nil {
		return fmt.Errorf("offers: %s: framework %q: %w", what, s.client.name, err)
	}
	return nil
}

func (s *Subscription) err() error {
	if s.gone {
		return ErrUnsubscribed
	}
	return nil
}

// Want declares what the framework wants to run from now on, instead of what it declared before. With
// no demand it wants nothing, and is offered nothing; that is for frameworks to say when they are idle. Offers
// already made stay. It fails with every fault of the demand.
func (s *Subscription) Want(demand ...Demand) error {
	faults := checkDemand(demand, s.client.role)
	s.x.mu.Lock()
	defer s.x.mu.Unlock()
	if err := errors.Join(faults, s.err()); err != nil {
		return fmt.Errorf("offers: want: framework %q: %w", s.client.name, err)
	}
	s.declared, s.demand = true, slices.Clone(demand)
	return nil
}

// Snapshot returns all of the source as if the framework's offers were free, for reports: scheduler.CoverageOf
// tells from it where the framework's daemon stands, with the nodes pending on which its room is offered
// and not used yet. O(nodes that changed) and O(offers).
func (s *Subscription) Snapshot(ctx context.Context) (*cluster.Snapshot, error) {
	var snapshot *cluster.Snapshot
	err := s.do(ctx, "snapshot", func() error {
		fork := s.x.snapshot.Fork()
		for _, o := range s.inOrder() {
			fork.Apply(berth.Op{Kind: berth.Drop, ID: o.id})
		}
		snapshot = fork.Snapshot()
		return nil
	})
	return snapshot, err
}

// Offers returns the offers that the framework has and has not answered, the earliest made first, each with
// what is left of it.
func (s *Subscription) Offers(ctx context.Context) ([]berth.Offer, error) {
	var out []berth.Offer
	err := s.do(ctx, "list", func() error {
		for _, o := range s.inOrder() {
			hold, ok := s.x.hold(o)
			if !ok {
				continue
			}
			node := s.x.view.Node(o.row).Node.Spec
			offer := berth.Offer{Hold: *hold, Role: s.client.role, Attributes: maps.Clone(node.Attributes)}
			offer.Resources = hold.Resources.Clone()
			offer.Devices = slices.Clone(hold.Devices)
			offer.Ports = slices.Clone(hold.Ports)
			out = append(out, offer)
		}
		return nil
	})
	return out, err
}

// owner returns whose holds the tasks of a group draw on.
func (s *Subscription) owner(g *berth.Group) string {
	if takesNothing(g) {
		return ""
	}
	return s.client.name
}

func (s *Subscription) inOrder() []*offer {
	return slices.SortedFunc(maps.Values(s.offers), func(a, b *offer) int {
		if a.number < b.number {
			return -1
		}
		return 1
	})
}

// find returns the named offers, or an error that names each which cannot be answered.
func (s *Subscription) find(ids []string) ([]*offer, error) {
	var errs []error
	var found []*offer
	for i, id := range ids {
		o := s.x.offers[id]
		switch {
		case slices.Contains(ids[:i], id):
			errs = append(errs, fmt.Errorf("offer %q: named twice", id))
		case o == nil && s.x.ended.has(id):
			errs = append(errs, fmt.Errorf("offer %q: %w", id, ErrExpired))
		case o == nil:
			errs = append(errs, fmt.Errorf("offer %q: %w", id, ErrUnknownOffer))
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
		plan := &berth.Plan{Version: s.x.snapshot.Version()}
		rests := make([]berth.Resources, len(offers))
		for i, o := range offers {
			plan.Drop(o.id)
			if hold, ok := s.x.hold(o); ok {
				rests[i] = s.x.amounts(hold, o.row).Clone()
			}
		}
		if _, err := s.x.source.Commit(ctx, plan); err != nil {
			return err
		}
		s.answered(ctx, offers, rests, f)
		return nil
	})
}

// answered ends offers and filters what was left of them.
func (s *Subscription) answered(ctx context.Context, offers []*offer, rests []berth.Resources, f Filter) {
	for _, o := range offers {
		s.x.finish(o, false)
	}
	s.x.catchUp(ctx)
	until := s.x.cfg.Clock().Add(f.For)
	for i, o := range offers {
		if f.For > 0 && rests[i] != nil {
			s.filters[o.row] = append(s.filters[o.row], refusal{rests[i], until})
			s.x.alarms.set(alarm{at: until, row: o.row})
		}
	}
}

func (s *Subscription) hasFilter(row uint32) bool { return len(s.filters[row]) > 0 }

// refuses reports whether a filter covers all of what a node could be offered with. It forgets those
// that have expired.
func (s *Subscription) refuses(row uint32, what berth.Resources, now time.Time) bool {
	filters := s.filters[row]
	if len(filters) == 0 {
		return false
	}
	filters = slices.DeleteFunc(filters, func(r refusal) bool { return !now.Before(r.until) })
	if len(filters) == 0 {
		delete(s.filters, row)
		return false
	}
	s.filters[row] = filters
	return slices.ContainsFunc(filters, func(r refusal) bool { return r.what.Covers(what) })
}

// Accept answers offers with the Place operations of a plan, which draw on these offers and nothing else:
// any number of offers, on any nodes. What the tasks do not use is given back, with a filter. The offers are
// answered whatever becomes of the tasks; a task for which they have no room, or that breaks a rule, is among
// the refused. The groups of [berth.Plan.Together] are placed whole or not at all. The plan's version does not
// matter.
//
// It fails, having done nothing, with every fault of the offers, the filter and the plan: an offer that
// cannot be answered, an operation that is not Place, a task at fault or of a role that is not the framework's.
func (s *Subscription) Accept(ctx context.Context, ids []string, p *berth.Plan, f Filter) (*berth.Outcome, error) {
	var out *berth.Outcome
	err := s.do(ctx, "accept", func() error {
		offers, err := s.find(ids)
		if err := errors.Join(err, f.Err(), s.checkPlaces(p)); err != nil {
			return err
		}
		plan, rests, refused := s.try(offers, p)
		if out, err = s.x.source.Commit(ctx, plan); err != nil {
			return err
		}
		out = &berth.Outcome{Placed: slices.Clone(out.Placed), Refused: append(refused, places(out.Refused)...), Unplaced: out.Unplaced}
		for _, op := range out.Placed {
			s.x.tasks[op.Task.ID] = s
		}
		s.answered(ctx, offers, rests, f)
		_ = s.book.sync() // the next snapshot tells
		out.Version = s.book.fork.Version()
		return nil
	})
	return out, err
}

func (s *Subscription) checkPlaces(p *berth.Plan) error {
	if p == nil {
		return errors.New("no plan")
	}
	var errs []error
	for _, op := range p.Ops {
		switch {
		case op.Kind != berth.Place:
			errs = append(errs, fmt.Errorf("%v: only tasks can be placed on offers", op))
		case op.Task.Err() != nil:
			errs = append(errs, op.Task.Err())
		case op.Task.ID == "":
			errs = append(errs, fmt.Errorf("group %q: the demand of a daemon is not a task", op.Task.Group.Name()))
		case !within(s.client.role, op.Task.Group.Role()):
			errs = append(errs, fmt.Errorf("task %q: role %q is not at or below %q", op.Task.ID, string(op.Task.Group.Role()), string(s.client.role)))
		}
	}
	return errors.Join(errs...)
}

// try finds out which places the offers have room for. The plan it returns drops the offers and places
// those on the room that is free then, with the devices and ports they were found to get; so they can use
// nothing but what these offers held, though the framework may have other offers on the same nodes.
func (s *Subscription) try(offers []*offer, p *berth.Plan) (plan *berth.Plan, rests []berth.Resources, refused []berth.Refusal) {
	trial := s.x.snapshot.Fork()
	named := map[string]bool{}
	plan = &berth.Plan{Version: s.x.snapshot.Version(), Unplaced: p.Unplaced, Together: p.Together}
	for _, o := range offers {
		named[o.id] = true
		plan.Drop(o.id)
	}
	for _, op := range p.Ops {
		for _, id := range s.holdsOn(op.Node) {
			if !named[id] {
				trial.Apply(berth.Op{Kind: berth.Drop, ID: id})
			}
		}
	}
	broken := map[string]bool{} // groups of which a task was refused
	var done []berth.Op
	for _, op := range p.Ops {
		op.Row, op.From = 0, s.owner(op.Task.Group)
		got, why := trial.Apply(op)
		got.Row, got.From, op.From = 0, "", ""
		if why.Code != berth.None {
			refused = append(refused, berth.Refusal{Op: op, Reason: why})
			broken[op.Task.Group.Name()] = true
			continue
		}
		done = append(done, got)
	}
	for _, op := range done {
		if g := op.Task.Group; broken[g.Name()] && slices.Contains(p.Together, g.Name()) {
			trial.Apply(berth.Op{Kind: berth.Release, ID: op.Task.ID})
			refused = append(refused, berth.Refusal{Op: op, Reason: berth.Reason{Code: berth.GangIncomplete, Subject: "not all of " + g.Name()}})
			continue
		}
		plan.Ops = append(plan.Ops, op)
	}
	for _, o := range offers {
		rest := berth.Resources{}
		if h, ok := trial.Hold(o.id); ok {
			rest = s.x.amounts(&h, o.row)
		}
		rests = append(rests, rest)
	}
	return plan, rests, refused
}

// holdsOn returns the IDs of all that is held for the framework on a node.
func (s *Subscription) holdsOn(node string) []string {
	view := s.x.view
	row, ok := view.FindNode(node)
	if !ok {
		return nil
	}
	var ids []string
	for slot, r := range view.On(row) {
		if r.Group == store.Holds && r.Extra.Hold.Owner == s.client.name {
			ids = append(ids, view.ID(slot))
		}
	}
	return ids
}

// places leaves out refusals of other operations: an offer that went away by itself needs no drop.
func places(refused []berth.Refusal) []berth.Refusal {
	var out []berth.Refusal
	for _, r := range refused {
		if r.Op.Kind == berth.Place {
			out = append(out, r)
		}
	}
	return out
}

// Suppress keeps new offers away until Revive. Offers already made stay. It does nothing if it is so already.
func (s *Subscription) Suppress() error { return s.suppress("suppress", true) }

// Revive lets offers come again and forgets all filters of the framework.
func (s *Subscription) Revive() error { return s.suppress("revive", false) }

func (s *Subscription) suppress(what string, suppressed bool) error {
	x := s.x
	x.mu.Lock()
	defer x.mu.Unlock()
	err := s.err()
	switch {
	case err != nil:
	case suppressed:
		err = x.cfg.Order.Deactivate(s.client.role, s.client.name)
	default:
		err = x.cfg.Order.Activate(s.client.role, s.client.name)
	}
	if err != nil {
		return fmt.Errorf("offers: %s: framework %q: %w", what, s.client.name, err)
	}
	s.suppressed = suppressed
	if !suppressed {
		clear(s.filters)
		x.freshenAll()
	}
	return nil
}

// Unsubscribe gives the framework's offers back and ends its part. Its tasks stay, charged to their roles.
func (s *Subscription) Unsubscribe(ctx context.Context) error {
	x := s.x
	return s.do(ctx, "unsubscribe", func() error {
		plan := &berth.Plan{Version: x.snapshot.Version()}
		offers := s.inOrder()
		for _, o := range offers {
			plan.Drop(o.id)
		}
		if len(offers) > 0 {
			if _, err := x.source.Commit(ctx, plan); err != nil {
				return err
			}
		}
		for _, o := range offers {
			x.finish(o, false)
		}
		s.gone = true
		delete(x.names, s.client.name)
		delete(x.subs, s.client)
		for id, by := range x.tasks {
			if by == s {
				delete(x.tasks, id)
			}
		}
		var errs []error
		for row := range x.places { // the tasks are their roles' to pay now
			errs = append(errs, x.settle(uint32(row)))
		}
		errs = append(errs, x.cfg.Order.Remove(s.client.role, s.client.name))
		x.catchUp(ctx)
		s.book.wake()
		return errors.Join(errs...)
	})
}

package offers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/faults"
)

// Framework is who offers are made to: a scheduler of its own, with a role that pays.
type Framework struct {
	// Name is unique in the Exchange. It is in the owner of the framework's holds: see Config.Prefix.
	Name string
	// Role is the tenant that is charged. The framework's tasks are of this role or of one below it; those of
	// other frameworks in the role are in its Book too. The default is the root role, below which everything is.
	Role berth.Role
	// Demand is what the framework wants, as Subscription.Want would declare it. Nil is plain Mesos: the
	// framework declares nothing, and is offered all that is free on a node. An empty one that is not nil says that
	// it wants nothing, and it is offered nothing until it calls Want: its tasks are told that no node is offered.
	Demand []Demand
	// Blind makes the Book show only the nodes that are offered and those of the role's tasks, as Mesos
	// does. Rules about domains then know no others.
	Blind bool
	// Terms are on what conditions the framework takes part.
	Terms Terms
}

// Subscription is a framework's side of an Exchange. It may be used by any number of goroutines. Every call of one
// that neither [Exchange.Subscribe] nor [Subscription.Join] made fails.
type Subscription struct {
	x      *Exchange
	client client
	book   *Book

	// Guarded by the mutex of the Exchange:
	gone       bool
	suppressed bool
	away       bool // its framework has disconnected
	joined     bool // its framework has had another role before
	declared   bool
	demand     []Demand
	owner      string           // of its offers' holds
	offers     []*offer         // proposed and open ones, in no order
	claims     *claim           // to the tasks that it placed: the latest, and by it the others
	here       latest           // the draft of all of the node that was put last
	seat       seat             // in the order
	planned    int              // offers that the pass at work means to make
	passed     uint64           // the last occasion on which nothing more of a node was wanted
	retried    uint64           // the last pass that left it to the next to ask about all nodes
	cut        map[string]int64 // what limits left of resources when they last kept something from the framework

	inverse map[*inverse]struct{} // that stand

	leaseFor  time.Duration // of its offers
	window    int           // demands that find no room before those behind them are held back; 0 is any number
	most      int           // offers that it has not answered; 0 is any number
	nodes     *suited       // nil if there are no rules
	uses      uint64        // scarce resources, where it has declared nothing,
	revocable []string      // and resources that may be taken back
	manners
	least   []berth.Resources // of which what it is offered has one at least, where it has declared nothing
	percent int               // of all there is that it may be offered at a time; 0 is all
	held    *stock            // what that is, with what the pass at work means to offer; kept where there is a limit to it

	number    int // among those that are subscribed
	wants     []want
	open      bool // something of the demand is
	recounted bool // what is open is to be counted
	eager     bool // the next pass asks about all nodes
	missed    bool // it has had as many offers as it may have while nodes were put
	asks, far bool // it takes part in the pass at work, and is asked about all nodes for rules about what is elsewhere
	gangs     int  // that the pass at work has not tried
	refusals  map[*refusal]struct{}
	refused   *refusal // the last of them
	crossed   bool     // it may have had two filters of one node
}

// Subscribe makes a framework known, which takes part from the next pass on. It fails with every fault of
// the framework, or if one of its name has subscribed.
func (x *Exchange) Subscribe(f Framework) (*Subscription, error) {
	errs := []error{checkFramework(f.Name), f.Role.Err(), checkDemand(f.Demand, f.Role), faults.Of("terms", f.Terms.Err())}
	what := "subscribe"
	if f.Name != "" {
		what = fmt.Sprintf("subscribe %q", f.Name)
	}
	var s *Subscription
	err := x.call(what, func() error {
		if x.parts[f.Name] != nil {
			errs = append(errs, ErrSubscribed)
		}
		if err := errors.Join(errs...); err != nil {
			return err
		}
		var err error
		s, err = x.take(f, false, false)
		return err
	})
	return s, err
}

// take has a framework take part in a role. The order is told first, for it may panic, and is then told again whom the Exchange knows: a framework
// that nobody has a Subscription of must not be among them.
func (x *Exchange) take(f Framework, joined, away bool) (*Subscription, error) {
	s := &Subscription{
		x:        x,
		client:   client{f.Role, f.Name},
		declared: f.Demand != nil,
		joined:   joined,
		away:     away,
		number:   x.nextNumber(),
	}
	if err := x.account.add(s.client); err != nil {
		return nil, err
	}
	x.account.seatOf(s.client, s.number)
	if away {
		x.account.away(s.client)
	}
	s.setTerms(f.Terms)
	s.book = newBook(s, f.Blind)
	x.parts[f.Name] = append(x.parts[f.Name], s)
	x.subs[s.client] = s
	x.enlist(s)
	x.setDemand(s, f.Demand)
	x.greet(s)
	return s, nil
}

// nextNumber returns the number of the framework that takes part next.
func (x *Exchange) nextNumber() int {
	if n := len(x.spare); n > 0 {
		return x.spare[n-1]
	}
	return len(x.slots)
}

// enlist has a framework use that number.
func (x *Exchange) enlist(s *Subscription) {
	if n := len(x.spare); n > 0 {
		x.spare = x.spare[:n-1]
	} else {
		x.slots = append(x.slots, nil)
	}
	x.slots[s.number] = s
}

// strikeOff takes a framework's number back.
func (x *Exchange) strikeOff(s *Subscription) {
	x.slots[s.number] = nil
	x.spare = append(x.spare, s.number)
}

// checkFramework returns what is wrong with the name of a framework, which must do as the owner of holds, or nil.
func checkFramework(name string) error {
	probe := berth.Hold{ID: "x", Owner: name, Node: "x", Deadline: always}
	if err := probe.Err(); err != nil {
		return errors.New("framework" + strings.TrimPrefix(err.Error(), `hold "x": owner`))
	}
	return nil
}

// Book returns what the framework was offered as a source of capacity; always the same Book.
func (s *Subscription) Book() *Book {
	if s == nil {
		return nil
	}
	return s.book
}

// call runs f as one call of the Exchange for the framework.
func (s *Subscription) call(what string, f func() error) error {
	if s == nil || s.x == nil {
		return fmt.Errorf("offers: %s: framework: %w", what, ErrNotMade)
	}
	return s.x.callFor(s, what, func() error {
		if s.gone {
			return ErrUnsubscribed
		}
		return f()
	})
}

// do is call on what the source shows now, once leases that ended are gone.
func (s *Subscription) do(ctx context.Context, what string, f func() error) error {
	return s.call(what, func() error {
		if _, err := s.x.expire(ctx); err != nil {
			return err
		}
		return f()
	})
}

// Want declares what the framework wants to run from now on, instead of what it declared before. With
// no demand it wants nothing, and is offered nothing; that is for frameworks to say when they are idle. A framework that has
// declared something cannot go back to declaring nothing. Offers
// already made stay. It fails with every fault of the demand.
func (s *Subscription) Want(demand ...Demand) error {
	var faults error
	if s != nil {
		faults = checkDemand(demand, s.client.role)
	}
	return s.call("want", func() error {
		if faults != nil {
			return faults
		}
		s.declared = true
		s.x.setDemand(s, demand)
		return nil
	})
}

// Snapshot returns all of the source as if the framework's offers were free, for reports: scheduler.CoverageOf
// tells from it where the framework's daemon stands, with the nodes pending on which its room is offered
// and not used yet. Of a node that is offered to others alone it says, as the Book does, that it is not offered.
// O(nodes that changed) and O(offers) of all frameworks.
func (s *Subscription) Snapshot(ctx context.Context) (*cluster.Snapshot, error) {
	var snapshot *cluster.Snapshot
	err := s.do(ctx, "snapshot", func() error {
		v := s.x.view.Fork()
		fork := (*cluster.Fork)(checked.Over(v))
		for _, o := range s.inOrder() {
			fork.Apply(berth.Op{Kind: berth.Drop, ID: o.id})
		}
		for _, o := range s.x.offers.m {
			if o.sub != s && s.x.cfg.Lease == berth.Exclusive {
				free := freeOn(&v.View, o.site.row)
				v.Withhold(o.site.row, isNothing(&free))
			}
		}
		snapshot = fork.Snapshot()
		return nil
	})
	return snapshot, err
}

func isNothing(h *berth.Hold) bool {
	return len(h.Resources) == 0 && len(h.Devices) == 0 && len(h.Ports) == 0
}

// Offers returns the offers that the framework has and has not answered, the earliest made first, each with
// what is left of it.
func (s *Subscription) Offers(ctx context.Context) ([]Offer, error) {
	var out []Offer
	err := s.do(ctx, "list", func() error {
		for _, o := range s.inOrder() {
			hold, ok := s.x.hold(o)
			if !ok {
				continue
			}
			offer := Offer{Hold: *hold, Attributes: maps.Clone(o.site.node.Spec.Attributes)}
			offer.Hold = *hold.Clone()
			if r := s.x.recalls.node(o.site.id); r != nil {
				offer.Recalled = r.Deadline
			}
			out = append(out, offer)
		}
		return nil
	})
	return out, err
}

// from returns whose holds the tasks of a group draw on.
func (s *Subscription) from(g *berth.Group) string {
	if takesNothing(g) {
		return ""
	}
	return s.x.own(s)
}

// inOrder returns the framework's offers, the earliest made first.
func (s *Subscription) inOrder() []*offer {
	return slices.SortedFunc(slices.Values(s.offers), byNumber)
}

// inOrder returns the frameworks by name and role, where all of them are meant and no turn is.
func (x *Exchange) inOrder() []*Subscription {
	return slices.SortedFunc(maps.Values(x.subs), byName)
}

func byName(a, b *Subscription) int {
	return cmp.Or(strings.Compare(a.client.name, b.client.name), cmp.Compare(a.client.role, b.client.role))
}

// Suppress keeps new offers in the role away until Revive. Offers already made stay. It does nothing if it is so already.
func (s *Subscription) Suppress() error {
	return s.call("suppress", func() error {
		if err := s.x.account.activate(s.client, false); err != nil {
			return err
		}
		s.suppressed = true
		return nil
	})
}

// Revive lets offers in the role come again and forgets all filters that the framework has in it.
func (s *Subscription) Revive() error {
	return s.call("revive", func() error {
		if err := s.x.account.activate(s.client, !s.away); err != nil {
			return err
		}
		s.suppressed = false
		s.x.resume(s)
		s.x.forgetFiltersOf(s)
		s.x.recount(s)
		s.x.hurry(s)
		return nil
	})
}

// Unsubscribe gives the framework's offers back and ends its part in the role. Its tasks stay, charged to their roles, and the host
// ends them: a framework that subscribes later under the name has not placed them. The name is free once the framework has left all of its
// roles: see [Subscription.Join].
func (s *Subscription) Unsubscribe(ctx context.Context) error {
	return s.do(ctx, "unsubscribe", func() error {
		x := s.x
		plan := &cluster.Plan{Version: x.snapshot.Version()}
		offers := s.inOrder()
		for _, o := range offers {
			plan.Drop(o.id)
		}
		if len(offers) > 0 {
			if _, err := x.commit(ctx, plan); err != nil {
				return err
			}
		}
		for _, o := range offers {
			x.answer(o)
		}
		if len(offers) > 0 {
			x.hear(s, Answers{Declined: len(offers)})
		}
		s.gone = true
		if s.cut != nil {
			x.cutters--
		}
		x.part(s)
		delete(x.subs, s.client)
		delete(x.owners, s.owner)
		x.dropDemand(s)
		x.forgetFiltersOf(s)
		x.strikeOff(s)
		x.partWith(s)
		x.unask(s)
		x.disown(s)
		s.book.wake()
		s.book.forget()
		err := x.account.remove(s.client)
		x.strike(s.client)
		x.afterwards(ctx, nil)
		return err
	})
}

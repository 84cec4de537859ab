package offers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// Source is where an Exchange takes capacity from: a scheduler.State, or whatever else is a Source of
// package scheduler. It must commit one plan at a time.
type Source interface {
	Snapshot(ctx context.Context) (*cluster.Snapshot, error)
	Commit(ctx context.Context, p *berth.Plan) (*berth.Outcome, error)
}

// Order says whose turn it is, by what everybody was charged. The Turns of an allocator.DRF are one. An
// Exchange knows its clients by role and name: each framework by both, and each role, with an empty name,
// for the tasks in it that no framework placed.
type Order interface {
	// SetCapacity replaces what there is to share out.
	SetCapacity(total berth.Resources) error
	// Add makes a client known and active.
	Add(role berth.Role, name string) error
	// Remove forgets a client.
	Remove(role berth.Role, name string) error
	// Activate and Deactivate let a client have turns or not; what it holds counts either way.
	Activate(role berth.Role, name string) error
	Deactivate(role berth.Role, name string) error
	// Charge and Credit change what a client holds.
	Charge(role berth.Role, name string, r berth.Resources) error
	Credit(role berth.Role, name string, r berth.Resources) error
	// All yields the active clients, whose turn is first coming first. Clients may be charged during the
	// walk, which then ends.
	All() iter.Seq2[berth.Role, string]
}

// Errors about offers and the plans that use them.
var (
	// ErrUnknownOffer is wrapped where an offer is named that was never made or has been answered.
	ErrUnknownOffer = errors.New("no such offer, or it has been answered")
	// ErrExpired is wrapped where an offer is named whose lease has ended, whose node went away or whose hold
	// the host dropped. The last few thousand are remembered; older ones are unknown.
	ErrExpired = errors.New("the offer has ended")
	// ErrForeign is wrapped where an offer is named that was made to another framework.
	ErrForeign = errors.New("the offer was made to another framework")
	// ErrSubscribed is wrapped where a framework subscribes under a name that is taken.
	ErrSubscribed = errors.New("a framework of that name has subscribed")
	// ErrUnsubscribed is wrapped by every call for a framework that has unsubscribed.
	ErrUnsubscribed = errors.New("the framework has unsubscribed")
)

// DefaultLease is how long an offer lasts unless Config.Lease says otherwise.
const DefaultLease = 30 * time.Second

// Config says how an Exchange makes offers. Order must be set; for the rest, the zero value is good.
type Config struct {
	// Order is asked whose turn it is. The Exchange has it for itself: others may read or change it, such
	// as to set a weight, only while no method of the Exchange, its Subscriptions and its Books runs.
	Order Order
	// Lease is how long an offer lasts. The default is DefaultLease. Too long, and a framework that has
	// died keeps room idle; too short, and slow frameworks answer in vain.
	Lease time.Duration
	// Clock tells the time; with one that the host turns, the same calls give the same offers. It must not
	// lag behind the source's, or offers end as they are made. The default is the source's own clock, where
	// the source has a method Now() time.Time as scheduler.State does, else time.Now.
	Clock func() time.Time
	// Mode is Exclusive (the default) or Optimistic, for all offers.
	Mode berth.Lease
	// MaxOutstanding is how many offers a framework may have that it has not answered. The default, 0, is
	// any number.
	MaxOutstanding int
	// Prefix begins the IDs of offers, which a number ends. The default is "offer-". Exchanges on one source
	// should have different ones; numbers that are taken are passed over.
	Prefix string
}

// Err returns every fault of the configuration joined into one error, or nil.
func (c Config) Err() error {
	var errs []error
	if c.Order == nil {
		errs = append(errs, errors.New("offers: config: no order"))
	}
	if c.Lease < 0 {
		errs = append(errs, fmt.Errorf("offers: config: lease of %v: negative", c.Lease))
	}
	if c.Mode > berth.Optimistic {
		errs = append(errs, fmt.Errorf("offers: config: mode %d: neither exclusive nor optimistic", c.Mode))
	}
	if c.MaxOutstanding < 0 {
		errs = append(errs, fmt.Errorf("offers: config: max outstanding of %d: negative", c.MaxOutstanding))
	}
	probe := berth.Hold{ID: cmp.Or(c.Prefix, defaultPrefix) + "1", Owner: "x", Node: "x", Deadline: time.Unix(1, 0)}
	if err := probe.Err(); err != nil {
		errs = append(errs, fmt.Errorf("offers: config: prefix: %w", err))
	}
	return errors.Join(errs...)
}

const defaultPrefix = "offer-"

// Exchange makes offers out of a source for the frameworks that subscribe. It may be used by any number
// of goroutines.
type Exchange struct {
	source Source
	cfg    Config

	mu       sync.Mutex // guards all below, and Config.Order
	snapshot *cluster.Snapshot
	view     *store.View // behind the snapshot
	seen     cursor
	places   []place  // by row of the source
	fresh    []uint32 // rows that changed since a pass looked at them
	subs     map[client]*Subscription
	names    map[string]*Subscription
	roles    map[berth.Role]bool      // that the order knows as clients of their own
	offers   map[string]*offer        // outstanding ones
	ended    memory                   // offers that ended unanswered
	tasks    map[string]*Subscription // who placed a task
	alarms   alarms
	made     uint64 // numbers offers
	lapsed   int    // leases that have run out so far
	asked    uint64 // numbers the occasions on which a node was put to frameworks
}

// client is how the order knows a framework, or a role by itself.
type client struct {
	role berth.Role
	name string
}

// offer is an outstanding offer. What is left of it is what the source has left of its hold.
type offer struct {
	id       string
	number   uint64
	sub      *Subscription
	row      uint32
	group    *berth.Group // the demand it was cut to; nil for all that was free
	deadline time.Time
	over     bool
}

// NewExchange returns an exchange that makes offers out of a source. It fails with every fault of the
// configuration.
func NewExchange(source Source, cfg Config) (*Exchange, error) {
	err := cfg.Err()
	if source == nil {
		err = errors.Join(errors.New("offers: no source"), err)
	}
	if err != nil {
		return nil, err
	}
	if cfg.Lease == 0 {
		cfg.Lease = DefaultLease
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
		if s, ok := source.(interface{ Now() time.Time }); ok {
			cfg.Clock = s.Now
		}
	}
	cfg.Prefix = cmp.Or(cfg.Prefix, defaultPrefix)
	return &Exchange{
		source: source,
		cfg:    cfg,
		subs:   map[client]*Subscription{},
		names:  map[string]*Subscription{},
		roles:  map[berth.Role]bool{},
		offers: map[string]*offer{},
		tasks:  map[string]*Subscription{},
	}, nil
}

// Snapshot returns all of the source as the Exchange sees it, for reports. Room that is offered is not free in
// it; what a framework can count on as well as on what is free is in [Subscription.Snapshot].
func (x *Exchange) Snapshot(ctx context.Context) (*cluster.Snapshot, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, err := x.expire(ctx); err != nil {
		return nil, fmt.Errorf("offers: snapshot: %w", err)
	}
	return x.snapshot, nil
}

// Expire ends the leases that have run out by the clock and returns how many there were since the last call
// of the Exchange: the offers leave their Books, and the source has the room again. Every other call does so first, so a host needs
// Expire only to have the room back while nobody calls.
func (x *Exchange) Expire(ctx context.Context) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n, err := x.expire(ctx)
	if err != nil {
		return n, fmt.Errorf("offers: expire: %w", err)
	}
	return n, nil
}

// expire also looks at the source, so that what follows decides on what is true now.
func (x *Exchange) expire(ctx context.Context) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, context.Cause(ctx)
	}
	before := x.lapsed // a source that keeps time has ended the leases itself
	if err := x.look(ctx, true); err != nil {
		return x.lapsed - before, err
	}
	var due []*offer
	plan := &berth.Plan{Version: x.snapshot.Version()}
	for a := range x.alarms.until(x.cfg.Clock()) {
		if a.offer == nil {
			x.freshen(a.row)
		} else if !a.offer.over {
			due = append(due, a.offer)
			plan.Drop(a.offer.id)
		}
	}
	if len(due) == 0 {
		return x.lapsed - before, nil
	}
	if _, err := x.source.Commit(ctx, plan); err != nil {
		for _, o := range due {
			x.alarms.set(alarm{at: o.deadline, offer: o})
		}
		return x.lapsed - before, err
	}
	err := x.look(context.WithoutCancel(ctx), true)
	return x.lapsed - before, err
}

// finish tells that an offer is over and wakes its framework.
func (x *Exchange) finish(o *offer, unanswered bool) {
	if o.over {
		return
	}
	o.over = true
	delete(x.offers, o.id)
	delete(o.sub.offers, o.id)
	p := &x.places[o.row]
	p.offers = slices.DeleteFunc(p.offers, func(other *offer) bool { return other == o })
	if unanswered {
		x.ended.add(o.id)
		if !x.cfg.Clock().Before(o.deadline) {
			x.lapsed++
		}
	}
	o.sub.book.wake()
}

// hold returns what the source has of an offer.
func (x *Exchange) hold(o *offer) (*berth.Hold, bool) {
	slot, ok := x.view.FindHold(o.id)
	if !ok {
		return nil, false
	}
	return x.view.Record(slot).Extra.Hold, true
}

// nextID numbers an offer, passing over IDs that the source knows already.
func (x *Exchange) nextID() (string, uint64) {
	for {
		x.made++
		id := x.cfg.Prefix + strconv.FormatUint(x.made, 10)
		if _, taken := x.view.FindHold(id); !taken {
			return id, x.made
		}
	}
}

// inOrder returns the frameworks by name, where all of them are meant and no turn is.
func (x *Exchange) inOrder() []*Subscription {
	return slices.SortedFunc(maps.Values(x.names), func(a, b *Subscription) int { return strings.Compare(a.client.name, b.client.name) })
}

// memory keeps the last IDs it was given.
type memory struct {
	ids  map[string]bool
	ring []string
	next int
}

const remembered = 4096

func (m *memory) add(id string) {
	if m.ids == nil {
		m.ids = make(map[string]bool)
	}
	if len(m.ring) < remembered {
		m.ring = append(m.ring, id)
	} else {
		delete(m.ids, m.ring[m.next])
		m.ring[m.next] = id
		m.next = (m.next + 1) % remembered
	}
	m.ids[id] = true
}

func (m *memory) has(id string) bool { return m.ids[id] }

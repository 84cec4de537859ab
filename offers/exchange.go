package offers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
	"github.com/berth-sched/berth/internal/store"
)

// Source is where an Exchange takes capacity from: a scheduler.State, or whatever else is a Source of
// package scheduler and lets holds be made. It must commit one plan at a time. A [Book] is none: what a framework
// was offered is for its own tasks.
type Source interface {
	Snapshot(ctx context.Context) (*cluster.Snapshot, error)
	Commit(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error)
}

// Order says whose turn it is, by what everybody was charged. The Turns of an allocator.DRF are one. An
// Exchange knows its clients by role and name: each framework by both, and each role that has such, with
// an empty name, for the tasks in it that no framework placed and the holds that are no offers of the Exchange.
type Order interface {
	// SetCapacity replaces what there is to share out.
	SetCapacity(total berth.Resources) error
	// Add makes a client known and active.
	Add(role berth.Role, name string) error
	// Remove forgets a client and what it was charged.
	Remove(role berth.Role, name string) error
	// Activate and Deactivate let a client have turns or not; what it holds counts either way.
	Activate(role berth.Role, name string) error
	Deactivate(role berth.Role, name string) error
	// Charge and Credit change what a client holds. What clients hold together may be more than an int64 of a resource, where
	// nodes have as good as no end of it. What is refused is told by the next pass and tried again.
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
	// the host dropped, or that was rescinded. The last few thousand are remembered; older ones are unknown.
	ErrExpired = errors.New("the offer has ended")
	// ErrForeign is wrapped where an offer is named that was made to another framework.
	ErrForeign = errors.New("the offer was made to another framework")
	// ErrOtherRole is wrapped where an offer is named that was made to the framework in another of its roles: see [Subscription.Join].
	ErrOtherRole = errors.New("the offer was made to the framework in another role")
	// ErrSubscribed is wrapped where a framework subscribes under a name that is taken, or joins a role that it takes part in already.
	ErrSubscribed = errors.New("a framework of that name has subscribed")
	// ErrUnsubscribed is wrapped by every call for a framework that has unsubscribed.
	ErrUnsubscribed = errors.New("the framework has unsubscribed")
	// ErrNotMade is wrapped by every call of an Exchange that NewExchange did not make, of a Subscription that
	// neither Subscribe nor Join made, and of the Book of such a Subscription.
	ErrNotMade = errors.New("not made by NewExchange and Subscribe")
)

// DefaultLeaseFor is how long an offer lasts unless Config.LeaseFor says otherwise.
const DefaultLeaseFor = 30 * time.Second

// Config says how an Exchange makes offers. Order must be set; for the rest, the zero value is good.
//
// An offer is a lease of its room to a framework, which ends by itself. Lease says of which kind it is, for it is a
// [berth.Hold] with that kind of [berth.Lease], and LeaseFor how long it lasts; "the lease" without more is the time.
type Config struct {
	// Order is asked whose turn it is. The Exchange has it for itself: others read or change it, such
	// as to set a weight, by [Exchange.Consult], or while no method of the Exchange, its Subscriptions and its Books runs.
	Order Order
	// Lease is the kind of lease: Exclusive (the default) keeps others out, Optimistic lets who commits first have the room.
	Lease berth.Lease
	// LeaseFor is how long an offer lasts. The default is DefaultLeaseFor. Too long, and a framework that has
	// died keeps room idle; too short, and slow frameworks answer in vain.
	LeaseFor time.Duration
	// Clock tells the time; with one that the host turns, the same calls give the same offers. It is read once
	// at the beginning of each call. It must not lag behind the source's, or offers end as they are made. The
	// default is the source's own clock, where the source has a method Now() time.Time as scheduler.State does,
	// else time.Now.
	Clock func() time.Time
	// Observer is told of passes and of answers. The default tells nobody.
	Observer Observer
	// MaxOutstanding is how many offers a framework may have that it has not answered. The default, 0, is
	// any number.
	MaxOutstanding int
	// Least is the least that is offered of a node to a framework that has declared no demand: what is free there, cut to what limits leave,
	// must cover at least one of the entries. Less is not offered until more becomes free. [Terms].Least is for one framework. The
	// default, none, is that anything is offered. Mesos has this as the flag --min_allocatable_resources.
	Least []berth.Resources
	// Backoff is how long a framework is offered nothing after it let the lease of an offer end without a word: twice as long each time, up to
	// 64 times as long. Any answer ends it, and so does [Subscription.Revive]. The default, 0, is no time at all. It is for frameworks that
	// have died or are stuck, whose offers would keep room idle again and again.
	Backoff time.Duration
	// DeclineBackoff is how long a framework is offered nothing after it gave back all that it had and placed and reserved nothing of it: twice as long each time in a
	// row, up to 64 times as long. Only the time ends it, and only what it places or reserves has it begin anew; nor does it help to leave and come back under the name, or
	// to disconnect. The default, 0, is no time at all. It is for frameworks that are not to be trusted to decline with a [Filter], whose
	// offers would keep room idle again and again. A framework that wants nothing says so with [Subscription.Want], and is not asked.
	DeclineBackoff time.Duration
	// Scarce are resources that few nodes have, such as GPUs. Frameworks that do not ask for one are offered the nodes that have it after all
	// others (a preference), or never (a rule): see [Scarce].Only. What a rule keeps is idle while nobody asks for it. A rule binds daemons as well, a preference
	// does not. Where there is a preference, a pass takes turns over all nodes and not node by node: see [NodeOrder]. The default is none, and
	// there can be 64.
	Scarce []Scarce
	// Gather is how many nodes may be kept at a time for declared demand that fits on none as they are, though it would if tasks ended: what
	// becomes free there is offered to nobody else, but for daemons, until it fits. Those come first whose turn it is first, and of a demand
	// those nodes on which the least is to be waited for. A node is kept until the demand has had a piece of it, is no longer open, or the
	// node is cordoned. So a framework that has little gets its large tasks once as many small ones have ended as are on the nodes, however
	// many more come; the price is what stands idle meanwhile. What is placed on the source otherwise is not held back. It costs a look
	// at all nodes, some microseconds for each where a demand has rules about what is elsewhere or limits are set, whenever something
	// has changed while fewer are kept. Where offers are optimistic, none is. The default, 0, is none.
	Gather int
	// Prefix begins the IDs of offers, which a number ends, and the owners of their holds, which the framework's
	// name ends. The default is "offer-" for the IDs and nothing for the owners. Exchanges on one source should
	// have different ones, so that a reader can tell their holds apart. They may have the same: numbers
	// that are taken are passed over, and an owner whose name others use gets a number of its own.
	Prefix string
}

// Err returns every fault of the configuration joined into one error, or nil.
func (c Config) Err() error {
	var errs []error
	if faults.IsNil(c.Order) {
		errs = append(errs, errors.New("offers: config: no order"))
	}
	if c.LeaseFor < 0 {
		errs = append(errs, fmt.Errorf("offers: config: LeaseFor is negative (%v)", c.LeaseFor))
	}
	if c.Lease > berth.Optimistic {
		errs = append(errs, fmt.Errorf("offers: config: Lease %d is neither exclusive nor optimistic", c.Lease))
	}
	errs = append(errs, checkScarce(c.Scarce)...)
	if c.Gather < 0 {
		errs = append(errs, fmt.Errorf("offers: config: Gather is negative (%d)", c.Gather))
	}
	if c.MaxOutstanding < 0 {
		errs = append(errs, fmt.Errorf("offers: config: MaxOutstanding is negative (%d)", c.MaxOutstanding))
	}
	for _, err := range checkLeast(c.Least) {
		errs = append(errs, faults.Of("offers: config", err))
	}
	if c.DeclineBackoff < 0 || c.DeclineBackoff > math.MaxInt64>>manyPauses {
		errs = append(errs, fmt.Errorf("offers: config: DeclineBackoff is negative or too long (%v)", c.DeclineBackoff))
	}
	if c.Backoff < 0 || c.Backoff > math.MaxInt64>>manyPauses {
		errs = append(errs, fmt.Errorf("offers: config: Backoff is negative or too long (%v)", c.Backoff))
	}
	probe := berth.Hold{ID: cmp.Or(c.Prefix, defaultPrefix) + "1", Owner: "x", Node: "x", Deadline: time.Unix(1, 0)}
	if err := probe.Err(); err != nil {
		errs = append(errs, faults.Of("offers: config: Prefix", err))
	}
	return errors.Join(errs...)
}

const defaultPrefix = "offer-"

// Exchange makes offers out of a source for the frameworks that subscribe. It may be used by any number
// of goroutines. Order, clock and source are code of the host's: if they panic, the panic is the caller's, and
// the next call begins by bringing the account and the offers in line with the source. An order that panicked while it
// was told something is told everything anew, for which its clients are removed and added. The zero Exchange
// fails every call.
type Exchange struct {
	source Source
	cfg    Config

	mu       sync.Mutex // guards all below, and Config.Order
	torn     bool       // a call has begun and not ended: set while one is at work
	unsure   bool       // host code panicked, and the call goes on
	now      time.Time  // when the call at work began
	snapshot *cluster.Snapshot
	view     *store.View // behind the snapshot
	branch   uint64      // that claims were last identified on
	seen     cursor
	rows     []*site // by row of the view, which alone they are good for
	sites    table[string, *site]
	stocks   stocks
	audience audience // of what changes: the Books that have been read
	ground   ground   // that they begin as
	paths    paths    // of roles, for the Books' ledgers
	visits   uint64   // numbers the occasions on which an overlay was brought up to date
	scratch  scratch  // of the last of them

	asking
	awaited awaitedRoom
	spared  []filterBits // by rows
	filters int          // that stand
	unswept int          // that do not, and are not forgotten

	subs    map[client]*Subscription
	slots   []*Subscription            // by number
	spare   []int                      // numbers that nobody has
	parts   map[string][]*Subscription // of frameworks by name: one for each of its roles, in the order of joining
	waiting []*Book                    // whose channels somebody may have; a Book may have woken since
	owners  map[string]*Subscription   // of the holds that offers are
	others  map[string]int             // how many holds that are no offers have an owner

	offers   table[string, *offer]
	proposed []*offer
	ended    memory // offers that ended unanswered
	alarms   alarms
	recalls  recalls
	made     uint64             // numbers offers, recalls and inverse offers
	lapsed   int                // leases that have run out so far
	heard    []Answers          // of the present call, for the Observer
	pausing  []*Subscription    // who is offered nothing for a while: see Config.Backoff
	partings map[string]manners // of frameworks that have left, by name
	forgetAt time.Time          // when the first of them is to be forgotten

	claimed  slots[claim] // to tasks that frameworks placed, by their slots in the source
	lost     []*claim     // of them, those to tasks that are on no node
	placed   []*claim     // to tasks that were not seen in the source yet
	promised promised     // a commit of a framework of which the source has not told what became of it

	account account
	counts  []count // room for those of a node
	countAt map[taskKind]int

	passes  uint64 // that were made
	putting uint64 // numbers the occasions on which a node was put to frameworks
}

// NewExchange returns an exchange that makes offers out of a source. It fails with every fault of the
// configuration, and if there is no source or it is a [Book].
func NewExchange(source Source, cfg Config) (*Exchange, error) {
	err := cfg.Err()
	if faults.IsNil(source) {
		err = errors.Join(errors.New("offers: no source"), err)
	} else if _, ok := source.(interface{ isBook() }); ok {
		err = errors.Join(errors.New("offers: the source is a Book: what a framework was offered cannot be offered on"), err)
	}
	if err != nil {
		return nil, err
	}
	cfg.LeaseFor = cmp.Or(cfg.LeaseFor, DefaultLeaseFor)
	if cfg.Clock == nil {
		cfg.Clock = time.Now
		if s, ok := source.(interface{ Now() time.Time }); ok {
			cfg.Clock = s.Now
		}
	}
	if cfg.Observer.Now == nil {
		cfg.Observer.Now = time.Now
	}
	return &Exchange{
		source:  source,
		cfg:     cfg,
		subs:    map[client]*Subscription{},
		parts:   map[string][]*Subscription{},
		owners:  map[string]*Subscription{},
		others:  map[string]int{},
		ground:  ground{shut: store.Shut{}},
		account: newAccount(cfg.Order),
	}, nil
}

// call runs f as one call of the Exchange: alone, at one time by the clock, and on what the call before left
// whole. What f does before host code panics is found out, and put right, when the next call begins.
func (x *Exchange) call(what string, f func() error) error {
	if x == nil || x.source == nil {
		return fmt.Errorf("offers: %s: exchange: %w", what, ErrNotMade)
	}
	return x.callFor(nil, what, f)
}

// callFor is call for a framework, which an error names, on an Exchange that was made.
func (x *Exchange) callFor(s *Subscription, what string, f func() error) error {
	heard, err := x.alone(f)
	x.tell(heard)
	switch {
	case err == nil:
		return nil
	case s != nil:
		what = fmt.Sprintf("%s: %s", what, s.title())
	}
	return faults.Of("offers: "+what, err)
}

// alone is call under the lock. It returns what of offers was heard meanwhile as well.
func (x *Exchange) alone(f func() error) (heard []Answers, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now = x.cfg.Clock()
	if x.torn {
		x.mend()
	}
	x.torn = true
	err = f()
	x.torn, x.unsure = x.unsure, false
	heard, x.heard = x.heard, nil
	return heard, err
}

// mend makes anew whatever a panic may have left half-done.
func (x *Exchange) mend() {
	x.seen = cursor{} // all that the source shows is compared
	x.askAnew()
	if x.account.unsure {
		x.restate()
	}
	x.forgetBooks()
	x.wakeAll()
}

// Snapshot returns all of the source as the Exchange sees it, for reports. Room that is offered is not free in
// it; what a framework can count on as well as on what is free is in [Subscription.Snapshot].
func (x *Exchange) Snapshot(ctx context.Context) (*cluster.Snapshot, error) {
	var snapshot *cluster.Snapshot
	err := x.call("snapshot", func() error {
		_, err := x.expire(ctx)
		snapshot = x.snapshot
		return err
	})
	if err != nil {
		return nil, err
	}
	return snapshot, nil
}

// Expire ends the leases that have run out by the clock and returns how many there were since the last call
// of the Exchange: the offers leave their Books, and the source has the room again. Every other call does so
// first, so a host needs Expire only to have the room back while nobody calls.
func (x *Exchange) Expire(ctx context.Context) (int, error) {
	n := 0
	err := x.call("expire", func() (err error) {
		n, err = x.expire(ctx)
		return err
	})
	return n, err
}

// expire also brings the Exchange up to date with the source, so that what follows decides on what is true now.
func (x *Exchange) expire(ctx context.Context) (int, error) {
	if err := contextErr(ctx); err != nil {
		return 0, err
	}
	before := x.lapsed // a source that keeps time has ended the leases itself
	if err := x.sync(ctx); err != nil {
		return x.lapsed - before, err
	}
	x.followRecalls()
	var due []*offer
	for _, a := range x.alarms.due(x.now) {
		switch {
		case a.refusal != nil:
			x.ring(a.refusal)
		case a.recall != nil:
			x.passDeadline(a.recall)
		default:
			for _, o := range a.offers {
				if o.stage != over {
					due = append(due, o)
				}
			}
		}
	}
	if len(due) == 0 {
		return x.lapsed - before, nil
	}
	slices.SortFunc(due, byNumber)
	plan := &cluster.Plan{Version: x.snapshot.Version()}
	for _, o := range due {
		plan.Drop(o.id)
	}
	if _, err := x.commit(ctx, plan); err != nil {
		return x.lapsed - before, err
	}
	err := x.sync(context.WithoutCancel(ctx))
	return x.lapsed - before, err
}

// commit commits a plan to the source.
func (x *Exchange) commit(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
	out, err := x.source.Commit(ctx, p)
	if err == nil && out == nil {
		err = errors.New("the source has no word of what became of the plan")
	}
	return out, err
}

// contextErr returns why nothing can be done in a context, or nil.
func contextErr(ctx context.Context) error {
	if ctx == nil {
		return errors.New("no context")
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

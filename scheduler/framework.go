package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
	"github.com/berth-sched/berth/internal/store"
	"github.com/berth-sched/berth/offers"
)

// FrameworkConfig configures RunFramework. Exchange, Framework.Name and what [RunConfig] needs must be set.
type FrameworkConfig struct {
	// Exchange makes the offers, out of Run.State. The host has it make passes: see [offers.Exchange.Run].
	Exchange *offers.Exchange
	// Framework is the tenant, in its first role. Its Demand is worked out from the Queue, and must be nil.
	Framework offers.Framework
	// Roles are the framework's parts in further roles, as for [offers.Subscription.Join]: a Role, and Terms and Blind of that part. A task of the
	// Queue is for the part whose role is its own, or the nearest above its own. The default is none.
	Roles []offers.Framework
	// Run is how the framework's tasks are started and stopped: a Queue and a Launcher of its own. Its Scheduler and its Inventory must be nil.
	Run RunConfig
	// Scheduler is how they are placed on what is offered, in each role.
	Scheduler Config
	// Inverse says what becomes of tasks whose room is asked back. It is called once for each inverse offer, in the goroutine that does all of Run's work,
	// and may use the Queue and the State; what it answers counts as well for tasks that the inverse offer comes to be about later. A panic in it ends the
	// framework. The default accepts all, with the zero Answer.
	Inverse func(offers.InverseOffer) Answer
	// Notice is how long before the deadline of an inverse offer that was accepted those tasks are stopped for which no room was found elsewhere. The
	// default is a minute. It is cut to half of the time that is left when the framework is asked.
	Notice time.Duration
}

// RunFramework does all that a framework does, until the context ends: it subscribes to the Exchange, declares what waits in its Queue,
// places it on what it is offered, has its Launcher start and stop it as [Run] does, and gives back at once what is offered and no
// longer needed. With nothing to run it wants nothing, and holds up nobody. So a host that has many frameworks implements
// a Launcher for each, and nothing else.
//
// A framework that ends gives its offers back, and its tasks run on. When it is run again under its name, by this process or by
// another with the same State, it has them back ([offers.Subscription.Resume]), those that its Launcher's first word names are its own to watch and to stop, and
// what waits in the Queue and runs already is not started twice.
//
// Where room is asked back ([offers.Exchange.Recall]), it accepts unless [FrameworkConfig].Inverse says otherwise, and moves its tasks: it declares that it
// wants room for each once more, and when it has been offered that on another node, the task is stopped and started there. What has found no room
// is stopped shortly before the deadline, and waits in the Queue for some. Each is told of as [Recalled]. Nodes that are
// asked back, and those of such tasks, are not used meanwhile. The instance of a daemon, which has no other node, is stopped last.
//
// Of several groups of one name that wait, the first is declared until none of it waits.
//
// It fails with every fault of the configuration, and else as Run does.
func RunFramework(ctx context.Context, cfg FrameworkConfig) error {
	if err := cfg.err(ctx); err != nil {
		return faults.Of("scheduler: run framework", err)
	}
	return cfg.run(ctx)
}

func (cfg *FrameworkConfig) run(ctx context.Context) error {
	f := cfg.Framework
	f.Demand = []offers.Demand{}
	first, err := cfg.Exchange.Subscribe(f)
	if err != nil {
		return faults.Of("scheduler: run framework", err)
	}
	var subs []*offers.Subscription
	defer func() {
		for _, sub := range slices.Backward(subs) {
			_ = sub.Unsubscribe(context.WithoutCancel(ctx)) // what it does not give back ends with its lease
		}
	}()
	subs = append(subs, first)
	roles := []berth.Role{f.Role}
	for _, f := range cfg.Roles {
		f.Demand = []offers.Demand{}
		sub, err := first.Join(f)
		if err != nil {
			return faults.Of("scheduler: run framework", err)
		}
		subs, roles = append(subs, sub), append(roles, f.Role)
	}
	parts := make([]part, len(subs))
	for i, sub := range subs {
		if _, err := sub.Resume(ctx); err != nil {
			return faults.Of("scheduler: run framework", err)
		}
		t := &tenant{Book: sub.Book(), sub: sub, queue: cfg.Run.Queue, role: roles[i]}
		s, err := New(t, cfg.Scheduler)
		if err != nil {
			return faults.Of("scheduler: run framework", err)
		}
		parts[i] = part{Scheduler: s, role: roles[i], tenant: t}
	}
	cfg.Run.Scheduler = parts[0].Scheduler
	checked, err := cfg.Run.check(ctx)
	if err != nil {
		return faults.Of("scheduler: run framework", err)
	}
	return run(ctx, checked, parts, newYielding(cfg.Inverse, cfg.Notice))
}

func (cfg *FrameworkConfig) err(ctx context.Context) error {
	var errs []error
	if cfg.Exchange == nil {
		errs = append(errs, errors.New("no Exchange"))
	}
	if cfg.Framework.Name == "" {
		errs = append(errs, errors.New("no Framework.Name"))
	}
	if cfg.Framework.Demand != nil {
		errs = append(errs, errors.New("Framework.Demand is set: it is worked out from the Queue"))
	}
	seen := map[berth.Role]bool{cfg.Framework.Role: true}
	for _, f := range cfg.Roles {
		if f.Name != "" && f.Name != cfg.Framework.Name {
			errs = append(errs, fmt.Errorf("role %q of Roles: the framework is %q, not %q", string(f.Role), cfg.Framework.Name, f.Name))
		}
		if f.Demand != nil {
			errs = append(errs, fmt.Errorf("role %q of Roles: Demand is set: it is worked out from the Queue", string(f.Role)))
		}
		if seen[f.Role] {
			errs = append(errs, fmt.Errorf("role %q of Roles: given twice", string(f.Role)))
		}
		seen[f.Role] = true
		errs = append(errs, faults.Of("Roles", f.Role.Err()), faults.Of("Roles: terms", f.Terms.Err()))
	}
	if cfg.Notice < 0 {
		errs = append(errs, fmt.Errorf("negative Notice: %v", cfg.Notice))
	}
	if cfg.Run.Scheduler != nil {
		errs = append(errs, errors.New("Run.Scheduler is set: the framework has one of its own"))
	}
	if cfg.Run.Inventory != nil {
		errs = append(errs, errors.New("Run.Inventory is set: a framework has no nodes of its own"))
	}
	if _, err := cfg.Run.check(ctx); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, cfg.Framework.Role.Err(), faults.Of("terms", cfg.Framework.Terms.Err()), cfg.Scheduler.Err())...)
}

// tenant is a Book whose framework declares what waits in a Queue whenever it looks.
type tenant struct {
	*offers.Book
	sub    *offers.Subscription
	queue  *Queue
	role   berth.Role
	mine   func(*berth.Group) bool // whether a group is for this part of the framework
	moving []*ownTask              // that run, and are wanted once more on other nodes, as long as each
	stands func(*ownTask) bool     // does
	spared spared                  // with an empty ID, all nodes that are recalled

	mu       sync.Mutex
	declared []offers.Demand
}

// Snapshot also declares what waits.
func (t *tenant) Snapshot(ctx context.Context) (*cluster.Snapshot, error) {
	if err := t.spare(ctx); err != nil {
		return nil, err
	}
	snapshot, err := t.Book.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return snapshot, t.declare(ctx, t.queue.Waiting(), snapshot)
}

// spare gives back what is offered of nodes that are not to be used: those that are recalled, and those of tasks that are asked back by themselves.
func (t *tenant) spare(ctx context.Context) error {
	if len(t.spared) == 0 {
		return nil
	}
	open, err := t.sub.Offers(ctx)
	if err != nil {
		return err
	}
	var ids []string
	for i := range open {
		if _, spared := t.spared[open[i].Node]; spared || !open[i].Recalled.IsZero() {
			ids = append(ids, open[i].ID)
		}
	}
	return t.giveBack(ctx, ids, offers.Filter{For: offers.DefaultFilter})
}

func (t *tenant) giveBack(ctx context.Context, ids []string, filter offers.Filter) error {
	if len(ids) == 0 {
		return nil
	}
	if err := t.sub.Decline(ctx, ids, filter); err != nil && !errors.Is(err, offers.ErrExpired) {
		return fmt.Errorf("give back: %w", err)
	}
	return nil
}

// Commit also declares what waits then, and gives back what is left if nothing does.
func (t *tenant) Commit(ctx context.Context, p *cluster.Plan) (*cluster.Outcome, error) {
	out, err := t.Book.Commit(ctx, p)
	if err != nil {
		return out, err
	}
	placed := make(map[string]bool, len(out.Placed))
	for i := range out.Placed {
		placed[out.Placed[i].Task.ID] = true
	}
	var waiting []berth.Task
	for _, task := range t.queue.Waiting() {
		if !placed[task.ID] {
			waiting = append(waiting, task)
		}
	}
	// The tasks are placed, and must be started: what is wrong with the rest the next look tells.
	ctx = context.WithoutCancel(ctx)
	if after, err := t.Book.Snapshot(ctx); err == nil {
		_ = t.declare(ctx, waiting, after)
	}
	return out, nil
}

// declare says what the framework wants: what waits, besides what runs.
func (t *tenant) declare(ctx context.Context, waiting []berth.Task, snapshot *cluster.Snapshot) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	view := (*store.View)(snapshot).Shown()
	var demand []offers.Demand
	at := map[string]int{} // by group name
	waits := make(map[string]bool, len(t.moving))
	if len(t.moving) > 0 {
		for _, task := range waiting {
			waits[task.ID] = true
		}
	}
	for i, n := 0, len(waiting); i < n+len(t.moving); i++ {
		var task berth.Task
		if i < n {
			task = waiting[i]
		} else if task = t.moving[i-n].Task; waits[task.ID] || !t.stands(t.moving[i-n]) {
			continue // it has been stopped
		}
		g := task.Group
		if !t.mine(g) || !g.Role().Within(t.role) {
			continue // which it is told when it is planned
		}
		i, named := at[g.Name()]
		if !named {
			i = len(demand)
			at[g.Name()] = i
			demand = append(demand, offers.Demand{Group: g})
			if id, runs := view.FindGroup(g.Name()); runs && g.Mode() != berth.Daemon {
				for _, kin := range view.Kin(id) {
					demand[i].Count += view.Group(kin).Count
				}
			}
		}
		if demand[i].Group.Equal(g) && g.Mode() != berth.Daemon {
			demand[i].Count++
		}
	}
	demand = slices.DeleteFunc(demand, func(d offers.Demand) bool { // of a gang not all waits yet, so that it could not be placed
		return d.Group.Mode() != berth.Daemon && d.Count < d.Group.GangSize()
	})
	if !equalDemand(demand, t.declared) {
		if err := t.sub.Want(demand...); err != nil {
			return err
		}
		t.declared = demand
	}
	if len(demand) > 0 {
		return nil
	}
	open, err := t.sub.Offers(ctx)
	if err != nil || len(open) == 0 {
		return err
	}
	ids := make([]string, len(open))
	for i := range open {
		ids[i] = open[i].ID
	}
	return t.giveBack(ctx, ids, offers.Filter{})
}

func equalDemand(a, b []offers.Demand) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Count != b[i].Count || !a[i].Group.Equal(b[i].Group) {
			return false
		}
	}
	return true
}

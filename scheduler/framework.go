package scheduler

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

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
	// Framework is the tenant. Its Demand is worked out from the Queue, and must be nil.
	Framework offers.Framework
	// Run is how the framework's tasks are started and stopped: a Queue and a Launcher of its own. Its Scheduler and its Inventory must be nil.
	Run RunConfig
	// Scheduler is how they are placed on what is offered.
	Scheduler Config
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
// Of several groups of one name that wait, the first is declared until none of it waits.
//
// It fails with every fault of the configuration, and else as Run does.
func RunFramework(ctx context.Context, cfg FrameworkConfig) error {
	if err := cfg.err(ctx); err != nil {
		return faults.Of("scheduler: run framework", err)
	}
	f := cfg.Framework
	f.Demand = []offers.Demand{}
	sub, err := cfg.Exchange.Subscribe(f)
	if err != nil {
		return faults.Of("scheduler: run framework", err)
	}
	defer func() { _ = sub.Unsubscribe(context.WithoutCancel(ctx)) }() // what it does not give back ends with its lease
	if _, err := sub.Resume(ctx); err != nil {
		return faults.Of("scheduler: run framework", err)
	}
	s, err := New(&tenant{Book: sub.Book(), sub: sub, queue: cfg.Run.Queue, role: f.Role}, cfg.Scheduler)
	if err != nil {
		return faults.Of("scheduler: run framework", err)
	}
	cfg.Run.Scheduler = s
	return Run(ctx, cfg.Run)
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
	if cfg.Run.Scheduler != nil {
		errs = append(errs, errors.New("Run.Scheduler is set: the framework has one of its own"))
	}
	if cfg.Run.Inventory != nil {
		errs = append(errs, errors.New("Run.Inventory is set: a framework has no nodes of its own"))
	}
	if _, err := cfg.Run.check(ctx); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, cfg.Framework.Role.Err(), cfg.Scheduler.Err())...)
}

// tenant is a Book whose framework declares what waits in a Queue whenever it looks.
type tenant struct {
	*offers.Book
	sub   *offers.Subscription
	queue *Queue
	role  berth.Role

	mu       sync.Mutex
	declared []offers.Demand
}

// Snapshot also declares what waits.
func (t *tenant) Snapshot(ctx context.Context) (*cluster.Snapshot, error) {
	snapshot, err := t.Book.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return snapshot, t.declare(ctx, t.queue.Waiting(), snapshot)
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
	for _, task := range waiting {
		g := task.Group
		if !g.Role().Within(t.role) {
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
	if err := t.sub.Decline(ctx, ids, offers.Filter{}); err != nil && !errors.Is(err, offers.ErrExpired) {
		return fmt.Errorf("give back: %w", err)
	}
	return nil
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

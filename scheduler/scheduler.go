package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/faults"
	"github.com/berth-sched/berth/placement"
)

// Config says how a Scheduler decides. The zero value is good.
type Config struct {
	// Strategy says which of the nodes that can take a task is best. The default, of the zero Strategy, is chosen once, by the first snapshot with
	// nodes that the scheduler plans on: placement.PricedGaps, which learns, if one of the nodes has devices, and else
	// placement.BinPack() over all resources. It stays that whatever nodes come later; where Learned is given it is what learned that. placement.Suited names
	// what suits a cluster that is short of some resources, by what is in use.
	Strategy placement.Strategy
	// Seed, if it is not 0, is that of the Strategy: it shuffles nodes that are equally good, see placement.Strategy.Seed.
	Seed uint64
	// Learned is what the Strategy has learned before, of one that learns ([placement.Strategy.Learns]), such as what [Scheduler.Learned] returned
	// when a checkpoint was written. The default is that nothing is known. It is copied.
	Learned *placement.Learned
	// Order says which role is next, among tasks of one priority, which matters where there is not room for all: allocator.Fair
	// for shares by weighted dominant resource fairness, allocator.Priority, or the host's own. It is asked anew in every
	// plan and sees the ledger of the snapshot. The default, nil, is the order in which tasks are handed in. An Order
	// must not call the Scheduler nor its source. Where one panics, or names a role that has nothing waiting, there is no plan but an error.
	Order allocator.Order
	// Window is how many tasks of a role may find no room before the tasks behind them, of that role and of one priority, wait for the
	// next plan. With 1 no task overtakes one of its role that was handed in before it, so that small tasks do not take again and again the
	// room that a large one needs. The default, 0, is no window: every task is tried. It does not matter where there is no Order.
	Window int
	// Hold, alone or with a Window, keeps room for the first task of a role that finds none. On the node that comes nearest to having room
	// ([cluster.NearMiss]), what is free of all that the task takes is kept in this plan from the tasks whose turn comes
	// later, of whatever role: so what tasks give back there adds up from plan to plan, and the task has it once it is enough. No more is kept than what is
	// free on one node for one task of each role and priority; the rest of the cluster is open to all. It is for tasks of groups that are no gangs;
	// instances of daemons have their room kept in any case, see [Scheduler.Plan]. Nothing is kept where more than room is lacking, or a
	// limit does not let the role have it; what is kept counts as the role's in this plan. No commit and no other scheduler knows of it. A task that finds
	// no room beside it may be told so ([cluster.Explanation].Order). The default is false. It does not matter where there is no Order.
	Hold bool
	// Exhaustive makes the scheduler ask about every node for every task instead of keeping indexes. The
	// plans are the same; it is there to check that. The default is false.
	Exhaustive bool
	// Attempts is how often Schedule plans before it gives up on tasks that lost their room between the
	// snapshot and the commit. The default is 3. More attempts cost a plan each, and only when others
	// commit at the same time.
	Attempts int
	// Observer is told of plans and commits. The default tells nobody.
	Observer Observer
}

// holdsBack reports whether tasks that wait may keep from others what these would get without them.
func (c *Config) holdsBack() bool { return c.Order != nil && (c.Hold || c.Window > 0) }

// Err returns every fault of the configuration joined into one error, or nil.
func (c Config) Err() error {
	var errs []error
	if err := c.Strategy.Err(); err != nil {
		errs = append(errs, faults.Of("scheduler: strategy", err))
	}
	if c.Learned != nil && !c.Learned.Of(c.Strategy) && !(c.Strategy.IsZero() && c.Learned.Of(placement.PricedGaps(placement.Mix{}))) {
		errs = append(errs, errors.New("scheduler: learned: by another strategy"))
	}
	if c.Order != nil {
		if faults.IsNil(c.Order) {
			errs = append(errs, errors.New("scheduler: order: a nil pointer"))
		} else if order, ok := c.Order.(interface{ Err() error }); ok {
			errs = append(errs, faults.Of("scheduler: order", order.Err()))
		}
	}
	if c.Window < 0 {
		errs = append(errs, fmt.Errorf("scheduler: window: %d is negative", c.Window))
	}
	if c.Attempts < 0 {
		errs = append(errs, fmt.Errorf("scheduler: attempts: %d is negative", c.Attempts))
	}
	return errors.Join(errs...)
}

// Scheduler plans tasks onto the nodes of a source and commits the plans. It may be used by any number
// of goroutines; they plan one after another, and commits are the source's to order. The zero Scheduler, and a nil one, has
// no source and fails at everything; [New] makes one that works. Where a strategy or a rule panics, the panic reaches the
// caller, nothing is committed, and the Scheduler makes its indexes anew.
type Scheduler struct {
	source Source
	state  *State // the source, if tasks are planned and committed in one step
	cfg    Config
	slow   bool // a task may be a walk over all nodes

	mu      sync.Mutex // guards what follows
	open    bool       // whether the strategy is yet to be chosen
	planner *planner
	learned *placement.Learned // nil if the strategy does not learn

	foreseen *placement.Learned // what it is once the tasks of the last plan have arrived, where weights were due; nil else
}

var errNoSource = errors.New("scheduler: no source")

// usable says what is missing for a call of a Scheduler: a source, which that of [New] has, or a context.
func (s *Scheduler) usable(ctx context.Context) error {
	switch {
	case s == nil || s.source == nil:
		return errNoSource
	case ctx == nil:
		return errNoContext
	}
	return nil
}

// New returns a scheduler for a source. It fails with every fault of the configuration.
func New(source Source, cfg Config) (*Scheduler, error) {
	err := cfg.Err()
	if faults.IsNil(source) {
		err = errors.Join(errNoSource, err)
	}
	if err != nil {
		return nil, err
	}
	open := cfg.Strategy.IsZero()
	if open && cfg.Learned != nil {
		open, cfg.Strategy = false, placement.PricedGaps(placement.Mix{})
	}
	if cfg.Seed != 0 {
		cfg.Strategy = cfg.Strategy.Seed(cfg.Seed)
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = 3
	}
	if cfg.Observer.Now == nil {
		cfg.Observer.Now = time.Now
	}
	s := &Scheduler{source: source, cfg: cfg, open: open}
	if !cfg.Exhaustive && !cfg.Strategy.Rescans() {
		s.state, _ = source.(*State)
	} else {
		s.slow = true
	}
	if cfg.Strategy.Learns() {
		if s.learned = cfg.Learned.Clone(); s.learned == nil {
			s.learned = placement.NewLearned(cfg.Strategy)
		}
	}
	s.planner = s.newPlanner()
	return s, nil
}

// choose chooses the strategy where none was given, if the snapshot has nodes to choose by. Until then the planner goes by another, which has had none
// to choose from. It would not do to choose anew when the first device comes: where the same tasks go would depend on when that was.
func (s *Scheduler) choose(snapshot *cluster.Snapshot) {
	if !s.open || snapshot.Len() == 0 {
		return
	}
	s.open = false
	by := placement.Suited(snapshot)
	if !by.Learns() { // BinPack, which the planner has already, over all resources: what is in use now is no reason for later
		return
	}
	if s.cfg.Seed != 0 {
		by = by.Seed(s.cfg.Seed)
	}
	s.cfg.Strategy, s.learned = by, placement.NewLearned(by)
	s.planner = s.newPlanner()
}

func (s *Scheduler) newPlanner() *planner {
	if s.cfg.Exhaustive {
		return &planner{picker: placement.NewExhaustive(s.cfg.Strategy), slow: s.slow, turns: turns{order: s.cfg.Order, window: s.cfg.Window, hold: s.cfg.Hold}}
	}
	engine := placement.NewEngine(s.cfg.Strategy)
	return &planner{picker: engine, engine: engine, slow: s.slow, turns: turns{order: s.cfg.Order, window: s.cfg.Window, hold: s.cfg.Hold}}
}

// Plan decides where tasks would go on a snapshot, and changes nothing. It is a function of the snapshot,
// the tasks and the configuration, and of what the strategy has learned if it is one that learns: the same plan, whatever was planned before and on
// any machine.
//
// Tasks are placed one after another, those of higher priority first, of equal priority the daemons first, else in the order
// given or, with [Config].Order, the role next whose turn it is, and the tasks of a role in the order given; the tasks of a gang
// together, where the first of them stands. Each sees the placements made before it. A task
// that exists already is among the unplaced, with the reason [berth.TaskExists], and a daemon group that suits no node is as
// the demand that it is. Plan fails with every fault of every task, and plans nothing, if one is at fault. When the context
// ends it stops soon, with an error that wraps the cause.
//
// Where the instance of a daemon lacks nothing but room that others have, what is free there of all that it takes is kept for it from
// the tasks that come after the daemon: from those of a lower priority, and of the same. So what becomes free little by little adds up, and
// the instance has it as soon as it is enough. That lasts as long as the demand is handed in with the tasks, as [Run] does while it waits; no
// commit and no other scheduler knows of it. A task that finds no room beside it may be told so ([cluster.Explanation].Order).
func (s *Scheduler) Plan(ctx context.Context, snapshot *cluster.Snapshot, tasks ...berth.Task) (*cluster.Plan, error) {
	return s.planBeside(ctx, snapshot, nil, tasks)
}

// planBeside is Plan, with room kept for daemons whose demands are not planned.
func (s *Scheduler) planBeside(ctx context.Context, snapshot *cluster.Snapshot, silent, tasks []berth.Task) (*cluster.Plan, error) {
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if snapshot == nil {
		return nil, errors.New("scheduler: plan: no snapshot")
	}
	if err := checkTasks(tasks); err != nil {
		return nil, err
	}
	w := s.watch()
	defer w.tell()
	s.mu.Lock()
	defer s.mu.Unlock()
	w.start()
	plan, _, err := s.plan(ctx, snapshot, tasks, silent, nil)
	w.planned(snapshot.Version(), len(tasks), plan, err)
	if err != nil {
		return nil, fmt.Errorf("scheduler: plan: %w", err)
	}
	return plan, nil
}

// plan is Plan for tasks that are not at fault, under the lock. The gate is asked about what is picked.
func (s *Scheduler) plan(ctx context.Context, snapshot *cluster.Snapshot, tasks, silent []berth.Task, gate *gate) (*cluster.Plan, []cluster.Refusal, error) {
	whole := false
	defer func() {
		if !whole { // a function of the host panicked, in the middle of the planner's work
			s.planner = s.newPlanner()
		}
	}()
	s.choose(snapshot)
	if s.foreseen = nil; s.learned != nil {
		s.foreseen = s.learned.Foresee(snapshot, tasks...)
		s.tune(cmp.Or(s.foreseen, s.learned))
	}
	plan, denied, err := s.planner.run(ctx, snapshot, inOrder(tasks), silent, gate)
	whole = true
	return plan, denied, err
}

// tune makes the picker go by what was learned.
func (s *Scheduler) tune(l *placement.Learned) {
	if p, ok := s.planner.picker.(interface{ Tune(*placement.Learned) }); ok && l != nil {
		p.Tune(l)
	}
}

// learn counts the tasks of the plan that was made last, which has been carried out. A plan that is dropped is not counted, and so leaves no trace.
func (s *Scheduler) learn(tasks []berth.Task) {
	if s.foreseen != nil {
		s.learned = s.foreseen
	} else if s.learned != nil {
		s.learned.Arrived(tasks...)
	}
}

// Learned returns what the strategy has learned of the tasks that were scheduled, to be written down with a checkpoint, and handed to another scheduler as
// [Config.Learned]; nil if the strategy does not learn.
//
// Schedule counts each task that it is handed, placed or not, each time that it is handed in. Plan counts the tasks while it plans and forgets them: whoever
// carries plans out on their own calls [Scheduler.Arrived].
func (s *Scheduler) Learned() *placement.Learned {
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.learned.Clone()
}

// Arrived lets the strategy learn of tasks that were not handed to Schedule, given the cluster before they were placed: those of a plan that the caller has
// committed. It does nothing if the strategy does not learn.
func (s *Scheduler) Arrived(snapshot *cluster.Snapshot, tasks ...berth.Task) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if snapshot != nil {
		s.choose(snapshot)
	}
	s.foreseen = s.learned.Foresee(snapshot, tasks...)
	s.learn(tasks)
}

func checkTasks(tasks []berth.Task) error {
	var errs []error
	for _, t := range tasks {
		if err := t.Err(); err != nil {
			errs = append(errs, wrap(err))
			continue
		}
		if t.Group.Mode() == berth.Daemon && !t.IsDemand() {
			errs = append(errs, fmt.Errorf("scheduler: task %q: group %q is a daemon: schedule what its Everywhere returns", t.ID, t.Group.Name()))
		}
	}
	return errors.Join(errs...)
}

// inOrder returns the tasks as they are to be planned; the slice itself if that is its order.
func inOrder(tasks []berth.Task) []berth.Task {
	for i := 1; i < len(tasks); i++ {
		if a, b := tasks[i-1].Group, tasks[i].Group; a != b && before(b, a) < 0 {
			tasks = slices.Clone(tasks)
			slices.SortStableFunc(tasks, func(a, b berth.Task) int { return before(a.Group, b.Group) })
			break
		}
	}
	return tasks
}

// before orders groups: by priority, and of equal ones the daemons first. A daemon has to have room on each node, and what
// comes before it can as well go elsewhere.
func before(a, b *berth.Group) int {
	if c := cmp.Compare(b.Priority(), a.Priority()); c != 0 {
		return c
	}
	switch x, y := a.Mode() == berth.Daemon, b.Mode() == berth.Daemon; {
	case x == y:
		return 0
	case x:
		return -1
	}
	return 1
}

package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"

	"github.com/hashicorp/go-hclog"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
)

// Config says how a Scheduler decides. The zero value is good.
type Config struct {
	// Strategy says which of the nodes that can take a task is best. The default is placement.BinPack().
	Strategy placement.Strategy
	// Exhaustive makes the scheduler ask about every node for every task instead of keeping indexes. The
	// plans are the same; it is there to check that. The default is false.
	Exhaustive bool
	// Attempts is how often Schedule plans before it gives up on tasks that lost their room between the
	// snapshot and the commit. The default is 3. More attempts cost a plan each, and only when others
	// commit at the same time.
	Attempts int
	// Logger is told of each round at debug level. The default is silent.
	Logger hclog.Logger
}

// Err returns every fault of the configuration joined into one error, or nil.
func (c Config) Err() error {
	var errs []error
	if c.Strategy != nil {
		if err := c.Strategy.Err(); err != nil {
			errs = append(errs, fmt.Errorf("scheduler: strategy: %w", err))
		}
	}
	if c.Attempts < 0 {
		errs = append(errs, fmt.Errorf("scheduler: attempts: %d is negative", c.Attempts))
	}
	return errors.Join(errs...)
}

// Scheduler plans tasks onto the nodes of a source and commits the plans. It may be used by any number
// of goroutines; they plan one after another, and commits are the source's to order. The zero Scheduler has
// no source and fails at everything; [New] makes one that works.
type Scheduler struct {
	source Source
	state  *State // the source, if tasks are planned and committed in one step
	cfg    Config
	log    hclog.Logger

	mu      sync.Mutex // guards planner
	planner planner
}

var errNoSource = errors.New("scheduler: no source")

// isNil reports whether an interface holds nothing, or a pointer to nothing.
func isNil(v any) bool {
	r := reflect.ValueOf(v)
	return !r.IsValid() || r.Kind() == reflect.Pointer && r.IsNil()
}

// New returns a scheduler for a source. It fails with every fault of the configuration.
func New(source Source, cfg Config) (*Scheduler, error) {
	err := cfg.Err()
	if isNil(source) {
		err = errors.Join(errNoSource, err)
	}
	if err != nil {
		return nil, err
	}
	if cfg.Strategy == nil {
		cfg.Strategy = placement.BinPack()
	}
	if cfg.Attempts == 0 {
		cfg.Attempts = 3
	}
	if cfg.Logger == nil {
		cfg.Logger = hclog.NewNullLogger()
	}
	s := &Scheduler{source: source, cfg: cfg, log: cfg.Logger}
	if cfg.Exhaustive {
		s.planner.picker = placement.NewExhaustive(cfg.Strategy)
	} else {
		s.planner.picker = placement.NewEngine(cfg.Strategy)
		if cfg.Strategy.Depends().Shape {
			s.state, _ = source.(*State)
		}
	}
	return s, nil
}

// Plan decides where tasks would go on a snapshot, and changes nothing. It is a function of the snapshot,
// the tasks and the configuration: the same plan, whatever was planned before and on any machine.
//
// Tasks are placed one after another, those of higher priority first, else in the order given; the tasks
// of a gang together, where the first of them stands. Each sees the placements made before it. A task
// that exists already is among the unplaced, with the reason [berth.TaskExists]. Plan fails with every
// fault of every task, and plans nothing, if one is at fault.
func (s *Scheduler) Plan(snapshot *cluster.Snapshot, tasks ...berth.Task) (*berth.Plan, error) {
	switch {
	case s.source == nil:
		return nil, errNoSource
	case snapshot == nil:
		return nil, errors.New("scheduler: plan: no snapshot")
	}
	if err := checkTasks(tasks); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.plan(snapshot, tasks), nil
}

// plan is Plan for tasks that are not at fault, under the lock.
func (s *Scheduler) plan(snapshot *cluster.Snapshot, tasks []berth.Task) *berth.Plan {
	return s.planner.run(snapshot, inOrder(tasks))
}

// round is one attempt of Schedule.
func (s *Scheduler) round(ctx context.Context, tasks []berth.Task) (*berth.Outcome, error) {
	if s.state != nil {
		if err := checkTasks(tasks); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		out, err := s.state.decide(ctx, func(now *cluster.Snapshot) *berth.Plan { return s.plan(now, tasks) })
		if err != nil {
			return nil, fmt.Errorf("scheduler: schedule: %w", err)
		}
		return out, nil
	}
	snapshot, err := s.source.Snapshot(ctx)
	if err != nil {
		return nil, fmt.Errorf("scheduler: snapshot: %w", err)
	}
	plan, err := s.Plan(snapshot, tasks...)
	if err != nil {
		return nil, err
	}
	out, err := s.source.Commit(ctx, plan)
	if err != nil {
		return nil, fmt.Errorf("scheduler: commit: %w", err)
	}
	return out, nil
}

// Schedule takes a snapshot, plans the tasks and commits the plan. Tasks whose placement was refused
// because others changed the source meanwhile are planned again on a newer snapshot, Config.Attempts times
// in all; what is still refused then is in the outcome. It fails, having started nothing, if a task is at
// fault, and otherwise only if the source or the context does; the outcome then tells what was done before.
//
// On a [State], and with a strategy that declares Shape (see [placement.Dependence]), all is one step under the
// State's lock: nothing comes between, and nothing is copied that a snapshot would have kept. The outcome is that
// of the three steps. Other callers of the State wait meanwhile, some microseconds for each task; to plan
// without its lock, call Snapshot, Plan and Commit.
func (s *Scheduler) Schedule(ctx context.Context, tasks ...berth.Task) (*berth.Outcome, error) {
	total := &berth.Outcome{}
	if s.source == nil {
		return total, errNoSource
	}
	for attempt := 1; ; attempt++ {
		out, err := s.round(ctx, tasks)
		if err != nil {
			return total, err
		}
		total.Version = out.Version
		if len(total.Placed) == 0 {
			total.Placed = out.Placed
		} else {
			total.Placed = append(slices.Clip(total.Placed), out.Placed...)
		}
		total.Unplaced = append(total.Unplaced, out.Unplaced...)
		if s.log.IsDebug() {
			s.log.Debug("scheduled", "attempt", attempt, "placed", len(out.Placed), "refused", len(out.Refused), "unplaced", len(out.Unplaced))
		}
		tasks = nil
		for _, r := range out.Refused {
			switch g := r.Op.Task.Group; {
			case attempt == s.cfg.Attempts || !mayPass(r):
				total.Refused = append(total.Refused, r)
			case g.Mode() != berth.Daemon:
				tasks = append(tasks, r.Op.Task)
			case !slices.Contains(tasks, g.Everywhere()):
				tasks = append(tasks, g.Everywhere())
			}
		}
		if len(tasks) == 0 {
			return total, nil
		}
	}
}

// mayPass reports whether a refused operation may be done on a newer snapshot.
func mayPass(r berth.Refusal) bool {
	switch r.Reason.Code {
	case berth.TaskExists, berth.GroupDiffers, berth.Denied, berth.Invalid:
		return false
	}
	return r.Op.Kind == berth.Place
}

func checkTasks(tasks []berth.Task) error {
	var errs []error
	var last *berth.Group
	for _, t := range tasks {
		if last != nil && t.Group == last && last.Mode() != berth.Daemon && plain(t.ID) {
			continue // its group was found good a moment ago
		}
		if err := t.Err(); err != nil {
			errs = append(errs, fmt.Errorf("scheduler: %w", err))
			continue
		}
		if t.ID != "" && t.Group.Mode() == berth.Daemon {
			errs = append(errs, fmt.Errorf("scheduler: task %q: group %q is a daemon: schedule what its Everywhere returns", t.ID, t.Group.Name()))
			continue
		}
		last = t.Group
	}
	return errors.Join(errs...)
}

// plain reports whether an ID is certainly good; others are looked at more closely.
func plain(id string) bool {
	for i := range len(id) {
		if id[i] <= ' ' || id[i] > '~' {
			return false
		}
	}
	return id != ""
}

// inOrder returns the tasks as they are to be planned; the slice itself if that is its order.
func inOrder(tasks []berth.Task) []berth.Task {
	for i := 1; i < len(tasks); i++ {
		if a, b := tasks[i-1].Group, tasks[i].Group; a != b && a.Priority() < b.Priority() {
			tasks = slices.Clone(tasks)
			slices.SortStableFunc(tasks, func(a, b berth.Task) int { return cmp.Compare(b.Group.Priority(), a.Group.Priority()) })
			break
		}
	}
	return tasks
}

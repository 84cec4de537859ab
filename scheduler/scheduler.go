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

	mu     sync.Mutex // guards picker
	picker placement.Picker
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
		s.picker = placement.NewExhaustive(cfg.Strategy)
	} else {
		s.picker = placement.NewEngine(cfg.Strategy)
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
func (s *Scheduler) Plan(snapshot *berth.Snapshot, tasks ...berth.Task) (*berth.Plan, error) {
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
func (s *Scheduler) plan(snapshot *berth.Snapshot, tasks []berth.Task) *berth.Plan {
	p := planner{
		picker:   s.picker,
		snapshot: snapshot,
		plan:     &berth.Plan{Version: snapshot.Version(), Ops: make([]berth.Op, 0, len(tasks))},
	}
	p.run(inOrder(tasks))
	return p.plan
}

// round plans the tasks and commits the plan.
func (s *Scheduler) round(ctx context.Context, tasks []berth.Task) (*berth.Outcome, error) {
	if s.state != nil {
		if err := checkTasks(tasks); err != nil {
			return nil, err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		out, err := s.state.decide(ctx, func(now *berth.Snapshot) *berth.Plan { return s.plan(now, tasks) })
		if err != nil {
			return nil, fmt.Errorf("scheduler: snapshot: %w", err)
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
	byPriority := func(a, b berth.Task) int { return cmp.Compare(b.Group.Priority(), a.Group.Priority()) }
	if slices.IsSortedFunc(tasks, byPriority) {
		return tasks
	}
	tasks = slices.Clone(tasks)
	slices.SortStableFunc(tasks, byPriority)
	return tasks
}

// planner makes one plan.
type planner struct {
	picker   placement.Picker
	snapshot *berth.Snapshot
	plan     *berth.Plan
	exists   map[string]string // where tasks that exist already are
	seen     map[string]bool
	groups   map[string]*berth.Group // by name, as met
	failed   map[*berth.Group]*berth.Explanation
	gangs    map[string][]berth.Task // by group name, until they are planned
}

func (p *planner) run(tasks []berth.Task) {
	p.picker.Start(p.snapshot)
	if len(tasks) > 1 {
		p.seen = make(map[string]bool, len(tasks))
	}
	// Looked up one after another before anything is picked: the look-ups of many tasks, each a few cache
	// misses, then overlap.
	for _, t := range tasks {
		if v, ok := p.snapshot.Task(t.ID); ok {
			if p.exists == nil {
				p.exists = map[string]string{}
			}
			p.exists[t.ID] = whereabouts(v)
		}
	}
	p.groups = make(map[string]*berth.Group)
	var last *berth.Group
	for i, t := range tasks {
		if t.Group != last && !p.sameSpec(t.Group) {
			p.plan.Unplaced = append(p.plan.Unplaced, berth.Unplaced{Task: t, Reason: berth.Reason{Code: berth.GroupDiffers, Subject: t.Group.Name()}})
			continue
		}
		last = t.Group
		switch {
		case t.Group.Mode() == berth.Gang:
			p.gang(t.Group, tasks[i:])
		case t.ID == "":
			p.cover(t.Group)
		default:
			if op, ok := p.place(t); ok {
				p.plan.Ops = append(p.plan.Ops, op)
			}
		}
	}
}

// sameSpec reports whether the group is what its name stands for in the snapshot and in the plan.
func (p *planner) sameSpec(g *berth.Group) bool {
	if met, ok := p.groups[g.Name()]; ok {
		return met.Equal(g)
	}
	for t := range p.snapshot.Group(g.Name()) {
		if !t.Group.Equal(g) {
			return false
		}
		break
	}
	p.groups[g.Name()] = g
	return true
}

// place picks a node for a task, or notes why there is none.
func (p *planner) place(t berth.Task) (berth.Op, bool) {
	if where, known := p.known(t); known {
		p.plan.Unplaced = append(p.plan.Unplaced, berth.Unplaced{Task: t, Reason: berth.Reason{Code: berth.TaskExists, Subject: where}})
		return berth.Op{}, false
	}
	why, hopeless := p.failed[t.Group]
	if !hopeless {
		op, ok := p.picker.Place(t)
		if ok {
			return op, true
		}
		// Room only shrinks while a plan is made, so the group's other tasks fail alike.
		why = p.picker.Explain(t.Group)
		if p.failed == nil {
			p.failed = map[*berth.Group]*berth.Explanation{}
		}
		p.failed[t.Group] = why
	}
	p.plan.Unplaced = append(p.plan.Unplaced, berth.Unplaced{Task: t, Reason: firstReason(why), Why: why})
	return berth.Op{}, false
}

func firstReason(e *berth.Explanation) berth.Reason {
	switch {
	case e != nil && e.Nodes == 0:
		return berth.Reason{Code: berth.NoNodes}
	case e == nil || len(e.Counts) == 0:
		return berth.Reason{}
	}
	return e.Counts[0].Reason
}

func whereabouts(t berth.TaskView) string {
	if t.Node == "" {
		return t.State.String()
	}
	return "on " + t.Node
}

// known reports whether a task exists or is in the plan already.
func (p *planner) known(t berth.Task) (where string, known bool) {
	if where, known = p.exists[t.ID]; known || p.seen == nil {
		return where, known
	}
	if p.seen[t.ID] {
		return "earlier in the plan", true
	}
	p.seen[t.ID] = true
	return "", false
}

// gang places the tasks of a gang, or, if fewer than its size can be placed, none. The gang's name is what
// makes it one: each of its tasks may have come with a group of its own that equals the others'.
func (p *planner) gang(g *berth.Group, rest []berth.Task) {
	if p.gangs == nil {
		p.gangs = make(map[string][]berth.Task)
		for _, t := range rest {
			if t.Group.Mode() == berth.Gang {
				p.gangs[t.Group.Name()] = append(p.gangs[t.Group.Name()], t)
			}
		}
	}
	tasks := p.gangs[g.Name()]
	delete(p.gangs, g.Name())
	running := 0
	for t := range p.snapshot.Group(g.Name()) {
		if t.Node != "" {
			running++
		}
	}
	ops, unplaced := len(p.plan.Ops), len(p.plan.Unplaced)
	for _, t := range tasks {
		if !t.Group.Equal(g) {
			continue // run will say so
		}
		if op, ok := p.place(t); ok {
			p.plan.Ops = append(p.plan.Ops, op)
		}
	}
	placed := p.plan.Ops[ops:]
	if len(placed) == 0 {
		return
	}
	if running+len(placed) >= g.GangSize() {
		p.plan.Together = append(p.plan.Together, g.Name())
		return
	}
	incomplete := berth.Reason{Code: berth.GangIncomplete, Subject: fmt.Sprintf("%d of %d", running+len(placed), g.GangSize())}
	var why *berth.Explanation // none if every task given has room, but too few were given
	for i := range p.plan.Unplaced[unplaced:] {
		if u := &p.plan.Unplaced[unplaced+i]; u.Why != nil {
			u.Reason, why = incomplete, u.Why
		}
	}
	for _, op := range placed {
		p.picker.Undo(op)
		p.plan.Unplaced = append(p.plan.Unplaced, berth.Unplaced{Task: op.Task, Reason: incomplete, Why: why})
	}
	p.plan.Ops = p.plan.Ops[:ops]
	p.failed = nil // there is room again
}

// cover places a daemon group's instance on each eligible node that lacks it.
func (p *planner) cover(g *berth.Group) {
	p.picker.Cover(g, func(op berth.Op) {
		where, known := p.known(op.Task)
		if v, ok := p.snapshot.Task(op.Task.ID); ok {
			where, known = whereabouts(v), true
		}
		if known {
			p.picker.Undo(op)
			p.plan.Unplaced = append(p.plan.Unplaced, berth.Unplaced{Task: op.Task, Reason: berth.Reason{Code: berth.TaskExists, Subject: where}})
			return
		}
		p.plan.Ops = append(p.plan.Ops, op)
	}, func(node string, lacks []berth.Lack) {
		why := &berth.Explanation{Nodes: 1, Nearest: &berth.NearMiss{Node: node, Lacks: lacks}}
		for _, l := range lacks {
			why.Counts = append(why.Counts, berth.ReasonCount{Reason: l.Reason, Nodes: 1})
		}
		p.plan.Unplaced = append(p.plan.Unplaced, berth.Unplaced{Task: g.On(node), Reason: firstReason(why), Why: why})
	})
}

package scheduler

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"
	"golang.org/x/sync/errgroup"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// RunConfig configures [Run]. State, Launcher and Queue are needed.
type RunConfig struct {
	// State is the cluster. Run keeps it in step with the Inventory and the Launcher; the host may use it
	// besides.
	State *State
	// Queue has what is to run.
	Queue *Queue
	// Launcher starts and stops tasks.
	Launcher Launcher
	// Inventory tells which nodes there are. The default is that the host tells the State itself.
	Inventory Inventory
	// Scheduler plans. The default is one with its own defaults on State. Another must commit to State in
	// the end, be it through a book of offers.
	Scheduler *Scheduler
	// Launches is how many tasks are started or stopped at once. The default is 16.
	Launches int
	// RetryAfter is how long a task that failed to start, or to stop, waits before the second attempt; each
	// further one waits twice as long, up to RetryAtMost. The defaults are a second and a minute. A task
	// that has run for RetryAtMost begins anew. The State's clock tells.
	RetryAfter, RetryAtMost time.Duration
	// Report is told of every event, one after another. It may use the Queue and the State, and holds up
	// Run while it works. The default tells nobody.
	Report func(Event)
	// Logger is told of every event: of failures at level warn, of the rest at debug. The default is silent.
	Logger hclog.Logger
}

func (c RunConfig) check() (RunConfig, error) {
	var errs []error
	need := func(missing bool, what string) {
		if missing {
			errs = append(errs, fmt.Errorf("no %s", what))
		}
	}
	need(c.State == nil, "State")
	need(c.Queue == nil, "Queue")
	need(isNil(c.Launcher), "Launcher")
	if c.Launches < 0 {
		errs = append(errs, fmt.Errorf("negative Launches: %d", c.Launches))
	}
	if c.RetryAfter < 0 {
		errs = append(errs, fmt.Errorf("negative RetryAfter: %v", c.RetryAfter))
	}
	if c.RetryAtMost < 0 {
		errs = append(errs, fmt.Errorf("negative RetryAtMost: %v", c.RetryAtMost))
	}
	if c.Launches == 0 {
		c.Launches = 16
	}
	if c.RetryAfter == 0 {
		c.RetryAfter = time.Second
	}
	if c.RetryAtMost == 0 {
		c.RetryAtMost = max(time.Minute, c.RetryAfter)
	}
	if c.RetryAtMost < c.RetryAfter {
		errs = append(errs, fmt.Errorf("RetryAtMost %v is less than RetryAfter %v", c.RetryAtMost, c.RetryAfter))
	}
	if isNil(c.Inventory) {
		c.Inventory = nil
	}
	if c.Report == nil {
		c.Report = func(Event) {}
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	if c.Scheduler == nil && c.State != nil {
		s, err := New(c.State, Config{})
		errs = append(errs, err)
		c.Scheduler = s
	}
	return c, errors.Join(errs...)
}

// Run does it all until the context ends: it keeps the State in step with the Inventory, places what the
// Queue holds whenever something has changed, has the Launcher start what was placed, and releases and
// tries again, later, what did not start. Daemon groups follow the nodes that join. It returns the cause of the
// context's end, or what the Inventory, the Launcher's Watch or the Scheduler failed with.
//
// When it ends, nothing new is started. Each Start under way ends confirmed, released, or, if it does not
// know, still assumed and reported as [Uncertain]; Run waits for them. Tasks that were placed but not started
// are released and wait in the Queue again.
func Run(ctx context.Context, cfg RunConfig) error {
	cfg, err := cfg.check()
	if err != nil {
		return wrap(fmt.Errorf("run: %w", err))
	}
	r := &runner{
		RunConfig: cfg,
		work:      make(chan func()),
		flying:    map[string]*flight{},
		retries:   map[string]retry{},
		reasons:   map[string]berth.Reason{},
		ready:     cfg.Inventory == nil,
	}
	r.launches.SetLimit(cfg.Launches)

	host := ctx
	watchers, ctx := errgroup.WithContext(ctx)
	watch := func(who string, f func() error) {
		watchers.Go(func() error {
			if err := f(); err != nil && ctx.Err() == nil {
				return fmt.Errorf("scheduler: run: %s: %w", who, err)
			}
			return nil
		})
	}
	if cfg.Inventory != nil {
		watch("inventory", func() error {
			return cfg.Inventory.Watch(ctx, func(events ...NodeEvent) error {
				return r.ask(ctx, func() error { return r.nodeEvents(events) })
			})
		})
	}
	watch("launcher", func() error {
		return cfg.Launcher.Watch(ctx, func(e TaskEvent) error {
			return r.ask(ctx, func() error { return r.taskEvent(e) })
		})
	})
	watchers.Go(func() error { return r.loop(ctx) })
	err = watchers.Wait()
	r.land()
	if err != nil {
		return err
	}
	return context.Cause(host)
}

// runner is a Run at work. Everything but the calls of Start and Stop happens in one goroutine at a time:
// that of loop, then that of land.
type runner struct {
	RunConfig
	launches errgroup.Group
	work     chan func() // from other goroutines

	ready   bool               // the Inventory has told what there is
	planned time.Time          // when schedule last looked at what waits
	jobs    []*flight          // to begin when a launch is free and their time has come
	flying  map[string]*flight // begun, by task; at most Launches of them
	retries map[string]retry
	reasons map[string]berth.Reason // why a task was last unplaced, by ID
}

// flight is one call of Start or Stop.
type flight struct {
	Placement
	stop    bool
	at      time.Time // not before
	over    bool      // the launcher reported the task's end meanwhile
	expired bool      // the task expired meanwhile, and waits to be placed again
}

// retry is how often a task failed, and when it may be tried again.
type retry struct {
	failures int
	at       time.Time
}

// ask has the runner's goroutine do something, and returns its error.
func (r *runner) ask(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	select {
	case r.work <- func() { done <- f() }:
		return <-done
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *runner) report(kind EventKind, p Placement, err error) {
	r.tell(Event{Kind: kind, Placement: p, Err: err})
}

func (r *runner) tell(e Event) {
	level := hclog.Debug
	if e.Err != nil {
		level = hclog.Warn
	}
	r.Logger.Log(level, e.Kind.String(), "task", e.Task.ID, "node", e.Node, "reason", e.Reason, "error", e.Err)
	r.Report(e)
}

func (r *runner) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		changed, submitted := r.State.Changed(), r.Queue.changed()
		r.expire()
		r.cancel()
		if err := r.schedule(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		if !r.sleep(ctx, changed, submitted, timer) {
			return nil
		}
	}
}

// sleep waits for a reason to plan again, and meanwhile begins the launches that can begin and does the work
// that comes in. What of that matters to a plan closes a channel. It returns false when the context has ended.
func (r *runner) sleep(ctx context.Context, changed, submitted <-chan struct{}, timer *time.Timer) bool {
	for ready := r.ready; ready == r.ready; {
		r.dispatch(ctx)
		if wait, ok := r.next(); ok {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return false
		case f := <-r.work:
			f()
		case <-changed:
			return true
		case <-submitted:
			return true
		case <-timer.C:
			return true
		}
	}
	return true
}

// land takes back what was not begun, and waits for the calls under way. Run's context has ended.
func (r *runner) land() {
	for _, j := range r.jobs {
		if !j.stop {
			r.release(j.Placement)
			r.Queue.putBack(j.Task)
		}
	}
	r.jobs = nil
	for len(r.flying) > 0 {
		(<-r.work)()
	}
	for _, j := range r.jobs {
		if j.stop {
			r.report(Uncertain, j.Placement, errors.New("not stopped: Run has ended"))
		}
	}
	_ = r.launches.Wait() // their errors were seen as they landed
}

// release gives back the room of a task, if it is still where it was placed, or lost with its node. That
// the host releases it in the same moment is as well.
func (r *runner) release(p Placement) {
	if t, ok := r.State.Task(p.Task.ID); ok && (t.Node == p.Node || t.Node == "") {
		_ = r.State.Release(p.Task.ID)
	}
}

// next returns how long to wait for the next deadline, and whether there is one.
func (r *runner) next() (wait time.Duration, found bool) {
	soonest := func(d time.Duration) {
		if d = max(d, 0); !found || d < wait {
			wait, found = d, true
		}
	}
	if at, ok := r.State.NextExpiry(); ok {
		soonest(at.Sub(r.State.Now()))
	}
	now := r.State.Now()
	for _, j := range r.jobs {
		if j.at.After(now) {
			soonest(j.at.Sub(now))
		}
	}
	for id, again := range r.retries { // the order does not matter to a minimum
		if again.at.After(r.planned) && r.Queue.has(id) {
			soonest(again.at.Sub(now))
		}
	}
	return wait, found
}

// expire puts back what was assumed for too long. What is being started goes back when that call has
// returned, so that no task is ever started twice at once.
func (r *runner) expire() {
	tasks, _ := r.State.Expire()
	for _, t := range tasks {
		p := placementOf(t)
		r.report(Expired, p, nil)
		if f := r.flying[t.ID]; f != nil {
			f.expired = true
			continue
		}
		r.unschedule(t.ID)
		r.Queue.putBack(t.Task)
	}
}

func placementOf(t cluster.TaskView) Placement { return Placement{t.Task, t.Node, t.Grant} }

// unschedule forgets a Start that has not begun, and reports whether there was one.
func (r *runner) unschedule(id string) bool {
	n := len(r.jobs)
	r.jobs = slices.DeleteFunc(r.jobs, func(j *flight) bool { return j.Task.ID == id && !j.stop })
	return len(r.jobs) < n
}

// schedule places what waits and may be tried now.
func (r *runner) schedule(ctx context.Context) error {
	r.planned = r.State.Now()
	if !r.ready {
		return nil
	}
	tasks := slices.DeleteFunc(r.Queue.Waiting(), func(t berth.Task) bool {
		return t.ID != "" && r.retries[t.ID].at.After(r.planned)
	})
	if len(tasks) == 0 {
		return nil
	}
	out, err := r.Scheduler.Schedule(ctx, tasks...)
	if out != nil {
		r.placed(out) // also what was placed before an error
	}
	return err
}

func (r *runner) placed(out *berth.Outcome) {
	withdrawn := r.Queue.take(out.Placed)
	for _, op := range out.Placed {
		delete(r.reasons, op.Task.ID)
		p := Placement{op.Task, op.Node, op.Grant}
		if withdrawn[op.Task.ID] {
			r.release(p)
			r.report(Stopped, p, nil)
			continue
		}
		// A task that failed waited before it was placed; the instance of a daemon waits on its node.
		r.jobs = append(r.jobs, &flight{Placement: p, at: r.retries[op.Task.ID].at})
	}
	for i, u := range out.Unplaced {
		r.unplaced(u.Task, u.Reason, &out.Unplaced[i])
	}
	for _, ref := range out.Refused {
		r.unplaced(ref.Op.Task, ref.Reason, nil)
	}
}

func (r *runner) unplaced(t berth.Task, why berth.Reason, u *berth.Unplaced) {
	if why.Code == berth.TaskExists && t.Group.Mode() != berth.Daemon {
		r.Queue.drop(t.ID) // waiting would not help
		delete(r.reasons, t.ID)
	} else {
		if last, told := r.reasons[t.ID]; told && last == why {
			return
		}
		r.reasons[t.ID] = why
	}
	r.tell(Event{Kind: Unplaced, Placement: Placement{Task: t}, Reason: why, Unplaced: u})
}

// dispatch begins the jobs whose time has come, as far as launches are free.
func (r *runner) dispatch(ctx context.Context) {
	now := r.State.Now()
	r.jobs = slices.DeleteFunc(r.jobs, func(j *flight) bool {
		if r.flying[j.Task.ID] != nil || len(r.flying) == r.Launches || j.at.After(now) || ctx.Err() != nil {
			return false
		}
		r.flying[j.Task.ID] = j
		// flying is within the group's limit, so Go waits at most for a goroutine that is about to end.
		r.launches.Go(func() error {
			call := r.Launcher.Start
			if j.stop {
				call = r.Launcher.Stop
			}
			err := call(ctx, j.Placement)
			r.work <- func() { r.landed(j, err) }
			return err
		})
		return true
	})
}

func (r *runner) landed(j *flight, err error) {
	delete(r.flying, j.Task.ID)
	switch {
	case j.over:
		// There is nothing left to do for it.
	case j.stop:
		r.stopped(j, err)
	default:
		r.started(j, err)
	}
}

func (r *runner) started(j *flight, err error) {
	t, known := r.State.Task(j.Task.ID)
	lost := known && t.State == berth.Lost
	mine := known && !lost && !j.expired && t.Node == j.Node
	switch {
	case err == nil && mine:
		if err := r.State.Confirm(j.Task.ID); err != nil {
			r.report(Lost, j.Placement, err) // in this very moment
			return
		}
		if j.Task.Group.Mode() != berth.Daemon { // a daemon that fails again goes on where it was
			delete(r.retries, j.Task.ID)
		}
		r.report(Started, j.Placement, nil)
		if t.State == berth.Stopping {
			r.stopFirst(&flight{Placement: j.Placement, stop: true})
		}
	case err == nil && lost && !j.expired:
		// It was reported when its node went.
	case err == nil:
		// It runs, but has no room: it expired or was released by the host.
		r.stopFirst(&flight{Placement: j.Placement, stop: true, expired: j.expired})
	case uncertain(err) && mine:
		r.report(Uncertain, j.Placement, err)
	default:
		r.fail(j.Task.ID)
		r.report(Failed, j.Placement, err)
		if mine || lost {
			r.release(j.Placement)
		}
		switch {
		case mine && t.State == berth.Stopping:
			delete(r.retries, j.Task.ID)
			r.report(Stopped, j.Placement, nil)
		case mine || lost || j.expired:
			r.Queue.putBack(j.Task)
		}
	}
}

// uncertain reports whether a Start that failed does not know whether the task runs.
func uncertain(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// stopFirst puts a stop before all other jobs: the task may have been placed anew meanwhile.
func (r *runner) stopFirst(j *flight) { r.jobs = slices.Insert(r.jobs, 0, j) }

func (r *runner) stopped(j *flight, err error) {
	if err != nil {
		r.fail(j.Task.ID)
		r.report(Failed, j.Placement, err)
		j.at = r.retries[j.Task.ID].at
		r.stopFirst(j)
		return
	}
	delete(r.retries, j.Task.ID)
	if j.expired {
		r.Queue.putBack(j.Task)
		return
	}
	r.release(j.Placement)
	r.report(Stopped, j.Placement, nil)
}

// fail notes a failure of a task, and when it may be tried again.
func (r *runner) fail(id string) {
	again, now := r.retries[id], r.State.Now()
	if now.Sub(again.at) >= r.RetryAtMost {
		again.failures = 0
	}
	wait := r.RetryAfter
	for range again.failures {
		if wait >= r.RetryAtMost/2 {
			wait = r.RetryAtMost
			break
		}
		wait *= 2
	}
	r.retries[id] = retry{again.failures + 1, now.Add(wait)}
}

// cancel stops what was cancelled after it was placed.
func (r *runner) cancel() {
	for _, c := range r.Queue.cancelled() {
		delete(r.retries, c.name)
		delete(r.reasons, c.name)
		if c.waited {
			continue
		}
		tasks := r.instances(c.name)
		if t, ok := r.State.Task(c.name); ok {
			tasks = append(tasks, t)
		}
		if len(tasks) == 0 && !c.daemon {
			r.report(Unknown, Placement{Task: berth.Task{ID: c.name}}, fmt.Errorf("task %q: %w", c.name, berth.ErrUnknownTask))
		}
		for _, t := range tasks {
			r.stop(t)
		}
	}
}

// instances returns the tasks of the daemon group of that name.
func (r *runner) instances(group string) []cluster.TaskView {
	var tasks []cluster.TaskView
	for t := range r.snapshot().Group(group) {
		if t.Group.Mode() == berth.Daemon {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

func (r *runner) snapshot() *cluster.Snapshot {
	s, _ := r.State.Snapshot(context.Background()) // fails only when its context has ended
	return s
}

// stop has a task stopped that was placed. One that is being started is stopped when that call returns.
func (r *runner) stop(t cluster.TaskView) {
	p := placementOf(t)
	if t.State == berth.Lost || r.unschedule(t.ID) {
		r.release(p)
		delete(r.retries, t.ID)
		r.report(Stopped, p, nil)
		return
	}
	stopping := func(j *flight) bool { return j.Task.ID == t.ID && j.stop }
	if r.State.Stop(t.ID) != nil || r.flying[t.ID] != nil || slices.ContainsFunc(r.jobs, stopping) {
		return // gone in this moment, or on its way
	}
	r.jobs = append(r.jobs, &flight{Placement: p, stop: true})
}

func (r *runner) nodeEvents(events []NodeEvent) error {
	r.ready = true
	var errs []error
	for i := range events {
		if err := r.nodeEvent(&events[i]); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (r *runner) nodeEvent(e *NodeEvent) error {
	id := e.Node.ID
	n, known := r.snapshot().Node(id)
	if e.Removed {
		if known {
			return r.removeNode(n)
		}
		return nil
	}
	if !known {
		if err := r.State.AddNodes(e.Node); err != nil {
			return err
		}
	} else if !reflect.DeepEqual(n.Node(), e.Node) {
		if err := r.State.UpdateNodes(e.Node); err != nil {
			return err
		}
	}
	switch was := known && n.Cordoned(); {
	case e.Cordoned && !was:
		return r.State.Cordon(id)
	case was && !e.Cordoned:
		return r.State.Uncordon(id)
	}
	return nil
}

func (r *runner) removeNode(n cluster.NodeView) error {
	if err := r.State.RemoveNodes(n.ID()); err != nil {
		return err
	}
	for t := range n.Tasks() {
		if r.unschedule(t.ID) { // it was never started
			r.release(placementOf(t))
			r.Queue.putBack(t.Task)
			continue
		}
		delete(r.retries, t.ID)
		r.report(Lost, placementOf(t), nil)
	}
	return nil
}

func (r *runner) taskEvent(e TaskEvent) error {
	id := e.Task.ID
	if e.Status == TaskOrphan {
		if err := r.State.Adopt(Running{Task: e.Task, Node: e.Node, Grant: e.Grant, State: berth.Orphan}); err != nil {
			return err
		}
		r.report(Orphaned, e.Placement, nil)
		return nil
	}
	t, known := r.State.Task(id)
	switch {
	case e.Status > TaskOrphan:
		return fmt.Errorf("scheduler: task %q: unknown %v", id, e.Status)
	case !known:
		return fmt.Errorf("scheduler: task %q: %w", id, berth.ErrUnknownTask)
	case e.Node != "" && e.Node != t.Node:
		return fmt.Errorf("scheduler: task %q: it is on node %q, not %q", id, t.Node, e.Node)
	case e.Status == TaskRunning:
		if err := r.State.Confirm(id); err != nil {
			return err
		}
		if t.State == berth.Assumed && r.flying[id] == nil {
			r.report(Started, placementOf(t), nil)
		}
		return nil
	}
	r.release(placementOf(t))
	r.jobs = slices.DeleteFunc(r.jobs, func(j *flight) bool { return j.Task.ID == id })
	if f := r.flying[id]; f != nil {
		f.over = true
	}
	if t.Group.Mode() == berth.Daemon {
		r.fail(id) // it is placed again at once, and started again in time
	} else {
		delete(r.retries, id)
	}
	switch {
	case t.State == berth.Stopping:
		r.report(Stopped, placementOf(t), nil)
	case e.Status == TaskLost:
		r.report(Lost, placementOf(t), nil)
	default:
		r.report(Exited, placementOf(t), nil)
	}
	return nil
}

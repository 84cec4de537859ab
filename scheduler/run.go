package scheduler

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/faults"
)

// RunConfig configures [Run]. State, Launcher and Queue are needed.
type RunConfig struct {
	// State is the cluster. Run keeps it in step with the Inventory and the Launcher; the host may use it
	// besides.
	State *State
	// Queue has what is to run. Only one Run at a time may work on it.
	Queue *Queue
	// Launcher starts and stops tasks.
	Launcher Launcher
	// Inventory tells which nodes there are. The default is that the host tells the State itself. Of several
	// Runs on one State one may have an Inventory, for it removes the nodes that it does not name.
	Inventory Inventory
	// Scheduler plans. The default is one with its own defaults on State. Another must commit to State in
	// the end, be it through a book of offers; then all that waits is planned again at every change, for what may
	// help is not known.
	Scheduler *Scheduler
	// Launches is how many tasks are started or stopped at once. The default is 16.
	Launches int
	// RetryAfter is how long a task that failed to start, or to stop, waits before the second attempt; each
	// further one waits twice as long, up to RetryAtMost. The defaults are a second and a minute. A task that
	// ended before it ran for RetryAtMost counts as failed; one that ran longer begins anew. What is known of a
	// task that is gone is kept for twice its last wait. The State's clock tells.
	//
	// For RetryAtMost after a failed Start the tasks of its group go to other nodes, if others can take them.
	RetryAfter, RetryAtMost time.Duration
	// FirstAttempt is the least [Placement].Attempt that is given. On one State numbers only grow, from Run to Run. On a
	// new State they begin anew, above those that the first call of the Launcher's tell names: a host whose machines may
	// still send events of an earlier process sets a number above all that went before, such as the Unix time in
	// nanoseconds at which the process began, or drops such events itself. At most 1<<63. The default is 0: no such number.
	FirstAttempt uint64
	// Report is told of every event, one after another, in the goroutine that does all of Run's work: Run does
	// nothing else until it returns. It may use the Queue and the State, and must not call what the Inventory or the
	// Launcher was given as tell. A panic in it ends Run. The default tells nobody.
	Report func(Event)
	// Logger is told of every event: of failures at level warn, of the rest at debug. It is warned once, RetryAtMost after
	// Run began, if the Inventory or the Launcher has not told by then what there is. The default is silent.
	Logger hclog.Logger
}

func (c RunConfig) check(ctx context.Context) (RunConfig, error) {
	var errs []error
	need := func(missing bool, what string) {
		if missing {
			errs = append(errs, fmt.Errorf("no %s", what))
		}
	}
	need(faults.IsNil(ctx), "context")
	need(c.State == nil, "State")
	need(c.Queue == nil, "Queue")
	need(faults.IsNil(c.Launcher), "Launcher")
	if c.Launches < 0 {
		errs = append(errs, fmt.Errorf("negative Launches: %d", c.Launches))
	}
	if c.RetryAfter < 0 {
		errs = append(errs, fmt.Errorf("negative RetryAfter: %v", c.RetryAfter))
	}
	if c.RetryAtMost < 0 {
		errs = append(errs, fmt.Errorf("negative RetryAtMost: %v", c.RetryAtMost))
	}
	if c.FirstAttempt > 1<<63 {
		errs = append(errs, fmt.Errorf("FirstAttempt %d is more than 1<<63", c.FirstAttempt))
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
	if faults.IsNil(c.Inventory) {
		c.Inventory = nil
	}
	if c.Report == nil {
		c.Report = func(Event) {}
	}
	if faults.IsNil(c.Logger) {
		c.Logger = hclog.NewNullLogger()
	}
	switch {
	case c.State == nil:
	case c.Scheduler == nil:
		s, err := New(c.State, Config{})
		errs = append(errs, err)
		c.Scheduler = s
	case c.Scheduler.source == nil:
		errs = append(errs, errors.New("the Scheduler has no source"))
	default:
		if other, ok := c.Scheduler.source.(*State); ok && other != c.State {
			errs = append(errs, errors.New("the Scheduler's source is another State"))
		}
	}
	return c, errors.Join(errs...)
}

// Run does it all until the context ends: it keeps the State in step with the Inventory, places what the
// Queue holds, has the Launcher start what was placed, and releases and tries again, later, what did not start.
// Daemon groups follow the nodes that join, as far as the Scheduler's source shows them: a [Source] that is a book of
// offers shows a node's room from the next offer on, and until then [Unplaced] says of the instance "not offered". Nothing is placed before the Inventory and the Launcher have told what
// there is. A task for which there was no node is planned again when something has changed that could help it.
//
// Several Runs may work on one State, each with a Queue and a Launcher of its own. A task is a Run's own from when it
// placed it, or its Launcher reported that it runs, until it ends or the Run does. What is another Run's a Run does
// not report, stop, release or place again, and its Launcher's word about it is refused. A task of the State that is no
// running Run's own, because the host placed it or the Run that did has ended, is nobody's. It becomes a Run's own by its
// Launcher's word: a Run that begins on a State with tasks learns so which are its own. Assumed tasks of all expire when their time has come: each Run
// places its own again. What is nobody's is only reported when it expires or is lost with its node, by one of the Runs.
//
// It returns the cause of the context's end, or what the Inventory, the Launcher's Watch or the Scheduler failed with, or
// why the State is stopped: what Run could not release then stays assumed.
// A panic in host code that Run calls (the Launcher, the Inventory, Report, the Logger, and whatever the State and
// the Scheduler call) does not pass through: Run ends as if its context had ended, and the error it returns has the
// panic's value and stack.
//
// When it ends, nothing new is started. Each Start under way ends confirmed, released, or, if it does not
// know, still assumed and reported as [Uncertain]; Run waits for them. Tasks that were placed but not started
// are released and wait in the Queue again. A task that was not stopped by then stays stopping and is reported as
// Uncertain; the next Run whose Launcher names it stops it, and if none does the host releases it or cancels it again.
func Run(ctx context.Context, cfg RunConfig) error {
	cfg, err := cfg.check(ctx)
	if err != nil {
		return faults.Of("scheduler: run", err)
	}
	return run(ctx, cfg, []part{{Scheduler: cfg.Scheduler}}, nil)
}

// run is Run for a configuration that has been checked, with a scheduler for each of some roles. Where it runs for a framework, that yields to inverse offers.
func run(ctx context.Context, cfg RunConfig, parts []part, y *yielding) error {
	if err := cfg.Queue.use(); err != nil {
		return faults.Of("scheduler: run", err)
	}
	defer cfg.Queue.leave()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	r := newRunner(cfg, end)
	r.parts, r.yielding = parts, y
	if y != nil {
		y.bind(r)
	}
	defer cfg.State.unsubscribe(r.feed)

	var workers sync.WaitGroup
	work := func(who string, f func() error) {
		workers.Go(func() {
			guard(f, func(err error) {
				if err != nil && (ctx.Err() == nil || isPanic(err)) {
					r.fail(fmt.Errorf("%s: %w", who, err))
				}
			})
		})
	}
	if cfg.Inventory != nil {
		work("inventory", func() error {
			return cfg.Inventory.Watch(ctx, func(events ...NodeEvent) error {
				return r.ask(ctx, func() error { return r.nodeEvents(events) })
			})
		})
	}
	work("launcher", func() error {
		return cfg.Launcher.Watch(ctx, func(events ...TaskEvent) error {
			return r.ask(ctx, func() error { return r.taskEvents(events) })
		})
	})
	for _, p := range parts {
		if source := p.source; source != Source(cfg.State) {
			r.beyond = true
			first := source.Changed()
			work("source", func() error { r.listen(ctx, source, first); return nil })
		}
	}
	work("loop", func() error { return r.loop(ctx) })
	workers.Wait()
	r.land()
	if err := r.failed(); err != nil {
		return err
	}
	return context.Cause(ctx)
}

// runner is a Run at work. Everything but the calls of Start and Stop happens in one goroutine at a time:
// that of loop, then that of land.
type runner struct {
	RunConfig
	parts    []part
	yielding *yielding // of a framework
	end      context.CancelCauseFunc
	work     chan func() // from other goroutines
	feed     *feed
	beyond   bool          // a source is not the State
	stirred  chan struct{} // has a token when such a source has changed

	patient   bool      // nobody was warned yet that nothing is placed
	patience  time.Time // when somebody is to be
	nodesTold bool      // the Inventory has told what there is
	tasksTold bool      // the Launcher has told what runs

	nodes    map[string]*told // the Inventory's last word of each node
	own      ownTasks
	launches launches
	backoff  backoff

	all   bool   // something changed that could help what waits
	after uint64 // the turn of the Queue up to which it was looked at

	keeping map[string]berth.Task // the demands of daemons for whose instances room is kept, by name

	waiting int // what the Observer was told last, -1 before

	mu    sync.Mutex
	fault []error // what ended Run, if it was not its context
}

func newRunner(cfg RunConfig, end context.CancelCauseFunc) *runner {
	r := &runner{
		RunConfig: cfg,
		end:       end,
		work:      make(chan func()),
		stirred:   make(chan struct{}, 1),
		feed:      cfg.State.subscribe(),
		patient:   true,
		waiting:   -1,
		patience:  cfg.State.Now().Add(cfg.RetryAtMost),
		nodesTold: cfg.Inventory == nil,
		nodes:     map[string]*told{},
		launches:  newLaunches(),
		backoff:   newBackoff(cfg.RetryAfter, cfg.RetryAtMost),
	}
	r.own = newOwnTasks(cfg.State, r.feed)
	// Numbers of an earlier Run on this State are below: each placement was a change of it.
	r.own.attempt = max(cfg.State.Version().Seq, cfg.FirstAttempt-min(cfg.FirstAttempt, 1))
	return r
}

// fail ends Run with an error.
func (r *runner) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = append(r.fault, faults.Of("scheduler: run", err))
	r.end(err)
}

func (r *runner) failed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.fault) == 1 {
		return r.fault[0]
	}
	return errors.Join(r.fault...)
}

// ask has the runner's goroutine do something, and returns its error.
func (r *runner) ask(ctx context.Context, f func() error) error {
	done := make(chan error, 1)
	work := func() {
		guard(f, func(err error) {
			if isPanic(err) {
				r.fail(fmt.Errorf("event: %w", err))
			}
			done <- err
		})
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case r.work <- work:
		return <-done
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (r *runner) report(kind EventKind, p Placement, err error) {
	r.tell(Event{Kind: kind, Placement: p, Err: err})
}

// tell hands an event to the host. What the runner is at goes on even if the host's code panics.
func (r *runner) tell(e Event) {
	level := hclog.Debug
	if e.Err != nil {
		level = hclog.Warn
	}
	guard(func() error {
		r.Logger.Log(level, e.Kind.String(), "task", e.Task.ID, "node", e.Node, "reason", e.Reason, "error", e.Err)
		r.Report(e)
		return nil
	}, func(err error) {
		if err != nil {
			r.fail(fmt.Errorf("report: %w", err))
		}
	})
}

func (r *runner) loop(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		w := r.watch()
		r.warn()
		r.expire()
		r.observe()
		r.backoff.forget(r.State.Now(), r.keep)
		if err := r.State.Err(); err != nil {
			return err
		}
		if err := r.schedule(ctx); err != nil && ctx.Err() == nil {
			return err
		}
		if r.yielding != nil {
			if err := r.yield(ctx); err != nil && ctx.Err() == nil {
				return err
			}
		}
		r.tellWaiting()
		r.sleep(ctx, w, timer)
	}
	return nil
}

// tellWaiting tells the Scheduler's Observer how many wait, if that has changed.
func (r *runner) tellWaiting() {
	o := r.parts[0].cfg.Observer.Waiting
	if o == nil {
		return
	}
	if n := r.Queue.Len(); n != r.waiting {
		r.waiting = n
		faults.Drop(func() { o(n) })
	}
}

// wakers are closed at what makes the loop look again.
type wakers struct{ state, queue <-chan struct{} }

func (r *runner) watch() wakers {
	return wakers{state: r.State.Changed(), queue: r.Queue.changed()}
}

// listen wakes the loop when a source changes that is not the State: an offer may come long after the State changed, or be noticed when it is
// looked for. It asks for the next change before it tells of one.
func (r *runner) listen(ctx context.Context, source Source, changed <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		changed = source.Changed()
		select {
		case r.stirred <- struct{}{}:
		default: // it has a token
		}
	}
}

// sleep waits for a reason to plan again, and meanwhile begins the launches that can begin and does the work
// that comes in. What of that matters to a plan closes a channel or is seen in all.
func (r *runner) sleep(ctx context.Context, w wakers, timer *time.Timer) {
	for ready := r.ready(); ready == r.ready() && !(ready && r.all); {
		r.dispatch(ctx)
		if wait, ok := r.next(); ok {
			timer.Reset(wait)
		} else {
			timer.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case f := <-r.work:
			f()
		case <-w.state:
			r.all = r.all || r.beyond
			return
		case <-r.feed.woken:
			return
		case <-w.queue:
			return
		case <-r.stirred:
			r.all = true
			r.yielding.stir()
			return
		case <-timer.C:
			return
		}
	}
}

// ready reports whether it is known what there is, so that something may be placed.
func (r *runner) ready() bool { return r.nodesTold && r.tasksTold }

// warn tells, once, that nothing is placed because it is not known what there is.
func (r *runner) warn() {
	if r.ready() || !r.patient || r.State.Now().Before(r.patience) {
		return
	}
	r.patient = false
	guard(func() error {
		r.Logger.Warn("nothing is placed before the Inventory and the Launcher have told what there is",
			"inventory told", r.nodesTold, "launcher told", r.tasksTold, "waited", r.RetryAtMost)
		return nil
	}, func(err error) {
		if err != nil {
			r.fail(fmt.Errorf("logger: %w", err))
		}
	})
}

// next returns how long to wait for the next deadline, and whether there is one.
func (r *runner) next() (wait time.Duration, found bool) {
	now := r.State.Now()
	soonest := func(at time.Time, ok bool) {
		if d := max(at.Sub(now), 0); ok && (!found || d < wait) {
			wait, found = d, true
		}
	}
	soonest(r.patience, r.patient && !r.ready())
	soonest(r.State.NextExpiry())
	soonest(r.backoff.next())
	if r.yielding != nil {
		soonest(r.yielding.next())
	}
	if at, ok := r.launches.next(); ok && at.After(now) { // otherwise it waits for a launch to end
		soonest(at, true)
	}
	return wait, found
}

// keep reports whether to remember the failures of a task, and until when at least. Those of a task that is gone are
// not kept, nor those of one that has run for long enough.
func (r *runner) keep(id string, now time.Time) (until time.Time, keep bool) {
	if t := r.own.tasks[id]; t != nil && !t.lost {
		if !t.runs {
			return now.Add(r.RetryAtMost), true
		}
		until = t.began.Add(r.RetryAtMost)
		return until, until.After(now)
	}
	return now.Add(r.RetryAtMost), r.Queue.find(id) != nil
}

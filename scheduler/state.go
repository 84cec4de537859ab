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
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/faults"
	"github.com/berth-sched/berth/internal/store"
)

// StateConfig configures a [State]. The zero value works.
//
// Its functions are called under the State's lock, and must not call the State or a Scheduler. One that panics, or ends its
// goroutine, takes back what the State was doing: the call has then changed nothing, and the panic reaches the caller. The
// same holds for rules and strategies.
type StateConfig struct {
	// Clock tells the time that snapshots and commands show, and by which assumed tasks and holds end. The default is time.Now.
	Clock func() time.Time

	// AssumeFor is how long a task stays assumed after it was placed: unless it is confirmed by then,
	// [State.Expire] releases it. The default, 0, is for ever. Too short, and a task that was slow to
	// start is placed twice; too long, and what a crashed host never launched keeps its room.
	AssumeFor time.Duration

	// Admit is asked before every operation that takes room: each Place, each Take, and each Evict that names a hold, of a plan or
	// of [State.Hold]. A reason that is not zero refuses the operation; its Code is [berth.Denied] unless it sets another. Whether
	// there is room is checked besides, so Admit only adds to what is refused. [Scheduler.Schedule] asks while it plans, where it
	// plans and commits in one step, and what is refused takes no room from what comes after it. Admit must be fast and give
	// equal answers to equal questions: the same operation may be asked about more than once. Tasks that are adopted run
	// already, and are not asked about. The default admits everything.
	Admit func(Admission) berth.Reason

	// Record is handed every command before anybody sees what it did, in order, replayed ones excepted. A fresh State that
	// replays them becomes the same State. The command is Record's to keep. What Record takes is added to every change. If it
	// returns an error or panics, the command is not done, so it must not have been kept. After an error, which the call
	// returns, the State is stopped: it takes no changes until [State.Resume], lest what comes next be recorded without what came
	// before. Only an error that wraps [ErrUnwritable] refuses the command alone. [Log.Record] keeps commands in a file. The
	// default keeps nothing.
	Record func(Command) error
}

func (c StateConfig) check() (StateConfig, error) {
	if c.AssumeFor < 0 {
		return c, fmt.Errorf("AssumeFor is negative: %v", c.AssumeFor)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c, nil
}

// State is the whole cluster: the [Source] for schedulers that have everything in view, and the truth
// that offers are cut from. Its methods may be called by any number of goroutines; each takes effect
// at once and whole, under one lock.
//
// Every method that changes something either does all it was asked to or, with every fault named,
// nothing. Only Commit does a part, and says which. What a function of the host does cannot tear a change: see
// [StateConfig]. The zero State is an empty cluster of the zero StateConfig. A nil one is none: its methods fail where they
// can, and else show nothing.
type State struct {
	admit     func(Admission) berth.Reason
	record    func(Command) error
	clock     func() time.Time
	assumeFor time.Duration

	mu      sync.Mutex
	live    *live             // between calls, all that was done to it is kept
	snap    *cluster.Snapshot // of the present state, if somebody asked since it changed
	changed chan struct{}     // closed at the next change, if somebody waits for it
	stopped error             // what changes return since Record failed
	number  uint64            // of the last command
	ended   store.Set         // what a call of end has named so far; empty between calls
	feeds   []*feed           // of the Runs that work on it
	owners  map[string]*feed  // whose task is, of those that a Run has
}

var (
	errNoState   = errors.New("scheduler: no state")
	errNoContext = errors.New("scheduler: no context")
)

// ended returns why nothing is to be done any more, or nil.
func ended(ctx context.Context) error {
	switch {
	case ctx == nil:
		return errNoContext
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return nil
}

// NewState returns a cluster of the nodes. It fails with every fault of the configuration and of every
// node, duplicate IDs included.
func NewState(cfg StateConfig, nodes ...berth.Node) (*State, error) {
	cfg, err := cfg.check()
	s := &State{
		admit:     cfg.Admit,
		record:    cfg.Record,
		clock:     cfg.Clock,
		assumeFor: cfg.AssumeFor,
		live:      newLive(),
	}
	if err != nil {
		_, nodeErr := cluster.NewSnapshot(nodes...)
		return nil, wrap(errors.Join(err, nodeErr))
	}
	if err := s.AddNodes(nodes...); err != nil {
		return nil, err
	}
	return s, nil
}

// lock takes the lock, and gives a zero State what it lacks.
func (s *State) lock() {
	s.mu.Lock()
	if s.live == nil {
		s.live, s.clock = newLive(), time.Now
	}
}

// unlock takes back what was done since lock and not kept, and gives the lock back. Nothing is left to take back unless
// the call failed, or a function of the host ended it.
func (s *State) unlock() {
	if s.live.store.Pending() {
		defer s.mu.Unlock()
		s.live.restore()
		return
	}
	s.mu.Unlock()
}

// wrap has every fault name the package.
func wrap(err error) error { return faults.Of("scheduler", err) }

// Snapshot returns the cluster as it is now, at the time that the clock tells and without the holds whose deadline has passed; a
// State that is stopped shows them, for their end is a change. Its cost does not depend on the size of the cluster.
func (s *State) Snapshot(ctx context.Context) (*cluster.Snapshot, error) {
	if s == nil {
		return nil, errNoState
	}
	if err := ended(ctx); err != nil {
		return nil, err
	}
	s.lock()
	defer s.unlock()
	return s.present(), nil
}

// present returns the cluster as it is now, under the lock.
func (s *State) present() *cluster.Snapshot {
	_ = s.lapse()
	now := s.now()
	s.live.store.SetTime(now)
	switch {
	case s.snap == nil:
		s.snap = s.live.fork.Snapshot()
	case !s.snap.Time().Equal(now):
		s.snap = (*cluster.Snapshot)((*store.View)(s.snap).At(now))
	}
	return s.snap
}

// Changed returns a channel that is closed at the next change of what a plan could use, which is
// whenever [State.Version] moves.
func (s *State) Changed() <-chan struct{} {
	if s == nil {
		return nil
	}
	s.lock()
	defer s.unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

// Version says which state the cluster is in. It stays the same while tasks are only confirmed or marked.
func (s *State) Version() cluster.Version {
	if s == nil {
		return cluster.Version{}
	}
	s.lock()
	defer s.unlock()
	return s.live.fork.Version()
}

// Task returns the task of that ID, lost ones included.
func (s *State) Task(id string) (cluster.TaskView, bool) {
	if s == nil {
		return cluster.TaskView{}, false
	}
	s.lock()
	defer s.unlock()
	return s.live.fork.Task(id)
}

// Node returns the node of that ID as it is now; what it shows stays as it was. It is read off a [State.Snapshot], whose walks
// tell the rest: [cluster.Snapshot.Lost], [cluster.Snapshot.TasksOf] a role, [cluster.Snapshot.HoldsOf] an owner.
func (s *State) Node(id string) (cluster.NodeView, bool) {
	if s == nil {
		return cluster.NodeView{}, false
	}
	s.lock()
	defer s.unlock()
	return s.present().Node(id)
}

// UpsertNodes adds the nodes that are not there, and replaces the descriptions of those that are described otherwise. A call that finds
// all nodes as they are described changes nothing: there is no command, the version stays and nobody is woken. So a host can tell all it
// knows, as often as it likes. Of two descriptions of one node the last counts; cordons stay.
func (s *State) UpsertNodes(nodes ...berth.Node) error {
	if s == nil {
		return errNoState
	}
	s.lock()
	defer s.unlock()
	added, updated, err := (*checked.Fork)(s.live.fork).Upserts(nodes)
	if err != nil {
		return wrap(err)
	}
	if len(added)+len(updated) == 0 {
		return nil
	}
	return s.apply(Command{Time: s.now(), Added: added, Updated: updated})
}

// AddNodes adds nodes that were not there.
func (s *State) AddNodes(nodes ...berth.Node) error {
	return s.change(len(nodes), Command{Added: nodes})
}

// UpdateNodes replaces the descriptions of nodes. Their tasks stay, even on a node that shrank below
// what they take or no longer suits them; [cluster.NodeView.Overcommitted] tells, and healing it is the
// host's to decide. Of two descriptions of one node the last counts.
func (s *State) UpdateNodes(nodes ...berth.Node) error {
	return s.change(len(nodes), Command{Updated: nodes})
}

// RemoveNodes removes nodes: their tasks become lost, their holds end.
func (s *State) RemoveNodes(ids ...string) error {
	return s.change(len(ids), Command{Removed: ids})
}

// Cordon makes nodes take no new tasks. Those they have stay; moving them is the host's to do.
func (s *State) Cordon(ids ...string) error {
	return s.change(len(ids), Command{Cordoned: ids})
}

// Uncordon makes nodes take tasks again.
func (s *State) Uncordon(ids ...string) error {
	return s.change(len(ids), Command{Uncordoned: ids})
}

// SetQuotas gives roles their quotas, each instead of the one that the role has; one without limits and guarantees takes it away.
//
// A limit is kept at every door: no placement, hold or eviction to a hold, of whichever scheduler, Exchange or host, makes a role or
// one above it have more than its limit, and [Scheduler.Plan] knows of it, so that a task that a limit keeps out takes no room from
// others. What a role has beyond a limit that is set now, and what is adopted beyond one, it keeps; it only gets no more.
func (s *State) SetQuotas(quotas ...berth.Quota) error {
	return s.change(len(quotas), Command{Quotas: quotas})
}

// Running is a task found running: what a host that restarts tells its new State. Grant is what it has
// of devices and ports. State is berth.Running, Stopping or Orphan; the zero State counts as Running. Owner is in whose name it
// was placed, if in anybody's.
type Running struct {
	Task  berth.Task
	Node  string
	Grant *berth.Grant
	State berth.TaskState
	Owner string
}

// Adopt records tasks that run already, where they run and with the spec they run with, whether there is room for them or not,
// whatever the limits of their roles and whatever other tasks of their group have.
func (s *State) Adopt(running ...Running) error {
	running = slices.Clone(running)
	for i := range running {
		if running[i].State == berth.Assumed {
			running[i].State = berth.Running
		}
	}
	return s.change(len(running), Command{Adopted: running})
}

// Confirm records that tasks run: those assumed no longer expire, and an orphan is taken in. A task
// that is stopping stays so. A lost task cannot be confirmed.
func (s *State) Confirm(tasks ...string) error {
	return s.change(len(tasks), Command{Confirmed: tasks})
}

// Stop records that tasks were told to stop. They keep their room until they are released, and no
// longer expire. A lost task cannot be stopped.
func (s *State) Stop(tasks ...string) error {
	return s.change(len(tasks), Command{Stopped: tasks})
}

// Release ends tasks and gives their room back.
func (s *State) Release(tasks ...string) error {
	return s.end(berth.Release, tasks)
}

// Hold sets room on a node aside for an owner until a deadline. It fails, with the [berth.Reason] in its
// error, if there is no such room or if [StateConfig.Admit] refuses.
func (s *State) Hold(h berth.Hold) error {
	if s == nil {
		return errNoState
	}
	s.lock()
	defer s.unlock()
	if err := s.lapse(); err != nil {
		return err
	}
	now := s.now()
	err := h.Err()
	if lapsed(&h, now) {
		err = errors.Join(err, fmt.Errorf("hold %q: its deadline has passed", h.ID))
	}
	if err != nil {
		return wrap(err)
	}
	op := berth.Op{Kind: berth.Take, Hold: &h}
	if why := s.gate(now).ask(&op); why.Code != berth.None {
		return wrap(undone(&op, why))
	}
	return s.apply(Command{Time: now, Ops: []berth.Op{op}})
}

// DropHold ends holds.
func (s *State) DropHold(ids ...string) error {
	return s.end(berth.Drop, ids)
}

// end ends what the IDs name; naming one twice is naming it once.
func (s *State) end(kind berth.OpKind, ids []string) error {
	switch {
	case s == nil:
		return errNoState
	case len(ids) == 0:
		return nil
	}
	s.lock()
	defer s.unlock()
	defer s.ended.Clear()
	ops := make([]berth.Op, 0, len(ids))
	for _, id := range ids {
		if _, first := s.ended.Add(store.Hash(id), id); first {
			ops = append(ops, berth.Op{Kind: kind, ID: id})
		}
	}
	return s.apply(Command{Time: s.now(), Ops: ops})
}

// Now returns the time by the State's clock, in UTC. A source that has it lends its clock to the Exchange
// that makes offers of it.
func (s *State) Now() time.Time {
	if s == nil {
		return time.Time{}
	}
	s.lock()
	defer s.unlock()
	return s.now()
}

// now is the clock's time as commands carry it: in UTC and without a monotonic reading, so that it is
// the same after it was written down.
func (s *State) now() time.Time { return s.clock().Round(0).UTC() }

// change carries out a command of n parts.
func (s *State) change(n int, c Command) error {
	switch {
	case s == nil:
		return errNoState
	case n == 0:
		return nil
	}
	s.lock()
	defer s.unlock()
	c.Time = s.now()
	return s.apply(c)
}

// apply carries out a command, whole or not at all.
func (s *State) apply(c Command) error { return s.applyTelling(c, s.on(c.Removed)) }

// applyTelling is apply of a command that ends tasks otherwise than by releasing them, which Runs are told first.
func (s *State) applyTelling(c Command, lost []ending) error {
	if s.stopped != nil {
		return s.stopped
	}
	before := s.live.fork.Version()
	if err := s.live.apply(&c); err != nil {
		s.live.restore()
		return wrap(err)
	}
	return s.keep(before, c, lost)
}

// keep records a command that has been carried out, and makes it known. Until it was recorded it can be taken back, as
// it is where Record fails or panics.
// lost are the tasks that ended otherwise than by being released.
func (s *State) keep(before cluster.Version, c Command, lost []ending) error {
	if c.Number = s.number + 1; s.record != nil {
		switch err := s.record(c.clone()); {
		case errors.Is(err, ErrUnwritable):
			s.live.restore()
			return wrap(err)
		case err != nil:
			s.live.restore()
			s.stop(err)
			return s.stopped
		}
	}
	s.number = c.Number
	s.tell(&c, lost)
	s.done(before)
	return nil
}

// done says that what was done stays, and tells those who wait that the state is no longer that of before.
func (s *State) done(before cluster.Version) {
	s.live.store.Keep()
	s.snap = nil
	if s.changed != nil && s.live.fork.Version() != before {
		close(s.changed)
		s.changed = nil
	}
}

// Replay carries out commands that were recorded, all of them or, if one cannot be, none. It decides
// nothing anew: a fresh State that replays what another recorded from the beginning on shows the same
// nodes, tasks, holds, deadlines and version numbers. One with a Number that is not the next is refused: a command is missing, or it
// was done before. Until the last one is done, the State keeps what it takes to take
// all of them back.
func (s *State) Replay(commands ...Command) error {
	if s == nil {
		return errNoState
	}
	s.lock()
	defer s.unlock()
	if s.stopped != nil {
		return s.stopped
	}
	before := s.live.fork.Version()
	for _, f := range s.feeds {
		f.unsure = true
	}
	number := s.number
	for i := range commands {
		c := &commands[i]
		number++
		err := error(nil)
		if c.Number != 0 && c.Number != number {
			err = fmt.Errorf("its number is %d, and %d is the next", c.Number, number)
		}
		if err == nil {
			err = s.live.apply(c)
		}
		if err != nil {
			s.live.restore()
			return wrap(fmt.Errorf("replay: command %d: %w", i, err))
		}
	}
	s.number = number
	s.done(before)
	return nil
}

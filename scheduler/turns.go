package scheduler

import (
	"fmt"
	"math"
	"runtime/debug"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// turns is what a planner keeps while it asks an order of roles. Tasks of one tier, which is those of one priority that are all
// daemons or none, wait in a queue for each role, and the order says which queue is next.
type turns struct {
	order  allocator.Order
	window int             // Config.Window
	hold   bool            // Config.Hold
	round  allocator.Round // of the tier; nil where no order is asked
	doing  string          // what the order is doing, while it does

	can    func(berth.Role) bool // whether a role has something waiting
	queues []queue
	byRole map[berth.Role]int32
	roles  []berth.Role
	after  []int32 // by task: the next one of its queue, or none

	planned store.Planned // the ledger with what earlier tiers placed
	counted int           // how many of the plan's operations are in it

	queue, task int32 // of the turn
	far, second latest
}

const none = -1

// queue is what waits of a role.
type queue struct {
	role        berth.Role
	first, last int32        // tasks, or none
	missed      int          // tasks that found no room
	holds       bool         // room is kept for one of them
	behind      int32        // the first of those that wait behind a full window, or none
	group       *berth.Group // the one that was planned last, and
	at          int          // the planner's number of it
}

// latest is how late in the order given a task of a queue stood that was placed.
type latest struct{ task, queue int32 }

// takeTurns plans tasks tier by tier, as the order says.
func (p *planner) takeTurns(tasks []berth.Task) (err error) {
	t := &p.turns
	defer func() {
		if t.doing != "" { // what else panics is to pass
			if v := recover(); v != nil {
				err = t.fault("%s: %w", t.doing, &hostPanic{v, debug.Stack()})
			}
		}
		t.end()
	}()
	t.planned.Reset(p.view)
	t.counted = 0
	for from := 0; from < len(tasks) && err == nil && p.ctx.Err() == nil; {
		to := from + 1
		for to < len(tasks) && (tasks[to].Group == tasks[from].Group || before(tasks[from].Group, tasks[to].Group) == 0) {
			to++
		}
		err = p.takeTier(tasks, from, to)
		from = to
	}
	return err
}

func (t *turns) fault(format string, args ...any) error {
	return fmt.Errorf("order %T: "+format, append([]any{t.order}, args...)...)
}

// end forgets what belongs to one plan.
func (t *turns) end() {
	const many = 4096
	if t.forgetTier(); cap(t.roles) > many {
		t.byRole, t.queues, t.roles = nil, nil, nil // a map keeps the room it once needed
	}
	t.round, t.doing = nil, ""
	t.planned.Reset(nil)
}

// forgetTier forgets what waited in the last tier.
func (t *turns) forgetTier() {
	for _, role := range t.roles {
		delete(t.byRole, role)
	}
	clear(t.queues)
	clear(t.roles)
	t.queues, t.roles = t.queues[:0], t.roles[:0]
}

// takeTier plans the tasks of one tier.
func (p *planner) takeTier(tasks []berth.Task, from, to int) error {
	t := &p.turns
	t.enqueue(tasks, from, to)
	if err := p.beginRound(); err != nil {
		return err
	}
	for left := to - from; left > 0; {
		t.doing = "next"
		role, ok := t.round.Next(t.can)
		t.doing = ""
		if !ok {
			break
		}
		at := t.queueOf(role)
		if at == none || t.queues[at].first == none {
			return t.fault("next: role %q has nothing waiting", string(role))
		}
		q, placed, failed := &t.queues[at], len(p.plan.Ops), 0
		for t.queue = at; q.first != none && len(p.plan.Ops) == placed; left-- { // what finds no room is no turn
			if p.ended() {
				return nil // and there will be no plan
			}
			t.task = q.first
			q.first, failed = t.after[q.first], len(p.plan.Unplaced)
			p.takeNext(tasks, q)
			if len(p.plan.Ops) == placed && (t.window > 0 || t.hold) && p.lacksRoom(failed) {
				p.holdFor(q, failed)
				left -= t.miss(q)
			}
		}
		if len(p.plan.Ops) > placed {
			t.note(latest{t.task, at})
		}
	}
	p.holdBack(tasks)
	t.round = nil
	return nil
}

// lacksRoom reports whether there was no room for one of those that are unplaced from a place in the list on. A task that exists already takes
// none.
func (p *planner) lacksRoom(from int) bool {
	return slices.ContainsFunc(p.plan.Unplaced[from:], func(u cluster.Unplaced) bool { return u.Reason.Code != berth.TaskExists })
}

// holdFor keeps room for the first task of a role that finds none, which is unplaced from a place in the list on.
func (p *planner) holdFor(q *queue, from int) {
	if !p.turns.hold || q.holds {
		return
	}
	for i := from; i < len(p.plan.Unplaced) && !q.holds; i++ {
		if u := &p.plan.Unplaced[i]; u.Why != nil {
			q.holds = p.keepHead(u)
		}
	}
}

// miss counts a task that found no room, and returns how many now wait behind those that fill the window.
func (t *turns) miss(q *queue) (behind int) {
	if q.missed++; t.window == 0 || q.missed < t.window || q.first == none {
		return 0
	}
	q.behind, q.first = q.first, none
	for at := q.behind; at != none; at = t.after[at] {
		behind++
	}
	return behind
}

// enqueue lets the tasks of a tier wait, those of each role in the order given.
func (t *turns) enqueue(tasks []berth.Task, from, to int) {
	t.forgetTier()
	t.queue, t.far, t.second = 0, latest{none, none}, latest{none, none}
	if t.byRole == nil {
		t.byRole, t.can = map[berth.Role]int32{}, t.waits
	}
	t.after = slices.Grow(t.after[:0], len(tasks))[:len(tasks)]
	at := int32(none)
	for i := from; i < to; i++ {
		if i == from || tasks[i].Group != tasks[i-1].Group {
			role, known := tasks[i].Group.Role(), false
			if at, known = t.byRole[role]; !known {
				at = int32(len(t.queues))
				t.byRole[role] = at
				t.roles = append(t.roles, role)
				t.queues = append(t.queues, queue{role: role, first: none, last: none, behind: none})
			}
		}
		q := &t.queues[at]
		if t.after[i] = none; q.first == none {
			q.first = int32(i)
		} else {
			t.after[q.last] = int32(i)
		}
		q.last = int32(i)
	}
	slices.Sort(t.roles)
}

// beginRound has the order begin a round among the roles that wait.
func (p *planner) beginRound() error {
	t := &p.turns
	for ; t.counted < len(p.plan.Ops); t.counted++ {
		t.planned.Add(p.plan.Ops[t.counted].Task.Group, 1)
	}
	l := &ledgerOf{view: p.view, planned: &t.planned, ops: p.plan.Ops, time: p.snapshot.Time(), turns: t}
	t.doing = "begin"
	t.round = t.order.Begin(l, slices.Clone(t.roles))
	t.doing = ""
	*l = ledgerOf{time: l.time, turns: t} // it is not to be read any more, but for heads
	if t.round == nil {
		return t.fault("begin: no round")
	}
	return nil
}

// queueOf returns the queue of a role, which mostly is that of the turn before.
func (t *turns) queueOf(role berth.Role) int32 {
	if int(t.queue) < len(t.queues) && t.queues[t.queue].role == role {
		return t.queue
	}
	if at, ok := t.byRole[role]; ok {
		return at
	}
	return none
}

// waits reports whether a role has something waiting.
func (t *turns) waits(role berth.Role) bool {
	at := t.queueOf(role)
	return at != none && t.queues[at].first != none
}

// takeNext plans the task whose turn it is.
func (p *planner) takeNext(tasks []berth.Task, q *queue) {
	t := tasks[p.turns.task]
	if t.Group == q.group {
		p.group, p.last = q.at, q.group
	} else {
		p.last = nil
	}
	p.take(tasks, 0, int(p.turns.task))
	q.group, q.at = p.last, p.group
}

// charge tells the order that tasks of a group were given a place, or with a negative number that they lost it.
func (p *planner) charge(g *berth.Group, tasks int) {
	t := &p.turns
	switch {
	case t.round == nil || tasks == 0:
		return
	case tasks > 0:
		t.doing = "charged"
		t.round.Charged(g, tasks)
	default:
		t.doing = "credited"
		t.round.Credited(g, -tasks)
	}
	t.doing = ""
}

// holdBack leaves what still waits: when the order names nobody more, or behind a full window.
func (p *planner) holdBack(tasks []berth.Task) {
	t := &p.turns
	type waits struct {
		task int32
		why  berth.Reason
	}
	var held []waits
	for i := range t.queues {
		q := &t.queues[i]
		for at := q.first; at != none; at = t.after[at] {
			held = append(held, waits{at, berth.Reason{Code: berth.HeldBack}})
		}
		for at := q.behind; at != none; at = t.after[at] {
			held = append(held, waits{at, berth.Behind(q.role)})
		}
	}
	slices.SortFunc(held, func(a, b waits) int { return int(a.task) - int(b.task) })
	for _, h := range held {
		i := h.task
		if p.isPlanned(&tasks[i]) || p.kept.silent[tasks[i].Group.Name()] && tasks[i].IsDemand() {
			continue // with its gang, when the first of that had its turn; or it is not to be planned
		}
		if where, known := p.known(&tasks[i], p.hashes[i]); known && !tasks[i].IsDemand() {
			h.why = berth.Reason{Code: berth.TaskExists, Subject: where}
		}
		p.leave(cluster.Unplaced{Task: tasks[i], Reason: h.why})
	}
}

// note keeps which tasks of two roles, of those that were placed, stand last in the order given.
func (t *turns) note(l latest) {
	switch {
	case l.queue == t.far.queue:
		t.far.task = max(t.far.task, l.task)
	case l.task > t.far.task:
		t.far, t.second = l, t.far
	case l.queue == t.second.queue || l.task > t.second.task:
		t.second = latest{max(l.task, t.second.task), l.queue}
	}
}

// blame adds to why a task found no room whom the order let go first, if that may be why: a task of another role has room that
// was handed in later. Where limits keep the task out, that role's tasks must count against each of them.
func (t *turns) blame(why *cluster.Explanation) {
	if t.round == nil || why == nil {
		return
	}
	first := t.far
	if first.queue == t.queue {
		first = t.second
	}
	if first.task <= t.task {
		return
	}
	role := t.queues[first.queue].role
	for _, over := range why.Over {
		if !role.Within(over.Role) {
			return
		}
	}
	if len(why.Over) > 0 || slices.ContainsFunc(why.Counts, func(c cluster.ReasonCount) bool { return takenByOthers(c.Reason.Code) }) {
		why.Order = berth.Behind(role)
	}
}

// takenByOthers reports whether a reason can hold because of tasks that were placed before.
func takenByOthers(c berth.Code) bool {
	switch c {
	case berth.Insufficient, berth.DeviceTaken, berth.UnitsTaken, berth.PortTaken, berth.KeptApart:
		return true
	}
	return false
}

// ledgerOf is the ledger of a view with what a plan adds to it.
type ledgerOf struct {
	view    *store.View // nil where nothing is known
	planned *store.Planned
	ops     []berth.Op
	own     map[berth.Role]berth.Resources // what roles themselves get by the plan; made when it is asked for
	time    time.Time
	turns   *turns
}

// Head returns where the first task that waits of a role stands in the order given: see allocator.Heads.
func (l *ledgerOf) Head(role berth.Role) int64 {
	if at := l.turns.queueOf(role); at != none && l.turns.queues[at].first != none {
		return int64(l.turns.queues[at].first)
	}
	return math.MaxInt64
}

func (l *ledgerOf) Time() time.Time { return l.time }

func (l *ledgerOf) Total() berth.Resources {
	if l.view == nil {
		return berth.Resources{}
	}
	return l.named(l.view.Capacity())
}

func (l *ledgerOf) Used(role berth.Role) berth.Resources {
	if l.view == nil {
		return berth.Resources{}
	}
	return l.named(l.planned.Used(role))
}

func (l *ledgerOf) Own(role berth.Role) berth.Resources {
	if l.view == nil {
		return berth.Resources{}
	}
	own := berth.Resources{}
	if at, ok := l.view.FindRole(role); ok {
		own = l.named(l.view.Account(at).Own)
	}
	if l.own == nil {
		l.own = map[berth.Role]berth.Resources{}
		for i := range l.ops {
			g := l.ops[i].Task.Group
			r := l.own[g.Role()]
			if r == nil {
				r = berth.Resources{}
				l.own[g.Role()] = r
			}
			for _, n := range g.Requirements().Needs {
				r[n.Name] = plus(r[n.Name], n.Amount)
			}
		}
	}
	for name, q := range l.own[role] {
		own[name] = plus(own[name], q)
	}
	return own
}

func (l *ledgerOf) Quota(role berth.Role) berth.Quota {
	if l.view != nil {
		if at, ok := l.view.FindRole(role); ok {
			if q := l.view.Account(at).Quota; q != nil {
				return q.Spec.Clone()
			}
		}
	}
	return berth.Quota{Role: role}
}

// named returns sums by the names of their resources.
func (l *ledgerOf) named(sums store.Sums) berth.Resources {
	r := make(berth.Resources, len(sums))
	for _, s := range sums {
		r[l.view.Dims()[s.Dim]] = s.Int64()
	}
	return r
}

// plus adds amounts that are not negative; what overflows is the largest int64.
func plus(a, b int64) int64 { return min(a, math.MaxInt64-b) + b }

package scheduler

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/faults"
)

// Queue holds what is to run until [Run] has placed it. The zero value is an empty queue. It may be used
// by any number of goroutines, before and while Run works on it; a second Run on it at the same time is refused.
// Submit and Cancel of a name cost the same however much waits.
type Queue struct {
	mu          sync.Mutex
	first, last *waiting            // all that waits, in the order it came
	names       map[string]*waiting // the same by name
	gangs       map[string]map[*waiting]bool
	cancels     []cancelled
	turn        uint64        // counts what is submitted, put back and cancelled
	woken       chan struct{} // closed at the next change, if somebody waits for it
	used        bool          // a Run works on it
}

// waiting is a task that waits to be placed, or the demand of a daemon group.
type waiting struct {
	task       berth.Task
	at         uint64 // the turn at which it came to its place
	turn       uint64 // the turn at which it was submitted
	prev, next *waiting
	gone       bool // it waits no longer

	// Why it was last unplaced, if that was told: the task, or each of a daemon's instances by its ID. It is Run's.
	told bool
	why  berth.Reason
	whys map[string]berth.Reason

	judged, opens bool // whether mayOpen was asked, and what it said
}

// mayOpen asks once whether a task of the group that is placed may help this one.
func (w *waiting) mayOpen() bool {
	if !w.judged {
		w.judged, w.opens = true, mayOpen(w.task.Group)
	}
	return w.opens
}

func (w *waiting) name() string { return nameOf(w.task) }

// cancelled is a call of Cancel: for what was submitted before its turn.
type cancelled struct {
	name   string
	turn   uint64
	waited bool
}

// Submit adds tasks, which wait until there is room for them. Of those that wait together the ones whose group has the
// higher priority are placed first, of equal priority the daemons first, else in the order they came or as the Scheduler's order of
// roles says: see [Scheduler.Plan]. One that does not fit holds up nobody behind it. The demand of a daemon
// group ([berth.Group.Everywhere]) stays until it is cancelled, under the name of its group. It adds all
// or, with every fault of every one, none: a task that is at fault or waits already.
//
// A task may be submitted while an earlier one of its ID is there. If that one was cancelled, or was lost with its
// node, the new one is placed once it is gone. If it was found running when Run began, the new one is taken to
// be the same. Otherwise Run reports the new one as [Unplaced], with [berth.TaskExists], and drops it.
func (q *Queue) Submit(tasks ...berth.Task) error {
	if q == nil {
		return errors.New("scheduler: submit: no queue")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	var errs []error
	fresh := make(map[string]bool, len(tasks))
	for _, t := range tasks {
		if err := t.Err(); err != nil {
			errs = append(errs, err)
			continue
		}
		name := nameOf(t)
		switch {
		case t.ID != "" && t.Group.Mode() == berth.Daemon:
			errs = append(errs, fmt.Errorf("task %q: group %q is a daemon: submit what its Everywhere returns", t.ID, t.Group.Name()))
		case q.names[name] != nil || fresh[name]:
			errs = append(errs, fmt.Errorf("task %q: %w", name, berth.ErrTaskExists))
		}
		fresh[name] = true
	}
	if err := errors.Join(errs...); err != nil {
		return faults.Of("scheduler: submit", err)
	}
	for _, t := range tasks {
		q.turn++
		q.add(t, q.turn)
	}
	return nil
}

// Cancel withdraws tasks, and the demands of daemon groups by the names of the groups. What waits waits no
// longer; what was placed is stopped by [Run], and released once it has stopped: its own tasks, and those of the State
// that are no Run's. What is submitted under the name afterwards is not touched. Run reports what it does not know.
func (q *Queue) Cancel(names ...string) {
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, name := range names {
		q.turn++
		w := q.names[name]
		q.remove(w)
		q.cancels = append(q.cancels, cancelled{name, q.turn, w != nil})
	}
	q.wake()
}

// Waiting returns what waits, in its order.
func (q *Queue) Waiting() []berth.Task {
	if q == nil {
		return nil
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	tasks := make([]berth.Task, 0, len(q.names))
	for w := q.first; w != nil; w = w.next {
		tasks = append(tasks, w.task)
	}
	return tasks
}

// Len returns how many wait, a demand counting as one: O(1).
func (q *Queue) Len() int {
	if q == nil {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.names)
}

func nameOf(t berth.Task) string {
	if t.ID == "" {
		return t.Group.Name()
	}
	return t.ID
}

// add puts a task at the end.
func (q *Queue) add(t berth.Task, turn uint64) {
	w := &waiting{task: t, at: q.turn, turn: turn, prev: q.last}
	if q.last == nil {
		q.first = w
	} else {
		q.last.next = w
	}
	q.last = w
	if q.names == nil {
		q.names = map[string]*waiting{}
	}
	q.names[w.name()] = w
	if t.Group.Mode() == berth.Gang {
		gang := t.Group.Name()
		if q.gangs[gang] == nil {
			if q.gangs == nil {
				q.gangs = map[string]map[*waiting]bool{}
			}
			q.gangs[gang] = map[*waiting]bool{}
		}
		q.gangs[gang][w] = true
	}
	q.wake()
}

// remove takes out what waits; nil, or what is out already, is passed over.
func (q *Queue) remove(w *waiting) {
	if w == nil || w.gone {
		return
	}
	w.gone = true
	if w.prev == nil {
		q.first = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		q.last = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.prev, w.next = nil, nil
	if delete(q.names, w.name()); len(q.names) == 0 {
		q.names = nil // a map keeps the room it once needed
	}
	if gang := w.task.Group; gang.Mode() == berth.Gang {
		if delete(q.gangs[gang.Name()], w); len(q.gangs[gang.Name()]) == 0 {
			delete(q.gangs, gang.Name())
		}
	}
}

func (q *Queue) wake() {
	if q.woken != nil {
		close(q.woken)
		q.woken = nil
	}
}

// use begins the work of a Run on the queue.
func (q *Queue) use() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.used {
		return errors.New("the Queue is used by another Run")
	}
	q.used = true
	for w := q.first; w != nil; w = w.next {
		w.told, w.whys = false, nil // that was told to another Run's host
	}
	return nil
}

func (q *Queue) leave() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.used = false
}

// changed returns a channel that is closed when something was submitted or cancelled after the call.
func (q *Queue) changed() <-chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.woken == nil {
		q.woken = make(chan struct{})
	}
	return q.woken
}

// sight is what a Run sees of a queue at one moment.
type sight struct {
	waits   []*waiting
	cancels []cancelled // since the last time
	turn    uint64      // what comes later has a greater one
}

// look returns what was cancelled, and in their order: all that waits, or only what came after a turn and what is
// named, with the rest of the gangs it belongs to. A look at little costs little.
func (q *Queue) look(all bool, after uint64, names []string) sight {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.cancels { // a task may have been put back since
		c := &q.cancels[i]
		if w := q.names[c.name]; w != nil && w.turn < c.turn {
			q.remove(w)
			c.waited = true
		}
	}
	s := sight{cancels: q.cancels, turn: q.turn}
	q.cancels = nil
	s.waits = q.collect(all, after, names)
	return s
}

func (q *Queue) collect(all bool, after uint64, names []string) []*waiting {
	var out []*waiting
	if all {
		out = make([]*waiting, 0, len(q.names))
		for w := q.first; w != nil; w = w.next {
			out = append(out, w)
		}
		return out
	}
	for _, name := range names {
		if w := q.names[name]; w != nil && w.at <= after {
			out = append(out, w)
		}
	}
	for w := q.last; w != nil && w.at > after; w = w.prev {
		out = append(out, w)
	}
	n := len(out)
	var last *berth.Group
	for i := range n {
		g := out[i].task.Group
		if g == last || g.Mode() != berth.Gang {
			continue
		}
		last = g
		for w := range q.gangs[g.Name()] { // in any order: they are sorted below
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b *waiting) int { return cmp.Compare(a.at, b.at) })
	return slices.Compact(out)
}

// find returns what waits under a name, or nil.
func (q *Queue) find(name string) *waiting {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.names[name]
}

// putBack adds a task that was placed and could not be started, unless there is another one of its ID by now.
func (q *Queue) putBack(t berth.Task, turn uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.Group.Mode() != berth.Daemon && q.names[t.ID] == nil {
		q.turn++
		q.add(t, turn)
	}
}

// take removes what waited and was placed, and reports whether it waited still. The demand of a daemon stays.
func (q *Queue) take(w *waiting) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	waited := !w.gone
	if w.task.ID != "" {
		q.remove(w)
	}
	return waited
}

// cancelling returns the names that were cancelled since the last look.
func (q *Queue) cancelling() map[string]bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.cancels) == 0 {
		return nil
	}
	names := make(map[string]bool, len(q.cancels))
	for _, c := range q.cancels {
		names[c.name] = true
	}
	return names
}

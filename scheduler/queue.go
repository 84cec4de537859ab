package scheduler

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/berth-sched/berth"
)

// Queue holds what is to run until [Run] has placed it. The zero value is an empty queue. It may be used
// by any number of goroutines, before and while Run works on it, by one Run at a time.
type Queue struct {
	mu      sync.Mutex
	waiting []berth.Task // daemon demands too, which stay
	names   map[string]bool
	cancels []cancelled
	woken   chan struct{} // closed at the next change, if somebody waits for it
}

// cancelled is what was cancelled: what it was, if it waited.
type cancelled struct {
	name           string
	waited, daemon bool
}

// Submit adds tasks, which wait in the order they came until there is room for them. The demand of a daemon
// group ([berth.Group.Everywhere]) stays until it is cancelled, under the name of its group. It adds all
// or, with every fault of every one, none: a task that is at fault or waits already.
func (q *Queue) Submit(tasks ...berth.Task) error {
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
		case q.names[name] || fresh[name]:
			errs = append(errs, fmt.Errorf("task %q: %w", name, berth.ErrTaskExists))
		}
		fresh[name] = true
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("scheduler: submit: %w", err)
	}
	q.add(tasks)
	return nil
}

// Cancel withdraws tasks, and the demands of daemon groups by the names of the groups. What waits waits no
// longer; what was placed is stopped by [Run], and released once it has stopped. Run reports what it does
// not know.
func (q *Queue) Cancel(names ...string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, name := range names {
		daemon := slices.ContainsFunc(q.waiting, func(t berth.Task) bool { return t.ID == "" && nameOf(t) == name })
		waited := q.remove(name)
		q.cancels = append(q.cancels, cancelled{name, waited && !daemon, daemon})
	}
	q.wake()
}

// Waiting returns what waits, in its order.
func (q *Queue) Waiting() []berth.Task {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.waiting)
}

func nameOf(t berth.Task) string {
	if t.ID == "" {
		return t.Group.Name()
	}
	return t.ID
}

func (q *Queue) add(tasks []berth.Task) {
	if q.names == nil {
		q.names = map[string]bool{}
	}
	for _, t := range tasks {
		q.names[nameOf(t)] = true
	}
	q.waiting = append(q.waiting, tasks...)
	q.wake()
}

func (q *Queue) remove(name string) bool {
	if !q.names[name] {
		return false
	}
	delete(q.names, name)
	q.waiting = slices.DeleteFunc(q.waiting, func(t berth.Task) bool { return nameOf(t) == name })
	return true
}

func (q *Queue) wake() {
	if q.woken != nil {
		close(q.woken)
		q.woken = nil
	}
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

// putBack adds tasks that were placed and could not be started.
func (q *Queue) putBack(t berth.Task) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if t.Group.Mode() != berth.Daemon && !q.names[t.ID] {
		q.add([]berth.Task{t})
	}
}

// take removes tasks that were placed, and returns those that had been withdrawn meanwhile.
func (q *Queue) take(placed []berth.Op) (withdrawn map[string]bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	gone := make(map[string]bool, len(placed))
	for _, op := range placed {
		id, name := op.Task.ID, op.Task.ID
		if op.Task.Group.Mode() == berth.Daemon {
			name = op.Task.Group.Name()
		}
		if !q.names[name] {
			if withdrawn == nil {
				withdrawn = map[string]bool{}
			}
			withdrawn[id] = true
		} else if name == id {
			gone[id] = true
		}
	}
	q.waiting = slices.DeleteFunc(q.waiting, func(t berth.Task) bool { return t.ID != "" && gone[t.ID] })
	for id := range gone {
		delete(q.names, id)
	}
	return withdrawn
}

// drop removes a task that can never be placed.
func (q *Queue) drop(name string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.remove(name)
}

// cancelled returns what was cancelled, once.
func (q *Queue) cancelled() []cancelled {
	q.mu.Lock()
	defer q.mu.Unlock()
	names := q.cancels
	q.cancels = nil
	return names
}

func (q *Queue) has(name string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.names[name]
}

package scheduler

import (
	"maps"
	"slices"
	"time"
)

// backoff knows which tasks failed and when they may be tried again, and on which nodes which groups failed of late.
// It forgets in time what is gone.
type backoff struct {
	after, atMost time.Duration
	tasks         map[string]*retry
	due           agenda[string] // tasks, when they may be tried
	stale         agenda[string] // tasks, when to see whether to forget them

	shunned map[string]map[string]time.Time // by group and node: until when
	calm    agenda[[2]string]               // groups and nodes, when to see whether that is over
}

// retry is how often a task failed, and when it may be tried again.
type retry struct {
	failures   int
	at         time.Time
	due, stale *entry[string]
}

func newBackoff(after, atMost time.Duration) backoff {
	return backoff{
		after:   after,
		atMost:  atMost,
		tasks:   map[string]*retry{},
		due:     newAgenda[string](),
		stale:   newAgenda[string](),
		shunned: map[string]map[string]time.Time{},
		calm:    newAgenda[[2]string](),
	}
}

// wait returns how long to wait after so many failures before.
func (b *backoff) wait(failures int) time.Duration {
	wait := b.after
	for range failures {
		if wait >= b.atMost/2 {
			return b.atMost
		}
		wait *= 2
	}
	return wait
}

// fail notes a failure of a task, and when it may be tried again.
func (b *backoff) fail(id string, now time.Time) {
	t := b.tasks[id]
	if t == nil {
		t = &retry{}
		b.tasks[id] = t
	}
	wait := b.wait(t.failures)
	t.failures++
	t.at = now.Add(wait)
	b.due.remove(t.due)
	b.stale.remove(t.stale)
	t.due = b.due.add(t.at, id)
	t.stale = b.stale.add(t.at.Add(wait), id)
}

// again has a task that did not fail tried again after the shortest wait.
func (b *backoff) again(id string, now time.Time) {
	if b.tasks[id] == nil {
		b.due.add(now.Add(b.after), id)
	}
}

func (b *backoff) clear(id string) {
	if t := b.tasks[id]; t != nil {
		b.due.remove(t.due)
		b.stale.remove(t.stale)
		if delete(b.tasks, id); len(b.tasks) == 0 {
			b.tasks = map[string]*retry{} // a map keeps the room it once needed
		}
	}
}

// at returns when a task may be tried; the zero time if it may at any.
func (b *backoff) at(id string) time.Time {
	if t := b.tasks[id]; t != nil {
		return t.at
	}
	return time.Time{}
}

// next returns when the next task may be tried.
func (b *backoff) next() (time.Time, bool) { return b.due.next() }

// ripe returns the tasks that may be tried now, each once.
func (b *backoff) ripe(now time.Time) (ids []string) {
	for id, ok := b.due.pop(now); ok; id, ok = b.due.pop(now) {
		ids = append(ids, id)
	}
	return ids
}

// forget drops what is known of tasks that keep does not want kept, and ends what is over of shunned nodes.
func (b *backoff) forget(now time.Time, keep func(id string, now time.Time) (time.Time, bool)) {
	for id, ok := b.stale.pop(now); ok; id, ok = b.stale.pop(now) {
		if until, kept := keep(id, now); kept {
			b.tasks[id].stale = b.stale.add(until, id)
		} else {
			b.clear(id)
		}
	}
	for key, ok := b.calm.pop(now); ok; key, ok = b.calm.pop(now) {
		group, node := key[0], key[1]
		if until := b.shunned[group][node]; until.After(now) {
			b.calm.add(until, key)
			continue
		}
		if delete(b.shunned[group], node); len(b.shunned[group]) > 0 {
			continue
		}
		if delete(b.shunned, group); len(b.shunned) == 0 {
			b.shunned = map[string]map[string]time.Time{}
		}
	}
}

// shun has a group's tasks go to other nodes than this one for the longest wait, where others can take them.
func (b *backoff) shun(group, node string, now time.Time) {
	nodes := b.shunned[group]
	if nodes == nil {
		nodes = map[string]time.Time{}
		b.shunned[group] = nodes
	}
	if _, known := nodes[node]; !known {
		b.calm.add(now.Add(b.atMost), [2]string{group, node})
	}
	nodes[node] = now.Add(b.atMost)
}

// shuns returns the nodes that a group's tasks are to avoid, in order.
func (b *backoff) shuns(group string) []string {
	return slices.Sorted(maps.Keys(b.shunned[group]))
}

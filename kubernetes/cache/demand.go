package cache

import (
	"cmp"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-sched/berth"
)

// Demand is pods that are alike and wait for room.
type Demand struct {
	Group *berth.Group // what each of them asks for, and whose it is
	Pods  int
}

// Waiting returns what waits for room and is of at least that priority, by role, the highest priority first, and by name of its group. These
// are pods without a node that a scheduler of [Config].Schedulers is to place, that are not gated, and for which nothing is held. A
// pod that found no room ([Cache.NoRoom]) does not wait until there is more: until something has ended or a node has come or changed. It takes a
// step for each group that waits.
func (c *Cache) Waiting(priority int) []Demand {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.retry {
		c.retry = false
		for uid := range c.stuck {
			delete(c.stuck, uid)
			c.count(c.pods[uid])
		}
	}
	out := make([]Demand, 0, len(c.waiting))
	for _, d := range c.waiting {
		if d.Group.Priority() >= priority {
			out = append(out, d)
		}
	}
	return out
}

// NoRoom says that a pod has found no room in the cluster as it is.
func (c *Cache) NoRoom(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.noRoom(c.pods[uid])
}

func (c *Cache) noRoom(r *record) {
	if r == nil || !r.counted {
		return
	}
	c.stuck[r.pod.UID] = true
	c.count(r)
}

// more says that there may be more room than before.
func (c *Cache) more() { c.retry = len(c.stuck) > 0 }

// count brings in line whether a pod counts among those that wait, and as what.
func (c *Cache) count(r *record) {
	if r == nil {
		return
	}
	waits := r.waits(c)
	if r.counted && (!waits || r.countedAs != r.task.Group) {
		c.add(r.countedAs, -1)
		r.counted = false
	}
	if waits && !r.counted {
		c.add(r.task.Group, 1)
		r.counted, r.countedAs = true, r.task.Group
	}
}

func (r *record) waits(c *Cache) bool {
	return r.watched && r.node == "" && r.lease.node == "" && !r.stop && !c.stuck[r.pod.UID] && r.task.Group.Err() == nil &&
		len(r.pod.Spec.SchedulingGates) == 0 && slices.Contains(c.config.Schedulers, r.pod.Spec.SchedulerName)
}

// add counts pods of a group among those that wait, which are in order. Groups are shared, so that equal ones are one.
func (c *Cache) add(g *berth.Group, pods int) {
	at, there := slices.BinarySearchFunc(c.waiting, g, func(d Demand, g *berth.Group) int { return turn(d.Group, g) })
	switch {
	case !there:
		c.waiting = slices.Insert(c.waiting, at, Demand{g, pods})
	case c.waiting[at].Pods+pods == 0:
		c.waiting = slices.Delete(c.waiting, at, at+1)
	default:
		c.waiting[at].Pods += pods
	}
}

// turn orders groups by role, priority and name; revisions of one name by what they ask for.
func turn(a, b *berth.Group) int {
	if a == b {
		return 0
	}
	return cmp.Or(cmp.Compare(a.Role(), b.Role()), cmp.Compare(b.Priority(), a.Priority()), strings.Compare(a.Name(), b.Name()), strings.Compare(a.Fingerprint(), b.Fingerprint()))
}

// unschedulable returns when and why the scheduler has last found no room for a pod; nothing if it has not.
func unschedulable(p *v1.Pod) string {
	for i := range p.Status.Conditions {
		if s := &p.Status.Conditions[i]; s.Type == v1.PodScheduled && s.Status == v1.ConditionFalse && s.Reason == v1.PodReasonUnschedulable {
			return s.LastTransitionTime.String() + s.Message
		}
	}
	return ""
}

package cache

import (
	"math/bits"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-sched/berth"
)

// Demand is what pods of one role and priority ask for that wait for room, in sums.
type Demand struct {
	Role     berth.Role
	Priority int
	Pods     int
	Requests map[string]float64 // by resource, devices by their class in units; sums may be beyond an int64
}

// Waiting returns what waits for room, by role and priority: pods without a node that a scheduler of [Config].Schedulers is to place, that
// are not gated, and for which nothing is held. A pod that found no room ([Cache.NoRoom]) does not wait until there is more: until
// something has ended or a node has come or changed.
func (c *Cache) Waiting() []Demand {
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
	for key, w := range c.waiting {
		d := Demand{Role: key.role, Priority: key.priority, Pods: w.pods, Requests: make(map[string]float64, len(w.sums))}
		for name, s := range w.sums {
			d.Requests[name] = s.float()
		}
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Demand) int {
		if a.Role != b.Role {
			if a.Role < b.Role {
				return -1
			}
			return 1
		}
		return b.Priority - a.Priority
	})
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

type tenant struct {
	role     berth.Role
	priority int
}

// demand is the sums of the pods of a tenant that wait.
type demand struct {
	pods int
	sums map[string]sum
}

// sum is 128 bits wide, for requests may each be as large as an int64, and what is added is taken back exactly.
type sum struct{ hi, lo uint64 }

func (s sum) plus(n int64) sum {
	lo, carry := bits.Add64(s.lo, uint64(n), 0)
	return sum{s.hi + carry, lo}
}

func (s sum) minus(n int64) sum {
	lo, borrow := bits.Sub64(s.lo, uint64(n), 0)
	return sum{s.hi - borrow, lo}
}

func (s sum) float() float64 { return float64(float64(s.hi)*(1<<64)) + float64(s.lo) }

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

func (c *Cache) add(g *berth.Group, sign int) {
	key := tenant{g.Role(), g.Priority()}
	w := c.waiting[key]
	if w == nil {
		w = &demand{sums: map[string]sum{}}
		c.waiting[key] = w
	}
	w.pods += sign
	for _, need := range g.Requirements().Needs {
		if sign > 0 {
			w.sums[need.Name] = w.sums[need.Name].plus(need.Amount)
		} else {
			w.sums[need.Name] = w.sums[need.Name].minus(need.Amount)
		}
		if w.sums[need.Name] == (sum{}) {
			delete(w.sums, need.Name)
		}
	}
	if w.pods == 0 {
		delete(c.waiting, key)
	}
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

package cache

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// ErrGone is wrapped where a pod is asked about that was deleted, or that is to be.
var ErrGone = errors.New("the pod is gone, or about to be")

// ErrPlaced is wrapped where room is to be held for a pod that is on a node already, or whose Binding is on its way. What the cache
// returns beside it says where.
var ErrPlaced = errors.New("the pod has a node")

// Hold chooses room for a pod and holds it, in one step: nobody else chooses and no news of the cluster is taken in meanwhile. Choose
// returns where the pod is to be, a Place of its Task, which the State is then asked to do; it sees the pod with what is held for it
// now. To name that node again is to renew what is held; to name another, or for a pod that is no longer as it was, moves it. Where
// choose fails, or the State refuses, what was held is held no more, and Hold returns that error: a [berth.Reason], if it was refused.
//
// The room is held until the deadline. Choose must be fast and must not call the Cache; it may use the State.
func (c *Cache) Hold(p *v1.Pod, deadline time.Time, choose func(Pod) (berth.Op, error)) (Pod, error) {
	if p == nil {
		return Pod{}, errors.New("cache: hold: no pod")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	if c.gone.in[p.UID] || p.DeletionTimestamp != nil {
		return Pod{}, fmt.Errorf("cache: pod %s/%s: %w", p.Namespace, p.Name, ErrGone)
	}
	r := c.pods[p.UID]
	if r != nil && r.stop {
		return c.view(r), fmt.Errorf("cache: pod %s/%s: %w", p.Namespace, p.Name, ErrGone)
	}
	if r != nil && (r.node != "" || r.lease.posted) {
		return c.view(r), fmt.Errorf("cache: pod %s/%s: %w: %s", p.Namespace, p.Name, ErrPlaced, c.view(r).Node)
	}
	pod := c.readView(p)
	if err := pod.Task.Err(); err != nil {
		return pod, err
	}
	op, err := choose(pod)
	if err == nil {
		if op.Kind != berth.Place || op.Task.ID != pod.Task.ID {
			err = fmt.Errorf("cache: hold: %v is no placement of %s", op, pod.Task.ID)
		} else {
			err = c.place(r, pod, op, deadline)
		}
	}
	if err != nil {
		if r != nil && r.lease.node != "" {
			c.unhold(r)
		}
		pod.Phase, pod.Node, pod.Grant, pod.Until = Pending, "", nil, time.Time{}
		return pod, err
	}
	if r == nil {
		r = &record{}
		c.pods[p.UID] = r
		c.named[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = p.UID
	}
	c.read(r, p, false)
	r.lease = lease{node: op.Node, until: deadline}
	c.count(r)
	return c.view(r), nil
}

// place makes the State hold the room, by a new placement, a renewed one, or one that is moved.
func (c *Cache) place(r *record, pod Pod, op berth.Op, deadline time.Time) error {
	plan := cluster.Plan{Version: c.state.Version(), Deadline: deadline}
	have, held := c.state.Task(pod.Task.ID)
	switch {
	case held && have.Node == op.Node && have.State == berth.Assumed && have.Group.Equal(pod.Task.Group):
		return c.state.Renew(deadline, pod.Task.ID)
	case held:
		plan.Part("move", func() {
			plan.Release(pod.Task.ID)
			plan.Ops = append(plan.Ops, op)
		})
	default:
		plan.Ops = []berth.Op{op}
	}
	outcome, err := c.state.Commit(context.Background(), &plan)
	if err != nil {
		return err
	}
	for _, refused := range outcome.Refused {
		if refused.Reason.Code != berth.NotWhole {
			return refused.Reason
		}
	}
	return nil
}

// holds reports whether what is held for a pod is what the pod asks for.
func (c *Cache) holds(r *record) bool {
	have, ok := c.state.Task(r.task.ID)
	return ok && have.Group.Equal(r.task.Group)
}

func (c *Cache) unhold(r *record) {
	c.release(r.task.ID)
	c.free(r)
}

// free ends a pod's lease once its task has ended.
func (c *Cache) free(r *record) {
	r.lease = lease{}
	if !r.watched && r.node == "" {
		c.forget(r)
		return
	}
	c.count(r)
}

// Drop ends what is held for a pod, unless its Binding is on its way. It reports whether there was something.
func (c *Cache) Drop(uid types.UID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.pods[uid]
	if r == nil || r.lease.node == "" || r.lease.posted {
		return false
	}
	c.unhold(r)
	return true
}

// Post says that a pod's Binding to the node where room is held for it is about to be sent. From now on what is held does not expire,
// until [Cache.Settle] says what became of it. It fails if nothing is held there: [ErrPlaced] if the pod is bound, or being bound.
func (c *Cache) Post(uid types.UID, node string) (Pod, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.expire()
	r := c.pods[uid]
	switch {
	case r == nil, r.stop:
		return Pod{}, fmt.Errorf("cache: pod %s: %w", uid, ErrGone)
	case r.node != "" || r.lease.posted:
		return c.view(r), fmt.Errorf("cache: pod %s: %w: %s", uid, ErrPlaced, c.view(r).Node)
	case r.lease.node != node || node == "":
		return c.view(r), fmt.Errorf("cache: pod %s: nothing is held on %q", uid, node)
	}
	if err := c.state.Renew(time.Time{}, r.task.ID); err != nil {
		return c.view(r), fmt.Errorf("cache: pod %s: %w", uid, err)
	}
	r.lease.posted, r.lease.until = true, time.Time{}
	return c.view(r), nil
}

// Answer is what became of a Binding.
type Answer uint8

const (
	// Unknown: it may have been done or not, such as after a time-out. What is held stays until the pod is seen.
	Unknown Answer = iota
	// Done: the pod is on the node.
	Done
	// Refused: the pod is not bound by it, and will not be.
	Refused
)

// Settle says what became of a Binding that [Cache.Post] was told of. The watch may have told before, and has the last word.
func (c *Cache) Settle(uid types.UID, answer Answer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.pods[uid]
	if r == nil || !r.lease.posted {
		return
	}
	switch answer {
	case Done:
		r.node = r.lease.node
		c.settle(r)
		c.count(r)
	case Refused:
		c.unhold(r)
	default:
		r.lease.doubtful = c.config.Clock()
	}
}

// Doubtful returns the pods of whose Binding nobody knows what became of it, for at least so long, and those that were seen but that the
// watch has not told of since, in the order of their UIDs. Who has looked tells by [Cache.SetPod] that one is bound, by [Cache.DeletePod] that one is gone, and by [Cache.Settle] that one is not bound
// and the Binding can no longer arrive.
func (c *Cache) Doubtful(atLeast time.Duration) []Pod {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.config.Clock()
	var out []Pod
	for _, r := range c.pods {
		since := r.lease.doubtful
		if since.IsZero() && !r.watched {
			since = r.seen
		}
		if !since.IsZero() && now.Sub(since) >= atLeast {
			out = append(out, c.view(r))
		}
	}
	slices.SortFunc(out, func(a, b Pod) int { return strings.Compare(a.Task.ID, b.Task.ID) })
	return out
}

// Expire ends what is held beyond its deadline, and returns how many pods that were. Hold and Post do so before they look at anything;
// to call it now and then gives the room back where nobody asks.
func (c *Cache) Expire() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.expire()
}

func (c *Cache) expire() int {
	ended, _, err := c.state.Expire()
	if err != nil {
		return 0
	}
	for _, t := range ended {
		if r := c.pods[types.UID(t.ID)]; r != nil {
			c.free(r)
		}
	}
	if len(ended) > 0 {
		c.more()
	}
	return len(ended)
}

// Leases returns how many pods have room held for them, those whose Binding is on its way included.
func (c *Cache) Leases() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, r := range c.pods {
		if r.lease.node != "" {
			n++
		}
	}
	return n
}

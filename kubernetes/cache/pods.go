package cache

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/scheduler"
)

// Phase is where a pod is between being made and being gone.
type Phase uint8

const (
	// Pending: the pod has no node.
	Pending Phase = iota
	// Held: room is held for the pod until a deadline.
	Held
	// Posted: the pod's Binding is on its way, or was, and nobody knows what became of it.
	Posted
	// Bound: the pod is on a node.
	Bound
	// Stopping: the pod is on a node, and told to stop.
	Stopping
	// Homeless: the pod is bound to a node that is not known.
	Homeless
)

// String returns "pending", "held", "posted", "bound", "stopping" or "homeless".
func (p Phase) String() string {
	names := [...]string{"pending", "held", "posted", "bound", "stopping", "homeless"}
	if int(p) >= len(names) {
		return fmt.Sprintf("phase %d", p)
	}
	return names[p]
}

// MarshalText returns what String prints.
func (p Phase) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// Pod is a pod as the cache knows it.
type Pod struct {
	Object *v1.Pod // as it was last seen, not to be changed
	Task   berth.Task
	Unsaid []adapter.Unsaid // what of the pod berth has no words for
	Phase  Phase
	Node   string       // where the pod is or is to be; empty while it is pending
	Grant  *berth.Grant // the devices and ports that it has there
	Until  time.Time    // when what is held ends
	Doubt  time.Time    // since when nobody knows what became of the pod's Binding, or the zero time
}

// record is what is kept of a pod.
type record struct {
	pod     *v1.Pod
	task    berth.Task
	unsaid  []adapter.Unsaid
	node    string    // where it is bound; empty if it is not
	stop    bool      // it has a time of deletion
	watched bool      // the API server has told of it, and will tell when it is gone
	seen    time.Time // when it was first seen, if it was not watched
	lease   lease

	counted   bool // among those that wait, as a pod of countedAs
	countedAs *berth.Group
}

// lease is room held for a pod that is not bound.
type lease struct {
	node     string // empty without a lease
	until    time.Time
	posted   bool
	doubtful time.Time // since when nobody knows what became of the Binding
}

// SetPod says that there is a pod, or that it is otherwise than before. Of a pod that has ended nothing is kept.
func (c *Cache) SetPod(p *v1.Pod) {
	if p == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if r := c.pods[p.UID]; r != nil {
		r.watched = true // before what is held for it may end, lest it is forgotten
	}
	c.setPod(p, false)
	if r := c.pods[p.UID]; r != nil {
		r.watched = true
		c.count(r)
	}
}

// SeePod says what a pod is that somebody has looked up. Unlike after SetPod it is not certain that the watch will tell when it is gone:
// until the watch has told of it, [Cache.Doubtful] names it.
func (c *Cache) SeePod(p *v1.Pod) {
	if p == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.setPod(p, false)
	if r := c.pods[p.UID]; r != nil && !r.watched {
		r.seen = c.config.Clock()
	}
}

func (c *Cache) setPod(p *v1.Pod, anew bool) {
	if c.gone.in[p.UID] {
		return
	}
	r := c.pods[p.UID]
	if p.Status.Phase == v1.PodSucceeded || p.Status.Phase == v1.PodFailed {
		if r != nil {
			c.forget(r)
		}
		return
	}
	if r == nil {
		r = &record{}
		c.pods[p.UID] = r
	}
	if r.node != "" && p.Spec.NodeName == "" {
		return // older than what is known: a bound pod stays bound
	}
	failed := r.pod == nil || unschedulable(r.pod) != unschedulable(p)
	c.read(r, p, anew)
	c.named[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = p.UID
	r.stop = p.DeletionTimestamp != nil
	switch {
	case p.Spec.NodeName != "":
		r.node = p.Spec.NodeName
		c.settle(r)
	case r.lease.node != "" && !r.lease.posted && (r.stop || !c.holds(r) || failed && unschedulable(p) != ""):
		c.unhold(r) // for what the pod was, or by a scheduler that has given it up since
	}
	if p.Status.NominatedNodeName != "" && r.node == "" && !r.stop {
		c.nominated[p.UID] = true
	} else {
		delete(c.nominated, p.UID)
	}
	c.count(r)
	if failed && unschedulable(p) != "" {
		c.noRoom(r)
	}
}

// read reads a pod, unless what is read of it is as it was.
func (c *Cache) read(r *record, p *v1.Pod, anew bool) {
	was := r.pod
	r.pod = p
	if was != nil && !anew && alike(was, p) {
		return
	}
	task, unsaid := c.adapter.Pod(p)
	old := r.task.Group
	r.task, r.unsaid = berth.Task{ID: task.ID, Group: c.share(task.Group)}, unsaid
	c.unshare(old)
	if choosesNamespaces(p) {
		c.choosing[p.UID] = true
	} else {
		delete(c.choosing, p.UID)
	}
}

// alike reports whether two pods read alike, in all that is cheap to compare: most news of a pod is about its containers' states.
func alike(a, b *v1.Pod) bool {
	return a == b || a.ResourceVersion != "" && a.ResourceVersion == b.ResourceVersion && a.UID == b.UID ||
		a.Generation == b.Generation && a.Generation > 0 && // it counts the changes of the spec
			a.Name == b.Name && a.Namespace == b.Namespace && same(a.Labels, b.Labels) && same(a.Annotations, b.Annotations) &&
			reflect.DeepEqual(a.OwnerReferences, b.OwnerReferences) && reflect.DeepEqual(resources(a), resources(b))
}

// resources are the parts of a pod's status that its requests depend on.
func resources(p *v1.Pod) (out []any) {
	for _, list := range [][]v1.ContainerStatus{p.Status.ContainerStatuses, p.Status.InitContainerStatuses} {
		for i := range list {
			out = append(out, list[i].Name, list[i].Resources, list[i].AllocatedResources)
		}
	}
	for i := range p.Status.Conditions {
		if t := p.Status.Conditions[i].Type; t == v1.PodResizePending || t == v1.PodResizeInProgress {
			out = append(out, p.Status.Conditions[i])
		}
	}
	return append(out, p.Status.Resize, p.Status.Resources, p.Status.AllocatedResources) //nolint:staticcheck // of older kubelets
}

func same(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for key, value := range a {
		if other, ok := b[key]; !ok || other != value {
			return false
		}
	}
	return true
}

// choosesNamespaces reports whether the meaning of a pod depends on the labels of namespaces.
func choosesNamespaces(p *v1.Pod) bool {
	a := p.Spec.Affinity
	if a == nil {
		return false
	}
	var terms []v1.PodAffinityTerm
	var weighted []v1.WeightedPodAffinityTerm
	if a.PodAffinity != nil {
		terms = append(terms, a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution...)
		weighted = append(weighted, a.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution...)
	}
	if a.PodAntiAffinity != nil {
		terms = append(terms, a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution...)
		weighted = append(weighted, a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution...)
	}
	for i := range weighted {
		terms = append(terms, weighted[i].PodAffinityTerm)
	}
	for i := range terms {
		if terms[i].NamespaceSelector != nil {
			return true
		}
	}
	return false
}

// settle makes the State show a bound pod where it is and as it is.
func (c *Cache) settle(r *record) {
	if r == nil || r.node == "" {
		return
	}
	if _, known := c.nodes[r.node]; !known {
		c.release(r.task.ID)
		r.lease = lease{}
		c.wait(r)
		return
	}
	c.unwait(r)
	id, state := r.task.ID, berth.Running
	if r.stop {
		state = berth.Stopping
	}
	have, there := c.state.Task(id)
	if there && have.Node == r.node && have.Group.Equal(r.task.Group) && have.State != berth.Lost {
		r.lease = lease{}
		if told := c.told(r); told == nil || have.Grant != nil && told.String() == have.Grant.String() {
			switch {
			case state == have.State:
			case state == berth.Stopping:
				c.note(r, c.state.Stop(id))
			default:
				c.note(r, c.state.Confirm(id))
			}
			return
		}
	}
	r.lease = lease{}
	c.adopt(r, state)
}

// adopt records a bound pod as a fact. Where it cannot be taken as it is, what it takes is counted all the same.
func (c *Cache) adopt(r *record, state berth.TaskState) {
	c.more() // it may have had more until now
	running := scheduler.Running{Task: r.task, Node: r.node, State: state}
	var first error
	for _, grant := range []*berth.Grant{c.told(r), c.had(r), c.likely(r), portsOf(r.task.Group)} {
		if running.Grant = grant; grant == nil {
			continue
		}
		if err := c.state.Readopt(running); err == nil {
			c.note(r, nil)
			return
		} else if first == nil {
			first = err
		}
	}
	running.Grant = nil
	err := c.state.Readopt(running)
	if err == nil {
		c.note(r, nil)
		return
	}
	if first == nil {
		first = err
	}
	spec := r.task.Group.Spec()
	plain := berth.NewGroup(r.task.Group.Name(), berth.GroupSpec{Role: spec.Role, Priority: spec.Priority, Request: spec.Request, Devices: spec.Devices})
	running.Task = plain.Task(r.task.ID)
	if c.state.Readopt(running) == nil {
		c.problem("pod", r.name(), "only what it takes counts", first)
		return
	}
	c.release(r.task.ID)
	c.problem("pod", r.name(), "what it takes is not counted", first)
}

// told returns the grant that a pod's annotation tells; nil if there is none that can be read.
func (c *Cache) told(r *record) *berth.Grant {
	text, ok := r.pod.Annotations[adapter.GrantAnnotation]
	if !ok {
		return nil
	}
	g := new(berth.Grant)
	if err := g.UnmarshalText([]byte(text)); err != nil {
		return nil
	}
	return g
}

// had returns the grant that a pod has where it is: it is still that if the pod is described otherwise now, but asks for the same
// devices and ports.
func (c *Cache) had(r *record) *berth.Grant {
	have, there := c.state.Task(r.task.ID)
	if !there || have.Node != r.node || have.State == berth.Lost {
		return nil
	}
	before, now := have.Group.Spec(), r.task.Group.Spec()
	if !reflect.DeepEqual(before.Devices, now.Devices) || !slices.Equal(before.Ports, now.Ports) || before.DynamicPorts != now.DynamicPorts {
		return nil
	}
	return have.Grant
}

// likely returns the grant that a pod that was not placed here is taken to have: which of several devices that are alike it has makes
// no difference if it has them whole.
func (c *Cache) likely(r *record) *berth.Grant {
	spec := r.task.Group.Spec()
	if len(spec.Devices) == 0 {
		return nil
	}
	for _, d := range spec.Devices {
		if d.Count == 0 {
			return nil // a share, of nobody knows which
		}
	}
	snapshot, err := c.state.Snapshot(context.Background())
	if err != nil {
		return nil
	}
	fork := snapshot.Fork()
	if _, there := fork.Task(r.task.ID); there { // what it has there it may have again
		fork.Apply(berth.Op{Kind: berth.Release, ID: r.task.ID})
	}
	view, ok := fork.Node(r.node)
	if !ok {
		return nil
	}
	node := view.Node()
	g, _ := cluster.Choose(r.task.Group, &node, view.FreeDevices(), view.UsedPorts())
	return g
}

// portsOf returns a grant of the ports alone that a group asks for by number; nil without any.
func portsOf(g *berth.Group) *berth.Grant {
	var out berth.Grant
	for _, r := range g.Requirements().Ports {
		for port := int(r.First); port <= int(r.Last); port++ {
			out.Ports = append(out.Ports, berth.Port{Number: uint16(port), Protocol: r.Protocol, Address: r.Address})
		}
	}
	if len(out.Ports) == 0 {
		return nil
	}
	return &out
}

func (r *record) name() string { return r.pod.Namespace + "/" + r.pod.Name }

func (c *Cache) note(r *record, err error) {
	c.problem("pod", r.name(), "it is taken to be as it was", err)
}

// DeletePod says that a pod is gone.
func (c *Cache) DeletePod(p *v1.Pod) {
	if p == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone.add(p.UID)
	if r := c.pods[p.UID]; r != nil {
		c.forget(r)
	}
}

// forget drops all that is kept of a pod.
func (c *Cache) forget(r *record) {
	if r.counted {
		c.add(r.countedAs, -1)
		r.counted = false
	}
	delete(c.stuck, r.pod.UID)
	c.release(r.task.ID)
	c.unwait(r)
	c.problem("pod", r.name(), "", nil)
	c.unshare(r.task.Group)
	uid := r.pod.UID
	delete(c.pods, uid)
	delete(c.choosing, uid)
	delete(c.nominated, uid)
	if name := (types.NamespacedName{Namespace: r.pod.Namespace, Name: r.pod.Name}); c.named[name] == uid {
		delete(c.named, name)
	}
}

// release ends a pod's task in the State, if it has one.
func (c *Cache) release(id string) {
	if _, there := c.state.Task(id); there {
		c.more()
		_ = c.state.Release(id) // it fails only for a task that somebody else has just released
	}
}

func (c *Cache) wait(r *record) {
	waiting := c.homeless[r.node]
	if waiting == nil {
		waiting = map[types.UID]bool{}
		c.homeless[r.node] = waiting
	}
	waiting[r.pod.UID] = true
}

func (c *Cache) unwait(r *record) {
	waiting := c.homeless[r.node]
	delete(waiting, r.pod.UID)
	if len(waiting) == 0 {
		delete(c.homeless, r.node)
	}
}

// Pod returns the pod of that UID, and whether it is known.
func (c *Cache) Pod(uid types.UID) (Pod, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.pods[uid]
	if r == nil {
		return Pod{}, false
	}
	return c.view(r), true
}

// Nominated returns the pods without a node, nothing held for them, that were nominated to one (status.nominatedNodeName) by a preemption, in the
// order of their UIDs.
func (c *Cache) Nominated() []Pod {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.nominated) == 0 {
		return nil
	}
	var out []Pod
	for _, uid := range slices.Sorted(maps.Keys(c.nominated)) {
		if r := c.pods[uid]; r != nil && r.node == "" && r.lease.node == "" {
			out = append(out, c.view(r))
		}
	}
	return out
}

// PodNamed returns the pod of that name, and whether it is known.
func (c *Cache) PodNamed(namespace, name string) (Pod, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.pods[c.named[types.NamespacedName{Namespace: namespace, Name: name}]]
	if r == nil {
		return Pod{}, false
	}
	return c.view(r), true
}

// Read returns a pod in berth's words: as it is known, or, if the cache has not seen it as it is given, as it reads. Its group is that
// of the pods that are like it.
func (c *Cache) Read(p *v1.Pod) Pod {
	if p == nil {
		return Pod{}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.readView(p)
}

func (c *Cache) readView(p *v1.Pod) Pod {
	r := c.pods[p.UID]
	if r != nil && alike(r.pod, p) {
		return c.view(r)
	}
	var out Pod
	if r != nil {
		out = c.view(r)
	}
	task, unsaid := c.adapter.Pod(p)
	if i := c.groups[task.Group.Fingerprint()]; i != nil {
		task.Group = i.group
	}
	out.Object, out.Task, out.Unsaid = p, task, unsaid
	return out
}

func (c *Cache) view(r *record) Pod {
	out := Pod{Object: r.pod, Task: r.task, Unsaid: r.unsaid}
	switch {
	case r.node != "":
		out.Node, out.Phase = r.node, Bound
		if r.stop {
			out.Phase = Stopping
		}
		if _, known := c.nodes[r.node]; !known {
			out.Phase = Homeless
		}
	case r.lease.node != "":
		out.Node, out.Phase, out.Until = r.lease.node, Held, r.lease.until
		if r.lease.posted {
			out.Phase, out.Doubt = Posted, r.lease.doubtful
		}
	}
	if out.Node != "" {
		if t, ok := c.state.Task(r.task.ID); ok {
			out.Grant = t.Grant
		}
	}
	return out
}

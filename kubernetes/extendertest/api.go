package extendertest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/component-helpers/resource"
)

// Trouble is what becomes of a Binding that is not simply done and answered.
type Trouble uint8

const (
	None        Trouble = iota
	LostAnswer          // the Binding is done, and the answer is a time-out
	LostRequest         // the Binding is not done, and the answer is a time-out
	Refused             // the Binding is forbidden
)

// API is an API server with nodes and pods, in memory. It answers as the real one does, with the errors of
// k8s.io/apimachinery/pkg/api/errors. Its methods may be called by any number of goroutines.
type API struct {
	mu       sync.Mutex
	nodes    map[string]*v1.Node
	pods     map[types.NamespacedName]*v1.Pod
	version  int
	made     int
	log      []watch.Event
	readers  []*reader
	late     bool
	trouble  func(*v1.Binding) Trouble
	bindings int
	events   []string
	faults   []string
}

// reader is an extender that is told of changes, one after another.
type reader struct {
	mu   sync.Mutex
	next int // in the log
	tell func(watch.Event)
	away bool
}

func newAPI() *API {
	return &API{nodes: map[string]*v1.Node{}, pods: map[types.NamespacedName]*v1.Pod{}}
}

var pods = schema.GroupResource{Resource: "pods"}

// Bind posts a Binding, as the extender's bind is to do.
func (a *API) Bind(ctx context.Context, b *v1.Binding) error {
	if b == nil {
		return apierrors.NewBadRequest("no Binding")
	}
	a.mu.Lock()
	a.bindings++
	trouble := None
	if a.trouble != nil {
		trouble = a.trouble(b)
	}
	err := ctx.Err()
	switch {
	case err != nil:
	case trouble == Refused:
		err = apierrors.NewForbidden(pods, b.Name, fmt.Errorf("a test says so"))
	case trouble == LostRequest:
		err = apierrors.NewTimeoutError("the request was lost", 1)
	default:
		err = a.bind(b)
		if err == nil && trouble == LostAnswer {
			err = context.DeadlineExceeded
		}
	}
	a.mu.Unlock()
	a.deliver()
	return err
}

func (a *API) bind(b *v1.Binding) error {
	name := types.NamespacedName{Namespace: b.Namespace, Name: b.Name}
	p := a.pods[name]
	switch {
	case p == nil:
		return apierrors.NewNotFound(pods, b.Name)
	case b.UID != "" && b.UID != p.UID:
		return apierrors.NewConflict(pods, b.Name, fmt.Errorf("the UID in the precondition (%s) does not match the UID in record (%s)", b.UID, p.UID))
	case p.DeletionTimestamp != nil:
		return apierrors.NewConflict(pods, b.Name, fmt.Errorf("pod %s is being deleted, cannot be assigned to a host", b.Name))
	case p.Spec.NodeName != "":
		return apierrors.NewConflict(pods, b.Name, fmt.Errorf("pod %s is already assigned to node %q", b.Name, p.Spec.NodeName))
	case b.Target.Name == "":
		return apierrors.NewBadRequest("the Binding names no node")
	}
	p = p.DeepCopy()
	p.Spec.NodeName = b.Target.Name
	for key, value := range b.Annotations {
		metav1.SetMetaDataAnnotation(&p.ObjectMeta, key, value)
	}
	a.put(watch.Modified, p)
	if a.nodes[b.Target.Name] == nil {
		a.faults = append(a.faults, fmt.Sprintf("pod %s was bound to %q, which is no node", name, b.Target.Name))
		return nil
	}
	a.faults = append(a.faults, a.overcommitted(b.Target.Name)...)
	return nil
}

// overcommitted says of which resources a node's pods ask for more than it has.
func (a *API) overcommitted(node string) (faults []string) {
	used := v1.ResourceList{}
	var names []string
	for name, p := range a.pods {
		if p.Spec.NodeName != node || p.Status.Phase == v1.PodSucceeded || p.Status.Phase == v1.PodFailed {
			continue
		}
		names = append(names, name.Name)
		for key, quantity := range resource.PodRequests(p, resource.PodResourcesOptions{}) {
			sum := used[key]
			sum.Add(quantity)
			used[key] = sum
		}
	}
	slices.Sort(names)
	for _, key := range slices.Sorted(maps.Keys(used)) {
		sum, has := used[key], a.nodes[node].Status.Allocatable[key]
		if sum.Cmp(has) > 0 {
			faults = append(faults, fmt.Sprintf("node %s has %s of %s, and its pods ask for %s: %s", node, has.String(), key, sum.String(), strings.Join(names, ", ")))
		}
	}
	return faults
}

// Pod looks a pod up.
func (a *API) Pod(ctx context.Context, namespace, name string) (*v1.Pod, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	p := a.pods[types.NamespacedName{Namespace: namespace, Name: name}]
	if p == nil {
		return nil, apierrors.NewNotFound(pods, name)
	}
	return p.DeepCopy(), nil
}

// Event takes an event about a pod.
func (a *API) Event(p *v1.Pod, kind, reason, message string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.events = append(a.events, fmt.Sprintf("%s/%s: %s %s: %s", p.Namespace, p.Name, kind, reason, message))
}

// Events returns the events that were told so far, one a line: "shop/web-1: Warning FailedBinding: ...".
func (a *API) Events() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.events)
}

// Nodes returns the nodes, in the order of their names.
func (a *API) Nodes() []*v1.Node {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []*v1.Node
	for _, name := range slices.Sorted(maps.Keys(a.nodes)) {
		out = append(out, a.nodes[name].DeepCopy())
	}
	return out
}

// Pods returns the pods, in the order of their namespaces and names.
func (a *API) Pods() []*v1.Pod {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []*v1.Pod
	for _, p := range a.pods {
		out = append(out, p.DeepCopy())
	}
	slices.SortFunc(out, func(x, y *v1.Pod) int {
		return cmp.Or(cmp.Compare(x.Namespace, y.Namespace), cmp.Compare(x.Name, y.Name))
	})
	return out
}

// put changes an object and takes down that it did.
func (a *API) put(what watch.EventType, object any) {
	a.version++
	switch o := object.(type) {
	case *v1.Node:
		o.ResourceVersion = strconv.Itoa(a.version)
		if a.nodes[o.Name] = o; what == watch.Deleted {
			delete(a.nodes, o.Name)
		}
		a.log = append(a.log, watch.Event{Type: what, Object: o})
	case *v1.Pod:
		o.ResourceVersion = strconv.Itoa(a.version)
		name := types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
		if a.pods[name] = o; what == watch.Deleted {
			delete(a.pods, name)
		}
		a.log = append(a.log, watch.Event{Type: what, Object: o})
	}
}

func (a *API) createNode(n *v1.Node) {
	a.mu.Lock()
	n = n.DeepCopy()
	n.UID = types.UID("uid-" + n.Name)
	a.put(watch.Added, n)
	a.mu.Unlock()
	a.deliver()
}

// create makes a pod as if a client had asked for it, with a UID that no pod had before.
func (a *API) create(p *v1.Pod) *v1.Pod {
	a.mu.Lock()
	p = p.DeepCopy()
	a.made++
	p.UID = types.UID(fmt.Sprintf("uid-%d-%s", a.made, p.Name))
	p.Namespace = cmp.Or(p.Namespace, metav1.NamespaceDefault)
	p.CreationTimestamp = metav1.NewTime(time.Unix(int64(a.made), 0))
	p.Status.Phase = v1.PodPending
	a.put(watch.Added, p)
	a.mu.Unlock()
	a.deliver()
	return p.DeepCopy()
}

// remove deletes a pod at once, as without a grace period.
func (a *API) remove(p *v1.Pod) {
	a.mu.Lock()
	if have := a.pods[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}]; have != nil {
		a.put(watch.Deleted, have.DeepCopy())
	}
	a.mu.Unlock()
	a.deliver()
}

// lag makes the watch late, or, if it was, catch up.
func (a *API) lag(late bool) {
	a.mu.Lock()
	a.late = late
	a.mu.Unlock()
	a.deliver()
}

// watch lists to a new reader all that there is, and tells it of changes from then on.
func (a *API) watch(tell func(watch.Event)) *reader {
	a.mu.Lock()
	r := &reader{next: len(a.log), tell: tell}
	var list []watch.Event
	for _, name := range slices.Sorted(maps.Keys(a.nodes)) {
		list = append(list, watch.Event{Type: watch.Added, Object: a.nodes[name]})
	}
	for _, p := range a.pods {
		list = append(list, watch.Event{Type: watch.Added, Object: p})
	}
	slices.SortStableFunc(list, func(x, y watch.Event) int { return cmp.Compare(versionOf(x), versionOf(y)) })
	a.readers = append(a.readers, r)
	r.mu.Lock() // before anything later is told
	a.mu.Unlock()
	for _, e := range list {
		tell(copied(e))
	}
	r.mu.Unlock()
	return r
}

// leave ends what a reader is told.
func (a *API) leave(r *reader) {
	r.mu.Lock()
	r.away = true
	r.mu.Unlock()
}

func versionOf(e watch.Event) int {
	n, _ := strconv.Atoi(e.Object.(metav1.Object).GetResourceVersion()) // it is one of ours
	return n
}

func copied(e watch.Event) watch.Event {
	return watch.Event{Type: e.Type, Object: e.Object.DeepCopyObject()}
}

// deliver tells readers what has happened, unless the watch is late.
func (a *API) deliver() {
	a.mu.Lock()
	readers, late := slices.Clone(a.readers), a.late
	a.mu.Unlock()
	if late {
		return
	}
	for _, r := range readers {
		r.catchUp(a)
	}
}

func (r *reader) catchUp(a *API) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for !r.away {
		a.mu.Lock()
		if r.next == len(a.log) {
			a.mu.Unlock()
			return
		}
		e := a.log[r.next]
		r.next++
		a.mu.Unlock()
		r.tell(copied(e))
	}
}

// told returns what was found at fault so far, and forgets it.
func (a *API) told() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := a.faults
	a.faults = nil
	return out
}

func (a *API) setTrouble(f func(*v1.Binding) Trouble) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.trouble = f
}

// statusText prints a status, for faults.
func statusText(code int) string { return fmt.Sprintf("%d %s", code, http.StatusText(code)) }

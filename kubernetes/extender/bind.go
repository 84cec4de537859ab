package extender

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/placement"
)

// binding is a pod that is being bound, or looked up. Who asks for the same meanwhile, as kube-scheduler does after a time-out, gets the same
// answer.
type binding struct {
	node string // empty while the pod is looked up
	done chan struct{}
	err  error
}

// bind binds a pod to a node, if the node can take it.
func (e *Extender) bind(r *http.Request, args *extenderv1.ExtenderBindingArgs) (*extenderv1.ExtenderBindingResult, error) {
	if args.PodUID == "" || args.PodName == "" || args.PodNamespace == "" || args.Node == "" {
		return nil, withStatus(http.StatusBadRequest, "bind needs PodUID, PodName, PodNamespace and Node")
	}
	if e.config.Client == nil {
		return nil, withStatus(http.StatusNotImplemented, "there is no client to bind with: leave bindVerb out")
	}
	b, mine := e.begin(args.PodUID, args.Node)
	for !mine {
		if b.node != "" && b.node != args.Node {
			return nil, withStatus(http.StatusConflict, "the pod is being bound to %s", b.node)
		}
		select {
		case <-b.done:
		case <-r.Context().Done():
			return nil, withStatus(http.StatusGatewayTimeout, "the pod is still being bound")
		}
		if b.node != "" {
			return &extenderv1.ExtenderBindingResult{}, b.err
		}
		b, mine = e.begin(args.PodUID, args.Node)
	}
	defer e.finish(args.PodUID, b)
	b.err = errors.New("berth: the binding was broken off")
	// Who asked may give up; the Binding is carried through all the same, or nobody would know what became of it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), e.config.BindFor)
	defer cancel()
	b.err = e.bindOne(ctx, args)
	return &extenderv1.ExtenderBindingResult{}, b.err
}

// begin takes a pod, to bind it to a node or, with none, to look it up, unless somebody has taken it: until finish nobody else sends a
// Binding of it, or gives up what is held for it.
func (e *Extender) begin(uid types.UID, node string) (b *binding, mine bool) {
	e.binding.Lock()
	defer e.binding.Unlock()
	if b, busy := e.binds[uid]; busy {
		return b, false
	}
	b = &binding{node: node, done: make(chan struct{})}
	e.binds[uid] = b
	return b, true
}

func (e *Extender) finish(uid types.UID, b *binding) {
	e.binding.Lock()
	delete(e.binds, uid)
	e.binding.Unlock()
	close(b.done)
}

func (e *Extender) bindOne(ctx context.Context, args *extenderv1.ExtenderBindingArgs) error {
	pod, known := e.cache.Pod(args.PodUID)
	if !known || pod.Phase == cache.Posted {
		seen, err := e.look(ctx, args.PodUID, args.PodNamespace, args.PodName)
		if err != nil {
			return err
		}
		pod = seen
	}
	e.gangs.bound(pod.Object)
	pod, err := e.reserve(pod, args.Node)
	switch {
	case errors.Is(err, cache.ErrPlaced) && pod.Phase == cache.Bound && pod.Node == args.Node:
		return nil // by an earlier request
	case errors.Is(err, cache.ErrPlaced) && pod.Phase == cache.Posted && pod.Node == args.Node:
		// An earlier Binding was not answered. It is sent again, and does nothing if it has arrived.
	case err != nil:
		return fmt.Errorf("berth: %w", err)
	default:
		if pod, err = e.cache.Post(args.PodUID, args.Node); err != nil {
			return fmt.Errorf("berth: %w", err)
		}
	}
	answer := cache.Unknown // also where the client panics
	defer func() { e.cache.Settle(args.PodUID, answer) }()
	answer, err = e.post(ctx, pod, args.Node)
	return err
}

// look looks a pod up at the API server, and tells the cache.
func (e *Extender) look(ctx context.Context, uid types.UID, namespace, name string) (cache.Pod, error) {
	p, err := e.config.Client.Pod(ctx, namespace, name)
	switch {
	case err != nil && !apierrors.IsNotFound(err):
		return cache.Pod{}, fmt.Errorf("berth: pod %s/%s: %w", namespace, name, err)
	case err != nil || p == nil || p.UID != uid:
		e.cache.DeletePod(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: uid}})
		return cache.Pod{}, fmt.Errorf("berth: pod %s/%s: %w", namespace, name, cache.ErrGone)
	}
	e.cache.SeePod(p)
	pod, known := e.cache.Pod(uid)
	if !known {
		return cache.Pod{}, fmt.Errorf("berth: pod %s/%s: %w", namespace, name, cache.ErrGone)
	}
	return pod, nil
}

// reserve holds a node for a pod, if it can take it now: what was held before is checked as well, for a node may have been tainted, or
// filled by others, since.
func (e *Extender) reserve(pod cache.Pod, node string) (cache.Pod, error) {
	return e.cache.Hold(pod.Object, e.deadline(), func(pod cache.Pod) (berth.Op, error) {
		snapshot := e.snapshot()
		choices := e.ask(snapshot, pod.Task, placement.Ask{Among: []string{node}, Misfits: true, Details: true})
		switch {
		case choices.Reason.Code != berth.None:
			return berth.Op{}, choices.Reason
		case choices.Fit == 0 && len(choices.Misfits) == 1:
			return berth.Op{}, errors.New(choices.Misfits[0].String())
		case choices.Fit == 0:
			return berth.Op{}, errNowhere
		}
		if pod.Phase == cache.Held && pod.Node == node {
			return berth.Op{Kind: berth.Place, Task: pod.Task, Node: node, Grant: pod.Grant}, nil
		}
		op, ok := e.on(without(snapshot, pod.Task), pod.Task, node)
		if !ok {
			return berth.Op{}, errNowhere
		}
		return op, nil
	})
}

// post sends a Binding, and says what became of it.
func (e *Extender) post(ctx context.Context, pod cache.Pod, node string) (cache.Answer, error) {
	p := pod.Object
	b := &v1.Binding{
		ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: p.Name, UID: p.UID},
		Target:     v1.ObjectReference{Kind: "Node", Name: node},
	}
	if pod.Grant != nil {
		text, err := pod.Grant.MarshalText()
		if err != nil {
			return cache.Refused, fmt.Errorf("berth: %w", err)
		}
		b.Annotations = map[string]string{adapter.GrantAnnotation: string(text)}
	}
	err := e.config.Client.Bind(ctx, b)
	if err == nil {
		return cache.Done, nil
	}
	failed := fmt.Errorf("berth: pod %s/%s on %s: %w", p.Namespace, p.Name, node, err)
	switch {
	case apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err):
		// The pod is bound, here or elsewhere, or about to be deleted.
		seen, lookErr := e.look(ctx, p.UID, p.Namespace, p.Name)
		switch {
		case errors.Is(lookErr, cache.ErrGone):
			return cache.Refused, failed
		case lookErr != nil:
			return cache.Unknown, failed
		case seen.Phase == cache.Bound && seen.Node == node:
			return cache.Done, nil
		}
		return cache.Refused, failed
	case definite(err):
		return cache.Refused, failed
	}
	return cache.Unknown, failed
}

// definite reports whether an error says that nothing was done.
func definite(err error) bool {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return false // the connection, or the time
	}
	code := status.Status().Code
	return code >= 400 && code < 500 && code != http.StatusRequestTimeout
}

// Run does what has to be done now and then until the context ends, whose cause it returns: it gives back what is held beyond its time,
// looks up the pods of which nobody knows whether they are bound, and logs what [Extender.Unknown] returns.
func (e *Extender) Run(ctx context.Context) error {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
			e.Tidy(ctx)
		}
	}
}

// Tidy is one round of what Run does.
func (e *Extender) Tidy(ctx context.Context) {
	if n := e.cache.Expire(); n > 0 {
		e.log.Warn("expired", "leases", n)
	}
	e.tellUnknown()
	e.forgetCome()
	e.forgetRetries()
	if e.config.Client == nil {
		return
	}
	for _, pod := range e.cache.Doubtful(e.config.BindFor) {
		if ctx.Err() != nil {
			return
		}
		e.resolve(ctx, types.UID(pod.Task.ID))
	}
}

// resolve looks up a pod of which it is not known whether it is bound. One that is being bound is left to who does: its Binding may arrive
// until it is answered, and DoubtFor is counted from then.
func (e *Extender) resolve(ctx context.Context, uid types.UID) {
	b, mine := e.begin(uid, "")
	if !mine {
		return
	}
	defer e.finish(uid, b)
	pod, known := e.cache.Pod(uid)
	if !known {
		return
	}
	late := !pod.Doubt.IsZero() && e.cache.Now().Sub(pod.Doubt) >= e.config.DoubtFor
	ctx, cancel := context.WithTimeout(ctx, e.config.BindFor)
	defer cancel()
	seen, err := e.look(ctx, uid, pod.Object.Namespace, pod.Object.Name)
	if err == nil && seen.Phase == cache.Posted && late {
		e.cache.Settle(uid, cache.Refused)
	}
}

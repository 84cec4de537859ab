package extender

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/placement"
)

// names returns the nodes that a request is about, by name.
func names(args *extenderv1.ExtenderArgs) ([]string, error) {
	switch {
	case args.Pod == nil:
		return nil, withStatus(http.StatusBadRequest, "the request has no pod")
	case args.Pod.UID == "":
		return nil, withStatus(http.StatusBadRequest, "pod %s/%s has no UID", args.Pod.Namespace, args.Pod.Name)
	case args.NodeNames == nil && args.Nodes != nil:
		return nil, withStatus(http.StatusBadRequest, "the request has whole nodes: set nodeCacheCapable: true, so that kube-scheduler sends names")
	case args.NodeNames == nil:
		return nil, withStatus(http.StatusBadRequest, "the request has no NodeNames")
	}
	return *args.NodeNames, nil
}

// filter says which nodes can take a pod.
func (e *Extender) filter(_ *http.Request, args *extenderv1.ExtenderArgs) (*verdicts, error) {
	among, err := names(args)
	if err != nil {
		return nil, err
	}
	if e.config.Mode == Decide {
		return e.decide(args.Pod, among)
	}
	pod := e.cache.Read(args.Pod)
	if pod.Phase != cache.Pending && pod.Phase != cache.Held {
		return e.settled(pod, among), nil
	}
	return e.verdicts(pod, among)
}

// verdicts returns which of the nodes can take a pod, best first, and why the others cannot.
func (e *Extender) verdicts(pod cache.Pod, among []string) (*verdicts, error) {
	if err := pod.Task.Err(); err != nil {
		return nowhere(among, "berth: "+err.Error()), nil
	}
	set, snapshot := e.cache.NodeSet(), e.view(pod)
	e.arrived(snapshot, pod.Task)
	if why := e.turn(pod.Task.Group); why.Code != berth.None {
		e.tell(pod.Object, why.String())
		return nowhere(among, why.String()), nil
	}
	r := e.rank(set, snapshot, pod.Task, among, pod.Object.Status.NominatedNodeName)
	if r.reason.Code != berth.None {
		return nowhere(among, r.reason.String()), nil
	}
	if len(r.fit) > 0 {
		e.placed(pod.Object.UID)
		return r.verdicts(), nil
	}
	e.unplaced(snapshot, pod)
	if r.behind {
		if err := e.later(pod); err != nil {
			return nil, err
		}
	}
	return r.verdicts(), nil
}

// unplaced notes that a pod has found no room, and tells its users why, over all nodes.
func (e *Extender) unplaced(s *cluster.Snapshot, pod cache.Pod) {
	e.cache.NoRoom(pod.Object.UID)
	if e.config.Client == nil {
		return
	}
	if why := e.explain(s, pod.Task.Group); why != nil {
		e.tell(pod.Object, fmt.Sprintf("0/%d nodes: %v", why.Nodes, why))
	}
}

// explain holds the lock no longer than the engine works, also where a rule panics.
func (e *Extender) explain(s *cluster.Snapshot, g *berth.Group) *cluster.Explanation {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.engine.Start(s)
	return e.engine.Explain(g)
}

func resolvable(lacks []berth.Lack) bool {
	for i := range lacks {
		if !lacks[i].Reason.Code.Resolvable() {
			return false
		}
	}
	return true
}

// nowhere is the answer about a pod that no node can take, for a reason that is not the nodes'.
func nowhere(among []string, text string) *verdicts {
	text = short(text, mostReason)
	out := &verdicts{unresolvable: make([]nodeText, len(among))}
	for i, name := range among {
		out.unresolvable[i] = nodeText{name, text}
	}
	slices.SortFunc(out.unresolvable, func(a, b nodeText) int { return strings.Compare(a.node, b.node) })
	out.unresolvable = slices.Compact(out.unresolvable)
	return out
}

// settled is the answer about a pod that has a node already: that one alone.
func (e *Extender) settled(pod cache.Pod, among []string) *verdicts {
	if pod.Phase != cache.Stopping && slices.Contains(among, pod.Node) {
		return &verdicts{fit: []string{pod.Node}}
	}
	return nowhere(among, "berth: the pod is "+pod.Phase.String()+" on "+pod.Node)
}

// decide chooses the best of the nodes, and holds it for the pod.
func (e *Extender) decide(p *v1.Pod, among []string) (*verdicts, error) {
	var r ranking
	for _, uid := range e.gangs.asked(p) {
		e.cache.Drop(uid)
	}
	nominated := e.cache.Nominated()
	if now := e.cache.Read(p); now.Phase == cache.Pending && now.Task.Err() == nil {
		e.arrived(e.snapshot(), now.Task)
		if why := e.turn(now.Task.Group); why.Code != berth.None {
			e.tell(p, why.String())
			return nowhere(among, why.String()), nil
		}
	}
	pod, err := e.cache.Hold(p, e.deadline(), func(pod cache.Pod) (berth.Op, error) {
		set, snapshot := e.cache.NodeSet(), e.with(nominated, pod)
		if pod.Phase == cache.Held { // asked again: the same answer, as long as it is good
			kept := e.ask(snapshot, pod.Task, placement.Ask{Among: []string{pod.Node}})
			if kept.Fit == 1 && slices.Contains(among, pod.Node) {
				return berth.Op{Kind: berth.Place, Task: pod.Task, Node: pod.Node, Grant: pod.Grant}, nil
			}
		}
		snapshot = without(snapshot, pod.Task)
		if op, ok := e.best(snapshot, pod.Task); ok && slices.Contains(among, op.Node) { // the best of all is the best of any
			return op, nil
		}
		if r = e.rank(set, snapshot, pod.Task, among, p.Status.NominatedNodeName); len(r.fit) == 0 {
			return berth.Op{}, errNowhere
		}
		op, ok := e.on(snapshot, pod.Task, r.fit[0])
		if !ok {
			return berth.Op{}, errNowhere
		}
		return op, nil
	})
	e.gangs.answered(p, err == nil)
	switch {
	case err == nil:
		e.placed(p.UID)
		return &verdicts{fit: []string{pod.Node}}, nil
	case errors.Is(err, errNowhere) && r.reason.Code != berth.None:
		return nowhere(among, r.reason.String()), nil
	case errors.Is(err, errNowhere):
		e.unplaced(e.snapshot(), pod)
		r.fit = nil
		if r.behind {
			if err := e.later(pod); err != nil {
				return nil, err
			}
		}
		return r.verdicts(), nil
	case errors.Is(err, cache.ErrPlaced):
		return e.settled(pod, among), nil
	case errors.Is(err, cache.ErrGone):
		return nil, withStatus(http.StatusConflict, "%v", err)
	}
	var why berth.Reason
	if errors.As(err, &why) { // others were faster, or the State knows more than the question
		return nowhere(among, "berth: "+why.String()), nil
	}
	return nowhere(among, "berth: "+err.Error()), nil
}

var errNowhere = errors.New("no node can take the pod")

func (e *Extender) deadline() time.Time { return e.cache.Now().Add(e.config.HoldFor) }

// prioritize says how berth ranks nodes.
func (e *Extender) prioritize(_ *http.Request, args *extenderv1.ExtenderArgs) (*priorities, error) {
	among, err := names(args)
	if err != nil {
		return nil, err
	}
	pod := e.cache.Read(args.Pod)
	if err := pod.Task.Err(); err != nil {
		return nil, withStatus(http.StatusUnprocessableEntity, "%v", err)
	}
	return e.scores(pod, among), nil
}

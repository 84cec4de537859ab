package extender

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	v1 "k8s.io/api/core/v1"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/placement"
)

// Why says what berth knows of a pod, and what keeps it from being placed. It is what GET /why/{namespace}/{pod} answers, as text or, if
// the request accepts application/json or has format=json, as JSON.
type Why struct {
	Namespace, Pod string
	UID            string
	Phase          cache.Phase
	Node           string       `json:",omitempty"` // where the pod is, or where room is held for it
	Grant          *berth.Grant `json:",omitempty"`
	Role           berth.Role
	Unsaid         []string `json:",omitempty"` // what of the pod is not looked at
	Faults         string   `json:",omitempty"` // of the pod: no node takes it

	// Of a pod without a node:
	Waits  string `json:",omitempty"` // for what kube-scheduler has to do first, or for its turn
	Over   string `json:",omitempty"` // the limits of its role that it would exceed
	Nodes  int    // how many nodes there are
	Fit    int    // how many of them can take the pod
	Best   string `json:",omitempty"` // the one that berth likes best
	Groups []WhyNodes
	// Resolvable is on how many of the nodes ending pods may help.
	Resolvable int
}

// WhyNodes is the nodes that cannot take a pod for the same reasons.
type WhyNodes struct {
	Nodes   int
	Reasons []string
	Nearest string // the node that came closest, and what it lacks
	Helps   string `json:",omitempty"` // what would let the pod be placed there
}

// Explain says what berth knows of a pod, and false if it does not know it. It checks every node: some microseconds for each.
func (e *Extender) Explain(namespace, name string) (Why, bool) {
	pod, known := e.cache.PodNamed(namespace, name)
	if !known {
		return Why{}, false
	}
	out := Why{Namespace: namespace, Pod: name, UID: pod.Task.ID, Phase: pod.Phase, Node: pod.Node, Grant: pod.Grant, Role: pod.Task.Group.Role()}
	for _, u := range pod.Unsaid {
		out.Unsaid = append(out.Unsaid, u.String())
	}
	if err := pod.Task.Err(); err != nil {
		out.Faults = err.Error()
		return out, true
	}
	if pod.Phase != cache.Pending {
		return out, true
	}
	snapshot := e.view(pod)
	out.Nodes = snapshot.Len()
	switch why := e.turn(pod.Task.Group); {
	case len(pod.Object.Spec.SchedulingGates) > 0:
		out.Waits = fmt.Sprintf("for %d scheduling gates to be removed", len(pod.Object.Spec.SchedulingGates))
	case why.Code != berth.None:
		out.Waits = why.String()
	}
	found := snapshot.Fork().Diagnose(pod.Task.Group)
	out.Fit, out.Resolvable = found.Fit, found.Resolvable()
	for i, over := range found.Over {
		if i > 0 {
			out.Over += ", "
		}
		out.Over += over.String()
	}
	if best := e.ask(snapshot, pod.Task, placement.Ask{Top: 1}); best.Len() > 0 {
		out.Best = best.At(0).String()
	}
	for _, f := range found.Failing {
		w := WhyNodes{Nodes: f.Nodes, Helps: f.Helps, Nearest: misfit(f.Nearest)}
		for _, r := range f.Reasons {
			w.Reasons = append(w.Reasons, r.String())
		}
		out.Groups = append(out.Groups, w)
	}
	return out, true
}

func misfit(n cluster.NearMiss) string {
	parts := make([]string, len(n.Lacks))
	for i, l := range n.Lacks {
		parts[i] = l.String()
	}
	return n.Node + ": " + strings.Join(parts, ", ")
}

// String prints all of it, in lines.
func (w Why) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s/%s is %v", w.Namespace, w.Pod, w.Phase)
	if w.Node != "" {
		fmt.Fprintf(&b, " on %s", w.Node)
	}
	if w.Grant != nil {
		fmt.Fprintf(&b, " with %v", w.Grant)
	}
	fmt.Fprintf(&b, ", role %s\n", w.Role)
	line := func(format, text string) {
		if text != "" {
			fmt.Fprintf(&b, format+"\n", text)
		}
	}
	for _, u := range w.Unsaid {
		line("not looked at: %s", u)
	}
	line("at fault: %s", w.Faults)
	line("waits: %s", w.Waits)
	line("over its limit: %s", w.Over)
	if w.Phase == cache.Pending && w.Faults == "" {
		fmt.Fprintf(&b, "%d of %d nodes can take it\n", w.Fit, w.Nodes)
	}
	line("best: %s", w.Best)
	for _, g := range w.Groups {
		fmt.Fprintf(&b, "%d: %s; nearest %s\n", g.Nodes, strings.Join(g.Reasons, " and "), g.Nearest)
		line("   %s", g.Helps)
	}
	if w.Resolvable > 0 {
		fmt.Fprintf(&b, "ending pods may help on %d nodes\n", w.Resolvable)
	}
	return b.String()
}

func (e *Extender) serveWhy(w http.ResponseWriter, r *http.Request, path string) {
	namespace, name, ok := strings.Cut(path, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		http.Error(w, "berth: ask for /why/{namespace}/{pod}", http.StatusBadRequest)
		return
	}
	if err := e.Ready(); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	select {
	case e.slots <- struct{}{}:
		defer func() { <-e.slots }()
	default:
		http.Error(w, "berth: too many requests at once", http.StatusServiceUnavailable)
		return
	}
	why, known := e.Explain(namespace, name)
	if !known {
		http.Error(w, "berth knows no such pod: it has ended, or never was", http.StatusNotFound)
		return
	}
	if r.URL.Query().Get("format") == "json" || strings.Contains(r.Header.Get("Accept"), "application/json") {
		body, err := json.MarshalIndent(why, "", "  ")
		if err != nil {
			http.Error(w, "berth: "+err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(body, '\n'))
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprint(w, why)
}

// tell tells users why a pod has no node, as an event of the pod, when that is another reason than was told last.
func (e *Extender) tell(pod *v1.Pod, message string) {
	if e.config.Client == nil {
		return
	}
	message = short(message, mostText)
	e.telling.Lock()
	defer e.telling.Unlock()
	if e.told[pod.UID] == message {
		return
	}
	if len(e.told) >= mostTold { // some are told again: better than to keep those of pods long gone
		clear(e.told)
	}
	e.told[pod.UID] = message
	e.config.Client.Event(pod, v1.EventTypeWarning, "BerthUnplaced", message)
}

// mostTold is how many pods are remembered by what was told of them last.
const mostTold = 1 << 14

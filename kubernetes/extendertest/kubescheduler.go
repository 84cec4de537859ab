package extendertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
)

// kubeScheduler calls an extender as kube-scheduler does, and takes down what the protocol does not allow.
type kubeScheduler struct {
	api    *API
	url    string
	verbs  Verbs
	client *http.Client

	mu     sync.Mutex
	faults []string
}

func (k *kubeScheduler) fault(format string, args ...any) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.faults) < mostFaults {
		k.faults = append(k.faults, fmt.Sprintf(format, args...))
	}
}

// mostFaults is how many faults one scenario tells.
const mostFaults = 20

// send posts a request. Any status but 200 is an error, whose body kube-scheduler does not read.
func (k *kubeScheduler) send(verb string, args, result any) error {
	body, err := json.Marshal(args)
	if err != nil {
		return err
	}
	status, answer, err := k.post(verb, bytes.NewReader(body))
	switch {
	case err != nil:
		return err
	case status != http.StatusOK:
		return fmt.Errorf("failed %s with extender at URL %s, code %d", verb, k.url, status)
	}
	if err := json.Unmarshal(answer, result); err != nil {
		k.fault("%s: the answer cannot be read: %v: %s", verb, err, short(string(answer)))
		return err
	}
	return nil
}

func (k *kubeScheduler) post(verb string, body io.Reader) (status int, answer []byte, err error) {
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, k.url+"/"+verb, body)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := k.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close() // it was read
	answer, err = io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
	return resp.StatusCode, answer, err
}

const mostAnswer = 64 << 20

// filter asks which of the nodes can take a pod, and holds the answer against the protocol.
func (k *kubeScheduler) filter(p *v1.Pod, nodes []string) (*extenderv1.ExtenderFilterResult, error) {
	var out extenderv1.ExtenderFilterResult
	if err := k.send(k.verbs.Filter, &extenderv1.ExtenderArgs{Pod: p, NodeNames: &nodes}, &out); err != nil {
		return nil, err
	}
	if out.Error != "" {
		return nil, fmt.Errorf("%s", out.Error)
	}
	if out.NodeNames == nil {
		if out.Nodes != nil {
			k.fault("filter of %s answers with whole nodes, and was asked with names", p.Name)
		}
		out.NodeNames = &[]string{}
	}
	seen := map[string]bool{}
	for _, name := range *out.NodeNames {
		switch {
		case !slices.Contains(nodes, name):
			k.fault("filter of %s names %q, which it was not asked about: the pod then fails with a SchedulerError", p.Name, name)
		case seen[name]:
			k.fault("filter of %s names %q twice", p.Name, name)
		}
		seen[name] = true
	}
	for where, failed := range map[string]extenderv1.FailedNodesMap{"FailedNodes": out.FailedNodes, "FailedAndUnresolvableNodes": out.FailedAndUnresolvableNodes} {
		for name, reason := range failed {
			switch {
			case seen[name]:
				k.fault("filter of %s has %q in NodeNames and in %s", p.Name, name, where)
			case !slices.Contains(nodes, name):
				k.fault("filter of %s has %q in %s, which it was not asked about: the event counts it", p.Name, name, where)
			case strings.TrimSpace(reason) == "":
				k.fault("filter of %s has no reason for %q in %s", p.Name, name, where)
			case len(reason) > 1024:
				k.fault("filter of %s has a reason of %d bytes for %q in %s: an event has room for 1024", p.Name, len(reason), name, where)
			}
		}
	}
	if len(seen) > 0 {
		return &out, nil // reasons are only told where no node is left
	}
	for _, name := range nodes {
		if out.FailedNodes[name] == "" && out.FailedAndUnresolvableNodes[name] == "" {
			k.fault("filter of %s leaves no node, and no reason for %q: the event says nothing of it", p.Name, name)
		}
	}
	empty := k.emptyNodes()
	for name := range out.FailedNodes {
		if empty[name] && out.FailedAndUnresolvableNodes[name] == "" {
			k.fault("filter of %s has %q in FailedNodes, where no pod is that could be evicted: preemption is tried in vain, again and again", p.Name, name)
		}
	}
	return &out, nil
}

// emptyNodes returns the nodes that no pod is on.
func (k *kubeScheduler) emptyNodes() map[string]bool {
	out := map[string]bool{}
	for _, n := range k.api.Nodes() {
		out[n.Name] = true
	}
	for _, p := range k.api.Pods() {
		delete(out, p.Spec.NodeName)
	}
	return out
}

// prioritize asks how good nodes are, and returns the best: of equals the first.
func (k *kubeScheduler) prioritize(p *v1.Pod, nodes []string) string {
	var out extenderv1.HostPriorityList
	if err := k.send(k.verbs.Prioritize, &extenderv1.ExtenderArgs{Pod: p, NodeNames: &nodes}, &out); err != nil {
		return nodes[0] // kube-scheduler goes on without
	}
	scores := map[string]int64{}
	for _, h := range out {
		switch _, twice := scores[h.Host]; {
		case twice:
			k.fault("prioritize of %s rates %q twice", p.Name, h.Host)
		case !slices.Contains(nodes, h.Host):
			k.fault("prioritize of %s rates %q, which it was not asked about", p.Name, h.Host)
		case h.Score < extenderv1.MinExtenderPriority || h.Score > extenderv1.MaxExtenderPriority:
			k.fault("prioritize of %s gives %q %d, which is not from 0 to 10", p.Name, h.Host, h.Score)
		}
		scores[h.Host] = h.Score
	}
	best := nodes[0]
	for _, name := range nodes {
		if scores[name] > scores[best] {
			best = name
		}
	}
	return best
}

func (k *kubeScheduler) bind(p *v1.Pod, node string) error {
	if k.verbs.Bind == "" {
		return k.api.Bind(context.Background(), &v1.Binding{ObjectMeta: *p.ObjectMeta.DeepCopy(), Target: v1.ObjectReference{Kind: "Node", Name: node}})
	}
	var out extenderv1.ExtenderBindingResult
	err := k.send(k.verbs.Bind, &extenderv1.ExtenderBindingArgs{PodName: p.Name, PodNamespace: p.Namespace, PodUID: p.UID, Node: node}, &out)
	if err == nil && out.Error != "" {
		err = fmt.Errorf("%s", out.Error)
	}
	if err != nil {
		return err
	}
	now, missing := k.api.Pod(context.Background(), p.Namespace, p.Name)
	switch {
	case missing != nil || now.UID != p.UID:
		k.fault("bind of %s says ok, and the pod is gone", p.Name)
	case now.Spec.NodeName == "":
		k.fault("bind of %s says ok, and the pod is not bound: nobody tries again", p.Name)
	case now.Spec.NodeName != node:
		k.fault("bind of %s says ok to %q, and the pod is on %q", p.Name, node, now.Spec.NodeName)
	}
	return nil
}

// schedule goes through a pod's cycle once. Without a node the pod is unschedulable; an error is one of the extender's, after which
// kube-scheduler tries again.
func (k *kubeScheduler) schedule(p *v1.Pod) (node string, err error) {
	var nodes []string
	for _, n := range k.api.Nodes() {
		nodes = append(nodes, n.Name)
	}
	if k.verbs.Filter != "" {
		out, err := k.filter(p, nodes)
		if err != nil {
			return "", err
		}
		nodes = *out.NodeNames
	}
	if len(nodes) == 0 {
		return "", nil
	}
	node = nodes[0]
	if len(nodes) > 1 && k.verbs.Prioritize != "" {
		node = k.prioritize(p, nodes)
	}
	return node, k.bind(p, node)
}

// retry schedules a pod until it is bound, has no node, or attempts are over.
func (k *kubeScheduler) retry(p *v1.Pod, attempts int) (node string, err error) {
	for range attempts {
		if now, gone := k.api.Pod(context.Background(), p.Namespace, p.Name); gone != nil || now.UID != p.UID || now.Spec.NodeName != "" {
			if gone != nil {
				return "", gone
			}
			return now.Spec.NodeName, nil
		}
		if node, err = k.schedule(p); err == nil {
			return node, nil
		}
	}
	return node, err
}

func short(s string) string {
	if len(s) > 200 {
		return s[:200] + "..."
	}
	return s
}

// patience is how long a call may take: kube-scheduler's own default.
const patience = 5 * time.Second

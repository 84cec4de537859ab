package main

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	v1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/scheduler"
)

// world is the cluster of a dump, and what is asked of it.
type world struct {
	fork      *cluster.Fork
	scheduler *scheduler.Scheduler
	config    adapter.Config
	nodes     map[string]*v1.Node
	pods      map[string]*v1.Pod // by UID, those that wait too
	pending   []*v1.Pod          // by priority, then by age
	budgets   []*policyv1.PodDisruptionBudget
	wanted    []wanted
	groups    map[string]*berth.Group // by fingerprint: pods that ask for the same share a group
	left      map[string]int          // what is not looked at, and of how many objects
	on        int                     // pods on nodes
	waiting   int                     // pods that wait for a node
	names     *strings.Replacer       // of UIDs, once it is needed
}

// wanted is pods of one kind that are asked for.
type wanted struct {
	group *berth.Group
	n     int
}

// load reads the dump and the pods that are asked about. Of faults it returns all that it finds in one step.
func load(o options, stdin io.Reader) (*world, error) {
	w := &world{
		config: adapter.Config{Devices: o.devices}, fork: cluster.NewFork(),
		nodes: map[string]*v1.Node{}, pods: map[string]*v1.Pod{}, groups: map[string]*berth.Group{}, left: map[string]int{},
	}
	state, err := scheduler.NewState(scheduler.StateConfig{})
	if err != nil {
		return nil, err
	}
	if w.scheduler, err = scheduler.New(state, scheduler.Config{Strategy: o.strategy}); err != nil {
		return nil, err
	}
	var dump objects
	for _, name := range o.dumps {
		if err := dump.readFile(name, stdin); err != nil {
			return nil, err
		}
	}
	if err := w.fill(dump); err != nil {
		return nil, err
	}
	if o.needsPods {
		if err := w.want(o, stdin); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// objects are those of a dump or of a file of pods that are looked at.
type objects struct {
	nodes      []*v1.Node
	pods       []*v1.Pod
	budgets    []*policyv1.PodDisruptionBudget
	namespaces map[string]map[string]string
	templates  []template
}

// template is what has a template for pods, and how many it wants.
type template struct {
	kind string
	of   metav1.ObjectMeta
	pod  v1.PodTemplateSpec
	n    int
}

func (o *objects) readFile(name string, stdin io.Reader) error {
	in := stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close() // it is only read
		in = f
	}
	if err := o.read(in); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// read takes in the documents of a file, in YAML or JSON.
func (o *objects) read(in io.Reader) error {
	decoder := yaml.NewYAMLOrJSONDecoder(in, 4096)
	for i := 1; ; i++ {
		var raw json.RawMessage
		switch err := decoder.Decode(&raw); {
		case errors.Is(err, io.EOF) && i > 1:
			return nil
		case errors.Is(err, io.EOF):
			return errors.New("nothing is in it")
		case err != nil:
			return fmt.Errorf("document %d: %w", i, err)
		}
		if raw = bytes.TrimSpace(raw); len(raw) == 0 || bytes.Equal(raw, []byte("null")) {
			continue // an empty document, such as after the last "---"
		}
		if err := o.add(raw, 0); err != nil {
			return fmt.Errorf("document %d: %w", i, err)
		}
	}
}

// add takes in an object, or those of a list. What has nothing to do with where pods go is passed over.
func (o *objects) add(raw []byte, depth int) error {
	var head struct {
		metav1.TypeMeta
		metav1.ObjectMeta `json:"metadata"`
		Items             []json.RawMessage `json:"items"`
	}
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] != '{' {
		return fmt.Errorf("%.20q is no object: is this what kubectl wrote with -o json?", raw)
	}
	if err := json.Unmarshal(raw, &head); err != nil {
		return err
	}
	into := func(object any) error {
		if err := json.Unmarshal(raw, object); err != nil {
			return fmt.Errorf("%s %s: %w", head.Kind, namespaced(&head.ObjectMeta), err)
		}
		return nil
	}
	switch kind := head.Kind; kind {
	case "":
		return errors.New("an object without a kind: is this what kubectl wrote with -o json?")
	case "List", "NodeList", "PodList":
		if depth > 2 {
			return errors.New("lists within lists within lists")
		}
		for i, item := range head.Items {
			if kind != "List" && !bytes.Contains(item, []byte(`"kind"`)) || kind != "List" && kindOf(item) == "" {
				item = append([]byte(`{"kind":"`+strings.TrimSuffix(kind, "List")+`",`), bytes.TrimPrefix(bytes.TrimSpace(item), []byte("{"))...)
			}
			if err := o.add(item, depth+1); err != nil {
				return fmt.Errorf("item %d: %w", i, err)
			}
		}
	case "Node":
		n := &v1.Node{}
		o.nodes = append(o.nodes, n)
		return into(n)
	case "Pod":
		p := &v1.Pod{}
		o.pods = append(o.pods, p)
		return into(p)
	case "PodDisruptionBudget":
		b := &policyv1.PodDisruptionBudget{}
		o.budgets = append(o.budgets, b)
		return into(b)
	case "Namespace":
		if o.namespaces == nil {
			o.namespaces = map[string]map[string]string{}
		}
		o.namespaces[head.Name] = head.Labels
	case "Deployment", "ReplicaSet", "StatefulSet", "Job":
		return o.addTemplate(kind, into)
	}
	return nil
}

func kindOf(raw []byte) string {
	var t metav1.TypeMeta
	_ = json.Unmarshal(raw, &t) // a fault is told where the object is read
	return t.Kind
}

func (o *objects) addTemplate(kind string, into func(any) error) error {
	var t template
	var n *int32
	var err error
	switch kind {
	case "Deployment":
		var d appsv1.Deployment
		err = into(&d)
		t, n = template{kind, d.ObjectMeta, d.Spec.Template, 1}, d.Spec.Replicas
	case "ReplicaSet":
		var s appsv1.ReplicaSet
		err = into(&s)
		t, n = template{kind, s.ObjectMeta, s.Spec.Template, 1}, s.Spec.Replicas
	case "StatefulSet":
		var s appsv1.StatefulSet
		err = into(&s)
		t, n = template{kind, s.ObjectMeta, s.Spec.Template, 1}, s.Spec.Replicas
	case "Job":
		var j batchv1.Job
		err = into(&j)
		t, n = template{kind, j.ObjectMeta, j.Spec.Template, 1}, j.Spec.Parallelism
	}
	if n != nil {
		t.n = int(*n)
	}
	o.templates = append(o.templates, t)
	return err
}

// fill makes the cluster of a dump.
func (w *world) fill(dump objects) error {
	if len(dump.nodes) == 0 {
		return errors.New("the dump has no node")
	}
	if dump.namespaces != nil {
		w.config.Namespaces = func() map[string]map[string]string { return dump.namespaces }
	}
	w.budgets = dump.budgets
	nodes := make([]berth.Node, len(dump.nodes))
	for i, n := range dump.nodes {
		var left []adapter.Unsaid
		nodes[i], left = w.config.Node(n)
		w.note("node", left)
		w.nodes[n.Name] = n
	}
	if err := w.fork.AddNodes(nodes...); err != nil {
		return err
	}
	// The order decides which device a pod is taken to have, where several do.
	slices.SortFunc(dump.pods, func(a, b *v1.Pod) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	var faults []error
	for _, p := range dump.pods {
		if p.Status.Phase == v1.PodSucceeded || p.Status.Phase == v1.PodFailed {
			continue // it takes nothing any more
		}
		if p.UID == "" {
			faults = append(faults, fmt.Errorf("pod %s has no UID: is it from a cluster?", namespaced(&p.ObjectMeta)))
			continue
		}
		w.pods[string(p.UID)] = p
		switch {
		case p.Spec.NodeName == "" && len(p.Spec.SchedulingGates) == 0:
			w.pending = append(w.pending, p)
		case p.Spec.NodeName == "":
		case w.nodes[p.Spec.NodeName] == nil:
			w.left["pods on nodes that the dump does not have"]++
		default:
			if err := w.adopt(w.task(p, string(p.UID)), p.Spec.NodeName, p.DeletionTimestamp != nil); err != nil {
				faults = append(faults, fmt.Errorf("pod %s: %w", namespaced(&p.ObjectMeta), err))
			}
			w.on++
		}
	}
	slices.SortStableFunc(w.pending, func(a, b *v1.Pod) int {
		return cmp.Or(cmp.Compare(priority(b), priority(a)), a.CreationTimestamp.Compare(b.CreationTimestamp.Time))
	})
	w.waiting = len(w.pending)
	return errors.Join(faults...)
}

// adopt has a pod on a node as it runs there, fit or not, with the ports and devices it would have been given: which devices a pod
// has is not in its object.
func (w *world) adopt(t berth.Task, node string, stopping bool) error {
	state := berth.Running
	if stopping {
		state = berth.Stopping
	}
	on, _ := w.fork.Node(node)
	description := on.Node()
	grant, why := cluster.Choose(t.Group, &description, on.FreeDevices(), on.UsedPorts())
	if why != (berth.Reason{}) {
		w.left["pods whose devices or ports others seem to have: theirs are taken for none in particular"]++
		grant = nil
	}
	return w.fork.Adopt(t, node, grant, state)
}

// task returns a pod in berth's words, under an ID.
func (w *world) task(p *v1.Pod, id string) berth.Task {
	t, left := w.config.Pod(p)
	w.note("pod", left)
	return w.shared(t.Group).Task(id)
}

func (w *world) shared(g *berth.Group) *berth.Group {
	print := g.Fingerprint()
	if print == "" { // it is at fault
		return g
	}
	if known := w.groups[print]; known != nil {
		return known
	}
	w.groups[print] = g
	return g
}

func (w *world) note(what string, left []adapter.Unsaid) {
	for _, u := range left {
		w.left[what+"s with "+u.String()]++
	}
}

// want reads which pods are asked about.
func (w *world) want(o options, stdin io.Reader) error {
	var asked objects
	if o.like != "" {
		for _, p := range w.pods {
			if namespaced(&p.ObjectMeta) == o.like {
				asked.pods = []*v1.Pod{unbound(p)}
			}
		}
		if asked.pods == nil {
			return fmt.Errorf("the dump has no pod %s that has not ended", o.like)
		}
	} else if err := asked.readFile(o.pods, stdin); err != nil {
		return err
	}
	for _, t := range asked.templates {
		p := &v1.Pod{ObjectMeta: t.pod.ObjectMeta, Spec: t.pod.Spec}
		p.Name, p.Namespace = t.of.Name, t.of.Namespace
		yes := true
		p.OwnerReferences = []metav1.OwnerReference{{Kind: t.kind, Name: t.of.Name, Controller: &yes}}
		w.add(p, t.n, o)
	}
	for _, p := range asked.pods {
		w.add(p, 1, o)
	}
	if len(w.wanted) == 0 {
		return fmt.Errorf("%s has no pod and nothing that has a template for one", cmp.Or(o.pods, o.like))
	}
	var faults []error
	all := 0
	for _, want := range w.wanted {
		if want.n < 0 {
			faults = append(faults, fmt.Errorf("%s: %d replicas", want.group.Name(), want.n))
		}
		if all += min(max(want.n, 0), mostPods+1); all > mostPods {
			faults = append(faults, fmt.Errorf("%s: with it more than %d pods are asked about", want.group.Name(), mostPods))
			all = 0 // told once, and not for all that come behind it
		}
		if err := want.group.Err(); err != nil {
			faults = append(faults, err)
		}
	}
	return errors.Join(faults...)
}

func (w *world) add(p *v1.Pod, n int, o options) {
	p.Namespace = cmp.Or(p.Namespace, metav1.NamespaceDefault)
	if o.n > 0 {
		n = o.n
	}
	withDefaults(&p.Spec)
	w.wanted = append(w.wanted, wanted{w.task(p, "asked").Group, n})
}

// withDefaults gives a spec that the API server has not seen the defaults that matter to where it goes.
func withDefaults(s *v1.PodSpec) {
	for _, containers := range [][]v1.Container{s.InitContainers, s.Containers} {
		for i := range containers {
			c := &containers[i]
			for name, limit := range c.Resources.Limits { // into a map: the order does not matter
				if _, ok := c.Resources.Requests[name]; !ok {
					if c.Resources.Requests == nil {
						c.Resources.Requests = v1.ResourceList{}
					}
					c.Resources.Requests[name] = limit
				}
			}
			for j := range c.Ports {
				if s.HostNetwork && c.Ports[j].HostPort == 0 {
					c.Ports[j].HostPort = c.Ports[j].ContainerPort
				}
			}
		}
	}
}

// unbound returns a pod as it was before it had a node.
func unbound(p *v1.Pod) *v1.Pod {
	p = p.DeepCopy()
	p.Spec.NodeName, p.Status, p.DeletionTimestamp = "", v1.PodStatus{}, nil
	return p
}

func priority(p *v1.Pod) int32 {
	if p.Spec.Priority == nil {
		return 0
	}
	return *p.Spec.Priority
}

func namespaced(o *metav1.ObjectMeta) string {
	if o.Namespace == "" {
		return o.Name
	}
	return o.Namespace + "/" + o.Name
}

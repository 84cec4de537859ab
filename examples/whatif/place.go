package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// placing answers "place".
type placing struct {
	about
	Asked   int    `json:"asked"`
	Placed  int    `json:"placed"`
	On      []on   `json:"on,omitempty"`
	Left    []left `json:"left,omitempty"`
	Missing []more `json:"missing,omitempty"` // any one of them would do
}

// left is pods of a kind that find no place.
type left struct {
	Pod  string   `json:"pod"`
	Pods int      `json:"pods"`
	Why  *blocked `json:"why"`
}

// more says how many nodes of a shape would take what is left.
type more struct {
	Shape string `json:"shape"`
	Like  string `json:"like"` // a node of this shape
	// Nodes is how many; 0 if no number helps, or none up to the limit.
	Nodes int `json:"nodes"`
	// Left is how many pods find no place however many nodes of the shape there are.
	Left int    `json:"left,omitempty"`
	Why  string `json:"why,omitempty"`
}

// place places all that is asked for, in its order, and where some is left tells of each shape of nodes how many more would do.
func place(ctx context.Context, w *world, o options) (answer, error) {
	if err := w.placePending(ctx, o); err != nil {
		return nil, err
	}
	out := placing{}
	var tasks []berth.Task
	for i, want := range w.wanted {
		tasks = append(tasks, tasksOf(want.group, fmt.Sprintf("whatif/%d", i), want.n)...)
	}
	plan, err := w.placeAll(ctx, tasks)
	if err != nil {
		return nil, err
	}
	out.Asked, out.Placed = len(tasks), len(plan.Ops)
	counts := map[string]int{}
	for _, op := range plan.Ops {
		counts[op.Node]++
	}
	out.On = mostFirst(counts)
	var rest []berth.Task
	for _, u := range plan.Unplaced {
		rest = append(rest, u.Task)
		if n := len(out.Left); n > 0 && out.Left[n-1].Pod == u.Task.Group.Name() {
			out.Left[n-1].Pods++
			continue
		}
		out.Left = append(out.Left, left{u.Task.Group.Name(), 1, w.blockedBy(u.Task.Group)})
	}
	if len(rest) > 0 {
		for _, s := range w.shapes() {
			m, err := w.missing(ctx, s, rest, o.most)
			if err != nil {
				return nil, err
			}
			out.Missing = append(out.Missing, m)
		}
		slices.SortStableFunc(out.Missing, func(a, b more) int {
			return cmp.Or(cmp.Compare(a.Left, b.Left), cmp.Compare(a.Nodes, b.Nodes))
		})
	}
	out.about = w.about()
	return out, nil
}

func (p placing) text(w *lines) {
	p.head(w)
	w.add(0, "%d of %d pods fit", p.Placed, p.Asked)
	w.where(p.On)
	for _, l := range p.Left {
		w.add(1, "no place for %d of %s:", l.Pods, l.Pod)
		l.Why.text(w, 2)
	}
	if len(p.Missing) > 0 {
		w.add(0, "nodes that are missing, any line of:")
	}
	for _, m := range p.Missing {
		switch {
		case m.Left == 0:
			w.add(1, "%d like %s (%s)", m.Nodes, m.Like, m.Shape)
		case m.Nodes > 0:
			w.add(1, "%d like %s (%s), for all but %d: %s", m.Nodes, m.Like, m.Shape, m.Left, m.Why)
		default:
			w.add(1, "no number like %s (%s): %s", m.Like, m.Shape, m.Why)
		}
	}
	p.foot(w)
}

// shape is nodes that are alike, and what runs on each of them anyway.
type shape struct {
	name, like string
	node       berth.Node // but for its name
	own        []string   // labels with the node's own name or another value of its own
	daemons    []*v1.Pod  // those that at least half of its nodes have
}

// instanceType is the label by which nodes are alike even where their capacity differs by some bytes.
const instanceType = v1.LabelInstanceTypeStable

// shapes returns the shapes of the cluster's nodes: those with the same labels and taints and, without a label that names the instance
// type, the same capacity. Labels that differ on every node that has them, such as its host name, are the node's own. Where capacities of one
// instance type differ the least counts.
func (w *world) shapes() []*shape {
	own := w.ownLabels()
	byKey := map[string]*shape{}
	var all []*shape
	nodes, seen := map[*shape]int{}, map[*shape]map[string]int{}
	onNode := w.daemons()
	for _, name := range slices.Sorted(maps.Keys(w.nodes)) {
		n := w.nodes[name]
		described, _ := w.config.Node(n)
		described.Taints = slices.DeleteFunc(described.Taints, func(t berth.Taint) bool { // of the moment, and not of the shape
			return strings.HasPrefix(t.Key, "node.kubernetes.io/")
		})
		var key strings.Builder
		for _, label := range slices.Sorted(maps.Keys(n.Labels)) {
			if !slices.Contains(own, label) {
				fmt.Fprintf(&key, "%q=%q ", label, n.Labels[label])
			}
		}
		fmt.Fprintf(&key, "%v %d", described.Taints, len(described.Devices))
		if n.Labels[instanceType] == "" {
			fmt.Fprintf(&key, " %v", described.Capacity)
		}
		s := byKey[key.String()]
		if s == nil {
			s = &shape{name: nameOfShape(n, described), like: name, node: described, own: own}
			byKey[key.String()], all, seen[s] = s, append(all, s), map[string]int{}
		}
		nodes[s]++
		for resource, n := range described.Capacity {
			s.node.Capacity[resource] = min(s.node.Capacity[resource], n)
		}
		for _, p := range onNode[name] {
			if seen[s][ownerOf(p)]++; seen[s][ownerOf(p)] == 1 {
				s.daemons = append(s.daemons, p)
			}
		}
	}
	for _, s := range all {
		s.daemons = slices.DeleteFunc(s.daemons, func(p *v1.Pod) bool { return 2*seen[s][ownerOf(p)] < nodes[s] })
	}
	return all
}

func nameOfShape(n *v1.Node, described berth.Node) string {
	var parts []string
	for _, label := range []string{instanceType, v1.LabelTopologyZone} {
		if v := n.Labels[label]; v != "" {
			parts = append(parts, v)
		}
	}
	parts = append(parts, fmt.Sprintf("cpu %s", n.Status.Allocatable.Cpu()), fmt.Sprintf("memory %s", n.Status.Allocatable.Memory()))
	if d := len(described.Devices); d > 0 {
		parts = append(parts, fmt.Sprintf("%d devices", d))
	}
	for _, t := range described.Taints {
		parts = append(parts, "taint "+t.String())
	}
	return strings.Join(parts, ", ")
}

// ownLabels returns the labels that no two nodes have the same value of.
func (w *world) ownLabels() []string {
	nodes, values := map[string]int{}, map[string]map[string]bool{}
	for _, n := range w.nodes {
		for label, value := range n.Labels {
			if values[label] == nil {
				values[label] = map[string]bool{}
			}
			nodes[label]++
			values[label][value] = true
		}
	}
	var own []string
	for _, label := range slices.Sorted(maps.Keys(nodes)) {
		if label == v1.LabelHostname || nodes[label] > 2 && len(values[label]) == nodes[label] {
			own = append(own, label)
		}
	}
	return own
}

// daemons returns the pods that a node like one of the cluster's would have of itself, by node.
func (w *world) daemons() map[string][]*v1.Pod {
	out := map[string][]*v1.Pod{}
	for _, id := range slices.Sorted(maps.Keys(w.pods)) {
		if p := w.pods[id]; p.Spec.NodeName != "" && p.DeletionTimestamp == nil && staysWithNode(p) {
			out[p.Spec.NodeName] = append(out[p.Spec.NodeName], p)
		}
	}
	for _, pods := range out {
		slices.SortFunc(pods, func(a, b *v1.Pod) int { return strings.Compare(ownerOf(a), ownerOf(b)) })
	}
	return out
}

// staysWithNode reports whether a pod is of its node and goes nowhere else: that of a DaemonSet, and a static one.
func staysWithNode(p *v1.Pod) bool {
	if _, static := p.Annotations[v1.MirrorPodAnnotationKey]; static {
		return true
	}
	owner := metav1.GetControllerOfNoCopy(p)
	return owner != nil && owner.Kind == "DaemonSet"
}

// ownerOf names what a pod of a node is one of: a static pod is named after its node.
func ownerOf(p *v1.Pod) string {
	if owner := metav1.GetControllerOfNoCopy(p); owner != nil && owner.Kind != "Node" {
		return p.Namespace + "/" + owner.Kind + "/" + owner.Name
	}
	return p.Namespace + "/" + strings.TrimSuffix(p.Name, "-"+p.Spec.NodeName)
}

// missing finds how many nodes of a shape take all that is left, or as much of it as any number of them takes: with one less more would be
// left. It tries a number of them at a time, each against the cluster as it is: first as many as one node says, then twice as many each time, and
// last it halves what is in between. So it plans a few times, however many nodes are missing.
func (w *world) missing(ctx context.Context, s *shape, rest []berth.Task, most int) (more, error) {
	out := more{Shape: s.name, Like: s.like, Left: len(rest)}
	start := w.fork.Savepoint()
	defer func() { _ = w.fork.Rollback(start) }() // the savepoint is the fork's own, so it cannot fail
	with := func(n int) ([]cluster.Unplaced, error) {
		if err := w.fork.Rollback(start); err != nil {
			return nil, err
		}
		for i := range n {
			if err := w.addNode(s, i+1); err != nil {
				return nil, err
			}
		}
		plan, err := w.placeAll(ctx, rest)
		if err != nil {
			return nil, err
		}
		return plan.Unplaced, nil
	}
	low := 0 // so many leave more than out.Nodes do
	for n, ended := 1, false; out.Left > 0 && !ended; {
		left, err := with(n)
		if err != nil {
			return out, err
		}
		if ended = len(left) >= out.Left; ended { // nor would still more help
			if err := w.addNode(s, n+1); err != nil {
				return out, err
			}
			out.Why = w.whyNot(w.fork.Lacks(left[0].Task.Group, w.added(n+1)))
			break
		}
		low, out.Nodes, out.Left = out.Nodes, n, len(left)
		if n == most && out.Left > 0 {
			out.Why = fmt.Sprintf("no more than %d were tried", most)
			return out, nil
		}
		placed := len(rest) - out.Left
		n = min(max(2*n, n+(out.Left*n+placed-1)/placed), most)
	}
	for n := out.Nodes - 1; n > low; n = low + (out.Nodes-low)/2 { // one less first: what one node says is right where all pods are alike
		left, err := with(n)
		if err != nil {
			return out, err
		}
		if len(left) <= out.Left {
			out.Nodes = n
		} else {
			low = n
		}
	}
	return out, nil
}

// addNode adds the nth new node of a shape, with the pods that each such node has of itself.
func (w *world) addNode(s *shape, n int) error {
	node := s.node
	node.ID = newNode(n)
	node.Attributes = maps.Clone(node.Attributes)
	for _, label := range s.own {
		if _, has := node.Attributes[label]; has {
			node.Attributes[label] = node.ID
		}
	}
	if err := w.fork.AddNodes(node); err != nil {
		return err
	}
	for i, p := range s.daemons {
		if err := w.adopt(w.shared(w.group(p)).Task(fmt.Sprintf("whatif/daemon/%d/%d", n, i)), node.ID, false); err != nil {
			return err
		}
	}
	return nil
}

// newNode names a node that is not there: names of nodes have no '/'.
func newNode(n int) string { return fmt.Sprintf("new/%d", n) }

func (w *world) group(p *v1.Pod) *berth.Group {
	t, _ := w.config.Pod(p) // what is unsaid of it was noted when it was read
	return t.Group
}

func (w *world) added(n int) cluster.NodeView {
	node, _ := w.fork.Node(newNode(n))
	return node
}

func (w *world) whyNot(lacks []berth.Lack) string {
	words := make([]string, len(lacks))
	for i, l := range lacks {
		words[i] = w.named(l.String())
	}
	return strings.Join(words, ", ")
}

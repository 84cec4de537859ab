package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/berth-sched/berth"
)

// draining answers "drain".
type draining struct {
	about
	Drained []string `json:"drained"`
	Moved   []moved  `json:"moved,omitempty"`
	Left    []stuck  `json:"left,omitempty"`
	// Stay are the pods that end with their node: those of DaemonSets and static ones.
	Stay []string `json:"endWithNode,omitempty"`
	// Lost are the pods that nothing makes anew elsewhere, for they have no controller.
	Lost []string `json:"lost,omitempty"`
	// Budgets are those that let fewer pods go at once than go.
	Budgets []budget `json:"budgets,omitempty"`
}

type moved struct {
	Pod string `json:"pod"`
	To  string `json:"to"`
}

type stuck struct {
	Pod string   `json:"pod"`
	Why *blocked `json:"why"`
}

type budget struct {
	Name    string `json:"name"`
	Go      int    `json:"go"`
	Allowed int    `json:"allowed"`
}

// drain cordons nodes, ends their pods, and places anew those that a controller would make anew, the most important first.
func drain(ctx context.Context, w *world, o options) (answer, error) {
	if err := w.placePending(ctx, o); err != nil {
		return nil, err
	}
	slices.Sort(o.nodes)
	o.nodes = slices.Compact(o.nodes)
	out := draining{Drained: o.nodes}
	if err := w.fork.Cordon(o.nodes...); err != nil {
		return nil, err
	}
	var tasks []berth.Task
	var going []*v1.Pod
	for _, name := range o.nodes {
		node, _ := w.fork.Node(name)
		on := slices.Collect(node.Tasks())
		for _, t := range on {
			p := w.pods[t.ID]
			if _, why := w.fork.Apply(berth.Op{Kind: berth.Release, ID: t.ID}); why != (berth.Reason{}) {
				return nil, fmt.Errorf("%s: %w", t.ID, why)
			}
			full := namespaced(&p.ObjectMeta)
			switch {
			case staysWithNode(p):
				out.Stay = append(out.Stay, full)
			case t.State == berth.Stopping:
				// It ends anyway. What takes its place is a pod of its own, which waits or has a node.
			case metav1.GetControllerOfNoCopy(p) == nil:
				out.Lost = append(out.Lost, full)
				going = append(going, p)
			default:
				tasks, going = append(tasks, t.Task), append(going, p)
			}
		}
	}
	slices.SortStableFunc(tasks, func(a, b berth.Task) int {
		return strings.Compare(namespaced(&w.pods[a.ID].ObjectMeta), namespaced(&w.pods[b.ID].ObjectMeta))
	})
	plan, err := w.placeAll(ctx, tasks)
	if err != nil {
		return nil, err
	}
	for _, op := range plan.Ops {
		out.Moved = append(out.Moved, moved{namespaced(&w.pods[op.Task.ID].ObjectMeta), op.Node})
	}
	for _, u := range plan.Unplaced {
		out.Left = append(out.Left, stuck{namespaced(&w.pods[u.Task.ID].ObjectMeta), w.blockedBy(u.Task.Group)})
	}
	slices.SortStableFunc(out.Moved, func(a, b moved) int { return strings.Compare(a.Pod, b.Pod) })
	slices.Sort(out.Stay)
	slices.Sort(out.Lost)
	if out.Budgets, err = w.budgetsOf(going); err != nil {
		return nil, err
	}
	out.about = w.about()
	return out, nil
}

// budgetsOf returns the budgets that keep pods from going all at once.
func (w *world) budgetsOf(going []*v1.Pod) ([]budget, error) {
	counts := map[string]*budget{}
	for _, b := range w.budgets {
		of, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
		if err != nil {
			return nil, fmt.Errorf("budget %s: %w", namespaced(&b.ObjectMeta), err)
		}
		n := 0
		for _, p := range going {
			if p.Namespace == b.Namespace && of.Matches(labels.Set(p.Labels)) {
				n++
			}
		}
		if n > int(b.Status.DisruptionsAllowed) {
			counts[namespaced(&b.ObjectMeta)] = &budget{namespaced(&b.ObjectMeta), n, int(b.Status.DisruptionsAllowed)}
		}
	}
	var out []budget
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		out = append(out, *counts[name])
	}
	return out, nil
}

func (d draining) text(w *lines) {
	d.head(w)
	w.add(0, "draining %s", strings.Join(d.Drained, ", "))
	if len(d.Moved) > 0 {
		w.add(1, "go elsewhere (%d):", len(d.Moved))
	}
	for _, m := range d.Moved {
		w.add(2, "%s to %s", m.Pod, m.To)
	}
	if len(d.Left) > 0 {
		w.add(1, "no place (%d):", len(d.Left))
	}
	for _, l := range d.Left {
		w.add(2, "%s", l.Pod)
		l.Why.text(w, 3)
	}
	list(w, d.Lost, "lost, without a controller")
	list(w, d.Stay, "end with their node")
	for _, b := range d.Budgets {
		if b.Allowed == 0 {
			w.add(1, "budget %s: of %d that go none may now, so the drain waits", b.Name, b.Go)
		} else {
			w.add(1, "budget %s: of %d that go %d may at once, so the drain waits in between", b.Name, b.Go, b.Allowed)
		}
	}
	d.foot(w)
}

func list(w *lines, pods []string, what string) {
	if len(pods) > 0 {
		w.add(1, "%s (%d): %s", what, len(pods), strings.Join(pods, ", "))
	}
}

package extender_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extender"
)

func asks(cpu, memory string) func(*v1.Pod) {
	return func(p *v1.Pod) { p.Spec.Containers[0].Resources.Requests = list("cpu", cpu, "memory", memory) }
}

func in(namespace string) func(*v1.Pod) {
	return func(p *v1.Pod) { p.Namespace = namespace }
}

func byDefault(p *v1.Pod) { p.Spec.SchedulerName = v1.DefaultSchedulerName }

// play asks about pods as kube-scheduler does, one after another, and binds those that get a node, until a round binds none.
func (w *world) play(pods []*v1.Pod, nodes ...string) map[string]int {
	w.t.Helper()
	bound := map[string]int{}
	for again := true; again; {
		again = false
		var left []*v1.Pod
		for _, p := range pods {
			got := w.filter(p, nodes...)
			require.Empty(w.t, got.Error)
			if len(*got.NodeNames) == 0 {
				left = append(left, p)
				continue
			}
			require.Empty(w.t, w.bind(p, (*got.NodeNames)[0]))
			w.server.told(p.Name)
			bound[p.Namespace]++
			again = true
		}
		pods = left
	}
	return bound
}

// The example of the DRF paper (Ghodsi et al., NSDI 2011, figure 3): of 9 CPUs and 18 GB, A asks for <1, 4> a task and B for <3, 1>.
// A ends with 3 tasks and B with 2, each with two thirds of its dominant resource, in whatever order tasks come.
func TestNamespacesEndAtTheirShares(t *testing.T) {
	for _, mode := range []extender.Mode{extender.Advise, extender.Decide} {
		for name, pick := range map[string]func(i int) bool{
			"taking turns": func(i int) bool { return i%2 == 0 },
			"A first":      func(i int) bool { return i < 10 },
			"B first":      func(i int) bool { return i >= 10 },
		} {
			t.Run(fmt.Sprint(mode, " ", name), func(t *testing.T) {
				n := node("n1", func(n *v1.Node) { n.Status.Allocatable = list("cpu", "9", "memory", "18", "pods", "110") })
				w := newWorld(t, extender.Config{Mode: mode, Tenants: extender.Tenants{Fair: true}}, cache.Config{}, n)
				var pods []*v1.Pod
				for i := range 20 {
					if pick(i) {
						pods = append(pods, pod(fmt.Sprint("a-", i), "1", in("a"), asks("1", "4"), byDefault))
					} else {
						pods = append(pods, pod(fmt.Sprint("b-", i), "1", in("b"), asks("3", "1"), byDefault))
					}
				}
				w.server.create(pods...)
				assert.Equal(t, map[string]int{"a": 3, "b": 2}, w.play(pods, "n1"))
			})
		}
	}
}

func TestWhoWantsLittleLeavesTheRest(t *testing.T) {
	w := newWorld(t, extender.Config{Mode: extender.Decide, Tenants: extender.Tenants{Fair: true, Weights: map[berth.Role]allocator.Weight{"b": 3000}}}, cache.Config{}, node("n1"), node("n2"))
	var pods []*v1.Pod
	for i := range 20 {
		pods = append(pods, pod(fmt.Sprint("a-", i), "1", in("a"), byDefault))
	}
	pods = append(pods, pod("b-1", "1", in("b"), byDefault))
	w.server.create(pods...)
	assert.Equal(t, map[string]int{"a": 7, "b": 1}, w.play(pods, "n1", "n2"))
}

// Whose pods fit nowhere holds nobody back: 5 of 4 cpu are asked for.
func TestWhoFitsNowhereHoldsNobodyBack(t *testing.T) {
	w := newWorld(t, extender.Config{Mode: extender.Decide, Tenants: extender.Tenants{Fair: true}}, cache.Config{}, node("n1"), node("n2"))
	pods := []*v1.Pod{}
	for i := range 10 {
		pods = append(pods, pod(fmt.Sprint("a-", i), "1", in("a"), byDefault))
	}
	for i := range 3 {
		pods = append(pods, pod(fmt.Sprint("b-", i), "5", in("b"), byDefault))
	}
	w.server.create(pods...)
	got := w.filter(pods[0], "n1", "n2")
	assert.Len(t, *got.NodeNames, 1, "below its share")
	assert.Equal(t, map[string]int{"a": 8}, w.play(pods, "n1", "n2"))
}

func TestWeightsLimitsAndGuarantees(t *testing.T) {
	eight := []*v1.Node{node("n1"), node("n2")}
	for name, test := range map[string]struct {
		tenants extender.Tenants
		want    map[string]int
	}{
		"weights":    {extender.Tenants{Fair: true, Weights: map[berth.Role]allocator.Weight{"b": 3000}}, map[string]int{"a": 2, "b": 6}},
		"limits":     {extender.Tenants{Quotas: []berth.Quota{{Role: "a", Limits: berth.Resources{"cpu": 3000}}}}, map[string]int{"a": 3, "b": 5}},
		"guarantees": {extender.Tenants{Fair: true, Quotas: []berth.Quota{{Role: "b", Guarantees: berth.Resources{"cpu": 5000}}}}, map[string]int{"a": 3, "b": 5}},
		"none":       {extender.Tenants{}, map[string]int{"a": 8}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, extender.Config{Mode: extender.Decide, Tenants: test.tenants}, cache.Config{}, eight...)
			var pods []*v1.Pod
			for _, namespace := range []string{"a", "b"} {
				for i := range 10 {
					pods = append(pods, pod(fmt.Sprint(namespace, "-", i), "1", in(namespace), byDefault))
				}
			}
			w.server.create(pods...)
			assert.Equal(t, test.want, w.play(pods, "n1", "n2"))
		})
	}
}

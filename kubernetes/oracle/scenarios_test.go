package oracle_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/adapter"
)

// scenario is a cluster and a pod of the table tests of kube-scheduler's plugins, with the nodes that can take it.
type scenario struct {
	name  string
	nodes []*v1.Node
	pods  []*v1.Pod
	pod   *v1.Pod
	fit   []string
}

func amounts(pairs ...any) v1.ResourceList {
	out := v1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		q := resource.NewQuantity(int64(pairs[i+1].(int)), resource.DecimalSI)
		if pairs[i] == "cpu" {
			q = resource.NewMilliQuantity(int64(pairs[i+1].(int)), resource.DecimalSI)
		}
		out[v1.ResourceName(pairs[i].(string))] = *q
	}
	return out
}

func called(name string, labels map[string]string, room ...any) *v1.Node {
	all := amounts(append([]any{"cpu", 10, "memory", 20, "pods", 32, "example.com/x", 5}, room...)...)
	n := &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: map[string]string{"host": name}}, Status: v1.NodeStatus{Capacity: all, Allocatable: all}}
	for key, value := range labels {
		n.Labels[key] = value
	}
	return n
}

func asking(name, on string, labels map[string]string, requests ...v1.ResourceList) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "one", UID: types.UID(name), Labels: labels}, Spec: v1.PodSpec{NodeName: on}}
	for _, r := range requests {
		p.Spec.Containers = append(p.Spec.Containers, v1.Container{Name: "c", Resources: v1.ResourceRequirements{Requests: r}})
	}
	return p
}

func selects(pairs ...string) *metav1.LabelSelector {
	s := &metav1.LabelSelector{MatchLabels: map[string]string{}}
	for i := 0; i < len(pairs); i += 2 {
		s.MatchLabels[pairs[i]] = pairs[i+1]
	}
	return s
}

func foo() map[string]string { return map[string]string{"foo": ""} }

// counts returns pods of foo, so many on each node.
func counts(on map[string]int) (out []*v1.Pod) {
	for name, n := range on {
		for i := range n {
			out = append(out, asking(name+"-"+string(rune('a'+i)), name, foo()))
		}
	}
	return out
}

func even(key string, skew, domains int) v1.TopologySpreadConstraint {
	c := v1.TopologySpreadConstraint{MaxSkew: int32(skew), TopologyKey: key, WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: selects("foo", "")}
	if domains > 0 {
		least := int32(domains)
		c.MinDomains = &least
	}
	return c
}

func spreading(over ...v1.TopologySpreadConstraint) *v1.Pod {
	p := asking("p", "", foo())
	p.Spec.TopologySpreadConstraints = over
	return p
}

func zones() []*v1.Node {
	one, two := map[string]string{"zone": "zone1"}, map[string]string{"zone": "zone2"}
	return []*v1.Node{called("a", one), called("b", one), called("x", two), called("y", two)}
}

func relating(p *v1.Pod, near, apart []v1.PodAffinityTerm) *v1.Pod {
	p.Spec.Affinity = &v1.Affinity{}
	if near != nil {
		p.Spec.Affinity.PodAffinity = &v1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: near}
	}
	if apart != nil {
		p.Spec.Affinity.PodAntiAffinity = &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: apart}
	}
	return p
}

// scenarios are those of the 26 conformance scenarios that are about verdicts: K11 to K19 and K22 to K24. The others are about scores, see
// ratings, and K26 about preemption, see givings.
func scenarios() []scenario {
	inits := func(p *v1.Pod, requests ...v1.ResourceList) *v1.Pod {
		for _, r := range requests {
			p.Spec.InitContainers = append(p.Spec.InitContainers, v1.Container{Name: "i", Resources: v1.ResourceRequirements{Requests: r}})
		}
		return p
	}
	plain := func(room ...any) []*v1.Node { return []*v1.Node{called("n", nil, room...)} }
	typo := zones()
	delete(typo[1].Labels, "zone")
	typo[1].Labels["zon"] = "zone1"
	terminating := counts(map[string]int{"a": 1, "b": 1})
	for _, p := range terminating {
		if p.Spec.NodeName == "a" {
			p.DeletionTimestamp = &metav1.Time{}
		}
	}
	china, india := map[string]string{"region": "China"}, map[string]string{"region": "India"}
	regions := []*v1.Node{called("n1", china), called("n2", china), called("n3", india)}
	byZone := func(pairs ...string) v1.PodAffinityTerm {
		return v1.PodAffinityTerm{TopologyKey: "zone", LabelSelector: selects(pairs...)}
	}
	both := []v1.PodAffinityTerm{byZone("foo", "bar"), byZone("service", "s")}
	first := map[string]string{"foo": "bar", "service": "s"}
	bar := map[string]string{"foo": "bar"}
	z1, z2 := map[string]string{"zone": "z1"}, map[string]string{"zone": "z2"}
	return []scenario{
		{name: "K11 the init container counts", nodes: plain(), pods: []*v1.Pod{asking("old", "n", nil, amounts("cpu", 8, "memory", 19))},
			pod: inits(asking("p", "", nil, amounts("cpu", 1, "memory", 1)), amounts("cpu", 3, "memory", 1))},
		{name: "K12 all that is left", nodes: plain(), pods: []*v1.Pod{asking("old", "n", nil, amounts("cpu", 5, "memory", 19))},
			pod: asking("p", "", nil, amounts("cpu", 5, "memory", 1)), fit: []string{"n"}},
		{name: "K13 containers add up", nodes: plain(), pods: []*v1.Pod{asking("old", "n", nil, amounts("example.com/x", 2))},
			pod: asking("p", "", nil, amounts("example.com/x", 3), amounts("example.com/x", 3))},
		{name: "K13 init containers do not", nodes: plain(), pods: []*v1.Pod{asking("old", "n", nil, amounts("example.com/x", 2))},
			pod: inits(asking("p", "", nil), amounts("example.com/x", 3), amounts("example.com/x", 3)), fit: []string{"n"}},
		{name: "K14 nothing fits on what is full", nodes: plain(), pods: []*v1.Pod{asking("old", "n", nil, amounts("cpu", 10, "memory", 20))}, pod: asking("p", "", nil), fit: []string{"n"}},
		{name: "K14 but for the number of pods", nodes: plain("pods", 1), pods: []*v1.Pod{asking("old", "n", nil)}, pod: asking("p", "", nil)},
		{name: "K15 skew 1", nodes: zones(), pods: counts(map[string]int{"a": 2, "b": 1, "y": 3}), pod: spreading(even("host", 1, 0)), fit: []string{"x"}},
		{name: "K15 skew 2", nodes: zones(), pods: counts(map[string]int{"a": 2, "b": 1, "y": 3}), pod: spreading(even("host", 2, 0)), fit: []string{"b", "x"}},
		{name: "K16 a label with a typo", nodes: typo, pods: counts(map[string]int{"a": 1, "b": 1, "x": 1, "y": 1}), pod: spreading(even("zone", 1, 0)), fit: []string{"a"}},
		{name: "K17 zones and hosts", nodes: zones(), pods: counts(map[string]int{"a": 2, "b": 1, "y": 3}), pod: spreading(even("zone", 1, 0), even("host", 1, 0)), fit: []string{"x"}},
		{name: "K17 one more on y", nodes: zones(), pods: counts(map[string]int{"a": 2, "b": 1, "y": 4}), pod: spreading(even("zone", 1, 0), even("host", 1, 0))},
		{name: "K18 fewer domains than there are to be", nodes: zones()[:3], pods: counts(map[string]int{"a": 2, "b": 2, "x": 1}), pod: spreading(even("host", 2, 4)), fit: []string{"x"}},
		{name: "K18 enough domains", nodes: zones()[:3], pods: counts(map[string]int{"a": 2, "b": 2, "x": 1}), pod: spreading(even("host", 2, 2)), fit: []string{"a", "b", "x"}},
		{name: "K19 pods that end do not count", nodes: zones()[:2], pods: terminating, pod: spreading(even("host", 1, 0)), fit: []string{"a"}},
		{name: "K22 near", nodes: regions, pods: []*v1.Pod{asking("old", "n1", bar)},
			pod: relating(asking("p", "", nil), []v1.PodAffinityTerm{{TopologyKey: "region", LabelSelector: selects("foo", "bar")}}, nil), fit: []string{"n1", "n2"}},
		{name: "K23 the first of its kind", nodes: []*v1.Node{called("A", z1), called("B", z1)}, pods: []*v1.Pod{asking("old", "A", bar)},
			pod: relating(asking("p", "", first), both, nil), fit: []string{"A", "B"}},
		{name: "K23 the first of its kind, in two zones", nodes: []*v1.Node{called("A", z1), called("B", z2)}, pods: []*v1.Pod{asking("old", "A", bar)},
			pod: relating(asking("p", "", first), both, nil), fit: []string{"A", "B"}},
		{name: "K23 without the label", nodes: []*v1.Node{called("A", nil), called("B", nil)}, pods: []*v1.Pod{asking("old", "A", bar)}, pod: relating(asking("p", "", first), both, nil)},
		{name: "K24 apart", nodes: regions, pods: []*v1.Pod{asking("old", "n1", map[string]string{"foo": "abc"})},
			pod: relating(asking("p", "", nil), nil, []v1.PodAffinityTerm{{TopologyKey: "region", LabelSelector: selects("foo", "abc")}}), fit: []string{"n3"}},
	}
}

// In the scenarios kube-scheduler's plugins and berth say what the scenarios say.
func TestScenarios(t *testing.T) {
	o := newOracle(t)
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			f, config := cluster.NewFork(), adapter.Config{}
			for _, n := range s.nodes {
				is, _ := config.Node(n)
				require.NoError(t, f.AddNodes(is))
			}
			for _, p := range s.pods {
				task, _ := config.Pod(p)
				state := berth.Running
				if p.DeletionTimestamp != nil {
					state = berth.Stopping
				}
				require.NoError(t, f.Adopt(task, p.Spec.NodeName, nil, state))
			}
			o.SharedLister = cache.NewSnapshot(s.pods, s.nodes)
			verdicts := o.verdicts(t, s.pod)
			task, unsaid := config.Pod(s.pod)
			for _, u := range unsaid { // of zones and hosts, see the table of differences; all nodes have both labels here
				assert.Equal(t, "spec.topologySpreadConstraints", u.Field)
			}
			var theirs, ours []string
			for n := range f.Nodes() {
				if verdicts[n.ID()] == "" {
					theirs = append(theirs, n.ID())
				}
				if f.Fits(task.Group, n) {
					ours = append(ours, n.ID())
				}
			}
			assert.Equal(t, s.fit, theirs, "kube-scheduler")
			assert.Equal(t, s.fit, ours, "berth")
		})
	}
}

// Each of the 26 conformance scenarios is played.
func TestEveryScenario(t *testing.T) {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	for _, s := range ratings() {
		names = append(names, s.name)
	}
	for _, s := range givings() {
		names = append(names, s.name)
	}
	for k := 1; k <= 26; k++ {
		assert.True(t, slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, fmt.Sprintf("K%d ", k)) }), "K%d is not played", k)
	}
}

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	root "github.com/berth-sched/berth"
	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/scheduler"
)

// empty is an extender that lets everything pass, and binds what it is told to.
type empty struct{ client *kubernetes.Clientset }

func (e empty) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var out any
	switch strings.Trim(r.URL.Path, "/") {
	case "filter":
		var args extenderv1.ExtenderArgs
		_ = json.NewDecoder(r.Body).Decode(&args) // kube-scheduler sends it
		out = extenderv1.ExtenderFilterResult{NodeNames: args.NodeNames}
	case "prioritize":
		out = extenderv1.HostPriorityList{}
	case "preempt":
		var args extenderv1.ExtenderPreemptionArgs
		_ = json.NewDecoder(r.Body).Decode(&args)
		out = extenderv1.ExtenderPreemptionResult{NodeNameToMetaVictims: args.NodeNameToMetaVictims}
	case "bind":
		var args extenderv1.ExtenderBindingArgs
		_ = json.NewDecoder(r.Body).Decode(&args)
		var result extenderv1.ExtenderBindingResult
		if err := e.client.CoreV1().Pods(args.PodNamespace).Bind(r.Context(), &v1.Binding{
			ObjectMeta: metav1.ObjectMeta{Namespace: args.PodNamespace, Name: args.PodName, UID: args.PodUID},
			Target:     v1.ObjectReference{Kind: "Node", Name: args.Node},
		}, metav1.CreateOptions{}); err != nil {
			result.Error = err.Error()
		}
		out = result
	}
	_ = json.NewEncoder(w).Encode(out)
}

// The recipe works, and the protocol is as it was observed: filter, prioritize and bind once for each pod.
func TestEmptyExtender(t *testing.T) {
	p := control(t)
	p.createNodes(t, nodes(5)...)
	f := newFront(t, empty{p.client})
	p.schedule(t, f.URL)
	for i := range 20 {
		p.createPods(t, pod(fmt.Sprintf("p-%02d", i), list("cpu", "900m")))
	}
	p.waitBound(t, 20, time.Minute)
	p.notOvercommitted(t)
	assert.Equal(t, []int64{20, 20}, []int64{f.count("filter"), f.count("bind")})
}

// Pods that fit are bound through berth, and what is left waits.
func TestBothModes(t *testing.T) {
	for _, mode := range []string{"advise", "decide"} {
		t.Run(mode, func(t *testing.T) {
			p := control(t)
			p.createNodes(t, nodes(5)...)
			b := p.berth(t, "mode: "+mode)
			f := newFront(t, b)
			p.schedule(t, f.URL)
			for i := range 23 {
				p.createPods(t, pod(fmt.Sprintf("p-%02d", i), list("cpu", "1")))
			}
			p.waitBound(t, 20, time.Minute)
			p.notOvercommitted(t)
			assert.EqualValues(t, 20, f.count("bind"))
			b.sameAs(t, p)
			b.noLeases(t)
			for name, o := range p.pods(t) { // what ends leaves its room to others
				if o.Spec.NodeName != "" {
					require.NoError(t, p.client.CoreV1().Pods("default").Delete(context.Background(), name, metav1.DeleteOptions{}))
					break
				}
			}
			p.waitBound(t, 20, time.Minute)
			p.notOvercommitted(t)
		})
	}
}

// In mode decide each pod is bound where a Scheduler with the same strategy would have planned it, in the order in which
// kube-scheduler asked.
func TestDecideEqualsThePlan(t *testing.T) {
	p := control(t)
	var all []*v1.Node
	for i, cpu := range []string{"2", "3", "5", "7", "11", "13"} {
		all = append(all, node(fmt.Sprintf("n%d", i), func(n *v1.Node) {
			n.Status.Allocatable = list("cpu", cpu, "memory", "32Gi", "pods", "110")
			n.Labels["zone"] = string("ab"[i%2])
		}))
	}
	p.createNodes(t, all...)
	for i := range 24 {
		p.createPods(t, pod(fmt.Sprintf("p-%02d", i), list("cpu", fmt.Sprintf("%dm", 300+i*97%1400), "memory", fmt.Sprintf("%dMi", 100+i*53%900)), func(o *v1.Pod) {
			o.Labels = map[string]string{"app": string("xyz"[i%3])}
			if i%4 == 0 {
				o.Spec.NodeSelector = map[string]string{"zone": "a"}
			}
			if i%3 == 0 {
				o.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: v1.DoNotSchedule,
					LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "x"}}}}
			}
		}))
	}
	b := p.berth(t, "mode: decide")
	var mu sync.Mutex
	var order []string
	f := newFront(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "filter") {
			body, _ := io.ReadAll(r.Body) // what is cut off the extender tells of
			r.Body = io.NopCloser(bytes.NewReader(body))
			var args extenderv1.ExtenderArgs
			if json.Unmarshal(body, &args) == nil {
				mu.Lock()
				order = append(order, args.Pod.Name)
				mu.Unlock()
			}
		}
		b.ServeHTTP(w, r)
	}))
	p.schedule(t, f.URL)
	pods := p.waitBound(t, 24, time.Minute)
	require.Len(t, order, 24, "each was asked about once: %v", order)

	var described []root.Node
	for _, n := range all {
		d, _ := adapter.Config{}.Node(n)
		described = append(described, d)
	}
	state, err := scheduler.NewState(scheduler.StateConfig{}, described...)
	require.NoError(t, err)
	s, err := scheduler.New(state, scheduler.Config{})
	require.NoError(t, err)
	for _, name := range order {
		task, _ := adapter.Config{}.Pod(pods[name])
		out, err := s.Schedule(context.Background(), task)
		require.NoError(t, err)
		require.Len(t, out.Placed, 1, name)
		assert.Equal(t, out.Placed[0].Node, pods[name].Spec.NodeName, name)
	}
}

// The example of the DRF paper (Ghodsi et al., NSDI 2011): of 9 CPUs and 18 GB, A asks for <1, 4> a task and B for <3, 1>, both without end. A
// ends with 3 and B with 2, each with two thirds of its dominant resource.
func TestNamespacesEndAtTheirShares(t *testing.T) {
	p := control(t)
	p.namespace(t, "a")
	p.namespace(t, "b")
	p.createNodes(t, node("n1", func(n *v1.Node) { n.Status.Allocatable = list("cpu", "9", "memory", "18Gi", "pods", "110") }))
	for i := range 8 {
		p.createPods(t, pod(fmt.Sprintf("a-%d", i), list("cpu", "1", "memory", "4Gi"), func(o *v1.Pod) { o.Namespace = "a" }))
	}
	for i := range 8 {
		p.createPods(t, pod(fmt.Sprintf("b-%d", i), list("cpu", "3", "memory", "1Gi"), func(o *v1.Pod) { o.Namespace = "b" }))
	}
	b := p.berth(t, "{mode: decide, tenants: {fair: true}}")
	p.schedule(t, newFront(t, b).URL)
	p.waitBound(t, 5, time.Minute)
	time.Sleep(2 * time.Second) // nothing more comes
	counts := map[string]int{}
	for _, o := range p.pods(t) {
		if o.Spec.NodeName != "" {
			counts[o.Namespace]++
		}
	}
	assert.Equal(t, map[string]int{"a": 3, "b": 2}, counts)
}

// Halves of GPUs are put together on devices, and each pod is told which it has.
func TestGPUShares(t *testing.T) {
	p := control(t)
	for _, name := range []string{"n1", "n2"} {
		p.createNodes(t, node(name, func(n *v1.Node) {
			n.Status.Allocatable = list("cpu", "64", "memory", "64Gi", "pods", "110", "example.com/gpu", "4", "example.com/gpu-milli", "4000")
			n.Status.Capacity = n.Status.Allocatable
		}))
	}
	b := p.berth(t, "{mode: decide, strategy: binpack(gpu), devices: [{class: gpu, whole: example.com/gpu, share: example.com/gpu-milli}]}")
	p.schedule(t, newFront(t, b).URL)
	for i := range 8 {
		p.createPods(t, pod(fmt.Sprintf("half-%d", i), list("cpu", "1", "example.com/gpu-milli", "500")))
	}
	p.waitBound(t, 8, time.Minute)
	p.createPods(t, pod("whole", list("cpu", "1", "example.com/gpu", "4")))
	pods := p.waitBound(t, 9, time.Minute)
	used, on := map[string]int64{}, map[string]bool{}
	for name, o := range pods {
		var grant root.Grant
		require.NoError(t, grant.UnmarshalText([]byte(o.Annotations[adapter.GrantAnnotation])), name)
		for _, d := range grant.Devices {
			used[fmt.Sprintf("%s %s/%s", o.Spec.NodeName, d.Class, d.ID)] += d.Units
		}
		if name != "whole" {
			on[o.Spec.NodeName] = true
		}
	}
	assert.Len(t, on, 1, "eight halves fill the four devices of one node")
	assert.Len(t, used, 8)
	for device, units := range used {
		assert.EqualValues(t, root.DeviceUnits, units, device)
	}
	assert.False(t, on[pods["whole"].Spec.NodeName], "the other node is whole")
}

// What berth has against a pod is in the pod's event, and more of it in the answer to why.
func TestEventsExplain(t *testing.T) {
	p := control(t)
	p.createNodes(t, nodes(3)...)
	b := p.berth(t, "{mode: advise, rulesAnnotation: true}")
	f := newFront(t, b)
	p.schedule(t, f.URL)
	p.createPods(t, pod("picky", list("cpu", "1"), func(o *v1.Pod) {
		o.Annotations = map[string]string{adapter.RulesAnnotation: `rack = "r7"`}
	}))
	p.events(t, "picky", `0/3 nodes are available: 3 refused by rack = "r7"`)
	w := httptest.NewRecorder()
	b.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/why/default/picky", nil))
	assert.Contains(t, w.Body.String(), `rack = "r7"`)
	n := f.count("filter")
	time.Sleep(3 * time.Second)
	assert.LessOrEqual(t, f.count("filter")-n, int64(5), "it is not asked about without a pause")
}

// Pods are evicted where that helps, and only there.
func TestPreemption(t *testing.T) {
	p := control(t)
	class := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "high"}, Value: 1000}
	_, err := p.client.SchedulingV1().PriorityClasses().Create(context.Background(), class, metav1.CreateOptions{})
	require.NoError(t, err)
	t.Cleanup(func() {
		_ = p.client.SchedulingV1().PriorityClasses().Delete(context.Background(), "high", metav1.DeleteOptions{})
	})
	p.createNodes(t, nodes(4)...)
	b := p.berth(t, "{mode: decide, rulesAnnotation: true}")
	f := newFront(t, b)
	p.schedule(t, f.URL)
	for i := range 8 {
		p.createPods(t, pod(fmt.Sprintf("low-%d", i), list("cpu", "2")))
	}
	p.waitBound(t, 8, time.Minute)
	high := func(o *v1.Pod) { o.Spec.PriorityClassName = "high" }
	p.createPods(t, pod("picky", list("cpu", "1"), high, func(o *v1.Pod) {
		o.Annotations = map[string]string{adapter.RulesAnnotation: `rack = "r7"`}
	}))
	p.events(t, "picky", "0/4 nodes are available")
	time.Sleep(2 * time.Second)
	assert.Len(t, p.pods(t), 9, "nobody was evicted for a pod that fits nowhere")
	p.createPods(t, pod("high", list("cpu", "1"), high))
	require.NoError(t, eventually(time.Minute, func() error {
		if p.pods(t)["high"].Spec.NodeName == "" {
			return fmt.Errorf("high is not bound")
		}
		return nil
	}))
	all := p.pods(t)
	assert.Equal(t, 8, bound(all), "one has gone, and one has come: %v", nodesOf(all))
	p.notOvercommitted(t)
	b.noLeases(t)
}

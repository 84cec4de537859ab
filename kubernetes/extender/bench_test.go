package extender

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"

	"github.com/berth-sched/berth/kubernetes/cache"
)

// accepts is an API server that binds everything.
type accepts struct{}

func (accepts) Bind(context.Context, *v1.Binding) error              { return nil }
func (accepts) Pod(context.Context, string, string) (*v1.Pod, error) { return nil, context.Canceled }
func (accepts) Event(pod *v1.Pod, kind, reason, message string)      {}
func quantities(cpu, memory string) v1.ResourceList {
	return v1.ResourceList{"cpu": resource.MustParse(cpu), "memory": resource.MustParse(memory)}
}

// benchNode returns a node of 32 cores in one of three zones; every tenth has a taint.
func benchNode(i int) *v1.Node {
	n := &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("node-%04d.cluster.example", i), Labels: map[string]string{"zone": string(rune('a' + i%3)), v1.LabelHostname: fmt.Sprint(i)}},
		Status:     v1.NodeStatus{Allocatable: quantities("32", "128Gi")},
	}
	n.Status.Allocatable["pods"] = resource.MustParse("110")
	if i%10 == 9 {
		n.Spec.Taints = []v1.Taint{{Key: "dedicated", Value: "ci", Effect: v1.TaintEffectNoSchedule}}
	}
	return n
}

// benchCluster returns an extender of a half full cluster, and the names of its nodes.
func benchCluster(b testing.TB, mode Mode, nodes int) (*Extender, []string) {
	c, err := cache.New(cache.Config{})
	if err != nil {
		b.Fatal(err)
	}
	var names []string
	for i := range nodes {
		n := benchNode(i)
		c.SetNode(n)
		names = append(names, n.Name)
		for k := range 4 {
			p := benchPod(fmt.Sprintf("old-%d-%d", i, k))
			p.Spec.NodeName = n.Name
			p.Spec.Containers[0].Resources.Requests = quantities(fmt.Sprint(1+(i+k)%7), "16Gi")
			c.SetPod(p)
		}
	}
	c.MarkSynced()
	e, err := New(Config{Cache: c, Client: accepts{}, Mode: mode})
	if err != nil {
		b.Fatal(err)
	}
	return e, names
}

func benchPod(name string) *v1.Pod {
	controller := true
	return &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "shop", Name: name, UID: types.UID("uid-" + name), Labels: map[string]string{"app": "web"}, Generation: 1,
			OwnerReferences: []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web-5d8", Controller: &controller}},
		},
		Spec: v1.PodSpec{
			Containers:    []v1.Container{{Name: "web", Image: "example.com/web:1", Resources: v1.ResourceRequirements{Requests: quantities("500m", "1Gi")}}},
			SchedulerName: v1.DefaultSchedulerName,
		},
	}
}

// benchRules gives a pod rules about the domains that pods like it are in.
func benchRules(p *v1.Pod, rules string) {
	like := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "counted"}}
	if rules != "none" {
		p.Labels = map[string]string{"app": "counted"}
	}
	switch rules {
	case "spread":
		p.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: like}}
	case "near":
		p.Spec.Affinity = &v1.Affinity{PodAffinity: &v1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{{TopologyKey: "zone", LabelSelector: like}}}}
	case "apart":
		p.Spec.Affinity = &v1.Affinity{PodAntiAffinity: &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{{TopologyKey: v1.LabelHostname, LabelSelector: like}}}}
	}
}

// BenchmarkPod is what a pod costs from filter to bind, at a number of nodes all of which kube-scheduler asks about: own is berth's share
// alone, and wire has the reading and writing of JSON here as well. A pod is deleted when it is bound, so that the cluster stays as it is.
func BenchmarkPod(b *testing.B) {
	for _, mode := range []Mode{Advise, Decide} {
		for _, nodes := range []int{1000, 5000} {
			for _, rules := range []string{"none", "spread", "near", "apart"} {
				b.Run(fmt.Sprintf("mode=%v/nodes=%d/rules=%s/own", mode, nodes, rules), func(b *testing.B) {
					e, names := benchCluster(b, mode, nodes)
					for i := range 30 { // that the rules count
						p := benchPod(fmt.Sprint("counted-", i))
						p.Spec.NodeName = names[i*10]
						benchRules(p, rules)
						e.cache.SetPod(p)
					}
					request := httptest.NewRequest(http.MethodPost, "/filter", nil)
					for i := 0; b.Loop(); i++ {
						p := benchPod(fmt.Sprint("new-", i))
						benchRules(p, rules)
						e.cache.SetPod(p)
						args := &extenderv1.ExtenderArgs{Pod: p, NodeNames: &names}
						got, err := e.filter(request, args)
						if err != nil || len(got.fit) == 0 {
							b.Fatal(err, got)
						}
						if mode == Advise {
							args.NodeNames = &got.fit
							if _, err := e.prioritize(request, args); err != nil {
								b.Fatal(err)
							}
						}
						if _, err := e.bind(request, &extenderv1.ExtenderBindingArgs{PodName: p.Name, PodNamespace: p.Namespace, PodUID: p.UID, Node: got.fit[0]}); err != nil {
							b.Fatal(err)
						}
						e.cache.DeletePod(p)
					}
				})
			}
			b.Run(fmt.Sprintf("mode=%v/nodes=%d/wire", mode, nodes), func(b *testing.B) {
				e, names := benchCluster(b, mode, nodes)
				post := func(verb string, args, out any) {
					body, err := json.Marshal(args)
					if err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					answer := httptest.NewRecorder()
					e.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/"+verb, bytes.NewReader(body)))
					b.StopTimer()
					if err := json.Unmarshal(answer.Body.Bytes(), out); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				for i := range b.N {
					p := benchPod(fmt.Sprint("new-", i))
					e.cache.SetPod(p)
					var got extenderv1.ExtenderFilterResult
					post("filter", extenderv1.ExtenderArgs{Pod: p, NodeNames: &names}, &got)
					if mode == Advise {
						var scores extenderv1.HostPriorityList
						post("prioritize", extenderv1.ExtenderArgs{Pod: p, NodeNames: got.NodeNames}, &scores)
					}
					var bound extenderv1.ExtenderBindingResult
					post("bind", extenderv1.ExtenderBindingArgs{PodName: p.Name, PodNamespace: p.Namespace, PodUID: p.UID, Node: (*got.NodeNames)[0]}, &bound)
					if bound.Error != "" {
						b.Fatal(bound.Error)
					}
					e.cache.DeletePod(p)
				}
			})
		}
	}
}

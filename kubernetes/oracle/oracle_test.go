package oracle_test

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerapi "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/adapter"
)

var cases = flag.Int("cases", 1000, "random clusters to compare, of 20 nodes, up to 60 pods and three more that are asked about")

// oracle is the filters of kube-scheduler over a snapshot.
type oracle struct {
	lister
	plugins []fwk.Plugin
}

// lister shows the snapshot of the present case.
type lister struct{ fwk.SharedLister }

// filters are the plugins whose verdicts the adapter has words for.
var filters = []string{
	"NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit", "PodTopologySpread", "InterPodAffinity",
}

func newOracle(t *testing.T) *oracle {
	metrics.Register()
	o := new(oracle)
	ctx, none := context.Background(), cache.NewEmptySnapshot()
	o.SharedLister = none
	handle, err := runtime.NewFramework(ctx, nil, nil, runtime.WithSnapshotSharedLister(&o.lister), runtime.WithInformerFactory(
		informers.NewSharedInformerFactory(nil, 0)), runtime.WithParallelism(1))
	require.NoError(t, err)
	defaults, err := latest.Default()
	require.NoError(t, err)
	registry := plugins.NewInTreeRegistry()
	for _, name := range filters {
		i := slices.IndexFunc(defaults.Profiles[0].PluginConfig, func(c schedulerapi.PluginConfig) bool { return c.Name == name })
		var p fwk.Plugin
		if i < 0 {
			p, err = registry[name](ctx, nil, handle)
		} else {
			p, err = registry[name](ctx, defaults.Profiles[0].PluginConfig[i].Args, handle)
		}
		require.NoError(t, err, name)
		o.plugins = append(o.plugins, p)
	}
	return o
}

// verdicts returns the plugin that refuses the pod on each node, "" where none does.
func (o *oracle) verdicts(t *testing.T, pod *v1.Pod) map[string]string {
	ctx, out := context.Background(), map[string]string{}
	nodes, err := o.NodeInfos().List()
	require.NoError(t, err)
	for _, p := range o.plugins {
		state, skip := framework.NewCycleState(), false
		if before, ok := p.(fwk.PreFilterPlugin); ok {
			result, status := before.PreFilter(ctx, state, pod, nodes)
			if skip = status.IsSkip(); !skip && !status.IsSuccess() {
				for _, n := range nodes {
					out[n.Node().Name] = p.Name()
				}
				continue
			}
			if result != nil && !result.AllNodes() {
				for _, n := range nodes {
					if !result.NodeNames.Has(n.Node().Name) {
						out[n.Node().Name] = p.Name()
					}
				}
			}
		}
		for _, n := range nodes {
			if status := p.(fwk.FilterPlugin).Filter; !skip && !status(ctx, state, pod, n).IsSuccess() {
				out[n.Node().Name] = p.Name()
			}
		}
	}
	return out
}

// drawn draws objects.
type drawn struct{ *rand.Rand }

func (r drawn) one(of ...string) string { return of[r.IntN(len(of))] }
func (r drawn) in(n int) bool           { return r.IntN(n) == 0 }

func (r drawn) node(i int) *v1.Node {
	room := v1.ResourceList{
		v1.ResourceCPU: *resource.NewMilliQuantity(int64(1+r.IntN(6))*1000, resource.DecimalSI), v1.ResourceMemory: *resource.NewQuantity(int64(1+r.IntN(8))<<30, resource.BinarySI),
		v1.ResourcePods: *resource.NewQuantity(int64(2+r.IntN(8)), resource.DecimalSI),
	}
	name := fmt.Sprintf("n%02d", i)
	n := &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), Labels: map[string]string{v1.LabelHostname: name}},
		Spec:       v1.NodeSpec{Unschedulable: r.in(12)}, Status: v1.NodeStatus{Capacity: room, Allocatable: room},
	}
	if !r.in(8) {
		n.Labels["zone"] = r.one("a", "b", "c")
	}
	if r.in(2) {
		n.Labels["rack"] = r.one("r1", "r2", "r3", "r4")
	}
	if r.in(2) {
		n.Labels["disk"] = r.one("ssd", "hdd", "7", "12")
	}
	if r.in(5) {
		n.Spec.Taints = []v1.Taint{{Key: r.one("k", "l"), Value: r.one("", "v", "3"), Effect: []v1.TaintEffect{"NoSchedule", "PreferNoSchedule", "NoExecute"}[r.IntN(3)]}}
	}
	return n
}

func (r drawn) labels() *metav1.LabelSelector {
	switch s := new(metav1.LabelSelector); r.IntN(6) {
	case 0:
		return s
	case 1:
		s.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "app", Operator: []metav1.LabelSelectorOperator{"In", "NotIn"}[r.IntN(2)], Values: []string{r.one("x", "y"), r.one("y", "z")}}}
		return s
	case 2:
		s.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "tier", Operator: []metav1.LabelSelectorOperator{"Exists", "DoesNotExist"}[r.IntN(2)]}}
		return s
	default:
		s.MatchLabels = map[string]string{"app": r.one("x", "y", "z")}
		return s
	}
}

func (r drawn) terms() (all []v1.PodAffinityTerm) {
	t := v1.PodAffinityTerm{TopologyKey: r.one("zone", "rack", v1.LabelHostname), LabelSelector: r.labels()}
	switch r.IntN(4) {
	case 0:
		t.Namespaces = []string{r.one("one", "two")}
	case 1:
		t.NamespaceSelector = &metav1.LabelSelector{}
	}
	return []v1.PodAffinityTerm{t}
}

func (r drawn) pod(i int) *v1.Pod {
	name := fmt.Sprint("p", i)
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.one("one", "two"), UID: types.UID(name), Labels: map[string]string{"app": r.one("x", "y", "z")}}}
	if r.in(3) {
		p.Labels["tier"] = r.one("1", "2")
	}
	main := v1.Container{Name: "main", Resources: v1.ResourceRequirements{Requests: v1.ResourceList{
		v1.ResourceCPU: *resource.NewMilliQuantity(int64(r.IntN(4))*250, resource.DecimalSI), v1.ResourceMemory: *resource.NewQuantity(int64(r.IntN(4))<<28, resource.BinarySI),
	}}}
	if r.in(8) {
		main.Ports = []v1.ContainerPort{{
			HostPort: int32(80 + r.IntN(2)), Protocol: []v1.Protocol{"TCP", "UDP"}[r.IntN(2)], HostIP: []string{"", "0.0.0.0", "10.0.0.1", "10.0.0.2"}[r.IntN(4)],
		}}
	}
	p.Spec.Containers = []v1.Container{main}
	if r.in(6) {
		p.Spec.InitContainers = []v1.Container{{Name: "init", Resources: v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceCPU: *resource.NewMilliQuantity(int64(r.IntN(8))*250, resource.DecimalSI)}}}}
	}
	if r.in(8) {
		p.Spec.NodeSelector = map[string]string{"disk": r.one("ssd", "hdd")}
	}
	p.Spec.Affinity = &v1.Affinity{}
	if r.in(6) {
		e := v1.NodeSelectorRequirement{Key: "disk", Operator: []v1.NodeSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"}[r.IntN(6)]}
		switch e.Operator {
		case "In", "NotIn":
			e.Values = []string{r.one("ssd", "hdd")}
		case "Gt", "Lt":
			e.Values = []string{"9"}
		}
		p.Spec.Affinity.NodeAffinity = &v1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchExpressions: []v1.NodeSelectorRequirement{e}}}}}
	}
	if r.in(5) {
		p.Spec.Affinity.PodAffinity = &v1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: r.terms()}
	}
	if r.in(5) {
		p.Spec.Affinity.PodAntiAffinity = &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: r.terms()}
	}
	if r.in(3) {
		c := v1.TopologySpreadConstraint{MaxSkew: int32(1 + r.IntN(3)), TopologyKey: r.one("zone", "rack", v1.LabelHostname), WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: r.labels()}
		if r.in(4) {
			domains := int32(1 + r.IntN(4))
			c.MinDomains = &domains
		}
		policies := []v1.NodeInclusionPolicy{v1.NodeInclusionPolicyHonor, v1.NodeInclusionPolicyIgnore}
		if r.in(2) {
			c.NodeTaintsPolicy = &policies[r.IntN(2)]
		}
		if r.in(2) {
			c.NodeAffinityPolicy = &policies[r.IntN(2)]
		}
		if r.in(4) {
			c.MatchLabelKeys = []string{"tier"}
		}
		p.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{c}
	}
	if r.in(4) {
		p.Spec.Tolerations = []v1.Toleration{{Key: r.one("k", "l"), Operator: []v1.TolerationOperator{"Exists", "Equal"}[r.IntN(2)]}}
	}
	return p
}

// TestVerdicts compares verdicts over random clusters, the same for the same number of cases.
func TestVerdicts(t *testing.T) {
	o := newOracle(t)
	agreed, by := 0, map[string]int{}
	for seed := range uint64(*cases) {
		r := drawn{rand.New(rand.NewPCG(seed, 1))}
		f, config := cluster.NewFork(), adapter.Config{}
		var nodes []*v1.Node
		for i := range 20 {
			n := r.node(i)
			nodes = append(nodes, n)
			is, left := config.Node(n)
			require.Empty(t, left)
			require.NoError(t, f.AddNodes(is))
		}
		var pods []*v1.Pod
		for i := range r.IntN(60) {
			p := r.pod(i)
			p.Spec.NodeName = nodes[r.IntN(len(nodes))].Name
			state := berth.Running
			if r.in(10) {
				p.DeletionTimestamp, state = &metav1.Time{}, berth.Stopping
			}
			pods = append(pods, p)
			task, _ := config.Pod(p)
			var grant *berth.Grant
			for _, port := range task.Group.Spec().Ports {
				grant = &berth.Grant{Ports: []berth.Port{{Number: port.First, Protocol: port.Protocol, Address: port.Address}}}
			}
			require.NoError(t, f.Adopt(task, p.Spec.NodeName, grant, state), "seed %d", seed)
		}
		o.SharedLister = cache.NewSnapshot(pods, nodes)
		for i := range 3 {
			p := r.pod(1000 + i)
			task, left := config.Pod(p)
			if len(left) > 0 { // whose tasks count is another question there
				continue
			}
			verdicts := o.verdicts(t, p)
			for n := range f.Nodes() {
				want := verdicts[n.ID()] == ""
				if got := f.Fits(task.Group, n); got != want {
					var bound []string
					for _, q := range pods {
						bound = append(bound, fmt.Sprintf("%s on %s: %v %v", q.Name, q.Spec.NodeName, q.Labels, q.DeletionTimestamp))
					}
					require.Equal(t, want, got, "seed %d, pod %s on %s: Kubernetes says %q, berth %v\nrules %v\nlabels %v\nnode %v\n%s", seed, p.Name, n.ID(), verdicts[n.ID()],
						f.Lacks(task.Group, n), task.Group.Spec().Rules, p.Labels, n.Node(), strings.Join(bound, "\n"))
				}
				agreed++
				by[verdicts[n.ID()]]++
			}
		}
	}
	t.Logf("%d verdicts agree, by plugin that refused last: %v", agreed, by)
}

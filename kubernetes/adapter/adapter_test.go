package adapter_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/adapter"
)

func list(pairs ...string) v1.ResourceList {
	out := v1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		out[v1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return out
}

func pod(name string, change func(*v1.Pod)) *v1.Pod {
	p := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name)}}
	if change != nil {
		change(p)
	}
	return p
}

func node(name string, change func(*v1.Node)) *v1.Node {
	n := &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1.LabelHostname: name}},
		Status:     v1.NodeStatus{Allocatable: list("cpu", "4", "memory", "8Gi", "pods", "110")},
	}
	if change != nil {
		change(n)
	}
	return n
}

func TestNode(t *testing.T) {
	got, left := adapter.Config{Devices: []adapter.Devices{{Class: "gpu", Whole: "nvidia.com/gpu", Share: "example.com/gpu-milli", Model: "gpu.product"}}}.
		Node(node("n1", func(n *v1.Node) {
			n.Labels["gpu.product"], n.Labels["node.id"] = "A100", "x"
			n.Status.Allocatable = list("cpu", "3920m", "memory", "7Gi", "pods", "110", "ephemeral-storage", "10G", "nvidia.com/gpu", "2", "example.com/gpu-milli", "2k")
			n.Spec.Taints = []v1.Taint{{Key: "a", Value: "b", Effect: v1.TaintEffectNoExecute}, {Key: "c", Effect: v1.TaintEffectPreferNoSchedule}}
			n.Spec.Unschedulable = true
		}))
	assert.Equal(t, berth.Node{
		ID:         "n1",
		Capacity:   berth.Resources{"cpu": 3920, "memory": 7 << 30, "pods": 110, "ephemeral-storage": 10_000_000_000},
		Attributes: berth.Attributes{v1.LabelHostname: "n1", "gpu.product": "A100"},
		Taints: []berth.Taint{
			{Key: "a", Value: "b", Effect: berth.NoExecute}, {Key: "c", Effect: berth.PreferNoSchedule},
			{Key: "node.kubernetes.io/unschedulable", Effect: berth.NoSchedule},
		},
		Devices: []berth.Device{{Class: "gpu", Model: "A100"}, {Class: "gpu", Model: "A100"}},
		Ports:   []berth.PortRange{{First: 1, Last: 65535}},
	}, got)
	require.NoError(t, got.Err())
	assert.Equal(t, []adapter.Unsaid{{Field: "metadata.labels.node.id", Instead: "not looked at: berth has the node's name under this key"}}, left)
}

// The request of a pod is the larger of what its containers take together and what any init container takes beside the sidecars
// before it, and the overhead: 1.5 cores beside a sidecar of half a core are more than the 1.2 of the containers.
func TestRequests(t *testing.T) {
	always := v1.ContainerRestartPolicyAlways
	container := func(name string, requests v1.ResourceList) v1.Container {
		return v1.Container{Name: name, Resources: v1.ResourceRequirements{Requests: requests}}
	}
	sidecar := container("sidecar", list("cpu", "500m"))
	sidecar.RestartPolicy = &always
	task, left := adapter.Config{}.Pod(pod("web", func(p *v1.Pod) {
		p.Spec.InitContainers = []v1.Container{sidecar, container("init", list("cpu", "1500m", "memory", "1Gi"))}
		p.Spec.Containers = []v1.Container{container("a", list("cpu", "500m", "memory", "2Gi")), container("b", list("cpu", "200m", "example.com/fpga", "1"))}
		p.Spec.Overhead = list("cpu", "10m")
	}))
	assert.Empty(t, left)
	assert.Equal(t, berth.Resources{"cpu": 2010, "memory": 2 << 30, "example.com/fpga": 1, "pods": 1}, task.Group.Spec().Request)
	assert.Equal(t, "uid-web", task.ID)
}

func TestDevices(t *testing.T) {
	c := adapter.Config{Devices: []adapter.Devices{{Class: "gpu", Whole: "nvidia.com/gpu", Share: "example.com/gpu-milli"}}}
	for _, d := range []struct {
		requests v1.ResourceList
		want     []berth.DeviceRequest
	}{
		{list("cpu", "1"), nil},
		{list("nvidia.com/gpu", "2"), []berth.DeviceRequest{{Class: "gpu", Count: 2}}},
		{list("example.com/gpu-milli", "250"), []berth.DeviceRequest{{Class: "gpu", Share: 250}}},
		{list("example.com/gpu-milli", "3000"), []berth.DeviceRequest{{Class: "gpu", Count: 3}}},
		{list("example.com/gpu-milli", "1250"), []berth.DeviceRequest{{Class: "gpu", Count: 1}, {Class: "gpu", Share: 250}}},
	} {
		task, left := c.Pod(pod("web", func(p *v1.Pod) {
			p.Spec.Containers = []v1.Container{{Name: "a", Resources: v1.ResourceRequirements{Requests: d.requests}}}
		}))
		require.NoError(t, task.Group.Err())
		assert.Empty(t, left)
		assert.Equal(t, d.want, task.Group.Spec().Devices, d.requests)
	}
}

// What a pod asks of nodes and of other pods, as rules in text.
func TestRules(t *testing.T) {
	seconds := int64(300)
	five := int32(5)
	ignore := v1.NodeInclusionPolicyIgnore
	app := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	for name, c := range map[string]struct {
		change func(*v1.Pod)
		want   []string
	}{
		"node selector": {func(p *v1.Pod) { p.Spec.NodeSelector = map[string]string{"disk": "ssd", "arch": "arm64"} },
			[]string{`arch = "arm64"`, `disk = "ssd"`}},
		"node affinity": {func(p *v1.Pod) {
			p.Spec.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &v1.NodeSelector{
				NodeSelectorTerms: []v1.NodeSelectorTerm{
					{MatchExpressions: []v1.NodeSelectorRequirement{{Key: "zone", Operator: "In", Values: []string{"b", "a"}}, {Key: "gen", Operator: "Gt", Values: []string{"7"}}}},
					{MatchFields: []v1.NodeSelectorRequirement{{Key: "metadata.name", Operator: "In", Values: []string{"n1"}}}},
					{},
				},
			}}}
		}, []string{`((zone in ("a", "b") and gen > 7) or node.id in ("n1"))`}},
		"tolerations": {func(p *v1.Pod) {
			p.Spec.Tolerations = []v1.Toleration{
				{Operator: "Exists"}, {Key: "a", Operator: "Exists", Effect: "NoExecute", TolerationSeconds: &seconds}, {Key: "b", Value: "c"}, {Key: "d", Operator: "Gt", Value: "5"},
			}
		}, []string{"tolerate(*)", "tolerate(a, effect no-execute, for 5m0s)", `tolerate(b = "c")`, "tolerate(d > 5)"}},
		"pod affinity": {func(p *v1.Pod) {
			p.Spec.Affinity = &v1.Affinity{
				PodAffinity:     &v1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{{LabelSelector: app, TopologyKey: "zone"}}},
				PodAntiAffinity: &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{{LabelSelector: app, TopologyKey: "rack", Namespaces: []string{"b", "a"}}}},
			}
		}, []string{
			`near(zone, app = "web" and pod:namespace = "shop")`, `apart(rack, app = "web" and pod:namespace in ("a", "b"))`,
		}},
		"pod affinity of several terms": {func(p *v1.Pod) { // each of which is about the pods that all are about
			db := &metav1.LabelSelector{MatchLabels: map[string]string{"db": "yes"}}
			p.Spec.Affinity = &v1.Affinity{PodAffinity: &v1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{
				{LabelSelector: app, TopologyKey: "zone"}, {LabelSelector: db, TopologyKey: "rack"}, {LabelSelector: app, TopologyKey: "rack"},
			}}}
		}, []string{
			`near(zone, app = "web" and db = "yes" and pod:namespace = "shop")`, `near(rack, app = "web" and db = "yes" and pod:namespace = "shop")`,
		}},
		"pod affinity of a term that is about none": {func(p *v1.Pod) {
			p.Spec.Affinity = &v1.Affinity{PodAffinity: &v1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []v1.PodAffinityTerm{{LabelSelector: app, TopologyKey: "zone"}, {TopologyKey: "zone"}}}}
		}, []string{"nowhere"}},
		"spread": {func(p *v1.Pod) {
			p.Labels = map[string]string{"app": "web", "hash": "1"}
			p.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{
				{MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: "DoNotSchedule", LabelSelector: app},
				{MaxSkew: 2, TopologyKey: "host", WhenUnsatisfiable: "DoNotSchedule", LabelSelector: app, MinDomains: &five, NodeAffinityPolicy: &ignore, MatchLabelKeys: []string{"hash"}},
			}
		}, []string{
			"exists(zone)", "exists(host)",
			`group-by(zone, of app = "web" and pod:namespace = "shop", over cordoned-too, without stopping)`,
			`group-by(host, skew 2, min-domains 5, of app = "web" and hash = "1" and pod:namespace = "shop", over all-nodes, without stopping)`,
		}},
	} {
		task, left := adapter.Config{}.Pod(pod("web", c.change))
		require.NoError(t, task.Group.Err(), name)
		if name == "spread" {
			assert.Equal(t, []adapter.Unsaid{{Field: "spec.topologySpreadConstraints", Instead: "pods on nodes without one of the labels count in domains that have others as well"}}, left)
		} else {
			assert.Empty(t, left, name)
		}
		var got []string
		for _, rule := range task.Group.Spec().Rules {
			got = append(got, fmt.Sprint(rule))
		}
		assert.Equal(t, c.want, got, name)
	}
}

// What a pod prefers, with weights: to be apart from pods is to be near them at a price.
func TestPreferences(t *testing.T) {
	app := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	term := func(key string, weight int32) []v1.WeightedPodAffinityTerm {
		return []v1.WeightedPodAffinityTerm{{Weight: weight, PodAffinityTerm: v1.PodAffinityTerm{LabelSelector: app, TopologyKey: key}}}
	}
	c := adapter.Config{Namespaces: func() map[string]map[string]string {
		return map[string]map[string]string{"shop": {"team": "a"}, "bank": {"team": "a"}, "test": {"team": "b"}}
	}}
	task, left := c.Pod(pod("web", func(p *v1.Pod) {
		p.Spec.Affinity = &v1.Affinity{
			NodeAffinity: &v1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []v1.PreferredSchedulingTerm{
				{Weight: 10, Preference: v1.NodeSelectorTerm{MatchExpressions: []v1.NodeSelectorRequirement{{Key: "disk", Operator: "In", Values: []string{"ssd"}}}}}, {Weight: 5},
			}},
			PodAffinity:     &v1.PodAffinity{PreferredDuringSchedulingIgnoredDuringExecution: term("zone", 100)},
			PodAntiAffinity: &v1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: term("rack", 7)},
		}
		p.Spec.Affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution[0].PodAffinityTerm.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}}
		p.Spec.TopologySpreadConstraints = []v1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: v1.ScheduleAnyway, LabelSelector: app}}
	}))
	require.NoError(t, task.Group.Err())
	assert.Empty(t, left)
	var got []string
	for _, p := range task.Group.Spec().Prefer {
		got = append(got, fmt.Sprintf("%d %v", p.Weight, p.Rule))
	}
	assert.Equal(t, []string{
		`10 disk in ("ssd")`,
		`100 near(zone, app = "web" and pod:namespace in ("bank", "shop"))`,
		`-7 near(rack, app = "web" and pod:namespace = "shop")`,
		`50 group-by(zone, of app = "web" and pod:namespace = "shop", over cordoned-too, without stopping)`,
	}, got)
}

func TestUnsaid(t *testing.T) {
	_, left := adapter.Config{}.Pod(pod("web", func(p *v1.Pod) {
		p.Spec.ResourceClaims = []v1.PodResourceClaim{{Name: "gpu"}}
		p.Spec.Volumes = []v1.Volume{{VolumeSource: v1.VolumeSource{PersistentVolumeClaim: &v1.PersistentVolumeClaimVolumeSource{}}}}
		p.Spec.Containers = []v1.Container{{Ports: []v1.ContainerPort{{HostPort: 53, Protocol: "QUIC", HostIP: "::"}, {HostPort: 53}}}}
		p.Spec.Affinity = &v1.Affinity{
			NodeAffinity: &v1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &v1.NodeSelector{NodeSelectorTerms: []v1.NodeSelectorTerm{
				{MatchFields: []v1.NodeSelectorRequirement{{Key: "spec.podCIDR", Operator: "Exists"}}},
				{MatchExpressions: []v1.NodeSelectorRequirement{{Key: "gen", Operator: "Gt", Values: []string{"new"}}, {Key: "gen", Operator: "Lt", Values: []string{"0x7"}}}},
			}}},
			PodAffinity: &v1.PodAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []v1.WeightedPodAffinityTerm{{Weight: 1, PodAffinityTerm: v1.PodAffinityTerm{
				TopologyKey: "zone", LabelSelector: &metav1.LabelSelector{}, NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"team": "a"}},
			}}}},
		}
		p.Spec.Tolerations = []v1.Toleration{{Operator: "Like"}, {Value: "x"}, {Key: "k", Operator: "Lt", Value: "x"}, {Key: "k", Operator: "Gt", Value: "08"}, {Key: "k", Effect: "Never"}}
	}))
	var got []string
	for _, u := range left {
		got = append(got, u.String())
	}
	assert.Equal(t, []string{
		`spec.affinity.nodeAffinity.required: the field "spec.podCIDR" chooses no node`,
		`spec.affinity.nodeAffinity.required: gen Gt [new] is no expression that is known: it chooses no node`,
		`spec.affinity.nodeAffinity.required: gen Lt [0x7] is no expression that is known: it chooses no node`,
		`spec.tolerations: the operator "Like" tolerates nothing`,
		`spec.tolerations: without a key only Exists tolerates: "x" tolerates nothing`,
		`spec.tolerations: the value "x" of k is no number: nothing is tolerated by it`,
		`spec.tolerations: the value "08" of k is no number: nothing is tolerated by it`,
		`spec.tolerations: the effect "Never" is that of no taint`,
		`spec.affinity.podAffinity.preferred: namespaceSelector: the labels of namespaces are not known; those that are named count`,
		`spec.containers.ports: 53 is taken for every protocol, since "QUIC" is none that is known`,
		`spec.containers.ports: 53 is taken for every address, not for "::"`,
		`spec.resourceClaims: not looked at: the devices of claims are allocated by kube-scheduler`,
		`spec.volumes: where the volumes of claims can be reached is not looked at`,
	}, got)
}

func TestPorts(t *testing.T) {
	task, left := adapter.Config{}.Pod(pod("dns", func(p *v1.Pod) {
		p.Spec.Containers = []v1.Container{{Ports: []v1.ContainerPort{
			{HostPort: 53, Protocol: "UDP"}, {HostPort: 53}, {HostPort: 53, Protocol: "TCP", HostIP: "0.0.0.0"}, {HostPort: 80, HostIP: "10.0.0.1"}, {ContainerPort: 90},
		}}}
	}))
	assert.Empty(t, left)
	assert.Equal(t, []berth.PortRange{
		{First: 53, Last: 53, Protocol: berth.UDP}, {First: 53, Last: 53, Protocol: berth.TCP}, {First: 80, Last: 80, Protocol: berth.TCP, Address: "10.0.0.1"},
	}, task.Group.Spec().Ports)
}

// Containers of one pod may name ports that meet: the pod is valid, and what it has is all of them together.
func TestPortsOfOnePodThatMeet(t *testing.T) {
	for _, c := range []struct {
		ports []v1.ContainerPort
		want  string
	}{
		{[]v1.ContainerPort{{HostPort: 80}, {HostPort: 80, HostIP: "10.0.0.1"}}, "[80/tcp]"},
		{[]v1.ContainerPort{{HostPort: 80, HostIP: "10.0.0.1"}, {HostPort: 80, HostIP: "10.0.0.2"}, {HostPort: 80}, {HostPort: 81}}, "[80/tcp 81/tcp]"},
		{[]v1.ContainerPort{{HostPort: 80}, {HostPort: 80, Protocol: "QUIC"}}, "[80]"},
		{[]v1.ContainerPort{{HostPort: 80}, {HostPort: 80, Protocol: "UDP", HostIP: "10.0.0.1"}, {HostPort: 80, Protocol: "QUIC", HostIP: "10.0.0.2"}}, "[80]"},
	} {
		task, _ := adapter.Config{}.Pod(pod("web", func(p *v1.Pod) { p.Spec.Containers = []v1.Container{{Ports: c.ports}} }))
		assert.NoError(t, task.Err())
		assert.Equal(t, c.want, fmt.Sprint(task.Group.Spec().Ports))
	}
}

func TestRulesOfTheAnnotation(t *testing.T) {
	annotated := func(text string) *v1.Pod {
		return pod("web", func(p *v1.Pod) { p.Annotations = map[string]string{adapter.RulesAnnotation: text} })
	}
	task, left := adapter.Config{Rules: true}.Pod(annotated("max-per(rack, 2); unique(zone)\n zone = \"a;b\" ;;"))
	assert.Empty(t, left)
	assert.Equal(t, `[max-per(rack, 2) unique(zone) zone = "a;b"]`, fmt.Sprint(task.Group.Spec().Rules))
	task, left = adapter.Config{Rules: true}.Pod(annotated("near(; unique(zone)"))
	assert.Len(t, left, 1)
	assert.Contains(t, left[0].String(), "metadata.annotations.berth-sched.github.io/rules: no node is chosen: ")
	assert.Equal(t, "[nowhere unique(zone)]", fmt.Sprint(task.Group.Spec().Rules))
	task, left = adapter.Config{}.Pod(annotated("unique(zone)"))
	assert.Empty(t, left)
	assert.Empty(t, task.Group.Spec().Rules, "not looked at unless it is asked for")
}

// Pods of a workload are of one group, whatever order their maps have; those of another revision are of another spec of its name.
func TestGroups(t *testing.T) {
	yes := true
	replica := func(name, image string) *v1.Pod {
		return pod(name, func(p *v1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet", Name: "web", Controller: &yes}}
			p.Labels = map[string]string{"app": "web", "image": image, "a": "b", "c": "d"}
			p.Spec.NodeSelector = map[string]string{"x": "1", "y": "2", "z": "3"}
		})
	}
	one, _ := adapter.Config{}.Pod(replica("web-1", "1"))
	two, _ := adapter.Config{}.Pod(replica("web-2", "1"))
	other, _ := adapter.Config{}.Pod(replica("web-3", "2"))
	assert.Equal(t, "shop/ReplicaSet/web", one.Group.Name())
	assert.True(t, one.Group.Equal(two.Group))
	assert.Equal(t, one.Group.Name(), other.Group.Name())
	assert.False(t, one.Group.Equal(other.Group))
	assert.Equal(t, berth.Role("shop"), one.Group.Role())
}

// Affinities and taints are judged as by the helpers that kube-scheduler's plugins call.
func TestNodeVerdictsAsKubernetes(t *testing.T) {
	yes, no := 0, 0
	for seed := range uint64(10_000) {
		r := rand.New(rand.NewPCG(seed, 1))
		key := func() string { return []string{"a", "b", "c"}[r.IntN(3)] }
		value := func() string { return []string{"1", "2", "3", "x", ""}[r.IntN(5)] }
		n := node("n1", func(n *v1.Node) {
			for range r.IntN(4) {
				n.Labels[key()] = value()
			}
			for range r.IntN(3) {
				n.Spec.Taints = append(n.Spec.Taints, v1.Taint{
					Key: key(), Value: value(), Effect: []v1.TaintEffect{v1.TaintEffectNoSchedule, v1.TaintEffectPreferNoSchedule, v1.TaintEffectNoExecute}[r.IntN(3)],
				})
			}
		})
		expressions := func() (all []v1.NodeSelectorRequirement) {
			for range r.IntN(3) {
				e := v1.NodeSelectorRequirement{Key: key(), Operator: []v1.NodeSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"}[r.IntN(6)]}
				switch e.Operator {
				case "In", "NotIn":
					e.Values = []string{value(), value()}
				case "Gt", "Lt":
					e.Values = []string{fmt.Sprint(r.IntN(4))}
				}
				all = append(all, e)
			}
			return all
		}
		p := pod("p", func(p *v1.Pod) {
			if r.IntN(3) == 0 {
				p.Spec.NodeSelector = map[string]string{key(): value()}
			}
			if r.IntN(2) == 0 {
				var terms []v1.NodeSelectorTerm
				for range 1 + r.IntN(3) {
					terms = append(terms, v1.NodeSelectorTerm{MatchExpressions: expressions()})
					if r.IntN(4) == 0 {
						terms[len(terms)-1].MatchFields = []v1.NodeSelectorRequirement{{
							Key: "metadata.name", Operator: []v1.NodeSelectorOperator{"In", "NotIn"}[r.IntN(2)], Values: []string{fmt.Sprint("n", r.IntN(3))},
						}}
					}
				}
				p.Spec.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &v1.NodeSelector{NodeSelectorTerms: terms}}}
			}
			for range r.IntN(3) {
				tolerated := v1.Toleration{Key: key(), Operator: []v1.TolerationOperator{"Exists", "Equal", "", "Gt", "Lt"}[r.IntN(5)]}
				switch tolerated.Operator {
				case "Equal", "":
					tolerated.Value = value()
				case "Gt", "Lt":
					tolerated.Value = fmt.Sprint(r.IntN(4))
				}
				tolerated.Effect = []v1.TaintEffect{"", v1.TaintEffectNoSchedule, v1.TaintEffectNoExecute}[r.IntN(3)]
				p.Spec.Tolerations = append(p.Spec.Tolerations, tolerated)
			}
		})

		want, err := nodeaffinity.GetRequiredNodeAffinity(p).Match(n)
		require.NoError(t, err)
		hard := func(t *v1.Taint) bool { return t.Effect != v1.TaintEffectPreferNoSchedule }
		if _, untolerated := corev1.FindMatchingUntoleratedTaint(klog.Background(), n.Spec.Taints, p.Spec.Tolerations, hard, true); untolerated {
			want = false
		}

		f := cluster.NewFork()
		is, left := adapter.Config{}.Node(n)
		require.Empty(t, left)
		require.NoError(t, f.AddNodes(is), "seed %d", seed)
		task, left := adapter.Config{}.Pod(p)
		require.Empty(t, left, "seed %d", seed)
		require.NoError(t, task.Group.Err(), "seed %d", seed)
		on, _ := f.Node("n1")
		require.Equal(t, want, f.Fits(task.Group, on), "seed %d: %v of %v on %+v", seed, f.Lacks(task.Group, on), task.Group.Spec().Rules, is)
		if want {
			yes++
		} else {
			no++
		}
	}
	require.Greater(t, min(yes, no), 1000)
}

package oracle_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// drawn draws objects, and counts what they have.
type drawn struct {
	*rand.Rand
	features map[string]bool // of the object that was drawn last
}

func draws(seed uint64) drawn { return drawn{rand.New(rand.NewPCG(seed, 1)), map[string]bool{}} }

func (r drawn) one(of ...string) string { return of[r.IntN(len(of))] }
func (r drawn) in(n int) bool           { return r.IntN(n) == 0 }

// has notes that the object has a feature, and returns it.
func (r drawn) has(kind, feature string) string {
	r.features[kind+" "+feature] = true
	return feature
}

// Resources of devices: whole ones, and thousandths of one.
const (
	wholeGPU = "example.com/gpu"
	shareGPU = "example.com/gpu-milli"
)

func millis(n int) resource.Quantity { return *resource.NewMilliQuantity(int64(n), resource.DecimalSI) }
func number(n int) resource.Quantity { return *resource.NewQuantity(int64(n), resource.DecimalSI) }

func (r drawn) node(i int) *v1.Node {
	clear(r.features)
	room := v1.ResourceList{v1.ResourceCPU: millis((1 + r.IntN(6)) * 1000), v1.ResourceMemory: number((1 + r.IntN(8)) << 30), v1.ResourcePods: number(2 + r.IntN(8))}
	if r.in(2) {
		room["example.com/x"] = number(r.IntN(6))
	}
	if r.in(2) {
		n := 1 + r.IntN(4)
		room[wholeGPU], room[shareGPU] = number(n), number(n*1000)
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
	for _, key := range []string{"k", "l"} {
		if r.in(8) {
			n.Spec.Taints = append(n.Spec.Taints, v1.Taint{Key: key, Value: r.one("", "v", "3", "8", "08"), Effect: effects[r.IntN(3)]})
			r.has("node", "taint "+string(n.Spec.Taints[len(n.Spec.Taints)-1].Effect))
		}
	}
	if n.Spec.Unschedulable {
		r.has("node", "unschedulable")
	}
	if n.Spec.Unschedulable && r.in(2) { // soon everywhere, by the controller
		n.Spec.Taints = append(n.Spec.Taints, v1.Taint{Key: v1.TaintNodeUnschedulable, Effect: v1.TaintEffectNoSchedule})
	}
	return n
}

var effects = []v1.TaintEffect{v1.TaintEffectNoSchedule, v1.TaintEffectPreferNoSchedule, v1.TaintEffectNoExecute}

func (r drawn) labels(of string) *metav1.LabelSelector {
	s := new(metav1.LabelSelector)
	switch r.IntN(6) {
	case 0:
		r.has(of, "all pods")
	case 1:
		op := []metav1.LabelSelectorOperator{metav1.LabelSelectorOpIn, metav1.LabelSelectorOpNotIn}[r.IntN(2)]
		s.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "app", Operator: op, Values: []string{r.one("x", "y"), r.one("y", "z")}}}
		r.has(of, "selector "+string(op))
	case 2:
		op := []metav1.LabelSelectorOperator{metav1.LabelSelectorOpExists, metav1.LabelSelectorOpDoesNotExist}[r.IntN(2)]
		s.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "tier", Operator: op}}
		r.has(of, "selector "+string(op))
	default:
		s.MatchLabels = map[string]string{"app": r.one("x", "y", "z")}
	}
	return s
}

// teams are the labels of namespaces.
var teams = map[string]map[string]string{"one": {"team": "red"}, "two": {"team": "blue"}}

func (r drawn) terms(of string) (all []v1.PodAffinityTerm) {
	for range 1 + r.IntN(5)/4 {
		t := v1.PodAffinityTerm{TopologyKey: r.one("zone", "rack", v1.LabelHostname), LabelSelector: r.labels(of)}
		switch r.IntN(6) {
		case 0:
			t.Namespaces = []string{r.one("one", "two")}
			r.has(of, "namespaces")
		case 1:
			t.NamespaceSelector = &metav1.LabelSelector{}
			r.has(of, "namespaceSelector of all")
		case 2:
			t.NamespaceSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"team": r.one("red", "blue", "green")}}
			r.has(of, "namespaceSelector")
		}
		if r.in(4) {
			t.MatchLabelKeys = []string{r.one("app", "tier")}
			r.has(of, "matchLabelKeys")
		}
		if r.in(4) {
			t.MismatchLabelKeys = []string{r.one("app", "tier")}
			r.has(of, "mismatchLabelKeys")
		}
		all = append(all, t)
	}
	if len(all) > 1 {
		r.has(of, "several terms")
	}
	return all
}

// merged is a pod as the API server keeps it: what keys of labels say is written into the selectors, which is where the plugins find it.
func merged(p *v1.Pod) *v1.Pod {
	p = p.DeepCopy()
	write := func(s **metav1.LabelSelector, keys []string, op metav1.LabelSelectorOperator) {
		for _, key := range keys {
			if value, ok := p.Labels[key]; ok && *s != nil {
				(*s).MatchExpressions = append((*s).MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: op, Values: []string{value}})
			}
		}
	}
	terms := func(of []v1.PodAffinityTerm) {
		for i := range of {
			write(&of[i].LabelSelector, of[i].MatchLabelKeys, metav1.LabelSelectorOpIn)
			write(&of[i].LabelSelector, of[i].MismatchLabelKeys, metav1.LabelSelectorOpNotIn)
		}
	}
	if a := p.Spec.Affinity; a != nil {
		if a.PodAffinity != nil {
			terms(a.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
		}
		if a.PodAntiAffinity != nil {
			terms(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
		}
	}
	return p
}

func (r drawn) requests() v1.ResourceList {
	return v1.ResourceList{v1.ResourceCPU: millis(r.IntN(4) * 250), v1.ResourceMemory: number(r.IntN(4) << 28)}
}

// expression draws one of a node affinity.
func (r drawn) expression() v1.NodeSelectorRequirement {
	e := v1.NodeSelectorRequirement{Key: "disk", Operator: []v1.NodeSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"}[r.IntN(6)]}
	switch e.Operator {
	case v1.NodeSelectorOpIn, v1.NodeSelectorOpNotIn:
		e.Values = []string{r.one("ssd", "hdd")}
	case v1.NodeSelectorOpGt, v1.NodeSelectorOpLt:
		e.Values = []string{r.one("9", "07", "0x7", "7 8")} // the last two are no numbers
	}
	r.has("node affinity", string(e.Operator))
	return e
}

func (r drawn) nodeAffinity() *v1.NodeAffinity {
	var terms []v1.NodeSelectorTerm
	for range 1 + r.IntN(3)/2 {
		var t v1.NodeSelectorTerm
		for range 1 + r.IntN(4)/3 {
			t.MatchExpressions = append(t.MatchExpressions, r.expression())
		}
		if r.in(4) {
			op := []v1.NodeSelectorOperator{v1.NodeSelectorOpIn, v1.NodeSelectorOpNotIn}[r.IntN(2)]
			t.MatchFields = []v1.NodeSelectorRequirement{{Key: metav1.ObjectNameField, Operator: op, Values: []string{fmt.Sprintf("n%02d", r.IntN(20))}}}
			if r.in(2) {
				t.MatchExpressions = nil
			}
			r.has("node affinity", "matchFields "+string(op))
		}
		if r.in(12) {
			t = v1.NodeSelectorTerm{}
			r.has("node affinity", "a term of nothing")
		}
		terms = append(terms, t)
	}
	if len(terms) > 1 {
		r.has("node affinity", "several terms")
	}
	return &v1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &v1.NodeSelector{NodeSelectorTerms: terms}}
}

func (r drawn) spread() (all []v1.TopologySpreadConstraint) {
	policies := []v1.NodeInclusionPolicy{v1.NodeInclusionPolicyHonor, v1.NodeInclusionPolicyIgnore}
	for range 1 + r.IntN(5)/4 {
		c := v1.TopologySpreadConstraint{
			MaxSkew: int32(1 + r.IntN(3)), TopologyKey: r.one("zone", "rack", v1.LabelHostname), WhenUnsatisfiable: v1.DoNotSchedule, LabelSelector: r.labels("spread"),
		}
		if slices.ContainsFunc(all, func(other v1.TopologySpreadConstraint) bool { return other.TopologyKey == c.TopologyKey }) {
			continue // which the API server refuses
		}
		if r.in(4) {
			domains := int32(1 + r.IntN(4))
			c.MinDomains = &domains
			r.has("spread", "minDomains")
		}
		if r.in(2) {
			c.NodeTaintsPolicy = &policies[r.IntN(2)]
			r.has("spread", "nodeTaintsPolicy "+string(*c.NodeTaintsPolicy))
		}
		if r.in(2) {
			c.NodeAffinityPolicy = &policies[r.IntN(2)]
			r.has("spread", "nodeAffinityPolicy "+string(*c.NodeAffinityPolicy))
		}
		if r.in(4) {
			c.MatchLabelKeys = []string{"tier"}
			r.has("spread", "matchLabelKeys")
		}
		if r.in(8) {
			c.WhenUnsatisfiable = v1.ScheduleAnyway
			r.has("spread", "ScheduleAnyway")
		} else {
			r.has("spread", "DoNotSchedule")
		}
		all = append(all, c)
	}
	if len(all) > 1 {
		r.has("spread", "several constraints")
	}
	return all
}

func (r drawn) containers(p *v1.Pod) {
	main := v1.Container{Name: "main", Resources: v1.ResourceRequirements{Requests: r.requests()}}
	if r.in(8) {
		protocol := r.has("host port", r.one("TCP", "UDP", "SCTP"))
		main.Ports = []v1.ContainerPort{{
			HostPort: int32(80 + r.IntN(2)), Protocol: v1.Protocol(protocol), HostIP: []string{"", "0.0.0.0", "10.0.0.1", "10.0.0.2"}[r.IntN(4)],
		}}
		r.has("host port", "address "+main.Ports[0].HostIP)
	}
	if r.in(6) {
		main.Resources.Requests["example.com/x"] = number(1 + r.IntN(3))
		r.has("requests", "extended resource")
	}
	if r.in(12) {
		main.Resources.Requests[wholeGPU] = number(1 + r.IntN(2))
		r.has("requests", "whole devices")
	} else if r.in(8) {
		main.Resources.Requests[shareGPU] = number([]int{250, 500, 700, 1000, 1300}[r.IntN(5)])
		r.has("requests", "share of a device")
	}
	p.Spec.Containers = []v1.Container{main}
	if r.in(5) {
		p.Spec.Containers = append(p.Spec.Containers, v1.Container{Name: "second", Resources: v1.ResourceRequirements{Requests: r.requests()}})
		r.has("requests", "several containers")
	}
	if r.in(8) {
		always := v1.ContainerRestartPolicyAlways
		p.Spec.InitContainers = append(p.Spec.InitContainers, v1.Container{Name: "sidecar", RestartPolicy: &always, Resources: v1.ResourceRequirements{Requests: r.requests()}})
		r.has("requests", "sidecar")
	}
	if r.in(6) {
		p.Spec.InitContainers = append(p.Spec.InitContainers, v1.Container{Name: "init", Resources: v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceCPU: millis(r.IntN(8) * 250)}}})
		r.has("requests", "init container")
	}
	if r.in(8) {
		p.Spec.Overhead = v1.ResourceList{v1.ResourceCPU: millis(100 * r.IntN(4))}
		r.has("requests", "overhead")
	}
	if r.in(10) {
		p.Spec.Resources = &v1.ResourceRequirements{Requests: v1.ResourceList{v1.ResourceCPU: millis(r.IntN(6) * 250)}}
		r.has("requests", "of the pod")
	}
}

// resize gives a pod that runs other resources in its status than its spec asks for.
func (r drawn) resize(p *v1.Pod) {
	actual := r.requests()
	p.Status.ContainerStatuses = []v1.ContainerStatus{{Name: "main", AllocatedResources: actual, Resources: &v1.ResourceRequirements{Requests: r.requests()}}}
	r.has("requests", "resize")
	if r.in(3) {
		p.Status.Conditions = []v1.PodCondition{{Type: v1.PodResizePending, Status: v1.ConditionTrue, Reason: v1.PodReasonInfeasible}}
		r.has("requests", "resize that is infeasible")
	}
}

func (r drawn) tolerations() (all []v1.Toleration) {
	for range 1 + r.IntN(2) {
		t := v1.Toleration{Key: r.one("k", "l"), Operator: v1.TolerationOperator(r.one("", "Exists", "Equal", "Gt", "Lt"))}
		switch t.Operator {
		case "", v1.TolerationOpEqual:
			t.Value = r.one("", "v", "3")
		case v1.TolerationOpGt, v1.TolerationOpLt:
			t.Value = r.one("3", "5", "05")
		case v1.TolerationOpExists:
			if r.in(6) {
				t.Key = ""
				r.has("toleration", "of all")
			}
		}
		if r.in(2) {
			t.Effect = effects[r.IntN(3)]
		}
		if t.Effect == v1.TaintEffectNoExecute && r.in(2) {
			seconds := int64(60)
			t.TolerationSeconds = &seconds
			r.has("toleration", "for a time")
		}
		r.has("toleration", "operator "+string(t.Operator))
		r.has("toleration", "effect "+string(t.Effect))
		all = append(all, t)
	}
	return all
}

func (r drawn) pod(i int) *v1.Pod {
	clear(r.features)
	name, priority := fmt.Sprint("p", i), int32(r.IntN(3))
	p := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: r.one("one", "two"), UID: types.UID(name), Labels: map[string]string{"app": r.one("x", "y", "z")}},
		Spec:       v1.PodSpec{Priority: &priority},
	}
	if r.in(3) {
		p.Labels["tier"] = r.one("1", "2")
	}
	r.containers(p)
	if r.in(8) {
		p.Spec.NodeSelector = map[string]string{"disk": r.one("ssd", "hdd")}
		r.has("node", "nodeSelector")
	}
	p.Spec.Affinity = &v1.Affinity{}
	if r.in(5) {
		p.Spec.Affinity.NodeAffinity = r.nodeAffinity()
	}
	if r.in(5) {
		p.Spec.Affinity.PodAffinity = &v1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: r.terms("pod affinity")}
	}
	if r.in(5) {
		p.Spec.Affinity.PodAntiAffinity = &v1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: r.terms("pod anti-affinity")}
	}
	if r.in(3) {
		p.Spec.TopologySpreadConstraints = r.spread()
	}
	if r.in(3) {
		p.Spec.Tolerations = r.tolerations()
	}
	return p
}

// every is all that is to be drawn.
func every() []string {
	of := map[string][]string{
		"requests":      {"extended resource", "whole devices", "share of a device", "several containers", "sidecar", "init container", "overhead", "of the pod", "resize", "resize that is infeasible"},
		"node":          {"nodeSelector", "taint NoSchedule", "taint PreferNoSchedule", "taint NoExecute", "unschedulable"},
		"node affinity": {"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt", "matchFields In", "matchFields NotIn", "a term of nothing", "several terms"},
		"toleration":    {"operator ", "operator Exists", "operator Equal", "operator Gt", "operator Lt", "of all", "for a time", "effect ", "effect NoSchedule", "effect PreferNoSchedule", "effect NoExecute"},
		"spread": {
			"minDomains", "nodeTaintsPolicy Honor", "nodeTaintsPolicy Ignore", "nodeAffinityPolicy Honor", "nodeAffinityPolicy Ignore", "matchLabelKeys", "DoNotSchedule", "ScheduleAnyway",
			"several constraints", "all pods", "selector In", "selector NotIn", "selector Exists", "selector DoesNotExist",
		},
		"host port": {"TCP", "UDP", "SCTP", "address ", "address 0.0.0.0", "address 10.0.0.1", "address 10.0.0.2"},
	}
	for _, kind := range []string{"pod affinity", "pod anti-affinity"} {
		of[kind] = []string{
			"namespaces", "namespaceSelector", "namespaceSelector of all", "matchLabelKeys", "mismatchLabelKeys", "several terms",
			"all pods", "selector In", "selector NotIn", "selector Exists", "selector DoesNotExist",
		}
	}
	var all []string
	for _, kind := range slices.Sorted(maps.Keys(of)) {
		for _, feature := range of[kind] {
			all = append(all, kind+" "+feature)
		}
	}
	return all
}

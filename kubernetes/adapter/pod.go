package adapter

import (
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/resource"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
)

// NamespaceLabel is the label of groups that has the namespace of their pods. No pod can have a label of this key.
const NamespaceLabel = "pod:namespace"

// Pod returns a pod in berth's words: a task whose ID is the pod's UID, of a group that says what pods like it ask for. Pods of one
// workload that ask for the same have equal groups; to share one, and all that is kept for it, is the caller's.
//
// The group may have a fault, which [berth.Group.Err] tells, where the pod asks for something that is none, such as a negative amount.
func (c Config) Pod(p *v1.Pod) (berth.Task, []Unsaid) {
	r := reading{config: c, pod: p}
	r.labels()
	r.requests()
	r.selector()
	r.nodeAffinity()
	r.tolerations()
	r.podAffinity()
	r.spread()
	r.ports()
	r.annotated()
	r.others()
	r.own()
	return berth.NewGroup(nameOf(p), r.spec).Task(string(p.UID)), r.left
}

// nameOf returns the name of a pod's group: that of the workload that it is of.
func nameOf(p *v1.Pod) string {
	kind, name := "Pod", p.Name
	if owner := metav1.GetControllerOfNoCopy(p); owner != nil {
		kind, name = owner.Kind, owner.Name
	}
	return p.Namespace + "/" + kind + "/" + name
}

// reading is a pod that is being read.
type reading struct {
	config Config
	pod    *v1.Pod
	spec   berth.GroupSpec
	left   unsaid
}

func (r *reading) labels() {
	r.spec.Role = berth.Role(r.pod.Namespace)
	if r.config.Role != nil {
		r.spec.Role = r.config.Role(r.pod)
	}
	r.spec.Labels = map[string]string{NamespaceLabel: r.pod.Namespace}
	for key, value := range r.pod.Labels {
		r.spec.Labels[key] = value
	}
	if r.pod.Spec.Priority != nil {
		r.spec.Priority = int(*r.pod.Spec.Priority)
	}
}

// requests reads what the pod takes, by the rules that kube-scheduler has for containers of every kind.
func (r *reading) requests() {
	all := resource.PodRequests(r.pod, resource.PodResourcesOptions{UseStatusResources: true, InPlacePodLevelResourcesVerticalScalingEnabled: true})
	r.spec.Request = berth.Resources{string(v1.ResourcePods): 1}
	for _, d := range r.config.Devices {
		whole, share := all[d.Whole], all[d.Share]
		delete(all, d.Whole)
		delete(all, d.Share)
		if n := whole.Value(); n > 0 {
			r.spec.Devices = append(r.spec.Devices, berth.DeviceRequest{Class: d.Class, Count: int(min(n, math.MaxInt32))})
		}
		switch n := share.Value(); {
		case n > 0 && n%berth.DeviceUnits == 0:
			r.spec.Devices = append(r.spec.Devices, berth.DeviceRequest{Class: d.Class, Count: int(min(n/berth.DeviceUnits, math.MaxInt32))})
		case n > berth.DeviceUnits:
			r.spec.Devices = append(r.spec.Devices, berth.DeviceRequest{Class: d.Class, Count: int(min(n/berth.DeviceUnits, math.MaxInt32))},
				berth.DeviceRequest{Class: d.Class, Share: n % berth.DeviceUnits})
		case n > 0:
			r.spec.Devices = append(r.spec.Devices, berth.DeviceRequest{Class: d.Class, Share: n})
		}
	}
	for name, quantity := range all {
		if n := amountOf(name, quantity); n != 0 {
			r.spec.Request[string(name)] += n
		}
	}
}

// selector reads spec.nodeSelector: all of its labels.
func (r *reading) selector() {
	for _, key := range sortedKeys(r.pod.Spec.NodeSelector) {
		r.rule(constraints.Eq(key, r.pod.Spec.NodeSelector[key]))
	}
}

func (r *reading) rule(rule berth.Constraint) { r.spec.Rules = append(r.spec.Rules, rule) }

func (r *reading) nodeAffinity() {
	if r.pod.Spec.Affinity == nil || r.pod.Spec.Affinity.NodeAffinity == nil {
		return
	}
	affinity := r.pod.Spec.Affinity.NodeAffinity
	if required := affinity.RequiredDuringSchedulingIgnoredDuringExecution; required != nil {
		var terms []berth.NodeRule
		for i := range required.NodeSelectorTerms {
			t := &required.NodeSelectorTerms[i]
			if len(t.MatchExpressions)+len(t.MatchFields) > 0 { // an empty one chooses no node
				terms = append(terms, r.term("required", t))
			}
		}
		if len(terms) == 0 {
			r.rule(constraints.Nowhere())
		} else {
			r.rule(constraints.Or(terms...))
		}
	}
	for i := range affinity.PreferredDuringSchedulingIgnoredDuringExecution {
		p := &affinity.PreferredDuringSchedulingIgnoredDuringExecution[i]
		if p.Weight == 0 || len(p.Preference.MatchExpressions)+len(p.Preference.MatchFields) == 0 {
			continue // it makes no node better than another
		}
		r.spec.Prefer = append(r.spec.Prefer, berth.Preference{Rule: r.term("preferred", &p.Preference), Weight: int64(p.Weight)})
	}
}

// term reads a term of a node affinity: all of its expressions.
func (r *reading) term(where string, t *v1.NodeSelectorTerm) berth.NodeRule {
	field := "spec.affinity.nodeAffinity." + where
	var parts []berth.NodeRule
	for i := range t.MatchExpressions {
		e := &t.MatchExpressions[i]
		parts = append(parts, r.expression(field, e.Key, e))
	}
	for i := range t.MatchFields {
		e := &t.MatchFields[i]
		if e.Key != metav1.ObjectNameField {
			r.left.add(field, "the field %q chooses no node", e.Key)
			parts = append(parts, constraints.Nowhere())
			continue
		}
		parts = append(parts, r.expression(field, berth.NodeID, e))
	}
	return constraints.And(parts...)
}

func (r *reading) expression(field, key string, e *v1.NodeSelectorRequirement) berth.NodeRule {
	values := make([]any, len(e.Values))
	for i, v := range e.Values {
		values[i] = v
	}
	switch e.Operator {
	case v1.NodeSelectorOpIn:
		return constraints.In(key, values...)
	case v1.NodeSelectorOpNotIn:
		return constraints.NotIn(key, values...)
	case v1.NodeSelectorOpExists:
		return constraints.Exists(key)
	case v1.NodeSelectorOpDoesNotExist:
		return constraints.NotExists(key)
	case v1.NodeSelectorOpGt, v1.NodeSelectorOpLt:
		if len(e.Values) == 1 {
			if bound, err := strconv.ParseInt(e.Values[0], 10, 64); err == nil {
				if e.Operator == v1.NodeSelectorOpGt {
					return constraints.Greater(key, bound)
				}
				return constraints.Less(key, bound)
			}
		}
	}
	r.left.add(field, "%s %s %v is no expression that is known: it chooses no node", e.Key, e.Operator, e.Values)
	return constraints.Nowhere()
}

func (r *reading) tolerations() {
	for i := range r.pod.Spec.Tolerations {
		t := &r.pod.Spec.Tolerations[i]
		var rule constraints.Toleration
		switch t.Operator {
		case v1.TolerationOpExists:
			if rule = constraints.TolerateKey(t.Key); t.Key == "" {
				rule = constraints.TolerateAll()
			}
		case v1.TolerationOpEqual, "":
			if t.Key == "" {
				r.left.add("spec.tolerations", "without a key only Exists tolerates: %q tolerates nothing", t.Value)
				continue
			}
			rule = constraints.Tolerate(t.Key, t.Value)
		case v1.TolerationOpGt, v1.TolerationOpLt:
			bound, err := strconv.ParseInt(t.Value, 10, 64)
			if err != nil || strconv.FormatInt(bound, 10) != t.Value { // such as 07
				r.left.add("spec.tolerations", "the value %q of %s is no number: nothing is tolerated by it", t.Value, t.Key)
				continue
			}
			if rule = constraints.TolerateOver(t.Key, bound); t.Operator == v1.TolerationOpLt {
				rule = constraints.TolerateUnder(t.Key, bound)
			}
		default:
			r.left.add("spec.tolerations", "the operator %q tolerates nothing", t.Operator)
			continue
		}
		if t.Effect != "" {
			effect, ok := effectOf(t.Effect)
			if !ok {
				r.left.add("spec.tolerations", "the effect %q is that of no taint", t.Effect)
				continue
			}
			rule = rule.Effect(effect)
		}
		if t.TolerationSeconds != nil {
			const most = int64(math.MaxInt64 / time.Second)
			rule = rule.For(time.Duration(min(max(*t.TolerationSeconds, 0), most)) * time.Second)
		}
		r.rule(rule)
	}
}

// ports reads the ports that containers want on their node.
func (r *reading) ports() {
	for _, containers := range [][]v1.Container{r.pod.Spec.InitContainers, r.pod.Spec.Containers} {
		for i := range containers {
			for _, port := range containers[i].Ports {
				if port.HostPort <= 0 || port.HostPort > math.MaxUint16 {
					continue
				}
				p := berth.PortRange{First: uint16(port.HostPort), Last: uint16(port.HostPort), Protocol: r.protocol(&port), Address: r.address(&port)}
				r.spec.Ports = apart(r.spec.Ports, p)
			}
		}
	}
}

// apart adds a port to those of a pod, of which no two may meet: containers of one pod may name one number at all addresses and at one of
// them, which is no conflict in Kubernetes.
func apart(ports []berth.PortRange, p berth.PortRange) []berth.PortRange {
	one := func(r berth.PortRange) berth.Port {
		return berth.Port{Number: r.First, Protocol: r.Protocol, Address: r.Address}
	}
	for i := 0; i < len(ports); i++ {
		switch have := ports[i]; {
		case have.Contains(one(p)):
			return ports
		case p.Contains(one(have)):
			ports = slices.Delete(ports, i, i+1)
			i--
		case one(have).Meets(one(p)): // neither has all of the other: it is the whole number that has
			return apart(slices.Delete(ports, i, i+1), berth.PortRange{First: p.First, Last: p.Last})
		}
	}
	return append(ports, p)
}

func (r *reading) protocol(p *v1.ContainerPort) berth.Protocol {
	switch p.Protocol {
	case v1.ProtocolTCP, "":
		return berth.TCP
	case v1.ProtocolUDP:
		return berth.UDP
	case v1.ProtocolSCTP:
		return berth.SCTP
	}
	r.left.add("spec.containers.ports", "%d is taken for every protocol, since %q is none that is known", p.HostPort, p.Protocol)
	return berth.AllProtocols
}

// address returns the address of a host port, the empty one for all.
func (r *reading) address(p *v1.ContainerPort) string {
	if p.HostIP == "" || p.HostIP == "0.0.0.0" {
		return ""
	}
	a, err := netip.ParseAddr(p.HostIP)
	if err != nil || a.IsUnspecified() {
		r.left.add("spec.containers.ports", "%d is taken for every address, not for %q", p.HostPort, p.HostIP)
		return ""
	}
	return a.Unmap().WithZone("").String()
}

// others notes what a scheduler of Kubernetes looks at that has no words yet.
func (r *reading) others() {
	s := &r.pod.Spec
	if len(s.ResourceClaims) > 0 {
		r.left.add("spec.resourceClaims", "not looked at: the devices of claims are allocated by kube-scheduler")
	}
	if s.SchedulingGroup != nil {
		r.left.add("spec.schedulingGroup", "not looked at: the pod is placed by itself")
	}
	for i := range s.Volumes {
		if v := &s.Volumes[i]; v.PersistentVolumeClaim != nil || v.Ephemeral != nil {
			r.left.add("spec.volumes", "where the volumes of claims can be reached is not looked at")
		}
	}
}

// sortedKeys returns the keys of a map, so that equal pods have equal groups.
func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, strings.Compare)
	return keys
}

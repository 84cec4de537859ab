package adapter

import (
	"math"
	"slices"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/berth-sched/berth"
)

// Config says how objects are read where clusters differ. The zero value is a good one.
type Config struct {
	// Role returns the tenant that a pod is charged to. The default is its namespace.
	Role func(*v1.Pod) berth.Role
	// Devices are the kinds of devices that nodes have and pods ask for by resources of their own. By default such resources are
	// plain numbers, as they are to kube-scheduler.
	Devices []Devices
	// Namespaces returns the labels of every namespace by its name, for affinities that choose namespaces by label. By default
	// such an affinity is unsaid.
	Namespaces func() map[string]map[string]string
	// Rules says that pods may have rules of berth's own in their annotation [RulesAnnotation]. By default it is not looked at: a rule can
	// keep other pods away, as an anti-affinity can.
	Rules bool
	// OfNode and OfPod add what objects say in ways of the host's own, such as in annotations: devices, attributes, rules. They are handed
	// what was read of the object, and change it; OfNode must leave the ID, and both must keep nothing and say the same of the same object.
	// An error is told as unsaid: the node is then taken as it was read, and for the pod there is no node. The default adds nothing.
	OfNode func(*v1.Node, *berth.Node) error
	OfPod  func(*v1.Pod, *berth.GroupSpec) error
}

// Devices is a kind of devices, such as the GPUs of one vendor.
type Devices struct {
	Class string // berth's name for them: "gpu"
	// Whole is the resource that counts whole devices: "nvidia.com/gpu".
	Whole v1.ResourceName
	// Share is the resource of which a device has a thousand, for pods that take a part of one; empty if there is none.
	Share v1.ResourceName
	// Model is the label of nodes that names the model of all their devices: "nvidia.com/gpu.product"; empty if there is none.
	Model string
}

// Node returns a node in berth's words.
func (c Config) Node(n *v1.Node) (berth.Node, []Unsaid) {
	var left unsaid
	out := berth.Node{
		ID: n.Name, Capacity: berth.Resources{}, Attributes: berth.Attributes{},
		Ports: []berth.PortRange{{First: 1, Last: math.MaxUint16}}, // any that no pod has
	}
	for key, value := range n.Labels {
		if key == berth.NodeID {
			left.add("metadata.labels."+key, "not looked at: berth has the node's name under this key")
			continue
		}
		out.Attributes[key] = value
	}
	for name, quantity := range n.Status.Allocatable {
		if !slices.ContainsFunc(c.Devices, func(d Devices) bool { return d.Whole == name || d.Share != "" && d.Share == name }) {
			out.Capacity[string(name)] = amountOf(name, quantity)
		}
	}
	for _, d := range c.Devices {
		whole, share := n.Status.Allocatable[d.Whole], n.Status.Allocatable[d.Share]
		count := max(whole.Value(), share.Value()/berth.DeviceUnits)
		if count > maxDevices {
			left.add("status.allocatable."+string(d.Whole), "taken for %d", maxDevices)
			count = maxDevices
		}
		for range count {
			out.Devices = append(out.Devices, berth.Device{Class: d.Class, Model: n.Labels[d.Model]})
		}
	}
	for i := range n.Spec.Taints {
		if t, ok := taintOf(&n.Spec.Taints[i]); ok {
			out.Taints = append(out.Taints, t)
		} else {
			left.add("spec.taints", "the effect %q of %s is not looked at", n.Spec.Taints[i].Effect, t.Key)
		}
	}
	// Kubernetes gives an unschedulable node this taint by a controller. Until it has, the scheduler takes the field for the taint.
	unschedulable := berth.Taint{Key: v1.TaintNodeUnschedulable, Effect: berth.NoSchedule}
	if n.Spec.Unschedulable && !slices.Contains(out.Taints, unschedulable) {
		out.Taints = append(out.Taints, unschedulable)
	}
	if c.OfNode != nil {
		if err := c.OfNode(n, &out); err != nil {
			left.add("metadata", "not all that the node says is looked at: %v", err)
		}
	}
	return out, left
}

// maxDevices is how many devices a node may have: beyond it the number is a fault of whoever reports it.
const maxDevices = 1024

// amountOf returns a quantity in berth's unit: thousandths of cpu, and whole numbers of everything else, both rounded up.
func amountOf(name v1.ResourceName, q resource.Quantity) int64 {
	if name == v1.ResourceCPU {
		return q.MilliValue()
	}
	return q.Value()
}

func taintOf(t *v1.Taint) (berth.Taint, bool) {
	out := berth.Taint{Key: t.Key, Value: t.Value}
	var ok bool
	out.Effect, ok = effectOf(t.Effect)
	return out, ok
}

func effectOf(e v1.TaintEffect) (berth.Effect, bool) {
	switch e {
	case v1.TaintEffectNoSchedule:
		return berth.NoSchedule, true
	case v1.TaintEffectPreferNoSchedule:
		return berth.PreferNoSchedule, true
	case v1.TaintEffectNoExecute:
		return berth.NoExecute, true
	}
	return 0, false
}

// Package objects makes the nodes and pods that tests of several packages are about.
package objects

import (
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// List returns resources by name and quantity, in turn.
func List(pairs ...string) v1.ResourceList {
	out := v1.ResourceList{}
	for i := 0; i < len(pairs); i += 2 {
		out[v1.ResourceName(pairs[i])] = resource.MustParse(pairs[i+1])
	}
	return out
}

// Node returns a node of four cores and 8 GiB, changed as the functions say.
func Node(name string, change ...func(*v1.Node)) *v1.Node {
	n := &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{v1.LabelHostname: name}},
		Status:     v1.NodeStatus{Allocatable: List("cpu", "4", "memory", "8Gi", "pods", "110")},
	}
	for _, f := range change {
		f(n)
	}
	return n
}

// Pod returns a pod of namespace shop that requests cpu, changed as the functions say.
func Pod(name, cpu string, change ...func(*v1.Pod)) *v1.Pod {
	p := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name, UID: types.UID("uid-" + name)},
		Spec:       v1.PodSpec{Containers: []v1.Container{{Resources: v1.ResourceRequirements{Requests: List("cpu", cpu)}}}},
	}
	for _, f := range change {
		f(p)
	}
	return p
}

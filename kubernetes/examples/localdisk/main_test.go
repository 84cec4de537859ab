package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extendertest"
)

func node(name string) *v1.Node {
	return &v1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"example.com/disks": "nvme0=500Gi nvme1=700Gi"}},
		Status:     v1.NodeStatus{Allocatable: v1.ResourceList{v1.ResourcePods: resource.MustParse("110")}},
	}
}

// Of 500Gi and 700Gi come two and three parts of 200Gi: five on a node, and fifteen on three, though six would fit into what a node has in all.
func TestLocalDisk(t *testing.T) {
	var clusters []*extendertest.API
	extendertest.Run(t, extendertest.Config{
		New: func(api *extendertest.API) (extendertest.Extender, error) {
			clusters = append(clusters, api)
			c, err := cache.New(cache.Config{Adapter: disks})
			if err != nil {
				return extendertest.Extender{}, err
			}
			h, e, err := handler(c, api)
			return extendertest.Extender{Handler: h, Synced: c.MarkSynced, Tell: func(event watch.Event) {
				switch o := event.Object.(type) {
				case *v1.Node:
					c.SetNode(o)
				case *v1.Pod:
					if event.Type == watch.Deleted {
						c.DeletePod(o)
					} else {
						c.SetPod(o)
					}
				}
			}, Pass: func(time.Duration) { e.Tidy(t.Context()) }}, err
		},
		Nodes: []*v1.Node{node("n1"), node("n2"), node("n3")}, Room: 15, MostBody: 16 << 20,
		Pod: &v1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"example.com/disk": "200Gi"}}},
	})
	bound := 0
	for _, api := range clusters {
		used := map[string]int64{}
		for _, p := range api.Pods() {
			if p.Spec.NodeName == "" {
				continue
			}
			var grant berth.Grant
			require.NoError(t, grant.UnmarshalText([]byte(p.Annotations[adapter.GrantAnnotation])), p.Name)
			require.Len(t, grant.Devices, 1)
			used[fmt.Sprint(p.Spec.NodeName, "/", grant.Devices[0].ID)] += grant.Devices[0].Amounts["bytes"] >> 30
			bound++
		}
		for disk, n := range used {
			assert.LessOrEqual(t, n, map[byte]int64{'0': 400, '1': 600}[disk[len(disk)-1]], disk)
		}
	}
	assert.Greater(t, bound, 15)
}

// What cannot be read is told, and goes nowhere.
func TestFaults(t *testing.T) {
	n := node("n1")
	n.Annotations["example.com/disks"] = "nvme0=many"
	_, left := disks.Node(n)
	require.Len(t, left, 1)
	assert.ErrorContains(t, fmt.Errorf("%v", left[0]), `disk "nvme0=many"`)
	task, left := disks.Pod(&v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "a", UID: "u", Annotations: map[string]string{"example.com/disk": "much"}}})
	require.Len(t, left, 1)
	assert.Contains(t, left[0].String(), "no node is chosen")
	assert.NotEmpty(t, task.Group.Spec().Rules)
}

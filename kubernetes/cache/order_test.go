package cache_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/kubernetes/cache"
)

func gpus(n string) func(*v1.Pod) {
	return func(p *v1.Pod) { p.Spec.Containers[0].Resources.Requests["nvidia.com/gpu"] = resource.MustParse(n) }
}

func withGPUs(t *testing.T) *cache.Cache {
	c, err := cache.New(cache.Config{Adapter: adapter.Config{Devices: []adapter.Devices{{Class: "gpu", Whole: "nvidia.com/gpu"}}}})
	require.NoError(t, err)
	return c
}

// Pods that waited for their node take its devices in the order of their UIDs, whatever the order in which they were told.
func TestPodsSettleInOrder(t *testing.T) {
	c := withGPUs(t)
	for i := range 8 {
		c.SetPod(pod(fmt.Sprint("p", 7-i), "100m", gpus("1"), on("n1")))
	}
	c.SetNode(node("n1", func(n *v1.Node) { n.Status.Allocatable["nvidia.com/gpu"] = resource.MustParse("8") }))
	for i := range 8 {
		p, known := c.Pod(types.UID(fmt.Sprint("uid-p", i)))
		require.True(t, known)
		require.NotNil(t, p.Grant)
		assert.Equal(t, fmt.Sprintf("gpu/%d:1000", i), p.Grant.String())
	}
}

// A pod that was not placed here keeps its devices when its labels change, also where nothing else is free.
func TestDevicesStayWithARelabelledPod(t *testing.T) {
	c := withGPUs(t)
	c.SetNode(node("n1", func(n *v1.Node) { n.Status.Allocatable["nvidia.com/gpu"] = resource.MustParse("3") }))
	c.SetPod(pod("a", "100m", gpus("1"), on("n1")))
	c.SetPod(pod("b", "100m", gpus("2"), on("n1")))
	for _, name := range []string{"a", "b"} {
		before, _ := c.Pod(types.UID("uid-" + name))
		n := map[string]string{"a": "1", "b": "2"}[name]
		c.SetPod(pod(name, "100m", gpus(n), on("n1"), func(p *v1.Pod) { p.Labels = map[string]string{"app": "x"} }))
		after, _ := c.Pod(types.UID("uid-" + name))
		require.NotNil(t, after.Grant)
		assert.Equal(t, before.Grant.String(), after.Grant.String())
	}
	c.SetPod(pod("b", "100m", on("n1"), gpus("1")))
	view, _ := c.State().Node("n1")
	assert.ElementsMatch(t, []int64{0, 0, 1000}, view.FreeDevices(), "one that was resized needs none of those that it had")
	c.SetPod(pod("b", "100m", on("n1"), gpus("2")))
	assert.Empty(t, c.Problems())
	view, _ = c.State().Node("n1")
	assert.Equal(t, []int64{0, 0, 0}, view.FreeDevices())
}

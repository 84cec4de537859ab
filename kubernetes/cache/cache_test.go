package cache_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/internal/objects"
)

var node, pod = objects.Node, objects.Pod

func on(node string) func(*v1.Pod) { return func(p *v1.Pod) { p.Spec.NodeName = node } }
func deleting(p *v1.Pod)           { p.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)} }
func ended(p *v1.Pod)              { p.Status.Phase = v1.PodSucceeded }
func choose(node string) func(cache.Pod) (berth.Op, error) {
	return func(p cache.Pod) (berth.Op, error) {
		return berth.Op{Kind: berth.Place, Task: p.Task, Node: node}, nil
	}
}

type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

func newCache(t *testing.T, nodes ...*v1.Node) (*cache.Cache, *clock) {
	t.Helper()
	at := &clock{time.Unix(1000, 0)}
	c, err := cache.New(cache.Config{Clock: at.Now})
	require.NoError(t, err)
	for _, n := range nodes {
		c.SetNode(n)
	}
	c.MarkSynced()
	return c, at
}

// free returns what is free of cpu on a node, in thousandths.
func free(t *testing.T, c *cache.Cache, node string) int64 {
	t.Helper()
	view, ok := c.State().Node(node)
	require.True(t, ok)
	return view.Free()["cpu"]
}

func TestPodStates(t *testing.T) {
	for name, test := range map[string]struct {
		last  *v1.Pod
		phase cache.Phase
		known bool
		free  int64
	}{
		"pending":            {pod("a", "1"), cache.Pending, true, 4000},
		"bound":              {pod("a", "1", on("n1")), cache.Bound, true, 3000},
		"more than there is": {pod("a", "5", on("n1")), cache.Bound, true, -1000},
		"stopping":           {pod("a", "1", on("n1"), deleting), cache.Stopping, true, 3000},
		"deleted, unbound":   {pod("a", "1", deleting), cache.Pending, true, 4000},
		"ended":              {pod("a", "1", on("n1"), ended), cache.Pending, false, 4000},
		"of an unknown node": {pod("a", "1", on("n2")), cache.Homeless, true, 4000},
	} {
		t.Run(name, func(t *testing.T) {
			for _, before := range [][]*v1.Pod{nil, {pod("a", "1")}, {pod("a", "1"), pod("a", "1", on("n1"))}} {
				c, _ := newCache(t, node("n1"))
				for _, p := range before {
					c.SetPod(p)
				}
				if len(before) == 2 && test.last.Spec.NodeName != "n1" {
					continue // a bound pod stays bound
				}
				c.SetPod(test.last)
				got, known := c.Pod("uid-a")
				assert.Equal(t, test.known, known)
				assert.Equal(t, test.phase, got.Phase)
				assert.Equal(t, test.free, free(t, c, "n1"))
				c.DeletePod(test.last)
				_, known = c.Pod("uid-a")
				assert.False(t, known)
				assert.Equal(t, int64(4000), free(t, c, "n1"))
			}
		})
	}
}

func TestHomelessPodsWaitForTheirNode(t *testing.T) {
	c, _ := newCache(t)
	c.SetPod(pod("a", "1", on("n1")))
	c.SetPod(pod("b", "2", on("n1"), deleting))
	c.SetNode(node("n1"))
	assert.Equal(t, int64(1000), free(t, c, "n1"))
	c.DeleteNode("n1")
	p, _ := c.Pod("uid-a")
	assert.Equal(t, cache.Homeless, p.Phase)
	c.DeletePod(pod("b", "2"))
	c.SetNode(node("n1"))
	assert.Equal(t, int64(3000), free(t, c, "n1"))
}

func TestBoundElsewhereOrResizedMovesInOneStep(t *testing.T) {
	c, at := newCache(t, node("n1"), node("n2"))
	p := pod("a", "1")
	c.SetPod(p)
	held, err := c.Hold(p, at.now.Add(time.Minute), choose("n1"))
	require.NoError(t, err)
	assert.Equal(t, cache.Held, held.Phase)
	assert.Equal(t, int64(3000), free(t, c, "n1"))
	commands := c.State().Commands()
	c.SetPod(pod("a", "1", on("n2")))
	assert.Equal(t, commands+1, c.State().Commands())
	assert.Equal(t, int64(4000), free(t, c, "n1"))
	assert.Equal(t, int64(3000), free(t, c, "n2"))
	c.SetPod(pod("a", "2", on("n2")))
	assert.Equal(t, commands+2, c.State().Commands())
	assert.Equal(t, int64(2000), free(t, c, "n2"))
	assert.Zero(t, c.Leases())
}

func TestLeases(t *testing.T) {
	c, at := newCache(t, node("n1"), node("n2"))
	p := pod("a", "3")
	c.SetPod(p)
	until := at.now.Add(time.Minute)
	for range 3 { // asking again renews the one lease
		_, err := c.Hold(p, until, choose("n1"))
		require.NoError(t, err)
		assert.Equal(t, 1, c.Leases())
		assert.Equal(t, int64(1000), free(t, c, "n1"))
		until = until.Add(time.Minute)
	}
	_, err := c.Hold(p, until, choose("n2")) // and another node moves it
	require.NoError(t, err)
	assert.Equal(t, int64(4000), free(t, c, "n1"))
	assert.Equal(t, int64(1000), free(t, c, "n2"))

	_, err = c.Hold(pod("b", "2"), until, choose("n2")) // the State refuses what does not fit
	assert.Equal(t, berth.Reason{Code: berth.Insufficient, Subject: "cpu"}, err)
	_, known := c.Pod("uid-b")
	assert.False(t, known)

	at.now = until
	assert.Equal(t, 1, c.Expire())
	assert.Equal(t, int64(4000), free(t, c, "n2"))
	got, _ := c.Pod("uid-a")
	assert.Equal(t, cache.Pending, got.Phase)
}

func TestBindings(t *testing.T) {
	for name, test := range map[string]struct {
		then  func(*cache.Cache)
		phase cache.Phase
		known bool
		free  int64
	}{
		"done":                       {func(c *cache.Cache) { c.Settle("uid-a", cache.Done) }, cache.Bound, true, 3000},
		"refused":                    {func(c *cache.Cache) { c.Settle("uid-a", cache.Refused) }, cache.Pending, true, 4000},
		"unknown":                    {func(c *cache.Cache) { c.Settle("uid-a", cache.Unknown) }, cache.Posted, true, 3000},
		"unknown, seen bound":        {func(c *cache.Cache) { c.Settle("uid-a", cache.Unknown); c.SetPod(pod("a", "1", on("n1"))) }, cache.Bound, true, 3000},
		"seen bound, then done":      {func(c *cache.Cache) { c.SetPod(pod("a", "1", on("n1"))); c.Settle("uid-a", cache.Done) }, cache.Bound, true, 3000},
		"seen bound, then refused":   {func(c *cache.Cache) { c.SetPod(pod("a", "1", on("n1"))); c.Settle("uid-a", cache.Refused) }, cache.Bound, true, 3000},
		"deleted, then done":         {func(c *cache.Cache) { c.DeletePod(pod("a", "1")); c.Settle("uid-a", cache.Done) }, cache.Pending, false, 4000},
		"done, then older news":      {func(c *cache.Cache) { c.Settle("uid-a", cache.Done); c.SetPod(pod("a", "1")) }, cache.Bound, true, 3000},
		"deleted, then older news":   {func(c *cache.Cache) { c.DeletePod(pod("a", "1")); c.SetPod(pod("a", "1", on("n1"))) }, cache.Pending, false, 4000},
		"unknown, being deleted":     {func(c *cache.Cache) { c.Settle("uid-a", cache.Unknown); c.SetPod(pod("a", "1", deleting)) }, cache.Posted, true, 3000},
		"the node goes, then done":   {func(c *cache.Cache) { c.DeleteNode("n1"); c.SetNode(node("n1")); c.Settle("uid-a", cache.Done) }, cache.Pending, true, 4000},
		"time passes while it is on": {func(c *cache.Cache) { c.Expire() }, cache.Posted, true, 3000},
	} {
		t.Run(name, func(t *testing.T) {
			c, at := newCache(t, node("n1"))
			p := pod("a", "1")
			c.SetPod(p)
			_, err := c.Hold(p, at.now.Add(time.Minute), choose("n1"))
			require.NoError(t, err)
			_, err = c.Post("uid-a", "n1")
			require.NoError(t, err)
			at.now = at.now.Add(time.Hour)
			test.then(c)
			got, known := c.Pod("uid-a")
			assert.Equal(t, test.known, known)
			assert.Equal(t, test.phase, got.Phase)
			assert.Equal(t, test.free, free(t, c, "n1"))
		})
	}
}

func TestGrantsAreReadBack(t *testing.T) {
	c, err := cache.New(cache.Config{Adapter: adapter.Config{Devices: []adapter.Devices{{Class: "gpu", Whole: "nvidia.com/gpu", Share: "example.com/gpu-milli"}}}})
	require.NoError(t, err)
	c.SetNode(node("n1", func(n *v1.Node) { n.Status.Allocatable["nvidia.com/gpu"] = resource.MustParse("2") }))
	share := func(p *v1.Pod) {
		p.Spec.Containers[0].Resources.Requests["example.com/gpu-milli"] = resource.MustParse("300")
		p.Annotations = map[string]string{adapter.GrantAnnotation: "gpu/1:300"}
	}
	c.SetPod(pod("a", "1", on("n1"), share))
	view, _ := c.State().Node("n1")
	assert.Equal(t, []int64{1000, 700}, view.FreeDevices())
	got, _ := c.Pod("uid-a")
	assert.Equal(t, "gpu/1:300", got.Grant.String())

	c.SetPod(pod("b", "1", on("n1"), share, func(p *v1.Pod) { p.Annotations[adapter.GrantAnnotation] = "nonsense" }))
	view, _ = c.State().Node("n1")
	assert.Equal(t, int64(1400), view.Free()["gpu"], "what cannot be read counts as of no device in particular")
}

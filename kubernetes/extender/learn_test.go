package extender_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extender"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

var gpus = adapter.Config{Devices: []adapter.Devices{{Class: "gpu", Whole: "example.com/gpu", Share: "example.com/gpu-milli"}}}

// mixed are pods of a mix of shares of GPUs.
func mixed(i int) *v1.Pod {
	requests := []v1.ResourceList{list("cpu", "1", "example.com/gpu-milli", "300"), list("cpu", "2", "example.com/gpu-milli", "700"), list("cpu", "1", "example.com/gpu-milli", "450"),
		list("cpu", "4", "example.com/gpu", "1")}[i*7%11%4]
	return pod(fmt.Sprintf("p-%03d", i), "1", byDefault, func(p *v1.Pod) { p.Spec.Containers[0].Resources.Requests = requests })
}

// A strategy that learns is told of each pod once, and places as that of a Scheduler which is told of the same.
func TestStrategiesLearn(t *testing.T) {
	var nodes []*v1.Node
	var names []string
	for i := range 12 {
		n := node(fmt.Sprintf("n%02d", i), func(n *v1.Node) {
			n.Status.Allocatable = list("cpu", "64", "memory", "64Gi", "pods", "110", "example.com/gpu", "4", "example.com/gpu-milli", "4000")
		})
		nodes, names = append(nodes, n), append(names, n.Name)
	}
	for _, strategy := range []placement.Strategy{placement.PricedGaps(placement.Mix{}), placement.RoomLoss(placement.Mix{}), placement.FGD(placement.Mix{})} {
		w := newWorld(t, extender.Config{Mode: extender.Decide, Strategy: strategy}, cache.Config{Adapter: gpus}, nodes...)
		var described []berth.Node
		for _, n := range nodes {
			d, _ := gpus.Node(n)
			described = append(described, d)
		}
		state, err := scheduler.NewState(scheduler.StateConfig{}, described...)
		require.NoError(t, err)
		s, err := scheduler.New(state, scheduler.Config{Strategy: strategy})
		require.NoError(t, err)
		for i := range 60 {
			p := mixed(i)
			w.server.create(p)
			task, _ := gpus.Pod(p)
			planned, err := s.Schedule(context.Background(), task)
			require.NoError(t, err)
			require.Len(t, planned.Placed, 1)
			got := w.filter(p, names...)
			require.Equal(t, []string{planned.Placed[0].Node}, *got.NodeNames, "%v, pod %d", strategy, i)
			require.Equal(t, got, w.filter(p, names...), "asked again it has come already")
			require.Empty(t, w.bind(p, (*got.NodeNames)[0]))
			w.server.told(p.Name)
		}
		assert.Equal(t, s.Learned(), w.Learned())
	}
	w := newWorld(t, extender.Config{}, cache.Config{})
	assert.Nil(t, w.Learned())
}

// A process that starts anew learns from the pods that run.
func TestWhatRunsIsLearned(t *testing.T) {
	n := node("n1", func(n *v1.Node) {
		n.Status.Allocatable = list("cpu", "64", "memory", "64Gi", "pods", "110", "example.com/gpu", "16", "example.com/gpu-milli", "16000")
	})
	for _, mode := range []extender.Mode{extender.Advise, extender.Decide} {
		w := newWorld(t, extender.Config{Mode: mode, Strategy: placement.FGD(placement.Mix{})}, cache.Config{Adapter: gpus}, n)
		var tasks []berth.Task
		for i := range 20 {
			p := mixed(i)
			if i < 16 {
				p.Spec.NodeName = "n1"
			}
			w.server.create(p)
			if i < 17 {
				task, _ := gpus.Pod(p)
				tasks = append(tasks, task)
			}
		}
		assert.Empty(t, w.Learned().Mix())
		w.filter(mixed(16), "n1")
		want := placement.NewLearned(placement.FGD(placement.Mix{}))
		want.Arrived(tasks...)
		assert.Equal(t, want.Mix().String(), w.Learned().Mix().String(), "those that wait and were not asked about have not come yet")
	}
}

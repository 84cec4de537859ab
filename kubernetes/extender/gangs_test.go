package extender_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	v1 "k8s.io/api/core/v1"

	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extender"
)

func member(gang string) func(*v1.Pod) {
	return func(p *v1.Pod) { p.Spec.SchedulingGroup = &v1.PodSchedulingGroup{PodGroupName: &gang} }
}

// What is held for the members of a gang that kube-scheduler has given up is given back to the next pod, and what is held for one that it has not
// is not. The node has 4 cores.
func TestGangsThatAreTriedOut(t *testing.T) {
	start := func(t *testing.T) *world {
		return newWorld(t, extender.Config{Mode: extender.Decide}, cache.Config{}, node("n1"))
	}
	nobody, n1 := []string{}, []string{"n1"}
	t.Run("a member finds no node", func(t *testing.T) {
		w := start(t)
		a, b, c, other := pod("a", "2", member("g")), pod("b", "2", member("g")), pod("c", "2", member("g")), pod("other", "4")
		w.server.create(a, b, c, other)
		assert.Equal(t, n1, *w.filter(a, "n1").NodeNames)
		assert.Equal(t, n1, *w.filter(b, "n1").NodeNames, "members see what is held for others")
		assert.Equal(t, nobody, *w.filter(c, "n1").NodeNames)
		assert.Equal(t, n1, *w.filter(other, "n1").NodeNames)
		assert.Equal(t, 1, w.cache.Leases())
	})
	t.Run("another plugin refuses a member, again and again", func(t *testing.T) {
		w := start(t)
		a, b, other := pod("a", "2", member("g")), pod("b", "2", member("g")), pod("other", "4")
		w.server.create(a, b, other)
		w.filter(a, "n1")
		w.filter(b, "n1")
		assert.Equal(t, nobody, *w.filter(other, "n1").NodeNames, "nothing shows yet that the gang was given up")
		w.filter(a, "n1")
		w.filter(b, "n1")
		assert.Equal(t, n1, *w.filter(other, "n1").NodeNames)
	})
	t.Run("a member is unschedulable", func(t *testing.T) {
		w := start(t)
		a, other := pod("a", "2", member("g")), pod("other", "4")
		w.server.create(a, other)
		w.filter(a, "n1")
		failed := a.DeepCopy()
		failed.Status.Conditions = []v1.PodCondition{{Type: v1.PodScheduled, Status: v1.ConditionFalse, Reason: v1.PodReasonUnschedulable}}
		w.cache.SetPod(failed)
		assert.Zero(t, w.cache.Leases())
		assert.Equal(t, n1, *w.filter(other, "n1").NodeNames)
	})
	t.Run("it is placed", func(t *testing.T) {
		w := start(t)
		a, b, other := pod("a", "2", member("g")), pod("b", "2", member("g")), pod("other", "4")
		w.server.create(a, b, other)
		w.filter(a, "n1")
		w.filter(a, "n1") // once as nominated, once among all
		w.filter(b, "n1")
		assert.Equal(t, nobody, *w.filter(other, "n1").NodeNames)
		assert.Empty(t, w.bind(a, "n1"))
		assert.Equal(t, nobody, *w.filter(other, "n1").NodeNames)
		assert.Empty(t, w.bind(b, "n1"))
	})
}

// Room that evicted pods leave is kept for whom they were evicted, from all that are less important.
func TestRoomOfThePreemptor(t *testing.T) {
	for _, mode := range []extender.Mode{extender.Advise, extender.Decide} {
		w := newWorld(t, extender.Config{Mode: mode}, cache.Config{}, node("n1"))
		victim := pod("victim", "4", on("n1"))
		high := pod("high", "3", priority(10), func(p *v1.Pod) { p.Status.NominatedNodeName = "n1" })
		low, small, top := pod("low", "2"), pod("small", "1"), pod("top", "2", priority(20))
		w.server.create(victim, high, low, small, top)
		assert.Empty(t, *w.filter(high, "n1").NodeNames, "the victim is there still")
		w.cache.DeletePod(victim)
		assert.Empty(t, *w.filter(low, "n1").NodeNames, mode)
		assert.Empty(t, w.preempt(low, map[string][]string{"n1": {"uid-x"}}))
		assert.Equal(t, []string{"n1"}, *w.filter(small, "n1").NodeNames, "1 of 4 is left")
		assert.Equal(t, []string{"n1"}, *w.filter(top, "n1").NodeNames, "it is more important")
		w.cache.Drop(top.UID)
		assert.Equal(t, []string{"n1"}, *w.filter(high, "n1").NodeNames)
		assert.Empty(t, w.bind(high, "n1"))
		w.server.told("high")
		assert.Empty(t, w.cache.Nominated())
	}
}

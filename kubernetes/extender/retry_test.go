package extender_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	v1 "k8s.io/api/core/v1"

	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extender"
)

// kube-scheduler asks about nodes that its own plugins let the pod on. Where berth sees no room there for want of news, the pod is to be tried again;
// where it knows better it is refused.
func TestTriedAgainWhereNewsAreLate(t *testing.T) {
	const again = "berth: there is no room yet on nodes where kube-scheduler sees some: it is to try again"
	for _, mode := range []extender.Mode{extender.Advise, extender.Decide} {
		t.Run(mode.String(), func(t *testing.T) {
			w := newWorld(t, extender.Config{Mode: mode, RetryFor: 30 * time.Second, MostSilence: time.Hour}, cache.Config{}, node("n1"), node("n2", func(n *v1.Node) {
				n.Spec.Taints = []v1.Taint{{Key: "k", Effect: v1.TaintEffectNoSchedule}}
			}))
			old := pod("old", "4", on("n1"))
			w.server.create(old)
			p := pod("new", "1", byDefault)
			w.server.create(p)
			assert.Equal(t, again, w.filter(p, "n1", "n2").Error, "n1 has room, or kube-scheduler would not ask")
			got := w.filter(p, "n2")
			assert.Empty(t, got.Error, "of taints there are no news to wait for")
			assert.Contains(t, got.FailedAndUnresolvableNodes, "n2")
			assert.Equal(t, again, w.filter(p, "n7").Error, "a node that berth has not heard of")
			w.cache.DeletePod(old) // now it has heard
			assert.Equal(t, []string{"n1"}, *w.filter(p, "n1", "n2").NodeNames)
			w.cache.Drop(p.UID)
			w.server.create(pod("other", "4", on("n1")))
			w.clock.pass(time.Minute)
			assert.Equal(t, again, w.filter(p, "n1").Error, "time begins anew")
			w.clock.pass(31 * time.Second)
			got = w.filter(p, "n1")
			assert.Empty(t, got.Error, "it is no matter of news")
			assert.Contains(t, got.FailedAndUnresolvableNodes, "n1")
		})
	}
}

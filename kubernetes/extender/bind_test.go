package extender_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extender"
)

func TestEachOutcomeOfABinding(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for name, test := range map[string]struct {
		bind  func(w *world) error // what the API server answers
		fails string               // what bind says
		phase cache.Phase          // at once
		later cache.Phase          // after the pod was looked up, long after
	}{
		"created": {nil, "", cache.Bound, cache.Bound},
		"bound there by others": {func(w *world) error {
			w.server.pods["a"] = pod("a", "1", on("n1"))
			return nil
		}, "", cache.Bound, cache.Bound},
		"bound elsewhere by others": {func(w *world) error {
			w.server.pods["a"] = pod("a", "1", on("n2"))
			return nil
		}, "already assigned", cache.Bound, cache.Bound},
		"forbidden":       {func(*world) error { return apierrors.NewForbidden(pods, "a", fmt.Errorf("no")) }, "forbidden", cache.Pending, cache.Pending},
		"too many":        {func(*world) error { return apierrors.NewTooManyRequests("later", 1) }, "later", cache.Pending, cache.Pending},
		"an odd conflict": {func(*world) error { return apierrors.NewConflict(pods, "a", fmt.Errorf("try again")) }, "try again", cache.Pending, cache.Pending},
		"time-out, lost":  {func(*world) error { return context.DeadlineExceeded }, "deadline", cache.Posted, cache.Pending},
		"time-out, done": {func(w *world) error {
			w.server.pods["a"] = pod("a", "1", on("n1"))
			return context.DeadlineExceeded
		}, "deadline", cache.Posted, cache.Bound},
		"time-out, elsewhere": {func(w *world) error {
			w.server.pods["a"] = pod("a", "1", on("n2"))
			return context.DeadlineExceeded
		}, "deadline", cache.Posted, cache.Bound},
		"fault": {func(*world) error { return apierrors.NewInternalError(fmt.Errorf("etcd")) }, "etcd", cache.Posted, cache.Pending},
	} {
		for _, mode := range []extender.Mode{extender.Advise, extender.Decide} {
			t.Run(fmt.Sprint(name, " ", mode), func(t *testing.T) {
				w := newWorld(t, extender.Config{Mode: mode}, cache.Config{}, node("n1"), node("n2"))
				a := pod("a", "1")
				w.server.create(a)
				require.Equal(t, []string{"n1"}, *w.filter(a, "n1").NodeNames)
				w.server.bind = func(*v1.Binding) error {
					if test.bind == nil {
						return nil
					}
					return test.bind(w)
				}
				fault := w.bind(a, "n1")
				if test.fails == "" {
					assert.Empty(t, fault)
				} else {
					assert.Contains(t, fault, test.fails)
				}
				got, _ := w.cache.Pod(a.UID)
				assert.Equal(t, test.phase, got.Phase)
				w.clock.pass(10 * time.Second)
				w.Tidy(t.Context())
				w.clock.pass(81 * time.Second)
				w.Tidy(t.Context())
				got, _ = w.cache.Pod(a.UID)
				assert.Equal(t, test.later, got.Phase)
				assert.Equal(t, test.later != cache.Pending, got.Node != "")
				if got.Phase == cache.Bound {
					assert.Equal(t, w.server.pods["a"].Spec.NodeName, got.Node)
				}
				assert.Empty(t, w.cache.Doubtful(0))
				assert.Zero(t, w.cache.Leases())
			})
		}
	}
}

// After a time-out kube-scheduler runs the whole cycle again; the pod may be bound by then, or not.
func TestABindingIsSentAgain(t *testing.T) {
	for _, arrived := range []bool{false, true} {
		w := newWorld(t, extender.Config{Mode: extender.Decide}, cache.Config{}, node("n1"), node("n2"))
		a := pod("a", "1")
		w.server.create(a)
		chosen := (*w.filter(a, "n1", "n2").NodeNames)[0]
		w.server.bind = func(*v1.Binding) error {
			if arrived {
				w.server.pods["a"] = pod("a", "1", on(chosen))
			}
			return context.DeadlineExceeded
		}
		assert.NotEmpty(t, w.bind(a, chosen))
		w.server.bind = nil
		assert.Equal(t, []string{chosen}, *w.filter(a, "n1", "n2").NodeNames)
		other := map[string]string{"n1": "n2", "n2": "n1"}[chosen]
		assert.NotEmpty(t, w.bind(a, other), "it may be on its way elsewhere")
		assert.Empty(t, w.bind(a, chosen))
		got, _ := w.cache.Pod(a.UID)
		assert.Equal(t, cache.Bound, got.Phase)
	}
}

// While a Binding is under way it may arrive, so what is held for it stays, however long ago the pod was seen or an earlier one was sent.
func TestABindingUnderWayKeepsItsRoom(t *testing.T) {
	for name, begin := range map[string]func(w *world, a *v1.Pod){
		"sent again": func(w *world, a *v1.Pod) {
			w.server.create(a)
			w.server.bind = func(*v1.Binding) error { return context.DeadlineExceeded }
			assert.NotEmpty(t, w.bind(a, "n1"))
			w.clock.pass(91 * time.Second)
			w.cache.Heard()
		},
		"of a pod that the watch has not told of": func(w *world, a *v1.Pod) { w.server.pods["a"] = a },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, extender.Config{}, cache.Config{}, node("n1"))
			a := pod("a", "1")
			begin(w, a)
			w.server.bind = func(*v1.Binding) error {
				w.server.mu.Unlock()
				defer w.server.mu.Lock()
				w.clock.pass(10 * time.Second)
				w.Tidy(t.Context())
				assert.Equal(t, 1, w.cache.Leases())
				return context.DeadlineExceeded
			}
			assert.NotEmpty(t, w.bind(a, "n1"))
			w.clock.pass(89 * time.Second)
			w.Tidy(t.Context())
			assert.Equal(t, 1, w.cache.Leases(), "it may still arrive")
			w.clock.pass(time.Second)
			w.Tidy(t.Context())
			assert.Zero(t, w.cache.Leases())
		})
	}
}

func TestTheSameBindingAtOnceIsSentOnce(t *testing.T) {
	w := newWorld(t, extender.Config{}, cache.Config{}, node("n1"), node("n2"))
	a := pod("a", "1")
	w.server.create(a)
	within, leave := make(chan struct{}), make(chan struct{})
	w.server.bind = func(*v1.Binding) error { close(within); <-leave; return nil }
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() { assert.Empty(t, w.bind(a, "n1")) })
	}
	<-within
	assert.Contains(t, w.bind(a, "n2"), "being bound to n1")
	close(leave)
	all.Wait()
	assert.Len(t, w.server.sent, 1)
}

// Another scheduler fills the node between filter and bind, or somebody taints it: bind finds out.
func TestBindChecksAgain(t *testing.T) {
	for name, change := range map[string]func(w *world){
		"filled":  func(w *world) { w.server.create(pod("x", "4", on("n1"))) },
		"tainted": func(w *world) { w.cache.SetNode(node("n1", func(n *v1.Node) { n.Spec.Unschedulable = true })) },
		"gone":    func(w *world) { w.cache.DeleteNode("n1") },
		"shrunk": func(w *world) {
			w.cache.SetNode(node("n1", func(n *v1.Node) { n.Status.Allocatable["cpu"] = resource.MustParse("500m") }))
		},
	} {
		for _, mode := range []extender.Mode{extender.Advise, extender.Decide} {
			w := newWorld(t, extender.Config{Mode: mode}, cache.Config{}, node("n1"))
			a := pod("a", "1")
			w.server.create(a)
			require.Equal(t, []string{"n1"}, *w.filter(a, "n1").NodeNames)
			change(w)
			assert.NotEmpty(t, w.bind(a, "n1"), name)
			assert.Empty(t, w.server.sent, name)
			assert.Zero(t, w.cache.Leases(), name)
		}
	}
}

// GPU shares are packed onto devices, and a new process knows from the pods which device each has.
func TestSharesOfDevices(t *testing.T) {
	read := cache.Config{Adapter: adapter.Config{Devices: []adapter.Devices{{Class: "gpu", Whole: "nvidia.com/gpu", Share: "example.com/gpu-milli"}}}}
	gpus := node("n1", func(n *v1.Node) { n.Status.Allocatable["nvidia.com/gpu"] = resource.MustParse("2") })
	w := newWorld(t, extender.Config{Mode: extender.Decide}, read, gpus)
	share := func(milli string) func(*v1.Pod) {
		return func(p *v1.Pod) {
			p.Spec.Containers[0].Resources.Requests["example.com/gpu-milli"] = resource.MustParse(milli)
		}
	}
	devices := map[string]string{}
	for _, p := range []*v1.Pod{pod("a", "100m", share("600")), pod("b", "100m", share("600")), pod("c", "100m", share("400")), pod("d", "100m", share("400"))} {
		w.server.create(p)
		require.Equal(t, []string{"n1"}, *w.filter(p, "n1").NodeNames, p.Name)
		require.Empty(t, w.bind(p, "n1"))
		devices[p.Name] = w.server.pods[p.Name].Annotations[adapter.GrantAnnotation]
	}
	assert.ElementsMatch(t, []string{"gpu/0:600", "gpu/1:600"}, []string{devices["a"], devices["b"]})
	assert.ElementsMatch(t, []string{"gpu/0:400", "gpu/1:400"}, []string{devices["c"], devices["d"]})
	e := pod("e", "100m", share("100"))
	w.server.create(e)
	assert.Equal(t, "no free device for 0.1 gpu", first(w.filter(e, "n1").FailedAndUnresolvableNodes))

	restarted := newWorld(t, extender.Config{Mode: extender.Decide}, read, gpus)
	for _, p := range w.server.pods {
		restarted.server.create(p)
	}
	view, _ := restarted.cache.State().Node("n1")
	assert.Equal(t, []int64{0, 0}, view.FreeDevices())
}

func first(texts map[string]string) string {
	for _, text := range texts {
		return text
	}
	return ""
}

// Two schedulers at once, news that lags, Bindings that are not answered, pods that are deleted in the middle, and a process that is
// killed and begins anew: nothing is booked twice, nothing is lost, and no lease is left.
func TestNothingIsBookedTwiceOrLost(t *testing.T) {
	for seed := range uint64(6) {
		for _, mode := range []extender.Mode{extender.Advise, extender.Decide} {
			t.Run(fmt.Sprint(seed, " ", mode), func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, uint64(mode)))
				names := []string{"n1", "n2", "n3", "n4"}
				build := func() *world {
					w := newWorld(t, extender.Config{Mode: mode}, cache.Config{})
					for _, name := range names {
						w.cache.SetNode(node(name))
					}
					return w
				}
				w := build()
				var mu sync.Mutex // of random
				chance := func(n int) bool {
					mu.Lock()
					defer mu.Unlock()
					return random.IntN(n) == 0
				}
				flaky := func(w *world) {
					w.server.bind = func(b *v1.Binding) error {
						switch {
						case chance(10):
							return context.DeadlineExceeded // it has not arrived
						case chance(10):
							if p := w.server.pods[b.Name]; p != nil && p.Spec.NodeName == "" {
								p = p.DeepCopy()
								p.Spec.NodeName = b.Target.Name
								w.server.pods[b.Name] = p
							}
							return context.DeadlineExceeded // it has, but nobody knows
						case chance(20):
							return apierrors.NewInternalError(fmt.Errorf("etcd"))
						}
						return nil
					}
				}
				flaky(w)
				next := 0
				for round := range 30 {
					for range 3 { // arrivals
						next++
						w.server.create(pod(fmt.Sprint("p", next), []string{"500m", "1", "2"}[next%3]))
					}
					var todo []*v1.Pod
					w.server.mu.Lock()
					for i := 1; i <= next; i++ {
						if p := w.server.pods[fmt.Sprint("p", i)]; p != nil && p.Spec.NodeName == "" {
							todo = append(todo, p)
						}
					}
					w.server.mu.Unlock()
					var schedulers sync.WaitGroup
					for range 2 {
						schedulers.Go(func() {
							for _, p := range todo {
								got := w.filter(p, names...)
								if got.NodeNames == nil || len(*got.NodeNames) == 0 || chance(8) {
									continue // another plugin refuses the pod after filter
								}
								w.bind(p, (*got.NodeNames)[0])
							}
						})
					}
					schedulers.Wait()
					w.server.mu.Lock()
					for i := 1; i <= next; i++ {
						p := w.server.pods[fmt.Sprint("p", i)]
						switch {
						case p == nil:
						case chance(12):
							delete(w.server.pods, p.Name)
							w.cache.DeletePod(p)
						case chance(2): // the watch lags behind the rest
							w.cache.SetPod(p)
						}
					}
					used := map[string]int64{}
					for _, p := range w.server.pods {
						if p.Spec.NodeName != "" {
							used[p.Spec.NodeName] += p.Spec.Containers[0].Resources.Requests.Cpu().MilliValue()
						}
					}
					w.server.mu.Unlock()
					for name, cpu := range used {
						require.LessOrEqual(t, cpu, int64(4000), "%s in round %d", name, round)
					}
					w.clock.pass(7 * time.Second)
					w.cache.Heard()
					w.Tidy(t.Context())
					if chance(10) { // killed: all that a new process has is what the API server tells
						pods := w.server.pods
						w = build()
						flaky(w)
						for _, p := range pods {
							w.server.create(p)
						}
					}
				}
				w.server.mu.Lock()
				for _, p := range w.server.pods {
					w.cache.SetPod(p)
				}
				w.server.mu.Unlock()
				for range 20 {
					w.clock.pass(10 * time.Second)
					w.Tidy(t.Context())
				}
				assert.Zero(t, w.cache.Leases())
				assert.Empty(t, w.cache.Doubtful(0))
				used := map[string]int64{}
				for _, p := range w.server.pods {
					if p.Spec.NodeName != "" {
						used[p.Spec.NodeName] += p.Spec.Containers[0].Resources.Requests.Cpu().MilliValue()
					}
				}
				for _, name := range names {
					view, _ := w.cache.State().Node(name)
					assert.Equal(t, 4000-used[name], view.Free()["cpu"], "%s as the cache has it", name)
				}
				_, known := w.cache.Len()
				assert.Equal(t, len(w.server.pods), known)
			})
		}
	}
}

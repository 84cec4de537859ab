package extender_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extender"
	"github.com/berth-sched/berth/scheduler"
)

func asks(cpu, memory string) func(*v1.Pod) {
	return func(p *v1.Pod) { p.Spec.Containers[0].Resources.Requests = list("cpu", cpu, "memory", memory) }
}

func in(namespace string) func(*v1.Pod) {
	return func(p *v1.Pod) { p.Namespace = namespace }
}

func byDefault(p *v1.Pod) { p.Spec.SchedulerName = v1.DefaultSchedulerName }

// play asks about pods as kube-scheduler does, one after another, and binds those that get a node, until a round binds none.
func (w *world) play(pods []*v1.Pod, nodes ...string) map[string]int {
	w.t.Helper()
	bound := map[string]int{}
	for again := true; again; {
		again = false
		var left []*v1.Pod
		for _, p := range pods {
			got := w.filter(p, nodes...)
			require.Empty(w.t, got.Error)
			if len(*got.NodeNames) == 0 {
				left = append(left, p)
				continue
			}
			require.Empty(w.t, w.bind(p, (*got.NodeNames)[0]))
			w.server.told(p.Name)
			bound[p.Namespace]++
			again = true
		}
		pods = left
	}
	return bound
}

// The example of the DRF paper (Ghodsi et al., NSDI 2011, figure 3): of 9 CPUs and 18 GB, A asks for <1, 4> a task and B for <3, 1>.
// A ends with 3 tasks and B with 2, each with two thirds of its dominant resource, in whatever order tasks come.
func TestNamespacesEndAtTheirShares(t *testing.T) {
	for _, mode := range []extender.Mode{extender.Advise, extender.Decide} {
		for name, pick := range map[string]func(i int) bool{
			"taking turns": func(i int) bool { return i%2 == 0 },
			"A first":      func(i int) bool { return i < 10 },
			"B first":      func(i int) bool { return i >= 10 },
		} {
			t.Run(fmt.Sprint(mode, " ", name), func(t *testing.T) {
				n := node("n1", func(n *v1.Node) { n.Status.Allocatable = list("cpu", "9", "memory", "18", "pods", "110") })
				w := newWorld(t, extender.Config{Mode: mode, Tenants: extender.Tenants{Order: allocator.Fair{}}}, cache.Config{}, n)
				var pods []*v1.Pod
				for i := range 20 {
					if pick(i) {
						pods = append(pods, pod(fmt.Sprint("a-", i), "1", in("a"), asks("1", "4"), byDefault))
					} else {
						pods = append(pods, pod(fmt.Sprint("b-", i), "1", in("b"), asks("3", "1"), byDefault))
					}
				}
				w.server.create(pods...)
				assert.Equal(t, map[string]int{"a": 3, "b": 2}, w.play(pods, "n1"))
			})
		}
	}
}

func TestWhoWantsLittleLeavesTheRest(t *testing.T) {
	w := newWorld(t, extender.Config{Mode: extender.Decide, Tenants: extender.Tenants{Order: allocator.Fair{Weights: map[berth.Role]allocator.Weight{"b": 3000}}}}, cache.Config{}, node("n1"), node("n2"))
	var pods []*v1.Pod
	for i := range 20 {
		pods = append(pods, pod(fmt.Sprint("a-", i), "1", in("a"), byDefault))
	}
	pods = append(pods, pod("b-1", "1", in("b"), byDefault))
	w.server.create(pods...)
	assert.Equal(t, map[string]int{"a": 7, "b": 1}, w.play(pods, "n1", "n2"))
}

// Whatever tree of roles there is, and whoever is asked about first: roles end with as many pods as a Scheduler with the same order gives them that
// is handed all of them at once. All nodes are one here, so that room is what sums say. Where a role has children of different shapes it matters to
// its share which of them came first: each role ends near that, by no more than the largest pod and what remains besides it.
func TestEndsWhereASchedulerWithTheOrderWould(t *testing.T) {
	trees := map[string][]berth.Role{
		"flat":        {"a", "b", "c", "d"},
		"departments": {"eng/search", "eng/ads", "ops", "eng"},
		"deep":        {"a/b/c", "a/b/d", "a/e", "f"},
	}
	for name, roles := range trees {
		for seed := range uint64(8) {
			r := rand.New(rand.NewPCG(seed, 17))
			tree := allocator.Tree{Weights: map[berth.Role]allocator.Weight{}, Policy: allocator.InTurn(allocator.ByNeed, allocator.ByShare), Hierarchical: seed%3 == 2}
			var quotas []berth.Quota
			for _, role := range roles {
				tree.Weights[role] = allocator.Weight(500 * (1 + r.IntN(4)))
				switch r.IntN(6) {
				case 0:
					quotas = append(quotas, berth.Quota{Role: role, Limits: berth.Resources{"cpu": int64(1000 * (2 + r.IntN(8)))}})
				case 1:
					quotas = append(quotas, berth.Quota{Role: role, Guarantees: berth.Resources{"cpu": int64(1000 * (1 + r.IntN(6)))}})
				}
			}
			if (extender.Tenants{Order: tree, Quotas: quotas}).Err() != nil { // more is guaranteed below a role than to it
				quotas = nil
			}
			n := node("n1", func(n *v1.Node) { n.Status.Allocatable = list("cpu", "24", "memory", "30", "pods", "110") })
			read := adapter.Config{Role: func(p *v1.Pod) berth.Role { return berth.Role(p.Labels["role"]) }}
			w := newWorld(t, extender.Config{Mode: extender.Mode(seed % 2), Tenants: extender.Tenants{Order: tree, Quotas: quotas}}, cache.Config{Adapter: read}, n)
			var pods []*v1.Pod
			var tasks []berth.Task
			var share []int // of a pod, in 720ths
			for i, role := range roles {
				cpu, memory := 1+r.IntN(3), 1+r.IntN(4)
				share = append(share, max(cpu*30, memory*24))
				for k := range 3 + r.IntN(14) {
					p := pod(fmt.Sprintf("%c-%d", 'a'+i, k), "1", in(fmt.Sprint("n", i)), asks(fmt.Sprint(cpu), fmt.Sprint(memory)), byDefault, func(p *v1.Pod) { p.Labels = map[string]string{"role": string(role)} })
					task, _ := read.Pod(p)
					pods, tasks = append(pods, p), append(tasks, task)
				}
			}
			r.Shuffle(len(pods), func(i, k int) { pods[i], pods[k] = pods[k], pods[i] })
			w.server.create(pods...)
			got := w.play(pods, "n1")

			described, _ := read.Node(n)
			state, err := scheduler.NewState(scheduler.StateConfig{}, described)
			require.NoError(t, err)
			require.NoError(t, state.SetQuotas(quotas...))
			s, err := scheduler.New(state, scheduler.Config{Order: tree})
			require.NoError(t, err)
			planned, err := s.Schedule(t.Context(), tasks...)
			require.NoError(t, err)
			want := map[string]int{}
			for _, p := range planned.Placed {
				want[fmt.Sprint("n", slices.Index(roles, p.Task.Group.Role()))]++
			}
			if name == "flat" {
				require.Equal(t, want, got, "seed %d, %v, %v", seed, tree.Weights, quotas)
			}
			for i := range roles {
				require.InDelta(t, want[fmt.Sprint("n", i)]*share[i], got[fmt.Sprint("n", i)]*share[i], float64(2*slices.Max(share)), "%s, seed %d, %v, %v: %v and not %v", name, seed, tree.Weights, quotas, got, want)
			}
		}
	}
}

// Turns are worth several pods while there is much room, and one at the end.
func TestManyPodsEndAtTheirShares(t *testing.T) {
	n := node("n1", func(n *v1.Node) { n.Status.Allocatable = list("cpu", "300", "memory", "1000", "pods", "1000") })
	w := newWorld(t, extender.Config{Mode: extender.Decide, Tenants: extender.Tenants{Order: allocator.Fair{Weights: map[berth.Role]allocator.Weight{"b": 2000}}}}, cache.Config{}, n)
	var pods []*v1.Pod
	for _, namespace := range []string{"a", "b"} {
		for i := range 300 {
			pods = append(pods, pod(fmt.Sprint(namespace, "-", i), "1", in(namespace), asks("1", "1"), byDefault))
		}
	}
	w.server.create(pods...)
	assert.Equal(t, map[string]int{"a": 100, "b": 200}, w.play(pods, "n1"))
}

// Shares of 15 % at weight 3 and of 5 % at weight 1 are equal, so the path decides. In float64 the first is less (0.15/3 < 0.05).
func TestSharesCompareExactly(t *testing.T) {
	n := node("n1", func(n *v1.Node) { n.Status.Allocatable = list("cpu", "20", "memory", "1000", "pods", "1000") })
	w := newWorld(t, extender.Config{Mode: extender.Decide, Tenants: extender.Tenants{Order: allocator.Fair{Weights: map[berth.Role]allocator.Weight{"b": 3000}}}}, cache.Config{}, n)
	var running []*v1.Pod
	for i, namespace := range []string{"a", "b", "b", "b", "c", "c", "c", "c", "c", "c", "c", "c", "c", "c", "c", "c", "c", "c", "c"} { // one core is left
		running = append(running, pod(fmt.Sprint("old-", i), "1", in(namespace), asks("1", "1"), byDefault))
	}
	w.server.create(running...)
	require.Len(t, w.play(running, "n1"), 3)
	a, b := pod("a-new", "1", in("a"), asks("1", "1"), byDefault), pod("b-new", "1", in("b"), asks("1", "1"), byDefault)
	w.server.create(a, b)
	assert.Empty(t, *w.filter(b, "n1").NodeNames)
	assert.Equal(t, []string{"n1"}, *w.filter(a, "n1").NodeNames)
}

// Whose pods fit nowhere holds nobody back: 5 of 4 cpu are asked for.
func TestWhoFitsNowhereHoldsNobodyBack(t *testing.T) {
	w := newWorld(t, extender.Config{Mode: extender.Decide, Tenants: extender.Tenants{Order: allocator.Fair{}}}, cache.Config{}, node("n1"), node("n2"))
	pods := []*v1.Pod{}
	for i := range 10 {
		pods = append(pods, pod(fmt.Sprint("a-", i), "1", in("a"), byDefault))
	}
	for i := range 3 {
		pods = append(pods, pod(fmt.Sprint("b-", i), "5", in("b"), byDefault))
	}
	w.server.create(pods...)
	got := w.filter(pods[0], "n1", "n2")
	assert.Len(t, *got.NodeNames, 1, "below its share")
	assert.Equal(t, map[string]int{"a": 8}, w.play(pods, "n1", "n2"))
}

func TestWeightsLimitsAndGuarantees(t *testing.T) {
	eight := []*v1.Node{node("n1"), node("n2")}
	for name, test := range map[string]struct {
		tenants extender.Tenants
		want    map[string]int
	}{
		"weights":    {extender.Tenants{Order: allocator.Fair{Weights: map[berth.Role]allocator.Weight{"b": 3000}}}, map[string]int{"a": 2, "b": 6}},
		"limits":     {extender.Tenants{Quotas: []berth.Quota{{Role: "a", Limits: berth.Resources{"cpu": 3000}}}}, map[string]int{"a": 3, "b": 5}},
		"guarantees": {extender.Tenants{Order: allocator.Tree{Policy: allocator.InTurn(allocator.ByNeed, allocator.ByShare)}, Quotas: []berth.Quota{{Role: "b", Guarantees: berth.Resources{"cpu": 5000}}}}, map[string]int{"a": 3, "b": 5}},
		"none":       {extender.Tenants{}, map[string]int{"a": 8}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, extender.Config{Mode: extender.Decide, Tenants: test.tenants}, cache.Config{}, eight...)
			var pods []*v1.Pod
			for _, namespace := range []string{"a", "b"} {
				for i := range 10 {
					pods = append(pods, pod(fmt.Sprint(namespace, "-", i), "1", in(namespace), byDefault))
				}
			}
			w.server.create(pods...)
			assert.Equal(t, test.want, w.play(pods, "n1", "n2"))
		})
	}
}

package oracle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	extenderv1 "k8s.io/kube-scheduler/extender/v1"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerapi "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/defaultpreemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/feature"
	"k8s.io/kubernetes/pkg/scheduler/framework/preemption"
	"k8s.io/kubernetes/pkg/scheduler/framework/runtime"

	berthcache "github.com/berth-sched/berth/kubernetes/cache"
	"github.com/berth-sched/berth/kubernetes/extender"
)

// preemptor is DefaultPreemption beside the filters that it runs.
type preemptor struct {
	framework.Framework
	plugin *defaultpreemption.DefaultPreemption
}

// nobody is nominated.
type nobody struct{ fwk.PodNominator }

func (nobody) NominatedPodsForNode(string) []fwk.PodInfo { return nil }

// mutable shows the nodes of the present case where a snapshot is asked for that may be changed.
type mutable struct {
	fwk.MutableSnapshotSharedLister
	of *lister
}

func (m mutable) NodeInfos() fwk.NodeInfoLister { return m.of.NodeInfos() }

func (o *oracle) preemptor(t testing.TB) *preemptor {
	of := func(names ...string) (out schedulerapi.PluginSet) {
		for _, name := range names {
			out.Enabled = append(out.Enabled, schedulerapi.Plugin{Name: name})
		}
		return out
	}
	var before []string // those that have something to prepare
	for _, p := range o.filters {
		if _, ok := p.(fwk.PreFilterPlugin); ok {
			before = append(before, p.Name())
		}
	}
	profile := &schedulerapi.KubeSchedulerProfile{
		SchedulerName: v1.DefaultSchedulerName, PluginConfig: o.defaults,
		Plugins: &schedulerapi.Plugins{QueueSort: of("PrioritySort"), Bind: of("DefaultBinder"), PreFilter: of(before...), Filter: of(filters...)},
	}
	fw, err := runtime.NewFramework(context.Background(), o.registry, profile, runtime.WithSnapshotSharedLister(&o.lister), runtime.WithPodNominator(nobody{}), runtime.WithMutableSnapshotLister(mutable{of: &o.lister}),
		runtime.WithInformerFactory(informers.NewSharedInformerFactory(nil, 0)), runtime.WithParallelism(1))
	require.NoError(t, err)
	i := slices.IndexFunc(o.defaults, func(c schedulerapi.PluginConfig) bool { return c.Name == defaultpreemption.Name })
	plugin, err := defaultpreemption.New(context.Background(), o.defaults[i].Args, fw, feature.Features{})
	require.NoError(t, err)
	return &preemptor{fw, plugin}
}

// candidates returns the nodes that a pod would be on if others gave way, and whom it chooses on each.
func (k *preemptor) candidates(t testing.TB, o *oracle, pod *v1.Pod) []preemption.Candidate {
	ctx, state := context.Background(), framework.NewCycleState()
	only, status, _ := k.RunPreFilterPlugins(ctx, state, pod)
	if !status.IsSuccess() {
		return nil
	}
	nodes, err := o.NodeInfos().List()
	require.NoError(t, err)
	var may []fwk.NodeInfo
	for _, n := range nodes {
		if only != nil && !only.AllNodes() && !only.NodeNames.Has(n.Node().Name) {
			continue
		}
		if k.RunFilterPluginsWithNominatedPods(ctx, state, pod, n).Code() == fwk.Unschedulable {
			may = append(may, n)
		}
	}
	if len(may) == 0 {
		return nil
	}
	out, _, err := k.plugin.Evaluator.DryRunPreemption(ctx, state, pod, may, nil, 0, int32(len(may)))
	require.NoError(t, err)
	return out
}

func victims(candidates []preemption.Candidate) map[string][]string {
	out := map[string][]string{}
	for _, c := range candidates {
		for _, p := range c.Victims().Pods {
			out[c.Name()] = append(out[c.Name()], string(p.UID))
		}
	}
	return out
}

// extends returns an extender of a cluster.
func extends(t testing.TB, config extender.Config, nodes []*v1.Node, pods []*v1.Pod) *extender.Extender {
	c, err := berthcache.New(berthcache.Config{})
	require.NoError(t, err)
	for name, labels := range teams {
		namespace := &v1.Namespace{}
		namespace.Name, namespace.Labels = name, labels
		c.SetNamespace(namespace)
	}
	for _, n := range nodes {
		c.SetNode(n)
	}
	for _, p := range pods {
		c.SetPod(p)
	}
	c.MarkSynced()
	config.Cache = c
	e, err := extender.New(config)
	require.NoError(t, err)
	return e
}

// preempts asks the extender what it says of victims.
func preempts(t testing.TB, e *extender.Extender, pod *v1.Pod, victims map[string][]string) map[string][]string {
	args := extenderv1.ExtenderPreemptionArgs{Pod: pod, NodeNameToMetaVictims: map[string]*extenderv1.MetaVictims{}}
	for node, uids := range victims {
		m := new(extenderv1.MetaVictims)
		for _, uid := range uids {
			m.Pods = append(m.Pods, &extenderv1.MetaPod{UID: uid})
		}
		args.NodeNameToMetaVictims[node] = m
	}
	body, err := json.Marshal(args)
	require.NoError(t, err)
	answer := httptest.NewRecorder()
	e.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/preempt", bytes.NewReader(body)))
	require.Equal(t, http.StatusOK, answer.Code, answer.Body)
	var got extenderv1.ExtenderPreemptionResult
	require.NoError(t, json.Unmarshal(answer.Body.Bytes(), &got))
	out := map[string][]string{}
	for node, m := range got.NodeNameToMetaVictims {
		for _, p := range m.Pods {
			out[node] = append(out[node], p.UID)
		}
	}
	return out
}

// giving is a scenario about preemption.
type giving struct {
	name   string
	nodes  []*v1.Node
	pods   []*v1.Pod
	pod    *v1.Pod
	want   map[string][]string
	chosen string // the node; empty where any may be
	// named are victims on one node of which some are left out, which an extender with MoreVictims finds.
	named map[string][]string
}

func important(p *v1.Pod, priority int32) *v1.Pod {
	p.Spec.Priority = &priority
	return p
}

// givings are those of the 26 conformance scenarios that are about preemption: K26.
func givings() []giving {
	const low, mid, high = 0, 100, 1000
	node := func(name string) *v1.Node { return called(name, nil, "cpu", 500, "memory", 500) }
	runs := func(name, on string, size int, priority int32) *v1.Pod {
		return important(asking(name, on, nil, amounts("cpu", size, "memory", size)), priority)
	}
	const small, medium, large = 100, 200, 300
	return []giving{
		{
			name: "K26 the least important comes back", nodes: []*v1.Node{node("node1"), node("node2")}, pod: runs("p", "", large, high),
			pods: []*v1.Pod{runs("low1", "node1", small, low), runs("mid1", "node1", large, mid), runs("mid2", "node2", large, mid)},
			want: map[string][]string{"node1": {"mid1"}, "node2": {"mid2"}},
		},
		{
			name: "K26 the node of the least important", nodes: []*v1.Node{node("node1"), node("node2"), node("node3")}, pod: runs("p", "", 500, high),
			pods: []*v1.Pod{
				runs("mid11", "node1", medium, mid), runs("mid12", "node1", large, mid), runs("mid2", "node2", medium, mid), runs("low2", "node2", large, low),
				runs("low31", "node3", medium, low), runs("low32", "node3", large, low),
			},
			want: map[string][]string{"node1": {"mid11", "mid12"}, "node2": {"mid2", "low2"}, "node3": {"low31", "low32"}}, chosen: "node3",
			named: map[string][]string{"node1": {"mid12"}, "node2": {"low2"}, "node3": {"low31"}},
		},
	}
}

// In the scenarios about preemption kube-scheduler chooses whom the scenarios say, and the extender agrees.
func TestPreemption(t *testing.T) {
	o := newOracle(t)
	k := o.preemptor(t)
	for _, s := range givings() {
		t.Run(s.name, func(t *testing.T) {
			o.SharedLister = cache.NewSnapshot(s.pods, s.nodes)
			found := k.candidates(t, o, s.pod)
			theirs := victims(found)
			sameVictims(t, s.want, theirs)
			if s.chosen != "" {
				assert.Equal(t, s.chosen, k.plugin.Evaluator.SelectCandidate(context.Background(), found).Name())
			}
			for _, more := range []bool{false, true} {
				sameVictims(t, theirs, preempts(t, extends(t, extender.Config{MoreVictims: more}, s.nodes, s.pods), s.pod, theirs))
			}
			if s.named != nil {
				assert.Empty(t, preempts(t, extends(t, extender.Config{}, s.nodes, s.pods), s.pod, s.named), "too few")
				sameVictims(t, theirs, preempts(t, extends(t, extender.Config{MoreVictims: true}, s.nodes, s.pods), s.pod, s.named))
			}
		})
	}
}

func sameVictims(t testing.TB, want, got map[string][]string) {
	t.Helper()
	require.Len(t, got, len(want))
	for node := range want {
		require.ElementsMatch(t, want[node], got[node], node)
	}
}

// On random clusters the extender agrees to whom kube-scheduler chooses, or to some of these, if its filters let the pod in once they are
// gone. That is not always so, even of those that it chooses: it brings counts up to date for each instead of counting anew.
func TestRandomPreemption(t *testing.T) {
	o := newOracle(t)
	k := o.preemptor(t)
	agreed, wrong, refused := 0, 0, 0
	for seed := range uint64(*cases / 10) {
		r := draws(seed)
		w := r.world(t)
		e := extends(t, extender.Config{}, w.nodes, w.pods)
		for i := range 3 {
			p := merged(important(withoutDevices(r.pod(1000+i)), 2))
			if w.mixed(t, p) {
				continue
			}
			without := func(gone []string, node string, p *v1.Pod) bool {
				o.SharedLister = cache.NewSnapshot(slices.DeleteFunc(slices.Clone(w.pods), func(q *v1.Pod) bool { return slices.Contains(gone, string(q.UID)) }), w.nodes)
				return o.verdicts(t, p)[node] == ""
			}
			o.SharedLister = cache.NewSnapshot(w.pods, w.nodes)
			theirs := victims(k.candidates(t, o, p))
			want, few, enough := map[string][]string{}, map[string][]string{}, map[string][]string{}
			for node, all := range theirs {
				if without(all, node, p) {
					want[node] = all
				}
				if some := all[:len(all)-1]; len(some) > 0 {
					few[node] = some
					if without(some, node, p) {
						enough[node] = some
					}
				}
			}
			sameVictims(t, want, preempts(t, e, p, theirs))
			sameVictims(t, enough, preempts(t, e, p, few))
			agreed += len(want) + len(enough)
			wrong += len(theirs) - len(want)
			refused += len(few) - len(enough)
		}
	}
	t.Logf("%d sets of victims are agreed to, %d that are too small refused, and %d of which its own filters say so as well", agreed, refused, wrong)
	require.True(t, agreed > 0 && refused > 0 || *cases < 300)
}

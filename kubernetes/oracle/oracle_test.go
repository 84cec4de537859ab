package oracle_test

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	resourcev1 "k8s.io/api/resource/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	"k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerapi "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/adapter"
)

var cases = flag.Int("cases", 1000, "random clusters to compare, of 20 nodes, up to 60 pods and three more that are asked about")

// Tolerations of numbers are behind a gate that is off in 1.37. The adapter has words for them all the same: where the gate is off the API
// server keeps no such pod.
func TestMain(m *testing.M) {
	if err := utilfeature.DefaultMutableFeatureGate.Set("TaintTolerationComparisonOperators=true"); err != nil {
		panic(err)
	}
	klog.SetSlogLogger(slog.New(slog.DiscardHandler))
	metrics.Register()
	os.Exit(m.Run())
}

// oracle is kube-scheduler's plugins over a snapshot.
type oracle struct {
	lister
	handle   fwk.Handle
	registry runtime.Registry
	defaults []schedulerapi.PluginConfig
	filters  []fwk.Plugin
}

// lister shows the snapshot of the present case.
type lister struct{ fwk.SharedLister }

// noClasses are the device classes that extended resources could be of.
type noClasses struct{ fwk.SharedDRAManager }

func (noClasses) DeviceClassResolver() fwk.DeviceClassResolver           { return noClasses{} }
func (noClasses) GetDeviceClass(v1.ResourceName) *resourcev1.DeviceClass { return nil }

// filters are the plugins whose verdicts the adapter has words for.
var filters = []string{
	"NodeUnschedulable", "NodeName", "TaintToleration", "NodeAffinity", "NodePorts", "NodeResourcesFit", "PodTopologySpread", "InterPodAffinity",
}

func newOracle(t testing.TB) *oracle {
	o := &oracle{registry: plugins.NewInTreeRegistry()}
	o.SharedLister = cache.NewEmptySnapshot()
	informed := informers.NewSharedInformerFactory(nil, 0)
	for name, labels := range teams {
		require.NoError(t, informed.Core().V1().Namespaces().Informer().GetIndexer().Add(&v1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}}))
	}
	var err error
	o.handle, err = runtime.NewFramework(context.Background(), nil, nil, runtime.WithSnapshotSharedLister(&o.lister), runtime.WithInformerFactory(informed), runtime.WithSharedDRAManager(noClasses{}), runtime.WithParallelism(1))
	require.NoError(t, err)
	defaults, err := latest.Default()
	require.NoError(t, err)
	o.defaults = defaults.Profiles[0].PluginConfig
	for _, name := range filters {
		o.filters = append(o.filters, o.plugin(t, name))
	}
	return o
}

// plugin makes a plugin with the arguments that it has by default.
func (o *oracle) plugin(t testing.TB, name string) fwk.Plugin {
	i := slices.IndexFunc(o.defaults, func(c schedulerapi.PluginConfig) bool { return c.Name == name })
	var p fwk.Plugin
	var err error
	if i < 0 {
		p, err = o.registry[name](context.Background(), nil, o.handle)
	} else {
		p, err = o.registry[name](context.Background(), o.defaults[i].Args, o.handle)
	}
	require.NoError(t, err, name)
	return p
}

// verdicts returns the plugin that refuses the pod on each node, "" where none does.
func (o *oracle) verdicts(t testing.TB, pod *v1.Pod) map[string]string {
	ctx, out := context.Background(), map[string]string{}
	nodes, err := o.NodeInfos().List()
	require.NoError(t, err)
	for _, p := range o.filters {
		state, skip := framework.NewCycleState(), false
		if before, ok := p.(fwk.PreFilterPlugin); ok {
			result, status := before.PreFilter(ctx, state, pod, nodes)
			if skip = status.IsSkip(); !skip && !status.IsSuccess() {
				for _, n := range nodes {
					out[n.Node().Name] = p.Name()
				}
				continue
			}
			if result != nil && !result.AllNodes() {
				for _, n := range nodes {
					if !result.NodeNames.Has(n.Node().Name) {
						out[n.Node().Name] = p.Name()
					}
				}
			}
		}
		for _, n := range nodes {
			if status := p.(fwk.FilterPlugin).Filter; !skip && !status(ctx, state, pod, n).IsSuccess() {
				out[n.Node().Name] = p.Name()
			}
		}
	}
	return out
}

// world is a random cluster, as both see it.
type world struct {
	config adapter.Config
	nodes  []*v1.Node
	pods   []*v1.Pod // that run, without devices, which kube-scheduler counts by other rules
	fork   *cluster.Fork
	met    map[string]bool // what nodes and pods that run have, and pods that wait do not
}

var reads = adapter.Config{
	Devices:    []adapter.Devices{{Class: "gpu", Whole: wholeGPU, Share: shareGPU}},
	Namespaces: func() map[string]map[string]string { return teams },
}

func (r drawn) world(t testing.TB) *world {
	w := &world{config: reads, fork: cluster.NewFork(), met: map[string]bool{}}
	for i := range 20 {
		n := r.node(i)
		maps.Copy(w.met, r.features)
		w.nodes = append(w.nodes, n)
		is, left := w.config.Node(n)
		require.Empty(t, left)
		require.NoError(t, w.fork.AddNodes(is))
	}
	for i := range r.IntN(60) {
		p := r.pod(i)
		p.Spec.NodeName = w.nodes[r.IntN(len(w.nodes))].Name
		state := berth.Running
		if r.in(10) {
			p.DeletionTimestamp, state = &metav1.Time{}, berth.Stopping
		}
		clear(r.features)
		if r.in(6) {
			r.resize(p)
		}
		maps.Copy(w.met, r.features)
		w.run(t, p, state)
	}
	return w
}

// run lets a pod run where it says that it does, without devices if there are none left.
func (w *world) run(t testing.TB, p *v1.Pod, state berth.TaskState) {
	task, _ := w.config.Pod(p)
	view, _ := w.fork.Node(p.Spec.NodeName)
	free := view.FreeDevices()
	grant, ok := allot(free, task.Group)
	if !ok {
		delete(p.Spec.Containers[0].Resources.Requests, wholeGPU)
		delete(p.Spec.Containers[0].Resources.Requests, shareGPU)
		task, _ = w.config.Pod(p)
		grant, _ = allot(free, task.Group)
	}
	require.NoError(t, w.fork.Adopt(task, p.Spec.NodeName, grant, state))
	w.pods = append(w.pods, merged(withoutDevices(p)))
}

// allot gives a task ports and devices, by first fit; whole devices first, which leaves most for a share. It is the reference of what a node
// has room for, too.
func allot(free []int64, g *berth.Group) (*berth.Grant, bool) {
	grant := new(berth.Grant)
	for _, port := range g.Spec().Ports {
		grant.Ports = append(grant.Ports, berth.Port{Number: port.First, Protocol: port.Protocol, Address: port.Address})
	}
	for _, whole := range []bool{true, false} {
		for _, d := range g.Spec().Devices {
			units, count := d.Share, 1
			if d.Share == 0 {
				units, count = berth.DeviceUnits, d.Count
			}
			if (d.Share == 0) != whole {
				continue
			}
			for i := range free {
				if count > 0 && free[i] >= units && !slices.ContainsFunc(grant.Devices, func(s berth.DeviceShare) bool { return s.ID == fmt.Sprint(i) }) {
					grant.Devices = append(grant.Devices, berth.DeviceShare{Class: d.Class, ID: fmt.Sprint(i), Units: units})
					count--
				}
			}
			if count > 0 {
				return nil, false
			}
		}
	}
	slices.SortFunc(grant.Devices, func(a, b berth.DeviceShare) int { return strings.Compare(a.ID, b.ID) })
	if len(grant.Devices)+len(grant.Ports) == 0 {
		return nil, true
	}
	return grant, true
}

func withoutDevices(p *v1.Pod) *v1.Pod {
	p = p.DeepCopy()
	for i := range p.Spec.Containers {
		delete(p.Spec.Containers[i].Resources.Requests, wholeGPU)
		delete(p.Spec.Containers[i].Resources.Requests, shareGPU)
	}
	return p
}

// mixed reports whether some domain has both nodes that a spread leaves out, by a policy or for want of the label of another spread, and
// others: pods on the former count then, and to kube-scheduler they do not. The table of differences has it.
func (w *world) mixed(t testing.TB, p *v1.Pod) bool {
	required := nodeaffinity.GetRequiredNodeAffinity(p)
	for _, c := range p.Spec.TopologySpreadConstraints {
		counts := map[string]bool{}
		for _, n := range w.nodes {
			domain, ok := n.Labels[c.TopologyKey]
			if !ok {
				continue
			}
			keys := !slices.ContainsFunc(p.Spec.TopologySpreadConstraints, func(other v1.TopologySpreadConstraint) bool {
				_, has := n.Labels[other.TopologyKey]
				return !has && other.WhenUnsatisfiable == c.WhenUnsatisfiable
			})
			in := keys
			if c.NodeAffinityPolicy != nil && *c.NodeAffinityPolicy == v1.NodeInclusionPolicyIgnore && !keys {
				return true
			}
			if c.NodeAffinityPolicy == nil || *c.NodeAffinityPolicy == v1.NodeInclusionPolicyHonor {
				chosen, err := required.Match(n)
				in = in && err == nil && chosen
			}
			if c.NodeTaintsPolicy != nil && *c.NodeTaintsPolicy == v1.NodeInclusionPolicyHonor {
				_, left := corev1.FindMatchingUntoleratedTaint(klog.Background(), n.Spec.Taints, p.Spec.Tolerations, func(taint *v1.Taint) bool { return taint.Effect != v1.TaintEffectPreferNoSchedule }, true)
				in = in && !left
				if n.Spec.Unschedulable && len(n.Spec.Taints) == 0 { // before the controller has tainted it
					return true
				}
			}
			if before, seen := counts[domain]; seen && before != in {
				return true
			}
			counts[domain] = in
		}
	}
	return false
}

// firstByOneKey reports whether there are pods that all terms of a pod's affinity are about, but none on a node with one of the labels: the
// pod counts as the first of its kind by that label then, and to kube-scheduler it does not. The table of differences has it.
func (w *world) firstByOneKey(t testing.TB, p *v1.Pod) bool {
	if p.Spec.Affinity.PodAffinity == nil {
		return false
	}
	terms, err := fwk.GetAffinityTerms(p, p.Spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution)
	require.NoError(t, err)
	met, by := false, map[string]bool{}
	for _, q := range w.pods {
		if slices.ContainsFunc(terms, func(term fwk.AffinityTerm) bool { return !term.Matches(q, teams[q.Namespace]) }) {
			continue
		}
		met = true
		i := slices.IndexFunc(w.nodes, func(n *v1.Node) bool { return n.Name == q.Spec.NodeName })
		for _, term := range terms {
			if _, has := w.nodes[i].Labels[term.TopologyKey]; has {
				by[term.TopologyKey] = true
			}
		}
	}
	return met && slices.ContainsFunc(terms, func(term fwk.AffinityTerm) bool { return !by[term.TopologyKey] })
}

// TestVerdicts compares verdicts over random clusters, the same for the same number of cases. It fails too if something that the adapter has
// words for was in none of the pods that were compared.
func TestVerdicts(t *testing.T) {
	o := newOracle(t)
	agreed, by, left, first, met := 0, map[string]int{}, 0, 0, map[string]int{}
	for seed := range uint64(*cases) {
		r := draws(seed)
		w := r.world(t)
		o.SharedLister = cache.NewSnapshot(w.pods, w.nodes)
		for i := range 3 {
			p := r.pod(1000 + i)
			task, unsaid := w.config.Pod(p)
			for _, u := range unsaid {
				require.Contains(t, []string{"spec.topologySpreadConstraints", "spec.affinity.nodeAffinity.required", "spec.tolerations"}, u.Field)
			}
			if w.mixed(t, p) {
				left++
				continue
			}
			maps.Copy(r.features, w.met)
			for feature := range r.features {
				met[feature]++
			}
			verdicts := o.verdicts(t, merged(withoutDevices(p)))
			for n := range w.fork.Nodes() {
				if _, ok := allot(n.FreeDevices(), task.Group); !ok && verdicts[n.ID()] == "" {
					verdicts[n.ID()] = "devices"
				}
				want := verdicts[n.ID()] == ""
				if got := w.fork.Fits(task.Group, n); got != want {
					if got && verdicts[n.ID()] == "InterPodAffinity" && w.firstByOneKey(t, merged(p)) {
						first++
						continue
					}
					var bound []string
					for _, q := range w.pods {
						bound = append(bound, fmt.Sprintf("%s on %s: %v %v", q.Name, q.Spec.NodeName, q.Labels, q.DeletionTimestamp))
					}
					require.Equal(t, want, got, "seed %d, pod %s on %s: Kubernetes says %q, berth %v\nrules %v\nlabels %v\nnode %v\n%s", seed, p.Name, n.ID(), verdicts[n.ID()],
						w.fork.Lacks(task.Group, n), task.Group.Spec().Rules, p.Labels, n.Node(), strings.Join(bound, "\n"))
				}
				agreed++
				by[verdicts[n.ID()]]++
			}
		}
	}
	t.Logf("%d verdicts agree, by plugin that refused last: %v; %d pods are left out, of spread over domains in part, and %d verdicts, of affinities by a label that no peer's node has", agreed, by, left, first)
	if *cases < 300 {
		return
	}
	for _, feature := range every() {
		if met[feature] == 0 {
			t.Errorf("not compared: %s", feature)
		}
		delete(met, feature)
	}
	require.Empty(t, slices.Sorted(maps.Keys(met)), "drawn, and not in the list")
	for _, plugin := range append([]string{"", "devices"}, filters...) {
		if by[plugin] == 0 && plugin != "NodeName" { // of pods that are asked about none names a node
			t.Errorf("no verdict by %q", plugin)
		}
	}
}

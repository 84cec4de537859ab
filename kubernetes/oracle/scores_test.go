package oracle_test

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	fwk "k8s.io/kube-scheduler/framework"
	schedulerapi "k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/backend/cache"
	"k8s.io/kubernetes/pkg/scheduler/framework"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/placement"
)

// scores returns what a plugin says of nodes, from 0 to 100 each, among which kube-scheduler would choose.
func (o *oracle) scores(t testing.TB, name string, args runtime.Object, pod *v1.Pod, among []string) []int64 {
	ctx, state := context.Background(), framework.NewCycleState()
	var p fwk.Plugin
	var err error
	if args == nil {
		p = o.plugin(t, name)
	} else {
		p, err = o.registry[name](ctx, args, o.handle)
		require.NoError(t, err)
	}
	var nodes []fwk.NodeInfo
	for _, id := range among {
		n, err := o.NodeInfos().Get(id)
		require.NoError(t, err)
		nodes = append(nodes, n)
	}
	out := make(fwk.NodeScoreList, len(among))
	for i, id := range among {
		out[i].Name = id
	}
	if before, ok := p.(fwk.PreScorePlugin); ok {
		status := before.PreScore(ctx, state, pod, nodes)
		if status.IsSkip() {
			return make([]int64, len(among))
		}
		require.True(t, status.IsSuccess(), "%v", status)
	}
	for i, n := range nodes {
		var status *fwk.Status
		out[i].Score, status = p.(fwk.ScorePlugin).Score(ctx, state, pod, n)
		require.True(t, status.IsSuccess(), "%v", status)
	}
	if after := p.(fwk.ScorePlugin).ScoreExtensions(); after != nil {
		require.True(t, after.NormalizeScore(ctx, state, pod, out).IsSuccess())
	}
	var scores []int64
	for _, s := range out {
		scores = append(scores, s.Score)
	}
	return scores
}

// rated returns what berth says of the nodes: the sum of a term, or of the pod's preferences if there is none.
func rated(t testing.TB, f *cluster.Fork, term placement.Term, task berth.Task, among []string) (sums []int64) {
	tier, strategy := 0, placement.Best()
	if term.String() != (placement.Term{}).String() {
		tier, strategy = 1, placement.Best(term)
	}
	require.NoError(t, strategy.Err())
	engine := placement.NewEngine(strategy)
	engine.Start(f.Snapshot())
	for _, id := range among {
		score, ok := engine.Score(task, id)
		require.True(t, ok)
		sums = append(sums, score[tier].Sum)
	}
	return sums
}

// rating is a scenario about scores.
type rating struct {
	name    string
	nodes   []*v1.Node
	pods    []*v1.Pod
	pod     *v1.Pod
	among   []string // the nodes that can take the pod; all if it is nil
	plugin  string
	args    runtime.Object
	term    placement.Term             // that says the same; the pod's preferences if there is none
	scaled  func(sums []int64) []int64 // to 100, as the plugin does it for what it has added up
	want    []int64                    // by the plugin
	differs map[string][]int64         // by berth, under the row of the table of differences that says why
}

// upTo scales sums as NodeAffinity does: the greatest is 100.
func upTo(sums []int64) []int64 {
	most := int64(0)
	for _, n := range sums {
		most = max(most, n)
	}
	out := make([]int64, len(sums))
	for i, n := range sums {
		if most > 0 {
			out[i] = 100 * n / most
		}
	}
	return out
}

// downFrom scales sums of what is against a node as TaintToleration does: the worst is 0.
func downFrom(sums []int64) []int64 {
	against := make([]int64, len(sums))
	for i, n := range sums {
		against[i] = -n
	}
	out := upTo(against)
	for i := range out {
		out[i] = 100 - out[i]
	}
	return out
}

func weights(pairs ...any) (out []schedulerapi.ResourceSpec) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, schedulerapi.ResourceSpec{Name: pairs[i].(string), Weight: int64(pairs[i+1].(int))})
	}
	return out
}

func fit(kind schedulerapi.ScoringStrategyType, shape []schedulerapi.UtilizationShapePoint, of ...any) *schedulerapi.NodeResourcesFitArgs {
	s := &schedulerapi.ScoringStrategy{Type: kind, Resources: weights(of...)}
	if shape != nil {
		s.RequestedToCapacityRatio = &schedulerapi.RequestedToCapacityRatioParam{Shape: shape}
	}
	return &schedulerapi.NodeResourcesFitArgs{ScoringStrategy: s}
}

func balanced(of ...any) *schedulerapi.NodeResourcesBalancedAllocationArgs {
	return &schedulerapi.NodeResourcesBalancedAllocationArgs{Resources: weights(of...)}
}

func withRoom(name string, room ...any) *v1.Node {
	n := called(name, nil)
	n.Status.Allocatable = amounts(append([]any{"pods", 110}, room...)...)
	n.Status.Capacity = n.Status.Allocatable
	return n
}

func softly(p *v1.Pod) *v1.Pod {
	for i := range p.Spec.TopologySpreadConstraints {
		p.Spec.TopologySpreadConstraints[i].WhenUnsatisfiable = v1.ScheduleAnyway
	}
	return p
}

func preferring(p *v1.Pod, terms ...v1.PreferredSchedulingTerm) *v1.Pod {
	p.Spec.Affinity = &v1.Affinity{NodeAffinity: &v1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: terms}}
	return p
}

func preferred(weight int32, pairs ...string) v1.PreferredSchedulingTerm {
	t := v1.PreferredSchedulingTerm{Weight: weight}
	for i := 0; i < len(pairs); i += 2 {
		t.Preference.MatchExpressions = append(t.Preference.MatchExpressions, v1.NodeSelectorRequirement{Key: pairs[i], Operator: v1.NodeSelectorOpIn, Values: []string{pairs[i+1]}})
	}
	return t
}

func discouraged(name string, taints int) *v1.Node {
	n := called(name, nil)
	for i := range taints {
		n.Spec.Taints = append(n.Spec.Taints, v1.Taint{Key: string(rune('k' + i)), Effect: v1.TaintEffectPreferNoSchedule})
	}
	return n
}

// The rows of the table of differences that scenarios differ by.
const (
	counted  = "preferred terms and spread that may be broken"
	nothings = "containers that ask for no cpu or no memory, in scores"
)

// ratings are those of the 26 conformance scenarios that are about scores: K1 to K10, K20, K21 and K25.
func ratings() []rating {
	const (
		fits, balance, spread = "NodeResourcesFit", "NodeResourcesBalancedAllocation", "PodTopologySpread"
		ext                   = "example.com/x"
	)
	least, most, ratio := schedulerapi.LeastAllocated, schedulerapi.MostAllocated, schedulerapi.RequestedToCapacityRatio
	empty := []*v1.Node{withRoom("N1", "cpu", 4000, "memory", 10000), withRoom("N2", "cpu", 6000, "memory", 10000)}
	large := []*v1.Node{withRoom("N1", "cpu", 10000, "memory", 20000), withRoom("N2", "cpu", 10000, "memory", 20000)}
	asks := func(pairs ...any) *v1.Pod { return asking("p", "", nil, amounts(pairs...)) }
	runs := func(on string, pairs ...any) *v1.Pod { return asking("on"+on, on, nil, amounts(pairs...)) }
	plain := asks("cpu", 3000, "memory", 5000)
	three := func(pod *v1.Pod, name string, want ...int64) rating {
		return rating{name: name, plugin: balance, args: balanced("cpu", 1, "memory", 1, ext, 1), term: placement.BalancedAllocation("cpu", "memory", ext), pod: pod, want: want,
			nodes: []*v1.Node{withRoom("N1", "cpu", 3500, "memory", 40000, ext, 8), withRoom("N2", "cpu", 3500, "memory", 40000, ext, 8)},
			pods:  []*v1.Pod{runs("N1", "cpu", 3000, "memory", 5000, ext, 3), runs("N2", "cpu", 3000, "memory", 5000)}}
	}
	falling := []schedulerapi.UtilizationShapePoint{{Utilization: 0, Score: 10}, {Utilization: 100, Score: 0}}
	rising := []schedulerapi.UtilizationShapePoint{{Utilization: 0, Score: 0}, {Utilization: 100, Score: 1}}
	has := func(name string, labels ...string) *v1.Node {
		n := called(name, nil)
		for i := 0; i < len(labels); i += 2 {
			n.Labels[labels[i]] = labels[i+1]
		}
		return n
	}
	return []rating{
		{name: "K1 least, empty", nodes: empty, pod: plain, plugin: fits, args: fit(least, nil, "cpu", 1, "memory", 1), term: placement.LeastAllocated(), want: []int64{37, 50}},
		{name: "K2 least, weights", nodes: empty, pod: plain, plugin: fits, args: fit(least, nil, "cpu", 1, "memory", 2),
			term: placement.LeastAllocated("cpu", "memory").Weights(1, 2), want: []int64{41, 50}},
		{name: "K3 least, a resource that is not asked for", pod: plain, plugin: fits, args: fit(least, nil, "cpu", 1, "memory", 1, ext, 1), want: []int64{50, 50},
			term: placement.LeastAllocated("cpu", "memory", ext), nodes: []*v1.Node{withRoom("N1", "cpu", 6000, "memory", 10000), withRoom("N2", "cpu", 6000, "memory", 10000, ext, 4)}},
		{name: "K3 least, one that is", pod: asks("cpu", 3000, "memory", 5000, ext, 2), plugin: fits, args: fit(least, nil, "cpu", 1, "memory", 1, ext, 1), want: []int64{50, 60},
			term: placement.LeastAllocated("cpu", "memory", ext), nodes: []*v1.Node{withRoom("N1", "cpu", 6000, "memory", 10000, ext, 4), withRoom("N2", "cpu", 6000, "memory", 10000, ext, 10)}},
		{name: "K4 least, without containers", nodes: large, pod: asking("p", "", nil), plugin: fits, args: fit(least, nil, "cpu", 1, "memory", 1), term: placement.LeastAllocated(), want: []int64{70, 57},
			pods: []*v1.Pod{runs("N1", "cpu", 6000, "memory", 0), runs("N2", "cpu", 6000, "memory", 5000)}},
		{name: "K5 most, empty", nodes: empty, pod: plain, plugin: fits, args: fit(most, nil, "cpu", 1, "memory", 1), term: placement.MostAllocated(), want: []int64{62, 50}},
		{name: "K5 most, weights", nodes: empty, pod: plain, plugin: fits, args: fit(most, nil, "cpu", 1, "memory", 2),
			term: placement.MostAllocated("cpu", "memory").Weights(1, 2), want: []int64{58, 50}},
		{name: "K6 ratio, falling", nodes: empty, pod: plain, plugin: fits, args: fit(ratio, falling, "cpu", 1, "memory", 1), want: []int64{38, 50},
			term: placement.RequestedToCapacityRatio(placement.Shape{{Utilization: 0, Score: 10}, {Utilization: 100, Score: 0}})},
		{name: "K7 ratio, rising", nodes: []*v1.Node{withRoom("N1", ext, 8), withRoom("N2", ext, 4), withRoom("N3", ext, 4)}, pods: []*v1.Pod{runs("N3", ext, 2)}, pod: asks(ext, 2),
			plugin: fits, args: fit(ratio, rising, ext, 1), term: placement.RequestedToCapacityRatio(placement.Shape{{Utilization: 0, Score: 0}, {Utilization: 100, Score: 1}}, ext), want: []int64{2, 5, 10}},
		{name: "K8 balanced, empty", nodes: empty, pod: plain, plugin: balance, args: balanced("cpu", 1, "memory", 1), term: placement.BalancedAllocation(), want: []int64{68, 75}},
		{name: "K9 balanced, in use", nodes: large, pods: []*v1.Pod{runs("N1", "cpu", 3000), runs("N2", "cpu", 3000, "memory", 5000)}, pod: plain,
			plugin: balance, args: balanced("cpu", 1, "memory", 1), term: placement.BalancedAllocation(), want: []int64{73, 74}},
		{name: "K9 balanced, more memory", nodes: []*v1.Node{large[0], withRoom("N2", "cpu", 10000, "memory", 50000)}, pods: []*v1.Pod{runs("N1", "cpu", 3000), runs("N2", "cpu", 3000, "memory", 5000)},
			pod: plain, plugin: balance, args: balanced("cpu", 1, "memory", 1), term: placement.BalancedAllocation(), want: []int64{73, 70}},
		three(asks(ext, 1), "K10 balanced, three", 75, 76),
		{name: "least, containers that ask for nothing", nodes: []*v1.Node{withRoom("N1", "cpu", 1000, "memory", 1000<<20)}, pod: asks(), plugin: fits, args: fit(least, nil, "cpu", 1, "memory", 1),
			term: placement.LeastAllocated(), want: []int64{85}, differs: map[string][]int64{nothings: {100}}}, // of 100 m and 200 MiB 90 and 80 % are left
		{name: "K20 soft, skew 1", nodes: zones(), pods: counts(map[string]int{"a": 2, "b": 1, "y": 3}), pod: softly(spreading(even("host", 1, 0))), plugin: spread,
			want: []int64{20, 60, 100, 0}, differs: map[string][]int64{counted: {0, 0, 50, 0}}},
		{name: "K20 soft, skew 2", nodes: zones(), pods: counts(map[string]int{"a": 2, "b": 1, "y": 3}), pod: softly(spreading(even("host", 2, 0))), plugin: spread,
			want: []int64{33, 66, 100, 16}, differs: map[string][]int64{counted: {0, 50, 50, 0}}},
		{name: "K21 soft, a node that cannot take the pod", nodes: zones(), pods: counts(map[string]int{"a": 4, "b": 2, "x": 1, "y": 3}), pod: softly(spreading(even("zone", 1, 0))),
			among: []string{"a", "b", "x"}, plugin: spread, want: []int64{75, 75, 100}, differs: map[string][]int64{counted: {0, 0, 50}}},
		{name: "K25 taints that discourage", nodes: []*v1.Node{discouraged("N1", 0), discouraged("N2", 1), discouraged("N3", 2)}, pod: asks(), plugin: "TaintToleration", scaled: downFrom, want: []int64{100, 50, 0}},
		{name: "K25 preferred labels", nodes: []*v1.Node{has("N1", "foo", "bar"), has("N2", "foo", "bar", "key", "value", "az", "az1"), has("N3", "key", "value")},
			pod:    preferring(asks(), preferred(2, "foo", "bar"), preferred(4, "key", "value"), preferred(5, "foo", "bar", "key", "value", "az", "az1")),
			plugin: "NodeAffinity", scaled: upTo, want: []int64{18, 100, 36}},
	}
}

// In the scenarios about scores kube-scheduler's plugins say what the scenarios say, and berth the same or what the table of differences says.
func TestScores(t *testing.T) {
	o := newOracle(t)
	readme, err := os.ReadFile("../README.md")
	require.NoError(t, err)
	for _, s := range ratings() {
		t.Run(s.name, func(t *testing.T) {
			f, config := cluster.NewFork(), adapter.Config{}
			among := s.among
			for _, n := range s.nodes {
				is, _ := config.Node(n)
				require.NoError(t, f.AddNodes(is))
				if s.among == nil {
					among = append(among, n.Name)
				}
			}
			for _, p := range s.pods {
				task, _ := config.Pod(p)
				require.NoError(t, f.Adopt(task, p.Spec.NodeName, nil, berth.Running))
			}
			o.SharedLister = cache.NewSnapshot(s.pods, s.nodes)
			assert.Equal(t, s.want, o.scores(t, s.plugin, s.args, s.pod, among), "kube-scheduler")
			task, _ := config.Pod(s.pod)
			ours := rated(t, f, s.term, task, among)
			if s.scaled != nil {
				ours = s.scaled(ours)
			}
			want := s.want
			for row, differ := range s.differs {
				want = differ
				assert.True(t, strings.Contains(string(readme), "\n| "+row+" |"), "the table of differences has no row %q", row)
			}
			assert.Equal(t, want, ours, "berth")
		})
	}
}

// On random clusters the terms that are named after scores of kube-scheduler give the same numbers: of nodes whose containers all ask for
// something, and of pods that the score is not left out for.
func TestRandomScores(t *testing.T) {
	o, compared := newOracle(t), 0
	shape := []schedulerapi.UtilizationShapePoint{{Utilization: 0, Score: 2}, {Utilization: 50, Score: 10}, {Utilization: 100, Score: 1}}
	same := placement.Shape{{Utilization: 0, Score: 2}, {Utilization: 50, Score: 10}, {Utilization: 100, Score: 1}}
	const ext = "example.com/x"
	for seed := range uint64(*cases / 10) {
		r := draws(seed)
		f, config := cluster.NewFork(), adapter.Config{}
		var nodes []*v1.Node
		var pods []*v1.Pod
		var among []string
		draw := func(name, on string) *v1.Pod {
			p := asking(name, on, nil, amounts("cpu", 1+r.IntN(900), "memory", 1+r.IntN(1<<30)), amounts("cpu", 1+r.IntN(900), "memory", 1+r.IntN(1<<30)))
			if r.in(2) {
				p.Spec.Containers[0].Resources.Requests[ext] = number(1 + r.IntN(2))
			}
			return p
		}
		for i := range 8 {
			n := withRoom(string(rune('a'+i)), "cpu", 1000+r.IntN(9000), "memory", 1<<30+r.IntN(8<<30), ext, r.IntN(9))
			for k := range 3 {
				if r.in(2) {
					n.Labels["l"+string(rune('0'+k))] = "x"
					n.Spec.Taints = append(n.Spec.Taints, v1.Taint{Key: "k" + string(rune('0'+k)), Effect: v1.TaintEffectPreferNoSchedule})
				}
			}
			nodes, among = append(nodes, n), append(among, n.Name)
			is, _ := config.Node(n)
			require.NoError(t, f.AddNodes(is))
			for k := range r.IntN(4) {
				p := draw(n.Name+string(rune('0'+k)), n.Name)
				pods = append(pods, p)
				task, _ := config.Pod(p)
				require.NoError(t, f.Adopt(task, n.Name, nil, berth.Running))
			}
		}
		o.SharedLister = cache.NewSnapshot(pods, nodes)
		p := draw("p", "")
		preferences := preferring(draw("p", ""), preferred(int32(1+r.IntN(100)), "l0", "x"), preferred(int32(1+r.IntN(100)), "l1", "x", "l2", "x"))
		for k := range nodes {
			preferences.Spec.Tolerations = append(preferences.Spec.Tolerations, v1.Toleration{Key: "k" + string(rune('0'+k)), Operator: v1.TolerationOpExists})
		}
		for _, c := range []struct {
			pod    *v1.Pod
			plugin string
			args   runtime.Object
			term   placement.Term
			scaled func([]int64) []int64
		}{
			{p, "NodeResourcesFit", fit(schedulerapi.LeastAllocated, nil, "cpu", 2, "memory", 1, ext, 3), placement.LeastAllocated("cpu", "memory", ext).Weights(2, 1, 3), nil},
			{p, "NodeResourcesFit", fit(schedulerapi.MostAllocated, nil, "cpu", 2, "memory", 1, ext, 3), placement.MostAllocated("cpu", "memory", ext).Weights(2, 1, 3), nil},
			{p, "NodeResourcesFit", fit(schedulerapi.RequestedToCapacityRatio, shape, "cpu", 1, "memory", 2, ext, 3), placement.RequestedToCapacityRatio(same, "cpu", "memory", ext).Weights(1, 2, 3), nil},
			{p, "NodeResourcesBalancedAllocation", balanced("cpu", 1, "memory", 1, ext, 1), placement.BalancedAllocation("cpu", "memory", ext), nil},
			{p, "TaintToleration", nil, placement.Term{}, downFrom},
			{preferences, "NodeAffinity", nil, placement.Term{}, upTo},
		} {
			theirs := o.scores(t, c.plugin, c.args, c.pod, among)
			task, _ := config.Pod(c.pod)
			ours := rated(t, f, c.term, task, among)
			if c.scaled != nil {
				ours = c.scaled(ours)
			}
			require.Equal(t, theirs, ours, "seed %d, %s", seed, c.plugin)
			compared += len(among)
		}
	}
	t.Logf("%d scores are equal", compared)
}

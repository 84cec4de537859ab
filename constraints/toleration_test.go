package constraints_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
)

func TestTolerates(t *testing.T) {
	gpu := berth.Taint{Key: "dedicated", Value: "gpu"}
	soft := berth.Taint{Key: "dedicated", Value: "gpu", Effect: berth.PreferNoSchedule}
	evict := berth.Taint{Key: "dedicated", Value: "gpu", Effect: berth.NoExecute}
	risk := func(value string) berth.Taint { return berth.Taint{Key: "risk", Value: value} }
	bare := berth.Taint{Key: "dedicated"}
	other := berth.Taint{Key: "maintenance"}
	// Kubernetes: Equal takes key and value, Exists any value, an empty key with Exists everything, and a
	// toleration without an effect all effects.
	for _, tc := range []struct {
		rule berth.Toleration
		want map[berth.Taint]bool
	}{
		{constraints.Tolerate("dedicated", "gpu"), map[berth.Taint]bool{gpu: true, soft: true, bare: false, other: false}},
		{constraints.Tolerate("dedicated", "db"), map[berth.Taint]bool{gpu: false, soft: false, bare: false, other: false}},
		{constraints.Tolerate("dedicated", ""), map[berth.Taint]bool{gpu: false, soft: false, bare: true, other: false}},
		{constraints.TolerateKey("dedicated"), map[berth.Taint]bool{gpu: true, soft: true, bare: true, other: false}},
		{constraints.TolerateKey("dedicated").Effect(berth.PreferNoSchedule), map[berth.Taint]bool{gpu: false, soft: true, evict: false}},
		{constraints.Tolerate("dedicated", "gpu").Effect(berth.NoExecute).For(time.Second), map[berth.Taint]bool{gpu: false, soft: false, evict: true}},
		{constraints.TolerateAll().Effect(berth.NoSchedule), map[berth.Taint]bool{gpu: true, soft: false, evict: false, other: true}},
		// KEP-5471: whole numbers, and what is none never matches.
		{constraints.TolerateOver("risk", 5), map[berth.Taint]bool{risk("6"): true, risk("5"): false, risk("7.5"): false, risk("08"): false, risk("+8"): false, risk("high"): false, risk(""): false, gpu: false}},
		{constraints.TolerateUnder("risk", -5), map[berth.Taint]bool{risk("-6"): true, risk("-5"): false, risk("6"): false}},
		{constraints.TolerateAll(), map[berth.Taint]bool{gpu: true, soft: true, bare: true, other: true}},
	} {
		t.Run(tc.rule.String(), func(t *testing.T) {
			require.NoError(t, tc.rule.Err())
			for taint, want := range tc.want {
				assert.Equal(t, want, tc.rule.Tolerates(taint), "%v, effect %d", taint, taint.Effect)
			}
		})
	}
	assert.False(t, constraints.Tolerate("", "").Tolerates(berth.Taint{}), "a faulty rule tolerates nothing")
}

func TestGroupsAndTaints(t *testing.T) {
	dedicated := berth.Taint{Key: "dedicated", Value: "gpu"}
	noisy := berth.Taint{Key: "noisy", Effect: berth.PreferNoSchedule}
	slow := berth.Taint{Key: "slow", Effect: berth.PreferNoSchedule}
	for _, tc := range []struct {
		name      string
		rules     []berth.Constraint
		taints    []berth.Taint
		eligible  bool
		preferred int64
	}{
		{"Aurora 25: a dedicated host refuses who does not name it", nil, []berth.Taint{dedicated}, false, 0},
		{"Aurora 25: and takes who does", []berth.Constraint{constraints.Tolerate("dedicated", "gpu")}, []berth.Taint{dedicated}, true, 0},
		{"Aurora 25: dedicated to another", []berth.Constraint{constraints.Tolerate("dedicated", "db")}, []berth.Taint{dedicated}, false, 0},
		{"Kubernetes: every taint must be tolerated", []berth.Constraint{constraints.TolerateKey("dedicated")},
			[]berth.Taint{dedicated, {Key: "maintenance"}}, false, 0},
		{"Kubernetes: by any of the tolerations", []berth.Constraint{constraints.TolerateKey("dedicated"), constraints.TolerateKey("maintenance")},
			[]berth.Taint{dedicated, {Key: "maintenance"}}, true, 0},
		{"Kubernetes: NoExecute keeps new pods away too", nil, []berth.Taint{{Key: "down", Effect: berth.NoExecute}}, false, 0},
		{"Kubernetes: a toleration for a time lets new pods in", []berth.Constraint{constraints.TolerateKey("down").For(0)}, []berth.Taint{{Key: "down", Effect: berth.NoExecute}}, true, 0},
		{"Kubernetes: of another effect it does not", []berth.Constraint{constraints.TolerateKey("down").Effect(berth.NoSchedule)}, []berth.Taint{{Key: "down", Effect: berth.NoExecute}}, false, 0},
		// Kubernetes scores 100, 50 and 0; ours is the same order in the weight of a preference each.
		{"K25: no soft taint", nil, nil, true, 0},
		{"K25: one soft taint", nil, []berth.Taint{noisy}, true, -1},
		{"K25: two soft taints", nil, []berth.Taint{noisy, slow}, true, -2},
		{"K25: one of two tolerated", []berth.Constraint{constraints.TolerateKey("slow")}, []berth.Taint{noisy, slow}, true, -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := berth.NewGroup("g", berth.GroupSpec{Rules: tc.rules})
			require.NoError(t, g.Err())
			n := &berth.Node{ID: "n1", Taints: tc.taints}
			require.NoError(t, n.Err())
			assert.Equal(t, tc.eligible, cluster.Eligible(g, n))
			assert.Equal(t, tc.preferred, cluster.Preferred(g, n))
		})
	}
}

// K25: preferences of weight 2, 4 and 5. Kubernetes normalizes the sums 2, 11 and 4 to 18, 100 and 36.
func TestPreferencesAddUp(t *testing.T) {
	foo, key, zone := constraints.Eq("foo", "bar"), constraints.Eq("key", "value"), constraints.Eq("az", "az1")
	g := berth.NewGroup("g", berth.GroupSpec{Prefer: []berth.Preference{
		{Weight: 2, Rule: foo}, {Weight: 4, Rule: key}, {Weight: 5, Rule: constraints.And(constraints.And(foo, key), zone)},
	}})
	require.NoError(t, g.Err())
	for _, tc := range []struct {
		name       string
		attributes berth.Attributes
		want       int64
	}{
		{"foo", berth.Attributes{"foo": "bar"}, 2},
		{"all three", berth.Attributes{"foo": "bar", "key": "value", "az": "az1"}, 11},
		{"key", berth.Attributes{"key": "value"}, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			assert.Equal(t, tc.want, cluster.Preferred(g, &berth.Node{ID: "n1", Attributes: tc.attributes}))
		})
	}
}

// Two rules of a group are both required (Aurora 25: jvm 1.6 and zone c), and each that fails is named.
func TestGroupsAndRules(t *testing.T) {
	g := berth.NewGroup("g", berth.GroupSpec{Rules: []berth.Constraint{constraints.Eq("jvm", "1.6"), constraints.Eq("zone", "c")}})
	require.NoError(t, g.Err())
	assert.True(t, cluster.Eligible(g, &berth.Node{ID: "n1", Attributes: berth.Attributes{"jvm": "1.6", "zone": "c"}}))
	assert.False(t, cluster.Eligible(g, &berth.Node{ID: "n2", Attributes: berth.Attributes{"jvm": "1.6", "zone": "a"}}))
	assert.Equal(t, []berth.Reason{
		{Code: berth.RuleBroken, Subject: `jvm = "1.6"`},
		{Code: berth.RuleBroken, Subject: `zone = "c"`},
	}, cluster.Ineligible(g, &berth.Node{ID: "n3"}))
}

// When tasks leave, by the rules of the taint eviction controller of Kubernetes: at once if a taint is not tolerated, never if all are
// for good, and else with the first of them that comes to its end.
func TestLeaves(t *testing.T) {
	down, slow := berth.Taint{Key: "down", Effect: berth.NoExecute}, berth.Taint{Key: "slow", Effect: berth.NoExecute}
	for _, tc := range []struct {
		name   string
		rules  []berth.Constraint
		taints []berth.Taint
		after  time.Duration
		leaves bool
	}{
		{"no taint", nil, nil, 0, false},
		{"other effects", nil, []berth.Taint{{Key: "a"}, {Key: "b", Effect: berth.PreferNoSchedule}}, 0, false},
		{"not tolerated", nil, []berth.Taint{down}, 0, true},
		{"for good", []berth.Constraint{constraints.TolerateKey("down")}, []berth.Taint{down}, 0, false},
		{"for a time", []berth.Constraint{constraints.TolerateKey("down").For(time.Minute)}, []berth.Taint{down}, time.Minute, true},
		{"the first to end", []berth.Constraint{constraints.TolerateKey("down").For(time.Minute), constraints.TolerateKey("slow").For(time.Second)}, []berth.Taint{down, slow}, time.Second, true},
		{"one of them for good", []berth.Constraint{constraints.TolerateKey("down").For(time.Minute), constraints.TolerateKey("slow")}, []berth.Taint{down, slow}, time.Minute, true},
		{"one of them not", []berth.Constraint{constraints.TolerateKey("down").For(time.Minute)}, []berth.Taint{down, slow}, 0, true},
		// Kubernetes takes the first toleration that it finds in the list; ours does not depend on the order.
		{"ours: twice, the longer time", []berth.Constraint{constraints.TolerateKey("down").For(time.Second), constraints.TolerateAll().For(time.Minute)}, []berth.Taint{down}, time.Minute, true},
		{"ours: twice, once for good", []berth.Constraint{constraints.TolerateAll(), constraints.TolerateKey("down").For(time.Minute)}, []berth.Taint{down}, 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := berth.NewGroup("g", berth.GroupSpec{Rules: tc.rules})
			n := &berth.Node{ID: "n1", Taints: tc.taints}
			require.NoError(t, g.Err())
			require.NoError(t, n.Err())
			after, leaves := cluster.Leaves(g, n)
			assert.Equal(t, tc.leaves, leaves)
			assert.Equal(t, tc.after, after)
		})
	}
	_, leaves := cluster.Leaves(nil, nil)
	assert.False(t, leaves)
	_, leaves = cluster.Leaves(berth.NewGroup("g", berth.GroupSpec{}), nil)
	assert.False(t, leaves)
}

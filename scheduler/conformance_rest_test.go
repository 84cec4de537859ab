package scheduler_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/placement"
)

// Kubernetes: noderesources/fit_test.go, on a node of 10 cpu, 20 memory and 5 of an extended resource. What the containers of a pod ask for
// is put together before it comes here: the greater of the sum of the containers and each init container.
func TestConformanceOfRoom(t *testing.T) {
	of := func(cpu, memory, ext int64) berth.Resources {
		return berth.Resources{"cpu": cpu, "memory": memory, "ext": ext}
	}
	for _, c := range []struct {
		name       string
		used, asks berth.Resources
		want       string
		resolvable bool
	}{
		{"K11: cpu is short of that of an init container", of(8, 19, 0), of(3, 1, 0), "n(insufficient)", true},
		{"K12: what is left exactly", of(5, 19, 0), of(5, 1, 0), "n", false},
		{"K13: two containers of 3 of 5", of(0, 0, 2), of(0, 0, 6), "n(too-small)", false},
		{"K13: two init containers of 3", of(0, 0, 2), of(0, 0, 3), "n", false},
		{"K14: nothing asked for on a full node", of(10, 20, 0), of(0, 0, 0), "n", false},
		{"N22: what tasks have can be had back", of(8, 18, 0), of(5, 1, 0), "n(insufficient)", true},
		{"N22: what the node never had cannot", of(8, 18, 0), of(11, 21, 0), "n(too-small+too-small)", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newScenario(t, placement.BinPack(), berth.Node{ID: "n", Capacity: of(10, 20, 5)})
			require.Equal(t, "n:1", w.place(berth.NewGroup("used", berth.GroupSpec{Request: c.used}), 1))
			pod := berth.NewGroup("pod", berth.GroupSpec{Request: c.asks})
			assert.Equal(t, c.want, w.verdicts(pod))
			snapshot, err := w.state.Snapshot(context.Background())
			require.NoError(t, err)
			d := snapshot.Fork().Diagnose(pod)
			assert.Equal(t, c.resolvable, d.Resolvable() == 1)
		})
	}
}

// What preferences and scores of other systems put first.
func TestConformanceOfScores(t *testing.T) {
	prefer := func(all ...berth.Preference) berth.GroupSpec { return berth.GroupSpec{Prefer: all} }
	score := placement.Best(placement.Class("score", func(n *berth.Node) int64 {
		v, _ := n.Attribute("score")
		number, _ := v.Number()
		return int64(number)
	}).Reads("score"))
	scored := func(scores ...int) []berth.Node {
		var nodes []berth.Node
		for _, s := range scores {
			nodes = append(nodes, berth.Node{ID: fmt.Sprint(s), Attributes: berth.Attributes{"score": s}})
		}
		return nodes
	}
	unlike, failed := berth.Preference{Weight: -3, Rule: constraints.Near(berth.NodeID, berth.Selector{})}, berth.Preference{Weight: -4, Rule: constraints.Eq(berth.NodeID, "n1")}
	for _, c := range []struct {
		name     string
		strategy placement.Strategy
		nodes    []berth.Node
		put      []put
		spec     berth.GroupSpec
		want     string
	}{
		// NodeAffinity: sums of 2, 11 and 4 are 18, 100 and 36 there.
		{"K25: preferred node affinity", placement.BinPack(), nodesOf("a foo=bar", "b foo=bar key=value az=az1", "c key=value"), nil, prefer(
			berth.Preference{Weight: 2, Rule: constraints.Eq("foo", "bar")}, berth.Preference{Weight: 4, Rule: constraints.Eq("key", "value")},
			berth.Preference{Weight: 5, Rule: constraints.And(constraints.Eq("foo", "bar"), constraints.Eq("key", "value"), constraints.Eq("az", "az1"))}), "b c a"},
		// Nomad: job anti-affinity of -(2+1)/4 on n1 and 0 on n2, where another job is; a penalty of -1 where it failed; both are -0.875.
		{"N14: anti-affinity within the job", placement.BinPack(), nodesOf("n1", "n2"), []put{{"app", "", "n1 n1"}, {"other", "", "n2"}}, prefer(unlike), "n2 n1"},
		{"N14: where it failed", placement.BinPack(), nodesOf("n1", "n2"), nil, prefer(failed), "n2 n1"},
		{"N14: both", placement.BinPack(), nodesOf("n1", "n2"), []put{{"app", "", "n1 n1"}}, prefer(unlike, failed), "n2 n1"},
		{"N14: by degrees", placement.Best(placement.Tasks(berth.NodeID).Times(-1)), nodesOf("n1", "n2", "n3"), []put{{"app", "", "n1 n1 n2"}}, berth.GroupSpec{}, "n3 n2 n1"},
		// Nomad looks at two nodes, and passes over up to three that score no more than 0. Here all are looked at, so the best is at least as
		// good, and no score keeps a task off.
		{"ours, N19: -1, 2, 3", score, scored(-1, 2, 3), nil, berth.GroupSpec{}, "3 2 -1"},
		{"ours, N19: -1, -2, 3, 4", score, scored(-1, -2, 3, 4), nil, berth.GroupSpec{}, "4 3 -1 -2"},
		{"ours, N19: -1, -6, -3, -4", score, scored(-1, -6, -3, -4), nil, berth.GroupSpec{}, "-1 -3 -4 -6"},
		{"N19: -1, 5", score, scored(-1, 5), nil, berth.GroupSpec{}, "5 -1"},
		{"N19: -1", score, scored(-1), nil, berth.GroupSpec{}, "-1"},
		// Fenzo's issue 110: what a host spends for the first task of a framework, such as an executor.
		{"Fenzo: the first task on a host costs more", placement.Spread(), nodesOf("a", "b"), []put{{"app", "", "b"}},
			prefer(berth.Preference{Weight: 1, Rule: constraints.Near(berth.NodeID, berth.Selector{})}), "b a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newScenario(t, c.strategy, c.nodes...)
			for _, p := range c.put {
				w.put(p.group, p.labels, p.nodes)
			}
			assert.Equal(t, c.want, w.order(c.spec, "app"))
		})
	}
}

// The rest of Aurora's host limits: hosts in maintenance.
func TestConformanceOfMaintenance(t *testing.T) {
	nodes := nodesOf("a", "b maintenance=scheduled", "c")
	w := newScenario(t, placement.BinPack(), nodes...)
	require.NoError(t, w.state.Cordon("a")) // draining or drained
	assert.Equal(t, "a(cordoned) b c", w.verdicts(berth.NewGroup("app", own(constraints.MaxPer(berth.NodeID, 2)))), "A26")
	spec := berth.GroupSpec{Prefer: []berth.Preference{{Weight: -1, Rule: constraints.Eq("maintenance", "scheduled")}}}
	assert.Equal(t, "c b", w.order(spec, "app"), "Aurora: offers of hosts whose maintenance is scheduled come after the others")
}

// A rule that nothing satisfies, alone or with others, keeps every task off, says which it is, and is done at once. Each constructor has one.
func TestRulesThatNothingSatisfies(t *testing.T) {
	nodes := nodesOf("a zone=1 rack=r1 kernel=5.4 features=sse", "b zone=2 kernel=latest", "c ip=10.0.0.1")
	nodes[2].Taints = []berth.Taint{{Key: "down", Effect: berth.NoExecute}}
	rule := func(code berth.Code) string {
		word, err := code.MarshalText()
		require.NoError(t, err)
		return string(word)
	}
	full := []put{{"app", "", "a"}, {"app", "", "b"}}
	for rules, want := range map[string][]berth.Code{
		`nowhere`:                  {berth.RuleBroken},
		`not (everywhere)`:         {berth.RuleBroken},
		`(everywhere and nowhere)`: {berth.RuleBroken},
		`zone = "9"`:               {berth.RuleBroken},
		`zone in ("8", "9")`:       {berth.RuleBroken},
		`zone = "1"; zone != "1"`:  {berth.RuleBroken},
		`zone in ("1", "2"); zone not in ("1", "2")`:                  {berth.RuleBroken},
		`(exists(zone) and not-exists(zone))`:                         {berth.RuleBroken},
		`exists(zone); not-exists(zone)`:                              {berth.RuleBroken},
		`zone > 7; zone < 7`:                                          {berth.RuleBroken},
		`zone <= -1e300`:                                              {berth.RuleBroken},
		`zone >= 1e300`:                                               {berth.RuleBroken},
		`match(zone, "")`:                                             {berth.RuleBroken},
		`match(zone, "[^\\x00-\\x{10FFFF}]")`:                         {berth.RuleBroken},
		`search(zone, "1$"); not-match(zone, "1")`:                    {berth.RuleBroken},
		`version(kernel, "> 5, < 5")`:                                 {berth.RuleBroken},
		`semver(kernel, "> 5.0.0, < 5.0.0")`:                          {berth.RuleBroken},
		`contains-all(features, "sse", "none")`:                       {berth.RuleBroken},
		`contains-any(features, "none")`:                              {berth.RuleBroken},
		`in-network(ip, "10.0.0.2")`:                                  {berth.RuleBroken},
		`in-network(zone, "::/0")`:                                    {berth.RuleBroken},
		`unique(dc)`:                                                  {berth.NoDomain},
		`group-by(dc)`:                                                {berth.NoDomain},
		`max-per(dc, 30%)`:                                            {berth.NoDomain},
		`targets(dc, 10, "1" 50%)`:                                    {berth.NoDomain},
		`targets(zone, 10, "9" 100%)`:                                 {berth.DomainFull, berth.NoDomain},
		`targets(zone, 10, "1" 0%, others 0%)`:                        {berth.DomainFull, berth.NoDomain},
		`unique(zone)`:                                                {berth.DomainFull, berth.NoDomain},
		`max-per(zone, 1% of 1)`:                                      {berth.DomainFull, berth.NoDomain},
		`group-by(zone, min-domains 9)`:                               {berth.DomainFull, berth.NoDomain},
		`group-by(zone, over all-nodes); zone = "1"; unique(node.id)`: {berth.RuleBroken, berth.DomainFull},
		`near(zone, app = "none")`:                                    {berth.NoneNear, berth.NoDomain},
		`near(zone, app = "none" and not app = "none")`:               {berth.NoneNear, berth.NoDomain},
		`colocate(dc, own)`:                                           {berth.NoDomain},
		`colocate(zone, own, domains 2); unique(zone)`:                {berth.DomainFull, berth.NoDomain},
		`apart(node.id, any); near(node.id, any)`:                     {berth.DomainFull, berth.NoneNear},
		`avoid(zone, any); colocate(zone, any)`:                       {berth.DomainFull, berth.NoDomain},
		`tolerate(down); node.id = "c"; not-exists(ip)`:               {berth.RuleBroken},
		`tolerate(down, effect no-schedule); node.id = "c"`:           {berth.Tainted, berth.RuleBroken},
		`tolerate(up); node.id = "c"`:                                 {berth.Tainted, berth.RuleBroken},
	} {
		t.Run(rules, func(t *testing.T) {
			w := newScenario(t, placement.BinPack(), nodes...)
			for _, p := range full {
				w.put(p.group, p.labels, p.nodes)
			}
			spec := berth.GroupSpec{}
			for text := range strings.SplitSeq(rules, "; ") {
				r, err := constraints.Parse(text)
				require.NoError(t, err)
				spec.Rules = append(spec.Rules, r)
			}
			g := berth.NewGroup("app", spec)
			require.NoError(t, g.Err())
			out, err := w.s.Schedule(context.Background(), g.Task("one"))
			require.NoError(t, err)
			require.Len(t, out.Unplaced, 1)
			why := out.Unplaced[0].Why
			said := map[string]bool{}
			for _, c := range why.Counts {
				said[rule(c.Reason.Code)] = true
				assert.NotZero(t, c.Nodes)
			}
			for _, code := range want {
				assert.True(t, said[rule(code)], "%v: %v", code, why)
			}
			assert.NotNil(t, why.Nearest)
			// Preferred, none of it keeps the task off.
			spec.Prefer, spec.Rules = nil, nil
			for text := range strings.SplitSeq(rules, "; ") {
				if r, err := constraints.Parse(text); err == nil && !strings.HasPrefix(text, "tolerate") {
					spec.Prefer = append(spec.Prefer, berth.Preference{Weight: 7, Rule: r})
				}
			}
			out, err = w.s.Schedule(context.Background(), berth.NewGroup("wish", spec).Task("two"))
			require.NoError(t, err)
			assert.Len(t, out.Placed, 1)
		})
	}
}

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
	"github.com/berth-sched/berth/scheduler"
)

// Scenarios from the tests and documents of other systems, each with what must come out. Where ours comes out otherwise the case
// begins with "ours" and says why.

// scenario is a cluster that cases are played on.
type scenario struct {
	t     *testing.T
	state *scheduler.State
	s     *scheduler.Scheduler
	tasks int
}

func newScenario(t *testing.T, strategy placement.Strategy, nodes ...berth.Node) *scenario {
	t.Helper()
	state, err := scheduler.NewState(scheduler.StateConfig{}, nodes...)
	require.NoError(t, err)
	s, err := scheduler.New(state, scheduler.Config{Strategy: strategy})
	require.NoError(t, err)
	return &scenario{t: t, state: state, s: s}
}

// nodesOf makes nodes of "a zone=z1 rack=r1", one each.
func nodesOf(descriptions ...string) []berth.Node {
	var nodes []berth.Node
	for _, d := range descriptions {
		fields := strings.Fields(d)
		n := berth.Node{ID: fields[0], Capacity: berth.Resources{"cpu": 8000, "memory": 8000}, Attributes: berth.Attributes{}}
		for _, f := range fields[1:] {
			key, value, _ := strings.Cut(f, "=")
			n.Attributes[key] = value
		}
		nodes = append(nodes, n)
	}
	return nodes
}

// put places a task of a group of that name on a node for each that is listed. Its labels are "key=value". It returns their IDs.
func (w *scenario) put(group, labels, nodes string) (ids []string) {
	w.t.Helper()
	for _, node := range strings.Fields(nodes) {
		g := berth.NewGroup(group, berth.GroupSpec{Labels: labelsOf(labels), Rules: []berth.Constraint{constraints.Eq(berth.NodeID, node)}})
		w.tasks++
		id := fmt.Sprintf("%s:%d", group, w.tasks)
		out, err := w.s.Schedule(context.Background(), g.Task(id))
		require.NoError(w.t, err)
		require.Empty(w.t, out.Unplaced)
		require.NoError(w.t, w.state.Confirm(id))
		ids = append(ids, id)
	}
	return ids
}

func labelsOf(text string) map[string]string {
	labels := map[string]string{}
	for _, l := range strings.Fields(text) {
		key, value, _ := strings.Cut(l, "=")
		labels[key] = value
	}
	return labels
}

// verdicts says of every node whether a task of the group may go there: "a" if so, "b(domain-full)" if not. It checks that the
// scheduler then places one where it may go, and nowhere if it may not go anywhere.
func (w *scenario) verdicts(g *berth.Group) string {
	w.t.Helper()
	require.NoError(w.t, g.Err())
	snapshot, err := w.state.Snapshot(context.Background())
	require.NoError(w.t, err)
	f := snapshot.Fork()
	var all []string
	fits := map[string]bool{}
	for n := range f.Nodes() {
		lacks := f.Lacks(g, n)
		fits[n.ID()] = len(lacks) == 0
		said := n.ID()
		for i, l := range lacks {
			word, err := l.Reason.Code.MarshalText()
			require.NoError(w.t, err)
			said += [2]string{"(", "+"}[min(i, 1)] + string(word)
		}
		if len(lacks) > 0 {
			said += ")"
		}
		all = append(all, said)
	}
	w.tasks++
	out, err := w.s.Schedule(context.Background(), g.Task(fmt.Sprintf("%s:%d", g.Name(), w.tasks)))
	require.NoError(w.t, err)
	for _, p := range out.Placed {
		assert.True(w.t, fits[p.Node], "placed on %s", p.Node)
		require.NoError(w.t, w.state.Release(p.Task.ID))
	}
	any := false
	for _, ok := range fits {
		any = any || ok
	}
	assert.Equal(w.t, any, len(out.Placed) == 1)
	return strings.Join(all, " ")
}

// place schedules n tasks of a group and says how many are where: "a:2 b:1".
func (w *scenario) place(g *berth.Group, n int) string {
	w.t.Helper()
	require.NoError(w.t, g.Err())
	out, err := w.s.Schedule(context.Background(), g.Tasks(n)...)
	require.NoError(w.t, err)
	on := map[string]int{}
	for _, p := range out.Placed {
		on[p.Node]++
	}
	var all []string
	snapshot, err := w.state.Snapshot(context.Background())
	require.NoError(w.t, err)
	for node := range snapshot.Nodes() {
		if on[node.ID()] > 0 {
			all = append(all, fmt.Sprintf("%s:%d", node.ID(), on[node.ID()]))
		}
	}
	if len(out.Unplaced) > 0 {
		all = append(all, fmt.Sprintf("unplaced:%d", n-len(out.Placed)))
	}
	return strings.Join(all, " ")
}

// put is tasks of a scenario that run already.
type put struct{ group, labels, nodes string }

func own(rule berth.Constraint, more ...berth.Constraint) berth.GroupSpec {
	return berth.GroupSpec{Rules: append([]berth.Constraint{rule}, more...)}
}

// groups is what Marathon's GROUP_BY is since October 2020, of so many instances: at most that many racks, and in each at most what is its
// part, rounded up.
func groups(n, instances int) berth.GroupSpec { return groupsBy("rack", n, instances) }

func groupsBy(attribute string, n, instances int) berth.GroupSpec {
	return own(constraints.MaxPer(attribute, (instances+n-1)/n), constraints.Colocate(attribute, berth.Selector{}).Domains(n))
}

func TestConformanceOfRules(t *testing.T) {
	zones := nodesOf("a zone=1", "b zone=1", "x zone=2", "y zone=2")
	hosts := nodesOf("h1", "h2", "h3", "h4")
	racks := nodesOf("n1 rack=r1", "n2 rack=r2", "n3 rack=r3", "n4")
	abc := nodesOf("a", "b", "c")
	regions := nodesOf("n1 region=China", "n2 region=China", "n3 region=India")
	numbered := nodesOf("n1", "n2")
	numbered[0].Attributes["rack"], numbered[1].Attributes["rack"] = 1.0, 2
	isFoo := berth.Label("foo", "bar")
	byHost := constraints.GroupBy(berth.NodeID)
	for _, tc := range []struct {
		name  string
		nodes []berth.Node
		put   []put
		group string // whose name is "app" if it is empty
		spec  berth.GroupSpec
		want  string
	}{
		// Kubernetes: pkg/scheduler/framework/plugins, podtopologyspread and interpodaffinity.
		{"K15: hostname 2/1/0/3, maxSkew 1", zones, []put{{"app", "", "a a b y y y"}}, "", own(byHost), "a(domain-full) b(domain-full) x y(domain-full)"},
		{"K15: maxSkew 2", zones, []put{{"app", "", "a a b y y y"}}, "", own(byHost.Skew(2)), "a(domain-full) b x y(domain-full)"},
		{"K16: a node without the zone label", nodesOf("a zone=1", "b zon=1", "x zone=2", "y zone=2"), []put{{"app", "", "a b x y"}}, "",
			own(constraints.GroupBy("zone")), "a b(no-domain) x(domain-full) y(domain-full)"},
		{"K17: zone 3/3 and hostname 2/1/0/3", zones, []put{{"app", "", "a a b y y y"}}, "", own(constraints.GroupBy("zone"), byHost), "a(domain-full) b(domain-full) x y(domain-full)"},
		{"K17: one more on y", zones, []put{{"app", "", "a a b y y y y"}}, "", own(constraints.GroupBy("zone"), byHost),
			"a(domain-full) b(domain-full) x(domain-full) y(domain-full+domain-full)"},
		{"K18: 2/2/1, maxSkew 2, minDomains 4", abc, []put{{"app", "", "a a b b c"}}, "", own(byHost.Skew(2).MinDomains(4)), "a(domain-full) b(domain-full) c"},
		{"K18: minDomains 2", abc, []put{{"app", "", "a a b b c"}}, "", own(byHost.Skew(2).MinDomains(2)), "a b c"},
		{"nodeAffinityPolicy Honor: c does not count", abc, []put{{"app", "", "a a b b"}}, "", own(byHost, constraints.In(berth.NodeID, "a", "b")), "a b c(rule-broken)"},
		{"nodeAffinityPolicy Ignore: it does", abc, []put{{"app", "", "a a b b"}}, "", own(byHost.ExcludedToo(), constraints.In(berth.NodeID, "a", "b")),
			"a(domain-full) b(domain-full) c(rule-broken)"},
		{"matchLabelKeys: pods of another revision do not count", abc, []put{{"v1", "app=web hash=1", "a b"}, {"v2", "app=web hash=2", "c"}}, "v2",
			berth.GroupSpec{Labels: labelsOf("app=web hash=2"), Rules: []berth.Constraint{byHost.Of(berth.Label("app", "web").And(berth.Label("hash", "2")))}}, "a b c(domain-full)"},
		{"K22: required affinity by region", regions, []put{{"p", "foo=bar", "n1"}}, "", own(constraints.Near("region", isFoo)), "n1 n2 n3(none-near)"},
		{"K23: two terms are one selector, and the first pod of them goes anywhere", nodesOf("A zone=a", "B zone=b"), []put{{"p", "foo=bar", "A"}}, "",
			berth.GroupSpec{Labels: labelsOf("foo=bar service=s"), Rules: []berth.Constraint{constraints.Near("zone", isFoo.And(berth.Label("service", "s")))}}, "A B"},
		{"K23: but for nodes without the label", nodesOf("A", "B"), []put{{"p", "foo=bar", "A"}}, "",
			berth.GroupSpec{Labels: labelsOf("foo=bar service=s"), Rules: []berth.Constraint{constraints.Near("zone", isFoo.And(berth.Label("service", "s")))}}, "A(no-domain) B(no-domain)"},
		{"K24: required anti-affinity by region", regions, []put{{"p", "foo=bar", "n1"}}, "", own(constraints.Apart("region", isFoo)), "n1(domain-full) n2(domain-full) n3"},
		{"Kubernetes: anti-affinity without the label on the node", nodesOf("n1 region=China", "n2"), []put{{"p", "foo=bar", "n1 n2"}}, "", own(constraints.Apart("region", isFoo)), "n1(domain-full) n2"},

		// Marathon: ConstraintsTest.
		{"M1: UNIQUE host", hosts, []put{{"app", "", "h1 h2 h3"}}, "", own(constraints.UniqueNode()), "h1(domain-full) h2(domain-full) h3(domain-full) h4"},
		{"M2: UNIQUE rack", racks, []put{{"app", "", "n1 n2"}}, "", own(constraints.Unique("rack")), "n1(domain-full) n2(domain-full) n3 n4(no-domain)"},
		{"M2: with nothing placed", racks, nil, "", own(constraints.Unique("rack")), "n1 n2 n3 n4(no-domain)"},
		{"M3: CLUSTER without a value, nothing placed", racks, nil, "", own(constraints.Near("rack", berth.Selector{})), "n1 n2 n3 n4(no-domain)"},
		{"M3: and then", racks, []put{{"app", "", "n1 n1"}}, "", own(constraints.Near("rack", berth.Selector{})), "n1 n2(none-near) n3(none-near) n4(no-domain)"},
		{"M4: CLUSTER hostname with a value", hosts, nil, "", own(constraints.Eq(berth.NodeID, "h2")), "h1(rule-broken) h2 h3(rule-broken) h4(rule-broken)"},
		{"M7: the order in a set is of no account", nodesOf("n1 x=1,0", "n2 x=2,1", "n3"), nil, "", own(constraints.ContainsAll("x", "0", "1")), "n1 n2(rule-broken) n3(rule-broken)"},
		{"M8: MAX_PER 2", hosts, []put{{"app", "", "h1 h1 h2"}}, "", own(constraints.MaxPer(berth.NodeID, 2)), "h1(domain-full) h2 h3 h4"},
		{"M10: GROUP_BY 2 of 5 instances", racks, nil, "", groups(2, 5), "n1 n2 n3 n4(no-domain+no-domain)"},
		{"M10: one in a rack", racks[:3], []put{{"app", "", "n1"}}, "", groups(2, 5), "n1 n2 n3"},
		{"M10: two in a rack", racks[:3], []put{{"app", "", "n1 n1"}}, "", groups(2, 5), "n1 n2 n3"},
		{"M10: three in a rack", racks[:3], []put{{"app", "", "n1 n1 n1"}}, "", groups(2, 5), "n1(domain-full) n2 n3"},
		{"M10: three and one", racks[:3], []put{{"app", "", "n1 n1 n1 n2"}}, "", groups(2, 5), "n1(domain-full) n2 n3(none-near)"},
		{"M10: no third rack", racks[:3], []put{{"app", "", "n1 n2"}}, "", groups(2, 5), "n1 n2 n3(none-near)"},
		{"M11: GROUP_BY 3 on host", hosts, nil, "", groupsBy(berth.NodeID, 3, 5), "h1 h2 h3 h4"},
		{"M11: one placed", hosts, []put{{"app", "", "h1"}}, "", groupsBy(berth.NodeID, 3, 5), "h1 h2 h3 h4"},
		{"M11: two placed", hosts, []put{{"app", "", "h1 h2"}}, "", groupsBy(berth.NodeID, 3, 5), "h1 h2 h3 h4"},
		{"M11: no fourth host", hosts, []put{{"app", "", "h1 h2 h3"}}, "", groupsBy(berth.NodeID, 3, 5), "h1 h2 h3 h4(none-near)"},
		// Of 7 instances in 3 groups Marathon's rest lets one group have a third, ours lets two have it.
		{"ours: the rest of GROUP_BY is not counted", hosts[:3], []put{{"app", "", "h1 h1 h1 h2 h2 h3"}}, "", groupsBy(berth.NodeID, 3, 7), "h1(domain-full) h2 h3"},
		{"ours: GROUP_BY as it is documented sees racks without a task", racks[:3], []put{{"app", "", "n1 n2"}}, "", own(constraints.GroupBy("rack")), "n1(domain-full) n2(domain-full) n3"},
		{"M12: UNIQUE region", regions, []put{{"app", "", "n1"}}, "", own(constraints.Unique("region")), "n1(domain-full) n2(domain-full) n3"},

		// Aurora: SchedulingFilterImplTest.
		{"A26: host limit 2 on 1/2/1", abc, []put{{"app", "", "a b b c"}}, "", own(constraints.MaxPer(berth.NodeID, 2)), "a b(domain-full) c"},
		{"A26: host limit 3", abc, []put{{"app", "", "a b b c"}}, "", own(constraints.MaxPer(berth.NodeID, 3)), "a b c"},
		{"A26: rack limit 1, of this job only", nodesOf("a rack=A", "b rack=A", "c rack=B", "d rack=C"), []put{{"app", "", "a b b c"}, {"other", "", "d"}}, "",
			own(constraints.Unique("rack")), "a(domain-full) b(domain-full) c(domain-full) d"},
		{"M9: MAX_PER 2 by a number", numbered, []put{{"app", "", "n1 n2"}}, "", own(constraints.MaxPer("rack", 2)), "n1 n2"},
		{"M9: and then", numbered, []put{{"app", "", "n1 n1 n2"}}, "", own(constraints.MaxPer("rack", 2)), "n1(domain-full) n2"},
		{"M12: UNIQUE zone", zones, []put{{"app", "", "a"}}, "", own(constraints.Unique("zone")), "a(domain-full) b(domain-full) x y"},
		{"Nomad: spread with targets, hard", nodesOf("a dc=1", "b dc=2", "c dc=3", "d"), []put{{"app", "", "a a a a a a a a b"}}, "",
			own(constraints.Targets("dc", 10, map[any]int{"1": 80, "2": 20})), "a(domain-full) b c(domain-full) d(no-domain)"},

		{"A26: an empty job", abc, []put{{"other", "", "a a a"}}, "", own(constraints.MaxPer(berth.NodeID, 2)), "a b c"},
		{"A25: a host dedicated to two roles", nodesOf("a dedicated=web,db", "b dedicated=db", "c"), nil, "", own(constraints.ContainsAny("dedicated", "web")), "a b(rule-broken) c(rule-broken)"},

		// DC/OS Commons: TaskTypeRuleTest, MaxPerAttributeRuleTest, RoundRobinByAttributeRuleTest.
		{"D: avoid", abc, []put{{"p", "foo=bar", "a"}}, "", own(constraints.Avoid(berth.NodeID, isFoo)), "a(domain-full) b c"},
		{"D: colocate passes anywhere when no such task runs", abc, nil, "", own(constraints.Colocate(berth.NodeID, isFoo)), "a b c"},
		{"D: colocate", abc, []put{{"p", "foo=bar", "b"}}, "", own(constraints.Colocate(berth.NodeID, isFoo)), "a(none-near) b c(none-near)"},
		{"ours: max per attribute refuses a node without it", nodesOf("a rack=A", "b"), nil, "", own(constraints.MaxPer("rack", 1)), "a b(no-domain)"},
		{"D: round robin with all in view", abc, []put{{"app", "", "a b"}}, "", own(byHost), "a(domain-full) b(domain-full) c"},

		// Nomad: feasible_test.go.
		{"N5: distinct_hosts of the job", abc, []put{{"J.g1", "job=J", "a"}, {"J.g2", "job=J", "b"}, {"other", "job=K", "a b c"}}, "J.g1",
			berth.GroupSpec{Labels: labelsOf("job=J"), Rules: []berth.Constraint{constraints.UniqueNode().Of(berth.Label("job", "J"))}}, "a(domain-full) b(domain-full) c"},
		{"N6: distinct_hosts of the group", nodesOf("a", "b"), []put{{"J.g1", "job=J", "a"}, {"J2.g1", "job=J2", "b"}}, "J.g1", own(constraints.UniqueNode()), "a(domain-full) b"},
		{"N6: the other group has no such rule", nodesOf("a", "b"), []put{{"J.g1", "job=J", "a"}, {"J2.g1", "job=J2", "b"}}, "J.g2", berth.GroupSpec{}, "a b"},
		{"N9: distinct_property, all other racks are used", nodesOf("a rack=0", "b rack=1", "c rack=2", "d rack=3", "e rack=4"), []put{{"app", "", "a b c d"}, {"other", "", "e"}}, "",
			own(constraints.Unique("rack")), "a(domain-full) b(domain-full) c(domain-full) d(domain-full) e"},
		{"N: distinct_property, a node without it", nodesOf("a rack=0", "b"), nil, "", own(constraints.MaxPer("rack", 2)), "a b(no-domain)"},

		// SwarmKit: constraint_test.go, filter.go.
		{"S11: an engine label is not a node label", nodesOf("a node.labels.security=high", "b engine.labels.security=high"), nil, "", own(constraints.Eq("node.labels.security", "high")), "a b(rule-broken)"},
		{"S11: != holds where it is unset", nodesOf("a node.labels.disk=ssd", "b engine.labels.disk=ssd"), nil, "", own(constraints.NotEq("engine.labels.disk", "ssd")), "a b(rule-broken)"},
		{"S: max replicas per node", abc, []put{{"app", "", "a a b"}}, "", own(constraints.MaxPer(berth.NodeID, 2)), "a(domain-full) b c"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newScenario(t, placement.BinPack(), tc.nodes...)
			for _, p := range tc.put {
				w.put(p.group, p.labels, p.nodes)
			}
			if tc.group == "" {
				tc.group = "app"
			}
			assert.Equal(t, tc.want, w.verdicts(berth.NewGroup(tc.group, tc.spec)))
		})
	}
}

func TestConformanceOfHistories(t *testing.T) {
	ask := berth.Resources{"cpu": 1000, "memory": 1000}
	group := func(name string, rules ...berth.Constraint) *berth.Group {
		return berth.NewGroup(name, berth.GroupSpec{Request: ask, Rules: rules})
	}
	soft := func(rule berth.Constraint) *berth.Group {
		return berth.NewGroup("soft", berth.GroupSpec{Request: ask, Prefer: []berth.Preference{{Weight: 10, Rule: rule}}})
	}
	abc := nodesOf("a zone=1", "b zone=2", "c zone=3")

	t.Run("K19: a pod that is going does not count", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), nodesOf("a", "b")...)
		going := w.put("app", "", "a")
		w.put("app", "", "b")
		require.NoError(t, w.state.Stop(going...))
		assert.Equal(t, "a b(domain-full)", w.verdicts(group("app", constraints.GroupBy(berth.NodeID).WithoutStopping())))
	})
	t.Run("Kubernetes: anti-affinity is symmetric", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), nodesOf("a zone=1", "b zone=2")...)
		db := berth.NewGroup("db", berth.GroupSpec{Rules: []berth.Constraint{constraints.Apart("zone", berth.Label("app", "batch")), constraints.Eq(berth.NodeID, "a")}})
		require.Equal(t, "a:1", w.place(db, 1))
		assert.Equal(t, "a(kept-apart) b", w.verdicts(berth.NewGroup("batch", berth.GroupSpec{Labels: labelsOf("app=batch")})))
	})
	t.Run("D: avoid is not", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), nodesOf("a zone=1", "b zone=2")...)
		db := berth.NewGroup("db", berth.GroupSpec{Rules: []berth.Constraint{constraints.Avoid("zone", berth.Label("app", "batch")), constraints.Eq(berth.NodeID, "a")}})
		require.Equal(t, "a:1", w.place(db, 1))
		assert.Equal(t, "a b", w.verdicts(berth.NewGroup("batch", berth.GroupSpec{Labels: labelsOf("app=batch")})))
	})
	t.Run("D: the task that is replaced does not count", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), nodesOf("a zone=1")...)
		v1 := group("app", constraints.UniqueNode(), constraints.Avoid(berth.NodeID, berth.InGroup("app")))
		require.Equal(t, "a:1", w.place(v1, 1))
		v2 := berth.NewGroup("app", berth.GroupSpec{Request: berth.Resources{"cpu": 2000}, Rules: []berth.Constraint{constraints.UniqueNode(), constraints.Avoid(berth.NodeID, berth.InGroup("app"))}})
		out, err := w.s.Replace(context.Background(), v2.Task("app-1"))
		require.NoError(t, err)
		require.Len(t, out.Placed, 1)
		assert.Equal(t, "a", out.Placed[0].Node)
	})
	t.Run("Marathon 3867: tasks of one batch count each other", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), nodesOf("a", "b")...)
		assert.Equal(t, "a:1 b:1 unplaced:1", w.place(group("app", constraints.UniqueNode()), 3))
	})
	t.Run("F17: packing takes one zone", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), abc...)
		assert.Len(t, strings.Fields(w.place(group("app"), 3)), 1)
	})
	t.Run("F17: unique zone, hard", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), abc...)
		assert.Equal(t, "a:1 b:1 c:1", w.place(group("app", constraints.Unique("zone")), 3))
	})
	t.Run("F17: unique zone, soft", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), abc...)
		assert.Equal(t, "a:1 b:1 c:1", w.place(soft(constraints.Unique("zone")), 3))
	})
	t.Run("F18: soft unique zone, 3 tasks on 2 hosts", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), abc[:2]...)
		assert.Contains(t, []string{"a:2 b:1", "a:1 b:2"}, w.place(soft(constraints.Unique("zone")), 3))
	})
	t.Run("F19: balanced zones, hard", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), abc...)
		assert.Equal(t, "a:2 b:2 c:2", w.place(group("app", constraints.GroupBy("zone")), 6))
	})
	t.Run("F19: balanced zones, soft", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), abc...)
		assert.Equal(t, "a:2 b:2 c:2", w.place(soft(constraints.GroupBy("zone")), 6))
	})
	t.Run("F20: unique host among themselves, a used host included", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), nodesOf("a", "b", "c", "d", "e")...)
		assert.Len(t, strings.Fields(w.place(group("plain"), 5)), 1)
		assert.Equal(t, "a:1 b:1 c:1 d:1 e:1", w.place(group("unique", constraints.UniqueNode()), 5))
	})
	t.Run("F21: exclusive hosts, both ways", func(t *testing.T) {
		exclusive := group("exclusive", constraints.Apart(berth.NodeID, berth.AnyTask()))
		w := newScenario(t, placement.BinPack(), nodesOf("a", "x")...)
		require.Equal(t, "x:1", w.place(group("running", constraints.Eq(berth.NodeID, "x")), 1))
		out, err := w.s.Schedule(context.Background(), group("plain").Task("plain-1"), exclusive.Task("exclusive-9"))
		require.NoError(t, err)
		on := map[string]string{}
		for _, p := range out.Placed {
			on[p.Task.ID] = p.Node
		}
		assert.Equal(t, map[string]string{"plain-1": "x", "exclusive-9": "a"}, on)
		// Fenzo puts a plain task beside an exclusive one of the same pass; here it counts at once.
		assert.Equal(t, "a(kept-apart) x", w.verdicts(group("plain")))
		w = newScenario(t, placement.BinPack(), nodesOf("a")...)
		require.Equal(t, "a:1", w.place(exclusive, 1))
		assert.Equal(t, "a(kept-apart)", w.verdicts(group("plain")))
		require.NoError(t, w.state.AddNodes(nodesOf("b")...))
		assert.Equal(t, "b:1", w.place(group("plain"), 1))
	})
	t.Run("N7: 10 nodes, 11 tasks, distinct hosts", func(t *testing.T) {
		nodes := nodesOf("n0", "n1", "n2", "n3", "n4", "n5", "n6", "n7", "n8", "n9")
		w := newScenario(t, placement.BinPack(), nodes...)
		out, err := w.s.Schedule(context.Background(), group("app", constraints.UniqueNode()).Tasks(11)...)
		require.NoError(t, err)
		assert.Len(t, out.Placed, 10)
		require.Len(t, out.Unplaced, 1)
		assert.Contains(t, fmt.Sprint(out.Unplaced[0]), "10 unique(node.id)")
	})
	t.Run("N8: 8 tasks, 2 racks, distinct_property 2", func(t *testing.T) {
		var nodes []string
		for i := range 10 {
			nodes = append(nodes, fmt.Sprintf("n%d rack=r%d", i, i%2))
		}
		w := newScenario(t, placement.BinPack(), nodesOf(nodes...)...)
		out, err := w.s.Schedule(context.Background(), group("app", constraints.MaxPer("rack", 2)).Tasks(8)...)
		require.NoError(t, err)
		assert.Len(t, out.Placed, 4)
		assert.Len(t, out.Unplaced, 4)
	})
	t.Run("S: a spread over racks within zones fills like water, equal names or not", func(t *testing.T) {
		var nodes []berth.Node
		for _, n := range nodesOf("a1 zone=a rack=r1", "b1 zone=b rack=r1", "b2 zone=b rack=r2", "b3 zone=b rack=r3", "b4 zone=b rack=r3") {
			n.Attributes.Nest("zone", "rack")
			nodes = append(nodes, n)
		}
		w := newScenario(t, placement.Spread("zone", "zone/rack"), nodes...)
		// 12 tasks: 6 to a zone; in b 2 to a rack, and in its third rack 1 to a node.
		assert.Equal(t, "a1:6 b1:2 b2:2 b3:1 b4:1", w.place(berth.NewGroup("app", berth.GroupSpec{Request: berth.Resources{"cpu": 100}}), 12))
	})
	t.Run("Kubernetes: a pod tolerates every taint or stays away", func(t *testing.T) {
		nodes := nodesOf("a", "b", "c")
		nodes[0].Taints = []berth.Taint{{Key: "dedicated", Value: "gpu"}, {Key: "down", Effect: berth.NoExecute}}
		nodes[1].Taints = []berth.Taint{{Key: "dedicated", Value: "gpu"}}
		w := newScenario(t, placement.BinPack(), nodes...)
		assert.Equal(t, "a(tainted+tainted) b(tainted) c", w.verdicts(group("plain")))
		assert.Equal(t, "a(tainted) b c", w.verdicts(group("gpu", constraints.Tolerate("dedicated", "gpu"))))
		assert.Equal(t, "a b c", w.verdicts(group("both", constraints.Tolerate("dedicated", "gpu"), constraints.TolerateKey("down").For(0))))
	})
	t.Run("no rule of a group that nothing satisfies hangs or passes", func(t *testing.T) {
		w := newScenario(t, placement.BinPack(), abc...)
		for _, rules := range [][]berth.Constraint{
			{constraints.Nowhere()},
			{constraints.Eq("zone", "1"), constraints.NotEq("zone", "1")},
			{constraints.And(constraints.Exists("zone"), constraints.NotExists("zone"))},
			{constraints.Near("zone", berth.Label("app", "none"))},
			{constraints.GroupBy("rack")},
			{constraints.Unique("zone").Of(berth.Label("app", "none").And(berth.Label("app", "none").Not())), constraints.Less("zone", 1)},
			{constraints.Near("zone", berth.AnyTask()), constraints.Avoid("zone", berth.AnyTask()), constraints.Apart("zone", berth.AnyTask()), constraints.Eq("zone", 9)},
			{constraints.Targets("zone", 10, map[any]int{"1": 0, "2": 0, "3": 0})},
			{constraints.Targets("zone", 10, map[any]int{1: 50, 2: 50}).Others(0)}, // numbers, where the nodes have texts
			{constraints.Targets("zone", 10, map[any]int{"4": 100})},
			{constraints.MaxPercent("rack", 50, 10)},
			{constraints.MaxShare("rack", 100)},
			{constraints.Unique("zone/rack")},
			{constraints.Colocate("rack", berth.Selector{}).Domains(2)},
			{constraints.Near("zone", berth.Label("app", "none")), constraints.Colocate("zone", berth.Label("app", "none")).Domains(2)},
			{constraints.Version("zone", "> 3, < 3")},
			{constraints.SemVer("zone", "> 3.0.0, < 1.0.0")},
			{constraints.ContainsAll("zone", "1", "2")},
			{constraints.ContainsAny("features", "a")},
			{constraints.InNetwork("zone", "0.0.0.0/0", "::/0")},
			{constraints.Search("zone", "^$")},
			{constraints.Not(constraints.Everywhere())},
			{constraints.AtLeast("zone", 2), constraints.AtMost("zone", 1)},
		} {
			g := group("app", rules...)
			out, err := w.s.Schedule(context.Background(), g.Task("app-1"))
			require.NoError(t, err)
			require.Len(t, out.Unplaced, 1, "%v", rules)
			assert.NotEmpty(t, out.Unplaced[0].Why.String(), "%v", rules)
		}
	})
}

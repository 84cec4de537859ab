package cluster_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
)

// scene is a cluster in which tasks run: nodes as "name zone rack", of which "-" is no attribute, and tasks as "node group".
type scene struct {
	nodes, tasks []string
	groups       map[string]berth.GroupSpec
}

func (s scene) fork(t *testing.T) (*cluster.Fork, map[string]*berth.Group) {
	t.Helper()
	f := cluster.NewFork()
	for _, line := range s.nodes {
		fields := strings.Fields(line)
		n := berth.Node{ID: fields[0], Capacity: berth.Resources{"cpu": 100}, Attributes: berth.Attributes{}}
		for i, key := range []string{"zone", "rack"} {
			if i+1 < len(fields) && fields[i+1] != "-" {
				n.Attributes[key] = fields[i+1]
			}
		}
		require.NoError(t, f.AddNodes(n))
	}
	groups := map[string]*berth.Group{}
	for name, spec := range s.groups {
		groups[name] = berth.NewGroup(name, spec)
		require.NoError(t, groups[name].Err())
	}
	for i, line := range s.tasks {
		fields := strings.Fields(line)
		require.NoError(t, f.Adopt(groups[fields[1]].Task(fmt.Sprintf("%s-%d", fields[1], i+1)), fields[0], nil, berth.Running))
	}
	return f, groups
}

// fits returns the nodes that take a task of the group now.
func fits(f *cluster.Fork, g *berth.Group) string {
	var nodes []string
	for n := range f.Nodes() {
		ok := f.Fits(g, n)
		if ok != (len(f.Lacks(g, n)) == 0) {
			panic("Fits and Lacks differ")
		}
		if ok {
			nodes = append(nodes, n.ID())
		}
	}
	return strings.Join(nodes, " ")
}

func app(name string, rules ...berth.Constraint) berth.GroupSpec {
	return berth.GroupSpec{Labels: map[string]string{"app": name}, Rules: rules}
}

var isWeb, isDB = berth.Label("app", "web"), berth.Label("app", "db")

// The scenarios are those of Kubernetes' interpodaffinity and podtopologyspread, as research/kubernetes.md 1.5 and 1.6 has them.
func TestTasksOfOthers(t *testing.T) {
	nodes := []string{"a1 a r1", "a2 a r2", "b1 b r3", "b2 b r4", "x - r5"}
	for name, c := range map[string]struct {
		tasks  []string
		groups map[string]berth.GroupSpec
		want   string // the nodes that take a task of "new"
	}{
		"near: only domains that have a match": {
			[]string{"a1 db"}, map[string]berth.GroupSpec{"db": app("db"), "new": app("web", constraints.Near("zone", isDB))}, "a1 a2",
		},
		"near: none has any": {
			nil, map[string]berth.GroupSpec{"new": app("web", constraints.Near("zone", isDB))}, "",
		},
		"near: the first that matches itself goes to any domain, but needs the attribute": {
			nil, map[string]berth.GroupSpec{"new": app("web", constraints.Near("zone", isWeb))}, "a1 a2 b1 b2",
		},
		"near: it is not the first": {
			[]string{"b1 old"}, map[string]berth.GroupSpec{"old": app("web"), "new": app("web", constraints.Near("zone", isWeb))}, "b1 b2",
		},
		"near: a match without the attribute is in no domain": {
			[]string{"x db"}, map[string]berth.GroupSpec{"db": app("db"), "new": app("web", constraints.Near("zone", isDB))}, "",
		},
		"near: a match without the attribute does not keep the first from being first": {
			[]string{"x old"}, map[string]berth.GroupSpec{"old": app("web"), "new": app("web", constraints.Near("zone", isWeb))}, "a1 a2 b1 b2",
		},
		"near twice: both must hold": {
			[]string{"a1 db", "b1 cache"}, map[string]berth.GroupSpec{
				"db": app("db"), "cache": app("cache"),
				"new": app("web", constraints.Near("zone", isDB), constraints.Near("rack", berth.Label("app", "cache").Or(isDB))),
			}, "a1",
		},
		"near own group: all in one rack, as CLUSTER of Marathon": {
			[]string{"a2 new"}, map[string]berth.GroupSpec{"new": app("web", constraints.Near("rack", berth.Selector{}))}, "a2",
		},
		"apart: not where a match is; without the attribute it is let in": {
			[]string{"a1 db"}, map[string]berth.GroupSpec{"db": app("db"), "new": app("web", constraints.Apart("zone", isDB))}, "b1 b2 x",
		},
		"apart: symmetric": {
			[]string{"a1 db"}, map[string]berth.GroupSpec{"db": app("db", constraints.Apart("zone", isWeb)), "new": app("web")}, "b1 b2 x",
		},
		"apart: symmetric, but who is there without the attribute refuses nobody": {
			[]string{"x db"}, map[string]berth.GroupSpec{"db": app("db", constraints.Apart("zone", isWeb)), "new": app("web")}, "a1 a2 b1 b2 x",
		},
		"apart: who is not selected is let in": {
			[]string{"a1 db"}, map[string]berth.GroupSpec{"db": app("db", constraints.Apart("zone", isWeb)), "new": app("mail")}, "a1 a2 b1 b2 x",
		},
		"apart from itself by host": {
			[]string{"a1 new", "b2 new"}, map[string]berth.GroupSpec{"new": app("web", constraints.Apart(berth.NodeID, isWeb))}, "a2 b1 x",
		},
		"apart from all others": {
			[]string{"a1 db", "b1 mail"}, map[string]berth.GroupSpec{"db": app("db"), "mail": app("mail"), "new": app("web", constraints.Apart(berth.NodeID, berth.AnyTask()))}, "a2 b2 x",
		},
		"apart of a role and below": {
			[]string{"a1 db", "b1 mail"}, map[string]berth.GroupSpec{
				"db": {Role: "shop/data"}, "mail": {Role: "office"}, "new": app("web", constraints.Apart("zone", berth.InRole("shop"))),
			}, "b1 b2 x",
		},
		"unique across revisions": {
			[]string{"a1 v1", "b1 v2"}, map[string]berth.GroupSpec{"v1": app("web"), "v2": app("web"), "new": app("web", constraints.UniqueNode().Of(isWeb))}, "a2 b2 x",
		},
		"max-per of others does not count the newcomer": {
			[]string{"a1 db", "a2 db", "b1 db"}, map[string]berth.GroupSpec{"db": app("db"), "new": app("web", constraints.MaxPer("zone", 1).Of(isDB))}, "b1 b2",
		},
		"max-per of others and itself does": {
			[]string{"a1 v1", "a2 v1", "b1 v1"}, map[string]berth.GroupSpec{"v1": app("web"), "new": app("web", constraints.MaxPer("zone", 2).Of(isWeb))}, "b1 b2",
		},
		"spread: a domain without tasks is the emptiest": {
			[]string{"a1 v1"}, map[string]berth.GroupSpec{"v1": app("web"), "new": app("web", constraints.GroupBy("zone").Of(isWeb))}, "b1 b2",
		},
		"spread: two and one": {
			[]string{"a1 v1", "a2 v1", "b1 v1"}, map[string]berth.GroupSpec{"v1": app("web"), "new": app("web", constraints.GroupBy("zone").Of(isWeb))}, "b1 b2",
		},
		"spread, not matching itself: count - min <= skew": {
			[]string{"a1 db", "a2 db", "b1 db"}, map[string]berth.GroupSpec{"db": app("db"), "new": app("web", constraints.GroupBy("zone").Of(isDB))}, "a1 a2 b1 b2",
		},
		"spread, domains of eligible nodes only": {
			[]string{"a1 v1"}, map[string]berth.GroupSpec{"v1": app("web"), "new": app("web", constraints.Eq("zone", "a"), constraints.GroupBy("zone").Of(isWeb))}, "a1 a2",
		},
		"spread, domains of excluded nodes too: nodeAffinityPolicy Ignore": {
			[]string{"a1 v1"}, map[string]berth.GroupSpec{"v1": app("web"), "new": app("web", constraints.Eq("zone", "a"), constraints.GroupBy("zone").Of(isWeb).ExcludedToo())}, "",
		},
		"spread with fewer domains than it wants": {
			[]string{"a1 v1", "b1 v1"}, map[string]berth.GroupSpec{"v1": app("web"), "new": app("web", constraints.GroupBy("zone").Of(isWeb).MinDomains(3))}, "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f, groups := scene{nodes, c.tasks, c.groups}.fork(t)
			assert.Equal(t, c.want, fits(f, groups["new"]))
			assert.Equal(t, c.want, fits(f.Snapshot().Fork(), groups["new"]), "on a fork")
			for n := range f.Nodes() { // what Fits says is what Apply does
				_, why := f.Snapshot().Fork().Apply(berth.Op{Kind: berth.Place, Task: groups["new"].Task("t"), Node: n.ID()})
				assert.Equal(t, strings.Contains(" "+c.want+" ", " "+n.ID()+" "), why.Code == berth.None, "%s: %v", n.ID(), why)
			}
		})
	}
}

func TestPopulationOfDomains(t *testing.T) {
	f, groups := scene{
		nodes: []string{"a1 a", "b1 b"}, tasks: []string{"a1 v1"},
		groups: map[string]berth.GroupSpec{
			"v1": app("web"), "eligible": app("web", constraints.GroupBy("zone").Of(isWeb)),
			"cordoned": app("web", constraints.GroupBy("zone").Of(isWeb).CordonedToo()),
			"own":      app("web", constraints.GroupBy("zone").CordonedToo()),
		},
	}.fork(t)
	require.NoError(t, f.Cordon("b1"))
	assert.Equal(t, "a1", fits(f, groups["eligible"]), "b is out of the comparison")
	assert.Equal(t, "", fits(f, groups["cordoned"]), "b has none, and takes none")
	_, why := f.Apply(berth.Op{Kind: berth.Place, Task: groups["own"].Task("o"), Node: "a1"})
	require.Zero(t, why)
	assert.Equal(t, "", fits(f, groups["own"]))
	require.NoError(t, f.Uncordon("b1"))
	require.NoError(t, f.UpdateNodes(berth.Node{ID: "b1", Attributes: berth.Attributes{"zone": "b"}, Taints: []berth.Taint{{Key: "x"}}}))
	assert.Equal(t, "a1", fits(f, groups["eligible"]))
	assert.Equal(t, "", fits(f, groups["cordoned"]), "nodeTaintsPolicy: Ignore")
}

// Tasks that are stopping count until they are gone, unless a rule says that they do not.
func TestStoppingTasks(t *testing.T) {
	f, groups := scene{
		nodes: []string{"a1 a", "b1 b"}, tasks: []string{"a1 db", "b1 shy"},
		groups: map[string]berth.GroupSpec{
			"db": app("db"), "apart": app("web", constraints.Apart("zone", isDB)), "without": app("web", constraints.Apart("zone", isDB).WithoutStopping()),
			"near": app("x", constraints.Near("zone", isDB).WithoutStopping()), "shy": app("shy", constraints.Apart("zone", berth.Label("app", "mail")).WithoutStopping()),
			"mail": app("mail"), "cap": app("x", constraints.Unique("zone").Of(isDB.Or(berth.InGroup("cap"))).WithoutStopping()),
		},
	}.fork(t)
	check := func(apart, without, near, mail, cap string) {
		t.Helper()
		assert.Equal(t, []string{apart, without, near, mail, cap},
			[]string{fits(f, groups["apart"]), fits(f, groups["without"]), fits(f, groups["near"]), fits(f, groups["mail"]), fits(f, groups["cap"])})
	}
	check("b1", "b1", "a1", "a1", "b1")
	before := f.Version()
	require.NoError(t, f.Mark("db-1", berth.Stopping, time.Time{}))
	assert.NotEqual(t, before, f.Version(), "a plan may depend on it")
	check("b1", "a1 b1", "", "a1", "a1 b1")
	require.NoError(t, f.Mark("shy-2", berth.Stopping, time.Time{}))
	check("b1", "a1 b1", "", "a1 b1", "a1 b1")
	require.NoError(t, f.Mark("db-1", berth.Running, time.Time{}))
	require.NoError(t, f.Mark("shy-2", berth.Running, time.Time{}))
	check("b1", "b1", "a1", "a1", "b1")
}

// A node that is described anew takes its tasks' counts along.
func TestRelabelledNode(t *testing.T) {
	f, groups := scene{
		nodes: []string{"a1 a", "b1 b"}, tasks: []string{"a1 db"},
		groups: map[string]berth.GroupSpec{"db": app("db"), "near": app("web", constraints.Near("zone", isDB)), "by": app("web", constraints.GroupBy("zone").Of(isDB))},
	}.fork(t)
	assert.Equal(t, "a1", fits(f, groups["near"]))
	require.NoError(t, f.UpdateNodes(berth.Node{ID: "a1", Capacity: berth.Resources{"cpu": 100}, Attributes: berth.Attributes{"zone": "c"}}))
	assert.Equal(t, "a1", fits(f, groups["near"]), "the zone that it is in now")
	require.NoError(t, f.UpdateNodes(berth.Node{ID: "b1", Capacity: berth.Resources{"cpu": 100}, Attributes: berth.Attributes{"zone": "c"}}))
	assert.Equal(t, "a1 b1", fits(f, groups["near"]))
	require.NoError(t, f.UpdateNodes(berth.Node{ID: "a1", Capacity: berth.Resources{"cpu": 100}}))
	assert.Equal(t, "", fits(f, groups["near"]))
	assert.Equal(t, "b1", fits(f, groups["by"]))
	require.NoError(t, f.RemoveNodes("a1"))
	assert.Equal(t, "", fits(f, groups["near"]), "a lost task is in no domain")
}

// Reasons name the rule, and details who is there.
func TestReasonsOfTasks(t *testing.T) {
	f, groups := scene{
		nodes: []string{"a1 a", "b1 b", "x -"}, tasks: []string{"a1 db", "a1 db"},
		groups: map[string]berth.GroupSpec{
			"db": app("db", constraints.Apart("zone", isWeb)), "web": app("web"), "apart": app("x", constraints.Apart("zone", isDB)),
			"near": app("x", constraints.Near("zone", isDB)), "cap": app("x", constraints.MaxPer("zone", 1).Of(isDB)),
		},
	}.fork(t)
	lacks := func(group, node string) string {
		n, _ := f.Node(node)
		return fmt.Sprint(f.Lacks(groups[group], n))
	}
	assert.Equal(t, `[kept off by apart(zone, app = "web") (zone=a has db-1, db-2)]`, lacks("web", "a1"))
	assert.Equal(t, `[apart(zone, app = "db") (zone=a has db-1, db-2)]`, lacks("apart", "a1"))
	assert.Equal(t, `[none of near(zone, app = "db") (zone=b has none)]`, lacks("near", "b1"))
	assert.Equal(t, `[no domain of near(zone, app = "db") (no zone)]`, lacks("near", "x"))
	assert.Equal(t, `[unique(zone, of app = "db") (zone=a has db-1, db-2)]`, lacks("cap", "a1"))
	e := f.Explain(groups["near"])
	assert.Equal(t, `1 no domain of near(zone, app = "db"), 1 none of near(zone, app = "db"); nearest b1: none of near(zone, app = "db") (zone=b has none)`, e.String())
	require.NoError(t, f.Cordon("b1", "x"))
	assert.Equal(t, `2 cordoned, 1 kept off by apart(zone, app = "web"); nearest a1: kept off by apart(zone, app = "web") (zone=a has db-1, db-2); `+
		`a node in another domain of apart(zone, app = "web") would do`, f.Explain(groups["web"]).String())
}

package cluster_test

import (
	"testing"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a fork did, done to the source it came from, makes the source what the fork is.
func TestPlanOfAForkRepeatsIt(t *testing.T) {
	s, err := cluster.NewSnapshot(berth.Node{ID: "n", Capacity: berth.Resources{"cpu": 1000}, Devices: []berth.Device{{Class: "gpu"}}})
	require.NoError(t, err)
	f := s.Fork()
	g := berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"cpu": 100}, Devices: []berth.DeviceRequest{{Class: "gpu", Share: 300}}})
	hold := &berth.Hold{ID: "h", Owner: "fw", Node: "n", Resources: berth.Resources{"cpu": 300}, Deadline: time.Unix(1, 0)}
	for _, op := range []berth.Op{{Task: g.Task("a"), Node: "n"}, {Kind: berth.Take, Hold: hold}, {Task: g.Task("b"), Node: "n"}, {Kind: berth.Release, ID: "a"}} {
		_, why := f.Apply(op)
		require.Equal(t, berth.None, why.Code, "%v", why)
	}
	_, why := f.Apply(berth.Op{Kind: berth.Release, ID: "a"})
	require.Equal(t, berth.Reason{Code: berth.UnknownTask, Subject: "a"}, why)
	hold.Resources["cpu"] = 999 // the caller's to change
	p := f.Plan()
	require.Len(t, p.Ops, 4, "what was refused is not in the plan")
	assert.Equal(t, s.Version(), p.Version)
	again := s.Fork()
	for _, op := range p.Ops {
		_, why := again.Apply(op)
		require.Equal(t, berth.None, why.Code, "%v", why)
	}
	assert.Equal(t, dump(f), dump(again))
}

func TestVersions(t *testing.T) {
	s, err := cluster.NewSnapshot(berth.Node{ID: "n"})
	require.NoError(t, err)
	a, b := s.Fork(), s.Fork()
	require.NoError(t, a.AddNodes(berth.Node{ID: "a"}))
	require.NoError(t, b.AddNodes(berth.Node{ID: "b"}))
	assert.Equal(t, a.Version().Seq, b.Version().Seq)
	assert.True(t, a.Version() != b.Version(), "two forks that did different things are not in one state")
	assert.True(t, a.Version().SameLineage(s.Version()))
	assert.True(t, a.Version() == a.Snapshot().Version())
	assert.Greater(t, a.Version().Seq, s.Version().Seq)
	other, err := cluster.NewSnapshot(berth.Node{ID: "n"})
	require.NoError(t, err)
	assert.False(t, other.Version().SameLineage(s.Version()))
}

// A text that begins with a NUL is not the number that follows it: they are different domains.
func TestTextsAndNumbersAreDifferentDomains(t *testing.T) {
	s, err := cluster.NewSnapshot(
		berth.Node{ID: "number", Attributes: berth.Attributes{"rack": 7}},
		berth.Node{ID: "nul", Attributes: berth.Attributes{"rack": "\x007"}},
		berth.Node{ID: "nuls", Attributes: berth.Attributes{"rack": "\x00\x007"}},
		berth.Node{ID: "text", Attributes: berth.Attributes{"rack": "7"}},
	)
	require.NoError(t, err)
	assert.Equal(t, berth.Domains{Number: 4}, s.Fork().Domains(berth.NewGroup("g", berth.GroupSpec{}), "rack"))
}

// Whoever repeats a rule or a taint is told once, so that the one thing that would help is still found.
func TestRepeatedRulesAreOneReason(t *testing.T) {
	full := berth.Node{ID: "n1", Attributes: berth.Attributes{"zone": "a"}}
	tainted := full
	tainted.Taints = []berth.Taint{{Key: "k", Value: "v"}, {Key: "k", Value: "v"}}
	for _, c := range []struct {
		name string
		node berth.Node
		rule berth.Constraint
		want string
	}{
		{"node rule", full, constraints.Eq("zone", "b"), `1 refused by zone = "b"; nearest n1: refused by zone = "b" (zone is "a")`},
		{"domain rule", full, constraints.MaxPer("zone", 1), `1 unique(zone); nearest n1: unique(zone) (zone=a has web-0); a node in another domain of unique(zone) would do`},
		{"taint", tainted, constraints.Exists("zone"), `1 untolerated taint k=v; nearest n1: untolerated taint k=v; tolerating k=v would do`},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := cluster.NewFork()
			require.NoError(t, f.AddNodes(c.node))
			web := berth.NewGroup("web", berth.GroupSpec{Rules: []berth.Constraint{c.rule, c.rule}})
			require.NoError(t, f.Adopt(web.Task("web-0"), "n1", nil, berth.Running))
			assert.Equal(t, c.want, f.Explain(web).String())
		})
	}
}

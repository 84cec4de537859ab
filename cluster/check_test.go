package cluster_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
	"github.com/berth-sched/berth/scheduler"
)

// withChecks is a fork with a node on which a lot does not hold, and a group of which a lot does.
func withChecks(t *testing.T) (*cluster.Fork, *berth.Group, cluster.NodeView) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{
		ID: "n1", Capacity: berth.Resources{"cpu": 4000, "memory": 8 << 30}, Attributes: berth.Attributes{"zone": "a", "generation": 7},
		Taints:  []berth.Taint{{Key: "dedicated", Value: "db"}, {Key: "down", Effect: berth.NoExecute}, {Key: "noisy", Effect: berth.PreferNoSchedule}},
		Devices: []berth.Device{{Class: "gpu"}}, Ports: []berth.PortRange{{First: 80, Last: 90}},
	}))
	quiet := berth.NewGroup("quiet", berth.GroupSpec{Rules: []berth.Constraint{constraints.TolerateAll(), constraints.Apart("zone", berth.Label("app", "web"))}})
	web := func(rules ...berth.Constraint) *berth.Group {
		return berth.NewGroup("web", berth.GroupSpec{
			Labels: map[string]string{"app": "web"}, Request: berth.Resources{"cpu": 3000, "memory": 1 << 30}, Rules: rules,
			Devices: []berth.DeviceRequest{{Class: "gpu", Count: 2}}, Ports: []berth.PortRange{{First: 80, Last: 80}, {First: 99, Last: 99}}, DynamicPorts: 1,
		})
	}
	old := berth.NewGroup("web", berth.GroupSpec{Labels: map[string]string{"app": "web"}, Request: berth.Resources{"cpu": 2000}, Rules: []berth.Constraint{constraints.TolerateAll()}})
	for _, g := range []*berth.Group{old, quiet} {
		require.NoError(t, f.Adopt(g.Task(g.Name()+"-1"), "n1", nil, berth.Running))
	}
	g := web(
		constraints.Tolerate("dedicated", "db"),
		constraints.Or(constraints.And(constraints.Eq("zone", "a"), constraints.Not(constraints.AtLeast("generation", 7))), constraints.Exists("ssd")),
		constraints.In("zone", "a", "b"), constraints.Unique("zone"), constraints.MaxPer("zone", 2), constraints.Near("rack", berth.Label("app", "db")),
	)
	require.NoError(t, g.Err())
	n, _ := f.Node("n1")
	return f, g, n
}

func TestCheckAsText(t *testing.T) {
	f, g, n := withChecks(t)
	assert.Equal(t, `no  web on n1
  yes not cordoned
  yes schedulable
  yes tolerates dedicated=db
  no  tolerates down
  no  ((zone = "a" and not (generation >= 7)) or exists(ssd)): generation >= 7 holds, ssd is missing
    no  (zone = "a" and not (generation >= 7))
      yes zone = "a"
      no  not (generation >= 7)
        yes generation >= 7
    no  exists(ssd): ssd is missing
  yes zone in ("a", "b")
  no  unique(zone): zone=a has web-1
  yes max-per(zone, 2)
  no  near(rack, app = "db"): no rack
  no  3 cpu: lacks 1 cpu
  yes 1 GiB memory
  no  2 gpu: it has 1
  yes port 80
  no  port 99: 99 is not the node's
  yes ports: 1 of any number
  no  kept off by apart(zone, app = "web"): zone=a has quiet-1
`, f.Check(g, n).String())
	assert.False(t, f.Fits(g, n))
}

// All that Lacks says is among the checks that do not hold, and nothing else is.
func TestCheckSaysWhatLacksDoes(t *testing.T) {
	f, g, n := withChecks(t)
	for _, g := range []*berth.Group{g, berth.NewGroup("any", berth.GroupSpec{}), berth.NewGroup("", berth.GroupSpec{}), nil} {
		c := f.Check(g, n)
		var codes, want []berth.Code
		for _, part := range c.Parts {
			if assert.Equal(t, part.Holds, part.Code == berth.None, part.What); !part.Holds {
				codes = append(codes, part.Code)
			}
		}
		for _, l := range f.Lacks(g, n) {
			want = append(want, l.Reason.Code)
		}
		assert.ElementsMatch(t, want, codes)
		assert.Equal(t, len(want) == 0, c.Holds)
	}
	assert.Equal(t, "no  web on \n  no  unknown node\n", f.Check(g, cluster.NodeView{}).String())
	assert.Equal(t, "no  \n", cluster.Check{}.String())
}

// JSON has words for codes, and reads back.
func TestCheckAsJSON(t *testing.T) {
	f, _, n := withChecks(t)
	g := berth.NewGroup("big", berth.GroupSpec{Request: berth.Resources{"cpu": 9000}, Rules: []berth.Constraint{constraints.TolerateAll(), constraints.And(constraints.Exists("zone"), constraints.Exists("ssd"))}})
	text, err := json.MarshalIndent(f.Check(g, n), "", " ")
	require.NoError(t, err)
	assert.Equal(t, `{
 "what": "big on n1",
 "holds": false,
 "parts": [
  {
   "what": "not cordoned",
   "holds": true
  },
  {
   "what": "schedulable",
   "holds": true
  },
  {
   "what": "tolerates dedicated=db",
   "holds": true
  },
  {
   "what": "tolerates down",
   "holds": true
  },
  {
   "what": "(exists(zone) and exists(ssd))",
   "holds": false,
   "code": "rule-broken",
   "why": "ssd is missing",
   "parts": [
    {
     "what": "exists(zone)",
     "holds": true
    },
    {
     "what": "exists(ssd)",
     "holds": false,
     "why": "ssd is missing"
    }
   ]
  },
  {
   "what": "9 cpu",
   "holds": false,
   "code": "too-small",
   "why": "lacks 7 cpu (it has 4 in all)"
  }
 ]
}`, string(text))
	var again cluster.Check
	require.NoError(t, json.Unmarshal(text, &again))
	assert.Equal(t, f.Check(g, n), again)
}

// endless is a host's rule that is made of itself, and of one that is not there.
type endless struct{ berth.NodeRule }

func (e endless) Parts() (string, []berth.NodeRule) { return "and", []berth.NodeRule{nil, e} }

func TestCheckOfOddComposites(t *testing.T) {
	state, err := scheduler.NewState(scheduler.StateConfig{}, berth.Node{ID: "n1"})
	require.NoError(t, err)
	snapshot, err := state.Snapshot(t.Context())
	require.NoError(t, err)
	f := snapshot.Fork()
	n, _ := f.Node("n1")
	c := f.Check(berth.NewGroup("g", berth.GroupSpec{Rules: []berth.Constraint{endless{constraints.Everywhere()}}}), n)
	text := c.String()
	assert.Contains(t, text, "no  a rule that is not there")
	assert.Less(t, strings.Count(text, "\n"), 500)
}

func ExampleFork_Check() {
	f := cluster.NewFork()
	_ = f.AddNodes(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4000}, Attributes: berth.Attributes{"zone": "a", "disk": "hdd"}})
	db := berth.NewGroup("db", berth.GroupSpec{
		Request: berth.Resources{"cpu": 8000},
		Rules:   []berth.Constraint{constraints.Or(constraints.Eq("disk", "ssd"), constraints.And(constraints.Eq("zone", "a"), constraints.Exists("raid")))},
	})
	n, _ := f.Node("n1")
	fmt.Print(f.Check(db, n))
	// Output:
	// no  db on n1
	//   yes not cordoned
	//   yes schedulable
	//   no  (disk = "ssd" or (zone = "a" and exists(raid))): disk is "hdd", raid is missing
	//     no  disk = "ssd": disk is "hdd"
	//     no  (zone = "a" and exists(raid))
	//       yes zone = "a"
	//       no  exists(raid): raid is missing
	//   no  8 cpu: lacks 4 cpu (it has 4 in all)
}

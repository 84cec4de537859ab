package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/constraints"
)

// explained returns the explanation of why a group fits nowhere on nodes with what runs on them.
func explained(t *testing.T, spec berth.GroupSpec, nodes []berth.Node, running ...adopted) *cluster.Explanation {
	t.Helper()
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(nodes...))
	for _, a := range running {
		g := berth.NewGroup(a.id, a.spec)
		require.NoError(t, f.Adopt(g.Task(a.id), a.node, a.grant, berth.Running))
	}
	return f.Explain(berth.NewGroup("t", spec))
}

type adopted struct {
	id, node string
	spec     berth.GroupSpec
	grant    *berth.Grant
}

func ports(numbers ...uint16) *berth.Grant {
	g := new(berth.Grant)
	for _, n := range numbers {
		g.Ports = append(g.Ports, berth.Port{Number: n})
	}
	return g
}

func gpus(n int) []berth.Device {
	return slices.Repeat([]berth.Device{{Class: "gpu", Model: "T4"}}, n)
}

func TestFault19NeverIsNotNotNow(t *testing.T) {
	cores := func(n int64) berth.GroupSpec { return berth.GroupSpec{Request: berth.Resources{"cpu": n * 1000}} }
	gpu := func(d berth.DeviceRequest) berth.GroupSpec {
		d.Class = "gpu"
		return berth.GroupSpec{Devices: []berth.DeviceRequest{d}}
	}
	port := func(first, last uint16) berth.GroupSpec {
		return berth.GroupSpec{Ports: []berth.PortRange{{First: first, Last: last}}}
	}
	n := func(devices ...berth.Device) []berth.Node {
		return []berth.Node{{ID: "n1", Capacity: berth.Resources{"cpu": 72000}, Devices: devices, Ports: []berth.PortRange{{First: 8000, Last: 8080}}}}
	}
	whole := func(ids ...string) *berth.Grant {
		g := new(berth.Grant)
		for _, id := range ids {
			g.Devices = append(g.Devices, berth.DeviceShare{Class: "gpu", ID: id, Units: 1000})
		}
		return g
	}
	for name, c := range map[string]struct {
		spec    berth.GroupSpec
		nodes   []berth.Node
		running []adopted
		want    string
	}{
		"more than the node has": {cores(73), n(), nil,
			"1 too little cpu in all; nearest n1: lacks 1 cpu (it has 72 in all); 1 more cpu on n1 would do"},
		"more than is free": {cores(70), n(), []adopted{{"a", "n1", cores(3), nil}},
			"1 insufficient cpu; nearest n1: lacks 1 cpu; 1 more cpu on n1 would do"},
		"more than the node has and less is free": {cores(73), n(), []adopted{{"a", "n1", cores(70), nil}},
			"1 too little cpu in all; nearest n1: lacks 71 cpu (it has 72 in all); 71 more cpu on n1 would do"},
		"a resource nobody knows": {berth.GroupSpec{Request: berth.Resources{"fpga": 1}}, n(), nil,
			"1 too little fpga in all; nearest n1: lacks 1 fpga (it has 0 in all); 1 more fpga on n1 would do"},
		"two things, each of its own kind": {berth.GroupSpec{Request: berth.Resources{"cpu": 3000, "memory": 1 << 30}}, n(), []adopted{{"a", "n1", cores(70), nil}},
			"1 insufficient cpu, 1 too little memory in all; nearest n1: lacks 1 cpu, lacks 1 GiB memory (it has 0 B in all); 1 more cpu and 1 GiB more memory on n1 would do"},
		"no device of the class": {gpu(berth.DeviceRequest{Share: 500}), n(), nil,
			"1 no device for 0.5 gpu; nearest n1: no device for 0.5 gpu (it has 0); 0.5 gpu on n1 would do"},
		"too few devices": {gpu(berth.DeviceRequest{Count: 2}), n(gpus(1)...), nil,
			"1 no device for 2 gpu; nearest n1: no device for 2 gpu (it has 1); 1 more gpu on n1 would do"},
		"another model": {gpu(berth.DeviceRequest{Count: 1, Models: []string{"A100"}}), n(gpus(2)...), nil,
			"1 no device for 1 gpu (A100); nearest n1: no device for 1 gpu (A100) (it has 0 and others: T4); 1 gpu (A100) on n1 would do"},
		"devices taken": {gpu(berth.DeviceRequest{Count: 2}), n(gpus(2)...), []adopted{{"a", "n1", gpu(berth.DeviceRequest{Count: 1}), whole("0")}},
			"1 no free device for 2 gpu; nearest n1: no free device for 2 gpu (1 of 2 free); room for 2 gpu on n1 would do"},
		"share taken": {gpu(berth.DeviceRequest{Share: 800}), n(gpus(1)...), []adopted{{"a", "n1", gpu(berth.DeviceRequest{Share: 300}), &berth.Grant{Devices: []berth.DeviceShare{{Class: "gpu", ID: "0", Units: 300}}}}},
			"1 no free device for 0.8 gpu; nearest n1: no free device for 0.8 gpu (at most 0.7 gpu free); room for 0.8 gpu on n1 would do"},
		"unhealthy": {gpu(berth.DeviceRequest{Count: 1}), n(berth.Device{Class: "gpu", ID: "x7", Unhealthy: true}), nil,
			"1 no healthy device for 1 gpu; nearest n1: no healthy device for 1 gpu (unhealthy: gpu/x7)"},
		"unhealthy beside taken": {gpu(berth.DeviceRequest{Count: 1}), n(berth.Device{Class: "gpu", ID: "x"}, berth.Device{Class: "gpu", ID: "y", Unhealthy: true}), []adopted{{"a", "n1", gpu(berth.DeviceRequest{Count: 1}), whole("x")}},
			"1 no free device for 1 gpu; nearest n1: no free device for 1 gpu (0 of 2 free, unhealthy: gpu/y); room for 1 gpu on n1 would do"},
		"gone under its task": {gpu(berth.DeviceRequest{Count: 2}), n(gpus(1)...), []adopted{{"a", "n1", gpu(berth.DeviceRequest{Count: 1}), whole("9")}},
			"1 no device for 2 gpu; nearest n1: no device for 2 gpu (it has 1; a has gpu/9, which is gone); 1 more gpu on n1 would do"},
		"units of no device": {gpu(berth.DeviceRequest{Share: 500}), n(gpus(1)...), []adopted{{"a", "n1", gpu(berth.DeviceRequest{Count: 1}), nil}},
			"1 insufficient units of gpu; nearest n1: lacks 0.5 gpu (taken by tasks without a device); 0.5 more gpu on n1 would do"},
		"port taken": {port(8079, 8080), n(), []adopted{{"web-1", "n1", port(8080, 8080), ports(8080)}},
			"1 no free port 8079-8080; nearest n1: no free port 8079-8080 (8080 has web-1)"},
		"port not the node's": {port(8080, 8081), n(), nil,
			"1 no port 8080-8081; nearest n1: no port 8080-8081 (8081 is not the node's)"},
		"port taken and another not the node's": {berth.GroupSpec{Ports: []berth.PortRange{{First: 80, Last: 80}, {First: 8001, Last: 8003}}}, n(), []adopted{{"a", "n1", port(8002, 8003), ports(8002, 8003)}},
			"1 no port 80, 1 no free port 8001-8003; nearest n1: no port 80 (80 is not the node's), no free port 8001-8003 (8002 has a, 8003 has a)"},
		"dynamic ports taken": {berth.GroupSpec{DynamicPorts: 80}, n(), []adopted{{"a", "n1", port(8000, 8001), ports(8000, 8001)}},
			"1 no free port 80 of any number; nearest n1: no free port 80 of any number (79 free)"},
		"more ports than the node has": {berth.GroupSpec{DynamicPorts: 82}, n(), nil,
			"1 no port 82 of any number; nearest n1: no port 82 of any number (81 free)"},
	} {
		t.Run(name, func(t *testing.T) {
			assert.Equal(t, c.want, explained(t, c.spec, c.nodes, c.running...).String())
		})
	}
}

func TestFault19PortsOfHolds(t *testing.T) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{ID: "n1", Ports: []berth.PortRange{{First: 80, Last: 81}}}))
	_, why := f.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: "h7", Owner: "fw", Node: "n1", Ports: []berth.Port{{Number: 81}}, Deadline: time.Unix(1, 0)}})
	require.Equal(t, berth.Reason{}, why)
	e := f.Explain(berth.NewGroup("t", berth.GroupSpec{Ports: []berth.PortRange{{First: 80, Last: 81}}}))
	assert.Equal(t, "1 no free port 80-81; nearest n1: no free port 80-81 (81 has hold h7)", e.String())
}

func TestFault19MissingAttributeIsNoFullDomain(t *testing.T) {
	zone := func(id, zone string) berth.Node {
		n := berth.Node{ID: id, Attributes: berth.Attributes{"zone": zone}}
		if zone == "" {
			n.Attributes = nil
		}
		return n
	}
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(zone("n1", "a"), zone("n2", "a"), zone("n3", "")))
	g := berth.NewGroup("web", berth.GroupSpec{Rules: []berth.Constraint{constraints.Unique("zone")}})
	require.NoError(t, f.Adopt(g.Task("web-1"), "n1", nil, berth.Running))
	e := f.Explain(g)
	assert.Equal(t, []cluster.ReasonCount{
		{Reason: berth.Reason{Code: berth.DomainFull, Subject: "unique(zone)"}, Nodes: 2},
		{Reason: berth.Reason{Code: berth.NoDomain, Subject: "unique(zone)"}, Nodes: 1},
	}, e.Counts)
	assert.Equal(t, "2 unique(zone), 1 no domain of unique(zone); nearest n1: unique(zone) (zone=a has web-1); a node in another domain of unique(zone) would do", e.String())
	n, _ := f.Node("n3")
	assert.Equal(t, "no domain of unique(zone) (no zone)", f.Lacks(g, n)[0].String())
}

// both is a rule about a node's attributes and about its domain.
type both struct{ constraints.Cap }

func (both) Reads() []string              { return []string{"zone"} }
func (both) Allows(n *berth.Node) bool    { v, _ := n.Attribute("zone"); return v.String() != "b" }
func (both) Why(*berth.Node) string       { return "b is closed" }
func (r both) String() string             { return "open " + r.Cap.String() }
func bothOf(attribute string, n int) both { return both{constraints.MaxPer(attribute, n)} }

func TestFault19BrokenRulesReadAsBroken(t *testing.T) {
	n := berth.Node{ID: "n1", Attributes: berth.Attributes{"arch": "arm64", "zone": "b"}}
	for want, rule := range map[string]berth.Constraint{
		`1 refused by arch = "amd64"; nearest n1: refused by arch = "amd64" (arch is "arm64")`:                                                   constraints.Eq("arch", "amd64"),
		`1 refused by arch != "arm64"; nearest n1: refused by arch != "arm64" (arch is "arm64")`:                                                 constraints.NotEq("arch", "arm64"),
		`1 refused by disk = "ssd"; nearest n1: refused by disk = "ssd" (disk is missing)`:                                                       constraints.Eq("disk", "ssd"),
		`1 refused by not (arch = "arm64"); nearest n1: refused by not (arch = "arm64") (arch = "arm64" holds)`:                                  constraints.Not(constraints.Eq("arch", "arm64")),
		`1 refused by (arch = "amd64" or exists(gpu)); nearest n1: refused by (arch = "amd64" or exists(gpu)) (arch is "arm64", gpu is missing)`: constraints.Or(constraints.Eq("arch", "amd64"), constraints.Exists("gpu")),
		`1 refused by open max-per(zone, 2); nearest n1: refused by open max-per(zone, 2) (b is closed)`:                                         bothOf("zone", 2),
	} {
		e := explained(t, berth.GroupSpec{Rules: []berth.Constraint{rule}}, []berth.Node{n})
		assert.Equal(t, want, e.String())
	}
}

// A rule of two kinds says something as each.
func TestFault20RulesOfTwoKinds(t *testing.T) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(
		berth.Node{ID: "n1", Attributes: berth.Attributes{"zone": "a"}}, berth.Node{ID: "n2", Attributes: berth.Attributes{"zone": "b"}}))
	g := berth.NewGroup("g", berth.GroupSpec{Rules: []berth.Constraint{bothOf("zone", 1)}})
	var got []string
	for i, node := range []string{"n1", "n1", "n2"} {
		_, why := f.Apply(berth.Op{Task: g.Task(fmt.Sprint("g-", i)), Node: node})
		got = append(got, why.String())
	}
	assert.Equal(t, []string{"no reason", "open unique(zone)", "refused by open unique(zone)"}, got)
}

func TestFault19Gangs(t *testing.T) {
	f := cluster.NewFork()
	g := berth.NewGroup("gang", berth.GroupSpec{Mode: berth.Gang, GangSize: 4, Request: berth.Resources{"cpu": 1000}})
	load := berth.NewGroup("load", berth.GroupSpec{Request: berth.Resources{"cpu": 1000}})
	for i := range 4 {
		id := fmt.Sprint("n", i+1)
		require.NoError(t, f.AddNodes(berth.Node{ID: id, Capacity: berth.Resources{"cpu": 1000}}))
		require.NoError(t, f.Adopt(load.Task("load-"+id), id, nil, berth.Running))
	}
	// Room for one of four would not place the gang, for the last of four it would, and so for a fifth. Each that has a
	// place has it beyond what its node has, n1 first: n4 is the last that lacks but one core, then all lack two.
	for has, hint := range []string{"", "", "", "1 more cpu on n4 would do", "2 more cpu on n1 would do"} {
		e := f.Explain(g)
		assert.Equal(t, max(0, 4-has), e.Missing)
		assert.Equal(t, hint, e.Helps(), "%d have a place", has)
		require.NoError(t, f.Adopt(g.Task(fmt.Sprint("gang-", has)), fmt.Sprint("n", has%4+1), nil, berth.Running))
		if has == 4 {
			require.NoError(t, f.Mark("gang-0", berth.Stopping, time.Time{}))
			require.NoError(t, f.Mark("gang-1", berth.Stopping, time.Time{}))
			assert.Equal(t, 1, f.Explain(g).Missing, "five, of which two stop")
		}
	}
}

func TestFault19DaemonsDemandHasAName(t *testing.T) {
	g := berth.NewGroup("agent", berth.GroupSpec{Mode: berth.Daemon})
	u := cluster.Unplaced{Task: g.Everywhere(), Reason: berth.Reason{Code: berth.Denied, Subject: "by the host"}}
	assert.Equal(t, "agent on every node: denied by the host", u.String())
	// What is wrong at one node is not cured by another domain.
	e := &cluster.Explanation{Nodes: 1, Mode: berth.Daemon, Nearest: &cluster.NearMiss{Node: "n1", Lacks: []berth.Lack{{Reason: berth.Reason{Code: berth.DomainFull, Subject: "unique(zone)"}}}}}
	assert.Empty(t, e.Helps())
}

// What an explanation says would do is done, and does.
func TestFault19HintsAreTrue(t *testing.T) {
	rng := rand.New(rand.NewPCG(19, 0))
	pick := func(n int) int { return rng.IntN(n) }
	hints := map[berth.Code]int{}
	for run := range 400 {
		f := cluster.NewFork()
		for i := range 1 + pick(3) {
			n := berth.Node{ID: fmt.Sprint("n", i), Capacity: berth.Resources{"cpu": int64(pick(4)) * 1000, "memory": int64(pick(4)) << 30},
				Attributes: berth.Attributes{"zone": []string{"a", "b"}[pick(2)]}, Unschedulable: pick(6) == 0}
			for range pick(3) {
				n.Devices = append(n.Devices, berth.Device{Class: "gpu", Unhealthy: pick(4) == 0})
			}
			if pick(4) == 0 {
				n.Taints = []berth.Taint{{Key: "k"}}
			}
			require.NoError(t, f.AddNodes(n))
			if pick(6) == 0 {
				require.NoError(t, f.Cordon(n.ID))
			}
		}
		spec := berth.GroupSpec{Request: berth.Resources{"cpu": int64(pick(5)) * 1000, "memory": int64(pick(5)) << 30}}
		if pick(3) == 0 {
			spec.Devices = []berth.DeviceRequest{{Class: "gpu", Count: 1 + pick(2)}}
		}
		if pick(3) == 0 {
			spec.Rules = []berth.Constraint{constraints.MaxPer("zone", 1)}
		}
		if pick(4) == 0 {
			spec.Mode, spec.GangSize = berth.Gang, 1+pick(3)
		}
		g := berth.NewGroup("g", spec)
		for k := 0; ; k++ { // until it fits nowhere
			placed := false
			for n := range f.Nodes() {
				if f.Fits(g, n) {
					_, why := f.Apply(berth.Op{Task: g.Task(fmt.Sprint("g-", k)), Node: n.ID()})
					require.Equal(t, berth.None, why.Code)
					placed = true
					break
				}
			}
			if !placed || k > 20 {
				break
			}
		}
		e := f.Explain(g)
		if e.Helps() == "" {
			continue
		}
		at, _ := f.Node(e.Nearest.Node)
		n := at.Node()
		for _, l := range e.Nearest.Lacks {
			hints[l.Reason.Code]++
			switch l.Reason.Code {
			case berth.Insufficient, berth.TooSmall:
				n.Capacity[l.Reason.Subject] += l.Short
			case berth.NoDevice, berth.DeviceTaken:
				n.Devices = append(n.Devices, gpus(spec.Devices[0].Count)...)
			case berth.Tainted:
				n.Taints = nil
			case berth.Unschedulable:
				n.Unschedulable = false
			case berth.Cordoned:
				require.NoError(t, f.Uncordon(n.ID))
			case berth.DomainFull:
				n.ID, n.Attributes = "other", berth.Attributes{"zone": "c"}
				n.Capacity = berth.Resources{"cpu": 1 << 40, "memory": 1 << 40}
				n.Devices = gpus(2)
			default:
				t.Fatalf("a hint for %v", l)
			}
		}
		if n.ID == "other" {
			require.NoError(t, f.AddNodes(n))
		} else {
			require.NoError(t, f.UpdateNodes(n))
		}
		now, _ := f.Node(n.ID)
		require.True(t, f.Fits(g, now), "run %d: %v", run, e)
		require.LessOrEqual(t, e.Missing, 1)
	}
	for _, c := range []berth.Code{berth.Insufficient, berth.TooSmall, berth.NoDevice, berth.DeviceTaken, berth.Tainted, berth.Unschedulable, berth.Cordoned, berth.DomainFull} {
		assert.Positive(t, hints[c], "%v", c)
	}
}

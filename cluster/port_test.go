package cluster_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// Two tasks of a node have ports of one number for two protocols, or at two addresses.
func ExampleFork_Apply_ports() {
	f := cluster.NewFork()
	_ = f.AddNodes(berth.Node{ID: "n1", Ports: []berth.PortRange{{First: 1, Last: 65535}}})
	place := func(id string, ports ...berth.PortRange) {
		op, why := f.Apply(berth.Op{Kind: berth.Place, Node: "n1", Task: berth.NewTask(id, berth.GroupSpec{Ports: ports})})
		fmt.Println(id, op.Grant, why)
	}
	place("dns", berth.PortRange{First: 53, Last: 53, Protocol: berth.UDP})
	place("web", berth.PortRange{First: 53, Last: 53, Protocol: berth.TCP, Address: "10.0.0.1"})
	place("all", berth.PortRange{First: 53, Last: 53, Protocol: berth.TCP})
	n, _ := f.Node("n1")
	fmt.Println(f.Lacks(berth.NewGroup("all", berth.GroupSpec{Ports: []berth.PortRange{{First: 53, Last: 53, Protocol: berth.TCP}}}), n))
	// Output:
	// dns ports [53/udp] no reason
	// web ports [10.0.0.1:53/tcp] no reason
	// all  no free port 53/tcp
	// [no free port 53/tcp (10.0.0.1:53/tcp has web)]
}

// What is held of a port for all protocols and at all addresses serves a part of it, and is used up by it.
func TestHeldPortServesPart(t *testing.T) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{ID: "n", Ports: []berth.PortRange{{First: 80, Last: 81}}}))
	_, why := f.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: "h", Owner: "fw", Node: "n", Deadline: time.Unix(1, 0), Ports: []berth.Port{{Number: 80}, {Number: 81}}}})
	require.Equal(t, berth.None, why.Code)
	tcp := berth.GroupSpec{Ports: []berth.PortRange{{First: 80, Last: 80, Protocol: berth.TCP}}}
	_, why = f.Apply(berth.Op{Task: berth.NewTask("other", tcp), Node: "n"})
	assert.Equal(t, berth.Reason{Code: berth.PortTaken, Subject: "80/tcp"}, why)
	op, why := f.Apply(berth.Op{Task: berth.NewTask("t", tcp), Node: "n", From: "fw"})
	require.Equal(t, berth.None, why.Code, "%v", why)
	assert.Equal(t, "ports [80/tcp]", op.Grant.String())
	h, _ := f.Hold("h")
	assert.Equal(t, []berth.Port{{Number: 81}}, h.Ports)
	udp := berth.GroupSpec{Ports: []berth.PortRange{{First: 80, Last: 80, Protocol: berth.UDP}}}
	_, why = f.Apply(berth.Op{Task: berth.NewTask("u", udp), Node: "n"})
	assert.Equal(t, berth.None, why.Code, "what was not used of it is free")
}

// A node that has ports at one address, or for one protocol, gives no others.
func TestPortsOfNode(t *testing.T) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{ID: "n", Ports: []berth.PortRange{
		{First: 80, Last: 89, Address: "public"}, {First: 80, Last: 80, Protocol: berth.UDP, Address: "private"}, {First: 90, Last: 91},
	}}))
	n, _ := f.Node("n")
	for _, c := range []struct {
		asked string
		code  berth.Code
	}{
		{"public:80/tcp", berth.None}, {"public:80-89", berth.None}, {"private:80/udp", berth.None}, {"private:90/udp", berth.None},
		{"80/tcp", berth.NoPort}, {"private:80", berth.NoPort}, {"private:81/udp", berth.NoPort}, {"public:89-90", berth.None}, {"public:89-92", berth.NoPort},
	} {
		var r berth.PortRange
		require.NoError(t, r.UnmarshalText([]byte(c.asked)))
		lacks := f.Lacks(berth.NewGroup("g", berth.GroupSpec{Ports: []berth.PortRange{r}}), n)
		if c.code == berth.None {
			assert.Empty(t, lacks, c.asked)
		} else if assert.Len(t, lacks, 1, c.asked) {
			assert.Equal(t, berth.Reason{Code: c.code, Subject: c.asked}, lacks[0].Reason)
		}
	}
	lacks := f.Lacks(berth.NewGroup("g", berth.GroupSpec{DynamicPorts: 3}), n)
	require.Len(t, lacks, 1, "dynamic ones are for all protocols at all addresses: there are 2")
	assert.Equal(t, berth.NoPort, lacks[0].Reason.Code)
}

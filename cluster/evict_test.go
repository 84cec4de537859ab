package cluster_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// The hold of an eviction gets what the task had, and what another has as well it does not get.
func TestEvictionGivesToTheHoldWhatTheTaskHad(t *testing.T) {
	node := berth.Node{
		ID: "n", Capacity: berth.Resources{"cpu": 10}, Devices: []berth.Device{{Class: "gpu"}, {Class: "gpu"}},
		Ports: []berth.PortRange{{First: 90, Last: 99}, {First: 80, Last: 81}},
	}
	spec := berth.GroupSpec{
		Request: berth.Resources{"cpu": 6}, DynamicPorts: 1, Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}},
	}
	for _, c := range []struct {
		hold   berth.Hold
		shared bool // another task was adopted on the task's port
		on     string
		want   berth.Reason
	}{
		{hold: berth.Hold{Resources: berth.Resources{"cpu": 10}, Devices: []berth.DeviceShare{{Class: "gpu", ID: "0", Units: 1000}}, Ports: []berth.Port{{Number: 80}}}},
		{hold: berth.Hold{Resources: berth.Resources{"cpu": 11}}, want: berth.Reason{Code: berth.TooSmall, Subject: "cpu"}},
		{hold: berth.Hold{Ports: []berth.Port{{Number: 80}}}, shared: true, want: berth.Reason{Code: berth.PortTaken, Subject: "80"}},
		{hold: berth.Hold{Resources: berth.Resources{"cpu": 5}}, on: "m", want: berth.Reason{Code: berth.Insufficient, Subject: "cpu"}},
		{hold: berth.Hold{Resources: berth.Resources{"cpu": 4}}, on: "m"},
	} {
		f := cluster.NewFork()
		m := node
		m.ID = "m"
		require.NoError(t, f.AddNodes(node, m))
		_, why := f.Apply(berth.Op{Node: "n", Task: berth.NewTask("t", spec)})
		require.Equal(t, berth.None, why.Code)
		_, why = f.Apply(berth.Op{Node: "m", Task: berth.NewTask("other", spec)})
		require.Equal(t, berth.None, why.Code)
		if c.shared {
			require.NoError(t, f.Adopt(berth.NewTask("twin", berth.GroupSpec{DynamicPorts: 1}), "n", &berth.Grant{Ports: []berth.Port{{Number: 80}}}, berth.Running))
		}
		c.hold.ID, c.hold.Owner, c.hold.Node, c.hold.Deadline = "h", "o", "n", time.Unix(1, 0)
		if c.on != "" {
			c.hold.Node = c.on
		}
		before := f.Version()
		_, why = f.Apply(berth.Op{Kind: berth.Evict, ID: "t", Hold: &c.hold})
		assert.Equal(t, c.want, why)
		_, there := f.Task("t")
		assert.Equal(t, why.Code != berth.None, there)
		assert.Equal(t, why.Code != berth.None, f.Version() == before)
	}
}

// Neither the nodes nor the tasks are copied for it.
func TestEvictionWithAHoldCopiesNothing(t *testing.T) {
	f := cluster.NewFork()
	var nodes []berth.Node
	for i := range 1000 {
		nodes = append(nodes, berth.Node{ID: fmt.Sprint("n", i), Capacity: berth.Resources{"cpu": 10}})
	}
	require.NoError(t, f.AddNodes(nodes...))
	g := berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"cpu": 10}})
	hold := &berth.Hold{ID: "h", Owner: "o", Node: "n1", Resources: berth.Resources{"cpu": 10}, Deadline: time.Unix(1, 0)}
	round := func() {
		_, placed := f.Apply(berth.Op{Node: "n1", Task: g.Task("t")})
		_, evicted := f.Apply(berth.Op{Kind: berth.Evict, ID: "t", Hold: hold})
		_, dropped := f.Apply(berth.Op{Kind: berth.Drop, ID: "h"})
		if placed.Code != berth.None || evicted.Code != berth.None || dropped.Code != berth.None {
			t.Fatal(placed, evicted, dropped)
		}
	}
	round()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const rounds = 100
	for range rounds {
		round()
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, (after.TotalAlloc-before.TotalAlloc)/rounds, uint64(4096), "a page of nodes alone is more")
}

package cluster_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// What a host does to an operation after it was applied changes nothing in the cluster.
func TestGrantsAreCopiedOnTheWayIn(t *testing.T) {
	node := berth.Node{ID: "n", Ports: []berth.PortRange{{First: 80, Last: 90}}, Devices: []berth.Device{{Class: "gpu"}, {Class: "gpu"}}}
	g := berth.NewGroup("g", berth.GroupSpec{DynamicPorts: 1, Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}}})
	for _, from := range []string{"", "fw"} {
		s, err := cluster.NewSnapshot(node)
		require.NoError(t, err)
		f := s.Fork()
		if from != "" {
			_, why := f.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{
				ID: "h", Owner: from, Node: "n", Ports: []berth.Port{{Number: 80}}, Devices: []berth.DeviceShare{{Class: "gpu", ID: "0", Units: 1000}}, Deadline: time.Unix(1, 0),
			}})
			require.Equal(t, berth.None, why.Code)
		}
		mine := &berth.Grant{Ports: []berth.Port{{Number: 80}}, Devices: []berth.DeviceShare{{Class: "gpu", ID: "0", Units: 1000}}}
		_, why := f.Apply(berth.Op{Node: "n", Task: g.Task("t"), Grant: mine, From: from})
		require.Equal(t, berth.None, why.Code, "%v", why)
		mine.Ports[0], mine.Devices[0].ID = berth.Port{Number: 85}, "1"
		kept, _ := f.Task("t")
		assert.Equal(t, "gpu/0:1000 ports [80]", kept.Grant.String())
		plan := f.Plan()
		assert.Equal(t, "gpu/0:1000 ports [80]", plan.Ops[len(plan.Ops)-1].Grant.String())
		_, why = f.Apply(berth.Op{Kind: berth.Release, ID: "t"})
		require.Equal(t, berth.None, why.Code)
		_, why = f.Apply(berth.Op{Node: "n", Task: berth.NewTask("next", berth.GroupSpec{Ports: []berth.PortRange{{First: 80, Last: 80}}})})
		assert.Equal(t, berth.None, why.Code, "the port was given back: %v", why)
	}
}

func TestPlanOfAForkIsItsReceivers(t *testing.T) {
	s, err := cluster.NewSnapshot(berth.Node{ID: "n", Capacity: berth.Resources{"cpu": 10}, Ports: []berth.PortRange{{First: 80, Last: 90}}})
	require.NoError(t, err)
	f := s.Fork()
	_, why := f.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: "h", Owner: "o", Node: "n", Resources: berth.Resources{"cpu": 10}, Deadline: time.Unix(1, 0)}})
	require.Equal(t, berth.None, why.Code)
	_, why = f.Apply(berth.Op{Node: "n", Task: berth.NewTask("t", berth.GroupSpec{DynamicPorts: 1})})
	require.Equal(t, berth.None, why.Code)
	p := f.Plan()
	want := p.String()
	p.Ops[0].Hold.Resources["cpu"] = 3
	p.Ops[0].Hold.Owner = "another"
	p.Ops[1].Grant.Ports[0] = berth.Port{Number: 85}
	assert.Equal(t, want, f.Plan().String())
	task, _ := f.Task("t")
	assert.Equal(t, "ports [80]", task.Grant.String())
}

package cluster_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// Every fault is told at once, and nothing has happened: neither the version nor what the fork knows of resources moves.
func TestAdoptTellsEveryFault(t *testing.T) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{ID: "n1"}))
	require.NoError(t, f.Adopt(berth.NewTask("a", berth.GroupSpec{}), "n1", nil, berth.Running))
	other := berth.NewGroup("a", berth.GroupSpec{Request: berth.Resources{"new": 1}})
	before := f.Version()
	err := f.Adopt(other.Task("a"), "nope", &berth.Grant{Ports: []berth.Port{{Number: 0}, {Number: 80}, {Number: 80}}}, berth.Lost)
	for _, part := range []string{
		`node "nope": unknown node`, "cannot be adopted as lost", "a task of that ID exists", "grant: port 0: there is none of number 0",
		"port 80: named twice",
	} {
		assert.ErrorContains(t, err, part)
	}
	err = f.Adopt(other.Task(""), "n1", nil, berth.Running)
	assert.ErrorContains(t, err, "empty name")
	assert.Equal(t, before, f.Version())
	n, _ := f.Node("n1")
	assert.Empty(t, n.Free())
	_, why := f.Apply(berth.Op{Node: "n1", Task: berth.NewTask("c", berth.GroupSpec{Request: berth.Resources{"new": 1}})})
	assert.Equal(t, berth.Reason{Code: berth.TooSmall, Subject: "new"}, why)
}

// A plan depends on the version, so what changes nothing does not move it.
func TestCordoningTwiceMovesNothing(t *testing.T) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{ID: "n1"}))
	version := f.Version()
	require.NoError(t, f.Uncordon("n1"))
	assert.Equal(t, version, f.Version())
	require.NoError(t, f.Cordon("n1"))
	cordoned := f.Version()
	assert.NotEqual(t, version, cordoned)
	require.NoError(t, f.Cordon("n1", "n1"))
	assert.Equal(t, cordoned, f.Version())
}

func TestNodeOfAnotherClusterIsNamed(t *testing.T) {
	s, err := cluster.NewSnapshot(berth.Node{ID: "x"})
	require.NoError(t, err)
	n, _ := s.Node("x")
	lacks := cluster.NewFork().Lacks(berth.NewGroup("g", berth.GroupSpec{}), n)
	assert.Equal(t, []berth.Lack{{Reason: berth.Reason{Code: berth.UnknownNode, Subject: "x"}}}, lacks)
}

// What helps is what is to be added to the devices that are free, not what the task takes in all.
func TestHelpsCountsTheDevicesThatAreThere(t *testing.T) {
	gpu := func(model string, unhealthy bool) berth.Device {
		return berth.Device{Class: "gpu", Model: model, Unhealthy: unhealthy}
	}
	request := func(count int, share int64, models ...string) *berth.Group {
		return berth.NewGroup("g", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: count, Share: share, Models: models}}})
	}
	for _, c := range []struct {
		devices []berth.Device
		taken   int // of the devices
		g       *berth.Group
		want    string
	}{
		{[]berth.Device{gpu("", false)}, 0, request(2, 0), "1 more gpu on n1 would do"},
		{[]berth.Device{gpu("T4", false)}, 0, request(4, 0, "T4", "A100"), "3 more gpu (T4|A100) on n1 would do"},
		{[]berth.Device{gpu("", false)}, 1, request(2, 0), "2 more gpu on n1 would do"},
		{[]berth.Device{gpu("", false), gpu("", true)}, 0, request(3, 0), "2 more gpu on n1 would do"},
		{[]berth.Device{gpu("V100", false)}, 0, request(2, 0, "T4"), "2 gpu (T4) on n1 would do"},
		{nil, 0, request(2, 0), "2 gpu on n1 would do"},
		{nil, 0, request(0, 300), "0.3 gpu on n1 would do"},
	} {
		f := cluster.NewFork()
		require.NoError(t, f.AddNodes(berth.Node{ID: "n1", Devices: c.devices}))
		if c.taken > 0 {
			_, why := f.Apply(berth.Op{Node: "n1", Task: berth.NewTask("before", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: c.taken}}})})
			require.Equal(t, berth.None, why.Code)
		}
		assert.Equal(t, c.want, f.Explain(c.g).Helps())
	}
}

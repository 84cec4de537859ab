package cluster_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// An owner with two optimistic holds of one device has one device, not two.
func TestTwoHoldsOfOneDevice(t *testing.T) {
	s, err := cluster.NewSnapshot(berth.Node{ID: "n", Devices: []berth.Device{{Class: "gpu"}}})
	require.NoError(t, err)
	f := s.Fork()
	for _, id := range []string{"h1", "h2"} {
		_, why := f.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: id, Owner: "fw", Node: "n", Lease: berth.Optimistic, Deadline: time.Unix(1, 0), Devices: []berth.DeviceShare{{Class: "gpu", ID: "0", Units: 1000}}}})
		require.Equal(t, berth.None, why.Code)
	}
	g := berth.NewGroup("g", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}}})
	op, why := f.Apply(berth.Op{Task: g.Task("t1"), Node: "n", From: "fw"})
	require.Equal(t, berth.None, why.Code, "%v", why)
	assert.Equal(t, "gpu/0:1000", op.Grant.String())
	_, why = f.Apply(berth.Op{Task: g.Task("t2"), Node: "n", From: "fw"})
	assert.NotEqual(t, berth.None, why.Code, "the second hold has nothing behind it")
}

func TestZeroValuesAreEmpty(t *testing.T) {
	var s cluster.Snapshot
	var f cluster.Fork
	for _, c := range []readable{&s, &f, s.Fork(), cluster.NewFork(), (*cluster.Snapshot)(nil)} {
		assert.Equal(t, dump(cluster.NewFork()), dump(c))
		n, ok := c.Node("n")
		assert.False(t, ok)
		assert.Equal(t, cluster.NodeView{}, n)
	}
	assert.Zero(t, s.Tasks())
	assert.Empty(t, s.Total())
	assert.Zero(t, s.Version())
	var n cluster.NodeView
	assert.Equal(t, fmt.Sprint("", false, false, berth.Resources{}, berth.Resources{}), fmt.Sprint(n.ID(), n.Cordoned(), n.Overcommitted(), n.Free(), n.Capacity()))
	assert.Equal(t, berth.Node{Capacity: berth.Resources{}}, n.Node())
	for range n.Tasks() {
		t.Error("a task on no node")
	}
	require.NoError(t, f.AddNodes(berth.Node{ID: "n"}))
	assert.Equal(t, 1, f.Snapshot().Len(), "the zero Fork can be used")
	assert.NoError(t, new(cluster.Fork).AddNodes())
	assert.Error(t, new(cluster.Fork).RemoveNodes("n"))
	assert.Error(t, new(cluster.Fork).Mark("t", berth.Running, time.Time{}))
	assert.Empty(t, new(cluster.Fork).Plan().Ops)
	assert.ErrorContains(t, f.Adopt(berth.Task{ID: "t", Group: new(berth.Group)}, "n", nil, berth.Running), "not made by NewGroup")
	_, why := f.Apply(berth.Op{Task: berth.Task{ID: "t", Group: new(berth.Group)}, Node: "n"})
	assert.Equal(t, berth.Invalid, why.Code)
	_, ok := new(cluster.Fork).Hold("h")
	assert.False(t, ok)
	assert.Equal(t, "", new(cluster.Plan).String())
}

// Forks can be changed while they are walked: here each step of a walk ends another of its steps.
func TestForksChangeWhileTheyAreWalked(t *testing.T) {
	f := cluster.NewFork()
	g := berth.NewGroup("g", berth.GroupSpec{})
	require.NoError(t, f.AddNodes(berth.Node{ID: "a"}, berth.Node{ID: "b"}, berth.Node{ID: "c"}))
	fill := func() {
		for i, task := range g.Tasks(6) {
			f.Apply(berth.Op{Task: task, Node: string(rune('a' + i%3))})
		}
	}
	clearing := func(t cluster.TaskView) {
		for _, task := range g.Tasks(6) {
			if task.ID != t.ID {
				f.Apply(berth.Op{Kind: berth.Release, ID: task.ID})
			}
		}
	}
	fill()
	seen := 0
	for task := range f.Group("g") {
		assert.Equal(t, g, task.Group)
		clearing(task)
		seen++
	}
	assert.Equal(t, 6, seen)
	fill()
	a, _ := f.Node("a")
	for task := range a.Tasks() {
		assert.Equal(t, "a", task.Node)
		clearing(task)
	}
	seen = 0
	for n := range f.Nodes() {
		seen++
		require.NoError(t, f.RemoveNodes(n.ID()))
		if n.ID() == "" && seen == 1 {
			require.NoError(t, f.RemoveNodes("b"))
		}
	}
	assert.Equal(t, 2, seen, "b was removed before its turn")
	assert.Equal(t, "", a.ID(), "a view of a node that is gone")
	assert.False(t, f.Fits(g, a))
}

// Adopted tasks can take more than a node has, but not more than can be told.
func TestFreeAmountsDoNotWrap(t *testing.T) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{ID: "n", Capacity: berth.Resources{"x": most}}))
	half := berth.NewGroup("half", berth.GroupSpec{Request: berth.Resources{"x": most / 2}})
	require.NoError(t, f.Adopt(half.Task("t1"), "n", nil, berth.Running))
	require.NoError(t, f.Adopt(half.Task("t2"), "n", nil, berth.Running))
	err := f.Adopt(half.Task("t3"), "n", nil, berth.Running)
	assert.ErrorIs(t, err, berth.ErrOverflow)
	assert.EqualError(t, err, `task "t3": node "n": resource "x": 9223372036854775806 + 4611686018427387903: quantity overflows int64`)
	require.NoError(t, f.UpdateNodes(berth.Node{ID: "n"}))
	n, _ := f.Node("n")
	assert.Equal(t, berth.Resources{"x": -(most - 1)}, n.Free())
	assert.True(t, n.Overcommitted())
	lacks := f.Lacks(half, n)
	require.Len(t, lacks, 1)
	assert.Equal(t, int64(most), lacks[0].Short, "what is missing is beyond int64, and told as the most there is")
	assert.False(t, f.Fits(half, n))
}

// A device class is a scalar too, and a task adopted without its devices takes only that: the device
// is then free by itself, but whoever got it would overcommit the class.
func TestScalarsOfDevicesAreNotOvercommitted(t *testing.T) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{ID: "n", Devices: []berth.Device{{Class: "gpu"}}}))
	g := berth.NewGroup("g", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}}})
	require.NoError(t, f.Adopt(g.Task("adopted"), "n", nil, berth.Running))
	n, _ := f.Node("n")
	require.Equal(t, []int64{1000}, n.FreeDevices())
	short := berth.Reason{Code: berth.UnitsTaken, Subject: "gpu"}

	_, why := f.Apply(berth.Op{Task: g.Task("t"), Node: "n"})
	assert.Equal(t, short, why)
	assert.Equal(t, []berth.Lack{{Reason: short, Short: 1000, Detail: "taken by tasks without a device"}}, f.Lacks(g, n))
	assert.False(t, f.Fits(g, n))
	_, why = f.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: "h", Owner: "fw", Node: "n", Deadline: time.Unix(1, 0), Devices: []berth.DeviceShare{{Class: "gpu", ID: "0", Units: 1}}}})
	assert.Equal(t, short, why)
	assert.False(t, n.Overcommitted())
}

// A hold outlives a change of its node, but what the node no longer has cannot be drawn.
func TestHeldPortThatTheNodeLost(t *testing.T) {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(berth.Node{ID: "n", Ports: []berth.PortRange{{First: 80, Last: 81}}}))
	_, why := f.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: "h", Owner: "fw", Node: "n", Deadline: time.Unix(1, 0), Ports: []berth.Port{{Number: 80}, {Number: 81}}}})
	require.Equal(t, berth.None, why.Code)
	require.NoError(t, f.UpdateNodes(berth.Node{ID: "n", Ports: []berth.PortRange{{First: 81, Last: 81}}}))
	for port, want := range map[uint16]berth.Reason{80: {Code: berth.NoPort, Subject: "80"}, 81: {}} {
		task := berth.NewTask(fmt.Sprint("t", port), berth.GroupSpec{Ports: []berth.PortRange{{First: port, Last: port}}})
		_, why = f.Apply(berth.Op{Task: task, Node: "n", From: "fw"})
		assert.Equal(t, want, why)
	}
	h, _ := f.Hold("h")
	assert.Equal(t, []berth.Port{{Number: 80}}, h.Ports)
}

// Ports are many: what is done to all of them is done in order of size, not once for each pair.
func TestAllPorts(t *testing.T) {
	f := cluster.NewFork()
	all := make([]berth.Port, 0, math.MaxUint16)
	for p := range math.MaxUint16 {
		all = append(all, berth.Port{Number: uint16(math.MaxUint16 - p)})
	}
	require.NoError(t, f.AddNodes(berth.Node{ID: "n", Ports: []berth.PortRange{{First: 1, Last: math.MaxUint16}}}))
	_, why := f.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: "h", Owner: "fw", Node: "n", Deadline: time.Unix(1, 0), Ports: all}})
	require.Equal(t, berth.None, why.Code)

	task := berth.NewTask("t", berth.GroupSpec{DynamicPorts: 60_000})
	op, why := f.Apply(berth.Op{Task: task, Node: "n", From: "fw"})
	require.Equal(t, berth.None, why.Code)
	assert.Len(t, op.Grant.Ports, 60_000)
	h, _ := f.Hold("h")
	assert.Len(t, h.Ports, math.MaxUint16-60_000)
	assert.Equal(t, berth.Port{Number: 60_001}, h.Ports[0], "the lowest were drawn")

	_, why = f.Apply(berth.Op{Kind: berth.Release, ID: "t"})
	require.Equal(t, berth.None, why.Code)
	_, why = f.Apply(berth.Op{Task: task, Node: "n", Grant: op.Grant})
	assert.Equal(t, berth.None, why.Code, "the ports came back")
}

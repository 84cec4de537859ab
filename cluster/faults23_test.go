package cluster_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/store"
)

// cards returns a node with devices of class gpu, "!" before the IDs of unhealthy ones.
func cards(ids ...string) berth.Node {
	n := berth.Node{ID: "n"}
	for _, id := range ids {
		d := berth.Device{Class: "gpu", ID: id}
		if id[0] == '!' {
			d.ID, d.Unhealthy = id[1:], true
		}
		n.Devices = append(n.Devices, d)
	}
	return n
}

func oneGPU(name string) *berth.Group {
	return berth.NewGroup(name, berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}}})
}

// device is a node of cards with tasks of one each.
type device struct {
	*testing.T
	*cluster.Fork
	group *berth.Group
}

func (d *device) place(id string) string {
	op, why := d.Apply(berth.Op{Task: d.group.Task(id), Node: "n"})
	if why.Code != berth.None {
		return why.String()
	}
	return op.Grant.String()
}

func (d *device) become(ids ...string) { require.NoError(d, d.UpdateNodes(cards(ids...))) }

// is checks what is free of each device and of the class, and whether the node is overcommitted.
func (d *device) is(over bool, units ...int64) {
	d.Helper()
	n, _ := d.Node("n")
	assert.Equal(d, units, n.FreeDevices())
	sum := int64(0)
	for _, u := range units {
		sum += max(u, 0) // what tasks have of an unhealthy device is not taken of the others
	}
	assert.Equal(d, sum, n.Free()["gpu"])
	assert.Equal(d, over, n.Overcommitted())
}

func newDevice(t *testing.T, ids ...string) *device {
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(cards(ids...)))
	return &device{t, f, oneGPU("g")}
}

func TestFault23DeviceGoneUnderItsTask(t *testing.T) {
	d := newDevice(t, "a", "b")
	require.Equal(t, "gpu/a:1000", d.place("t1"))
	d.become("b")
	d.is(true, 1000) // the healthy one is free, and the node says that something is wrong
	n, _ := d.Node("n")
	assert.Equal(t, berth.Resources{"gpu": 1000}, n.Capacity())
	v, _ := d.Task("t1")
	assert.Equal(t, "gpu/a:1000", v.Grant.String(), "what it was given, and nothing else")
	require.Equal(t, "gpu/b:1000", d.place("t2"))
	d.is(true, 0)
	assert.Equal(t, "no device for 1 gpu", func() string { d.become("c"); d.become(); return d.place("t3") }())
	d.become("b", "a") // it comes back
	d.is(false, 0, 0)
	d.become("b")
	_, why := d.Apply(berth.Op{Kind: berth.Release, ID: "t1"})
	require.Equal(t, berth.None, why.Code)
	d.is(false, 0)
}

func TestFault23ListInAnotherOrder(t *testing.T) {
	d := newDevice(t, "a", "b", "c")
	require.Equal(t, "gpu/a:1000", d.place("t1"))
	require.Equal(t, "gpu/b:1000", d.place("t2"))
	d.become("c", "x", "b", "a")
	d.is(false, 1000, 1000, 0, 0)
	assert.Equal(t, "gpu/c:1000", d.place("t3"))
	_, why := d.Apply(berth.Op{Kind: berth.Release, ID: "t1"})
	require.Equal(t, berth.None, why.Code)
	d.is(false, 0, 1000, 0, 1000)
	d.become("a", "b")
	d.is(true, 1000, 0)
	// A snapshot of before is not changed by what comes after, and neither is a fork's parent.
	before := d.Snapshot()
	fork := before.Fork()
	require.NoError(t, fork.UpdateNodes(cards("b")))
	n, _ := before.Node("n")
	assert.Equal(t, []int64{1000, 0}, n.FreeDevices())
	d.is(true, 1000, 0)
}

// Without IDs a device is known by its place among those of its class.
func TestFault23DefaultIDs(t *testing.T) {
	f := cluster.NewFork()
	nic, gpu := berth.Device{Class: "nic"}, berth.Device{Class: "gpu"}
	require.NoError(t, f.AddNodes(berth.Node{ID: "n", Devices: []berth.Device{gpu, nic, gpu}}))
	g := berth.NewGroup("g", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "nic", Share: 10}, {Class: "gpu", Count: 2}}})
	op, why := f.Apply(berth.Op{Task: g.Task("t"), Node: "n"})
	require.Equal(t, berth.None, why.Code)
	assert.Equal(t, "gpu/0:1000|gpu/1:1000|nic/0:10", op.Grant.String())
	require.NoError(t, f.UpdateNodes(berth.Node{ID: "n", Devices: []berth.Device{nic, gpu, gpu, gpu}}))
	n, _ := f.Node("n")
	assert.Equal(t, []int64{990, 0, 0, 1000}, n.FreeDevices())
	assert.Equal(t, berth.Node{ID: "n", Devices: []berth.Device{nic, gpu, gpu, gpu}}.Devices, n.Node().Devices, "as the host described it")
	assert.EqualError(t, (&berth.Node{ID: "n", Devices: []berth.Device{gpu, {Class: "gpu", ID: "0"}, {Class: "nic", ID: "0"}, {Class: "nic", ID: " x"}}}).Err(),
		"node \"n\": devices 0 and 1 are both gpu \"0\"\nnode \"n\": ID of device 3 \" x\": leading or trailing space")
}

func TestFault23UnhealthyDevices(t *testing.T) {
	d := newDevice(t, "!a", "b")
	d.is(false, 0, 1000)
	require.Equal(t, "gpu/b:1000", d.place("t1"))
	assert.Equal(t, "no free device for 1 gpu", d.place("t2"))
	d.become("a", "!b")
	d.is(true, 1000, -1000) // the task keeps it
	require.Equal(t, "gpu/a:1000", d.place("t2"))
	d.is(true, 0, -1000)
	assert.Equal(t, "no healthy device for 1 gpu", func() string { d.become("!a", "!b"); return d.place("t3") }())
	n, _ := d.Node("n")
	assert.Equal(t, berth.Resources{}, n.Capacity(), "what is unhealthy is no capacity")
	d.become("a", "b")
	d.is(false, 0, 0)
	// A particular grant of an unhealthy device is refused, by whatever door.
	d.become("a", "b", "!c")
	want := &berth.Grant{Devices: []berth.DeviceShare{{Class: "gpu", ID: "c", Units: 1000}}}
	_, why := d.Apply(berth.Op{Task: d.group.Task("t4"), Node: "n", Grant: want})
	assert.Equal(t, berth.Reason{Code: berth.DeviceUnhealthy, Subject: "1 gpu"}, why)
	op := berth.Op{Task: d.group.Task("t4"), Node: "n", Grant: want}
	_, why = (*checked.Fork)(d.Fork).Put(&op, store.PickOf(store.Ref{}, store.Hash("t4"), store.Hash(op.Task.Group.Name())))
	assert.NotEqual(t, berth.None, why.Code)
	_, why = d.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: "h", Owner: "o", Node: "n", Devices: want.Devices, Deadline: time.Unix(1, 0)}})
	assert.Equal(t, berth.Reason{Code: berth.DeviceUnhealthy, Subject: "gpu/c"}, why)
	// But a task that runs on it does.
	require.NoError(t, d.Adopt(d.group.Task("t4"), "n", want, berth.Running))
	d.is(true, 0, 0, -1000)
	choice, why := cluster.Choose(d.group, &berth.Node{Devices: []berth.Device{{Class: "gpu", Unhealthy: true}}}, []int64{1000}, nil)
	assert.Nil(t, choice)
	assert.Equal(t, berth.DeviceUnhealthy, why.Code)
}

func TestFault23HoldsKeepTheirDevices(t *testing.T) {
	d := newDevice(t, "a", "b", "c")
	hold := func(id string, devices ...string) berth.Reason {
		h := &berth.Hold{ID: id, Owner: "fw", Node: "n", Deadline: time.Unix(1, 0)}
		for _, name := range devices {
			h.Devices = append(h.Devices, berth.DeviceShare{Class: "gpu", ID: name, Units: 1000})
		}
		_, why := d.Apply(berth.Op{Kind: berth.Take, Hold: h})
		return why
	}
	require.Equal(t, berth.Reason{}, hold("h1", "a", "b"))
	assert.Equal(t, berth.Reason{Code: berth.DeviceTaken, Subject: "gpu/b"}, hold("h2", "b"))
	assert.Equal(t, berth.Reason{Code: berth.NoDevice, Subject: "gpu/d"}, hold("h2", "d"))
	h, _ := d.Hold("h1")
	assert.Equal(t, berth.Resources{"gpu": 2000}, h.Cost())
	d.become("c", "b")
	d.is(false, 1000, 0) // nobody runs on what is gone, so nothing is overcommitted
	op, why := d.Apply(berth.Op{Task: d.group.Task("t1"), Node: "n", From: "fw"})
	require.Equal(t, berth.None, why.Code)
	assert.Equal(t, "gpu/b:1000", op.Grant.String())
	_, why = d.Apply(berth.Op{Task: d.group.Task("t2"), Node: "n", From: "fw"})
	assert.Equal(t, "not held 1 gpu", why.String())
	d.become("a", "c", "b")
	d.is(false, 0, 1000, 0)
	op, why = d.Apply(berth.Op{Task: d.group.Task("t2"), Node: "n", From: "fw"})
	require.Equal(t, berth.None, why.Code)
	assert.Equal(t, "gpu/a:1000", op.Grant.String())
	d.is(false, 0, 1000, 0)
	assert.Empty(t, slices.Collect(d.Holds()), "all of it is drawn")
}

// What runs is adopted though its device is gone: a State that is set up from what runs has nobody else to ask.
func TestFault23AdoptedWithoutItsDevice(t *testing.T) {
	d := newDevice(t, "b")
	gone := &berth.Grant{Devices: []berth.DeviceShare{{Class: "gpu", ID: "a", Units: 1000}}}
	require.NoError(t, d.Adopt(d.group.Task("t1"), "n", gone, berth.Running))
	d.is(true, 1000)
	assert.Equal(t, "gpu/b:1000", d.place("t2"))
	// A grant of more than the group asks for makes no room.
	require.NoError(t, d.Adopt(berth.NewGroup("none", berth.GroupSpec{}).Task("t3"), "n", gone, berth.Running))
	d.is(true, 0)
	for name, share := range map[string]berth.DeviceShare{
		"no class": {ID: "a", Units: 1}, "no ID": {Class: "gpu", Units: 1}, "no units": {Class: "gpu", ID: "a"}, "more than one device": {Class: "gpu", ID: "a", Units: 1001},
	} {
		assert.Error(t, d.Adopt(d.group.Task("t4"), "n", &berth.Grant{Devices: []berth.DeviceShare{share}}, berth.Running), name)
	}
	assert.Error(t, d.Adopt(d.group.Task("t4"), "n", &berth.Grant{Devices: append(gone.Devices, gone.Devices...)}, berth.Running), "twice of one")
}

func TestFault24ClassOfDevicesByAmount(t *testing.T) {
	d := newDevice(t, "a", "b")
	require.NoError(t, d.AddNodes(berth.Node{ID: "plain", Capacity: berth.Resources{"gpu": 5000}}))
	g := berth.NewGroup("plain", berth.GroupSpec{Request: berth.Resources{"gpu": 1500}})
	n, _ := d.Node("n")
	assert.False(t, d.Fits(g, n))
	assert.Equal(t, []berth.Lack{{Reason: berth.Reason{Code: berth.ByDevice, Subject: "gpu"}}}, d.Lacks(g, n))
	_, why := d.Apply(berth.Op{Task: g.Task("t"), Node: "n"})
	assert.Equal(t, "only as devices: gpu", why.String())
	_, why = d.Apply(berth.Op{Task: g.Task("t"), Node: "plain"})
	assert.Equal(t, berth.Reason{}, why, "a node that has it by amount gives it by amount")
	_, why = d.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: "h", Owner: "o", Node: "n", Resources: berth.Resources{"gpu": 1}, Deadline: time.Unix(1, 0)}})
	assert.Equal(t, "only as devices: gpu", why.String())
	d.become("!a")
	assert.Contains(t, d.Explain(g).String(), "1 only as devices: gpu", "unhealthy ones are devices too")
	assert.False(t, cluster.Eligible(g, &berth.Node{Devices: []berth.Device{{Class: "nic"}, {Class: "gpu"}}}))
	assert.Equal(t, "gpu/a:1000", func() string { d.become("a", "b"); return d.place("dev") }())
	// What runs is adopted all the same, and told where it is in the way.
	require.NoError(t, d.Adopt(g.Task("ran"), "n", nil, berth.Running))
	assert.Equal(t, "insufficient units of gpu", d.place("dev-2"))
	for i, cap := range []int64{1, 5000} { // of several amounts, each is told
		two := berth.NewGroup(fmt.Sprint("two", i), berth.GroupSpec{Request: berth.Resources{"gpu": cap, "nic": 1}})
		assert.Len(t, cluster.Ineligible(two, &berth.Node{Devices: []berth.Device{{Class: "nic"}, {Class: "gpu"}, {Class: "gpu"}}}), 2)
	}
}

func TestZeroAndNilArePassedOver(t *testing.T) {
	var none *cluster.Fork
	other := newDevice(t, "a")
	foreign, _ := other.Node("n")
	for _, f := range []*cluster.Fork{none, new(cluster.Fork), other.Snapshot().Fork()} {
		g := other.group
		for _, n := range []cluster.NodeView{{}, foreign} {
			assert.False(t, f.Fits(g, n))
			assert.Equal(t, []berth.Lack{{Reason: berth.Reason{Code: berth.UnknownNode, Subject: n.ID()}}}, f.Lacks(g, n))
			assert.False(t, f.Fits(nil, n))
			assert.NotEmpty(t, f.Lacks(nil, n))
			_, _, _, _ = n.Capacity(), n.Free(), n.Node(), slices.Collect(n.Tasks())
		}
		for kind := range berth.Evict + 2 {
			_, why := f.Apply(berth.Op{Kind: kind})
			assert.NotEqual(t, berth.None, why.Code)
		}
		assert.Error(t, f.Adopt(berth.Task{}, "", nil, berth.Running))
		assert.Error(t, f.Mark("", berth.Running, time.Time{}))
		assert.Error(t, f.RemoveNodes("nowhere"))
		assert.Error(t, f.Cordon("nowhere"))
		assert.Error(t, f.UpdateNodes(berth.Node{}))
		assert.Error(t, f.AddNodes(berth.Node{}))
		assert.NotNil(t, f.Explain(nil))
		assert.Zero(t, f.Domains(nil, ""))
		_, _ = f.Snapshot(), f.Plan()
		_, _ = f.Version(), f.Len()
		_, _ = slices.Collect(f.Nodes()), slices.Collect(f.Holds())
		_ = slices.Collect(f.Group("g"))
		_, _ = f.Task("")
		_, _ = f.Hold("")
		_, _ = f.Node("")
	}
	assert.Nil(t, (*berth.Node)(nil).Clone())
	assert.Nil(t, (*berth.Hold)(nil).Clone())
	assert.Equal(t, berth.Resources{}, (*berth.Hold)(nil).Cost())
	assert.Empty(t, (*berth.Node)(nil).DeviceID(0))
	assert.NoError(t, (*berth.Grant)(nil).Err())
}

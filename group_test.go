package berth_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/constraints"
)

// stray is a Constraint that is none of the three kinds.
type stray struct{}

func (stray) String() string { return "stray" }
func (stray) Err() error     { return nil }

func TestGroupErr(t *testing.T) {
	eq := constraints.Eq("zone", "a")
	type spec = berth.GroupSpec
	for name, c := range map[string]struct {
		spec spec
		want string // after `group "g": `
	}{
		"nothing":            {spec{}, ""},
		"all of it":          {spec{Role: "eng", Request: berth.Resources{"cpu": 1}, Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}, {Class: "tpu", Share: 1000}}, Ports: []berth.PortRange{{First: 80, Last: 80}}, DynamicPorts: 65535, Rules: []berth.Constraint{eq}, Prefer: []berth.Preference{{Weight: -1000, Rule: eq}}, Mode: berth.Gang, GangSize: 1}, ""},
		"role":               {spec{Role: ".."}, `role "..": segment ".." is reserved`},
		"request":            {spec{Request: berth.Resources{"cpu": -1}}, `resource "cpu": quantity is negative: -1`},
		"nothing of devices": {spec{Devices: []berth.DeviceRequest{{Class: "gpu"}}}, `devices "gpu": exactly one of a count and a share must be set`},
		"count and share":    {spec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1, Share: 1}}}, `devices "gpu": exactly one of a count and a share must be set`},
		"negative share":     {spec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: math.MinInt64}}}, `devices "gpu": quantity is negative`},
		"share of more":      {spec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 1001}}}, `devices "gpu": a share of 1001 is more than the 1000 units of a device`},
		"count of too many":  {spec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: math.MaxInt}}}, `devices "gpu": a count of 9223372036854775807 is more than any node has`},
		"class twice":        {spec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}, {Class: "gpu", Count: 1}}}, `devices "gpu": requested twice`},
		"class and resource": {spec{Request: berth.Resources{"gpu": 1}, Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}}}, `resource "gpu" is also a device class`},
		"class":              {spec{Devices: []berth.DeviceRequest{{Count: 1}}}, `device class: empty name`},
		"ports":              {spec{Ports: []berth.PortRange{{First: 0, Last: 9}}}, `ports 0-9: not a range of ports from 1 on`},
		"dynamic ports":      {spec{DynamicPorts: -1}, `dynamic ports: quantity is negative: -1`},
		"too many of them":   {spec{DynamicPorts: math.MaxInt}, `dynamic ports: 9223372036854775807 are more than the 65535 of any node`},
		"nil rule":           {spec{Rules: []berth.Constraint{nil}}, `constraint: none given`},
		"nil pointer":        {spec{Rules: []berth.Constraint{(*stray)(nil)}}, `constraint: none given`},
		"stray rule":         {spec{Rules: []berth.Constraint{stray{}}}, `constraint stray: neither a NodeRule nor a DomainRule nor a Toleration`},
		"weight 0":           {spec{Prefer: []berth.Preference{{Rule: eq}}}, `preference zone = "a": weight 0 is not within 1 to 1000 or -1000 to -1`},
		"weight":             {spec{Prefer: []berth.Preference{{Weight: math.MinInt64, Rule: eq}}}, `preference zone = "a": weight -9223372036854775808 is not within 1 to 1000 or -1000 to -1`},
		"domain preferred":   {spec{Prefer: []berth.Preference{{Weight: 1, Rule: constraints.Unique("zone")}}}, `preference unique(zone): only rules about a node's attributes can be preferred`},
		"nil preferred":      {spec{Prefer: []berth.Preference{{Weight: 1}}}, `constraint: none given`},
		"mode":               {spec{Mode: 3}, `unknown mode 3`},
		"gang of none":       {spec{Mode: berth.Gang}, `gang size 0 is less than 1`},
		"size of no gang":    {spec{GangSize: 2}, `gang size 2 is set, but the mode is count`},
	} {
		t.Run(name, func(t *testing.T) {
			want := c.want
			if want != "" {
				want = `group "g": ` + want
			}
			g := berth.NewGroup("g", c.spec)
			assertErr(t, want, g.Err())
			if err := g.Err(); err != nil {
				assert.EqualError(t, g.Task("t").Err(), `task "t": `+want)
				assert.False(t, g.Eligible(&berth.Node{}), "a group with faults may go nowhere")
				_, why := g.Grant(&berth.Node{}, nil, nil)
				assert.Equal(t, berth.Reason{Code: berth.Invalid, Subject: want}, why)
			}
		})
	}
	all := berth.NewGroup("", spec{Role: "a//b", Request: berth.Resources{"x": -1, "": 1}, DynamicPorts: -1, Mode: 3, Rules: []berth.Constraint{nil}})
	assert.Len(t, strings.Split(all.Err().Error(), "\n"), 7, "%v", all.Err())
	assert.ErrorIs(t, all.Err(), berth.ErrNegative)
	assert.EqualError(t, (*berth.Group)(nil).Err(), "group: none given")
	assert.EqualError(t, berth.Task{ID: "t"}.Err(), `task "t": group: none given`)
	assert.EqualError(t, berth.NewGroup("g", spec{}).Task("").Err(), "task: empty name")
	assert.NoError(t, berth.NewGroup("g", spec{Mode: berth.Daemon}).Everywhere().Err())
}

// Each spec differs from all the others, if only by a byte of memory that people would not be shown.
func TestGroupsAreEqualOnlyIfTheirSpecsAre(t *testing.T) {
	type spec = berth.GroupSpec
	device := func(d berth.DeviceRequest) spec { return spec{Devices: []berth.DeviceRequest{d}} }
	specs := func() []spec {
		return []spec{
			{}, {Role: "a"}, {Priority: 1}, {Priority: -1}, {DynamicPorts: 1}, {Mode: berth.Daemon}, {Mode: berth.Gang, GangSize: 1}, {Mode: berth.Gang, GangSize: 2},
			{Request: berth.Resources{"memory": 1 << 30}}, {Request: berth.Resources{"memory": 1<<30 + 1}},
			{Request: berth.Resources{"a 1, b": 2}}, {Request: berth.Resources{"a": 1, "b": 2}},
			device(berth.DeviceRequest{Class: "gpu", Count: 1}), device(berth.DeviceRequest{Class: "gpu", Share: 1000}), device(berth.DeviceRequest{Class: "gpu (A)", Count: 1}),
			device(berth.DeviceRequest{Class: "gpu", Count: 1, Models: []string{"A"}}), device(berth.DeviceRequest{Class: "gpu", Count: 1, Models: []string{"A|B"}}), device(berth.DeviceRequest{Class: "gpu", Count: 1, Models: []string{"A", "B"}}),
			{Ports: []berth.PortRange{{First: 1, Last: 1}}}, {Ports: []berth.PortRange{{First: 1, Last: 2}}},
			{Rules: []berth.Constraint{constraints.Exists("a")}}, {Rules: []berth.Constraint{constraints.Exists("a"), constraints.Exists("b")}},
			{Prefer: []berth.Preference{{Weight: 1, Rule: constraints.Exists("a")}}}, {Prefer: []berth.Preference{{Weight: 2, Rule: constraints.Exists("a")}}},
		}
	}
	for i, a := range specs() {
		for j, b := range specs() {
			x, y := berth.NewGroup("g", a), berth.NewGroup("g", b)
			require.NoError(t, x.Err())
			assert.Equal(t, i == j, x.Equal(y), "%+v and %+v", a, b)
		}
		assert.False(t, berth.NewGroup("g", a).Equal(berth.NewGroup("h", a)))
		assert.False(t, berth.NewGroup("g", a).Equal(nil))
	}
}

func TestGroupKeepsItsSpec(t *testing.T) {
	spec := berth.GroupSpec{Request: berth.Resources{"cpu": 1}, Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1, Models: []string{"A"}}}, Ports: []berth.PortRange{{First: 1, Last: 1}}}
	g := berth.NewGroup("g", spec)
	scramble := func(s berth.GroupSpec) {
		s.Request["cpu"], s.Devices[0].Models[0], s.Devices[0].Count, s.Ports[0].Last = 9, "B", 7, 9
	}
	scramble(spec)
	scramble(g.Spec())
	assert.Equal(t, berth.GroupSpec{Request: berth.Resources{"cpu": 1}, Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1, Models: []string{"A"}}}, Ports: []berth.PortRange{{First: 1, Last: 1}}}, g.Spec())
	assert.Equal(t, berth.Resources{"cpu": 1, "gpu": 1000}, g.Cost())
	assert.Empty(t, g.Tasks(-1))
}

// An owner with two optimistic holds of one device has one device, not two.
func TestTwoHoldsOfOneDevice(t *testing.T) {
	s, err := berth.NewSnapshot(berth.Node{ID: "n", Devices: []berth.Device{{Class: "gpu"}}})
	require.NoError(t, err)
	f := s.Fork()
	for _, id := range []string{"h1", "h2"} {
		_, why := f.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: id, Owner: "fw", Node: "n", Lease: berth.Optimistic, Deadline: time.Unix(1, 0), Devices: []berth.DeviceShare{{Index: 0, Units: 1000}}}})
		require.Equal(t, berth.None, why.Code)
	}
	g := berth.NewGroup("g", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}}})
	op, why := f.Apply(berth.Op{Task: g.Task("t1"), Node: "n", From: "fw"})
	require.Equal(t, berth.None, why.Code, "%v", why)
	assert.Equal(t, "0:1000", op.Grant.String())
	_, why = f.Apply(berth.Op{Task: g.Task("t2"), Node: "n", From: "fw"})
	assert.NotEqual(t, berth.None, why.Code, "the second hold has nothing behind it")
}

func TestZeroValuesAreEmpty(t *testing.T) {
	var s berth.Snapshot
	var f berth.Fork
	for _, c := range []cluster{&s, &f, s.Fork(), berth.NewFork(), (*berth.Snapshot)(nil)} {
		assert.Equal(t, dump(berth.NewFork()), dump(c))
		n, ok := c.Node("n")
		assert.False(t, ok)
		assert.Equal(t, berth.NodeView{}, n)
	}
	assert.Zero(t, s.Tasks())
	assert.Empty(t, s.Total())
	assert.Zero(t, s.Version())
	var n berth.NodeView
	assert.Equal(t, fmt.Sprint("", false, false, berth.Resources{}, berth.Resources{}), fmt.Sprint(n.ID(), n.Drained(), n.Overcommitted(), n.Free(), n.Capacity()))
	assert.Equal(t, berth.Node{Capacity: berth.Resources{}}, n.Node())
	for range n.Tasks() {
		t.Error("a task on no node")
	}
	require.NoError(t, f.AddNodes(berth.Node{ID: "n"}))
	assert.Equal(t, 1, f.Snapshot().Len(), "the zero Fork can be used")
	assert.NoError(t, new(berth.Fork).AddNodes())
	assert.Error(t, new(berth.Fork).RemoveNodes("n"))
	assert.Error(t, new(berth.Fork).Mark("t", berth.Running, 0))
	assert.Empty(t, new(berth.Fork).Plan().Ops)
	_, ok := new(berth.Fork).Hold("h")
	assert.False(t, ok)
	assert.Equal(t, "", new(berth.Plan).String())
}

// Forks can be changed while they are walked: here each step of a walk ends another of its steps.
func TestForksChangeWhileTheyAreWalked(t *testing.T) {
	f := berth.NewFork()
	g := berth.NewGroup("g", berth.GroupSpec{})
	require.NoError(t, f.AddNodes(berth.Node{ID: "a"}, berth.Node{ID: "b"}, berth.Node{ID: "c"}))
	fill := func() {
		for i, task := range g.Tasks(6) {
			f.Apply(berth.Op{Task: task, Node: string(rune('a' + i%3))})
		}
	}
	clearing := func(t berth.TaskView) {
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
	f := berth.NewFork()
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

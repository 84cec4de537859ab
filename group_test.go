package berth_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
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
		"nothing":              {spec{}, ""},
		"all of it":            {spec{Role: "eng", Request: berth.Resources{"cpu": 1}, Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}, {Class: "tpu", Share: 1000}}, Ports: []berth.PortRange{{First: 80, Last: 80}}, DynamicPorts: 65535, Rules: []berth.Constraint{eq}, Prefer: []berth.Preference{{Weight: -1000, Rule: eq}}, Mode: berth.Gang, GangSize: 1}, ""},
		"role":                 {spec{Role: ".."}, `role "..": segment ".." is reserved`},
		"request":              {spec{Request: berth.Resources{"cpu": -1}}, `resource "cpu": quantity is negative: -1`},
		"nothing of devices":   {spec{Devices: []berth.DeviceRequest{{Class: "gpu"}}}, `devices "gpu": exactly one of a count and a share must be set`},
		"count and share":      {spec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1, Share: 1}}}, `devices "gpu": exactly one of a count and a share must be set`},
		"negative share":       {spec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: math.MinInt64}}}, `devices "gpu": quantity is negative`},
		"share of more":        {spec{Devices: []berth.DeviceRequest{{Class: "gpu", Share: 1001}}}, `devices "gpu": a share of 1001 is more than the 1000 units of a device`},
		"count of too many":    {spec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: math.MaxInt}}}, `devices "gpu": a count of 9223372036854775807 is more than any node has`},
		"class and resource":   {spec{Request: berth.Resources{"gpu": 1}, Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}}}, `resource "gpu" is also a device class`},
		"class":                {spec{Devices: []berth.DeviceRequest{{Count: 1}}}, `device class: empty name`},
		"ports":                {spec{Ports: []berth.PortRange{{First: 0, Last: 9}}}, `ports 0-9: not a range of ports from 1 on`},
		"ports in others":      {spec{Ports: []berth.PortRange{{First: 60, Last: 69}, {First: 1, Last: 99}, {First: 5, Last: 6}, {First: 100, Last: 100}}}, "ports 5-6 overlap ports 1-99\n" + `group "g": ports 60-69 overlap ports 1-99`},
		"dynamic ports":        {spec{DynamicPorts: -1}, `dynamic ports: quantity is negative: -1`},
		"too many of them":     {spec{DynamicPorts: math.MaxInt}, `dynamic ports: 9223372036854775807 are more than the 65535 of any node`},
		"nil rule":             {spec{Rules: []berth.Constraint{nil}}, `constraint: none given`},
		"nil pointer":          {spec{Rules: []berth.Constraint{(*stray)(nil)}}, `constraint: none given`},
		"stray rule":           {spec{Rules: []berth.Constraint{stray{}}}, `constraint stray: neither a NodeRule nor a DomainRule nor a Toleration`},
		"weight 0":             {spec{Prefer: []berth.Preference{{Rule: eq}}}, `preference zone = "a": weight 0 is not within 1 to 1000 or -1000 to -1`},
		"weight":               {spec{Prefer: []berth.Preference{{Weight: math.MinInt64, Rule: eq}}}, `preference zone = "a": weight -9223372036854775808 is not within 1 to 1000 or -1000 to -1`},
		"toleration preferred": {spec{Prefer: []berth.Preference{{Weight: 1, Rule: constraints.TolerateKey("gpu")}}}, `preference tolerate(gpu): only rules about a node's attributes or about the tasks in domains can be preferred`},
		"nil preferred":        {spec{Prefer: []berth.Preference{{Weight: 1}}}, `constraint: none given`},
		"mode":                 {spec{Mode: 3}, `unknown mode 3`},
		"gang of none":         {spec{Mode: berth.Gang}, `gang size 0 is less than 1`},
		"size of no gang":      {spec{GangSize: 2}, `gang size 2 is set, but the mode is count`},
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
				assert.False(t, cluster.Eligible(g, &berth.Node{}), "a group with faults may go nowhere")
				_, why := cluster.Choose(g, &berth.Node{}, nil, nil)
				assert.Equal(t, berth.Reason{Code: berth.Invalid, Subject: want}, why)
			}
		})
	}
	all := berth.NewGroup("", spec{Role: "a//b", Request: berth.Resources{"x": -1, "": 1}, DynamicPorts: -1, Mode: 3, Rules: []berth.Constraint{nil}})
	assert.Len(t, strings.Split(all.Err().Error(), "\n"), 7, "%v", all.Err())
	assert.ErrorIs(t, all.Err(), berth.ErrNegative)
	assert.EqualError(t, (*berth.Group)(nil).Err(), "group: none given")
	assert.EqualError(t, new(berth.Group).Err(), "group: not made by NewGroup")
	assert.EqualError(t, berth.Task{ID: "t"}.Err(), `task "t": group: none given`)
	assert.EqualError(t, berth.NewGroup("g", spec{}).Task("").Err(), `task of group "g": empty name`)
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
	faulty := func() *berth.Group { return berth.NewGroup("g", spec{Rules: []berth.Constraint{nil}}) }
	assert.False(t, faulty().Equal(faulty()), "there is no rule to compare")
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

// Comparing groups costs the same however large their specs are: a source does it for every placement.
func TestEqualBuildsNothing(t *testing.T) {
	spec := berth.GroupSpec{Request: berth.Resources{}}
	for i := range 100 {
		spec.Request[fmt.Sprint("r", i)] = 1
	}
	a, b := berth.NewGroup("g", spec), berth.NewGroup("g", spec)
	assert.True(t, a.Equal(b))
	assert.Zero(t, testing.AllocsPerRun(10, func() { a.Equal(b) }))
	spec.Request["r1"] = 2
	assert.False(t, a.Equal(berth.NewGroup("g", spec)))
}

package berth_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

func TestRole(t *testing.T) {
	for role, c := range map[berth.Role]struct {
		parent berth.Role
		want   string
	}{
		"":           {"", ""},
		"eng":        {"", ""},
		"eng/search": {"eng", ""},
		"a/b/c":      {"a/b", ""},
		"a-b/c.d":    {"a-b", ""},
		"größe/日本":   {"größe", ""},
		"/":          {"", "role \"/\": empty segment\nrole \"/\": empty segment"},
		"/a":         {"", `role "/a": empty segment`},
		"a/":         {"a", `role "a/": empty segment`},
		"a//b":       {"a/", `role "a//b": empty segment`},
		"./..":       {".", "role \"./..\": segment \".\" is reserved\nrole \"./..\": segment \"..\" is reserved"},
		"-a/b":       {"-a", `role "-a/b": segment "-a" begins with '-'`},
		"a b":        {"", `role "a b": segment "a b" holds white space, a control character or a backslash`},
		`a\b`:        {"", `role "a\\b": segment "a\\b" holds white space, a control character or a backslash`},
		"a\x00":      {"", `role "a\x00": segment "a\x00" holds white space, a control character or a backslash`},
		"a\xff":      {"", `role "a\xff": segment "a\xff" is not UTF-8`},
	} {
		assertErr(t, c.want, role.Err())
		assert.Equal(t, c.parent, role.Parent(), "%q", role)
	}
}

func TestNodeErr(t *testing.T) {
	good := berth.Node{ID: "n", Capacity: berth.Resources{"cpu": most}, Attributes: berth.Attributes{"a": "", "b": 7, "c": 7.5},
		Taints: []berth.Taint{{Key: "k"}}, Devices: []berth.Device{{Class: "gpu"}}, Ports: []berth.PortRange{{First: 1, Last: 65535}}}
	assert.NoError(t, good.Err())
	bad := berth.Node{
		ID:         " n",
		Capacity:   berth.Resources{"cpu": -1, "gpu": 1},
		Attributes: berth.Attributes{"": "x", "f": math.NaN(), "node.id": "other", "t": true, "u": nil},
		Taints:     []berth.Taint{{}, {Key: "k", Effect: 7}},
		Devices:    []berth.Device{{Class: "gpu"}, {Class: "gpu"}, {}},
		Ports:      []berth.PortRange{{}, {First: 9, Last: 8}, {First: 80, Last: 90}, {First: 90, Last: 91}},
	}
	assertErr(t, strings.Join([]string{
		`node " n": leading or trailing space`,
		`node " n": resource "cpu": quantity is negative: -1`,
		`node " n": attribute: empty name`,
		`node " n": attribute "f": value NaN is not a finite number`,
		`node " n": attribute "node.id" is the node's own ID and cannot be set`,
		`node " n": attribute "t": value of type bool is neither text nor a number`,
		`node " n": attribute "u": value of type <nil> is neither text nor a number`,
		`node " n": taint: empty name`,
		`node " n": taint "k": unknown effect 7`,
		`node " n": resource "gpu" is also a device class`,
		`node " n": class of device 2: empty name`,
		`node " n": ports 0: not a range of ports from 1 on`,
		`node " n": ports 9-8: not a range of ports from 1 on`,
		`node " n": ports 90-91 overlap ports 80-90`,
	}, "\n"), bad.Err())
	lent := berth.Node{ID: "n", Capacity: berth.Resources{"revocable.gpu": 1, "revocable.gpu.memory": 1, "revocable.cpu": 1}, Devices: []berth.Device{
		{Class: "gpu", Capacity: berth.Resources{"memory": 1}}, {Class: "revocable.gpu"}, {Class: "revocable"}}}
	assertErr(t, strings.Join([]string{
		`node "n": resource "revocable.gpu": a device class is not revocable`,
		`node "n": resource "revocable.gpu.memory": an amount of devices is not revocable`,
		`node "n": resource "revocable.gpu" is also a device class`,
		`node "n": device class "revocable.gpu" is named as what is revocable, and no device is`,
		`node "n": device class "revocable" is named as what is revocable, and no device is`,
	}, "\n"), lent.Err())
	assert.EqualError(t, (*berth.Node)(nil).Err(), "node: none given")
	_, ok := (*berth.Node)(nil).Attribute("a")
	assert.False(t, ok)

	_, err := cluster.NewSnapshot(good, good, bad, berth.Node{})
	require.Error(t, err)
	for _, fault := range []string{`node "n": a node of that ID exists`, `node " n": resource "cpu"`, `node: empty name`} {
		assert.ErrorContains(t, err, fault)
	}
	assert.ErrorIs(t, err, berth.ErrNodeExists)
}

func TestValues(t *testing.T) {
	sorted := []any{math.Inf(-1), -1.5, 0, int8(1), uint64(2), float32(2.5), int64(1 << 53), "", "\x00", "\x007", "7", "a", "b"}
	var values []berth.Value
	for _, raw := range sorted[1:] {
		v, err := berth.ValueOf(raw)
		require.NoError(t, err)
		values = append(values, v)
	}
	for i, a := range values {
		for j, b := range values {
			want := 0
			if i != j {
				want = map[bool]int{true: -1, false: 1}[i < j]
			}
			assert.Equal(t, want, a.Compare(b), "%v and %v", a, b)
			assert.Equal(t, i == j, a == b)
		}
	}
	for _, seven := range []any{7, int8(7), int16(7), int32(7), int64(7), uint(7), uint8(7), uint16(7), uint32(7), uint64(7), float32(7), 7.0} {
		v, err := berth.ValueOf(seven)
		require.NoError(t, err)
		n, ok := v.Number()
		assert.Equal(t, 7.0, n)
		assert.True(t, ok)
		assert.Equal(t, "7", v.String())
		again, err := berth.ValueOf(v)
		assert.NoError(t, err)
		assert.Equal(t, v, again)
	}
	zero, _ := berth.ValueOf(0)
	minusZero, _ := berth.ValueOf(math.Copysign(0, -1))
	assert.True(t, zero == minusZero)
	assert.Equal(t, "0", minusZero.String())
	for _, bad := range []any{nil, true, math.NaN(), math.Inf(1), float32(math.Inf(-1)), []string{"a"}, struct{}{}} {
		_, err := berth.ValueOf(bad)
		assert.Error(t, err, "%v", bad)
	}
}

func TestSmallStrings(t *testing.T) {
	for want, s := range map[string]interface{ String() string }{
		"80":                   berth.PortRange{First: 80, Last: 80},
		"8000-8999":            berth.PortRange{First: 8000, Last: 8999},
		"dedicated=db":         berth.Taint{Key: "dedicated", Value: "db"},
		"dedicated":            berth.Taint{Key: "dedicated"},
		"2 gpu":                berth.DeviceRequest{Class: "gpu", Count: 2},
		"0.3 gpu":              berth.DeviceRequest{Class: "gpu", Share: 300},
		"1 gpu (A100|T4)":      berth.DeviceRequest{Class: "gpu", Count: 1, Models: []string{"A100", "T4"}},
		"count":                berth.Count,
		"gang":                 berth.Gang,
		"daemon":               berth.Daemon,
		"mode 7":               berth.Mode(7),
		"assumed":              berth.Assumed,
		"running":              berth.Running,
		"stopping":             berth.Stopping,
		"lost":                 berth.Lost,
		"orphan":               berth.Orphan,
		"state 9":              berth.TaskState(9),
		"place":                berth.Place,
		"hold":                 berth.Take,
		"drop":                 berth.Drop,
		"release":              berth.Release,
		"evict":                berth.Evict,
		"operation 9":          berth.OpKind(9),
		"web-1":                berth.Task{ID: "web-1"},
		"":                     (*berth.Grant)(nil),
		"gpu/0:300|gpu/2:1000": &berth.Grant{Devices: []berth.DeviceShare{{Class: "gpu", ID: "0", Units: 300}, {Class: "gpu", ID: "2", Units: 1000}}},
		"gpu/1:5 ports [80 9]": &berth.Grant{Devices: []berth.DeviceShare{{Class: "gpu", ID: "1", Units: 5}}, Ports: []berth.Port{{Number: 80}, {Number: 9}}},
		"ports [80]":           &berth.Grant{Ports: []berth.Port{{Number: 80}}},
	} {
		assert.Equal(t, want, s.String())
	}
}

func TestNodesThatAreEqual(t *testing.T) {
	base := func() *berth.Node {
		return &berth.Node{
			ID: "n", Capacity: berth.Resources{"cpu": 1}, Attributes: berth.Attributes{"zone": "a", "generation": 7},
			Taints: []berth.Taint{{Key: "k"}}, Devices: []berth.Device{{Class: "gpu"}}, Ports: []berth.PortRange{{First: 1, Last: 2}},
		}
	}
	same := base()
	same.Attributes = berth.Attributes{"generation": float32(7), "zone": "a"}
	assert.True(t, base().Equal(same), "a number is its value")
	device := func(q int64) *berth.Node {
		return &berth.Node{ID: "n", Devices: []berth.Device{{Class: "gpu", Capacity: berth.Resources{"memory": q}}}}
	}
	assert.True(t, device(1).Equal(device(1)))
	assert.False(t, device(1).Equal(device(2)))
	assert.True(t, (&berth.Node{ID: "n"}).Equal(&berth.Node{ID: "n", Capacity: berth.Resources{}, Taints: []berth.Taint{}}))
	for what, change := range map[string]func(*berth.Node){
		"id":            func(n *berth.Node) { n.ID = "m" },
		"capacity":      func(n *berth.Node) { n.Capacity["cpu"] = 2 },
		"resource":      func(n *berth.Node) { n.Capacity["memory"] = 0 },
		"attribute":     func(n *berth.Node) { n.Attributes["zone"] = "b" },
		"text":          func(n *berth.Node) { n.Attributes["generation"] = "7" },
		"no value":      func(n *berth.Node) { n.Attributes["generation"] = []int{7} },
		"taint":         func(n *berth.Node) { n.Taints[0].Effect = berth.PreferNoSchedule },
		"device":        func(n *berth.Node) { n.Devices[0].Unhealthy = true },
		"ports":         func(n *berth.Node) { n.Ports = nil },
		"unschedulable": func(n *berth.Node) { n.Unschedulable = true },
	} {
		other := base()
		change(other)
		assert.False(t, base().Equal(other), what)
		assert.False(t, other.Equal(base()), what)
	}
	assert.False(t, base().Equal(nil))
	assert.True(t, (*berth.Node)(nil).Equal(nil))
}

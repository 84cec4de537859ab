package berth_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

func TestDeviceRequestErr(t *testing.T) {
	gpu := func(d ...berth.DeviceRequest) berth.GroupSpec {
		for i := range d {
			d[i].Class = "gpu"
		}
		return berth.GroupSpec{Devices: d}
	}
	of := func(name string, q int64) berth.Resources { return berth.Resources{name: q} }
	for name, c := range map[string]struct {
		spec berth.GroupSpec
		want []string // after `group "g": `
	}{
		"several of a class":     {gpu(berth.DeviceRequest{Count: 1}, berth.DeviceRequest{Share: 1}, berth.DeviceRequest{Share: 1}), nil},
		"as many as may be":      {gpu(slices.Repeat([]berth.DeviceRequest{{Share: 1}}, 64)...), nil},
		"too many":               {gpu(slices.Repeat([]berth.DeviceRequest{{Share: 1}}, 65)...), []string{`devices "gpu": 65 requests are more than 64`}},
		"a share and amounts":    {gpu(berth.DeviceRequest{Share: 1, Amounts: of("memory", 1)}), nil},
		"amounts alone":          {gpu(berth.DeviceRequest{Amounts: of("memory", 1)}), nil},
		"amounts of nothing":     {gpu(berth.DeviceRequest{Amounts: of("memory", 0)}), []string{`devices "gpu": exactly one of a count and a share must be set`}},
		"amounts of whole ones":  {gpu(berth.DeviceRequest{Count: 1, Amounts: of("memory", 1)}), []string{`devices "gpu": amounts of whole devices, which are taken with all that they have`}},
		"a faulty amount":        {gpu(berth.DeviceRequest{Share: 1, Amounts: of(" m", -1)}), []string{`devices "gpu": resource " m": leading or trailing space`, `devices "gpu": resource " m": quantity is negative: -1`}},
		"amounts that overflow":  {gpu(berth.DeviceRequest{Amounts: of("m", math.MaxInt64)}, berth.DeviceRequest{Amounts: of("m", 1)}), []string{`devices "gpu": resource "m": 9223372036854775807 + 1: quantity overflows int64`}},
		"an amount by two doors": {berth.GroupSpec{Request: of("gpu.m", 1), Devices: []berth.DeviceRequest{{Class: "gpu", Amounts: of("m", 1)}}}, []string{`resource "gpu.m" is also an amount of devices`}},
		"a class by two doors":   {berth.GroupSpec{Request: of("gpu", 1), Devices: []berth.DeviceRequest{{Class: "gpu", Share: 1}, {Class: "gpu", Share: 1}}}, []string{`resource "gpu" is also a device class`}},
		"a class as an amount":   {berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "a", Amounts: of("b", 1)}, {Class: "a.b", Share: 1}}}, []string{`device class "a.b" is also an amount of devices`}},
		"preferences": {gpu(berth.DeviceRequest{Count: 1, Prefer: map[string]int64{"A": 1000, "B": -1000, "": 0, "C": 1001}}), []string{
			`devices "gpu": preference of model "": weight 0 is not within 1 to 1000 or -1000 to -1`,
			`devices "gpu": preference of model "C": weight 1001 is not within 1 to 1000 or -1000 to -1`,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var want []string
			for _, line := range c.want {
				want = append(want, `group "g": `+line)
			}
			assertErr(t, strings.Join(want, "\n"), berth.NewGroup("g", c.spec).Err())
		})
	}
}

func TestDeviceCapacityErr(t *testing.T) {
	n := berth.Node{ID: "n", Capacity: berth.Resources{"gpu.memory": 1}, Devices: []berth.Device{
		{Class: "gpu", Capacity: berth.Resources{"memory": math.MaxInt64, "": 1}},
		{Class: "gpu", Capacity: berth.Resources{"memory": 1, "cores": -1}},
		{Class: "gpu.cores"},
	}}
	assert.EqualError(t, n.Err(), strings.Join([]string{
		`node "n": device 0: resource: empty name`,
		`node "n": resource "gpu.memory" is also an amount of devices`,
		`node "n": device 1: resource "cores": quantity is negative: -1`,
		`node "n": resource "gpu.memory": 9223372036854775807 + 1: quantity overflows int64`,
		`node "n": device class "gpu.cores" is also an amount of devices`,
	}, "\n"))
	c := n.Clone()
	c.Devices[0].Capacity["memory"] = 2
	assert.EqualValues(t, math.MaxInt64, n.Devices[0].Capacity["memory"], "a clone shares nothing")
}

// What a share takes of an amount that it does not name is its part, rounded up: of 7 in 250 thousandths 1.75, so 2.
func TestTakes(t *testing.T) {
	for _, c := range []struct {
		request   berth.DeviceRequest
		all, want int64
	}{
		{berth.DeviceRequest{Share: 250}, 7, 2},
		{berth.DeviceRequest{Share: 250}, 8, 2},
		{berth.DeviceRequest{Share: 1}, math.MaxInt64, math.MaxInt64/1000 + 1},
		{berth.DeviceRequest{Share: 1000}, math.MaxInt64, math.MaxInt64},
		{berth.DeviceRequest{Share: 999}, 0, 0},
		{berth.DeviceRequest{Count: 3}, 7, 7},
		{berth.DeviceRequest{Share: 250, Amounts: berth.Resources{"m": 5}}, 7, 5},
		{berth.DeviceRequest{Share: 1000, Amounts: berth.Resources{"m": 0}}, 7, 0},
		{berth.DeviceRequest{Amounts: berth.Resources{"other": 1}}, 7, 0},
	} {
		assert.Equal(t, c.want, c.request.Takes("m", c.all), "%v of %d", c.request, c.all)
	}
}

func TestRequirementsOfDevices(t *testing.T) {
	g := berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"cpu": 1}, Devices: []berth.DeviceRequest{
		{Class: "nic", Share: 10},
		{Class: "gpu", Count: 1, Models: []string{"A"}},
		{Class: "gpu", Share: 300, Amounts: berth.Resources{"memory": 5, "cores": 0}},
		{Class: "gpu", Count: 2, Models: []string{"A"}},
		{Class: "gpu", Amounts: berth.Resources{"memory": 7}},
	}})
	require.NoError(t, g.Err())
	assert.Equal(t, berth.Resources{"cpu": 1, "gpu": 3300, "gpu.memory": 12, "nic": 10}, g.Cost())
	r := g.Requirements()
	var texts []string
	for _, d := range r.Devices {
		texts = append(texts, d.String())
	}
	assert.Equal(t, []string{"3 gpu (A)", "0.3 gpu with cores 0, memory 5 B", "gpu with memory 7 B", "0.01 nic"}, texts)
	assert.True(t, r.Several && r.Choosy)
	for class, want := range map[string][2]int{"gpu": {0, 3}, "nic": {3, 4}, "tpu": {4, 4}} {
		from, to := r.RequestsOf(class)
		assert.Equal(t, want, [2]int{from, to}, class)
	}
	for name, want := range map[string]string{"cpu": "", "gpu": "gpu", "gpu.memory": "gpu", "nic": "nic", "gpu.cores": ""} {
		class, ok := r.ClassOf(name)
		assert.Equal(t, want, class, name)
		assert.Equal(t, want != "", ok, name)
	}
	other := g.Spec()
	other.Devices[2].Amounts["memory"] = 6
	assert.False(t, g.Equal(berth.NewGroup("g", other)))
	other.Devices[2].Amounts["memory"] = 5
	assert.True(t, g.Equal(berth.NewGroup("g", other)), "and the group's own spec was not changed")
	other.Devices[0].Prefer = map[string]int64{"B": 1}
	assert.False(t, g.Equal(berth.NewGroup("g", other)))
}

var shareTexts = map[string]berth.DeviceShare{
	"gpu/9:500":                          {Class: "gpu", ID: "9", Units: 500},
	"nvidia.com/gpu/0000:3b:00.0:1000":   {Class: "nvidia.com/gpu", ID: "0000:3b:00.0", Units: 1000},
	"gpu/0:0,cores=3,memory=1024":        {Class: "gpu", ID: "0", Amounts: berth.Resources{"memory": 1024, "cores": 3}},
	`gpu/"a/b":1`:                        {Class: "gpu", ID: "a/b", Units: 1},
	`"a b"/"c|d":1,a=b=3,"x,y"=2`:        {Class: "a b", ID: "c|d", Units: 1, Amounts: berth.Resources{"x,y": 2, "a=b": 3}},
	`"\"\\"/"\"":7`:                      {Class: `"\`, ID: `"`, Units: 7},
	`a:b/c:1,memory=9223372036854775807`: {Class: "a:b", ID: "c", Units: 1, Amounts: berth.Resources{"memory": math.MaxInt64}},
}

func TestShareText(t *testing.T) {
	for text, share := range shareTexts {
		assert.Equal(t, text, share.String())
		var read berth.DeviceShare
		require.NoError(t, read.UnmarshalText([]byte(text)))
		assert.Equal(t, share, read, text)
	}
	kept := berth.DeviceShare{Class: "gpu", ID: "0", Units: 1}
	for _, text := range []string{"", "gpu", "gpu/0", "gpu:1", "/0:1", "gpu/:1", "gpu/0:x", "gpu/0:+1", "gpu/0:0", "gpu/0:1001", "gpu/0:-1", "gpu/0:1,", "gpu/0:1,m",
		"gpu/0:1,m=x", "gpu/0:1,m=1,m=1", "gpu/0:1,b=1,a=1", "gpu/0:1,m=0", `"gpu/0:1`, `"g"pu/0:1`, `"gpu"/0:1`, "gpu/0:1 ", "gpu/0:1,=1", "a b/0:1"} {
		assert.Error(t, kept.UnmarshalText([]byte(text)), text)
	}
	assert.Equal(t, berth.DeviceShare{Class: "gpu", ID: "0", Units: 1}, kept, "as it was")
	assert.EqualError(t, kept.UnmarshalText([]byte("gpu/0")), `device share "gpu/0": no ':' before the units`)
	assert.EqualError(t, kept.UnmarshalText([]byte("gpu/0:+1")), `device share "gpu/0:+1": not as it would be printed`)
}

func TestGrantText(t *testing.T) {
	var all []berth.DeviceShare
	for _, text := range slices.Sorted(maps.Keys(shareTexts)) {
		all = append(all, shareTexts[text])
	}
	for _, g := range []*berth.Grant{{}, {Ports: []berth.Port{{Number: 80}, {Number: 9}}}, {Devices: all[:1]}, {Devices: all}, {Devices: all, Ports: []berth.Port{{Number: 1}}}} {
		text, err := json.Marshal(g)
		require.NoError(t, err)
		read := new(berth.Grant)
		require.NoError(t, json.Unmarshal(text, read), "%s", text)
		assert.Equal(t, g, read, "%s", text)
		c := g.Clone()
		for _, d := range c.Devices {
			for name := range d.Amounts {
				d.Amounts[name] = -1
			}
		}
		assert.Equal(t, read, g, "a clone shares nothing")
	}
	kept := berth.Grant{Ports: []berth.Port{{Number: 1}}}
	for _, text := range []string{"ports", "ports []", "ports [80", "ports [0]", "ports [80 80]", "ports [65536]", "gpu/0:1 ports []", "gpu/0:1|", "|gpu/0:1", "gpu/0:1 ", "gpu/0:1 80", "gpu/0:1|gpu/0:2", "ports [80]x"} {
		assert.Error(t, kept.UnmarshalText([]byte(text)), text)
	}
	assert.Equal(t, berth.Grant{Ports: []berth.Port{{Number: 1}}}, kept)
}

// Whatever reads prints as it was read, and nothing panics.
func FuzzGrant(f *testing.F) {
	for text := range shareTexts {
		f.Add(text)
		f.Add(text + "|" + text + " ports [1 2]")
	}
	f.Add("ports [80 81]")
	f.Fuzz(func(t *testing.T, text string) {
		var g berth.Grant
		if g.UnmarshalText([]byte(text)) != nil {
			return
		}
		require.NoError(t, g.Err())
		require.Equal(t, text, g.String())
	})
}

func ExampleDeviceRequest() {
	g := berth.NewGroup("render", berth.GroupSpec{Devices: []berth.DeviceRequest{
		{Class: "gpu", Count: 2, Models: []string{"H100"}},                       // two whole ones of a model
		{Class: "gpu", Share: 250},                                               // a quarter of another
		{Class: "gpu", Amounts: berth.Resources{"memory": 10 << 30, "cores": 8}}, // memory and cores of one more
	}})
	for _, d := range g.Requirements().Devices {
		fmt.Println(d)
	}
	fmt.Println("in all:", g.Cost())
	// Output:
	// 2 gpu (H100)
	// 0.25 gpu
	// gpu with cores 8, memory 10 GiB
	// in all: gpu 2250, gpu.cores 8, gpu.memory 10 GiB
}

func ExampleGrant_UnmarshalText() {
	var g berth.Grant
	err := g.UnmarshalText([]byte("gpu/0:1000|gpu/1:250,memory=21474836480 ports [8000]"))
	fmt.Println(err, g.Devices[1].Device(), g.Devices[1].Amounts, g.Ports)
	// Output: <nil> gpu/1 memory 20 GiB [8000]
}

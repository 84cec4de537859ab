package berth_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth"
)

func TestHoldErr(t *testing.T) {
	good := func() *berth.Hold {
		return &berth.Hold{ID: "h", Owner: "fw", Node: "n", Deadline: time.Unix(1, 0)}
	}
	for name, c := range map[string]struct {
		change func(*berth.Hold)
		want   []string
	}{
		"good": {func(*berth.Hold) {}, nil},
		"all kept": {func(h *berth.Hold) {
			h.Devices = []berth.DeviceShare{{Class: "gpu", ID: "0", Units: 1000}}
			h.Ports = []berth.Port{{Number: 1}, {Number: 65535}}
		}, nil},
		"names": {func(h *berth.Hold) { h.ID, h.Owner, h.Node = "", "", " " },
			[]string{`hold: empty name`, `hold "": owner: empty name`, `hold "": node " ": leading or trailing space`}},
		"resources": {func(h *berth.Hold) { h.Resources = berth.Resources{"a": -1, "": 2} },
			[]string{`hold "h": resource: empty name`, `hold "h": resource "a": quantity is negative: -1`}},
		"devices": {func(h *berth.Hold) {
			h.Devices = []berth.DeviceShare{{Class: "gpu", Units: 1}, {Class: "gpu", ID: "0", Units: 0}, {Class: "gpu", ID: "1", Units: 1001}, {Class: "gpu", ID: "2", Units: 1}, {Class: "gpu", ID: "2", Units: 1}}
		}, []string{`hold "h": device gpu "": 1 units are not a share of a device named once`, `hold "h": device gpu "0": 0 units are not a share of a device named once`,
			`hold "h": device gpu "1": 1001 units are not a share of a device named once`, `hold "h": device gpu "2": 1 units are not a share of a device named once`}},
		"ports":                  {func(h *berth.Hold) { h.Ports = []berth.Port{{Number: 7}, {Number: 0}, {Number: 9}, {Number: 7}} }, []string{`hold "h": port 0: there is none of number 0`, `hold "h": port 7: named twice`}},
		"lease":                  {func(h *berth.Hold) { h.Lease = 9 }, []string{`hold "h": unknown lease 9`}},
		"no deadline":            {func(h *berth.Hold) { h.Deadline = time.Time{} }, []string{`hold "h": no deadline`}},
		"role":                   {func(h *berth.Hold) { h.Role = "a//b" }, []string{`hold "h": role "a//b": empty segment`}},
		"far deadline":           {func(h *berth.Hold) { h.Deadline = time.Date(2300, 1, 1, 0, 0, 0, 0, time.UTC) }, nil},
		"beginning of Unix time": {func(h *berth.Hold) { h.Deadline = time.Unix(0, 0) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			h := good()
			c.change(h)
			assertErr(t, strings.Join(c.want, "\n"), h.Err())
		})
	}
	assert.EqualError(t, (*berth.Hold)(nil).Err(), "hold: none given")
}

// A grant names a port as a hold does: not zero, and once.
func TestGrantErrAboutPorts(t *testing.T) {
	assert.NoError(t, (&berth.Grant{Ports: []berth.Port{{Number: 81}, {Number: 80}}}).Err())
	assert.EqualError(t, (&berth.Grant{Ports: []berth.Port{{Number: 80}, {Number: 0}, {Number: 80}}}).Err(), "port 0: there is none of number 0\nport 80: named twice")
}

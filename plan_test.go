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

func TestPlanString(t *testing.T) {
	g := berth.NewGroup("web", berth.GroupSpec{})
	var p berth.Plan
	p.Place(g.Task("web-1"), "n1")
	p.Ops = append(p.Ops, berth.Op{Task: g.Task("web-2"), Node: "n2", From: "fw", Grant: &berth.Grant{Ports: []berth.Port{{Number: 80}}}})
	hold := berth.Hold{ID: "h1", Owner: "fw", Node: "n1", Resources: berth.Resources{"cpu": 500}}
	p.Take(hold)
	p.Drop("h1")
	p.Release("web-1")
	p.Evict("web-2", nil)
	p.Evict("web-3", &hold)
	p.Ops = append(p.Ops, berth.Op{}, berth.Op{Kind: berth.Take}, berth.Op{Kind: 99, ID: "x"})
	p.Unplaced = []berth.Unplaced{{Task: g.Task("web-9"), Reason: berth.Reason{Code: berth.Denied, Subject: "quota"}}}
	assert.Equal(t, `place web-1 on n1
place web-2 on n2 ports [80] from fw
hold h1 for fw on n1: cpu 0.5
drop h1
release web-1
evict web-2
evict web-3 to hold h1
place  on 
hold
operation 99 x
web-9: denied quota
`, p.String())
	reserve := berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: "b", Role: "eng", Node: "n1", Resources: berth.Resources{"cpu": 1000}, Lease: berth.Reserved}}
	assert.Equal(t, "hold b for role eng on n1: cpu 1", reserve.String())
	assert.Equal(t, "drop h1: unknown hold h1", berth.Refusal{Op: p.Ops[3], Reason: berth.Reason{Code: berth.UnknownHold, Subject: "h1"}}.String())
}

func TestPlanPrintsItsParts(t *testing.T) {
	g := berth.NewGroup("web", berth.GroupSpec{})
	p := berth.Plan{Whole: true, Deadline: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))}
	p.Drop("h1")
	p.Replace(g.Task("web-1"), "n1")
	assert.Equal(t, `drop h1
release web-1
place web-1 on n1
all of it or none
all or none: "replace web-1", operations 2 to 3
until 2026-01-02T02:04:05Z
`, p.String())
}

func TestNoPlanPrintsNothing(t *testing.T) {
	assert.Empty(t, (*berth.Plan)(nil).String())
}

// A grant names a port as a hold does: not zero, and once.
func TestGrantErrAboutPorts(t *testing.T) {
	assert.NoError(t, (&berth.Grant{Ports: []berth.Port{{Number: 81}, {Number: 80}}}).Err())
	assert.EqualError(t, (&berth.Grant{Ports: []berth.Port{{Number: 80}, {Number: 0}, {Number: 80}}}).Err(), "port 0: there is none of number 0\nport 80: named twice")
}

package cluster_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

func TestPlanString(t *testing.T) {
	g := berth.NewGroup("web", berth.GroupSpec{})
	var p cluster.Plan
	p.Place(g.Task("web-1"), "n1")
	p.Ops = append(p.Ops, berth.Op{Task: g.Task("web-2"), Node: "n2", From: "fw", Grant: &berth.Grant{Ports: []berth.Port{{Number: 80}}}})
	hold := berth.Hold{ID: "h1", Owner: "fw", Node: "n1", Resources: berth.Resources{"cpu": 500}}
	p.Take(hold)
	p.Drop("h1")
	p.Release("web-1")
	p.Evict("web-2", nil)
	p.Evict("web-3", &hold)
	p.Ops = append(p.Ops, berth.Op{}, berth.Op{Kind: berth.Take}, berth.Op{Kind: 99, ID: "x"})
	p.Unplaced = []cluster.Unplaced{{Task: g.Task("web-9"), Reason: berth.Reason{Code: berth.Denied, Subject: "quota"}}}
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
	assert.Equal(t, "drop h1: unknown hold h1", cluster.Refusal{Op: p.Ops[3], Reason: berth.Reason{Code: berth.UnknownHold, Subject: "h1"}}.String())
}

func TestPlanPrintsItsParts(t *testing.T) {
	g := berth.NewGroup("web", berth.GroupSpec{})
	p := cluster.Plan{Whole: true, Deadline: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))}
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
	assert.Empty(t, (*cluster.Plan)(nil).String())
}

package cluster_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/explain"
)

func TestExplanationString(t *testing.T) {
	counts := []cluster.ReasonCount{
		{Reason: berth.Reason{Code: berth.Tainted, Subject: "b"}, Nodes: 1},
		{Reason: berth.Reason{Code: berth.Tainted, Subject: "a"}, Nodes: 1},
		{Reason: berth.Reason{Code: berth.Insufficient, Subject: "memory"}, Nodes: 1},
		{Reason: berth.Reason{Code: berth.Cordoned}, Nodes: 3},
	}
	slices.SortFunc(counts, func(a, b cluster.ReasonCount) int { return explain.Compare(a.Nodes, a.Reason, b.Nodes, b.Reason) })
	full := &cluster.Explanation{Nodes: 5, Counts: counts, Nearest: &cluster.NearMiss{Node: "n1", Lacks: []berth.Lack{
		{Reason: berth.Reason{Code: berth.Insufficient, Subject: "memory"}, Short: 1288490188},
		{Reason: berth.Reason{Code: berth.DomainFull, Subject: "unique(zone)"}, Detail: "zone=a has web-1"},
		{Reason: berth.Reason{Code: berth.NoPort, Subject: "80"}},
	}}}
	const text = "3 cordoned, 1 insufficient memory, 1 untolerated taint a, 1 untolerated taint b; " +
		"nearest n1: lacks 1.2 GiB memory, unique(zone) (zone=a has web-1), no port 80"
	task := berth.NewTask("web-3", berth.GroupSpec{})
	over := []berth.Lack{
		berth.Exceeded("eng/web", "cpu", 10_000, 9_500, 500),
		berth.Exceeded("", "gpu", 2000, 2000, 1000),
	}
	for want, s := range map[string]interface{ String() string }{
		text:                           full,
		"no explanation":               (*cluster.Explanation)(nil),
		"there are no nodes":           &cluster.Explanation{},
		"0/5 nodes for web-3: " + text: cluster.Unplaced{Task: task, Reason: counts[0].Reason, Why: full},
		"0/5 nodes for web-3: " + text + "; gang incomplete 2 of 3": cluster.Unplaced{Task: task, Reason: berth.Reason{Code: berth.GangIncomplete, Subject: "2 of 3"}, Why: full},
		"web-3: gang incomplete 2 of 3":                             cluster.Unplaced{Task: task, Reason: berth.Reason{Code: berth.GangIncomplete, Subject: "2 of 3"}},
		"0/0 nodes for web-3: there are no nodes":                   cluster.Unplaced{Task: task, Why: &cluster.Explanation{}},
		": no reason": cluster.Unplaced{},
		"over limit eng/web: cpu 10 (9.5 used), over limit /: gpu 2000 (2000 used); raising the limit eng/web: cpu 10 by 0.5 and raising the limit /: gpu 2000 by 1000 would do": &cluster.Explanation{Nodes: 5, Over: over},
		"over limit eng/web: cpu 10 (9.5 used), " + text: &cluster.Explanation{Nodes: 5, Over: over[:1], Counts: full.Counts, Nearest: full.Nearest},
		"over limit eng/web: cpu 10 (9.5 used)":          over[0],
	} {
		assert.Equal(t, want, s.String())
	}
}

func TestHelps(t *testing.T) {
	for want, why := range map[string]berth.Reason{
		"2 more gpu on n1 would do":                   {Code: berth.NoDevice, Subject: "2 gpu"},
		"2 more cpu on n1 would do":                   {Code: berth.Insufficient, Subject: "cpu"},
		"a node in another domain of unique would do": {Code: berth.DomainFull, Subject: "unique"},
		"tolerating k=v would do":                     {Code: berth.Tainted, Subject: "k=v"},
		"making n1 schedulable would do":              {Code: berth.Unschedulable},
		"uncordoning n1 would do":                     {Code: berth.Cordoned},
		"room for 1 gpu on n1 would do":               {Code: berth.DeviceTaken, Subject: "1 gpu"},
		"":                                            {Code: berth.RuleBroken, Subject: "zone"},
	} {
		e := &cluster.Explanation{Nodes: 1, Nearest: &cluster.NearMiss{Node: "n1", Lacks: []berth.Lack{{Reason: why, Short: 2000}}}}
		assert.Equal(t, want, e.Helps())
		e.Nearest.Lacks = append(e.Nearest.Lacks, berth.Lack{Reason: berth.Reason{Code: berth.PortTaken, Subject: "80"}})
		assert.Empty(t, e.Helps(), "one change is not enough")
	}
	none := &cluster.Explanation{Nodes: 1, Nearest: &cluster.NearMiss{Node: "n1", Lacks: []berth.Lack{{Reason: berth.Reason{Code: berth.NoDevice, Subject: "2 gpu"}}}}}
	assert.Equal(t, "2 gpu on n1 would do", none.Helps(), "of devices of which the node has none")
	over := berth.Exceeded("eng", "memory", 8<<30, 8<<30, 1<<30)
	none.Over = []berth.Lack{over}
	assert.Equal(t, "raising the limit eng: memory 8 GiB by 1 GiB and 2 gpu on n1 would do", none.Helps())
	none.Nearest.Lacks[0].Reason = berth.Reason{Code: berth.DomainFull, Subject: "unique"}
	assert.Equal(t, "raising the limit eng: memory 8 GiB by 1 GiB and a node in another domain of unique would do", none.Helps())
	none.Over, none.Nearest.Lacks = nil, []berth.Lack{over}
	assert.Equal(t, "raising the limit eng: memory 8 GiB by 1 GiB would do", none.Helps(), "of an instance of a daemon")
	none.Over, none.Missing = []berth.Lack{over}, 2
	assert.Empty(t, none.Helps(), "of a gang of which two tasks have no place")
	assert.Empty(t, (*cluster.Explanation)(nil).Helps())
	assert.Empty(t, new(cluster.Explanation).Helps())
}

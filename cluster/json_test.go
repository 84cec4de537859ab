package cluster_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// What is written of an explanation stays as it is from release to release: here is all of it.
func TestExplanationAsJSON(t *testing.T) {
	over := berth.Exceeded("eng", "cpu", 10_000, 9_500, 500)
	why := &cluster.Explanation{
		Nodes: 5, Over: []berth.Lack{over}, Mode: berth.Gang, Missing: 2, Order: berth.Behind("ops"),
		Counts: []cluster.ReasonCount{
			{Reason: berth.Reason{Code: berth.Insufficient, Subject: "cpu"}, Nodes: 3},
			{Reason: berth.Reason{Code: berth.Cordoned}, Nodes: 1},
		},
		Nearest: &cluster.NearMiss{Node: "n4", Lacks: []berth.Lack{
			{Reason: berth.Reason{Code: berth.TooSmall, Subject: "memory"}, Short: 1 << 30, Detail: "it has 4 GiB in all"},
			over,
		}},
	}
	text, err := json.MarshalIndent(why, "", "  ")
	require.NoError(t, err)
	assert.Equal(t, `{
  "nodes": 5,
  "over": [
    {
      "reason": "over-limit eng: cpu 10",
      "short": 500,
      "detail": "9.5 used",
      "role": "eng",
      "resource": "cpu",
      "limit": 10000,
      "used": 9500
    }
  ],
  "counts": [
    {
      "reason": "insufficient cpu",
      "nodes": 3
    },
    {
      "reason": "cordoned",
      "nodes": 1
    }
  ],
  "nearest": {
    "node": "n4",
    "lacks": [
      {
        "reason": "too-small memory",
        "short": 1073741824,
        "detail": "it has 4 GiB in all"
      },
      {
        "reason": "over-limit eng: cpu 10",
        "short": 500,
        "detail": "9.5 used",
        "role": "eng",
        "resource": "cpu",
        "limit": 10000,
        "used": 9500
      }
    ]
  },
  "order": "held-back ops",
  "mode": "gang",
  "missing": 2
}`, string(text))
	var again cluster.Explanation
	require.NoError(t, json.Unmarshal(text, &again))
	assert.Equal(t, *why, again)
	assert.Equal(t, why.String(), again.String())

	text, err = json.Marshal(cluster.Explanation{})
	require.NoError(t, err)
	assert.JSONEq(t, `{"nodes": 0, "mode": "count"}`, string(text))
	again = cluster.Explanation{Nodes: 7}
	require.NoError(t, json.Unmarshal(text, &again))
	assert.Zero(t, again)

	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1}})
	text, err = json.Marshal(cluster.Unplaced{Task: web.Task("web-1"), Reason: berth.Reason{Code: berth.NoNodes}, Why: &cluster.Explanation{}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"task": "web-1", "group": "web", "reason": "no-nodes", "why": {"nodes": 0, "mode": "count"}}`, string(text))
}

// Every code is written and read within an explanation.
func TestEveryCodeAsJSON(t *testing.T) {
	for c := range berth.Invalid + 1 {
		why := cluster.Explanation{Counts: []cluster.ReasonCount{{Reason: berth.Reason{Code: c, Subject: "a subject"}, Nodes: 1}}}
		var again cluster.Explanation
		require.NoError(t, json.Unmarshal(must(json.Marshal(why)), &again))
		assert.Equal(t, why, again)
	}
}

func TestVersionIsReadFromJSON(t *testing.T) {
	want, again := cluster.Version{Lineage: 1, Branch: 2, Seq: 3}, cluster.Version{}
	require.NoError(t, json.Unmarshal(must(json.Marshal(want)), &again))
	assert.Equal(t, want, again)
	for _, foreign := range []string{`{"lineage": 1, "branch": 2}`, `{"lineage": 1, "branch": 2, "seq": 3, "kind": "Pod"}`} {
		assert.Error(t, json.Unmarshal([]byte(foreign), &again))
	}
	require.NoError(t, json.Unmarshal([]byte("null"), &again))
	assert.Equal(t, want, again, "it stays as it was")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

package berth_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

// What is written of an explanation stays as it is from release to release: here is all of it.
func TestExplanationAsJSON(t *testing.T) {
	over := berth.Excess{Role: "eng", Resource: "cpu", Limit: 10_000, Used: 9_500, Short: 500}
	why := &berth.Explanation{
		Nodes: 5, Over: []berth.Excess{over}, Mode: berth.Gang, Missing: 2, Order: berth.Behind("ops"),
		Counts: []berth.ReasonCount{
			{Reason: berth.Reason{Code: berth.Insufficient, Subject: "cpu"}, Nodes: 3},
			{Reason: berth.Reason{Code: berth.Cordoned}, Nodes: 1},
		},
		Nearest: &berth.NearMiss{Node: "n4", Lacks: []berth.Lack{
			{Reason: berth.Reason{Code: berth.TooSmall, Subject: "memory"}, Short: 1 << 30, Detail: "it has 4 GiB in all"},
			over.Lack(),
		}},
	}
	text, err := json.MarshalIndent(why, "", "  ")
	require.NoError(t, err)
	assert.Equal(t, `{
  "nodes": 5,
  "over": [
    {
      "role": "eng",
      "resource": "cpu",
      "limit": 10000,
      "used": 9500,
      "short": 500
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
        "over": {
          "role": "eng",
          "resource": "cpu",
          "limit": 10000,
          "used": 9500,
          "short": 500
        }
      }
    ]
  },
  "order": "held-back ops",
  "mode": "gang",
  "missing": 2
}`, string(text))
	var again berth.Explanation
	require.NoError(t, json.Unmarshal(text, &again))
	assert.Equal(t, *why, again)
	assert.Equal(t, why.String(), again.String())

	text, err = json.Marshal(berth.Explanation{})
	require.NoError(t, err)
	assert.JSONEq(t, `{"nodes": 0, "mode": "count"}`, string(text))
	again = berth.Explanation{Nodes: 7}
	require.NoError(t, json.Unmarshal(text, &again))
	assert.Zero(t, again)

	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 1}})
	text, err = json.Marshal(berth.Unplaced{Task: web.Task("web-1"), Reason: berth.Reason{Code: berth.NoNodes}, Why: &berth.Explanation{}})
	require.NoError(t, err)
	assert.JSONEq(t, `{"task": "web-1", "group": "web", "reason": "no-nodes", "why": {"nodes": 0, "mode": "count"}}`, string(text))
}

// Every code is written and read within an explanation.
func TestEveryCodeAsJSON(t *testing.T) {
	for c := range berth.Invalid + 1 {
		why := berth.Explanation{Counts: []berth.ReasonCount{{Reason: berth.Reason{Code: c, Subject: "a subject"}, Nodes: 1}}}
		var again berth.Explanation
		require.NoError(t, json.Unmarshal(must(json.Marshal(why)), &again))
		assert.Equal(t, why, again)
	}
}

// What is written whole is read as it was, and nothing else is read for it.
func TestReadFromJSON(t *testing.T) {
	node := berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4}, Taints: []berth.Taint{{Key: "k", Effect: berth.NoExecute}}}
	hold := berth.Hold{ID: "h", Owner: "o", Node: "n1", Resources: berth.Resources{"cpu": 1}, Lease: berth.Optimistic, Deadline: time.Unix(1, 0).UTC()}
	quota := berth.Quota{Limits: berth.Resources{"cpu": 4}}
	for _, c := range []struct{ what, again, foreign any }{
		{node, &berth.Node{}, `{"ID": "n1", "Kind": "Pod"}`},
		{hold, &berth.Hold{}, `{"ID": "h", "Kind": "Pod"}`},
		{quota, &berth.Quota{}, `{"Limits": {"cpu": 4}}`},
		{berth.Version{Lineage: 1, Branch: 2, Seq: 3}, &berth.Version{}, `{"Lineage": 1, "Branch": 2}`},
	} {
		require.NoError(t, json.Unmarshal(must(json.Marshal(c.what)), c.again))
		text := must(json.Marshal(c.what))
		assert.Equal(t, text, must(json.Marshal(c.again)))
		assert.Error(t, json.Unmarshal([]byte(c.foreign.(string)), c.again))
		assert.Equal(t, text, must(json.Marshal(c.again)), "it stays as it was")
		require.NoError(t, json.Unmarshal([]byte("null"), c.again))
		assert.Equal(t, text, must(json.Marshal(c.again)))
	}
	assert.EqualError(t, json.Unmarshal([]byte(`{"name": "n1"}`), &node), "node: no field \"ID\"\nnode: json: unknown field \"name\"")
}

package berth_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
)

// What is written whole is read as it was, and nothing else is read for it.
func TestReadFromJSON(t *testing.T) {
	node := berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 4}, Taints: []berth.Taint{{Key: "k", Effect: berth.NoExecute}}}
	hold := berth.Hold{ID: "h", Owner: "o", Node: "n1", Resources: berth.Resources{"cpu": 1}, Lease: berth.Optimistic, Deadline: time.Unix(1, 0).UTC()}
	quota := berth.Quota{Limits: berth.Resources{"cpu": 4}}
	for _, c := range []struct{ what, again, foreign any }{
		{node, &berth.Node{}, `{"ID": "n1", "Kind": "Pod"}`},
		{hold, &berth.Hold{}, `{"ID": "h", "Kind": "Pod"}`},
		{quota, &berth.Quota{}, `{"Limits": {"cpu": 4}}`},
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

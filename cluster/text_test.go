package cluster_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth/cluster"
)

// What has no exported fields is no "{}".
func TestNoTextForm(t *testing.T) {
	for what, v := range map[string]any{
		"snapshot":  cluster.Snapshot{},
		"snapshot ": &cluster.Snapshot{},
		"fork":      cluster.Fork{},
		"fork ":     cluster.NewFork(),
		"node view": cluster.NodeView{},
		"savepoint": cluster.Savepoint{},
	} {
		_, err := json.Marshal(map[string]any{"what": v})
		assert.ErrorContains(t, err, "cluster: "+strings.TrimSpace(what)+": it has no text form; ")
	}
}

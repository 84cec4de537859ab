package cluster_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// pagedNodes is one node more than the store's rows fill whole pages with, so that removing most of them shortens the table.
func pagedNodes(t *testing.T) (*cluster.Fork, []string) {
	const n = 24_577
	nodes, ids := make([]berth.Node, n), make([]string, n)
	for i := range nodes {
		ids[i] = fmt.Sprintf("n%06d", i)
		nodes[i].ID = ids[i]
	}
	f := cluster.NewFork()
	require.NoError(t, f.AddNodes(nodes...))
	return f, ids
}

func TestRemoveNodesNamedTwice(t *testing.T) {
	f, ids := pagedNodes(t)
	require.NoError(t, f.RemoveNodes(append(ids[100:len(ids):len(ids)], ids[len(ids)-1], ids[100])...))
	assert.Equal(t, 100, f.Len())
	err := f.RemoveNodes("x", "n000001", "x")
	assert.EqualError(t, err, `node "x": unknown node`, "a fault is told once")
	assert.Equal(t, 100, f.Len())
}

func TestWalkWhileNodesAreRemoved(t *testing.T) {
	f, ids := pagedNodes(t)
	var seen []string
	for n := range f.Nodes() {
		seen = append(seen, n.ID())
		if len(seen) == 1 {
			require.NoError(t, f.RemoveNodes(ids[1:]...))
		}
	}
	assert.Equal(t, ids[:1], seen)
}

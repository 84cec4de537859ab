package placement_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/placement"
)

// Choices are written with the nodes, which are in no exported field.
func TestChoicesAreWritten(t *testing.T) {
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 6000, "memory": 8 << 30}})
	e := placement.NewEngine(placement.BinPack())
	e.Start(halfFull())
	found := e.Candidates(web.Task("web-1"), placement.Ask{Misfits: true})
	text, err := json.Marshal(found)
	require.NoError(t, err)
	var read struct {
		Asked, Fit int
		Choices    []struct {
			Rank  int
			Node  string
			Score placement.Score
		}
		Misfits []placement.Misfit
	}
	require.NoError(t, json.Unmarshal(text, &read))
	assert.Equal(t, 3, read.Asked)
	assert.Equal(t, 2, read.Fit)
	require.Len(t, read.Choices, 2)
	for i, c := range read.Choices {
		assert.Equal(t, found.At(i).Rank, c.Rank)
		assert.Equal(t, found.At(i).Node, c.Node)
		assert.Equal(t, found.At(i).Score(), c.Score)
	}
	assert.Equal(t, "n1", read.Choices[0].Node)
	require.Len(t, read.Misfits, 1)
	assert.Equal(t, "n2", read.Misfits[0].Node)

	text, err = json.Marshal((*placement.Choices)(nil))
	require.NoError(t, err)
	assert.Equal(t, "null", string(text))
}

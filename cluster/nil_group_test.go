package cluster_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// A group that was never made reads as the zero one, which is at fault, and nothing said of it panics.
func TestNilGroup(t *testing.T) {
	var none *berth.Group
	assert.NotPanics(t, func() {
		assert.Error(t, none.Err())
		assert.Equal(t, []string{"", "", ""}, []string{none.Name(), none.String(), string(none.Role())})
		assert.Equal(t, berth.GroupSpec{Request: berth.Resources{}}, none.Spec())
		assert.Zero(t, none.Mode())
		assert.Zero(t, none.GangSize())
		assert.Zero(t, none.Priority())
		assert.Empty(t, none.Cost())
		assert.Empty(t, *none.Requirements())
		node := &berth.Node{ID: "n"}
		assert.False(t, cluster.Eligible(none, node))
		assert.NotEmpty(t, cluster.Ineligible(none, node))
		assert.Zero(t, cluster.Preferred(none, node))
		assert.NotEmpty(t, cluster.NewFork().Lacks(none, cluster.NodeView{}))
		_, why := cluster.Choose(none, node, nil, nil)
		assert.Equal(t, berth.Invalid, why.Code)
		assert.False(t, none.Equal(berth.NewGroup("g", berth.GroupSpec{})))
		for _, task := range append(none.Tasks(2), none.Task("t"), none.Everywhere(), none.On("n")) {
			assert.Error(t, task.Err())
		}
		assert.Empty(t, none.Tasks(math.MinInt))
	})
}

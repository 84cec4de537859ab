package cluster_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// A fork that has gone back to a savepoint tells an exchange as one does that never went anywhere else.
func TestExchangeAfterRollback(t *testing.T) {
	old := berth.NewGroup("web", berth.GroupSpec{Role: "eng", Request: berth.Resources{"cpu": 2}})
	snapshot, err := cluster.NewSnapshot(berth.Node{ID: "n1", Capacity: berth.Resources{"cpu": 8}})
	require.NoError(t, err)
	for _, rolled := range []bool{false, true} {
		f := snapshot.Fork()
		_, why := f.Apply(berth.Op{Kind: berth.Place, Task: old.Task("t1"), Node: "n1"})
		require.Equal(t, berth.None, why.Code)
		require.NoError(t, f.SetQuotas(berth.Quota{Role: "eng", Limits: berth.Resources{"cpu": 1}}))
		if rolled {
			before := f.Savepoint()
			f.Cordon("n1")
			require.NoError(t, f.Rollback(before))
		}
		_, why = f.Apply(berth.Op{Kind: berth.Release, ID: "t1"})
		require.Equal(t, berth.None, why.Code)
		_, why = f.Apply(berth.Op{Kind: berth.Place, Task: old.Task("t1"), Node: "n1"})
		assert.Equal(t, berth.Reason{}, why, "rolled back before: %v", rolled)
	}
}

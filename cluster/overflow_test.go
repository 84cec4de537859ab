package cluster_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// What is held or had of devices that are away comes back with them, and must then fit beside what was taken meanwhile.
func TestFreeNeverWrapsWhenDevicesComeBack(t *testing.T) {
	device := berth.Node{ID: "n", Devices: []berth.Device{{Class: "gpu"}}}
	flat := berth.Node{ID: "n", Capacity: berth.Resources{"gpu": math.MaxInt64}}
	all := func(amount int64) *berth.Group {
		return berth.NewGroup("all", berth.GroupSpec{Request: berth.Resources{"gpu": amount}})
	}
	one := berth.NewGroup("one", berth.GroupSpec{Devices: []berth.DeviceRequest{{Class: "gpu", Count: 1}}})
	share := []berth.DeviceShare{{Class: "gpu", ID: "0", Units: 1000}}
	start := func() *cluster.Fork {
		f := cluster.NewFork()
		require.NoError(t, f.AddNodes(device))
		return f
	}
	t.Run("a hold, then adoptions", func(t *testing.T) {
		f := start()
		_, why := f.Apply(berth.Op{Kind: berth.Take, Hold: &berth.Hold{ID: "h", Owner: "o", Node: "n", Devices: share, Deadline: time.Unix(1, 0)}})
		require.Equal(t, berth.None, why.Code)
		require.NoError(t, f.UpdateNodes(flat))
		err := f.Adopt(all(math.MaxInt64).Task("a"), "n", nil, berth.Running)
		require.ErrorIs(t, err, berth.ErrOverflow, "1000 are held besides")
		require.NoError(t, f.Adopt(all(math.MaxInt64-1000).Task("a"), "n", nil, berth.Running))
		require.NoError(t, f.UpdateNodes(device))
		require.ErrorIs(t, f.Adopt(berth.NewTask("b", berth.GroupSpec{Request: berth.Resources{"gpu": 1}}), "n", nil, berth.Running), berth.ErrOverflow)
		n, _ := f.Node("n")
		assert.Equal(t, berth.Resources{"gpu": 1000 - math.MaxInt64}, n.Free())
		assert.True(t, n.Overcommitted())
	})
	t.Run("adoptions, then a placement", func(t *testing.T) {
		f := start()
		for _, id := range []string{"x", "y", "z"} {
			require.NoError(t, f.Adopt(one.Task(id), "n", &berth.Grant{Devices: share}, berth.Running))
		}
		require.NoError(t, f.UpdateNodes(flat))
		_, why := f.Apply(berth.Op{Node: "n", Task: all(math.MaxInt64).Task("a")})
		require.Equal(t, berth.None, why.Code)
		before := f.Version()
		assert.ErrorIs(t, f.UpdateNodes(device), berth.ErrOverflow)
		assert.Equal(t, before, f.Version())
		for _, id := range []string{"x", "y", "z"} {
			_, why = f.Apply(berth.Op{Kind: berth.Release, ID: id})
			require.Equal(t, berth.None, why.Code)
		}
		require.NoError(t, f.UpdateNodes(device))
		n, _ := f.Node("n")
		assert.Equal(t, berth.Resources{"gpu": 1000 - math.MaxInt64}, n.Free())
	})
}

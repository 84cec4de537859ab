package store_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/store"
)

// A node of which nothing is exposed is withheld; of one that is, as much is free as is said, less what its members leave.
func TestExpose(t *testing.T) {
	from := store.New()
	f := checked.Over(from)
	require.NoError(t, f.AddNodes(
		berth.Node{ID: "a", Capacity: berth.Resources{"cpu": 8, "memory": 8}, Ports: []berth.PortRange{{First: 1, Last: 4}}},
		berth.Node{ID: "b", Capacity: berth.Resources{"cpu": 8}},
		berth.Node{ID: "nothing"},
	))
	require.NoError(t, f.RemoveNodes("b")) // a row that is free
	view, shut := from.Snapshot(), store.Shut{}
	ground := view.Ground(true, shut)
	require.NoError(t, f.AddNodes(berth.Node{ID: "c", Capacity: berth.Resources{"disk": 1}}))

	s := ground.Snapshot().Apart(store.NewLineage())
	assert.Equal(t, 2, s.Nodes())
	assert.Equal(t, 1, s.Withheld(), "there is nothing of the other to be withheld")
	row, ok := s.FindNode("a")
	require.True(t, ok)
	cpu, _ := s.DimOf("cpu")
	memory, _ := s.DimOf("memory")
	free := func() []int64 { return []int64{s.FreeOf(row, cpu), s.FreeOf(row, memory)} }
	assert.Equal(t, []int64{0, 0}, free())
	assert.Equal(t, []berth.Port{{Number: 1}, {Number: 2}, {Number: 3}, {Number: 4}}, s.Node(row).Ports, "taken")

	before := s.Snapshot().Position()
	open := []*store.Extra{{Needs: []store.Need{{Dim: cpu, Amount: 2}}, Ports: []berth.Port{{Number: 2}}}, {Needs: []store.Need{{Dim: cpu, Amount: 1}}}}
	s.Expose(row, open, shut)
	assert.Equal(t, []int64{3, 0}, free())
	assert.Equal(t, []berth.Port{{Number: 1}, {Number: 3}, {Number: 4}}, s.Node(row).Ports)
	assert.Zero(t, s.Withheld())
	changes, known := s.Since(before)
	assert.True(t, known)
	assert.Len(t, changes, 1)
	s.Expose(row, open, shut)
	changes, _ = s.Since(before)
	assert.Len(t, changes, 1, "what is as it was is in no log")

	g := checked.Over(s).Ensure(berth.NewGroup("g", berth.GroupSpec{Request: berth.Resources{"cpu": 6, "memory": 9}}))
	s.Add("t", store.Record{Group: g, Row: row, Extra: &store.Extra{Ports: []berth.Port{{Number: 4}}}})
	s.Expose(row, open, shut)
	assert.Equal(t, []int64{2, -1}, free(), "8-6 of what is exposed, and an overcommitment is shown")
	assert.Equal(t, []berth.Port{{Number: 1}, {Number: 3}, {Number: 4}}, s.Node(row).Ports)
	slot, _ := s.FindTask("t")
	s.Remove(slot)
	s.Expose(row, nil, shut)
	assert.Equal(t, []int64{0, 0}, free())
	assert.Equal(t, 1, s.Withheld())

	// A node that came to the source meanwhile, with a resource that the ground has not heard of.
	later := from.Snapshot()
	require.True(t, s.Follow(later))
	at, ok := later.FindNode("c")
	require.True(t, ok)
	added := s.AddNode(later.Node(at).Node)
	s.Expose(added, nil, shut)
	disk, ok := s.DimOf("disk")
	require.True(t, ok)
	assert.Equal(t, int64(1), s.Node(added).Node.CapacityOf(disk))
	assert.Equal(t, 2, s.Withheld())
	assert.Equal(t, 2, ground.Nodes(), "the ground is as it was")
}

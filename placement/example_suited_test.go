package placement_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/placement"
)

// A host that has no wishes of its own asks once, when it makes its scheduler.
func ExampleSuited() {
	gpus, _ := cluster.NewSnapshot(withGPUs("pair", 16000, 2))
	fmt.Println(placement.Suited(gpus))

	cores, _ := cluster.NewSnapshot(berth.Node{ID: "a", Capacity: berth.Resources{"cpu": 16_000, "memory": 64 << 30}})
	fmt.Println(placement.Suited(cores)) // nothing is in use

	f := cores.Fork() // half of the cores, a sixteenth of the memory
	web := berth.NewGroup("web", berth.GroupSpec{Request: berth.Resources{"cpu": 8_000, "memory": 4 << 30}})
	f.Apply(berth.Op{Kind: berth.Place, Task: web.Task("web-1"), Node: "a"})
	fmt.Println(placement.Suited(f.Snapshot()))
	// Output:
	// priced-gaps
	// binpack
	// binpack(cpu)
}

// What suits follows from what is in use until a node has devices. A cluster without nodes is short of nothing.
func TestSuited(t *testing.T) {
	for _, s := range []*cluster.Snapshot{nil, snapshotOf(t)} {
		assert.Equal(t, "binpack", placement.Suited(s).String())
	}
	f := snapshotOf(t, plain("a", 1000, 1<<30), plain("b", 1000, 1<<30)).Fork()
	place := func(id string, cpu, memory int64) {
		_, why := f.Apply(berth.Op{Kind: berth.Place, Task: request(id, cpu, memory).Task(id), Node: "a"})
		require.Equal(t, berth.None, why.Code, "%v", why)
	}
	place("one", 400, 200<<20) // a fifth of the cores, and a tenth of the memory: less than nine tenths of that
	assert.Equal(t, "binpack(cpu)", placement.Suited(f.Snapshot()).String())
	place("two", 100, 312<<20) // a quarter of both
	assert.Equal(t, "binpack(cpu, memory)", placement.Suited(f.Snapshot()).String())
	require.NoError(t, f.AddNodes(withGPUs("c", 1000, 1)))
	by := placement.Suited(f.Snapshot())
	assert.Equal(t, "priced-gaps", by.String())
	assert.True(t, by.Learns())
	assert.NoError(t, by.Err())
}

package suite_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/suite"
)

func TestDefragmentByHand(t *testing.T) {
	// First fit of 4, 3, 1 and 2 by nodes of 8, 8 and 4: n1 has 4, 3 and 1, n2 has 2, n3 nothing. The load is not drawn down, so the end of the churn is
	// the same. A twentieth of the two nodes with tasks is one: n2 has the least in use, n1 is full and n3, being empty, stays so. So nothing is regained
	// until the 3 ends.
	cell := &suite.Cell{Nodes: []berth.Node{node("n1", 8), node("n2", 8), node("n3", 4)}}
	for i, cpu := range []int64{4, 3, 1, 2} {
		cell.Arrivals = append(cell.Arrivals, suite.Arrival{Task: lone(string(rune('a'+i)), cpu)})
	}
	r := on(t, "defragment", cell)
	assert.InDelta(t, 0, r.Metrics["regained"], 0)
	assert.NotContains(t, r.Metrics, "moves")
	assert.InDelta(t, 100.0/3, r.Metrics["empty"], 1e-6)

	cell.Arrivals[1].Lives = 1
	cell.Arrivals = append(cell.Arrivals, suite.Arrival{Task: lone("e", 0), At: 1})
	r = on(t, "defragment", cell)
	assert.InDelta(t, 100, r.Metrics["regained"], 0)
	assert.InDelta(t, 1, r.Metrics["moves"], 0, "the 2 goes to n1")
	assert.Equal(t, []int{62, 25, 0}, r.Heat["start"])
	assert.Equal(t, []int{87, 0, 0}, r.Heat["end"])
}

func TestDrainByHand(t *testing.T) {
	// Nodes of 10 and tasks of 6, which are one to a node by first fit; ten ask for 60. Of ten nodes the tenth is drained, and its task fits nowhere else.
	cell := &suite.Cell{}
	for i := range 10 {
		cell.Nodes = append(cell.Nodes, node("n"+string(rune('a'+i)), 10))
		cell.Arrivals = append(cell.Arrivals, suite.Arrival{Task: lone(string(rune('a'+i)), 6)})
	}
	r := on(t, "drain", cell)
	assert.InDelta(t, 0, r.Metrics["replaced"], 0)
	assert.InDelta(t, 0, r.Metrics["regained"], 0)
	assert.Equal(t, r.Heat["start"], r.Heat["end"], "it is where it was")

	cell.Nodes = append(cell.Nodes, node("nk", 10))
	r = on(t, "drain", cell)
	assert.InDelta(t, 100, r.Metrics["replaced"], 0)
	assert.InDelta(t, 100, r.Metrics["regained"], 0)
	assert.Equal(t, []int{0, 60}, r.Heat["end"][9:])
}

func TestReclaimByHand(t *testing.T) {
	// Two nodes of 8, full of the lender's tasks of 4. The owner wants one of 8 and one of 2: the first ends two, the second one.
	task := func(id string, role berth.Role, cpu int64) suite.Arrival {
		return suite.Arrival{Task: berth.NewTask(id, berth.GroupSpec{Role: role, Request: berth.Resources{"cpu": cpu}})}
	}
	r := on(t, "reclaim", &suite.Cell{Nodes: []berth.Node{node("n1", 8), node("n2", 8)}, Arrivals: []suite.Arrival{
		task("a", "lender", 4), task("b", "lender", 4), task("c", "lender", 4), task("d", "lender", 4), task("x", "owner", 8), task("y", "owner", 2)}})
	assert.InDelta(t, 100, r.Metrics["claimed"], 0)
	assert.InDelta(t, 1.5, r.Metrics["ended"], 0, "three for two")
	assert.InDelta(t, 120, r.Metrics["lost"], 0, "12 for 10")
}

func TestMillionOnAFewNodes(t *testing.T) {
	d, err := suite.New().Run(t.Context(), suite.Config{Nodes: 20, Seeds: 1, Scenarios: []string{"million"}, Policies: []string{"best-fit"}})
	require.NoError(t, err)
	require.Len(t, d.Quality.Results, 2)
	for i, workload := range []string{"20-empty", "20-full"} {
		r := d.Quality.Results[i]
		assert.Equal(t, workload, r.Workload)
		assert.Equal(t, 200, r.Tasks)
		assert.InDelta(t, 0, r.Metrics["rejected"], 0)
		assert.Positive(t, d.Timings[i].Metrics["seconds.place"])
	}
}

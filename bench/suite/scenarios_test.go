package suite_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/suite"
	"github.com/berth-sched/berth/placement"
)

func scenario(t *testing.T, name string) suite.Scenario {
	t.Helper()
	for _, s := range suite.New().Scenarios {
		if s.Name == name {
			return s
		}
	}
	require.FailNow(t, "no scenario", name)
	return suite.Scenario{}
}

// on runs one scenario on one cell by first fit.
func on(t *testing.T, name string, cell *suite.Cell) suite.Result {
	t.Helper()
	x := scenario(t, name)
	x.Workloads = func(suite.Config) ([]suite.Workload, error) {
		return []suite.Workload{{Name: "by hand", Cell: func(uint64) (*suite.Cell, error) { return cell, nil }}}, nil
	}
	s := &suite.Suite{Policies: []suite.Policy{suite.Fixed("first-fit", "", placement.FirstFit())}, Scenarios: []suite.Scenario{x}}
	d, err := s.Run(t.Context(), suite.Config{Seeds: 1})
	require.NoError(t, err)
	require.Len(t, d.Quality.Results, 1)
	return d.Quality.Results[0]
}

func node(id string, cpu int64) berth.Node {
	return berth.Node{ID: id, Capacity: berth.Resources{"cpu": cpu}}
}

func lone(id string, cpu int64) berth.Task {
	return berth.NewTask(id, berth.GroupSpec{Request: berth.Resources{"cpu": cpu}})
}

func TestChurnByHand(t *testing.T) {
	// One node for two tasks at a time, and one that no task fits on. a lives for ever, b for 2 steps from 0, so that c is turned away
	// at 1 and d finds room at 2; e and f, one batch, come at 4, when d has ended (it lives 2 steps from 2): e fits and f does not.
	at := func(id string, at, lives time.Duration, batch int) suite.Arrival {
		return suite.Arrival{Task: lone(id, 4), At: at, Lives: lives, Batch: batch}
	}
	r := on(t, "churn", &suite.Cell{Nodes: []berth.Node{node("n1", 8), node("n2", 2)}, Arrivals: []suite.Arrival{
		at("a", 0, 0, 0), at("b", 0, 2, 1), at("c", 1, 0, 2), at("d", 2, 2, 3), at("e", 4, 0, 4), at("f", 4, 0, 4)}})
	assert.InDelta(t, 100.0/3, r.Metrics["rejected"], 1e-6, "in the second half, from 2 on, f of d, e and f")
	assert.InDelta(t, 50, r.Metrics["split"], 1e-6, "of the batches of d and of e and f, one")
	assert.InDelta(t, 50, r.Metrics["empty"], 1e-6)
	assert.InDelta(t, 80, r.Metrics["allocated.cpu"], 1e-6, "a and e, 8 of 10")
	assert.Equal(t, []float64{0, 25, 50, 100}, r.Curves["allocated"].X)
}

func TestCompactionByHand(t *testing.T) {
	// Six tasks of half a node: three of the four alike machines do, whichever they are.
	cell := &suite.Cell{Nodes: []berth.Node{node("n1", 8), node("n2", 8), node("n3", 8), node("n4", 8)}}
	for _, id := range []string{"a", "b", "c", "d", "e", "f"} {
		cell.Arrivals = append(cell.Arrivals, suite.Arrival{Task: lone(id, 4)})
	}
	r := on(t, "compaction", cell)
	assert.InDelta(t, 3, r.Metrics["machines"], 0)
	assert.InDelta(t, 3, r.Metrics["nodes-bound"], 0)
	cell.Arrivals = append(cell.Arrivals, suite.Arrival{Task: lone("g", 9)})
	_, told := on(t, "compaction", cell).Metrics["machines"]
	assert.False(t, told, "a task that fits on no machine is more than 0.2 % of seven")
}

func TestPackingByHand(t *testing.T) {
	// First fit of 6, 5, 4, 3, 2 into bins of 10: 6+4 and 5+3+2, which is 20 of 20; of 5, 6, 4, 5 it
	// makes 5+4, 6 and 5, three for what asks for two.
	pack := func(items ...int64) suite.Result {
		cell := &suite.Cell{}
		for i, q := range items {
			cell.Nodes = append(cell.Nodes, node(string(rune('a'+i)), 10))
			cell.Arrivals = append(cell.Arrivals, suite.Arrival{Task: lone(string(rune('p'+i)), q)})
		}
		return on(t, "packing", cell)
	}
	assert.InDelta(t, 1, pack(6, 5, 4, 3, 2).Metrics["bins"], 0)
	assert.InDelta(t, 1.5, pack(5, 6, 4, 5).Metrics["bins"], 0)
}

// What every scenario promises, on small cells: nothing breaks a rule, no gang runs in part, nothing fits in fewer nodes than the bound,
// and parts are parts.
func TestScenariosKeepTheirPromises(t *testing.T) {
	s := suite.New()
	d, err := s.Run(t.Context(), suite.Config{Nodes: 30, Seeds: 1,
		Policies: []string{"random", "best-fit", "priced-gaps", "first-fit-decreasing", "first-come", "priority", "h-drf"}})
	require.NoError(t, err)
	told := map[string]bool{}
	for _, r := range d.Quality.Results {
		told[r.Scenario] = true
		for name, v := range r.Metrics {
			assert.False(t, v != v || v < 0, "%v: %s is %v", r.Key, name, v)
			switch name {
			case "violations", "partial":
				assert.Zero(t, v, "%v: %s", r.Key, name)
			case "rejected", "allocated.cpu", "allocated.memory", "allocated.gpu", "stranded.cpu", "stranded.memory", "stranded.gpu", "empty", "split", "whole", "replaced":
				assert.LessOrEqual(t, v, 100.0, "%v: %s", r.Key, name)
			case "nodes-used":
				assert.GreaterOrEqual(t, v, r.Metrics["nodes-bound"], "%v", r.Key)
			}
			known := false
			for _, m := range suite.Measures() {
				known = known || name == m.Name || len(name) > len(m.Name) && name[:len(m.Name)+1] == m.Name+"."
			}
			assert.True(t, known, "what %s means is written nowhere", name)
		}
	}
	for _, x := range s.Scenarios {
		assert.Equal(t, x.Name != "azure" && x.Name != "million", told[x.Name], x.Name)
	}
}

// Dominant resource fairness keeps the shares of those that wait together, by one scheduler and by offers alike, which nobody does who serves
// them as they come. Hierarchical or not, departments are even, however many teams they have; what was used of late evens out over time, and
// lots let nobody go without for long.
func TestFairnessTellsOrdersApart(t *testing.T) {
	d, err := suite.New().Run(t.Context(), suite.Config{Nodes: 24, Seeds: 1, Scenarios: []string{"fairness", "offers"},
		Policies: []string{"first-come", "arrival", "drf", "weighted-drf", "h-drf", "lottery", "usage"}})
	require.NoError(t, err)
	of := map[[3]string]map[string]float64{}
	for _, r := range d.Quality.Results {
		of[[3]string{r.Scenario, r.Workload, r.Policy}] = r.Metrics
	}
	for _, scenario := range []string{"fairness", "offers"} {
		tenants := func(order string) map[string]float64 { return of[[3]string{scenario, "tenants-10", order}] }
		departments := func(order string) map[string]float64 { return of[[3]string{scenario, "departments-8", order}] }
		assert.Less(t, tenants("drf")["gap-shares"], 2.0, scenario)
		assert.Less(t, tenants("weighted-drf")["gap-shares.weighted"], 2.0, scenario)
		assert.Greater(t, tenants("arrival")["gap-shares"], 20.0, scenario)
		assert.Greater(t, tenants("weighted-drf")["gap-shares"], 5.0, "%s: shares by weight are not equal ones", scenario)
		assert.Less(t, departments("drf")["gap-departments"], 5.0, scenario)
		assert.Less(t, departments("h-drf")["gap-departments"], 5.0, scenario)
		assert.Greater(t, departments("arrival")["gap-departments"], 20.0, scenario)
		assert.Greater(t, tenants("arrival")["starved"], 3*tenants("lottery")["starved"], scenario)
		assert.Greater(t, tenants("arrival")["gap-shares"], 2*tenants("usage")["gap-shares"], scenario)
		assert.NotEqual(t, tenants("drf")["gap-shares"], tenants("usage")["gap-shares"], scenario)
	}
	assert.Equal(t, of[[3]string{"fairness", "tenants-10", "first-come"}], of[[3]string{"fairness", "tenants-10", "arrival"}])
	assert.NotContains(t, of, [3]string{"offers", "tenants-10", "first-come"}, "an exchange has no tasks that are handed in")
}

func TestAzureOnASmallTrace(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"v1.test.txt":         "300 b,|,b,b,|,b,|,b,|,\n600 b,|,\n900 b,|,b,|,\n",
		"v1.test.c900.txt":    "300 U1,|,U0,C1,|,U1,|,U1,|,\n600 C0,|,\n900 C0,|,C0,|,\n",
		"flav_map.txt":        "1,2 b\n",
		"v1.interval_map.txt": "0 0\n300 1\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	d, err := suite.New().Run(t.Context(), suite.Config{Tier: suite.Full, Seeds: 1, Data: dir, Scenarios: []string{"azure"}, Policies: []string{"first-fit"}})
	require.NoError(t, err)
	require.Len(t, d.Quality.Results, 2, "at 85 and at 95 %")
	assert.Equal(t, 8, d.Quality.Results[0].Tasks)
	require.Len(t, d.Quality.Inputs, 4)

	require.NoError(t, os.WriteFile(filepath.Join(dir, "flav_map.txt"), []byte("1,2\n"), 0o666))
	_, err = suite.New().Run(context.Background(), suite.Config{Seeds: 1, Data: dir, Scenarios: []string{"azure"}})
	assert.ErrorContains(t, err, `flav_map.txt:1: "1,2" is not of the form CORES,GB LETTER`)
}

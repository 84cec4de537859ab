package suite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/bench/suite"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/placement"
)

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
}

// A cell of one's own is filled: of three tasks of 3 cores a node of 4 and one of 3 take two, and the disk of the third is nowhere.
func TestCellOfOnesOwn(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, trace.OwnNodes, "id,cpu_milli,memory_mib,resource:disk\na,4000,100,10\nb,3000,100,10\n")
	put(t, dir, trace.OwnTasks, "id,cpu_milli,memory_mib,resource:disk\n1,3000,10,1\n2,1000,10,20\n3,3000,10,1\n")
	c := suite.Config{Nodes: 5, Seeds: 1, Data: dir, Scenarios: []string{"fill"}, Policies: []string{"first-fit"}}
	d, err := suite.New().Run(t.Context(), c)
	require.NoError(t, err)
	r := d.Quality.Results[len(d.Quality.Results)-1]
	require.Equal(t, "own", r.Workload)
	assert.InDelta(t, 100.0/3, r.Metrics["rejected"], 1e-6)
	assert.InDelta(t, 100*6.0/7, r.Metrics["allocated.cpu"], 1e-6)
	assert.InDelta(t, 10, r.Metrics["allocated.disk"], 1e-6)
	assert.Len(t, d.Quality.Inputs, 2)

	// With lives tasks come and go, in churn and no longer in fill: the third finds the room that the first has left.
	put(t, dir, trace.OwnTasks, "id,cpu_milli,memory_mib,at_s,lives_s\n1,4000,10,0,10\n2,3000,10,0,0\n3,4000,10,10,0\n4,1000,10,20,0\n")
	c.Scenarios = []string{"churn", "fill"}
	d, err = suite.New().Run(t.Context(), c)
	require.NoError(t, err)
	n := 0
	for _, r := range d.Quality.Results {
		if r.Workload == "own" {
			n++
			assert.Equal(t, "churn", r.Scenario)
			assert.InDelta(t, 50, r.Metrics["rejected"], 1e-6, "of the second half, which is tasks 3 and 4, the last finds no core")
		}
	}
	assert.Equal(t, 1, n)

	put(t, dir, trace.OwnTasks, "id,cpu_milli,memory_mib,lives_s\n1,1,1,5\n")
	_, err = suite.New().Run(t.Context(), c)
	assert.NoError(t, err, "all at the beginning")
	require.NoError(t, os.Remove(filepath.Join(dir, trace.OwnTasks)))
	_, err = suite.New().Run(t.Context(), c)
	assert.ErrorIs(t, err, os.ErrNotExist, "one of the two is no cell")
}

func TestMachinesOfPAI(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, trace.PAIMachines, "machine,gpu_type,cap_cpu,cap_mem,cap_gpu\na,CPU,96,512,0\nb,T4,96,512,2\nc,V100,96,512,8\n")
	c := suite.Config{Nodes: 100, Seeds: 1, Data: dir, Scenarios: []string{"fill"}, Policies: []string{"best-fit"}}
	d, err := suite.New().Run(t.Context(), c)
	require.NoError(t, err)
	r := d.Quality.Results[len(d.Quality.Results)-1]
	assert.Equal(t, "pai-130", r.Workload)
	assert.Equal(t, 3, r.Nodes)
	put(t, dir, trace.PAIMachines, "machine,gpu_type,cap_cpu,cap_mem,cap_gpu\n")
	_, err = suite.New().Run(t.Context(), c)
	assert.ErrorContains(t, err, "no machines in it")
}

// A stranger's strategy of a few lines goes through every scenario there is for policies, beside another, and is in all that is written.
func TestAStrangersStrategyInTheWholeSuite(t *testing.T) {
	leastMemory := placement.OfState("least-memory", func(_, after *placement.State) int64 { return -after.FreeOf("memory") >> 20 })
	s := suite.New()
	s.Policies = append(s.Policies, suite.Fixed("stranger", "the node with the least memory left", placement.Best(leastMemory)))
	dir := t.TempDir()
	var out, diagnostics bytes.Buffer
	require.Equal(t, suite.ExitOK, s.Command(t.Context(), []string{"-nodes", "20", "-seeds", "1", "-policy", "stranger,first-fit", "-o", dir}, &out, &diagnostics), diagnostics.String())
	file, err := os.Open(filepath.Join(dir, "results.json"))
	require.NoError(t, err)
	defer file.Close()
	d, err := suite.ReadJSON("results.json", file)
	require.NoError(t, err)
	in := map[string][2]int{}
	for _, r := range d.Quality.Results {
		n := in[r.Scenario]
		n[map[string]int{"first-fit": 0, "stranger": 1}[r.Policy]]++
		in[r.Scenario] = n
	}
	for _, x := range s.Scenarios {
		n := in[x.Name]
		assert.Equal(t, n[0], n[1], x.Name)
		assert.Equal(t, !x.ByOrder && x.Name != "azure" && x.Name != "million", n[1] > 0, x.Name)
	}
	for _, name := range []string{"results.csv", "results.md", "timings.txt", "report.html"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Contains(t, string(text), "stranger", name)
	}
}

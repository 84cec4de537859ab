package suite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/bench/suite"
)

// Qualities of service that ask for 130 % of the GPUs, and again as soon as a task ends: dominant resource fairness is near the level to which water would
// rise, by one scheduler and by offers, and who serves them as they come is not. Of 30 GPUs guaranteed asks for 1, by tasks of half a GPU, and gets it.
func TestFairnessByQualityOfService(t *testing.T) {
	dir := t.TempDir()
	nodes, pods := "sn,cpu_milli,memory_mib,gpu,model\n", "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n"
	for i := range 6 {
		gpus := 2 + 6*(i%2)
		nodes += fmt.Sprintf("n%d,%d,262144,%d,G2\n", i, 12000*gpus, gpus)
	}
	for i := range 60 {
		qos := "BE"
		switch {
		case i%30 == 0:
			qos = "Guaranteed"
		case i%3 == 0:
			qos = "LS"
		}
		pods += fmt.Sprintf("p%02d,2000,4096,1,500,,%s,Running,0,100,0\n", i, qos)
	}
	for name, text := range map[string]string{"openb_node_list_gpu_node.csv": nodes, "openb_pod_list_default.csv": pods} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	d, err := suite.New().Run(t.Context(), suite.Config{Nodes: 10, Seeds: 1, Data: dir, Scenarios: []string{"fairness", "offers"}, Policies: []string{"first-come", "arrival", "drf", "h-drf", "lottery"}})
	require.NoError(t, err)
	gap := map[[2]string]float64{}
	for _, r := range d.Quality.Results {
		if r.Workload == "qos-130" {
			gap[[2]string{r.Scenario, r.Policy}] = r.Metrics["gap-level"]
			assert.Greater(t, r.Metrics["allocated.gpu"], 90.0, "%s, %s", r.Scenario, r.Policy)
		}
	}
	for _, scenario := range []string{"fairness", "offers"} {
		assert.Less(t, gap[[2]string{scenario, "drf"}], 2.0, scenario)
		assert.Less(t, gap[[2]string{scenario, "h-drf"}], 2.0, scenario)
		assert.Greater(t, gap[[2]string{scenario, "arrival"}], 2*gap[[2]string{scenario, "drf"}], scenario)
	}
	assert.Contains(t, gap, [2]string{"fairness", "first-come"})
}

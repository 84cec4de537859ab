package suite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/bench/suite"
)

// smallTrace writes a trace of six nodes of two and eight GPUs, and tasks that ask for 60 % of them.
func smallTrace(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	nodes, pods := "sn,cpu_milli,memory_mib,gpu,model\n", "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n"
	for i := range 6 {
		gpus, model := 8, "G2"
		if i%2 == 0 {
			gpus, model = 2, "T4"
		}
		nodes += fmt.Sprintf("n%d,%d,262144,%d,%s\n", i, 12000*gpus, gpus, model)
	}
	for i := range 24 { // 16 x 500 + 7 x 1000 + 1 x 3 x 1000 = 18,000 of 30,000
		gpus, milli := 1, 500
		switch {
		case i == 23:
			gpus, milli = 3, 1000
		case i%3 == 2:
			milli = 1000
		}
		pods += fmt.Sprintf("p%02d,4000,8192,%d,%d,,LS,Running,0,100,0\n", i, gpus, milli)
	}
	for name, text := range map[string]string{"openb_node_list_gpu_node.csv": nodes, "openb_pod_list_default.csv": pods} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	return dir
}

func TestVerifyGPUPolicies(t *testing.T) {
	dir := smallTrace(t)
	code, out, fault := command(t, "verify", "gpu-policies", "-data", dir, "-seeds", "2")
	assert.Contains(t, []int{suite.ExitOK, suite.ExitWorse}, code, fault) // nothing is said of such a cluster
	for _, policy := range []string{"fgd", "room-loss", "priced-gaps"} {
		assert.Regexp(t, `(?m)^inflation   default +`+policy+` +[0-9.]+ +[0-9.]+ % in use at 100 and 130 %; refused share [0-9.]+, 1 [0-9.]+, 4 [0-9.]+ %$`, out)
		assert.Regexp(t, `(?m)^churn       default +`+policy+` +[0-9.]+ % of what is asked for refused`, out)
		// Eighteen of thirty GPUs are asked for, and two nodes have no more than sixteen.
		assert.Regexp(t, `(?m)^compaction  default +`+policy+` +machines: least [3-6], median [3-6], 90th percentile [3-6], most [3-6] of 3 trials$`, out)
		assert.Regexp(t, `(?m)^(holds:|FAILS:|order) +IDs in the order of models change `+policy+` on default by `, out)
	}
	_, again, _ := command(t, "verify", "gpu-policies", "-data", dir, "-seeds", "2")
	last := func(text string) string { return text[:strings.LastIndex(strings.TrimSpace(text), "\n")] } // which tells the time
	assert.Equal(t, last(out), last(again), "whatever goroutine runs what")

	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"-data", dir, "-part", "churm"}, "churm"},
		{[]string{"-data", dir, "-list", "cpu250"}, "cpu250"},
		{[]string{"-seeds", "0"}, "-seeds 0: not within 1 to 10\nverify: -data is needed"},
		{[]string{"-data", filepath.Join(dir, "none")}, "-data: "},
	} {
		code, _, fault := command(t, append([]string{"verify", "gpu-policies"}, c.args...)...)
		assert.Equal(t, suite.ExitFault, code, c.args)
		assert.Contains(t, fault, c.says)
	}
}

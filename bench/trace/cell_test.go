package trace_test

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
)

func TestGoogle(t *testing.T) {
	all := trace.Google(trace.Machines+1, 120, 1)
	require.Len(t, all.Nodes, 12583)
	count := map[[2]int64]int{}
	for _, n := range all.Nodes {
		count[[2]int64{n.Capacity["cpu"], n.Capacity["memory"] >> 20}]++
	}
	// The published counts, at 32 cores and 131,072 MiB for 1.00.
	assert.Equal(t, map[[2]int64]int{
		{16000, 65536}: 6732, {16000, 32768}: 3863, {16000, 98304}: 1001, {32000, 131072}: 795, {8000, 32768}: 126,
		{16000, 15728}: 52, {16000, 3932}: 5, {16000, 127139}: 5, {32000, 65536}: 3, {16000, 7864}: 1,
	}, count)
	require.Len(t, all.Pods, 120)
	assert.Equal(t, all.Pods[0].Shape, all.Pods[49].Shape, "jobs are of 50 alike")
	assert.Len(t, trace.Google(7, 1, 1).Nodes, 7)
	assert.Equal(t, trace.Google(7, 9, 1), trace.Google(7, 9, 1))
	assert.NotEqual(t, trace.Google(7, 900, 1), trace.Google(7, 900, 2))
	assert.Empty(t, trace.Google(-1, -1, 1).Nodes)
}

func TestInflate(t *testing.T) {
	cell := func() *trace.Cell {
		gpu := berth.Device{Class: "gpu", Model: "T4"}
		return &trace.Cell{
			Name:  "test",
			Nodes: []berth.Node{{ID: "n1", Capacity: berth.Resources{"cpu": 1000}, Devices: []berth.Device{gpu, gpu, gpu, gpu}}},
			Pods: []trace.Pod{
				{Name: "a", QoS: "LS", Shape: trace.Shape{CPU: 1, GPUs: 1, GPUMilli: 500}},
				{Name: "b", QoS: "BE", Shape: trace.Shape{CPU: 1}},
				{Name: "c", QoS: "LS", Shape: trace.Shape{CPU: 1, GPUs: 2, GPUMilli: 1000}},
			},
		}
	}
	for name, c := range map[string]struct{ thousandths, least, most int64 }{
		"more than they ask": {1300, 5200 - 2000 + 1, 5200}, // the next pod, of at most 2 GPUs, would pass it
		"less than they ask": {500, 0, 2000},
		"what they ask":      {625, 2500, 2500},
	} {
		t.Run(name, func(t *testing.T) {
			a, b := cell(), cell()
			require.NoError(t, a.Inflate(c.thousandths, 3))
			require.NoError(t, b.Inflate(c.thousandths, 3))
			assert.Equal(t, a, b, "the same seed draws the same")
			assert.GreaterOrEqual(t, a.Asks("gpu"), c.least)
			assert.LessOrEqual(t, a.Asks("gpu"), c.most)
			seen := map[string]bool{}
			for _, p := range a.Pods {
				assert.False(t, seen[p.Name], "%s twice", p.Name)
				seen[p.Name] = true
			}
		})
	}
	empty := cell()
	empty.Pods = empty.Pods[1:2]
	assert.EqualError(t, empty.Inflate(1300, 3), "test: no pod asks for any gpu")

	none := cell()
	none.Nodes = nil
	assert.EqualError(t, none.Inflate(1300, 3), "test: there is not enough cpu to ask for 1300 thousandths of it")

	vast := cell()
	vast.Nodes = []berth.Node{{ID: "n1", Capacity: berth.Resources{"cpu": math.MaxInt64}}}
	assert.EqualError(t, vast.Inflate(10_000, 3), "test: cannot count 10000 thousandths of the cpu")

	taken := cell()
	taken.Pods = []trace.Pod{taken.Pods[0], taken.Pods[0]}
	taken.Pods[1].Name = "a~1"
	require.NoError(t, taken.Inflate(1000, 3))
	seen := map[string]bool{}
	for _, p := range taken.Pods {
		assert.False(t, seen[p.Name], "%s twice", p.Name)
		seen[p.Name] = true
	}
	assert.Len(t, seen, 8, "half a GPU each, of 4")
}

func TestTasks(t *testing.T) {
	c := &trace.Cell{Pods: []trace.Pod{
		{Name: "a", QoS: "LS", Shape: trace.Shape{CPU: 1}},
		{Name: "b", QoS: "BE", Shape: trace.Shape{CPU: 1}},
		{Name: "c", QoS: "LS", Shape: trace.Shape{CPU: 1}},
		{Name: "d", QoS: "LS", Shape: trace.Shape{CPU: 2}},
	}}
	tasks := c.Tasks()
	require.Len(t, tasks, 4)
	assert.Same(t, tasks[0].Group, tasks[2].Group)
	assert.NotSame(t, tasks[0].Group, tasks[1].Group, "another QoS")
	assert.NotSame(t, tasks[0].Group, tasks[3].Group, "another shape")
	assert.Equal(t, berth.Role("BE"), tasks[1].Group.Role())
	assert.Equal(t, "d", tasks[3].ID)
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	write(trace.NodeList, "sn,cpu_milli,memory_mib,gpu,model\nn1,1,1,0,\n")
	write("within.csv", "name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,1,0,0\n")
	c, err := trace.Load(dir, "within.csv")
	require.NoError(t, err)
	assert.Len(t, c.Pods, 1)
	assert.Equal(t, "cpu", c.Scarce())

	elsewhere := filepath.Join(t.TempDir(), "pods.csv")
	require.NoError(t, os.WriteFile(elsewhere, []byte("name,cpu_milli,memory_mib,num_gpu,gpu_milli\n"), 0o644))
	c, err = trace.Load(dir, elsewhere)
	require.NoError(t, err)
	assert.Empty(t, c.Pods)

	_, err = trace.Load(dir, "none.csv")
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, filepath.Join(dir, "none.csv"))
	_, err = trace.Load("nowhere", "none.csv")
	assert.EqualError(t, err, "open nowhere/openb_node_list_gpu_node.csv: no such file or directory\nopen nowhere/none.csv: no such file or directory")

	empty := write(trace.NodeList, "sn,cpu_milli,memory_mib,gpu,model\n")
	_, err = trace.Load(dir, "within.csv")
	assert.EqualError(t, err, empty+": no nodes in it")

	write(trace.NodeList, "sn,cpu_milli,memory_mib,gpu,model\nn1,x,1,0,\n")
	_, err = trace.Load(dir, write("bad.csv", "name\n"))
	require.Error(t, err)
	assert.Equal(t, 5, strings.Count(err.Error(), "\n")+1, "the faults of both files: %v", err)
}

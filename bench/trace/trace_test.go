package trace_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/cluster"
)

const data = "../../../shared/data/alibaba-gpu-v2023"

func TestReadNodes(t *testing.T) {
	nodes, err := trace.ReadNodes("nodes.csv", strings.NewReader(
		"sn,cpu_milli,memory_mib,gpu,model\n"+
			"n1,64000,262144,2,P100\n"+
			"n2,32000,1,0,\n"))
	require.NoError(t, err)
	assert.Equal(t, []berth.Node{
		{
			ID:         "n1",
			Capacity:   berth.Resources{"cpu": 64000, "memory": 256 << 30},
			Attributes: berth.Attributes{"model": "P100"},
			Devices:    []berth.Device{{Class: "gpu", Model: "P100"}, {Class: "gpu", Model: "P100"}},
		},
		{ID: "n2", Capacity: berth.Resources{"cpu": 32000, "memory": 1 << 20}},
	}, nodes)
}

func TestReadPods(t *testing.T) {
	// Columns stand in an order of their own, unknown ones are passed over, and a byte order mark is no part of a name.
	pods, err := trace.ReadPods("pods.csv", strings.NewReader(
		"\ufeffqos,name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,pod_phase\n"+
			"LS,p1,12000,16384,1,460,T4|P100,Running\n"+
			",p2,0,1,8,1000,,\n"+
			"BE,p3,500,0,0,0,,Failed\n"))
	require.NoError(t, err)
	assert.Equal(t, []trace.Pod{
		{Name: "p1", QoS: "LS", Shape: trace.Shape{CPU: 12000, Memory: 16 << 30, GPUs: 1, GPUMilli: 460, Models: "T4|P100"}},
		{Name: "p2", QoS: "none", Shape: trace.Shape{Memory: 1 << 20, GPUs: 8, GPUMilli: 1000}},
		{Name: "p3", QoS: "BE", Shape: trace.Shape{CPU: 500}},
	}, pods)

	pods, err = trace.ReadPods("pods.csv", strings.NewReader("name,cpu_milli,memory_mib,num_gpu,gpu_milli\np1,1,1,0,0\n"))
	require.NoError(t, err, "gpu_spec and qos may be missing")
	assert.Equal(t, "none", pods[0].QoS)
}

func TestSpec(t *testing.T) {
	for name, c := range map[string]struct {
		shape trace.Shape
		want  []berth.DeviceRequest
	}{
		"no GPU":      {trace.Shape{CPU: 1}, nil},
		"a share":     {trace.Shape{GPUs: 1, GPUMilli: 460}, []berth.DeviceRequest{{Class: "gpu", Share: 460}}},
		"a whole one": {trace.Shape{GPUs: 1, GPUMilli: 1000}, []berth.DeviceRequest{{Class: "gpu", Count: 1}}},
		"eight of two models": {
			trace.Shape{GPUs: 8, GPUMilli: 1000, Models: "T4|P100"},
			[]berth.DeviceRequest{{Class: "gpu", Count: 8, Models: []string{"T4", "P100"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			spec := c.shape.Spec("LS")
			assert.Equal(t, c.want, spec.Devices)
			assert.Equal(t, berth.Role("LS"), spec.Role)
			assert.Equal(t, berth.Resources{"cpu": c.shape.CPU, "memory": c.shape.Memory}, spec.Request)
			assert.NoError(t, berth.NewGroup("g", spec).Err())
		})
	}
}

func TestBadNodes(t *testing.T) {
	const header = "sn,cpu_milli,memory_mib,gpu,model\n"
	for name, c := range map[string]struct{ in, want string }{
		"empty file":      {"", "f.csv: empty file, a header line is needed"},
		"missing columns": {"sn,gpu\nn1,1\n", "f.csv:1: column cpu_milli is missing\nf.csv:1: column memory_mib is missing\nf.csv:1: column model is missing"},
		"column twice":    {"sn,cpu_milli,memory_mib,gpu,model,gpu\n", "f.csv:1:35: gpu: column given twice"},
		"too few fields":  {header + "n1,1\n", "f.csv:2: not as many fields as the header has columns"},
		"stray quote":     {header + "n1,1,1,0,a\"b\nn1,x,1,0,\n", "f.csv:2:11: bare \" in non-quoted-field\nf.csv:3:4: cpu_milli \"x\": not a whole number"},
		"open quote":      {header + "n1,1,1,0,\"a\n", "f.csv:2:13: extraneous or missing \" in quoted-field"},
		"no name":         {header + ",1,1,0,\n", "f.csv:2:1: sn: empty"},
		"name twice":      {header + "n1,1,1,0,\nn2,1,1,0,\nn1,1,1,0,\n", "f.csv:4:1: sn \"n1\": also on line 2"},
		"space":           {header + "n1 ,1,1,0,\n", "f.csv:2:1: sn \"n1 \": leading or trailing space"},
		"control":         {header + "n\x00,1,1,0,\n", "f.csv:2:1: sn \"n\\x00\": control character"},
		"not UTF-8":       {header + "n\xff,1,1,0,\n", "f.csv:2:1: sn \"n\\xff\": not UTF-8"},
		"empty number":    {header + "n1,,1,0,\n", "f.csv:2:4: cpu_milli: not a whole number"},
		"fraction":        {header + "n1,1,1.5,0,\n", "f.csv:2:6: memory_mib \"1.5\": not a whole number"},
		"negative":        {header + "n1,-1,1,0,\n", "f.csv:2:4: cpu_milli \"-1\": negative"},
		"memory overflow": {header + "n1,1,8796093022208,0,\n", "f.csv:2:6: memory_mib \"8796093022208\": more than 8796093022207"},
		"memory in all":   {header + "n1,1,8796093022207,0,\nn2,1,1,0,\n", "f.csv:3:6: memory_mib \"1\": with the lines before, more than 8796093022207"},
		"cpu in all":      {header + "n1,9223372036854775807,1,0,\nn2,1,1,0,\n", "f.csv:3:4: cpu_milli \"1\": with the lines before, more than 9223372036854775807"},
		"beyond int64":    {header + "n1,9223372036854775808,1,0,\n", "f.csv:2:4: cpu_milli \"9223372036854775808\": more than 9223372036854775807"},
		"too many GPUs":   {header + "n1,1,1,1025,T4\n", "f.csv:2:8: gpu \"1025\": more than 1024"},
		"no model":        {header + "n1,1,1,2,\n", "f.csv:2:10: model: empty on a node with GPUs"},
		"all of a line":   {header + "n1,x,-2,y,\n", "f.csv:2:4: cpu_milli \"x\": not a whole number\nf.csv:2:6: memory_mib \"-2\": negative\nf.csv:2:9: gpu \"y\": not a whole number"},
	} {
		t.Run(name, func(t *testing.T) {
			nodes, err := trace.ReadNodes("f.csv", strings.NewReader(c.in))
			assert.EqualError(t, err, c.want)
			assert.Nil(t, nodes)
		})
	}
}

func TestBadPods(t *testing.T) {
	const header = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos\n"
	for name, c := range map[string]struct{ in, want string }{
		"a node list":         {"sn,cpu_milli,memory_mib,gpu,model\nn1,1,1,0,\n", "f.csv:1: column name is missing\nf.csv:1: column num_gpu is missing\nf.csv:1: column gpu_milli is missing"},
		"share of no GPU":     {header + "p1,1,1,0,500,,LS\n", "f.csv:2:10: gpu_milli \"500\": set, but num_gpu is 0"},
		"nothing of a GPU":    {header + "p1,1,1,1,0,,LS\n", "f.csv:2:10: gpu_milli \"0\": 0, but num_gpu is not"},
		"share of several":    {header + "p1,1,1,2,500,,LS\n", "f.csv:2:10: gpu_milli \"500\": a share of a GPU, but num_gpu is more than 1"},
		"more than a GPU":     {header + "p1,1,1,1,1001,,LS\n", "f.csv:2:10: gpu_milli \"1001\": more than 1000"},
		"GPUs unknown":        {header + "p1,1,1,x,500,T4,LS\n", "f.csv:2:8: num_gpu \"x\": not a whole number"},
		"model without a GPU": {header + "p1,1,1,0,0,T4,LS\n", "f.csv:2:12: gpu_spec \"T4\": set, but num_gpu is 0"},
		"empty model":         {header + "p1,1,1,1,1000,T4|,LS\n", "f.csv:2:15: gpu_spec \"T4|\": an empty model"},
		"qos that is no role": {header + "p1,1,1,0,0,,a//b\n", "f.csv:2:13: qos \"a//b\": cannot name a role"},
		"two lines":           {header + "p1,1,1,0,0,,LS\n,1,1,0,0,,LS\np1,1,1,0,0,,LS\n", "f.csv:3:1: name: empty\nf.csv:4:1: name \"p1\": also on line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			pods, err := trace.ReadPods("f.csv", strings.NewReader(c.in))
			assert.EqualError(t, err, c.want)
			assert.Nil(t, pods)
		})
	}
}

func TestFaultsAreBounded(t *testing.T) {
	in := "name,cpu_milli,memory_mib,num_gpu,gpu_milli\n" + strings.Repeat("p,1,1,0,0\n", 1000)
	_, err := trace.ReadPods("f.csv", strings.NewReader(in))
	require.Error(t, err)
	lines := strings.Split(err.Error(), "\n")
	assert.Len(t, lines, trace.MaxFaults+1)
	assert.Equal(t, "f.csv: and 979 more", lines[trace.MaxFaults], "999 doubles, 20 of them printed")

	_, err = trace.ReadPods("f.csv", strings.NewReader("name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,"+strings.Repeat("x", 1000)+",1,0,0\n"))
	assert.EqualError(t, err, "f.csv:2:3: cpu_milli \""+strings.Repeat("x", 60)+"...\": not a whole number")
}

type brokenReader struct{ strings.Reader }

func (b *brokenReader) Read(p []byte) (int, error) {
	if b.Len() == 0 {
		return 0, os.ErrDeadlineExceeded
	}
	return b.Reader.Read(p)
}

func TestFailingFile(t *testing.T) {
	r := &brokenReader{*strings.NewReader("name,cpu_milli,memory_mib,num_gpu,gpu_milli\np,1,1,0,0\n")}
	_, err := trace.ReadPods("f.csv", r)
	assert.ErrorIs(t, err, os.ErrDeadlineExceeded)
}

// The totals are those that the trace's authors publish.
func TestRealData(t *testing.T) {
	file, err := os.Open(filepath.Join(data, "openb_node_list_gpu_node.csv"))
	if err != nil {
		t.Skipf("the openb trace is not beside this repository: %v", err)
	}
	defer file.Close()
	nodes, err := trace.ReadNodes(file.Name(), file)
	require.NoError(t, err)
	snapshot, err := cluster.NewSnapshot(nodes...)
	require.NoError(t, err)
	assert.Equal(t, 1213, snapshot.Len())
	assert.Equal(t, berth.Resources{"cpu": 107_018_000, "memory": 503_828_480 << 20, "gpu": 6212 * 1000}, snapshot.Total())

	lists, err := filepath.Glob(filepath.Join(data, "openb_pod_list_*.csv"))
	require.NoError(t, err)
	require.NotEmpty(t, lists)
	for _, list := range lists {
		file, err := os.Open(list)
		require.NoError(t, err)
		pods, err := trace.ReadPods(list, file)
		file.Close()
		require.NoError(t, err)
		if filepath.Base(list) != "openb_pod_list_default.csv" {
			continue
		}
		var gpu int64
		count := map[int]int{} // by GPUs; shares under -1
		for _, p := range pods {
			gpu += int64(p.GPUs) * p.GPUMilli
			if p.GPUs == 1 && p.GPUMilli < 1000 {
				count[-1]++
			} else {
				count[p.GPUs]++
			}
		}
		assert.Equal(t, map[int]int{0: 1088, -1: 3078, 1: 3911, 2: 16, 4: 15, 8: 44}, count)
		assert.InDelta(t, 6086.8, float64(gpu)/1000, 0.05)
	}
}

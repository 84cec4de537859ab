package trace_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
)

func own(t *testing.T, nodes, tasks string) string {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, trace.OwnNodes), []byte(nodes), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(dir, trace.OwnTasks), []byte(tasks), 0o666))
	return dir
}

func TestOwnFormat(t *testing.T) {
	dir := own(t, "memory_mib,id,cpu_milli,resource:disk,attribute:zone,gpu,model,note\n1024,n1,4000,70,z1,2,T4,x\n2048,n2,8000,,,,,y\n",
		"id,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,resource:disk,role,at_s,lives_s,batch\na,500,256,1,300,T4|P100,7,web,0,60,b1\nb,500,256,0,0,,,web,0,,b1\nc,1,2,,,,,,5,,b2\nd,1,2,,,,,,5,,\ne,1,2,,,,,,5,,\n")
	assert.True(t, trace.HasOwn(dir))
	c, err := trace.LoadOwn(dir)
	require.NoError(t, err)
	assert.Equal(t, []berth.Node{
		{ID: "n1", Capacity: berth.Resources{"cpu": 4000, "memory": 1 << 30, "disk": 70}, Attributes: berth.Attributes{"zone": "z1"},
			Devices: []berth.Device{{Class: "gpu", Model: "T4"}, {Class: "gpu", Model: "T4"}}},
		{ID: "n2", Capacity: berth.Resources{"cpu": 8000, "memory": 2 << 30, "disk": 0}},
	}, c.Nodes)
	require.Len(t, c.Jobs, 5)
	var batches []int
	for _, j := range c.Jobs {
		batches = append(batches, j.Batch)
	}
	assert.Equal(t, []int{0, 0, 1, 2, 3}, batches, "tasks without the text of a batch are one each")
	a := c.Jobs[0]
	assert.Equal(t, time.Minute, a.Lives)
	assert.Equal(t, 5*time.Second, c.Jobs[2].At)
	g := berth.NewGroup("g", a.Spec())
	require.NoError(t, g.Err())
	assert.Equal(t, berth.Role("web"), g.Role())
	assert.Equal(t, berth.Resources{"cpu": 500, "memory": 256 << 20, "disk": 7, "gpu": 300}, g.Cost())
}

// Every fault is told with file, line, column and reason, and of nodes and tasks together.
func TestOwnFormatRefuses(t *testing.T) {
	const nodes, tasks = "id,cpu_milli,memory_mib\nn,1,1\n", "id,cpu_milli,memory_mib\nt,1,1\n"
	for name, c := range map[string]struct{ nodes, tasks, want string }{
		"column missing":  {"id,cpu_milli\nn,1\n", tasks, "berth_nodes.csv:1: column memory_mib is missing"},
		"negative":        {"id,cpu_milli,memory_mib\nn,-1,1\n", tasks, `berth_nodes.csv:2:3: cpu_milli "-1": negative`},
		"absurd":          {"id,cpu_milli,memory_mib,gpu\nn,1,1,1000000\n", tasks, `berth_nodes.csv:2:7: gpu "1000000": more than 1024`},
		"too much in all": {"id,cpu_milli,memory_mib\nn,9223372036854775807,1\nm,1,1\n", tasks, `berth_nodes.csv:3:3: cpu_milli "1": with the lines before, more than`},
		"twice":           {"id,cpu_milli,memory_mib\nn,1,1\nn,1,1\n", tasks, `berth_nodes.csv:3:1: id "n": also on line 2`},
		"cut":             {nodes + "m,1", tasks, "berth_nodes.csv:3: no line break at the end"},
		"reserved":        {"id,cpu_milli,memory_mib,resource:cpu\nn,1,1,1\n", tasks, "berth_nodes.csv:1:25: resource:cpu: no name of another resource"},
		"no attribute":    {"id,cpu_milli,memory_mib,attribute:\nn,1,1,x\n", tasks, "berth_nodes.csv:2:1: id \"n\": "},
		"empty":           {nodes, "id,cpu_milli,memory_mib\n", "berth_tasks.csv: no tasks in it"},
		"nothing":         {nodes, "", "berth_tasks.csv: empty file"},
		"share of two":    {nodes, "id,cpu_milli,memory_mib,num_gpu,gpu_milli\nt,1,1,2,500\n", `berth_tasks.csv:2:9: gpu_milli "500": a share of a GPU, but num_gpu is more than 1`},
		"back in time":    {nodes, "id,cpu_milli,memory_mib,at_s\nt,1,1,5\nu,1,1,4\n", `berth_tasks.csv:3:7: at_s "4": earlier than on the line before`},
		"for ever":        {nodes, "id,cpu_milli,memory_mib,lives_s\nt,1,1,99999999999999\n", `lives_s "99999999999999": more than 4611686018`},
		"role":            {nodes, "id,cpu_milli,memory_mib,role\nt,1,1,a//b\n", `berth_tasks.csv:2:7: role "a//b": cannot name a role`},
		"of both":         {"id,cpu_milli,memory_mib\nn,x,1\n", "id,cpu_milli,memory_mib\nt,1,y\n", "berth_tasks.csv:2:5: memory_mib \"y\": not a whole number"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := trace.LoadOwn(own(t, c.nodes, c.tasks))
			require.ErrorContains(t, err, c.want)
			if name == "of both" {
				assert.ErrorContains(t, err, `berth_nodes.csv:2:3: cpu_milli "x"`)
			}
		})
	}
	_, err := trace.LoadOwn(t.TempDir())
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func ownJSON(t *testing.T, text string) string {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, trace.OwnJSON), []byte(text), 0o666))
	return dir
}

// The same cell in JSON is the same cell.
func TestOwnFormatInJSON(t *testing.T) {
	csv, err := trace.LoadOwn(own(t, "memory_mib,id,cpu_milli,resource:disk,attribute:zone,gpu,model\n1024,n1,4000,70,z1,2,T4\n2048,n2,8000,,,,\n",
		"id,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,resource:disk,role,at_s,lives_s,batch\na,500,256,1,300,T4|P100,7,web,0,60,b1\nb,500,256,0,0,,,web,0,,b1\nc,1,2,,,,,,5,,b2\n"))
	require.NoError(t, err)
	dir := ownJSON(t, `{"tasks": [
 {"id": "a", "cpu_milli": 500, "memory_mib": 256, "num_gpu": 1, "gpu_milli": 300, "gpu_spec": "T4|P100", "resources": {"disk": 7}, "role": "web", "lives_s": 60, "batch": "b1"},
 {"id": "b", "cpu_milli": 500, "memory_mib": 256, "role": "web", "at_s": 0, "batch": "b1"},
 {"id": "c", "cpu_milli": 1, "memory_mib": 2, "at_s": 5, "batch": "b2"}],
"nodes": [
 {"attributes": {"zone": "z1"}, "id": "n1", "cpu_milli": 4000, "memory_mib": 1024, "gpu": 2, "model": "T4", "resources": {"disk": 70}},
 {"id": "n2", "cpu_milli": 8000, "memory_mib": 2048}]}
`)
	assert.True(t, trace.HasOwn(dir))
	c, err := trace.LoadOwn(dir)
	require.NoError(t, err)
	assert.Equal(t, csv.Nodes, c.Nodes)
	assert.Equal(t, csv.Jobs, c.Jobs)
	assert.Equal(t, []string{filepath.Join(dir, trace.OwnJSON)}, c.Files)

	require.NoError(t, os.WriteFile(filepath.Join(dir, trace.OwnTasks), nil, 0o666))
	_, err = trace.LoadOwn(dir)
	assert.ErrorContains(t, err, "berth_tasks.csv is there as well")
}

func TestOwnFormatInJSONRefuses(t *testing.T) {
	const node, task = `{"id": "n", "cpu_milli": 1, "memory_mib": 1}`, `{"id": "t", "cpu_milli": 1, "memory_mib": 1}`
	cell := func(nodes, tasks string) string { return "{\"nodes\": [" + nodes + "],\n\"tasks\": [" + tasks + "]}\n" }
	for name, c := range map[string]struct{ text, want string }{
		"empty":            {"", "berth_cell.json:1:1: the file is cut short"},
		"cut":              {`{"nodes": [` + node, "berth_cell.json:1:56: the file is cut short"},
		"syntax":           {"{\n\"nodes\": [}", "berth_cell.json:2:11: invalid character '}'"},
		"no object":        {"[]", "berth_cell.json:1:1: the document: not an object"},
		"no tasks":         {`{"nodes": []}`, "berth_cell.json:1:1: tasks is missing"},
		"no list":          {`{"nodes": 5, "tasks": []}`, "berth_cell.json:1:11: nodes: not a list"},
		"stranger":         {`{"nodes": [], "tasks": [], "pods": []}`, "berth_cell.json:1:36: pods: no member of a cell"},
		"more":             {cell(node, task) + "{}", "berth_cell.json:3:1: something behind the end of the document"},
		"misspelt":         {cell(node, `{"id": "t", "cpu_milli": 1, "memory_mib": 1, "live_s": 4}`), "berth_cell.json:2:66: live_s: no member of it"},
		"missing":          {cell(`{"id": "n", "cpu_milli": 1}`, task), "berth_cell.json:1:12: memory_mib is missing"},
		"given twice":      {cell(`{"id": "n", "cpu_milli": 1, "cpu_milli": 2, "memory_mib": 1}`, task), "berth_cell.json:1:40: cpu_milli: given twice"},
		"a number as text": {cell(`{"id": "n", "cpu_milli": "1", "memory_mib": 1}`, task), "berth_cell.json:1:37: cpu_milli: a string, and not a number"},
		"a text as number": {cell(`{"id": 5, "cpu_milli": 1, "memory_mib": 1}`, task), "berth_cell.json:1:19: id: a number, and not a string"},
		"null":             {cell(`{"id": "n", "cpu_milli": null, "memory_mib": 1}`, task), "berth_cell.json:1:37: cpu_milli: not a number"},
		"a list":           {cell(`{"id": "n", "cpu_milli": [1, [2]], "memory_mib": 1}`, task), "berth_cell.json:1:37: cpu_milli: not a number"},
		"negative":         {cell(`{"id": "n", "cpu_milli": -1, "memory_mib": 1}`, task), `berth_cell.json:1:37: cpu_milli "-1": negative`},
		"a fraction":       {cell(`{"id": "n", "cpu_milli": 1.5, "memory_mib": 1}`, task), `berth_cell.json:1:37: cpu_milli "1.5": not a whole number`},
		"absurd":           {cell(`{"id": "n", "cpu_milli": 1, "memory_mib": 1, "gpu": 1000000}`, task), `gpu "1000000": more than 1024`},
		"twice":            {cell(node+",\n"+node, task), `berth_cell.json:2:8: id "n": also on line 1`},
		"of a resource":    {cell(`{"id": "n", "cpu_milli": 1, "memory_mib": 1, "resources": {"disk": -5}}`, task), `berth_cell.json:1:79: resource:disk "-5": negative`},
		"reserved":         {cell(`{"id": "n", "cpu_milli": 1, "memory_mib": 1, "resources": {"cpu": 5}}`, task), `resource:cpu: no name of another resource`},
		"nobody":           {cell("", task), "berth_cell.json: no nodes in it"},
		"back in time":     {cell(node, `{"id": "t", "cpu_milli": 1, "memory_mib": 1, "at_s": 5}, {"id": "u", "cpu_milli": 1, "memory_mib": 1, "at_s": 4}`), `at_s "4": earlier than on the line before`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := trace.LoadOwn(ownJSON(t, c.text))
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestPAI(t *testing.T) {
	nodes, err := trace.ReadPAI("f.csv", strings.NewReader("machine,gpu_type,cap_cpu,cap_mem,cap_gpu\na,CPU,96,512,0\nb,T4,64,384,2\n"))
	require.NoError(t, err)
	assert.Equal(t, []berth.Node{
		{ID: "a", Capacity: berth.Resources{"cpu": 96000, "memory": 512 << 30}},
		{ID: "b", Capacity: berth.Resources{"cpu": 64000, "memory": 384 << 30}, Attributes: berth.Attributes{"model": "T4"},
			Devices: []berth.Device{{Class: "gpu", Model: "T4"}, {Class: "gpu", Model: "T4"}}},
	}, nodes)
	_, err = trace.ReadPAI("f.csv", strings.NewReader("machine,gpu_type,cap_cpu,cap_mem,cap_gpu\na,CPU,96,512,2\nb,T4,-1,9999999999999,2000\n"))
	assert.EqualError(t, err, `f.csv:2:3: gpu_type "CPU": not the model of a machine with GPUs
f.csv:3:6: cap_cpu "-1": negative
f.csv:3:9: cap_mem "9999999999999": more than 8589934591
f.csv:3:23: cap_gpu "2000": more than 1024`)

	path := filepath.Join(data, "..", "alibaba-pai-v2020-machines", trace.PAIMachines)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the machine table is not beside this repository: %v", err)
	}
	nodes, err = trace.LoadPAI(path)
	require.NoError(t, err)
	assert.Len(t, nodes, 1897, "the number that is published")
}

package trace_test

import (
	"bytes"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/cluster"
)

// What the reader lets through, berth takes: a list is refused with its line, never later.
func FuzzReadNodes(f *testing.F) {
	f.Add([]byte("sn,cpu_milli,memory_mib,gpu,model\nn1,64000,262144,2,P100\nn2,32000,1,0,\n"))
	f.Add([]byte("sn,cpu_milli\nn1,\"1\n"))
	f.Add([]byte("id,cpu_milli,memory_mib,resource:disk,attribute:zone,gpu,model\nn1,1,1,5,z,2,T4\nn2,1,1,,,,\n"))
	f.Add([]byte("machine,gpu_type,cap_cpu,cap_mem,cap_gpu\nm,T4,96,512,2\n"))
	f.Add([]byte(`{"nodes": [{"id": "n1", "cpu_milli": 1, "memory_mib": 1, "gpu": 2, "model": "T4", "resources": {"disk": 5}, "attributes": {"zone": "z"}}], "tasks": []}`))
	inJSON := func(file string, r io.Reader) ([]berth.Node, error) {
		c, err := trace.ReadOwnJSON(file, r)
		if err != nil {
			return nil, err
		}
		return c.Nodes, nil
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, read := range []func(string, io.Reader) ([]berth.Node, error){trace.ReadNodes, trace.ReadOwnNodes, trace.ReadPAI, inJSON} {
			nodes, err := read("fuzz.csv", bytes.NewReader(in))
			if err != nil {
				bounded(t, err)
				continue
			}
			snapshot, err := cluster.NewSnapshot(nodes...)
			require.NoError(t, err)
			assert.Equal(t, len(nodes), snapshot.Len())
		}
	})
}

func FuzzReadPods(f *testing.F) {
	f.Add([]byte("name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos\np1,12000,16384,1,460,T4|P100,LS\np2,1,1,8,1000,,BE\n"))
	f.Add([]byte("id,cpu_milli,memory_mib,num_gpu,gpu_milli,resource:disk,role,at_s,lives_s,batch\np1,1,1,1,300,7,a,1,2,b\np2,1,1,,,,,1,,b\n"))
	f.Add([]byte("name,cpu_milli,memory_mib,num_gpu,gpu_milli\np1,1,1,0,0\np1,-1,x,2,5\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		jobs, err := trace.ReadOwnTasks("fuzz.csv", bytes.NewReader(in))
		if err != nil {
			bounded(t, err)
		}
		for _, j := range jobs {
			require.NoError(t, berth.NewGroup("g", j.Spec()).Task(j.Name).Err())
		}
		pods, err := trace.ReadPods("fuzz.csv", bytes.NewReader(in))
		if err != nil {
			bounded(t, err)
			return
		}
		for i, p := range pods {
			group := berth.NewGroup(strconv.Itoa(i), p.Spec(berth.Role(p.QoS)))
			require.NoError(t, group.Task(p.Name).Err())
			assert.Equal(t, int64(p.GPUs)*p.GPUMilli, group.Cost()[trace.GPU])
		}
	})
}

func bounded(t *testing.T, err error) {
	assert.LessOrEqual(t, strings.Count(err.Error(), "fuzz.csv"), trace.MaxFaults+1)
}

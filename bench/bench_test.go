package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/placement"
	"github.com/berth-sched/berth/scheduler"
)

var update = flag.Bool("update", false, "rewrite testdata")

const data = "../../shared/data/alibaba-gpu-v2023"

// The quality of a strategy is a function of the workload and the seed: a change of the golden file is a change
// of what berth decides.
func TestQuality(t *testing.T) {
	cells, err := workloads(true, "", 1)
	require.NoError(t, err)
	var rows []row
	for _, c := range cells {
		for _, s := range strategies(1) {
			r, err := measure(t.Context(), c, s)
			require.NoError(t, err)
			rows = append(rows, r)
		}
	}
	var got bytes.Buffer
	require.NoError(t, table(&got, rows, false))
	const golden = "testdata/quality.txt"
	if *update {
		require.NoError(t, os.WriteFile(golden, got.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), got.String(), "go test ./bench -update rewrites it")
}

func TestQualityByHand(t *testing.T) {
	// One node of 16 cores. Tasks of 1/16, 1/4 and 3/4 of it fit in the order 12, 4; then 4 and 1 do not.
	c := &trace.Cell{
		Name:  "by hand",
		Nodes: []berth.Node{{ID: "n1", Capacity: berth.Resources{"cpu": 16000, "memory": 1 << 40}}, {ID: "n2", Capacity: berth.Resources{"cpu": 500}}},
		Pods: []trace.Pod{
			{Name: "a", Shape: trace.Shape{CPU: 12000}},
			{Name: "b", Shape: trace.Shape{CPU: 4000}},
			{Name: "c", Shape: trace.Shape{CPU: 4000}},
			{Name: "d", Shape: trace.Shape{CPU: 1000}},
			{Name: "e", Shape: trace.Shape{CPU: 999}},
		},
	}
	for i := range c.Pods {
		c.Pods[i].QoS = trace.NoQoS
	}
	r, err := measure(t.Context(), c, placement.FirstFit())
	require.NoError(t, err)
	assert.Equal(t, bySize{Small: 1, Medium: 1, Large: 1}, r.Rejected)
	assert.Equal(t, 1, r.NodesUsed)
	assert.InDelta(t, 100*16.0/16.5, r.Allocated["cpu"], 1e-9)
	require.NotNil(t, r.FirstRejection)
	assert.InDelta(t, 100*20.0/16.5, *r.FirstRejection, 1e-9, "a, b and c ask for 20 of 16.5 cores")
}

// Every task is placed or rejected, and asking about every node for every task changes nothing.
func TestQualityIsThatOfAnExhaustiveSearch(t *testing.T) {
	c := trace.Google(50, 500, 7)
	require.NoError(t, c.Inflate(1200, 7))
	for _, s := range strategies(7) {
		t.Run(s.String(), func(t *testing.T) {
			var rows [2]row
			for i := range rows {
				state, err := scheduler.NewState(scheduler.StateConfig{}, c.Nodes...)
				require.NoError(t, err)
				sched, err := scheduler.New(state, scheduler.Config{Strategy: s, Exhaustive: i == 0})
				require.NoError(t, err)
				tasks := c.Tasks()
				out, err := sched.Schedule(t.Context(), tasks...)
				require.NoError(t, err)
				snapshot, err := state.Snapshot(t.Context())
				require.NoError(t, err)
				rows[i] = quality(c, snapshot, tasks, out)
				assert.Equal(t, len(tasks), len(out.Placed)+rows[i].Rejected.all())
			}
			assert.Equal(t, rows[0], rows[1])
		})
	}
}

func TestRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), []string{"-short", "-format", "json"}, &out))
	var d document
	require.NoError(t, json.Unmarshal(out.Bytes(), &d))
	assert.Len(t, d.Rows, 2*4, "two loads, four strategies")
	for _, r := range d.Rows {
		assert.Positive(t, r.Speed)
	}
}

func TestBadArguments(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"format":   {[]string{"-format", "xml"}, `-format "xml": neither table nor json`},
		"argument": {[]string{"x"}, `unexpected argument "x"`},
		"several":  {[]string{"-format", "xml", "x", "y"}, "unexpected argument \"x\"\nunexpected argument \"y\"\n-format \"xml\": neither table nor json"},
		"folder":   {[]string{"-data", "testdata"}, `-data testdata: no openb_pod_list_*.csv in it`},
	} {
		t.Run(name, func(t *testing.T) {
			assert.EqualError(t, run(t.Context(), c.args, &bytes.Buffer{}), c.want)
		})
	}
}

func TestWorkloadsOfTheTrace(t *testing.T) {
	if _, err := os.Stat(data); err != nil {
		t.Skipf("the openb trace is not beside this repository: %v", err)
	}
	cells, err := workloads(true, data, 1)
	require.NoError(t, err)
	c := cells[len(cells)-1]
	assert.Equal(t, "default at 130 %", c.Name)
	// 6,212 GPUs; the next task, of at most 8 GPUs, would have asked for more than 130 %.
	assert.LessOrEqual(t, c.Asks(trace.GPU), int64(6_212_000*13/10))
	assert.Greater(t, c.Asks(trace.GPU), int64(6_212_000*13/10-8000))
}

package extender_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	v1 "k8s.io/api/core/v1"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/allocator"
	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/kubernetes/extender"
	"github.com/berth-sched/berth/placement"
)

// The file that the documentation of File shows is read as it stands there.
func TestReadFile(t *testing.T) {
	source, err := os.ReadFile("file.go")
	require.NoError(t, err)
	var text strings.Builder
	for _, line := range strings.Split(string(source), "\n") {
		if shown, ok := strings.CutPrefix(line, "//\t"); ok {
			text.WriteString(shown + "\n")
		}
	}
	config, reads, err := extender.ReadFile([]byte(text.String()))
	require.NoError(t, err, text.String())
	assert.Equal(t, extender.Decide, config.Mode)
	assert.Equal(t, placement.BinPack("cpu", "gpu").Seed(7).String(), config.Strategy.String())
	assert.Equal(t, []time.Duration{30 * time.Second, 10 * time.Second, 90 * time.Second, time.Minute, 30 * time.Second}, []time.Duration{config.HoldFor, config.BindFor, config.DoubtFor, config.MostSilence, config.RetryFor})
	tree := config.Tenants.Order.(allocator.Tree)
	assert.NotNil(t, tree.Policy)
	tree.Policy = nil
	assert.Equal(t, allocator.Tree{Exclude: []string{"pods"}, Hierarchical: true, Weights: map[berth.Role]allocator.Weight{"eng": 2000, "eng/search": 2000, "sales": 500}}, tree)
	assert.Equal(t, []berth.Quota{
		{Role: "eng/search", Guarantees: berth.Resources{"cpu": 4000, "memory": 16 << 30}},
		{Role: "sales", Limits: berth.Resources{"cpu": 10000, "gpu": 4000}},
	}, config.Tenants.Quotas)
	assert.Equal(t, []string{v1.DefaultSchedulerName}, reads.Schedulers)
	assert.Equal(t, []adapter.Devices{{Class: "gpu", Whole: "nvidia.com/gpu", Share: "example.com/gpu-milli", Model: "nvidia.com/gpu.product"}}, reads.Adapter.Devices)
	assert.True(t, reads.Adapter.Rules)
	role := func(label string) berth.Role {
		return reads.Adapter.Role(pod("a", "1", func(p *v1.Pod) { p.Labels = map[string]string{"team": label} }))
	}
	assert.Equal(t, []berth.Role{"search", "eng/search", "sales/web/ads", "shop", "shop"}, []berth.Role{role("search"), role("eng.search"), role("ads"), role(""), role("..")})
}

func TestReadFileTellsAllFaults(t *testing.T) {
	_, _, err := extender.ReadFile([]byte(`
mood: decide
strategy: best-guess
holdFor: -1s
schedulerNames: [""]
devices: [{class: gpu}, {class: gpu, whole: a, share: a}]
tenants:
  weights: {a: 0, b: -1}
  limits: {c: {cpu: "-1"}, d: {cpu: "1"}}
  guarantees: {d: {cpu: "2"}}
  exclude: [x, x]
  under: {e: a//b}
`))
	require.Error(t, err)
	for _, fault := range []string{
		`unknown field "mood"`, "strategy: ", "holdFor: -1s is negative", "schedulerNames[0]: it is empty", "devices[0]: neither whole nor share",
		`devices[1].class: "gpu" is there twice`, `devices[1]: the resource "a" is there twice`, "tenants.weights.a: 0 is not", "tenants.weights.b: -1 is not",
		"tenants.limits.c.cpu: -1 is negative", `"cpu"`, `"x"`,
		`devices[1]: the resource "a" is none that devices are counted by`, `tenants.exclude[0]: "x": no node can have it`, "tenants.under.e: ",
	} {
		assert.ErrorContains(t, err, fault)
	}
	_, _, again := extender.ReadFile([]byte("doubtFor: -1s\nmostSilence: -2s\nbindFor: -3s\nholdFor: -4s"))
	assert.EqualError(t, again, "extender: file: holdFor: -4s is negative\nextender: file: bindFor: -3s is negative\n"+
		"extender: file: doubtFor: -1s is negative\nextender: file: mostSilence: -2s is negative", "in the order of the fields")
	_, _, err = extender.ReadFile([]byte(`
mode: maybe
holdFor: 30
strategy: nonsense
mood: x
devices: [{class: gpu, whole: nvidia.com/gpu}]
tenants:
  fair: 7
  mood: x
  weights: {a: 0}
  limits: {a: {nvidia.com/gpu: "4", cpus: "4", hugepages-2Mi: 4Mi, hugepages-big: 1, storage: 1Gi, example.com/x: 1, kubernetes.io/x: 1}}
  guarantees: {a: {cpu: 1e30}}
`))
	require.Error(t, err)
	for _, fault := range []string{
		`mode: extender: mode "maybe"`, "holdFor: json", "strategy: placement", `mood: unknown field "mood"`, "tenants.fair: json", `tenants.mood: unknown field "tenants.mood"`,
		"tenants.weights.a: 0 is not", `tenants.limits.a.nvidia.com/gpu: nothing has it: it counts devices of class "gpu"`, "tenants.guarantees.a.cpu: ",
		"tenants.limits.a.cpus: no node can have it", "tenants.limits.a.hugepages-big: no node", "tenants.limits.a.storage: no node", "tenants.limits.a.kubernetes.io/x: no node",
	} {
		assert.ErrorContains(t, err, fault, "a value of the wrong type hides nothing")
	}
	for _, known := range []string{"hugepages-2Mi", "example.com/x"} {
		assert.NotContains(t, err.Error(), known+":")
	}
	_, _, err = extender.ReadFile([]byte("strategy: binpack(cpu, gpus)\ndevices: [{class: gpu, whole: nvidia.com/gpu}]"))
	assert.ErrorContains(t, err, "strategy: gpus: no node can have it")
	_, _, err = extender.ReadFile([]byte("# ours\n---\nmode: decide\n---\nseed: 7\n"))
	assert.ErrorContains(t, err, "more than one document")
	_, _, err = extender.ReadFile([]byte("# ours\n---\nmode: decide\n---\n# the end\n"))
	require.NoError(t, err)
	for _, text := range []string{"[", "mode: maybe", "a: 1\na: 2", "holdFor: [1]"} {
		_, _, err := extender.ReadFile([]byte(text))
		assert.ErrorContains(t, err, "extender: ", text)
	}
	config, _, err := extender.ReadFile(nil)
	require.NoError(t, err, "nothing is all defaults")
	assert.Equal(t, extender.Advise, config.Mode)
}

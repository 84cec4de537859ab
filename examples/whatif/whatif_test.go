package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the expected answers in testdata")

func ask(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	err := run(context.Background(), args, strings.NewReader(stdin), &out)
	return out.String(), err
}

// The answers about a cluster of six nodes, for people and for programs.
func TestAnswers(t *testing.T) {
	for name, args := range map[string]string{
		"fits-web":    "fits -pod testdata/web.yaml",
		"fits-gpu":    "fits -like ml/train-0 -device gpu=nvidia.com/gpu",
		"place-web":   "place -pods testdata/web.yaml",
		"place-batch": "place -pods testdata/batch.yaml -pending",
		"drain":       "drain -nodes a1,a3",
	} {
		t.Run(name, func(t *testing.T) {
			text, err := ask(t, "", append(strings.Fields(args), "testdata/cluster.json")...)
			require.NoError(t, err)
			golden(t, name+".txt", text)
			encoded, err := ask(t, "", append(strings.Fields(args), "-json", "testdata/cluster.json")...)
			require.NoError(t, err)
			require.True(t, json.Valid([]byte(encoded)))
			golden(t, name+".json", encoded)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

// Eight half cores are free: two each on a1 (1,020m), a2, a3 and b1 (1,320m each). A new m5.xlarge has 3,920m, of which its proxy takes 100m: it
// takes seven. So 8 + 7k pods need k nodes, and one more needs another.
func TestMissing(t *testing.T) {
	for k := range 5 {
		for extra, want := range map[int]int{0: k, 1: k + 1, 7: k + 1} {
			n := 8 + 7*k + extra
			out, err := ask(t, "", "place", "-json", "-n", fmt.Sprint(n), "-pods", "testdata/half.yaml", "testdata/cluster.json")
			require.NoError(t, err)
			var got placing
			require.NoError(t, json.Unmarshal([]byte(out), &got))
			assert.Equal(t, 8, got.Placed)
			if want == 0 {
				assert.Empty(t, got.Missing, n)
				continue
			}
			require.NotEmpty(t, got.Missing)
			assert.Equal(t, more{Shape: "m5.xlarge, eu-1a, cpu 3920m, memory 15200Mi", Like: "a1", Nodes: want}, got.Missing[0], n)
		}
	}
}

// However many nodes are missing, they are found in a few plans: tried one by one, these would take a minute.
func TestManyAreMissing(t *testing.T) {
	for n, want := range map[int]int{8 + 7*1000: 1000, 8 + 7*500 + 1: 501} {
		out, err := ask(t, "", "place", "-json", "-n", fmt.Sprint(n), "-pods", "testdata/half.yaml", "testdata/cluster.json")
		require.NoError(t, err)
		var got placing
		require.NoError(t, json.Unmarshal([]byte(out), &got))
		assert.Equal(t, more{Shape: "m5.xlarge, eu-1a, cpu 3920m, memory 15200Mi", Like: "a1", Nodes: want}, got.Missing[0], n)
	}
}

// What fits is what can be placed: that many find a place, and one more does not.
func TestFitsIsWhatCanBePlaced(t *testing.T) {
	out, err := ask(t, "", "fits", "-json", "-pod", "testdata/half.yaml", "testdata/cluster.json")
	require.NoError(t, err)
	var f fitting
	require.NoError(t, json.Unmarshal([]byte(out), &f))
	require.Equal(t, 8, f.Kinds[0].More)
	for _, extra := range []int{0, 1} {
		out, err = ask(t, "", "place", "-json", "-n", fmt.Sprint(8+extra), "-pods", "testdata/half.yaml", "testdata/cluster.json")
		require.NoError(t, err)
		var p placing
		require.NoError(t, json.Unmarshal([]byte(out), &p))
		assert.Equal(t, 8, p.Placed)
		assert.Len(t, p.Left, extra)
	}
	out, err = ask(t, "", "fits", "-json", "-most", "3", "-pod", "testdata/half.yaml", "testdata/cluster.json")
	require.NoError(t, err)
	var most fitting
	require.NoError(t, json.Unmarshal([]byte(out), &most))
	assert.True(t, most.Kinds[0].AtLeast)
	assert.Equal(t, 3, most.Kinds[0].More)
}

// A dump is read alike from a file, from a pipe, as lists of one kind, in YAML, and in pieces.
func TestForms(t *testing.T) {
	want, err := ask(t, "", "fits", "-pod", "testdata/half.yaml", "testdata/cluster.json")
	require.NoError(t, err)
	whole, err := os.ReadFile("testdata/cluster.json")
	require.NoError(t, err)
	got, err := ask(t, string(whole), "fits", "-pod", "testdata/half.yaml", "-")
	require.NoError(t, err)
	assert.Equal(t, want, got)

	var list struct{ Items []map[string]any }
	require.NoError(t, json.Unmarshal(whole, &list))
	byKind := map[string][]map[string]any{}
	for _, item := range list.Items {
		kind := item["kind"].(string)
		delete(item, "kind") // as items of a typed list come
		byKind[kind] = append(byKind[kind], item)
	}
	var pieces bytes.Buffer
	for _, kind := range []string{"Pod", "Node"} {
		require.NoError(t, json.NewEncoder(&pieces).Encode(map[string]any{"kind": kind + "List", "items": byKind[kind]}))
	}
	got, err = ask(t, pieces.String(), "fits", "-pod", "testdata/half.yaml", "-")
	require.NoError(t, err)
	assert.Equal(t, want, got)
}

func TestFaults(t *testing.T) {
	const node = `{"kind":"Node","metadata":{"name":"n"},"status":{"allocatable":{"cpu":"1"}}}`
	for name, c := range map[string]struct {
		stdin, args string
		want        []string
	}{
		"no question":        {"", "", []string{"no question"}},
		"another question":   {"", "why", []string{`no question "why"`}},
		"unknown flag":       {"", "drain -bogus x", []string{"-bogus", "whatif drain -h"}},
		"flags behind":       {"", "fits x -pod y", []string{"-pod stands behind a dump"}},
		"input twice":        {node, "fits -pod - -", []string{"- is there twice"}},
		"no object":          {"hello", "drain -nodes n -", []string{`"\"hello\"" is no object`}},
		"a list of JSON":     {"[1]", "drain -nodes n -", []string{"is no object"}},
		"no item":            {`{"kind":"List","items":[7]}`, "drain -nodes n -", []string{"item 0", "is no object"}},
		"too many":           {node, "place -n 9223372036854775807 -pod testdata/half.yaml -", []string{"more than 100000 pods"}},
		"fewer than none":    {node + `{"kind":"Pod","metadata":{"name":"a","uid":"u"}}`, "place -pod testdata/negative.yaml -", []string{"default/Deployment/web: -1 replicas"}},
		"all flags at once":  {"", "fits -n -1 -most 0", []string{"no dump", "either -pod or -like", "-n -1", "-most 0"}},
		"no node":            {"", "drain x", []string{"-nodes names"}},
		"device":             {"", "drain -device gpu x", []string{"not class=whole"}},
		"strategy":           {"", "drain -strategy nonsense( x", []string{"strategy"}},
		"no such file":       {"", "drain -nodes n testdata/none", []string{"testdata/none"}},
		"empty":              {"", "drain -nodes n -", []string{"-: nothing is in it"}},
		"no JSON":            {"{", "drain -nodes n -", []string{"document 1"}},
		"no kind":            {"{}", "drain -nodes n -", []string{"without a kind"}},
		"no nodes":           {`{"kind":"List","items":[]}`, "drain -nodes n -", []string{"no node"}},
		"deep":               {`{"kind":"List","items":[{"kind":"List","items":[{"kind":"List","items":[{"kind":"List"}]}]}]}`, "drain -nodes n -", []string{"lists within"}},
		"wrong type":         {`{"kind":"Node","metadata":{"name":"n"},"spec":{"taints":7}}`, "drain -nodes n -", []string{"Node n"}},
		"node twice":         {node + node, "drain -nodes n -", []string{"n"}},
		"unknown nodes":      {node, "drain -nodes x,y -", []string{"x", "y"}},
		"two pods at fault":  {node + `{"kind":"Pod","metadata":{"name":"a"}} {"kind":"Pod","metadata":{"name":"b"}}`, "drain -nodes n -", []string{"pod a has no UID", "pod b has no UID"}},
		"no such pod":        {node, "fits -like a/b -", []string{"no pod a/b"}},
		"negative":           {node + `{"kind":"Pod","metadata":{"name":"a","uid":"u"},"spec":{"nodeName":"n","containers":[{"resources":{"requests":{"cpu":"-1"}}}]}}`, "drain -nodes n -", []string{"pod a"}},
		"nothing to ask for": {node, "fits -pod testdata/cluster-only-nodes.json -", []string{"no pod and nothing"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ask(t, c.stdin, strings.Fields(c.args)...)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

// Whatever a dump says, there is an answer or an error.
func FuzzDump(f *testing.F) {
	whole, err := os.ReadFile("testdata/cluster.json")
	require.NoError(f, err)
	f.Add(string(whole))
	f.Add(`{"kind":"List","items":[null,{"kind":"Node"}]}`)
	f.Add("kind: NodeList\nitems: [{metadata: {name: a}, status: {allocatable: {cpu: 9E99, pods: -1}}}]\n---\n---\n")
	f.Add(`{"kind":"PodList","items":[{"metadata":{"uid":"a","name":"a"},"spec":{"nodeName":"a"}},{"metadata":{"uid":"a"}}]}`)
	f.Fuzz(func(t *testing.T, dump string) {
		for _, args := range []string{"fits -most 3 -pod testdata/half.yaml -", "place -most 3 -pending -pod testdata/web.yaml -", "drain -nodes a1 -"} {
			_, _ = ask(t, dump, strings.Fields(args)...)
		}
	})
}

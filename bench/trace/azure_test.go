package trace_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/bench/trace"
)

func azureFolder(t *testing.T, change map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{
		"v1.test.txt":         "300 g,|,b,b,|,\n600 b,|,\n",
		"v1.test.c900.txt":    "300 U1,|,U0,C2,|,\n600 C0,|,\n",
		"flav_map.txt":        "1,1.75 b\n2,3.5 g\n",
		"v1.interval_map.txt": "0 0\n300 1\n600 1\n900 2\n1200 2\n",
	}
	for name, text := range change {
		files[name] = text
	}
	for name, text := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666))
	}
	return filepath.Join(dir, "v1.test.txt")
}

func TestLoadAzure(t *testing.T) {
	path := azureFolder(t, nil)
	found, err := trace.FindAzure(filepath.Dir(path))
	require.NoError(t, err)
	assert.Equal(t, []string{path}, found)
	a, err := trace.LoadAzure(path)
	require.NoError(t, err)
	// 1.75 GB is 1.75 * 2^30 bytes; bin 1 is of 300 and 600 seconds, its middle 450; bin 2 is the last and begins at 900.
	assert.Equal(t, []trace.VM{
		{At: 300, Batch: 0, CPU: 2000, Memory: 3758096384, Life: 450},
		{At: 300, Batch: 1, CPU: 1000, Memory: 1879048192, Life: 0},
		{At: 300, Batch: 1, CPU: 1000, Memory: 1879048192, Life: 900, Open: true},
		{At: 600, Batch: 2, CPU: 1000, Memory: 1879048192, Life: 0, Open: true},
	}, a.VMs)
}

func TestLoadAzureRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		file, text, want string
	}{
		"kind":          {"v1.test.txt", "300 z,|,b,b,|,\n600 b,|,\n", `v1.test.txt:1: second 300: word 1: no kind "z"`},
		"cut short":     {"v1.test.txt", "300 g,|,b,b,|,\n", "1 lines, and "},
		"too long":      {"v1.test.txt", "300 g,|,b,b,|,\n600 b,|,\n900 b,|,\n", "has no such line"},
		"second":        {"v1.test.txt", "300 g,|,b,b,|,\n-600 b,|,\n", `v1.test.txt:2: second "-600": not a whole number`},
		"batch":         {"v1.test.txt", "300 g,b,|,b,|,\n600 b,|,\n", "word 2 ends a batch in one of the two files"},
		"fewer":         {"v1.test.txt", "300 g,|,b,|,\n600 b,|,\n", "second 300: 4 arrivals, and 5 in "},
		"duration":      {"v1.test.c900.txt", "300 U1,|,U9,C2,|,\n600 C0,|,\n", `word 3: no duration "U9"`},
		"letter":        {"v1.test.c900.txt", "300 U1,|,UU1,C2,|,\n600 C0,|,\n", `no duration "UU1"`},
		"flavour":       {"flav_map.txt", "1,-1.75 b\n2,3.5 g\n", `flav_map.txt:1: "1,-1.75 b" is not of the form CORES,GB LETTER`},
		"flavour twice": {"flav_map.txt", "1,1.75 b\n2,3.5 b\n", `flav_map.txt:2: "b" is there twice`},
		"bins":          {"v1.interval_map.txt", "0 0\n300 2\n", "v1.interval_map.txt:2: bin 2 after bin 0"},
		"empty":         {"v1.interval_map.txt", "", "v1.interval_map.txt: nothing in it"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := trace.LoadAzure(azureFolder(t, map[string]string{c.file: c.text}))
			assert.ErrorContains(t, err, c.want)
		})
	}
}

func TestAzureTrace(t *testing.T) {
	const path = "../../../shared/data/azure-v1-vm-arrivals/v1.test.txt"
	if _, err := os.Stat(path); err != nil {
		t.Skipf("the trace is not beside this repository: %v", err)
	}
	a, err := trace.LoadAzure(path)
	require.NoError(t, err)
	assert.Len(t, a.VMs, 410_276, "as its description says")
	open := 0
	for _, v := range a.VMs {
		if v.Open {
			open++
		}
	}
	assert.Equal(t, 23_311, open)
	assert.Equal(t, 82_946, a.VMs[len(a.VMs)-1].Batch+1)
}

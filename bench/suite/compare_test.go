package suite_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/bench/suite"
)

func documentOf(rejected ...float64) *suite.Document {
	d := &suite.Document{Schema: suite.Schema, Complete: true}
	for i, v := range rejected {
		d.Quality.Results = append(d.Quality.Results, suite.Result{
			Key: suite.Key{Scenario: "fill", Workload: "w", Policy: "p", Seed: uint64(42 + i)}, Nodes: 10, Tasks: 100,
			Metrics: map[string]float64{"rejected": v},
		})
	}
	return d
}

func TestCompareIsPairedBySeed(t *testing.T) {
	// The differences are 1, 2 and 3: mean 2, standard deviation 1, so the interval is 2 ± 4.303 / sqrt(3) = 2 ± 2.484.
	changes, err := suite.Compare(documentOf(10, 20, 30), documentOf(11, 22, 33), false)
	require.NoError(t, err)
	require.Len(t, changes, 1)
	c := changes[0]
	assert.Equal(t, 3, c.Seeds)
	assert.InDelta(t, 20, c.Old, 1e-9)
	assert.InDelta(t, 22, c.New, 1e-9)
	assert.InDelta(t, -0.484, c.Low, 1e-3)
	assert.InDelta(t, 4.484, c.High, 1e-3)
	assert.Zero(t, c.Verdict(0), "zero is within the interval")

	for name, to := range map[string]struct {
		new       []float64
		tolerance float64
		want      int
	}{
		"equal":            {[]float64{10, 20, 30}, 0, 0},
		"worse":            {[]float64{12, 22, 32}, 0, -1},
		"better":           {[]float64{8, 18, 28.5}, 0, 1},
		"within tolerance": {[]float64{12, 22, 32}, 0.1, 0},
	} {
		changes, err := suite.Compare(documentOf(10, 20, 30), documentOf(to.new...), false)
		require.NoError(t, err)
		assert.Equal(t, to.want, changes[0].Verdict(to.tolerance), name)
	}
}

func TestCompareRefusesWhatDoesNotCompare(t *testing.T) {
	a, b := documentOf(1, 2), documentOf(1, 2)
	b.Quality.Results[1].Nodes = 11
	a.Quality.Inputs = []suite.Input{{Name: "nodes.csv", SHA256: "aa"}}
	b.Quality.Inputs = []suite.Input{{Name: "nodes.csv", SHA256: "bb"}}
	_, err := suite.Compare(a, b, false)
	assert.ErrorContains(t, err, "input nodes.csv: not the same file in both")
	assert.ErrorContains(t, err, "fill, w, seed 43: 10 nodes and 100 tasks in one, 11 and 100 in the other")
	_, err = suite.Compare(documentOf(1), documentOf(), false)
	assert.EqualError(t, err, "the two have no case in common")
}

func TestCompareCommand(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, d *suite.Document) string {
		path := filepath.Join(dir, name)
		var b bytes.Buffer
		require.NoError(t, d.WriteJSON(&b))
		require.NoError(t, os.WriteFile(path, b.Bytes(), 0o666))
		return path
	}
	old, worse := write("old.json", documentOf(10, 20)), write("worse.json", documentOf(11, 21))
	code, out, diagnostics := command(t, "compare", old, old)
	assert.Equal(t, suite.ExitOK, code, diagnostics)
	assert.Equal(t, "1 figures: 0 worse, 0 better, 1 equal, 0 within chance or of no direction\n", out)
	code, out, diagnostics = command(t, "compare", old, worse)
	assert.Equal(t, suite.ExitWorse, code)
	assert.Contains(t, out, "rejected  15  ->  16")
	assert.Contains(t, diagnostics, "1 figures are worse")
	code, _, _ = command(t, "compare", "-tolerance", "10", old, worse)
	assert.Equal(t, suite.ExitOK, code)
	code, _, _ = command(t, "compare", worse, old)
	assert.Equal(t, suite.ExitOK, code, "better is no fault")
	write("results.json", documentOf(11, 21))
	code, out, _ = command(t, "compare", old, dir)
	assert.Equal(t, suite.ExitWorse, code, "a folder is that of a run")
	assert.Contains(t, out, "rejected  15  ->  16")

	// Seeds 42 and 43 of one run, 42 alone of the other: one result has no partner.
	code, out, _ = command(t, "compare", old, write("fewer.json", documentOf(10)))
	assert.Equal(t, suite.ExitOK, code)
	assert.Contains(t, out, "1 results of the old run are not in the new one, and not compared\n")
	_, out, _ = command(t, "compare", write("fewer.json", documentOf(10)), old)
	assert.Contains(t, out, "1 results of the new run are not in the old one, and not compared\n")
}

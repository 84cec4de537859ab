package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/bench/suite"
)

// results runs some of the suite and returns the path of its document.
func results(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	var out, diagnostics bytes.Buffer
	args := []string{"-nodes", "40", "-seeds", "2", "-scenario", "fill,scale,fairness", "-policy", "random,best-fit,fgd,drf,first-come", "-o", dir}
	require.Equal(t, suite.ExitOK, suite.New().Command(t.Context(), args, &out, &diagnostics), diagnostics.String())
	return filepath.Join(dir, "results.json")
}

func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		all[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name()))
		require.NoError(t, err)
	}
	return all
}

// Every chart of the report becomes a file, and the same one each time.
func TestEveryChartIsAFile(t *testing.T) {
	path := results(t)
	d, err := read(path)
	require.NoError(t, err)
	a, b := t.TempDir(), t.TempDir()
	var out bytes.Buffer
	require.NoError(t, run([]string{"-o", a, path}, &out))
	require.NoError(t, run([]string{"-o", b, path}, io.Discard))
	made := files(t, a)
	assert.Len(t, made, len(d.Charts()))
	assert.Equal(t, made, files(t, b))
	for _, c := range d.Charts() {
		text := string(made[fileName(c)+".svg"])
		require.NotEmpty(t, text, fileName(c))
		assert.NoError(t, wellFormed(text), fileName(c))
		// The names of lines, parts and policies can be read in it.
		for _, l := range c.Lines {
			assert.Contains(t, text, ">"+l.Name+"<", fileName(c))
		}
		for i, r := range c.Rows {
			assert.Contains(t, text, ">"+r.Policy+"<", fileName(c))
			assert.Len(t, c.Rows[i].Values, len(c.Parts))
		}
	}
	t.Log(out.String())
}

func wellFormed(text string) error {
	in := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := in.Token(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Of a line that is named alone a file has the line and no other, in every format.
func TestChoice(t *testing.T) {
	path := results(t)
	for _, format := range formats {
		dir := t.TempDir()
		require.NoError(t, run([]string{"-format", format, "-scenario", "fill", "-policy", "best-fit, random", "-width", "8", "-o", dir, path}, io.Discard))
		made := files(t, dir)
		require.NotEmpty(t, made)
		for name, text := range made {
			assert.True(t, strings.HasPrefix(name, "fill-") && strings.HasSuffix(name, "."+format), name)
			assert.NotEmpty(t, text, name)
			switch format {
			case "svg":
				assert.NotContains(t, string(text), ">fgd<", name)
				assert.Contains(t, string(text), ">best-fit<", name)
			case "png":
				_, err := png.Decode(bytes.NewReader(text))
				assert.NoError(t, err, name)
			}
		}
	}
}

// What cannot be drawn is told, all of it at once, and nothing is written.
func TestFaults(t *testing.T) {
	path := results(t)
	dir := t.TempDir()
	broken := filepath.Join(dir, "broken.json")
	require.NoError(t, os.WriteFile(broken, []byte(`{"schema": 1,`), 0o666))
	empty := filepath.Join(dir, "empty.json")
	text, err := json.Marshal(suite.Document{Schema: suite.Schema})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(empty, text, 0o666))
	into := filepath.Join(dir, "plots")
	for _, c := range []struct {
		args []string
		want []string
	}{
		{nil, []string{"one results.json is drawn, not 0", "-o: which folder?"}},
		{[]string{"-o", into, "-format", "gif", "-width", "1", "-height", "NaN", path, path},
			[]string{"not 2", `-format "gif": there are svg, pdf`, "-width 1: not within 2 to 200", "-height NaN"}},
		{[]string{"-o", into, "-scenario", "fil", "-policy", "best-fit,worst", path}, []string{`-scenario "fil": no chart`, `-policy "worst": no chart`}},
		{[]string{"-o", into, filepath.Join(dir, "none.json")}, []string{"none.json"}},
		{[]string{"-o", into, broken}, []string{"broken.json:1: unexpected end"}},
		{[]string{"-o", into, empty}, []string{"empty.json: nothing in it is drawn"}},
		{[]string{"-o", broken, path}, []string{"broken.json"}},
	} {
		err := run(c.args, io.Discard)
		require.Error(t, err, c.args)
		for _, want := range c.want {
			assert.ErrorContains(t, err, want)
		}
	}
	assert.NoDirExists(t, into)
}

// Figures of a document by another hand can be in any order, equal, negative or absurd: they are drawn, or told.
func TestOddFigures(t *testing.T) {
	draw := func(y float64) error {
		d := suite.Document{Schema: suite.Schema}
		key := func(policy string) suite.Key {
			return suite.Key{Scenario: "fill", Workload: "odd", Policy: policy, Seed: 1}
		}
		d.Quality.Results = []suite.Result{
			{Key: key("a"), Metrics: map[string]float64{"rejected.small": 3, "rejected.large": 0}, Curves: map[string]suite.Curve{"allocated.cpu": {X: []float64{2}, Y: []float64{7, 8}}}},
			{Key: key("b"), Metrics: map[string]float64{"rejected.small": -1}, Curves: map[string]suite.Curve{"allocated.cpu": {X: []float64{2, 1}, Y: []float64{y, -5}}}},
		}
		d.Timings = []suite.Timing{{Key: suite.Key{Scenario: "scale", Workload: "n-empty", Policy: "a"}, Nodes: -1, Metrics: map[string]float64{"decisions": 0}}}
		text, err := json.Marshal(d)
		require.NoError(t, err)
		path := filepath.Join(t.TempDir(), "odd.json")
		require.NoError(t, os.WriteFile(path, text, 0o666))
		return run([]string{"-o", t.TempDir(), path}, io.Discard)
	}
	for _, y := range []float64{0, -5, 1e-300, greatest, -greatest} {
		assert.NoError(t, draw(y), y)
	}
	for _, y := range []float64{1e300, -2 * greatest} {
		assert.ErrorContains(t, draw(y), "nothing is drawn so large", y)
	}
}

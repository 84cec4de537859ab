package suite_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/suite"
	"github.com/berth-sched/berth/placement"
)

const data = "../../../shared/data/alibaba-gpu-v2023"

// command runs the suite with arguments.
func command(t *testing.T, args ...string) (code int, out, diagnostics string) {
	t.Helper()
	var o, d bytes.Buffer
	code = suite.New().Command(t.Context(), args, &o, &d)
	return code, o.String(), d.String()
}

func quality(t *testing.T, d *suite.Document) string {
	t.Helper()
	text, err := json.Marshal(d.Quality)
	require.NoError(t, err)
	return fmt.Sprintf("%x", sha256.Sum256(text)) // the text itself would drown the failure
}

func TestQualityIsTheSameOnEveryRun(t *testing.T) {
	c := suite.Config{Nodes: 40, Seeds: 1, Policies: []string{"random", "priced-gaps", "usage"}}
	first, err := suite.New().Run(t.Context(), c)
	require.NoError(t, err)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	second, err := suite.New().Run(t.Context(), c)
	require.NoError(t, err)
	assert.Equal(t, quality(t, first), quality(t, second))
	assert.True(t, first.Complete)
}

// One node of 16 cores and one of half a core. The tasks ask for 12, 4, 4, 1 and 0.999 cores, which is 3/4, 1/4, 1/4, 1/16 and
// less than 1/16 of the larger node: the first two fill it, and of the others none fits.
func byHand(uint64) (*suite.Cell, error) {
	c := &suite.Cell{Nodes: []berth.Node{{ID: "n1", Capacity: berth.Resources{"cpu": 16000}}, {ID: "n2", Capacity: berth.Resources{"cpu": 500}}}}
	for i, cpu := range []int64{12000, 4000, 4000, 1000, 999} {
		task := berth.NewTask(string(rune('a'+i)), berth.GroupSpec{Request: berth.Resources{"cpu": cpu}})
		c.Arrivals = append(c.Arrivals, suite.Arrival{Task: task})
	}
	return c, nil
}

func TestFillByHand(t *testing.T) {
	s := suite.New()
	s.Workloads = []suite.Workload{{Name: "by hand", Cell: byHand}}
	d, err := s.Run(t.Context(), suite.Config{Nodes: 10, Seeds: 1, Scenarios: []string{"fill"}, Policies: []string{"first-fit"}})
	require.NoError(t, err)
	r := d.Quality.Results[len(d.Quality.Results)-1]
	require.Equal(t, "by hand", r.Workload)
	assert.Equal(t, "first fit", r.Strategy)
	near := func(metric string, want float64) {
		t.Helper()
		assert.InDelta(t, want, r.Metrics[metric], 1e-6, metric)
	}
	near("allocated.cpu", 100*16/16.5)
	near("first-rejection", 100*20/16.5) // the third task is turned away when 12 + 4 + 4 of 16.5 cores have arrived
	near("rejected", 60)
	near("rejected.large", 100.0/3) // one of the three that ask for a quarter or more
	near("rejected.medium", 100)
	near("rejected.small", 100)
	near("nodes-used", 1)
	near("nodes-bound", 1)
	// The free half core is on the small node, on which no typical task fits.
	near("stranded.cpu", 100*0.5/16.5)
	// After each arrival, in % of 16.5 cores: arrived 72.7, 97.0, 121.2, 127.3, 133.3; allocated 72.7, then 97.0.
	assert.Equal(t, []float64{73, 97, 121, 127, 133}, r.Curves["allocated"].X)
	assert.InDeltaSlice(t, []float64{72.727273, 96.969697, 96.969697, 96.969697, 96.969697}, r.Curves["allocated"].Y, 1e-5)
}

func TestOutputsAgree(t *testing.T) {
	dir := t.TempDir()
	code, out, diagnostics := command(t, "-nodes", "40", "-seeds", "2", "-scenario", "fill", "-policy", "best-fit,random", "-o", dir)
	require.Equal(t, suite.ExitOK, code, diagnostics)
	assert.Contains(t, out, "results in "+dir)
	file, err := os.Open(filepath.Join(dir, "results.json"))
	require.NoError(t, err)
	defer file.Close()
	d, err := suite.ReadJSON("results.json", file)
	require.NoError(t, err)
	require.Len(t, d.Quality.Results, 3*2*2, "three workloads, two policies, two seeds")

	text, err := os.ReadFile(filepath.Join(dir, "results.csv"))
	require.NoError(t, err)
	lines, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	require.NoError(t, err)
	want := 1
	for _, r := range d.Quality.Results {
		want += len(r.Metrics)
		for _, c := range r.Curves {
			want += len(c.X)
		}
	}
	for _, r := range d.Timings {
		want += len(r.Metrics)
	}
	assert.Len(t, lines, want)

	page, err := os.ReadFile(filepath.Join(dir, "report.html"))
	require.NoError(t, err)
	html := string(page)
	assert.NotContains(t, html, "ZgotmplZ", "nothing of the page was refused by its template")
	assert.NotContains(t, html, "http://")
	assert.NotContains(t, html, "https://", "a page that needs nothing from elsewhere")
	assert.Contains(t, html, "best-fit")
	require.Equal(t, []suite.About{{"random", "any node that can take the task"}}, d.Policies[:1])
	assert.Contains(t, html, "<dt>random</dt><dd>any node that can take the task.</dd>")
	a, b := d.Quality.Results[0].Metrics["stranded.cpu"], d.Quality.Results[2].Metrics["stranded.cpu"]
	require.Equal(t, d.Quality.Results[0].Policy, d.Quality.Results[2].Policy, "one policy, two seeds")
	mean, err := json.Marshal(float64(int64((a+b)/2*1e6+0.5)) / 1e6)
	require.NoError(t, err)
	assert.Contains(t, html, `data-v="`+string(mean)+`"`, "a mean over the seeds, in full")
	bench, err := os.ReadFile(filepath.Join(dir, "timings.txt"))
	require.NoError(t, err)
	assert.Regexp(t, `(?m)^BenchmarkSuite/scenario=fill/workload=gpu-130/policy=best-fit-\d+ 1 [0-9.]+ ns/op`, string(bench))
	_, err = os.Stat(filepath.Join(dir, "partial.jsonl"))
	assert.ErrorIs(t, err, os.ErrNotExist, "the run is whole")
}

// The page begins with a table of those who were compared with each other. Here one has 30, 20 and 10 % rejected of tasks that the others had as well, and
// what nobody rejects is told by the nodes that it took.
func TestReportBeginsWithAGlance(t *testing.T) {
	d := &suite.Document{Schema: suite.Schema, Complete: true}
	d.Quality.Seeds = []uint64{42}
	add := func(scenario, workload, policy string, metrics map[string]float64) {
		d.Quality.Results = append(d.Quality.Results, suite.Result{Key: suite.Key{Scenario: scenario, Workload: workload, Policy: policy, Seed: 42}, Nodes: 10, Metrics: metrics})
	}
	for i, policy := range []string{"one", "two", "three"} {
		add("fill", "much", policy, map[string]float64{"rejected": float64(30 - 10*i)})
		add("fill", "little", policy, map[string]float64{"rejected": 0, "nodes-used": float64(5 + i)})
		add("fill", "alike", policy, map[string]float64{"rejected": 0, "nodes-used": 5})
		add("mine", "of my own", policy, map[string]float64{"nodes-bound": float64(i), "whole": float64(50 * i)})
	}
	for i, order := range []string{"drf", "lottery"} {
		add("fairness", "a", order, map[string]float64{"gap-shares": float64(i)})
		add("offers", "b", order, map[string]float64{"gap-shares": float64(i)})
	}
	var page bytes.Buffer
	require.NoError(t, d.WriteHTML(&page))
	html := page.String()
	assert.Equal(t, 2, strings.Count(html, `<table class="sortable glance">`), "one of policies and one of orders")
	begin, end := strings.Index(html, `<table class="sortable glance">`), strings.Index(html, "</table>")
	first := html[begin:end]
	for _, want := range []string{"<b>fill</b>much", "rejected, %", "<b>fill</b>little", "nodes used, nodes", "<b>mine</b>of my own", "whole, %"} {
		assert.Contains(t, first, want)
	}
	assert.NotContains(t, first, "alike")
	assert.NotContains(t, first, "drf")
	assert.Contains(t, first, `</span>one</td><td data-v="1">1</td><td data-v="30" class="s0">30</td><td data-v="5" class="s5">5</td><td data-v="0" class="s0">0</td>`)
	assert.Contains(t, first, `</span>two</td><td data-v="0">0</td><td data-v="20" class="s2">20</td><td data-v="6" class="s2">6</td><td data-v="50" class="s2">50</td>`)
	assert.Contains(t, first, `</span>three</td><td data-v="2">2</td><td data-v="10" class="s5">10</td><td data-v="7" class="s0">7</td><td data-v="100" class="s5">100</td>`)
	assert.Contains(t, html, `href="#mine-of-my-own"`)
	assert.Contains(t, html, `id="mine-of-my-own"`)
}

func TestBrokenOffAndResumed(t *testing.T) {
	dir := t.TempDir()
	args := []string{"-nodes", "40", "-seeds", "1", "-scenario", "fill", "-o", dir}
	ctx, cancel := context.WithCancelCause(t.Context())
	s := suite.New()
	s.Policies[2].Strategy = func(*suite.Cell) (placement.Strategy, error) {
		cancel(errors.New("somebody pressed a key"))
		return placement.BinPack(), nil
	}
	var out, diagnostics bytes.Buffer
	assert.Equal(t, suite.ExitBroken, s.Command(ctx, args, &out, &diagnostics))
	assert.Contains(t, diagnostics.String(), "what was done is kept, and -resume goes on")
	text, err := os.ReadFile(filepath.Join(dir, "results.json"))
	require.NoError(t, err)
	assert.Contains(t, string(text), `"complete": false`)
	assert.Equal(t, 2, strings.Count(string(text), `{"scenario":"fill","workload":"google-2011-50"`)/2, "two results, and two timings")

	code, _, fault := command(t, args...)
	assert.Equal(t, suite.ExitFault, code)
	assert.Contains(t, fault, "-resume goes on with it")
	code, _, fault = command(t, append(args, "-resume", "-seeds", "2")...)
	assert.Equal(t, suite.ExitFault, code)
	assert.Contains(t, fault, "is of another run")

	// A line that was cut off when the power went is run again.
	path := filepath.Join(dir, "partial.jsonl")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, whole[:len(whole)-20], 0o666))
	code, _, fault = command(t, append(args, "-resume")...)
	require.Equal(t, suite.ExitOK, code, fault)
	file, err := os.Open(filepath.Join(dir, "results.json"))
	require.NoError(t, err)
	defer file.Close()
	d, err := suite.ReadJSON("results.json", file)
	require.NoError(t, err)
	at, err := suite.New().Run(t.Context(), suite.Config{Nodes: 40, Seeds: 1, Scenarios: []string{"fill"}})
	require.NoError(t, err)
	assert.Equal(t, quality(t, at), quality(t, d), "as if it had never been broken off")
}

func TestFaultsOfTheCommandLine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o666))
	for name, c := range map[string]struct {
		args []string
		want []string
	}{
		"all at once":    {[]string{"-nodes", "-3", "-seeds", "1000000", "-format", "xml", "-quick", "-full"}, []string{"-nodes -3: not within 1 to 2000000", "-seeds 1000000", `-format "xml"`, "one of them at most"}},
		"zero":           {[]string{"-nodes", "0"}, []string{"-nodes 0: at least 1 is needed"}},
		"scenario":       {[]string{"-scenario", "inflate"}, []string{`no scenario "inflate"; -list tells which there are`}},
		"policy":         {[]string{"-policy", "fast,best-fit"}, []string{`no policy or order "fast"`}},
		"nothing to run": {[]string{"-scenario", "fill", "-policy", "drf"}, []string{"nothing to run: fill compares policies, and none that is asked for"}},
		"an order only":  {[]string{"-scenario", "fairness", "-policy", "l2"}, []string{"nothing to run: fairness compares orders of roles"}},
		"sorted only":    {[]string{"-scenario", "scale", "-policy", "first-fit-decreasing"}, []string{"nothing to run: scale compares policies that do not sort, and none that is asked for"}},
		"without data":   {[]string{"-scenario", "azure"}, []string{"nothing to run: azure has no workload without files that it knows in the folder of -data"}},
		"folder":         {[]string{"-data", "nowhere"}, []string{"-data: stat nowhere: no such file"}},
		"file as folder": {[]string{"-data", file}, []string{"no folder"}},
		"unwritable":     {[]string{"-o", filepath.Join(file, "x")}, []string{"-o: mkdir"}},
		"resume":         {[]string{"-resume"}, []string{"-resume: it needs the folder of -o"}},
		"resume nothing": {[]string{"-resume", "-o", t.TempDir()}, []string{"-resume: no run to go on with"}},
		"verify":         {[]string{"verify", "nsdi"}, []string{"which experiment?"}},
		"verify nowhere": {[]string{"verify", "atc23", "-data", "nowhere"}, []string{"-data: stat nowhere"}},
		"verify empty":   {[]string{"verify", "atc23", "-data", t.TempDir()}, []string{"no openb_pod_list_*.csv in it"}},
		"compare one":    {[]string{"compare", "x"}, []string{"two files or folders are needed"}},
		"compare empty":  {[]string{"compare", file, file}, []string{"unexpected end of JSON input"}},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, diagnostics := command(t, c.args...)
			assert.Equal(t, suite.ExitFault, code)
			for _, w := range c.want {
				assert.Contains(t, diagnostics, w)
			}
		})
	}
}

func TestMalformedInputIsRefusedAndResultsKept(t *testing.T) {
	dir, in := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "results.json"), []byte("mine"), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(in, "openb_node_list_gpu_node.csv"), []byte("sn,cpu_milli,memory_mib,gpu,model\nn1,-4,100,2,T4\n"), 0o666))
	require.NoError(t, os.WriteFile(filepath.Join(in, "openb_pod_list_default.csv"), []byte("name,cpu_milli,memory_mib,num_gpu,gpu_milli\np1,1000,10,1,1000\np2,10"), 0o666))
	code, _, diagnostics := command(t, "-data", in, "-o", dir)
	assert.Equal(t, suite.ExitFault, code)
	assert.Contains(t, diagnostics, `openb_node_list_gpu_node.csv:2:4: cpu_milli "-4": negative`)
	assert.Contains(t, diagnostics, "openb_pod_list_default.csv:3: no line break at the end: the file is cut short")
	kept, err := os.ReadFile(filepath.Join(dir, "results.json"))
	require.NoError(t, err)
	assert.Equal(t, "mine", string(kept))
}

func TestHelpSaysWhatThereIs(t *testing.T) {
	for args, want := range map[string]string{"-h": "bench verify atc23 -h", "verify -h": "-expected folder", "verify atc23 -h": "-expected folder", "compare -h": "OLD and NEW are the results.json"} {
		code, out, diagnostics := command(t, strings.Fields(args)...)
		assert.Equal(t, suite.ExitOK, code, args)
		assert.Contains(t, out, want, args)
		assert.Empty(t, diagnostics, args)
	}
}

type full struct{}

var errFull = errors.New("no space left")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestOutputThatCannotBeWritten(t *testing.T) {
	for _, args := range [][]string{{"-nodes", "10", "-seeds", "1", "-scenario", "fill", "-policy", "first-fit"}, {"-list"}, {"-h"},
		{"-nodes", "10", "-seeds", "1", "-scenario", "fill", "-policy", "first-fit", "-format", "json"}} {
		var diagnostics bytes.Buffer
		assert.Equal(t, suite.ExitFault, suite.New().Command(t.Context(), args, full{}, &diagnostics), args)
		assert.Equal(t, "bench: no space left\n", diagnostics.String(), args)
	}
}

func TestSuiteSaysWhatItLacks(t *testing.T) {
	s := suite.New()
	s.Policies = append(s.Policies, suite.Policy{Name: "best-fit"}, suite.Policy{})
	s.Workloads = []suite.Workload{{Name: "none"}}
	err := s.Err()
	assert.ErrorContains(t, err, `policy "best-fit": there are two of that name`)
	assert.ErrorContains(t, err, "a policy without a name")
	assert.ErrorContains(t, err, `workload "none": it lacks a function`)
}

func TestVerifyOnTheTrace(t *testing.T) {
	if testing.Short() {
		t.Skip("sixteen runs of the experiment")
	}
	if _, err := os.Stat(data); err != nil {
		t.Skipf("the openb trace is not beside this repository: %v", err)
	}
	code, out, _ := command(t, "verify", "atc23", "-data", data, "-list", "default", "-seeds", "2")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	assert.Equal(t, suite.ExitOK, code)
	assert.Regexp(t, `^verify atc23: 5 of 5 published figures come out as published`, lines[len(lines)-1])
	for _, policy := range []string{"DotProd", "GpuClustering", "GpuPacking", "BestFit", "FGD"} {
		assert.Regexp(t, `(?m)^default +`+policy+` .* 2/2 .* as published$`, out)
	}
	assert.Regexp(t, `(?m)^default +FirstFit .* no published curve$`, out)
}

// A run whose power went within the first line of what it keeps goes on, is broken off after two cases, and goes on again.
func TestResumedFromHalfAFirstLine(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "partial.jsonl"), []byte(`{"schema":1,"be`), 0o666))
	args := []string{"-nodes", "10", "-seeds", "1", "-scenario", "fill", "-o", dir, "-resume"}
	ctx, cancel := context.WithCancel(t.Context())
	s := suite.New()
	s.Policies[2].Strategy = func(*suite.Cell) (placement.Strategy, error) {
		cancel()
		return placement.BinPack(), nil
	}
	var out, diagnostics bytes.Buffer
	require.Equal(t, suite.ExitBroken, s.Command(ctx, args, &out, &diagnostics), diagnostics.String())
	code, _, fault := command(t, args...)
	assert.Equal(t, suite.ExitOK, code, fault)
}

package browser_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/berth-sched/berth/bench/suite"
)

// chromium returns the browser of this machine, or skips the test.
func chromium(t *testing.T) string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no chromium and no google-chrome on PATH, in which the report would be looked at")
	return ""
}

// report runs some of the suite, and returns its document and the address of its report.
func report(t *testing.T) (*suite.Document, string) {
	dir := t.TempDir()
	var out, diagnostics bytes.Buffer
	args := []string{"-nodes", "40", "-seeds", "2", "-scenario", "fill,scale,fairness", "-policy", "random,best-fit,fgd,drf,first-come", "-o", dir}
	require.Equal(t, suite.ExitOK, suite.New().Command(t.Context(), args, &out, &diagnostics), diagnostics.String())
	file, err := os.Open(filepath.Join(dir, "results.json"))
	require.NoError(t, err)
	defer file.Close()
	d, err := suite.ReadJSON("results.json", file)
	require.NoError(t, err)
	return d, "file://" + filepath.Join(dir, "report.html")
}

// cell is one of a table in the page, by the texts of its section, row and column.
type cell struct{ Section, Policy, Column, Value string }

const cells = `[...document.querySelectorAll("section[id]")].flatMap(s => [...s.querySelectorAll(":scope > .wide > table.sortable")].flatMap(t => {
	const heads = [...t.tHead.rows[0].cells].map(h => h.innerText.trim());
	return [...t.tBodies[0].rows].flatMap(r => [...r.cells].slice(1).map((c, i) => ({Section: s.id, Policy: r.cells[0].innerText.trim(), Column: heads[i + 1], Value: c.dataset.v})));
}))`

func run[T any](ctx context.Context, t *testing.T, a chromedp.Action[T]) T {
	t.Helper()
	v, err := chromedp.Run(ctx, a)
	require.NoError(t, err)
	return v
}

// The report renders from a file, asks nothing of a network, logs nothing, has the figures of the document, sorts, and is as wide as its window in light, dark, on a
// telephone and on paper. With BERTH_SCREENSHOTS=DIR what it looks like is left there.
func TestReportInABrowser(t *testing.T) {
	path := chromium(t)
	d, address := report(t)
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]), chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.WindowSize(1280, 900))
	ctx, stop := chromedp.NewExecAllocator(t.Context(), options...)
	defer stop()
	ctx, stop = chromedp.NewContext(ctx)
	defer stop()
	ctx, stop = context.WithTimeout(ctx, 90*time.Second)
	defer stop()

	var mu sync.Mutex
	var said, asked []string
	require.NoError(t, chromedp.Listen(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *runtime.EventConsoleAPICalled:
			said = append(said, fmt.Sprint(e.Type, e.Args))
		case *runtime.EventExceptionThrown:
			said = append(said, e.ExceptionDetails.Text)
		case *log.EventEntryAdded:
			said = append(said, e.Entry.Text)
		case *network.EventRequestWillBeSent:
			asked = append(asked, e.Request.URL)
		}
	}))
	_, err := chromedp.Call(ctx, network.Enable, network.EnableParams{})
	require.NoError(t, err)
	_, err = chromedp.Call(ctx, log.Enable, cdp.Empty{})
	require.NoError(t, err)
	run(ctx, t, chromedp.Navigate(address))
	run(ctx, t, chromedp.WaitVisible("#measures"))
	found := run(ctx, t, chromedp.Evaluate[[]cell](cells))
	charts := run(ctx, t, chromedp.Evaluate[int](`document.querySelectorAll("svg").length`))
	marks := run(ctx, t, chromedp.Evaluate[int](`[...document.querySelectorAll("svg path, svg rect")].filter(e => /NaN|Infinity/.test(e.outerHTML)).length`))
	assert.NotZero(t, charts)
	assert.Zero(t, marks, "nothing is drawn nowhere")

	// Each figure of the document is in a cell, as the mean over seeds.
	shown := map[[2]string]map[string]bool{}
	for _, c := range found {
		k := [2]string{c.Section, c.Policy}
		if shown[k] == nil {
			shown[k] = map[string]bool{}
		}
		if c.Value != "" {
			shown[k][c.Value] = true
		}
	}
	means, compared := map[[3]string][]float64{}, 0
	for _, r := range d.Quality.Results {
		for metric, v := range r.Metrics {
			k := [3]string{r.Scenario + "-" + r.Workload, r.Policy, metric}
			means[k] = append(means[k], v)
		}
	}
	for k, values := range means {
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		near := false
		for text := range shown[[2]string{k[0], k[1]}] {
			v, err := strconv.ParseFloat(text, 64)
			require.NoError(t, err)
			near = near || v-sum/float64(len(values)) < 1.01e-6 && sum/float64(len(values))-v < 1.01e-6
		}
		assert.True(t, near, "%v: %v is not shown", k, values)
		compared++
	}
	assert.Greater(t, compared, 100)

	// The first column of figures sorts, down and up.
	sorted := func() []float64 {
		run(ctx, t, chromedp.Click("table.sortable th:nth-child(2) button"))
		return run(ctx, t, chromedp.Evaluate[[]float64](`[...document.querySelector("table.sortable").tBodies[0].rows].map(r => Number(r.cells[1].dataset.v))`))
	}
	assert.True(t, slices.IsSorted(sorted()))
	down := sorted()
	slices.Reverse(down)
	assert.True(t, slices.IsSorted(down))

	for _, look := range []struct {
		name, media, scheme string
		width               int64
	}{{"light", "screen", "light", 1280}, {"dark", "screen", "dark", 1280}, {"narrow", "screen", "light", 400}, {"paper", "print", "light", 1280}} {
		_, err := chromedp.Call(ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: look.width, Height: 900, DeviceScaleFactor: 1})
		require.NoError(t, err)
		_, err = chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Media: look.media, Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: look.scheme}},
		})
		require.NoError(t, err)
		wide := run(ctx, t, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > innerWidth + 1`))
		back := run(ctx, t, chromedp.Evaluate[string](`getComputedStyle(document.body).backgroundColor`))
		picture := run(ctx, t, chromedp.FullScreenshot(90))
		assert.Equal(t, map[string]string{"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 28)", "narrow": "rgb(255, 255, 255)", "paper": "rgb(255, 255, 255)"}[look.name], back, look.name)
		assert.False(t, wide && look.media == "screen", "%s: the page is wider than its window", look.name)
		if dir := os.Getenv("BERTH_SCREENSHOTS"); dir != "" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, look.name+".jpg"), picture, 0o666))
		}
	}
	mu.Lock()
	defer mu.Unlock()
	assert.Empty(t, said, "nothing is logged")
	for _, url := range asked {
		assert.Regexp(t, `^(file|data):`, url)
	}
}

package suite

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// format is a form of a document, and the name of its file in the folder of -o.
type format struct {
	name, file string
	write      func(*Document, io.Writer) error
}

// resultsFile is the document in the folder of a run.
const resultsFile = "results.json"

var formats = []format{
	{"json", resultsFile, (*Document).WriteJSON},
	{"csv", "results.csv", (*Document).WriteCSV},
	{"markdown", "results.md", (*Document).WriteMarkdown},
	{"benchstat", "timings.txt", (*Document).WriteBenchstat},
	{"html", "report.html", (*Document).WriteHTML},
}

// WriteCSV writes every figure on a line of its own: section (quality or timing), scenario, workload, policy, seed, metric, x,
// value. x is empty but for the points of a curve.
func (d *Document) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w) // it keeps its first error
	out.Write([]string{"section", "scenario", "workload", "policy", "seed", "metric", "x", "value"})
	line := func(section string, k Key, metric, x string, v float64) {
		out.Write([]string{section, k.Scenario, k.Workload, k.Policy, strconv.FormatUint(k.Seed, 10), metric, x, number(v)})
	}
	for _, r := range d.Quality.Results {
		for _, name := range sorted(r.Metrics) {
			line("quality", r.Key, name, "", r.Metrics[name])
		}
		for _, name := range sorted(r.Curves) {
			c := r.Curves[name]
			for i := range min(len(c.X), len(c.Y)) {
				line("quality", r.Key, name, number(c.X[i]), c.Y[i])
			}
		}
	}
	for _, t := range d.Timings {
		for _, name := range sorted(t.Metrics) {
			line("timing", t.Key, name, "", t.Metrics[name])
		}
	}
	out.Flush()
	return out.Error()
}

func number(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func sorted[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// WriteBenchstat writes the timings as the lines of Go benchmarks, one for each case, which benchstat and other programs read.
func (d *Document) WriteBenchstat(w io.Writer) error {
	var b bytes.Buffer
	platform, arch, _ := strings.Cut(d.Machine.Platform, "/")
	fmt.Fprintf(&b, "goos: %s\ngoarch: %s\npkg: github.com/berth-sched/berth/bench\n", platform, arch)
	if d.Machine.CPU != "" {
		fmt.Fprintf(&b, "cpu: %s\n", d.Machine.CPU)
	}
	word := func(s string) string { return strings.Join(strings.Fields(s), "_") }
	for _, t := range d.Timings {
		fmt.Fprintf(&b, "BenchmarkSuite/scenario=%s/workload=%s/policy=%s-%d 1", word(t.Scenario), word(t.Workload), word(t.Policy), max(d.Machine.GOMAXPROCS, 1))
		if rate := t.Metrics["decisions"]; rate > 0 {
			fmt.Fprintf(&b, " %.1f ns/op", 1e9/rate)
		}
		for _, name := range sorted(t.Metrics) {
			unit := strings.ReplaceAll(name, ".", "-")
			switch name {
			case "decisions":
				unit = "decisions/s"
			case "bytes":
				unit = "B/op"
			}
			fmt.Fprintf(&b, " %s %s", number(t.Metrics[name]), unit)
		}
		b.WriteString("\n")
	}
	_, err := w.Write(b.Bytes())
	return err
}

// spread is a metric over the seeds: how many there were, their mean, standard deviation, least and greatest.
type spread struct {
	n                int
	mean, sd, lo, hi float64
}

func spreadOf(values []float64) spread {
	s := spread{n: len(values), mean: mean(values), sd: deviation(values)}
	if s.n > 0 {
		s.lo, s.hi = slices.Min(values), slices.Max(values)
	}
	return s
}

// row is what a policy made of a workload, over all seeds.
type row struct {
	policy  string
	metrics map[string][]float64
}

// group is a workload of a scenario, with a row for each policy, in the order of the document.
type group struct {
	scenario, workload string
	nodes              int
	rows               []*row
	columns            []string // metrics, in the order in which they are told
}

// groups gathers figures by scenario and workload.
func groups(n int, at func(int) (Key, int, map[string]float64)) []*group {
	var all []*group
	for i := range n {
		k, nodes, metrics := at(i)
		g := find(&all, func(g *group) bool { return g.scenario == k.Scenario && g.workload == k.Workload }, func() *group {
			return &group{scenario: k.Scenario, workload: k.Workload, nodes: nodes}
		})
		r := find(&g.rows, func(r *row) bool { return r.policy == k.Policy }, func() *row {
			return &row{k.Policy, map[string][]float64{}}
		})
		for name, v := range metrics {
			r.metrics[name] = append(r.metrics[name], v)
			if !slices.Contains(g.columns, name) {
				g.columns = append(g.columns, name)
			}
		}
	}
	for _, g := range all {
		slices.SortFunc(g.columns, func(a, b string) int {
			if c := place(a) - place(b); c != 0 {
				return c
			}
			return strings.Compare(a, b)
		})
	}
	return all
}

func find[T any](all *[]*T, is func(*T) bool, make func() *T) *T {
	if i := slices.IndexFunc(*all, is); i >= 0 {
		return (*all)[i]
	}
	*all = append(*all, make())
	return (*all)[len(*all)-1]
}

// place is where a metric stands among the measures; those that nobody described come last.
func place(metric string) int {
	name := measureOf(metric).Name
	if i := slices.IndexFunc(measures, func(m Measure) bool { return m.Name == name }); i >= 0 {
		return i
	}
	return len(measures)
}

func (d *Document) qualityGroups() []*group {
	rs := d.Quality.Results
	return groups(len(rs), func(i int) (Key, int, map[string]float64) { return rs[i].Key, rs[i].Nodes, rs[i].Metrics })
}

func (d *Document) timingGroups() []*group {
	ts := d.Timings
	return groups(len(ts), func(i int) (Key, int, map[string]float64) { return ts[i].Key, ts[i].Nodes, ts[i].Metrics })
}

// told prints a mean, with the standard deviation where there are several values that differ.
func told(values []float64) string {
	if len(values) == 0 {
		return ""
	}
	s := spreadOf(values)
	if s.sd == 0 {
		return figure(s.mean)
	}
	return figure(s.mean) + " ± " + figure(s.sd)
}

// figure prints a number as people read it: whole where it is large, and with two decimals at most.
func figure(v float64) string {
	switch {
	case v >= 1e15 || v <= -1e15:
		return strconv.FormatFloat(v, 'g', 3, 64)
	case v >= 1000 || v <= -1000:
		s := strconv.FormatFloat(v, 'f', 0, 64)
		for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
			s = s[:i] + "," + s[i:]
		}
		return s
	default:
		s := strconv.FormatFloat(v, 'f', 2, 64)
		return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
}

// WriteMarkdown writes a table for each workload of each scenario: a row for each policy, a column for each metric.
func (d *Document) WriteMarkdown(w io.Writer) error {
	var b bytes.Buffer
	if !d.Complete {
		b.WriteString("**Not complete: the run was broken off.**\n\n")
	}
	for _, part := range []struct {
		title string
		all   []*group
	}{{"", d.qualityGroups()}, {"Speed: ", d.timingGroups()}} {
		for _, g := range part.all {
			fmt.Fprintf(&b, "### %s%s, %s (%d nodes, %d seeds)\n\n| |", part.title, g.scenario, g.workload, g.nodes, len(d.Quality.Seeds))
			for _, c := range g.columns {
				fmt.Fprintf(&b, " %s |", heading(c))
			}
			b.WriteString("\n|---|" + strings.Repeat("--:|", len(g.columns)) + "\n")
			for _, r := range g.rows {
				fmt.Fprintf(&b, "| %s |", strings.ReplaceAll(r.policy, "|", "\\|"))
				for _, c := range g.columns {
					fmt.Fprintf(&b, " %s |", told(r.metrics[c]))
				}
				b.WriteString("\n")
			}
			b.WriteString("\n")
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// heading is a metric with its unit.
func heading(metric string) string {
	text := words(metric)
	if unit := measureOf(metric).Unit; unit != "" {
		text += ", " + unit
	}
	return text
}

// words is a metric's name in words.
func words(metric string) string { return strings.NewReplacer(".", " ", "-", " ").Replace(metric) }

package suite

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
)

//go:embed report.html
var reportText string

var reportTemplate = template.Must(template.New("report").Parse(reportText))

// report is what the page shows.
type report struct {
	*Document
	Sections []section
	Contents []contents
	Speed    []section
	Scale    []chart
	Measures []Measure
	Glances  []glance
	Colours  [seriesColours]struct{}
	Shades   [shades]struct{}
	Heats    [11]float64 // how dark a tenth in use is
}

type section struct {
	ID, Scenario, Workload string
	Nodes                  int
	Columns                []column
	Rows                   []line
	Charts                 []chart
	Heat                   []heatRow
}

// contents are the workloads of a scenario.
type contents struct {
	Scenario  string
	Workloads []section
}

type column struct{ Title, Means string }

type line struct {
	Policy string
	Colour int
	Cells  []cell
}

type cell struct {
	Value string // in full, to sort by
	Text  string
	Best  bool
}

type chart struct {
	Title  string
	Legend []line
	SVG    template.HTML
}

type heatRow struct {
	Policy string
	Maps   []chart
}

// WriteHTML writes a report for people: one page, with its style, its charts and its few lines of script in it, which
// needs nothing else and prints well. Every figure of its tables is in the document.
func (d *Document) WriteHTML(w io.Writer) error {
	p := report{Document: d, Measures: measures}
	for i := range p.Heats {
		p.Heats[i] = 0.06 + 0.09*float64(i)
	}
	policies := d.policyColours()
	for _, g := range d.qualityGroups() {
		s := sectionOf(g, policies)
		s.Charts = append(d.curveCharts(g, policies), partCharts(g)...)
		s.Heat = d.heat(g)
		p.Sections = append(p.Sections, s)
		if n := len(p.Contents); n == 0 || p.Contents[n-1].Scenario != s.Scenario {
			p.Contents = append(p.Contents, contents{Scenario: s.Scenario})
		}
		c := &p.Contents[len(p.Contents)-1]
		c.Workloads = append(c.Workloads, section{ID: s.ID, Workload: s.Workload})
	}
	for _, g := range d.timingGroups() {
		s := sectionOf(g, policies)
		s.ID = "speed-" + s.ID
		p.Speed = append(p.Speed, s)
	}
	p.Scale = d.scaleCharts(policies)
	p.Glances = d.glances(policies)
	var text bytes.Buffer
	if err := reportTemplate.Execute(&text, p); err != nil {
		return err
	}
	_, err := w.Write(text.Bytes())
	return err
}

// policyColours gives each policy one colour throughout the page.
func (d *Document) policyColours() map[string]int {
	all := map[string]int{}
	for _, r := range d.Quality.Results {
		if _, ok := all[r.Policy]; !ok {
			all[r.Policy] = len(all)
		}
	}
	return all
}

// anchor is a name as a part of an address in the page.
func anchor(name string) string { return strings.Join(strings.Fields(name), "-") }

func sectionOf(g *group, policies map[string]int) section {
	s := section{ID: sectionID(g), Scenario: g.scenario, Workload: g.workload, Nodes: g.nodes}
	for _, c := range g.columns {
		s.Columns = append(s.Columns, column{heading(c), measureOf(c).Means})
	}
	for _, r := range g.rows {
		l := line{Policy: r.policy, Colour: policies[r.policy] % seriesColours}
		for _, c := range g.columns {
			values := r.metrics[c]
			if len(values) == 0 {
				l.Cells = append(l.Cells, cell{})
				continue
			}
			l.Cells = append(l.Cells, cell{number(round(mean(values))), told(values), g.best(c, mean(values))})
		}
		s.Rows = append(s.Rows, l)
	}
	return s
}

// best reports whether no row is better in a metric, and some is worse.
func (g *group) best(metric string, v float64) bool {
	better := measureOf(metric).Better
	worse := false
	for _, r := range g.rows {
		if values := r.metrics[metric]; len(values) > 0 {
			o := mean(values)
			if better == Neither || better == Higher && o > v || better == Lower && o < v {
				return false
			}
			worse = worse || o != v
		}
	}
	return worse
}

// curveCharts draws each curve of a workload: a line for each policy, the mean over seeds, in the band of the seeds.
func (d *Document) curveCharts(g *group, policies map[string]int) (charts []chart) {
	var names []string
	for _, r := range d.Quality.Results {
		if r.Scenario == g.scenario && r.Workload == g.workload {
			for _, name := range sorted(r.Curves) {
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
	}
	for _, name := range names {
		c := chart{Title: heading(name) + " over " + curveOver(g.scenario)}
		var all []series
		for _, r := range g.rows {
			s := series{name: r.policy, colour: policies[r.policy]}
			at := map[float64][]float64{}
			for i := range d.Quality.Results {
				if x := &d.Quality.Results[i]; x.Scenario == g.scenario && x.Workload == g.workload && x.Policy == r.policy {
					curve := x.Curves[name]
					for j := range min(len(curve.X), len(curve.Y)) {
						at[curve.X[j]] = append(at[curve.X[j]], curve.Y[j])
					}
				}
			}
			for x := range at {
				s.xs = append(s.xs, x)
			}
			slices.Sort(s.xs)
			for _, x := range s.xs {
				p := spreadOf(at[x])
				s.ys, s.least, s.top = append(s.ys, p.mean), append(s.least, p.lo), append(s.top, p.hi)
			}
			if len(s.xs) > 0 {
				all = append(all, s)
				c.Legend = append(c.Legend, line{Policy: r.policy, Colour: s.colour % seriesColours})
			}
		}
		if all = fromWhereTheyPart(all); len(all) == 0 {
			continue // they are alike all the way, and the table says where to
		}
		c.SVG = lines(c.Title, curveOver(g.scenario), heading(name), all, false)
		charts = append(charts, c)
	}
	return charts
}

// fromWhereTheyPart leaves out of lines what they have in common at their beginning, which says nothing of any of them, but for a tenth of the rest. It
// returns nothing of several lines that never part.
func fromWhereTheyPart(all []series) []series {
	if len(all) < 2 {
		return all
	}
	at := make([]map[float64]float64, len(all))
	for i, s := range all {
		at[i] = map[float64]float64{}
		for j, x := range s.xs {
			at[i][x] = s.ys[j]
		}
	}
	apart := -1
	for i, x := range all[0].xs {
		for _, ys := range at[1:] {
			if y, ok := ys[x]; ok && apart < 0 && math.Abs(y-all[0].ys[i]) > 0.5 {
				apart = i
			}
		}
	}
	if apart < 0 {
		return nil
	}
	from := all[0].xs[max(apart-(len(all[0].xs)-apart+9)/10, 0)]
	for i := range all {
		s := &all[i]
		k, _ := slices.BinarySearch(s.xs, from)
		k = min(k, max(len(s.xs)-1, 0))
		s.xs, s.ys, s.least, s.top = s.xs[k:], s.ys[k:], s.least[k:], s.top[k:]
	}
	return all
}

// curveOver says what the curves of a scenario are over.
func curveOver(scenario string) string {
	switch scenario {
	case "fill", "stranding", "constraints":
		return "arrived load, %"
	case "fairness":
		return "round"
	default:
		return "time, % of the whole"
	}
}

// partCharts draws what is told by parts, as rejected by size and stranded by resource.
func partCharts(g *group) (charts []chart) {
	for _, name := range []string{"rejected", "stranded"} {
		var parts, names []string
		for _, c := range g.columns {
			if part, ok := strings.CutPrefix(c, name+"."); ok {
				parts = append(parts, part)
			}
		}
		if len(parts) == 0 {
			continue
		}
		most := 0.0
		for _, r := range g.rows {
			names = append(names, r.policy)
			for _, part := range parts {
				most = max(most, mean(r.metrics[name+"."+part]))
			}
		}
		if most == 0 {
			continue // nothing was, anywhere
		}
		title := heading(name) + map[string]string{"rejected": ", by task size", "stranded": ", by resource"}[name]
		charts = append(charts, chart{Title: title, SVG: bars(title, names, parts, func(i, j int) (float64, bool) {
			values := g.rows[i].metrics[name+"."+parts[j]]
			return mean(values), len(values) > 0
		})})
	}
	return charts
}

// heat draws the nodes as the first seed had them, at each moment that was noted.
func (d *Document) heat(g *group) (rows []heatRow) {
	for _, r := range d.Quality.Results {
		if r.Scenario != g.scenario || r.Workload != g.workload || len(r.Heat) == 0 || len(d.Quality.Seeds) == 0 || r.Seed != d.Quality.Seeds[0] {
			continue
		}
		h := heatRow{Policy: r.Policy}
		moments := sorted(r.Heat)
		slices.Reverse(moments) // "half" before "end", and "start" before "end"
		for _, m := range moments {
			h.Maps = append(h.Maps, chart{Title: m, SVG: heatMap(r.Policy+", "+m, r.Heat[m])})
		}
		rows = append(rows, h)
	}
	return rows
}

// scaleCharts draws speed over nodes, where a scenario was timed at several sizes.
func (d *Document) scaleCharts(policies map[string]int) (charts []chart) {
	for _, of := range []struct{ metric, title string }{
		{"decisions", "decisions a second"}, {"latency.p50", "median latency, ns"}, {"latency.p99", "99th percentile of latency, ns"},
	} {
		var all []*series
		points := map[*series]map[float64][]float64{}
		for _, t := range d.Timings {
			v, ok := t.Metrics[of.metric]
			if t.Scenario != "scale" || !ok {
				continue
			}
			_, kind, _ := strings.Cut(t.Workload, "-")
			name := t.Policy + ", " + kind
			s := find(&all, func(s *series) bool { return s.name == name }, func() *series {
				return &series{name: name, colour: len(all)}
			})
			if points[s] == nil {
				points[s] = map[float64][]float64{}
			}
			points[s][float64(t.Nodes)] = append(points[s][float64(t.Nodes)], v)
		}
		c := chart{Title: of.title + " over nodes"}
		var drawn []series
		for _, s := range all {
			for x := range points[s] {
				s.xs = append(s.xs, x)
			}
			slices.Sort(s.xs)
			for _, x := range s.xs {
				p := spreadOf(points[s][x])
				s.ys, s.least, s.top = append(s.ys, p.mean), append(s.least, p.lo), append(s.top, p.hi)
			}
			drawn = append(drawn, *s)
			c.Legend = append(c.Legend, line{Policy: s.name, Colour: s.colour % seriesColours})
		}
		if len(drawn) > 0 {
			c.SVG = lines(c.Title, "nodes", of.title, drawn, true)
			charts = append(charts, c)
		}
	}
	return charts
}

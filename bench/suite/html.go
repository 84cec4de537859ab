package suite

import (
	"bytes"
	_ "embed"
	"html/template"
	"io"
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
	charts := d.Charts()
	for _, g := range d.qualityGroups() {
		s := sectionOf(g, policies)
		s.Charts = drawn(charts, g.scenario, g.workload)
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
	p.Scale = drawn(charts, "scale", "")
	p.Glances = d.glances(policies)
	var text bytes.Buffer
	if err := reportTemplate.Execute(&text, p); err != nil {
		return err
	}
	_, err := w.Write(text.Bytes())
	return err
}

// drawn are the charts of a workload, in SVG.
func drawn(all []Chart, scenario, workload string) (charts []chart) {
	for _, c := range all {
		if c.Scenario != scenario || c.Workload != workload {
			continue
		}
		drawn := chart{Title: c.Title}
		if len(c.Parts) > 0 {
			drawn.SVG = bars(c)
		} else {
			drawn.SVG = lines(c)
		}
		for _, l := range c.Lines {
			drawn.Legend = append(drawn.Legend, line{Policy: l.Name, Colour: l.Colour % seriesColours})
		}
		charts = append(charts, drawn)
	}
	return charts
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

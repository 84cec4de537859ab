package suite

import (
	"math"
	"slices"
	"strings"
)

// Chart is one chart of a document, as data: lines over a common axis, or bars by policy and part. The report draws charts for a page, and
// the module bench/plots draws them with gonum/plot for a paper.
type Chart struct {
	Scenario string
	Workload string // empty where the lines are of several
	Metric   string // "allocated.gpu"
	Title    string
	X, Y     string // what the axes are of, units included; those of bars are for Y

	Logarithmic bool   // both axes are
	Lines       []Line // none of them is empty

	Parts []string // in which a metric of bars is told, such as sizes of tasks; nil for a chart of lines
	Rows  []Row
}

// Line is a line in a chart: at X[i] the mean of the seeds is Mean[i], the least Low[i] and the greatest High[i].
type Line struct {
	Policy             string
	Name               string // of the line; the policy's, and with what else tells it from others of the policy
	Colour             int    // from 0 on; lines of one policy have one colour in all charts of quality
	X, Mean, Low, High []float64
}

// Row is the bars of a policy, one for each part of the chart; NaN is for a part that it was not told for.
type Row struct {
	Policy string
	Values []float64
}

// Charts returns what there is to draw in a document: each curve of a workload, what is told by parts, and speed over nodes, in the order of
// the report. Curves of several policies that never part are left out, and so is what several have in common at the beginning.
func (d *Document) Charts() (charts []Chart) {
	policies := d.policyColours()
	for _, g := range d.qualityGroups() {
		charts = append(append(charts, d.curveCharts(g, policies)...), partCharts(g)...)
	}
	return append(charts, d.scaleCharts()...)
}

// lineOf makes a line of the values that were noted at each place.
func lineOf(policy, name string, colour int, at map[float64][]float64) Line {
	l := Line{Policy: policy, Name: name, Colour: colour}
	for x := range at {
		l.X = append(l.X, x)
	}
	slices.Sort(l.X)
	for _, x := range l.X {
		s := spreadOf(at[x])
		l.Mean, l.Low, l.High = append(l.Mean, s.mean), append(l.Low, s.lo), append(l.High, s.hi)
	}
	return l
}

// curveCharts are those of the curves of a workload: a line for each policy.
func (d *Document) curveCharts(g *group, policies map[string]int) (charts []Chart) {
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
		c := Chart{Scenario: g.scenario, Workload: g.workload, Metric: name, X: curveOver(g.scenario), Y: heading(name)}
		c.Title = words(name) + " over " + strings.TrimSuffix(c.X, ", %")
		for _, r := range g.rows {
			at := map[float64][]float64{}
			for i := range d.Quality.Results {
				if x := &d.Quality.Results[i]; x.Scenario == g.scenario && x.Workload == g.workload && x.Policy == r.policy {
					curve := x.Curves[name]
					for j := range min(len(curve.X), len(curve.Y)) {
						at[curve.X[j]] = append(at[curve.X[j]], curve.Y[j])
					}
				}
			}
			if len(at) > 0 {
				c.Lines = append(c.Lines, lineOf(r.policy, r.policy, policies[r.policy], at))
			}
		}
		if c.Lines = fromWhereTheyPart(c.Lines); len(c.Lines) > 0 {
			charts = append(charts, c)
		}
	}
	return charts
}

// fromWhereTheyPart leaves out of lines what they have in common at their beginning, which says nothing of any of them, but for a tenth of the rest. It
// returns nothing of several lines that never part: a table says where to they are alike.
func fromWhereTheyPart(all []Line) []Line {
	if len(all) < 2 {
		return all
	}
	at := make([]map[float64]float64, len(all))
	for i, l := range all {
		at[i] = map[float64]float64{}
		for j, x := range l.X {
			at[i][x] = l.Mean[j]
		}
	}
	apart := -1
	for i, x := range all[0].X {
		for _, ys := range at[1:] {
			if y, ok := ys[x]; ok && apart < 0 && math.Abs(y-all[0].Mean[i]) > 0.5 {
				apart = i
			}
		}
	}
	if apart < 0 {
		return nil
	}
	from := all[0].X[max(apart-(len(all[0].X)-apart+9)/10, 0)]
	for i := range all {
		l := &all[i]
		k, _ := slices.BinarySearch(l.X, from)
		k = min(k, max(len(l.X)-1, 0))
		l.X, l.Mean, l.Low, l.High = l.X[k:], l.Mean[k:], l.Low[k:], l.High[k:]
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

// partCharts are those of what is told by parts, as rejected by size and stranded by resource.
func partCharts(g *group) (charts []Chart) {
	for _, of := range []struct{ metric, by string }{{"rejected", "task size"}, {"stranded", "resource"}} {
		c := Chart{Scenario: g.scenario, Workload: g.workload, Metric: of.metric, Y: heading(of.metric)}
		c.Title = words(of.metric) + " by " + of.by + strings.TrimPrefix(c.Y, words(of.metric))
		for _, column := range g.columns {
			if part, ok := strings.CutPrefix(column, of.metric+"."); ok {
				c.Parts = append(c.Parts, part)
			}
		}
		most := 0.0
		for _, r := range g.rows {
			row := Row{Policy: r.policy}
			for _, part := range c.Parts {
				v := math.NaN()
				if values := r.metrics[of.metric+"."+part]; len(values) > 0 {
					v = mean(values)
					most = max(most, v)
				}
				row.Values = append(row.Values, v)
			}
			c.Rows = append(c.Rows, row)
		}
		if most > 0 { // else nothing was, anywhere
			charts = append(charts, c)
		}
	}
	return charts
}

// scaleCharts are those of speed over nodes, where a scenario was timed at several sizes.
func (d *Document) scaleCharts() (charts []Chart) {
	for _, of := range []struct{ metric, title string }{
		{"decisions", "decisions a second"}, {"latency.p50", "median latency, ns"}, {"latency.p99", "99th percentile of latency, ns"},
	} {
		var names []string
		policies := map[string]string{} // by name
		points := map[string]map[float64][]float64{}
		for _, t := range d.Timings {
			v, ok := t.Metrics[of.metric]
			if t.Scenario != "scale" || !ok {
				continue
			}
			_, kind, _ := strings.Cut(t.Workload, "-")
			name := t.Policy + ", " + kind
			if points[name] == nil {
				points[name] = map[float64][]float64{}
				policies[name] = t.Policy
				names = append(names, name)
			}
			points[name][float64(t.Nodes)] = append(points[name][float64(t.Nodes)], v)
		}
		c := Chart{Scenario: "scale", Metric: of.metric, Title: of.title + " over nodes", X: "nodes", Y: of.title, Logarithmic: true}
		for i, name := range names {
			c.Lines = append(c.Lines, lineOf(policies[name], name, i, points[name]))
		}
		if len(c.Lines) > 0 {
			charts = append(charts, c)
		}
	}
	return charts
}

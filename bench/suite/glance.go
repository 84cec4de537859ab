package suite

import (
	"fmt"
	"slices"
)

// The page begins with what a reader wants first: a row for each policy, a column for each workload with the one figure that says most of it, and a
// shade for how near it is to the best of the column.

// glance is such a table, of those who were compared with each other.
type glance struct {
	Columns []glanceColumn
	Rows    []glanceRow
}

type glanceColumn struct{ Scenario, Workload, Metric, Means, Link string }

type glanceRow struct {
	Policy string
	Colour int
	Best   int // columns in which nobody is better
	Cells  []glanceCell
}

type glanceCell struct {
	Value, Text string
	Shade       int // from 0, the worst, to shades-1, the best; -1 is none
}

const shades = 6

// headlines say by which figure a scenario is told in one: the first of these in which its rows differ.
var headlines = map[string][]string{
	"fill":        {"rejected", "nodes-used"},
	"compaction":  {"machines"},
	"churn":       {"rejected", "empty"},
	"azure":       {"rejected", "empty"},
	"packing":     {"bins"},
	"stranding":   {"rejected", "nodes-used"},
	"constraints": {"rejected", "zone-loss"},
	"gangs":       {"whole"},
	"fairness":    {"gap-departments", "gap-shares"},
	"offers":      {"gap-departments", "gap-shares"},
	"failure":     {"replaced", "zone-loss"},
	"drain":       {"replaced", "regained"},
	"reclaim":     {"ended", "claimed"},
	"defragment":  {"moves", "regained"},
	"scale":       {"decisions"},
	"million":     {"decisions"},
}

// headline returns the metric of a workload's column, or nothing if no figure has a better and a worse in it.
func (g *group) headline() string {
	candidates, known := headlines[g.scenario]
	if !known { // of a host's own
		candidates = g.columns
	}
	for _, c := range candidates {
		if measureOf(c).Better == Neither {
			continue
		}
		var first string
		for _, r := range g.rows {
			if values := r.metrics[c]; len(values) > 0 {
				if text := number(round(mean(values))); first == "" {
					first = text
				} else if text != first {
					return c
				}
			}
		}
	}
	return ""
}

// glances makes the tables, one for policies and one for orders where there are both: two workloads are in one if somebody is in both.
func (d *Document) glances(colours map[string]int) (all []glance) {
	type member struct {
		g      *group
		metric string
		link   string
	}
	var sets [][]member
	add := func(g *group, link string) {
		m := g.headline()
		if m == "" {
			return
		}
		shares := func(set []member) bool {
			return slices.ContainsFunc(set, func(o member) bool {
				return slices.ContainsFunc(o.g.rows, func(r *row) bool {
					return slices.ContainsFunc(g.rows, func(s *row) bool { return s.policy == r.policy })
				})
			})
		}
		merged := []member{}
		var others [][]member
		for _, set := range sets {
			if shares(set) {
				merged = append(merged, set...)
			} else {
				others = append(others, set)
			}
		}
		sets = append(others, append(merged, member{g, m, link}))
	}
	for _, g := range d.qualityGroups() {
		add(g, sectionID(g))
	}
	for _, g := range d.timingGroups() {
		if g.scenario == "scale" || g.scenario == "million" {
			add(g, "speed-"+sectionID(g))
		}
	}
	place := func(m member) int { return d.scenarioPlace(m.g.scenario) }
	for _, set := range sets {
		slices.SortStableFunc(set, func(a, b member) int { return place(a) - place(b) })
	}
	slices.SortStableFunc(sets, func(a, b []member) int { return place(a[0]) - place(b[0]) })
	for _, set := range sets {
		if len(set) < 2 {
			continue
		}
		t := glance{}
		for _, m := range set {
			t.Columns = append(t.Columns, glanceColumn{m.g.scenario, m.g.workload, heading(m.metric), measureOf(m.metric).Means, m.link})
			for _, r := range m.g.rows {
				if !slices.ContainsFunc(t.Rows, func(x glanceRow) bool { return x.Policy == r.policy }) {
					t.Rows = append(t.Rows, glanceRow{Policy: r.policy, Colour: colours[r.policy] % seriesColours})
				}
			}
		}
		for i := range t.Rows {
			for _, m := range set {
				t.Rows[i].Cells = append(t.Rows[i].Cells, m.g.glanceCell(t.Rows[i].Policy, m.metric))
			}
			for _, c := range t.Rows[i].Cells {
				if c.Shade == shades-1 {
					t.Rows[i].Best++
				}
			}
		}
		all = append(all, t)
	}
	return all
}

// scenarioPlace is where a scenario stands in the document.
func (d *Document) scenarioPlace(name string) int {
	return slices.IndexFunc(d.Quality.Results, func(r Result) bool { return r.Scenario == name })
}

// glanceCell shades a figure by where it is between the worst and the best of its column. Only what prints as the best has the last shade.
func (g *group) glanceCell(policy, metric string) glanceCell {
	lo, hi, mine, has := 0.0, 0.0, 0.0, false
	some := false
	for _, r := range g.rows {
		values := r.metrics[metric]
		if len(values) == 0 {
			continue
		}
		v := mean(values)
		if !some {
			lo, hi, some = v, v, true
		}
		lo, hi = min(lo, v), max(hi, v)
		if r.policy == policy {
			mine, has = v, true
		}
	}
	if !has {
		return glanceCell{Shade: -1}
	}
	c := glanceCell{Value: number(round(mine)), Text: figure(mine)}
	best, part := hi, (mine-lo)/(hi-lo)
	if measureOf(metric).Better == Lower {
		best, part = lo, 1-part
	}
	if c.Shade = min(int(part*(shades-1)), shades-2); c.Text == figure(best) {
		c.Shade = shades - 1
	}
	return c
}

func sectionID(g *group) string { return fmt.Sprintf("%s-%s", anchor(g.scenario), anchor(g.workload)) }

package suite

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strings"
)

// The page's charts are drawn by hand: lines, bands, bars and cells are all they have, and colours are classes, which the page's style gives for
// light, dark and paper. The module bench/plots draws them by a library, in colours of its own.

const (
	chartWidth, chartHeight                    = 720.0, 320.0
	marginLeft, marginRight, marginTop, margin = 64.0, 16.0, 12.0, 40.0
	seriesColours                              = 10
)

// axis maps values to the places between two ends of a chart.
type axis struct {
	lo, hi, from, to float64
	log              bool
}

func (a axis) at(v float64) float64 {
	lo, hi := a.lo, a.hi
	if a.log {
		v, lo, hi = math.Log10(max(v, 1e-9)), math.Log10(lo), math.Log10(hi)
	}
	if hi == lo {
		return a.from
	}
	return a.from + (v-lo)/(hi-lo)*(a.to-a.from)
}

// ticks returns round values within the axis, about so many.
func (a axis) ticks(n int) (values []float64) {
	if a.log {
		for p := math.Floor(math.Log10(a.lo)); p <= math.Ceil(math.Log10(a.hi)); p++ {
			for _, m := range []float64{1, 2, 5} {
				if v := m * math.Pow(10, p); v >= a.lo*0.999 && v <= a.hi*1.001 {
					values = append(values, v)
				}
			}
		}
		return values
	}
	step := math.Pow(10, math.Floor(math.Log10(max((a.hi-a.lo)/float64(n), 1e-9))))
	for _, m := range []float64{1, 2, 5, 10} {
		if (a.hi-a.lo)/(step*m) <= float64(n) {
			step *= m
			break
		}
	}
	for i := math.Ceil(a.lo / step); i*step <= a.hi+step/1e6; i++ {
		values = append(values, i*step)
	}
	return values
}

// extent returns the least and the greatest of all values, a little apart.
func extent(lists ...[]float64) (lo, hi float64) {
	lo, hi = math.Inf(1), math.Inf(-1)
	for _, l := range lists {
		for _, v := range l {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if lo > hi {
		return 0, 1
	}
	if lo == hi {
		return lo - 0.5, hi + 0.5
	}
	return lo, hi
}

// lines draws a chart of lines, each in the band between the least and the greatest of the seeds.
func lines(c Chart) template.HTML {
	var xs, ys [][]float64
	for _, l := range c.Lines {
		xs, ys = append(xs, l.X), append(ys, l.Low, l.High)
	}
	x := axis{from: marginLeft, to: chartWidth - marginRight, log: c.Logarithmic}
	y := axis{from: chartHeight - margin, to: marginTop, log: c.Logarithmic}
	x.lo, x.hi = extent(xs...)
	y.lo, y.hi = extent(ys...)
	if c.Logarithmic {
		x.lo, y.lo = max(x.lo, 1), max(y.lo, 1)
		x.hi, y.hi = max(x.hi, x.lo*1.1), max(y.hi, y.lo*1.1)
	} else if y.lo > 0 && y.lo < y.hi/2 {
		y.lo = 0
	}
	var b strings.Builder
	begin(&b, c.Title, chartWidth, chartHeight)
	for _, v := range x.ticks(10) {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`,
			x.at(v), x.at(v), y.from, y.to, x.at(v), y.from+16, figure(v))
	}
	for _, v := range y.ticks(6) {
		fmt.Fprintf(&b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`,
			x.from, x.to, y.at(v), y.at(v), x.from-6, y.at(v)+4, figure(v))
	}
	fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, (x.from+x.to)/2, chartHeight-6, html.EscapeString(c.X))
	fmt.Fprintf(&b, `<text transform="translate(14 %.1f) rotate(-90)" text-anchor="middle">%s</text>`, (y.from+y.to)/2, html.EscapeString(c.Y))
	for _, l := range c.Lines {
		colour := l.Colour % seriesColours
		if len(l.X) > 1 {
			fmt.Fprintf(&b, `<path class="band c%d" d="`, colour)
			for i := range l.X {
				fmt.Fprintf(&b, "%s%.1f %.1f", [...]string{"L", "M"}[oneIf(i == 0)], x.at(l.X[i]), y.at(l.High[i]))
			}
			for i := len(l.X) - 1; i >= 0; i-- {
				fmt.Fprintf(&b, "L%.1f %.1f", x.at(l.X[i]), y.at(l.Low[i]))
			}
			b.WriteString(`Z"/>`)
		}
		fmt.Fprintf(&b, `<path class="line c%d" d="`, colour)
		for i := range l.X {
			fmt.Fprintf(&b, "%s%.1f %.1f", [...]string{"L", "M"}[oneIf(i == 0)], x.at(l.X[i]), y.at(l.Mean[i]))
		}
		fmt.Fprintf(&b, `"><title>%s</title></path>`, html.EscapeString(l.Name))
		if c.Logarithmic || len(l.X) == 1 {
			for i := range l.X {
				fmt.Fprintf(&b, `<circle class="dot c%d" cx="%.1f" cy="%.1f" r="3"/>`, colour, x.at(l.X[i]), y.at(l.Mean[i]))
			}
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

func oneIf(is bool) int {
	if is {
		return 1
	}
	return 0
}

func begin(b *strings.Builder, title string, width, height float64) {
	fmt.Fprintf(b, `<svg role="img" aria-label="%s" viewBox="0 0 %.0f %.0f" style="max-width:%.0fpx">`, html.EscapeString(title), width, height, width)
}

// bars draws, for each policy, a bar for each part.
func bars(c Chart) template.HTML {
	const left, thick, space = 165.0, 16.0, 10.0
	most := 0.0
	for _, r := range c.Rows {
		for _, v := range r.Values {
			if !math.IsNaN(v) {
				most = max(most, v)
			}
		}
	}
	each := thick*float64(len(c.Parts)) + space
	x := axis{lo: 0, hi: max(most, 1e-6), from: left, to: chartWidth - 130}
	var b strings.Builder
	begin(&b, c.Title, chartWidth, each*float64(len(c.Rows))+space)
	for i, r := range c.Rows {
		top := space + each*float64(i)
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="end">%s</text>`, left-8, top+each/2-space/4, html.EscapeString(r.Policy))
		for j, part := range c.Parts {
			if v := r.Values[j]; !math.IsNaN(v) {
				y := top + thick*float64(j)
				fmt.Fprintf(&b, `<rect class="bar c%d" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s, %s: %s</title></rect><text class="small" x="%.1f" y="%.1f">%s %s</text>`,
					j%seriesColours, left, y, x.at(v)-left, thick-2, html.EscapeString(r.Policy), html.EscapeString(part), figure(v), x.at(v)+5, y+thick-4, figure(v), html.EscapeString(part))
			}
		}
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

// heatMap draws a square for each node, the darker the more of it is in use.
func heatMap(title string, parts []int) template.HTML {
	const side, columns = 7, 50
	rows := (len(parts) + columns - 1) / columns
	var b strings.Builder
	begin(&b, title, columns*side, float64(rows*side))
	for i, p := range parts {
		fmt.Fprintf(&b, `<rect class="h%d" x="%d" y="%d" width="%d" height="%d"/>`, min(max(p, 0), 100)/10, i%columns*side, i/columns*side, side-1, side-1)
	}
	b.WriteString("</svg>")
	return template.HTML(b.String())
}

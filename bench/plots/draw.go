package main

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"github.com/berth-sched/berth/bench/suite"
)

// The colours can be told apart by most people who are colour-blind, and in print: those of Okabe and Ito, and four greys and browns. Where there are more
// lines than colours, dashes tell those of one colour apart.
var colours = []color.RGBA{
	{0x00, 0x72, 0xb2, 0xff}, {0xd5, 0x5e, 0x00, 0xff}, {0x00, 0x9e, 0x73, 0xff}, {0xcc, 0x79, 0xa7, 0xff}, {0xe6, 0x9f, 0x00, 0xff},
	{0x56, 0xb4, 0xe9, 0xff}, {0x00, 0x00, 0x00, 0xff}, {0x8c, 0x56, 0x4b, 0xff}, {0x7f, 0x7f, 0x7f, 0xff}, {0xb0, 0xa4, 0x30, 0xff},
}

var dashes = [][]vg.Length{nil, {vg.Points(5), vg.Points(2)}, {vg.Points(1.5), vg.Points(1.5)}}

// bandStrength is how much of a line's colour its band has.
const bandStrength = 0x28

// greatest is beyond what any figure of the suite comes to. The ticks of an axis with such a figure could not be counted.
const greatest = 1e15

func paint(c suite.Chart, width, height vg.Length, path string) error {
	var figures []float64
	for _, l := range c.Lines {
		figures = slices.Concat(figures, l.X, l.Low, l.High)
	}
	for _, r := range c.Rows {
		figures = append(figures, r.Values...)
	}
	if i := slices.IndexFunc(figures, func(v float64) bool { return math.Abs(v) > greatest }); i >= 0 {
		return fmt.Errorf("%v is beyond %v, and nothing is drawn so large", figures[i], greatest)
	}
	p := plot.New()
	p.Title.Text = title(c)
	p.Title.Padding = vg.Points(6)
	p.X.Label.Text, p.Y.Label.Text = c.X, c.Y
	p.X.Tick.Marker, p.Y.Tick.Marker = plain{}, plain{}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = color.Gray{0xe4}, color.Gray{0xe4}
	p.Add(grid)
	var err error
	if len(c.Parts) > 0 {
		err = bars(p, c, width)
	} else {
		err = lines(p, c)
	}
	if err != nil {
		return err
	}
	legend := p.Legend // beside the plot: within it, it would cover lines
	p.Legend = plot.NewLegend()
	legend.Top, legend.Left = true, true
	legend.Padding, legend.ThumbnailWidth, legend.TextStyle.Font.Size = vg.Points(1.5), vg.Points(14), vg.Points(8)
	canvas, err := draw.NewFormattedCanvas(width, height, strings.TrimPrefix(filepath.Ext(path), "."))
	if err != nil {
		return err
	}
	all := draw.New(canvas)
	wide := min(legend.Rectangle(all).Size().X+vg.Points(4), width/2)
	p.Draw(draw.Crop(all, 0, -wide-vg.Points(10), 0, 0))
	legend.Draw(draw.Crop(all, width-wide, 0, 0, -vg.Points(24)))
	return write(path, canvas)
}

func write(path string, from io.WriterTo) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = from.WriteTo(file)
	return errors.Join(err, file.Close())
}

func title(c suite.Chart) string {
	if c.Workload == "" {
		return c.Title
	}
	return c.Workload + ": " + c.Title
}

func lines(p *plot.Plot, c suite.Chart) error {
	if c.Logarithmic {
		p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
		p.X.Tick.Marker, p.Y.Tick.Marker = decades{}, decades{}
	}
	// All bands are under all lines.
	for _, l := range c.Lines {
		if len(l.X) < 2 {
			continue
		}
		var edge plotter.XYs
		for i := range l.X {
			edge = append(edge, point(c, l.X[i], l.High[i]))
		}
		for i := range slices.Backward(l.X) {
			edge = append(edge, point(c, l.X[i], l.Low[i]))
		}
		band, err := plotter.NewPolygon(edge)
		if err != nil {
			return err
		}
		of := colours[l.Colour%len(colours)]
		band.Color = color.NRGBA{of.R, of.G, of.B, bandStrength}
		band.LineStyle.Width = 0
		p.Add(band)
	}
	for _, l := range c.Lines {
		var at plotter.XYs
		for i := range l.X {
			at = append(at, point(c, l.X[i], l.Mean[i]))
		}
		line, err := plotter.NewLine(at)
		if err != nil {
			return err
		}
		line.Color = colours[l.Colour%len(colours)]
		line.Dashes = dashes[l.Colour/len(colours)%len(dashes)]
		line.Width = vg.Points(1.2)
		p.Add(line)
		if c.Logarithmic || len(at) == 1 {
			dots, err := plotter.NewScatter(at)
			if err != nil {
				return err
			}
			dots.GlyphStyle = draw.GlyphStyle{Color: line.Color, Radius: vg.Points(2), Shape: draw.CircleGlyph{}}
			p.Add(dots)
		}
		p.Legend.Add(l.Name, line)
	}
	if c.Logarithmic { // an axis of one value would begin a whole 1 below it, where there may be no logarithm
		p.X.Max, p.Y.Max = max(p.X.Max, p.X.Min*1.1), max(p.Y.Max, p.Y.Min*1.1)
	}
	return nil
}

// point is a place in a chart; what is not above zero has none on a logarithmic axis, and stands at 1.
func point(c suite.Chart, x, y float64) plotter.XY {
	if c.Logarithmic {
		x, y = max(x, 1), max(y, 1)
	}
	return plotter.XY{X: x, Y: y}
}

func bars(p *plot.Plot, c suite.Chart, width vg.Length) error {
	p.X.Label.Text = ""
	var names []string
	for _, r := range c.Rows {
		names = append(names, r.Policy)
	}
	// Half of the width is for bars, and the rest for the axis, the legend and what is between policies.
	thick := min(width/2/vg.Length(len(c.Rows)*len(c.Parts)), vg.Points(14))
	for j, part := range c.Parts {
		values := make(plotter.Values, len(c.Rows))
		for i, r := range c.Rows {
			if !math.IsNaN(r.Values[j]) {
				values[i] = r.Values[j]
			}
		}
		b, err := plotter.NewBarChart(values, thick)
		if err != nil {
			return err
		}
		b.Color = colours[j%len(colours)]
		b.LineStyle.Width = 0
		b.Offset = thick * (vg.Length(j) - vg.Length(len(c.Parts)-1)/2)
		p.Add(b)
		p.Legend.Add(part, b)
	}
	p.NominalX(names...)
	p.X.Tick.Label.Rotation = math.Pi / 6
	p.X.Tick.Label.XAlign, p.X.Tick.Label.YAlign = draw.XRight, draw.YTop
	p.X.Tick.Label.Font.Size = vg.Points(8)
	p.Y.Min = 0
	return nil
}

// plain marks what plot.DefaultTicks marks, with no more digits than a number has.
type plain struct{}

func (plain) Ticks(lo, hi float64) []plot.Tick {
	ticks := plot.DefaultTicks{}.Ticks(lo, hi)
	for i := range ticks {
		if !ticks[i].IsMinor() {
			ticks[i].Label = strconv.FormatFloat(ticks[i].Value, 'g', 6, 64)
		}
	}
	return ticks
}

// decades marks 1, 2 and 5 of each power of ten, and names each as short does.
type decades struct{}

func (decades) Ticks(lo, hi float64) (ticks []plot.Tick) {
	for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
		for _, m := range []float64{1, 2, 5} {
			if v := m * math.Pow(10, e); v >= lo*0.999 && v <= hi*1.001 {
				ticks = append(ticks, plot.Tick{Value: v, Label: short(v)})
			}
		}
	}
	if len(ticks) == 0 {
		ticks = append(ticks, plot.Tick{Value: lo, Label: short(lo)})
	}
	return ticks
}

// short prints a number of two digits at most with the letter of its thousands.
func short(v float64) string {
	for _, of := range []struct {
		unit float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if v >= of.unit*0.999 {
			return strings.TrimSuffix(fmt.Sprintf("%.1f", v/of.unit), ".0") + of.name
		}
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

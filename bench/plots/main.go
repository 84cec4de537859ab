// Plots draws the charts of a results.json of the suite, one file for each, for a paper or for slides: lines with the band of the seeds, bars by
// task size and by resource, and speed over nodes. They are those of report.html; here gonum/plot draws them, as SVG, PDF, EPS, PNG or TIFF,
// and it is why this is a module of its own.
//
//	go run ./bench -o DIR                            in the module above
//	go run . -format pdf -o PLOTS DIR/results.json   here
//
// A file is named after its scenario, workload and metric: fill-google-2011-130-allocated-cpu.svg. What it holds is the same for the same results.json.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"gonum.org/v1/plot/vg"

	"github.com/berth-sched/berth/bench/suite"
)

func main() {
	err := run(os.Args[1:], os.Stdout)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "plots:", err)
		os.Exit(2)
	}
}

var formats = []string{"svg", "pdf", "eps", "png", "tiff"}

// largest is the length of a side beyond which a file would be of no use, and an image would not fit into memory.
const largest = 200.0

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("plots", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() {
		fmt.Fprintln(out, "usage: plots [flags] -o DIR results.json")
		flags.PrintDefaults()
	}
	dir := flags.String("o", "", "`folder` for the files")
	format := flags.String("format", "svg", strings.Join(formats, ", "))
	width := flags.Float64("width", 16, "of each, in `centimetres`")
	height := flags.Float64("height", 9, "of each, in `centimetres`")
	scenarios := flags.String("scenario", "", "`names` with commas between them; all if there is none")
	policies := flags.String("policy", "", "`names` with commas between them; all if there is none")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var faults []error
	if flags.NArg() != 1 {
		faults = append(faults, fmt.Errorf("one results.json is drawn, not %d", flags.NArg()))
	}
	if *dir == "" {
		faults = append(faults, errors.New("-o: which folder?"))
	}
	if !slices.Contains(formats, *format) {
		faults = append(faults, fmt.Errorf("-format %q: there are %s", *format, strings.Join(formats, ", ")))
	}
	for _, side := range []struct {
		name string
		is   float64
	}{{"width", *width}, {"height", *height}} {
		if !(side.is >= 2 && side.is <= largest) {
			faults = append(faults, fmt.Errorf("-%s %v: not within 2 to %v", side.name, side.is, largest))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	d, err := read(flags.Arg(0))
	if err != nil {
		return err
	}
	charts, err := choose(d.Charts(), *scenarios, *policies)
	if err != nil {
		return fmt.Errorf("%s: %w", flags.Arg(0), err)
	}
	if err := os.MkdirAll(*dir, 0o777); err != nil {
		return err
	}
	for _, c := range charts {
		path := filepath.Join(*dir, fileName(c)+"."+*format)
		if err := paint(c, vg.Length(*width)*vg.Centimeter, vg.Length(*height)*vg.Centimeter, path); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	_, err = fmt.Fprintf(out, "%d charts in %s\n", len(charts), *dir)
	return err
}

func read(path string) (*suite.Document, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return suite.ReadJSON(path, file)
}

// choose returns the charts of some scenarios with the lines and bars of some policies. Names that nothing has are an error.
func choose(charts []suite.Chart, scenarios, policies string) ([]suite.Chart, error) {
	wanted := []wish{newWish("scenario", scenarios), newWish("policy", policies)}
	var chosen []suite.Chart
	for _, c := range charts {
		if !wanted[0].grants(c.Scenario) {
			continue
		}
		c.Lines = slices.DeleteFunc(c.Lines, func(l suite.Line) bool { return !wanted[1].grants(l.Policy) })
		c.Rows = slices.DeleteFunc(c.Rows, func(r suite.Row) bool { return !wanted[1].grants(r.Policy) })
		if len(c.Lines)+len(c.Rows) > 0 {
			chosen = append(chosen, c)
		}
	}
	var faults []error
	for _, w := range wanted {
		faults = append(faults, w.unmet()...)
	}
	if len(faults) == 0 && len(chosen) == 0 {
		faults = append(faults, errors.New("nothing in it is drawn"))
	}
	return chosen, errors.Join(faults...)
}

// wish is a list of names of which each is to be met.
type wish struct {
	flag  string
	names []string
	met   map[string]bool
}

func newWish(flag, list string) wish {
	w := wish{flag: flag, met: map[string]bool{}}
	for name := range strings.SplitSeq(list, ",") {
		if name = strings.TrimSpace(name); name != "" {
			w.names = append(w.names, name)
		}
	}
	return w
}

func (w wish) grants(name string) bool {
	if len(w.names) == 0 {
		return true
	}
	w.met[name] = true
	return slices.Contains(w.names, name)
}

func (w wish) unmet() (faults []error) {
	for _, name := range w.names {
		if !w.met[name] {
			faults = append(faults, fmt.Errorf("-%s %q: no chart is of it", w.flag, name))
		}
	}
	return faults
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9]+`)

// fileName is made of what a chart is of. Charts of one document differ in it, and it is a name on every system.
func fileName(c suite.Chart) string {
	return strings.Trim(unfit.ReplaceAllString(c.Scenario+"-"+c.Workload+"-"+c.Metric, "-"), "-")
}

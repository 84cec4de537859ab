package suite

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/berth-sched/berth/internal/command"
)

// Change is what became of one figure of one policy on one workload, over the seeds that both documents have.
type Change struct {
	Scenario, Workload, Policy, Metric string
	Timing                             bool
	Seeds                              int
	Old, New                           float64 // means
	// Low and High are the ends of the 95 % confidence interval of the difference, new less old, paired by seed: by
	// Student's t. With one seed, or where every seed differs by the same, they are the difference itself.
	Low, High float64
	Better    Better // which way the metric is better
}

// Verdict tells a change for the worse (-1) or for the better (1) from one that may be chance (0): it is one if the interval is
// all on one side of zero and the difference is more than a part of the old value.
func (c Change) Verdict(tolerance float64) int {
	d := c.New - c.Old
	if c.Better == Neither || math.Abs(d) <= tolerance*math.Abs(c.Old) || c.Low <= 0 && c.High >= 0 {
		return 0
	}
	if (d > 0) == (c.Better == Higher) {
		return 1
	}
	return -1
}

// Compare pairs the figures of two documents by scenario, workload, policy, metric and seed. It fails if nothing can be paired, or
// if what is paired is not the same experiment: another number of nodes or tasks, or other input files.
func Compare(old, new *Document, timings bool) ([]Change, error) {
	var faults []error
	hashes := map[string]string{}
	for _, in := range old.Quality.Inputs {
		hashes[in.Name] = in.SHA256
	}
	for _, in := range new.Quality.Inputs {
		if h, ok := hashes[in.Name]; ok && h != in.SHA256 {
			faults = append(faults, fmt.Errorf("input %s: not the same file in both", in.Name))
		}
	}
	type figures struct {
		key     Key
		size    [2]int
		metrics map[string]float64
	}
	quality := func(d *Document) (all []figures) {
		for _, r := range d.Quality.Results {
			all = append(all, figures{r.Key, [2]int{r.Nodes, r.Tasks}, r.Metrics})
		}
		return all
	}
	speed := func(d *Document) (all []figures) {
		for _, t := range d.Timings {
			all = append(all, figures{t.Key, [2]int{t.Nodes, t.Tasks}, t.Metrics})
		}
		return all
	}
	type pair struct{ old, new []float64 }
	var changes []*Change
	pairs := map[*Change]*pair{}
	match := func(olds, news []figures, timing bool) {
		before := map[Key]figures{}
		for _, f := range olds {
			before[f.key] = f
		}
		for _, f := range news {
			was, ok := before[f.key]
			if !ok {
				continue
			}
			if was.size != f.size {
				faults = append(faults, fmt.Errorf("%s, %s, seed %d: %d nodes and %d tasks in one, %d and %d in the other", f.key.Scenario, f.key.Workload, f.key.Seed,
					was.size[0], was.size[1], f.size[0], f.size[1]))
				continue
			}
			for _, name := range sorted(f.metrics) {
				o, ok := was.metrics[name]
				if !ok {
					continue
				}
				c := find(&changes, func(c *Change) bool {
					return c.Timing == timing && c.Scenario == f.key.Scenario && c.Workload == f.key.Workload && c.Policy == f.key.Policy && c.Metric == name
				}, func() *Change {
					return &Change{Scenario: f.key.Scenario, Workload: f.key.Workload, Policy: f.key.Policy, Metric: name, Timing: timing, Better: measureOf(name).Better}
				})
				if pairs[c] == nil {
					pairs[c] = &pair{}
				}
				pairs[c].old, pairs[c].new = append(pairs[c].old, o), append(pairs[c].new, f.metrics[name])
			}
		}
	}
	match(quality(old), quality(new), false)
	if timings {
		match(speed(old), speed(new), true)
	}
	if len(changes) == 0 && len(faults) == 0 {
		faults = append(faults, errors.New("the two have no case in common"))
	}
	if len(faults) > 20 {
		faults = append(faults[:20], fmt.Errorf("and %d more", len(faults)-20))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	out := make([]Change, len(changes))
	for i, c := range changes {
		p := pairs[c]
		diffs := make([]float64, len(p.old))
		for j := range p.old {
			diffs[j] = p.new[j] - p.old[j]
		}
		c.Seeds, c.Old, c.New = len(diffs), mean(p.old), mean(p.new)
		half := 0.0
		if n := len(diffs); n > 1 {
			half = student(n-1) * deviation(diffs) / math.Sqrt(float64(n))
		}
		c.Low, c.High = mean(diffs)-half, mean(diffs)+half
		out[i] = *c
	}
	return out, nil
}

// student returns the 97.5 % quantile of Student's t, rounded up between the degrees of freedom of the table.
func student(freedom int) float64 {
	table := [...]float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
		2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042}
	switch {
	case freedom <= len(table):
		return table[max(freedom, 1)-1]
	case freedom < 60:
		return 2.042
	case freedom < 120:
		return 2.000
	default:
		return 1.980
	}
}

func compareCommand(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("bench compare", flag.ContinueOnError)
	timing := flags.Bool("timing", false, "compare speed and memory as well; of one machine, or it says nothing")
	tolerance := flags.Float64("tolerance", 0, "what part of the old value a difference may be before it counts, in `percent`")
	all := flags.Bool("all", false, "tell of every figure, and not only of those that changed")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), "Usage of bench compare [flags] OLD NEW, where OLD and NEW are the results.json of two runs, or the folders that have them:\n")
		flags.PrintDefaults()
	}
	var paths []string
	for len(args) > 0 && !strings.HasPrefix(args[len(args)-1], "-") && len(paths) < 2 {
		paths = append([]string{args[len(args)-1]}, paths...)
		args = args[:len(args)-1]
	}
	err := command.Parse(flags, args, out)
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	faults := []error{err}
	if len(paths) != 2 {
		faults = append(faults, errors.New("compare: two files or folders are needed, OLD and NEW, behind the flags"))
	}
	if !(*tolerance >= 0 && *tolerance <= 100) {
		faults = append(faults, fmt.Errorf("-tolerance %v: not within 0 to 100", *tolerance))
	}
	var docs []*Document
	for _, path := range paths {
		d, err := readDocument(path)
		faults = append(faults, err)
		docs = append(docs, d)
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	changes, err := Compare(docs[0], docs[1], *timing)
	if err != nil {
		return fmt.Errorf("compare: %w", err)
	}
	return tellChanges(out, docs, changes, *tolerance/100, *all)
}

// without counts the results of a document that another does not have.
func without(d, other *Document) (n int) {
	has := map[Key]bool{}
	for _, r := range other.Quality.Results {
		has[r.Key] = true
	}
	for _, r := range d.Quality.Results {
		if !has[r.Key] {
			n++
		}
	}
	return n
}

// readDocument reads a document, or that of the run that wrote to a folder.
func readDocument(path string) (*Document, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, resultsFile)
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return ReadJSON(path, file)
}

func tellChanges(out io.Writer, docs []*Document, changes []Change, tolerance float64, all bool) error {
	var text bytes.Buffer
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	worse, better, equal := 0, 0, 0
	for _, c := range changes {
		v := c.Verdict(tolerance)
		switch {
		case v < 0:
			worse++
		case v > 0:
			better++
		case c.New == c.Old && c.Low == c.High:
			equal++
		}
		if v != 0 || all {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t->\t%s\t%+.4g\t[%+.4g, %+.4g]\t%d seeds\t%s\n", c.Scenario, c.Workload, c.Policy, c.Metric,
				figure(c.Old), figure(c.New), c.New-c.Old, c.Low, c.High, c.Seeds, [...]string{"worse", "", "better"}[v+1])
		}
	}
	t.Flush()
	for i, d := range docs {
		if !d.Complete {
			fmt.Fprintf(&text, "the %s run was broken off, and only what both have is compared\n", [...]string{"old", "new"}[i])
		}
	}
	for i, d := range docs {
		if n := without(d, docs[1-i]); n > 0 {
			fmt.Fprintf(&text, "%d results of the %s run are not in the %s one, and not compared\n", n, [...]string{"old", "new"}[i], [...]string{"new", "old"}[i])
		}
	}
	fmt.Fprintf(&text, "%d figures: %d worse, %d better, %d equal, %d within chance or of no direction\n", len(changes), worse, better, equal, len(changes)-worse-better-equal)
	if _, err := out.Write(text.Bytes()); err != nil {
		return err
	}
	if worse > 0 {
		return fmt.Errorf("compare: %d figures are worse: %w", worse, errWorse)
	}
	return nil
}

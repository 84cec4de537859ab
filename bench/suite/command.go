package suite

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/berth-sched/berth/internal/command"
)

// Exit codes of [Suite.Command].
const (
	ExitOK     = 0
	ExitWorse  = 1 // compare found a regression, or verify did not find what was published
	ExitFault  = 2 // something was wrong with what was asked for, or could not be read or written
	ExitBroken = 3 // the run was broken off; what was done is kept
)

// errWorse is wrapped by what says that figures are not what they should be, where nothing else is at fault.
var errWorse = errors.New("figures are not what they should be")

// Command runs the suite as a command line asks for it, and returns the exit code. Without a first word that is
// verify or compare it runs scenarios. What was asked for goes to out, and progress and faults to diagnostics. It ends soon
// after the context does, and keeps what was done.
func (s *Suite) Command(ctx context.Context, args []string, out, diagnostics io.Writer) int {
	err := s.command(ctx, args, out, diagnostics)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return ExitOK
	case errors.Is(err, errWorse):
		fmt.Fprintln(diagnostics, "bench:", err)
		return ExitWorse
	case ctx.Err() != nil:
		fmt.Fprintln(diagnostics, "bench:", err)
		return ExitBroken
	}
	fmt.Fprintln(diagnostics, "bench:", err)
	return ExitFault
}

func (s *Suite) command(ctx context.Context, args []string, out, diagnostics io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "verify":
			return s.verifyCommand(ctx, args[1:], out)
		case "compare":
			return compareCommand(args[1:], out)
		}
	}
	return s.runCommand(ctx, args, out, diagnostics)
}

// names is a flag of names with commas between them.
type names []string

func (n *names) String() string { return strings.Join(*n, ",") }

func (n *names) Set(text string) error {
	for name := range strings.SplitSeq(text, ",") {
		if name == "" {
			return errors.New("an empty name")
		}
		*n = append(*n, name)
	}
	return nil
}

func (s *Suite) runCommand(ctx context.Context, args []string, out, diagnostics io.Writer) (err error) {
	var c Config
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	quick := flags.Bool("quick", false, "under a minute: small cells, two seeds; the default")
	standard := flags.Bool("standard", false, "minutes: a thousand nodes, five seeds")
	full := flags.Bool("full", false, "less than an hour: four thousand nodes, ten seeds")
	flags.Var((*names)(&c.Scenarios), "scenario", "only these `scenarios`, with commas between them")
	flags.Var((*names)(&c.Policies), "policy", "only these `policies` or orders, with commas between them")
	flags.IntVar(&c.Nodes, "nodes", 0, "`number` of nodes of generated cells, instead of the tier's")
	flags.IntVar(&c.Seeds, "seeds", 0, fmt.Sprintf("`number` of seeds, counted from %d, instead of the tier's", FirstSeed))
	flags.StringVar(&c.Data, "data", "", "`folder` with files of published traces; scenarios take those they know")
	dir := flags.String("o", "", "`folder` for results.json, results.csv, results.md, timings.txt and report.html")
	var asked names
	flags.Var(&asked, "format", "only these `formats`: json, csv, markdown, benchstat, html; without -o one of them, and markdown unless it is said")
	list := flags.Bool("list", false, "tell which scenarios, workloads, policies and orders there are, and run nothing")
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), "Usage of bench:\n",
			"  bench [flags]             runs scenarios\n",
			"  bench verify atc23 -h     tells how to repeat an experiment that was published\n",
			"  bench compare -h          tells how to compare two results.json\n")
		flags.PrintDefaults()
	}
	resume := flags.Bool("resume", false, "go on with the run in the folder of -o that was broken off")
	err = command.Parse(flags, args, out)
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	faults := []error{err}
	flags.Visit(func(f *flag.Flag) { // zero is the tier's number where it is not said, and nothing at all where it is
		if f.Name == "nodes" && c.Nodes == 0 || f.Name == "seeds" && c.Seeds == 0 {
			faults = append(faults, fmt.Errorf("-%s 0: at least 1 is needed", f.Name))
		}
	})
	switch {
	case *full:
		c.Tier = Full
	case *standard:
		c.Tier = Standard
	}
	if set := flagCount(*quick, *standard, *full); set > 1 {
		faults = append(faults, errors.New("-quick, -standard, -full: one of them at most"))
	}
	for _, name := range asked {
		if !slices.ContainsFunc(formats, formatNamed(name)) {
			faults = append(faults, fmt.Errorf("-format %q: not json, csv, markdown, benchstat or html", name))
		}
	}
	if *dir == "" && len(asked) > 1 {
		faults = append(faults, errors.New("-format: several formats need the folder of -o"))
	}
	if *resume && *dir == "" {
		faults = append(faults, errors.New("-resume: it needs the folder of -o, in which a run was broken off"))
	}
	if c.Data != "" {
		if info, err := os.Stat(c.Data); err != nil {
			faults = append(faults, fmt.Errorf("-data: %w", err))
		} else if !info.IsDir() {
			faults = append(faults, fmt.Errorf("-data %s: no folder", c.Data))
		}
	}
	if err := errors.Join(append(faults, c.Err())...); err != nil {
		return err
	}
	if *list {
		return s.list(c.sized(), out)
	}
	if _, _, err := s.jobs(c.sized()); err != nil { // before anything is touched
		return err
	}
	meter := newMeter(diagnostics)
	defer meter.end()
	done := []func(Progress) error{meter.done}
	if *dir != "" {
		if err := usable(*dir); err != nil {
			return err
		}
		k, err := openKeeper(*dir, c, *resume)
		if err != nil {
			return err
		}
		complete := false
		defer func() { err = errors.Join(err, k.close(complete)) }()
		c.Have = k.have
		done = append(done, k.done)
		c.Done = all(done)
		d, failed := s.Run(ctx, c)
		if d == nil {
			return failed
		}
		meter.end()
		if !d.Complete {
			failed = fmt.Errorf("%w; what was done is kept, and -resume goes on", failed)
		}
		if len(d.Quality.Results) > 0 {
			failed = errors.Join(failed, writeAll(*dir, d, asked))
		}
		complete = d.Complete && failed == nil
		if complete {
			_, failed = fmt.Fprintf(out, "%d results in %s\n", len(d.Quality.Results), *dir)
		}
		return failed
	}
	c.Done = all(done)
	d, failed := s.Run(ctx, c)
	if d == nil || len(d.Quality.Results) == 0 {
		return failed
	}
	meter.end()
	name := "markdown"
	if len(asked) > 0 {
		name = asked[0]
	}
	f := formats[slices.IndexFunc(formats, formatNamed(name))]
	return errors.Join(failed, f.write(d, out))
}

func formatNamed(name string) func(format) bool {
	return func(f format) bool { return f.name == name }
}

func flagCount(flags ...bool) (n int) {
	for _, f := range flags {
		if f {
			n++
		}
	}
	return n
}

func all(done []func(Progress) error) func(Progress) error {
	return func(p Progress) error {
		var faults []error
		for _, f := range done {
			faults = append(faults, f(p))
		}
		return errors.Join(faults...)
	}
}

// list tells what there is.
func (s *Suite) list(c Config, out io.Writer) error {
	if err := s.Err(); err != nil {
		return err
	}
	var text bytes.Buffer
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, x := range s.Scenarios {
		fmt.Fprintf(t, "scenario\t%s\t%s\n", x.Name, x.About)
		workloads, err := x.Workloads(c)
		if err != nil {
			return fmt.Errorf("%s: %w", x.Name, err)
		}
		if x.Takes {
			workloads = append(workloads, s.Workloads...)
		}
		for _, w := range workloads {
			fmt.Fprintf(t, "  workload\t%s\t%s\n", w.Name, w.About)
		}
	}
	for _, a := range absent {
		fmt.Fprintf(t, "absent\t%s\t%s\n", a[0], a[1])
	}
	for _, p := range s.Policies {
		fmt.Fprintf(t, "policy\t%s\t%s\n", p.Name, p.About)
	}
	for _, o := range s.Orders {
		fmt.Fprintf(t, "order\t%s\t%s\n", o.Name, o.About)
	}
	t.Flush()
	_, err := out.Write(text.Bytes())
	return err
}

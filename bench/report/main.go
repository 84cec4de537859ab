// Report reads what go test prints for benchmarks and writes a Markdown table of them.
//
//	GOMAXPROCS=1 go test ./scheduler -run '^$' -bench 'Schedule|Exhaustive|Floor' -count 10 -timeout 0 | go run ./bench/report
//
// Each row is a benchmark whose name says case, nodes and fill and which tells decisions/s. Figures are medians of all its
// runs. Its decisions/s are also told as multiples of those of BenchmarkFloor and BenchmarkExhaustive in the same
// input, of the same case, nodes and fill; with an asterisk of binpack, where they lack the case. Anything else that go test
// prints is passed over, but a failure is an error, since what it leaves out would be missed by nobody.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/berth-sched/berth/internal/command"
)

func main() {
	if err := run(os.Args[1:], os.Stdin, os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string, r io.Reader, w io.Writer) error {
	if err := command.Parse(flag.NewFlagSet("report", flag.ContinueOnError), args, w); err != nil {
		return err
	}
	return report(r, w)
}

const rate = "decisions/s"

// key is what a benchmark was run on; a yardstick of the same key compares.
type key struct {
	name        string
	nodes, fill int
}

// result is every run of one benchmark: the values of each unit, in the order of the input.
type result struct {
	key
	benchmark string
	values    map[string][]float64
}

var (
	named  = regexp.MustCompile(`^Benchmark(\w+)/case=([^/]+)/nodes=(\d+)/fill=(\d+?)(?:-(\d+))?$`)
	failed = regexp.MustCompile(`^\s*--- FAIL|^FAIL|^panic:`)
)

// maxFaults is how many faults of an input are told.
const maxFaults = 10

func report(r io.Reader, w io.Writer) error {
	results, err := read(r)
	if err != nil {
		return err
	}
	return table(results, w)
}

// read collects the results in the order in which they are met first.
func read(r io.Reader) ([]*result, error) {
	var results []*result
	var faults []error
	procs := "" // GOMAXPROCS, which go test puts at the end of each name unless it is 1
	lines := bufio.NewScanner(r)
	n := 1
	fault := func(format string, args ...any) {
		faults = append(faults, fmt.Errorf("report: line %d: %w", n, fmt.Errorf(format, args...)))
	}
	for ; len(faults) < maxFaults && lines.Scan(); n++ {
		if failed.MatchString(lines.Text()) {
			fault("%q: the benchmarks did not end well", strings.TrimSpace(lines.Text()))
			continue
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 2 || !strings.HasPrefix(fields[0], "Benchmark") || !strings.Contains(fields[0], "/case=") {
			continue // a name alone comes before a result where go test is verbose
		}
		m := named.FindStringSubmatch(fields[0])
		if m == nil {
			fault("%q is not of the form Benchmark.../case=C/nodes=N/fill=F", fields[0])
			continue
		}
		nodes, err1 := strconv.Atoi(m[3])
		fill, err2 := strconv.Atoi(m[4])
		if err := errors.Join(err1, err2); err != nil {
			fault("%s: the nodes or the fill are beyond reason", fields[0])
			continue
		}
		if len(results) > 0 && procs != m[5] {
			fault("%s: another GOMAXPROCS than before, which does not compare", fields[0])
			continue
		}
		procs = m[5]
		values, err := measured(fields[1:])
		if err != nil {
			fault("%s: %w", fields[0], err)
			continue
		}
		if _, ok := values[rate]; !ok {
			continue
		}
		k := key{m[2], nodes, fill}
		i := slices.IndexFunc(results, func(r *result) bool { return r.key == k && r.benchmark == m[1] })
		if i < 0 {
			i = len(results)
			results = append(results, &result{k, m[1], map[string][]float64{}})
		}
		for unit, v := range values {
			results[i].values[unit] = append(results[i].values[unit], v)
		}
	}
	if err := lines.Err(); err != nil {
		fault("%w", err)
	}
	if len(results) == 0 && len(faults) == 0 {
		faults = append(faults, fmt.Errorf("report: no result of a benchmark by case, nodes and fill that tells %s", rate))
	}
	return results, errors.Join(faults...)
}

// measured reads the rest of a result: the iterations, then values and units in turn.
func measured(fields []string) (map[string]float64, error) {
	if _, err := strconv.ParseUint(fields[0], 10, 64); err != nil {
		return nil, fmt.Errorf("%q is no number of iterations", fields[0])
	}
	if len(fields)%2 == 0 {
		return nil, fmt.Errorf("%q has no unit, or no value", fields[len(fields)-1])
	}
	if len(fields) == 1 {
		return nil, errors.New("no measure")
	}
	values := map[string]float64{}
	for i := 1; i < len(fields); i += 2 {
		v, err := strconv.ParseFloat(fields[i], 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) || v < 0 {
			return nil, fmt.Errorf("%q is no measure of %s", fields[i], fields[i+1])
		}
		if _, ok := values[fields[i+1]]; ok {
			return nil, fmt.Errorf("%s is told twice", fields[i+1])
		}
		values[fields[i+1]] = v
	}
	return values, nil
}

func table(results []*result, w io.Writer) error {
	var b strings.Builder
	b.WriteString("| benchmark | case | nodes | fill | runs | decisions/s | of floor | of exhaustive | B/op | allocs/op | p99 ns |\n")
	b.WriteString("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, r := range results {
		fmt.Fprintf(&b, "| %s | %s | %d | %d | %d | %s | %s | %s | %s | %s | %s |\n", r.benchmark, r.name, r.nodes, r.fill, len(r.values[rate]),
			r.median(rate), r.ratio(results, "Floor"), r.ratio(results, "Exhaustive"), r.median("B/op"), r.median("allocs/op"), r.median("p99-ns"))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// median prints the median of a unit, or nothing where it is not told.
func (r *result) median(unit string) string {
	if len(r.values[unit]) == 0 {
		return ""
	}
	return number(median(r.values[unit]))
}

// ratio prints how many times as fast as a yardstick the benchmark is, or nothing where there is none.
func (r *result) ratio(all []*result, yardstick string) string {
	if r.benchmark == yardstick {
		return ""
	}
	of, mark := r.key, ""
	y := find(all, yardstick, of)
	if y == nil {
		of.name, mark = "binpack", `\*`
		y = find(all, yardstick, of)
	}
	if y == nil || median(y.values[rate]) == 0 {
		return ""
	}
	return number(median(r.values[rate])/median(y.values[rate])) + mark
}

func find(all []*result, benchmark string, k key) *result {
	i := slices.IndexFunc(all, func(r *result) bool { return r.benchmark == benchmark && r.key == k })
	if i < 0 {
		return nil
	}
	return all[i]
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return s[(len(s)-1)/2]/2 + s[len(s)/2]/2
}

// number prints three digits, or all of a whole number with a comma before each three.
func number(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.3g", v)
	}
	s := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

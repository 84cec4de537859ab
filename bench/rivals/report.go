package rivals

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// Markdown writes a table of results: each row with its rate and, of berth, how many times that of each rival in the same row it is.
func Markdown(w io.Writer, all []Result) error {
	var b strings.Builder
	b.WriteString("| case | nodes | scheduler | decisions/s | times | p99 | bytes a decision | heap | placed | violations | nodes used | cores used | skew | runs |\n")
	b.WriteString("|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n")
	for _, r := range all {
		p99 := ""
		if r.P99 > 0 {
			p99 = r.P99.Round(time.Microsecond).String()
		}
		skew := ""
		if r.Case == Spread {
			skew = fmt.Sprintf("%.1f", r.Skew)
		}
		fmt.Fprintf(&b, "| %s | %d | %s | %s | %s | %s | %d | %d MiB | %d of %d | %d | %d | %d | %s | %d |\n", r.Case, r.Nodes, r.Scheduler, thousands(r.Rate()),
			times(r, all), p99, r.Allocated/uint64(max(r.Placed, 1)), r.Kept>>20, r.Placed, r.Tasks, r.Violations, r.Used, r.Cores, skew, r.Runs)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// times says how many times the rate of a rival berth's is, in the same case with as many nodes.
func times(of Result, all []Result) string {
	for _, r := range all {
		if r.Scheduler == (Berth{}).Name() && r.Case == of.Case && r.Nodes == of.Nodes && of.Scheduler != r.Scheduler {
			return fmt.Sprintf("1/%.0f", r.Rate()/of.Rate())
		}
	}
	return ""
}

// thousands prints a number with commas.
func thousands(v float64) string {
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

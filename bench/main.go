// Bench runs placement strategies over the same tasks and prints what each made of them.
//
//	go run ./bench                 cells drawn from Google's machine table of 2011
//	go run ./bench -short          the same, small
//	go run ./bench -data DIR       also every pod list of Alibaba's GPU cluster trace ("openb") in DIR
//	go run ./bench -format json    one document instead of a table
//
// How well a strategy packs is a function of the workload and the seed, so those columns are the same on every
// machine and every run. The last two columns, how fast and with how much memory, are not.
//
//	cpu, memory, gpu   allocated in the end, of the whole cell
//	first rejection    the load at which the first task found no node: what the tasks up to it ask for,
//	                   of the cell's GPUs or, if it has none, cores
//	rejected           tasks that found no node, of all; then by size: small ones ask for less than
//	                   1/16 of the largest node, medium ones for less than 1/4, large ones for more
//	nodes              that have at least one task in the end
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/internal/command"
	"github.com/berth-sched/berth/placement"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, w io.Writer) error {
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	short := flags.Bool("short", false, "small cells, and of -data only the default list")
	data := flags.String("data", "", "`folder` of the openb trace's CSV files")
	format := flags.String("format", "table", "table or json")
	seed := flags.Uint64("seed", 1, "the `number` from which machines, tasks and the random strategy are drawn")
	err := command.Parse(flags, args, w)
	if errors.Is(err, flag.ErrHelp) {
		return err
	}
	faults := []error{err}
	if *format != "table" && *format != "json" {
		faults = append(faults, fmt.Errorf("-format %q: neither table nor json", *format))
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	cells, err := workloads(*short, *data, *seed)
	if err != nil {
		return err
	}
	var rows []row
	for _, c := range cells {
		for _, s := range strategies(*seed) {
			r, err := measure(ctx, c, s)
			if err != nil {
				return fmt.Errorf("%s: %v: %w", c.Name, s, err)
			}
			rows = append(rows, r)
		}
	}
	if *format == "json" {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(document{1, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH, *seed, rows})
	}
	return table(w, rows, true)
}

// document is what -format json prints.
type document struct {
	Schema   int    `json:"schema"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Seed     uint64 `json:"seed"`
	Rows     []row  `json:"rows"`
}

func strategies(seed uint64) []placement.Strategy {
	return []placement.Strategy{placement.BinPack(), placement.Spread(), placement.FirstFit(), placement.Random(seed)}
}

// workloads returns the cells to fill: generated ones with room to spare and without, and the trace's
// lists asking for 130 % of the GPUs, the load at which the study that published them compares strategies.
func workloads(short bool, data string, seed uint64) ([]*trace.Cell, error) {
	machines := 1000
	if short {
		machines = 100
	}
	var cells []*trace.Cell
	for _, load := range []int64{500, 1300} {
		c := trace.Google(machines, 10*machines, seed)
		if err := loaded(c, load, seed); err != nil {
			return nil, err
		}
		cells = append(cells, c)
	}
	if data == "" {
		return cells, nil
	}
	lists, err := filepath.Glob(filepath.Join(data, "openb_pod_list_*.csv"))
	if err != nil {
		return nil, err
	}
	if len(lists) == 0 {
		return nil, fmt.Errorf("-data %s: no openb_pod_list_*.csv in it", data)
	}
	slices.Sort(lists)
	for _, list := range lists {
		if short && filepath.Base(list) != trace.PodList {
			continue
		}
		c, err := trace.Load(data, list)
		if err != nil {
			return nil, err
		}
		c.Name = strings.TrimSuffix(strings.TrimPrefix(c.Name, "openb_pod_list_"), ".csv")
		if err := loaded(c, 1300, seed); err != nil {
			return nil, err
		}
		cells = append(cells, c)
	}
	return cells, nil
}

func loaded(c *trace.Cell, thousandths int64, seed uint64) error {
	c.Name = fmt.Sprintf("%s at %d %%", c.Name, thousandths/10)
	return c.Inflate(thousandths, seed)
}

// table prints the rows for people; without speed, what is left is the same on every run.
func table(w io.Writer, rows []row, speed bool) error {
	var text bytes.Buffer
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := "workload\tstrategy\tcpu %\tmemory %\tgpu %\tfirst rejection %\trejected\tsmall\tmedium\tlarge\tnodes\t"
	if speed {
		head += "decisions/s\tB/decision\t"
	}
	fmt.Fprintln(t, head)
	for _, r := range rows {
		first, gpu := "none", "none"
		if r.FirstRejection != nil {
			first = fmt.Sprintf("%.1f", *r.FirstRejection)
		}
		if share, ok := r.Allocated[trace.GPU]; ok {
			gpu = fmt.Sprintf("%.1f", share)
		}
		fmt.Fprintf(t, "%s\t%s\t%.1f\t%.1f\t%s\t%s\t%d of %d\t%d\t%d\t%d\t%d of %d\t", r.Workload, r.Strategy,
			r.Allocated["cpu"], r.Allocated["memory"], gpu, first, r.Rejected.all(), r.Tasks,
			r.Rejected.Small, r.Rejected.Medium, r.Rejected.Large, r.NodesUsed, r.Nodes)
		if speed {
			fmt.Fprintf(t, "%.0f\t%.0f\t", r.Speed, r.Bytes)
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	_, err := w.Write(text.Bytes())
	return err
}

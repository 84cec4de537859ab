// Openb schedules a real cluster's tasks with the whole cluster in view, and again out of offers.
//
//	go run ./examples/openb                     a cell generated from Google's machine table of 2011
//	go run ./examples/openb -data DIR           Alibaba's GPU cluster trace ("openb", USENIX ATC 2023)
//	go run ./examples/openb -data DIR -inflate 1.3
//
// DIR holds the trace's CSV files, which are in the folder data/csv of
// https://github.com/hkust-adsl/kubernetes-scheduler-simulator. Tasks are scheduled in the order of their
// file, best fit, or by the strategy that -strategy names: then each is scheduled as it arrives, before the next is
// known, and a strategy that learns which tasks arrive (fgd, room-loss, priced-gaps) learns it on the way. In offer mode every value of the column qos is a framework of its own, and they share by
// dominant resource fairness. With -o the final assignments are written as CSV, so that anyone can check them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berth-sched/berth/bench/trace"
	"github.com/berth-sched/berth/internal/command"
	"github.com/berth-sched/berth/placement"
)

type options struct {
	data, pods, out string
	modes           []string
	strategy        *placement.Strategy // nil for best fit, all tasks at once
	inflate         int64               // thousandths; 0 leaves the list as it is
	seed            uint64
	tasks           int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "openb:", err)
		os.Exit(1)
	}
}

func parse(args []string, w io.Writer) (options, error) {
	o := options{modes: []string{"global", "offers"}, tasks: 200_000}
	flags := flag.NewFlagSet("openb", flag.ContinueOnError)
	flags.StringVar(&o.data, "data", "", "the `folder` with the trace's CSV files; without it a cell is generated")
	flags.StringVar(&o.pods, "pods", trace.PodList, "pod list: a `file` within -data, or a path")
	flags.StringVar(&o.out, "o", "", "write the final assignments to this CSV `file`")
	flags.Uint64Var(&o.seed, "seed", 1, "the `number` from which generated tasks and the copies of -inflate are drawn")
	flags.Func("tasks", "`number` of tasks to generate without -data (default 200000)", func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil {
			return errors.New("not a whole number")
		}
		o.tasks = n
		return nil
	})
	flags.Func("inflate", "make the tasks ask for this `fraction` of the GPUs (of the cores, without any), such as 1.3", func(s string) error {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || !(f >= 0.001 && f <= 10) {
			return errors.New("not a number from 0.001 to 10")
		}
		o.inflate = int64(f*1000 + 0.5)
		return nil
	})
	flags.Func("mode", "schedule in this `mode` only: global or offers", func(s string) error {
		if s != "global" && s != "offers" {
			return errors.New("neither global nor offers")
		}
		o.modes = []string{s}
		return nil
	})
	flags.Func("strategy", "place by this strategy `text`, such as first-fit, \"binpack(cpu, gpu)\", fgd, room-loss or priced-gaps, one task after another as they arrive; go doc ./placement ParseStrategy tells of others",
		func(text string) error {
			by, err := placement.ParseStrategy(text)
			o.strategy = &by
			return err
		})
	err := command.Parse(flags, args, w)
	if errors.Is(err, flag.ErrHelp) {
		return o, err
	}
	faults := []error{err}
	if o.tasks < 1 || o.tasks > 10_000_000 {
		faults = append(faults, fmt.Errorf("-tasks %d: not within 1 to 10 million", o.tasks))
	}
	flags.Visit(func(f *flag.Flag) {
		switch {
		case f.Name == "pods" && o.data == "":
			faults = append(faults, errors.New("-pods: without -data tasks are generated"))
		case f.Name == "tasks" && o.data != "":
			faults = append(faults, errors.New("-tasks: with -data the tasks are those of the pod list"))
		}
	})
	return o, errors.Join(faults...)
}

func run(ctx context.Context, args []string, w io.Writer) (err error) {
	o, err := parse(args, w)
	if err != nil {
		return err
	}
	out, outErr := create(o.out)
	defer func() { err = errors.Join(err, out.close()) }()
	c, err := cell(o)
	if err := errors.Join(outErr, err); err != nil {
		return err
	}
	if err := known(o.strategy, c); err != nil {
		return err
	}
	var results []*result
	for i, mode := range o.modes {
		begin := time.Now()
		r, err := modes[mode](ctx, c, o.strategy)
		if err != nil {
			return fmt.Errorf("%s: %w", mode, err)
		}
		r.mode, r.took = mode, time.Since(begin)
		if i == 0 {
			if err := describe(w, c, r.capacity); err != nil {
				return err
			}
		}
		if err := r.report(w); err != nil {
			return err
		}
		results = append(results, r)
	}
	return out.write(results)
}

func cell(o options) (c *trace.Cell, err error) {
	if o.data == "" {
		c = trace.Google(trace.Machines, o.tasks, o.seed)
	} else if c, err = trace.Load(o.data, o.pods); err != nil {
		return nil, err
	}
	if o.inflate > 0 {
		err = c.Inflate(o.inflate, o.seed)
	}
	return c, err
}

// known returns an error if a strategy names resources that no node of the cell has: it would rate all nodes alike.
func known(by *placement.Strategy, c *trace.Cell) error {
	if by == nil {
		return nil
	}
	has := map[string]bool{}
	for i := range c.Nodes {
		for name := range c.Nodes[i].Capacity {
			has[name] = true
		}
		for _, d := range c.Nodes[i].Devices {
			has[d.Class] = true
		}
	}
	var faults []error
	for _, name := range by.Resources() {
		if !has[name] {
			faults = append(faults, fmt.Errorf("-strategy %q: no node has any %q; there are %s", by, name, strings.Join(slices.Sorted(maps.Keys(has)), ", ")))
		}
	}
	return errors.Join(faults...)
}

// modes are the two ways to schedule a cell.
var modes = map[string]func(context.Context, *trace.Cell, *placement.Strategy) (*result, error){
	"global": global,
	"offers": outOfOffers,
}

// Rivals compares berth with the schedulers of SwarmKit and Kubernetes, and prints a table in Markdown, or JSON.
//
//	GOMAXPROCS=1 go run ./cmd/rivals -nodes 1000,5000,10000
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/moby/swarmkit/v2/log"
	"github.com/sirupsen/logrus"
	"k8s.io/klog/v2"

	"github.com/berth-sched/berth/bench/rivals"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "rivals:", err)
		}
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, progress io.Writer) error {
	flags := flag.NewFlagSet("rivals", flag.ContinueOnError)
	flags.SetOutput(progress)
	nodes := flags.String("nodes", "1000", "numbers of nodes, with commas between them")
	tasks := flags.Int("tasks", 10_000, "tasks to place")
	cases := flags.String("cases", "", "cases, with commas between them (default all)")
	names := flags.String("schedulers", "", "schedulers by name, with semicolons between them (default all): berth; SwarmKit; kube-scheduler, all nodes and the like")
	budget := flags.Duration("budget", 0, "`time` after which a scheduler that decides one by one begins no further decision; its rate is then of the first tasks. 0 is none")
	times := flags.Int("runs", 5, "how often each is loaded and run, if its runs take less than three seconds; the median counts")
	asJSON := flags.Bool("json", false, "print JSON instead of a table")
	if err := flags.Parse(args); err != nil {
		return err
	}
	sizes, err := sizesOf(*nodes)
	wanted, errCases := casesOf(*cases)
	all, errNames := schedulersOf(*names, *budget)
	if err := errors.Join(err, errCases, errNames); err != nil {
		return err
	}
	if *budget < 0 {
		return fmt.Errorf("-budget: %v is negative", *budget)
	}
	if *tasks < 1 {
		return fmt.Errorf("-tasks: %d is less than 1", *tasks)
	}
	if *times < 1 {
		return fmt.Errorf("-runs: %d is less than 1", *times)
	}
	log.L.Logger.SetLevel(logrus.ErrorLevel)
	klog.SetOutput(io.Discard)
	klog.LogToStderr(false)

	var results []rivals.Result
measuring:
	for _, c := range wanted {
		for _, n := range sizes {
			fmt.Fprintf(progress, "%s, %d nodes\n", c, n)
			w, failed := rivals.NewWorkload(c, n, *tasks)
			if failed == nil {
				var more []rivals.Result
				more, failed = rivals.Run(ctx, w, *times, all...)
				results = append(results, more...)
			}
			if err = errors.Join(err, failed); ctx.Err() != nil {
				break measuring // what is done is printed
			}
		}
	}
	if *asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return errors.Join(err, e.Encode(results))
	}
	if _, failed := fmt.Fprintf(out, "%s/%s, %s, GOMAXPROCS=%d\n\n", runtime.GOOS, runtime.GOARCH, runtime.Version(), runtime.GOMAXPROCS(0)); failed != nil {
		return errors.Join(err, failed)
	}
	return errors.Join(err, rivals.Markdown(out, results))
}

func sizesOf(text string) (sizes []int, err error) {
	for part := range strings.SplitSeq(text, ",") {
		n, failed := strconv.Atoi(strings.TrimSpace(part))
		if failed != nil || n < 1 {
			err = errors.Join(err, fmt.Errorf("-nodes: %q is no number of nodes", part))
			continue
		}
		sizes = append(sizes, n)
	}
	return sizes, err
}

// schedulersOf returns those that are named, in their own order; all for an empty text.
func schedulersOf(text string, budget time.Duration) (some []rivals.Scheduler, err error) {
	all := []rivals.Scheduler{rivals.Berth{}, rivals.Berth{OneByOne: true}, rivals.SwarmKit{}, rivals.Kubernetes{Budget: budget}, rivals.Kubernetes{Exhaustive: true, Budget: budget}}
	if text == "" {
		return all, nil
	}
	var names []string
	chosen := make([]bool, len(all))
	parts := strings.Split(text, ";")
	for _, s := range all {
		names = append(names, s.Name())
	}
	for _, part := range parts {
		part, known := strings.TrimSpace(part), false
		for i, name := range names {
			if strings.EqualFold(name, part) {
				chosen[i], known = true, true
			}
		}
		if !known {
			err = errors.Join(err, fmt.Errorf("-schedulers: %q is none of %s", part, strings.Join(names, "; ")))
		}
	}
	for i, s := range all {
		if chosen[i] {
			some = append(some, s)
		}
	}
	return some, err
}

func casesOf(text string) (cases []rivals.Case, err error) {
	if text == "" {
		return rivals.Cases(), nil
	}
	for part := range strings.SplitSeq(text, ",") {
		c := rivals.Case(strings.TrimSpace(part))
		known := false
		for _, k := range rivals.Cases() {
			known = known || c == k
		}
		if !known {
			err = errors.Join(err, fmt.Errorf("-cases: %q is none of %v", part, rivals.Cases()))
		}
		cases = append(cases, c)
	}
	return cases, err
}

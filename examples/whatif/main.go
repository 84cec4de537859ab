// Whatif answers questions about a Kubernetes cluster from what kubectl tells of it, without touching it:
//
//	kubectl get nodes,pods,namespaces,poddisruptionbudgets -A -o json > cluster.json
//
//	whatif fits  -pod web.yaml cluster.json          how many more such pods fit, and what blocks the next one
//	whatif place -pods batch.yaml cluster.json       would these pods fit, and if not, how many nodes of which shape are missing
//	whatif drain -nodes n1,n2 cluster.json           where the pods of these nodes would go, and what would be left over
//
// "-" reads the dump from the standard input, so a live cluster is asked by a pipe. A file of pods is YAML or JSON: pods, or what has
// a template for them (Deployment, ReplicaSet, StatefulSet, Job), each with its number of replicas unless -n gives one. Instead of a file, -like
// namespace/name takes a pod of the dump. A hundred thousand pods at most are asked about at once.
//
// With -json the answer is for programs. What berth has no words for, such as volumes, is counted at the end of each answer:
// where it matters, kube-scheduler may say otherwise.
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
	"slices"
	"strings"

	v1 "k8s.io/api/core/v1"

	"github.com/berth-sched/berth/kubernetes/adapter"
	"github.com/berth-sched/berth/placement"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	switch err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "whatif:", err)
		os.Exit(1)
	}
}

// mostPods is how many pods can be asked about: place plans them anew for each number of nodes that it tries, some twenty for each shape.
const mostPods = 100_000

type options struct {
	dumps         []string
	pods, like    string
	n, most       int
	nodes         []string
	pending, json bool
	devices       []adapter.Devices
	strategy      placement.Strategy
	ask           func(context.Context, *world, options) (answer, error)
	needsPods     bool
	needsNodes    bool
}

// answer is what a question comes to: as it is encoded for programs, and in lines for people.
type answer interface{ text(w *lines) }

var questions = map[string]options{
	"fits":  {ask: fits, needsPods: true},
	"place": {ask: place, needsPods: true},
	"drain": {ask: drain, needsNodes: true},
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	o, err := parse(args, stdout)
	if err != nil {
		return err
	}
	w, err := load(o, stdin)
	if err != nil {
		return err
	}
	a, err := o.ask(ctx, w, o)
	if err != nil {
		return err
	}
	if o.json {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		return e.Encode(a)
	}
	out := &lines{}
	a.text(out)
	_, err = io.WriteString(stdout, out.String())
	return err
}

func parse(args []string, stdout io.Writer) (options, error) {
	if len(args) == 0 || questions[args[0]].ask == nil {
		if len(args) > 0 && strings.TrimLeft(args[0], "-") == "help" || len(args) > 0 && args[0] == "-h" {
			fmt.Fprintln(stdout, "usage: whatif fits|place|drain [flags] DUMP...; whatif fits -h tells of the flags")
			return options{}, flag.ErrHelp
		}
		const first = "fits, place or drain comes first, such as \"whatif fits -pod web.yaml cluster.json\""
		if len(args) > 0 {
			return options{}, fmt.Errorf("no question %q: %s", args[0], first)
		}
		return options{}, errors.New("no question: " + first)
	}
	o := questions[args[0]]
	o.strategy = placement.BinPack()
	flags := flag.NewFlagSet("whatif "+args[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard) // an error is returned, and the usage is for who asks for it
	if o.needsPods {
		flags.StringVar(&o.pods, "pod", "", "the `file` with the pod, or with what has a template for it")
		flags.StringVar(&o.pods, "pods", "", "the same as -pod: a `file`")
		flags.StringVar(&o.like, "like", "", "ask for pods like this one of the dump: `namespace/name`")
		flags.IntVar(&o.n, "n", 0, "the `number` of pods of each kind, instead of its replicas")
		flags.IntVar(&o.most, "most", 10_000, "count no further than this `number`, of pods that fit and of nodes that are missing")
	}
	if o.needsNodes {
		flags.Func("nodes", "the `nodes` that are drained, with commas between them", func(s string) error {
			o.nodes = append(o.nodes, strings.Split(s, ",")...)
			return nil
		})
	}
	flags.BoolVar(&o.pending, "pending", false, "first place the pods of the dump that wait for a node, by priority")
	flags.BoolVar(&o.json, "json", false, "answer in JSON")
	flags.Func("device", "`class=whole[,share[,label]]`: the resources that count whole devices and thousandths of one, and the node label with their model, "+
		"such as gpu=nvidia.com/gpu", func(s string) error {
		d, err := parseDevice(s)
		o.devices = append(o.devices, d)
		return err
	})
	flags.Func("strategy", "place by this strategy `text`, such as spread(); the default is binpack", func(s string) error {
		by, err := placement.ParseStrategy(s)
		o.strategy = by
		return err
	})
	if err := flags.Parse(args[1:]); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			flags.SetOutput(stdout)
			flags.Usage()
			return o, err
		}
		return o, fmt.Errorf("%w; whatif %s -h tells of the flags", err, args[0])
	}
	o.dumps = flags.Args()
	return o, o.check()
}

// check returns every fault of the flags together.
func (o options) check() error {
	var faults []error
	if len(o.dumps) == 0 {
		faults = append(faults, errors.New("no dump: name the file that kubectl get nodes,pods -A -o json wrote, or -"))
	}
	for _, name := range o.dumps {
		if len(name) > 1 && name[0] == '-' {
			faults = append(faults, fmt.Errorf("%s stands behind a dump: flags come first", name))
		}
	}
	if stdins := slices.DeleteFunc(append(slices.Clone(o.dumps), o.pods), func(name string) bool { return name != "-" }); len(stdins) > 1 {
		faults = append(faults, errors.New("- is there twice, and the standard input can be read but once"))
	}
	if o.needsPods && (o.pods == "") == (o.like == "") {
		faults = append(faults, errors.New("either -pod or -like says which pods are asked about"))
	}
	if o.needsNodes && len(o.nodes) == 0 {
		faults = append(faults, errors.New("-nodes names the nodes that are drained"))
	}
	if o.n < 0 {
		faults = append(faults, fmt.Errorf("-n %d is less than 0", o.n))
	}
	if o.needsPods && (o.most < 1 || o.most > 1_000_000) {
		faults = append(faults, fmt.Errorf("-most %d is not from 1 to 1000000", o.most))
	}
	return errors.Join(faults...)
}

func parseDevice(s string) (adapter.Devices, error) {
	class, resources, ok := strings.Cut(s, "=")
	parts := strings.Split(resources, ",")
	if !ok || class == "" || parts[0] == "" || len(parts) > 3 {
		return adapter.Devices{}, errors.New("not class=whole[,share[,label]]")
	}
	parts = append(parts, "", "")
	return adapter.Devices{Class: class, Whole: v1.ResourceName(parts[0]), Share: v1.ResourceName(parts[1]), Model: parts[2]}, nil
}

// Azurepacking makes a cell of Azure's packing trace of 2020 (Hadary et al., "Protean: VM Allocation Service at Scale", OSDI 2020), for
// the suite to run on. The trace is a database of SQLite, and its driver is why this is a module of its own.
//
//	go run . -db packing_trace_zone_a_v1.sqlite -o DIR
//	go run ../.. -scenario churn -data DIR
//
// The trace tells of each kind of VM what part of a machine it takes, for each kind of machine that it can run on, and names no numbers of
// machines. So a cell has machines of one kind, that of -machine or the one on which most VMs can run, and as many as make -load % of the resource that is
// asked for most, in the mean over the second of the two weeks, were none turned away. A whole machine is 1,000,000 of each resource: cpu_milli, memory_mib,
// hdd, ssd and nic. VMs that were there before the trace begins come at second 0, those that outlived it stay for ever, and what cannot run on
// the kind of machine is left out and counted. The role is the priority, high-priority or low-priority; VMs of one tenant that come in one second are one batch.
//
// What is malformed is told with its table and row, up to 20 of them, and nothing is written.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "azurepacking:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("azurepacking", flag.ContinueOnError)
	flags.SetOutput(out)
	db := flags.String("db", "", "the `file` of the trace, a database of SQLite")
	dir := flags.String("o", "", "`folder` for berth_nodes.csv and berth_tasks.csv")
	var c choice
	flags.Int64Var(&c.machine, "machine", -1, "the machineId of the `kind` of machines; -1 is the one on which most VMs can run")
	flags.IntVar(&c.nodes, "nodes", 0, "`number` of machines; 0 is as many as make the load")
	flags.Float64Var(&c.load, "load", 85, "load of the resource that is asked for most, in `percent`")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var faults []error
	if flags.NArg() > 0 {
		faults = append(faults, fmt.Errorf("%q: there are only flags", flags.Arg(0)))
	}
	if *db == "" {
		faults = append(faults, errors.New("-db: which database?"))
	} else if info, err := os.Stat(*db); err != nil { // the driver would make one
		faults = append(faults, fmt.Errorf("-db: %w", err))
	} else if info.IsDir() {
		faults = append(faults, fmt.Errorf("-db %s: a folder", *db))
	}
	if *dir == "" {
		faults = append(faults, errors.New("-o: which folder?"))
	}
	if c.nodes < 0 || c.nodes > maxNodes {
		faults = append(faults, fmt.Errorf("-nodes %d: not within 0 to %d", c.nodes, maxNodes))
	}
	if !(c.load >= 1 && c.load <= 1000) {
		faults = append(faults, fmt.Errorf("-load %v: not within 1 to 1000", c.load))
	}
	if err := errors.Join(faults...); err != nil {
		return err
	}
	t, err := read(ctx, *db)
	if err != nil {
		return err
	}
	made, err := t.cell(c)
	if err != nil {
		return fmt.Errorf("%s: %w", *db, err)
	}
	if err := made.write(*dir); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%d machines of kind %d and %d VMs in %s; %d VMs cannot run on such, %d were gone when the trace begins\n",
		made.nodes, made.machine, len(made.vms), *dir, made.unfit, made.gone)
	return err
}

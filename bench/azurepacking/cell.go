package main

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/berth-sched/berth/bench/trace"
)

const (
	maxNodes = 2_000_000
	// unit is a whole machine of each resource.
	unit = 1_000_000
	day  = 24 * 60 * 60
	// days is how long the trace was collected.
	days = 14
)

// choice is what a cell is made of.
type choice struct {
	machine int64 // negative is the one on which most VMs can run
	nodes   int   // 0 is as many as make the load
	load    float64
}

type cell struct {
	machine     int64
	nodes       int
	vms         []vm
	takes       map[key]parts
	unfit, gone int
}

// cell chooses the kind of machine, and how many there are.
func (p *packing) cell(c choice) (*cell, error) {
	can := map[int64]int{} // how many VMs can run on a kind of machine
	count := map[int64]int{}
	for _, v := range p.vms {
		count[v.kind]++
	}
	for k := range p.takes {
		can[k.machine] += count[k.kind]
	}
	if c.machine < 0 {
		most := -1
		for machine, n := range can {
			if n > most || n == most && machine < c.machine {
				c.machine, most = machine, n
			}
		}
	}
	if _, known := can[c.machine]; !known {
		return nil, fmt.Errorf("no VM can run on a machine of kind %d", c.machine)
	}
	made := &cell{machine: c.machine, nodes: c.nodes, takes: p.takes}
	var living parts // machines' worth of what lives, in the mean over the second half
	for _, v := range p.vms {
		takes, ok := p.takes[key{v.kind, c.machine}]
		switch {
		case !ok:
			made.unfit++
			continue
		case v.end <= 0:
			made.gone++
			continue
		}
		made.vms = append(made.vms, v)
		if span := min(v.end, days) - max(v.start, days/2); span > 0 {
			for i := range living {
				living[i] += takes[i] * span / (days / 2)
			}
		}
	}
	if len(made.vms) == 0 {
		return nil, errors.New("no VM is left")
	}
	if made.nodes == 0 {
		made.nodes = max(int(math.Ceil(slices.Max(living[:])*100/c.load)), 1)
	}
	if made.nodes > maxNodes {
		return nil, fmt.Errorf("%d machines are needed, more than %d", made.nodes, maxNodes)
	}
	slices.SortFunc(made.vms, func(a, b vm) int {
		return cmp.Or(cmp.Compare(at(a), at(b)), cmp.Compare(a.start, b.start), cmp.Compare(a.tenant, b.tenant), cmp.Compare(a.id, b.id))
	})
	return made, nil
}

// at returns the second at which a VM comes.
func at(v vm) int64 { return int64(math.Round(max(v.start, 0) * day)) }

// lives returns how many seconds it lives, 0 for ever.
func lives(v vm) int64 {
	if math.IsInf(v.end, 1) {
		return 0
	}
	return max(int64(math.Round(v.end*day))-at(v), 1)
}

// amount is a part of a machine in whole numbers; never less, since what does not fit must not.
func amount(part float64) int64 { return int64(math.Ceil(part*unit - 1e-6)) }

// write writes both files, each whole or not at all.
func (c *cell) write(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("-o: %w", err)
	}
	return errors.Join(
		file(filepath.Join(dir, trace.OwnNodes), func(w io.Writer) {
			fmt.Fprintln(w, "id,cpu_milli,memory_mib,resource:hdd,resource:ssd,resource:nic")
			for i := range c.nodes {
				fmt.Fprintf(w, "machine-%07d,%d,%[2]d,%[2]d,%[2]d,%[2]d\n", i, unit)
			}
		}),
		file(filepath.Join(dir, trace.OwnTasks), func(w io.Writer) {
			fmt.Fprintln(w, "id,cpu_milli,memory_mib,resource:hdd,resource:ssd,resource:nic,role,at_s,lives_s,batch")
			for _, v := range c.vms {
				fmt.Fprintf(w, "vm-%d", v.id)
				for _, part := range c.takes[key{v.kind, c.machine}] {
					fmt.Fprintf(w, ",%d", amount(part))
				}
				role := "high-priority"
				if v.low {
					role = "low-priority"
				}
				fmt.Fprintf(w, ",%s,%d,%d,%d@%d\n", role, at(v), lives(v), v.tenant, at(v))
			}
		}))
}

func file(path string, write func(io.Writer)) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	write(w)
	err = errors.Join(w.Flush(), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		err = errors.Join(err, os.Remove(f.Name()))
	}
	return err
}

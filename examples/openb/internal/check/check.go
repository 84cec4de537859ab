// Package check verifies final assignments against the lists they were made of. It shares no code with
// what made them: it reads the CSV files for itself and adds up.
package check

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

type node struct {
	cpu, memory int64
	gpus        int
	model       string
}

type pod struct {
	cpu, memory, milli int64
	gpus               int
	models             string
}

// used is what the assignments of one mode take of one node.
type used struct {
	cpu, memory int64
	milli       []int64 // of each GPU
}

// Assignments reads a node list, a pod list and the assignments of its pods, with the header
// mode,task,node,devices; a task "x~2" is a copy of pod x. It returns how many tasks each mode placed,
// and everything that is wrong: resources or GPUs given out twice, tasks that have not what they asked
// for, or are placed twice. The error is about files that cannot be read.
func Assignments(nodeList, podList, assignments io.Reader) (placed map[string]int, wrong []string, err error) {
	nodes := map[string]node{}
	err = each(nodeList, "sn,cpu_milli,memory_mib,gpu,model", func(get func(string) string, num func(string) int64) {
		nodes[get("sn")] = node{num("cpu_milli"), num("memory_mib"), int(num("gpu")), get("model")}
	})
	if err != nil {
		return nil, nil, fmt.Errorf("nodes: %w", err)
	}
	pods := map[string]pod{}
	err = each(podList, "name,cpu_milli,memory_mib,num_gpu,gpu_milli", func(get func(string) string, num func(string) int64) {
		pods[get("name")] = pod{num("cpu_milli"), num("memory_mib"), num("gpu_milli"), int(num("num_gpu")), get("gpu_spec")}
	})
	if err != nil {
		return nil, nil, fmt.Errorf("pods: %w", err)
	}

	placed = map[string]int{}
	seen := map[string]bool{}
	use := map[string]*used{}
	err = each(assignments, "mode,task,node,devices", func(get func(string) string, _ func(string) int64) {
		mode, task, on := get("mode"), get("task"), get("node")
		complain := func(format string, args ...any) {
			wrong = append(wrong, fmt.Sprintf("%s: %s on %s: ", mode, task, on)+fmt.Sprintf(format, args...))
		}
		placed[mode]++
		p, ok := pods[task]
		if i := strings.LastIndexByte(task, '~'); !ok && i >= 0 {
			p, ok = pods[task[:i]]
		}
		if !ok {
			complain("no such pod")
			return
		}
		n, ok := nodes[on]
		if !ok {
			complain("no such node")
			return
		}
		if seen[mode+" "+task] {
			complain("placed twice")
		}
		seen[mode+" "+task] = true

		u := use[mode+" "+on]
		if u == nil {
			u = &used{milli: make([]int64, n.gpus)}
			use[mode+" "+on] = u
		}
		u.cpu += p.cpu
		u.memory += p.memory
		if u.cpu > n.cpu {
			complain("cpu_milli %d of %d", u.cpu, n.cpu)
		}
		if u.memory > n.memory {
			complain("memory_mib %d of %d", u.memory, n.memory)
		}

		devices := strings.Split(get("devices"), "|")
		if get("devices") == "" {
			devices = nil
		}
		if len(devices) != p.gpus {
			complain("%d GPUs, asked for %d", len(devices), p.gpus)
		}
		if p.models != "" && !slices.Contains(strings.Split(p.models, "|"), n.model) {
			complain("model %s, allowed are %s", n.model, p.models)
		}
		for i, d := range devices {
			index, milli, err := share(d)
			switch {
			case err != nil || index < 0 || index >= n.gpus:
				complain("no GPU %q", d)
				continue
			case slices.ContainsFunc(devices[:i], func(o string) bool { j, _, _ := share(o); return j == index }):
				complain("GPU %d given to it twice", index)
			case milli != p.milli:
				complain("%d of GPU %d, asked for %d", milli, index, p.milli)
			}
			if u.milli[index] += milli; u.milli[index] > 1000 {
				complain("%d of GPU %d in all", u.milli[index], index)
			}
		}
	})
	if err != nil {
		return nil, nil, fmt.Errorf("assignments: %w", err)
	}
	return placed, wrong, nil
}

func share(s string) (index int, milli int64, err error) {
	a, b, _ := strings.Cut(s, ":")
	if index, err = strconv.Atoi(a); err == nil {
		milli, err = strconv.ParseInt(b, 10, 64)
	}
	return index, milli, err
}

// each calls row for every line of a file that has the columns named, at least.
func each(r io.Reader, columns string, row func(get func(string) string, num func(string) int64)) error {
	text, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	if !bytes.HasSuffix(text, []byte("\n")) && len(text) > 0 {
		return errors.New("no line break at the end: the file is cut short")
	}
	lines, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		return err
	}
	if len(lines) == 0 {
		return fmt.Errorf("no header")
	}
	at := map[string]int{}
	for i, name := range lines[0] {
		at[name] = i
	}
	for name := range strings.SplitSeq(columns, ",") {
		if _, ok := at[name]; !ok {
			return fmt.Errorf("no column %s", name)
		}
	}
	for i, line := range lines[1:] {
		get := func(name string) string {
			if j, ok := at[name]; ok {
				return line[j]
			}
			return ""
		}
		num := func(name string) int64 {
			v, e := strconv.ParseInt(get(name), 10, 64)
			if e != nil && err == nil {
				err = fmt.Errorf("line %d: %w", i+2, e)
			}
			return v
		}
		if row(get, num); err != nil {
			return err
		}
	}
	return nil
}

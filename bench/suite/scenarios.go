package suite

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-sched/berth/bench/trace"
)

func scenarios() []Scenario {
	return []Scenario{
		{Name: "fill", About: "tasks arrive one after another, more than there is room for, and none ends (S1, the inflation of USENIX ATC 2023)",
			Workloads: fillWorkloads, Takes: true, Run: fill},
	}
}

// google is a cell after Google's machine table of 2011 whose tasks ask for so many thousandths of its cores.
func google(nodes int, thousandths int64) Workload {
	return Workload{
		Name:  fmt.Sprintf("google-2011-%d", thousandths/10),
		About: fmt.Sprintf("machines drawn from Google's table of 2011, tasks that ask for %d %% of the cores, drawn from the seed", thousandths/10),
		Cell: func(seed uint64) (*Cell, error) {
			c := trace.Google(min(nodes, trace.Machines), 10*min(nodes, trace.Machines), seed)
			if err := c.Inflate(thousandths, seed); err != nil {
				return nil, err
			}
			return cellOf(c, seed), nil
		},
	}
}

func fillWorkloads(c Config) ([]Workload, error) {
	workloads := []Workload{google(c.Nodes, 500), google(c.Nodes, 1300), gpuCell(c.Nodes, 1300)}
	lists, err := openbLists(c)
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		w, err := openb(c.Data, list, 1300)
		if err != nil {
			return nil, err
		}
		workloads = append(workloads, w)
	}
	return workloads, nil
}

// openbLists returns the pod lists of -data that the tier runs: the default one where it is quick.
func openbLists(c Config) ([]string, error) {
	if c.Data == "" {
		return nil, nil
	}
	if _, err := filepath.Glob(filepath.Join(c.Data, "*")); err != nil {
		return nil, fmt.Errorf("-data %s: %w", c.Data, err)
	}
	lists, err := filepath.Glob(filepath.Join(c.Data, "openb_pod_list_*.csv"))
	if err != nil {
		return nil, fmt.Errorf("-data %s: %w", c.Data, err)
	}
	slices.Sort(lists)
	if c.Tier == Quick {
		lists = slices.DeleteFunc(lists, func(l string) bool { return filepath.Base(l) != trace.PodList })
	}
	return lists, nil
}

// openb is a list of pods of Alibaba's GPU cluster trace, on its nodes, that asks for so many thousandths of the GPUs. The
// files are read once.
func openb(dir, list string, thousandths int64) (Workload, error) {
	c, err := trace.Load(dir, list)
	if err != nil {
		return Workload{}, err
	}
	name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(list), "openb_pod_list_"), ".csv")
	w := Workload{
		Name:  fmt.Sprintf("openb-%s-%d", name, thousandths/10),
		About: fmt.Sprintf("Alibaba's GPU cluster trace, list %s, its pods in an order drawn from the seed and copied to ask for %d %% of the GPUs", name, thousandths/10),
		Cell: func(seed uint64) (*Cell, error) {
			of := &trace.Cell{Name: c.Name, Nodes: c.Nodes, Pods: slices.Clone(c.Pods)}
			pcg(seed, 3).Shuffle(len(of.Pods), func(i, j int) { of.Pods[i], of.Pods[j] = of.Pods[j], of.Pods[i] })
			if err := of.Inflate(thousandths, seed); err != nil {
				return nil, err
			}
			return cellOf(of, seed), nil
		},
	}
	for _, path := range []string{filepath.Join(dir, trace.NodeList), list} {
		in, err := InputOf(path)
		if err != nil {
			return Workload{}, err
		}
		w.Inputs = append(w.Inputs, in)
	}
	return w, nil
}

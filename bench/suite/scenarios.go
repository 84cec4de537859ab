package suite

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/berth-sched/berth/bench/trace"
)

func scenarios() []Scenario {
	return []Scenario{
		{Name: "fill", About: "tasks arrive one after another, more than there is room for, and none ends (S1, the inflation of USENIX ATC 2023)",
			Workloads: fillWorkloads, Takes: true, Offline: true, Run: fill},
		{Name: "compaction", About: "how few machines hold a load of 60 % of the cell, by bisection over a random order of them (S2, Borg's cell compaction)",
			Workloads: compactionWorkloads, Offline: true, Run: compact},
		{Name: "churn", About: "tasks come and go, at 70, 85 and 95 % load; what finds no node is turned away (S3)",
			Workloads: churnWorkloads, Run: churn},
		{Name: "packing", About: "families of vector bin packing: items one by one, a new bin when none that is open has room (S4)",
			Workloads: packingWorkloads, Offline: true, Run: pack},
		{Name: "stranding", About: "loads that a careless choice leaves no use for: demands that go against each other, and large tasks that come late (S5)",
			Workloads: strandingWorkloads, Run: fill},
		{Name: "constraints", About: "services with rules about zones, nodes, generations and taints (S6)",
			Workloads: one(ruled), Run: obey},
		{Name: "gangs", About: "groups of 2 to 64 tasks that run whole or not at all (S7)",
			Workloads: one(gangs), Run: gather},
		{Name: "fairness", About: "tenants that want more than there is, round after round, by orders of roles (S8)",
			Workloads: fairnessWorkloads, ByOrder: true, Run: share},
		{Name: "offers", About: "the same tenants as frameworks that an exchange makes offers to, by orders of its turns (S8)",
			Workloads: offersWorkloads, ByOrder: true, Run: shareByOffers},
		{Name: "failure", About: "a cell of services at 60 % load loses the zone with most of its tasks, and places them anew (S9)",
			Workloads: one(ruled), Run: fail},
		{Name: "drain", About: "a cell of services at 60 % load, of which a tenth of the nodes is emptied one after another, task by task to other nodes (S9)",
			Workloads: one(ruled), Run: drain},
		{Name: "reclaim", About: "a tenant fills the cell with what is guaranteed to another, who then wants it: which tasks end for that (S9)",
			Workloads: lentWorkloads, Run: reclaim},
		{Name: "scale", About: "speed, latency and memory over the number of nodes, empty and full (S10)",
			Workloads: scaleWorkloads, Run: scale},
		{Name: "azure", About: "VMs of Azure's trace of 2017 come in tenants' batches and live as long as they did, at 85 and 95 % load (S12); needs -data",
			Workloads: azureWorkloads, Run: churn},
		{Name: "defragment", About: "the end of a churn at 50 % load: how many moves it takes to empty a twentieth of the nodes that have tasks (S11)",
			Workloads: fragmented, Run: defragment},
		{Name: "million", About: "ten tasks for each of a million nodes, or of -nodes, in one process: seconds and memory (S10); only where -scenario names it",
			Workloads: millionWorkloads, Run: million},
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
	machines, err := paiWorkloads(c)
	own, ownErr := ownWorkloads(c, false)
	return append(append(workloads, machines...), own...), errors.Join(err, ownErr)
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

// one makes the workloads of a scenario that has one.
func one(of func(nodes int) Workload) func(Config) ([]Workload, error) {
	return func(c Config) ([]Workload, error) { return []Workload{of(c.Nodes)}, nil }
}

// absent are what the specification of the suite names and the library has no part for: nothing stands in for them.
var absent = [][2]string{
	{"preemption", "storms of tasks of a higher priority that others make room for (S9): the library ends no task for another's priority; see reclaim for what it ends for a guarantee"},
}

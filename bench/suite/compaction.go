package suite

import (
	"context"
	"slices"
	"time"

	"github.com/berth-sched/berth"
)

// pendingAllowed is the part of the tasks, one in so many, that may be without a node in a cell that counts as large enough.
const pendingAllowed = 500

// compact answers how small the cell could be: machines in a random order, and by bisection the least number of them, the first of
// that order, on which the load fits but for 0.2 % of its tasks, packed from scratch each time. It is the cell compaction of Verma et
// al., "Large-scale cluster management at Google with Borg", EuroSys 2015, whose trials are the seeds; what fits is not
// monotone in the number, so another search may find another one.
func compact(ctx context.Context, r *Run) error {
	if r.Policy != nil && r.Policy.Sort != nil {
		r.Policy.Sort(r.Cell)
	}
	nodes := slices.Clone(r.Cell.Nodes)
	pcg(r.Cell.Seed, 5).Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	tasks := r.Cell.Tasks()
	begin, decisions := time.Now(), 0
	holds := func(n int) (bool, error) {
		_, s, err := r.Scheduler(nodes[:n])
		if err != nil {
			return false, err
		}
		decisions += len(tasks)
		out, err := s.Schedule(ctx, tasks...)
		if err != nil {
			return false, err
		}
		return len(out.Unplaced)*pendingAllowed <= len(tasks), nil
	}
	taken := berth.Resources{}
	for _, t := range tasks {
		for name, q := range t.Group.Cost() {
			taken[name] += q
		}
	}
	lo, hi := 0, len(nodes) // lo is too few; hi is enough, unless all are too few
	ok, err := holds(hi)
	if err != nil {
		return err
	}
	for ok && hi-lo > 1 {
		middle := (lo + hi) / 2
		enough, err := holds(middle)
		if err != nil {
			return err
		}
		if enough {
			hi = middle
		} else {
			lo = middle
		}
	}
	bound := nodesBound(r.Cell.Nodes, taken)
	r.Metric("nodes-bound", float64(bound))
	if ok { // where all machines are too few there is no number to tell
		r.Metric("machines", float64(hi))
	}
	r.Time("decisions", float64(decisions)/time.Since(begin).Seconds())
	return nil
}

func compactionWorkloads(c Config) ([]Workload, error) {
	workloads := []Workload{google(c.Nodes, 600), gpuCell(c.Nodes, 600)}
	lists, err := openbLists(c)
	if err != nil {
		return nil, err
	}
	for _, list := range lists {
		if c.Tier == Full || len(lists) == 1 || c.Tier == Standard && list == lists[0] {
			w, err := openb(c.Data, list, 600)
			if err != nil {
				return nil, err
			}
			workloads = append(workloads, w)
		}
	}
	return workloads, nil
}

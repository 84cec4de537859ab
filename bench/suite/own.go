package suite

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
)

// paiWorkloads returns what there is of the PAI machines in -data.
func paiWorkloads(c Config) ([]Workload, error) {
	path := filepath.Join(c.Data, trace.PAIMachines)
	if _, err := os.Stat(path); c.Data == "" || os.IsNotExist(err) {
		return nil, nil
	}
	machines, err := trace.LoadPAI(path)
	if err == nil && len(machines) == 0 {
		err = fmt.Errorf("%s: no machines in it", path)
	}
	if err != nil {
		return nil, err
	}
	w := pai(machines, c.Nodes, 1300)
	in, err := InputOf(path)
	w.Inputs = []Input{in}
	return []Workload{w}, err
}

// ownWorkloads returns the cell in the format of package trace that is in -data: where lives says so, one whose tasks come and go, and else
// one whose tasks do not.
func ownWorkloads(c Config, lives bool) ([]Workload, error) {
	if c.Data == "" || !trace.HasOwn(c.Data) {
		return nil, nil
	}
	of, err := trace.LoadOwn(c.Data)
	if err != nil {
		return nil, err
	}
	some := false
	for i := range of.Jobs {
		some = some || of.Jobs[i].Lives > 0
	}
	if some != lives {
		return nil, nil
	}
	w := Workload{Name: "own", About: "the nodes and tasks of " + trace.OwnNodes + " and " + trace.OwnTasks + ", the same for all seeds, which decide among equal nodes",
		Cell: func(seed uint64) (*Cell, error) { return ownCell(of, seed) }}
	for _, path := range of.Files {
		in, err := InputOf(path)
		if err != nil {
			return nil, err
		}
		w.Inputs = append(w.Inputs, in)
	}
	return []Workload{w}, nil
}

// ownCell makes the cell. Tasks that ask for the same share a group.
func ownCell(of *trace.OwnCell, seed uint64) (*Cell, error) {
	cell := &Cell{Seed: seed, Nodes: of.Nodes}
	groups := map[string]*berth.Group{}
	for i := range of.Jobs {
		j := &of.Jobs[i]
		key := fmt.Sprint(j.QoS, "\x00", j.Shape, j.Others)
		g := groups[key]
		if g == nil {
			g = berth.NewGroup(fmt.Sprintf("kind-%d", len(groups)), j.Spec())
			if err := g.Err(); err != nil {
				return nil, fmt.Errorf("%s, task %s: %w", trace.OwnTasks, j.Name, err)
			}
			groups[key] = g
		}
		cell.Arrivals = append(cell.Arrivals, Arrival{Task: g.Task(j.Name), At: j.At, Lives: j.Lives, Batch: j.Batch})
	}
	return cell, nil
}

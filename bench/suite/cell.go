package suite

import (
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/bench/trace"
)

// Cell is a cluster and what arrives at it.
type Cell struct {
	Seed     uint64
	Nodes    []berth.Node
	Arrivals []Arrival // in the order in which they come
	// Recurring says that all tasks are there from the beginning and come again when they end, for scenarios in which roles compete. Else
	// each arrival is one task of a role that has any number of them.
	Recurring bool
}

// Arrival is a task, and its time.
type Arrival struct {
	Task  berth.Task
	At    time.Duration // since the beginning
	Lives time.Duration // from when it is placed; 0 is for ever
	Batch int           // tasks that one tenant asks for at once have one number
}

// Tasks returns the tasks in the order of their arrival.
func (c *Cell) Tasks() []berth.Task {
	tasks := make([]berth.Task, len(c.Arrivals))
	for i, a := range c.Arrivals {
		tasks[i] = a.Task
	}
	return tasks
}

// Total returns what all nodes have, devices by their class.
func (c *Cell) Total() berth.Resources {
	total := berth.Resources{}
	for i := range c.Nodes {
		for name, q := range capacity(&c.Nodes[i]) {
			total[name] += q
		}
	}
	return total
}

// Scarce names the resource by which the cell's load is told: GPUs, where there are any, and else the one of which the
// tasks ask for the greatest part.
func (c *Cell) Scarce() string {
	total := c.Total()
	if total[trace.GPU] > 0 {
		return trace.GPU
	}
	asked := map[string]float64{} // of a load, which may be beyond an int64, only the ratio matters
	for _, a := range c.Arrivals {
		for name, q := range a.Task.Group.Cost() {
			asked[name] += float64(q)
		}
	}
	scarce, most := "cpu", -1.0
	for name, whole := range total.All() {
		if part := asked[name] / float64(max(whole, 1)); part > most {
			scarce, most = name, part
		}
	}
	return scarce
}

// capacity returns what a node has, each class of its devices included.
func capacity(n *berth.Node) berth.Resources {
	c := n.Capacity.Clone()
	if c == nil {
		c = berth.Resources{}
	}
	for _, d := range n.Devices {
		c[d.Class] += berth.DeviceUnits
	}
	return c
}

// cellOf turns a trace's cell into one of the suite.
func cellOf(c *trace.Cell, seed uint64) *Cell {
	out := &Cell{Seed: seed, Nodes: c.Nodes}
	for i, t := range c.Tasks() {
		out.Arrivals = append(out.Arrivals, Arrival{Task: t, Batch: i})
	}
	return out
}

// largest returns the most that any node has of each resource.
func (c *Cell) largest() berth.Resources {
	most := berth.Resources{}
	for i := range c.Nodes {
		for name, q := range capacity(&c.Nodes[i]) {
			most[name] = max(most[name], q)
		}
	}
	return most
}

// mix returns the groups of the cell that have the most tasks, which together are 95 % of them but at most 64, and how many tasks
// each has: what tasks are typical, as fragmentation gradient descent takes it.
func (c *Cell) mix() (groups []*berth.Group, counts []int) {
	index := map[*berth.Group]int{}
	for _, a := range c.Arrivals {
		i, ok := index[a.Task.Group]
		if !ok {
			i = len(groups)
			index[a.Task.Group] = i
			groups, counts = append(groups, a.Task.Group), append(counts, 0)
		}
		counts[i]++
	}
	by := make([]int, len(groups))
	for i := range by {
		by[i] = i
	}
	slices.SortStableFunc(by, func(a, b int) int { return counts[b] - counts[a] })
	var g []*berth.Group
	var n []int
	covered := 0
	for _, i := range by {
		if 100*covered >= 95*len(c.Arrivals) || len(g) == 64 {
			break
		}
		covered += counts[i]
		g, n = append(g, groups[i]), append(n, counts[i])
	}
	return g, n
}

package rivals

import "fmt"

// Case is what the tasks of a workload ask for.
type Case string

const (
	// Fit: room.
	Fit Case = "fit"
	// Spread: room, and the tasks of a group even over zones as far as it goes.
	Spread Case = "spread"
	// Constrained: room, a node with an SSD, which one in ten has, and no other task of the group there.
	Constrained Case = "constrained"
	// Affinity: room, and for every other group the zone of the group before it.
	Affinity Case = "affinity"
	// Daemon: a task of each group on every node.
	Daemon Case = "daemon"
)

// Cases lists them all.
func Cases() []Case { return []Case{Fit, Spread, Constrained, Affinity, Daemon} }

// Workload is nodes and the tasks to be placed on them. It is the same for the same arguments.
type Workload struct {
	Case   Case
	Nodes  []Node
	Groups []Group
}

// Node is a machine.
type Node struct {
	ID     string
	CPU    int64 // thousandths of a core
	Memory int64 // bytes
	Zone   string
	Disk   string
}

// Group is tasks that are alike.
type Group struct {
	Name   string
	CPU    int64
	Memory int64
	Tasks  int // of a daemon as many as nodes

	Zones     bool   // even over zones
	SSD       bool   // on nodes with an SSD
	Alone     bool   // at most one on a node
	Near      string // the group in whose zone they are to be
	EveryNode bool
}

// Tasks returns how many there are in all.
func (w *Workload) Tasks() (n int) {
	for _, g := range w.Groups {
		n += g.Tasks
	}
	return n
}

// GroupSize is how many tasks the groups have, those of daemons and the last of the others aside.
const GroupSize = 50

// NewWorkload makes a workload of so many nodes and tasks. Nodes have 16, 32 or 64 cores with 4 GiB for each, are in ten zones, and
// one in ten has an SSD. Tasks take a quarter of a core to four, by group, and a GiB to four; those that are constrained a tenth as
// much. Of daemons there are as many as make the number of tasks, at least one. It fails for numbers below 1, and where the tasks would
// take more than three quarters of what the nodes have that they may use, since a rival may wait for ever for room.
func NewWorkload(c Case, nodes, tasks int) (*Workload, error) {
	if nodes < 1 || tasks < 1 {
		return nil, fmt.Errorf("%d tasks on %d nodes: there must be at least one of each", tasks, nodes)
	}
	w, asked, ssds := &Workload{Case: c}, tasks, 0
	for i := range nodes {
		cores := int64(16) << (i % 3)
		n := Node{ID: fmt.Sprintf("n%06d", i), CPU: cores * 1000, Memory: cores << 32, Zone: fmt.Sprintf("z%d", i/3%10), Disk: "hdd"}
		if i/30%10 == 0 {
			n.Disk = "ssd"
			ssds++
		}
		w.Nodes = append(w.Nodes, n)
	}
	size := GroupSize
	switch c {
	case Constrained:
		size = min(size, ssds)
	case Daemon:
		size = nodes
		tasks = max(tasks/nodes, 1) * nodes
	}
	for i := 0; tasks > 0; i++ {
		g := Group{Name: fmt.Sprintf("g%05d", i), CPU: 250 << (i % 5), Memory: int64(1+i%4) << 30, Tasks: min(size, tasks)}
		switch c {
		case Spread:
			g.Zones = true
		case Constrained:
			g.SSD, g.Alone, g.CPU, g.Memory = true, true, g.CPU/10, g.Memory/10
		case Affinity:
			if i%2 == 1 {
				g.Near = w.Groups[i-1].Name
			}
		case Daemon:
			g.EveryNode, g.CPU, g.Memory = true, 100, 64<<20
		}
		w.Groups = append(w.Groups, g)
		tasks -= g.Tasks
	}
	if w.crowded() {
		return nil, fmt.Errorf("%s: %d tasks are too many for %d nodes", c, asked, nodes)
	}
	return w, nil
}

// crowded reports whether the tasks take more than three quarters of what the nodes have that they may use.
func (w *Workload) crowded() bool {
	var cpu, memory, cpus, memories int64
	for _, g := range w.Groups {
		cpu, memory = cpu+g.CPU*int64(g.Tasks), memory+g.Memory*int64(g.Tasks)
	}
	for _, n := range w.Nodes {
		if w.Case != Constrained || n.Disk == "ssd" {
			cpus, memories = cpus+n.CPU, memories+n.Memory
		}
	}
	return cpu/3 > cpus/4 || memory/3 > memories/4
}

package placement

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/lex"
	"github.com/berth-sched/berth/internal/store"
)

// GpuClustering is the GpuClustering score of the FGD study (Weng et al., USENIX ATC 2023, in its Kubernetes scheduler simulator; its idea is Gandiva's, Xiao et al.,
// OSDI 2018), for devices of a class: tasks that ask alike come together. Tasks are of one size if both have a share of a device, or as many whole
// devices. The score is a whole number, with free what is free of the node's devices in thousandths, before the task is placed:
//
//	75 + u    where the node has tasks of the task's size and of no other,
//	50 + u    where it has others too,
//	25 + u    where it has none that asks for the class,
//	     u    where it has tasks of other sizes alone; u = 25 (8000 - free) / 8000, rounded towards 0
//
// All within 0 to 100, which it is on nodes of 16 devices and fewer. A task that asks for no units of the class is rated 0 everywhere. All tasks on the node count that ask for the
// class, those that are stopping too. In the study nodes of equal score come in a fixed order that is shuffled, which is what a [Strategy] does.
//
// It is here to compare with: every node is rated for every task, as a [Func] has it. It prints as "gpu-clustering(gpu)".
func GpuClustering(class string) Term {
	const of, most = 25, 8 * berth.DeviceUnits // the study's largest node has eight
	t := Func("gpu-clustering("+lex.PrintName(class)+")", func(c *Candidate) int64 {
		size := sizeOf(c.task.Group, class)
		if size == noSize {
			return 0
		}
		score := of * (most - c.FreeOf(class)) / most
		alike, others := c.who.sizes(class, size)
		if alike {
			score += 2 * of
		}
		if !others {
			score += of
		}
		return score
	}).Between(0, 100)
	t.ours, t.resources = true, []string{class}
	if class == "" {
		return t.fault("no device class")
	}
	return t
}

// taskSize is what a task asks for of a class of devices: a number of whole ones, or a share.
type taskSize int

const (
	noSize  taskSize = 0
	ofShare taskSize = -1
)

func sizeOf(g *berth.Group, class string) taskSize {
	whole := 0
	for _, d := range g.Requirements().Devices {
		switch {
		case d.Class != class:
		case d.Share > 0:
			return ofShare
		default:
			whole += d.Count
		}
	}
	return taskSize(whole)
}

// clusters is how many tasks of which size nodes have, for the classes of devices that terms of GpuClustering are about.
//
// A row is read again at the beginning of a plan if the last plan touched it or the change log names it, whether or not as much is free as was: a
// task of two devices may have come for two of one. Within a plan it is moved with every step.
type clusters struct {
	mirror  *mirror
	classes []string
	rows    [][]sizes // by class and row
	stale   []uint32  // rows to be read
	all     bool      // or all of them
}

// sizes is how many tasks of each size, none of which is of no tasks.
type sizes []sized

type sized struct {
	size  taskSize
	tasks int
}

func (s *sizes) add(of taskSize, tasks int) {
	i := slices.IndexFunc(*s, func(k sized) bool { return k.size == of })
	switch {
	case of == noSize:
	case i < 0:
		*s = append(*s, sized{of, tasks})
	default:
		if (*s)[i].tasks += tasks; (*s)[i].tasks == 0 {
			*s = slices.Delete(*s, i, i+1)
		}
	}
}

// has reports whether there are tasks of a size, and of others.
func (s sizes) has(of taskSize) (alike, others bool) {
	for _, k := range s {
		alike, others = alike || k.size == of, others || k.size != of
	}
	return alike, others
}

// newClusters returns what a policy needs: nil if that is nothing.
func newClusters(p *policy, m *mirror) *clusters {
	if len(p.clusters) == 0 {
		return nil
	}
	return &clusters{mirror: m, classes: p.clusters, rows: make([][]sizes, len(p.clusters)), all: true}
}

// changed notes that rows can differ from what was read.
func (k *clusters) changed(rows []uint32) {
	if k != nil {
		k.stale = append(k.stale, rows...)
	}
}

// forget notes that all can.
func (k *clusters) forget() {
	if k != nil {
		k.all = true
	}
}

// start reads the rows that can differ. The mirror is in line with its view.
func (k *clusters) start() {
	if k == nil {
		return
	}
	for i := range k.rows {
		if n := len(k.mirror.rows) - len(k.rows[i]); n > 0 {
			k.rows[i] = append(k.rows[i], make([]sizes, n)...)
		}
	}
	if k.all {
		for row := range uint32(len(k.mirror.rows)) {
			k.read(row)
		}
	} else {
		for _, row := range k.stale {
			k.read(row)
		}
	}
	k.stale, k.all = k.stale[:0], false
}

func (k *clusters) read(row uint32) {
	for i := range k.rows {
		k.rows[i][row] = k.rows[i][row][:0]
	}
	if k.mirror.rows[row].node == nil {
		return
	}
	for t := range cluster.NodeView(store.RefTo(k.mirror.view, row)).Tasks() {
		k.move(t.Group, row, 1)
	}
}

// move notes that a row has so many tasks of a group more.
func (k *clusters) move(g *berth.Group, row uint32, tasks int) {
	if k == nil {
		return
	}
	for i, class := range k.classes {
		k.rows[i][row].add(sizeOf(g, class), tasks)
	}
}

// sizes reports whether a row has tasks of a size, and of others.
func (w *scanWorker) sizes(class string, of taskSize) (alike, others bool) {
	k := w.search.clusters
	return k.rows[slices.Index(k.classes, class)][w.row].has(of)
}

// sizes walks the tasks of the node.
func (e *Exhaustive) sizes(class string, of taskSize) (alike, others bool) {
	var all sizes
	for t := range e.here.Tasks() {
		all.add(sizeOf(t.Group, class), 1)
	}
	return all.has(of)
}

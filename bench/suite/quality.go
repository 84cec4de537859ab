package suite

import (
	"math"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// end notes how well a cluster is filled: what is allocated and stranded, how many nodes have tasks and how few could do.
func (r *Run) end(snapshot *cluster.Snapshot) {
	scarce := r.Cell.Scarce()
	total, free, taken := snapshot.Total(), berth.Resources{}, berth.Resources{}
	var parts []float64
	used := 0
	for n := range snapshot.Nodes() {
		whole, left := n.Capacity(), n.Free()
		for name, q := range whole {
			free[name] += left[name]
			taken[name] += q - left[name]
		}
		if whole[scarce] > 0 {
			parts = append(parts, percent(whole[scarce]-left[scarce], whole[scarce]))
		}
		if occupied(n) {
			used++
		}
	}
	for name, whole := range total {
		r.Metric("allocated."+name, percent(whole-free[name], whole))
	}
	bound := nodesBound(r.Cell.Nodes, taken)
	r.Metric("nodes-used", float64(used))
	r.Metric("nodes-bound", float64(bound))
	r.Metric("gap", percent(int64(used-bound), int64(bound)))
	r.Metric("imbalance", deviation(parts))
	for name, part := range stranded(r.Cell, snapshot) {
		r.Metric("stranded."+name, part)
	}
}

func occupied(n cluster.NodeView) bool {
	for range n.Tasks() {
		return true
	}
	return false
}

// heat returns the part in use of each node's scarce resource, in %, in the order of IDs; of at most 2,000 nodes, evenly chosen.
func heat(snapshot *cluster.Snapshot, scarce string) []int {
	step := max(1, (snapshot.Len()+1999)/2000)
	var parts []int
	i := 0
	for n := range snapshot.Nodes() {
		if i++; (i-1)%step != 0 {
			continue
		}
		whole := n.Capacity()[scarce]
		parts = append(parts, int(percent(whole-n.Free()[scarce], whole)))
	}
	return parts
}

// nodesBound returns the fewest nodes that have what is taken, each resource for itself: of the largest ones, as many as it needs.
func nodesBound(nodes []berth.Node, taken berth.Resources) int {
	most := 0
	for name, need := range taken {
		var have []int64
		for i := range nodes {
			if q := capacity(&nodes[i])[name]; q > 0 {
				have = append(have, q)
			}
		}
		slices.SortFunc(have, func(a, b int64) int { return int(min(max(b-a, -1), 1)) })
		k := 0
		for ; need > 0 && k < len(have); k++ {
			need -= have[k]
		}
		most = max(most, k)
	}
	return most
}

// stranded returns, of each resource, the part of all there is that is free on nodes where typical tasks do not fit, each weighted
// by how many of it there are. It is the fragmentation of Weng et al., USENIX ATC 2023, for any resource, except that a node on
// which a task fits strands nothing for it.
func stranded(c *Cell, snapshot *cluster.Snapshot) map[string]float64 {
	groups, counts := c.mix()
	fork := snapshot.Fork()
	sums := map[string]float64{}
	all := 0
	for _, n := range counts {
		all += n
	}
	for view := range snapshot.Nodes() {
		n, ok := fork.Node(view.ID())
		if !ok {
			continue
		}
		misfits := 0
		for i, g := range groups {
			if !fork.Fits(g, n) {
				misfits += counts[i]
			}
		}
		for name, q := range view.Free() {
			sums[name] += float64(float64(q) * float64(misfits) / float64(max(all, 1)))
		}
	}
	total := snapshot.Total()
	for name, whole := range total {
		sums[name] = 100 * sums[name] / float64(max(whole, 1))
	}
	return sums
}

// bySize counts tasks by the largest fraction that they ask for of any resource of the largest node.
type bySize struct{ small, medium, large int }

func (b *bySize) add(request, largest berth.Resources) {
	quarter, sixteenth := false, false
	for name, q := range request {
		if q > 0 {
			quarter = quarter || q >= largest[name]/4
			sixteenth = sixteenth || q >= largest[name]/16
		}
	}
	switch {
	case quarter:
		b.large++
	case sixteenth:
		b.medium++
	default:
		b.small++
	}
}

// rejections notes which part of the tasks was turned away, of all and by size.
func (r *Run) rejections(tasks []berth.Task, rejected map[string]bool) {
	var all, out bySize
	largest := r.Cell.largest()
	for _, t := range tasks {
		all.add(t.Group.Cost(), largest)
		if rejected[t.ID] {
			out.add(t.Group.Cost(), largest)
		}
	}
	r.Metric("rejected", percent(int64(len(rejected)), int64(len(tasks))))
	for _, c := range []struct {
		name     string
		out, all int
	}{{"small", out.small, all.small}, {"medium", out.medium, all.medium}, {"large", out.large, all.large}} {
		if c.all > 0 {
			r.Metric("rejected."+c.name, percent(int64(c.out), int64(c.all)))
		}
	}
}

// load follows what has arrived and what is allocated of it, in whole percents of a cell's scarce resource.
type load struct {
	whole, arrived, allocated int64
	sums                      []float64
	counts                    []int
}

// add counts one arrival. The curve at x is the mean over the arrivals after which x % has arrived, rounded half to even, as the
// published curves have it.
func (l *load) add(asks int64, placed bool) {
	l.arrived += asks
	if placed {
		l.allocated += asks
	}
	x := int(math.RoundToEven(percent(l.arrived, l.whole)))
	for len(l.sums) <= x {
		l.sums, l.counts = append(l.sums, 0), append(l.counts, 0)
	}
	l.sums[x] += percent(l.allocated, l.whole)
	l.counts[x]++
}

func (l *load) curve() (xs, ys []float64) {
	for x, n := range l.counts {
		if n > 0 {
			xs, ys = append(xs, float64(x)), append(ys, l.sums[x]/float64(n))
		}
	}
	return xs, ys
}

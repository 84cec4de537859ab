package placement

import (
	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// reference is the picker that answers what has no index. It is good for one plan, and is told of its steps when it is
// asked.
type reference struct {
	picker *Exhaustive
	live   bool // whether the picker has begun this plan
	told   int  // how many of its steps the picker knows
}

func (r *reference) end() { r.live = false }

func (r *reference) begin(s *cluster.Snapshot) {
	if !r.live {
		r.picker.Start(s)
		r.live, r.told = true, 0
	}
}

// lacks returns all that keeps a group off a node.
func (r *reference) lacks(g *berth.Group, node string) []berth.Lack {
	n, _ := r.picker.fork.Node(node)
	return r.picker.fork.Lacks(g, n)
}

package placement

import (
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// Suited returns the strategy that suits a cluster by what its nodes are and what is in use: [PricedGaps] where a node has devices, which learns what
// tasks ask for, and else [BinPack] over what the cluster is short of ([ShortOf], by what all tasks and holds have), which is over all resources
// while nothing is in use.
//
// It is for a host that has no wishes of its own, and is asked once, when the scheduler is made, not for each plan: a scheduler goes on
// by the strategy that it was given. Were it to change to another when the first device comes, the same tasks would have
// other nodes by when that was, and all indexes would begin anew. The documentation of the package has a table of what strategies come to. The same snapshot gives
// the same strategy, and none is as one without nodes. It costs O(nodes).
func Suited(s *cluster.Snapshot) Strategy {
	s = orEmpty(s)
	view := (*store.View)(s).Shown()
	for _, row := range view.Order() {
		if len(view.Node(row).Node.Spec.Devices) > 0 {
			return PricedGaps(Mix{})
		}
	}
	return BinPack(ShortOf(s.Total(), s.Used(""))...)
}

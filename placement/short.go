package placement

import (
	"slices"

	"github.com/berth-sched/berth"
)

// ShortOf returns the resources that a cluster is short of, in the order of their names: those of which at least nine tenths as
// large a part of the capacity is asked for as of the one that is asked for most. It is what [BinPack] is best over: a node that is
// packed by what there is plenty of loses room for what is scarce. What is asked for is that of all tasks, those that run and those to
// come; a host that does not know the latter takes what is in use once its cluster is well filled. A resource that there is none
// of, or that nobody asks for, is not among them.
//
// It is not asked anew for each plan: a strategy over other resources orders all nodes anew.
func ShortOf(capacity, asked berth.Resources) []string {
	var most int64
	parts := map[string]int64{}
	for name, all := range capacity {
		if q := asked[name]; all > 0 && q > 0 {
			parts[name] = partsOf(q, all)
			most = max(most, parts[name])
		}
	}
	var short []string
	for name, part := range parts {
		if part >= most-most/10 {
			short = append(short, name)
		}
	}
	slices.Sort(short)
	return short
}

package extender

import "github.com/berth-sched/berth/cluster"

// numbering gives nodes numbers by their names, so that what is kept of each is in slices. Names that are no longer in use are dropped when
// they are many.
type numbering struct {
	of    map[string]int32
	names []string
	asked []uint32 // by number: the request that named the node last
	now   uint32
	there []bool // by number: whether there is such a node, as of the set of nodes
	set   uint64
}

// number returns the number of a node, a new one if it has none.
func (n *numbering) number(name string) int32 {
	i, ok := n.of[name]
	if !ok {
		if n.of == nil {
			n.of = map[string]int32{}
		}
		i = int32(len(n.names))
		n.of[name] = i
		n.names, n.asked, n.there = append(n.names, name), append(n.asked, 0), append(n.there, false)
	}
	return i
}

// ask marks the nodes of a request, and returns how many there are, each counted once, and how many of those exist.
func (n *numbering) ask(among []string) (distinct, there int) {
	if n.now++; n.now == 0 { // after four thousand million requests
		clear(n.asked)
		n.now = 1
	}
	for _, name := range among {
		if i := n.number(name); n.asked[i] != n.now {
			n.asked[i] = n.now
			distinct++
			if n.there[i] {
				there++
			}
		}
	}
	return distinct, there
}

// learn notes which nodes there are.
func (n *numbering) learn(set uint64, s *cluster.Snapshot) {
	if n.set == set {
		return
	}
	if len(n.names) > 2*s.Len()+1024 {
		*n = numbering{}
	}
	clear(n.there)
	for view := range s.Nodes() {
		n.there[n.number(view.ID())] = true
	}
	n.set = set
}

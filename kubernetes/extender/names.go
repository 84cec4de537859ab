package extender

import (
	"slices"
	"sync"

	"github.com/berth-sched/berth/cluster"
)

// numbering gives the nodes that there are numbers, so that what is kept of each is in slices. Requests name thousands of nodes, in much the
// same order from one to the next, so a name is first compared with the one that came next the last time.
type numbering struct {
	mu      sync.Mutex
	set     uint64 // of which set of nodes it is
	learned bool
	of      map[string]int32
	names   []string // by number, which is their order
	follows []int32  // by number plus one, 0 for the first of a request: who came next
	asked   []uint32 // by number: the request that named the node last
	now     uint32
}

// learn numbers the nodes that there are, unless they are those of before.
func (n *numbering) learn(set uint64, s *cluster.Snapshot) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.learned && n.set == set {
		return
	}
	n.set, n.learned, n.now = set, true, 0
	n.of, n.names = make(map[string]int32, s.Len()), make([]string, 0, s.Len())
	for view := range s.Nodes() {
		n.of[view.ID()] = int32(len(n.names))
		n.names = append(n.names, view.ID())
	}
	n.asked, n.follows = make([]uint32, len(n.names)), make([]int32, len(n.names)+1)
	for i := range n.follows {
		n.follows[i] = int32(i)
	}
}

// number returns the number of a node that comes after another in a request, -1 if it has none. A node without one counts as the
// first.
func number[Name string | []byte](n *numbering, name Name, after int32) int32 {
	guess := &n.follows[after+1]
	if int(*guess) < len(n.names) && n.names[*guess] == string(name) {
		return *guess
	}
	i, ok := n.of[string(name)]
	if !ok {
		return -1
	}
	*guess = i
	return i
}

// intern returns the names of a request as strings, those of nodes that there are without a copy.
func (n *numbering) intern(names []span, body []byte) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	out, last := make([]string, len(names)), int32(-1)
	for i, at := range names {
		name := body[at.from:at.to]
		if n.learned {
			if last = number(n, name, last); last >= 0 {
				out[i] = n.names[last]
				continue
			}
		}
		out[i] = string(name)
	}
	return out
}

// mark marks the nodes of a request, and returns how many of those there are it names, and the names of the others, each once and in order.
func (n *numbering) mark(among []string) (there int, unknown []string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.now++; n.now == 0 { // after four thousand million requests
		clear(n.asked)
		n.now = 1
	}
	last := int32(-1)
	for _, name := range among {
		if last = number(n, name, last); last < 0 {
			unknown = append(unknown, name)
		} else if n.asked[last] != n.now {
			n.asked[last] = n.now
			there++
		}
	}
	slices.Sort(unknown)
	return there, slices.Compact(unknown)
}

// marked reports whether the node of a number was named by the request that was marked last.
func (n *numbering) marked(i int32) bool { return i >= 0 && n.asked[i] == n.now }

// find returns the numbers of names that are in much the same order as those of before, whose numbers were, into a list that is given.
func (n *numbering) find(count int, name func(int) string, before, into []int32) []int32 {
	into, k := into[:0], 0
	for i := range count {
		id := name(i)
		switch {
		case k < len(before) && n.names[before[k]] == id:
			k++
			into = append(into, before[k-1])
		case k+1 < len(before) && n.names[before[k+1]] == id: // one is gone from between
			k += 2
			into = append(into, before[k-1])
		default: // one has come between
			at, ok := n.of[id]
			if !ok {
				at = -1
			}
			into = append(into, at)
		}
	}
	return into
}

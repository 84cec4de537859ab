package placement

import (
	"cmp"
	"math/bits"
	"slices"
	"strings"

	"github.com/berth-sched/berth/internal/store"
)

// compareTies compares the IDs of nodes that are equally good: the lesser is the better.
func (p *policy) compareTies(a, b string) int {
	if p.strategy.byID {
		return strings.Compare(a, b)
	}
	seed := p.strategy.seed
	return cmp.Or(cmp.Compare(tieHash(seed, a), tieHash(seed, b)), strings.Compare(a, b))
}

// tieHash is by which nodes are shuffled that are equally good.
func tieHash(seed uint64, node string) uint64 { return mix(mix(seed) ^ hash(node)) }

// shuffle is the order of nodes that are equally good, by the hash of their IDs. It becomes invalid as nodes come and go, and is
// brought in line by merging those that came into those that stayed, whose order is always the same.
type shuffle struct {
	seed   uint64
	nodes  []*store.Node // by row: the one whose hash is known
	hashes []uint64      // by row
	order  []uint32      // rows
	ranks  []uint32      // by row: its index in order
}

// update brings the order in line with a view: O(nodes), and a sort of those that came.
func (k *shuffle) update(view *store.View) {
	rows := view.Rows()
	k.nodes = append(k.nodes, make([]*store.Node, max(rows-len(k.nodes), 0))...)
	k.hashes = append(k.hashes, make([]uint64, max(rows-len(k.hashes), 0))...)
	stayed := slices.DeleteFunc(k.order, func(row uint32) bool {
		if int(row) < rows && view.Node(row).Node == k.nodes[row] {
			return false
		}
		k.nodes[row] = nil // which may come again, in an older view
		return true
	})
	came := make([]uint32, 0, len(view.Order())-len(stayed))
	for _, row := range view.Order() {
		if n := view.Node(row).Node; n != k.nodes[row] {
			k.nodes[row], k.hashes[row] = n, tieHash(k.seed, n.ID)
			came = append(came, row)
		}
	}
	if len(stayed) == 0 {
		k.order = k.sort(came)
	} else {
		k.order = k.merge(stayed, k.sort(came))
	}
	k.ranks = make([]uint32, rows) // anew, for others know it by its place
	for rank, row := range k.order {
		k.ranks[row] = uint32(rank)
	}
}

func (k *shuffle) compare(a, b uint32) int {
	if c := cmp.Compare(k.hashes[a], k.hashes[b]); c != 0 {
		return c
	}
	return strings.Compare(k.nodes[a].ID, k.nodes[b].ID)
}

// sort sorts rows by hash: since hashes are spread evenly, by as many of their first bits as there are rows and then by
// comparing the few that have these alike.
func (k *shuffle) sort(rows []uint32) []uint32 {
	const few = 64
	if len(rows) <= few {
		slices.SortFunc(rows, k.compare)
		return rows
	}
	shift := 64 - bits.Len(uint(len(rows)))
	ends := make([]uint32, 1<<(64-shift)+1)
	for _, row := range rows {
		ends[k.hashes[row]>>shift+1]++
	}
	for i := range len(ends) - 1 {
		ends[i+1] += ends[i]
	}
	sorted := make([]uint32, len(rows))
	for _, row := range rows {
		bucket := k.hashes[row] >> shift
		at := ends[bucket]
		ends[bucket]++
		sorted[at] = row
	}
	from := uint32(0)
	for _, to := range ends[:len(ends)-1] {
		switch some := sorted[from:to]; len(some) {
		case 0, 1:
		case 2: // of most that are not alone; a call costs more than all of this
			if k.compare(some[1], some[0]) < 0 {
				some[0], some[1] = some[1], some[0]
			}
		default:
			slices.SortFunc(some, k.compare)
		}
		from = to
	}
	return sorted
}

// merge merges two lists in order.
func (k *shuffle) merge(a, b []uint32) []uint32 {
	if len(b) == 0 {
		return a
	}
	all := make([]uint32, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if k.compare(a[0], b[0]) < 0 {
			all, a = append(all, a[0]), a[1:]
		} else {
			all, b = append(all, b[0]), b[1:]
		}
	}
	return append(append(all, a...), b...)
}

package store

import (
	"cmp"
	"slices"
)

// Order returns the rows of all nodes by node ID.
func (v *View) Order() []uint32 { return v.order }

// Rank returns each row's place in Order.
func (v *View) Rank() []uint32 { return v.rank }

// Sorted returns Order, brought up to date.
func (s *Store) Sorted() []uint32 {
	s.sortNodes()
	return s.order
}

// sortNodes merges the nodes added since the last time into the order, so that a cluster built node
// by node is not sorted again for each.
func (s *Store) sortNodes() {
	if !s.stale {
		return
	}
	fresh := make(map[uint32]bool, len(s.added))
	added := s.added[:0]
	for _, row := range s.added {
		if s.Node(row).Node != nil && !fresh[row] {
			fresh[row] = true
			added = append(added, row)
		}
	}
	byID := func(a, b uint32) int { return cmp.Compare(s.Node(a).Node.ID, s.Node(b).Node.ID) }
	slices.SortFunc(added, byID)
	order := make([]uint32, 0, s.nodeN)
	for _, row := range s.order {
		if s.Node(row).Node == nil || fresh[row] {
			continue
		}
		for len(added) > 0 && byID(added[0], row) < 0 {
			order = append(order, added[0])
			added = added[1:]
		}
		order = append(order, row)
	}
	order = append(order, added...)
	rank := make([]uint32, s.nodes.Len())
	for i, row := range order {
		rank[row] = uint32(i)
	}
	s.order, s.rank, s.added, s.stale = order, rank, nil, false
}

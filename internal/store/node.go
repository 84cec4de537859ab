package store

import (
	"cmp"
	"slices"

	"github.com/berth-sched/berth"
)

// An Attr is an interned attribute of a node.
type Attr struct{ Key, Value uint32 }

// Node is what is known of a node besides its use. It is immutable: an update replaces it.
type Node struct {
	ID       string
	Spec     *berth.Node
	Class    Class   // equal for nodes that are alike in all but their ID and attributes
	Attrs    []Attr  // sorted by key
	Devices  []int64 // units of each device, and behind them the amounts of those that have some; none of an unhealthy one
	capacity amounts
}

// Capacity returns what the node has of each dimension; dimensions beyond its length are zero. With more dimensions than
// have columns it is put together for the call.
func (n *Node) Capacity() []int64 { return n.capacity.all() }

// CapacityOf returns what the node has of one dimension.
func (n *Node) CapacityOf(d int32) int64 {
	if d < denseDims {
		return at(n.capacity.dense, int(d))
	}
	return amountOf(n.capacity.rare, d)
}

// SetCapacity says what a node that is being made has of a dimension.
func (n *Node) SetCapacity(d int32, amount int64) { n.capacity.set(d, amount) }

// Attr returns the interned value of an attribute.
func (n *Node) Attr(key uint32) (uint32, bool) {
	i, ok := slices.BinarySearchFunc(n.Attrs, key, func(a Attr, k uint32) int { return cmp.Compare(a.Key, k) })
	if !ok {
		return 0, false
	}
	return n.Attrs[i].Value, true
}

// NodeState is one row: a node and its use. The slices are shared with views: they are replaced, or
// appended to by the one store that owns them, and never written.
type NodeState struct {
	Node     *Node    // nil where the row is free
	members  []member // tasks and holds here
	*Parts            // nil where the row is free
	live     uint32   // members that are there
	reserves *Reserves
	Cordoned bool
	// Withheld says that what is free of the node is not the reader's to see: all of it is held by others, and an
	// explanation says so instead of naming what is short.
	Withheld bool
}

// Parts is what only some nodes have to give. It is immutable: a change replaces it.
type Parts struct {
	Devices []int64      // what is free of the devices, as Node.Devices has them
	Ports   []berth.Port // taken ports, ascending
	Stray   int64        // units that tasks have of devices that are gone or unhealthy
	rare    []Need       // free amounts of dimensions that have no column
}

// NoParts is that of a node without devices and taken ports.
var NoParts = new(Parts)

func partsOf(devices []int64, ports []berth.Port, stray int64, rare []Need) *Parts {
	if len(devices) == 0 && len(ports) == 0 && stray == 0 && len(rare) == 0 {
		return NoParts
	}
	return &Parts{devices, ports, stray, rare}
}

// Rows returns the number of rows, free ones included.
func (v *View) Rows() int { return v.nodes.Len() }

// Nodes returns the number of nodes.
func (v *View) Nodes() int { return v.nodeN }

// Node returns a row to be read.
func (v *View) Node(row uint32) *NodeState { return v.nodes.At(int(row)) }

// FindNode returns the row of a node.
func (v *View) FindNode(id string) (uint32, bool) {
	return v.byNode.find(Hash(id), id, v.nodeID)
}

// nodeID returns the ID of the node in a row, or "" if there is none.
func (v *View) nodeID(row uint32) string {
	if int(row) >= v.nodes.Len() || v.Node(row).Node == nil {
		return ""
	}
	return v.Node(row).Node.ID
}

// AddNode adds a node of an ID that is not there yet and returns its row.
func (s *Store) AddNode(n *Node) uint32 {
	row := s.newRow()
	*s.node(row) = NodeState{Node: n, Parts: partsOf(n.Devices, nil, 0, n.capacity.rare)}
	free := s.free.mutRow(s.token, int(row))
	clear(free)
	copy(free, n.capacity.dense)
	s.note(nodeAdded, row)
	s.resize(n, 1)
	s.indexNode(row)
	if n.Spec != nil && len(n.Spec.Reserved) > 0 {
		s.reserve(row, s.node(row), s.reservesOf(row, n, "", nil))
	}
	s.changed(row, NoGroup)
	s.forgetValues()
	return row
}

// indexNode makes a node that has just been put in a row be found, and be in the order.
func (s *Store) indexNode(row uint32) {
	s.byNode.insert(row, Hash(s.nodeID(row)), func(row, hash uint32) bool { return Hash(s.nodeID(row)) == hash })
	s.nodeN++
	s.reorder(row)
}

// SetNode replaces the description of a node, which keeps its members: free amounts move by the
// difference in capacity. anew returns what a member with an Extra takes on the node as n describes it.
func (s *Store) SetNode(row uint32, n *Node, anew func(*Record) *Extra) {
	ns := s.node(row)
	old := ns.Node
	free := s.free.mutRow(s.token, int(row))
	s.noteRow(nodeSet, row)
	s.resize(old, -1)
	s.resize(n, 1)
	for d := range free {
		free[d] += at(n.capacity.dense, d) - at(old.capacity.dense, d)
	}
	rare := ns.rare
	rare = changedByAll(changedByAll(rare, n.capacity.rare, 1), old.capacity.rare, -1)
	devices, stray := slices.Clone(n.Devices), int64(0)
	s.changed(row, NoGroup)
	for slot, r := range s.On(row) {
		if x := r.Extra; x != nil {
			now := anew(r)
			takeDevices(devices, now.Devices, 1)
			stray += now.Stray
			if now != x {
				rare = x.take(free, rare, -1)
				rare = now.take(free, rare, 1)
				s.noteAnew(slot, x)
				r = s.recs.mutAt(s.token, int(slot))
				r.Extra = now
			}
		}
		g := s.group(r.Group)
		s.count(g, old, -1)
		s.count(g, n, +1)
		s.countMoves(g, row, old, r.State, -1)
		s.countMoves(g, row, n, r.State, +1)
		s.changed(row, r.Group)
	}
	ns.Node, ns.Parts = n, partsOf(devices, ns.Ports, stray, rare)
	if ns.reserves != nil || n.Spec != nil && len(n.Spec.Reserved) > 0 {
		s.reserve(row, ns, s.reservesOf(row, n, "", nil))
	}
	s.forgetValues()
}

// SetCordoned marks a node as taking no new tasks, or takes the mark away.
func (s *Store) SetCordoned(row uint32, cordoned bool) {
	if s.Node(row).Cordoned == cordoned {
		return
	}
	s.noteFlag(nodeCordoned, row, !cordoned)
	s.node(row).Cordoned = cordoned
	s.changed(row, NoGroup)
}

// Withhold marks a node as withheld, or takes the mark away. Like the state of a task, it is in no log: no plan depends
// on it.
func (s *Store) Withhold(row uint32, withheld bool) {
	if s.Node(row).Withheld == withheld {
		return
	}
	s.noteFlag(nodeWithheld, row, !withheld)
	s.node(row).Withheld = withheld
	if withheld {
		s.hidden++
	} else {
		s.hidden--
	}
}

// Withheld returns the number of nodes that are withheld.
func (v *View) Withheld() int { return v.hidden }

// RemoveNode removes a node without members.
func (s *Store) RemoveNode(row uint32) {
	s.Withhold(row, false)
	s.noteRow(nodeRemoved, row)
	s.setReserves(row, s.node(row), nil)
	s.resize(s.Node(row).Node, -1)
	s.byNode.remove(row, Hash(s.Node(row).Node.ID))
	s.nodeN--
	s.changed(row, NoGroup)
	s.dropRow(row)
	s.reorder(row)
	s.goneNodes++
	s.forgetValues()
	s.forgetDims()
}

func at(v []int64, i int) int64 {
	if i < len(v) {
		return v[i]
	}
	return 0
}

// node and group return a row to be written. A fork's copy of a page still shares the lists' spare room
// with the store it was forked from, which appends to them in place, so the fork gives that room up.
func (s *Store) node(row uint32) *NodeState {
	if !s.forked {
		return s.nodes.mutAt(s.token, int(row))
	}
	return s.nodes.mutAtCopied(s.token, int(row), func(page *[pageRows]NodeState) {
		for i := range page {
			page[i].members = slices.Clip(page[i].members)
		}
	})
}

// A Ref is where a node is: a row of a view. It is what is behind a node that package cluster hands out.
type Ref struct {
	view *View
	row  uint32
}

// RefTo returns where the node in a row is.
func RefTo(v *View, row uint32) Ref { return Ref{v, row} }

// At returns the view and the row; no view of the zero Ref.
func (r Ref) At() (*View, uint32) { return r.view, r.row }

package store

import (
	"slices"

	"github.com/berth-sched/berth"
)

// A ground is what many stores begin as that show the nodes of one view and, each for itself, some of what is on them. The nodes'
// descriptions are shared with the view, and with them the numbers of dimensions and of attributes. So nothing is compiled, and a
// store that begins as a view of a ground takes room for what it shows itself.
//
// What follows is for stores that are not undoable.

// Ground returns a store of a lineage of its own with the nodes of a view, in the same rows, or without them, and
// with nothing on them. None of what they have is shown as free: see Expose. O(rows), or O(1) without nodes.
func (v *View) Ground(nodes bool, shut Shut) *Store {
	s := New()
	s.forked = true // as long as values are the view's, they are not for this store to tidy
	s.attrs, s.values, s.catalog = v.attrs, v.values, v.catalog
	s.dims, s.naming, s.byDim = slices.Clip(v.dims), v.naming, v.byDim
	s.byDim.own = false
	s.free = Columns{width: v.free.width}
	if !nodes {
		return s
	}
	s.byNode = v.byNode
	s.byNode.own = false
	s.ordering.known.Store(v.ranked())
	s.nodeN, s.capacity, s.freeRow = v.nodeN, slices.Clone(v.capacity), v.freeRow
	for row := range v.Rows() {
		was := v.nodes.At(row)
		s.free.grow(s.token)
		to := s.nodes.mutAt(s.token, s.nodes.grow(s.token))
		if was.Node == nil {
			to.live = was.live // the next that is free
			continue
		}
		*to = NodeState{Node: was.Node, Parts: shut.of(was.Node), Cordoned: was.Cordoned, Withheld: hasAny(was.Node)}
		if to.Withheld {
			s.hidden++
		}
		s.nodes.count(row, 1)
	}
	return s
}

// A Lineage is that of a store which is made anew now and then, as a branch each time.
type Lineage uint64

// NewLineage returns one that no store has.
func NewLineage() Lineage { return Lineage(newIdentity()) }

// Apart returns a store of a lineage that begins as v and shares its pages, as a fork does.
func (v *View) Apart(of Lineage) *Store {
	s := v.Fork()
	s.lineage, s.branch = uint64(of), &branch{number: newIdentity()}
	return s
}

// Branch is Apart of a store whose history goes on: see View.Since.
func (v *View) Branch(of Lineage) *Store {
	s := v.Fork()
	s.lineage = uint64(of)
	return s
}

// Follow has a store that began as a ground know the names that a later view of what the ground was made of has. It returns
// false, and has changed nothing, where dimensions have other names: then it takes another ground.
func (s *Store) Follow(v *View) bool {
	if s.naming != v.naming || s.attrs != v.attrs || len(s.dims) > len(v.dims) {
		return false
	}
	for _, name := range v.dims[len(s.dims):] {
		s.Dim(name)
	}
	s.values, s.catalog = v.values, v.catalog
	s.newDims, s.newValues, s.goneNodes = 0, 0, 0
	return true
}

// Shut is what nodes of which nothing is free have in common, by their class. It may be shared by stores that one goroutine at a time
// writes.
type Shut map[Class]*Parts

// of returns the parts of a node without members of which nothing is free.
func (c Shut) of(n *Node) *Parts {
	if len(n.Devices) == 0 && len(n.Spec.Ports) == 0 {
		return NoParts
	}
	if p, ok := c[n.Class]; ok && len(p.Devices) == len(n.Devices) {
		return p
	}
	const most = 4096
	if len(c) >= most {
		clear(c)
	}
	p := partsOf(make([]int64, len(n.Devices)), portsOf(n, nil, nil), 0, nil)
	c[n.Class] = p
	return p
}

// portsOf returns the ports of a node but for some, with others merged in that may be the node's or not; all ascending.
func portsOf(n *Node, but, taken []berth.Port) []berth.Port {
	all := 0
	for _, r := range n.Spec.Ports {
		all += int(r.Last) - int(r.First) + 1
	}
	if all == 0 {
		return taken
	}
	out := make([]berth.Port, 0, all+len(taken))
	for _, r := range n.Spec.Ports {
		for number := int(r.First); number <= int(r.Last); number++ {
			out = appendRest(out, berth.Port{Number: uint16(number), Protocol: r.Protocol, Address: r.Address}, but, taken)
		}
	}
	slices.SortFunc(out, berth.Port.Compare)
	return MergePorts(slices.Compact(out), taken)
}

// appendRest appends what is left of a port without those of some lists that meet it. Of one for all protocols of which only some are
// gone the others are left; what is left at other addresses than theirs has no name, and is not.
func appendRest(left []berth.Port, port berth.Port, lists ...[]berth.Port) []berth.Port {
	var of [berth.SCTP + 1]bool
	for _, list := range lists {
		if len(list) == 0 {
			continue
		}
		for _, o := range PortsOf(list, port.Number) {
			if o.Meets(port) {
				of[o.Protocol] = true
			}
		}
	}
	switch {
	case of == [berth.SCTP + 1]bool{}:
		return append(left, port)
	case of[berth.AllProtocols] || port.Protocol != berth.AllProtocols:
		return left
	}
	for p := berth.TCP; p <= berth.SCTP; p++ {
		if !of[p] {
			port.Protocol = p
			left = append(left, port)
		}
	}
	return left
}

// hasAny reports whether a node has anything to give.
func hasAny(n *Node) bool {
	some := func(q int64) bool { return q > 0 }
	return len(n.Spec.Ports) > 0 || slices.ContainsFunc(n.capacity.dense, some) || slices.ContainsFunc(n.Devices, some) ||
		slices.ContainsFunc(n.capacity.rare, func(q Need) bool { return q.Amount > 0 })
}

// Expose makes what is free of a node as much as some extras take, and no more than its members leave of it. Whatever else
// there is of it is not free, and if there are no extras it is withheld. A node that is as it was is in no log. O(members of the node), and O(its ports) where it has some.
func (s *Store) Expose(row uint32, open []*Extra, shut Shut) {
	was := s.Node(row)
	n := was.Node
	if len(open) == 0 && was.live == 0 {
		s.expose(row, nil, shut.of(n))
		s.Withhold(row, hasAny(n))
		return
	}
	var left, most [denseDims]int64
	copy(left[:], n.capacity.dense)
	rare, mostRare := n.capacity.rare, []Need(nil)
	devices, mostDevices := slices.Clone(n.Devices), make([]int64, len(n.Devices))
	var taken, offered []berth.Port
	for _, r := range s.On(row) {
		rare = takeNeeds(left[:], rare, s.Group(r.Group).Request, 1)
		if x := r.Extra; x != nil {
			rare = x.take(left[:], rare, 1)
			takeDevices(devices, x.Devices, 1)
			taken = append(taken, x.Ports...)
		}
	}
	for _, x := range open {
		mostRare = takeNeeds(most[:], mostRare, x.Needs, -1)
		takeDevices(mostDevices, x.Devices, -1)
		offered = append(offered, x.Ports...)
	}
	hidden := clip(left[:], most[:])
	hidden = clip(devices, mostDevices) || hidden
	var few []Need
	for _, q := range rare {
		show := min(q.Amount, amountOf(mostRare, q.Dim))
		hidden = hidden || show < q.Amount
		if show != 0 {
			few = append(few, Need{q.Dim, show})
		}
	}
	slices.SortFunc(taken, berth.Port.Compare)
	slices.SortFunc(offered, berth.Port.Compare)
	ports := portsOf(n, offered, taken)
	hidden = hidden || len(ports) > len(taken)
	s.expose(row, left[:], partsOf(devices, ports, was.Stray, few))
	s.Withhold(row, len(open) == 0 && hidden)
}

// clip makes amounts no more than others, and reports whether any of them was more.
func clip(left, most []int64) bool {
	more := false
	for i := range left {
		if m := max(most[i], 0); left[i] > m {
			left[i], more = m, true
		}
	}
	return more
}

// expose writes what is free of a node, if it is not so already.
func (s *Store) expose(row uint32, left []int64, parts *Parts) {
	same := s.Node(row).Parts.equal(parts)
	for d, q := range s.free.Row(int(row)) {
		same = same && q == at(left, d)
	}
	if same {
		return
	}
	free := s.free.mutRow(s.token, int(row))
	for d := range free {
		free[d] = at(left, d)
	}
	s.node(row).Parts = parts
	s.changed(row, Holds)
}

func (p *Parts) equal(q *Parts) bool {
	return p == q || p.Stray == q.Stray && slices.Equal(p.Devices, q.Devices) && slices.Equal(p.Ports, q.Ports) && slices.Equal(p.rare, q.rare)
}

// Marks is another number whenever the state or the deadline of a record has changed, of which no log tells, within a branch.
func (v *View) Marks() uint64 { return v.marks }

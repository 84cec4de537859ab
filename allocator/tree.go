package allocator

import (
	"encoding/binary"
	"iter"
	"strings"

	"github.com/google/btree"

	"github.com/berth-sched/berth"
)

// node is a role, the clients of a role taken together, or one client:
//
//	root ── eng ──┬── .  ──┬── spark     the clients of eng
//	              │        └── flink
//	              └── search ── . ── (no name: the role itself is the client)
//
// Every client has the same shape of path, so a role that gains its first child, or loses its last,
// needs no rearrangement.
type node struct {
	parent *node
	level  int    // of the tree; the root's is 0
	name   string // unique among its siblings
	head   uint64 // the beginning of the name: see headOf
	client Client // of a leaf, and
	seat   Seat   // its seat, and
	tag    int    // what the caller knows it by
	weight Weight
	own    *node // of a role: the node of its clients, nil without any

	used    holdings // by all clients at or below
	charges uint64   // ever made at or below
	clients int      // at or below; a role with none is forgotten
	active  int      // of those clients, those that no role below n keeps out
	closed  bool     // n keeps all of them out

	// order holds the children that have an active client at or below, and is nil in a leaf. The rest
	// cost nothing to walk past. Key is what the parent's order has n filed under; it lags behind used
	// and charges while the DRF is stale.
	order  *btree.BTreeG[*node]
	key    key
	queued bool   // n is in the parent's order
	filed  uint64 // of DRF.epoch, when all of order had the keys of that time

	// readers counts the walks that are on the pages of order; renewed counts how often they were left to
	// their walks, so that a walk knows whether it is still among them.
	readers int
	renewed int
}

type key struct {
	share   ratio
	charges uint64
}

// ownName cannot be the name of a role: a segment is never ".".
const ownName = "."

func before(a, b *node) bool {
	x, y := &a.key.share, &b.key.share
	if x.total == y.total && x.weight == y.weight && x.used.hi|y.used.hi == 0 { // mostly, and in line
		if x.used.lo != y.used.lo {
			return x.used.lo < y.used.lo
		}
	} else if c := x.compare(y); c != 0 {
		return c < 0
	}
	if a.key.charges != b.key.charges {
		return a.key.charges < b.key.charges
	}
	if a.head != b.head {
		return a.head < b.head
	}
	return a.name < b.name
}

// headOf returns the first eight bytes of a name as a number, which orders names as they are ordered, but for those that begin alike.
func headOf(name string) uint64 {
	var b [8]byte
	copy(b[:], name)
	return binary.BigEndian.Uint64(b[:])
}

// newOrder lets all trees draw on one list of spare pages: in steady state a page that one charge
// empties is filled by the next.
func (d *DRF) newOrder() *btree.BTreeG[*node] {
	if d.spare == nil {
		d.spare = btree.NewFreeListG[*node](btree.DefaultFreeListSize)
	}
	const degree = 16 // 31 pointers a page: four cache lines, and three levels hold some ten thousand children
	return btree.NewWithFreeListG(degree, before, d.spare)
}

// role returns the node of r, made with all those above it if need be.
func (d *DRF) role(r berth.Role) *node {
	if n := d.roles.get(r); n != nil {
		return n
	}
	n := &node{weight: d.weightOf(r), closed: d.closed.get(r), order: d.newOrder()}
	if !d.stale {
		n.filed = d.epoch
	}
	if r != "" {
		n.parent = d.role(r.Parent())
		n.level = n.parent.level + 1
		n.name = string(r)[strings.LastIndexByte(string(r), '/')+1:]
		n.head = headOf(n.name)
	}
	d.roles.set(r, n)
	return n
}

func (d *DRF) weightOf(r berth.Role) Weight {
	if w := d.weights.get(r); w != 0 {
		return w
	}
	return DefaultWeight
}

// leaf makes the node of c and what is missing above it.
func (d *DRF) leaf(c Client) *node {
	r := d.role(c.Role)
	if r.own == nil {
		r.own = &node{parent: r, level: r.level + 1, name: ownName, head: headOf(ownName), weight: DefaultWeight, order: d.newOrder()}
	}
	return &node{parent: r.own, level: r.level + 2, name: c.Name, head: headOf(c.Name), client: c, weight: DefaultWeight}
}

// prune forgets the nodes above a removed client that have no client left.
func (d *DRF) prune(c Client) {
	n := d.roles.get(c.Role)
	if n.own.clients == 0 {
		n.own = nil
	}
	for r := c.Role; r != "" && d.roles.get(r).clients == 0; r = r.Parent() {
		d.roles.delete(r)
	}
}

// update changes a leaf and everything above it, and restores the order of each level.
func (d *DRF) update(leaf *node, change func(*node)) {
	for n := leaf; n != nil; n = n.parent {
		change(n)
		d.file(n)
	}
}

// activeBelow adds to the active clients at or below n, and restores the order of each level above up to a role that is closed.
func (d *DRF) activeBelow(n *node, delta int) {
	for ; n != nil && delta != 0; n = n.parent {
		n.active += delta
		if n.closed {
			return
		}
		d.file(n)
	}
}

// file puts n where it now belongs in its parent's order.
func (d *DRF) file(n *node) {
	p := n.parent
	if p == nil {
		return
	}
	turns := n.active > 0 && !n.closed
	keep := n.queued && turns
	switch {
	case keep && d.stale:
		return // the whole level is filed anew before it is read
	case keep && p.order.Len() == 1:
		n.key = d.keyOf(n) // an only child is in order under any key
		return
	}
	if p.readers > 0 {
		// Clone makes the tree copy a page before it first writes to it, so the walks in progress keep
		// the pages they are on. The clone itself is of no use.
		p.order.Clone()
		p.leaveReaders()
	}
	if n.queued {
		if first, _ := p.order.Min(); first == n {
			p.order.DeleteMin() // whose turn it was mostly has been charged, and need not be searched for
		} else {
			p.order.Delete(n)
		}
	}
	n.queued = turns
	if n.queued {
		n.key = d.keyOf(n)
		p.order.ReplaceOrInsert(n)
	}
}

func (n *node) leaveReaders() {
	n.readers = 0
	n.renewed++
}

// refresh makes every order follow the present capacity.
func (d *DRF) refresh() {
	if !d.stale {
		return
	}
	d.stale = false
	if root := d.roles.get(""); root != nil {
		d.refile(root)
	}
}

// refile gives all nodes below n new keys. Capacity mostly grows or shrinks by a node of the usual
// shape, which seldom changes the order, so a level is rebuilt only if it must be.
func (d *DRF) refile(n *node) {
	if n.order == nil {
		return
	}
	n.filed = d.epoch
	var last *node
	sorted := true
	n.order.Ascend(func(c *node) bool {
		d.refile(c)
		c.key = d.keyOf(c)
		sorted = sorted && (last == nil || before(last, c))
		last = c
		return true
	})
	if sorted {
		return
	}
	old := n.order
	n.order = d.newOrder()
	n.leaveReaders()
	old.Ascend(func(c *node) bool {
		n.order.ReplaceOrInsert(c)
		return true
	})
}

func (d *DRF) keyOf(n *node) key {
	k := key{share: ratio{total: wideOf(1), weight: uint64(n.weight)}, charges: n.charges}
	if top := n.used.top(d.epoch); top != nil {
		k.share.used, k.share.total = top.amount, top.resource.capacity
	}
	return k
}

// Order yields the active clients in the order of their turns, by the rule of the package comment, without those of a role that
// [DRF.CloseRole] keeps out. The
// first client takes one step per level of the tree, each further one about one step, and inactive ones
// none, however many there are. The first call after a change of capacity takes a step for every client.
//
// The DRF may be changed during the walk, but the walk does not follow: each level of the tree is walked as
// it was when the walk came to it, without the clients that were removed or deactivated since. To grant in
// fair order, take the first client, charge it, and call Order or [DRF.Next] again.
func (d *DRF) Order() iter.Seq[Client] {
	return func(yield func(Client) bool) {
		d.walk(func(leaf *node) bool { return yield(leaf.client) })
	}
}

// Next returns the first client in [DRF.Order] for which fits is true, and whether there is one. A
// nil fits takes the first.
func (d *DRF) Next(fits func(Client) bool) (Client, bool) {
	var next Client
	var found bool
	d.walk(func(leaf *node) bool {
		if fits == nil || fits(leaf.client) {
			next, found = leaf.client, true
		}
		return !found
	})
	return next, found
}

func (d *DRF) walk(yield func(leaf *node) bool) {
	if d.usable() != nil {
		return
	}
	root := d.roles.get("")
	if root == nil {
		return
	}
	d.refresh()
	walk(root, yield)
}

func walk(n *node, yield func(leaf *node) bool) (more bool) {
	if n.order == nil {
		return n.active == 0 || yield(n)
	}
	if n.closed {
		return true
	}
	n.readers++
	renewed := n.renewed
	more = true
	n.order.Ascend(func(c *node) bool {
		more = walk(c, yield)
		return more
	})
	if n.renewed == renewed { // where yield panics, n keeps a reader too many: some pages are copied for nothing
		n.readers--
	}
	return more
}

// Package store keeps the cluster as berth's other packages read it: rows of nodes with dense columns
// of int64 per resource, records of tasks and holds, and counts of a group's tasks per attribute value.
//
// A [Store] is written by one goroutine. The [View] that [Store.Snapshot] returns is immutable and costs
// one allocation or two whatever the size, because pages are copied only when they are next written;
// [View.Fork] is a store again, which shares every page with the view until it writes. The package holds no
// policy: it neither validates nor decides, and its callers, package cluster's Fork and Snapshot, do both.
package store

import (
	"cmp"
	"hash/maphash"
	"slices"
	"sync"
	"unique"

	"github.com/berth-sched/berth"
)

// None is the row of a record that is on no node.
const None = ^uint32(0)

// Holds is the group that every hold belongs to. Holds are kept like tasks, for they take room like
// tasks; their IDs are a namespace of their own.
const Holds = 0

// A Need is an amount of one dimension.
type Need struct {
	Dim    int32
	Amount int64
}

// An Attr is an interned attribute of a node.
type Attr struct{ Key, Value uint32 }

// Node is what is known of a node besides its use. It is immutable: an update replaces it.
type Node struct {
	ID       string
	Spec     *berth.Node
	Class    Class   // equal for nodes that are alike in all but their ID and attributes
	Capacity []int64 // by dimension; dimensions beyond its length are zero
	Attrs    []Attr  // sorted by key
	Devices  []int64 // units of each device
}

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
	Cordoned bool
	// Withheld says that what is free of the node is not the reader's to see: all of it is held by others, and an
	// explanation says so instead of naming what is short.
	Withheld bool
}

// Parts is what only some nodes have to give. It is immutable: a change replaces it.
type Parts struct {
	Devices []int64  // free units of each device
	Ports   []uint16 // taken ports, ascending
}

// NoParts is that of a node without devices and taken ports.
var NoParts = new(Parts)

func partsOf(devices []int64, ports []uint16) *Parts {
	if len(devices) == 0 && len(ports) == 0 {
		return NoParts
	}
	return &Parts{devices, ports}
}

// Record is a task or a hold. A task takes what its group requests and, with Extra, devices and ports;
// a hold takes what its Extra says.
type Record struct {
	ID       string // empty where the slot is free
	Extra    *Extra
	Deadline int64 // Unix nanoseconds; 0 is never
	Group    uint32
	Row      uint32 // None when on no node
	hash     uint32 // of the ID
	life     uint32 // how many records the slot has had
	State    uint8
}

// Extra is what only some records have. It is immutable: a change replaces it.
type Extra struct {
	Grant   *berth.Grant // what a task was granted
	Hold    *berth.Hold  // of a hold
	Needs   []Need       // what a hold takes
	Devices []DeviceShare
	Ports   []uint16 // ascending
}

// A DeviceShare is a number of units of the device at an index of its node.
type DeviceShare struct {
	Index int
	Units int64
}

// Group is what the tasks of one kind have in common.
type Group struct {
	Name    string
	Spec    *berth.Group
	Request []Need
	Keys    []uint32  // attributes whose values the group's tasks are counted by
	Count   int       // live tasks, those that are on a node
	tasks   int       // all of them
	members []mention // the earliest first
	counts  [][]Count
	owner   token // who may write counts in place
}

// Count is how many of a group's tasks are on nodes with one value of an attribute.
type Count struct {
	Value uint32
	Tasks int32
}

// A Change is an entry of the log: a row that changed, and the group whose count changed with it, or
// NoGroup where the node itself did.
type Change struct{ Row, Group uint32 }

// NoGroup marks a change of the node itself.
const NoGroup = ^uint32(0)

// Store is a mutable cluster for one goroutine.
type Store struct {
	View
	token   token
	forked  bool
	rowFree []uint32 // rows, records and groups to use again
	recFree []uint32
	grpFree []uint32
	added   []uint32 // rows added since order was made
	stale   bool     // order is not that of the nodes
}

// View is an immutable cluster. Any number of goroutines may read it.
type View struct {
	dims    *names
	attrs   *Interner
	catalog *Catalog
	nodes   Array[NodeState]
	free    Columns
	recs    Array[Record]
	groups  Array[Group]
	byNode  index
	byTask  index
	byHold  index
	byGroup index
	order   []uint32 // rows by node ID
	rank    []uint32 // by row: its place in order
	nodeN   int
	hidden  int // nodes that are withheld
	taskN   int
	log     []Change
	logBase uint64
	seq     uint64
	// A store and its views are of one branch, in which a higher sequence number is later; each fork starts another. All
	// branches that began with one store are of its lineage.
	lineage, branch uint64
	of              *Store // the store that goes on writing the view; nil in a view that Snapshot returned
}

type names struct {
	list []string
	byID map[string]int32
}

// Catalog is what nodes were ever seen to have. It only grows, and is shared by a store, its views and its forks,
// so it may tell of more than a view has. Nothing is decided by it, only how.
type Catalog struct {
	mu      sync.Mutex
	values  map[uint32][]uint32 // by attribute, up to one more than Narrow
	devices []string
}

// A Class is what the nodes of one kind have in common, to be compared.
type Class struct {
	text unique.Handle[string]
	Hash uint32
}

// Narrow is the number of values up to which a Catalog counts them.
const Narrow = 32

// ClassOf returns the class of that text.
func ClassOf(text string) Class { return Class{unique.Make(text), Hash(text)} }

// Note adds what a node has.
func (c *Catalog) Note(attrs []Attr, devices []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range attrs {
		if v := c.values[a.Key]; len(v) <= Narrow && !slices.Contains(v, a.Value) {
			c.values[a.Key] = append(v, a.Value)
		}
	}
	for _, d := range devices {
		if !slices.Contains(c.devices, d) {
			c.devices = append(slices.Clip(c.devices), d)
		}
	}
}

// Values returns how many values an attribute has, beyond Narrow one more than it.
func (c *Catalog) Values(key uint32) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.values[key])
}

// Devices returns the classes of devices.
func (c *Catalog) Devices() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.devices
}

// Interner gives small numbers to attribute names and values. Its numbers depend on the order of
// arrival and therefore never order anything. It is shared by a store, its views and its forks.
type Interner struct {
	mu   sync.RWMutex
	ids  map[string]uint32
	text []string
}

// ID returns the number of s, a new one if it is new.
func (in *Interner) ID(s string) uint32 {
	in.mu.RLock()
	id, ok := in.ids[s]
	in.mu.RUnlock()
	if ok {
		return id
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if id, ok := in.ids[s]; ok {
		return id
	}
	id = uint32(len(in.text))
	in.text = append(in.text, s)
	in.ids[s] = id
	return id
}

// Text returns what id stands for.
func (in *Interner) Text(id uint32) string {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return in.text[id]
}

var seed = maphash.MakeSeed()

// Hash returns the hash of an ID, the same for as long as the program runs.
func Hash(id string) uint32 { return uint32(maphash.String(seed, id)) }

// New returns an empty store.
func New() *Store {
	s := &Store{token: newToken()}
	s.View = View{
		dims:    &names{byID: map[string]int32{}},
		attrs:   &Interner{ids: map[string]uint32{}},
		catalog: &Catalog{values: map[uint32][]uint32{}},
		free:    Columns{width: 2},
	}
	s.lineage, s.branch = newIdentity(), newIdentity()
	s.of = s
	s.AddGroup(Group{}) // Holds
	return s
}

// Snapshot returns the store as it is now.
func (s *Store) Snapshot() *View {
	s.sortNodes()
	for _, x := range []*index{&s.byNode, &s.byTask, &s.byHold, &s.byGroup} {
		x.share()
	}
	v := s.View // copies the handles, not the pages
	v.of = nil
	s.token = newToken()
	return &v
}

// Present returns the store as it is now, to be read by the store's own goroutine and until the store next changes. Unlike
// a Snapshot, for which every page that is written afterwards is copied first, it costs nothing.
func (s *Store) Present() *View {
	s.sortNodes()
	return &s.View
}

// Fork returns a store that begins as v and shares its pages.
func (v *View) Fork() *Store {
	if v.of != nil {
		v = v.of.Snapshot() // what the fork shares with a store that goes on must not be written in place
	}
	s := &Store{View: *v, token: newToken(), forked: true}
	s.branch = newIdentity()
	s.of = s
	for _, x := range []*index{&s.byNode, &s.byTask, &s.byHold, &s.byGroup} {
		x.own = false
	}
	s.log = nil
	s.logBase = v.seq
	return s
}

// Version says which state the view shows.
func (v *View) Version() berth.Version {
	return berth.Version{Lineage: v.lineage, Branch: v.branch, Seq: v.seq}
}

// Shown returns v, or an empty view for one that nobody took.
func (v *View) Shown() *View {
	if v == nil || v.dims == nil {
		return New().Snapshot()
	}
	return v
}

// Since returns the changes after seq, oldest first, or false if the log no longer reaches back.
func (v *View) Since(seq uint64) ([]Change, bool) {
	if seq < v.logBase || seq > v.seq {
		return nil, false
	}
	return v.log[seq-v.logBase:], true
}

func (s *Store) changed(row, group uint32) {
	const bound = 1 << 17
	if len(s.log) >= bound {
		keep := s.log[len(s.log)-bound/2:]
		s.logBase += uint64(len(s.log) - len(keep))
		s.log = append(make([]Change, 0, bound), keep...)
	}
	s.log = append(s.log, Change{row, group})
	s.seq++
}

// Dims returns the names of the dimensions.
func (v *View) Dims() []string { return v.dims.list }

// DimOf returns the dimension of that name.
func (v *View) DimOf(name string) (int32, bool) {
	d, ok := v.dims.byID[name]
	return d, ok
}

// Attrs returns the interner of attribute names and values.
func (v *View) Attrs() *Interner { return v.attrs }

// Catalog returns what nodes were ever seen to have.
func (v *View) Catalog() *Catalog { return v.catalog }

// Dim returns the dimension of that name, a new one if it is new.
func (s *Store) Dim(name string) int32 {
	if d, ok := s.dims.byID[name]; ok {
		return d
	}
	d := int32(len(s.dims.list))
	grown := &names{list: append(slices.Clone(s.dims.list), name), byID: make(map[string]int32, len(s.dims.byID)+1)}
	for i, n := range grown.list {
		grown.byID[n] = int32(i)
	}
	s.dims = grown
	if int(d) >= s.free.width {
		s.free = s.free.widened(s.token, 2*s.free.width)
	}
	return d
}

// Rows returns the number of rows, free ones included.
func (v *View) Rows() int { return v.nodes.Len() }

// Nodes returns the number of nodes.
func (v *View) Nodes() int { return v.nodeN }

// Tasks returns the number of tasks, those on no node included.
func (v *View) Tasks() int { return v.taskN }

// Node returns a row to be read.
func (v *View) Node(row uint32) *NodeState { return v.nodes.At(int(row)) }

// Free returns the free amounts of a row by dimension, to be read; they are negative where the node
// is overcommitted. It may be longer than Dims.
func (v *View) Free(row uint32) []int64 { return v.free.Row(int(row)) }

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

// AddNode adds a node of an ID that is not there yet and returns its row.
func (s *Store) AddNode(n *Node) uint32 {
	row, ok := pop(&s.rowFree)
	if !ok {
		row = uint32(s.nodes.grow(s.token))
		s.free.grow(s.token)
	}
	*s.node(row) = NodeState{Node: n, Parts: partsOf(n.Devices, nil)}
	free := s.free.mutRow(s.token, int(row))
	clear(free)
	copy(free, n.Capacity)
	s.byNode.insert(row, Hash(n.ID), func(row, hash uint32) bool { return Hash(s.nodeID(row)) == hash })
	s.added, s.stale = append(s.added, row), true
	s.nodeN++
	s.changed(row, NoGroup)
	return row
}

// SetNode replaces the description of a node, which keeps its members: free amounts move by the
// difference in capacity, and what members hold of devices stays held.
func (s *Store) SetNode(row uint32, n *Node) {
	ns := s.node(row)
	old := ns.Node
	free := s.free.mutRow(s.token, int(row))
	for d := range free {
		free[d] += at(n.Capacity, d) - at(old.Capacity, d)
	}
	devices := slices.Clone(n.Devices)
	s.changed(row, NoGroup)
	for _, r := range s.On(row) {
		if r.Extra != nil {
			takeDevices(devices, r.Extra.Devices, 1)
		}
		g := s.group(r.Group)
		s.tally(g, old, -1)
		s.tally(g, n, +1)
		s.changed(row, r.Group)
	}
	ns.Node, ns.Parts = n, partsOf(devices, ns.Ports)
}

// SetCordoned marks a node as taking no new tasks, or takes the mark away.
func (s *Store) SetCordoned(row uint32, cordoned bool) {
	s.node(row).Cordoned = cordoned
	s.changed(row, NoGroup)
}

// Withhold marks a node as withheld, or takes the mark away. Like the state of a task, it is in no log: no plan depends
// on it.
func (s *Store) Withhold(row uint32, withheld bool) {
	if s.Node(row).Withheld == withheld {
		return
	}
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
	s.byNode.remove(row, Hash(s.Node(row).Node.ID))
	*s.node(row) = NodeState{}
	clear(s.free.mutRow(s.token, int(row)))
	s.rowFree = append(s.rowFree, row)
	s.stale = true
	s.nodeN--
	s.changed(row, NoGroup)
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

func (s *Store) group(id uint32) *Group {
	if !s.forked {
		return s.groups.mutAt(s.token, int(id))
	}
	return s.groups.mutAtCopied(s.token, int(id), func(page *[pageRows]Group) {
		for i := range page {
			page[i].members = slices.Clip(page[i].members)
		}
	})
}

// Group returns a group to be read.
func (v *View) Group(g uint32) *Group { return v.groups.At(int(g)) }

// FindGroup returns the number of a group. A group is known while it has tasks.
func (v *View) FindGroup(name string) (uint32, bool) { return v.FindGroupBy(Hash(name), name) }

// FindGroupBy is FindGroup for who has the hash of the name.
func (v *View) FindGroupBy(hash uint32, name string) (uint32, bool) {
	return v.byGroup.find(hash, name, v.groupName)
}

// groupName returns the name of a group, or "" if there is none of that number.
func (v *View) groupName(g uint32) string {
	if int(g) >= v.groups.Len() {
		return ""
	}
	return v.Group(g).Name
}

// AddGroup adds a group of a name that is not there yet and returns its number. The group leaves when
// its last task does.
func (s *Store) AddGroup(g Group) uint32 {
	id, ok := pop(&s.grpFree)
	if !ok {
		id = uint32(s.groups.grow(s.token))
	}
	if len(g.Keys) > 0 {
		g.counts = make([][]Count, len(g.Keys))
	}
	g.owner = s.token
	*s.group(id) = g
	s.byGroup.insert(id, Hash(g.Name), func(g, hash uint32) bool { return Hash(s.groupName(g)) == hash })
	return id
}

func (s *Store) dropGroup(id uint32) {
	s.byGroup.remove(id, Hash(s.Group(id).Name))
	*s.group(id) = Group{}
	s.grpFree = append(s.grpFree, id)
}

func pop(stack *[]uint32) (uint32, bool) {
	k := len(*stack)
	if k == 0 {
		return 0, false
	}
	top := (*stack)[k-1]
	*stack = (*stack)[:k-1]
	return top, true
}

// tally moves a group's counts by value.
func (s *Store) tally(g *Group, n *Node, by int32) {
	if len(g.Keys) == 0 {
		return
	}
	if g.owner != s.token {
		counts := make([][]Count, len(g.counts))
		for i := range counts {
			counts[i] = slices.Clone(g.counts[i])
		}
		g.counts, g.owner = counts, s.token
	}
	for i, k := range g.Keys {
		v, ok := n.Attr(k)
		if !ok {
			continue
		}
		c := g.counts[i]
		j, found := slices.BinarySearchFunc(c, v, func(c Count, v uint32) int { return cmp.Compare(c.Value, v) })
		switch {
		case !found:
			g.counts[i] = slices.Insert(c, j, Count{v, by})
		case c[j].Tasks+by == 0:
			g.counts[i] = slices.Delete(c, j, j+1)
		default:
			c[j].Tasks += by
		}
	}
}

// Counts returns how many of the group's tasks are on nodes with each value of an attribute; values
// without a task are absent. The attribute is one of the group's keys.
func (v *View) Counts(group, key uint32) []Count {
	g := v.Group(group)
	if i := slices.Index(g.Keys, key); i >= 0 {
		return g.counts[i]
	}
	return nil
}

// CountAt returns how many of the group's tasks are on nodes with one value of an attribute.
func (v *View) CountAt(group, key, value uint32) int {
	c := v.Counts(group, key)
	if i, ok := slices.BinarySearchFunc(c, value, func(c Count, v uint32) int { return cmp.Compare(c.Value, v) }); ok {
		return int(c[i].Tasks)
	}
	return 0
}

// CountOn returns how many of the group's tasks are on a node.
func (v *View) CountOn(group, row uint32) int {
	n := 0
	for _, m := range v.Node(row).members {
		if m.group == group && v.Record(m.slot).isOn(m, row) {
			n++
		}
	}
	return n
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

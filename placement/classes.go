package placement

import (
	"cmp"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// classIndex is the nodes by class, and the nodes of each class in order of score.
//
// It becomes invalid in two steps. A node that is described in a way that calls for other attributes to tell classes
// apart, or a rule that reads another such attribute, makes all classes anew when one is next asked for (assigned).
// Many rows that have moved make the order of all anew when one is next searched (built); few are moved one by one.
type classIndex struct {
	mirror *mirror
	policy *policy

	assigned  bool // whether every row with a node has its class; if not, nothing below up to version is meant
	built     bool // whether the trees have the rows of their classes; if not, they may have anything
	all       []*nodeClass
	byHash    map[uint64][]int32
	recent    [recentClasses]int32 // those met last, one more than their number, so that few are looked up in byHash; 0 for none
	version   uint64               // how often a class was added, or all were made anew
	inhabited uint64               // how often a class got its first member, or lost its last
	low       []uint32             // the attributes by which classes are told apart, ascending
	reads     []string             // attributes that rules and the strategy have read
	dropped   []uint32             // those that would make too many classes
	crowded   bool                 // whether those that the strategy counts by would
	pool      *chunkPool           // of all trees
	additive  []resources          // the additive terms that make keys

	misplaced []uint32 // rows to be moved in the tree of their class, each once; none unless built
	verdicts  map[string]*verdict
	rules     string   // those that a verdict was asked for last
	last      *verdict // which is that, or nil
	served    servedClasses
}

const (
	lowCardinality = store.LowCardinality // values that an attribute may have for classes to be told apart by it
	maxClasses     = 512                  // beyond it fewer attributes tell them apart
	// maxSpread is maxClasses where classes are told apart by the strategy's attributes alone, whatever their cardinality.
	// If that is high, and there are others that can be left out, there may be a quarter of it.
	maxSpread   = 1 << 14
	maxReads    = 64   // attributes that classes may be told apart by; rules that read more are asked row by row
	maxVerdicts = 4096 // sets of rules whose verdicts are kept; beyond it they begin anew

	recentClasses = 64 // a power of two

	maxVerdictCells = maxVerdicts * maxClasses // verdicts in all
)

// nodeClass is the nodes that have all in common that a group's eligibility depends on, attributes of high cardinality
// aside, in order: those first that the strategy rates highest whatever the request, by node ID where it rates them
// alike. The keys of the tree are the strategy's Additive.Node.
type nodeClass struct {
	tree
	members  int          // rows of the class, whether the tree has them or not
	kind     store.Class  // capacity, taints and devices
	capacity []int64      // by dimension, as long as there are dimensions with names
	devices  []int32      // the mirror's numbers for what is free of devices
	attrs    []store.Attr // those of low cardinality
	node     *berth.Node  // any node of the class
	kinds    []int32      // by device, as fit.Kinds has them; nil where no term asks
	rated    []int64      // by tier: the terms that all its nodes have alike; nil until asked
	cordoned bool
}

// attr returns the value of an attribute by which classes are told apart, if nodes of this class have it.
func (c *nodeClass) attr(key uint32) (uint32, bool) {
	for _, a := range c.attrs {
		if a.Key == key {
			return a.Value, true
		}
	}
	return 0, false
}

// verdict is what a group's rules about attributes, its tolerations and preferences say of each class. Groups of equal
// rules share it. It lasts as long as classes do; those that are added are asked when they are first met.
type verdict struct {
	known     []bool // by class
	ok        []bool
	preferred []int64
	why       [][]berth.Reason // that a class may not be used, once asked
}

func newClassIndex(p *policy, m *mirror) *classIndex {
	return &classIndex{policy: p, mirror: m, reads: slices.Concat(p.attributes, p.reads), pool: new(chunkPool)}
}

// rebuild forgets everything but which attributes are read.
func (x *classIndex) rebuild() {
	x.unassign()
	x.all, x.dropped, x.crowded = nil, nil, false
	clear(x.recent[:])
	x.pool = &chunkPool{width: x.mirror.width, column: &x.mirror.free}
	x.additive = x.policy.bindKeys(x.mirror.names)
	x.misplaced = x.misplaced[:0]
	x.version++
}

// unassign forgets the classes.
func (x *classIndex) unassign() { x.assigned, x.built = false, false }

// assign gives rows their classes, told apart by as many of the attributes that are read as keep the number of classes within
// bounds. It is O(nodes); until a group asks for what it reads, nothing needs it.
func (x *classIndex) assign() {
	if x.assigned {
		return
	}
	x.chooseLow()
	for {
		most := x.maxClasses() // once: others may see values of attributes meanwhile
		for _, c := range x.all {
			c.clear()
		}
		x.byHash, x.all, x.verdicts, x.last = map[uint64][]int32{}, nil, map[string]*verdict{}, nil
		clear(x.recent[:])
		x.version++
		for _, row := range x.mirror.order {
			x.classify(row)
			if len(x.all) > most && len(x.low) > 0 {
				break
			}
		}
		if len(x.all) <= most || len(x.low) == 0 {
			break
		}
		x.dropLow()
	}
	for _, row := range x.mirror.order {
		x.derive(row)
	}
	x.assigned, x.built = true, false
}

// join counts a member of a class.
func (x *classIndex) join(class int32) {
	c := x.all[class]
	if c.members++; c.members == 1 {
		x.inhabited++
	}
}

// classify gives a row its class.
func (x *classIndex) classify(row uint32) {
	st := &x.mirror.rows[row]
	st.id, st.class = st.node.ID, x.classOf(st.node, st.cordoned)
	x.join(st.class)
}

func (x *classIndex) derive(row uint32) { x.mirror.derive(row, x.all[x.mirror.rows[row].class]) }

// tellApart lets attributes tell classes apart, if they are of low cardinality, because a rule or the strategy reads them. It
// is O(nodes) the first time that one is named, in the middle of a plan too; until then it splits no class.
func (x *classIndex) tellApart(names ...string) {
	for _, name := range names {
		if name == berth.NodeID || len(x.reads) == maxReads || slices.Contains(x.reads, name) {
			continue
		}
		x.reads = append(x.reads, name)
		if x.tellsApart(x.mirror.attrs.ID(name)) {
			x.unassign()
		}
	}
}

// build gives trees the rows of their classes, if they do not have them.
func (x *classIndex) build() {
	if x.built {
		return
	}
	x.forgetMisplaced()
	// In the order of ties, which is nearly that of a tree: rows are put there in their own, for to read each where it is called for is to
	// wait for it.
	type placed struct {
		key   int64
		row   uint32
		class int32
	}
	tied := make([]placed, len(x.mirror.order))
	for _, row := range x.mirror.order {
		st := &x.mirror.rows[row]
		st.key = x.rate(row)
		tied[st.rank] = placed{st.key, row, st.class}
	}
	entries, all := make([][]entry, len(x.all)), make([]entry, len(x.mirror.order))
	for i, c := range x.all {
		entries[i], all = all[:0:c.members], all[c.members:]
	}
	for rank, t := range tied {
		entries[t.class] = append(entries[t.class], entry{t.key, uint32(rank), t.row})
	}
	for i, c := range x.all {
		c.fill(entries[i])
	}
	x.built = true
}

// enter puts a row in the tree of its class, and leave takes it out.
func (x *classIndex) enter(row uint32) {
	x.join(x.mirror.rows[row].class)
	x.insert(row)
}

func (x *classIndex) leave(row uint32) {
	c := x.all[x.mirror.rows[row].class]
	if c.members--; c.members == 0 {
		x.inhabited++
	}
	x.remove(row)
}

func (x *classIndex) insert(row uint32) {
	if x.built {
		st := &x.mirror.rows[row]
		st.key = x.rate(row)
		x.all[st.class].insert(x.entryOf(row), x.mirror.amountsOf(row))
	}
}

func (x *classIndex) remove(row uint32) {
	if x.built {
		x.all[x.mirror.rows[row].class].remove(x.positionOf(row))
	}
}

// describe gives a row that has been described anew its class, and takes it in. It forgets all classes if they must be
// told apart otherwise now.
func (x *classIndex) describe(row uint32) {
	for _, name := range x.reads {
		if key := x.mirror.attrs.ID(name); slices.Contains(x.low, key) != x.tellsApart(key) {
			x.unassign() // it has got its first value, or one too many
		}
	}
	if !x.assigned {
		return
	}
	x.classify(row)
	if len(x.all) > x.maxClasses() {
		x.unassign()
		return
	}
	x.derive(row)
	x.insert(row)
}

// renumber tells the trees that rows have other ranks, in the same order.
func (x *classIndex) renumber() {
	if x.built {
		for _, c := range x.all {
			c.renumber(x.mirror.ties)
		}
	}
}

// misplace notes that a row that has a class has other amounts than its tree knows.
func (x *classIndex) misplace(row uint32) {
	if st := &x.mirror.rows[row]; x.built && !st.misplaced {
		st.misplaced = true
		x.misplaced = append(x.misplaced, row)
	}
}

// moveMisplaced moves the rows that are misplaced to where they belong: one by one, or, where they are many, by making the
// order of all anew when one is next searched.
func (x *classIndex) moveMisplaced() {
	switch {
	case !x.built || len(x.misplaced) == 0:
		return
	case len(x.misplaced) > len(x.mirror.order)/4:
		x.built = false
		return
	}
	for _, row := range x.misplaced {
		x.move(row)
		x.mirror.rows[row].misplaced = false
	}
	x.misplaced = x.misplaced[:0]
}

// move puts a row where it belongs in the tree of its class.
func (x *classIndex) move(row uint32) {
	if !x.built {
		return
	}
	st := &x.mirror.rows[row]
	c, now := x.all[st.class], x.rate(row)
	if now == st.key { // what is free may differ
		c.update(x.positionOf(row), x.mirror.amountsOf(row))
		return
	}
	c.remove(x.positionOf(row))
	st.key = now
	c.insert(x.entryOf(row), x.mirror.amountsOf(row))
}

func (x *classIndex) forgetMisplaced() {
	for _, row := range x.misplaced {
		x.mirror.rows[row].misplaced = false
	}
	x.misplaced = x.misplaced[:0]
}

func (x *classIndex) entryOf(row uint32) entry {
	st := &x.mirror.rows[row]
	return entry{st.key, st.rank, row}
}

// positionOf returns where a row stands, and homeOf where it will stand once it is where it belongs.
func (x *classIndex) positionOf(row uint32) position {
	st := &x.mirror.rows[row]
	return position{st.key, st.rank}
}

func (x *classIndex) homeOf(row uint32) position {
	return position{x.rate(row), x.mirror.rows[row].rank}
}

// rate returns how good a row is as it is, whatever the request: its key.
func (x *classIndex) rate(row uint32) int64 {
	sum := int64(0)
	for i := range x.additive {
		t := &x.additive[i]
		sum += t.weight * t.node(x.mirror.resourcesOf(row), x.all[x.mirror.rows[row].class].capacity)
	}
	return sum
}

// isLow reports whether all nodes of a class have one value of an attribute, or none.
func (x *classIndex) isLow(name string) bool { return x.isLowKey(x.mirror.attrs.ID(name)) }

func (x *classIndex) isLowKey(key uint32) bool {
	if x.cardinality(key) == 0 {
		return true
	}
	_, ok := slices.BinarySearch(x.low, key)
	return ok
}

// cardinality returns how many values an attribute has had, beyond lowCardinality one more than it.
func (x *classIndex) cardinality(key uint32) int { return x.mirror.view.Catalog().Values(key) }

// chooseLow chooses the attributes by which classes are told apart.
func (x *classIndex) chooseLow() {
	x.low = x.low[:0]
	for _, name := range x.reads {
		if key := x.mirror.attrs.ID(name); x.tellsApart(key) {
			x.low = append(x.low, key)
		}
	}
	slices.Sort(x.low)
}

// tellsApart reports whether an attribute that is read may tell classes apart.
func (x *classIndex) tellsApart(key uint32) bool {
	n := x.cardinality(key)
	return n > 0 && (n <= lowCardinality || x.spreadsOver(x.mirror.attrs.Text(key))) && !slices.Contains(x.dropped, key)
}

// spreadsOver reports whether classes are told apart by an attribute, however many values it has, because the strategy
// counts tasks by it and finds the best node of each domain in classes of its own.
func (x *classIndex) spreadsOver(name string) bool {
	return x.policy.ordered && !x.crowded && slices.Contains(x.policy.attributes, name)
}

func (x *classIndex) maxClasses() int {
	counted, high := 0, false
	for _, name := range x.policy.attributes {
		if x.spreadsOver(name) {
			n := x.cardinality(x.mirror.attrs.ID(name))
			counted, high = counted+min(n, 1), high || n > lowCardinality
		}
	}
	switch {
	case counted > 0 && len(x.low) == counted:
		return maxSpread
	case high:
		return maxSpread / 4
	}
	return maxClasses
}

// dropLow lets the attribute with the most values tell no classes apart any more, those that the strategy counts by
// last and all at once.
func (x *classIndex) dropLow() {
	others := slices.DeleteFunc(slices.Clone(x.low), func(k uint32) bool { return x.spreadsOver(x.mirror.attrs.Text(k)) })
	if len(others) == 0 {
		x.crowded = true
		x.chooseLow()
		return
	}
	worst := slices.MaxFunc(others, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(x.cardinality(a), x.cardinality(b)), cmp.Compare(a, b))
	})
	x.dropped = append(x.dropped, worst)
	x.low = slices.DeleteFunc(x.low, func(k uint32) bool { return k == worst })
}

// classOf returns the class of a node, a new one if there is none.
func (x *classIndex) classOf(n *store.Node, cordoned bool) int32 {
	at := n.Class.Hash
	if len(x.low) > 0 {
		for _, a := range n.Attrs {
			if slices.Contains(x.low, a.Key) {
				at += a.Value
			}
		}
	}
	recent := &x.recent[at%recentClasses]
	if i := *recent - 1; i >= 0 && x.isOf(n, cordoned, x.all[i]) {
		return i
	}
	i := x.findClass(n, cordoned)
	*recent = i + 1
	return i
}

// findClass is classOf by the hash of all that makes a class.
func (x *classIndex) findClass(n *store.Node, cordoned bool) int32 {
	h := uint64(n.Class.Hash) << 1
	if cordoned {
		h++
	}
	h = store.Mix(h)
	if len(x.low) > 0 {
		for _, a := range n.Attrs {
			if slices.Contains(x.low, a.Key) {
				h = store.Mix(h ^ uint64(a.Key)<<32 ^ uint64(a.Value))
			}
		}
	}
	for _, i := range x.byHash[h] {
		if x.isOf(n, cordoned, x.all[i]) {
			return i
		}
	}
	c := &nodeClass{tree: tree{pool: x.pool}, kind: n.Class, capacity: make([]int64, x.mirror.dims), node: n.Spec, cordoned: cordoned}
	copy(c.capacity, n.Capacity())
	c.devices = x.mirror.numbersOf(c.node)
	if x.policy.looks {
		c.kinds = fit.Kinds(c.node)
	}
	for _, a := range n.Attrs {
		if slices.Contains(x.low, a.Key) {
			c.attrs = append(c.attrs, a)
		}
	}
	i := int32(len(x.all))
	x.all = append(x.all, c)
	x.version++
	x.byHash[h] = append(x.byHash[h], i)
	return i
}

// isOf reports whether a node is of a class.
func (x *classIndex) isOf(n *store.Node, cordoned bool, c *nodeClass) bool {
	if c.kind != n.Class || c.cordoned != cordoned {
		return false
	}
	i := 0
	if len(x.low) > 0 {
		for _, a := range n.Attrs {
			if !slices.Contains(x.low, a.Key) {
				continue
			}
			if i == len(c.attrs) || c.attrs[i] != a {
				return false
			}
			i++
		}
	}
	return i == len(c.attrs)
}

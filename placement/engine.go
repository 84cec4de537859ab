package placement

import (
	"cmp"
	"hash/maphash"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// Engine is the Picker that keeps indexes. It picks what [Exhaustive] picks, ties and all, and looks at
// few nodes to find it. Its indexes outlive a plan: they are caught up from the change log of the
// snapshots it is given, and brought in line by comparison where the log does not reach, as for a
// snapshot of the past or of a fork; they never decide. It is for one goroutine. See ENGINE.md for how it
// works and what it costs.
type Engine struct {
	strategy  Strategy
	depends   Dependence
	lanesOK   bool     // whether the strategy's order can be kept in lanes
	byNode    bool     // whether the strategy counts tasks by node
	zoneNames []string // the other attributes it counts tasks by
	zoneOf    []int    // by the strategy's domains: its place in zoneNames, or onNode

	snapshot *berth.Snapshot
	view     *store.View
	branch   *store.Branch // what the columns show, but for speculated rows
	seq      uint64
	rank     []uint32
	zoneKeys []uint32 // zoneNames in the snapshot's numbers

	// Columns, by row.
	attrs   *store.Interner // whose numbers profiles and values are in
	names   []string        // of the dimensions
	dims    int
	width   int // dims, and one for the least part free, and two for each device class
	classes []string
	free    []int64
	records []*store.Node
	drained []bool
	lane    []int32 // -1 where there is no node
	key     []int64
	chunkOf []*chunk
	devices [][]int64
	ports   [][]uint16
	stamp   []uint32 // a row is marked where its stamp is the epoch
	epoch   uint32

	profiles map[uint64][]int32
	lanes    []*lane
	values   map[uint32][]uint32 // values seen of an attribute; more than maxNarrow: it is wide
	wanted   []string            // attributes that rules and the strategy read
	narrow   []uint32            // those of them that profiles go by, ascending
	verdicts map[string]*verdict

	descriptions uint64                // how often a node came, went or was described anew
	numberings   map[uint32]*numbering // by attribute, of those whose domains were counted
	areas        map[string]*area      // by rules and attribute
	bracket      *bracket              // of the lanes; nil if they have changed
	crowded      bool                  // whether the strategy's attributes make too many lanes

	loose   []uint32 // rows whose place in their lane is out of date
	isLoose []bool
	touched []uint32          // rows the plan has changed
	stale   []uint32          // rows to be brought in line; kept for its room
	steps   steps             // what was picked and undone, in order
	tallies map[string]*tally // by group name
	active  *tally            // whose hosts hostAt finds
	hostAt  []int32           // by row, the place in the active tally's hosts, plus one
	runs    [2]run
	cur     *run         // one of runs, or nil
	cands   []*Candidate // one for each goroutine that rates rows

	rankings map[string]*ranking // by shape
	shapeKey []byte
	asked    uint64   // how often a ranking was
	changes  []uint32 // rows that changed, for rankings to be told

	ref     *Exhaustive // for what has no index, and for explanations; started when needed
	told    int         // how many of steps ref has been told
	refLive bool
}

// onNode stands for berth.NodeID in Engine.zoneOf.
const onNode = -1

const (
	maxNarrow   = 32  // values an attribute may have to be part of profiles
	maxProfiles = 512 // beyond it fewer attributes are
	// maxSpread is maxProfiles where lanes go by the strategy's attributes alone, wide or not. If those are wide, and
	// there are others that can be left out, there may be a quarter of it.
	maxSpread   = 1 << 14
	maxWanted   = 64   // attributes that profiles may go by; rules that read more are asked row by row
	maxVerdicts = 4096 // sets of rules whose verdicts are kept; beyond it they begin anew

	maxVerdictCells = maxVerdicts * maxProfiles // verdicts in all
)

// profile is what all nodes of a lane have in common: all that eligibility depends on but the wide attributes.
type profile struct {
	capacity []int64      // by dimension, as long as there are dimensions
	attrs    []store.Attr // the narrow ones
	node     *berth.Node  // any node of the profile
	drained  bool
}

func (p *profile) attr(key uint32) (uint32, bool) {
	for _, a := range p.attrs {
		if a.Key == key {
			return a.Value, true
		}
	}
	return 0, false
}

// NewEngine returns a picker for a strategy, to be used again and again; nil is BinPack.
func NewEngine(s Strategy) *Engine {
	s = orBinPack(s)
	e := &Engine{strategy: s, depends: s.Depends(), ref: NewExhaustive(s)}
	e.lanesOK = e.depends.Shape && e.depends.Additive != nil && (len(e.depends.Domains) == 0 || e.depends.Fewest)
	for _, k := range e.depends.Domains {
		zone := onNode
		if k == berth.NodeID {
			e.byNode = true
		} else if zone = slices.Index(e.zoneNames, k); zone < 0 {
			zone = len(e.zoneNames)
			e.zoneNames = append(e.zoneNames, k)
		}
		e.zoneOf = append(e.zoneOf, zone)
	}
	e.wanted = slices.Clone(e.zoneNames)
	e.Start(nil)
	return e
}

func orBinPack(s Strategy) Strategy {
	if s == nil {
		return BinPack()
	}
	return s
}

// orEmpty returns a snapshot of no nodes for none.
func orEmpty(s *berth.Snapshot) *berth.Snapshot {
	if s == nil {
		s = berth.NewFork().Snapshot()
	}
	return s
}

// Start begins a plan on a snapshot. It costs as much as has changed since the last: nodes that the last
// plan filled, if it was committed as it was planned, have not.
func (e *Engine) Start(s *berth.Snapshot) {
	s = orEmpty(s)
	view := store.ViewOf(s)
	e.flush()
	e.snapshot, e.view = s, view
	e.cur = nil
	e.steps.reset()
	e.refLive = false
	e.activate(nil)
	clear(e.tallies)
	e.forgetValues(view.Nodes())
	e.zoneKeys = e.zoneKeys[:0]
	for _, name := range e.zoneNames {
		e.zoneKeys = append(e.zoneKeys, view.Attrs().ID(name))
	}
	e.sync(view)
	e.touched = e.touched[:0]
	e.branch, e.seq = view.Branch(), view.Seq()
}

// sync brings the columns in line with a view.
func (e *Engine) sync(view *store.View) {
	e.rank = view.Rank()
	changes, ok := view.Since(e.seq)
	if view.Attrs() != e.attrs || !slices.Equal(view.Dims(), e.names) || view.Rows() < len(e.records) {
		e.rebuild(view)
		return
	}
	e.growRows(view.Rows())
	e.newEpoch()
	stale := e.stale[:0]
	if view.Branch() != e.branch || !ok || len(changes) > view.Rows() {
		for row := range uint32(view.Rows()) {
			stale = append(stale, row)
		}
	} else {
		for _, row := range e.touched {
			if e.mark(row) {
				stale = append(stale, row)
			}
		}
		for _, c := range changes {
			if e.mark(c.Row) {
				stale = append(stale, c.Row)
			}
		}
	}
	e.stale = stale
	// Nodes that are gone leave before any row moves: their ranks mean nothing in this view.
	for _, row := range stale {
		if e.records[row] != nil && view.Node(row).Node != e.records[row] {
			e.remove(e.lanes[e.lane[row]], row)
			e.records[row], e.lane[row] = nil, -1
			e.descriptions++
		}
	}
	for _, row := range stale {
		if !e.refresh(row) {
			e.rebuild(view)
			return
		}
	}
}

func (e *Engine) newEpoch() {
	e.epoch++
	if e.epoch == 0 {
		clear(e.stamp)
		e.epoch = 1
	}
}

// mark reports whether a row is marked for the first time in this epoch.
func (e *Engine) mark(row uint32) bool {
	if e.stamp[row] == e.epoch {
		return false
	}
	e.stamp[row] = e.epoch
	return true
}

func (e *Engine) growRows(rows int) {
	n := rows - len(e.records)
	if n <= 0 {
		return
	}
	e.free = append(e.free, make([]int64, n*e.width)...)
	e.records = append(e.records, make([]*store.Node, n)...)
	e.drained = append(e.drained, make([]bool, n)...)
	e.key = append(e.key, make([]int64, n)...)
	e.chunkOf = append(e.chunkOf, make([]*chunk, n)...)
	e.devices = append(e.devices, make([][]int64, n)...)
	e.ports = append(e.ports, make([][]uint16, n)...)
	e.stamp = append(e.stamp, make([]uint32, n)...)
	e.isLoose = append(e.isLoose, make([]bool, n)...)
	e.hostAt = append(e.hostAt, make([]int32, n)...)
	for range n {
		e.lane = append(e.lane, -1)
	}
}

func (e *Engine) freeOf(row uint32) []int64 {
	return e.free[int(row)*e.width : (int(row)+1)*e.width]
}

// rebuild makes everything anew: O(nodes), without sorting where nodes are equally full.
func (e *Engine) rebuild(view *store.View) {
	e.attrs, e.names = view.Attrs(), view.Dims()
	e.dims = len(e.names)
	e.classes = e.classes[:0]
	e.values = map[uint32][]uint32{}
	for _, row := range view.Order() {
		n := view.Node(row).Node
		for _, d := range n.Payload.(*berth.Node).Devices {
			if !slices.Contains(e.classes, d.Class) {
				e.classes = append(e.classes, d.Class)
			}
		}
		for _, a := range n.Attrs {
			e.sawValue(a)
		}
	}
	e.width = e.dims + 1 + 2*len(e.classes)
	e.free, e.records, e.drained, e.key, e.chunkOf = nil, nil, nil, nil, nil
	e.devices, e.ports, e.stamp, e.lane, e.isLoose, e.hostAt = nil, nil, nil, nil, nil, nil
	e.epoch = 0
	e.crowded = false
	e.descriptions++
	clear(e.numberings)
	clear(e.areas)
	e.loose = e.loose[:0]
	e.changes = e.changes[:0]
	clear(e.rankings)
	e.growRows(view.Rows())
	for _, row := range view.Order() {
		ns := view.Node(row)
		e.records[row], e.drained[row] = ns.Node, ns.Drained
	}
	e.assignLanes()
	for _, row := range view.Order() {
		e.load(row)
	}
	e.refill()
}

// assignLanes finds the profiles of all nodes anew, by as many of the wanted attributes as keep their number
// within bounds.
func (e *Engine) assignLanes() {
	e.chooseNarrow()
	for {
		e.profiles, e.lanes, e.verdicts, e.bracket = map[uint64][]int32{}, nil, map[string]*verdict{}, nil
		for _, row := range e.view.Order() {
			e.lane[row] = e.laneFor(e.records[row], e.drained[row])
			if len(e.lanes) > e.maxLanes() && len(e.narrow) > 0 {
				break
			}
		}
		if len(e.lanes) <= e.maxLanes() || len(e.narrow) == 0 {
			return
		}
		e.dropNarrow()
	}
}

// want makes attributes part of profiles, if they have few values, because a rule or the strategy reads
// them. It is O(nodes) the first time that one is named, in the middle of a plan too; until then it splits no lane.
func (e *Engine) want(names []string) {
	split := false
	for _, name := range names {
		if name == berth.NodeID || len(e.wanted) == maxWanted || slices.Contains(e.wanted, name) {
			continue
		}
		e.wanted = append(e.wanted, name)
		n := len(e.values[e.attrs.ID(name)])
		split = split || 0 < n && n <= maxNarrow
	}
	if !split {
		return
	}
	e.assignLanes()
	for _, row := range e.view.Order() {
		e.key[row] = e.rate(row)
		e.isLoose[row] = false
	}
	e.loose = e.loose[:0]
	e.refill()
}

// fill builds a lane of rows that are in the order of their ranks.
func (e *Engine) fill(l *lane, rows []uint32) {
	byKey := func(a, b uint32) int { return cmp.Compare(e.key[b], e.key[a]) }
	if !slices.IsSortedFunc(rows, byKey) {
		slices.SortStableFunc(rows, byKey)
	}
	l.chunks, l.size = nil, len(rows)
	l.version++
	const rowsAtFirst, blocksAtFirst = blockRows * 3 / 4, chunkBlocks * 3 / 4 // room to grow before the first split
	for part := range slices.Chunk(rows, rowsAtFirst) {
		if k := len(l.chunks); k == 0 || l.chunks[k-1].n == blocksAtFirst {
			l.chunks = append(l.chunks, e.newChunk())
		}
		e.appendBlock(l.chunks[len(l.chunks)-1], part...)
	}
}

func (e *Engine) sawValue(a store.Attr) (widened bool) {
	seen := e.values[a.Key]
	if len(seen) > maxNarrow || slices.Contains(seen, a.Value) {
		return false
	}
	e.values[a.Key] = append(seen, a.Value)
	return len(seen) == maxNarrow
}

func (e *Engine) chooseNarrow() {
	e.narrow = e.narrow[:0]
	for _, name := range e.wanted {
		key := e.attrs.ID(name)
		n := len(e.values[key])
		if 0 < n && n <= maxNarrow || n > 0 && e.spreadsOver(name) {
			e.narrow = append(e.narrow, key)
		}
	}
	slices.Sort(e.narrow)
}

// spreadsOver reports whether lanes go by an attribute, however many values it has, because the strategy counts
// tasks by it and finds the best node of each domain in lanes of its own.
func (e *Engine) spreadsOver(name string) bool {
	return e.lanesOK && !e.crowded && slices.Contains(e.zoneNames, name)
}

func (e *Engine) maxLanes() int {
	zones, wide := 0, false
	for _, name := range e.zoneNames {
		if e.spreadsOver(name) {
			n := len(e.values[e.attrs.ID(name)])
			zones, wide = zones+min(n, 1), wide || n > maxNarrow
		}
	}
	switch {
	case zones > 0 && len(e.narrow) == zones:
		return maxSpread
	case wide:
		return maxSpread / 4
	}
	return maxProfiles
}

// dropNarrow takes the attribute with the most values out of the profiles, those that the strategy spreads over
// last and all at once.
func (e *Engine) dropNarrow() {
	others := slices.DeleteFunc(slices.Clone(e.narrow), func(k uint32) bool { return e.spreadsOver(e.attrs.Text(k)) })
	if len(others) == 0 {
		e.crowded = true
		e.chooseNarrow()
		return
	}
	worst := slices.MaxFunc(others, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(len(e.values[a]), len(e.values[b])), cmp.Compare(a, b))
	})
	for len(e.values[worst]) <= maxNarrow {
		e.values[worst] = append(e.values[worst], ^uint32(0))
	}
	e.narrow = slices.DeleteFunc(e.narrow, func(k uint32) bool { return k == worst })
}

var profileSeed = maphash.MakeSeed()

// laneFor returns the lane of a node, a new one if its profile is new.
func (e *Engine) laneFor(n *store.Node, drained bool) int32 {
	node := n.Payload.(*berth.Node)
	h := uint64(len(node.Taints))
	if drained {
		h++
	}
	if node.Unschedulable {
		h += 2
	}
	for d, c := range n.Capacity {
		if c != 0 {
			h = mix(h ^ uint64(d)<<56 ^ uint64(c))
		}
	}
	for _, a := range n.Attrs {
		if _, ok := slices.BinarySearch(e.narrow, a.Key); ok {
			h = mix(h ^ uint64(a.Key)<<32 ^ uint64(a.Value))
		}
	}
	for _, d := range node.Devices {
		h = mix(h ^ maphash.String(profileSeed, d.Model))
	}
	for _, i := range e.profiles[h] {
		if e.isOf(n, drained, e.lanes[i].profile) {
			return i
		}
	}
	p := &profile{capacity: make([]int64, e.dims), node: node, drained: drained}
	copy(p.capacity, n.Capacity)
	for _, a := range n.Attrs {
		if _, ok := slices.BinarySearch(e.narrow, a.Key); ok {
			p.attrs = append(p.attrs, a)
		}
	}
	i := int32(len(e.lanes))
	e.lanes = append(e.lanes, &lane{profile: p})
	e.bracket = nil
	e.profiles[h] = append(e.profiles[h], i)
	return i
}

// isOf reports whether a node is of a profile.
func (e *Engine) isOf(n *store.Node, drained bool, p *profile) bool {
	node := n.Payload.(*berth.Node)
	if p.drained != drained || p.node.Unschedulable != node.Unschedulable || !slices.Equal(p.node.Taints, node.Taints) ||
		!slices.Equal(p.node.Devices, node.Devices) {
		return false
	}
	for d, q := range p.capacity {
		if d < len(n.Capacity) && n.Capacity[d] != q || d >= len(n.Capacity) && q != 0 {
			return false
		}
	}
	i := 0
	for _, a := range n.Attrs {
		if _, ok := slices.BinarySearch(e.narrow, a.Key); !ok {
			continue
		}
		if i == len(p.attrs) || p.attrs[i] != a {
			return false
		}
		i++
	}
	return i == len(p.attrs)
}

// load reads a row's amounts and sets its key.
func (e *Engine) load(row uint32) {
	ns := e.view.Node(row)
	free := e.freeOf(row)
	copy(free, e.view.Free(row)[:e.dims])
	e.devices[row], e.ports[row] = ns.Devices, ns.Ports
	e.derive(row)
	e.key[row] = e.rate(row)
}

// rate returns how good a node is as it is, whatever the request.
func (e *Engine) rate(row uint32) int64 {
	if e.depends.Additive == nil {
		return 0
	}
	return e.depends.Additive.Node(e.freeOf(row)[:e.dims], e.lanes[e.lane[row]].profile.capacity)
}

// derive sets the dimensions that follow from others. The least part free is that of the resource
// the node is shortest of: without it, a block in which one node has the cores and another the memory looks as
// if it had room for both. Of each device class there are the most units free of one device, and how many
// devices are whole, which make devices amounts like others; which model, and which device, is seen at the node.
func (e *Engine) derive(row uint32) {
	free := e.freeOf(row)
	least := int64(Resolution)
	for d, c := range e.lanes[e.lane[row]].profile.capacity {
		if c > 0 {
			least = min(least, fraction(free[d], c))
		}
	}
	free[e.dims] = least
	if len(e.classes) == 0 {
		return
	}
	sums := free[e.dims+1:]
	clear(sums)
	for i, dev := range e.records[row].Payload.(*berth.Node).Devices {
		c := slices.Index(e.classes, dev.Class)
		if units := e.devices[row][i]; c >= 0 {
			sums[2*c] = max(sums[2*c], units)
			if units == berth.DeviceUnits {
				sums[2*c+1]++
			}
		}
	}
}

// refresh brings one row in line with the view. It returns false if the profiles must be made anew.
func (e *Engine) refresh(row uint32) bool {
	ns := e.view.Node(row)
	e.changed(row)
	if ns.Node != e.records[row] || ns.Drained != e.drained[row] {
		return e.redescribe(row, ns)
	}
	if ns.Node == nil {
		return true
	}
	if slices.Equal(e.freeOf(row)[:e.dims], e.view.Free(row)[:e.dims]) &&
		slices.Equal(e.devices[row], ns.Devices) && slices.Equal(e.ports[row], ns.Ports) {
		return true
	}
	l := e.lanes[e.lane[row]]
	e.remove(l, row)
	e.load(row)
	e.insert(l, row)
	return true
}

func (e *Engine) redescribe(row uint32, ns *store.NodeState) bool {
	if e.records[row] != nil {
		e.remove(e.lanes[e.lane[row]], row)
	}
	e.records[row], e.drained[row], e.lane[row] = ns.Node, ns.Drained, -1
	e.descriptions++
	if ns.Node == nil {
		return true
	}
	for _, a := range ns.Node.Attrs {
		if _, seen := e.values[a.Key]; !seen || e.sawValue(a) {
			return false
		}
	}
	for _, d := range ns.Node.Payload.(*berth.Node).Devices {
		if !slices.Contains(e.classes, d.Class) {
			return false
		}
	}
	e.lane[row] = e.laneFor(ns.Node, ns.Drained)
	if len(e.lanes) > e.maxLanes() {
		return false
	}
	e.load(row)
	e.insert(e.lanes[e.lane[row]], row)
	return true
}

// loosen notes that a row's place in its lane is out of date.
func (e *Engine) loosen(row uint32) {
	if !e.isLoose[row] {
		e.isLoose[row] = true
		e.loose = append(e.loose, row)
	}
}

// flush puts loose rows where they belong: one by one, or, where they are many, by making the lanes anew.
func (e *Engine) flush() {
	if len(e.loose) == 0 {
		return
	}
	if len(e.loose) > e.view.Nodes()/4 {
		for _, row := range e.loose {
			e.isLoose[row] = false
			e.key[row] = e.rate(row)
		}
		e.refill()
	} else {
		for _, row := range e.loose {
			e.isLoose[row] = false
			if now := e.rate(row); now != e.key[row] {
				l := e.lanes[e.lane[row]]
				e.remove(l, row)
				e.key[row] = now
				e.insert(l, row)
			}
		}
	}
	e.loose = e.loose[:0]
}

// refill makes every lane anew from the rows' keys.
func (e *Engine) refill() {
	rows := make([][]uint32, len(e.lanes))
	for _, row := range e.view.Order() {
		rows[e.lane[row]] = append(rows[e.lane[row]], row)
	}
	for i := range rows {
		e.fill(e.lanes[i], rows[i])
	}
}

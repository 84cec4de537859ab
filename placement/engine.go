package placement

import (
	"cmp"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
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

	snapshot *cluster.Snapshot
	view     *store.View
	at       store.Position // what the columns show, but for speculated rows
	order    []uint32 // rows by node ID; kept because the view of a State goes on changing after the plan, and must not be read then
	zoneKeys []uint32 // zoneNames in the snapshot's numbers

	// Columns, by row.
	attrs   *store.Interner // whose numbers profiles and values are in
	names   []string        // of the dimensions
	dims    int
	width   int // dims, and one for the least part free, and two for each device class
	classes []string
	free    []int64
	rows    []rowState
	ranks   []uint32   // the view's, which rows have copies of
	devices [][]int64  // nil if no node has devices
	ports   [][]uint16 // nil if no node has a port in use
	epoch   uint32

	laned    bool     // whether rows have lanes: they get them when a group first asks
	built    bool     // whether lanes have their rows: they get them when one is first searched
	chunks   []*chunk // to be used again
	profiles map[uint64][]int32
	lanes    []*lane
	wanted   []string // attributes that rules and the strategy read
	narrow   []uint32 // those of them that profiles go by, ascending
	dropped  []uint32 // those that would make too many profiles
	verdicts map[string]*verdict

	descriptions uint64                // how often a node came, went or was described anew
	numberings   map[uint32]*numbering // by attribute, of those whose domains were counted
	areas        map[string]*area      // by rules and attribute
	bracket      *bracket              // of the lanes; nil if they have changed
	crowded      bool                  // whether the strategy's attributes make too many lanes

	loose   []uint32          // rows whose place in their lane is out of date
	touched []uint32          // rows the plan has changed
	stale   []uint32          // rows to be brought in line; kept for its room
	steps   steps             // what was picked and undone, in order
	tallies map[string]*tally // by group name
	spare   []*tally          // to be used again
	active  *tally            // whose hosts are found by row
	runs    [2]run
	cur     *run         // one of runs, or nil
	cands   []*Candidate // one for each goroutine that rates rows

	rankings map[string]*ranking // by shape
	shapeKey []byte
	asked    uint64   // how often a ranking was
	changes  []uint32 // rows that changed, for rankings to be told

	sorted sortedColumns
	scratch

	ref     *Exhaustive // for what has no index, and for explanations; started when needed
	told    int         // how many of steps ref has been told
	refLive bool
}

// rowState is what the engine has of a row besides its amounts, all in one place: a pick reads most of it.
type rowState struct {
	key     int64
	node    *store.Node // nil if there is none
	id      string      // of the node, once it has a lane
	lane    int32       // -1 where there is no node
	rank    uint32      // its place in the order of node IDs
	stamp   uint32      // the row is marked if this is the epoch
	host    int32       // its place in the active tally's hosts, plus one
	loose   bool        // whether its place in its lane is out of date
	cordoned bool
}

// onNode stands for berth.NodeID in Engine.zoneOf.
const onNode = -1

const (
	maxNarrow   = store.Narrow // values an attribute may have to be part of profiles
	maxProfiles = 512          // beyond it fewer attributes are
	// maxSpread is maxProfiles where lanes go by the strategy's attributes alone, wide or not. If those are wide, and
	// there are others that can be left out, there may be a quarter of it.
	maxSpread   = 1 << 14
	maxWanted   = 64   // attributes that profiles may go by; rules that read more are asked row by row
	maxVerdicts = 4096 // sets of rules whose verdicts are kept; beyond it they begin anew

	maxVerdictCells = maxVerdicts * maxProfiles // verdicts in all
)

// profile is what all nodes of a lane have in common: all that eligibility depends on but the wide attributes.
type profile struct {
	class    store.Class
	capacity []int64      // by dimension, as long as there are dimensions
	attrs    []store.Attr // the narrow ones
	node     *berth.Node  // any node of the profile
	cordoned  bool
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
func orEmpty(s *cluster.Snapshot) *cluster.Snapshot {
	if s == nil {
		s = cluster.NewFork().Snapshot()
	}
	return s
}

// Start begins a plan on a snapshot. It costs as much as has changed since the last: nodes that the last
// plan filled, if it was committed as it was planned, have not.
func (e *Engine) Start(s *cluster.Snapshot) {
	s = orEmpty(s)
	view := (*store.View)(s).Shown()
	e.flush()
	e.snapshot, e.view = s, view
	e.cur = nil
	e.steps.reset()
	e.refLive = false
	e.activate(nil)
	e.dropTallies()
	e.forgetValues(view.Nodes())
	e.zoneKeys = e.zoneKeys[:0]
	for _, name := range e.zoneNames {
		e.zoneKeys = append(e.zoneKeys, view.Attrs().ID(name))
	}
	e.sync(view)
	e.touched = e.touched[:0]
	e.newEpoch() // from here on marked rows are those touched
	e.at = view.Position()
}

// sync brings the columns in line with a view.
func (e *Engine) sync(view *store.View) {
	e.order = view.Order()
	changes, ok := view.Since(e.at)
	if view.Attrs() != e.attrs || !slices.Equal(view.Dims(), e.names) || view.Rows() < len(e.rows) {
		e.rebuild(view)
		return
	}
	e.growRows(view.Rows())
	e.newEpoch()
	stale := e.stale[:0]
	if !ok || len(changes) > view.Rows() {
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
	// Nodes that are gone leave first: where they stand goes by the ranks that they had.
	for _, row := range stale {
		if e.rows[row].node != nil && view.Node(row).Node != e.rows[row].node {
			if e.laned {
				e.leaveLane(row)
			}
			e.rows[row].node, e.rows[row].lane = nil, -1
			e.descriptions++
		}
	}
	e.setRanks(view.Rank())
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
		for i := range e.rows {
			e.rows[i].stamp = 0
		}
		e.epoch = 1
	}
}

// mark reports whether a row is marked for the first time in this epoch.
func (e *Engine) mark(row uint32) bool {
	if e.rows[row].stamp == e.epoch {
		return false
	}
	e.rows[row].stamp = e.epoch
	return true
}

func (e *Engine) growRows(rows int) {
	n := rows - len(e.rows)
	if n <= 0 {
		return
	}
	e.free = append(e.free, make([]int64, n*e.width)...)
	e.rows = append(e.rows, make([]rowState, n)...)
	for i := rows - n; i < rows; i++ {
		e.rows[i].lane = -1
	}
	if e.devices != nil {
		e.devices = append(e.devices, make([][]int64, n)...)
	}
	if e.ports != nil {
		e.ports = append(e.ports, make([][]uint16, n)...)
	}
}

// setRanks gives every row its rank, if the nodes' order has changed.
func (e *Engine) setRanks(ranks []uint32) {
	if len(ranks) == len(e.ranks) && (len(ranks) == 0 || &ranks[0] == &e.ranks[0]) {
		return
	}
	e.ranks = ranks
	for row, rank := range ranks {
		e.rows[row].rank = rank
	}
	if e.built {
		for _, l := range e.lanes {
			e.renumber(l)
		}
	}
}

func (e *Engine) devicesOf(row uint32) []int64 {
	if e.devices == nil {
		return nil
	}
	return e.devices[row]
}

func (e *Engine) setDevices(row uint32, units []int64) {
	if e.devices == nil {
		if len(units) == 0 {
			return
		}
		e.devices = make([][]int64, len(e.rows))
	}
	e.devices[row] = units
}

func (e *Engine) portsOf(row uint32) []uint16 {
	if e.ports == nil {
		return nil
	}
	return e.ports[row]
}

func (e *Engine) setPorts(row uint32, used []uint16) {
	if e.ports == nil {
		if len(used) == 0 {
			return
		}
		e.ports = make([][]uint16, len(e.rows))
	}
	e.ports[row] = used
}

func (e *Engine) freeOf(row uint32) []int64 {
	return e.free[int(row)*e.width : (int(row)+1)*e.width]
}

// rebuild makes everything anew, as far as it does not depend on what rules read: O(nodes).
func (e *Engine) rebuild(view *store.View) {
	e.unlane()
	e.attrs, e.names = view.Attrs(), view.Dims()
	e.dims = len(e.names)
	e.classes, e.dropped = view.Catalog().Devices(), nil
	e.free, e.rows, e.ranks, e.devices, e.ports = nil, nil, nil, nil, nil
	e.lanes, e.chunks = nil, nil
	e.epoch = 0
	e.crowded = false
	e.descriptions++
	clear(e.numberings)
	clear(e.areas)
	e.loose = e.loose[:0]
	e.changes = e.changes[:0]
	clear(e.rankings)
	e.sorted = sortedColumns{}
	e.width = e.dims + 1 + 2*len(e.classes)
	e.growRows(view.Rows())
	e.setRanks(view.Rank())
	for _, row := range e.order {
		ns := view.Node(row)
		e.rows[row].node, e.rows[row].cordoned = ns.Node, ns.Cordoned
		e.load(row)
	}
}

// assignLanes gives every row its lane, by as many of the wanted attributes as keep the number of profiles
// within bounds. It is O(nodes); until a group asks for what it reads, nothing needs it.
func (e *Engine) assignLanes() {
	if e.laned {
		return
	}
	e.chooseNarrow()
	for {
		most := e.maxLanes() // once: others may see values of attributes meanwhile
		for _, l := range e.lanes {
			e.empty(l)
		}
		e.profiles, e.lanes, e.verdicts, e.bracket = map[uint64][]int32{}, nil, map[string]*verdict{}, nil
		for _, row := range e.order {
			st := &e.rows[row]
			st.id, st.lane = st.node.ID, e.laneFor(st.node, st.cordoned)
			e.lanes[st.lane].size++
			if len(e.lanes) > most && len(e.narrow) > 0 {
				break
			}
		}
		if len(e.lanes) <= most || len(e.narrow) == 0 {
			break
		}
		e.dropNarrow()
	}
	for _, row := range e.order {
		e.derive(row)
	}
	e.laned, e.built = true, false
}

// want makes attributes part of profiles, if they have few values, because a rule or the strategy reads
// them. It is O(nodes) the first time that one is named, in the middle of a plan too; until then it splits no lane.
func (e *Engine) want(names []string) {
	for _, name := range names {
		if name == berth.NodeID || len(e.wanted) == maxWanted || slices.Contains(e.wanted, name) {
			continue
		}
		e.wanted = append(e.wanted, name)
		if e.fitsProfiles(e.attrs.ID(name)) {
			e.unlane()
		}
	}
}

// build gives lanes their rows, if they do not have them.
func (e *Engine) build() {
	if e.built {
		return
	}
	e.built = true
	for _, row := range e.loose {
		e.rows[row].loose = false
	}
	e.loose = e.loose[:0]
	rows := make([][]uint32, len(e.lanes))
	for i := range rows {
		rows[i] = make([]uint32, 0, e.lanes[i].size)
	}
	for _, row := range e.order {
		e.rows[row].key = e.rate(row)
		rows[e.rows[row].lane] = append(rows[e.rows[row].lane], row)
	}
	for i := range rows {
		e.fill(e.lanes[i], rows[i])
	}
}

// unlane forgets the lanes.
func (e *Engine) unlane() { e.laned, e.built = false, false }

// enterLane and leaveLane put a row in its lane and take it out.
func (e *Engine) enterLane(row uint32) {
	l := e.lanes[e.rows[row].lane]
	if e.built {
		e.rows[row].key = e.rate(row)
		e.insert(l, row)
	}
	l.size++
}

func (e *Engine) leaveLane(row uint32) {
	l := e.lanes[e.rows[row].lane]
	if e.built {
		e.remove(l, row)
	}
	l.size--
}

// fill builds a lane of rows that are in the order of their ranks.
func (e *Engine) fill(l *lane, rows []uint32) {
	byKey := func(a, b uint32) int { return cmp.Compare(e.rows[b].key, e.rows[a].key) }
	if !slices.IsSortedFunc(rows, byKey) {
		slices.SortStableFunc(rows, byKey)
	}
	e.empty(l)
	const rowsAtFirst, blocksAtFirst = blockRows * 3 / 4, chunkBlocks * 3 / 4 // room to grow before the first split
	blocks := (len(rows) + rowsAtFirst - 1) / rowsAtFirst
	for part := range slices.Chunk(rows, rowsAtFirst) {
		if k := len(l.chunks); k == 0 || l.chunks[k-1].n == blocksAtFirst {
			c := e.newChunk()
			c.reserve(min(blocks, chunkBlocks))
			blocks -= blocksAtFirst
			l.chunks = append(l.chunks, c)
		}
		e.appendBlock(l.chunks[len(l.chunks)-1], part...)
	}
	for _, c := range l.chunks {
		l.first = append(l.first, c.first[0])
	}
	if len(l.chunks) > 0 {
		l.tighten()
	}
}

// seen returns how many values an attribute has; 0 if no node has it.
func (e *Engine) seen(key uint32) int { return e.view.Catalog().Values(key) }

func (e *Engine) chooseNarrow() {
	e.narrow = e.narrow[:0]
	for _, name := range e.wanted {
		if key := e.attrs.ID(name); e.fitsProfiles(key) {
			e.narrow = append(e.narrow, key)
		}
	}
	slices.Sort(e.narrow)
}

// fitsProfiles reports whether an attribute that is read may be part of profiles.
func (e *Engine) fitsProfiles(key uint32) bool {
	n := e.seen(key)
	return n > 0 && (n <= maxNarrow || e.spreadsOver(e.attrs.Text(key))) && !slices.Contains(e.dropped, key)
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
			n := e.seen(e.attrs.ID(name))
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
		return cmp.Or(cmp.Compare(e.seen(a), e.seen(b)), cmp.Compare(a, b))
	})
	e.dropped = append(e.dropped, worst)
	e.narrow = slices.DeleteFunc(e.narrow, func(k uint32) bool { return k == worst })
}

// laneFor returns the lane of a node, a new one if its profile is new.
func (e *Engine) laneFor(n *store.Node, cordoned bool) int32 {
	h := uint64(n.Class.Hash) << 1
	if cordoned {
		h++
	}
	h = mix(h)
	if len(e.narrow) > 0 {
		for _, a := range n.Attrs {
			if slices.Contains(e.narrow, a.Key) {
				h = mix(h ^ uint64(a.Key)<<32 ^ uint64(a.Value))
			}
		}
	}
	for _, i := range e.profiles[h] {
		if e.isOf(n, cordoned, e.lanes[i].profile) {
			return i
		}
	}
	p := &profile{class: n.Class, capacity: make([]int64, e.dims), node: n.Spec, cordoned: cordoned}
	copy(p.capacity, n.Capacity())
	for _, a := range n.Attrs {
		if slices.Contains(e.narrow, a.Key) {
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
func (e *Engine) isOf(n *store.Node, cordoned bool, p *profile) bool {
	if p.class != n.Class || p.cordoned != cordoned {
		return false
	}
	i := 0
	if len(e.narrow) > 0 {
		for _, a := range n.Attrs {
			if !slices.Contains(e.narrow, a.Key) {
				continue
			}
			if i == len(p.attrs) || p.attrs[i] != a {
				return false
			}
			i++
		}
	}
	return i == len(p.attrs)
}

// load reads a row's amounts.
func (e *Engine) load(row uint32) {
	ns := e.view.Node(row)
	copy(e.freeOf(row)[:e.dims], e.view.Free(row))
	e.setDevices(row, ns.Devices)
	e.setPorts(row, ns.Ports)
}

// rate returns how good a node is as it is, whatever the request.
func (e *Engine) rate(row uint32) int64 {
	if e.depends.Additive == nil {
		return 0
	}
	return e.depends.Additive.Node(e.freeOf(row)[:e.dims], e.lanes[e.rows[row].lane].profile.capacity)
}

// derive sets the dimensions that follow from others. The least part free is that of the resource
// the node is shortest of: without it, a block in which one node has the cores and another the memory looks as
// if it had room for both. Of each device class there are the most units free of one device, and how many
// devices are whole, which make devices amounts like others; which model, and which device, is seen at the node.
func (e *Engine) derive(row uint32) {
	free, p := e.freeOf(row), e.lanes[e.rows[row].lane].profile
	least := int64(Resolution)
	for d, c := range p.capacity {
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
	for i, units := range e.devicesOf(row) {
		c := slices.Index(e.classes, p.node.Devices[i].Class)
		sums[2*c] = max(sums[2*c], units)
		if units == berth.DeviceUnits {
			sums[2*c+1]++
		}
	}
}

// refresh brings one row in line with the view. It returns false if everything must be made anew.
func (e *Engine) refresh(row uint32) bool {
	ns := e.view.Node(row)
	same := ns.Node == e.rows[row].node && ns.Cordoned == e.rows[row].cordoned
	if same && ns.Node != nil && slices.Equal(e.freeOf(row)[:e.dims], e.view.Free(row)[:e.dims]) &&
		slices.Equal(e.devicesOf(row), ns.Devices) && slices.Equal(e.portsOf(row), ns.Ports) {
		return true
	}
	e.changed(row)
	switch {
	case !same:
		return e.redescribe(row, ns)
	case ns.Node == nil:
		return true
	}
	if !e.laned {
		e.load(row)
		return true
	}
	e.leaveLane(row)
	e.load(row)
	e.derive(row)
	e.enterLane(row)
	return true
}

func (e *Engine) redescribe(row uint32, ns *store.NodeState) bool {
	if e.rows[row].node != nil && e.laned {
		e.leaveLane(row)
	}
	e.rows[row].node, e.rows[row].cordoned, e.rows[row].lane = ns.Node, ns.Cordoned, -1
	e.descriptions++
	if ns.Node == nil {
		return true
	}
	for _, name := range e.wanted {
		if key := e.attrs.ID(name); slices.Contains(e.narrow, key) != e.fitsProfiles(key) {
			e.unlane() // it has got its first value, or one too many
		}
	}
	if len(e.classes) < len(e.view.Catalog().Devices()) {
		return false
	}
	e.load(row)
	if !e.laned {
		return true
	}
	e.rows[row].id, e.rows[row].lane = ns.Node.ID, e.laneFor(ns.Node, ns.Cordoned)
	if len(e.lanes) > e.maxLanes() {
		e.unlane()
		return true
	}
	e.derive(row)
	e.enterLane(row)
	return true
}

// loosen notes that a row's place in its lane is out of date.
func (e *Engine) loosen(row uint32) {
	if e.built && !e.rows[row].loose {
		e.rows[row].loose = true
		e.loose = append(e.loose, row)
	}
}

// flush puts loose rows where they belong: one by one, or, where they are many, by making the lanes anew when they are
// next searched.
func (e *Engine) flush() {
	switch {
	case !e.built || len(e.loose) == 0:
		return
	case len(e.loose) > len(e.order)/4:
		e.built = false
		return
	}
	for _, row := range e.loose {
		e.rows[row].loose = false
		l := e.lanes[e.rows[row].lane]
		e.remove(l, row)
		e.rows[row].key = e.rate(row)
		e.insert(l, row) // also where the key is the same: what is free is not
	}
	e.loose = e.loose[:0]
}

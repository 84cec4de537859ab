package placement

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// mirror is the rows of a snapshot with what a plan has taken of them, in dense columns.
//
// It becomes invalid with every plan: the next snapshot is another, and what the plan took may not have been committed.
// Engine.catchUp then brings in line the rows that can differ, which stale finds. A snapshot in other numbers than
// those here, of names or of dimensions, makes all anew.
type mirror struct {
	policy *policy
	view   *store.View
	at     store.Position // what the rows showed before the plan touched any
	order  []uint32       // rows by node ID; the view of a State goes on changing after the plan, and must not be read then

	attrs         *store.Interner // whose numbers attributes and values have here and in the index of classes
	names         []string        // of the dimensions that have one
	dims          int             // how many those are
	width         int             // and the others: the least part free, then two for each device class
	deviceClasses []string        // and the amounts of devices, as resources are named
	deviceAt      map[string]int  // the index of each device class

	free      []int64        // row x width: what is free; the dimensions without a name are right where the row has a class
	rows      []rowState     // by row
	ranks     []uint32       // by row: its index in order; the view's own
	tied      []uint32       // rows in the order of nodes that are equally good; the view's own
	ties      []uint32       // by row: its index in tied, which rows have copies of; the view's own
	devices   [][]int64      // by row: what is free of its devices; nil if no node has any
	ports     [][]berth.Port // by row: the ports in use, ascending; nil if no node has any
	ownPorts  []bool         // by row, where there are ports: whether the list is written in place, and not the view's
	described uint64         // how often a node came, went or was described anew
	visit     uint32         // the number of the present pass over rows, see firstVisit
	touched   []uint32       // rows that the plan has changed, each once
	differing []uint32       // what stale returned; kept for its room
	details   *fit.Details
	sight     berth.Role // whose room the rows show, where something is reserved
	skewed    bool       // whether a reserved row was changed by a role of another sight
}

// rowState is what is known of a row besides its amounts, side by side, since a pick reads most of it. The mirror
// sets what describes the node; what the other parts set is theirs to change, for others to read.
type rowState struct {
	node    *store.Node // nil if there is none
	id      string      // of the node, once it has a class
	rank    uint32      // its index in the order of nodes that are equally good
	visited uint32      // the last pass that visited the row

	// Of the index of classes.
	key   int64 // under which the row stands in the tree of its class
	class int32 // -1 where there is no node, and before rows have classes

	// Of the group counts.
	host int32 // its index in the active counts' hosts, plus one; 0 if it is in none

	// Together, since they are small.
	misplaced bool // of the index: whether key or the amounts in the tree are out of date
	cordoned  bool // of the mirror

	_ [8]byte // so that each row is in one line of memory
}

// covers reports whether a view can be told by comparison and not only by making all anew.
func (m *mirror) covers(view *store.View) bool {
	return view.Attrs() == m.attrs && slices.Equal(view.Dims(), m.names) && view.Rows() >= len(m.rows)
}

// open turns to a view, before rows are brought in line with it.
func (m *mirror) open(view *store.View) { m.view, m.order = view, view.Order() }

// opened notes that all rows are as in the view.
func (m *mirror) opened() {
	m.at = m.view.Position()
	m.touched = m.touched[:0]
	m.nextPass() // from here on the rows that were visited are those touched
}

// nextPass begins another pass over rows, in which none was visited.
func (m *mirror) nextPass() {
	m.visit++
	if m.visit == 0 {
		for i := range m.rows {
			m.rows[i].visited = 0
		}
		m.visit = 1
	}
}

// firstVisit reports whether a row is visited for the first time in this pass.
func (m *mirror) firstVisit(row uint32) bool {
	if m.rows[row].visited == m.visit {
		return false
	}
	m.rows[row].visited = m.visit
	return true
}

// stale returns the rows that can differ from those of the view: those that the last plan touched and those that the
// change log names, or all if the log does not reach from what was shown to the view.
func (m *mirror) stale() []uint32 {
	m.grow(m.view.Rows())
	m.nextPass()
	rows := m.differing[:0]
	changes, ok := m.view.Since(m.at)
	if !ok || len(changes) > m.view.Rows() {
		for row := range uint32(m.view.Rows()) {
			rows = append(rows, row)
		}
	} else {
		for _, row := range m.touched {
			if m.firstVisit(row) {
				rows = append(rows, row)
			}
		}
		for _, c := range changes {
			if m.firstVisit(c.Row) {
				rows = append(rows, c.Row)
			}
		}
	}
	m.differing = rows
	return rows
}

// grow makes rows up to a number.
func (m *mirror) grow(rows int) {
	n := rows - len(m.rows)
	if n <= 0 {
		return
	}
	m.free = append(m.free, make([]int64, n*m.width)...)
	m.rows = append(m.rows, make([]rowState, n)...)
	for i := rows - n; i < rows; i++ {
		m.rows[i].class = -1
	}
	if m.devices != nil {
		m.devices = append(m.devices, make([][]int64, n)...)
	}
	if m.ports != nil {
		m.ports = append(m.ports, make([][]berth.Port, n)...)
		m.ownPorts = append(m.ownPorts, make([]bool, n)...)
	}
}

// rankAll gives every row its ranks, and reports whether any has changed.
func (m *mirror) rankAll() bool {
	ranks := m.view.Rank()
	if sameRanks(ranks, m.ranks) {
		return false
	}
	m.ranks = ranks
	if m.tied, m.ties = m.order, ranks; !m.policy.strategy.byID {
		t := m.view.Ties(m.policy.strategy.seed)
		m.tied, m.ties = t.Order, t.Rank
	}
	for row, rank := range m.ties {
		m.rows[row].rank = rank
	}
	return true
}

// rebuild makes all rows anew: O(nodes).
func (m *mirror) rebuild() {
	m.attrs, m.names = m.view.Attrs(), m.view.Dims()
	m.dims = len(m.names)
	m.deviceClasses = m.view.Catalog().Devices()
	m.deviceAt = make(map[string]int, len(m.deviceClasses))
	for i, c := range m.deviceClasses {
		m.deviceAt[c] = i
	}
	m.free, m.rows, m.ranks, m.devices, m.ports, m.ownPorts = nil, nil, nil, nil, nil, nil
	m.visit = 0
	m.described++
	m.width = m.dims + 1 + 2*len(m.deviceClasses)
	m.grow(m.view.Rows())
	m.rankAll()
	for _, row := range m.order {
		ns := m.view.Node(row)
		m.describe(row, ns)
		m.load(row, ns)
	}
}

// amountsOf returns all amounts of a row.
func (m *mirror) amountsOf(row uint32) []int64 {
	return m.free[int(row)*m.width : (int(row)+1)*m.width]
}

// resourcesOf returns the free amounts of a row's resources.
func (m *mirror) resourcesOf(row uint32) []int64 { return m.amountsOf(row)[:m.dims] }

// freestDevice and wholeDevices return the dimensions of a device class.
func (m *mirror) freestDevice(class int) int32 { return int32(m.dims + 1 + 2*class) }
func (m *mirror) wholeDevices(class int) int32 { return int32(m.dims + 2 + 2*class) }

// numbersOf returns for what is free of a node's devices, one after the other, the numbers of the classes: each amount is one.
func (m *mirror) numbersOf(n *berth.Node) []int32 {
	var numbers []int32
	for i := range n.Devices {
		numbers = append(numbers, int32(m.deviceAt[n.Devices[i].Class]))
	}
	for i := range n.Devices {
		for amount := range n.Devices[i].Capacity.All() {
			numbers = append(numbers, int32(m.deviceAt[berth.DeviceResource(n.Devices[i].Class, amount)]))
		}
	}
	return numbers
}

func (m *mirror) devicesOf(row uint32) []int64 {
	if m.devices == nil {
		return nil
	}
	return m.devices[row]
}

func (m *mirror) setDevices(row uint32, units []int64) {
	if m.devices == nil {
		if len(units) == 0 {
			return
		}
		m.devices = make([][]int64, len(m.rows))
	}
	m.devices[row] = units
}

func (m *mirror) portsOf(row uint32) []berth.Port {
	if m.ports == nil {
		return nil
	}
	return m.ports[row]
}

func (m *mirror) setPorts(row uint32, used []berth.Port) {
	if m.ports == nil && len(used) == 0 {
		return
	}
	m.makePorts()
	m.ports[row], m.ownPorts[row] = used, false
}

// makePorts makes the lists of ports, if there are none.
func (m *mirror) makePorts() {
	if m.ports == nil {
		m.ports, m.ownPorts = make([][]berth.Port, len(m.rows)), make([]bool, len(m.rows))
	}
}

// takePorts takes ports on a row, or gives them back if the sign is -1. A list that is the view's is copied first, once, for a node can have thousands.
func (m *mirror) takePorts(row uint32, ports []berth.Port, sign int64) {
	used := m.portsOf(row)
	if m.ports == nil || !m.ownPorts[row] {
		used = append(make([]berth.Port, 0, 2*len(used)+len(ports)), used...)
		m.makePorts()
		m.ownPorts[row] = true
	}
	for _, p := range ports {
		i, found := slices.BinarySearchFunc(used, p, berth.Port.Compare)
		switch {
		case sign > 0:
			used = slices.Insert(used, i, p)
		case found:
			used = slices.Delete(used, i, i+1)
		}
	}
	m.ports[row] = used
}

// isDescribed reports whether a row's node is described as in the view, where the row is ns.
func (m *mirror) isDescribed(row uint32, ns *store.NodeState) bool {
	return ns.Node == m.rows[row].node && ns.Cordoned == m.rows[row].cordoned
}

// isLoaded reports whether a row, which has a node as in the view, has as much free as there.
func (m *mirror) isLoaded(row uint32, ns *store.NodeState) bool {
	own := m.resourcesOf(row)
	for d, q := range m.viewed(row) {
		if own[d] != q {
			return false
		}
	}
	return ns.Parts == store.NoParts && m.devices == nil && m.ports == nil || m.hasParts(row, ns)
}

// hasParts reports whether a row has as much free as in the view of what only some nodes have.
func (m *mirror) hasParts(row uint32, ns *store.NodeState) bool {
	return slices.Equal(m.devicesOf(row), ns.Devices) && slices.Equal(m.portsOf(row), ns.Ports)
}

// viewed returns the free amounts of a row's resources in the view. Nearly always they are columns, which cost no call.
func (m *mirror) viewed(row uint32) []int64 {
	if m.sight != "" {
		return m.view.Room(row, m.sight)[:m.dims]
	}
	if free := m.view.Columns(row); len(free) >= m.dims {
		return free[:m.dims]
	}
	return m.view.Free(row)[:m.dims]
}

// describe makes a row that of the view's node, if there is one. It has no class yet.
func (m *mirror) describe(row uint32, ns *store.NodeState) {
	st := &m.rows[row]
	st.node, st.cordoned, st.class = ns.Node, ns.Cordoned, -1
	m.described++
}

// load reads what is free in a row.
func (m *mirror) load(row uint32, ns *store.NodeState) {
	copy(m.resourcesOf(row), m.viewed(row))
	m.setDevices(row, ns.Devices)
	m.setPorts(row, ns.Ports)
}

// strays reports whether tasks on a row have devices that the node no longer has. Which, only the reference knows.
func (m *mirror) strays(row uint32) bool { return m.view.Node(row).Stray > 0 }

// hasAsDevices reports whether a group asks by amount for what some node has as devices.
func (m *mirror) hasAsDevices(g *berth.Group) bool {
	return slices.ContainsFunc(g.Requirements().Plain, func(name string) bool { return slices.Contains(m.deviceClasses, name) })
}

// dimOf returns the dimension of that name, or -1.
func (m *mirror) dimOf(name string) int {
	if d, ok := m.view.DimOf(name); ok {
		return int(d)
	}
	return -1
}

// derive sets the dimensions that follow from others, for a row of a class. The least part free is that of the resource
// the node is shortest of: without it, a block in which one node has the cores and another the memory looks as if it
// had room for both. Of each device class there are the most units free of one device, and how many devices are whole,
// which make devices amounts like others; which model, and which device, is seen at the node. Of an amount of devices there is
// the most free of one.
func (m *mirror) derive(row uint32, c *nodeClass) {
	free := m.amountsOf(row)
	least := int64(Resolution)
	for d, all := range c.capacity {
		if all > 0 {
			least = min(least, fraction(free[d], all))
		}
	}
	free[m.dims] = least
	if len(m.deviceClasses) == 0 {
		return
	}
	sums := free[m.dims+1:]
	clear(sums)
	for i, units := range m.devicesOf(row) {
		d := c.devices[i]
		sums[2*d] = max(sums[2*d], units)
		if units == berth.DeviceUnits {
			sums[2*d+1]++
		}
	}
}

// take takes from a row what a task takes, or with a sign of -1 gives it back. What is derived is left as it is.
func (m *mirror) take(row uint32, request []int64, g *berth.Grant, sign int64) {
	free := m.amountsOf(row)
	for d, q := range request {
		free[d] -= sign * q
	}
	if m.firstVisit(row) {
		m.touched = append(m.touched, row)
	}
	if g == nil {
		return
	}
	if len(g.Devices) > 0 { // the list is replaced and not written, for it may be that of the view
		units := slices.Clone(m.devicesOf(row))
		node := m.rows[row].node.Spec
		for i, share := range fit.DevicesOf(node, g.Devices) {
			for cell, q := range fit.Cells(node, i, share) {
				units[cell] -= sign * q
			}
		}
		m.setDevices(row, units)
	}
	if len(g.Ports) > 0 {
		m.takePorts(row, g.Ports, sign)
	}
}

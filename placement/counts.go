package placement

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// groupCounts is how many of each group's tasks are where, what the plan placed included, and the domains they are
// counted in.
//
// Counts are of one plan and go with it. What is known of domains becomes invalid when nodes are described anew or
// classes are made, which it sees by the numbers that the mirror and the index of classes count these by.
type groupCounts struct {
	mirror  *mirror
	classes *classIndex
	policy  *policy

	keys   []uint32           // the strategy's attributes, in the snapshot's numbers
	steps  *steps             // of the plan
	groups map[string]*counts // by the group's name
	spare  []*counts          // of groups of earlier plans, empty, to be used again
	active *counts            // whose hosts are found by row: those of the last group that was asked about

	numberings map[uint32]*numbering       // by attribute, of those whose domains were counted
	eligible   map[string]*eligibleDomains // by the group's rules and the attribute
	layout     *layout                     // of the classes, nil if it was not asked for since it was thrown away
}

// counts is how many of a group's tasks are where.
type counts struct {
	hosts     []host
	histogram *histogram      // of hosts; nil if no even rule looks at it
	domains   []*domainCounts // those of the strategy's attributes first, in their order
	at        map[uint32]int  // the index of each attribute in domains, once they are many
}

type host struct {
	row   uint32
	tasks int
}

// domainCounts is how many of a group's tasks are in each domain under an attribute.
type domainCounts struct {
	key       uint32
	values    *numbering
	tasks     []int      // by slot; domains beyond its end have none
	onNodes   *nodeTasks // instead of tasks, where each node is a domain of others' tasks; else nil
	histogram *histogram // nil if no even rule looks at it
	all       int        // of a group's own: how many there are in all domains
}

// slot returns where the tasks of a value are counted.
func (d *domainCounts) slot(value uint32) int32 {
	s := d.values.slot(value)
	d.grow()
	return s
}

// grow makes room to count the tasks of every slot there is.
func (d *domainCounts) grow() {
	if n := len(d.values.slots); len(d.tasks) < n {
		d.tasks = append(d.tasks, make([]int, n-len(d.tasks))...)
	}
}

// in returns the tasks of a slot. It changes nothing, so that many goroutines may ask.
func (d *domainCounts) in(slot int32) int {
	switch {
	case int(slot) < len(d.tasks):
		return d.tasks[slot]
	case d.onNodes != nil:
		return d.onNodes.on(slot)
	}
	return 0
}

// numbering gives the values of an attribute slots from 0 on, the same in the counts of all groups.
type numbering struct {
	slots map[uint32]int32 // by value
	rows  []int32          // by row: the slot of its value, or -1; made when a rule is asked row by row
	at    uint64           // mirror.described when rows was made

	domains byDomain // made when rows of a domain are asked for
}

func (v *numbering) slot(value uint32) int32 {
	s, ok := v.slots[value]
	if !ok {
		s = int32(len(v.slots))
		v.slots[value] = s
	}
	return s
}

func newGroupCounts(p *policy, m *mirror, x *classIndex, plan *steps) *groupCounts {
	return &groupCounts{steps: plan, policy: p, mirror: m, classes: x, groups: map[string]*counts{}, numberings: map[uint32]*numbering{}, eligible: map[string]*eligibleDomains{}}
}

// start forgets the counts of the last plan, for one on another view.
func (c *groupCounts) start(view *store.View) {
	c.activate(nil)
	if len(c.groups) > 0 {
		c.drop()
	}
	if len(c.numberings) > 0 {
		c.forgetValues(view.Nodes())
	}
	c.keys = c.keys[:0]
	for _, name := range c.policy.attributes {
		c.keys = append(c.keys, view.Attrs().ID(name))
	}
}

// rebuild forgets what is known of domains, since attributes and values have other numbers.
func (c *groupCounts) rebuild() {
	clear(c.numberings)
	clear(c.eligible)
	c.layout = nil
}

// forgetValues makes numberings anew, between plans, once most of their values can be those of nodes of the past.
func (c *groupCounts) forgetValues(nodes int) {
	const slack = 256
	for _, v := range c.numberings {
		if len(v.slots) > 2*nodes+slack {
			c.rebuild()
			return
		}
	}
}

// numbers returns the numbering of an attribute.
func (c *groupCounts) numbers(key uint32) *numbering {
	v := c.numberings[key]
	if v == nil {
		v = &numbering{slots: map[uint32]int32{}}
		c.numberings[key] = v
	}
	return v
}

// slotsByRow returns the slot of every row's value of an attribute, -1 for none: O(nodes) the first time since nodes
// changed.
func (c *groupCounts) slotsByRow(v *numbering, key uint32) []int32 {
	rows := c.mirror.rows
	if c.knowsRows(v) {
		return v.rows
	}
	v.rows = slices.Grow(v.rows[:0], len(rows))[:len(rows)]
	known := make([]int32, 1<<10) // one more than the slot of a value, so that few are looked up in a map
	values := make([]uint32, len(known))
	for row := range rows {
		v.rows[row] = -1
		if n := rows[row].node; n != nil {
			if value, ok := n.Attr(key); ok {
				at := value & uint32(len(known)-1)
				if known[at] == 0 || values[at] != value {
					known[at], values[at] = v.slot(value)+1, value
				}
				v.rows[row] = known[at] - 1
			}
		}
	}
	v.at = c.mirror.described
	return v.rows
}

func (c *groupCounts) knowsRows(v *numbering) bool {
	return v.at == c.mirror.described && len(v.rows) == len(c.mirror.rows)
}

// manyDomains is how many attributes a group's tasks are counted by before they are found by a map.
const manyDomains = 8

// domain returns the counts under an attribute.
func (c *groupCounts) domain(t *counts, key uint32) *domainCounts {
	if t.at != nil {
		if i, ok := t.at[key]; ok {
			return t.domains[i]
		}
	} else {
		for _, d := range t.domains {
			if d.key == key {
				return d
			}
		}
	}
	d := t.fresh()
	d.key, d.values = key, c.numbers(key)
	for _, h := range t.hosts { // none unless another group had the name before
		if v, ok := c.mirror.rows[h.row].node.Attr(key); ok {
			slot := d.slot(v)
			d.tasks[slot] += h.tasks
			d.all += h.tasks
		}
	}
	switch {
	case t.at != nil:
		t.at[key] = len(t.domains) - 1
	case len(t.domains) > manyDomains:
		t.at = make(map[uint32]int)
		for i, d := range t.domains {
			t.at[d.key] = i
		}
	}
	return d
}

// fresh returns a domain without tasks, one that was there in an earlier life of the counts if there is one.
func (t *counts) fresh() *domainCounts {
	if n := len(t.domains); n < cap(t.domains) {
		if t.domains = t.domains[:n+1]; t.domains[n] != nil {
			return t.domains[n]
		}
		t.domains = t.domains[:n]
	}
	d := new(domainCounts)
	t.domains = append(t.domains, d)
	return d
}

// room returns how much counts have room for.
func (t *counts) room() int {
	n := 8 + cap(t.hosts)
	for _, d := range t.domains {
		n += 8 + cap(d.tasks)
	}
	return n
}

// drop forgets what was counted, and keeps the room of some of it for the next plan: as much as a few columns.
func (c *groupCounts) drop() {
	const slack = 1 << 12
	most := 4*len(c.mirror.rows) + slack
	room := 0
	for _, t := range c.spare {
		room += t.room()
	}
	for _, t := range c.groups { // which is used again for what does not matter: they are empty
		if room += t.room(); room > most {
			break
		}
		for _, d := range t.domains {
			*d = domainCounts{tasks: d.tasks[:0]}
		}
		*t = counts{hosts: t.hosts[:0], domains: t.domains[:0]}
		c.spare = append(c.spare, t)
	}
	clear(c.groups)
}

// needed reports whether anybody asks how many of a group's tasks are where.
func (c *groupCounts) needed(g *berth.Group) bool {
	if g.Mode() == berth.Daemon || c.policy.counts() {
		return true
	}
	for range ownRules(g.Requirements()) {
		return true
	}
	return false
}

// of returns the counts of a group, of all its specs, and makes them the active ones. The first time in a plan it counts the tasks in the
// snapshot and what the plan has placed by then: O(its tasks). What comes is added as it is placed.
func (c *groupCounts) of(g *berth.Group) *counts {
	if t := c.groups[g.Name()]; t != nil {
		c.activate(t)
		return t
	}
	t := new(counts)
	if n := len(c.spare); n > 0 {
		t, c.spare = c.spare[n-1], c.spare[:n-1]
	}
	for _, key := range c.keys {
		c.domain(t, key)
	}
	for rule := range ownRules(g.Requirements()) {
		if name := rule.Domain(); name != berth.NodeID {
			c.domain(t, c.mirror.attrs.ID(name))
		}
	}
	c.activate(t)
	view := c.mirror.view
	for slot := range view.Named(g.Name()) {
		if row := view.Record(slot).Row; row != store.None {
			c.add(t, row, 1)
		}
	}
	for st := range c.steps.of(g) {
		if st.undone {
			c.add(t, st.row, -1)
		} else {
			c.add(t, st.row, 1)
		}
	}
	c.groups[g.Name()] = t
	return t
}

// activate makes counts those whose hosts are found by row.
func (c *groupCounts) activate(t *counts) {
	if c.active == t {
		return
	}
	rows := c.mirror.rows
	if c.active != nil {
		for _, h := range c.active.hosts {
			rows[h.row].host = 0
		}
	}
	c.active = t
	if t != nil {
		for i, h := range t.hosts {
			rows[h.row].host = int32(i + 1)
		}
	}
}

// on returns how many tasks of the active counts' group are on a row.
func (c *groupCounts) on(row uint32) int {
	if i := c.mirror.rows[row].host; i > 0 {
		return c.active.hosts[i-1].tasks
	}
	return 0
}

// add counts tasks of a group that came to a row, or, less than none, left it.
func (c *groupCounts) add(t *counts, row uint32, by int) {
	c.activate(t)
	i := int(c.mirror.rows[row].host) - 1
	if i < 0 {
		t.hosts = append(t.hosts, host{row: row})
		i = len(t.hosts) - 1
		c.mirror.rows[row].host = int32(i + 1)
	}
	t.hosts[i].tasks += by
	t.histogram.move(int32(row), t.hosts[i].tasks-by, t.hosts[i].tasks)
	for i, d := range t.domains {
		if slot := c.slotOf(d, i, row); slot >= 0 {
			d.grow()
			d.tasks[slot] += by
			d.all += by
			d.histogram.move(slot, d.tasks[slot]-by, d.tasks[slot])
		}
	}
}

// slotOf returns the slot of a row's value under an attribute, the ith of its counts, or -1.
func (c *groupCounts) slotOf(d *domainCounts, i int, row uint32) int32 {
	if n := len(c.keys); i < n && c.classes.assigned { // classes may know, and are nearer than the node
		if slot := c.layoutOfClasses().slots[int(c.mirror.rows[row].class)*n+i]; slot >= 0 {
			return slot
		}
	}
	if c.knowsRows(d.values) {
		return d.values.rows[row]
	}
	if v, ok := c.mirror.rows[row].node.Attr(d.key); ok {
		return d.values.slot(v)
	}
	return -1
}

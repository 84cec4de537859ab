package placement

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// tally is how many of a group's tasks are where, what the plan placed included. The tasks on a node are
// found by row in constant time for the active tally only, that of the current run.
type tally struct {
	hosts   []host
	census  *census   // of hosts; nil if no even rule looks at it
	domains []*domain // those of the strategy's attributes first, in their order
}

type host struct {
	row   uint32
	tasks int
}

// domain counts a group's tasks by the values of an attribute.
type domain struct {
	key    uint32
	values *numbering
	tasks  []int   // by slot; those beyond its end have none
	census *census // nil if no even rule looks at it
}

// slot returns where the tasks of a value are counted.
func (d *domain) slot(value uint32) int32 {
	s := d.values.slot(value)
	d.grow()
	return s
}

// grow makes room to count the tasks of every slot there is.
func (d *domain) grow() {
	if n := len(d.values.slots); len(d.tasks) < n {
		d.tasks = append(d.tasks, make([]int, n-len(d.tasks))...)
	}
}

// at returns the tasks of a slot. It changes nothing, so that many goroutines may ask.
func (d *domain) at(slot int32) int {
	if int(slot) < len(d.tasks) {
		return d.tasks[slot]
	}
	return 0
}

// numbering gives the values of an attribute their slots, the same in the tallies of all groups.
type numbering struct {
	slots map[uint32]int32 // by value
	rows  []int32          // the slot of each row's value, or -1; made when a rule is asked row by row
	at    uint64           // the engine's descriptions when rows was made
}

func (v *numbering) slot(value uint32) int32 {
	s, ok := v.slots[value]
	if !ok {
		s = int32(len(v.slots))
		v.slots[value] = s
	}
	return s
}

// forgetValues makes numberings anew, between plans, once most of their values can be those of nodes of the past.
func (e *Engine) forgetValues(nodes int) {
	const slack = 256
	for _, v := range e.numberings {
		if len(v.slots) > 2*nodes+slack {
			clear(e.numberings)
			clear(e.areas)
			e.bracket = nil
			return
		}
	}
}

// numbers returns the numbering of an attribute.
func (e *Engine) numbers(key uint32) *numbering {
	v := e.numberings[key]
	if v == nil {
		if e.numberings == nil {
			e.numberings = map[uint32]*numbering{}
		}
		v = &numbering{slots: map[uint32]int32{}}
		e.numberings[key] = v
	}
	return v
}

// slotsByRow returns the slot of every row's value of an attribute, -1 for none: O(nodes) the first time since
// nodes changed.
func (e *Engine) slotsByRow(v *numbering, key uint32) []int32 {
	if v.at == e.descriptions && len(v.rows) == len(e.rows) {
		return v.rows
	}
	v.at = e.descriptions
	v.rows = slices.Grow(v.rows[:0], len(e.rows))[:len(e.rows)]
	for row := range e.rows {
		v.rows[row] = -1
		if n := e.rows[row].node; n != nil {
			if value, ok := n.Attr(key); ok {
				v.rows[row] = v.slot(value)
			}
		}
	}
	return v.rows
}

// domain returns the domain of an attribute that is counted in a tally.
func (e *Engine) domain(t *tally, key uint32) *domain {
	for _, d := range t.domains {
		if d.key == key {
			return d
		}
	}
	d := t.fresh()
	d.key, d.values = key, e.numbers(key)
	return d
}

// fresh returns a domain without tasks, one that was there in an earlier life of the tally if there is one.
func (t *tally) fresh() *domain {
	if n := len(t.domains); n < cap(t.domains) {
		if t.domains = t.domains[:n+1]; t.domains[n] != nil {
			return t.domains[n]
		}
		t.domains = t.domains[:n]
	}
	d := new(domain)
	t.domains = append(t.domains, d)
	return d
}

// room returns how much a tally has room for.
func (t *tally) room() int {
	n := 8 + cap(t.hosts)
	for _, d := range t.domains {
		n += 8 + cap(d.tasks)
	}
	return n
}

// dropTallies forgets what was counted, and keeps the room of some of it for the next plan: as much as a few columns.
func (e *Engine) dropTallies() {
	const slack = 1 << 12
	most := 4*len(e.rows) + slack
	room := 0
	for _, t := range e.spare {
		room += t.room()
	}
	for _, t := range e.tallies { // which is used again for what does not matter: they are empty
		if room += t.room(); room > most {
			break
		}
		for _, d := range t.domains {
			*d = domain{tasks: d.tasks[:0]}
		}
		*t = tally{hosts: t.hosts[:0], domains: t.domains[:0]}
		e.spare = append(e.spare, t)
	}
	clear(e.tallies)
}

// tallyOf counts the tasks of a group in the snapshot, the first time in a plan: O(its tasks). What the
// plan places is added as it is placed.
func (e *Engine) tallyOf(g *berth.Group) *tally {
	if t := e.tallies[g.Name()]; t != nil {
		return t
	}
	t := new(tally)
	if n := len(e.spare); n > 0 {
		t, e.spare = e.spare[n-1], e.spare[:n-1]
	}
	for _, key := range e.zoneKeys {
		e.domain(t, key)
	}
	for _, rule := range g.Requirements().DomainRules {
		if name := rule.Domain(); name != berth.NodeID {
			e.domain(t, e.view.Attrs().ID(name))
		}
	}
	e.activate(t)
	if id, ok := e.view.FindGroup(g.Name()); ok {
		for slot := range e.view.Members(id) {
			if row := e.view.Record(slot).Row; row != store.None {
				e.add(t, row, 1)
			}
		}
	}
	if e.tallies == nil {
		e.tallies = map[string]*tally{}
	}
	e.tallies[g.Name()] = t
	return t
}

// activate makes a tally the one whose hosts are found by row.
func (e *Engine) activate(t *tally) {
	if e.active == t {
		return
	}
	if e.active != nil {
		for _, h := range e.active.hosts {
			e.rows[h.row].host = 0
		}
	}
	e.active = t
	if t != nil {
		for i, h := range t.hosts {
			e.rows[h.row].host = int32(i + 1)
		}
	}
}

// hostCount returns how many tasks of the active tally's group are on a row.
func (e *Engine) hostCount(row uint32) int {
	if i := e.rows[row].host; i > 0 {
		return e.active.hosts[i-1].tasks
	}
	return 0
}

func (e *Engine) add(t *tally, row uint32, by int) {
	i := -1
	if t == e.active {
		i = int(e.rows[row].host) - 1
	} else {
		i = slices.IndexFunc(t.hosts, func(h host) bool { return h.row == row })
	}
	if i < 0 {
		t.hosts = append(t.hosts, host{row: row})
		i = len(t.hosts) - 1
		if t == e.active {
			e.rows[row].host = int32(i + 1)
		}
	}
	t.hosts[i].tasks += by
	t.census.move(int32(row), t.hosts[i].tasks-by, t.hosts[i].tasks)
	for i, d := range t.domains {
		if slot := e.slotAt(d, i, row); slot >= 0 {
			d.grow()
			d.tasks[slot] += by
			d.census.move(slot, d.tasks[slot]-by, d.tasks[slot])
		}
	}
}

// slotAt returns the slot of a row's value in a domain, the one at a place among those of its tally, or -1.
func (e *Engine) slotAt(d *domain, at int, row uint32) int32 {
	if zones := len(e.zoneKeys); at < zones && e.laned { // lanes may know, and are nearer than the node
		if slot := e.lanesInOrder().slots[int(e.rows[row].lane)*zones+at]; slot >= 0 {
			return slot
		}
	}
	if d.values.at == e.descriptions && len(d.values.rows) == len(e.rows) {
		return d.values.rows[row]
	}
	if v, ok := e.rows[row].node.Attr(d.key); ok {
		return d.values.slot(v)
	}
	return -1
}

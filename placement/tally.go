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
	domains []*domain // those of the strategy's attributes first, in their order
}

type host struct {
	row   uint32
	tasks int
}

// domain counts a group's tasks by the values of an attribute.
type domain struct {
	key   uint32
	index map[uint32]int32 // slots by value
	tasks []int            // by slot
}

func (d *domain) slot(value uint32) int32 {
	if s, ok := d.index[value]; ok {
		return s
	}
	s := int32(len(d.tasks))
	d.index[value] = s
	d.tasks = append(d.tasks, 0)
	return s
}

// domain returns the domain of an attribute that is counted.
func (t *tally) domain(key uint32) *domain {
	for _, d := range t.domains {
		if d.key == key {
			return d
		}
	}
	d := &domain{key: key, index: map[uint32]int32{}}
	t.domains = append(t.domains, d)
	return d
}

// tallyOf counts the tasks of a group in the snapshot, the first time in a plan: O(its tasks). What the
// plan places is added as it is placed.
func (e *Engine) tallyOf(g *berth.Group) *tally {
	if t := e.tallies[g.Name()]; t != nil {
		return t
	}
	t := new(tally)
	for _, key := range e.zoneKeys {
		t.domain(key)
	}
	for _, rule := range g.DomainRules() {
		if name := rule.Domain(); name != berth.NodeID {
			t.domain(e.view.Attrs().ID(name))
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
			e.hostAt[h.row] = 0
		}
	}
	e.active = t
	if t != nil {
		for i, h := range t.hosts {
			e.hostAt[h.row] = int32(i + 1)
		}
	}
}

// hostCount returns how many tasks of the active tally's group are on a row.
func (e *Engine) hostCount(row uint32) int {
	if i := e.hostAt[row]; i > 0 {
		return e.active.hosts[i-1].tasks
	}
	return 0
}

func (e *Engine) add(t *tally, row uint32, by int) {
	i := -1
	if t == e.active {
		i = int(e.hostAt[row]) - 1
	} else {
		i = slices.IndexFunc(t.hosts, func(h host) bool { return h.row == row })
	}
	if i < 0 {
		t.hosts = append(t.hosts, host{row: row})
		i = len(t.hosts) - 1
		if t == e.active {
			e.hostAt[row] = int32(i + 1)
		}
	}
	t.hosts[i].tasks += by
	for _, d := range t.domains {
		if v, ok := e.records[row].Attr(d.key); ok {
			d.tasks[d.slot(v)] += by
		}
	}
}

package store

import (
	"cmp"
	"iter"
	"slices"

	"github.com/berth-sched/berth"
)

// Group is what the tasks of one kind have in common.
type Group struct {
	Name    string
	Spec    *berth.Group
	Request []Need
	Keys    []uint32     // attributes whose values the group's tasks are counted by
	Asks    []CounterKey // the counters that its rules ask for, each once, and those in which its tasks refuse others
	Count   int          // live tasks, those that are on a node
	tasks   int          // all of them; where the number is free, the next that is
	family  uint32       // of the groups of its name, plus one; 0 where it is the only one
	account uint32       // of its role
	members list
	counts  [][]Count
	owner   token // who may write counts in place

	moves      []uint32 // the counters that count its tasks; replaced and never written
	registered bool     // whether counters know it
}

// Count is how many of a group's tasks are on nodes with one value of an attribute.
type Count struct {
	Value uint32
	Tasks int32
}

func (s *Store) group(id uint32) *Group {
	if !s.forked {
		return s.groups.mutAt(s.token, int(id))
	}
	return s.groups.mutAtCopied(s.token, int(id), func(page *[pageRows]Group) {
		for i := range page {
			page[i].members.sealed = true
		}
	})
}

// SpecOf returns what the group of a number is, or nil if there is none.
func (v *View) SpecOf(g uint32) *berth.Group {
	if int(g) >= v.groups.Len() {
		return nil
	}
	return v.Group(g).Spec
}

// Group returns a group to be read.
func (v *View) Group(g uint32) *Group { return v.groups.At(int(g)) }

// Groups returns the number of groups, free ones and that of holds included.
func (v *View) Groups() int { return v.groups.Len() }

// AllGroups yields the numbers of the groups that have tasks, in no order that means anything.
func (v *View) AllGroups() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for id := uint32(Holds + 1); int(id) < v.groups.Len(); id++ {
			if v.groupName(id) != "" && !yield(id) {
				return
			}
		}
	}
}

// FindGroup returns the number of a group of a name, of whichever spec if it has several. A group is known while it has tasks.
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

// AddGroup adds a group of a name and a spec that are not there yet and returns its number. The group leaves when
// its last task does.
func (s *Store) AddGroup(g Group) uint32 {
	var kin []uint32
	if first, named := s.FindGroup(g.Name); named {
		kin = s.Kin(first)
	}
	return s.AddGroupBy(Hash(g.Name), kin, g)
}

// AddGroupBy is AddGroup for who has the hash of the name, and the groups that have the name already.
func (s *Store) AddGroupBy(hash uint32, kin []uint32, g Group) uint32 {
	id := s.newGroup()
	if len(g.Keys) > 0 {
		g.counts = make([][]Count, len(g.Keys))
	}
	g.owner, g.account = s.token, s.roleAccount(g.Spec.Role())
	s.refer(g.account, 1)
	*s.group(id) = g
	s.note(grouped, id)
	s.join(id, hash, kin)
	s.register(id)
	return id
}

// indexGroup makes a group be found by its name, of which it is given the hash, in place of others that have it.
func (s *Store) indexGroup(id, hash uint32) {
	s.byGroup.insert(id, hash, func(g, hash uint32) bool { return Hash(s.groupName(g)) == hash })
}

func (s *Store) unindexGroup(id uint32) { s.byGroup.remove(id, Hash(s.Group(id).Name)) }

func (s *Store) dropGroup(id uint32) {
	s.settle()
	s.refer(s.Group(id).account, -1)
	s.noteDrop(id)
	s.unregister(id)
	s.part(id)
	s.freeGroupAt(id)
}

// count moves a group's counts by value.
func (s *Store) count(g *Group, n *Node, by int32) {
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

// CountAt returns how many of the tasks of a group and its kin are on nodes with one value of an attribute. Those of a group that does
// not have the attribute among its keys are counted for this answer.
func (v *View) CountAt(group, key, value uint32) int {
	if v.Group(group).family == 0 {
		return v.countAt(group, key, value)
	}
	n := 0
	for _, k := range v.Kin(group) {
		n += v.countAt(k, key, value)
	}
	return n
}

func (v *View) countAt(group, key, value uint32) int {
	c := v.Counts(group, key)
	if c == nil && !slices.Contains(v.Group(group).Keys, key) {
		c = v.countBy(group, key)
	}
	if i, ok := slices.BinarySearchFunc(c, value, func(c Count, v uint32) int { return cmp.Compare(c.Value, v) }); ok {
		return int(c[i].Tasks)
	}
	return 0
}

// LostOf returns how many of the tasks of a group and its kin are on no node.
func (v *View) LostOf(group uint32) int {
	n := 0
	for _, kin := range v.Kin(group) {
		g := v.Group(kin)
		n += g.tasks - g.Count
	}
	return n
}

// CountOn returns how many of the tasks of a group and its kin are on a node.
func (v *View) CountOn(group, row uint32) int {
	n := 0
	for _, m := range v.Node(row).members {
		if v.isOn(m, row) && v.isKin(m.group, group) {
			n++
		}
	}
	return n
}

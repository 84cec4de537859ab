package store

import (
	"cmp"
	"iter"
	"slices"

	"github.com/berth-sched/berth"
)

// Groups of one name and of different specs are kin: revisions of one another. Each has its own request, counters and members; what is
// asked of a name is asked of all of them, at the cost of a look at each.

// FindRevision returns the number of a group by its name, of which it is given the hash, and its spec; where there is none of the
// spec, that of another of the name, if there is one.
func (v *View) FindRevision(hash uint32, g *berth.Group) (id uint32, named, known bool) {
	id, named = v.FindGroupBy(hash, g.Name())
	if !named || v.Group(id).Spec.Equal(g) {
		return id, named, named
	}
	for _, kin := range v.Group(id).kin {
		if kin != id && v.Group(kin).Spec.Equal(g) {
			return kin, true, true
		}
	}
	return id, true, false
}

// Kin returns the groups that have the name of one, itself among them, in the order in which they came. It is not to be written.
func (v *View) Kin(id uint32) []uint32 {
	if kin := v.Group(id).kin; kin != nil {
		return kin
	}
	return []uint32{id}
}

// ByName returns groups in the order of their names, and those of one name in the order in which they came.
func (v *View) ByName(groups iter.Seq[uint32]) []uint32 {
	return slices.SortedFunc(groups, func(a, b uint32) int {
		if c := cmp.Compare(v.Group(a).Name, v.Group(b).Name); c != 0 || a == b {
			return c
		}
		kin := v.Kin(a)
		return cmp.Compare(slices.Index(kin, a), slices.Index(kin, b))
	})
}

// Named yields the records of all groups of a name, group by group, and of each the earliest added first.
func (v *View) Named(name string) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		id, ok := v.FindGroup(name)
		if !ok || id == Holds {
			return
		}
		for _, kin := range v.Kin(id) {
			for slot := range v.Members(kin) {
				if !yield(slot) {
					return
				}
			}
		}
	}
}

// AddKeys has a group's tasks counted by the values of more attributes: O(its tasks).
func (s *Store) AddKeys(id uint32, keys []uint32) {
	g := s.group(id)
	keys = slices.DeleteFunc(slices.Clone(keys), func(k uint32) bool { return slices.Contains(g.Keys, k) })
	if len(keys) == 0 {
		return
	}
	if s.journal.on {
		s.journal.addWith(int64(len(g.Keys)), entry{kind: keyed, at: id})
	}
	counts := make([][]Count, len(g.counts), len(g.counts)+len(keys))
	for i := range g.counts {
		counts[i] = slices.Clone(g.counts[i])
	}
	for _, key := range keys {
		counts = append(counts, s.countBy(id, key))
	}
	g.Keys, g.counts, g.owner = append(slices.Clip(g.Keys), keys...), counts, s.token
}

// undoKeys has a group's tasks counted by its first attributes only.
func (s *Store) undoKeys(id uint32, keys int) {
	g := s.group(id)
	g.Keys, g.counts = g.Keys[:keys:keys], g.counts[:keys:keys]
}

// countBy counts a group's tasks by the values of an attribute.
func (v *View) countBy(group, key uint32) []Count {
	by := map[uint32]int32{}
	for slot := range v.Members(group) {
		if r := v.Record(slot); r.Row != None {
			if value, ok := v.Node(r.Row).Node.Attr(key); ok {
				by[value]++
			}
		}
	}
	counts := make([]Count, 0, len(by))
	for value, tasks := range by {
		counts = append(counts, Count{value, tasks})
	}
	slices.SortFunc(counts, func(a, b Count) int { return cmp.Compare(a.Value, b.Value) })
	return counts
}

// join makes a group that has just come kin of those of its name.
func (s *Store) join(id uint32, kin []uint32) {
	s.setKin(append(slices.Clip(kin), id))
}

// part takes a group that goes from its kin.
func (s *Store) part(id uint32) {
	if kin := s.Group(id).kin; kin != nil {
		s.setKin(slices.DeleteFunc(slices.Clone(kin), func(k uint32) bool { return k == id }))
	}
}

func (s *Store) setKin(kin []uint32) {
	if len(kin) == 1 {
		s.group(kin[0]).kin = nil
		return
	}
	for _, id := range kin {
		s.group(id).kin = kin
	}
}

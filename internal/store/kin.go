package store

import (
	"cmp"
	"iter"
	"slices"

	"github.com/berth-sched/berth"
)

// Groups of one name and of different specs are kin: revisions of one another. Each has its own request, counters and members; what is
// asked of a name is asked of all of them: what counts tasks by name looks at each.

// family is the groups of one name, where they are several. Groups are found by name through the first of them, and each by its
// spec, so that what is done with a group costs the same however many have its name.
type family struct {
	ids   []uint32 // in the order in which they came; never written, but for its owner's adding at the end
	owner token    // the store whose room that at the end of ids is
	next  uint32   // where the number is free, the next that is
}

// kinship is the families of a view.
type kinship struct {
	families   Array[family]
	byRevision index // the groups of families, by name and spec
	freeFamily uint32
}

// FindRevision returns the number of a group by its name, of which it is given the hash, and its spec; where there is none of the
// spec, that of another of the name, if there is one.
func (v *View) FindRevision(hash uint32, g *berth.Group) (id uint32, named, known bool) {
	id, named = v.FindGroupBy(hash, g.Name())
	switch {
	case !named || v.Group(id).Spec == g:
		return id, named, named
	case v.Group(id).family == 0:
		return id, true, v.Group(id).Spec.Equal(g)
	}
	if text := g.Fingerprint(); text != "" { // one with faults is like no other
		if kin, ok := v.byRevision.find(Hash(text), text, v.revisionText); ok {
			return kin, true, true
		}
	}
	return id, true, false
}

// revisionText returns the fingerprint of a group that is one of a family, or "".
func (v *View) revisionText(id uint32) string {
	if int(id) >= v.groups.Len() || v.Group(id).family == 0 {
		return ""
	}
	return v.Group(id).Spec.Fingerprint()
}

// Kin returns the groups that have the name of one, itself among them, in the order in which they came. It is not to be written.
func (v *View) Kin(id uint32) []uint32 {
	if f := v.Group(id).family; f != 0 {
		return v.families.At(int(f - 1)).ids
	}
	return []uint32{id}
}

// isKin reports whether two groups have the same name.
func (v *View) isKin(a, b uint32) bool {
	return a == b || v.Group(a).family != 0 && v.Group(a).family == v.Group(b).family
}

// ByName returns groups in the order of their names, and those of one name in the order in which they came.
func (v *View) ByName(groups iter.Seq[uint32]) []uint32 {
	places := map[uint32]int{} // among their kin, of those that have any
	all := slices.Collect(groups)
	for _, id := range all {
		if _, known := places[id]; !known && v.Group(id).family != 0 {
			for i, kin := range v.Kin(id) {
				places[kin] = i
			}
		}
	}
	slices.SortFunc(all, func(a, b uint32) int {
		if c := cmp.Compare(v.Group(a).Name, v.Group(b).Name); c != 0 || a == b {
			return c
		}
		return cmp.Compare(places[a], places[b])
	})
	return all
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

// join makes a group that has just come be found by the hash of its name, and kin of those of its name, if there are any.
func (s *Store) join(id, hash uint32, kin []uint32) {
	if len(kin) == 0 {
		s.indexGroup(id, hash)
		return
	}
	if f := s.Group(kin[0]).family; f == 0 || s.families.At(int(f-1)).owner != s.token {
		kin = slices.Clip(kin)
	}
	s.enlist(id, kin[0], append(kin, id))
}

// rejoin makes a group that had gone and is back be found, and what it was to the groups of its name, all of which are told.
func (s *Store) rejoin(id uint32, all []uint32) {
	hash := Hash(s.Group(id).Name)
	if len(all) == 1 {
		s.indexGroup(id, hash)
		return
	}
	other := all[1]
	if all[0] != id {
		other = all[0]
	} else {
		s.unindexGroup(s.Kin(other)[0])
		s.indexGroup(id, hash)
	}
	s.enlist(id, other, slices.Clip(all))
}

// enlist makes a group one of the family of another, which are then all of some groups.
func (s *Store) enlist(id, other uint32, all []uint32) {
	f := s.Group(other).family
	if f == 0 {
		f = s.newFamily()
		s.group(other).family = f
		s.indexRevision(other)
	}
	*s.families.mutAt(s.token, int(f-1)) = family{ids: all, owner: s.token}
	s.group(id).family = f
	s.indexRevision(id)
}

// part takes a group that goes from its kin, and makes it be found no more.
func (s *Store) part(id uint32) {
	f := s.Group(id).family
	if f == 0 {
		s.unindexGroup(id)
		return
	}
	was := s.families.At(int(f - 1)).ids
	is := without(was, id)
	if was[0] == id {
		s.unindexGroup(id)
		s.indexGroup(is[0], Hash(s.Group(id).Name))
	}
	s.unindexRevision(id)
	if len(is) > 1 {
		s.families.mutAt(s.token, int(f-1)).ids = is // which is its owner's still
		return
	}
	s.unindexRevision(is[0])
	*s.families.mutAt(s.token, int(f-1)) = family{next: s.freeFamily}
	s.freeFamily = f - 1
}

// without returns a list without one of its elements: the list itself cut where that is at an end, so that there is no copy.
func without(list []uint32, id uint32) []uint32 {
	switch at := slices.Index(list, id); at {
	case 0:
		return list[1:]
	case len(list) - 1:
		return slices.Clip(list[:at])
	default:
		return slices.Concat(list[:at], list[at+1:])
	}
}

// newFamily returns the number of a family, plus one.
func (s *Store) newFamily() uint32 {
	f := s.freeFamily
	if f == None {
		f = uint32(s.families.grow(s.token))
	} else {
		s.freeFamily = s.families.At(int(f)).next
	}
	*s.families.mutAt(s.token, int(f)) = family{}
	return f + 1
}

func (s *Store) indexRevision(id uint32) {
	s.byRevision.insert(id, Hash(s.revisionText(id)), func(id, hash uint32) bool {
		text := s.revisionText(id)
		return text != "" && Hash(text) == hash
	})
}

// unindexRevision makes a group one of no family.
func (s *Store) unindexRevision(id uint32) {
	s.byRevision.remove(id, Hash(s.revisionText(id)))
	s.group(id).family = 0
}

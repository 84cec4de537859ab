package offers

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// audience is which Books are to be told of the tasks of a group: those that have been read, of frameworks whose role is the
// group's or above it.
type audience struct {
	by    map[berth.Role]*readers
	specs []*berth.Group // which group had the number when the source was last seen; nil where there was none
	whole bool           // that is known of all numbers
}

// readers are the Books of one role that have been read.
type readers struct {
	all   []*overlay
	shelf *overlay   // of those that show all nodes, if there are several
	told  []*overlay // those that are told of tasks and nodes: the shelf stands for the Books on it
}

// shelved reports whether a Book is on the shelf, where there is one.
func (r *readers) shelved(b *overlay) bool { return r.shelf != nil && !b.blind }

// join notes that a Book is read for the first time.
func (a *audience) join(b *overlay) {
	if a.by == nil {
		a.by = map[berth.Role]*readers{}
	}
	r := a.by[b.role]
	if r == nil {
		r = &readers{}
		a.by[b.role] = r
	}
	r.all = append(r.all, b)
	if !r.shelved(b) {
		r.told = append(r.told, b)
	}
}

// leave notes that a Book is gone. A shelf goes with the last Book on it.
func (a *audience) leave(b *overlay) {
	r := a.by[b.role]
	if r == nil {
		return
	}
	other := func(o *overlay) bool { return o == b }
	r.all, r.told = slices.DeleteFunc(r.all, other), slices.DeleteFunc(r.told, other)
	if r.shelf != nil && !slices.ContainsFunc(r.all, r.shelved) {
		r.told = slices.DeleteFunc(r.told, func(o *overlay) bool { return o == r.shelf })
		r.shelf = nil
	}
	if len(r.all) == 0 {
		delete(a.by, b.role)
	}
}

// was returns the Books to whom the tasks of a group were of concern when the source was last seen.
func (a *audience) was(group uint32) []*overlay {
	if int(group) >= len(a.specs) {
		return nil
	}
	return a.of(a.specs[group])
}

// is returns those to whom they are of concern now, and notes which group has the number.
func (a *audience) is(v *store.View, group uint32) []*overlay {
	a.note(v, group)
	return a.of(a.specs[group])
}

func (a *audience) note(v *store.View, group uint32) {
	for len(a.specs) <= int(group) {
		a.specs = append(a.specs, nil)
	}
	a.specs[group] = v.SpecOf(group)
}

// noteAll notes which groups have which numbers, where that is not known.
func (a *audience) noteAll(v *store.View) {
	if a.whole {
		return
	}
	clear(a.specs)
	for group := range v.AllGroups() {
		a.note(v, group)
	}
	a.whole = true
}

// of returns the overlays that are told of the tasks of a group.
func (a *audience) of(spec *berth.Group) []*overlay {
	if spec == nil {
		return nil
	}
	var told []*overlay
	for role := spec.Role(); ; role = role.Parent() {
		if r := a.by[role]; r != nil {
			if told == nil {
				told = slices.Clip(r.told)
			} else {
				told = append(told, r.told...)
			}
		}
		if role == "" {
			return told
		}
	}
}

// tellBooks tells the Books which nodes they show may have changed, once the source has been followed: those of the frameworks with offers
// there, those of the roles whose tasks changed, and all of them if it is the node itself. If it is not known what has changed, all
// Books compare everything.
func (x *Exchange) tellBooks(sites []*site, changes []store.Change, known bool) {
	if !known {
		x.forgetBooks()
		return
	}
	if len(x.audience.by) == 0 {
		x.audience.whole = false
		if x.ground.store == nil {
			return
		}
	}
	for _, s := range sites {
		if s.node == nil {
			x.tellAll(s)
		}
	}
	last, books := uint32(store.NoGroup), []*overlay(nil)
	tell := func(c store.Change, of func(uint32) []*overlay) {
		if c.Group != last {
			last, books = c.Group, of(c.Group)
		}
		if s := x.rows[c.Row]; s != nil {
			for _, b := range books {
				b.told(s)
			}
		}
	}
	for _, c := range changes {
		if int(c.Row) >= len(x.rows) || x.rows[c.Row] == nil {
			continue
		}
		s := x.rows[c.Row]
		if c.Group == store.NoGroup {
			x.tellAll(s)
			continue
		}
		for _, o := range s.offers {
			o.sub.book.told(s)
		}
		if c.Group != store.Holds {
			tell(c, x.audience.was)
		}
	}
	last = store.NoGroup
	is := func(group uint32) []*overlay { return x.audience.is(x.view, group) }
	for _, c := range changes { // once all are told for whom the numbers of groups stood for others
		if int(c.Row) < len(x.rows) && c.Group != store.NoGroup && c.Group != store.Holds {
			tell(c, is)
		}
	}
}

// forgetBooks has all Books compare everything the next time that they are read.
func (x *Exchange) forgetBooks() {
	x.ground.store = nil
	x.audience.whole = false
	for _, r := range x.audience.by {
		if r.shelf != nil {
			r.shelf.news, r.shelf.synced = nil, false
		}
		for _, b := range r.all {
			b.news, b.synced = nil, false
		}
	}
}

// tellAll tells all Books of a node.
func (x *Exchange) tellAll(s *site) {
	x.ground.follow(x.view, s)
	for _, r := range x.audience.by {
		for _, b := range r.told {
			b.told(s)
		}
	}
}

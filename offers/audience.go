package offers

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// audience is which Books are to be told of the tasks of a group: those that have been read, of frameworks whose role is the
// group's or above it.
type audience struct {
	epoch  uint64                    // another when Books come, go or are read for the first time
	by     map[berth.Role][]*overlay // of those that have been read; nil where that is to be found out
	groups []hearers                 // by the number of the group in the source
}

// hearers are the Books that are told of the tasks of one group.
type hearers struct {
	spec  *berth.Group // which had the number when the source was last seen; nil where that is not known
	epoch uint64
	books []*overlay
}

// rearrange says that Books have come or gone, or that one is read for the first time.
func (a *audience) rearrange() {
	a.epoch++
	a.by = nil
}

// all returns the Books that have been read, by the role of their frameworks.
func (a *audience) all(x *Exchange) map[berth.Role][]*overlay {
	if a.by == nil {
		a.by = map[berth.Role][]*overlay{}
		for _, s := range x.subs {
			if s.book.read {
				a.by[s.client.role] = append(a.by[s.client.role], &s.book.overlay)
			}
		}
		for role, shelf := range x.shelves {
			a.by[role] = append(a.by[role], shelf)
		}
	}
	return a.by
}

// was returns the Books to whom the tasks of a group were of concern when the source was last seen.
func (a *audience) was(x *Exchange, group uint32) []*overlay {
	if int(group) >= len(a.groups) {
		return nil
	}
	h := &a.groups[group]
	if h.spec != nil && h.epoch != a.epoch {
		h.books, h.epoch = above(a.all(x), h.spec.Role()), a.epoch
	}
	return h.books
}

// is returns those to whom they are of concern now, and notes which group has the number.
func (a *audience) is(x *Exchange, group uint32) []*overlay {
	for len(a.groups) <= int(group) {
		a.groups = append(a.groups, hearers{})
	}
	h := &a.groups[group]
	if spec := x.view.SpecOf(group); spec != h.spec || h.epoch != a.epoch {
		*h = hearers{spec: spec, epoch: a.epoch}
		if spec != nil {
			h.books = above(a.all(x), spec.Role())
		}
	}
	return h.books
}

// above returns the overlays of a role and of the roles above it. Where there is a shelf, it stands for the Books on it.
func above(all map[berth.Role][]*overlay, role berth.Role) []*overlay {
	var books []*overlay
	for {
		books = append(books, hearing(all[role])...)
		if role == "" {
			return books
		}
		role = role.Parent()
	}
}

// hearing returns, of the overlays of one role, those that are told of tasks and nodes: not the Books that are on a shelf.
func hearing(all []*overlay) []*overlay {
	if !slices.ContainsFunc(all, func(b *overlay) bool { return b.book == nil }) {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(b *overlay) bool { return b.book != nil && !b.blind })
}

// tellBooks tells the Books which nodes they show may have changed, once the source has been followed: those of the frameworks with offers
// there, those of the roles whose tasks changed, and all of them if it is the node itself. If it is not known what has changed, all
// Books compare everything.
func (x *Exchange) tellBooks(sites []*site, changes []store.Change, known bool) {
	if !known {
		x.forgetBooks()
		return
	}
	if len(x.audience.all(x)) == 0 && x.ground.store == nil {
		return
	}
	for _, s := range sites {
		if s.node == nil {
			x.tellAll(s)
		}
	}
	tell := func(c store.Change, books []*overlay) {
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
			tell(c, x.audience.was(x, c.Group))
		}
	}
	for _, c := range changes { // once all are told for whom the numbers of groups stood for others
		if int(c.Row) < len(x.rows) && c.Group != store.NoGroup && c.Group != store.Holds {
			tell(c, x.audience.is(x, c.Group))
		}
	}
}

// forgetBooks has all Books compare everything the next time that they are read.
func (x *Exchange) forgetBooks() {
	x.ground.store = nil
	for _, sh := range x.shelves {
		sh.news, sh.synced = nil, false
	}
	for _, s := range x.subs {
		s.book.news, s.book.synced = nil, false
	}
}

// tellAll tells all Books of a node.
func (x *Exchange) tellAll(s *site) {
	x.ground.follow(x.view, s)
	for _, books := range x.audience.all(x) {
		for _, b := range hearing(books) {
			b.told(s)
		}
	}
}

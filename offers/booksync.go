package offers

import (
	"math"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// A Book begins as a branch of its own of the ground, which has all nodes of the source and shows nothing of them as free, and has for itself
// only what differs: the nodes that are offered to its framework, and those with tasks of its role. It is told which nodes may differ anew,
// and brings those up to date when it is read. One that nobody has read is told nothing, and takes no room.

// always is the latest deadline a hold can have.
var always = time.Unix(0, math.MaxInt64)

// ground is what all Books begin as.
type ground struct {
	store *store.Store // nil until a Book is read; brought up to date as the source is followed
	shut  store.Shut   // what its nodes have in common
}

// groundFor returns the ground, as it is now.
func (x *Exchange) groundFor() *store.Store {
	g := &x.ground
	if g.store == nil || !g.store.Follow(x.view) {
		g.store = x.view.Ground(true, g.shut)
	}
	return g.store
}

// follow keeps the ground, if there is one, in line with a node whose description may have changed.
func (g *ground) follow(v *store.View, s *site) {
	if g.store == nil {
		return
	}
	if !g.store.Follow(v) {
		g.store = nil
		return
	}
	row, known := g.store.FindNode(s.id)
	if s.node == nil {
		if known {
			g.store.RemoveNode(row)
		}
		return
	}
	row = describe(g.store, s, v.Node(s.row).Cordoned)
	g.store.Expose(row, nil, g.shut)
}

// describe adds a node to a store that shares descriptions with the source, or describes anew one that nothing is on.
func describe(st *store.Store, s *site, cordoned bool) uint32 {
	row, known := st.FindNode(s.id)
	switch {
	case !known:
		row = st.AddNode(s.node)
	case st.Node(row).Node != s.node:
		st.SetNode(row, s.node, func(r *store.Record) *store.Extra { return r.Extra })
	}
	st.SetCordoned(row, cordoned)
	return row
}

// told notes that a node may differ from what the Book shows, if the Book has ever been read.
func (b *Book) told(s *site) {
	if !b.read {
		return
	}
	if n := len(b.news); n > 0 && b.news[n-1] == s {
		return
	}
	if most := 4*len(b.sub.x.sites.m) + 4096; len(b.news) >= most {
		b.news, b.synced = nil, false // all is compared
		return
	}
	b.news = append(b.news, s)
}

// reads says that the Book is read from now on.
func (b *Book) reads() {
	if !b.read {
		b.read = true
		b.sub.x.audience.rearrange()
	}
}

// catchUp is sync for a Book that has been read.
func (b *Book) catchUp() {
	if b.read {
		b.sync()
	}
}

// sync brings the Book up to date with the Exchange. Its lineage stays, and its own change log tells who keeps indexes on it what is
// new.
func (b *Book) sync() {
	x := b.sub.x
	b.reads()
	whole := b.synced && b.branch == x.view.Version().Branch && b.store.Follow(x.view)
	b.synced = false // until all is done: else all is compared anew the next time
	sites := b.news
	if !whole {
		sites = b.begin()
	}
	x.visits++
	b.update(sites)
	b.syncLedger()
	b.news = b.news[:0]
	if cap(b.news) > 4096 {
		b.news = nil
	}
	b.synced = true
}

// begin makes the Book a branch of the ground, with the tasks that are lost, and returns the nodes that it has something on.
func (b *Book) begin() []*site {
	x := b.sub.x
	var from *store.View
	if b.blind {
		from = x.view.Ground(false, nil).Snapshot()
	} else {
		from = x.groundFor().Snapshot()
	}
	b.store = from.Apart(b.lineage)
	b.fork = checked.Over(b.store)
	b.branch = x.view.Version().Branch
	b.marks, b.charged = x.view.Marks(), nil
	b.owned, b.quotas, b.heard = owned{}, nil, nil
	lost := b.lost
	b.lost = nil
	for _, id := range lost {
		if slot, ok := x.view.FindTask(id); ok && x.view.Record(slot).Row == store.None && b.shows(x.view.Record(slot).Group) {
			b.add(slot, x.view.Record(slot), store.None)
			b.lost = append(b.lost, id)
		}
	}
	var sites []*site
	for o := range b.sub.offers {
		sites = append(sites, o.site)
	}
	for g := range x.view.AllGroups() {
		x.audience.is(x, g)
		if !b.shows(g) {
			continue
		}
		for slot := range x.view.Members(g) {
			if row := x.view.Record(slot).Row; row != store.None {
				sites = append(sites, x.rows[row])
			}
		}
	}
	return sites
}

// update brings nodes up to date. Nodes leave before tasks, and both before others come: a task's ID may have moved
// from one node to another.
func (b *Book) update(sites []*site) {
	x := b.sub.x
	now := make([]*site, 0, len(sites))
	for _, s := range sites {
		if at, ok := x.sites.get(s.id); ok {
			s = at
		}
		if s.visit != x.visits {
			s.visit = x.visits
			now = append(now, s)
		}
	}
	for _, s := range now {
		if row, has := b.store.FindNode(s.id); has && b.left(s, row) {
			b.remove(row)
		}
	}
	for _, s := range now {
		if row, has := b.store.FindNode(s.id); has {
			b.releaseGone(s, row)
		}
	}
	b.forgetLost()
	groups := map[uint32]uint32{} // of the source, by those of the Book
	for _, s := range now {
		if s.node != nil {
			b.fill(s, groups)
		}
	}
}

// left reports whether a node that the Book has is no more: it is gone, or was gone for a while, in which its tasks
// were lost.
func (b *Book) left(s *site, row uint32) bool {
	if s.node == nil {
		return true
	}
	if b.store.Node(row).Node == s.node {
		return false
	}
	view := b.sub.x.view
	for _, r := range b.store.On(row) {
		if slot, ok := view.FindTask(r.ID); ok && view.Record(slot).Row == store.None {
			return true
		}
	}
	return false
}

// releaseGone releases the tasks of a node that the source does not have there any more, or has otherwise. If the node is described
// anew, so is all that its tasks take there, and all of them are.
func (b *Book) releaseGone(s *site, row uint32) {
	view := b.sub.x.view
	anew := b.store.Node(row).Node != s.node
	for slot, r := range b.store.On(row) {
		at, ok := view.FindTask(r.ID)
		if ok && !anew {
			now := view.Record(at)
			ok = now.Row == s.row && now.Extra == r.Extra && view.SpecOf(now.Group) == b.store.SpecOf(r.Group) &&
				view.OwnerName(now.Owner) == b.store.OwnerName(r.Owner)
		}
		if !ok || anew {
			b.store.Remove(slot)
		}
	}
}

// remove takes a node out of the Book; tasks that are still on it are lost.
func (b *Book) remove(row uint32) {
	for slot, r := range b.store.On(row) {
		b.lost = append(b.lost, r.ID)
		b.store.Detach(slot)
		b.store.Mark(slot, uint8(berth.Lost), 0)
	}
	b.owned.set(row, nil)
	b.charged = nil
	b.store.RemoveNode(row)
}

// forgetLost takes out the lost tasks that the source has no more, or has on a node again.
func (b *Book) forgetLost() {
	view := b.sub.x.view
	b.lost = slices.DeleteFunc(b.lost, func(id string) bool {
		if slot, ok := view.FindTask(id); ok && view.Record(slot).Row == store.None {
			return false
		}
		if slot, ok := b.store.FindTask(id); ok {
			b.store.Remove(slot)
		}
		return true
	})
}

// hidden is, among the groups of a Book, what a group that it does not show is.
const hidden = store.NoGroup

// fill makes a node of the Book what it is in the source: its description, the tasks of the role, and free what is offered.
func (b *Book) fill(s *site, groups map[uint32]uint32) {
	x := b.sub.x
	open, owned := b.openAt(s)
	some := false
	for _, r := range x.view.On(s.row) {
		if r.Group == store.Holds {
			continue
		}
		if _, known := groups[r.Group]; !known {
			groups[r.Group] = hidden
			if b.shows(r.Group) {
				groups[r.Group] = b.fork.Ensure(x.view.SpecOf(r.Group))
			}
		}
		some = some || groups[r.Group] != hidden
	}
	row, has := b.store.FindNode(s.id)
	if b.blind && !some && len(open) == 0 {
		if has {
			b.remove(row)
		}
		return
	}
	row = describe(b.store, s, x.view.Node(s.row).Cordoned)
	b.owned.set(row, owned)
	b.charged = nil
	if some {
		for at, r := range x.view.On(s.row) {
			if r.Group == store.Holds || groups[r.Group] == hidden {
				continue
			}
			slot, known := b.store.FindTask(r.ID)
			if !known {
				b.addTo(groups[r.Group], at, r, row)
			} else if now := b.store.Record(slot); now.State != r.State || now.Deadline != r.Deadline {
				b.store.Mark(slot, r.State, r.Deadline)
			}
		}
	}
	b.store.Expose(row, open, x.ground.shut)
}

// add gives the Book a task that the source has, in a row or in none, and addTo one of a group.
func (b *Book) add(at uint32, r *store.Record, row uint32) {
	b.addTo(b.fork.Ensure(b.sub.x.view.SpecOf(r.Group)), at, r, row)
}

func (b *Book) addTo(group, at uint32, r *store.Record, row uint32) {
	view := b.sub.x.view
	b.store.Add(view.ID(at), store.Record{
		Group: group, Row: row, State: r.State, Deadline: r.Deadline, Extra: r.Extra, Owner: b.store.Owner(view.OwnerName(r.Owner)),
	})
}

// syncStates brings the states of tasks up to date, of which no change log tells: O(tasks of the Book), if any of the source's was marked.
func (b *Book) syncStates() {
	view := b.sub.x.view
	if b.marks == view.Marks() {
		return
	}
	b.marks = view.Marks()
	for slot := range uint32(b.store.Slots()) {
		r := b.store.Record(slot)
		if r.ID == "" || r.Row == store.None {
			continue
		}
		if at, ok := view.FindTask(r.ID); ok {
			if now := view.Record(at); now.Row != store.None && (now.State != r.State || now.Deadline != r.Deadline) {
				b.store.Mark(slot, now.State, now.Deadline)
			}
		}
	}
}

// openAt returns what a node has free for the framework, by its offers: of an optimistic one what nobody took. It also returns what they
// are charged in the source.
func (b *Book) openAt(s *site) (open []*store.Extra, owned store.Sums) {
	x := b.sub.x
	for o := range s.offers {
		if o.sub != b.sub {
			continue
		}
		slot, ok := x.view.FindHold(o.id)
		if _, is := x.hold(o); !ok || !is {
			continue
		}
		extra := x.view.Record(slot).Extra
		owned.Add(extra.Cost, 1)
		if extra.Hold.Lease == berth.Optimistic {
			extra = x.leftOf(extra.Hold, s)
		}
		open = append(open, extra)
	}
	return open, owned
}

// leftOf returns what is still free of an optimistic hold.
func (x *Exchange) leftOf(h *berth.Hold, s *site) *store.Extra {
	state := x.view.Node(s.row)
	left := &store.Extra{}
	for name, q := range h.Cost().All() {
		if d, ok := x.view.DimOf(name); ok {
			left.Needs = append(left.Needs, store.Need{Dim: d, Amount: min(q, max(0, x.view.FreeOf(s.row, d)))})
		}
	}
	for i, share := range fit.DevicesOf(state.Node.Spec, h.Devices) {
		if i < 0 {
			continue
		}
		for cell, q := range fit.Cells(state.Node.Spec, i, share) {
			if q = min(q, state.Devices[cell]); q > 0 {
				left.Devices = append(left.Devices, store.DeviceShare{Index: cell, Units: q})
			}
		}
	}
	for _, port := range h.Ports {
		if _, taken := slices.BinarySearch(state.Ports, port); !taken {
			left.Ports = append(left.Ports, port)
		}
	}
	return left
}

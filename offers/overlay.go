package offers

import (
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/checked"
	"github.com/berth-sched/berth/internal/store"
)

// An overlay is a store that begins as a branch of the ground, which has all nodes of the source and shows nothing of them as free, and has
// for itself only what differs: the tasks of a role and of the roles below it and, if it is a Book's, what its framework was offered. It is told which
// nodes may differ anew, and brings those up to date when it is read.
//
// Where the Books of several frameworks of one role are read, there is an overlay with what they have in common, the role's tasks: a shelf. It
// alone is told of those, and each Book begins as a branch of it, again and again if that is less than to follow it.
type overlay struct {
	x       *Exchange
	role    berth.Role
	book    *Book // nil of a shelf
	blind   bool
	lineage store.Lineage
	read    bool          // somebody has read it: until then it has nothing, and is told nothing
	store   *store.Store  // what the snapshots are of
	fork    *checked.Fork // the door to it by which groups come
	branch  uint64        // of the source, that the store was begun on
	synced  bool          // but for the news
	news    []*site       // what may differ from what the store has
	marks   uint64        // of the source, when the states of tasks were last compared
	lost    []string      // tasks whose node went away
	on      *overlay      // the shelf that it is on, if any
	onAt    store.Position
	from    []uint32 // by slot, where the source has the record
	ledger
	pieces
}

// told notes that a node may differ from what the overlay shows, if that has ever been read.
func (b *overlay) told(s *site) {
	if !b.read {
		return
	}
	if n := len(b.news); n > 0 && b.news[n-1] == s {
		return
	}
	if most := 4*len(b.x.sites.m) + 4096; len(b.news) >= most {
		b.news, b.synced = nil, false // all is compared
		return
	}
	b.news = append(b.news, s)
}

// shelfFor returns the shelf of a role, if there is or is to be one.
func (x *Exchange) shelfFor(role berth.Role) *overlay {
	r := x.audience.by[role]
	if r.shelf != nil || len(r.all) < 2 {
		return r.shelf
	}
	sh := &overlay{x: x, role: role, lineage: store.NewLineage(), read: true}
	on := 0
	for _, b := range r.all {
		if !b.blind {
			on++
			sh.lost = append(sh.lost, b.lost...)
		}
	}
	if on < 2 {
		return nil
	}
	slices.Sort(sh.lost)
	sh.lost = slices.Compact(sh.lost)
	r.shelf = sh
	r.told = append(slices.DeleteFunc(r.told, r.shelved), sh)
	return sh
}

// sync brings the overlay up to date with the Exchange. Its lineage stays, and its own change log tells who keeps indexes on it what is
// new.
func (b *overlay) sync() {
	x := b.x
	if !b.read {
		b.read = true
		x.audience.join(b)
	}
	var shelf *overlay
	if b.book != nil && !b.blind {
		if shelf = x.shelfFor(b.role); shelf != nil {
			shelf.sync()
		}
	}
	whole := b.synced && b.on == shelf && b.branch == x.view.Version().Branch && b.store.Follow(x.view)
	b.synced = false // until all is done: else all is compared anew the next time
	var sites []*site
	if whole {
		sites, whole = b.changed(shelf)
	}
	if !whole {
		sites = b.begin(shelf)
	}
	b.update(sites)
	b.syncLedger()
	b.news = b.news[:0]
	if cap(b.news) > 4096 {
		b.news = nil
	}
	if b.synced = true; shelf != nil {
		b.onAt = shelf.store.Position()
	}
}

// changed returns the nodes that may differ. It returns false if it is less work to begin anew.
func (b *overlay) changed(shelf *overlay) ([]*site, bool) {
	if shelf == nil {
		return b.news, true
	}
	changes, ok := shelf.store.Since(b.onAt)
	if !ok || len(changes)+len(b.news) > len(b.book.sub.offers)+16 {
		return nil, false
	}
	sites := b.news
	for _, c := range changes {
		node := shelf.store.Node(c.Row).Node
		if node == nil {
			return nil, false
		}
		if _, known := b.store.FindNode(node.ID); !known {
			return nil, false // it may have the row of one that is gone, and of which the Book would not be told
		}
		s, ok := b.x.sites.get(node.ID)
		if !ok {
			return nil, false
		}
		sites = append(sites, s)
	}
	return sites, true
}

// begin makes the overlay a branch of its shelf or of the ground, with the tasks that are lost, and returns the nodes that are to
// be brought up to date on it.
func (b *overlay) begin(shelf *overlay) (sites []*site) {
	x := b.x
	switch {
	case shelf != nil:
		b.store = shelf.store.Snapshot().Branch(b.lineage)
		b.ledger.like(&shelf.ledger)
		b.from = slices.Clone(shelf.from)
	case b.blind:
		b.store = x.view.Ground(false, nil).Snapshot().Apart(b.lineage)
	default:
		b.store = x.groundFor().Snapshot().Apart(b.lineage)
	}
	b.fork, b.pieces = checked.Over(b.store), pieces{}
	b.on, b.branch, b.marks = shelf, x.view.Version().Branch, x.view.Marks()
	if b.book != nil {
		for _, o := range b.book.sub.offers {
			sites = append(sites, o.site)
		}
	}
	if shelf != nil {
		b.marks, b.lost = shelf.marks, slices.Clone(shelf.lost)
		return sites
	}
	b.ledger, b.from = ledger{}, b.from[:0]
	lost := b.lost
	b.lost = nil
	for _, id := range lost {
		if slot, ok := x.view.FindTask(id); ok && x.view.Record(slot).Row == store.None && b.shows(x.view.Record(slot).Group) {
			b.add(b.fork.Ensure(x.view.SpecOf(x.view.Record(slot).Group)), slot, store.None)
			b.lost = append(b.lost, id)
		}
	}
	x.audience.noteAll(x.view)
	for g := range x.view.AllGroups() {
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

// shows reports whether the overlay has the tasks of a group of the source: those of its role and of the roles below it.
func (b *overlay) shows(group uint32) bool {
	if group == store.Holds {
		return false
	}
	return b.x.view.Group(group).Spec.Role().Within(b.role)
}

// update brings nodes up to date. Nodes leave before tasks, and both before others come: a task's ID may have moved
// from one node to another.
func (b *overlay) update(sites []*site) {
	x := b.x
	x.visits++
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
	for _, s := range now {
		if s.node != nil {
			b.fill(s)
		}
	}
}

// left reports whether a node that the overlay has is no more: it is gone, or was gone for a while, in which its tasks
// were lost.
func (b *overlay) left(s *site, row uint32) bool {
	if s.node == nil {
		return true
	}
	if b.store.Node(row).Node == s.node {
		return false
	}
	view := b.x.view
	for _, r := range b.store.On(row) {
		if slot, ok := view.FindTask(r.ID); ok && view.Record(slot).Row == store.None {
			return true
		}
	}
	return false
}

// releaseGone releases the tasks of a node that the source does not have there any more, or has otherwise. If the node is described
// anew, so is all that its tasks take there, and all of them are.
func (b *overlay) releaseGone(s *site, row uint32) {
	view := b.x.view
	anew := b.store.Node(row).Node != s.node
	for slot, r := range b.store.On(row) {
		at, ok := b.inSource(slot, r)
		if ok && !anew {
			now := view.Record(at)
			ok = now.Row == s.row && now.Extra == r.Extra && view.SpecOf(now.Group) == b.store.SpecOf(r.Group) &&
				(now.Owner == 0 && r.Owner == 0 || view.OwnerName(now.Owner) == b.store.OwnerName(r.Owner))
		}
		if !ok || anew {
			b.store.Remove(slot)
		}
	}
}

// inSource returns where the source has a task.
func (b *overlay) inSource(slot uint32, r *store.Record) (uint32, bool) {
	view := b.x.view
	if at := b.from[slot]; int(at) < view.Slots() && view.Record(at).Group != store.Holds && view.ID(at) == r.ID { // it has it where it had it
		return at, true
	}
	return view.FindTask(r.ID)
}

// remove takes a node out of the overlay; tasks that are still on it are lost.
func (b *overlay) remove(row uint32) {
	for slot, r := range b.store.On(row) {
		b.lost = append(b.lost, r.ID)
		b.store.Detach(slot)
		b.store.Mark(slot, uint8(berth.Lost), 0)
	}
	b.owned.set(row, nil)
	b.pieces.set(row, nil)
	b.charged = nil
	b.store.RemoveNode(row)
}

// forgetLost takes out the lost tasks that the source has no more, or has on a node again.
func (b *overlay) forgetLost() {
	view := b.x.view
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

// scratch is what one update of an overlay notes about the groups and the records of the source, by their numbers. It is good for the visit
// of that number.
type scratch struct {
	groups  []groupSeen
	records []uint64
}

type groupSeen struct {
	visit uint64
	group uint32 // in the overlay; hidden if it is not shown
}

// hidden is, among the groups of an overlay, what a group that it does not show is.
const hidden = store.NoGroup

// groupOf returns the group of the overlay that one of the source is, or hidden.
func (b *overlay) groupOf(g uint32) uint32 {
	x := b.x
	for int(g) >= len(x.scratch.groups) {
		x.scratch.groups = append(x.scratch.groups, groupSeen{})
	}
	seen := &x.scratch.groups[g]
	if seen.visit != x.visits {
		*seen = groupSeen{x.visits, hidden}
		if b.shows(g) {
			seen.group = b.fork.Ensure(x.view.SpecOf(g))
		}
	}
	return seen.group
}

// fill makes a node of the overlay what it is in the source: its description, the tasks of the role, and free what is offered.
func (b *overlay) fill(s *site) {
	x := b.x
	var open []*store.Extra
	var owned store.Sums
	if b.book != nil {
		open, owned = b.book.openAt(s)
	}
	row, has := b.store.FindNode(s.id)
	if b.blind && len(open) == 0 && !b.any(s) {
		if has {
			b.remove(row)
		}
		return
	}
	row = describe(b.store, s, x.view.Node(s.row).Cordoned)
	b.owned.set(row, owned)
	b.charged = nil
	if b.book != nil && (b.book.sub.declared || b.pieces.tree != nil) {
		b.pieces.set(row, b.book.cutAt(s))
	}
	if n := x.view.Slots(); len(x.scratch.records) < n {
		x.scratch.records = slices.Grow(x.scratch.records, n-len(x.scratch.records))[:n]
	}
	for slot, r := range b.store.On(row) { // which the source has as well
		at, _ := b.inSource(slot, r)
		b.from[slot] = at
		x.scratch.records[at] = x.visits
		if now := x.view.Record(at); now.State != r.State || now.Deadline != r.Deadline {
			b.store.Mark(slot, now.State, now.Deadline)
		}
	}
	for at, r := range x.view.On(s.row) {
		if r.Group == store.Holds || x.scratch.records[at] == x.visits {
			continue
		}
		if g := b.groupOf(r.Group); g != hidden {
			b.add(g, at, row)
		}
	}
	b.store.Expose(row, open, x.ground.shut)
}

// any reports whether a node has tasks that the overlay shows.
func (b *overlay) any(s *site) bool {
	for _, r := range b.x.view.On(s.row) {
		if r.Group != store.Holds && b.groupOf(r.Group) != hidden {
			return true
		}
	}
	return false
}

// add gives the overlay a task that the source has in a slot, of a group of the overlay's, in a row or in none.
func (b *overlay) add(group, at, row uint32) {
	view := b.x.view
	r := view.Record(at)
	slot := b.store.Add(r.ID, store.Record{
		Group: group, Row: row, State: r.State, Deadline: r.Deadline, Extra: r.Extra, Owner: b.store.Owner(view.OwnerName(r.Owner)),
	})
	for int(slot) >= len(b.from) {
		b.from = append(b.from, 0)
	}
	b.from[slot] = at
}

// syncStates brings the states of tasks up to date, of which no change log tells: O(tasks of the overlay), if any of the source's was marked.
func (b *overlay) syncStates() {
	view := b.x.view
	if b.marks == view.Marks() {
		return
	}
	b.marks = view.Marks()
	for slot := range uint32(b.store.Slots()) {
		r := b.store.Record(slot)
		if r.ID == "" || r.Row == store.None {
			continue
		}
		if at, ok := b.inSource(slot, r); ok {
			if now := view.Record(at); now.Row != store.None && (now.State != r.State || now.Deadline != r.Deadline) {
				b.store.Mark(slot, now.State, now.Deadline)
			}
		}
	}
}

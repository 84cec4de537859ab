package offers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/berth-sched/berth/internal/store"
)

// site is what the Exchange knows of one node of the source. It is known by the node's ID: rows are only where
// one view has the node.
type site struct {
	id       string
	row      uint32      // in the Exchange's view
	node     *store.Node // the description; nil once the node is gone
	balances []balance
	claims   []*claim // of the tasks there that frameworks placed
	others   []string // owners of the holds there that are no offers
	offers   []*offer // proposed and open ones, in no order
	filters  []filter
	room     *stock // what was free when the bits about the filters were last made; nil of none
	kept     *keeping
	scarce   uint64 // which of Config.Scarce it has
	visit    uint64 // the last occasion on which a Book looked at it
	tidied   uint64 // the last occasion on which the account looked whether a framework has something on it
}

// cursor follows the change log of a source.
type cursor struct{ at store.Position }

// since returns the rows that changed after the cursor, each once and ascending: all of them, and any before
// known, where the log does not reach back. It returns the changes themselves, whether they are known, and where the log now ends.
func (c cursor) since(v *store.View, known int) (rows []uint32, changes []store.Change, ok bool, end cursor) {
	changes, ok = v.Since(c.at)
	end = cursor{v.Position()}
	if !ok {
		for row := range uint32(max(known, v.Rows())) {
			rows = append(rows, row)
		}
		return rows, nil, false, end
	}
	if len(changes) == 0 {
		return nil, nil, true, end
	}
	rows = make([]uint32, 0, len(changes))
	last, sorted := uint32(0), true
	for _, change := range changes {
		sorted = sorted && change.Row >= last
		last = change.Row
		rows = append(rows, change.Row)
	}
	if !sorted {
		slices.Sort(rows)
	}
	return slices.Compact(rows), changes, true, end
}

// sync brings the Exchange up to date with its source: nodes, offers that were made and that are gone, and
// what everybody is charged. It fails only if the source does. O(nodes that changed) and O(tasks of frameworks that
// are lost and not yet released).
func (x *Exchange) sync(ctx context.Context) error {
	snapshot, err := x.source.Snapshot(ctx)
	if err != nil {
		return err
	}
	if snapshot == nil {
		return errors.New("the source has no snapshot")
	}
	view := (*store.View)(snapshot).Shown()
	rows, changes, known, end := x.seen.since(view, len(x.rows))
	more := !known || slices.ContainsFunc(changes, func(c store.Change) bool { return c.Group != store.Holds })
	x.seen = cursor{} // until all is done: a panic on the way leaves all to be compared
	x.snapshot, x.view = snapshot, view

	sites, resized := x.follow(rows)
	for _, row := range rows {
		x.note(row)
	}
	x.recountAfter(changes, known)
	x.resolve()
	x.identify()
	var gone []*offer
	for _, s := range sites {
		for _, o := range s.offers {
			if _, left := x.hold(o); !left {
				gone = append(gone, o)
			} else {
				o.drawn = false
				x.ease(o.sub)
				x.recount(o.sub)
			}
		}
		x.freshen(s)
	}
	slices.SortFunc(gone, byNumber)
	x.tellBooks(sites, changes, known)
	for _, o := range gone {
		x.end(o)
	}
	x.lost = slices.DeleteFunc(x.lost, func(c *claim) bool { return !x.stands(c) && x.forget(c) })
	if resized || !x.account.sized {
		x.setCapacity()
	}
	for _, s := range sites {
		x.reconcile(s)
	}
	x.payDebts()
	x.seen = end
	if more {
		x.wakeAll()
	}
	return nil
}

// afterwards brings the Exchange up to date after a commit that was done. Neither an error nor a panic may
// hide what was done, such as tasks that must be launched: the next call looks again, and tells.
//
// Of a commit of a framework's own it is mostly known what it did: see settleOwn.
func (x *Exchange) afterwards(ctx context.Context, c *own) {
	whole := false
	defer func() {
		if !whole {
			if fault := recover(); fault != nil {
				x.account.fault(fmt.Errorf("panic after a commit that was done: %v", fault))
			}
			x.unsure = true
		}
	}()
	if c == nil || !x.settleOwn(ctx, c) {
		_ = x.sync(context.WithoutCancel(ctx))
	}
	whole = true
}

// follow finds the nodes of rows that changed. It returns the sites whose node is not what it was, in the order
// of their IDs, those that are gone first, and whether any came, left or was described anew.
func (x *Exchange) follow(rows []uint32) (sites []*site, resized bool) {
	for len(x.rows) < x.view.Rows() {
		x.rows = append(x.rows, nil)
	}
	var gone []*site
	for _, row := range rows {
		if s := x.rows[row]; s != nil {
			if node := x.nodeAt(row); node == nil || node.ID != s.id {
				for _, f := range s.filters {
					x.clearBits(f.of.sub, row)
				}
				x.rows[row] = nil
				gone = append(gone, s)
			}
		}
	}
	for _, row := range rows {
		node := x.nodeAt(row)
		if node == nil {
			continue
		}
		s, known := x.sites.get(node.ID)
		if !known {
			s = &site{id: node.ID}
			x.sites.set(s.id, s)
		}
		if s.node != node {
			x.forgetFilters(s) // what was refused is no longer what it was
			s.node, resized = node, true
			s.scarce = x.scarceOn(node.Spec)
		}
		moved := s.row != row
		if s.row, x.rows[row] = row, s; moved {
			for _, f := range s.filters {
				if !f.of.over {
					x.mark(s, f)
				}
			}
		}
		sites = append(sites, s)
	}
	rank := x.view.Rank()
	slices.SortFunc(sites, func(a, b *site) int { return cmp.Compare(rank[a.row], rank[b.row]) })
	gone = slices.DeleteFunc(gone, func(s *site) bool { // those that only moved to another row
		return int(s.row) < len(x.rows) && x.rows[s.row] == s
	})
	slices.SortFunc(gone, func(a, b *site) int { return cmp.Compare(a.id, b.id) })
	for _, s := range gone {
		x.forgetFilters(s)
		s.node, resized = nil, true
		x.sites.delete(s.id)
		delete(x.awaited.sites, s)
		if len(x.recalls.all) > 0 {
			x.recalls.left = append(x.recalls.left, s.id)
		}
	}
	return append(gone, sites...), resized
}

// nodeAt returns the node in a row of the view, or nil.
func (x *Exchange) nodeAt(row uint32) *store.Node {
	if int(row) >= x.view.Rows() {
		return nil
	}
	return x.view.Node(row).Node
}

package offers

import (
	"cmp"
	"slices"

	"github.com/google/btree"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// pieces is the room in a Book that was cut for tasks of one group each, in the order of groups and nodes. A Scheduler spends it on that
// group first, so that none of it is lost to the tasks of another for which the framework has room as well.
type pieces struct {
	tree  *btree.BTreeG[piece]
	on    map[uint32][]piece // by row of the Book
	shown *shownPieces       // what the last snapshot has; nil if that is no more what there is
}

// piece is room for so many tasks of a group on a node.
type piece struct {
	group, node string
	tasks       int
}

func (p piece) before(o piece) bool {
	if p.group != o.group {
		return p.group < o.group
	}
	return p.node < o.node
}

// set replaces what there is in a row.
func (p *pieces) set(row uint32, now []piece) {
	was := p.on[row]
	if slices.Equal(was, now) {
		return
	}
	if p.tree == nil {
		const degree = 32
		p.tree, p.on = btree.NewG(degree, piece.before), map[uint32][]piece{}
	}
	p.shown = nil
	for _, x := range was {
		p.tree.Delete(x)
	}
	for _, x := range now {
		p.tree.ReplaceOrInsert(x)
	}
	if len(now) == 0 {
		delete(p.on, row)
	} else {
		p.on[row] = now
	}
}

// show returns what there is, to be kept; nil if there is nothing.
func (p *pieces) show() store.Pieces {
	if p.tree == nil || p.tree.Len() == 0 {
		return nil
	}
	if p.shown == nil {
		p.shown = &shownPieces{p.tree.Clone()}
	}
	return p.shown
}

// shownPieces is the pieces of a snapshot.
type shownPieces struct{ tree *btree.BTreeG[piece] }

func (p *shownPieces) Next(group, after string) (node string, tasks int, ok bool) {
	p.tree.AscendGreaterOrEqual(piece{group: group, node: after}, func(x piece) bool {
		if x.group == group && x.node == after && after != "" {
			return true
		}
		if ok = x.group == group; ok {
			node, tasks = x.node, x.tasks
		}
		return false
	})
	return node, tasks, ok
}

// cutAt returns what the offers of a node that were cut for groups still have room for. Optimistic ones are of room that anybody may take.
func (b *Book) cutAt(s *site) (cut []piece) {
	for _, o := range s.offers {
		if o.sub != b.sub || o.group == nil || o.group.Mode() == berth.Daemon {
			continue
		}
		hold, ok := b.sub.x.hold(o)
		if !ok || hold.Lease != berth.Exclusive {
			continue
		}
		if n := times(b.sub.x.amounts(hold, s), o.group.Cost()); n > 0 {
			cut = append(cut, piece{o.group.Name(), s.id, n})
		}
	}
	if len(cut) < 2 {
		return cut
	}
	slices.SortFunc(cut, func(a, b piece) int { return cmp.Compare(a.group, b.group) })
	all := cut[:1]
	for _, p := range cut[1:] {
		if last := &all[len(all)-1]; last.group == p.group {
			last.tasks += p.tasks
		} else {
			all = append(all, p)
		}
	}
	return all
}

package placement

import (
	"math"

	"github.com/berth-sched/berth/internal/explain"
	"github.com/berth-sched/berth/internal/store"
)

// The nearest miss is looked for where it is likely to be: among the rows that have the most of what is missing, or at
// the front of the node IDs. Where that does not settle it, by bounds over all classes.

// walkRows is how many rows a walk looks at before it is given up.
const walkRows = 512

// findNearest finds the nearest miss, once columns are up to date.
func (x *explainer) findNearest() {
	for _, n := range x.search.needs {
		x.top[n.Dim] = x.columns.byDim[n.Dim].greatest()
	}
	if !x.walk(x.nearestOf(x.fewest, x.top)) {
		x.findByBounds()
	}
}

// walk finds the nearest miss in the classes with the fewest rules against the group, by walks along columns or the node
// IDs. No miss is nearer than least. It returns false if a nearer one may be elsewhere.
func (x *explainer) walk(least explain.Miss) bool {
	needs := x.search.needs[:x.search.resources]
	far := -1 // of the needs that no row has enough of, the one that is the farthest off
	for k, n := range needs {
		if top := x.top[n.Dim]; top < n.Amount && uint64(explain.Shortfall(n.Amount, top)) == least.Short && uint64(n.Amount) == least.Need {
			far = k
		}
	}
	if len(x.search.devices) > 0 || far < 0 && x.fewest > 0 {
		// Where only devices are missing, or nothing, the lowest node ID decides.
		return x.walkNodes(least)
	}
	for rooms := least.Rooms; rooms <= len(needs); rooms++ {
		for k := range needs {
			// What no row has enough of, the nearest lacks: one walk along it will do.
			if (far < 0 || k == far) && !x.walkColumn(k, rooms, rooms == least.Rooms) {
				return false
			}
		}
		if x.isAt(rooms) {
			return true
		}
	}
	return false
}

// isAt reports whether the nearest miss so far breaks no more rules than any must, and lacks so many things.
func (x *explainer) isAt(rooms int) bool {
	return x.found && x.near.Rules == x.fewest && x.near.Rooms == rooms
}

// walkNodes walks in the order of node IDs.
func (x *explainer) walkNodes(least explain.Miss) bool {
	order := x.mirror.order
	for _, row := range order[:min(walkRows, len(order))] {
		if x.rules[x.mirror.rows[row].class] > x.fewest {
			continue
		}
		if x.weigh(row, false); x.found && x.near.Compare(least) == 0 && x.mirror.ranks[x.nearest] <= x.mirror.ranks[row] {
			return true
		}
	}
	return false
}

// walkColumn finds the nearest of the rows that lack so many things, a given need among them: from the row that lacks
// the least of it on or, if they have all else that can be had, among the rows that have another need, where those are
// few. It returns false where it is given up.
func (x *explainer) walkColumn(k, rooms int, allElse bool) bool {
	const few = 64
	need := x.search.needs[k]
	if c, n := x.scarcest(k); allElse && n <= few {
		for row := range c.firstRows(n) {
			x.weigh(row, false)
		}
		return true
	}
	left := walkRows
	column := x.columns.byDim[need.Dim]
	from, b, i := column.seek(behind(need.Amount))
	for ci := from; ci < len(column.chunks); ci, b, i = ci+1, 0, 0 {
		c := column.chunks[ci]
		if ci > from && x.isAt(rooms) && x.isPast(need, c.entries[0][0]) {
			return true
		}
		if x.tooFar(rooms, c.bound) {
			continue
		}
		column.read(c)
		for ; b < c.filled; b, i = b+1, 0 {
			if i == 0 && x.isAt(rooms) && x.isPast(need, c.entries[b][0]) {
				return true
			}
			if x.tooFar(rooms, c.mostOf(b)) {
				continue
			}
			for _, here := range c.block(b)[i:] {
				if left--; left < 0 {
					return false
				}
				if x.isAt(rooms) && x.isPast(need, here) {
					return true
				}
				if x.rules[x.mirror.rows[here.row].class] == x.fewest {
					x.weigh(here.row, false)
				}
			}
		}
		if c.slack {
			c.tighten()
		}
	}
	return true
}

// tooFar reports whether no row within bounds lacks so few things, or is nearer than the nearest miss so far if that
// lacks as many.
func (x *explainer) tooFar(rooms int, bound []int64) bool {
	near := x.nearestOf(x.fewest, bound)
	return near.Rooms > rooms || x.isAt(rooms) && near.Compare(x.near) > 0
}

// scarcest returns the column of the need that the fewest rows have enough of, another than the kth and one that some
// row has enough of; and how many do.
func (x *explainer) scarcest(k int) (scarce *column, few int) {
	few = math.MaxInt
	for i, n := range x.search.needs {
		if i != k && x.top[n.Dim] >= n.Amount {
			if c := x.columns.byDim[n.Dim]; c.enough(n.Amount) < few {
				scarce, few = c, c.enough(n.Amount)
			}
		}
	}
	return scarce, few
}

// isPast reports whether no row from here on, in the column of a need, is nearer than the nearest miss: all lack as much
// of the need or more, and of rows that lack as much the node IDs ascend.
func (x *explainer) isPast(need store.Need, here entry) bool {
	near := x.near
	near.Short, near.Need = uint64(explain.Shortfall(need.Amount, here.key)), uint64(need.Amount)
	c := near.Compare(x.near)
	return c > 0 || c == 0 && near.Short < math.MaxInt64 && here.rank > x.mirror.ranks[x.nearest]
}

// findByBounds finds the nearest miss wherever it is, passing by chunks and blocks that cannot have it.
func (x *explainer) findByBounds() {
	for i, class := range x.classes.all {
		for _, c := range class.chunks {
			if x.found && x.nearestOf(x.rules[i], c.bound).Compare(x.near) > 0 {
				continue
			}
			class.read(c)
			for b := range c.filled {
				if x.found {
					near := x.nearestOf(x.rules[i], c.mostOf(b)).Compare(x.near)
					if near > 0 || near == 0 && c.lowest(b, x.mirror.ranks) >= x.mirror.ranks[x.nearest] {
						continue
					}
				}
				for _, a := range c.block(b) {
					x.weigh(a.row, false)
				}
			}
			if c.slack {
				c.tighten()
			}
		}
	}
}

// nearestOf returns how near a miss can be where no more is free than given by dimension. Scalars of devices are left
// out, since a row that lacks the devices is not said to lack their scalar.
func (x *explainer) nearestOf(rules int, most []int64) explain.Miss {
	near := explain.Miss{Rules: rules}
	for i, n := range x.search.needs {
		switch {
		case most[n.Dim] >= n.Amount:
		case i >= x.search.resources:
			near.Rooms++
		case !x.isScalar(n.Dim):
			near.Lack(n.Amount, most[n.Dim])
		}
	}
	if near.Rules+near.Rooms == 0 {
		near.Rooms = 1 // a row that lacks nothing is no miss
	}
	return near
}

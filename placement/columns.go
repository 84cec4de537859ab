package placement

import (
	"iter"
	"math"
)

// columns is the rows in order of what is free of one dimension, for as many dimensions as were asked for: they answer
// how many rows have less than some amount, and which have the most.
//
// They become invalid row by row as rows change, and are brought up to date when they are asked. They cost next to
// nothing while nobody asks: the first question begins to note which rows change, the next, if it comes before much has
// changed, sorts, and when much has changed, or nodes came or went, all is forgotten.
type columns struct {
	mirror    *mirror
	watching  bool // whether changes are noted; if not, nothing below is meant
	pool      *chunkPool
	byDim     []*column // nil where nobody asked
	ranks     []uint32  // the mirror's, as the columns know them
	changes   []uint32  // rows that changed since, each once
	isChanged []bool    // by row
	passed    int       // rows that questions were answered by, instead of columns, since those were up to date
}

// column is the rows by one dimension. The keys of the tree are what is free of it.
type column struct {
	tree
	dim   int32
	under []int64 // by row: the key it stands under
}

// forget forgets all, until the next question. It keeps some of the room.
func (k *columns) forget() {
	for _, c := range k.byDim {
		if c != nil {
			c.clear()
		}
	}
	*k = columns{mirror: k.mirror, pool: k.pool}
}

// changed notes that a row has changed.
func (k *columns) changed(row uint32) {
	if k.watching {
		k.note(row)
	}
}

func (k *columns) note(row uint32) {
	switch n := len(k.isChanged); {
	case int(row) >= n || len(k.changes) > max(n/16, 64): // it is cheaper to begin anew
		k.forget()
	case !k.isChanged[row]:
		k.isChanged[row] = true
		k.changes = append(k.changes, row)
	}
}

// due reports whether it is time to bring the columns up to date for a question: once those that passes over all rows have answered since, this
// one included, have cost as much.
func (k *columns) due(w *wanted) bool {
	const sort, move = 64, 256 // what it takes to sort a column, for each row, and to move a row in one: in rows that are passed
	rows, takes := len(k.mirror.order), 0
	for _, n := range w.needs {
		if !k.watching || k.byDim[n.Dim] == nil {
			takes += sort * rows
		}
	}
	for _, c := range k.byDim {
		if c != nil {
			takes += move * len(k.changes)
		}
	}
	k.passed += rows * len(w.needs)
	return k.passed >= takes
}

// update brings the columns of some dimensions up to date. It returns false if it is better to look at every row, since
// nobody asked lately. There must be nodes.
func (k *columns) update(w *wanted) bool {
	m := k.mirror
	if !k.watching || &k.ranks[0] != &m.ranks[0] {
		passed := k.passed
		k.forget()
		k.passed = passed
		if k.pool == nil || k.pool.width != m.width {
			k.pool = &chunkPool{width: m.width, column: &m.free}
		}
		k.watching, k.ranks = true, m.ranks
		k.byDim, k.isChanged = make([]*column, m.width), make([]bool, len(m.rows))
		return false
	}
	for _, row := range k.changes {
		k.isChanged[row] = false
		if m.rows[row].node == nil {
			continue // it was a node in another snapshot, and is in no column of these ranks
		}
		for _, c := range k.byDim {
			if c != nil {
				c.move(row, k.ranks[row], m.amountsOf(row))
			}
		}
	}
	k.changes, k.passed = k.changes[:0], 0
	for _, n := range w.needs {
		c := k.byDim[n.Dim]
		if c == nil || len(c.chunks) > 16+4*len(m.order)/(blockEntries*chunkBlocks) { // or most chunks are nearly empty
			k.byDim[n.Dim] = k.sort(n.Dim, c)
		}
	}
	return true
}

// sort sorts the rows by a dimension: O(n log n). What there was, if anything, is used again.
func (k *columns) sort(dim int32, was *column) *column {
	if was != nil {
		was.clear()
	}
	m := k.mirror
	c := &column{tree: tree{pool: k.pool}, dim: dim, under: make([]int64, len(m.rows))}
	all := make([]entry, 0, len(m.order))
	for rank, row := range m.order {
		c.under[row] = m.amountsOf(row)[dim]
		all = append(all, entry{c.under[row], uint32(rank), row})
	}
	c.fill(all)
	return c
}

// move puts a row where it belongs with the amounts that it has now.
func (c *column) move(row, rank uint32, amounts []int64) {
	was, now := c.under[row], amounts[c.dim]
	if was == now {
		c.tree.update(position{was, rank}, amounts)
		return
	}
	c.under[row] = now
	c.remove(position{was, rank})
	c.insert(entry{now, rank, row}, amounts)
}

// enough returns how many rows have at least an amount free.
func (c *column) enough(amount int64) int { return c.countBefore(behind(amount)) }

// behind returns the position behind the rows that have at least an amount free.
func behind(amount int64) position { return position{amount, math.MaxUint32} }

// greatest returns the most that is free on any row.
func (c *column) greatest() int64 { return c.head().key }

// firstRows yields the first n rows.
func (c *column) firstRows(n int) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for row := range c.all() {
			if n--; n < 0 || !yield(row) {
				return
			}
		}
	}
}

package placement

import (
	"cmp"
	"iter"
	"math"
	"slices"
)

// A lane is the nodes of one profile in the order of their keys, best first, and of their IDs among
// equal keys: a B-tree of fixed height. A chunk has its blocks side by side, and beside them the greatest
// free amount of each dimension in each, so that a search reads little memory and passes by whole blocks
// in which nothing can fit. The greatest amounts are upper bounds: taking room leaves them, and a search
// that finds them too high makes them exact again, so that only those pay that gain.
type lane struct {
	profile *profile
	chunks  []*chunk
	size    int
	bound   []int64 // the bounds of all chunks; none while there are none
	slack   bool    // whether bound may be too high
}

const (
	blockRows   = 8
	chunkBlocks = 32
)

type chunk struct {
	n     int                            // blocks
	count [chunkBlocks]int               // rows in each
	first [chunkBlocks]int64             // the key of the first row of each
	low   [chunkBlocks]uint32            // the row of the lowest node ID in each
	loose [chunkBlocks]bool              // whether the bounds of each may be too high
	rows  [chunkBlocks][blockRows]uint32 // best first
	most  []int64                        // the bounds of each, by dimension
	bound []int64                        // the bounds of all
	slack bool                           // whether bound may be too high
}

// block returns the rows of a block.
func (c *chunk) block(b int) []uint32 { return c.rows[b][:c.count[b]] }

// mostOf returns the bounds of a block.
func (c *chunk) mostOf(b int) []int64 {
	w := len(c.bound)
	return c.most[b*w : (b+1)*w]
}

// all yields the lane's rows, best first.
func (l *lane) all() iter.Seq[uint32] { return rowsOf(l.chunks) }

func rowsOf(chunks []*chunk) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, c := range chunks {
			for b := range c.n {
				for _, row := range c.block(b) {
					if !yield(row) {
						return
					}
				}
			}
		}
	}
}

func (e *Engine) newChunk() *chunk {
	c := &chunk{most: make([]int64, chunkBlocks*e.width), bound: make([]int64, e.width)}
	for d := range c.bound {
		c.bound[d] = math.MinInt64
	}
	return c
}

// position is a place in a lane: before the row with this key and rank, if it is there.
type position struct {
	key  int64
	rank uint32
}

var (
	laneStart = position{key: math.MaxInt64}
	laneEnd   = position{key: math.MinInt64, rank: math.MaxUint32}
)

// earlier returns the one of two positions that stands before the other.
func earlier(p, q position) position {
	if q.before(p) {
		return q
	}
	return p
}

func (p position) before(q position) bool { return p.key > q.key || p.key == q.key && p.rank < q.rank }

func (e *Engine) positionOf(row uint32) position { return position{e.rows[row].key, e.rows[row].rank} }

// before reports whether a row stands before p.
func (e *Engine) before(row uint32, p position) bool {
	if k := e.rows[row].key; k != p.key {
		return k > p.key
	}
	return e.rows[row].rank < p.rank
}

func (e *Engine) byRank(a, b uint32) int { return cmp.Compare(e.rows[a].rank, e.rows[b].rank) }

// chunkAt returns the last chunk that begins before p, or the first.
func (e *Engine) chunkAt(l *lane, p position) int {
	lo, hi := 1, len(l.chunks)
	for lo < hi {
		if m := (lo + hi) / 2; e.beginsBefore(l.chunks[m], 0, p) {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo - 1
}

// blockAt returns the last block that begins before p, or the first.
func (e *Engine) blockAt(c *chunk, p position) int {
	lo, hi := 1, c.n
	for lo < hi {
		if m := (lo + hi) / 2; e.beginsBefore(c, m, p) {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo - 1
}

func (e *Engine) beginsBefore(c *chunk, b int, p position) bool {
	if k := c.first[b]; k != p.key {
		return k > p.key
	}
	return e.rows[c.rows[b][0]].rank < p.rank
}

// rowAt returns the first row of a block that does not stand before p.
func (e *Engine) rowAt(rows []uint32, p position) int {
	i := 0
	for i < len(rows) && e.before(rows[i], p) {
		i++
	}
	return i
}

// insert puts a row where its key says.
func (e *Engine) insert(l *lane, row uint32) {
	if len(l.chunks) == 0 {
		c := e.newChunk()
		e.appendBlock(c, row)
		l.chunks = append(l.chunks, c)
		l.bound = slices.Clone(c.bound)
		return
	}
	p := e.positionOf(row)
	ci := e.chunkAt(l, p)
	c := l.chunks[ci]
	b := e.blockAt(c, p)
	if c.count[b] == blockRows {
		if c.n == chunkBlocks {
			e.splitChunk(l, ci)
			if next := l.chunks[ci+1]; e.beginsBefore(next, 0, p) {
				c = next
			}
			b = e.blockAt(c, p)
		}
		e.splitBlock(c, b)
		if e.beginsBefore(c, b+1, p) {
			b++
		}
	}
	i := e.rowAt(c.block(b), p)
	copy(c.rows[b][i+1:], c.rows[b][i:c.count[b]])
	c.rows[b][i] = row
	c.count[b]++
	if i == 0 {
		c.first[b] = p.key
	}
	e.rows[row].chunk = c
	if e.rows[row].rank < e.rows[c.low[b]].rank {
		c.low[b] = row
	}
	free := e.freeOf(row)
	raise(c.mostOf(b), free)
	raise(c.bound, free)
	raise(l.bound, free)
}

// appendBlock adds a block of rows that stand after all others of a chunk that has room for it.
func (e *Engine) appendBlock(c *chunk, rows ...uint32) {
	b := c.n
	c.n++
	c.count[b] = copy(c.rows[b][:], rows)
	c.first[b] = e.rows[rows[0]].key
	for _, row := range rows {
		e.rows[row].chunk = c
	}
	e.tighten(c, b)
	raise(c.bound, c.mostOf(b))
}

// raise lifts bounds to let amounts in.
func raise(most, free []int64) {
	for d, f := range free {
		most[d] = max(most[d], f)
	}
}

// splitBlock moves the second half of a full block into a new one after it; the chunk has room for it.
func (e *Engine) splitBlock(c *chunk, b int) {
	e.shift(c, b+1, c, b, c.n-b)
	c.n++
	const half = blockRows / 2
	copy(c.rows[b+1][:], c.rows[b][half:])
	c.count[b], c.count[b+1] = half, blockRows-half
	c.first[b+1] = e.rows[c.rows[b+1][0]].key
	e.tighten(c, b)
	e.tighten(c, b+1)
}

// shift copies n blocks of one chunk, from a block on, to where they shall stand in another or the same.
func (e *Engine) shift(to *chunk, at int, from *chunk, b, n int) {
	copy(to.count[at:at+n], from.count[b:b+n])
	copy(to.first[at:at+n], from.first[b:b+n])
	copy(to.low[at:at+n], from.low[b:b+n])
	copy(to.loose[at:at+n], from.loose[b:b+n])
	copy(to.rows[at:at+n], from.rows[b:b+n])
	w := e.width
	copy(to.most[at*w:(at+n)*w], from.most[b*w:(b+n)*w])
}

// splitChunk moves the second half of a full chunk into a new one after it.
func (e *Engine) splitChunk(l *lane, ci int) {
	c, next := l.chunks[ci], e.newChunk()
	const half = chunkBlocks / 2
	e.shift(next, 0, c, half, chunkBlocks-half)
	c.n, next.n = half, chunkBlocks-half
	for b := range next.n {
		for _, row := range next.block(b) {
			e.rows[row].chunk = next
		}
	}
	e.tightenChunk(c)
	e.tightenChunk(next)
	l.chunks = slices.Insert(l.chunks, ci+1, next)
}

// remove takes a row out. Its key must be what it was when it was inserted; its rank may be gone.
func (e *Engine) remove(l *lane, row uint32) {
	c := e.rows[row].chunk
	e.rows[row].chunk = nil
	b := e.blockAt(c, e.positionOf(row))
	i := slices.Index(c.block(b), row)
	for o := 0; i < 0; o++ { // ranks have moved: look at every block
		b = o
		i = slices.Index(c.block(b), row)
	}
	copy(c.rows[b][i:], c.rows[b][i+1:c.count[b]])
	c.count[b]--
	c.loose[b], c.slack, l.slack = true, true, true
	switch {
	case c.count[b] > 0:
		c.first[b] = e.rows[c.rows[b][0]].key
		if c.low[b] == row {
			c.low[b] = slices.MinFunc(c.block(b), e.byRank)
		}
	case c.n > 1:
		e.shift(c, b, c, b+1, c.n-b-1)
		c.n--
	default:
		l.chunks = slices.DeleteFunc(l.chunks, func(o *chunk) bool { return o == c })
	}
}

// tighten makes the bounds of a block exact.
func (e *Engine) tighten(c *chunk, b int) {
	most := c.mostOf(b)
	for d := range most {
		most[d] = math.MinInt64
	}
	rows := c.block(b)
	for _, row := range rows {
		raise(most, e.freeOf(row))
	}
	c.low[b] = slices.MinFunc(rows, e.byRank)
	c.loose[b] = false
}

// tightenChunk makes the bounds of a chunk those of its blocks.
func (e *Engine) tightenChunk(c *chunk) {
	copy(c.bound, c.mostOf(0))
	for b := 1; b < c.n; b++ {
		raise(c.bound, c.mostOf(b))
	}
	c.slack = false
}

// tighten makes the bounds of a lane those of its chunks.
func (l *lane) tighten() {
	l.bound = append(l.bound[:0], l.chunks[0].bound...)
	for _, c := range l.chunks[1:] {
		raise(l.bound, c.bound)
	}
	l.slack = false
}

// find returns the first row from p on that the run accepts and whose key is at least the floor. If there
// is none it returns where it ended: at a row with a lesser key, or at the lane's end.
func (e *Engine) find(l *lane, r *run, p position, floor int64) (row uint32, found bool, end position) {
	if len(l.chunks) == 0 || !e.within(r, l.bound) {
		return 0, false, laneEnd
	}
	ci, b, skip := 0, 0, false
	if p != laneStart {
		ci = e.chunkAt(l, p)
		b, skip = e.blockAt(l.chunks[ci], p), true // of the first block, skip the rows before p
	}
	for ; ci < len(l.chunks); ci++ {
		c := l.chunks[ci]
		if !e.within(r, c.bound) {
			b, skip = 0, false
			continue
		}
		whole := b == 0
		for ; b < c.n; b++ {
			if c.first[b] < floor && !skip {
				return 0, false, e.positionOf(c.rows[b][0])
			}
			if !e.within(r, c.mostOf(b)) {
				skip = false
				continue
			}
			rows := c.block(b)
			if skip {
				rows = rows[e.rowAt(rows, p):]
				skip = false
			}
			for _, row := range rows {
				if e.fits(r, row) && (!r.picky || e.accepts(r, row)) {
					if e.rows[row].key < floor {
						return 0, false, e.positionOf(row)
					}
					return row, true, position{}
				}
			}
			if c.loose[b] {
				e.tighten(c, b)
			}
		}
		if whole && c.slack {
			e.tightenChunk(c)
		}
		b = 0
	}
	if p == laneStart && l.slack {
		l.tighten()
	}
	return 0, false, laneEnd
}

// within reports whether the bounds leave room for the run's request.
func (e *Engine) within(r *run, most []int64) bool {
	if most[e.dims] < r.least {
		return false
	}
	for _, n := range r.needs {
		if most[n.Dim] < n.Amount {
			return false
		}
	}
	return true
}

// fits reports whether a row has room for the run's request, as far as amounts go.
func (e *Engine) fits(r *run, row uint32) bool {
	return e.within(r, e.free[int(row)*e.width:])
}

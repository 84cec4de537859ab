package placement

import (
	"iter"
	"math"
	"slices"
)

// A lane is the nodes of one profile in the order of their keys, best first, and of their IDs among
// equal keys: a B-tree of fixed height. A chunk has its blocks side by side, and beside them the greatest
// free amount of each dimension in each, so that a search reads little memory and passes by whole blocks
// in which nothing can fit. Keys, ranks and free amounts stand in the blocks, as they were when the row came there, so
// that neither finding a place nor passing one by looks at rows, each of which may be a cache miss. Room that has been
// taken since is in none of it until flush moves the row, so all are upper bounds. Those of chunks are also left
// when a row goes; a search that finds them too high makes them exact again, so that only those pay that gain.
type lane struct {
	profile *profile
	chunks  []*chunk
	first   []int64 // the key of the first row of each chunk
	size    int
	bound   []int64 // the bounds of all chunks; none while there are none
	slack   bool    // whether bound may be too high
}

const (
	blockRows   = 8
	chunkBlocks = 32
)

// chunk is up to chunkBlocks blocks; it has room for as many as its lists are long, and for more when it needs it:
// where lanes are many, most are of a few rows.
type chunk struct {
	n      int                // blocks
	count  []uint8            // rows in each
	first  []int64            // the key of the first row of each
	places [][blockRows]place // best first
	free   []int64            // of each place, by dimension
	most   []int64            // the bounds of each block, by dimension
	bound  []int64            // the bounds of all
	slack  bool               // whether bound may be too high
}

// place is a row where it stands in its lane.
type place struct {
	key  int64
	rank uint32
	row  uint32
}

func (a place) position() position { return position{a.key, a.rank} }

// block returns the rows of a block.
func (c *chunk) block(b int) []place { return c.places[b][:c.count[b]] }

// mostOf returns the bounds of a block.
func (c *chunk) mostOf(b int) []int64 {
	w := len(c.bound)
	return c.most[b*w : (b+1)*w]
}

// freeAt returns the free amounts of n places of a block, from place i on.
func (c *chunk) freeAt(b, i, n int) []int64 {
	w := len(c.bound)
	at := (b*blockRows + i) * w
	return c.free[at : at+n*w]
}

// lowest returns the lowest rank in a block.
func (c *chunk) lowest(b int) uint32 {
	low := uint32(math.MaxUint32)
	for _, a := range c.block(b) {
		low = min(low, a.rank)
	}
	return low
}

// all yields the lane's rows, best first.
func (l *lane) all() iter.Seq[uint32] { return rowsOf(l.chunks) }

func rowsOf(chunks []*chunk) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, c := range chunks {
			for b := range c.n {
				for _, a := range c.block(b) {
					if !yield(a.row) {
						return
					}
				}
			}
		}
	}
}

// newChunk returns a chunk without blocks, one that was used before if there is one.
func (e *Engine) newChunk() *chunk {
	var c *chunk
	if n := len(e.chunks); n > 0 {
		c, e.chunks = e.chunks[n-1], e.chunks[:n-1]
		c.n, c.slack = 0, false
	} else {
		c = &chunk{bound: make([]int64, e.width)}
	}
	for d := range c.bound {
		c.bound[d] = math.MinInt64
	}
	return c
}

// reserve makes room for so many blocks.
func (c *chunk) reserve(blocks int) {
	if blocks <= len(c.count) {
		return
	}
	blocks = min(max(blocks, 2*len(c.count)), chunkBlocks)
	w := len(c.bound)
	was := *c
	amounts := make([]int64, blocks*(1+(1+blockRows)*w))
	c.count, c.places = make([]uint8, blocks), make([][blockRows]place, blocks)
	c.first, amounts = amounts[:blocks], amounts[blocks:]
	c.most, c.free = amounts[:blocks*w], amounts[blocks*w:]
	copy(c.count, was.count)
	copy(c.places, was.places)
	copy(c.first, was.first)
	copy(c.most, was.most)
	copy(c.free, was.free)
}

// empty takes all rows out of a lane.
func (e *Engine) empty(l *lane) {
	e.chunks = append(e.chunks, l.chunks...)
	l.chunks, l.first = l.chunks[:0], l.first[:0]
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

func (e *Engine) placeOf(row uint32) place { return place{e.rows[row].key, e.rows[row].rank, row} }

func (e *Engine) positionOf(row uint32) position { return e.placeOf(row).position() }

// chunkAt returns the last chunk that begins before p, or the first.
func (l *lane) chunkAt(p position) int {
	lo, hi := 1, len(l.chunks)
	for lo < hi {
		m := (lo + hi) / 2
		if k := l.first[m]; k > p.key || k == p.key && l.chunks[m].places[0][0].rank < p.rank {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo - 1
}

// blockAt returns the last block that begins before p, or the first.
func (c *chunk) blockAt(p position) int {
	lo, hi := 1, c.n
	for lo < hi {
		if m := (lo + hi) / 2; c.beginsBefore(m, p) {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo - 1
}

func (c *chunk) beginsBefore(b int, p position) bool {
	if k := c.first[b]; k != p.key {
		return k > p.key
	}
	return c.places[b][0].rank < p.rank
}

// placeAt returns the first place of a block that does not stand before p.
func (c *chunk) placeAt(b int, p position) int {
	places := c.block(b)
	i := 0
	for i < len(places) && places[i].position().before(p) {
		i++
	}
	return i
}

// insert puts a row where its key says.
func (e *Engine) insert(l *lane, row uint32) {
	if len(l.chunks) == 0 {
		c := e.newChunk()
		e.appendBlock(c, row)
		l.add(0, c)
		l.bound = slices.Clone(c.bound)
		return
	}
	a := e.placeOf(row)
	p := a.position()
	ci := l.chunkAt(p)
	c := l.chunks[ci]
	b := c.blockAt(p)
	if c.count[b] == blockRows {
		if c.n == chunkBlocks {
			e.splitChunk(l, ci)
			if next := l.chunks[ci+1]; next.beginsBefore(0, p) {
				ci, c = ci+1, next
			}
			b = c.blockAt(p)
		}
		e.splitBlock(c, b)
		if c.beginsBefore(b+1, p) {
			b++
		}
	}
	i, n := c.placeAt(b, p), int(c.count[b])
	free := e.freeOf(row)
	copy(c.places[b][i+1:], c.places[b][i:n])
	copy(c.freeAt(b, i+1, n-i), c.freeAt(b, i, n-i))
	c.places[b][i] = a
	copy(c.freeAt(b, i, 1), free)
	c.count[b]++
	c.first[b] = c.places[b][0].key
	l.first[ci] = c.first[0]
	raise(c.mostOf(b), free)
	raise(c.bound, free)
	raise(l.bound, free)
}

// add puts a chunk among the others.
func (l *lane) add(ci int, c *chunk) {
	l.chunks = slices.Insert(l.chunks, ci, c)
	l.first = slices.Insert(l.first, ci, c.first[0])
}

// appendBlock adds a block of rows that stand after all others of a chunk that has room for it.
func (e *Engine) appendBlock(c *chunk, rows ...uint32) {
	b := c.n
	c.n++
	c.reserve(c.n)
	for i, row := range rows {
		c.places[b][i] = e.placeOf(row)
		copy(c.freeAt(b, i, 1), e.freeOf(row))
	}
	c.count[b], c.first[b] = uint8(len(rows)), c.places[b][0].key
	c.tightenBlock(b)
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
	c.reserve(c.n + 1)
	e.shift(c, b+1, c, b, c.n-b)
	c.n++
	const half = blockRows / 2
	copy(c.places[b+1][:], c.places[b][half:])
	copy(c.freeAt(b+1, 0, blockRows-half), c.freeAt(b, half, blockRows-half))
	c.count[b], c.count[b+1] = half, blockRows-half
	c.first[b+1] = c.places[b+1][0].key
	c.tightenBlock(b)
	c.tightenBlock(b + 1)
}

// shift copies n blocks of one chunk, from a block on, to where they shall stand in another or the same.
func (e *Engine) shift(to *chunk, at int, from *chunk, b, n int) {
	copy(to.count[at:at+n], from.count[b:b+n])
	copy(to.first[at:at+n], from.first[b:b+n])
	copy(to.places[at:at+n], from.places[b:b+n])
	copy(to.freeAt(at, 0, n*blockRows), from.freeAt(b, 0, n*blockRows))
	w := e.width
	copy(to.most[at*w:(at+n)*w], from.most[b*w:(b+n)*w])
}

// splitChunk moves the second half of a full chunk into a new one after it.
func (e *Engine) splitChunk(l *lane, ci int) {
	c, next := l.chunks[ci], e.newChunk()
	const half = chunkBlocks / 2
	next.reserve(chunkBlocks)
	e.shift(next, 0, c, half, chunkBlocks-half)
	c.n, next.n = half, chunkBlocks-half
	c.tighten()
	next.tighten()
	l.add(ci+1, next)
}

// remove takes a row out. Its key and rank must be what they were when it was inserted.
func (e *Engine) remove(l *lane, row uint32) {
	p := e.positionOf(row)
	after := position{p.key, p.rank + 1} // a chunk or block that begins with the row begins before this
	ci := l.chunkAt(after)
	c := l.chunks[ci]
	b := c.blockAt(after)
	i, n := c.placeAt(b, p), int(c.count[b])
	copy(c.places[b][i:], c.places[b][i+1:n])
	copy(c.freeAt(b, i, n-i-1), c.freeAt(b, i+1, n-i-1))
	c.count[b]--
	c.slack, l.slack = true, true
	switch {
	case c.count[b] > 0:
		c.first[b] = c.places[b][0].key
		c.tightenBlock(b)
	case c.n > 1:
		e.shift(c, b, c, b+1, c.n-b-1)
		c.n--
	default:
		e.chunks = append(e.chunks, c)
		l.chunks, l.first = slices.Delete(l.chunks, ci, ci+1), slices.Delete(l.first, ci, ci+1)
		return
	}
	l.first[ci] = c.first[0]
}

// renumber gives every place the rank of its row: nodes have come or gone.
func (e *Engine) renumber(l *lane) {
	for _, c := range l.chunks {
		for b := range c.n {
			places := c.block(b)
			for i := range places {
				places[i].rank = e.rows[places[i].row].rank
			}
		}
	}
}

// tightenBlock makes the bounds of a block those of its places.
func (c *chunk) tightenBlock(b int) {
	most := c.mostOf(b)
	copy(most, c.freeAt(b, 0, 1))
	for i := 1; i < int(c.count[b]); i++ {
		raise(most, c.freeAt(b, i, 1))
	}
}

// tighten makes the bounds of a chunk those of its blocks.
func (c *chunk) tighten() {
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
		ci = l.chunkAt(p)
		b, skip = l.chunks[ci].blockAt(p), true // of the first block, skip the rows before p
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
				return 0, false, c.places[b][0].position()
			}
			if !e.within(r, c.mostOf(b)) {
				skip = false
				continue
			}
			i := 0
			if skip {
				i, skip = c.placeAt(b, p), false
			}
			for ; i < int(c.count[b]); i++ {
				if !e.within(r, c.freeAt(b, i, 1)) {
					continue
				}
				if a := c.places[b][i]; e.fits(r, a.row) && (!r.picky || e.accepts(r, a.row)) {
					if a.key < floor {
						return 0, false, a.position()
					}
					return a.row, true, position{}
				}
			}
		}
		if whole && c.slack {
			c.tighten()
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

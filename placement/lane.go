package placement

import (
	"cmp"
	"math"
	"slices"
)

// A lane is the nodes of one profile in the order of their keys, best first, and of their IDs among
// equal keys: a B-tree of fixed height, whose inner levels carry the greatest free amount of each
// dimension below them, so that a search passes by whole blocks in which nothing can fit. The
// greatest amounts are upper bounds: taking room leaves them, and a search that finds them to be too
// high makes them exact again, so that only those pay that gain.
type lane struct {
	profile *profile
	chunks  []*chunk
	size    int
	version uint64 // grows whenever a node of the lane comes, goes or changes

	// What explanations ask for: the free amounts by dimension, ascending, made when they are asked for a
	// second time at one version.
	sorted            [][]int64
	sortedAt, askedAt uint64
}

type chunk struct {
	blocks []*block
	most   []int64
	loose  bool // most may be too high
}

type block struct {
	chunk *chunk
	rows  []uint32
	most  []int64
	low   uint32 // the row of the lowest node ID
	loose bool
}

const (
	blockRows   = 16
	chunkBlocks = 32
)

// position is a place in a lane: before the row with this key and rank, if it is there.
type position struct {
	key  int64
	rank uint32
}

var (
	laneStart = position{key: math.MaxInt64}
	laneEnd   = position{key: math.MinInt64, rank: math.MaxUint32}
)

// before reports whether a row stands before p.
func (e *Engine) before(row uint32, p position) bool {
	if k := e.key[row]; k != p.key {
		return k > p.key
	}
	return e.rank[row] < p.rank
}

// insert puts a row where its key says.
func (e *Engine) insert(l *lane, row uint32) {
	at := position{e.key[row], e.rank[row]}
	e.blockOf[row] = l.addTo(e, row, at)
	l.size++
	l.version++
}

func (l *lane) addTo(e *Engine, row uint32, at position) *block {
	if len(l.chunks) == 0 {
		c := &chunk{most: e.amounts()}
		b := e.newBlock(c)
		c.blocks = []*block{b}
		l.chunks = []*chunk{c}
		b.rows = append(b.rows, row)
		e.raise(b, row)
		return b
	}
	ci := max(l.chunkOf(e, at), 0)
	c := l.chunks[ci]
	bi := max(c.blockOf(e, at), 0)
	b := c.blocks[bi]
	if len(b.rows) == blockRows {
		half := e.newBlock(c)
		half.rows = append(half.rows, b.rows[blockRows/2:]...)
		b.rows = b.rows[:blockRows/2]
		copy(half.most, b.most)
		half.loose, b.loose = true, true
		for _, r := range half.rows {
			e.blockOf[r] = half
		}
		half.low, b.low = slices.MinFunc(half.rows, e.byRank), slices.MinFunc(b.rows, e.byRank)
		c.blocks = slices.Insert(c.blocks, bi+1, half)
		if e.before(half.rows[0], at) {
			b = half
		}
		if len(c.blocks) > chunkBlocks {
			l.split(e, ci)
		}
	}
	i, _ := slices.BinarySearchFunc(b.rows, at, func(r uint32, p position) int {
		if e.before(r, p) {
			return -1
		}
		return 1
	})
	b.rows = slices.Insert(b.rows, i, row)
	e.raise(b, row)
	return b
}

func (l *lane) split(e *Engine, ci int) {
	c := l.chunks[ci]
	n := len(c.blocks) / 2
	half := &chunk{most: slices.Clone(c.most), loose: true, blocks: slices.Clone(c.blocks[n:])}
	clear(c.blocks[n:])
	c.blocks = c.blocks[:n]
	c.loose = true
	for _, b := range half.blocks {
		b.chunk = half
	}
	l.chunks = slices.Insert(l.chunks, ci+1, half)
}

// chunkOf returns the last chunk that begins before p, or -1.
func (l *lane) chunkOf(e *Engine, p position) int {
	lo, hi := 0, len(l.chunks)
	for lo < hi {
		if m := (lo + hi) / 2; e.before(l.chunks[m].blocks[0].rows[0], p) {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo - 1
}

// blockOf returns the last block that begins before p, or -1.
func (c *chunk) blockOf(e *Engine, p position) int {
	lo, hi := 0, len(c.blocks)
	for lo < hi {
		if m := (lo + hi) / 2; e.before(c.blocks[m].rows[0], p) {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo - 1
}

func (e *Engine) newBlock(c *chunk) *block {
	return &block{chunk: c, rows: make([]uint32, 0, blockRows), most: e.amounts()}
}

// amounts returns the bounds of nothing.
func (e *Engine) amounts() []int64 {
	m := make([]int64, e.width)
	for d := range m {
		m[d] = math.MinInt64
	}
	return m
}

func (e *Engine) byRank(a, b uint32) int { return cmp.Compare(e.rank[a], e.rank[b]) }

// raise lifts the bounds of a block that a row has just joined.
func (e *Engine) raise(b *block, row uint32) {
	if len(b.rows) == 1 || e.rank[row] < e.rank[b.low] {
		b.low = row
	}
	free := e.freeOf(row)
	for d, f := range free {
		if f > b.most[d] {
			b.most[d] = f
		}
		if f > b.chunk.most[d] {
			b.chunk.most[d] = f
		}
	}
}

// remove takes a row out. Its key must be what it was when it was inserted.
func (e *Engine) remove(l *lane, row uint32) {
	b := e.blockOf[row]
	e.blockOf[row] = nil
	i := slices.Index(b.rows, row)
	b.rows = append(b.rows[:i], b.rows[i+1:]...)
	b.loose, b.chunk.loose = true, true
	l.size--
	l.version++
	if len(b.rows) > 0 {
		if b.low == row {
			b.low = slices.MinFunc(b.rows, e.byRank)
		}
		return
	}
	c := b.chunk
	c.blocks = slices.DeleteFunc(c.blocks, func(o *block) bool { return o == b })
	if len(c.blocks) == 0 {
		l.chunks = slices.DeleteFunc(l.chunks, func(o *chunk) bool { return o == c })
	}
}

// tighten makes the bounds of a block exact.
func (e *Engine) tighten(b *block) {
	for d := range b.most {
		b.most[d] = math.MinInt64
	}
	for _, r := range b.rows {
		for d, f := range e.freeOf(r) {
			if f > b.most[d] {
				b.most[d] = f
			}
		}
	}
	b.loose = false
}

func (c *chunk) tighten() {
	copy(c.most, c.blocks[0].most)
	for _, b := range c.blocks[1:] {
		for d, f := range b.most {
			if f > c.most[d] {
				c.most[d] = f
			}
		}
	}
	c.loose = false
}

// find returns the first row from p on that the run accepts and whose key is at least that of the
// floor. If there is none it returns where it ended: at a row with a lesser key, or at the lane's end.
func (e *Engine) find(l *lane, r *run, p position, floor int64) (row uint32, found bool, end position) {
	ci := l.chunkOf(e, p)
	fresh := ci < 0
	for ci = max(ci, 0); ci < len(l.chunks); ci++ {
		c := l.chunks[ci]
		if !r.within(c.most) {
			fresh = true
			continue
		}
		bi := 0
		if !fresh {
			bi = max(c.blockOf(e, p), 0)
		}
		for ; bi < len(c.blocks); bi++ {
			b := c.blocks[bi]
			if e.key[b.rows[0]] < floor && fresh {
				return 0, false, e.positionOf(b.rows[0])
			}
			if !r.within(b.most) {
				fresh = true
				continue
			}
			i := 0
			if !fresh {
				i, _ = slices.BinarySearchFunc(b.rows, p, func(row uint32, p position) int {
					if e.before(row, p) {
						return -1
					}
					return 1
				})
				fresh = true
			}
			whole := i == 0
			for ; i < len(b.rows); i++ {
				if row := b.rows[i]; e.fits(r, row) && (!r.picky || e.accepts(r, row)) {
					if e.key[row] < floor {
						return 0, false, e.positionOf(row)
					}
					return row, true, position{}
				}
			}
			if whole && b.loose {
				e.tighten(b)
			}
		}
		if c.loose {
			c.tighten()
		}
		fresh = true
	}
	return 0, false, laneEnd
}

func (e *Engine) positionOf(row uint32) position { return position{e.key[row], e.rank[row]} }

// within reports whether the bounds leave room for the run's request.
func (r *run) within(most []int64) bool {
	for _, n := range r.needs {
		if most[n.Dim] < n.Amount {
			return false
		}
	}
	return true
}

// fits reports whether a row has room for the run's request, as far as amounts go.
func (e *Engine) fits(r *run, row uint32) bool {
	free := e.free[int(row)*e.width:]
	for _, n := range r.needs {
		if free[n.Dim] < n.Amount {
			return false
		}
	}
	return true
}

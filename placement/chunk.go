package placement

import "math"

// chunk is up to chunkBlocks blocks. Its lists are as long as the blocks it has room for, and grow when it needs it:
// where trees are many, most are of a few rows.
type chunk struct {
	filled  int                   // blocks, none of them empty
	size    int                   // entries
	unread  bool                  // whether amounts and most are not known yet; bound is then what no row exceeds
	count   []uint8               // entries of each block
	first   []int64               // the key of the first entry of each block
	entries [][blockEntries]entry // in order
	amounts []int64               // of each entry, by dimension
	most    []int64               // the bounds of each block, by dimension; as low as can be
	bound   []int64               // no entry has more of a dimension
	slack   bool                  // whether bound may be higher than it need be
}

// chunkPool is chunks to be used again, all of one width, and where the amounts of rows are that trees have not read yet.
type chunkPool struct {
	width  int // amounts of an entry
	free   []*chunk
	column *[]int64 // row x width
}

// amountsOf returns the amounts of a row as they are now.
func (p *chunkPool) amountsOf(row uint32) []int64 {
	return (*p.column)[int(row)*p.width : (int(row)+1)*p.width]
}

// get returns a chunk without blocks.
func (p *chunkPool) get() *chunk {
	var c *chunk
	if n := len(p.free); n > 0 {
		c, p.free = p.free[n-1], p.free[:n-1]
		c.filled, c.size, c.slack, c.unread = 0, 0, false, false
	} else {
		c = &chunk{bound: make([]int64, p.width)}
	}
	for d := range c.bound {
		c.bound[d] = math.MinInt64
	}
	return c
}

// reserve makes room for so many blocks.
func (c *chunk) reserve(blocks int) {
	if blocks > len(c.count) {
		blocks = min(max(blocks, 2*len(c.count)), chunkBlocks)
		was := *c
		c.count, c.entries, c.first = make([]uint8, blocks), make([][blockEntries]entry, blocks), make([]int64, blocks)
		copy(c.count, was.count)
		copy(c.entries, was.entries)
		copy(c.first, was.first)
	}
	if !c.unread {
		c.reserveAmounts()
	}
}

// reserveAmounts makes room for the amounts of as many blocks as there is room for.
func (c *chunk) reserveAmounts() {
	blocks, w := len(c.count), len(c.bound)
	if len(c.most) == blocks*w {
		return
	}
	most, amounts := c.most, c.amounts
	all := make([]int64, blocks*(1+blockEntries)*w)
	c.most, c.amounts = all[:blocks*w], all[blocks*w:]
	copy(c.most, most)
	copy(c.amounts, amounts)
}

// block returns the entries of a block.
func (c *chunk) block(b int) []entry { return c.entries[b][:c.count[b]] }

// mostOf returns the bounds of a block.
func (c *chunk) mostOf(b int) []int64 {
	w := len(c.bound)
	return c.most[b*w : (b+1)*w]
}

// amountsAt returns the amounts of n entries of a block, from the ith on.
func (c *chunk) amountsAt(b, i, n int) []int64 {
	w := len(c.bound)
	at := (b*blockEntries + i) * w
	return c.amounts[at : at+n*w]
}

// lowest returns the lowest of the ranks by row of a block.
func (c *chunk) lowest(b int, ranks []uint32) uint32 {
	low := uint32(math.MaxUint32)
	for _, a := range c.block(b) {
		low = min(low, ranks[a.row])
	}
	return low
}

// blockAt returns the last block that begins before p, or the first.
func (c *chunk) blockAt(p position) int {
	lo, hi := 1, c.filled
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
	return c.entries[b][0].rank < p.rank
}

// entryAt returns the first entry of a block that does not stand before p.
func (c *chunk) entryAt(b int, p position) int {
	entries := c.block(b)
	i := 0
	for i < len(entries) && entries[i].position().before(p) {
		i++
	}
	return i
}

// open adds a block at the end of a chunk, for n entries, which the caller sets.
func (c *chunk) open(n int) (b int) {
	b = c.filled
	c.filled++
	c.size += n
	c.reserve(c.filled)
	c.count[b] = uint8(n)
	return b
}

// raise lifts bounds to let amounts in.
func raise(most, amounts []int64) {
	for d, a := range amounts {
		most[d] = max(most[d], a)
	}
}

// split moves the second half of a full block into a new one after it; the chunk has room for it.
func (c *chunk) split(b int) {
	c.reserve(c.filled + 1)
	moveBlocks(c, b+1, c, b, c.filled-b)
	c.filled++
	const half = blockEntries / 2
	copy(c.entries[b+1][:], c.entries[b][half:])
	copy(c.amountsAt(b+1, 0, blockEntries-half), c.amountsAt(b, half, blockEntries-half))
	c.count[b], c.count[b+1] = half, blockEntries-half
	c.first[b+1] = c.entries[b+1][0].key
	c.tightenBlock(b)
	c.tightenBlock(b + 1)
}

// moveBlocks copies n blocks of one chunk, from the bth on, to where they shall stand in another or the same.
func moveBlocks(to *chunk, at int, from *chunk, b, n int) {
	copy(to.count[at:at+n], from.count[b:b+n])
	copy(to.first[at:at+n], from.first[b:b+n])
	copy(to.entries[at:at+n], from.entries[b:b+n])
	copy(to.amountsAt(at, 0, n*blockEntries), from.amountsAt(b, 0, n*blockEntries))
	w := len(to.bound)
	copy(to.most[at*w:(at+n)*w], from.most[b*w:(b+n)*w])
}

// tightenBlock makes the bounds of a block those of its entries.
func (c *chunk) tightenBlock(b int) {
	most := c.mostOf(b)
	amounts := c.amountsAt(b, 0, int(c.count[b]))
	for d := range most {
		top := amounts[d]
		for k := d + len(most); k < len(amounts); k += len(most) {
			top = max(top, amounts[k])
		}
		most[d] = top
	}
}

// reaches reports whether an entry of a block has as much of something as the block's bound says.
func (c *chunk) reaches(b, i int) bool {
	most := c.mostOf(b)
	for d, a := range c.amountsAt(b, i, 1) {
		if a == most[d] {
			return true
		}
	}
	return false
}

// tighten makes the bounds of a chunk those of its blocks.
func (c *chunk) tighten() {
	copy(c.bound, c.mostOf(0))
	for b := 1; b < c.filled; b++ {
		raise(c.bound, c.mostOf(b))
	}
	c.slack = false
}

// find returns the first entry, from the ith of a block on, that has what is wanted and will do, or before it one with a
// key under the floor. Most blocks and entries have too little of the amount that is the least likely to be there, so
// that one is looked at by itself.
func (c *chunk) find(w *wanted, will accepter, b, i int, floor int64) (a entry, found bool) {
	width, least := len(c.bound), w.least
	most, sinks := c.most[w.leastAt:c.filled*width], c.first[c.filled-1] < floor
	for ; b < c.filled; b, i = b+1, 0 {
		if most[b*width] < least {
			continue
		}
		if sinks && i == 0 && c.first[b] < floor {
			return c.entries[b][0], true
		}
		if !w.within(c.mostOf(b)) {
			continue
		}
		amounts := c.amountsAt(b, i, int(c.count[b])-i)
		for _, a := range c.entries[b][i:c.count[b]] {
			own := amounts[:width]
			amounts = amounts[width:]
			if own[w.leastAt] >= least && w.within(own) && will.accepts(a.row) {
				return a, true
			}
		}
	}
	return entry{}, false
}

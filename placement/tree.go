package placement

import (
	"cmp"
	"iter"
	"math"
	"slices"
)

// tree keeps rows in order, the greatest key first and the lowest rank among equal keys, with the amounts that each had
// when it was put there. It is a B-tree of fixed height: chunks of blocks of entries. Beside each block, each chunk and
// the whole stands a bound, the greatest amount of each dimension in it, so that a search for room reads little memory
// and passes by all in which a request cannot fit. Neither finding an entry nor passing one by looks at anything but
// the tree.
//
// A tree becomes invalid in one way: the keys, ranks or amounts of its rows change. Who changes them tells it, by
// insert and remove, update, renumber or fill. Amounts that have only shrunk may be told later: a bound is then too
// high, which costs time and never an answer.
//
// To fill a tree is to put entries in order. The amounts of a chunk are read from the rows when something first looks at them, which
// for most chunks of a large tree is never.
type tree struct {
	pool   *chunkPool
	chunks []*chunk // none is empty
	first  []int64  // the key of the first entry of each chunk
	size   int      // entries
	bound  []int64  // no entry has more of a dimension; meaningless while there are no chunks
	slack  bool     // whether bound may be higher than it need be
	before []int32  // entries in the chunks before each; right for those before counted
	known  int      // how many of before are right
}

const (
	blockEntries = 8
	chunkBlocks  = 32
)

// entry is a row where it stands in a tree.
type entry struct {
	key  int64
	rank uint32
	row  uint32
}

func (a entry) position() position { return position{a.key, a.rank} }

// position is where in a tree: before the entry with this key and rank, if there is one.
type position struct {
	key  int64
	rank uint32
}

var (
	treeStart = position{key: math.MaxInt64}
	treeEnd   = position{key: math.MinInt64, rank: math.MaxUint32}
)

func (p position) before(q position) bool { return p.key > q.key || p.key == q.key && p.rank < q.rank }

// next is the position right behind the entry at p.
func (p position) next() position { return position{p.key, p.rank + 1} }

// earlier returns the one of two positions that stands before the other.
func earlier(p, q position) position {
	if q.before(p) {
		return q
	}
	return p
}

func compareEntries(a, b entry) int {
	if a.key != b.key {
		return cmp.Compare(b.key, a.key)
	}
	return cmp.Compare(a.rank, b.rank)
}

// read reads the amounts of a chunk, unless it has.
func (t *tree) read(c *chunk) {
	if !c.unread {
		return
	}
	c.unread = false
	c.reserveAmounts()
	for b := range c.filled {
		for i, a := range c.block(b) {
			amounts := c.amountsAt(b, i, 1)
			for d, v := range t.pool.amountsOf(a.row) { // a few, and a call of copy waits for each row's memory
				amounts[d] = v
			}
		}
		c.tightenBlock(b)
	}
	c.tighten()
	t.slack = true
}

// all yields the rows in order.
func (t *tree) all() iter.Seq[uint32] { return rowsOf(t.chunks) }

func rowsOf(chunks []*chunk) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, c := range chunks {
			for b := range c.filled {
				for _, a := range c.block(b) {
					if !yield(a.row) {
						return
					}
				}
			}
		}
	}
}

// head returns the position of the first entry, of which there must be one.
func (t *tree) head() position { return t.chunks[0].entries[0][0].position() }

// chunkAt returns the last chunk that begins before p, or the first.
func (t *tree) chunkAt(p position) int {
	lo, hi := 1, len(t.chunks)
	for lo < hi {
		m := (lo + hi) / 2
		if k := t.first[m]; k > p.key || k == p.key && t.chunks[m].entries[0][0].rank < p.rank {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo - 1
}

// seek returns where the entries begin that do not stand before p: the ith of a block of a chunk, or the end of that
// block. There must be an entry.
func (t *tree) seek(p position) (ci, b, i int) {
	ci = t.chunkAt(p)
	c := t.chunks[ci]
	b = c.blockAt(p)
	return ci, b, c.entryAt(b, p)
}

// at returns the first entry that does not stand before p, if there is one.
func (t *tree) at(p position) (entry, bool) {
	if len(t.chunks) == 0 {
		return entry{}, false
	}
	ci, b, i := 0, 0, 0
	if p != treeStart {
		ci, b, i = t.seek(p)
	}
	c := t.chunks[ci]
	if i == int(c.count[b]) { // the end of a block
		b, i = b+1, 0
		if b == c.filled {
			if ci++; ci == len(t.chunks) {
				return entry{}, false
			}
			c, b = t.chunks[ci], 0
		}
	}
	return c.entries[b][i], true
}

// countBefore returns how many entries stand before p. It costs as much as there are chunks behind the first that has
// changed since it was last asked.
func (t *tree) countBefore(p position) int {
	if len(t.chunks) == 0 {
		return 0
	}
	if n := len(t.chunks); t.known < n {
		t.before = slices.Grow(t.before[:t.known], n-t.known)[:n]
		for i := t.known; i < n; i++ {
			if t.before[i] = 0; i > 0 {
				t.before[i] = t.before[i-1] + int32(t.chunks[i-1].size)
			}
		}
		t.known = n
	}
	ci, b, i := t.seek(p)
	n := int(t.before[ci]) + i
	for _, k := range t.chunks[ci].count[:b] {
		n += int(k)
	}
	return n
}

// changedAt notes that a chunk has more or fewer entries.
func (t *tree) changedAt(ci int) { t.known = min(t.known, ci+1) }

// clear takes all entries out.
func (t *tree) clear() {
	t.pool.free = append(t.pool.free, t.chunks...)
	t.chunks, t.first, t.size, t.known = t.chunks[:0], t.first[:0], 0, 0
}

// fill makes the tree one of these entries, in whatever order they are, which it sorts.
func (t *tree) fill(entries []entry) {
	if !slices.IsSortedFunc(entries, compareEntries) {
		slices.SortFunc(entries, compareEntries)
	}
	t.clear()
	const entriesAtFirst, blocksAtFirst = blockEntries * 3 / 4, chunkBlocks * 3 / 4 // room to grow before the first split
	blocks := (len(entries) + entriesAtFirst - 1) / entriesAtFirst
	for part := range slices.Chunk(entries, entriesAtFirst) {
		if k := len(t.chunks); k == 0 || t.chunks[k-1].filled == blocksAtFirst {
			c := t.pool.get()
			c.unread = true
			for d := range c.bound {
				c.bound[d] = math.MaxInt64
			}
			c.reserve(min(blocks, chunkBlocks))
			blocks -= blocksAtFirst
			t.chunks = append(t.chunks, c)
		}
		c := t.chunks[len(t.chunks)-1]
		b := c.open(len(part))
		copy(c.entries[b][:], part)
		c.first[b] = part[0].key
	}
	for _, c := range t.chunks {
		t.first = append(t.first, c.first[0])
	}
	t.size = len(entries)
	if len(t.chunks) > 0 {
		t.tighten()
	}
}

// insert puts an entry where its key and rank say. There is none of that key and rank.
func (t *tree) insert(a entry, amounts []int64) {
	t.size++
	if len(t.chunks) == 0 {
		c := t.pool.get()
		b := c.open(1)
		c.entries[b][0], c.first[b] = a, a.key
		copy(c.amountsAt(b, 0, 1), amounts)
		copy(c.mostOf(b), amounts)
		copy(c.bound, amounts)
		t.add(0, c)
		t.bound = append(t.bound[:0], amounts...)
		return
	}
	p := a.position()
	ci := t.chunkAt(p)
	c := t.chunks[ci]
	t.read(c)
	b := c.blockAt(p)
	if c.count[b] == blockEntries {
		if c.filled == chunkBlocks {
			t.split(ci)
			if next := t.chunks[ci+1]; next.beginsBefore(0, p) {
				ci, c = ci+1, next
			}
			b = c.blockAt(p)
		}
		c.split(b)
		if c.beginsBefore(b+1, p) {
			b++
		}
	}
	i, n := c.entryAt(b, p), int(c.count[b])
	copy(c.entries[b][i+1:], c.entries[b][i:n])
	copy(c.amountsAt(b, i+1, n-i), c.amountsAt(b, i, n-i))
	c.entries[b][i] = a
	copy(c.amountsAt(b, i, 1), amounts)
	c.count[b]++
	c.size++
	c.first[b] = c.entries[b][0].key
	t.first[ci] = c.first[0]
	t.changedAt(ci)
	raise(c.mostOf(b), amounts)
	raise(c.bound, amounts)
	raise(t.bound, amounts)
}

// add puts a chunk among the others.
func (t *tree) add(ci int, c *chunk) {
	t.chunks = slices.Insert(t.chunks, ci, c)
	t.first = slices.Insert(t.first, ci, c.first[0])
	t.changedAt(ci)
}

// split moves the second half of a full chunk into a new one after it.
func (t *tree) split(ci int) {
	c, next := t.chunks[ci], t.pool.get()
	const half = chunkBlocks / 2
	next.reserve(chunkBlocks)
	moveBlocks(next, 0, c, half, chunkBlocks-half)
	c.filled, next.filled = half, chunkBlocks-half
	for _, k := range next.count[:next.filled] {
		next.size += int(k)
	}
	c.size -= next.size
	c.tighten()
	next.tighten()
	t.changedAt(ci)
	t.add(ci+1, next)
}

// remove takes out the entry at p, which must be there.
func (t *tree) remove(p position) {
	after := p.next() // a chunk or block that begins with the entry begins before this
	ci := t.chunkAt(after)
	c := t.chunks[ci]
	t.read(c)
	b := c.blockAt(after)
	i, n := c.entryAt(b, p), int(c.count[b])
	reached := c.reaches(b, i)
	copy(c.entries[b][i:], c.entries[b][i+1:n])
	copy(c.amountsAt(b, i, n-i-1), c.amountsAt(b, i+1, n-i-1))
	c.count[b]--
	c.size--
	t.size--
	t.changedAt(ci)
	if reached {
		c.slack, t.slack = true, true
	}
	switch {
	case c.count[b] > 0:
		c.first[b] = c.entries[b][0].key
		if reached {
			c.tightenBlock(b)
		}
	case c.filled > 1:
		moveBlocks(c, b, c, b+1, c.filled-b-1)
		c.filled--
	default:
		t.pool.free = append(t.pool.free, c)
		t.chunks, t.first = slices.Delete(t.chunks, ci, ci+1), slices.Delete(t.first, ci, ci+1)
		t.known = min(t.known, ci)
		return
	}
	t.first[ci] = c.first[0]
}

// update gives the entry at p, which must be there, other amounts.
func (t *tree) update(p position, amounts []int64) {
	after := p.next()
	c := t.chunks[t.chunkAt(after)]
	if c.unread {
		return // they will be read
	}
	b := c.blockAt(after)
	copy(c.amountsAt(b, c.entryAt(b, p), 1), amounts)
	c.tightenBlock(b)
	c.slack, t.slack = true, true
	raise(c.bound, amounts)
	raise(t.bound, amounts)
}

// renumber gives every entry the rank of its row; the order of the rows has not changed.
func (t *tree) renumber(ranks []uint32) {
	for _, c := range t.chunks {
		for b := range c.filled {
			entries := c.block(b)
			for i := range entries {
				entries[i].rank = ranks[entries[i].row]
			}
		}
	}
}

// tighten makes the bounds of a tree those of its chunks.
func (t *tree) tighten() {
	t.bound = append(t.bound[:0], t.chunks[0].bound...)
	for _, c := range t.chunks[1:] {
		raise(t.bound, c.bound)
	}
	t.slack = false
}

// accepter says whether a row will do that has, by what the tree knows, the amounts that are wanted.
type accepter interface{ accepts(row uint32) bool }

// find returns the first row from p on that has what is wanted, will do, and stands under at least a key. If there is
// none it returns where it ended: at an entry with a lesser key, or at the tree's end.
func (t *tree) find(w *wanted, will accepter, p position, floor int64) (row uint32, found bool, end position) {
	if len(t.chunks) == 0 || !w.within(t.bound) {
		return 0, false, treeEnd
	}
	ci, b, i := 0, 0, 0
	if p != treeStart {
		ci, b, i = t.seek(p)
	}
	for ; ci < len(t.chunks); ci, b, i = ci+1, 0, 0 {
		c := t.chunks[ci]
		if !w.within(c.bound) {
			continue
		}
		whole := b == 0 && i == 0
		if c.unread {
			if t.first[ci] < floor && whole {
				return 0, false, c.entries[0][0].position()
			}
			t.read(c)
		}
		if a, at := c.find(w, will, b, i, floor); at {
			if a.key < floor {
				return 0, false, a.position()
			}
			return a.row, true, position{}
		}
		if whole && c.slack {
			c.tighten()
		}
	}
	if p == treeStart && t.slack {
		t.tighten()
	}
	return 0, false, treeEnd
}

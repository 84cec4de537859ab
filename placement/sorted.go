package placement

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/berth-sched/berth/internal/store"
)

// sortedColumns answers how many rows have less than some amount free, and which of them have the most,
// for explanations. It is brought up to date when it is asked, and costs next to nothing while nobody asks:
// the first question begins to note which rows change, the next, if it comes before much has changed,
// sorts, and when much has changed all is forgotten.
type sortedColumns struct {
	watching  bool
	columns   []*sortedColumn // by dimension; nil where nobody asked
	rank      []uint32        // the engine's, as the columns know it: nodes that come or go move all ranks
	changed   []uint32
	isChanged []bool
}

// note takes down that a row has changed.
func (s *sortedColumns) note(row uint32) {
	if s.watching {
		s.add(row)
	}
}

func (s *sortedColumns) add(row uint32) {
	switch n := len(s.isChanged); {
	case int(row) >= n || len(s.changed) > max(n/16, 64): // it is cheaper to begin anew
		*s = sortedColumns{}
	case !s.isChanged[row]:
		s.isChanged[row] = true
		s.changed = append(s.changed, row)
	}
}

// sortColumns brings the columns of the run's needs up to date. It returns false if it is better to look at
// every row, since nobody asked lately.
func (e *Engine) sortColumns(r *run) bool {
	s := &e.sorted
	if !s.watching || &s.rank[0] != &e.ranks[0] {
		*s = sortedColumns{watching: true, columns: make([]*sortedColumn, e.width), rank: e.ranks, isChanged: make([]bool, len(e.rows))}
		return false
	}
	for _, row := range s.changed {
		s.isChanged[row] = false
		if e.rows[row].node == nil {
			continue // it was a node in another snapshot, and is in no column of these ranks
		}
		for _, c := range s.columns {
			if c != nil {
				c.move(row, s.rank[row], e.freeOf(row))
			}
		}
	}
	s.changed = s.changed[:0]
	for _, n := range r.needs {
		c := s.columns[n.Dim]
		if c == nil || len(c.pages) > 16+4*e.view.Nodes()/pageRows { // or most pages are nearly empty
			c = e.sortColumn(int(n.Dim))
			s.columns[n.Dim] = c
		}
		c.countBefore()
	}
	return true
}

// column returns the sorted column of a need.
func (s *sortedColumns) column(n store.Need) *sortedColumn { return s.columns[n.Dim] }

// sortedColumn is all rows in the order of what is free of one dimension, the greatest amount first, and of
// node IDs among equal amounts: a B-tree of two levels, with the greatest free amounts of all dimensions
// beside each page. Those are upper bounds, like those of a lane.
type sortedColumn struct {
	dim   int
	pages []page
	most  []int64 // the bounds of each page, by dimension
	width int     // of the bounds of a page
	free  []int64 // by row: the amount it stands under
	exact int     // the pages whose before is right, from the first on
}

type page struct {
	first  entry
	rows   []entry
	before int  // rows in the pages before
	loose  bool // whether the bounds may be too high
}

type entry struct {
	free      int64
	rank, row uint32
}

func (a entry) compare(b entry) int {
	if a.free != b.free {
		return cmp.Compare(b.free, a.free)
	}
	return cmp.Compare(a.rank, b.rank)
}

const pageRows = 64

// sortColumn sorts the rows by a dimension: O(n log n).
func (e *Engine) sortColumn(dim int) *sortedColumn {
	c := &sortedColumn{dim: dim, width: e.width, free: make([]int64, len(e.rows))}
	all := make([]entry, 0, e.view.Nodes())
	for rank, row := range e.view.Order() {
		c.free[row] = e.freeOf(row)[dim]
		all = append(all, entry{c.free[row], uint32(rank), row})
	}
	slices.SortFunc(all, entry.compare)
	for part := range slices.Chunk(all, pageRows*3/4) { // room to grow before the first split
		c.pages = append(c.pages, page{first: part[0], rows: append(make([]entry, 0, pageRows), part...)})
	}
	c.most = make([]int64, len(c.pages)*c.width)
	for i := range c.pages {
		e.tightenPage(c, i)
	}
	return c
}

// mostOf returns the bounds of a page.
func (c *sortedColumn) mostOf(i int) []int64 { return c.most[i*c.width : (i+1)*c.width] }

// tightenPage makes the bounds of a page exact.
func (e *Engine) tightenPage(c *sortedColumn, i int) {
	most := c.mostOf(i)
	for d := range most {
		most[d] = math.MinInt64
	}
	for _, x := range c.pages[i].rows {
		raise(most, e.freeOf(x.row))
	}
	c.pages[i].loose = false
}

// pageAt returns the last page that begins before x, or the first.
func (c *sortedColumn) pageAt(x entry) int {
	lo, hi := 1, len(c.pages)
	for lo < hi {
		if m := (lo + hi) / 2; c.pages[m].first.compare(x) <= 0 {
			lo = m + 1
		} else {
			hi = m
		}
	}
	return lo - 1
}

// move puts a row where it belongs with what is free of it now.
func (c *sortedColumn) move(row, rank uint32, free []int64) {
	was, now := entry{c.free[row], rank, row}, entry{free[c.dim], rank, row}
	if was != now {
		c.free[row] = now.free
		c.remove(was)
		c.insert(now)
	}
	i := c.pageAt(now)
	raise(c.mostOf(i), free)
	c.pages[i].loose = true
}

func (c *sortedColumn) remove(x entry) {
	i := c.pageAt(x)
	p := &c.pages[i]
	at, _ := slices.BinarySearchFunc(p.rows, x, entry.compare)
	p.rows = slices.Delete(p.rows, at, at+1)
	p.loose = true
	switch {
	case len(p.rows) > 0:
		p.first = p.rows[0]
	case len(c.pages) > 1:
		c.pages = slices.Delete(c.pages, i, i+1)
		c.most = slices.Delete(c.most, i*c.width, (i+1)*c.width)
	}
	c.exact = min(c.exact, i)
}

func (c *sortedColumn) insert(x entry) {
	i := c.pageAt(x)
	if len(c.pages[i].rows) == pageRows {
		c.split(i)
		i = c.pageAt(x)
	}
	p := &c.pages[i]
	at, _ := slices.BinarySearchFunc(p.rows, x, entry.compare)
	p.rows = slices.Insert(p.rows, at, x)
	p.first = p.rows[0]
	c.exact = min(c.exact, i)
}

// split moves the second half of a full page into a new one after it.
func (c *sortedColumn) split(i int) {
	const half = pageRows / 2
	p := &c.pages[i]
	rest := append(make([]entry, 0, pageRows), p.rows[half:]...)
	p.rows, p.loose = p.rows[:half], true
	c.pages = slices.Insert(c.pages, i+1, page{first: rest[0], rows: rest, loose: true})
	c.most = slices.Insert(c.most, i*c.width, c.mostOf(i)...)
	c.exact = min(c.exact, i)
}

// countBefore makes every page's count of the rows before it right.
func (c *sortedColumn) countBefore() {
	for i := c.exact; i < len(c.pages); i++ {
		p := &c.pages[i]
		if p.before = 0; i > 0 {
			p.before = c.pages[i-1].before + len(c.pages[i-1].rows)
		}
	}
	c.exact = len(c.pages)
}

// after returns the place behind the rows that have at least an amount free: a page, and a place in it.
func (c *sortedColumn) after(amount int64) (page, at int) {
	x := entry{free: amount, rank: math.MaxUint32}
	page = c.pageAt(x)
	at, _ = slices.BinarySearchFunc(c.pages[page].rows, x, entry.compare)
	return page, at
}

// enough returns how many rows have at least an amount free.
func (c *sortedColumn) enough(amount int64) int {
	page, at := c.after(amount)
	return c.pages[page].before + at
}

// greatest returns the most that is free on any row.
func (c *sortedColumn) greatest() int64 { return c.pages[0].first.free }

// first yields the first n rows.
func (c *sortedColumn) first(n int) iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for i := range c.pages {
			for _, x := range c.pages[i].rows {
				if n--; n < 0 || !yield(x.row) {
					return
				}
			}
		}
	}
}

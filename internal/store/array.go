package store

import (
	"slices"
	"sync/atomic"
)

// A token is the right to write: a page that carries the token of its store is written in place, any
// other page is shared with a view or a fork and is copied first. Taking a view costs one new token. It is a
// number and no pointer, so that the garbage collector passes by pages that hold none.
type token uint64

var tokens, identities atomic.Uint64

func newToken() token { return token(tokens.Add(1)) }

// newIdentity returns a number that no other lineage or branch in the process has.
func newIdentity() uint64 { return identities.Add(1) }

const (
	fanBits  = 5
	fan      = 1 << fanBits
	pageBits = 3
	pageRows = 1 << pageBits
)

// pages is a copy-on-write sequence of pages of type P, below two tables of 32 below a top table. The
// value is a handle: copying it makes a second sequence that shares every page with the first, and whoever
// writes with another token copies what it touches. The tables are small because the first write after a
// view copies one of each, and copying pointers costs the more while the garbage collector runs; two
// fixed levels, because the top table is then a few words up to a hundred thousand rows and a few
// hundred at a million. A page lies in one piece with its owner: reading one is four loads.
type pages[P any] struct {
	top      []*inner[P]
	topOwner token
	n        int
}

type inner[P any] struct {
	owner  token
	used   int // rows in use below it, where they are counted
	leaves [fan]*leaf[P]
}

type leaf[P any] struct {
	owner token
	pages [fan]*page[P]
}

type page[P any] struct {
	owner token
	rows  P
}

func (a *pages[P]) at(i int) *page[P] {
	return a.top[i>>(2*fanBits)].leaves[i>>fanBits&(fan-1)].pages[i&(fan-1)]
}

// mut returns page i to be written by the holder of t. A page that had to be copied for it is handed to
// copied first, where that is not nil.
func (a *pages[P]) mut(t token, i int, copied func(*P)) *P {
	p := a.at(i)
	if p.owner == t {
		return &p.rows
	}
	p = &page[P]{owner: t, rows: p.rows}
	*a.hook(t, i) = p
	if copied != nil {
		copied(&p.rows)
	}
	return &p.rows
}

// grow appends a page.
func (a *pages[P]) grow(t token, rows P) {
	i := a.n
	a.n++
	if i>>(2*fanBits) == len(a.top) {
		a.ownTop(t)
		a.top = append(a.top, &inner[P]{owner: t})
	}
	*a.hook(t, i) = &page[P]{owner: t, rows: rows}
}

// hook makes the tables above a page the holder's own and returns where the page hangs.
func (a *pages[P]) hook(t token, i int) **page[P] {
	bi, ti := i>>(2*fanBits), i>>fanBits&(fan-1)
	a.ownTop(t)
	b := a.top[bi]
	if b.owner != t {
		b = &inner[P]{owner: t, used: b.used, leaves: b.leaves}
		a.top[bi] = b
	}
	w := b.leaves[ti]
	switch {
	case w == nil:
		w = &leaf[P]{owner: t}
	case w.owner != t:
		w = &leaf[P]{owner: t, pages: w.pages}
	}
	b.leaves[ti] = w
	return &w.pages[i&(fan-1)]
}

func (a *pages[P]) ownTop(t token) {
	if a.topOwner != t {
		a.top = append(make([]*inner[P], 0, len(a.top)+1), a.top...)
		a.topOwner = t
	}
}

// truncate keeps the pages below the first tables.
func (a *pages[P]) truncate(t token, tables int) {
	a.ownTop(t)
	clear(a.top[tables:])
	a.top = a.top[:tables]
	a.n = tables * fan * fan
}

// An Array is a copy-on-write sequence of rows.
type Array[T any] struct {
	pages pages[[pageRows]T]
	rows  int
}

// Len returns the number of rows.
func (a *Array[T]) Len() int { return a.rows }

// At returns row i to be read; it never changes while the caller holds a view.
func (a *Array[T]) At(i int) *T { return &a.pages.at(i >> pageBits).rows[i&(pageRows-1)] }

// mutAt returns row i to be written by the holder of t.
func (a *Array[T]) mutAt(t token, i int) *T {
	return &a.pages.mut(t, i>>pageBits, nil)[i&(pageRows-1)]
}

// mutAtCopied is mutAt; it hands each page that had to be copied to copied, before it is written.
func (a *Array[T]) mutAtCopied(t token, i int, copied func(*[pageRows]T)) *T {
	return &a.pages.mut(t, i>>pageBits, copied)[i&(pageRows-1)]
}

// grow makes room for one more row, zeroed, and returns its index.
func (a *Array[T]) grow(t token) int {
	i := a.rows
	if a.rows++; i&(pageRows-1) == 0 {
		a.pages.grow(t, [pageRows]T{})
	}
	return i
}

// Columns is a copy-on-write sequence of vectors of one width.
type Columns struct {
	pages pages[[]int64]
	rows  int
	width int
}

// Len returns the number of rows.
func (c *Columns) Len() int { return c.rows }

// Row returns row i to be read; its content never changes while the caller holds a view.
func (c *Columns) Row(i int) []int64 { return c.in(c.pages.at(i>>pageBits).rows, i) }

// mutRow returns row i to be written by the holder of t.
func (c *Columns) mutRow(t token, i int) []int64 {
	return c.in(*c.pages.mut(t, i>>pageBits, func(p *[]int64) { *p = slices.Clone(*p) }), i)
}

func (c *Columns) in(page []int64, i int) []int64 {
	at := (i & (pageRows - 1)) * c.width
	return page[at : at+c.width : at+c.width]
}

// grow makes room for one more row, zeroed, and returns its index.
func (c *Columns) grow(t token) int {
	i := c.rows
	if c.rows++; i&(pageRows-1) == 0 {
		c.pages.grow(t, make([]int64, c.width*pageRows))
	}
	return i
}

// truncate gives up the rows from a multiple of tableRows on.
func (c *Columns) truncate(t token, rows int) {
	c.pages.truncate(t, rows/tableRows)
	c.rows = rows
}

// widened returns the same rows with more elements in each, the new ones zero.
func (c *Columns) widened(t token, width int) Columns {
	w := Columns{width: width}
	for i := range c.rows {
		w.grow(t)
		copy(w.mutRow(t, i), c.Row(i))
	}
	return w
}

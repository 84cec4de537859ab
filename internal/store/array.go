package store

// A token is the right to write: a page that carries the token of its store is written in place, any
// other page is shared with a view or a fork and is copied first. Taking a view costs one new token.
type token struct{ _ byte }

const (
	fanBits = 5
	fan     = 1 << fanBits
)

// An Array is a copy-on-write sequence of rows of equal width: leaves of a few rows below two tables of
// 32 below a top table. The value is a handle: copying it makes a second array that shares every page
// with the first, and whoever writes with another token copies what it touches. The tables are small
// because the first write after a view copies one of each, and copying pointers costs the more while
// the garbage collector runs; two fixed levels, because the top table is then a few words up to a
// hundred thousand rows and a few hundred at a million.
type Array[T any] struct {
	top      []*branch[T]
	topOwner *token
	rows     int
	width    int
	leafBits int
}

type branch[T any] struct {
	owner *token
	twigs [fan]*twig[T]
}

type twig[T any] struct {
	owner  *token
	leaves [fan]*leaf[T]
}

type leaf[T any] struct {
	owner *token
	data  []T
}

func newArray[T any](width, leafBits int) Array[T] {
	return Array[T]{width: width, leafBits: leafBits}
}

// Len returns the number of rows.
func (a *Array[T]) Len() int { return a.rows }

func (a *Array[T]) leafOf(i int) *leaf[T] {
	l := i >> a.leafBits
	return a.top[l>>(2*fanBits)].twigs[l>>fanBits&(fan-1)].leaves[l&(fan-1)]
}

// Row returns row i to be read; its content never changes while the caller holds a view.
func (a *Array[T]) Row(i int) []T {
	at := (i & (1<<a.leafBits - 1)) * a.width
	return a.leafOf(i).data[at : at+a.width : at+a.width]
}

// At returns the first element of row i to be read.
func (a *Array[T]) At(i int) *T {
	return &a.leafOf(i).data[(i&(1<<a.leafBits-1))*a.width]
}

// mutRow returns row i to be written by the holder of t.
func (a *Array[T]) mutRow(t *token, i int) []T {
	l := a.own(t, i, nil)
	at := (i & (1<<a.leafBits - 1)) * a.width
	return l.data[at : at+a.width : at+a.width]
}

// mutAt returns the first element of row i to be written by the holder of t.
func (a *Array[T]) mutAt(t *token, i int) *T {
	return a.mutAtCopied(t, i, nil)
}

// mutAtCopied is mutAt; it hands each leaf that had to be copied to copied, before it is written.
func (a *Array[T]) mutAtCopied(t *token, i int, copied func([]T)) *T {
	return &a.own(t, i, copied).data[(i&(1<<a.leafBits-1))*a.width]
}

func (a *Array[T]) own(t *token, i int, copied func([]T)) *leaf[T] {
	if l := a.leafOf(i); l.owner == t {
		return l
	}
	slot := a.ownTwig(t, i)
	data := make([]T, len((*slot).data))
	copy(data, (*slot).data)
	*slot = &leaf[T]{owner: t, data: data}
	if copied != nil {
		copied(data)
	}
	return *slot
}

// ownTwig makes the tables above a leaf the holder's own and returns where the leaf hangs.
func (a *Array[T]) ownTwig(t *token, i int) **leaf[T] {
	l := i >> a.leafBits
	bi, ti := l>>(2*fanBits), l>>fanBits&(fan-1)
	a.ownTop(t)
	b := a.top[bi]
	if b.owner != t {
		b = &branch[T]{owner: t, twigs: b.twigs}
		a.top[bi] = b
	}
	w := b.twigs[ti]
	if w.owner != t {
		w = &twig[T]{owner: t, leaves: w.leaves}
		b.twigs[ti] = w
	}
	return &w.leaves[l&(fan-1)]
}

func (a *Array[T]) ownTop(t *token) {
	if a.topOwner != t {
		a.top = append(make([]*branch[T], 0, len(a.top)+1), a.top...)
		a.topOwner = t
	}
}

// grow makes room for one more row, zeroed, and returns its index.
func (a *Array[T]) grow(t *token) int {
	i := a.rows
	a.rows++
	if i&(1<<a.leafBits-1) != 0 {
		return i // its leaf is there already
	}
	l := i >> a.leafBits
	if l>>(2*fanBits) == len(a.top) {
		a.ownTop(t)
		a.top = append(a.top, &branch[T]{owner: t})
	}
	if l&(fan-1) == 0 {
		a.ownTop(t)
		b := a.top[l>>(2*fanBits)]
		if b.owner != t {
			b = &branch[T]{owner: t, twigs: b.twigs}
			a.top[l>>(2*fanBits)] = b
		}
		b.twigs[l>>fanBits&(fan-1)] = &twig[T]{owner: t}
	}
	*a.ownTwig(t, i) = &leaf[T]{owner: t, data: make([]T, a.width<<a.leafBits)}
	return i
}

// widened returns an array of the same rows with more elements in each, the new ones zero.
func (a *Array[T]) widened(t *token, width int) Array[T] {
	b := newArray[T](width, a.leafBits)
	for i := range a.rows {
		b.grow(t)
		copy(b.mutRow(t, i), a.Row(i))
	}
	return b
}

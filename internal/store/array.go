package store

// A token is the right to write: a page that carries the token of its store is written in place, any
// other page is shared with a view or a fork and is copied first. Taking a view costs one new token.
type token struct{ _ byte }

const (
	midBits = 6
	midSize = 1 << midBits
)

// An Array is a copy-on-write sequence of rows of equal width, in two levels of tables above leaves.
// The value is a handle: copying it makes a second array that shares every page with the first, and
// whoever writes with another token copies what it touches. Two levels, because at a hundred thousand
// rows the top table is a hundred words, which is cheaper to copy once per view than a deeper trie is to walk.
type Array[T any] struct {
	top      []*mid[T]
	topOwner *token
	rows     int
	width    int
	leafBits int
}

type mid[T any] struct {
	owner  *token
	leaves [midSize]*leaf[T]
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

// Row returns row i to be read; its content never changes while the caller holds a view.
func (a *Array[T]) Row(i int) []T {
	l := a.top[i>>(a.leafBits+midBits)].leaves[i>>a.leafBits&(midSize-1)]
	at := (i & (1<<a.leafBits - 1)) * a.width
	return l.data[at : at+a.width : at+a.width]
}

// At returns the first element of row i to be read.
func (a *Array[T]) At(i int) *T {
	l := a.top[i>>(a.leafBits+midBits)].leaves[i>>a.leafBits&(midSize-1)]
	return &l.data[(i&(1<<a.leafBits-1))*a.width]
}

// mutRow returns row i to be written by the holder of t.
func (a *Array[T]) mutRow(t *token, i int) []T {
	l := a.own(t, i, nil)
	at := (i & (1<<a.leafBits - 1)) * a.width
	return l.data[at : at+a.width : at+a.width]
}

// mutAt returns the first element of row i to be written by the holder of t.
func (a *Array[T]) mutAt(t *token, i int) *T {
	l := a.own(t, i, nil)
	return &l.data[(i&(1<<a.leafBits-1))*a.width]
}

// mutAtCopied is mutAt; it hands each leaf that had to be copied to copied, before it is written.
func (a *Array[T]) mutAtCopied(t *token, i int, copied func([]T)) *T {
	l := a.own(t, i, copied)
	return &l.data[(i&(1<<a.leafBits-1))*a.width]
}

func (a *Array[T]) own(t *token, i int, copied func([]T)) *leaf[T] {
	mi, li := i>>(a.leafBits+midBits), i>>a.leafBits&(midSize-1)
	if m := a.top[mi]; m.owner == t {
		if l := m.leaves[li]; l.owner == t {
			return l
		}
	}
	a.ownTop(t)
	m := a.top[mi]
	if m.owner != t {
		m = &mid[T]{owner: t, leaves: m.leaves}
		a.top[mi] = m
	}
	l := m.leaves[li]
	if l.owner != t {
		data := make([]T, len(l.data))
		copy(data, l.data)
		l = &leaf[T]{owner: t, data: data}
		m.leaves[li] = l
		if copied != nil {
			copied(data)
		}
	}
	return l
}

func (a *Array[T]) ownTop(t *token) {
	if a.topOwner != t {
		a.top = append(make([]*mid[T], 0, len(a.top)+1), a.top...)
		a.topOwner = t
	}
}

// grow makes room for one more row, zeroed, and returns its index.
func (a *Array[T]) grow(t *token) int {
	i := a.rows
	mi, li := i>>(a.leafBits+midBits), i>>a.leafBits&(midSize-1)
	if mi == len(a.top) {
		a.ownTop(t)
		a.top = append(a.top, &mid[T]{owner: t})
	}
	if m := a.top[mi]; m.leaves[li] == nil {
		a.ownTop(t)
		if m.owner != t {
			m = &mid[T]{owner: t, leaves: m.leaves}
			a.top[mi] = m
		}
		m.leaves[li] = &leaf[T]{owner: t, data: make([]T, a.width<<a.leafBits)}
	}
	a.rows++
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

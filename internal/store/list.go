package store

import (
	"iter"
	"slices"
)

// A list is the mentions of a group's records, the earliest first. It is a value: a copy is another list, which shares what is
// in it. Of the copies one may append in place, that of the store which goes on; a fork's is sealed, and leaves what it
// shares as it is, and so is one out of which a mention was taken that a view has. Its parts get shorter from the first to the last, so forks of forks without end have few, and what
// a fork first appends costs no copy of all.
type list struct {
	older  *parts // nil where all are in last
	last   []mention
	sealed bool
}

// parts is the first mentions of a list. It is immutable.
type parts struct {
	list [][]mention
	n    int // mentions in all
}

// len returns how many mentions there are.
func (l *list) len() int {
	if l.older == nil {
		return len(l.last)
	}
	return l.older.n + len(l.last)
}

// all yields the mentions.
func (l *list) all() iter.Seq[mention] {
	return func(yield func(mention) bool) {
		if l.older != nil {
			for _, part := range l.older.list {
				for _, m := range part {
					if !yield(m) {
						return
					}
				}
			}
		}
		for _, m := range l.last {
			if !yield(m) {
				return
			}
		}
	}
}

// add appends a mention.
func (l *list) add(m mention) {
	if l.sealed {
		l.unseal()
	}
	l.last = append(l.last, m)
}

// drop takes out the last mention. What is shared says whether a view may have it.
func (l *list) drop(shared bool) {
	if len(l.last) == 0 { // a fork has made a part of it since
		k := len(l.older.list) - 1
		l.last, shared = l.older.list[k], true
		if k == 0 {
			l.older = nil
		} else {
			l.older = &parts{l.older.list[:k], l.older.n - len(l.last)}
		}
	}
	l.last = l.last[:len(l.last)-1]
	l.sealed = l.sealed || shared
}

// unseal makes room at the end that is the list's own.
func (l *list) unseal() {
	const short = 16 // copied rather than kept as a part
	l.sealed = false
	if len(l.last) <= short {
		l.last = append(make([]mention, 0, 2*len(l.last)+1), l.last...)
		return
	}
	n, part := l.len(), l.last
	var older [][]mention
	if l.older != nil {
		older = l.older.list
	}
	k := len(older)
	for k > 0 && len(older[k-1]) <= 2*len(part) {
		k--
		part = slices.Concat(older[k], part)
	}
	l.older, l.last = &parts{append(slices.Clip(older[:k]), part), n}, nil
}

// tidy leaves out mentions that are not good; live is how many are.
func (l *list) tidy(live int, good func(mention) bool) {
	kept := make([]mention, 0, live+live/2+1)
	for m := range l.all() {
		if good(m) {
			kept = append(kept, m)
		}
	}
	*l = list{last: kept}
}

package extender

import "sync"

// lists are lists that are used again and again, by one request after another. Long ones are not kept: a single large request would keep
// their room for ever.
type lists[T any] struct {
	pool sync.Pool
}

func (l *lists[T]) get() []T {
	if kept, ok := l.pool.Get().(*[]T); ok {
		return (*kept)[:0]
	}
	return nil
}

func (l *lists[T]) put(list []T) {
	if cap(list) > 0 && cap(list) <= mostKept {
		l.pool.Put(&list)
	}
}

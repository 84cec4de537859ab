package checked

import (
	"errors"

	"github.com/berth-sched/berth/internal/store"
)

// Saves is the savepoints of something that can go back to them, the earliest first.
type Saves[T any] struct {
	list     []saved[T]
	numbered uint64
}

type saved[T any] struct {
	number uint64
	at     T
}

// SaveID names a savepoint. The zero SaveID names none.
type SaveID struct {
	place  int
	number uint64
}

// Add adds a savepoint, unless the last one is the same.
func (s *Saves[T]) Add(at T, same func(last T) bool) SaveID {
	if n := len(s.list); n == 0 || !same(s.list[n-1].at) {
		s.numbered++
		s.list = append(s.list, saved[T]{s.numbered, at})
	}
	n := len(s.list) - 1
	return SaveID{n, s.list[n].number}
}

// Back returns a savepoint, to be written, and forgets those after it; nil if there is none of that name.
func (s *Saves[T]) Back(to SaveID) *T {
	if to.number == 0 || to.place >= len(s.list) || s.list[to.place].number != to.number {
		return nil
	}
	clear(s.list[to.place+1:])
	s.list = s.list[:to.place+1]
	return &s.list[to.place].at
}

// Clear forgets all.
func (s *Saves[T]) Clear() {
	clear(s.list)
	s.list = s.list[:0]
}

// ErrNoSavepoint is told where there is nothing to go back to.
var ErrNoSavepoint = errors.New("no savepoint of this, or one that was rolled back beyond")

// Savepoint is a state of a fork.
type Savepoint struct {
	of *Fork
	id SaveID
}

// forkSave is what a fork is at a savepoint.
type forkSave struct {
	store store.Savepoint
	ops   int
}

// Savepoint returns the present state.
func (f *Fork) Savepoint() Savepoint {
	f = f.Ready()
	at := forkSave{f.s.Save(), len(f.ops)}
	return Savepoint{f, f.saves.Add(at, func(last forkSave) bool { return f.s.IsAt(last.store) && len(f.ops) == last.ops })}
}

// Rollback takes back what was done since a savepoint.
func (f *Fork) Rollback(to Savepoint) error {
	f = f.Ready()
	if to.of != f {
		return ErrNoSavepoint
	}
	at := f.saves.Back(to.id)
	if at == nil {
		return ErrNoSavepoint
	}
	f.s.Rollback(at.store)
	f.ops = f.ops[:at.ops]
	f.nodes++
	at.store = f.s.Save()
	return nil
}

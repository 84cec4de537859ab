package store

import (
	"hash/maphash"
	"slices"
	"sync"
)

type names struct {
	list []string
	byID map[string]int32
}

// Interner gives small numbers to attribute names and values. Its numbers depend on the order of
// arrival and therefore never order anything. It is shared by a store, its views and its forks.
type Interner struct {
	mu   sync.RWMutex
	ids  map[string]uint32
	text []string
}

// ID returns the number of s, a new one if it is new.
func (in *Interner) ID(s string) uint32 {
	in.mu.RLock()
	id, ok := in.ids[s]
	in.mu.RUnlock()
	if ok {
		return id
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if id, ok := in.ids[s]; ok {
		return id
	}
	id = uint32(len(in.text))
	in.text = append(in.text, s)
	in.ids[s] = id
	return id
}

// Text returns what id stands for.
func (in *Interner) Text(id uint32) string {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return in.text[id]
}

var seed = maphash.MakeSeed()

// Hash returns the hash of an ID, the same for as long as the program runs.
func Hash(id string) uint32 { return uint32(maphash.String(seed, id)) }

// Dims returns the names of the dimensions.
func (v *View) Dims() []string { return v.dims.list }

// DimOf returns the dimension of that name.
func (v *View) DimOf(name string) (int32, bool) {
	d, ok := v.dims.byID[name]
	return d, ok
}

// Attrs returns the interner of attribute names and values.
func (v *View) Attrs() *Interner { return v.attrs }

// Dim returns the dimension of that name, a new one if it is new.
func (s *Store) Dim(name string) int32 {
	if d, ok := s.dims.byID[name]; ok {
		return d
	}
	d := int32(len(s.dims.list))
	grown := &names{list: append(slices.Clone(s.dims.list), name), byID: make(map[string]int32, len(s.dims.byID)+1)}
	for i, n := range grown.list {
		grown.byID[n] = int32(i)
	}
	s.dims = grown
	if int(d) >= s.free.width {
		s.free = s.free.widened(s.token, 2*s.free.width)
	}
	return d
}

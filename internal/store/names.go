package store

import (
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/berth-sched/berth"
)

var seed = maphash.MakeSeed()

// Hash returns the hash of an ID, the same for as long as the program runs.
func Hash(id string) uint32 { return uint32(maphash.String(seed, id)) }

// Interner gives small numbers to the names of attributes. Its numbers depend on the order of
// arrival and therefore never order anything. It is shared by a store, its views and its forks.
type Interner struct {
	mu   sync.RWMutex
	ids  map[string]uint32
	text []string
}

// Attrs returns the interner of attribute names.
func (v *View) Attrs() *Interner { return v.attrs }

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

// values gives numbers to the values of attributes. It is shared by stores, views and forks until one of these stores turns
// to a table of its own, with the values only that its nodes have, so that values do not pile up as nodes come and
// go. Those that stay keep their numbers, and no number is given twice within a lineage: whoever remembers one
// that is forgotten here, as an index of another view may, meets it nowhere else.
type values struct {
	last *atomic.Uint32 // the last number given in the lineage
	kept int            // how many there were at first

	mu  sync.RWMutex
	ids map[string]uint32
}

func newValues() *values { return &values{last: new(atomic.Uint32), ids: map[string]uint32{}} }

// internKey is the text under which a value is interned: numbers and texts never collide, for what
// follows the first NUL of a number is never another.
func internKey(v berth.Value) string {
	text := v.String()
	if _, number := v.Number(); number || strings.HasPrefix(text, "\x00") {
		return "\x00" + text
	}
	return text
}

func (in *values) find(text string) (uint32, bool) {
	in.mu.RLock()
	defer in.mu.RUnlock()
	id, ok := in.ids[text]
	return id, ok
}

// FindValue returns the number of a value of an attribute; a node that has the value has it by this number.
func (v *View) FindValue(value berth.Value) (uint32, bool) { return v.values.find(internKey(value)) }

// Value returns the number of a value of an attribute, a new one if it is new. The number is good
// for a node that comes to the store next: what no node has may be forgotten when one has come, with a snapshot, or with Keep.
func (s *Store) Value(value berth.Value) uint32 {
	in, text := s.values, internKey(value)
	if id, ok := in.find(text); ok {
		return id
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if id, ok := in.ids[text]; ok {
		return id
	}
	id := in.last.Add(1)
	in.ids[text] = id
	s.newValues++
	return id
}

// forgetValues gives the store values, and a catalog, of its own, with what its nodes have, once there are more new ones than it kept
// and has nodes, or once more nodes are gone than it has. It walks over the nodes, so for each value that is new, or node that is
// gone, this costs little. A fork counts those values only that it added itself: there may be many forks
// of what has many values.
func (s *Store) forgetValues() {
	most := s.values.kept + s.nodeN + 4096
	if s.newValues <= most && s.goneNodes <= s.nodeN+4096 && (s.forked || s.values.len() <= 2*most) {
		return
	}
	if s.postponed() {
		return
	}
	used := make(map[uint32]bool, s.values.kept)
	catalog := s.catalog.emptied()
	for row := range uint32(s.Rows()) {
		if n := s.Node(row).Node; n != nil {
			for _, a := range n.Attrs {
				used[a.Value] = true
			}
			catalog.Note(n.Attrs, nil)
		}
	}
	s.values, s.catalog, s.newValues, s.goneNodes = s.values.only(used), catalog, 0, 0
}

func (in *values) len() int {
	in.mu.RLock()
	defer in.mu.RUnlock()
	return len(in.ids)
}

// only returns those of the values that are used.
func (in *values) only(used map[uint32]bool) *values {
	kept := &values{last: in.last, ids: make(map[string]uint32, len(used)), kept: len(used)}
	in.mu.RLock()
	defer in.mu.RUnlock()
	for text, id := range in.ids {
		if used[id] {
			kept.ids[text] = id
		}
	}
	return kept
}

// Package mesos is the order and the allocator of Apache Mesos as its source has them (src/master/allocator of 1.11), to compare with in
// tests: shares in float64, whole remainders of nodes, quotas of roles at the top, filters by time. It is written to be read, not to be
// fast, and knows scalars and one kind of amounts that come whole, such as ports; no reservations, and one role for each framework. It
// checks nothing: who calls it gives it what is right.
package mesos

import (
	"slices"
	"strings"
)

// Amounts are amounts of resources by name.
type Amounts map[string]int64

// Sorter orders clients, which are paths, by weighted dominant share.
type Sorter struct {
	exclude []string
	total   Amounts
	clients map[string]*client
	weights map[string]float64
	counts  map[string]int // allocations ever made at and below a path
}

type client struct {
	held   Amounts
	count  int
	active bool
}

// NewSorter returns a sorter without clients in which some resources count in nobody's share.
func NewSorter(exclude ...string) *Sorter {
	return &Sorter{exclude: exclude, total: Amounts{}, clients: map[string]*client{}, weights: map[string]float64{}, counts: map[string]int{}}
}

// Add makes a client known and active.
func (s *Sorter) Add(path string) {
	s.clients[path] = &client{held: Amounts{}, active: true}
}

// Remove forgets a client, with what it has.
func (s *Sorter) Remove(path string) {
	delete(s.clients, path)
	for at := path; at != ""; at = above(at) {
		if len(s.below(at)) == 0 {
			delete(s.counts, at)
		}
	}
}

// Known reports whether there is such a client.
func (s *Sorter) Known(path string) bool { return s.clients[path] != nil }

// Len returns the number of clients.
func (s *Sorter) Len() int { return len(s.clients) }

// Activate lets a client be in the order or not.
func (s *Sorter) Activate(path string, active bool) { s.clients[path].active = active }

// SetWeight gives a path a weight among its siblings.
func (s *Sorter) SetWeight(path string, w float64) { s.weights[path] = w }

// SetTotal replaces what there is to share out.
func (s *Sorter) SetTotal(total Amounts) { s.total = total }

// Allocated adds to what a client has.
func (s *Sorter) Allocated(path string, r Amounts) {
	c := s.clients[path]
	c.held.add(r, 1)
	c.count++
	for at := path; at != ""; at = above(at) {
		s.counts[at]++
	}
}

// Unallocated takes from what a client has.
func (s *Sorter) Unallocated(path string, r Amounts) { s.clients[path].held.add(r, -1) }

// Held returns what a client has.
func (s *Sorter) Held(path string) Amounts { return s.clients[path].held }

// Share returns the share of all at and below a path, over its weight.
func (s *Sorter) Share(path string) float64 {
	held := Amounts{}
	for _, p := range s.below(path) {
		held.add(s.clients[p].held, 1)
	}
	return s.share(held) / s.weight(path)
}

// Sort returns the active clients, whose turn is first coming first.
func (s *Sorter) Sort() []string {
	paths := make([]string, 0, len(s.clients))
	for p := range s.clients {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return s.sort("", paths)
}

func (s *Sorter) sort(prefix string, paths []string) (order []string) {
	type sibling struct {
		path  string // the client at an inner node is a leaf "." below it
		share float64
		count int
		below []string
	}
	var siblings []*sibling
	at := map[string]*sibling{}
	for _, p := range paths {
		name, _, _ := strings.Cut(strings.TrimPrefix(p, prefix), "/")
		path := prefix + name
		if p+"/" == prefix {
			path = prefix + "."
		}
		if at[path] == nil {
			at[path] = &sibling{path: path}
			siblings = append(siblings, at[path])
		}
		at[path].below = append(at[path].below, p)
	}
	for _, b := range siblings {
		held := Amounts{}
		for _, p := range b.below {
			held.add(s.clients[p].held, 1)
		}
		b.share = s.share(held) / s.weight(b.path)
		if b.count = s.counts[b.path]; strings.HasSuffix(b.path, "/.") {
			b.count = s.clients[b.below[0]].count
		}
	}
	slices.SortFunc(siblings, func(a, b *sibling) int {
		switch {
		case a.share < b.share:
			return -1
		case a.share > b.share:
			return 1
		case a.count != b.count:
			return a.count - b.count
		}
		return strings.Compare(a.path, b.path)
	})
	for _, b := range siblings {
		if p := b.below[0]; len(b.below) == 1 && (p == b.path || p+"/." == b.path) {
			if s.clients[p].active {
				order = append(order, p)
			}
			continue
		}
		order = append(order, s.sort(b.path+"/", b.below)...)
	}
	return order
}

func (s *Sorter) below(path string) (paths []string) {
	for p := range s.clients {
		if p == path || strings.HasPrefix(p, path+"/") {
			paths = append(paths, p)
		}
	}
	return paths
}

func (s *Sorter) weight(path string) float64 {
	if w, ok := s.weights[path]; ok {
		return w
	}
	return 1
}

func (s *Sorter) share(held Amounts) (share float64) {
	for name, q := range held {
		if total := s.total[name]; total > 0 && !slices.Contains(s.exclude, name) {
			share = max(share, float64(q)/float64(total))
		}
	}
	return share
}

func above(path string) string {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return ""
	}
	return path[:i]
}

func (a Amounts) add(r Amounts, times int64) {
	for name, q := range r {
		if a[name] += times * q; a[name] <= 0 {
			delete(a, name)
		}
	}
}

func (a Amounts) covers(r Amounts) bool {
	for name, q := range r {
		if a[name] < q {
			return false
		}
	}
	return true
}

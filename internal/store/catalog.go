package store

import (
	"slices"
	"sync"
	"unique"
)

// Catalog is what nodes were ever seen to have. It only grows, and is shared by a store, its views and its forks,
// so it may tell of more than a view has. Nothing is decided by it, only how.
type Catalog struct {
	mu      sync.Mutex
	values  map[uint32][]uint32 // by attribute, up to one more than Narrow
	devices []string
}

// A Class is what the nodes of one kind have in common, to be compared.
type Class struct {
	text unique.Handle[string]
	Hash uint32
}

// Narrow is the number of values up to which a Catalog counts them.
const Narrow = 32

// ClassOf returns the class of that text.
func ClassOf(text string) Class { return Class{unique.Make(text), Hash(text)} }

// Note adds what a node has.
func (c *Catalog) Note(attrs []Attr, devices []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range attrs {
		if v := c.values[a.Key]; len(v) <= Narrow && !slices.Contains(v, a.Value) {
			c.values[a.Key] = append(v, a.Value)
		}
	}
	for _, d := range devices {
		if !slices.Contains(c.devices, d) {
			c.devices = append(slices.Clip(c.devices), d)
		}
	}
}

// Values returns how many values an attribute has, beyond Narrow one more than it.
func (c *Catalog) Values(key uint32) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.values[key])
}

// Devices returns the classes of devices.
func (c *Catalog) Devices() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.devices
}

// Catalog returns what nodes were ever seen to have.
func (v *View) Catalog() *Catalog { return v.catalog }

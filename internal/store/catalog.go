package store

import (
	"slices"
	"sync"
	"unique"
)

// Catalog is what nodes were seen to have, and perhaps no longer do. It is shared by a store, its views and its forks,
// so it may tell of more than a view has. Nothing is decided by it, only how.
type Catalog struct {
	devices *deviceClasses

	mu     sync.Mutex
	values map[uint32][]uint32 // by attribute, up to one more than LowCardinality
}

// deviceClasses are those that nodes of a lineage ever had. Indexes go by their places, so none is ever forgotten.
type deviceClasses struct {
	mu    sync.Mutex
	list  []string // appended to; readers have what it was
	known map[string]bool
}

// LowCardinality is the number of values up to which a Catalog counts them.
const LowCardinality = 32

func newCatalog() *Catalog {
	return &Catalog{devices: new(deviceClasses), values: map[uint32][]uint32{}}
}

// emptied returns a catalog without values of attributes.
func (c *Catalog) emptied() *Catalog {
	return &Catalog{devices: c.devices, values: map[uint32][]uint32{}}
}

// Catalog returns what nodes were seen to have.
func (v *View) Catalog() *Catalog { return v.catalog }

// Note adds what a node has.
func (c *Catalog) Note(attrs []Attr, devices []string) {
	c.mu.Lock()
	for _, a := range attrs {
		if v := c.values[a.Key]; len(v) <= LowCardinality && !slices.Contains(v, a.Value) {
			c.values[a.Key] = append(v, a.Value)
		}
	}
	c.mu.Unlock()
	if len(devices) > 0 {
		c.devices.note(devices)
	}
}

func (d *deviceClasses) note(classes []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil {
		d.known = map[string]bool{}
	}
	for _, c := range classes {
		if !d.known[c] {
			d.known[c] = true
			d.list = append(d.list, c)
		}
	}
}

// Values returns how many values an attribute has, beyond LowCardinality one more than it.
func (c *Catalog) Values(key uint32) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.values[key])
}

// Devices returns the classes of devices, in the order in which they were first seen in the lineage.
func (c *Catalog) Devices() []string {
	c.devices.mu.Lock()
	defer c.devices.mu.Unlock()
	return c.devices.list
}

// A Class is what the nodes of one kind have in common, to be compared.
type Class struct {
	text unique.Handle[string]
	Hash uint32
}

// ClassOf returns the class of that text.
func ClassOf(text string) Class { return Class{unique.Make(text), Hash(text)} }

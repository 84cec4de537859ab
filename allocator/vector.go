package allocator

import (
	"errors"
	"fmt"
	"math"

	"github.com/berth-sched/berth"
)

// Vector is a [berth.Resources] compiled by [DRF.Vector], for charging the same amounts many times.
// It is immutable and belongs to the DRF that made it.
type Vector struct {
	names *names
	terms []term
}

// term is a positive quantity of the resource with that index.
type term struct {
	index    int
	quantity int64
}

// names gives each resource name an index, in the order in which they are first seen. The index is
// where a resource lies in dense columns; it decides nothing.
type names struct {
	index map[string]int
	list  []string
}

func (n *names) intern(name string) int {
	i, ok := n.index[name]
	if !ok {
		i = len(n.list)
		n.index[name] = i
		n.list = append(n.list, name)
	}
	return i
}

// Vector compiles r for [DRF.ChargeVector] and [DRF.CreditVector]. It fails with all faults of r.
func (d *DRF) Vector(r berth.Resources) (Vector, error) {
	v, err := d.compile(r)
	if err != nil {
		return Vector{}, fmt.Errorf("allocator: vector: %w", err)
	}
	return v, nil
}

func (d *DRF) compile(r berth.Resources) (Vector, error) {
	if err := r.Err(); err != nil {
		return Vector{}, err
	}
	if d.names == nil {
		d.names = &names{index: make(map[string]int)}
	}
	v := Vector{names: d.names, terms: make([]term, 0, len(r))}
	for name, q := range r.All() {
		if q > 0 {
			v.terms = append(v.terms, term{d.names.intern(name), q})
		}
	}
	return v, nil
}

// column is a dense vector by resource index; what lies beyond its end is zero, so that a name seen
// late costs nothing to those who never hold it.
type column []int64

func (c column) at(i int) int64 {
	if i >= len(c) {
		return 0
	}
	return c[i]
}

// plus returns c with v added, in place where there is room. The caller has checked that no sum overflows.
func (c column) plus(v Vector) column {
	for _, t := range v.terms {
		for t.index >= len(c) {
			c = append(c, 0)
		}
		c[t.index] += t.quantity
	}
	return c
}

// minus subtracts v from c. The caller has checked that c holds all of v.
func (c column) minus(v Vector) {
	for _, t := range v.terms {
		c[t.index] -= t.quantity
	}
}

// roomFor returns an error for each sum c+v that overflows.
func (c column) roomFor(v Vector) error {
	var errs []error
	for _, t := range v.terms {
		if a, b := c.at(t.index), t.quantity; a > math.MaxInt64-b {
			errs = append(errs, fmt.Errorf("resource %q: %d + %d: %w", v.names.list[t.index], a, b, berth.ErrOverflow))
		}
	}
	return errors.Join(errs...)
}

// holds returns an error for each difference c-v below zero.
func (c column) holds(v Vector) error {
	var errs []error
	for _, t := range v.terms {
		if have := c.at(t.index); have < t.quantity {
			errs = append(errs, fmt.Errorf("resource %q: %d - %d: %w", v.names.list[t.index], have, t.quantity, berth.ErrNegative))
		}
	}
	return errors.Join(errs...)
}

// vector returns what c holds.
func (c column) vector(n *names) Vector {
	v := Vector{names: n}
	for i, q := range c {
		if q > 0 {
			v.terms = append(v.terms, term{i, q})
		}
	}
	return v
}

// resources returns what c holds, by name.
func (c column) resources(n *names) berth.Resources {
	r := make(berth.Resources, len(c))
	for i, q := range c {
		if q > 0 {
			r[n.list[i]] = q
		}
	}
	return r
}

package allocator

import (
	"errors"
	"fmt"

	"github.com/berth-sched/berth"
)

// Vector is a [berth.Resources] compiled by [DRF.Vector], for charging the same amounts many times. It is
// immutable, and can be used with the DRF that made it and no other, as long as that exists.
type Vector struct {
	owner *DRF
	terms []term // by name
}

// term is a positive quantity of a resource.
type term struct {
	resource *resource
	quantity int64
}

// resource is what is known of a name. It is known to the DRF while there is capacity of it or somebody
// holds it. A Vector can outlive that: its resource is known again when it is charged, or another of the
// same name has taken its place by then.
type resource struct {
	name     string
	capacity wide
	excluded bool
	counts   bool // in shares: there is capacity of it, and it is not excluded
	known    bool // it is in DRF.resources
	wanted   wide // by a credit that is being checked
}

func (r *resource) setCapacity(c wide) {
	r.capacity = c
	r.counts = c != wide{} && !r.excluded
}

// Vector compiles r for [DRF.ChargeVector] and [DRF.CreditVector]. It changes nothing in d. It fails with all
// faults of r.
func (d *DRF) Vector(r berth.Resources) (Vector, error) {
	v, err := d.compile(r)
	if err != nil {
		return Vector{}, fmt.Errorf("allocator: vector: %w", err)
	}
	return v, nil
}

// compile makes no resource known: a vector alone holds nothing.
func (d *DRF) compile(r berth.Resources) (Vector, error) {
	if err := d.usable(); err != nil {
		return Vector{}, err
	}
	if err := r.Err(); err != nil {
		return Vector{}, err
	}
	v := Vector{owner: d, terms: make([]term, 0, len(r))}
	for name, q := range r.All() {
		if q == 0 {
			continue
		}
		at := d.resources.get(name)
		if at == nil {
			at = &resource{name: name, excluded: d.excluded[name]}
		}
		v.terms = append(v.terms, term{at, q})
	}
	return v, nil
}

// present returns the known resource of r's name: r itself but for vectors that outlived it. It is nil if
// there is none.
func (d *DRF) present(r *resource) *resource {
	if r.known {
		return r
	}
	return d.resources.get(r.name)
}

// learn makes every resource of v known.
func (d *DRF) learn(v Vector) {
	for _, t := range v.terms {
		if d.present(t.resource) == nil {
			t.resource.known = true
			d.resources.set(t.resource.name, t.resource)
		}
	}
}

// forget lets go of r if there is no capacity of it and nobody holds it.
func (d *DRF) forget(r *resource) {
	if r.capacity != (wide{}) {
		return
	}
	if root := d.roles.get(""); root != nil && root.used.find(r) >= 0 {
		return
	}
	r.known = false
	d.resources.delete(r.name)
}

// shortOf returns an error for each term of v of which amount tells less.
func (d *DRF) shortOf(v Vector, amount func(*resource) wide) error {
	var errs []error
	for _, t := range v.terms {
		var have wide
		if r := d.present(t.resource); r != nil {
			have = amount(r)
		}
		if have.compare(wideOf(t.quantity)) < 0 {
			errs = append(errs, fmt.Errorf("resource %q: %d - %d: %w", t.resource.name, have.int64(), t.quantity, berth.ErrNegative))
		}
	}
	return errors.Join(errs...)
}

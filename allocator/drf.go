package allocator

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/google/btree"

	"github.com/berth-sched/berth"
)

// ErrUnknown is wrapped by the error about a client that was never added, or was removed.
var ErrUnknown = errors.New("unknown client")

// ErrExists is wrapped by the error of [DRF.Add] about a client that is known already.
var ErrExists = errors.New("client exists")

// ErrForeign is wrapped by the error about a [Vector] that another DRF made, or none.
var ErrForeign = errors.New("vector was not made by this DRF")

var (
	errNil    = errors.New("DRF is nil")
	errCopied = errors.New("DRF is a copy of one in use")
)

// Config is what a [DRF] starts with. The zero Config is valid.
type Config struct {
	// Capacity is what there is to share out, as [DRF.SetCapacity] would set it. The default is
	// nothing, and then all shares are zero.
	Capacity berth.Resources

	// Weights of roles, as [DRF.SetWeight] would set them, in thousandths; the default is
	// [DefaultWeight]. A role need not have clients yet. The root can have no weight.
	Weights map[berth.Role]Weight

	// Exclude names resources that count in nobody's share, each once: those so scarce that the first
	// client to hold one would be served last in everything else. Mesos has this as
	// fair_sharing_excluded_resource_names, for GPUs. The price is that nobody's turn depends on how many
	// of them it holds. The default is none.
	Exclude []string
}

// DRF keeps what clients hold and tells whose turn it is. The package comment gives the rule.
//
// The zero DRF is ready to use and has no capacity. A DRF must not be copied once it is in use: on a copy, and
// on a nil DRF, the methods that return an error return one, and the others return nothing. A DRF is for one
// goroutine at a time, for reading too: a read may bring the order up to date. A method that returns an
// error has changed nothing.
//
// A DRF takes memory for what is present. A removed client, a role without clients, and a resource without
// capacity that nobody holds are forgotten, and their memory is given back. Weights are configuration and
// stay.
type DRF struct {
	self      *DRF // where it was first used
	resources table[string, *resource]
	excluded  map[string]bool
	weights   table[berth.Role, Weight] // other than the default
	closed    table[berth.Role, bool]   // those that are

	clients table[Client, *node]
	roles   table[berth.Role, *node]
	seating seating
	spare   *btree.FreeListG[*node]
	epoch   uint64 // counts changes of capacity
	stale   bool   // the capacity has changed since the orders were made
}

// New returns a DRF without clients. It fails with all faults of the configuration, joined.
func New(c Config) (*DRF, error) {
	d := &DRF{excluded: make(map[string]bool)}
	d.self = d
	for _, name := range c.Exclude {
		d.excluded[name] = true
	}
	var errs []error
	if err := d.SetCapacity(c.Capacity); err != nil {
		errs = append(errs, err)
	}
	for _, r := range slices.Sorted(maps.Keys(c.Weights)) {
		if err := d.SetWeight(r, c.Weights[r]); err != nil {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(append(errs, checkExcluded(c.Exclude)...)...); err != nil {
		return nil, err
	}
	return d, nil
}

// checkExcluded returns the faults of names of resources that are not to count.
func checkExcluded(names []string) (errs []error) {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if err := (berth.Resources{name: 0}).Err(); err != nil {
			errs = append(errs, fmt.Errorf("allocator: exclude: %w", err))
		} else if seen[name] {
			errs = append(errs, fmt.Errorf("allocator: exclude: resource %q: named twice", name))
		}
		seen[name] = true
	}
	return errs
}

// checkWeight returns every fault of a weight and of the role that it is given to, joined.
func checkWeight(r berth.Role, w Weight) error {
	var errs []error
	if err := checkRole(r); err != nil {
		errs = append(errs, err)
	}
	if r == "" {
		errs = append(errs, errors.New("the root has no siblings"))
	}
	if w <= 0 {
		errs = append(errs, fmt.Errorf("weight %s is not positive", w))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("allocator: weight of %.40q: %w", string(r), err)
	}
	return nil
}

// usable says why d cannot be used, or nil.
func (d *DRF) usable() error {
	switch {
	case d == nil:
		return errNil
	case d.self != nil && d.self != d:
		return errCopied
	}
	return nil
}

// SetCapacity replaces the whole capacity, which may become less than what is charged. It fails with all
// faults of total. It takes time for each resource that is known; if anything changed, the next read takes
// time for each client.
func (d *DRF) SetCapacity(total berth.Resources) error {
	v, err := d.compile(total)
	if err != nil {
		return fmt.Errorf("allocator: capacity: %w", err)
	}
	if d.capacityIs(v) {
		return nil
	}
	for _, r := range d.resources.m {
		r.setCapacity(wide{})
	}
	d.self = d
	d.learn(v)
	for _, t := range v.terms {
		d.present(t.resource).setCapacity(wideOf(t.quantity))
	}
	for _, r := range d.resources.m {
		d.forget(r)
	}
	d.capacityChanged()
	return nil
}

// capacityIs reports whether v is the whole capacity.
func (d *DRF) capacityIs(v Vector) bool {
	n := 0
	for _, r := range d.resources.m {
		if r.capacity != (wide{}) {
			n++
		}
	}
	for _, t := range v.terms {
		if t.resource.capacity != wideOf(t.quantity) {
			return false
		}
	}
	return n == len(v.terms)
}

// AddCapacity adds r, such as the capacity of a node that joins. Totals may exceed an int64. It fails with
// all faults of r. It takes time for each resource of r, and the next read for each client.
func (d *DRF) AddCapacity(r berth.Resources) error {
	v, err := d.compile(r)
	if err != nil {
		return fmt.Errorf("allocator: add capacity: %w", err)
	}
	d.self = d
	d.learn(v)
	for _, t := range v.terms {
		at := d.present(t.resource)
		at.setCapacity(at.capacity.plus(wideOf(t.quantity)))
	}
	d.capacityChanged()
	return nil
}

// RemoveCapacity takes r away, such as the capacity of a node that leaves. It fails with all faults of r, or
// if there is less, naming every such resource. It takes as long as AddCapacity.
func (d *DRF) RemoveCapacity(r berth.Resources) error {
	v, err := d.compile(r)
	if err == nil {
		err = d.shortOf(v, func(r *resource) wide { return r.capacity })
	}
	if err != nil {
		return fmt.Errorf("allocator: remove capacity: %w", err)
	}
	for _, t := range v.terms {
		at := d.present(t.resource)
		at.setCapacity(at.capacity.minus(wideOf(t.quantity)))
		d.forget(at)
	}
	d.capacityChanged()
	return nil
}

func (d *DRF) capacityChanged() {
	d.epoch++
	d.stale = true
}

// Capacity returns the capacity, without the resources of which there is none; never nil. An amount beyond
// an int64 reads as [math.MaxInt64].
func (d *DRF) Capacity() berth.Resources {
	all := berth.Resources{}
	if d.usable() != nil {
		return all
	}
	for name, r := range d.resources.m {
		if r.capacity != (wide{}) {
			all[name] = r.capacity.int64()
		}
	}
	return all
}

// SetWeight gives a role its weight, in thousandths, relative to its siblings: the roles next to it, and the
// clients of the role above. Nothing is taken from anyone: the weight affects whose turn comes next. It
// applies whether or not the role has clients, and stays until it is set to [DefaultWeight]. It fails with
// all faults of the role, for the root, which has no siblings, and if the weight is not positive.
func (d *DRF) SetWeight(r berth.Role, w Weight) error {
	err := checkWeight(r, w)
	if unusable := d.usable(); unusable != nil {
		err = errors.Join(fmt.Errorf("allocator: weight of %.40q: %w", string(r), unusable), err)
	}
	if err != nil {
		return err
	}
	d.self = d
	if w == DefaultWeight {
		d.weights.delete(r)
	} else {
		d.weights.set(r, w)
	}
	if n := d.roles.get(r); n != nil {
		n.weight = w
		d.file(n)
	}
	return nil
}

// Add makes c known, active and holding nothing. It fails with all faults of c, or wrapping [ErrExists] if c
// is known.
func (d *DRF) Add(c Client) error {
	if err := d.usable(); err != nil {
		return fmt.Errorf("allocator: add: %w", err)
	}
	if err := c.Err(); err != nil {
		return fmt.Errorf("allocator: add: %w", err)
	}
	if d.clients.get(c) != nil {
		return fmt.Errorf("allocator: add %q: %w", c.String(), ErrExists)
	}
	d.self = d
	leaf := d.leaf(c)
	d.clients.set(c, leaf)
	for n := leaf; n != nil; n = n.parent {
		n.clients++
	}
	d.activeBelow(leaf, 1)
	return nil
}

// Remove forgets c and takes back everything it holds. A role above that is left without clients is forgotten
// too, with its count of charges; the others keep theirs. It fails wrapping [ErrUnknown] if c is unknown.
func (d *DRF) Remove(c Client) error {
	leaf, err := d.find("remove", c)
	if err != nil {
		return err
	}
	held := slices.Clone(leaf.used.heap)
	d.setLeaf(leaf, false)
	d.update(leaf, func(n *node) {
		for _, h := range held {
			n.used.take(h.resource, h.amount, d.epoch)
		}
		n.clients--
	})
	d.seating.leave(leaf.seat)
	for _, h := range held {
		d.forget(h.resource)
	}
	d.clients.delete(c)
	d.prune(c)
	return nil
}

// Activate lets c have turns again after [DRF.Deactivate]. It does nothing if c is active, and fails
// wrapping [ErrUnknown] if c is unknown.
func (d *DRF) Activate(c Client) error {
	return d.setActive("activate", c, true)
}

// Deactivate keeps c out of the order, for instance because it wants nothing now. What it holds still
// counts in its share and its roles' shares, and it can be charged. It does nothing if c is inactive, and
// fails wrapping [ErrUnknown] if c is unknown.
func (d *DRF) Deactivate(c Client) error {
	return d.setActive("deactivate", c, false)
}

func (d *DRF) setActive(verb string, c Client, active bool) error {
	leaf, err := d.find(verb, c)
	if err != nil {
		return err
	}
	d.setLeaf(leaf, active)
	return nil
}

func (d *DRF) setLeaf(leaf *node, active bool) {
	switch {
	case active && leaf.active == 0:
		d.activeBelow(leaf, 1)
	case !active && leaf.active > 0:
		d.activeBelow(leaf, -1)
	}
}

// Len returns the number of clients, inactive ones included.
func (d *DRF) Len() int {
	if d.usable() != nil {
		return 0
	}
	return len(d.clients.m)
}

// Charge adds r to what c holds, and one to its count of charges, even if r is empty. Shares may exceed one,
// and sums an int64: a charge never fails because of what is held. It fails wrapping [ErrUnknown] if c is
// unknown, and with all faults of r.
func (d *DRF) Charge(c Client, r berth.Resources) error {
	_, err := d.find("charge", c)
	v, verr := d.compile(r)
	if verr != nil {
		err = errors.Join(err, fmt.Errorf("allocator: charge %q: %w", c.String(), verr))
	}
	if err != nil {
		return err
	}
	return d.ChargeVector(c, v)
}

// Credit takes r back from what c holds. It fails wrapping [ErrUnknown] if c is unknown, with all faults of r,
// or if c holds less, naming every such resource and wrapping [berth.ErrNegative].
func (d *DRF) Credit(c Client, r berth.Resources) error {
	_, err := d.find("credit", c)
	v, verr := d.compile(r)
	if verr != nil {
		err = errors.Join(err, fmt.Errorf("allocator: credit %q: %w", c.String(), verr))
	}
	if err != nil {
		return err
	}
	return d.CreditVector(c, v)
}

// ChargeVector is [DRF.Charge] with compiled resources. At each level from the client to the root it takes
// time logarithmic in the number of siblings and, for each resource of v, in the number of resources held
// there. It allocates nothing but where a level holds a resource for the first time. It fails wrapping
// [ErrUnknown] or [ErrForeign].
func (d *DRF) ChargeVector(c Client, v Vector) error {
	leaf, err := d.findFor("charge", c, v)
	if err != nil {
		return err
	}
	d.learn(v)
	d.update(leaf, func(n *node) {
		for i := range v.terms {
			t := &v.terms[i]
			r := t.resource
			if !r.known { // asked here, because present is too large to be inlined
				r = d.present(r)
			}
			n.used.add(r, wideOf(t.quantity), d.epoch)
		}
		n.charges++
	})
	return nil
}

// CreditVector is [DRF.Credit] with compiled resources. It takes as long as ChargeVector. It fails wrapping
// [ErrUnknown], [ErrForeign] or [berth.ErrNegative].
func (d *DRF) CreditVector(c Client, v Vector) error {
	leaf, err := d.findFor("credit", c, v)
	if err != nil {
		return err
	}
	if err := d.shortOf(v, leaf.used.amount); err != nil {
		return fmt.Errorf("allocator: credit %q: %w", c.String(), err)
	}
	d.update(leaf, func(n *node) {
		for _, t := range v.terms {
			n.used.take(d.present(t.resource), wideOf(t.quantity), d.epoch)
		}
	})
	for _, t := range v.terms {
		d.forget(d.present(t.resource))
	}
	return nil
}

// Charged returns what c holds, and whether c is known; nil if it is not. An amount beyond an int64 reads as
// [math.MaxInt64].
func (d *DRF) Charged(c Client) (berth.Resources, bool) {
	if d.usable() != nil {
		return nil, false
	}
	leaf := d.clients.get(c)
	if leaf == nil {
		return nil, false
	}
	return leaf.used.resources(), true
}

// Share returns the dominant share of what c itself holds, and whether c is known. Its weight is the
// default: weights belong to roles.
func (d *DRF) Share(c Client) (Share, bool) {
	if d.usable() != nil {
		return Share{}, false
	}
	return d.share(d.clients.get(c))
}

// RoleShare returns the dominant share of what all clients at and below r hold together, with the weight of
// r, and whether there are any clients. That of the root tells how full the cluster is.
func (d *DRF) RoleShare(r berth.Role) (Share, bool) {
	if d.usable() != nil {
		return Share{}, false
	}
	return d.share(d.roles.get(r))
}

func (d *DRF) share(n *node) (Share, bool) {
	if n == nil || n.clients == 0 {
		return Share{}, false
	}
	s := Share{Weight: n.weight}
	if top := n.used.top(d.epoch); top != nil {
		s.Resource = top.resource.name
		s.Used, s.Total = fraction(top.amount, top.resource.capacity)
	}
	return s, true
}

func (d *DRF) find(verb string, c Client) (*node, error) {
	if err := d.usable(); err != nil {
		return nil, fmt.Errorf("allocator: %s %q: %w", verb, c.String(), err)
	}
	leaf := d.clients.get(c)
	if leaf == nil {
		return nil, fmt.Errorf("allocator: %s %q: %w", verb, c.String(), ErrUnknown)
	}
	return leaf, nil
}

func (d *DRF) findFor(verb string, c Client, v Vector) (*node, error) {
	leaf, err := d.find(verb, c)
	if v.owner == nil || v.owner != d {
		err = errors.Join(err, fmt.Errorf("allocator: %s %q: %w", verb, c.String(), ErrForeign))
	}
	return leaf, err
}

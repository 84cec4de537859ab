package allocator

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/btree"

	"github.com/berth-sched/berth"
)

// ErrUnknown is wrapped when a client was never added, or was removed.
var ErrUnknown = errors.New("unknown client")

// ErrExists is wrapped when a client that is added was added before.
var ErrExists = errors.New("client exists")

// ErrForeign is wrapped when a [Vector] was made by another DRF, or by none.
var ErrForeign = errors.New("vector was not made by this DRF")

// Config is what a [DRF] starts with. The zero Config is valid.
type Config struct {
	// Capacity is what there is to share out, as [DRF.SetCapacity] would set it. The default is
	// nothing, and then all shares are zero.
	Capacity berth.Resources

	// Weights of roles, in thousandths; the default is [DefaultWeight]. A role need not have clients
	// yet. A weight is relative to siblings only, so the root can have none.
	Weights map[berth.Role]Weight

	// Exclude names resources that count in nobody's share: those so scarce that the first to hold one
	// would be served last in everything else. Mesos has this as fair_sharing_excluded_resource_names,
	// for GPUs. The price is that they are shared out by the other resources alone.
	Exclude []string
}

// DRF keeps what clients hold and tells whose turn it is. The package comment gives the rule.
//
// The zero DRF is ready to use and has no capacity. A DRF is for one goroutine at a time, for reading
// too: a read may bring the order up to date. It must not be copied. A method that returns an error
// has changed nothing.
type DRF struct {
	names    *names
	capacity column
	counted  []int // indices of the resources that count in shares, by name
	excluded map[string]bool
	weights  map[berth.Role]Weight

	clients map[Client]*node
	roles   map[berth.Role]*node
	spare   *btree.FreeListG[*node]
	stale   bool // the capacity has changed since the orders were made
	walks   int  // walks in progress
}

// New returns a DRF without clients. It fails with all faults of the configuration at once.
func New(c Config) (*DRF, error) {
	d := &DRF{excluded: make(map[string]bool)}
	var errs []error
	if err := d.SetCapacity(c.Capacity); err != nil {
		errs = append(errs, err)
	}
	for _, r := range slices.Sorted(maps.Keys(c.Weights)) {
		if err := d.SetWeight(r, c.Weights[r]); err != nil {
			errs = append(errs, err)
		}
	}
	for _, name := range c.Exclude {
		if err := (berth.Resources{name: 0}).Err(); err != nil {
			errs = append(errs, fmt.Errorf("allocator: exclude: %w", err))
		} else if d.excluded[name] {
			errs = append(errs, fmt.Errorf("allocator: exclude: resource %q: named twice", name))
		}
		d.excluded[name] = true
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	d.count()
	return d, nil
}

// SetCapacity replaces the whole capacity. It may be less than what is charged. It fails with all faults
// of total. The cost of a new order, if there is one, is paid by the next read; so it is for AddCapacity and
// RemoveCapacity.
func (d *DRF) SetCapacity(total berth.Resources) error {
	v, err := d.compile(total)
	if err != nil {
		return fmt.Errorf("allocator: capacity: %w", err)
	}
	d.capacity = column(nil).plus(v)
	d.count()
	return nil
}

// AddCapacity adds what a node brings that joins. It fails with all faults of r, or naming every resource
// whose capacity would overflow an int64.
func (d *DRF) AddCapacity(r berth.Resources) error {
	v, err := d.compile(r)
	if err == nil {
		err = d.capacity.roomFor(v)
	}
	if err != nil {
		return fmt.Errorf("allocator: add capacity: %w", err)
	}
	d.capacity = d.capacity.plus(v)
	d.count()
	return nil
}

// RemoveCapacity takes away what a node had that leaves. It fails with all faults of r, or naming every
// resource of which there is less.
func (d *DRF) RemoveCapacity(r berth.Resources) error {
	v, err := d.compile(r)
	if err == nil {
		err = d.capacity.holds(v)
	}
	if err != nil {
		return fmt.Errorf("allocator: remove capacity: %w", err)
	}
	d.capacity.minus(v)
	d.count()
	return nil
}

// Capacity returns the capacity, without the resources of which there is none.
func (d *DRF) Capacity() berth.Resources {
	return d.capacity.resources(d.names)
}

// count finds which resources count in shares, after the capacity has changed.
func (d *DRF) count() {
	d.stale = true
	d.counted = d.counted[:0]
	for i, q := range d.capacity {
		if q > 0 && !d.excluded[d.names.list[i]] {
			d.counted = append(d.counted, i)
		}
	}
	slices.SortFunc(d.counted, func(a, b int) int {
		return strings.Compare(d.names.list[a], d.names.list[b])
	})
}

// SetWeight gives a role its weight among its siblings; the clients and roles below it share what it
// gets, as before. The weight stays when the role has no clients left. Nothing is taken from anyone:
// the weight bears on whose turn comes next.
func (d *DRF) SetWeight(r berth.Role, w Weight) error {
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
		return fmt.Errorf("allocator: weight of %q: %w", string(r), err)
	}
	if d.weights == nil {
		d.weights = make(map[berth.Role]Weight)
	}
	d.weights[r] = w
	if n := d.roles[r]; n != nil {
		n.weight = w
		d.file(n)
	}
	return nil
}

// Add makes c known, active and holding nothing. It fails with all faults of c, or if c is known.
func (d *DRF) Add(c Client) error {
	if err := c.Err(); err != nil {
		return fmt.Errorf("allocator: add: %w", err)
	}
	if d.clients[c] != nil {
		return fmt.Errorf("allocator: add %q: %w", c.String(), ErrExists)
	}
	if d.clients == nil {
		d.clients = make(map[Client]*node)
		d.roles = make(map[berth.Role]*node)
	}
	leaf := d.leaf(c)
	d.clients[c] = leaf
	d.update(leaf, func(n *node) {
		n.clients++
		n.active++
	})
	return nil
}

// Remove forgets c and takes back whatever it holds. The charges it counted for in the roles above
// stay counted.
func (d *DRF) Remove(c Client) error {
	leaf, err := d.find("remove", c)
	if err != nil {
		return err
	}
	held, active := leaf.used.vector(d.names), leaf.active
	d.update(leaf, func(n *node) {
		n.used.minus(held)
		n.clients--
		n.active -= active
	})
	delete(d.clients, c)
	d.prune(c)
	return nil
}

// Activate lets c have turns again after [DRF.Deactivate]. It does nothing if c is active.
func (d *DRF) Activate(c Client) error {
	return d.setActive("activate", c, 1)
}

// Deactivate keeps c out of the order, for instance because it wants nothing now. What it holds still
// counts in its share and its roles' shares, and it can be charged. It does nothing if c is inactive.
func (d *DRF) Deactivate(c Client) error {
	return d.setActive("deactivate", c, 0)
}

func (d *DRF) setActive(verb string, c Client, active int) error {
	leaf, err := d.find(verb, c)
	if err != nil {
		return err
	}
	if delta := active - leaf.active; delta != 0 {
		d.update(leaf, func(n *node) { n.active += delta })
	}
	return nil
}

// Len returns the number of clients, inactive ones included.
func (d *DRF) Len() int {
	return len(d.clients)
}

// Charge adds r to what c holds. It may take any share above one. It fails if c is unknown, with all
// faults of r, or if all clients' holdings of a resource would overflow an int64.
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

// Credit takes r back from what c holds. It fails if c is unknown, with all faults of r, or if c holds
// less, naming every such resource.
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

// ChargeVector is [DRF.Charge] with compiled resources: in steady state it allocates nothing. It moves
// one key at each level from the client to the root.
func (d *DRF) ChargeVector(c Client, v Vector) error {
	leaf, err := d.findFor("charge", c, v)
	if err != nil {
		return err
	}
	// The root holds what all hold, so if there is room there, there is room on the way.
	if err := d.roles[""].used.roomFor(v); err != nil {
		return fmt.Errorf("allocator: charge %q: held by all: %w", c.String(), err)
	}
	d.update(leaf, func(n *node) {
		n.used = n.used.plus(v)
		n.charges++
	})
	return nil
}

// CreditVector is [DRF.Credit] with compiled resources: it allocates nothing, and costs as ChargeVector does.
func (d *DRF) CreditVector(c Client, v Vector) error {
	leaf, err := d.findFor("credit", c, v)
	if err != nil {
		return err
	}
	if err := leaf.used.holds(v); err != nil {
		return fmt.Errorf("allocator: credit %q: %w", c.String(), err)
	}
	d.update(leaf, func(n *node) { n.used.minus(v) })
	return nil
}

// Charged returns what c holds, and whether c is known.
func (d *DRF) Charged(c Client) (berth.Resources, bool) {
	leaf := d.clients[c]
	if leaf == nil {
		return nil, false
	}
	return leaf.used.resources(d.names), true
}

// Share returns the dominant share of what c itself holds, and whether c is known. Its weight is the
// default: weights belong to roles.
func (d *DRF) Share(c Client) (Share, bool) {
	return d.share(d.clients[c])
}

// RoleShare returns the dominant share of what all clients at and below r hold together, and whether
// there are any. That of the root is how full the cluster is.
func (d *DRF) RoleShare(r berth.Role) (Share, bool) {
	return d.share(d.roles[r])
}

func (d *DRF) share(n *node) (Share, bool) {
	if n == nil || n.clients == 0 {
		return Share{}, false
	}
	s := Share{Weight: n.weight}
	if i := d.dominant(n.used); i >= 0 {
		s.Used, s.Total, s.Resource = n.used[i], d.capacity[i], d.names.list[i]
	}
	return s, true
}

func (d *DRF) find(verb string, c Client) (*node, error) {
	leaf := d.clients[c]
	if leaf == nil {
		return nil, fmt.Errorf("allocator: %s %q: %w", verb, c.String(), ErrUnknown)
	}
	return leaf, nil
}

func (d *DRF) findFor(verb string, c Client, v Vector) (*node, error) {
	leaf, err := d.find(verb, c)
	if v.names == nil || v.names != d.names {
		err = errors.Join(err, fmt.Errorf("allocator: %s %q: %w", verb, c.String(), ErrForeign))
	}
	return leaf, err
}

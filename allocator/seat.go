package allocator

import (
	"errors"
	"fmt"
	"iter"
	"math/bits"

	"github.com/berth-sched/berth"
)

// Seat is a client of a [DRF] or a [Queue], found once. Calls by seat look up no role, no name and no resource by its name, which is most
// of what a call by client costs. A seat is good until its client is removed, and another's only after 2^32 seats more were given. The
// zero Seat is nobody's. A place that was left takes some twenty bytes until another client gets it or nobody has a seat.
type Seat uint64

// seating is what a DRF keeps of seats.
type seating struct {
	seats[node]
	index []*resource // nil where no resource has the index
}

// seats says who has which seat: the number of a place, from one, with that of the giving above it.
type seats[T any] struct {
	places []chair[T]
	free   []uint32 // places without a client
	given  uint32
}

type chair[T any] struct {
	seat Seat
	who  *T
}

var (
	errNoSeat  = fmt.Errorf("no client has this seat: %w", ErrUnknown)
	errLengths = errors.New("as many amounts as indexes are wanted")
)

func (s *seats[T]) give(who *T) Seat {
	at := uint32(len(s.places))
	if n := len(s.free); n > 0 {
		at, s.free = s.free[n-1], s.free[:n-1]
	} else {
		s.places = append(s.places, chair[T]{})
	}
	seat := Seat(s.given)<<32 | Seat(at) + 1
	s.given++
	s.places[at] = chair[T]{seat, who}
	return seat
}

// leave makes the place of a removed client free.
func (s *seats[T]) leave(seat Seat) {
	if s.at(seat) == nil {
		return
	}
	at := uint32(seat) - 1
	s.places[at] = chair[T]{}
	if s.free = append(s.free, at); len(s.free) == len(s.places) {
		s.places, s.free = nil, nil
	}
}

// at returns who has a seat, or nil.
func (s *seats[T]) at(seat Seat) *T {
	i := uint64(uint32(seat)) - 1
	if i >= uint64(len(s.places)) || s.places[i].seat != seat {
		return nil
	}
	return s.places[i].who
}

// Seat returns the seat of a client, and gives the client a tag, by which the caller knows it again: [DRF.Tags] yields it. A client
// has one seat, and the tag that was given last. It fails wrapping [ErrUnknown] if c is unknown.
func (d *DRF) Seat(c Client, tag int) (Seat, error) {
	leaf, err := d.find("seat", c)
	if err != nil {
		return 0, err
	}
	if leaf.tag = tag; leaf.seat == 0 {
		leaf.seat = d.seating.give(leaf)
	}
	return leaf.seat, nil
}

// sit returns the client of a seat, or what is wrong.
func (d *DRF) sit(verb string, seat Seat) (*node, error) {
	err := d.usable()
	if err == nil {
		if n := d.seating.at(seat); n != nil {
			return n, nil
		}
		err = errNoSeat
	}
	return nil, fmt.Errorf("allocator: %s seat %d: %w", verb, uint64(seat), err)
}

// SetIndex names resources by their index, for [DRF.ChargeSeat] and [DRF.CreditSeat]: index i is the i-th name. An empty name is that
// of an index that is not used. It replaces the whole index, and changes nothing of what is held. It fails with all faults of
// the names. It takes time for each name.
func (d *DRF) SetIndex(names []string) error {
	errs := []error{d.usable()}
	for i, name := range names {
		if name == "" {
			continue
		}
		if err := (berth.Resources{name: 0}).Err(); err != nil {
			errs = append(errs, fmt.Errorf("index %d: %w", i, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("allocator: index: %w", err)
	}
	d.self = d
	d.seating.index = make([]*resource, len(names))
	for i, name := range names {
		if name == "" {
			continue
		}
		at := d.resources.get(name)
		if at == nil {
			at = &resource{name: name, excluded: d.excluded[name]}
		}
		d.seating.index[i] = at
	}
	return nil
}

// checkAmounts returns what is wrong with amounts of resources by index.
func (d *DRF) checkAmounts(index []int32, amounts []int64) error {
	if len(index) != len(amounts) {
		return fmt.Errorf("%d indexes and %d amounts: %w", len(index), len(amounts), errLengths)
	}
	var errs []error
	for i, at := range index {
		switch {
		case uint64(uint32(at)) >= uint64(len(d.seating.index)) || d.seating.index[at] == nil:
			errs = append(errs, fmt.Errorf("index %d: no resource has it", at))
		case amounts[i] < 0:
			errs = append(errs, fmt.Errorf("resource %q: %d: %w", d.seating.index[at].name, amounts[i], berth.ErrNegative))
		}
	}
	return errors.Join(errs...)
}

// indexed returns the known resource at an index, made known if it is not.
func (d *DRF) indexed(at int32) *resource {
	r := d.seating.index[at]
	if r.known {
		return r
	}
	if known := d.resources.get(r.name); known != nil {
		d.seating.index[at] = known
		return known
	}
	r.known = true
	d.resources.set(r.name, r)
	return r
}

// ChargeSeat is [DRF.Charge] by seat, with amounts of the resources at indexes that [DRF.SetIndex] named. An index may come more
// than once: its amounts add up. At each level from the client to the root it takes time logarithmic in the number of siblings. It
// allocates nothing but where a level holds a resource for the first time. It fails wrapping [ErrUnknown] if the seat is
// nobody's, and with all faults of the amounts.
func (d *DRF) ChargeSeat(seat Seat, index []int32, amounts []int64) error {
	return d.ChargeSeatTimes(seat, index, amounts, 1)
}

// ChargeSeatTimes does what so many calls of [DRF.ChargeSeat] would, in the time of one; no call where times is 0. It fails as ChargeSeat
// does, and wrapping [berth.ErrNegative] if times is negative.
func (d *DRF) ChargeSeatTimes(seat Seat, index []int32, amounts []int64, times int64) error {
	leaf, err := d.sit("charge", seat)
	if err != nil {
		return err
	}
	if times < 0 {
		return fmt.Errorf("allocator: charge %q: %d times: %w", leaf.client.String(), times, berth.ErrNegative)
	}
	if err := d.checkAmounts(index, amounts); err != nil {
		return fmt.Errorf("allocator: charge %q: %w", leaf.client.String(), err)
	}
	if times == 0 {
		return nil
	}
	for i, at := range index {
		if amounts[i] > 0 {
			d.indexed(at)
		}
	}
	for n := leaf; n != nil; n = n.parent {
		for i, at := range index {
			if amounts[i] > 0 {
				hi, lo := bits.Mul64(uint64(amounts[i]), uint64(times))
				n.used.add(d.seating.index[at], wide{hi: hi, lo: lo}, d.epoch)
			}
		}
		n.charges += uint64(times)
		d.file(n)
	}
	return nil
}

// CreditSeat is [DRF.Credit] by seat and index. It takes as long as ChargeSeat. It fails wrapping [ErrUnknown], with all faults of
// the amounts, or if less is held, naming every such resource and wrapping [berth.ErrNegative].
func (d *DRF) CreditSeat(seat Seat, index []int32, amounts []int64) error {
	leaf, err := d.sit("credit", seat)
	if err != nil {
		return err
	}
	err = d.checkAmounts(index, amounts)
	if err == nil {
		err = d.shortAt(leaf, index, amounts)
	}
	if err != nil {
		return fmt.Errorf("allocator: credit %q: %w", leaf.client.String(), err)
	}
	for n := leaf; n != nil; n = n.parent {
		for i, at := range index {
			if amounts[i] > 0 {
				n.used.take(d.seating.index[at], wideOf(amounts[i]), d.epoch)
			}
		}
		d.file(n)
	}
	for i, at := range index {
		if amounts[i] > 0 {
			d.forget(d.seating.index[at])
		}
	}
	return nil
}

// shortAt returns an error for each index of which a client holds less than all amounts of it together.
func (d *DRF) shortAt(leaf *node, index []int32, amounts []int64) error {
	for i, at := range index {
		r := d.seating.index[at]
		if !r.known {
			if r = d.resources.get(r.name); r == nil {
				r = d.seating.index[at]
			}
			d.seating.index[at] = r
		}
		r.wanted = r.wanted.plus(wideOf(amounts[i]))
	}
	var errs []error
	for _, at := range index {
		r := d.seating.index[at]
		if have := leaf.used.amount(r); have.compare(r.wanted) < 0 {
			errs = append(errs, fmt.Errorf("resource %q: %d - %d: %w", r.name, have.int64(), r.wanted.int64(), berth.ErrNegative))
		}
		r.wanted = wide{}
	}
	return errors.Join(errs...)
}

// ActivateSeat lets the client of a seat have turns or not, as [DRF.Activate] and [DRF.Deactivate] do. It fails wrapping
// [ErrUnknown] if the seat is nobody's.
func (d *DRF) ActivateSeat(seat Seat, active bool) error {
	leaf, err := d.sit("activate", seat)
	if err != nil {
		return err
	}
	d.setLeaf(leaf, active)
	return nil
}

// Tags yields the tags of the active clients that have a seat, in the order of [DRF.Order]; other clients are passed by.
func (d *DRF) Tags() iter.Seq[int] {
	return func(yield func(int) bool) {
		d.walk(func(leaf *node) bool { return leaf.seat == 0 || yield(leaf.tag) })
	}
}

// FirstTag returns the tag of the first client in the order, and false if there is none or it has no seat. It takes a step for each
// level of the tree, and none for each client.
func (d *DRF) FirstTag() (int, bool) {
	if d.usable() != nil {
		return 0, false
	}
	n := d.roles.get("")
	d.refresh()
	for n != nil && n.order != nil {
		if n.closed {
			return 0, false
		}
		first, ok := n.order.Min()
		if !ok {
			return 0, false
		}
		n = first
	}
	if n == nil || n.seat == 0 {
		return 0, false
	}
	return n.tag, true
}

// Before reports whether the client of one seat is before that of another in the order, as it would be if both were active. A seat that
// is nobody's is before none. It takes a step for each level of the tree.
func (d *DRF) Before(a, b Seat) bool {
	if d.usable() != nil {
		return false
	}
	x, y := d.seating.at(a), d.seating.at(b)
	if x == nil || y == nil || x == y {
		return false
	}
	d.refresh()
	for x.level > y.level {
		x = x.parent
	}
	for y.level > x.level {
		y = y.parent
	}
	for x.parent != y.parent {
		x, y = x.parent, y.parent
	}
	return d.beforeNow(x, y)
}

// beforeNow orders siblings, whether they have turns or not.
func (d *DRF) beforeNow(x, y *node) bool {
	kx, ky := d.keyOf(x), d.keyOf(y)
	if c := kx.share.compare(&ky.share); c != 0 {
		return c < 0
	}
	if kx.charges != ky.charges {
		return kx.charges < ky.charges
	}
	return x.name < y.name
}

// CloseRole keeps a role and all below it out of the order, for instance because a limit of the role leaves nothing to give: they
// are passed by at one step, however many they are. What they hold still counts, and they can be charged. It lasts until
// [DRF.OpenRole], also for clients that come later. It fails with all faults of the role. It takes time logarithmic in
// the number of siblings, for each level of the tree.
func (d *DRF) CloseRole(r berth.Role) error { return d.setClosed("close", r, true) }

// OpenRole lets a role have turns again after [DRF.CloseRole]; it does nothing if the role is open. It takes as long, and a step
// for each active client below if the capacity has changed since.
func (d *DRF) OpenRole(r berth.Role) error { return d.setClosed("open", r, false) }

func (d *DRF) setClosed(verb string, r berth.Role, closed bool) error {
	if err := errors.Join(d.usable(), checkRole(r)); err != nil {
		return fmt.Errorf("allocator: %s %.40q: %w", verb, string(r), err)
	}
	d.self = d
	if d.closed.get(r) == closed {
		return nil
	}
	if closed {
		d.closed.set(r, true)
	} else {
		d.closed.delete(r)
	}
	n := d.roles.get(r)
	if n == nil {
		return nil
	}
	n.closed = closed
	delta := n.active
	switch {
	case closed:
		delta = -delta
	case !d.stale && n.filed != d.epoch: // the capacity has changed while nobody looked below
		d.refile(n)
	}
	d.file(n)
	d.activeBelow(n.parent, delta)
	return nil
}

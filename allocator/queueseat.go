package allocator

import (
	"errors"
	"fmt"
	"iter"

	"github.com/berth-sched/berth"
)

// SetIndex is [DRF.SetIndex].
func (q *Queue) SetIndex(names []string) error {
	errs := []error{q.usable()}
	for i, name := range names {
		if err := (berth.Resources{name: 0}).Err(); name != "" && err != nil {
			errs = append(errs, fmt.Errorf("index %d: %w", i, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("allocator: index: %w", err)
	}
	q.index = make([]int, len(names))
	for i, name := range names {
		if q.index[i] = none; name != "" {
			q.index[i] = q.dim(name)
		}
	}
	return nil
}

// Seat is [DRF.Seat], with the seat as its number.
func (q *Queue) Seat(role berth.Role, name string, tag int) (uint64, error) {
	b, err := q.find("seat", Client{role, name})
	if err != nil {
		return 0, err
	}
	if b.tag = tag; b.seat == 0 {
		b.seat = q.seating.give(b)
	}
	return uint64(b.seat), nil
}

func (q *Queue) sit(verb string, seat uint64) (*branch, error) {
	err := q.usable()
	if err == nil {
		if b := q.seating.at(Seat(seat)); b != nil {
			return b, nil
		}
		err = errNoSeat
	}
	return nil, fmt.Errorf("allocator: %s seat %d: %w", verb, seat, err)
}

// dimsOf returns the dimensions of amounts by index, or all that is wrong with them.
func (q *Queue) dimsOf(index []int32, amounts []int64) ([]int, error) {
	if len(index) != len(amounts) {
		return nil, fmt.Errorf("%d indexes and %d amounts: %w", len(index), len(amounts), errLengths)
	}
	var errs []error
	dims := make([]int, len(index))
	for i, at := range index {
		switch {
		case uint64(uint32(at)) >= uint64(len(q.index)) || q.index[at] == none:
			errs = append(errs, fmt.Errorf("index %d: no resource has it", at))
			continue
		case amounts[i] < 0:
			errs = append(errs, fmt.Errorf("resource %q: %d: %w", q.names[q.index[at]], amounts[i], berth.ErrNegative))
		}
		dims[i] = q.index[at]
	}
	return dims, errors.Join(errs...)
}

// ChargeSeat is [DRF.ChargeSeat].
func (q *Queue) ChargeSeat(seat uint64, index []int32, amounts []int64) error {
	b, err := q.sit("charge", seat)
	if err != nil {
		return err
	}
	dims, err := q.dimsOf(index, amounts)
	if err != nil {
		return fmt.Errorf("allocator: charge %q: %w", b.client().String(), err)
	}
	q.charge(b, dims, amounts)
	return nil
}

// CreditSeat is [DRF.CreditSeat].
func (q *Queue) CreditSeat(seat uint64, index []int32, amounts []int64) error {
	b, err := q.sit("credit", seat)
	if err != nil {
		return err
	}
	dims, err := q.dimsOf(index, amounts)
	if err != nil {
		return fmt.Errorf("allocator: credit %q: %w", b.client().String(), err)
	}
	return q.credit(b, dims, amounts)
}

// ActivateSeat is [DRF.ActivateSeat].
func (q *Queue) ActivateSeat(seat uint64, active bool) error {
	b, err := q.sit("activate", seat)
	if err == nil {
		q.activate(b, active)
	}
	return err
}

// CloseRole is [DRF.CloseRole].
func (q *Queue) CloseRole(r berth.Role) error { return q.setClosed("close", r, true) }

// OpenRole is [DRF.OpenRole].
func (q *Queue) OpenRole(r berth.Role) error { return q.setClosed("open", r, false) }

func (q *Queue) setClosed(verb string, r berth.Role, closed bool) error {
	if err := errors.Join(q.usable(), checkRole(r)); err != nil {
		return fmt.Errorf("allocator: %s %.40q: %w", verb, string(r), err)
	}
	if q.shut[r] == closed {
		return nil
	}
	if q.shut[r] = true; !closed {
		delete(q.shut, r)
	}
	f := q.roles[r]
	if f == nil {
		return nil
	}
	q.change(func() {
		b := f.branch
		b.closed = closed
		delta := b.waits
		if closed {
			delta = -delta
		}
		for at := b.parent; at != nil; at = at.parent { // see wait
			if at.waits += delta; at.closed {
				break
			}
		}
		q.changed(b)
	})
	return nil
}

// Tags yields the tags of the active clients that have a seat, as [Queue.All] yields their names.
func (q *Queue) Tags() iter.Seq[int] {
	return func(yield func(int) bool) {
		q.walk(func(b *branch) bool { return b.seat == 0 || yield(b.tag) })
	}
}

// FirstTag returns the tag of the first client in the order, and false if there is none or it has no seat. It takes a step for each level.
func (q *Queue) FirstTag() (int, bool) {
	if q.usable() != nil {
		return 0, false
	}
	q.mend()
	if b := q.first(); b != nil && b.seat != 0 {
		return b.tag, true
	}
	return 0, false
}

// Before is [DRF.Before].
func (q *Queue) Before(a, b uint64) bool {
	if q.usable() != nil {
		return false
	}
	x, y := q.seating.at(Seat(a)), q.seating.at(Seat(b))
	if x == nil || y == nil || x == y {
		return false
	}
	q.mend()
	deep := func(b *branch) (n int) {
		for ; b != nil; b = b.parent {
			n++
		}
		return n
	}
	dx, dy := deep(x), deep(y)
	for ; dx > dy; dx-- {
		x = x.parent
	}
	for ; dy > dx; dy-- {
		y = y.parent
	}
	for x.parent != y.parent {
		x, y = x.parent, y.parent
	}
	return x.parent.compare(x, y) < 0
}

// Same reports whether an order is q itself, and not a type of the host's that embeds it and has methods of its own instead of some.
func (q *Queue) Same(order any) bool {
	o, ok := order.(*Queue)
	return ok && o == q
}

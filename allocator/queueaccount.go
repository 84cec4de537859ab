package allocator

import (
	"errors"
	"fmt"

	"github.com/berth-sched/berth"
)

// Charge adds r to what a client holds, and one to its count of charges. It fails wrapping [ErrUnknown], and with all faults of r.
func (q *Queue) Charge(role berth.Role, name string, r berth.Resources) error {
	b, err := q.find("charge", Client{role, name})
	if rerr := r.Err(); rerr != nil {
		err = errors.Join(err, fmt.Errorf("allocator: charge %q: %w", Client{role, name}.String(), rerr))
	}
	if err != nil {
		return err
	}
	dims, amounts := q.listed(r)
	q.charge(b, dims, amounts)
	return nil
}

// listed returns resources by dimension.
func (q *Queue) listed(r berth.Resources) (dims []int, amounts []int64) {
	for name, x := range r.All() {
		if x > 0 {
			dims, amounts = append(dims, q.dim(name)), append(amounts, x)
		}
	}
	return dims, amounts
}

func (q *Queue) charge(b *branch, dims []int, amounts []int64) {
	q.change(func() {
		for at := b; at != nil; at = at.parent {
			for i, d := range dims {
				if amounts[i] > 0 {
					q.add(at, d, wideOf(amounts[i]))
				}
			}
			at.sib.Charges++
		}
		b.won()
		q.changed(b)
	})
}

// Credit takes r back from what a client holds. It fails wrapping [ErrUnknown], with all faults of r, or if the client holds less,
// naming every such resource and wrapping [berth.ErrNegative].
func (q *Queue) Credit(role berth.Role, name string, r berth.Resources) error {
	b, err := q.find("credit", Client{role, name})
	if rerr := r.Err(); rerr != nil {
		err = errors.Join(err, fmt.Errorf("allocator: credit %q: %w", Client{role, name}.String(), rerr))
	}
	if err != nil {
		return err
	}
	dims, amounts := q.listed(r)
	return q.credit(b, dims, amounts)
}

func (q *Queue) credit(b *branch, dims []int, amounts []int64) error {
	var errs []error
	sum := make(map[int]wide, len(dims))
	for i, d := range dims {
		sum[d] = sum[d].plus(wideOf(amounts[i]))
	}
	for _, d := range dims {
		less, left := sum[d]
		if !left {
			continue
		}
		delete(sum, d)
		var has wide
		if i, ok := inList(b.has, d); ok {
			has = b.has[i].of
		}
		if has.compare(less) < 0 {
			errs = append(errs, fmt.Errorf("resource %q: %d - %d: %w", q.names[d], has.int64(), less.int64(), berth.ErrNegative))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("allocator: credit %q: %w", b.client().String(), err)
	}
	q.change(func() {
		for at := b; at != nil; at = at.parent {
			for i, d := range dims {
				if amounts[i] > 0 {
					q.take(at, d, wideOf(amounts[i]))
				}
			}
		}
		q.changed(b)
	})
	return nil
}

func (b *branch) client() Client { return Client{b.sib.Role, b.sib.Name} }

// Charged returns what a client holds, and whether it is known.
func (q *Queue) Charged(role berth.Role, name string) (berth.Resources, bool) {
	if q.usable() != nil {
		return nil, false
	}
	b := q.clients[Client{role, name}]
	if b == nil {
		return nil, false
	}
	r := make(berth.Resources, len(b.has))
	for _, a := range b.has {
		r[q.names[a.dim]] = a.of.int64()
	}
	return r, true
}

package offers

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// place is what the Exchange knows of one row of the source.
type place struct {
	node   *store.Node // the description, to notice that it was replaced
	stakes []stake     // what was charged, by client
	tasks  []string    // those that a framework placed
	offers []*offer    // outstanding, the earliest first
	fresh  bool
}

// stake is what one client has on one row, by dimension of the source.
type stake struct {
	who     client
	amounts []int64
}

// cursor follows the change log of a source.
type cursor struct{ at store.Position }

// advance returns the rows that changed since it was last called, each once and ascending: all of them,
// and any before known, where the log does not reach back. It tells whether more than holds changed.
func (c *cursor) advance(v *store.View, known int) (rows []uint32, more bool) {
	changes, ok := v.Since(c.at)
	c.at = v.Position()
	if !ok {
		for row := range uint32(max(known, v.Rows())) {
			rows = append(rows, row)
		}
		return rows, true
	}
	for _, change := range changes {
		rows = append(rows, change.Row)
		more = more || change.Group != store.Holds
	}
	slices.Sort(rows)
	return slices.Compact(rows), more
}

// look brings the Exchange up to date with its source: charges, credits, and offers that are gone, for
// which unanswered tells whether they ended or were used up. O(rows that changed).
func (x *Exchange) look(ctx context.Context, unanswered bool) error {
	snapshot, err := x.source.Snapshot(ctx)
	if err != nil {
		return err
	}
	x.snapshot, x.view = snapshot, (*store.View)(snapshot).Shown()
	rows, more := x.seen.advance(x.view, len(x.places))
	for n := x.view.Rows(); len(x.places) < n; {
		x.places = append(x.places, place{})
	}
	resized := false
	for _, row := range rows {
		p := &x.places[row]
		if node := x.nodeAt(row); node != p.node {
			for _, s := range x.names {
				delete(s.filters, row) // what was refused is no longer what it was
			}
			p.node, resized = node, true
		}
		for _, o := range slices.Clone(p.offers) {
			if _, ok := x.view.FindHold(o.id); !ok {
				x.finish(o, unanswered)
			}
		}
		x.freshen(row)
	}
	if resized {
		if err := x.cfg.Order.SetCapacity(snapshot.Total()); err != nil {
			x.seen = cursor{}
			return fmt.Errorf("capacity: %w", err)
		}
	}
	for _, row := range rows {
		if err := x.settle(row); err != nil {
			x.seen = cursor{} // all rows are settled anew the next time
			return err
		}
	}
	if more {
		for _, s := range x.names {
			s.book.wake()
		}
	}
	return nil
}

// catchUp looks at the source after a commit that was done. An error would hide what was done, such as
// tasks that must be launched, so there is none: the next call looks again, and tells.
func (x *Exchange) catchUp(ctx context.Context) {
	_ = x.look(context.WithoutCancel(ctx), false)
}

func (x *Exchange) nodeAt(row uint32) *store.Node {
	if int(row) >= x.view.Rows() {
		return nil
	}
	return x.view.Node(row).Node
}

// freshen makes the next pass look at a row.
func (x *Exchange) freshen(row uint32) {
	if p := &x.places[row]; !p.fresh {
		p.fresh = true
		x.fresh = append(x.fresh, row)
	}
}

// freshenAll makes the next pass look at all rows.
func (x *Exchange) freshenAll() {
	for row := range x.places {
		x.freshen(uint32(row))
	}
}

// settle charges and credits the difference between what clients have on a row and what they were
// charged for it. Whatever changed the source, and however often, the account is right afterwards.
func (x *Exchange) settle(row uint32) error {
	p := &x.places[row]
	now, tasks := x.stakesAt(row)
	for _, id := range p.tasks {
		if _, ok := x.view.FindTask(id); !ok {
			delete(x.tasks, id)
		}
	}
	p.tasks = tasks
	was := p.stakes
	for i := range was {
		if j := slices.IndexFunc(now, func(s stake) bool { return s.who == was[i].who }); j < 0 {
			now = append(now, stake{who: was[i].who})
		}
	}
	slices.SortFunc(now, func(a, b stake) int {
		return cmp.Or(cmp.Compare(a.who.role, b.who.role), cmp.Compare(a.who.name, b.who.name))
	})
	p.stakes = make([]stake, 0, len(now))
	var errs []error
	for _, s := range now {
		var before []int64
		if i := slices.IndexFunc(was, func(o stake) bool { return o.who == s.who }); i >= 0 {
			before = was[i].amounts
		}
		if err := x.correct(s.who, before, s.amounts); err != nil {
			errs = append(errs, err)
			s.amounts = before // nothing was charged
		}
		if s.amounts != nil {
			p.stakes = append(p.stakes, s)
		}
	}
	return errors.Join(errs...)
}

// correct charges and credits a client with the difference of two vectors, or does nothing.
func (x *Exchange) correct(who client, before, now []int64) error {
	var up, down berth.Resources
	for d, name := range x.view.Dims() {
		switch by := at(now, d) - at(before, d); {
		case by > 0:
			up = with(up, name, by)
		case by < 0:
			down = with(down, name, -by)
		}
	}
	if who.name == "" && !x.roles[who.role] && up != nil {
		// A role by itself has tasks and no turns.
		if err := x.cfg.Order.Add(who.role, ""); err != nil {
			return fmt.Errorf("role %q: %w", string(who.role), err)
		}
		if err := x.cfg.Order.Deactivate(who.role, ""); err != nil {
			return fmt.Errorf("role %q: %w", string(who.role), err)
		}
		x.roles[who.role] = true
	}
	if up != nil {
		if err := x.cfg.Order.Charge(who.role, who.name, up); err != nil {
			return fmt.Errorf("charge: %w", err)
		}
	}
	if down != nil {
		if err := x.cfg.Order.Credit(who.role, who.name, down); err != nil {
			return fmt.Errorf("credit: %w", err)
		}
	}
	return nil
}

func with(r berth.Resources, name string, q int64) berth.Resources {
	if r == nil {
		r = berth.Resources{}
	}
	r[name] += q
	return r
}

func at(v []int64, i int) int64 {
	if i < len(v) {
		return v[i]
	}
	return 0
}

// stakesAt returns what clients have on a row as the source shows it, and the tasks there that
// frameworks placed.
func (x *Exchange) stakesAt(row uint32) (stakes []stake, tasks []string) {
	if x.nodeAt(row) == nil {
		return nil, nil
	}
	for slot, r := range x.view.On(row) {
		if r.Group == store.Holds {
			extra := r.Extra
			hold := extra.Hold
			s := x.names[hold.Owner]
			if s == nil {
				continue // made by others for others
			}
			v := x.stakeOf(&stakes, s.client)
			for name, q := range x.amounts(hold, row) {
				if d, ok := x.view.DimOf(name); ok {
					v[d] += q
				}
			}
			continue
		}
		group := x.view.Group(r.Group)
		id := x.view.ID(slot)
		who := client{role: group.Spec.Role()}
		if s := x.tasks[id]; s != nil {
			who = s.client
			tasks = append(tasks, id)
		}
		v := x.stakeOf(&stakes, who)
		for _, need := range group.Request {
			v[need.Dim] += need.Amount
		}
	}
	return stakes, tasks
}

func (x *Exchange) stakeOf(stakes *[]stake, who client) []int64 {
	dims := len(x.view.Dims())
	for i := range *stakes {
		if s := &(*stakes)[i]; s.who == who {
			if n := dims - len(s.amounts); n > 0 {
				s.amounts = append(s.amounts, make([]int64, n)...)
			}
			return s.amounts
		}
	}
	v := make([]int64, dims)
	*stakes = append(*stakes, stake{who, v})
	return v
}

// amounts returns what a hold is of every resource, devices by their class.
func (x *Exchange) amounts(h *berth.Hold, row uint32) berth.Resources {
	if len(h.Devices) == 0 {
		return h.Resources
	}
	r := h.Resources.Clone()
	devices := x.view.Node(row).Node.Spec.Devices
	for _, d := range h.Devices {
		if d.Index < len(devices) {
			r[devices[d.Index].Class] += d.Units
		}
	}
	return r
}

// charge charges a client at once for what a pass means to offer it on a row; settle corrects it should
// the commit refuse.
func (x *Exchange) charge(row uint32, who client, r berth.Resources) error {
	if err := x.cfg.Order.Charge(who.role, who.name, r); err != nil {
		return err
	}
	v := x.stakeOf(&x.places[row].stakes, who)
	for name, q := range r {
		if d, ok := x.view.DimOf(name); ok {
			v[d] += q
		}
	}
	return nil
}

// alarm is a time at which an offer ends, or a filter of a row.
type alarm struct {
	at    time.Time
	offer *offer
	row   uint32
}

// alarms are ordered by time, with container/heap.
type alarms []alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *alarms) Push(v any)        { *a = append(*a, v.(alarm)) }
func (a *alarms) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

func (a *alarms) set(at alarm) { heap.Push(a, at) }

// until takes out and yields the alarms that are due.
func (a *alarms) until(now time.Time) iter.Seq[alarm] {
	return func(yield func(alarm) bool) {
		for len(*a) > 0 && !now.Before((*a)[0].at) {
			if !yield(heap.Pop(a).(alarm)) {
				return
			}
		}
	}
}

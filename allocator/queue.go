package allocator

import (
	"errors"
	"fmt"
	"slices"

	"github.com/berth-sched/berth"
)

// Queue is an account of clients whose roles' siblings are ordered by the policies of a [Tree]: what a [DRF] is for shares alone, with the
// same words for clients, seats and charges. It is the Order of an Exchange in package offers, with the seats as well. Like a
// [Turns], its methods take a client as its role and name.
//
// What clients of a role have by themselves stands together as one sibling of the roles below it, and clients are ordered among each other
// by the policy of their role.
//
// A Queue is for one goroutine at a time, for reading too. It must not be copied, and a nil or zero one fails. A method that returns
// an error has changed nothing. Where a policy panics, the account has taken in what it was told all the same, and the order is
// made anew when it is next asked.
type Queue struct {
	grove
	self     *Queue
	roles    map[berth.Role]*family
	clients  map[Client]*branch
	shut     map[berth.Role]bool // roles that are closed
	seating  seats[branch]
	index    []int // dimensions by index; none where there is no resource
	arrivals int64
	changes  uint64 // of the order
	stale    bool   // the order has to be made anew
	capacity berth.Resources
	least    map[berth.Role]berth.Resources // what is guaranteed
}

// family is what a Queue has of a role.
type family struct {
	branch  *branch
	own     *branch // of its clients, nil without any
	clients int     // at and below it
}

var errNoQueue = errors.New("the queue was not made by NewQueue, or is a copy")

// NewQueue returns a Queue without clients and capacity. It fails with all faults of the tree.
func NewQueue(t Tree) (*Queue, error) {
	if err := t.Err(); err != nil {
		return nil, err
	}
	q := &Queue{roles: map[berth.Role]*family{}, clients: map[Client]*branch{}, shut: map[berth.Role]bool{}}
	q.self = q
	q.plant(t)
	q.roles[""] = &family{branch: q.root}
	return q, nil
}

func (q *Queue) usable() error {
	if q == nil || q.self != q {
		return errNoQueue
	}
	return nil
}

// find returns a client, or what is wrong.
func (q *Queue) find(verb string, c Client) (*branch, error) {
	err := q.usable()
	if err == nil {
		if b := q.clients[c]; b != nil {
			return b, nil
		}
		err = ErrUnknown
	}
	return nil, fmt.Errorf("allocator: %s %q: %w", verb, c.String(), err)
}

// SetCapacity replaces what there is to share out. It fails with all faults of total. It takes time for each client, when the order is
// next asked.
func (q *Queue) SetCapacity(total berth.Resources) error {
	if err := errors.Join(q.usable(), total.Err()); err != nil {
		return fmt.Errorf("allocator: capacity: %w", err)
	}
	if q.capacity.Equal(total) && q.capacity != nil {
		return nil
	}
	q.capacity = total.Clone()
	q.share(total)
	q.stale = true
	return nil
}

// SetWeight gives a role its weight among its siblings, in place of the one that it has. It fails as [DRF.SetWeight] does.
func (q *Queue) SetWeight(r berth.Role, w Weight) error {
	if err := errors.Join(q.usable(), checkWeight(r, w)); err != nil {
		return err
	}
	weights := make(map[berth.Role]Weight, len(q.tree.Weights)+1)
	for r, w := range q.tree.Weights {
		weights[r] = w
	}
	weights[r] = w
	q.tree.Weights = weights
	if f := q.roles[r]; f != nil {
		q.change(func() {
			f.branch.sib.Weight = w
			q.changed(f.branch)
		})
	}
	return nil
}

// SetQuota takes in what is guaranteed to a role, for [ByNeed], in place of what was; limits are left to the source. It fails with all
// faults of the quota.
func (q *Queue) SetQuota(quota berth.Quota) error {
	if err := errors.Join(q.usable(), quota.Err()); err != nil {
		return fmt.Errorf("allocator: quota: %w", err)
	}
	if q.least == nil {
		q.least = map[berth.Role]berth.Resources{}
	}
	if q.least[quota.Role] = quota.Guarantees.Clone(); len(quota.Guarantees) == 0 {
		delete(q.least, quota.Role)
	}
	if f := q.roles[quota.Role]; f != nil {
		q.change(func() {
			q.guaranteed(f.branch, quota.Guarantees)
			q.changed(f.branch)
		})
	}
	return nil
}

// Add makes a client known, active and holding nothing. It fails with all faults of the client, or wrapping [ErrExists].
func (q *Queue) Add(role berth.Role, name string) error {
	c := Client{role, name}
	if err := errors.Join(q.usable(), c.Err()); err != nil {
		return fmt.Errorf("allocator: add: %w", err)
	}
	if q.clients[c] != nil {
		return fmt.Errorf("allocator: add %q: %w", c.String(), ErrExists)
	}
	q.change(func() {
		f := q.family(role)
		if f.own == nil {
			f.own = q.child(f.branch, role, "", ownName)
			f.own.own, f.own.policy = true, f.branch.policy
			f.own.sib.Usage = q.tree.Usage.own(role)
			f.branch.adopt(f.own)
		}
		b := q.child(f.own, role, name, name)
		b.leaf = true
		f.own.adopt(b)
		q.clients[c] = b
		for r := role; ; r = r.Parent() {
			if q.roles[r].clients++; r == "" {
				break
			}
		}
		q.arrivals++
		b.sib.Arrived = q.arrivals
		q.wait(b, 1)
	})
	return nil
}

// family returns what the queue has of a role, made with all roles above it if need be.
func (q *Queue) family(r berth.Role) *family {
	if f := q.roles[r]; f != nil {
		return f
	}
	p := q.family(r.Parent())
	f := &family{branch: q.role(p.branch, r)}
	f.branch.closed = q.shut[r]
	q.guaranteed(f.branch, q.least[r])
	p.branch.adopt(f.branch)
	q.roles[r] = f
	return f
}

// adopt makes a branch one of the children.
func (b *branch) adopt(k *branch) {
	k.child = len(b.all)
	b.all = append(b.all, k)
}

// disown lets go of a child, which waits for nothing and has nothing.
func (b *branch) disown(k *branch) {
	last := len(b.all) - 1
	b.all[k.child] = b.all[last]
	b.all[k.child].child = k.child
	b.all[last] = nil
	if b.all = b.all[:last]; sparse(last, cap(b.all)) {
		b.all, b.kids = slices.Clone(b.all), slices.Clone(b.kids)
	}
}

// Remove forgets a client and takes back what it holds, and roles above it that are left without clients. It fails wrapping [ErrUnknown].
func (q *Queue) Remove(role berth.Role, name string) error {
	b, err := q.find("remove", Client{role, name})
	if err != nil {
		return err
	}
	q.change(func() {
		delete(q.clients, Client{role, name})
		q.seating.leave(b.seat)
		for _, a := range slices.Clone(b.has) {
			for at := b; at != nil; at = at.parent {
				q.take(at, a.dim, a.of)
			}
		}
		delta := -b.waits
		for r := role; ; r = r.Parent() {
			if q.roles[r].clients--; r == "" {
				break
			}
		}
		// What goes is first cut off, so that it is gone even if a policy panics. The order is still told by way of its parents.
		b.parent.disown(b)
		if f := q.roles[role]; len(f.own.all) == 0 {
			f.branch.disown(f.own)
			f.own = nil
		}
		for r := role; r != "" && q.roles[r].clients == 0; r = r.Parent() {
			f := q.roles[r]
			f.branch.parent.disown(f.branch)
			delete(q.roles, r)
		}
		q.wait(b, delta)
	})
	return nil
}

// Activate lets a client have turns again, as one that has just come. It does nothing if the client is active, and fails wrapping
// [ErrUnknown].
func (q *Queue) Activate(role berth.Role, name string) error {
	b, err := q.find("activate", Client{role, name})
	if err == nil {
		q.activate(b, true)
	}
	return err
}

// Deactivate lets a client have no turns; what it holds counts all the same. It fails wrapping [ErrUnknown].
func (q *Queue) Deactivate(role berth.Role, name string) error {
	b, err := q.find("deactivate", Client{role, name})
	if err == nil {
		q.activate(b, false)
	}
	return err
}

func (q *Queue) activate(b *branch, active bool) {
	if active == (b.waits > 0) {
		return
	}
	q.change(func() {
		if !active {
			q.wait(b, -1)
			return
		}
		q.arrivals++
		b.sib.Arrived = q.arrivals
		q.wait(b, 1)
	})
}

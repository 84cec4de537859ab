package offers

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/berth-sched/berth"
)

// client is how the order knows a framework, or a role by itself.
type client struct {
	role berth.Role
	name string
}

func compareClients(a, b client) int {
	return cmp.Or(cmp.Compare(a.role, b.role), cmp.Compare(a.name, b.name))
}

func (c client) String() string {
	if c.name == "" {
		return fmt.Sprintf("role %q", string(c.role))
	}
	return fmt.Sprintf("framework %q", c.name)
}

// add makes a client known to the order.
func (a *account) add(who client) error {
	a.known[who] = true // whatever becomes of the call
	err := a.tell(func(o Order) error { return o.Add(who.role, who.name) })
	if err != nil {
		delete(a.known, who)
	}
	return err
}

// seatOf gives a client that the order knows a seat, if the order has any. Where it has none, names do.
func (a *account) seatOf(who client, tag int) {
	if a.seats == nil {
		return
	}
	_ = a.tell(func(Order) error {
		seat, err := a.seats.Seat(who.role, who.name, tag)
		if err == nil {
			a.seat[who] = seat
			a.seating++
		}
		return err
	})
}

func (a *account) remove(who client) error {
	delete(a.seat, who)
	a.seating++
	err := a.tell(func(o Order) error { return o.Remove(who.role, who.name) })
	delete(a.known, who)
	return err
}

// activate lets a client have turns, or not.
func (a *account) activate(who client, active bool) error {
	return a.tell(func(o Order) error {
		if active {
			return o.Activate(who.role, who.name)
		}
		return o.Deactivate(who.role, who.name)
	})
}

// away lets a client whose framework is away have no turns. Where the order refuses, the pass does not ask it either.
func (a *account) away(who client) {
	if err := a.activate(who, false); err != nil {
		a.fault(err)
	}
}

// payer returns the client that is charged for the tasks of a role that no framework placed, and for its holds that are no offers: the
// role or, where the order does not take one so deep, its deepest ancestor that the order takes. It returns false where the order
// takes not even the root.
func (a *account) payer(role berth.Role) (client, bool) {
	if a.known[client{role: role}] {
		return client{role: role}, true
	}
	if payer, ok := a.payers[role]; ok {
		return client{role: payer}, a.enroll(payer)
	}
	if a.enroll(role) {
		return client{role: role}, true
	}
	var ends []int // of the ancestors' paths: the root, then those with a slash behind them
	ends = append(ends, 0)
	for i := range len(role) {
		if role[i] == '/' {
			ends = append(ends, i)
		}
	}
	// An order that takes a role takes those above it, so half of the ancestors are tried at a time.
	low, high := 0, len(ends) // the deepest that is taken is at low or behind it, and before high
	for low+1 < high {
		middle := low + (high-low)/2
		at := role[:ends[middle]]
		if !a.enroll(at) {
			high = middle
			continue
		}
		low = middle
		a.dismiss(at)
	}
	payer := role[:ends[low]]
	const most = 1024
	if len(a.payers) >= most {
		clear(a.payers)
	}
	a.payers[berth.Role(strings.Clone(string(role)))] = berth.Role(strings.Clone(string(payer)))
	return client{role: payer}, a.enroll(payer)
}

// enroll makes a role by itself a client, which has tasks and no turns.
func (a *account) enroll(role berth.Role) bool {
	who := client{role: role}
	if a.known[who] {
		return true
	}
	if a.add(who) != nil {
		return false
	}
	if err := a.activate(who, false); err != nil {
		a.fault(fmt.Errorf("%v: %w", who, err))
	}
	return true
}

// dismiss forgets a role that was made a client and has nothing.
func (a *account) dismiss(role berth.Role) {
	if who := (client{role: role}); a.roles[role] == 0 {
		_ = a.remove(who)
	}
}

// restate tells the order everything anew, where it is not known what it was told last.
func (x *Exchange) restate() {
	a := &x.account
	for _, who := range slices.SortedFunc(maps.Keys(a.known), compareClients) {
		_ = a.remove(who) // it may have gone already
	}
	a.sized, a.debts = false, map[*site]struct{}{}
	a.known, a.roles, a.where = map[client]bool{}, map[berth.Role]int{}, map[client]*presence{}
	for _, s := range x.sites.m {
		s.balances = nil
	}
	a.seat, a.index = map[client]uint64{}, indexes{epoch: a.index.epoch + 1}
	a.seating++
	for _, s := range x.inOrder() {
		if err := a.add(s.client); err != nil {
			a.fault(fmt.Errorf("%v: %w", s.client, err))
			continue
		}
		a.seatOf(s.client, s.number)
		if s.suppressed || s.away {
			if err := a.activate(s.client, false); err != nil {
				a.fault(fmt.Errorf("%v: %w", s.client, err))
			}
		}
	}
}

// strike forgets what a client has, once the order has forgotten the client.
func (x *Exchange) strike(who client) {
	if p := x.account.where[who]; p != nil {
		for _, s := range p.sites {
			s.balances = slices.DeleteFunc(s.balances, func(b balance) bool { return b.who == who })
		}
		delete(x.account.where, who)
	}
}

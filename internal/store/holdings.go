package store

import "github.com/berth-sched/berth"

// holdCharge is what is yet to be entered of holds of as much as one another: so many more, or fewer, by account. Of the thousands that come
// and go together a role is charged once.
type holdCharge struct {
	cost  []Need
	times []int64  // by account
	at    []uint32 // those that have been charged, some of them perhaps twice
}

// add notes that an account has so many more holds of the cost, or fewer.
func (c *holdCharge) add(at uint32, times int64) {
	if n := int(at) + 1; n > len(c.times) {
		c.times = append(c.times, make([]int64, n-len(c.times))...)
	}
	if c.times[at] == 0 {
		c.at = append(c.at, at)
	}
	c.times[at] += times
}

// settleHolds enters what is yet to be entered of holds.
func (s *Store) settleHolds() {
	c := &s.dueHolds
	if len(c.at) == 0 {
		return
	}
	for _, at := range c.at {
		times := c.times[at]
		if times == 0 {
			continue
		}
		c.times[at] = 0
		if s.accounts.At(int(at)).owner {
			s.account(at).Used.add(c.cost, times)
		} else {
			s.enter(at, c.cost, times)
		}
	}
	const many = 1 << 16
	if c.at, c.cost = c.at[:0], nil; len(c.times) > many {
		*c = holdCharge{}
	}
}

// enterHold notes that a hold came, or with a negative number that it went.
func (s *Store) enterHold(x *Extra, times int64) {
	role, owner := s.parties(x)
	s.refer(role, int(times))
	s.refer(owner, int(times))
	s.moveOf(role, owner, x, times)
}

// moveHold enters what a hold has.
func (s *Store) moveHold(x *Extra, times int64) {
	role, owner := s.parties(x)
	s.moveOf(role, owner, x, times)
}

func (s *Store) moveOf(role, owner uint32, x *Extra, times int64) {
	if len(x.Cost) == 0 {
		return
	}
	c := &s.dueHolds
	const few = 64
	if !sameNeeds(c.cost, x.Cost) || len(c.at) > 2*len(c.times)+few { // holds that come and go again name an account each time
		s.settleHolds()
		c.cost = x.Cost
	}
	if c.add(role, times); owner != 0 {
		c.add(owner, times)
	}
}

func sameNeeds(a, b []Need) bool {
	if len(a) != len(b) {
		return false
	}
	if len(a) == 0 || &a[0] == &b[0] {
		return true
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// parties returns the accounts that a hold is entered in.
func (s *Store) parties(x *Extra) (role, owner uint32) {
	h := x.Hold
	if h == nil {
		return Root, 0
	}
	if s.isParty(x.role, string(h.Role), false) && s.isParty(x.owner, h.Owner, true) {
		return x.role, x.owner
	}
	return s.roleAccount(h.Role), s.Owner(h.Owner)
}

// isParty reports whether an account, of whichever store it once was, is that of a role or an owner here.
func (v *View) isParty(at uint32, name string, owner bool) bool {
	if at == 0 || int(at) >= v.accounts.Len() {
		return false
	}
	a := v.accounts.At(int(at))
	return a.owner == owner && a.Name == name
}

// Seat says which accounts those of a new hold's role and owner are, so that they are found without their names from now on. It is to be called
// before a record has the extra.
func (x *Extra) Seat(role, owner uint32) { x.role, x.owner = role, owner }

// RoleAccount returns the account of a role, making those that are missing.
func (s *Store) RoleAccount(role berth.Role) uint32 { return s.roleAccount(role) }

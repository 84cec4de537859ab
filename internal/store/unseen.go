package store

import (
	"iter"

	"github.com/berth-sched/berth"
)

// What a role has and a store shows no record of: what others have, in the Book of a framework, or what is promised in a plan that
// is still being made. It is part of the ledger like any other use. It is for stores that are not undoable.

// An Amount is a sum of a resource, by name: stores number their dimensions each for itself.
type Amount struct {
	Name string
	Sum  Sum
}

// OwnOf returns what a role has by itself, and UsedOf what it has with those below it, by the names of resources.
func (v *View) OwnOf(role berth.Role) []Amount { return v.amountsOf(role, true) }

// UsedOf is described at OwnOf.
func (v *View) UsedOf(role berth.Role) []Amount { return v.amountsOf(role, false) }

func (v *View) amountsOf(role berth.Role, own bool) []Amount {
	at, ok := v.FindRole(role)
	if !ok {
		return nil
	}
	sums := v.Account(at).Used
	if own {
		sums = v.Account(at).Own
	}
	return v.AmountsOf(sums)
}

// AmountsOf returns sums by the names of resources.
func (v *View) AmountsOf(sums Sums) []Amount {
	out := make([]Amount, len(sums))
	for i, sum := range sums {
		out[i] = Amount{v.dims[sum.Dim], sum}
	}
	return out
}

// Add adds so many times what the needs are; a negative number takes away. The sums are written.
func (s *Sums) Add(needs []Need, times int64) { s.add(needs, times) }

// Move adds so many times what other sums are; a negative number takes away. The sums are written.
func (s *Sums) Move(others Sums, times int) {
	for _, sum := range others {
		if times < 0 {
			sum = Sum{Dim: sum.Dim}.minus(sum)
		}
		s.plus(sum)
	}
	*s = without0(*s)
}

// EachRole yields the accounts of roles with their numbers, in the order of those: of all roles that have something, and of some that
// have not any more.
func (v *View) EachRole() iter.Seq2[uint32, *Account] {
	return func(yield func(uint32, *Account) bool) {
		v.settled()
		for at := range v.accounts.Len() {
			if a := v.accounts.At(at); (at == Root || a.Name != "" && !a.owner) && !yield(uint32(at), a) {
				return
			}
		}
	}
}

// SetOwn makes what a role has by itself what it is to be: what its records come to is left as it is, and what is more counts as
// unseen.
func (s *Store) SetOwn(role berth.Role, own []Amount) {
	s.settle()
	if _, known := s.FindRole(role); !known && len(own) == 0 {
		return
	}
	at := s.roleAccount(role)
	want := make([]Sum, 0, len(own))
	for _, x := range own {
		x.Sum.Dim = s.Dim(x.Name)
		want = append(want, x.Sum)
	}
	has := s.accounts.At(int(at)).Own
	var more Sums
	for _, sum := range want {
		more.plus(sum.minus(has.Of(sum.Dim)))
	}
	for _, sum := range has {
		if !hasDim(want, sum.Dim) {
			more.plus(Sum{Dim: sum.Dim}.minus(sum))
		}
	}
	s.addUnseen(at, more)
}

func hasDim(sums []Sum, d int32) bool {
	for i := range sums {
		if sums[i].Dim == d {
			return true
		}
	}
	return false
}

// AddUnseen adds to what a role has.
func (s *Store) AddUnseen(role berth.Role, cost []Need) {
	var more Sums
	more.add(cost, 1)
	s.addUnseen(s.roleAccount(role), more)
}

// addUnseen adds sums, each modulo what a sum can be: so they take away as well.
func (s *Store) addUnseen(at uint32, more Sums) {
	more = without0(more)
	if len(more) == 0 {
		return
	}
	a := s.account(at)
	was := len(a.Unseen)
	unseen := append(Sums(nil), a.Unseen...)
	for _, sum := range more {
		unseen.plus(sum)
		a.Own.plus(sum)
	}
	a.Unseen, a.Own = without0(unseen), without0(a.Own)
	switch is := len(a.Unseen); {
	case was == 0 && is > 0:
		s.refer(at, 1)
	case was > 0 && is == 0:
		s.refer(at, -1)
	}
	for up := at; up != None; up = s.accounts.At(int(up)).Parent {
		a := s.account(up)
		for _, sum := range more {
			a.Used.plus(sum)
		}
		a.Used = without0(a.Used)
	}
	s.changedLedger()
}

// without0 returns sums without those of nothing. It writes to them.
func without0(sums Sums) Sums {
	kept := sums[:0]
	for _, sum := range sums {
		if sum.Hi != 0 || sum.Lo != 0 {
			kept = append(kept, sum)
		}
	}
	return kept
}

package store

import (
	"cmp"
	"iter"
	"math"
	"slices"

	"github.com/berth-sched/berth"
)

// The ledger is what each role and each owner has of every resource, tasks and holds alike. It is an account for each role that
// has something, has a quota or is above one that does, and one for each owner. A task has what its group requests while it is on
// a node, whatever has become of the devices that it was granted; a hold has what it names, of whichever lease it is, but for a
// reservation: of that, what is idle is the role's.
//
// What the tasks of a group that come or go one after another take is entered at once, when another group's turn comes or
// somebody looks: a placement costs a counter. So is what holds of as much as one another are of, by role and owner. The accounts follow from the records alone, so undoing those undoes them.

// Quota is what a role is to have at most and at least.
type Quota struct {
	Spec   *berth.Quota
	Limits []Need // sorted by dimension; zero is a limit
}

// Account is what a role, or an owner, has.
type Account struct {
	Name   string // the role's path, or the owner's name; "" also where the number is free
	Parent uint32 // the role above; None of the root and of owners
	Quota  *Quota // of a role that has one
	Used   Sums   // by a role and those below it, or by an owner
	Own    Sums   // by a role alone
	Unseen Sums   // of it, what there is no record of
	refs   int    // groups, nodes that have something reserved for the role, holds, tasks that name the owner, roles below that have any, one for a quota and one for what is unseen
	owner  bool   // it is an owner's
	by     token  // who may write the sums in place

	reserves int // nodes that have something reserved for the role itself
}

// AccountsMade returns how many accounts were made so far. As long as it stays, the accounts of a branch of views are those that there
// were, or are gone.
func (v *View) AccountsMade() uint64 { return v.made }

// Root is the account of the root role.
const Root = 0

// ledger is what a View has of it.
type ledger struct {
	accounts        Array[Account]
	byRole, byOwner index
	limited         int    // roles with limits
	made            uint64 // accounts that were made so far
	capacity        Sums   // of all nodes
	capacityBy      token

	reserved  int           // nodes of which something is reserved
	reserving Array[uint64] // of each 64 rows, a bit for each of those
}

// charge is what is yet to be entered: so many tasks of one group more, or fewer.
type charge struct {
	group uint32
	tasks int64
}

// settled returns v with its accounts up to date. Where v is what a store goes on writing, it is for the store's goroutine.
func (v *View) settled() *View {
	if v.of != nil {
		v.of.settle()
	}
	return v
}

// settle enters what is yet to be entered.
func (s *Store) settle() {
	if due := s.due; due.tasks != 0 {
		g := s.Group(due.group)
		s.enter(g.account, g.Request, due.tasks)
	}
	s.due = charge{group: NoGroup}
	s.settleHolds()
}

// enter adds so many times an amount to what a role has, and to all above it.
func (s *Store) enter(role uint32, needs []Need, times int64) {
	if len(needs) == 0 {
		return
	}
	a := s.account(role)
	for a.Own.add(needs, times); ; a = s.account(a.Parent) {
		if a.Used.add(needs, times); a.Parent == None {
			return
		}
	}
}

// enterTask notes that a task of a group came to a node, or left it.
func (s *Store) enterTask(r *Record, g *Group, times int64) {
	if s.due.group != r.Group {
		s.settle()
		s.due.group = r.Group
	}
	s.due.tasks += times
	if r.Owner != 0 {
		s.account(r.Owner).Used.add(g.Request, times)
	}
}

// account returns an account to be written.
func (s *Store) account(at uint32) *Account {
	a := s.accounts.mutAt(s.token, int(at))
	if a.by != s.token {
		a.Used, a.Own, a.by = slices.Clone(a.Used), slices.Clone(a.Own), s.token
	}
	return a
}

// refer notes that so many more refer to an account. One that something refers to refers to the one above.
func (s *Store) refer(at uint32, more int) {
	for at != Root && more != 0 {
		a := s.accounts.mutAt(s.token, int(at))
		was := a.refs
		a.refs += more
		switch {
		case a.owner || (was > 0) == (a.refs > 0):
			return
		case was > 0:
			more = -1
		default:
			more = 1
		}
		at = a.Parent
	}
}

// FindRole returns the account of a role.
func (v *View) FindRole(role berth.Role) (uint32, bool) {
	if role == "" {
		return Root, true
	}
	return v.byRole.find(Hash(string(role)), string(role), v.roleName)
}

// NearestRole returns the account of a role or, if it has none, of the nearest role above that has one.
func (v *View) NearestRole(role berth.Role) uint32 {
	for {
		if at, ok := v.FindRole(role); ok {
			return at
		}
		role = role.Parent()
	}
}

// FindOwner returns the account of an owner.
func (v *View) FindOwner(name string) (uint32, bool) {
	return v.byOwner.find(Hash(name), name, v.ownerName)
}

// OwnerName returns the name of the owner of that number, or "" for none.
func (v *View) OwnerName(at uint32) string {
	if at == 0 {
		return ""
	}
	return v.accounts.At(int(at)).Name
}

func (v *View) roleName(at uint32) string { return v.nameIf(at, false) }

func (v *View) ownerName(at uint32) string { return v.nameIf(at, true) }

func (v *View) nameIf(at uint32, owner bool) string {
	if int(at) >= v.accounts.Len() {
		return ""
	}
	if a := v.accounts.At(int(at)); a.owner == owner {
		return a.Name
	}
	return ""
}

// Account returns an account to be read.
func (v *View) Account(at uint32) *Account { return v.settled().accounts.At(int(at)) }

// Roles returns the accounts of roles, in the order of their paths.
func (v *View) Roles() []uint32 {
	roles := []uint32{Root}
	for at := uint32(1); int(at) < v.accounts.Len(); at++ {
		if a := v.accounts.At(int(at)); a.Name != "" && !a.owner && a.refs > 0 {
			roles = append(roles, at)
		}
	}
	slices.SortFunc(roles, func(a, b uint32) int { return cmp.Compare(v.accounts.At(int(a)).Name, v.accounts.At(int(b)).Name) })
	return roles
}

// HeadroomOf returns how much more of a resource the limits let a role have; the largest int64 where none says anything.
func (v *View) HeadroomOf(role berth.Role, resource string) int64 {
	d, ok := v.DimOf(resource)
	if !ok {
		return math.MaxInt64 // a limit would have made it known
	}
	return v.Allowance(role, []Need{{d, 1}}, nil)
}

// Limited returns how many roles have limits.
func (v *View) Limited() int { return v.limited }

// Capacity returns what all nodes have.
func (v *View) Capacity() Sums { return v.capacity }

// Owner returns the number of an owner, a new one if the name is new; 0 for none.
func (s *Store) Owner(name string) uint32 {
	if name == "" {
		return 0
	}
	if at, ok := s.FindOwner(name); ok {
		return at
	}
	at := s.newAccount(Account{Name: name, Parent: None, owner: true})
	s.byOwner.insert(at, Hash(name), func(at, hash uint32) bool { return Hash(s.ownerName(at)) == hash })
	return at
}

// roleAccount returns the account of a role, making those that are missing.
func (s *Store) roleAccount(role berth.Role) uint32 {
	if at, ok := s.FindRole(role); ok {
		return at
	}
	parent := s.roleAccount(role.Parent())
	at := s.newAccount(Account{Name: string(role), Parent: parent})
	s.byRole.insert(at, Hash(string(role)), func(at, hash uint32) bool { return Hash(s.roleName(at)) == hash })
	return at
}

func (s *Store) newAccount(a Account) uint32 {
	s.newAccounts++
	s.made++
	a.by = s.token
	at := uint32(s.accounts.Len())
	if k := len(s.freeAccounts); k > 0 {
		at = s.freeAccounts[k-1]
		s.freeAccounts = s.freeAccounts[:k-1]
	} else {
		s.accounts.grow(s.token)
	}
	*s.accounts.mutAt(s.token, int(at)) = a
	return at
}

// forgetAccounts makes the accounts free that nothing refers to, to be used again under other names, once there are enough new
// ones for the walk to cost little for each. Nobody may be about to refer to a new one.
func (s *Store) forgetAccounts() {
	if s.newAccounts < 64 || s.newAccounts < s.accounts.Len()/4 || s.postponed() {
		return
	}
	s.settleHolds()
	s.newAccounts = 0
	last := 0
	for at := 1; at < s.accounts.Len(); at++ {
		switch a := s.accounts.At(at); {
		case a.refs > 0:
			last = at
		case a.Name != "":
			x := &s.byRole
			if a.owner {
				x = &s.byOwner
			}
			x.remove(uint32(at), Hash(a.Name))
			*s.accounts.mutAt(s.token, at) = Account{}
		}
	}
	if rows := (last/tableRows + 1) * tableRows; 4*rows <= s.accounts.Len() {
		s.accounts.truncate(s.token, rows)
	}
	s.freeAccounts = s.freeAccounts[:0]
	for at := s.accounts.Len() - 1; at > Root; at-- { // so that the lowest are the next to be used
		if s.accounts.At(at).Name == "" {
			s.freeAccounts = append(s.freeAccounts, uint32(at))
		}
	}
}

// SetQuota gives a role a quota, or takes away the one that it has.
func (s *Store) SetQuota(role berth.Role, q *Quota) {
	at := s.roleAccount(role)
	s.noteQuota(at, s.accounts.At(int(at)).Quota)
	s.setQuota(at, q)
	s.changedLedger()
	s.forgetAccounts()
}

// Advance has the store's version move on, though what it has is as it was.
func (s *Store) Advance() { s.changedLedger() }

// changedLedger notes that the ledger changed by itself: plans depend on it, so it is in the log, though the row that is named is as
// it was.
func (s *Store) changedLedger() {
	if s.Rows() == 0 {
		s.log, s.seq = nil, s.seq+1 // there is no row that the log could name, so nobody goes by it from here
		return
	}
	s.changed(0, NoGroup)
}

func (s *Store) setQuota(at uint32, q *Quota) {
	a := s.accounts.mutAt(s.token, int(at))
	for _, of := range []struct {
		q  *Quota
		by int
	}{{a.Quota, -1}, {q, 1}} {
		if of.q == nil {
			continue
		}
		if s.refer(at, of.by); len(of.q.Limits) > 0 {
			s.limited += of.by
		}
	}
	a.Quota = q
}

// resize adds what a node has to the capacity of all, or takes it away.
func (s *Store) resize(n *Node, times int64) {
	if s.capacityBy != s.token {
		s.capacity, s.capacityBy = slices.Clone(s.capacity), s.token
	}
	for d, q := range n.capacity.dense {
		if q > 0 {
			s.capacity.add([]Need{{int32(d), q}}, times)
		}
	}
	s.capacity.add(n.capacity.rare, times)
}

// An Excess is a limit that would be exceeded.
type Excess struct {
	Account uint32 // whose limit it is
	Dim     int32
	Limit   int64
	Used    Sum   // before
	Short   int64 // how much more the limit would have to be; the largest int64 if it is more
}

// A Trial is what is to be thought of as added to what an account shows of a dimension, and as taken away.
type Trial func(a *Account, d int32) (plus, minus Sum)

// Over returns the limits that a role would exceed if it had so much more, its own before those of the roles above. An amount of
// nothing exceeds none, nor does one in exchange for no less: what a role has beyond a limit it keeps. It costs the depth of the role where there are limits, and a look where there are none.
func (v *View) Over(role berth.Role, more []Need, trial Trial) (over []Excess) {
	for at, n := range v.limits(role, more) {
		if used := v.sumOf(at, n.Dim, trial); used.exceeds(n.Amount, n.limit) && v.grows(at, n.Need, trial) {
			with := used
			with.move(n.Amount, 1)
			with.move(n.limit, -1)
			over = append(over, Excess{at, n.Dim, n.limit, used, with.Int64()})
		}
	}
	return over
}

// Allowance returns how many times so much a role may have besides what it has: as many as its limits and those of the roles above
// let it, or the largest int64 where none of them says anything.
func (v *View) Allowance(role berth.Role, each []Need, trial Trial) int64 {
	most := int64(math.MaxInt64)
	for at, n := range v.limits(role, each) {
		used := v.sumOf(at, n.Dim, trial)
		if used.exceeds(0, n.limit) {
			return 0
		}
		most = min(most, (n.limit-int64(used.Lo))/n.Amount)
	}
	return most
}

// bounded is an amount of which there is a limit.
type bounded struct {
	Need
	limit int64
}

// limits yields the amounts of which a role, or one above it, has a limit.
func (v *View) limits(role berth.Role, needs []Need) iter.Seq2[uint32, bounded] {
	return func(yield func(uint32, bounded) bool) {
		if v.limited == 0 {
			return
		}
		v.settled()
		for at := v.NearestRole(role); at != None; at = v.accounts.At(int(at)).Parent {
			q := v.accounts.At(int(at)).Quota
			if q == nil {
				continue
			}
			for _, n := range needs {
				if i, ok := findDim(q.Limits, n.Dim); ok && n.Amount > 0 && !yield(at, bounded{n, q.Limits[i].Amount}) {
					return
				}
			}
		}
	}
}

// sumOf returns what an account shows of a dimension on trial.
func (v *View) sumOf(at uint32, d int32, trial Trial) Sum {
	a := v.accounts.At(int(at))
	sum := a.Used.Of(d)
	if trial == nil {
		return sum
	}
	plus, minus := trial(a, d)
	return sum.plus(plus).minus(minus)
}

// grows reports whether an account has more with an amount and a trial than without both.
func (v *View) grows(at uint32, more Need, trial Trial) bool {
	if trial == nil {
		return true
	}
	plus, minus := trial(v.accounts.At(int(at)), more.Dim)
	plus.move(more.Amount, 1)
	return plus.Hi > minus.Hi || plus.Hi == minus.Hi && plus.Lo > minus.Lo
}

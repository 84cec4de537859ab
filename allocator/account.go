package allocator

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/berth-sched/berth"
)

// Account is a [Ledger] with trial charges on it: what if this role had that, too? What is charged to a role is charged to all roles above
// it, and the limits and guarantees of all of them are asked. [Account.Fork] makes another for a further trial. It is a Ledger itself, so
// an [Order] can be asked on a trial.
//
// An Account holds no tasks and knows no policy. It is for one goroutine at a time, and is good as long as its ledger is: a Snapshot
// of package cluster is for ever. Sums that exceed an int64 read as the largest one.
type Account struct {
	ledger Ledger
	roles  map[berth.Role]standings // those that were charged
	shared bool                     // with another Account: to be copied before it is changed
}

// standings is what a role has.
type standings struct{ used, own berth.Resources }

// NewAccount returns an account of what a ledger says.
func NewAccount(l Ledger) *Account { return &Account{ledger: l} }

// Fork returns an account that begins as this one is; what is charged to one is not charged to the other. It takes no time; the next
// charge to each of the two takes some for each role that has been charged.
func (a *Account) Fork() *Account {
	if a == nil {
		return nil
	}
	a.shared = true
	f := *a
	return &f
}

func (a *Account) none() bool { return a == nil || a.ledger == nil }

// Total is [Ledger.Total].
func (a *Account) Total() berth.Resources {
	if a.none() {
		return berth.Resources{}
	}
	return a.ledger.Total()
}

// Used is [Ledger.Used], with what was charged.
func (a *Account) Used(r berth.Role) berth.Resources {
	if a.none() {
		return berth.Resources{}
	}
	if s, ok := a.roles[r]; ok {
		return s.used
	}
	return a.ledger.Used(r)
}

// Own is [Ledger.Own], with what was charged.
func (a *Account) Own(r berth.Role) berth.Resources {
	if a.none() {
		return berth.Resources{}
	}
	if s, ok := a.roles[r]; ok {
		return s.own
	}
	return a.ledger.Own(r)
}

// Quota is [Ledger.Quota].
func (a *Account) Quota(r berth.Role) berth.Quota {
	if a.none() {
		return berth.Quota{Role: r}
	}
	return a.ledger.Quota(r)
}

// Time is [Ledger.Time].
func (a *Account) Time() time.Time {
	if a.none() {
		return time.Time{}
	}
	return a.ledger.Time()
}

// Charge adds r to what a role has, and to what the roles above it have, whatever the limits say. It fails with all faults of the role
// and of r, and has changed nothing then.
func (a *Account) Charge(role berth.Role, r berth.Resources) error {
	if err := a.check("charge", role, r); err != nil {
		return err
	}
	a.change(role, func(s *standings, own bool) {
		for name, q := range r {
			s.used[name] = capped(s.used[name], q)
			if own {
				s.own[name] = capped(s.own[name], q)
			}
		}
	})
	return nil
}

// Credit takes r from what a role has itself, and from what the roles above it have. It fails with all faults of the role and of r, or if the
// role has less, naming every such resource and wrapping [berth.ErrNegative].
func (a *Account) Credit(role berth.Role, r berth.Resources) error {
	if err := a.check("credit", role, r); err != nil {
		return err
	}
	own := a.Own(role)
	var errs []error
	for name, q := range r.All() {
		if own[name] < q {
			errs = append(errs, fmt.Errorf("allocator: credit %.40q: resource %q: %d - %d: %w", string(role), name, own[name], q, berth.ErrNegative))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	a.change(role, func(s *standings, own bool) {
		for name, q := range r {
			s.used[name] = max(0, s.used[name]-q)
			if own {
				s.own[name] -= q
			}
		}
	})
	return nil
}

func (a *Account) check(verb string, role berth.Role, r berth.Resources) error {
	var errs []error
	if a.none() {
		errs = append(errs, fmt.Errorf("allocator: %s: the account has no ledger", verb))
	}
	for _, err := range []error{checkRole(role), r.Err()} {
		if err != nil {
			errs = append(errs, fmt.Errorf("allocator: %s %.40q: %w", verb, string(role), err))
		}
	}
	return errors.Join(errs...)
}

// change changes what a role and those above it have.
func (a *Account) change(role berth.Role, f func(s *standings, own bool)) {
	if a.shared || a.roles == nil {
		roles := make(map[berth.Role]standings, len(a.roles)+4)
		for r, s := range a.roles {
			roles[r] = standings{s.used.Clone(), s.own.Clone()}
		}
		a.roles, a.shared = roles, false
	}
	for r := role; ; r = r.Parent() {
		s, known := a.roles[r]
		if !known {
			s = standings{cloned(a.ledger.Used(r)), cloned(a.ledger.Own(r))}
			a.roles[r] = s
		}
		f(&s, r == role)
		if r == "" {
			return
		}
	}
}

func cloned(r berth.Resources) berth.Resources {
	if r == nil {
		return berth.Resources{}
	}
	return r.Clone()
}

// capped is a+b, or the largest int64.
func capped(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Over returns the limits, of the role and of all above it, that a role would exceed if it had r more, those of the deepest role first and
// by resource; none if it may have it.
func (a *Account) Over(role berth.Role, r berth.Resources) (over []berth.Lack) {
	for at := role; ; at = at.Parent() {
		if limits := a.Quota(at).Limits; len(limits) > 0 {
			used := a.Used(at)
			for name, limit := range limits.All() {
				if q := r[name]; q > 0 && capped(used[name], q) > limit {
					over = append(over, berth.Exceeded(at, name, limit, used[name], capped(used[name], q)-limit))
				}
			}
		}
		if at == "" {
			return over
		}
	}
}

// Room returns what a role may still have of each resource that a limit of it or of a role above it names: the least of them. Of others it
// may have any amount.
func (a *Account) Room(role berth.Role) berth.Resources {
	room := berth.Resources{}
	for at := role; ; at = at.Parent() {
		if limits := a.Quota(at).Limits; len(limits) > 0 {
			used := a.Used(at)
			for name, limit := range limits {
				left := max(0, limit-used[name])
				if least, named := room[name]; !named || left < least {
					room[name] = left
				}
			}
		}
		if at == "" {
			return room
		}
	}
}

// Lacks returns what a role has less than is guaranteed to it; empty if nothing is.
func (a *Account) Lacks(role berth.Role) berth.Resources {
	lacks := berth.Resources{}
	if least := a.Quota(role).Guarantees; len(least) > 0 {
		used := a.Used(role)
		for name, q := range least {
			if used[name] < q {
				lacks[name] = q - used[name]
			}
		}
	}
	return lacks
}

// Claim returns the role in whose name something may be reclaimed for a task of a role that takes r: the role itself or the nearest
// one above it to which something of r is guaranteed that it has not, and false if there is none. The task must fit in what
// is guaranteed: a role gets nothing beyond it by force. Of what is not guaranteed, a task gets what comes along.
func (a *Account) Claim(role berth.Role, r berth.Resources) (berth.Role, bool) {
	for at := role; ; at = at.Parent() {
		if least := a.Quota(at).Guarantees; len(least) > 0 {
			used, some, fits := a.Used(at), false, true
			for name, q := range least {
				if r[name] > 0 {
					some = true
					fits = fits && capped(used[name], r[name]) <= q
				}
			}
			if some && fits {
				return at, true
			}
		}
		if at == "" {
			return "", false
		}
	}
}

// Spares reports whether a role can lose r to another, which claims it, with nobody getting less than is guaranteed to him: neither the
// role nor any above it, up to where the claiming one is below the same. A role that is short of something in r already does not lose it.
func (a *Account) Spares(role berth.Role, r berth.Resources, claims berth.Role) bool {
	if claims == role || role.Within(claims) {
		return false // it would take from itself
	}
	for at := role; !claims.Within(at); at = at.Parent() {
		if least := a.Quota(at).Guarantees; len(least) > 0 {
			used := a.Used(at)
			for name, q := range least {
				if r[name] > 0 && used[name]-r[name] < q {
					return false
				}
			}
		}
		if at == "" {
			break
		}
	}
	return true
}

// CheckQuotas returns what is wrong with the quotas of some roles together, joined, or nil: children to whom more is guaranteed than the
// role above them may have, or than is guaranteed to it, and guarantees of more than there is. The quotas are all that count; what roles have
// is left out. It takes time for each role.
func CheckQuotas(total berth.Resources, quotas ...berth.Quota) error {
	var errs []error
	byRole := make(map[berth.Role]berth.Quota, len(quotas))
	for _, q := range quotas {
		if err := q.Err(); err != nil {
			errs = append(errs, err)
			continue
		}
		byRole[q.Role] = q
	}
	// least is what has to be there for a role: what is guaranteed to it or, where that is more, to all below it together.
	least := map[berth.Role]berth.Resources{}
	roles := slices.SortedFunc(maps.Keys(byRole), func(a, b berth.Role) int { return comparePaths(b, a) }) // children first
	for _, r := range roles {
		need := least[r]
		if need == nil {
			need = berth.Resources{}
		}
		q := byRole[r]
		for name, below := range need.All() {
			if most, ok := q.Limits[name]; ok && below > most {
				errs = append(errs, fmt.Errorf("allocator: quota of %q: resource %q: %d guaranteed below it, but a limit of %d", string(r), name, below, most))
			}
			if own, ok := q.Guarantees[name]; ok && below > own {
				errs = append(errs, fmt.Errorf("allocator: quota of %q: resource %q: %d guaranteed below it, but %d to it", string(r), name, below, own))
			}
		}
		for name, own := range q.Guarantees {
			need[name] = max(need[name], own)
		}
		if r == "" {
			least[""] = need
			continue
		}
		at := r.Parent()
		for at != "" {
			if _, known := byRole[at]; known {
				break
			}
			at = at.Parent()
		}
		if least[at] == nil {
			least[at] = berth.Resources{}
		}
		for name, x := range need {
			least[at][name] = capped(least[at][name], x)
		}
	}
	for name, x := range least[""].All() {
		if x > total[name] {
			errs = append(errs, fmt.Errorf("allocator: quotas: resource %q: %d guaranteed, but there are %d", name, x, total[name]))
		}
	}
	return errors.Join(errs...)
}

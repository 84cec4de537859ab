package offers

import (
	"cmp"
	"maps"
	"math/bits"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/store"
)

// The ledger of a Book is the source's, less what the framework was offered: to place a task there is to give back as much of an
// offer. It is of the framework's role, of the roles below it and of those above it, whose limits bind the framework. What others
// have is in it as sums, without what they are of.

// ledger is what an overlay knows of the source's.
type ledger struct {
	owned   owned                       // what the framework was offered, as the source's ledger has it
	quotas  map[berth.Role]*store.Quota // of the source, that the store was given
	charged *store.View                 // of the source, when the ledger was last brought up to date
	heard   []*store.Sum                // where the sums of roles were then, by account
}

// like makes the ledger what another is, of whose store one begins as a branch.
func (l *ledger) like(other *ledger) {
	*l = ledger{quotas: maps.Clone(other.quotas), heard: slices.Clone(other.heard)}
}

// owned is what a framework was offered in each row of its Book, as its offers are charged in the source, and all of it.
type owned struct {
	on  map[uint32]store.Sums
	all store.Sums
}

func (o *owned) set(row uint32, now store.Sums) {
	was := o.on[row]
	if len(now) == 0 && len(was) == 0 || slices.Equal(now, was) {
		return
	}
	o.all.Move(was, -1)
	o.all.Move(now, 1)
	switch {
	case len(now) == 0:
		delete(o.on, row)
	case o.on == nil:
		o.on = map[uint32]store.Sums{row: now}
	default:
		o.on[row] = now
	}
}

func minus(a, b store.Sum) store.Sum {
	lo, borrow := bits.Sub64(a.Lo, b.Lo, 0)
	return store.Sum{Hi: a.Hi - b.Hi - uint32(borrow), Lo: lo}
}

func isNone(s store.Sum) bool { return s.Hi == 0 && s.Lo == 0 }

// syncLedger brings the Book's ledger and its quotas in line with the source's. Where the source has changed it costs a glance at each
// role above the framework's and below it, and more for those that have changed.
func (b *overlay) syncLedger() {
	view := b.x.view
	if b.charged == view.Undated() {
		return
	}
	b.charged = nil
	role := b.role
	quotas := 0
	for name := role; name != ""; {
		below := name
		name = name.Parent()
		at, known := view.FindRole(name)
		if !known {
			continue
		}
		quota := view.Account(at).Quota
		if quota != nil {
			quotas++
		}
		b.setQuota(name, quota)
		// All that is not below the next role on the way counts as its own.
		b.store.SetOwn(name, without(view.UsedOf(name), view.UsedOf(below)))
	}
	for _, p := range b.x.paths.within(view, role) {
		a := view.Account(p.account)
		if a.Name != string(p.role) {
			continue // it has nothing any more
		}
		if a.Quota != nil {
			quotas++
		}
		b.setQuota(p.role, a.Quota)
		switch {
		case p.role == role:
			b.store.SetOwn(p.role, without(view.OwnOf(p.role), view.AmountsOf(b.owned.all)))
		case b.isNews(p.account, a.Own):
			b.store.SetOwn(p.role, view.OwnOf(p.role))
		}
	}
	if quotas < len(b.quotas) { // roles that the source knows no more had some
		for _, name := range slices.Sorted(maps.Keys(b.quotas)) {
			if _, ok := view.FindRole(name); !ok {
				b.setQuota(name, nil)
			}
		}
	}
	for _, a := range b.store.EachRole() {
		if _, ok := view.FindRole(berth.Role(a.Name)); !ok {
			b.store.SetOwn(berth.Role(a.Name), nil)
		}
	}
	b.charged = view.Undated()
}

// isNews reports whether what a role has by itself may be other than when it was last asked about: the sums of an account are
// written elsewhere once a view shows them.
func (b *overlay) isNews(account uint32, own store.Sums) bool {
	for len(b.heard) <= int(account) {
		b.heard = append(b.heard, nil)
	}
	var now *store.Sum
	if len(own) > 0 {
		now = &own[0]
	}
	was := b.heard[account]
	b.heard[account] = now
	return was != now
}

// paths are the roles that a view of the source has accounts of, sorted so that those below a role come behind it.
type paths struct {
	branch, made uint64 // of the view: the same accounts are where they were, or are gone
	list         []path
}

type path struct {
	role    berth.Role
	account uint32
}

// within returns the accounts of a role and of those below it, some of which may be gone.
func (p *paths) within(v *store.View, role berth.Role) []path {
	if branch := v.Version().Branch; p.branch != branch || p.made != v.AccountsMade() {
		p.branch, p.made, p.list = branch, v.AccountsMade(), p.list[:0]
		for at, a := range v.EachRole() {
			p.list = append(p.list, path{berth.Role(a.Name), at})
		}
		slices.SortFunc(p.list, func(a, b path) int { return comparePaths(a.role, b.role) })
	}
	first, _ := slices.BinarySearchFunc(p.list, role, func(a path, role berth.Role) int { return comparePaths(a.role, role) })
	end := first
	for end < len(p.list) && p.list[end].role.Within(role) {
		end++
	}
	return p.list[first:end]
}

// comparePaths orders roles, each right before those below it.
func comparePaths(a, b berth.Role) int {
	for i := range min(len(a), len(b)) {
		switch x, y := a[i], b[i]; {
		case x == y:
		case x == '/':
			return -1
		case y == '/':
			return 1
		default:
			return cmp.Compare(x, y)
		}
	}
	return cmp.Compare(len(a), len(b))
}

func (b *overlay) setQuota(role berth.Role, quota *store.Quota) {
	switch {
	case b.quotas[role] == quota:
	case quota == nil:
		b.store.SetQuota(role, nil)
		delete(b.quotas, role)
	default:
		b.store.SetQuota(role, quota)
		if b.quotas == nil {
			b.quotas = map[berth.Role]*store.Quota{}
		}
		b.quotas[role] = quota
	}
}

// without returns amounts less others, of which there is no more.
func without(amounts, others []store.Amount) []store.Amount {
	for _, x := range others {
		for i := range amounts {
			if amounts[i].Name == x.Name {
				amounts[i].Sum = minus(amounts[i].Sum, x.Sum)
			}
		}
	}
	return slices.DeleteFunc(amounts, func(x store.Amount) bool { return isNone(x.Sum) })
}

package offers

import (
	"context"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/fit"
	"github.com/berth-sched/berth/internal/store"
)

// own is a commit of which it is known what it does to the account: the tasks that it places draw on offers of their framework, which is charged as
// much before as after, and of some offers what is left goes back.
type own struct {
	sub  *Subscription
	back []giveBack
	done *cluster.Outcome
}

// giveBack is what of an offer goes back.
type giveBack struct {
	at   *site
	what *stock
}

// drawsOnly reports whether all that the operations do to the account of a framework is that tasks draw on its exclusive offers, as much as they
// take.
func (x *Exchange) drawsOnly(ops []berth.Op) bool {
	if x.cfg.Lease != berth.Exclusive {
		return false
	}
	var last *berth.Group
	for i := range ops {
		op := &ops[i]
		if op.Kind != berth.Place {
			return false
		}
		if g := op.Task.Group; g != last {
			if fit.Grants(g) || op.From == "" && !takesNothing(g) {
				return false
			}
			last = g
		}
	}
	return true
}

// settleOwn is sync after a commit of a framework's own, if nothing else has happened: it looks at what the commit has done, and at no more of
// the nodes than that. It returns false, and has done nothing, where more may have happened.
func (x *Exchange) settleOwn(ctx context.Context, c *own) bool {
	if c.done.Before != cluster.Version(x.view.Version()) || len(x.proposed) > 0 || !x.account.sized || x.branch != c.done.Version.Branch {
		return false
	}
	snapshot, err := x.source.Snapshot(context.WithoutCancel(ctx))
	if err != nil || snapshot == nil {
		return false
	}
	view := (*store.View)(snapshot).Shown()
	if cluster.Version(view.Version()) != c.done.Version {
		return false
	}
	rows, changes, known, end := x.seen.since(view, len(x.rows))
	if !known {
		return false
	}
	tasks := false
	for _, change := range changes {
		if change.Group == store.NoGroup || int(change.Row) >= len(x.rows) || x.rows[change.Row] == nil {
			return false
		}
		tasks = tasks || change.Group != store.Holds
	}
	x.seen = cursor{} // until all is done: a panic on the way leaves all to be compared
	x.snapshot, x.view = snapshot, view
	placed := x.placed
	x.recountAfter(changes, true)
	x.identify()
	for _, p := range placed {
		if x.claimed.get(p.slot) != p {
			continue
		}
		if row := view.Record(p.slot).Row; row != store.None {
			x.rows[row].claims = append(x.rows[row].claims, p)
		}
	}
	var gone []*offer
	sites := make([]*site, len(rows))
	for i, row := range rows {
		s := x.rows[row]
		sites[i] = s
		x.note(row)
		x.freshen(s)
		for _, o := range s.offers {
			if o.sub != c.sub {
				continue
			}
			if _, left := x.hold(o); !left {
				gone = append(gone, o)
			} else {
				o.drawn = false
				x.ease(o.sub)
				x.recount(o.sub)
			}
		}
	}
	slices.SortFunc(gone, byNumber)
	x.tellBooks(sites, changes, true)
	for _, o := range gone {
		x.end(o)
	}
	for _, b := range c.back {
		x.account.giveBack(b.at, c.sub.client, b.what)
	}
	x.recharge(sites)
	x.payDebts()
	x.seen = end
	if tasks {
		x.wakeAll()
	}
	return true
}

// giveBack takes off what a client has on a node.
func (a *account) giveBack(s *site, who client, what *stock) {
	i, found := slices.BinarySearchFunc(s.balances, who, func(b balance, who client) int { return compareClients(b.who, who) })
	if !found || what == nil || len(what.all) == 0 {
		return
	}
	b := &s.balances[i]
	even := b.owed == b.paid
	b.owed = b.owed.minus(what)
	if !even {
		a.correct(s)
		return
	}
	if err := a.move(who, what, -1); err != nil {
		a.correct(s) // which tries again, and takes down what is outstanding
		return
	}
	a.eased = true
	if b.paid = b.owed; b.owed == nil {
		s.balances = slices.Delete(s.balances, i, i+1)
	}
}

package offers

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/internal/fit"
)

// A task that is large never has its turn where small ones come and go: what one of them gives back the next one takes, and no node is ever
// free enough. So for a demand that fits on no node now, though it would if tasks ended, nodes are kept: what becomes free there is
// offered to nobody else. As tasks end and no new ones come, it fits. Holding a node for the job at the head of a queue is what batch
// systems call a reservation (Lifka, "The ANL/IBM SP Scheduling System", 1995); here it is by the order of turns, and no more nodes than the
// host says.

// keeping is what a node is kept for.
type keeping struct {
	sub    *Subscription
	group  *berth.Group
	served bool // it has had a piece there
}

// open returns the want that a node is kept for, if it is one that is still open.
func (k *keeping) open() *want {
	if !k.sub.takesPart() {
		return nil
	}
	for i := range k.sub.wants {
		if w := &k.sub.wants[i]; w.left > 0 && w.group == k.group {
			return w
		}
	}
	return nil
}

// takesPart reports whether a framework takes part, has declared what it wants, and still wants some of it.
func (s *Subscription) takesPart() bool {
	return s.declared && s.open && !s.gone && !s.suppressed && !s.away && !s.paused
}

// isKept reports whether a node is kept for something else than a want of a framework; for anything at all, where the want is nil.
func (at *site) isKept(w *want) bool {
	return at.kept != nil && (w == nil || at.kept.group != w.group)
}

// isKeptFrom reports whether a node is kept for another framework.
func (at *site) isKeptFrom(s *Subscription) bool { return at.kept != nil && at.kept.sub != s }

// endGathering lets the nodes go that are not to be kept any more: all are asked about them again.
func (x *Exchange) endGathering() {
	x.kept = slices.DeleteFunc(x.kept, func(at *site) bool {
		if at.node != nil && !at.kept.served {
			if w := at.kept.open(); w != nil && x.mayGather(at.kept.sub, w, at) {
				return false
			}
		}
		at.kept = nil
		x.freshen(at)
		return true
	})
}

// mayGather reports whether nothing keeps a node from being offered to a framework for a want, once enough of it is free: a node that its terms
// exclude, or that it has declined, would be kept for nobody.
func (x *Exchange) mayGather(s *Subscription, w *want, at *site) bool {
	if x.view.Node(at.row).Cordoned || at.node.Spec.Unschedulable || x.isForOthers(at, w.uses) || !x.suits(s, at) {
		return false
	}
	n := at.placesFor(w, s)
	return n > 0 && !x.isNeverOffered(s, w) && !(x.hasFilters(s, at.row) && x.refuses(s, at, false, w.each.times(int64(min(n, w.left))).all))
}

// isNeverOffered reports whether a want takes more at a time than the terms of its framework let it have of all there is.
func (x *Exchange) isNeverOffered(s *Subscription, w *want) bool {
	return s.percent > 0 && s.isTooMuch(nil, w.each.times(int64(max(w.need, 1))).all, x.snapshot.Total())
}

// gatherMore keeps nodes, in the order of turns, for demand that fits on none as the source is now. Nothing is done where nothing has
// happened since it was done last.
func (x *Exchange) gatherMore(p *pass) {
	if x.cfg.Gather == 0 || x.cfg.Lease != berth.Exclusive || !p.news && x.gathered == x.view.Version() {
		return
	}
	x.countOpen()
	x.endGathering()
	x.gathered = x.view.Version()
	for s := range p.inTurn() {
		if len(x.kept) >= x.cfg.Gather {
			return
		}
		if s == nil || !s.takesPart() || s.most > 0 && len(s.offers) >= s.most {
			continue
		}
		for i := range s.wants {
			w := &s.wants[i]
			if w.left == 0 || w.group.Mode() == berth.Daemon || x.isNeverOffered(s, w) {
				continue
			}
			if w.need > 0 {
				p.gatherFor(s, w, w.need)
			} else if !p.fitsAnywhere(s, w) {
				p.gatherFor(s, w, w.left)
			}
		}
	}
}

// fitsAnywhere reports whether a task of a want fits on a node that is not kept for something else.
func (p *pass) fitsAnywhere(s *Subscription, w *want) bool {
	x := p.x
	near := !x.isFar(w)
	if near {
		w.class.group = w.group
	}
	for i, rows := range x.room {
		for ; rows != 0; rows &= rows - 1 {
			row := uint32(i*64 + bits.TrailingZeros64(rows))
			at := x.rows[row]
			if at.isKeptFrom(s) || at.isKept(w) || x.isForOthers(at, w.uses) || !x.suits(s, at) {
				continue
			}
			if near && p.may(w.class, row) || !near && fits(p.probing(), w.group, at) {
				return true
			}
		}
	}
	return false
}

// gatherFor keeps nodes for so many tasks of a want: those on which the least is to be waited for.
func (p *pass) gatherFor(s *Subscription, w *want, tasks int) {
	x := p.x
	for _, at := range x.kept {
		if at.kept.sub == s && at.kept.group == w.group {
			tasks = max(tasks-at.placesFor(w, s), 0)
		}
	}
	if tasks <= 0 || len(x.kept) >= x.cfg.Gather {
		return
	}
	type candidate struct {
		at   *site
		lack uint64 // of what a task requests, the largest part that is not free, in billionths
	}
	var all []candidate
	for _, row := range x.view.Order() {
		at := x.rows[row]
		if at.kept != nil || !x.mayGather(s, w, at) {
			continue
		}
		c := candidate{at: at}
		for name, q := range w.request {
			if d, ok := x.view.DimOf(name); ok && q > 0 {
				c.lack = max(c.lack, partOf(q-max(x.view.FreeOf(row, d), 0), q))
			}
		}
		all = append(all, c)
	}
	slices.SortStableFunc(all, func(a, b candidate) int { return cmp.Compare(a.lack, b.lack) })
	for _, c := range all {
		if tasks <= 0 || len(x.kept) >= x.cfg.Gather {
			return
		}
		if !p.wouldFit(w, c.at) {
			continue
		}
		c.at.kept = &keeping{sub: s, group: w.group}
		x.kept = append(x.kept, c.at)
		tasks = max(tasks-c.at.placesFor(w, s), 0)
	}
}

// placesFor returns how many tasks of a want a node would have places for, as far as amounts go, if only what its framework has there stayed.
func (at *site) placesFor(w *want, s *Subscription) int {
	i, has := slices.BinarySearchFunc(at.balances, s.client, func(b balance, who client) int { return compareClients(b.who, who) })
	n, counted := math.MaxInt, false
	for name, q := range w.request {
		if q <= 0 {
			continue
		}
		left := at.node.Spec.Capacity[name]
		if has && at.balances[i].owed != nil {
			left -= at.balances[i].owed.all[name]
		}
		n, counted = min(n, int(left/q)), true
	}
	if !counted {
		return 1 // it is of devices or ports alone
	}
	return max(n, 0)
}

// partOf returns how many billionths of a whole a part is; none if it is below zero.
func partOf(part, whole int64) uint64 {
	if part <= 0 {
		return 0
	}
	if part >= whole {
		return 1e9
	}
	hi, lo := bits.Mul64(uint64(part), 1e9)
	q, _ := bits.Div64(hi, lo, uint64(whole))
	return q
}

// wouldFit reports whether a task of a want fits on a node, or would if tasks there ended.
func (p *pass) wouldFit(w *want, at *site) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	probe := p.probing()
	node, ok := probe.Node(at.id)
	if !ok {
		return false
	}
	lacks := probe.Lacks(w.group, node)
	return len(lacks) == 0 || fit.WaitsForRoom(lacks)
}

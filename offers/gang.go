package offers

import (
	"fmt"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
)

// A gang is offered whole or not at all. When it is the turn of a framework that wants one, places for all of its tasks that are missing
// are looked for at once, on all nodes: a gang is one grant, however many nodes it is on. Since room only gets less during a pass, a gang
// that does not fit when its turn comes would not later either, so it is out of the pass, and what there is goes to others. What is
// wanted beyond the size of a gang is offered piece by piece.

// spot is the place of one task of a gang on a fork.
type spot struct {
	at *site
	op berth.Op
}

// missing returns how many more tasks a want of a gang needs to be whole, given how many run or are offered.
func (w *want) missing(have int) int {
	if w.group.Mode() != berth.Gang {
		return 0
	}
	return max(w.group.GangSize()-have, 0)
}

// triable returns how many gangs of a framework the pass has not tried yet.
func (p *pass) triable(s *Subscription) (n int) {
	for i := range s.wants {
		if w := &s.wants[i]; w.need > 0 && w.left > 0 && w.tried != p.number {
			n++
		}
	}
	return n
}

// giveUp has the pass try no more gangs of a framework.
func (p *pass) giveUp(s *Subscription) {
	p.gangs -= s.gangs
	s.gangs = 0
}

// tryGangs tries those gangs whose turn has not come at any node: no node was put that their frameworks are asked about.
func (p *pass) tryGangs() {
	for p.gangs > 0 {
		before := p.gangs
		for s := range p.inTurn() {
			if s == nil || s.gangs == 0 {
				continue
			}
			if !p.ready(s) {
				p.giveUp(s)
			}
			if p.anyGang(s) {
				break // the order is another now
			}
		}
		if p.gangs == before {
			return // the order knows the framework no more
		}
	}
}

// anyGang offers the first gang of a framework that fits.
func (p *pass) anyGang(s *Subscription) bool {
	passed := 0 // that have found no room
	for i := range s.wants {
		w := &s.wants[i]
		if w.left == 0 || w.group.Mode() == berth.Daemon {
			continue
		}
		if s.gangs > 0 && w.need > 0 && w.tried != p.number {
			if s.window > 0 && passed >= s.window {
				p.leaveOut(s, w)
			} else if p.gang(s, w) {
				return true
			}
		}
		passed++
	}
	return false
}

// leaveOut notes that the pass is done with a gang.
func (p *pass) leaveOut(s *Subscription, w *want) {
	w.tried = p.number
	s.gangs--
	p.gangs--
}

// gang offers all that a gang lacks, or nothing.
func (p *pass) gang(s *Subscription, w *want) bool {
	p.leaveOut(s, w)
	c := w.class
	alike := c.key != "" && p.x.cfg.Lease == berth.Exclusive && !p.x.isFar(w) && len(s.refusals) == 0 && s.most == 0 && s.nodes == nil && len(p.x.kept) == 0
	if alike && c.scarce == p.number && c.places < w.need {
		return false
	}
	fork := p.fork(s)
	spots := p.spots(fork, s, w)
	if len(spots) < w.need {
		if alike {
			c.scarce, c.places = p.number, len(spots)
		}
		release(fork, spots)
		return false
	}
	for i, spot := range spots {
		if p.charge(s, spot.at, w.each) {
			continue
		}
		for _, charged := range spots[:i] {
			p.x.retreat(charged.at, s.client, w.each)
			s.held = s.held.minus(w.each)
		}
		release(fork, spots)
		return false
	}
	p.wholes++
	var d *draft
	for _, spot := range spots {
		if d == nil || d.site != spot.at {
			d = p.add(s, spot.at, w.group)
			d.hold = berth.Hold{Resources: berth.Resources{}}
			d.gang = p.wholes
			if p.chooses {
				p.drawnFrom(nil, s, spot.at)
			}
		}
		d.grow(w, spot.op.Grant)
		p.note(s, w.group.Role(), w.cost)
	}
	w.left -= w.need
	w.need = 0
	p.settleFor(s)
	if w.left > 0 {
		p.retry(s) // for what it wants besides, of the nodes that were put before
	}
	return true
}

// spots places on a fork the tasks that a gang lacks, or as many of them as there is room for, by node ID.
func (p *pass) spots(fork *cluster.Fork, s *Subscription, w *want) (spots []spot) {
	x := p.x
	near := !x.isFar(w)
	if near {
		w.class.group = w.group // which may have been that of one that is far
	}
	nodes := 0
	for _, row := range p.rowsFor(s, w) {
		if !x.room.has(row) || near && !p.may(w.class, row) {
			continue
		}
		at := x.rows[row]
		node, _ := fork.Node(at.id)
		if at.isKeptFrom(s) || at.isKept(w) || x.isForOthers(at, w.uses) || !x.suits(s, at) || x.hasFilters(s, row) && x.refuses(s, at, false, most(w, node)) {
			continue
		}
		if nodes++; s.most > 0 && len(s.offers)+s.planned+nodes > s.most {
			return spots
		}
		before := len(spots)
		for p.guard(s, w, func() bool {
			op, why := fork.Apply(berth.Op{Kind: berth.Place, Task: w.group.Task(p.unit()), Node: at.id})
			if why.Code == berth.None {
				spots = append(spots, spot{at, op})
			}
			return why.Code == berth.None
		}) {
			if len(spots) == w.need {
				return spots
			}
		}
		if w.left == 0 {
			return spots // a rule panicked
		}
		if len(spots) == before {
			nodes--
		}
	}
	return spots
}

// release takes the tasks of a gang off a fork.
func release(fork *cluster.Fork, spots []spot) {
	for _, spot := range spots {
		fork.Apply(berth.Op{Kind: berth.Release, ID: spot.op.Task.ID})
	}
}

// retreat takes back an advance.
func (x *Exchange) retreat(s *site, who client, what *stock) {
	b := x.account.balanceOf(&s.balances, who)
	b.owed = b.owed.beyond(what)
	x.account.correct(s)
}

// shortOf returns how many places there are for each gang that a framework wants and for which there are too few now.
func (x *Exchange) shortOf(s *Subscription, now *cluster.Fork) map[*want]int {
	var short map[*want]int
	for i := range s.wants {
		w := &s.wants[i]
		if w.need == 0 || w.left == 0 {
			continue
		}
		p := &pass{x: x}
		s.planned = 0
		before := now.Savepoint()
		if n := len(p.spots(now, s, w)); n < w.need {
			if short == nil {
				short = map[*want]int{}
			}
			short[w] = n
		}
		_ = now.Rollback(before) // of a savepoint that was just made
	}
	return short
}

// lackOf says that a gang would not be whole, and how many of its tasks have a place.
func lackOf(w *want, places int) berth.Lack {
	size := w.group.GangSize()
	return berth.Lack{Reason: berth.Reason{Code: berth.GangIncomplete, Subject: fmt.Sprintf("%d of %d", size-w.need+places, size)}}
}

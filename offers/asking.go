package offers

import (
	"fmt"
	"iter"
	"math/bits"
	"slices"

	"github.com/berth-sched/berth"
	"github.com/berth-sched/berth/cluster"
	"github.com/berth-sched/berth/internal/store"
)

// asking is who the next pass is to ask about which node. After a pass nobody wants what is free: everybody has been asked about it, and
// has a filter, no room for its tasks or as many offers as it may have. So only what has happened since is a reason to ask
// again: a node that changed is put to everybody, and who may want more than before is asked about all nodes. A demand with rules about
// what is elsewhere is asked about all nodes whenever anything has changed.
type asking struct {
	fresh    rowSet                     // nodes that changed since a pass put them to everybody
	room     rowSet                     // nodes on which something is free
	eager    []*Subscription            // who is to be asked about all nodes
	recounts []*Subscription            // of whose demand another part may be open now
	counting map[string][]*Subscription // by the names of the groups whose tasks they count
	counted  map[uint32]string          // names of groups of the source whose tasks were counted
	classes  map[string]*class
	touched  touched
	entwined int           // wants with rules about tasks of other groups
	rounds   uint64        // passes, failed ones included
	cutters  int           // frameworks from which limits kept something
	asked    store.Version // of the source, when the last pass ended
	kept     []*site       // nodes that are kept, as they came to be,
	gathered store.Version // and the source when they were looked for last
}

// touched are the rows that changed, as they did.
type touched struct {
	rows []uint32
	base uint64 // how many were forgotten
}

func (t *touched) end() uint64 { return t.base + uint64(len(t.rows)) }

func (t *touched) add(row uint32, rows int) {
	if len(t.rows) > 2*rows+1024 {
		half := len(t.rows) / 2
		t.base += uint64(half)
		t.rows = append(t.rows[:0], t.rows[half:]...)
	}
	t.rows = append(t.rows, row)
}

// freshen makes the next pass put a node to everybody.
func (x *Exchange) freshen(s *site) {
	if s.node != nil && int(s.row) < len(x.rows) && x.rows[s.row] == s {
		x.fresh.add(s.row)
	}
}

// freshenAll makes the next pass put all nodes to everybody.
func (x *Exchange) freshenAll() {
	for _, s := range x.sites.m {
		x.freshen(s)
	}
}

// hurry makes the next pass ask a framework about all nodes.
func (x *Exchange) hurry(s *Subscription) {
	if !s.eager && !s.gone {
		s.eager = true
		x.eager = append(x.eager, s)
	}
}

// askAnew forgets what the Exchange knows of who wants what.
func (x *Exchange) askAnew() {
	x.fresh, x.room = nil, nil
	x.touched.base, x.touched.rows = x.touched.end()+1, nil
	for _, s := range x.sites.m {
		if s.node != nil && int(s.row) < x.view.Rows() && x.rows[s.row] == s {
			x.room.set(s.row, hasRoom(x.view, s.row))
		}
		s.room = nil
	}
	x.freshenAll()
	for _, s := range x.subs {
		x.recount(s)
		x.hurry(s)
	}
}

// note takes down that a node has changed.
func (x *Exchange) note(row uint32) {
	x.touched.add(row, x.view.Rows())
	x.room.set(row, x.nodeAt(row) != nil && hasRoom(x.view, row))
	if x.nodeAt(row) == nil {
		x.fresh.remove(row)
	}
}

// class is wants that fit on the same nodes, because they are alike in all that a node is asked for.
type class struct {
	key   string       // "" of one that no two wants share
	group *berth.Group // one of them that is not far
	wants int
	verdicts

	needs       []store.Need // what a task takes, in the pass of the number
	needed      uint64
	barred      uint64 // the last time a node was put on which no more of it fits
	round       uint64 // the pass in which somebody wanted something of it last
	pass        uint64 // in which it was last asked about 64 rows at once,
	word        int    // which ones,
	asked, here uint64 // which of them, and where it fits
	scarce      uint64 // the last pass that found too few places for a gang of it,
	places      int    // and how many
}

func (x *Exchange) classOf(g *berth.Group) *class {
	key := ""
	if r := g.Requirements(); g.Mode() != berth.Daemon && len(r.NodeRules)+len(r.Tolerations)+len(r.Devices) == 0 && !r.UsesPorts() {
		key = g.Cost().String()
		if c := x.classes[key]; c != nil {
			c.wants++
			return c
		}
	}
	c := &class{key: key, group: g, wants: 1}
	if key != "" {
		if x.classes == nil {
			x.classes = map[string]*class{}
		}
		x.classes[key] = c
	}
	return c
}

// may reports whether the tasks of a class fit on a node of the source; where a rule panics, that they may.
func (p *pass) may(c *class, row uint32) (fits bool) {
	c.catchUp(&p.x.touched)
	if c.known.has(row) {
		return c.fits.has(row)
	}
	defer func() {
		if recover() != nil {
			fits = true // which is found out when it is tried
		}
	}()
	probe := p.probing()
	node, ok := probe.Node(p.x.rows[row].id)
	fits = ok && probe.Fits(c.group, node)
	c.fits.set(row, fits)
	c.known.add(row)
	return fits
}

// probing returns a fork as the source is.
func (p *pass) probing() *cluster.Fork {
	if p.probe == nil || p.probed != p.x.view {
		p.probe, p.probed = p.x.snapshot.Fork(), p.x.view
	}
	return p.probe
}

// gather finds out who takes part in a pass, and whether there is anything to ask.
func (p *pass) gather() bool {
	x := p.x
	x.countOpen()
	x.endGathering()
	p.news = len(x.eager) > 0
	p.fresh, x.fresh = x.fresh, nil
	if x.room.isEmpty() {
		p.askNobody()
		return false
	}
	moved := x.asked != x.view.Version()
	if len(x.eager) == 0 && !p.fresh.meets(x.room) && !(moved && x.far()) {
		return false
	}
	x.rounds++
	p.number = x.rounds
	for _, s := range x.slots {
		if s == nil {
			continue
		}
		s.planned, s.asks, s.far, s.gangs = 0, false, false, 0
		switch {
		case s.suppressed || s.away || s.paused || s.declared && !s.open:
			continue
		case s.most > 0 && len(s.offers) >= s.most:
			s.missed = true
			continue
		}
		if s.asks = true; s.percent > 0 {
			s.held = x.outstanding(s)
		}
		p.left++
		if !s.declared {
			p.plain = append(p.plain, s)
		} else {
			p.picky = append(p.picky, s)
			for i := range s.wants {
				w := &s.wants[i]
				p.daemons = p.daemons || w.group.Mode() == berth.Daemon
				if w.left == 0 {
					continue
				}
				far := x.isFar(w)
				s.far = s.far || w.need == 0 && (far || w.far)
				if w.far = far; far {
					continue // its rules say nothing of who else is of its class
				}
				w.class.group = w.group
				if w.class.round != p.number {
					w.class.round = p.number
					p.classes = append(p.classes, w.class)
				}
			}
			if s.far {
				p.fars++
			}
			s.gangs = p.triable(s)
			p.gangs += s.gangs
		}
		if s.eager || s.far {
			p.hasty++
			p.everywhere = p.everywhere || !s.declared || s.far
		}
	}
	p.countable = p.canCount()
	for _, s := range x.eager { // those who take no part are asked once they do again
		s.eager = s.asks
	}
	return p.left > 0
}

// askNobody notes that nobody is asked, since nothing is free: whoever is to be asked about all nodes would have been told so.
func (p *pass) askNobody() {
	for _, s := range p.x.eager {
		s.missed = s.missed || s.most > 0 && len(s.offers) >= s.most
	}
}

// far reports whether anybody wants something that can become possible by what happens elsewhere.
func (x *Exchange) far() bool {
	for _, s := range x.slots {
		if s == nil || s.suppressed || s.away || s.paused || !s.open {
			continue
		}
		for i := range s.wants {
			if w := &s.wants[i]; w.left > 0 && (w.need > 0 || w.far || x.isFar(w)) {
				return true
			}
		}
	}
	return false
}

// sites yields the nodes that are to be put to somebody, in the order of their IDs.
func (p *pass) sites() iter.Seq[*site] {
	x := p.x
	if p.everywhere {
		return p.among(x.room) // as far as anybody is left who may want them
	}
	var ask rowSet
	for i, room := range x.room {
		rows := p.fresh.word(i) & room
		if p.hasty > 0 {
			rows |= p.fitting(i, room&^rows, true)
		}
		if rows != 0 && p.exact {
			rows = p.wanted(i, rows)
		}
		if rows != 0 {
			ask.setWord(i, rows)
		}
	}
	n := ask.len()
	if n > len(x.rows)/16 {
		return p.among(ask)
	}
	sites := make([]*site, 0, n)
	for _, row := range ask.list() {
		sites = append(sites, x.rows[row])
	}
	if n > 1 {
		rank := x.view.Rank()
		slices.SortFunc(sites, func(a, b *site) int { return int(rank[a.row]) - int(rank[b.row]) })
	}
	return slices.Values(sites)
}

// among yields the nodes in rows, in the order of their IDs.
func (p *pass) among(rows rowSet) iter.Seq[*site] {
	return func(yield func(*site) bool) {
		for _, row := range p.x.view.Order() {
			if rows.has(row) && !yield(p.x.rows[row]) {
				return
			}
		}
	}
}

// fitting returns those of 64 rows on which the tasks of somebody fit, of the eager only or of all.
func (p *pass) fitting(i int, rows uint64, eager bool) (fit uint64) {
	for _, s := range p.picky {
		if fit == rows {
			break
		}
		if eager && !s.eager {
			continue
		}
		for k := range s.wants {
			w := &s.wants[k]
			if w.left == 0 || w.need > 0 {
				continue
			}
			if s.far {
				return rows
			}
			c := w.class
			if c.pass != p.number || c.word != i {
				c.pass, c.word, c.asked, c.here = p.number, i, 0, 0
			}
			for rest := rows &^ c.asked; rest != 0; rest &= rest - 1 {
				if row := uint32(i*64 + bits.TrailingZeros64(rest)); p.may(c, row) {
					c.here |= 1 << (row % 64)
				}
			}
			c.asked |= rows
			fit |= c.here & rows
		}
	}
	return fit
}

// wanted returns those of 64 rows that somebody may want.
func (p *pass) wanted(i int, rows uint64) uint64 {
	x := p.x
	for rest := rows; rest != 0; rest &= rest - 1 {
		x.settle(x.rows[i*64+bits.TrailingZeros64(rest)])
	}
	var want uint64
	for _, s := range p.plain {
		if len(s.refusals) == 0 || i >= len(x.spared) || s.number >= len(x.spared[i].covers) {
			return rows
		}
		if want |= rows &^ x.spared[i].covers[s.number]; want == rows {
			return rows
		}
	}
	if len(p.picky) > 0 {
		want |= p.fitting(i, rows&^want, false)
	}
	return want
}

// isWanted reports whether somebody who has declared what it wants may want more of a node that is being put.
func (p *pass) isWanted(at *site) bool {
	if p.fars+p.gangs > 0 {
		return true
	}
	for _, c := range p.classes {
		if c.barred == p.x.putting || !p.may(c, at.row) {
			continue
		}
		if p.counts && p.fit(c) == 0 {
			c.barred = p.x.putting
			continue
		}
		return true
	}
	return false
}

// asksAbout reports whether a framework is to be asked about a node that is being put.
func (p *pass) asksAbout(s *Subscription, at *site) bool {
	if s.asks && s.gangs > 0 {
		return true
	}
	if !s.asks || !p.freshHere && !s.eager && !s.far {
		return false
	}
	if !s.declared {
		return !p.exact || !p.x.isSpared(s, at.row)
	}
	for i := range s.wants {
		if w := &s.wants[i]; w.left > 0 && w.need == 0 && (s.far || w.class.barred != p.x.putting) {
			return true
		}
	}
	return false
}

// full notes that a framework has as many offers as it may have. It is asked about all nodes once it has fewer.
func (p *pass) full(s *Subscription) bool {
	if s.most == 0 || len(s.offers)+s.planned < s.most {
		return false
	}
	s.missed = true
	p.leave(s)
	return true
}

// retry has the next pass ask a framework about all nodes.
func (p *pass) retry(s *Subscription) {
	if s.retried != p.number {
		s.retried = p.number
		p.again = append(p.again, s)
	}
}

// charge is advance. What the order refuses is tried again by the next pass.
func (p *pass) charge(s *Subscription, at *site, what *stock) bool {
	if p.isTooMuch(s, what) {
		return false
	}
	return p.chargeTimes(s, at, what, 1)
}

// chargeTimes charges so many times what.
func (p *pass) chargeTimes(s *Subscription, at *site, what *stock, times int64) bool {
	ok := p.x.advance(at, s, what, times)
	switch {
	case !ok:
		p.retry(s)
	case s.percent > 0:
		s.held = s.held.plus(what)
	}
	return ok
}

// leave has a framework take part no more.
func (p *pass) leave(s *Subscription) {
	if !s.asks {
		return
	}
	s.asks = false
	p.left--
	p.giveUp(s)
	if s.eager || s.far {
		p.hasty--
	}
}

// guard asks whether a task of a demand can run somewhere, which asks the rules of its group. If one panics, the
// demand is out of this pass, and nobody else is.
func (p *pass) guard(s *Subscription, w *want, fits func() bool) (ok bool) {
	defer func() {
		if fault := recover(); fault != nil {
			w.left, ok = 0, false
			p.x.recount(s) // the next pass tries again
			p.faults = append(p.faults, fmt.Errorf("%v: demand %q: a rule panicked: %v", s.client, w.group.Name(), fault))
		}
	}()
	return fits()
}

package offers

import (
	"fmt"
	"math"
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
	asked    berth.Version // of the source, when the last pass ended
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

// recount has what is open of a framework's demand counted before the next pass.
func (x *Exchange) recount(s *Subscription) {
	if s.declared && !s.recounted && !s.gone {
		s.recounted = true
		x.recounts = append(x.recounts, s)
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
	for _, s := range x.names {
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

// hasRoom reports whether anything is free on a node that anybody could be offered.
func hasRoom(v *store.View, row uint32) bool {
	n := v.Node(row)
	switch {
	case n.Node == nil || n.Cordoned:
		return false
	case len(n.Node.Devices) > 0 || len(n.Node.Spec.Ports) > 0:
		return true // it would take a closer look
	}
	for _, q := range v.Free(row) {
		if q > 0 {
			return true
		}
	}
	return false
}

// want is a demand, and what is still open of it.
type want struct {
	group   *berth.Group
	request berth.Resources // without devices
	cost    berth.Resources // with them,
	each    *stock          // which is this
	count   int             // in all; 0 is any number
	left    int
	class   *class
	need    int    // how many it lacks to be whole, of a gang,
	tried   uint64 // and the last pass that looked for places for them

	refused bool   // tasks of others keep those of the group away from some nodes,
	epoch   uint64 // as of this epoch of the source's counters
	far     bool   // when it was last asked about, it was: what kept it away may have been anywhere
}

// setDemand replaces what a framework wants.
func (x *Exchange) setDemand(s *Subscription, demand []Demand) {
	x.dropDemand(s)
	s.demand = slices.Clone(demand)
	for _, d := range s.demand {
		if takesNothing(d.Group) {
			continue
		}
		w := want{group: d.Group, request: d.Group.Spec().Request, cost: d.Group.Cost(), count: d.Count, class: x.classOf(d.Group)}
		w.each = x.stocks.of(w.cost)
		if w.entwined() {
			x.entwined++
		}
		if w.isCounted() {
			if x.counting == nil {
				x.counting, x.counted = map[string][]*Subscription{}, map[uint32]string{}
			}
			x.counting[d.Group.Name()] = append(x.counting[d.Group.Name()], s)
		}
		s.wants = append(s.wants, w)
	}
	x.recount(s)
	x.hurry(s)
}

// dropDemand forgets what a framework wants.
func (x *Exchange) dropDemand(s *Subscription) {
	for i := range s.wants {
		w := &s.wants[i]
		if w.entwined() {
			x.entwined--
		}
		if w.class.wants--; w.class.wants == 0 && w.class.key != "" {
			delete(x.classes, w.class.key)
		}
		if !w.isCounted() {
			continue
		}
		name := w.group.Name()
		x.counting[name] = slices.DeleteFunc(x.counting[name], func(o *Subscription) bool { return o == s })
		if len(x.counting[name]) == 0 {
			delete(x.counting, name)
		}
	}
	if len(x.counting) == 0 {
		x.counting, x.counted = nil, nil
	}
	s.wants, s.demand = nil, nil
}

// isCounted reports whether it matters how many tasks of the group there are.
func (w *want) isCounted() bool { return w.count > 0 || w.group.Mode() == berth.Gang }

// entwined reports whether the rules of a want are about tasks of other groups, or keep them away.
func (w *want) entwined() bool { return len(w.group.Requirements().TaskRules) > 0 }

// isFar reports whether the answer for a node can change with what happens on others.
func (x *Exchange) isFar(w *want) bool {
	if x.entwined > 0 || len(w.group.Requirements().DomainRules) > 0 || x.view.Limited() > 0 {
		return true
	}
	if epoch := x.view.CounterEpoch(); w.epoch != epoch+1 {
		w.epoch, w.refused = epoch+1, len(x.view.Refusing(w.group)) > 0
	}
	return w.refused
}

// recountAfter has demand counted anew for which tasks count that came or went; all of it where the changes are not known.
func (x *Exchange) recountAfter(changes []store.Change, known bool) {
	if !known {
		for _, s := range x.names {
			x.recount(s)
		}
		return
	}
	if x.counting == nil {
		return
	}
	last := uint32(store.Holds)
	for _, c := range changes {
		if c.Group != last {
			last = c.Group
			x.recountGroup(last)
		}
	}
}

// recountGroup has demand counted anew that the tasks of a group of the source count for.
func (x *Exchange) recountGroup(id uint32) {
	if id == store.Holds || id == store.NoGroup {
		return
	}
	if name, ok := x.counted[id]; ok { // the number may be another's by now
		for _, s := range x.counting[name] {
			x.recount(s)
		}
	}
	if int(id) >= x.view.Groups() {
		return
	}
	if g := x.view.Group(id); g.Spec != nil {
		for _, s := range x.counting[g.Spec.Name()] {
			x.recount(s)
		}
	}
}

// countOpen works out what is open of the demand of those of whom it may be otherwise than before. Who wants something and wanted none
// of it before is asked about all nodes.
func (x *Exchange) countOpen() {
	for _, s := range x.recounts {
		s.recounted, s.open = false, false
		if s.gone {
			continue
		}
		made := map[string][]*offer{} // by the name of the group that they were made for
		for _, o := range s.offers {
			if o.group != nil {
				made[o.group.Name()] = append(made[o.group.Name()], o)
			}
		}
		for i := range s.wants {
			w := &s.wants[i]
			was := w.left
			w.left, w.need = math.MaxInt, 0
			if w.isCounted() {
				have := x.running(w.group) + x.offered(made[w.group.Name()], w.group, w.cost)
				if w.need = w.missing(have); w.count > 0 {
					w.left = max(w.count-have, 0)
				}
			}
			if w.left > 0 {
				s.open = true
				if was == 0 {
					x.hurry(s)
				}
			}
		}
	}
	x.recounts = x.recounts[:0]
}

// class is wants that fit on the same nodes, because they are alike in all that a node is asked for.
type class struct {
	key   string       // "" of one that no two wants share
	group *berth.Group // one of them that is not far
	wants int
	verdicts

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
	if p.probe == nil {
		p.probe = p.x.snapshot.Fork()
	}
	node, ok := p.probe.Node(p.x.rows[row].id)
	fits = ok && p.probe.Fits(c.group, node)
	c.fits.set(row, fits)
	c.known.add(row)
	return fits
}

// gather finds out who takes part in a pass, and whether there is anything to ask.
func (p *pass) gather() bool {
	x := p.x
	x.countOpen()
	p.fresh, x.fresh = x.fresh, nil
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
		case s.suppressed || s.paused || s.declared && !s.open:
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
	for _, s := range x.eager { // those who take no part are asked once they do again
		s.eager = s.asks
	}
	return p.left > 0
}

// far reports whether anybody wants something that can become possible by what happens elsewhere.
func (x *Exchange) far() bool {
	for _, s := range x.slots {
		if s == nil || s.suppressed || s.paused || !s.open {
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

// sites returns the nodes that are to be put to somebody, in the order of their IDs.
func (p *pass) sites() []*site {
	x := p.x
	var ask rowSet
	for i, room := range x.room {
		rows := room
		if !p.everywhere {
			rows = p.fresh.word(i) & room
			if p.hasty > 0 {
				rows |= p.fitting(i, room&^rows, true)
			}
		}
		if rows != 0 && p.exact && !p.everywhere {
			rows = p.wanted(i, rows)
		}
		if rows != 0 {
			ask.setWord(i, rows)
		}
	}
	n := ask.len()
	if n == 0 {
		return nil
	}
	sites := make([]*site, 0, n)
	if n > len(x.rows)/16 {
		for _, row := range x.view.Order() {
			if ask.has(row) {
				sites = append(sites, x.rows[row])
			}
		}
		return sites
	}
	for _, row := range ask.list() {
		sites = append(sites, x.rows[row])
	}
	rank := x.view.Rank()
	slices.SortFunc(sites, func(a, b *site) int { return int(rank[a.row]) - int(rank[b.row]) })
	return sites
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
		if c.barred != p.x.putting && p.may(c, at.row) {
			return true
		}
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

// one returns the only framework that is to be asked about a node, if there is just one, and whether there is any.
func (p *pass) one(at *site) (only *Subscription, some bool) {
	for _, list := range [][]*Subscription{p.plain, p.picky} {
		for _, s := range list {
			if s.passed == p.x.putting || !p.asksAbout(s, at) {
				continue
			}
			if only != nil {
				return nil, true
			}
			only = s
		}
	}
	return only, only != nil
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
	ok := p.x.advance(at, s.client, what)
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

// running counts the tasks of a group that are on a node.
func (x *Exchange) running(g *berth.Group) int {
	id, ok := x.view.FindGroup(g.Name())
	if !ok {
		return 0
	}
	n := 0
	for _, kin := range x.view.Kin(id) {
		n += x.view.Group(kin).Count
		if x.counted != nil {
			x.counted[kin] = g.Name()
		}
	}
	return n
}

// offered counts the tasks of a group that the offers made for it still have room for.
func (x *Exchange) offered(made []*offer, g *berth.Group, cost berth.Resources) int {
	n := 0
	for _, o := range made {
		if !o.group.Equal(g) {
			continue
		}
		if hold, ok := x.hold(o); ok {
			n += times(x.amounts(hold, o.site), cost)
		}
	}
	return n
}

// times returns how many times r covers cost. Where only ports are asked for, it says once.
func times(r, cost berth.Resources) int {
	n := int64(math.MaxInt64)
	for name, q := range cost {
		if q > 0 {
			n = min(n, r[name]/q)
		}
	}
	if n == math.MaxInt64 {
		return 1
	}
	return int(n)
}

// takesNothing reports whether the tasks of a group need no room at all, and hence no offer.
func takesNothing(g *berth.Group) bool {
	r := g.Requirements()
	return len(r.Needs) == 0 && !r.UsesPorts()
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

// most returns the most that a node could now give towards a want.
func most(w *want, n cluster.NodeView) berth.Resources {
	k := 1
	if w.group.Mode() != berth.Daemon {
		k = min(w.left, times(n.Free(), w.cost))
	}
	all, err := w.cost.Times(int64(k))
	if err != nil {
		return w.cost
	}
	return all
}
